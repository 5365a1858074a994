//! The registration report, folded on the way: a million rows become some hundred cohorts.

use super::{Gap, Gatherer};
use crate::snapshot::people::Registration;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::budget::Workload;
use crate::tenant::graph::Ask;
use jiff::Timestamp;
use sspr_rows::membership::Membership;
use sspr_rows::registration::{Fold, Known};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where it is.
pub(super) const PATH: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";
/// The largest page that may be asked for.
pub(super) const PAGE: u64 = 999;
/// Who cannot reset.
const UNABLE: &str = "&$filter=isSsprCapable eq false";

/// How the report came out.
struct Outcome {
    registration: Registration,
    /// The users differ in more ways than are kept apart.
    overflow: bool,
    gap: Option<Gap>,
}

/// What is known of users beside the report.
pub(super) fn known(membership: Membership, facts: &Facts) -> Arc<Known> {
    let ids = |fact: &Fact<Vec<String>>| fact.value().cloned().unwrap_or_default();
    let [active, eligible] = [&facts.global_administrators, &facts.eligible_administrators].map(ids);
    Arc::new(Known::new(membership, &active, &eligible))
}

impl Gatherer {
    /// Reads the report: whole where time allows, else the users who cannot reset.
    pub(super) async fn registration(&self, needs: &BTreeSet<FactId>, known: &Arc<Known>, facts: &mut Facts) {
        let counts = facts.user_counts.value();
        let expected = counts.map(|c| c.enabled_members + c.enabled_guests.unwrap_or(0));
        let read = |filter, go_on| self.report(filter, go_on, known, expected);
        let (source, now) = (crate::snapshot::source(FactId::Registration).path, Timestamp::now());
        let fits = match (self.time, expected) {
            (Some(time), Some(users)) => self.time_of(users, needs) <= time,
            _ => true,
        };
        // Where it is longer than thought, or nobody knows how long it is, half of the time shows it.
        let half = self.time.map(|time| (self.started.elapsed() + time) / 2);
        let on_course = |rows: u64| {
            let passed = half.is_some_and(|half| self.started.elapsed() >= half);
            self.in_time() && (!passed || expected.is_some_and(|users| rows >= users / 2))
        };
        let whole = if fits { Some(read("", &on_course).await) } else { None };
        let (outcome, filtered) = match whole {
            Some(whole) if !(matches!(whole.gap, Some(Gap::Time)) && self.in_time()) => (whole, false),
            whole => {
                let unable = read(UNABLE, &|_| self.in_time()).await;
                match whole {
                    // A beginning is better than nothing.
                    Some(whole) if unable.registration.rows == 0 && unable.gap.is_some() => (whole, false),
                    _ => (unable, true),
                }
            }
        };
        let Outcome {
            registration,
            overflow,
            gap,
        } = outcome;
        let as_of = registration.updated.unwrap_or(now);
        let reason = match gap {
            Some(gap) => {
                let refusal = self.gap(FactId::Registration, &gap);
                if registration.rows == 0 {
                    facts.registration = Fact::Unreadable { refusal };
                    return;
                }
                Some(refusal.message)
            }
            None if filtered => Some("Only the users who cannot reset were read: the whole report takes longer than this run may (see -TimeBudget, -Full).".into()),
            None if overflow => Some("The users differ in more ways than are kept apart.".into()),
            None => None,
        };
        facts.registration = match reason {
            None => Fact::known(registration, source, as_of),
            Some(reason) => Fact::Partial {
                read: registration.rows,
                value: registration,
                source: source.into(),
                as_of,
                of: expected,
                reason,
            },
        };
    }

    /// Folds the report's rows; `go_on` is asked with their number so far.
    async fn report(
        &self,
        filter: &str,
        go_on: &(dyn Fn(u64) -> bool + Sync),
        known: &Arc<Known>,
        expected: Option<u64>,
    ) -> Outcome {
        let ask = Ask::report(format!("{PATH}?$top={PAGE}{filter}"));
        let read = AtomicU64::new(0);
        let progress = |rows: u64| {
            read.store(rows, Ordering::Relaxed);
            self.context.progress("Reading the registration report", rows, expected);
        };
        let mut fold = Fold::new(Arc::clone(known), Box::new(progress));
        let gap = match self
            .graph
            .rows(&ask, &mut fold, |_| go_on(read.load(Ordering::Relaxed)))
            .await
        {
            Ok(true) => None,
            Ok(false) => Some(Gap::Time),
            Err(error) => Some(Gap::Refused(error)),
        };
        let (registration, overflow) = fold.finish();
        Outcome {
            registration,
            overflow,
            gap,
        }
    }

    /// When so many rows are read at the earliest, counted from the run's start: its other report requests share the
    /// documented budget.
    fn time_of(&self, users: u64, needs: &BTreeSet<FactId>) -> Duration {
        if !self.budgets {
            return Duration::ZERO;
        }
        let summary = u64::from(needs.contains(&FactId::FeatureSummary));
        Workload::Reports.duration_of(users.div_ceil(PAGE) + super::audit::requests(needs) + summary)
    }
}

#[cfg(test)]
mod tests {
    use sspr_rows::registration::Row;

    #[test]
    fn the_rows_are_read_as_published() {
        crate::shapes::assert_published::<Row<'_>>(&[("userRegistrationDetails", "v1.0")], &[]);
    }
}
