//! What the audit log shows of resets: whether people use it, and whether it works.

use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::audit::ResetActivity;
use crate::snapshot::{FactId, Snapshot};
use crate::steps::scope::listed;

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/howto-sspr-reporting";
const PORTAL: &str = "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/AuditLogs";

/// Self-service against helpdesk.
pub const HELPDESK: Check = Check {
    id: "user_registration.helpdesk",
    title: "People use self-service",
    looks_at: "Self-service resets against resets by administrators in the log's window.",
    why: "It is what self-service reset is set up for.",
    doc: DOC,
    decides: false,
    facts: &[FactId::AuditResets],
};
/// Failures and blocks.
pub const FAILURES: Check = Check {
    id: "user_registration.failures",
    title: "Resets succeed",
    looks_at: "Failed resets by their reason, blocks after too many tries, and resets of synced users that never reached the directory (OnPremisesAgent None), in the log's window.",
    why: "A reason that repeats is a fault of the set-up, not of the people.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr",
    decides: false,
    facts: &[FactId::AuditResets],
};

/// The findings of these checks.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(activity) = snapshot.facts.audit_resets.value() else {
        return [&HELPDESK, &FAILURES]
            .iter()
            .map(|check| check.unreadable(snapshot))
            .collect();
    };
    vec![helpdesk(snapshot, activity), failures(snapshot, activity)]
}

fn since(activity: &ResetActivity) -> String {
    activity.from.map_or_else(
        || "in the log".into(),
        |from| format!("since {}", from.strftime("%Y-%m-%d")),
    )
}

/// Nothing is proved by a log that was read in part, or not by its source.
fn in_part(check: &Check, snapshot: &Snapshot) -> Option<Finding> {
    let fact = &snapshot.facts.audit_resets;
    if fact.whole().is_some() {
        return None;
    }
    let reason = fact.partial_reason().unwrap_or("It was declared, not read.");
    Some(check.skipped("the audit log was read in part", reason))
}

fn helpdesk(snapshot: &Snapshot, activity: &ResetActivity) -> Finding {
    let fact = &snapshot.facts.audit_resets;
    let (own, by_admin) = (activity.self_service_resets, activity.admin_resets);
    let seen = format!(
        "{}: {} by users, {} unlocked, {} by administrators",
        since(activity),
        number(own),
        number(activity.unlocks),
        number(by_admin)
    );
    if let Some(found) = in_part(&HELPDESK, snapshot) {
        return found.evidence(fact, seen);
    }
    if own == 0 && by_admin == 0 {
        return HELPDESK.not_applicable(format!("Nobody's password was reset {}.", since(activity)));
    }
    let title = format!(
        "{} by users, {} by the helpdesk",
        counted(own, "reset", "resets"),
        number(by_admin)
    );
    if own >= by_admin {
        return HELPDESK.pass(title).evidence(fact, seen);
    }
    HELPDESK
        .warn(Severity::Low, title)
        .evidence(fact, seen)
        .reason("More passwords are still reset by hand than by their owners.")
        .fix("Tell users of aka.ms/sspr, and have the helpdesk point to it.")
        .portal(PORTAL)
}

fn failures(snapshot: &Snapshot, activity: &ResetActivity) -> Finding {
    let fact = &snapshot.facts.audit_resets;
    let failed = activity
        .self_service_failures
        .values()
        .fold(0u64, |sum, n| sum.saturating_add(*n));
    let mut reasons: Vec<(&String, u64)> = activity.self_service_failures.iter().map(|(r, n)| (r, *n)).collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let texts: Vec<String> = reasons
        .iter()
        .map(|(reason, n)| {
            let reason = if reason.trim().is_empty() {
                "no reason given"
            } else {
                reason.as_str()
            };
            format!("{reason} ({})", number(*n))
        })
        .collect();
    let seen = format!(
        "{}: {} completed, {} failed: {}; blocked for a day: {}; by users and administrators, never in the directory: {}",
        since(activity),
        number(activity.self_service_resets),
        number(failed),
        listed(&texts),
        counted(activity.blocked, "time", "times"),
        number(activity.lost_resets)
    );
    let done = activity.self_service_resets;
    // One failure for each success is the point where a try is more likely to end at the helpdesk than not. Of a log
    // that was read in part the successes may be missing.
    let many = failed > done && !fact.is_partial();
    let lost = activity.lost_resets;
    if many || activity.blocked > 0 || lost > 0 {
        let mut parts = vec![
            format!("{} failed", counted(failed, "reset", "resets")),
            format!("{} succeeded", number(done)),
        ];
        if lost > 0 {
            parts.push(format!("{} never reached the directory", number(lost)));
        }
        if activity.blocked > 0 {
            parts.push(format!("blocked {}", counted(activity.blocked, "time", "times")));
        }
        let severity = if many || lost > 0 {
            Severity::Medium
        } else {
            Severity::Low
        };
        let found = FAILURES
            .warn(
                severity,
                format!(
                    "{}{}",
                    if fact.is_partial() { "at least " } else { "" },
                    parts.join(", ")
                ),
            )
            .evidence(fact, seen);
        return if lost > 0 {
            found
                .reason("Who reset without reaching the directory has a new password in the cloud and the old one on premises.")
                .fix("See cloud_writeback.lost_resets; then look up the most frequent reason in the audit log of the reset service.")
                .affects(lost, None, true, activity.lost_sample.clone())
        } else {
            found
                .reason("Blocked users wait for a day or call; a reason that repeats is worth a look.")
                .fix("Begin with the most frequent reason: look it up in the audit log of the reset service.")
        }
        .portal(PORTAL);
    }
    if let Some(found) = in_part(&FAILURES, snapshot) {
        return found.evidence(fact, seen);
    }
    if failed == 0 && done == 0 {
        return FAILURES.not_applicable(format!("Nobody tried to reset {}.", since(activity)));
    }
    FAILURES
        .pass(format!(
            "{} of {} resets succeeded",
            number(done),
            number(done.saturating_add(failed))
        ))
        .evidence(fact, seen)
}
