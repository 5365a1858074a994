use super::*;
use serde_json::json;

/// A server's document, composed from what Microsoft documents of the cmdlets.
fn document() -> Value {
    json!({
        "computer": "SYNC1.example.test", "readAt": "2026-11-27T12:00:00.0000000Z",
        "version": {"value": "2.6.3.0"},
        "service": {"value": {"name": "ADSync", "status": "Running", "startType": "Automatic"}},
        "connectors": {"value": [
            {"name": "example.test", "type": "AD", "account": "MSOL_16fb75d0227d", "accountDomain": "EXAMPLE.TEST",
             "partitions": [{"dn": "DC=example,DC=test", "included": ["DC=example,DC=test"], "excluded": ["OU=Old,DC=example,DC=test"]}],
             "parameters": [{"name": "sign-and-seal", "value": "1"}]},
            {"name": "contoso.example - AAD", "type": "Extensible2", "partitions": []}]},
        "passwordReset": {"value": [{"connector": "contoso.example - AAD", "values": [{"name": "Enabled", "value": true}]}]},
        "companyFeatures": {"value": [{"name": "PasswordHashSync", "value": "True"}]},
        "scheduler": {"value": [{"name": "StagingModeEnabled", "value": false}]},
        "globalSettings": {"error": "Get-ADSyncGlobalSettings is not here"},
        "rules": {"value": [{"name": "In from AD - User AccountEnabled", "precedence": 101, "disabled": false, "enablePasswordSync": true, "scopes": []}]},
        "tls": {"value": [{"path": "HKLM:\\A", "name": "Enabled", "value": null}]},
        "restrictRemoteSam": {"value": null},
        "domainController": {"value": false},
        "relays": {"value": [{"host": "r1", "port": 443, "connected": false, "error": "timed out"}]},
        "events": {"value": {"since": "2026-11-20T12:00:00Z", "cut": false, "items": [
            {"provider": "PasswordResetService", "id": 31019, "at": "2026-11-27T11:58:00Z", "message": "Namespace: x"}]}},
    })
}

#[test]
fn a_server_is_read_section_by_section() {
    let read = server(&document()).unwrap();
    assert_eq!(
        (read.computer.as_str(), read.version.as_deref()),
        ("SYNC1.example.test", Some("2.6.3.0"))
    );
    assert_eq!(read.service.as_deref(), Some("Running"));
    assert_eq!(read.connectors[0].account.as_deref(), Some("MSOL_16fb75d0227d"));
    assert_eq!(read.connectors[0].partitions[0].excluded, ["OU=Old,DC=example,DC=test"]);
    assert_eq!(read.switch("passwordReset", "enabled"), Some(true));
    assert_eq!(read.switch("companyFeatures", "PasswordHashSync"), Some(true));
    assert_eq!(read.setting("HKLM:\\A", "Enabled"), Some(&Value::Null));
    assert_eq!(read.setting("parameters", "sign-and-seal"), Some(&json!("1")));
    assert_eq!((read.remote_sam, read.domain_controller), (None, Some(false)));
    assert_eq!((read.events[0].id, read.events[0].count), (31019, 1));
    assert_eq!(
        read.unread.into_iter().collect::<Vec<_>>(),
        [("globalSettings".into(), "Get-ADSyncGlobalSettings is not here".into())]
    );
}

#[test]
fn what_is_not_understood_is_a_gap_and_kept() {
    let sections = [
        "version",
        "service",
        "connectors",
        "passwordReset",
        "companyFeatures",
        "scheduler",
        "rules",
        "tls",
        "domainController",
        "relays",
        "events",
        "restrictRemoteSam",
    ];
    for name in sections {
        for odd in [
            json!({"value": 7.5}),
            json!({"value": [7]}),
            json!([]),
            Value::Null,
            json!({"error": "denied"}),
        ] {
            let mut text = document();
            text[name] = odd.clone();
            let read = server(&text).unwrap();
            assert!(read.unread.contains_key(name), "{name}: {odd}");
        }
    }
    let mut text = document();
    text["passwordReset"] = json!({"value": {"State": "x".repeat(1000)}});
    let why = server(&text).unwrap().unread.remove("passwordReset").unwrap();
    assert!(why.starts_with("not understood: {\"State\":\"xxx") && why.len() < 300);
    assert!(server(&json!({})).is_err());
    assert_eq!(
        server(&json!({"computer": "A", "error": "no answer"})).unwrap_err(),
        "A: no answer"
    );
}

/// Every place in a document.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.into());
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, item)| places(item, &format!("{at}/{n}"), all)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, item)| places(item, &format!("{at}/{name}"), all)),
        _ => {}
    }
}

#[test]
fn whatever_stands_in_a_place_the_rest_is_read() {
    let whole = document();
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    for place in all {
        for odd in [
            json!(null),
            json!(-1),
            json!(1e300),
            json!(""),
            json!("\u{202e}\u{0}x"),
            json!([]),
            json!({}),
            json!([[7]]),
        ] {
            let mut text = whole.clone();
            *text.pointer_mut(&place).unwrap() = odd;
            if let Ok(read) = server(&text) {
                assert!(
                    read.unread.values().all(|why| why.chars().count() <= KEPT + 20),
                    "{place}"
                );
                // What was read is written and read again.
                let saved = serde_json::to_string(&read).unwrap();
                assert_eq!(serde_json::from_str::<ConnectServer>(&saved).unwrap(), read, "{place}");
            }
        }
    }
}
