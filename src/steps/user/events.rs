//! What the log tells of a user's own resets and unlocks, in plain words.

use super::cloud::moment;
use super::{Case, link};
use crate::catalogue::{Clue, resolve};
use crate::finding::{Check, Finding, Severity};
use crate::snapshot::audit::agent;
use crate::steps::policy::short;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) const BLOCKED: Check = link(
    "user.blocked",
    "Too many tries",
    "Who tries to reset too often is blocked for a day.",
    true,
);
pub(super) const LAST: Check = link(
    "user.last_reset",
    "Last reset or unlock",
    "What went wrong last time goes wrong again until its cause is gone.",
    false,
);

/// How long a block lasts.
const BLOCK: SignedDuration = SignedDuration::from_hours(24);
/// So many events are shown.
const SHOWN: usize = 5;

/// What happened, by an activity's name as the log has it.
fn what(event: &Value) -> Option<&'static str> {
    let name = event["activityDisplayName"].as_str()?.to_ascii_lowercase();
    let own = name.contains("self-service");
    if name.starts_with("reset password") {
        Some(if own { "reset" } else { "reset by an administrator" })
    } else if name.starts_with("unlock") && own {
        Some("unlock")
    } else if name.starts_with("change password") && own {
        Some("change")
    } else {
        None
    }
}

fn is_block(event: &Value) -> bool {
    let name = event["activityDisplayName"].as_str().unwrap_or_default();
    name.to_ascii_lowercase()
        .starts_with("blocked from self-service password reset")
}

fn at(event: &Value) -> Option<Timestamp> {
    event["activityDateTime"].as_str()?.parse().ok()
}

fn failed(event: &Value) -> bool {
    event["result"].as_str() != Some("success")
}

/// Whether no agent wrote it.
fn unwritten(event: &Value) -> bool {
    agent(event).is_some_and(|agent| agent.is_empty() || agent.eq_ignore_ascii_case("none"))
}

/// What a reason means, and what to do.
fn meaning(event: &Value) -> (String, Option<&'static str>) {
    let reason = event["resultReason"].as_str().unwrap_or_default().trim();
    if reason.is_empty() {
        return ("the log gives no reason".into(), None);
    }
    let clue = Clue {
        text: reason,
        ..Clue::default()
    };
    if reason.to_ascii_lowercase().contains("fuzzypolicy") {
        let fix = "Have the user choose another password: longer, and without common words.";
        return (
            format!("the new password was refused as too weak or banned ({})", short(reason)),
            Some(fix),
        );
    }
    match resolve(&clue).first() {
        Some((row, _)) => (format!("{} ({})", row.cause, short(reason)), Some(row.fix)),
        None => (short(reason), None),
    }
}

/// One event in a line.
fn told(event: &Value) -> String {
    let when = at(event).map_or("at an unknown time".into(), moment);
    let what = what(event).unwrap_or("event");
    if failed(event) {
        return format!("{when}: {what} failed, {}", meaning(event).0);
    }
    match agent(event) {
        Some(_) if unwritten(event) => format!("{when}: {what} succeeded, written by no agent on premises"),
        Some(agent) => format!("{when}: {what} succeeded, written by {}", short(agent)),
        None => format!("{when}: {what} succeeded"),
    }
}

/// Whether the user is blocked now.
pub fn blocked(case: &Case<'_>) -> Finding {
    let fact = &case.person.events;
    let Some(events) = fact.value() else {
        return BLOCKED.unread(fact.refusal());
    };
    let until = |event: &Value| at(event).and_then(|at| at.checked_add(BLOCK).ok());
    let newest = events.iter().filter(|event| is_block(event)).find_map(until);
    match newest.filter(|until| *until > case.snapshot.taken_at) {
        Some(until) => BLOCKED
            .fail(
                Severity::Medium,
                format!("blocked after too many tries, until {}", moment(until)),
            )
            .evidence(fact, "Blocked from self-service password reset")
            .reason("Who tries to reset more than five times in a day is kept from it for 24 hours.")
            .fix("Wait, or reset the password by an administrator."),
        None => BLOCKED
            .pass("not blocked in the last day")
            .evidence(fact, "no such event"),
    }
}

/// How the last reset or unlock came out, and those before it.
pub fn last(case: &Case<'_>) -> Finding {
    let fact = &case.person.events;
    let Some(events) = fact.value() else {
        return LAST.unread(fact.refusal());
    };
    let mut known = events.iter().filter(|event| what(event).is_some());
    let Some(newest) = known.next() else {
        return LAST.not_applicable("The log tells of no reset or unlock of this user.");
    };
    let synced = case.synced() == Some(true);
    let found = if failed(newest) {
        let found = LAST.warn(Severity::Medium, told(newest));
        let found = found.reason(
            "The newest try failed. It shows what stood in the way then, which the links above may no longer show.",
        );
        match meaning(newest).1 {
            Some(fix) => found.fix(fix),
            None => found.fix("Look the reason up in the audit log of the reset service."),
        }
    } else if synced && unwritten(newest) {
        LAST.warn(
            Severity::High,
            format!("{}: it never reached the directory", told(newest)),
        )
        .reason("The user has a new password in the cloud and the old one on premises.")
        .fix("See that writeback works, then have the user reset again.")
    } else {
        LAST.pass(told(newest))
    };
    let found = found.evidence(fact, told(newest));
    known
        .take(SHOWN - 1)
        .fold(found, |found, event| found.evidence(fact, told(event)))
}
