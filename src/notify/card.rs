//! A message as its receiver wants it, no longer than it takes: what there is no room for is counted.

use crate::text::is_hostile;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Teams takes messages of 28 KB, and what carries the card there adds some.
const TEAMS: usize = 26_000;
/// What most receivers of JSON take.
const JSON: usize = 200_000;
/// A line of a card is no longer.
const LINE: usize = 400;

/// The kinds of change that are told, the most pressing first, and how a card calls them.
const KINDS: [(&str, &str, &str); 4] = [
    ("New", "New", "Attention"),
    ("Worse", "Worse", "Attention"),
    ("Unread", "No longer readable", "Warning"),
    ("Fixed", "Fixed", "Good"),
];

/// The message as JSON, and how many changes were left out.
pub fn json(message: &Value, id: &str) -> (String, usize) {
    fitting(message, JSON, |changes, left_out| {
        let mut whole = message.as_object().cloned().unwrap_or_default();
        whole.insert("schemaVersion".into(), 1.into());
        whole.insert("id".into(), id.into());
        whole.insert("sentAt".into(), Timestamp::now().to_string().into());
        whole.insert(
            "changes".into(),
            changes.iter().map(|change| (*change).clone()).collect(),
        );
        whole.insert("leftOut".into(), left_out.into());
        Value::Object(whole).to_string()
    })
}

/// The message as a Teams workflow takes it, and how many changes were left out.
pub fn teams(message: &Value) -> (String, usize) {
    fitting(message, TEAMS, |changes, left_out| {
        let text = |name: &str| shown(message[name].as_str().unwrap_or_default());
        let mut body = vec![
            block(
                &format!("Self-service password reset: {}", text("tenantName")),
                &[("weight", "Bolder"), ("size", "Medium")],
            ),
            block(&text("headline"), &[]),
        ];
        for (kind, title, color) in KINDS {
            let own: Vec<&&Value> = changes.iter().filter(|change| change["change"] == kind).collect();
            if own.is_empty() {
                continue;
            }
            body.push(block(
                title,
                &[("weight", "Bolder"), ("color", color), ("spacing", "Medium")],
            ));
            for change in own {
                body.push(block(&line(change), &[("spacing", "Small")]));
            }
        }
        if left_out > 0 {
            let more = format!("{left_out} more are left out for want of room.");
            body.push(block(&more, &[("isSubtle", "true")]));
        }
        body.push(block(&text("footer"), &[("isSubtle", "true"), ("size", "Small")]));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "msteams": { "width": "Full" }, "body": body,
        });
        let attachment = json!({
            "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
        });
        json!({ "type": "message", "attachments": [attachment] }).to_string()
    })
}

/// As many changes as fit, the most pressing first. Halving finds it: a body grows with what is in it.
fn fitting(message: &Value, most: usize, body: impl Fn(&[&Value], usize) -> String) -> (String, usize) {
    let all = message["changes"].as_array().into_iter().flatten();
    let rank = |change: &Value| KINDS.iter().position(|(kind, ..)| change["change"] == *kind);
    let mut changes: Vec<&Value> = all.filter(|change| rank(change).is_some()).collect();
    changes.sort_by_key(|change| rank(change));
    let of = |count: usize| body(&changes[..count], changes.len() - count);
    let (mut fits, mut over) = (0, changes.len() + 1);
    while over - fits > 1 {
        let middle = (fits + over) / 2;
        match of(middle).len() <= most {
            true => fits = middle,
            false => over = middle,
        }
    }
    (of(fits), changes.len() - fits)
}

fn line(change: &Value) -> String {
    let text = |name: &str| shown(change[name].as_str().unwrap_or_default());
    let mut line = text("title");
    let (before, after) = (text("before"), text("after"));
    match (before.is_empty(), after.is_empty()) {
        (false, false) => line.push_str(&format!(" ({before}, now {after})")),
        (true, false) => line.push_str(&format!(" ({after})")),
        _ => {}
    }
    format!("{line}  {}", text("id"))
}

fn block(text: &str, members: &[(&str, &str)]) -> Value {
    let mut block = Map::new();
    block.insert("type".into(), "TextBlock".into());
    block.insert("text".into(), text.into());
    block.insert("wrap".into(), true.into());
    for (name, value) in members {
        let value = match *value {
            "true" => Value::Bool(true),
            value => value.into(),
        };
        block.insert((*name).into(), value);
    }
    Value::Object(block)
}

/// A card's texts are Markdown, and workflows read braces and `@` as their own: text of others is shown as it is.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !is_hostile(*c)) {
        if out.len() > LINE {
            out.push_str("...");
            break;
        }
        match c {
            '\\' | '`' | '*' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' | '>' => {
                out.push('\\');
                out.push(c);
            }
            // An underscore within a word is none of Markdown's; at its edge it is. The name of a check is to stay whole.
            '_' if !out.ends_with(char::is_alphanumeric) => out.push_str("\\_"),
            // Tags, and what a card or a workflow replaces, have no escape everywhere: a mark of the same look.
            '<' => out.push('\u{2039}'),
            '{' => out.push('\u{2774}'),
            '}' => out.push('\u{2775}'),
            '@' => out.push('\u{ff20}'),
            c => out.push(c),
        }
    }
    // At the beginning, a list.
    match out.as_bytes() {
        [b'-' | b'+', ..] => format!("\\{out}"),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(count: usize, title: &str) -> Value {
        let change = |n: usize| json!({"change": if n.is_multiple_of(2) { "Fixed" } else { "New" }, "id": format!("a.b{n}"), "title": title, "after": "Fail"});
        json!({"tenantName": "contoso", "headline": "h", "footer": "f", "changes": (0..count).map(change).collect::<Vec<_>>()})
    }

    #[test]
    fn a_card_is_no_longer_than_teams_takes_and_counts_what_it_left_out() {
        for count in [0, 1, 10, 50, 5_000] {
            let (body, left_out) = teams(&message(count, &"\"\u{e9}\u{1f600}".repeat(100)));
            assert!(body.len() <= TEAMS, "{count}: {}", body.len());
            let card: Value = serde_json::from_str(&body).unwrap();
            let blocks = card["attachments"][0]["content"]["body"].as_array().unwrap();
            let told = blocks
                .iter()
                .filter(|b| b["text"].as_str().unwrap().contains("a.b"))
                .count();
            assert_eq!(told + left_out, count);
            assert_eq!(body.contains("are left out"), left_out > 0);
        }
        let (body, left_out) = json(&message(5_000, &"x".repeat(300)), "1");
        assert!(body.len() <= JSON && left_out > 0);
        // What presses is told first.
        assert!(!body.contains("Fixed"));
    }

    #[test]
    fn names_of_others_are_text() {
        let hostile = "[click](https://evil.example) **b** <at>x</at> @all {{x}} ${x} `c` # h\u{202e}\n![i](u)";
        let own = shown(hostile);
        for bad in ["[click](", "**b", "<at>", "@all", "{{", "${x", "\n", "\u{202e}", "](u"] {
            assert!(!own.contains(bad), "{bad}: {own}");
        }
        assert_eq!(shown("license.seats"), "license.seats");
        assert_eq!(shown("reset_policy.enabled"), "reset_policy.enabled");
        assert_eq!(shown("_x_"), "\\_x_");
        assert!(shown("- a").starts_with("\\-"));
    }
}
