//! The events of password writeback, like ones counted together by what of their text tells the cause.

use crate::snapshot::connect::SyncEvent;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many kinds are told apart; the newest stay.
const MOST_KINDS: usize = 200;
/// So many letters of a line are kept.
const LINE: usize = 160;

/// Lines of event 6329 that it writes whatever went wrong.
const NOISE: [&str; 4] = ["ADMADoNormalization", "ADMARecursive", "0x800700b7", "0x80070002"];

/// Counts events. Those that are not understood are left out.
pub fn folded(items: &[Value]) -> Vec<SyncEvent> {
    let mut kinds: BTreeMap<(String, u32, String), SyncEvent> = BTreeMap::new();
    for item in items {
        let (Some(provider), Some(id)) = (item["provider"].as_str(), item["id"].as_u64()) else {
            continue;
        };
        let Ok(id) = u32::try_from(id) else { continue };
        let at: Option<Timestamp> = item["at"].as_str().and_then(|at| at.parse().ok());
        let line = line(id, item["message"].as_str().unwrap_or_default());
        let kind = kinds
            .entry((provider.into(), id, line.clone()))
            .or_insert_with(|| SyncEvent {
                provider: provider.into(),
                id,
                line,
                ..SyncEvent::default()
            });
        kind.count += 1;
        kind.first = kind.first.into_iter().chain(at).min();
        kind.last = kind.last.max(at);
    }
    let mut all: Vec<SyncEvent> = kinds.into_values().collect();
    all.sort_by(|a, b| {
        b.last
            .cmp(&a.last)
            .then(a.id.cmp(&b.id))
            .then_with(|| a.line.cmp(&b.line))
    });
    all.truncate(MOST_KINDS);
    all
}

/// What names a cause by itself, wherever it stands in a trace.
const TELLING: [&str; 2] = ["acquire user information", "password policy control"];
/// "Unspecified error": what follows from the cause, and stands behind it.
const UNSPECIFIED: &str = "0x80004005";

/// What of an event's text tells the cause: of 6329 the line that says most, of others the error code and what stands behind
/// it.
fn line(id: u32, message: &str) -> String {
    let found = if id == 6329 {
        let lines = message
            .lines()
            .filter(|line| !NOISE.iter().any(|noise| line.contains(noise)));
        let says = |line: &&str| {
            let is_error = line.contains("ERR_") || line.contains("0x") || line.contains("hr=");
            match () {
                () if TELLING.iter().any(|text| line.contains(text)) => 3,
                () if is_error && !line.contains(UNSPECIFIED) => 2,
                () if is_error => 1,
                () => 0,
            }
        };
        // Of equals the last.
        lines.filter(|line| says(line) > 0).max_by_key(says)
    } else {
        // The context behind it names a user, and would make every event one of its own.
        message
            .find("hr=")
            .map(|at| &message[at..])
            .and_then(|rest| rest.split(['\n', '\r']).next())
            .map(|rest| rest.split(", Context").next().unwrap_or(rest))
    };
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = found.unwrap_or_default().trim().chars().map(plain).collect();
    text.chars().take(LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_line_that_says_something_tells_the_cause() {
        // In the shape of the samples in Microsoft's troubleshooting articles: noise before the cause, its consequences behind it.
        let trace = |cause: &str, code: &str| {
            format!(
                "An unexpected error has occurred during a password set operation.\r\n\
                 \"BAIL: MMS(1224): dnutils.cpp(1341): 0x800700b7 (Cannot create a file when that file already exists.)\r\n\
                 ERR_: MMS(1224): MAUtils.h(58): Failed getting registry value 'ADMADoNormalization', 0x2\r\n\
                 BAIL: MMS(1224): MAUtils.h(59): 0x80070002 (The system cannot find the file specified.)\r\n\
                 {cause}\r\n\
                 BAIL: MMS(1224): admaexport.cpp(3296): {code}\r\n\
                 ERR_: MMS(1224): ma.cpp(8000): ExportPasswordSet failed with {code}\r\n\
                 Azure AD Sync 1.4.18.0\""
            )
        };
        let unspecified = "0x80004005 (Unspecified error)";
        for cause in [
            "ERR_: MMS(1224): admaexport.cpp(2939): Failed to acquire user information: 0x6ba",
            "ERR_: MMS(1224): admaexport.cpp(2944): Failed to acquire user information: Contoso\\MSOL_1. Error Code: ERROR_ACCESS_DENIED",
            "MMS(3040): admaexport.cpp(2837): The server does not contain the LDAP password policy control.",
        ] {
            assert_eq!(line(6329, &trace(cause, unspecified)), cause);
            assert_eq!(line(6329, cause), cause);
        }
        assert_eq!(
            line(
                6329,
                &trace(
                    "BAIL: MMS(1): admaexport.cpp(1): 0x80230619 (A restriction)",
                    "0x80230619"
                )
            ),
            "ERR_: MMS(1224): ma.cpp(8000): ExportPasswordSet failed with 0x80230619"
        );
        let reset = "TrackingId: 1, Reason: Synchronization Engine returned an error hr=80230619, message=A restriction prevents \
             the password from being changed., Context: cloudAnchor: User_1, UserPrincipalName: a@b";
        assert_eq!(
            line(33008, reset),
            "hr=80230619, message=A restriction prevents the password from being changed."
        );
        assert_eq!(line(31019, "Namespace: x"), "");
    }

    #[test]
    fn like_events_are_counted_and_odd_ones_left_out() {
        let event = |at: &str, hr: &str| json!({"provider": "PasswordResetService", "id": 33008, "at": at, "message": format!("hr={hr}, Context: {at}")});
        let items = [
            event("2026-11-27T10:00:00Z", "80230619"),
            event("2026-11-27T09:00:00.1234567Z", "80230619"),
            event("2026-11-27T11:00:00Z", "80230626"),
            json!({"provider": "ADSync", "id": -1}),
            json!(7),
            json!({"provider": "ADSync", "id": 6800, "at": "yesterday", "message": null}),
        ];
        let all = folded(&items);
        let seen: Vec<(u32, &str, u64)> = all.iter().map(|e| (e.id, e.line.as_str(), e.count)).collect();
        assert_eq!(
            seen,
            [(33008, "hr=80230626", 1), (33008, "hr=80230619", 2), (6800, "", 1)]
        );
        assert!(all[1].first < all[1].last && all[2].last.is_none());
    }

    #[test]
    fn hostile_text_stays_short_and_harmless() {
        let text = format!("hr=1\u{7}\u{1b}[31m{}", "\u{202e}x".repeat(500));
        let line = line(33001, &text);
        assert!(line.chars().count() <= LINE && !line.contains(['\u{7}', '\u{1b}']));
    }
}
