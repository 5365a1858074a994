//! Why users in scope cannot reset, told from what they have registered.

use super::{HOW, PORTAL, REGISTER};
use crate::finding::{Check, Finding, Outcome, Severity, counted, number, share};
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::authentication_methods::methods::{
    QUESTIONS, Registered, Required, app_counts_twice, gates, required_of_administrators,
};

/// What the reasons are told from.
const FACTS: &[FactId] = &[
    FactId::Registration,
    FactId::PortalResetPolicy,
    FactId::AuditSettings,
    FactId::Organization,
];

/// Administrators can reset.
pub const ADMINISTRATORS: Check = Check {
    id: "user_registration.administrators",
    title: "Administrators can reset",
    looks_at: "Administrators who are enabled for reset but not able to; their own rule asks for two methods and takes no security questions.",
    why: "An administrator who cannot reset needs another administrator at once.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-policy",
    decides: false,
    facts: FACTS,
};
/// Users without any method.
pub const NOTHING: Check = Check {
    id: "user_registration.nothing_registered",
    title: "Users without any method",
    looks_at: "Users in scope whose list of registered methods is empty.",
    why: "They have never registered.",
    doc: HOW,
    decides: false,
    facts: FACTS,
};
/// Users with too few methods.
pub const SHORT: Check = Check {
    id: "user_registration.one_short",
    title: "Users with too few methods",
    looks_at: "Users in scope who have registered a reset method, but not as many as are required.",
    why: "They believe that they are ready, and are not.",
    doc: HOW,
    decides: false,
    facts: FACTS,
};
/// Users whose methods do not reset.
pub const UNFIT: Check = Check {
    id: "user_registration.unfit_methods",
    title: "Users whose methods do not reset",
    looks_at: "Users in scope who have registered only methods that do not count for reset, such as passkeys or Windows Hello.",
    why: "They sign in strongly, and still cannot reset.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-methods",
    decides: false,
    facts: FACTS,
};
/// Users with enough methods who still cannot reset.
pub const UNEXPLAINED: Check = Check {
    id: "user_registration.not_allowed",
    title: "Users with enough methods who still cannot reset",
    looks_at: "Users in scope who have registered enough reset methods, and are not able to reset all the same.",
    why: "A method that they registered is not enabled for them, or the number required was raised.",
    doc: HOW,
    decides: false,
    facts: FACTS,
};

/// Why somebody in scope cannot reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Nothing,
    Unfit,
    Short,
    Unexplained,
}

impl Reason {
    /// The check that counts those.
    const fn check(self) -> &'static Check {
        match self {
            Reason::Nothing => &NOTHING,
            Reason::Unfit => &UNFIT,
            Reason::Short => &SHORT,
            Reason::Unexplained => &UNEXPLAINED,
        }
    }
}

/// Whether users are in scope and cannot reset.
fn stuck(key: &CohortKey) -> bool {
    key.sspr_enabled && !key.sspr_capable
}

/// Tells the reason from what is registered.
pub struct Why {
    registered: Registered,
    required: Required,
    administrators: u64,
    twice: bool,
}

impl Why {
    fn of(snapshot: &Snapshot, report: &Registration) -> Self {
        let required = Required::of(snapshot);
        let twice = app_counts_twice(report, &required);
        Why::with(snapshot, report, required, twice)
    }

    /// For the users of a report; `twice` where the app counts for two methods.
    pub fn with(snapshot: &Snapshot, report: &Registration, required: Required, twice: bool) -> Self {
        Why {
            registered: Registered::of(report),
            administrators: required_of_administrators(snapshot),
            twice,
            required,
        }
    }

    /// The checks that count those who cannot reset, each by their cause.
    pub const CHECKS: [&Check; 4] = [&NOTHING, &SHORT, &UNFIT, &UNEXPLAINED];

    /// The check that counts the users of a cohort among those who cannot reset.
    pub fn check(&self, key: &CohortKey) -> Option<&'static Check> {
        stuck(key).then(|| self.reason(key).check())
    }

    fn reason(&self, key: &CohortKey) -> Reason {
        let admin = key.admin || key.global_admin;
        let all = self.registered.methods(key);
        let fit = if admin { all.without(QUESTIONS) } else { all };
        let need = if admin {
            self.administrators
        } else {
            self.required.count
        };
        if key.methods == 0 {
            Reason::Nothing
        } else if fit.is_empty() {
            Reason::Unfit
        } else if gates(fit, need, self.twice) < need {
            Reason::Short
        } else {
            Reason::Unexplained
        }
    }
}

/// The findings of these checks.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let fact = &snapshot.facts.registration;
    let checks = [&ADMINISTRATORS, &NOTHING, &SHORT, &UNFIT, &UNEXPLAINED];
    let Some(report) = fact.value() else {
        return checks.iter().map(|check| check.unreadable(snapshot)).collect();
    };
    let why = Why::of(snapshot, report);
    let of = (!fact.is_partial()).then(|| report.count(|k| k.sspr_enabled).0);
    let found = |check: &Check, who: &dyn Fn(&CohortKey) -> bool, what: &str, reason: &str, fix: &str| {
        let (count, sample) = report.count(|key| stuck(key) && who(key));
        if count > 0 {
            let found = check
                .warn(
                    Severity::Medium,
                    format!(
                        "{} in scope {what}",
                        share(count, of, fact.is_partial(), "user", "users")
                    ),
                )
                .evidence(fact, format!("{} rows read", number(report.rows)))
                .reason(reason)
                .fix(fix)
                .portal(PORTAL)
                .affects(count, of, true, sample);
            return why.required.support(found);
        }
        match fact.whole() {
            Some(_) => check
                .pass(format!("no {}", lower(check.title)))
                .evidence(fact, format!("{} rows read", number(report.rows))),
            None => check.skipped(
                "the registration report was read in part",
                fact.partial_reason().unwrap_or("It was declared, not read."),
            ),
        }
    };
    let is = |reason: Reason| move |why: &Why, key: &CohortKey| why.reason(key) == reason;
    let (nothing, short, unfit, other) = (
        is(Reason::Nothing),
        is(Reason::Short),
        is(Reason::Unfit),
        is(Reason::Unexplained),
    );
    let required = why.required.text();
    let mut administrators = found(
        &ADMINISTRATORS,
        &|key| key.admin || key.global_admin,
        "hold a role and cannot reset",
        "Administrators need two methods whatever the tenant's policy says; security questions do not count.",
        "Have each of them register Microsoft Authenticator and an email address or phone.",
    );
    let (admins, _) = report.count(|key| key.sspr_enabled && (key.admin || key.global_admin));
    administrators.title = match administrators.status {
        Outcome::Pass if admins == 0 => "no administrator is in scope".into(),
        Outcome::Pass => format!("all {} can reset", counted(admins, "administrator", "administrators")),
        Outcome::Warn => {
            let count = administrators.affected.as_ref().map_or(0, |a| a.count);
            if let Some(affected) = &mut administrators.affected {
                affected.of = (!fact.is_partial()).then_some(admins);
            }
            let partial = fact.is_partial();
            let of = (!partial).then_some(admins);
            let who = share(count, of, partial, "administrator", "administrators");
            format!("{who} cannot reset")
        }
        _ => administrators.title,
    };
    vec![
        administrators,
        found(
            &NOTHING,
            &|key| nothing(&why, key),
            "registered nothing",
            "They have never registered a method.",
            REGISTER,
        ),
        found(
            &SHORT,
            &|key| short(&why, key),
            &format!("with too few methods ({required} required)"),
            "They registered a method that resets, but not as many different ones as are required. Microsoft Authenticator counts once.",
            "Have them add a method of another kind, such as an email address, at aka.ms/mysecurityinfo.",
        ),
        found(
            &UNFIT,
            &|key| unfit(&why, key),
            "registered only methods that do not reset",
            "Passkeys, Windows Hello, certificates and passes sign in, but the reset page does not take them.",
            "Have them add Microsoft Authenticator and an email address at aka.ms/mysecurityinfo.",
        ),
        found(
            &UNEXPLAINED,
            &|key| other(&why, key),
            "with enough methods that they may not use",
            "Something that they registered is not enabled for them, or the number required was raised.",
            "Compare their methods with authentication_methods.reach, and enable what they have registered.",
        ),
    ]
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
