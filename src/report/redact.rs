//! Takes names out of a run's answer: whatever the snapshot calls a name, and whatever looks like one, becomes a placeholder that
//! is the same wherever the name stands.

use super::screen::clean;
use serde_json::Value;
use std::collections::BTreeMap;

/// Members of a snapshot that hold words of Microsoft's or ours. All others are taken for names, so that a new one is too.
const WORDS: &[&str] = &[
    "activity",
    "allowExternalIdToUseEmailOtp",
    "asOf",
    "at",
    "authenticationMode",
    "authenticationType",
    "builtInControls",
    "capabilityStatus",
    "clientAppTypes",
    "code",
    "cloud",
    "excludeLocations",
    "from",
    "includeApplications",
    "includeLocations",
    "includeUserActions",
    "kind",
    "lastByAgent",
    "line",
    "message",
    "method",
    "methods",
    "needs",
    "of",
    "operator",
    "permissions",
    "policyMigrationState",
    "provider",
    "provisioningStatus",
    "reason",
    "right",
    "scope",
    "service",
    "servicePlanName",
    "skuPartNumber",
    "source",
    "state",
    "status",
    "targetType",
    "targetedAuthenticationMethod",
    "tenantType",
    "unread",
    "updated",
    "version",
    "libraryVersion",
    "class",
];
/// Values of other members that are words too.
const VALUES: &[&str] = &[
    "all",
    "none",
    "all_users",
    "guestsorexternalusers",
    "true",
    "false",
    "enabled",
    "disabled",
];
/// Members of an answer that hold no names.
const KEPT: &[&str] = &[
    "id",
    "step",
    "name",
    "findingId",
    "status",
    "severity",
    "ready",
    "takenAt",
    "asOf",
    "docUrl",
    "reading",
    "writing",
];

/// Replaces the names in an answer. `snapshot` is the snapshot's tree.
pub(super) fn document(document: &mut Value, snapshot: &Value) {
    let mut redactor = Redactor::default();
    let names = &mut redactor.names;
    collect(&snapshot["facts"], "", false, names);
    for own in ["tenantId", "account"] {
        keep(snapshot["signedIn"][own].as_str().unwrap_or_default(), names);
    }
    for own in ["tenantName", "tenantId"] {
        keep(document[own].as_str().unwrap_or_default(), names);
    }
    for finding in document["findings"].as_array().into_iter().flatten() {
        keep(finding["waiver"]["by"].as_str().unwrap_or_default(), names);
    }
    // A file's name is as good as its tenant's.
    if let Some(attestation) = document.get_mut("attestation").and_then(Value::as_object_mut) {
        attestation.remove("path");
    }
    redactor.longest = redactor.names.keys().map(String::len).max().unwrap_or_default();
    redactor.walk(document, "");
}

/// The names, in small letters, and the placeholders that were given.
type Names = BTreeMap<String, String>;

/// Gathers the names of a tree.
fn collect(value: &Value, name: &str, of_method: bool, names: &mut Names) {
    match value {
        // The ids of methods are words.
        Value::String(_) if WORDS.contains(&name) || name.ends_with("DateTime") || of_method && name == "id" => {}
        Value::String(text) => keep(text, names),
        Value::Array(all) => all.iter().for_each(|one| collect(one, name, of_method, names)),
        Value::Object(members) => {
            for (member, value) in members {
                let member = if name == "unread" { name } else { member };
                collect(
                    value,
                    member,
                    of_method || member == "authenticationMethodConfigurations",
                    names,
                );
            }
        }
        _ => {}
    }
}

/// Keeps a name, and of a distinguished name those above it.
fn keep(text: &str, names: &mut Names) {
    let lower = folded(text);
    let timestamp = lower.len() > 18 && lower.as_bytes()[4] == b'-' && lower.as_bytes()[10] == b't';
    if lower.chars().count() < 2
        || timestamp
        || !lower.contains(char::is_alphabetic)
        || VALUES.contains(&lower.as_str())
    {
        return;
    }
    let mut add = |name: &str| {
        names.entry(name.to_string()).or_default();
    };
    if lower.contains("dc=") {
        for (at, _) in lower.match_indices(',') {
            add(&lower[at + 1..]);
        }
        let mut domain = String::new();
        for part in lower.split(',') {
            match part.split_once('=') {
                Some(("dc", label)) => {
                    domain.push_str(if domain.is_empty() { "" } else { "." });
                    domain.push_str(label);
                }
                Some((_, name)) if name.len() > 2 => add(name),
                _ => {}
            }
        }
        add(&domain);
    }
    add(&lower);
}

/// Where words and signs of a text start.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    let mut inside = false;
    text.char_indices().filter_map(move |(at, c)| {
        let start = !(c.is_whitespace() || inside && c.is_alphanumeric());
        inside = c.is_alphanumeric();
        start.then_some(at)
    })
}

/// A letter as a small one, always one letter.
fn small(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// A text as names are kept and compared.
fn folded(text: &str) -> String {
    clean(text).trim().chars().map(small).collect()
}

#[derive(Default)]
struct Redactor {
    names: Names,
    /// The longest of them, in bytes.
    longest: usize,
    given: usize,
}

impl Redactor {
    fn walk(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::String(text) if name == "sample" || name == "tenantName" || name == "tenantId" => {
                *text = self.placeholder(&folded(text));
            }
            Value::String(text) if !KEPT.contains(&name) => *text = self.replaced(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.walk(one, name)),
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| self.walk(value, name)),
            _ => {}
        }
    }

    fn placeholder(&mut self, name: &str) -> String {
        let placeholder = self.names.entry(name.into()).or_default();
        if placeholder.is_empty() {
            self.given += 1;
            *placeholder = format!("name-{}", self.given);
        }
        placeholder.clone()
    }

    /// A text with its names replaced.
    fn replaced(&mut self, text: &str) -> String {
        let text = clean(text);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        let all: Vec<usize> = starts(&text).collect();
        for at in all {
            if at < done {
                continue;
            }
            let rest = &text[at..];
            let Some(length) = self.known(rest).max(looks(rest)) else {
                continue;
            };
            out.push_str(&text[done..at]);
            let name = folded(&rest[..length]);
            out.push_str(&self.placeholder(&name));
            done = at + length;
        }
        out.push_str(&text[done..]);
        out
    }

    /// How long the longest known name is that a text starts with.
    fn known(&self, rest: &str) -> Option<usize> {
        let mut folded = String::new();
        let mut found = None;
        let mut letters = rest.char_indices().peekable();
        while let Some((at, c)) = letters.next() {
            folded.push(small(c));
            if folded.len() > self.longest {
                break;
            }
            let next = letters.peek().map(|(_, next)| *next);
            let ends = !(c.is_alphanumeric() && next.is_some_and(char::is_alphanumeric));
            if ends && self.names.contains_key(&folded) {
                found = Some(at + c.len_utf8());
            }
            // No name begins so.
            if at == 1 && !self.begins(&folded) {
                break;
            }
        }
        found
    }

    fn begins(&self, start: &str) -> bool {
        let next = self.names.range(start.to_string()..).next();
        next.is_some_and(|(name, _)| name.starts_with(start))
    }
}

/// How long what a text starts with is, where it looks like a name: an address, an id, a SID, a distinguished name.
fn looks(rest: &str) -> Option<usize> {
    let word = rest
        .find(|c: char| c.is_whitespace() || "\"'<>(),;".contains(c))
        .unwrap_or(rest.len());
    let token = rest[..word].trim_end_matches(['.', ':']);
    let lower = rest.get(..3).unwrap_or_default().to_ascii_lowercase();
    if matches!(lower.as_str(), "cn=" | "ou=" | "dc=") {
        // To the end of the sentence: a name in it may have spaces, commas and dots.
        let end = ["; ", ". ", " (", "\"", ": "]
            .iter()
            .filter_map(|end| rest.find(end))
            .min();
        return Some(end.unwrap_or(rest.len()));
    }
    let at = token.find('@').filter(|at| *at > 0 && token[*at..].contains('.'));
    let sid = token.starts_with("S-1-5-21-");
    let guid = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            })
    };
    if at.is_some() || sid {
        return Some(token.len());
    }
    rest.get(..36).filter(|text| guid(text)).map(|_| 36)
}
