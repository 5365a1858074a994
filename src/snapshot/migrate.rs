//! Snapshots of older forms: what they told is put where it stands today. A fact that was read another way then, or not at
//! all, stays unasked.

use super::{FactId, SCHEMA_VERSION};
use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// A snapshot's text in today's form.
pub fn current(text: &str) -> Result<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        schema_version: u32,
    }
    let version: Version = json::read(text)
        .map_err(|e| Error::new(Status::SnapshotInvalid, "the document is not a snapshot").caused_by(&e))?;
    match version.schema_version {
        SCHEMA_VERSION => Ok(Cow::Borrowed(text)),
        newer if newer > SCHEMA_VERSION => Err(Error::new(
            Status::SnapshotVersion,
            format!("the snapshot has version {newer}, this library reads up to {SCHEMA_VERSION}"),
        )
        .help("Read it with the module's version that wrote it or a newer one, or take a new one.")),
        1 => {
            let mut document: Value = json::read(text)
                .map_err(|e| Error::new(Status::SnapshotInvalid, "the snapshot is damaged").caused_by(&e))?;
            from_first(&mut document);
            Ok(Cow::Owned(document.to_string()))
        }
        other => Err(Error::new(
            Status::SnapshotVersion,
            format!("no snapshot has version {other}"),
        )),
    }
}

/// Version 1 had two forms: at first the last password sync stood with the organization, and the agents that wrote resets with
/// the writeback switch. Its count of licensed members was another one (of plans alone, without those in their grace period)
/// and is left out.
fn from_first(document: &mut Value) {
    document["schemaVersion"] = SCHEMA_VERSION.into();
    let Some(facts) = document.get_mut("facts").and_then(Value::as_object_mut) else {
        return;
    };
    const PASSWORDS: &str = "onPremisesLastPasswordSyncDateTime";
    let organization = facts
        .get("organization")
        .filter(|fact| fact["value"].get(PASSWORDS).is_some());
    if let Some(mut fact) = organization.cloned().filter(|_| !facts.contains_key("passwordSync")) {
        fact["value"] = json!({ PASSWORDS: fact["value"][PASSWORDS] });
        facts.insert("passwordSync".into(), fact);
    }
    let agents = facts
        .get("auditWriteback")
        .map(|fact| fact["value"]["lastByAgent"].clone());
    if let Some(agents) = agents.filter(Value::is_object)
        && let Some(Value::Object(resets)) = facts.get_mut("auditResets").and_then(|fact| fact.get_mut("value"))
    {
        resets.entry("lastByAgent").or_insert(agents);
    }
}

/// The members of a snapshot that this library does not know, and does not look at.
pub fn unknown(text: &str) -> Vec<String> {
    const KNOWN: [&str; 7] = [
        "schemaVersion",
        "libraryVersion",
        "takenAt",
        "durationMs",
        "signedIn",
        "facts",
        "declarations",
    ];
    let document: Value = json::read(text).unwrap_or_default();
    let members = document.as_object().into_iter().flatten().map(|(name, _)| name);
    let facts = document["facts"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    let members = members.filter(|name| !KNOWN.contains(&name.as_str())).cloned();
    let known = |name: &&String| FactId::ALL.iter().any(|id| id.name() == name.as_str());
    let facts = facts.filter(|name| !known(name)).map(|name| format!("facts.{name}"));
    members.chain(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;

    /// As the library wrote it on 2026-11-23, of a tenant without fault.
    const FIRST: &str = include_str!("../../tests/data/snapshot-1.json");

    #[test]
    fn the_first_form_is_read_with_all_that_it_told() {
        let old: Value = json::read(FIRST).unwrap();
        let snapshot = Snapshot::from_json(FIRST).unwrap();
        assert_eq!(snapshot.schema_version, SCHEMA_VERSION);
        assert_eq!(snapshot.library_version, old["libraryVersion"].as_str().unwrap());
        let then = old["facts"]["organization"]["value"]["onPremisesLastPasswordSyncDateTime"]
            .as_str()
            .unwrap();
        let passwords = snapshot.facts.password_sync.whole().unwrap();
        assert_eq!(
            passwords.on_premises_last_password_sync_date_time,
            Some(then.parse().unwrap())
        );
        assert!(
            snapshot.facts.licensed_members.value().is_none(),
            "it counted something else"
        );
        let read = old["facts"].as_object().unwrap();
        let whole = read.iter().filter(|(_, fact)| fact["state"] == "known");
        let kept = whole.clone().filter(|(name, _)| {
            let id = FactId::ALL.iter().find(|id| id.name() == name.as_str()).unwrap();
            snapshot.facts.has(*id)
        });
        assert!(whole.clone().count() > 15);
        assert_eq!(kept.count(), whole.count());
        let again = snapshot.to_json().unwrap();
        assert_eq!(Snapshot::from_json(&again).unwrap(), snapshot);
    }

    #[test]
    fn agents_move_to_the_resets_that_name_them() {
        let fact =
            |value: Value| json!({"state": "known", "value": value, "source": "x", "asOf": "2026-11-23T08:00:00Z"});
        let document = json!({"schemaVersion": 1, "libraryVersion": "0", "takenAt": "2026-11-23T09:00:00Z", "durationMs": 1, "signedIn": {},
            "facts": {"auditWriteback": fact(json!({"lastByAgent": {"CloudSync": "2026-11-20T08:00:00Z"}})), "auditResets": fact(json!({}))}});
        let snapshot = Snapshot::from_json(&document.to_string()).unwrap();
        assert_eq!(snapshot.facts.audit_resets.value().unwrap().last_by_agent.len(), 1);
    }

    #[test]
    fn other_versions_are_refused_with_what_to_do() {
        let refused = |version: &str| Snapshot::from_json(&format!("{{\"schemaVersion\":{version}}}")).unwrap_err();
        let newer = refused("99");
        assert_eq!(newer.status, Status::SnapshotVersion);
        assert_eq!(newer.message, "the snapshot has version 99, this library reads up to 2");
        assert!(newer.help.unwrap().contains("newer"));
        assert_eq!(refused("0").status, Status::SnapshotVersion);
        assert_eq!(refused("\"1\"").status, Status::SnapshotInvalid);
    }

    #[test]
    fn members_are_named_that_are_unknown_or_of_a_wrong_type() {
        let head =
            r#""schemaVersion":2,"libraryVersion":"0","takenAt":"2026-11-23T09:00:00Z","durationMs":1,"signedIn":{}"#;
        let text = |facts: &str| format!("{{{head},\"facts\":{{{facts}}}}}");
        assert_eq!(
            unknown(&format!("{{{head},\"note\":1,\"facts\":{{\"usrCounts\":{{}}}}}}")),
            ["note", "facts.usrCounts"]
        );
        assert!(unknown(&text("")).is_empty());
        let wrong = |facts: &str| Snapshot::from_json(&text(facts)).unwrap_err().detail.join(" ");
        let counts = r#""userCounts":{"state":"known","source":"x","asOf":"2026-11-23T08:00:00Z","value":{"enabledGuests":1,
            "enabledMembers": "many"}}"#;
        let told = wrong(counts);
        assert!(
            told.contains("facts.userCounts") && told.contains("at enabledMembers"),
            "{told}"
        );
        assert!(
            wrong(r#""domains":{"state":"known","value":[],"source":"x"}"#)
                .contains("facts.domains: missing field `asOf`")
        );
        assert!(wrong(r#""domains":{"state":"sure"}"#).contains("unknown variant `sure`"));
        assert!(wrong(r#""domains":[]"#).contains("facts"));
    }

    #[test]
    fn snapshots_of_two_forms_are_joined() {
        let today = Snapshot::from_json(FIRST).unwrap().to_json().unwrap();
        for both in [[FIRST.to_string(), today.clone()], [today.clone(), FIRST.to_string()]] {
            let joined = Snapshot::from_json(&crate::snapshot::join(&both).unwrap()).unwrap();
            assert_eq!(joined.schema_version, SCHEMA_VERSION);
            assert!(joined.facts.password_sync.whole().is_some());
        }
    }
}
