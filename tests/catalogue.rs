//! Every row of the failure catalogue that can be made here is made, and recognised: by what a Connect server answers and in the
//! lab's tenants here, on domain controllers in `tests/directory`. Of each other one the catalogue says why not.

mod common;

use common::catalogue::BY_DIRECTORY;
use common::*;
use entra_sspr::catalogue::{self, ROWS};
use entra_sspr::run::{self, Request};
use entra_sspr::session::Session;
use entra_sspr::task::{Next, Task};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;

const RESET: &str = "PasswordResetService";
const ENGINE: &str = "ADSync";

/// Events in the shape of Microsoft's samples: the row, the provider, the number, the text.
const EVENTS: &[(u8, &str, u32, &str)] = &[
    (
        1,
        RESET,
        33004,
        "hr=80230626, message=The password could not be updated because the management agent credential was denied access.",
    ),
    (
        1,
        ENGINE,
        6329,
        "BAIL: MMS(4924): admaexport.cpp(2984): 0x80230626 (denied)",
    ),
    (4, RESET, 33004, "hr=80231367, message=The operation failed."),
    (
        5,
        ENGINE,
        6329,
        "ERR_: MMS(4924): admaexport.cpp(2944): Failed to acquire user information: CONTOSO\\MSOL_1. Error Code: ERROR_ACCESS_DENIED",
    ),
    (
        8,
        ENGINE,
        6329,
        "ERR_: MMS(4924): admaexport.cpp(2939): Failed to acquire user information: 0x6ba",
    ),
    (
        9,
        RESET,
        33008,
        "hr=80230619, message=A restriction prevents the password from being changed to the current one specified.",
    ),
    (10, RESET, 33008, "the password was refused"),
    (
        13,
        ENGINE,
        6329,
        "MMS(3040): admaexport.cpp(2837): The server does not contain the LDAP password policy control.",
    ),
    (
        14,
        ENGINE,
        6329,
        "BAIL: MMS(4924): admaexport.cpp(2984): 0x8023062C (insecure setting of passwords)",
    ),
    (
        14,
        RESET,
        33001,
        "hr=8023062C, message=The password could not be set over this connection.",
    ),
    (
        15,
        ENGINE,
        6329,
        "BAIL: MMS(4924): admaexport.cpp(2984): 0x8023061f (not enabled on this management agent)",
    ),
    (
        16,
        RESET,
        33003,
        "hr=80230402, message=An attempt was made to get an object with a non-unique anchor.",
    ),
    (17, RESET, 33003, "Multiple matches found"),
    (18, RESET, 33002, "Object could not be found"),
    (
        19,
        RESET,
        33001,
        "hr=800700CE, message=The filename or extension is too long.",
    ),
    (20, RESET, 32001, ""),
    (24, RESET, 31044, "no ServiceHost runs"),
    (24, ENGINE, 6800, ""),
    (25, RESET, 31034, "The remote certificate is invalid"),
    (
        26,
        RESET,
        32002,
        "The token provider was unable to provide a security token",
    ),
    (27, RESET, 32009, "Error getting auth token"),
    (29, RESET, 32004, ""),
    (29, RESET, 32010, ""),
    (30, RESET, 32005, ""),
    (36, RESET, 33005, ""),
    (36, RESET, 33006, ""),
];

/// What a Connect server says otherwise, the check that sees it, what its title holds.
type Difference = (u8, fn(&mut Value), &'static str, &'static str);

const SERVERS: &[Difference] = &[
    (
        5,
        |d| d["restrictRemoteSam"] = json!({"value": "O:BAG:BAD:(A;;RC;;;BA)"}),
        "connect_writeback.remote_sam",
        "does not name the connector account",
    ),
    (
        7,
        |d| d["domainController"] = json!({"value": true}),
        "connect_writeback.controller",
        "SYNC1",
    ),
    (
        18,
        |d| d["rules"]["value"][0]["enablePasswordSync"] = json!(false),
        "connect_writeback.password_hash_sync",
        "",
    ),
    (
        20,
        |d| d["service"]["value"]["status"] = json!("Stopped"),
        "connect_writeback.service",
        "ADSync does not run",
    ),
    (
        21,
        |d| d["passwordReset"]["value"][0]["values"][0]["value"] = json!(false),
        "connect_writeback.enabled",
        "is off on SYNC1",
    ),
    (
        24,
        |d| d["relays"]["value"][0]["connected"] = json!(false),
        "connect_writeback.relays",
        "not reached",
    ),
    (
        26,
        |d| d["relays"]["value"][0]["connected"] = json!(false),
        "connect_writeback.relays",
        "not reached",
    ),
    (
        28,
        |d| d["version"]["value"] = json!("2.4.18.0"),
        "connect_writeback.tls",
        "",
    ),
    (
        31,
        |d| d["events"]["value"]["items"] = json!([]),
        "connect_writeback.listening",
        "was not heard",
    ),
    (
        42,
        |d| d["version"]["value"] = json!("2.4.18.0"),
        "service_account.version",
        "2.4.18.0",
    ),
];

/// A tenant's difference from one in which all is well, the check that sees it, what it holds.
fn tenants() -> Vec<(u8, Value, &'static str, &'static str)> {
    let happened = |activity: &str, result: &str, reason: &str| {
        let event = json!({"at": "-3h", "activity": activity, "target": "staff3@contoso.example", "result": result,
            "reason": reason, "details": {"OnPremisesAgent": "None"}});
        // More than succeed in this tenant.
        json!({"audit": {"made": event, "once-more": event}})
    };
    vec![
        (
            21,
            json!({"portal": {"onPremises": {"passwordWritebackSupported": false, "enablementForTenant": false}}}),
            "cloud_writeback.enabled",
            "off",
        ),
        (
            22,
            json!({"policies": {"authorization": {"allowedToUseSSPR": false}}}),
            "reset_policy.administrators",
            "",
        ),
        (
            23,
            json!({"portal": {"passwordReset": {"enablementType": 0}}}),
            "reset_policy.scope",
            "off",
        ),
        (28, json!({"extends": "no-license"}), "license.entitlement", ""),
        (
            34,
            happened("Reset password (by admin)", "success", ""),
            "cloud_writeback.lost_resets",
            "",
        ),
        (
            41,
            happened(
                "Reset password (self-service)",
                "failure",
                "OnPremisesSuccessCloudFailure",
            ),
            "user_registration.failures",
            "OnPremisesSuccessCloudFailure (2)",
        ),
    ]
}

/// A Connect server on which all is well, with an event.
fn server(event: Option<(&str, u32, &str)>) -> Value {
    let now = Timestamp::now();
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let mut items = vec![
        json!({"provider": RESET, "id": 31019, "at": ago(2), "message": "Namespace: x"}),
        json!({"provider": RESET, "id": 31002, "at": ago(90), "message": "TrackingId: 12345678"}),
    ];
    if let Some((provider, id, text)) = event {
        let message = match provider {
            RESET => {
                format!("TrackingId: 87654321, Reason: Synchronization Engine returned an error {text}, Context: x")
            }
            _ => format!(
                "An unexpected error has occurred during a password set operation.\r\n\"{text}\r\nAzure AD Sync 2.6.3.0\""
            ),
        };
        items.insert(
            0,
            json!({"provider": provider, "id": id, "at": ago(1), "message": message}),
        );
    }
    json!({
        "computer": "SYNC1", "readAt": now, "version": {"value": "2.6.3.0"},
        "service": {"value": {"name": "ADSync", "status": "Running"}},
        "connectors": {"value": [{"name": "example.test", "type": "AD", "account": "MSOL_16fb75d0227d", "accountDomain": "EXAMPLE",
            "partitions": [{"dn": "DC=example,DC=test", "selected": true, "included": ["DC=example,DC=test"], "excluded": []}]}]},
        "passwordReset": {"value": [{"connector": "contoso.example - AAD", "values": [{"name": "Enabled", "value": true}]}]},
        "companyFeatures": {"value": [{"name": "PasswordHashSync", "value": "True"}]},
        "scheduler": {"value": [{"name": "StagingModeEnabled", "value": false}, {"name": "SyncCycleEnabled", "value": true}]},
        "globalSettings": {"value": []},
        "rules": {"value": [{"name": "In from AD - User AccountEnabled", "precedence": 101, "disabled": false, "enablePasswordSync": true, "scopes": []}]},
        "tls": {"value": []}, "restrictRemoteSam": {"value": null}, "domainController": {"value": false},
        "relays": {"value": [{"host": "passwordreset.microsoftonline.com", "port": 443, "connected": true}]},
        "events": {"value": {"since": ago(7 * 24 * 60), "cut": false, "items": items}},
    })
}

/// Checks what a Connect server with that document comes to.
fn judged(session: &Arc<Session>, document: &Value) -> Value {
    let own = Arc::clone(session);
    let request: Request = serde_json::from_value(json!({"steps": ["service_account", "connect_writeback"]})).unwrap();
    let steps = request.steps().unwrap();
    let task = Task::start(session.config.host_actions.clone(), move |context| async move {
        run::check(&own, &steps, &request, &context).await
    });
    let task = task.unwrap();
    let mut result = Value::Null;
    loop {
        match task.next(PATIENCE).unwrap() {
            Next::Pending => panic!("the task hangs"),
            Next::Ended => return result,
            Next::Event(text) => {
                let mut event: Value = serde_json::from_str(&text).unwrap();
                match event["event"].as_str().unwrap() {
                    "hostAction" => {
                        let reply = json!({"id": event["id"], "result": {"servers": [document.to_string()]}});
                        task.reply(&reply.to_string()).unwrap();
                    }
                    "result" => result = event["result"].take(),
                    _ => {}
                }
            }
        }
    }
}

fn is_bad(finding: &Value) -> bool {
    matches!(finding["status"].as_str(), Some("Fail" | "Warn"))
}

fn is_of(number: u8, check: &str) -> bool {
    let row = catalogue::row(number).unwrap();
    row.before.iter().chain(row.after).any(|own| *own == check)
}

#[test]
fn every_row_is_made_or_the_catalogue_says_why_not() {
    let mut made: BTreeSet<u8> = BY_DIRECTORY.iter().copied().collect();
    made.extend(EVENTS.iter().map(|(row, ..)| *row));
    made.extend(SERVERS.iter().map(|(row, ..)| *row));
    made.extend(tenants().iter().map(|(row, ..)| *row));
    for row in ROWS {
        let number = row.number;
        match row.neither {
            "" => assert!(made.contains(&number), "row {number} is not made"),
            why => assert!(!made.contains(&number), "row {number} is made: {why}"),
        }
        // And whoever has seen it is told its cause.
        let causes = run::resolve(&json!({"text": row.symptom})).unwrap()["causes"].take();
        let known = causes.as_array().unwrap().iter().any(|cause| cause["number"] == number);
        assert!(known, "row {number}: {causes}");
    }
}

#[test]
fn each_event_of_a_connect_server_is_recognised() {
    let lab = Lab::start_blocking(LabOptions::scenario("hybrid-ready")).unwrap();
    let mut config = config(&lab, 0);
    config["hostActions"] = json!(["readConnectServer"]);
    let session = open(&config);
    sign_in(&session, &lab, 0);
    let well = judged(&session, &server(None));
    assert_eq!(finding(&well, "connect_writeback.events")["status"], "Pass");
    for (row, provider, id, text) in EVENTS {
        let readiness = judged(&session, &server(Some((*provider, *id, *text))));
        let found = finding(&readiness, "connect_writeback.events");
        assert!(is_bad(found), "row {row}: {found:#}");
        let evidence = found["evidence"].to_string();
        assert!(
            evidence.contains(&format!("(catalogue, row {row})")),
            "row {row}: {evidence}"
        );
        assert!(
            found["title"]
                .as_str()
                .unwrap()
                .contains(catalogue::row(*row).unwrap().cause),
            "row {row}: {found:#}"
        );
        let causes = run::resolve(&json!({"provider": provider, "id": id, "text": text})).unwrap();
        assert_eq!(causes["causes"][0]["number"], *row, "{causes:#}");
    }
    for (row, differ, check, says) in SERVERS {
        let before = finding(&well, check);
        assert!(!is_bad(before), "row {row}: {before:#}");
        let mut document = server(None);
        differ(&mut document);
        let readiness = judged(&session, &document);
        let found = finding(&readiness, check);
        assert!(is_bad(found), "row {row}: {found:#}");
        assert!(found["title"].as_str().unwrap().contains(says), "row {row}: {found:#}");
        assert!(is_of(*row, check), "row {row} does not name {check}");
    }
    assert_clean(&lab);
}

#[test]
fn what_the_tenant_makes_is_found() {
    let look = |differences: &Value| {
        let mut scenario = differences.clone();
        if scenario["extends"].is_null() {
            scenario["extends"] = "hybrid-ready".into();
        }
        scenario["about"] = "Made for the catalogue.".into();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.json");
        std::fs::write(&path, scenario.to_string()).unwrap();
        let lab = Lab::start_blocking(LabOptions::scenario(path.to_str().unwrap())).unwrap();
        let readiness = check(&person(&lab, 0, true), json!({}));
        assert_clean(&lab);
        readiness
    };
    let well = look(&json!({}));
    for (row, differences, check, says) in tenants() {
        assert!(!is_bad(finding(&well, check)), "row {row}: {:#}", finding(&well, check));
        let readiness = look(&differences);
        let found = finding(&readiness, check);
        assert!(is_bad(found), "row {row}: {found:#}");
        assert!(found.to_string().contains(says), "row {row}: {found:#}");
        assert!(is_of(row, check), "row {row} does not name {check}");
    }
}
