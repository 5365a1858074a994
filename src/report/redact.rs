//! Takes names out of a run's answer: whatever the snapshot calls a name, and whatever looks like one, becomes a placeholder that
//! is the same wherever the name stands.

use super::screen::clean;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
    let mut names = BTreeSet::new();
    collect(&snapshot["facts"], "", false, &mut names);
    for own in ["tenantId", "account"] {
        keep(snapshot["signedIn"][own].as_str().unwrap_or_default(), &mut names);
    }
    for own in ["tenantName", "tenantId"] {
        keep(document[own].as_str().unwrap_or_default(), &mut names);
    }
    let mut redactor = Redactor::default();
    for name in names {
        redactor.names.entry(key(&name)).or_default().push(name);
    }
    for same in redactor.names.values_mut() {
        same.sort_by_key(|name| std::cmp::Reverse(name.len()));
    }
    redactor.walk(document, "");
}

/// Gathers the names of a tree.
fn collect(value: &Value, name: &str, of_method: bool, names: &mut BTreeSet<String>) {
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
fn keep(text: &str, names: &mut BTreeSet<String>) {
    let lower = folded(text);
    let timestamp = lower.len() > 18 && lower.as_bytes()[4] == b'-' && lower.as_bytes()[10] == b't';
    if lower.chars().count() < 2
        || timestamp
        || !lower.contains(char::is_alphabetic)
        || VALUES.contains(&lower.as_str())
    {
        return;
    }
    if lower.contains("dc=") {
        for (at, _) in lower.match_indices(',') {
            names.insert(lower[at + 1..].to_string());
        }
        for part in lower.split(',') {
            let name = part
                .split_once('=')
                .filter(|(kind, name)| *kind != "dc" && name.len() > 2);
            names.extend(name.map(|(_, name)| name.to_string()));
        }
        let domain: Vec<&str> = lower.split(',').filter_map(|part| part.strip_prefix("dc=")).collect();
        names.insert(domain.join("."));
    }
    names.insert(lower);
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

/// The first letters, by which names are found.
fn key(text: &str) -> String {
    text.chars().take(2).collect()
}

#[derive(Default)]
struct Redactor {
    /// Names in small letters by their first letters, the longest first.
    names: BTreeMap<String, Vec<String>>,
    /// The placeholders that were given.
    given: BTreeMap<String, String>,
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
        let next = self.given.len() + 1;
        self.given
            .entry(name.into())
            .or_insert_with(|| format!("name-{next}"))
            .clone()
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

    /// How long the known name is that a text starts with.
    fn known(&self, rest: &str) -> Option<usize> {
        let lower: String = key(rest).chars().map(small).collect();
        self.names.get(&lower)?.iter().find_map(|name| {
            let mut left = rest.char_indices();
            let mut wanted = name.chars();
            loop {
                let Some(want) = wanted.next() else {
                    let end = left.next();
                    let goes_on =
                        end.is_some_and(|(_, c)| c.is_alphanumeric()) && name.ends_with(char::is_alphanumeric);
                    return (!goes_on).then_some(end.map_or(rest.len(), |(at, _)| at));
                };
                let (_, have) = left.next()?;
                if small(have) != want {
                    return None;
                }
            }
        })
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
