//! The one screen: plain text, 80 columns, one line a step, then what to do first.

use crate::finding::{Check, Finding, Outcome, counted, number};
use crate::readiness::{Readiness, Ready, StepResult};
use crate::steps::{STEPS, Step};
use crate::text::is_hostile;
use jiff::Timestamp;
use jiff::tz::Offset;

const WIDTH: usize = 80;
pub(super) const INDENT: usize = 30;

/// The screen's lines.
pub fn lines(readiness: &Readiness, utc_offset_minutes: i32) -> Vec<String> {
    let each = |step: &StepResult| line(mark(step.status, step.accepted), &step.title, &step.headline);
    let body = readiness.steps.iter().flat_map(each).collect();
    whole(readiness, utc_offset_minutes, body)
}

/// The same of one step: a line for each of its checks, in their order.
pub fn each_check(readiness: &Readiness, step: &Step, utc_offset_minutes: i32) -> Vec<String> {
    let found = |check: &&Check| readiness.findings.iter().find(|finding| finding.id == check.id);
    let each = |finding: &Finding| {
        let slug = finding.id.split('.').next_back().unwrap_or_default().replace('_', " ");
        let (first, rest) = slug.split_at(slug.len().min(1));
        line(
            mark(finding.status, finding.accepted()),
            &(first.to_uppercase() + rest),
            &finding.title,
        )
    };
    let body = step.checks.iter().filter_map(found).flat_map(each).collect();
    whole(readiness, utc_offset_minutes, body)
}

/// A status as the screen has it, or that it is accepted.
fn mark(status: Outcome, accepted: bool) -> &'static str {
    if accepted { "acc." } else { word(status) }
}

fn line(status: &str, title: &str, headline: &str) -> Vec<String> {
    hang(&format!("{status}  {title:<22}  "), &clean(headline), INDENT)
}

fn whole(readiness: &Readiness, utc_offset_minutes: i32, body: Vec<String>) -> Vec<String> {
    let mut lines = header(readiness, utc_offset_minutes);
    lines.push(String::new());
    lines.extend(body);
    lines.push(String::new());
    let c = &readiness.counts;
    let counts = [c.fail, c.warn, c.skipped, c.error, c.accepted].map(u64::from);
    let ready = match readiness.ready {
        Ready::Yes => "Yes",
        Ready::No => "No",
        Ready::Unknown => "Unknown",
    };
    lines.extend(hang("", &verdict(ready, readiness.steps.len(), counts), 0));
    if let Some(first) = &readiness.first {
        lines.extend(hang("First: ", &clean(&first.text), 7));
        lines.push(format!("       {}", first.command));
    }
    lines.extend(readiness.notes.iter().flat_map(|note| hang("", &clean(note), 0)));
    lines.extend(
        may_write(&readiness.excess_permissions.writing)
            .iter()
            .flat_map(|text| hang("", text, 0)),
    );
    lines.push("All findings: $r.Findings      One check: Get-SsprCheck <id>".into());
    lines
}

/// A moment by the caller's clock, with its zone.
pub(super) fn moment(at: Timestamp, utc_offset_minutes: i32) -> String {
    let offset = Offset::from_seconds(utc_offset_minutes.saturating_mul(60)).unwrap_or(Offset::UTC);
    let at = offset.to_datetime(at).strftime("%Y-%m-%d %H:%M");
    let minutes = offset.seconds() / 60;
    format!(
        "{at} {}{:02}:{:02}",
        if minutes < 0 { '-' } else { '+' },
        minutes.abs() / 60,
        minutes.abs() % 60
    )
}

/// Which tenant, and when it was read; on two lines where one is too long.
fn header(readiness: &Readiness, utc_offset_minutes: i32) -> Vec<String> {
    let mut parts = vec![clean(&readiness.tenant_name)];
    parts.extend(
        readiness
            .hybrid
            .map(|h| if h { "hybrid".into() } else { "cloud-only".into() }),
    );
    parts.extend(
        readiness
            .enabled_members
            .map(|n| counted(n, "enabled member", "enabled members")),
    );
    let at = moment(readiness.taken_at, utc_offset_minutes);
    parts.push(format!("read {at} in {}", seconds(readiness.duration_ms)));
    beside(parts)
}

/// Parts of a header side by side, on two lines where one is too long.
pub(super) fn beside(parts: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 3 + part.chars().count() <= WIDTH => {
                *line = format!("{line}   {part}")
            }
            _ => lines.push(part.chars().take(WIDTH).collect()),
        }
    }
    lines
}

fn seconds(ms: u64) -> String {
    if ms < 10_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        format!("{} s", number(ms / 1000))
    }
}

/// A status as the screen has it.
pub(super) fn word(status: Outcome) -> &'static str {
    match status {
        Outcome::Pass => "pass",
        Outcome::Fail => "FAIL",
        Outcome::Warn => "WARN",
        Outcome::Skipped => "....",
        Outcome::NotApplicable => "n/a ",
        Outcome::Error => "ERR ",
    }
}

/// The answer in a sentence: of `ready`, the steps that were checked, and how many findings failed, warn, were not readable,
/// could not be checked and are accepted.
pub(super) fn verdict(ready: &str, checked: usize, counts: [u64; 5]) -> String {
    let word = match ready {
        "Yes" => "Ready",
        "No" => "Not ready",
        _ => "Not known",
    };
    // A word for the tenant, unless some of its steps were left out.
    let all = STEPS.len();
    let word = match checked < all {
        true => format!("{word} ({checked} of {all} steps checked)"),
        false => word.into(),
    };
    let words = ["to fix", "to watch", "not readable", "failed to run", "accepted"];
    let parts: Vec<String> = counts
        .iter()
        .zip(words)
        .filter(|(count, _)| **count > 0)
        .map(|(count, text)| format!("{} {text}", number(*count)))
        .collect();
    match parts.is_empty() {
        true => format!("{word}."),
        false => format!("{word}: {}.", parts.join(", ")),
    }
}

/// What the sign-in may change, which no check does.
fn may_write(permissions: &[String]) -> Option<String> {
    const SHOWN: usize = 2;
    let names = permissions
        .iter()
        .take(SHOWN)
        .map(|p| clean(p))
        .collect::<Vec<_>>()
        .join(", ");
    let more = match permissions.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!names.is_empty()).then(|| format!("The sign-in may also write, which no check needs: {names}{more}."))
}

/// Text from a directory is hostile: control characters and marks that turn the reading direction are left out.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' || c == '\t' || c == '\r' { ' ' } else { c })
        .filter(|c| !is_hostile(*c))
        .collect()
}

/// A word cut into pieces that fit on a line.
fn pieces(word: &str, most: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(most).map(|piece| piece.iter().collect()).collect()
}

/// Breaks a text at spaces so that it fits beside its lead, further lines set in.
pub(super) fn hang(lead: &str, text: &str, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = lead.to_string();
    let mut room = WIDTH.saturating_sub(lead.chars().count());
    let mut empty = true;
    for word in text.split_whitespace().flat_map(|word| pieces(word, WIDTH - indent)) {
        let length = word.chars().count();
        if !empty && length + 1 > room {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            room = WIDTH - indent;
            empty = true;
        }
        if !empty {
            line.push(' ');
            room = room.saturating_sub(1);
        }
        line.push_str(&word);
        room = room.saturating_sub(length);
        empty = false;
    }
    lines.push(line.trim_end().to_string());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_headlines_hang() {
        let lines = hang(
            "FAIL  License                 ",
            "1,506 of 20,006 enabled members have no licence for self-service reset",
            INDENT,
        );
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| l.chars().count() <= WIDTH), "{lines:?}");
        assert!(lines[1].starts_with(&" ".repeat(INDENT)));
    }

    #[test]
    fn what_may_write_is_named_in_short() {
        let may = |names: &[&str]| may_write(&names.iter().map(|n| (*n).into()).collect::<Vec<_>>());
        assert_eq!(may(&[]), None);
        assert_eq!(
            may(&["User.ReadWrite.All"]).unwrap(),
            "The sign-in may also write, which no check needs: User.ReadWrite.All."
        );
        assert!(may(&["a", "b", "c", "d"]).unwrap().ends_with(": a, b and 2 more."));
    }

    #[test]
    fn hostile_names_are_defused() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\nd"), "a[31mbc d");
    }
}
