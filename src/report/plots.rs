//! What of a run people would rather look at than read, as bars.

use super::export::{list, text};
use crate::finding::number;
use crate::snapshot::Snapshot;
use crate::steps::authentication_methods::retirement::RETIREMENTS;
use serde_json::Value;

/// So many causes are shown.
const MOST: usize = 20;

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
    let mut causes: Vec<(u64, &str)> = Vec::new();
    for finding in findings {
        let affected = &finding["affected"];
        let count = affected["count"].as_u64().unwrap_or_default();
        let stands = matches!(text(finding, "status"), "Fail" | "Warn") && affected["blocksReset"] == true;
        // That one is the sum of the others.
        if stands && count > 0 && text(finding, "id") != "user_registration.capable" {
            let at = causes.iter().take_while(|(other, _)| *other >= count).count();
            causes.insert(at, (count, text(finding, "title")));
            causes.truncate(MOST);
        }
    }
    if !causes.is_empty() {
        plots.push(Plot {
            title: "Users who cannot reset, by cause",
            note: "A user with several causes counts for each. The largest ones.",
            parts: &["users"],
            bars: causes
                .into_iter()
                .map(|(count, cause)| (cause.to_string(), Some(vec![count])))
                .collect(),
        });
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

/// The length of a bar. A damaged snapshot may hold any number.
pub(super) fn total(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |all, part| all.saturating_add(*part))
}

/// A bar's figure in words.
pub(super) fn figure(parts: Option<&Vec<u64>>) -> String {
    parts.map_or_else(|| "not known".into(), |parts| number(total(parts)))
}
