//! What of a run people would rather look at than read, as bars.

use super::export::{list, text};
use crate::finding::number;
use crate::snapshot::Snapshot;
use crate::steps::authentication_methods::retirement::RETIREMENTS;
use crate::steps::directory_permissions::stops::stopped;
use crate::steps::user_registration::summary::causes;
use serde_json::Value;

/// Some bars.
#[derive(Debug, PartialEq)]
pub(super) struct Plot {
    /// What they show.
    pub title: &'static str,
    /// What to know about them.
    pub note: &'static str,
    /// What the parts of a bar are.
    pub parts: &'static [&'static str],
    /// The bars: a label, and how much of each part, where that is known.
    pub bars: Vec<(String, Option<Vec<u64>>)>,
}

/// The plots that a snapshot has figures for.
pub(super) fn of(document: &Value, snapshot: &Snapshot) -> Vec<Plot> {
    let mut plots = Vec::new();
    let findings = list(document, "findings");
    if let Some(report) = snapshot.facts.registration.value().filter(|report| report.rows > 0) {
        // All, by each method, and those without any: of each so many members, administrators and guests.
        let mut bars = vec![("all users".to_string(), Some(vec![0, 0, 0]))];
        bars.extend(report.methods.iter().map(|name| (name.clone(), Some(vec![0, 0, 0]))));
        bars.push(("no method".into(), Some(vec![0, 0, 0])));
        let last = bars.len() - 1;
        for cohort in &report.cohorts {
            let key = &cohort.key;
            let who = match (key.guest, key.admin || key.global_admin) {
                (true, _) => 2,
                (false, administrator) => usize::from(administrator),
            };
            for (at, (_, parts)) in bars.iter_mut().enumerate() {
                let counts = match at {
                    0 => true,
                    at if at == last => key.methods == 0,
                    at => key.methods & 1 << (at - 1).min(63) != 0,
                };
                if let Some(part) = parts.as_mut().filter(|_| counts).and_then(|parts| parts.get_mut(who)) {
                    *part = cohort.count.saturating_add(*part);
                }
            }
        }
        plots.push(Plot {
            title: "Registration by method and population",
            note: match snapshot.facts.registration.is_partial() {
                true => "The registration report was read in part: these are the users who were read.",
                false => "A user counts for each method that is registered.",
            },
            parts: &["members", "administrators", "guests"],
            bars,
        });
    }
    if let Some(report) = snapshot.facts.registration.value() {
        plots.extend(by_cause(
            "Users who cannot reset, by cause",
            match snapshot.facts.registration.is_partial() {
                true => "The registration report was read in part: of the users who were read, each counts once.",
                false => "Of the registration report; each counts once, by the first cause.",
            },
            causes(snapshot, report)
                .into_iter()
                .map(|(cause, count)| (cause.to_string(), count)),
        ));
    }
    if let Some(stopped) = stopped(snapshot) {
        plots.extend(by_cause(
            "Users whose reset the directory stops today, by cause",
            match (snapshot.facts.directory_access.is_partial(), stopped.is_whole) {
                (true, true) => "The directory was read in part: of the enabled users who were read, each counts once, by what a reset meets first.",
                (true, false) => {
                    "The directory was read in part, by an older version: whom of those who were read the connector account may not reset."
                }
                (false, true) => {
                    "Of the enabled users; each counts once, by what a reset meets first. A domain with several connector accounts counts \
                     for the one that is stopped most. What stops everybody at once is among the findings."
                }
                (false, false) => {
                    "Whom the connector account may not reset; each counts once. An older version read this: of reserved characters in \
                     names of units, and of passwords that are too young, see the findings."
                }
            },
            stopped.causes.into_iter().map(|(cause, count)| (cause.to_string(), count)),
        ));
    }
    let ends: Vec<(String, Option<Vec<u64>>)> = RETIREMENTS
        .iter()
        .filter_map(|end| {
            let finding = findings.iter().find(|finding| text(finding, "id") == end.check.id)?;
            let count = match text(finding, "status") {
                "Warn" | "Fail" => finding["affected"]["count"].as_u64().map(|count| vec![count]),
                "Pass" => Some(vec![0]),
                "NotApplicable" => return None,
                _ => None,
            };
            Some((end.told(), count))
        })
        .collect();
    if ends.iter().any(|(_, count)| count.is_some()) {
        plots.push(Plot {
            title: "Users who can no longer reset after each announced end",
            note: "Of those who can reset today.",
            parts: &["users"],
            bars: ends,
        });
    }
    if let Some(resets) = snapshot.facts.audit_resets.value() {
        let failures: Vec<u64> = resets.self_service_failures.values().copied().collect();
        let failures = total(&failures);
        let bars = [
            ("by users themselves", resets.self_service_resets),
            ("tried by users, and failed", failures),
            ("by administrators or the helpdesk", resets.admin_resets),
            ("accounts unlocked by users", resets.unlocks),
        ];
        plots.push(Plot {
            title: "Resets in the audit log",
            note: match snapshot.facts.audit_resets.is_partial() {
                true => "The audit log was read in part.",
                false => "As far back as the log goes.",
            },
            parts: &["resets"],
            bars: bars
                .into_iter()
                .map(|(label, count)| (label.to_string(), Some(vec![count])))
                .collect(),
        });
    }
    plots
}

/// Users by cause, the most first; nothing where there are none.
fn by_cause(title: &'static str, note: &'static str, causes: impl Iterator<Item = (String, u64)>) -> Option<Plot> {
    let mut causes: Vec<(String, u64)> = causes.filter(|(_, count)| *count > 0).collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    (!causes.is_empty()).then(|| Plot {
        title,
        note,
        parts: &["users"],
        bars: causes
            .into_iter()
            .map(|(cause, count)| (cause, Some(vec![count])))
            .collect(),
    })
}

/// The length of a bar. A damaged snapshot may hold any number.
pub(super) fn total(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |all, part| all.saturating_add(*part))
}

/// A bar's figure in words.
pub(super) fn figure(parts: Option<&Vec<u64>>) -> String {
    parts.map_or_else(|| "not known".into(), |parts| number(total(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::{Selection, assess};
    use crate::snapshot::directory::Cause;
    use crate::steps::{STEPS, tests::full};

    #[test]
    fn who_cannot_reset_is_counted_once_and_past_events_are_not() {
        let mut document = full();
        // More events than users.
        document["facts"]["auditResets"]["value"]["lostResets"] = 900_000.into();
        document["facts"]["auditResets"]["value"]["selfServiceFailures"]["OnPremisesConnectivityError"] =
            900_000.into();
        let snapshot = Snapshot::from_json(&document.to_string()).unwrap();
        let answer = serde_json::to_value(assess(&snapshot, STEPS, &Selection::default())).unwrap();
        let plots = of(&answer, &snapshot);
        let sum = |title: &str| -> u64 {
            let plot = plots.iter().find(|plot| plot.title.starts_with(title)).expect(title);
            assert!(!plot.bars.is_empty());
            plot.bars.iter().map(|(_, parts)| total(parts.as_ref().unwrap())).sum()
        };
        let report = snapshot.facts.registration.value().unwrap();
        let (cannot, _) = report.count(|key| match key.guest {
            true => key.sspr_enabled && !key.sspr_capable,
            false => !(key.sspr_enabled && key.sspr_capable),
        });
        assert!(cannot > 0);
        assert_eq!(sum("Users who cannot reset"), cannot);
        let access = snapshot.facts.directory_access.value().unwrap();
        let stops = access[0].stops.unwrap();
        assert!(stops.reserved_name > 0 && stops.too_young > 0);
        let known = access[0]
            .refused
            .iter()
            .filter(|group| group.cause != Cause::Unreadable);
        let refused: u64 = known.map(|group| group.count).sum();
        // One of those below a unit with a reserved name may not be reset either.
        assert_eq!(
            sum("Users whose reset"),
            refused + stops.reserved_name - 1 + stops.too_young
        );
    }
}
