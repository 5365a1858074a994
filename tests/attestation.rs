//! A person attests the portal's settings, and an app's runs carry that on by the audit log.

mod common;

use common::{app, assert_clean, check, finding, person, result, run_task, start_check};
use entra_sspr::error::Error;
use entra_sspr::run::attestation;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const KEY: &[u8] = b"canary-0123456789abcdef0123456789abcdef";
const METHODS: &str = "reset_policy.methods_required";
const ADMINISTRATORS: &str = "notifications.administrators";
const USERS: &str = "notifications.users";
const STEPS: [&str; 2] = ["reset_policy", "notifications"];

struct Case {
    lab: Lab,
    app: Arc<Session>,
    folder: TempDir,
    key: bool,
}

impl Case {
    fn new(key: bool) -> Self {
        Case::of("hybrid-ready", key)
    }

    fn of(scenario: &str, key: bool) -> Self {
        let lab = Lab::start_blocking(LabOptions::scenario(scenario)).expect("a lab");
        Case {
            app: app(&lab, 0),
            folder: tempfile::tempdir().unwrap(),
            lab,
            key,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("contoso.attest.json")
    }

    fn give(&self, session: &Session) {
        if self.key {
            session.set_secret("attestationKey", KEY).unwrap();
        }
    }

    fn attest(&self, overwrite: bool) -> Result<Value, Error> {
        let session = person(&self.lab, 0, true);
        let read = check(&session, json!({"steps": STEPS}));
        self.give(&session);
        let request = json!({"snapshot": read["snapshot"], "path": self.path(), "overwrite": overwrite});
        run_task(
            &session,
            |session, _| async move { attestation::write(&session, &request) },
        )
    }

    fn run(&self) -> Result<Value, Error> {
        self.give(&self.app);
        result(&start_check(
            &self.app,
            json!({"steps": STEPS, "attestation": self.path()}),
        ))
    }

    fn click(&self, set: Value) {
        let done = self.lab.control("POST", "portal", &json!({"passwordReset": set}));
        done.expect("the click is done");
    }

    /// The log drops what is older than it keeps without a licence.
    fn forget(&self) {
        let gone = self
            .lab
            .control("POST", "audit/forget", &json!({"olderThanHours": 168}));
        assert!(gone.unwrap()["gone"].as_u64().unwrap() > 0);
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut file = file(&self.path());
        change(&mut file);
        fs::write(self.path(), file.to_string()).unwrap();
    }
}

fn file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn source<'a>(document: &'a Value, id: &str) -> &'a str {
    finding(document, id)["evidence"][0]["source"]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn an_app_takes_what_a_person_attested_and_carries_it_on() {
    let case = Case::new(true);
    let made = case.attest(false).unwrap();
    assert_eq!(made["keyed"], true);
    assert!(
        made["changes"]
            .as_array()
            .unwrap()
            .contains(&json!("NumberOfRequiredContactMethodsForUsers"))
    );
    case.forget();

    // Without it nothing tells the settings any more.
    let without = check(&case.app, json!({"steps": STEPS}));
    assert_eq!(finding(&without, METHODS)["status"], "Skipped");
    let with = case.run().unwrap();
    assert_eq!(
        finding(&with, METHODS)["status"],
        "Pass",
        "{:#}",
        finding(&with, METHODS)
    );
    assert_eq!(source(&with, METHODS), "attestation");
    let title = finding(&with, METHODS)["title"].as_str().unwrap();
    assert!(title.contains("(attested ") && title.contains(", as of "), "{title}");
    assert_eq!(finding(&with, ADMINISTRATORS)["status"], "Pass");
    // A change of it was never seen.
    let users = finding(&with, USERS);
    assert_eq!(users["status"], "Skipped");
    assert!(
        users["reason"]
            .as_str()
            .unwrap()
            .contains("no change of it was ever seen"),
        "{users:#}"
    );
    assert_eq!(with["attestation"]["written"], true);
    let note = with["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("Attested by ") && note.ends_with("a key vouches for it."),
        "{note}"
    );

    // A harmless change is seen from then on, when a person attests anew.
    case.click(json!({"notifyUsersOnPasswordReset": false}));
    // The lab's events are a second apart, or nobody knows which was the last.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    case.click(json!({"notifyUsersOnPasswordReset": true}));
    let again = case.attest(true).unwrap();
    assert!(
        again["changes"]
            .as_array()
            .unwrap()
            .contains(&json!("NotifyUsersOfReset"))
    );
    assert!(
        again["changes"]
            .as_array()
            .unwrap()
            .contains(&json!("NumberOfRequiredContactMethodsForUsers")),
        "what was seen is kept"
    );
    let with = case.run().unwrap();
    assert_eq!(finding(&with, USERS)["status"], "Pass");

    // Somebody changes a setting: the log's value counts, and stays in the file.
    case.click(json!({"numberOfAuthenticationMethodsRequired": 1}));
    let with = case.run().unwrap();
    assert_ne!(finding(&with, METHODS)["status"], "Pass");
    assert_eq!(
        file(&case.path())["changes"]["NumberOfRequiredContactMethodsForUsers"]["value"],
        "1"
    );
    assert_eq!(finding(&with, ADMINISTRATORS)["status"], "Pass");

    let shown = [with.to_string(), fs::read_to_string(case.path()).unwrap()];
    assert!(shown.iter().all(|text| !text.contains("canary")), "the key is nowhere");
    assert_clean(&case.lab);
}

#[test]
fn the_group_that_was_attested_is_read_and_judged_as_the_portals_would_be() {
    let case = Case::of("selected-group", true);
    let portal = case.lab.control("GET", "portal", &json!({})).unwrap();
    let group = portal["passwordReset"]["passwordResetEnabledGroupIds"][0].clone();
    let chosen = |group: &Value, at: &str| {
        let changes = json!({"EnablementForUsers": ["None", "Selected"], "PasswordResetEnabledGroupIds": ["", group]});
        let event = json!({"at": at, "activity": "Update SSPR Settings", "changes": changes});
        case.lab.control("POST", "audit", &json!({ "event": event })).unwrap();
    };
    chosen(&group, "-20d");
    let own = check(&person(&case.lab, 0, true), json!({"steps": STEPS}));
    assert_eq!(finding(&own, "reset_policy.group")["status"], "Pass");
    case.attest(false).unwrap();
    case.forget();

    let without = check(&case.app, json!({"steps": STEPS}));
    assert_eq!(finding(&without, "reset_policy.group")["status"], "Skipped");
    let with = case.run().unwrap();
    for id in ["reset_policy.scope", "reset_policy.group"] {
        let (attested, read) = (finding(&with, id), finding(&own, id));
        assert_eq!(
            (&attested["status"], &attested["affected"]),
            (&read["status"], &read["affected"]),
            "{attested:#}"
        );
        let evidence = attested["evidence"].as_array().unwrap();
        let names = |seen: &Value| seen.as_str().is_some_and(|seen| seen.starts_with("selected group: "));
        let rests = evidence.iter().find(|one| names(&one["seen"])).unwrap();
        assert_eq!(rests["source"], "attestation", "{attested:#}");
    }

    // The same, as an operator's word in place of the portal's.
    let path = case.folder.path().join("group.json");
    let entry = |setting: &str, value: Value| json!({"setting": setting, "value": value, "on": "2020-01-01", "author": "ops@contoso.example", "reason": "seen", "until": "2099-12-31"});
    let declared = json!({"schemaVersion": 1, "declared": [entry("enablementType", json!(1)), entry("passwordResetEnabledGroupIds", json!([group]))]});
    fs::write(&path, declared.to_string()).unwrap();
    let stated = check(&case.app, json!({"steps": STEPS, "declarations": path}));
    assert_eq!(
        finding(&stated, "reset_policy.group")["status"],
        "Pass",
        "{:#}",
        finding(&stated, "reset_policy.group")
    );
    assert_eq!(source(&stated, "reset_policy.group"), "declaration");

    // Another group is chosen, which the log then names: that one counts, and it was deleted since.
    let gone = json!("11111111-2222-4333-8444-555555555555");
    chosen(&gone, "-0s");
    let with = case.run().unwrap();
    let found = finding(&with, "reset_policy.group");
    assert_eq!(found["status"], "Fail", "{found:#}");
    assert!(found.to_string().contains(gone.as_str().unwrap()));
    assert_clean(&case.lab);
}

#[test]
fn a_gap_makes_what_was_attested_unreadable_with_its_date() {
    let case = Case::new(false);
    let made = case.attest(false).unwrap();
    assert_eq!(made["keyed"], false);
    case.forget();
    let with = case.run().unwrap();
    let seen = finding(&with, ADMINISTRATORS)["evidence"][0]["seen"].as_str().unwrap();
    assert!(
        seen.contains("trusted as far as the access rights of its file are"),
        "{seen}"
    );
    // Nobody ran for nine days.
    case.edit(|file| {
        for member in ["at", "since", "watermark"] {
            let at: jiff::Timestamp = file[member].as_str().unwrap().parse().unwrap();
            file[member] = (at - jiff::SignedDuration::from_hours(9 * 24)).to_string().into();
        }
        file["events"] = json!({});
    });
    let day = file(&case.path())["at"].as_str().unwrap()[..10].to_string();
    let gap = case.run().unwrap();
    let found = finding(&gap, ADMINISTRATORS);
    assert_eq!(found["status"], "Skipped");
    let reason = found["reason"].as_str().unwrap();
    assert!(
        reason.contains("without a gap") && reason.contains(&format!("on {day}")),
        "{reason}"
    );
    // It does not close by itself.
    assert_eq!(finding(&case.run().unwrap(), ADMINISTRATORS)["status"], "Skipped");
    case.attest(true).unwrap();
    assert_eq!(finding(&case.run().unwrap(), ADMINISTRATORS)["status"], "Pass");
    assert_clean(&case.lab);
}

#[test]
fn a_log_that_is_refused_carries_nothing_on_and_harms_nothing() {
    let case = Case::new(true);
    case.attest(false).unwrap();
    case.forget();
    let before = fs::read(case.path()).unwrap();
    let permission = json!({"app": "checker", "permission": "AuditLog.Read.All", "revoke": true});
    case.lab.control("POST", "permissions/remove", &permission).unwrap();
    let with = case.run().unwrap();
    assert_eq!(finding(&with, ADMINISTRATORS)["status"], "Skipped");
    assert_eq!(with["attestation"]["written"], false);
    assert_eq!(
        with["attestation"]["reason"],
        "the audit log was not read whole in this run"
    );
    assert_eq!(fs::read(case.path()).unwrap(), before);
    case.lab.control("POST", "permissions/add", &permission).unwrap();
    assert_eq!(finding(&case.run().unwrap(), ADMINISTRATORS)["status"], "Pass");
}

#[test]
fn what_is_forged_or_anothers_is_refused_before_anything_is_read() {
    let mut case = Case::new(true);
    case.attest(false).unwrap();
    let good = fs::read(case.path()).unwrap();
    let forged: [fn(&mut Value); 4] = [
        |file| file["resetPolicy"]["numberOfAuthenticationMethodsRequired"] = 1.into(),
        |file| file["watermark"] = "2030-01-01T00:00:00Z".into(),
        |file| drop(file.as_object_mut().unwrap().remove("hmac")),
        |file| file["hmac"] = "AAAA".into(),
    ];
    for forge in forged {
        case.edit(forge);
        assert_eq!(case.run().unwrap_err().status, Status::AttestationInvalid);
        fs::write(case.path(), &good).unwrap();
    }
    case.key = false;
    let error = case.run().unwrap_err();
    assert!(error.message.contains("not taken without it"), "{}", error.message);
    case.app.set_secret("attestationKey", b"short").unwrap();
    let request = json!({"steps": STEPS, "attestation": case.path()});
    let error = result(&start_check(&case.app, request)).unwrap_err();
    assert_eq!(
        (error.status, error.target.as_deref()),
        (Status::ArgumentInvalid, Some("attestationKey"))
    );
    // Another tenant's, whom its file's rights vouch for.
    case.edit(|file| {
        file.as_object_mut().unwrap().remove("hmac");
        file["tenantId"] = "11111111-1111-1111-1111-111111111111".into();
    });
    assert!(case.run().unwrap_err().message.contains("another tenant"));
    // An app has nothing to attest.
    let read = check(&case.app, json!({"steps": STEPS}));
    let request = json!({"snapshot": read["snapshot"], "path": case.path().with_extension("other")});
    let error = run_task(
        &case.app,
        |session, _| async move { attestation::write(&session, &request) },
    )
    .unwrap_err();
    assert!(error.message.contains("no settings of the portal"), "{}", error.message);
}

#[test]
#[cfg(unix)]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new(false);
    case.attest(false).unwrap();
    for _ in 0..2 {
        assert_eq!(fs::metadata(case.path()).unwrap().permissions().mode() & 0o777, 0o600);
        case.run().unwrap();
    }
    assert_eq!(case.attest(false).unwrap_err().status, Status::FileWrite);
}

#[test]
#[cfg(unix)]
fn a_shared_file_stays_shared_whoever_writes_it() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new(true);
    let session = person(&case.lab, 0, true);
    let read = check(&session, json!({"steps": STEPS}));
    case.give(&session);
    let request = json!({"snapshot": read["snapshot"], "path": case.path(), "shared": true});
    run_task(
        &session,
        |session, _| async move { attestation::write(&session, &request) },
    )
    .unwrap();
    let plain = case.folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&case.path()), mode(&plain));
    assert_eq!(case.run().unwrap()["attestation"]["written"], true);
    assert_eq!(mode(&case.path()), mode(&plain), "the job wrote it");
}

const DECLARED: &str = r#"{"schemaVersion":1,
    "declared":[{"setting":"notifyUsersOnPasswordReset","value":true,"on":"2020-01-01","author":"ops@contoso.example","reason":"seen in the portal","until":"2099-12-31"}],
    "accepted":[{"finding":"reset_policy.methods_required","author":"ciso@contoso.example","reason":"a pilot of the branch offices","until":"2099-12-31"}]}"#;

#[test]
fn what_is_declared_and_accepted_is_shown_as_such_in_a_run_and_in_a_saved_snapshot() {
    let case = Case::new(false);
    let path = case.folder.path().join("declared.json");
    fs::write(&path, DECLARED).unwrap();
    case.click(json!({"numberOfAuthenticationMethodsRequired": 1}));
    let plain = check(&case.app, json!({"steps": STEPS}));
    let open = finding(&plain, METHODS)["status"].clone();
    assert!(open == "Fail" || open == "Warn", "{:#}", finding(&plain, METHODS));
    let with = check(&case.app, json!({"steps": STEPS, "declarations": path}));
    let accepted = finding(&with, METHODS);
    assert_eq!(
        (&accepted["status"], &accepted["waiver"]["ended"]),
        (&open, &json!(false))
    );
    assert_eq!(with["counts"]["accepted"], 1);
    assert_eq!(finding(&with, USERS)["status"], "Pass");
    assert_eq!(source(&with, USERS), "declaration");
    // Judged again, the same; and without the file nothing is accepted any more.
    let again = |declarations: Value| {
        let request = json!({"snapshot": plain["snapshot"], "steps": STEPS, "declarations": declarations});
        entra_sspr::run::assess_saved(serde_json::from_value(request).unwrap())
    };
    assert_eq!(again(json!(path)).unwrap()["counts"]["accepted"], 1);
    assert_eq!(again(Value::Null).unwrap()["counts"]["accepted"], 0);
    let report = |format: &str| {
        let file = case.folder.path().join(format);
        let request = json!({"readiness": with.to_string(), "format": format, "path": file, "overwrite": true});
        entra_sspr::run::report(request).unwrap();
        fs::read_to_string(file).unwrap()
    };
    for format in ["Html", "Markdown", "JUnit", "Csv", "Json"] {
        let text = report(format);
        assert!(text.contains("a pilot of the branch offices"), "{format}");
    }
    let junit = report("JUnit");
    let case_of = junit.split("<testcase").find(|case| case.contains(METHODS)).unwrap();
    assert!(!case_of.contains("<failure"), "{case_of}");
    // A mistake is refused before anything is read.
    fs::write(&path, DECLARED.replace("methods_required", "methods")).unwrap();
    let error = result(&start_check(&case.app, json!({"declarations": path}))).unwrap_err();
    assert_eq!(
        (error.status, error.target.as_deref()),
        (Status::DeclarationInvalid, Some("accepted[0].finding"))
    );
}
