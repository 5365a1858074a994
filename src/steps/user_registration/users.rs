//! What is said of single users: by the rules that the checks count by.

use super::reasons::Why;
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::authentication_methods::methods::{Required, Rules, app_counts_twice, reported};
use crate::steps::authentication_methods::retirement::{Loss, Retirement};

/// What it takes to say why somebody cannot reset.
pub const CAUSE: &[FactId] = &[
    FactId::Organization,
    FactId::Subscriptions,
    FactId::PortalResetPolicy,
    FactId::AuditSettings,
    FactId::GlobalAdministrators,
    FactId::EligibleAdministrators,
];
/// What it takes besides to say who cannot any more when methods end.
pub const ENDS: &[FactId] = &[FactId::MethodsPolicy, FactId::PolicyGroups];

/// A report of nobody, whose methods have their bits already.
pub fn nobody(groups: &[String]) -> Registration {
    Registration {
        methods: reported(),
        groups: groups.to_vec(),
        ..Registration::default()
    }
}

/// Judges users one by one.
pub struct Judge<'a> {
    why: Why,
    loss: Option<Loss<'a>>,
}

impl<'a> Judge<'a> {
    /// By the facts of a snapshot, for users with the bits of this report. Whether the app counts for two methods is told
    /// by a whole report, where there is one.
    pub fn of(snapshot: &'a Snapshot, report: &Registration, whole: Option<&Registration>) -> Self {
        let required = Required::of(snapshot);
        let twice = whole.is_some_and(|whole| app_counts_twice(whole, &required));
        let rules = Rules::of(snapshot);
        Judge {
            loss: rules.map(|rules| Loss::of(snapshot, rules, report, &required, twice)),
            why: Why::with(snapshot, report, required, twice),
        }
    }

    /// The check that counts a user among those who cannot reset.
    pub fn cause(&self, key: &CohortKey) -> Option<&'static str> {
        self.why.check(key).map(|check| check.id)
    }

    /// The end at which a user who can reset no longer can.
    pub fn end(&self, key: &CohortKey) -> Option<&'static Retirement> {
        self.loss.as_ref()?.end_of(key)
    }
}
