//! Times of a scenario: `-3d` means three days before the lab started, so that nothing ages.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Replaces every string such as `-90m` or `+10d` by the time it means.
pub(crate) fn resolve(value: &mut Value, now: Timestamp) {
    match value {
        Value::String(text) => {
            if let Some(when) = relative(text, now) {
                *text = rfc3339(when);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, now)),
        Value::Object(members) => members.values_mut().for_each(|member| resolve(member, now)),
        _ => {}
    }
}

/// The time that `-90m` means, or none when `text` is something else.
pub(crate) fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let sign = match text.as_bytes().first()? {
        b'-' => -1,
        b'+' => 1,
        _ => return None,
    };
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    let amount: i64 = text.get(1..text.len() - 1)?.parse().ok()?;
    now.checked_add(SignedDuration::from_secs(sign * amount.checked_mul(unit)?))
        .ok()
}

/// Whole seconds, as Graph writes most times.
pub(crate) fn rfc3339(when: Timestamp) -> String {
    when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Seven decimals, as Graph writes the times of logs and reports.
pub(crate) fn with_ticks(text: &str) -> String {
    match text.strip_suffix('Z') {
        Some(start) if !start.contains('.') => format!("{start}.1234567Z"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_resolved_and_other_text_is_kept() {
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        assert_eq!(rfc3339(relative("-3d", now).unwrap()), "2026-11-19T09:00:00Z");
        assert_eq!(rfc3339(relative("+90m", now).unwrap()), "2026-11-22T10:30:00Z");
        for text in ["", "-", "3d", "-d", "-3x", "-x3d", "2026-11-22", "-3 d"] {
            assert!(relative(text, now).is_none(), "{text}");
        }
    }
}
