//! A run's answer as a document for others: a page, Markdown, a table, JUnit's XML, JSON. What a directory calls its own is
//! hostile text in each of them.

use super::{page, plots, redact};
use crate::snapshot::Snapshot;
use crate::text::{is_hostile, write_field};
use serde_json::Value;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page of its own, without script and network.
    Html,
    /// Markdown, as GitHub and Azure DevOps show it.
    Markdown,
    /// The answer without its snapshot.
    Json,
    /// A row for each finding.
    Csv,
    /// JUnit's XML: a suite for each step, a case for each finding.
    JUnit,
}

impl Format {
    /// The one of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Html" => Format::Html,
            "Markdown" => Format::Markdown,
            "Json" => Format::Json,
            "Csv" => Format::Csv,
            "JUnit" => Format::JUnit,
            _ => return None,
        })
    }
}

/// Writes an answer (the document of a run), with what its snapshot adds to it; without the names of a snapshot's tree.
pub fn write(mut document: Value, snapshot: Option<&Snapshot>, format: Format, names: Option<&Value>) -> Vec<u8> {
    // What travels beside the answer is a document of its own.
    if let Some(document) = document.as_object_mut() {
        document.remove("snapshot");
    }
    if let Some(names) = names {
        redact::document(&mut document, names);
    }
    match format {
        Format::Html => page::write(
            &document,
            &snapshot.map(|s| plots::of(&document, s)).unwrap_or_default(),
        )
        .into_bytes(),
        Format::Markdown => markdown(&document).into_bytes(),
        Format::Json => document.to_string().into_bytes(),
        Format::Csv => table(&document),
        Format::JUnit => junit(&document).into_bytes(),
    }
}

/// Writes the page of a fleet: what each target came to, as a list.
pub fn write_fleet(results: &[Value]) -> Vec<u8> {
    page::fleet(results).into_bytes()
}

/// A member that is a text, or nothing.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A time of a document to the minute.
pub(super) fn minute(at: &str) -> String {
    match at.get(..16).filter(|_| at.ends_with('Z')) {
        Some(start) => format!("{} UTC", start.replace('T', " ")),
        None => at.into(),
    }
}

/// A member that is a list, or an empty one.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The sentence on top.
pub(super) fn verdict(document: &Value) -> String {
    let counts = ["fail", "warn", "skipped", "error", "accepted"]
        .map(|name| document["counts"][name].as_u64().unwrap_or_default());
    super::screen::verdict(text(document, "ready"), list(document, "steps").len(), counts)
}

/// Writes a text, what is hostile made visible: `[U+202E]`. `special` says what stands for a letter that the form itself uses.
pub(super) fn push(out: &mut String, text: &str, special: impl Fn(char) -> Option<&'static str>) {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_hostile(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push_str(&format!("[U+{:04X}]", u32::from(c)))
            }
            c => match special(c) {
                Some(text) => out.push_str(text),
                None => out.push(c),
            },
        }
    }
}

/// Letters that XML and HTML use themselves.
pub(super) fn markup(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// A number of users as people write it, with their whole.
pub(super) fn affected(finding: &Value) -> Option<String> {
    let affected = finding["affected"].as_object()?;
    let count = affected.get("count")?.as_u64()?;
    let of = affected.get("of").and_then(Value::as_u64);
    Some(crate::finding::share(count, of, false, "user", "users"))
}

/// Whether the organisation accepts a finding now.
pub(super) fn is_accepted(finding: &Value) -> bool {
    finding["waiver"].is_object() && finding["waiver"]["ended"] != true
}

/// By whom a finding is accepted, or was.
pub(super) fn accepted(finding: &Value) -> Option<String> {
    let waiver = Some(&finding["waiver"]).filter(|waiver| waiver.is_object())?;
    let (by, until, reason) = (text(waiver, "by"), text(waiver, "lastDay"), text(waiver, "reason"));
    Some(match is_accepted(finding) {
        true => format!("is accepted by {by} until {until}: {reason}"),
        false => format!("was accepted by {by} until {until}, and counts again: {reason}"),
    })
}

/// A link that may stand in a document.
pub(super) fn link(url: &str) -> Option<&str> {
    Some(url).filter(|url| url.starts_with("https://"))
}

/// The texts of a list, in one.
pub(super) fn joined(values: &[Value], name: Option<&str>) -> String {
    let one = |value: &Value| match name {
        None => value.as_str().unwrap_or_default().to_string(),
        Some(name) => format!("{}: {}", text(value, name), text(value, "seen")),
    };
    values.iter().map(one).collect::<Vec<_>>().join("; ")
}

const COLUMNS: &[&str] = &[
    "id",
    "step",
    "status",
    "severity",
    "decides",
    "title",
    "reason",
    "evidence",
    "fix",
    "command",
    "portalUrl",
    "docUrl",
    "affected",
    "of",
    "blocksReset",
    "sample",
    "acceptedBy",
    "acceptedUntil",
    "acceptedReason",
];

fn table(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Spreadsheets take a file without it for one in their own code page.
    out.extend_from_slice("\u{feff}".as_bytes());
    out.extend_from_slice(COLUMNS.join(",").as_bytes());
    for finding in list(document, "findings") {
        let (remedy, affected, waiver) = (&finding["remediation"], &finding["affected"], &finding["waiver"]);
        for (at, column) in COLUMNS.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"\r\n" } else { b"," });
            let value = match *column {
                "evidence" => joined(list(finding, "evidence"), Some("source")).into(),
                "sample" => joined(list(affected, "sample"), None).into(),
                "fix" => remedy["text"].clone(),
                "command" | "portalUrl" | "docUrl" => remedy[*column].clone(),
                "affected" => affected["count"].clone(),
                "of" | "blocksReset" => affected[*column].clone(),
                "acceptedBy" => waiver["by"].clone(),
                "acceptedUntil" => waiver["lastDay"].clone(),
                "acceptedReason" => waiver["reason"].clone(),
                own => finding[own].clone(),
            };
            match &value {
                Value::String(text) => write_field(&mut out, text),
                Value::Null => {}
                other => write_field(&mut out, &other.to_string()),
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// A status as a pipeline is to take it: what is accepted fails nothing.
fn junit_status(finding: &Value) -> &str {
    match text(finding, "status") {
        "Fail" if is_accepted(finding) => "Skipped",
        status => status,
    }
}

fn junit(document: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"EntraSspr\">\n");
    let at = text(document, "takenAt").get(..19).unwrap_or("1970-01-01T00:00:00");
    let findings = list(document, "findings");
    let attribute = |out: &mut String, name: &str, value: &str| {
        out.push_str(&format!(" {name}=\""));
        push(out, value, markup);
        out.push('"');
    };
    for step in list(document, "steps") {
        let name = text(step, "name");
        let own = findings.iter().filter(|finding| text(finding, "step") == name);
        let count = |of: &[&str]| {
            own.clone()
                .filter(|finding| of.contains(&junit_status(finding)))
                .count()
        };
        out.push_str("<testsuite");
        attribute(&mut out, "name", name);
        out.push_str(&format!(
            " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"0\"",
            own.clone().count(),
            count(&["Fail"]),
            count(&["Error"]),
            count(&["Skipped", "NotApplicable"])
        ));
        attribute(&mut out, "timestamp", at);
        out.push_str(">\n");
        let mut seen: Vec<&str> = Vec::new();
        for finding in own {
            let id = text(finding, "id");
            let again = seen.iter().filter(|other| **other == id).count();
            seen.push(id);
            out.push_str("<testcase");
            attribute(&mut out, "classname", name);
            // A pipeline knows a case again by its name: no numbers that change.
            let case = if again == 0 {
                id.into()
            } else {
                format!("{id} ({})", again + 1)
            };
            attribute(&mut out, "name", &case);
            out.push_str(" time=\"0\">");
            let element = match junit_status(finding) {
                "Fail" => "failure",
                "Error" => "error",
                "Skipped" | "NotApplicable" => "skipped",
                _ => "system-out",
            };
            out.push_str(&format!("<{element}"));
            let accepted = accepted(finding).unwrap_or_default();
            if element != "system-out" {
                let message = match is_accepted(finding) {
                    true => format!("{}; it {accepted}", text(finding, "title")),
                    false => text(finding, "title").into(),
                };
                attribute(&mut out, "message", &message);
            }
            if matches!(element, "failure" | "error") {
                attribute(&mut out, "type", text(finding, "severity"));
            }
            out.push('>');
            let remedy = &finding["remediation"];
            let evidence = joined(list(finding, "evidence"), Some("source"));
            let parts = [
                text(finding, "title"),
                &accepted,
                text(finding, "reason"),
                &evidence,
                text(remedy, "text"),
                text(remedy, "command"),
            ];
            for part in parts.iter().filter(|part| !part.is_empty()) {
                push(&mut out, part, markup);
                out.push('\n');
            }
            out.push_str(&format!("</{element}></testcase>\n"));
        }
        out.push_str("</testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Letters that Markdown, or the HTML in it, uses itself. Those that count at the start of a line are not among them: no
/// hostile text stands there. A name after @ would be told of it.
fn marks(c: char) -> Option<&'static str> {
    Some(match c {
        '\\' => "\\\\",
        '`' => "\\`",
        '*' => "\\*",
        '_' => "\\_",
        '[' => "\\[",
        ']' => "\\]",
        '|' => "\\|",
        '~' => "\\~",
        '$' => "\\$",
        '@' => "&#64;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    })
}

fn markdown(document: &Value) -> String {
    let mut out = String::from("# Self-service password reset: ");
    push(&mut out, text(document, "tenantName"), marks);
    let mut line = |start: &str, text: &str| {
        out.push_str(start);
        // No link is made of what only looks like one.
        for (at, part) in text.split("://").enumerate() {
            out.push_str(if at > 0 { "&#58;//" } else { "" });
            push(&mut out, part, marks);
        }
    };
    line("\n\n**", &verdict(document));
    line("**\n\nRead ", &minute(text(document, "takenAt")));
    if document["first"].is_object() {
        line("\n\nFirst: ", text(&document["first"], "text"));
    }
    for note in list(document, "notes") {
        line("\n\n", note.as_str().unwrap_or_default());
    }
    line("\n\n| step | status | worst finding |\n|---|---|---|", "");
    for step in list(document, "steps") {
        line("\n| ", text(step, "title"));
        line(" | ", text(step, "status"));
        line(if step["accepted"] == true { ", accepted" } else { "" }, "");
        line(" | ", text(step, "headline"));
        line(" |", "");
    }
    line("\n", "");
    for step in list(document, "steps") {
        line("\n## ", text(step, "title"));
        line("\n", "");
        let own = list(document, "findings")
            .iter()
            .filter(|finding| text(finding, "step") == text(step, "name"));
        for finding in own {
            let remedy = &finding["remediation"];
            line("\n- **", text(finding, "status"));
            line(if is_accepted(finding) { ", accepted" } else { "" }, "");
            line("** ", text(finding, "title"));
            line(" (", text(finding, "id"));
            line(")", "");
            let evidence = joined(list(finding, "evidence"), Some("source"));
            let accepted = accepted(finding).unwrap_or_default();
            for (what, said) in [
                ("It ", accepted.as_str()),
                ("Why: ", text(finding, "reason")),
                ("Seen: ", evidence.as_str()),
                ("To do: ", text(remedy, "text")),
                ("Command: ", text(remedy, "command")),
                ("See ", text(remedy, "portalUrl")),
                ("See ", text(remedy, "docUrl")),
            ] {
                let url = what == "See ";
                if said.is_empty()
                    || url && link(said).is_none_or(|url| !url.is_ascii() || url.contains(['<', '>', ' ', '`']))
                {
                    continue;
                }
                line("  \n  ", what);
                match url {
                    true => line(&format!("<{said}>"), ""),
                    false => line("", said),
                }
            }
        }
        line("\n", "");
    }
    out
}

#[cfg(test)]
mod tests;
