//! Joins what was read in different places: the tenant by a job in the cloud, each directory by a machine of its own. It works
//! on the documents, which say of every fact in the same way how much it tells and how old it is.

use super::Snapshot;
use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The facts that are put together item by item, and what tells their items apart. The forests go first: they tell which
/// domains the others lack.
const LISTS: &[(&str, &[&str])] = &[
    ("forests", &["name"]),
    (SERVERS, &["computer"]),
    ("connectors", &["sid"]),
    ("directoryAccess", &["domain", "connector"]),
    ("directoryPasswords", &["domain"]),
    ("writebackProbes", &["domain", "account", "place"]),
];

/// The one of them that is not read domain by domain.
const SERVERS: &str = "connectServers";

/// One document of several, all of the same tenant or of none. What was read whole goes before what was read in part, and
/// that before what was refused; between two of a kind the newer counts. Directories are put together domain by domain.
pub fn join(documents: &[String]) -> Result<String> {
    let mut whole: Option<Snapshot> = None;
    for text in documents {
        let next = Snapshot::from_json(text)?;
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
    if whole["declarations"].is_null() && !next["declarations"].is_null() {
        whole["declarations"] = next["declarations"].take();
    }
    whole["durationMs"] = own.duration_ms.max(other.duration_ms).into();
    if let (Some(facts), Some(others)) = (whole["facts"].as_object_mut(), next["facts"].as_object_mut()) {
        let missed = [&*facts, &*others].map(|facts| facts.get("forests").map_or(0, |fact| unreached(fact).len()));
        for (name, keys) in LISTS {
            let (Some(own), Some(other)) = (facts.remove(*name), others.remove(*name)) else {
                continue;
            };
            let fact = if told(&own) > 1 && told(&other) > 1 {
                let by_domain = *name != SERVERS && lacks_only(&own, missed[0]) && lacks_only(&other, missed[1]);
                let fact = lists(own, other, keys);
                match by_domain {
                    true => reached(fact, facts.get("forests")),
                    false => fact,
                }
            } else {
                preferred(own, other)
            };
            facts.insert((*name).into(), fact);
        }
        for (name, other) in std::mem::take(others) {
            let own = facts.remove(&name).unwrap_or_default();
            facts.insert(name, preferred(own, other));
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
            match into.iter_mut().find(|known| key(known) == key(&item)) {
                Some(known) => take_reached(known, &item),
                None => into.push(item),
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

/// The domains of an item that is a forest, of which only the older one's reader reached some.
fn take_reached(newer: &mut Value, older: &Value) {
    let known = older["domains"].as_array().into_iter().flatten();
    let domains = newer.get_mut("domains").and_then(Value::as_array_mut);
    for domain in domains.into_iter().flatten().filter(|domain| !is_reached(domain)) {
        let same = |other: &&Value| other["name"] == domain["name"] && is_reached(other);
        if let Some(read) = known.clone().find(same) {
            *domain = read.clone();
        }
    }
}

fn is_reached(domain: &Value) -> bool {
    domain["unread"].is_null()
}

fn domains(forests: &Value) -> impl Iterator<Item = &Value> {
    let forests = forests["value"].as_array().into_iter().flatten();
    forests.flat_map(|forest| forest["domains"].as_array().into_iter().flatten())
}

/// Why domains of these forests were not reached.
fn unreached(forests: &Value) -> Vec<String> {
    let why = |domain: &Value| {
        let text = |name: &str| domain[name].as_str().unwrap_or_default();
        format!("{}: {}.", text("name"), text("unread"))
    };
    domains(forests).filter(|domain| !is_reached(domain)).map(why).collect()
}

/// Whether a fact lacks nothing but so many domains that were not reached: each of these is missing in every fact.
fn lacks_only(fact: &Value, unreached: usize) -> bool {
    let missing = || fact["of"].as_u64()?.checked_sub(fact["read"].as_u64()?);
    told(fact) > 2 || unreached > 0 && missing() == Some(unreached as u64)
}

/// A fact that lacks only domains that were not reached, by the forests as they are known now, which it may be itself.
fn reached(mut fact: Value, forests: Option<&Value>) -> Value {
    let forests = forests.unwrap_or(&fact);
    let (all, gaps) = (domains(forests).count(), unreached(forests));
    let is_partial = told(&fact) == 2;
    let Some(members) = fact.as_object_mut().filter(|_| is_partial) else {
        return fact;
    };
    if gaps.is_empty() {
        members.insert("state".into(), "known".into());
        members.retain(|name, _| !matches!(name.as_str(), "read" | "of" | "reason"));
    } else {
        members.insert("reason".into(), gaps.join(" ").into());
        members.insert("read".into(), (all - gaps.len()).into());
        members.insert("of".into(), all.into());
    }
    fact
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
    use crate::snapshot::directory::{Domain, DomainPasswords, Forest};
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

    /// A reader of the forest `f` of the domains a, b and c that reached some; of each it counted the users.
    fn reader(reached: &[&str], users: u64, minute: i64) -> Snapshot {
        let mut snapshot = of("", minute);
        let unread = |name: &&str| !reached.contains(name);
        let domain = |name: &&str| Domain {
            name: (*name).into(),
            controller: (!unread(name)).then(|| format!("dc.{name}")),
            unread: unread(name).then(|| "no answer".into()),
            ..Default::default()
        };
        let all = ["a", "b", "c"];
        let forest = Forest {
            name: "f".into(),
            domains: all.iter().map(domain).collect(),
            ..Default::default()
        };
        let read = reached.iter().map(|name| (*name, users)).collect::<Vec<_>>();
        let gaps: Vec<String> = all
            .iter()
            .filter(|name| unread(name))
            .map(|name| format!("{name}: no answer."))
            .collect();
        snapshot.facts.directory_passwords = partly(passwords(&read, minute), &gaps, 3);
        snapshot.facts.forests = partly(Fact::known(vec![forest], "LDAP", at(minute)), &gaps, 3);
        snapshot
    }

    fn partly<T>(fact: Fact<T>, gaps: &[String], of: u64) -> Fact<T> {
        match fact {
            Fact::Known { value, source, as_of } if !gaps.is_empty() => Fact::Partial {
                value,
                source,
                as_of,
                read: of - gaps.len() as u64,
                of: Some(of),
                reason: gaps.join(" "),
            },
            other => other,
        }
    }

    #[test]
    fn readers_of_one_forest_who_saw_all_domains_together_make_it_whole() {
        let (one, two, three) = (reader(&["a"], 1, 1), reader(&["b"], 2, 2), reader(&["c", "a"], 3, 3));
        for all in [[&one, &two, &three], [&three, &one, &two], [&two, &three, &one]] {
            let whole = joined(&all).unwrap();
            let forests = whole.facts.forests.whole().unwrap();
            assert_eq!(forests.len(), 1);
            assert!(forests[0].domains.iter().all(|domain| domain.controller.is_some()));
            let mut users: Vec<(&str, u64)> = whole
                .facts
                .directory_passwords
                .whole()
                .unwrap()
                .iter()
                .map(|d| (d.domain.as_str(), d.users))
                .collect();
            users.sort_unstable();
            assert_eq!(users, [("a", 3), ("b", 2), ("c", 3)]);
            assert_eq!(whole.facts.directory_passwords.as_of(), Some(at(1)));
        }
    }

    #[test]
    fn what_none_of_them_saw_stays_a_gap() {
        let whole = joined(&[&reader(&["a"], 1, 1), &reader(&["b"], 2, 2)]).unwrap();
        let domains = &whole.facts.forests.value().unwrap()[0].domains;
        let unread: Vec<&str> = domains
            .iter()
            .filter(|d| d.unread.is_some())
            .map(|d| d.name.as_str())
            .collect();
        assert_eq!(unread, ["c"]);
        let Fact::Partial {
            read, of: all, reason, ..
        } = &whole.facts.directory_passwords
        else {
            panic!("{whole:#?}");
        };
        assert_eq!((*read, *all, reason.as_str()), (2, Some(3), "c: no answer."));
        assert_eq!(whole.facts.forests.partial_reason(), Some("c: no answer."));
        // A domain that was reached, and not read to the end, is no matter of who reached which.
        let mut broken = reader(&["a"], 1, 3);
        let gaps = [
            "b: no answer.".to_string(),
            "c: no answer.".into(),
            "a: broken off.".into(),
        ];
        broken.facts.directory_passwords = partly(passwords(&[("a", 1)], 3), &gaps, 3);
        let whole = joined(&[&broken, &reader(&["b", "c"], 2, 2)]).unwrap();
        assert!(whole.facts.forests.whole().is_some());
        assert!(whole.facts.directory_passwords.is_partial());
        // Nor is one whole of whose forest only the other knows.
        let mut other = of("", 4);
        other.facts.directory_passwords = passwords(&[("b", 1), ("c", 1)], 4);
        assert!(
            joined(&[&reader(&["a"], 1, 1), &other])
                .unwrap()
                .facts
                .directory_passwords
                .is_partial()
        );
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
