//! How many methods are asked for, and whether Microsoft counts the app as one of them or as two.

use super::{APP, CODES, Methods, PUSH, Registered};
use crate::finding::{Evidence, Finding, Outcome};
use crate::snapshot::Snapshot;
use crate::snapshot::people::{CohortKey, Registration};
use crate::steps::policy::{self, REPORT_LAG};
use crate::steps::reset_policy::{Rule, rule};
use jiff::Timestamp;

/// How many methods the tenant's policy asks for.
#[derive(Clone, Debug)]
pub struct Required {
    /// The number; the guide's two where it could not be read.
    pub count: u64,
    /// Whether it was read.
    pub known: bool,
    /// When it was last changed, by the audit log.
    changed: Option<Timestamp>,
    evidence: Vec<Evidence>,
}

impl Required {
    /// The number, read or assumed.
    pub fn of(snapshot: &Snapshot) -> Self {
        let weighed = policy::weigh(snapshot, &policy::METHODS_REQUIRED).ok();
        let read = weighed.filter(|w| w.is_whole() && matches!(w.value, 1 | 2));
        Required {
            count: if read.as_ref().is_some_and(|w| w.value == 1) {
                1
            } else {
                2
            },
            known: read.is_some(),
            changed: match policy::METHODS_REQUIRED.logged(snapshot) {
                Ok(change) => change.map(|c| c.at),
                Err(unread) => Some(unread.at),
            },
            evidence: read.map_or_else(Vec::new, |w| w.evidence().to_vec()),
        }
    }

    /// Puts under a finding where the number was read, or says that it was not.
    pub fn support(&self, mut found: Finding) -> Finding {
        found.evidence.extend(self.evidence.iter().cloned());
        if !self.known && found.status != Outcome::Pass {
            let note =
                "How many methods are required was not readable; judged for two, the number that is recommended.";
            found.reason = Some(match found.reason.take() {
                Some(reason) => format!("{reason} {note}"),
                None => note.into(),
            });
        }
        found
    }

    /// `two methods`, `one method`.
    pub fn text(&self) -> &'static str {
        if self.count == 1 { "one method" } else { "two methods" }
    }

    /// What a headline adds where the number was assumed.
    pub fn proviso(&self) -> &'static str {
        if self.known { "" } else { ", if two are required" }
    }
}

/// How many methods administrators need: two, but for a documented exception.
pub fn required_of_administrators(snapshot: &Snapshot) -> u64 {
    match rule(snapshot) {
        Rule::NoDomain => 1,
        Rule::Two | Rule::Trial(_) | Rule::Unknown(_) => 2,
    }
}

/// How many users must show that the app counts twice: one or two may just have changed their methods.
const SEVERAL: u64 = 5;

/// Whether the report shows that the service takes the app's notification and its code as two methods: several users
/// have both and nothing else, and can reset though two are required. Not administrators, who may need one alone; not
/// while the report may lag behind a change of the number; not where others with the same cannot reset.
pub fn app_counts_twice(report: &Registration, required: &Required) -> bool {
    let lags = |at: Timestamp| report.updated.is_none_or(|seen| seen.duration_since(at) < REPORT_LAG);
    if !required.known || required.count != 2 || required.changed.is_some_and(lags) {
        return false;
    }
    let registered = Registered::of(report);
    let both = |methods: Methods| methods.without(APP).is_empty() && methods.meets(PUSH) && methods.meets(CODES);
    let alone = |key: &CohortKey| key.sspr_enabled && !key.admin && !key.global_admin && both(registered.methods(key));
    let (able, _) = report.count(|key| alone(key) && key.sspr_capable);
    let (unable, _) = report.count(|key| alone(key) && !key.sspr_capable);
    able >= SEVERAL && unable == 0
}
