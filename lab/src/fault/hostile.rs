//! Names that attack whoever shows them.

use serde_json::{Value, json};

/// Becomes the escape of a lone surrogate once the answer is text.
pub(super) const LONE: char = '\u{e0ff}';

fn samples() -> [String; 8] {
    [
        "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[31mred".to_owned(),
        "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&".to_owned(),
        "=HYPERLINK(\"http://127.0.0.1:9/\",\"click\")".to_owned(),
        "@SUM(1+1)*cmd|' /C calc'!A0".to_owned(),
        "abc\u{202e}cba\u{2066}\u{200b}\u{feff}".to_owned(),
        format!("lone{LONE}surrogate"),
        "line\r\nbreak\tand\u{0}nul".to_owned(),
        "N".repeat(100_000),
    ]
}

/// Replaces every display name, each by the next sample.
pub(super) fn names(value: &mut Value, turn: &mut usize) {
    let samples = samples();
    replace(value, turn, &samples);
}

fn replace(value: &mut Value, turn: &mut usize, samples: &[String]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, turn, samples)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if matches!(
                    name.as_str(),
                    "displayName" | "userDisplayName" | "passwordResetEnabledGroupName" | "customHelpdeskEmailOrUrl"
                ) && member.is_string()
                {
                    *member = json!(samples[*turn % samples.len()]);
                    *turn += 1;
                } else {
                    replace(member, turn, samples);
                }
            }
        }
        _ => {}
    }
}
