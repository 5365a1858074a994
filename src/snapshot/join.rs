//! Joins what was read in different places: the tenant by a job in the cloud, each directory by a machine of its own. It works
//! on the documents, which say of every fact in the same way how much it tells and how old it is.

use super::Snapshot;
use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The facts that are put together item by item, and what tells their items apart.
const LISTS: &[(&str, &[&str])] = &[
    ("connectServers", &["computer"]),
    ("forests", &["name"]),
    ("connectors", &["sid"]),
    ("directoryAccess", &["domain", "connector"]),
    ("directoryPasswords", &["domain"]),
];

/// One document of several, all of the same tenant or of none. What was read whole goes before what was read in part, and
/// that before what was refused; between two of a kind the newer counts. Directories are put together domain by domain.
pub fn join(documents: &[String]) -> Result<String> {
    let mut whole: Option<Snapshot> = None;
    for text in documents {
        // Each is judged by the declarations that counted when it was taken.
        let next = Snapshot::from_json(text)?.settled().into_owned();
        whole = Some(match whole {
            None => next,
            Some(whole) => two(&whole, &next)?,
        });
    }
    let none = || Error::new(Status::ArgumentInvalid, "there is no snapshot to join").target("snapshots");
    whole.ok_or_else(none)?.to_json()
}

fn two(own: &Snapshot, other: &Snapshot) -> Result<Snapshot> {
    let (mine, theirs) = (&own.signed_in.tenant_id, &other.signed_in.tenant_id);
    if !mine.is_empty() && !theirs.is_empty() && !mine.eq_ignore_ascii_case(theirs) {
        return Err(
            Error::new(Status::SnapshotInvalid, "the snapshots are of different tenants")
                .target("snapshots")
                .detail(own.tenant_name())
                .detail(other.tenant_name())
                .help("Join the snapshots of one tenant and of its own directories."),
        );
    }
    // By its text: facts are written in one way only, so that each type is compiled once.
    let document = |snapshot: &Snapshot| -> Result<Value> {
        json::read(&snapshot.to_json()?)
            .map_err(|e| Error::new(Status::Internal, "a snapshot cannot be read again").caused_by(&e))
    };
    let (mut whole, mut next) = (document(own)?, document(other)?);
    if mine.is_empty() {
        whole["signedIn"] = next["signedIn"].take();
    }
    if other.taken_at > own.taken_at {
        whole["takenAt"] = next["takenAt"].take();
    }
    whole["durationMs"] = own.duration_ms.max(other.duration_ms).into();
    if let (Some(facts), Some(others)) = (whole["facts"].as_object_mut(), next["facts"].as_object_mut()) {
        for (name, fact) in facts.iter_mut() {
            let other = others.remove(name).unwrap_or_default();
            let list = LISTS.iter().find(|(list, _)| list == name);
            *fact = match list {
                Some((_, keys)) if told(fact) > 1 && told(&other) > 1 => lists(fact.take(), other, keys),
                _ => preferred(fact.take(), other),
            };
        }
    }
    Snapshot::from_json(&whole.to_string())
}

/// How much a fact tells.
fn told(fact: &Value) -> u8 {
    match fact["state"].as_str() {
        Some("known") => 4,
        Some("declared") => 3,
        Some("partial") => 2,
        Some("unreadable") => 1,
        _ => 0,
    }
}

/// When a fact was true.
fn as_of(fact: &Value) -> Option<Timestamp> {
    fact["asOf"].as_str().or_else(|| fact["at"].as_str())?.parse().ok()
}

fn preferred(own: Value, other: Value) -> Value {
    match (told(&own), as_of(&own)) < (told(&other), as_of(&other)) {
        true => other,
        false => own,
    }
}

/// Two lists as one: each item once, the newer fact's. It is as old as its oldest part, and no more whole than it.
fn lists(own: Value, other: Value, keys: &[&str]) -> Value {
    let (mut newer, mut older) = if as_of(&own) >= as_of(&other) {
        (own, other)
    } else {
        (other, own)
    };
    let key = |item: &Value| keys.iter().map(|key| item[*key].clone()).collect::<Vec<_>>();
    let items = older["value"].take();
    if let (Some(into), Value::Array(items)) = (newer["value"].as_array_mut(), items) {
        for item in items {
            if !into.iter().any(|known| key(known) == key(&item)) {
                into.push(item);
            }
        }
    }
    let count = newer["value"].as_array().map_or(0, Vec::len);
    let Some(fact) = newer.as_object_mut() else {
        return newer;
    };
    if let Some(at) = older["asOf"].as_str() {
        fact.insert("asOf".into(), at.into());
    }
    if told(&older) == 2 {
        partial(fact, older["reason"].as_str().unwrap_or_default(), count);
    }
    newer
}

fn partial(fact: &mut Map<String, Value>, reason: &str, read: usize) {
    let own = fact.get("reason").and_then(Value::as_str).unwrap_or_default();
    let reason = format!("{own} {reason}").trim().to_string();
    fact.insert("state".into(), "partial".into());
    fact.insert("reason".into(), reason.into());
    fact.insert("read".into(), read.into());
    fact.insert("of".into(), Value::Null);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::directory::DomainPasswords;
    use crate::snapshot::{Fact, Refusal, RefusalKind, SignedIn};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn of(tenant: &str, minute: i64) -> Snapshot {
        let signed_in = SignedIn {
            tenant_id: tenant.into(),
            ..SignedIn::default()
        };
        Snapshot::new(at(minute), signed_in)
    }

    fn joined(all: &[&Snapshot]) -> Result<Snapshot> {
        let texts: Vec<String> = all.iter().map(|snapshot| snapshot.to_json().unwrap()).collect();
        Snapshot::from_json(&join(&texts)?)
    }

    fn passwords(domains: &[(&str, u64)], minute: i64) -> Fact<Vec<DomainPasswords>> {
        let domain = |(name, users): &(&str, u64)| DomainPasswords {
            domain: (*name).into(),
            users: *users,
            ..Default::default()
        };
        Fact::known(domains.iter().map(domain).collect(), "LDAP", at(minute))
    }

    #[test]
    fn a_tenant_and_two_directories_become_one() {
        let mut tenant = of("t", 1);
        tenant.facts.cloud_managed_users = Fact::known(7, "graph", at(1));
        let (mut one, mut two) = (of("", 2), of("", 3));
        one.facts.directory_passwords = passwords(&[("a", 1), ("b", 1)], 2);
        two.facts.directory_passwords = passwords(&[("b", 2), ("c", 2)], 3);
        let whole = joined(&[&one, &tenant, &two]).unwrap();
        assert_eq!((whole.signed_in.tenant_id.as_str(), whole.taken_at), ("t", at(3)));
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&7));
        let known = whole.facts.directory_passwords.value().unwrap();
        let mut users: Vec<(&str, u64)> = known.iter().map(|d| (d.domain.as_str(), d.users)).collect();
        users.sort_unstable();
        assert_eq!(users, [("a", 1), ("b", 2), ("c", 2)]);
        assert_eq!(whole.facts.directory_passwords.as_of(), Some(at(2)));
        // Alone it stays what it is.
        assert_eq!(joined(&[&one]).unwrap(), one);
    }

    #[test]
    fn what_is_whole_goes_before_what_is_not() {
        let refused = Fact::Unreadable {
            refusal: Refusal {
                kind: RefusalKind::Permission,
                message: "No.".into(),
                needs: None,
                code: None,
                request_id: None,
            },
        };
        let (mut one, mut two) = (of("t", 1), of("T", 2));
        one.facts.cloud_managed_users = Fact::known(1, "graph", at(1));
        two.facts.cloud_managed_users = refused;
        let whole = joined(&[&two, &one]).unwrap();
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&1));
        two.facts.cloud_managed_users = Fact::known(2, "graph", at(2));
        let whole = joined(&[&one, &two]).unwrap();
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&2));
        let other = joined(&[&two, &of("u", 3)]).unwrap_err();
        assert_eq!(other.status, Status::SnapshotInvalid);
        assert_eq!(join(&[]).unwrap_err().status, Status::ArgumentInvalid);
        assert_eq!(join(&["{}".into()]).unwrap_err().status, Status::SnapshotInvalid);
    }

    #[test]
    fn a_part_that_was_not_whole_makes_the_whole_partial() {
        let (mut one, mut two) = (of("", 1), of("", 2));
        one.facts.directory_passwords = Fact::Partial {
            value: Vec::new(),
            source: "LDAP".into(),
            as_of: at(1),
            read: 0,
            of: Some(1),
            reason: "a: no answer.".into(),
        };
        two.facts.directory_passwords = passwords(&[("b", 1)], 2);
        let whole = joined(&[&one, &two]).unwrap();
        assert_eq!(whole.facts.directory_passwords.partial_reason(), Some("a: no answer."));
    }
}
