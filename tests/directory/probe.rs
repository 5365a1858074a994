//! The probe against a real domain controller: what it tries, what it is refused, and that it leaves nothing behind.

use crate::common::{events, finding, open};
use crate::doom::Doom;
use crate::forest::{connect, connect_at, connect_before};
use crate::wire::{BIND, Cut, MODIFY, SEARCH, Server};
use crate::{Lab, ROOT};
use entra_sspr::directory::descriptor::{Acl, Descriptor};
use entra_sspr::directory::ldap::{Connection, Depth};
use entra_sspr::directory::sid::Sid;
use entra_sspr::error::Result;
use entra_sspr::run;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use entra_sspr::task::{Task, runtime};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MARK: &str = "Made by EntraSspr to probe password writeback. It can be removed.";
/// The operation that makes an object.
const ADD: u8 = 0x68;
const CONNECTOR: &str = "EXAMPLE\\MSOL_16fb75d0227d";

/// One at a time: one probe of a domain is at work at a time, and some change the domain.
static TURN: Mutex<()> = Mutex::new(());

fn start(session: &Arc<Session>, request: Value) -> Arc<Task> {
    let own = Arc::clone(session);
    Task::start(Default::default(), move |context| async move {
        run::probe(own, request, &context).await
    })
    .unwrap()
}

/// A probe as a connector account: its result, and all events.
fn probe_as(
    session: &Arc<Session>,
    connector: &str,
    password: &str,
    mut request: Value,
) -> (Result<Value>, Vec<Value>) {
    session.set_secret("connectorPassword", password.as_bytes()).unwrap();
    request["connector"] = connector.into();
    let (events, end) = events(&start(session, request));
    let result = events.last().map(|last| last["result"].clone()).unwrap_or_default();
    (end.map(|()| result), events)
}

fn probe(session: &Arc<Session>, connector: &str, request: Value) -> Result<Value> {
    probe_as(session, connector, &Lab::all()[0].password, request).0
}

fn parent() -> (Lab, Arc<Session>) {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    (lab, session)
}

fn with<T>(lab: &Lab, work: impl AsyncFnOnce(&mut Connection) -> T) -> T {
    runtime().unwrap().block_on(async {
        let mut admin = lab.open(&lab.administrator).await;
        work(&mut admin).await
    })
}

/// What stands in a domain that a probe has made.
fn left(lab: &Lab, root: &str) -> Vec<String> {
    with(lab, async |admin| {
        let filter = format!("(|(description={MARK})(cn=sspr-*)(ou=sspr-*))");
        let found = admin.list(root, Depth::Subtree, &filter, &["cn"]).await.unwrap();
        found.into_iter().map(|entry| entry.dn).collect()
    })
}

fn notes(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder.join("EntraSspr"))
        .into_iter()
        .flatten()
        .flatten();
    let names = all.map(|file| file.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with("probe-") && name.ends_with(".json"))
        .collect()
}

fn status(readiness: &Value, check: &str) -> String {
    let finding = finding(readiness, &format!("writeback_probe.{check}"));
    finding["status"].as_str().unwrap().to_string()
}

fn statuses(readiness: &Value) -> Vec<String> {
    let all = [
        "reset",
        "must_change",
        "unlock",
        "minimum_age",
        "history",
        "length",
        "protected_unit",
        "disabled",
        "account",
        "left_behind",
    ];
    all.iter().map(|check| status(readiness, check)).collect()
}

/// Sets an attribute of an object while something is done.
fn meanwhile<T>(lab: &Lab, dn: &str, attribute: &str, value: &str, work: impl FnOnce() -> T) -> T {
    let set = |value: &str| {
        with(lab, async |admin| {
            let before = admin.read(dn, &[attribute]).await.unwrap().unwrap();
            let before = before.text(attribute).unwrap_or("0").to_string();
            admin.replace(dn, attribute, &[value.as_bytes()]).await.unwrap();
            before
        })
    };
    let before = set(value);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    set(&before);
    done.unwrap_or_else(|why| std::panic::resume_unwind(why))
}

#[test]
#[ignore = "needs the directory lab"]
fn a_connector_account_resets_and_unlocks_and_is_refused_what_it_should_be() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    let request = json!({"container": format!("OU=Staff,{ROOT}")});
    let readiness = meanwhile(&lab, ROOT, "lockoutThreshold", "3", || {
        probe(&session, CONNECTOR, request.clone()).unwrap()
    });
    println!("{:#}", readiness["findings"]);
    assert_eq!(
        statuses(&readiness),
        [
            "Pass",
            "Pass",
            "Pass",
            "Pass",
            "Pass",
            "Pass",
            "Pass",
            "NotApplicable",
            "Pass",
            "Pass"
        ]
    );
    let title = |check: &str| finding(&readiness, &format!("writeback_probe.{check}"))["title"].clone();
    assert_eq!(
        title("reset"),
        format!("{CONNECTOR} reset a user made in OU=Staff, who signs in with the new password")
    );
    assert_eq!(
        title("unlock"),
        format!("{CONNECTOR} unlocked a user who was locked out")
    );
    assert_eq!(
        title("minimum_age"),
        "a password younger than 1 day is not replaced, as the policy asks for"
    );
    let reason = |check: &str| {
        let finding = finding(&readiness, &format!("writeback_probe.{check}"));
        finding["reason"].as_str().unwrap().to_string()
    };
    assert!(reason("unlock").contains("3 wrong passwords had locked the user out"));
    // What a user would see, by its row in the catalogue.
    assert!(
        reason("minimum_age").contains("(failure catalogue, 11)"),
        "{}",
        reason("minimum_age")
    );
    assert!(reason("history").contains("33008"), "{}", reason("history"));
    assert!(
        reason("protected_unit").contains("(failure catalogue, 2)"),
        "{}",
        reason("protected_unit")
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
    // Where nobody is locked out, the right alone is proven.
    let readiness = probe(&session, CONNECTOR, request).unwrap();
    let unlock = finding(&readiness, "writeback_probe.unlock");
    assert_eq!(unlock["status"], "Pass");
    assert!(
        unlock["reason"].as_str().unwrap().contains("only the right is proven"),
        "{unlock}"
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
    // A saved snapshot is judged alike.
    let saved = json!({"snapshot": readiness["snapshot"], "steps": ["writeback_probe"]});
    let again = run::assess_saved(serde_json::from_value(saved).unwrap()).unwrap();
    assert_eq!(again["findings"], readiness["findings"]);
}

#[test]
#[ignore = "needs the directory lab"]
fn what_an_account_lacks_is_told_by_its_row_of_the_catalogue() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    // Without any right.
    let readiness = probe(
        &session,
        "EXAMPLE\\svc-trial",
        json!({"container": format!("OU=Staff,{ROOT}")}),
    )
    .unwrap();
    println!("{:#}", readiness["findings"]);
    let told = |check: &str| finding(&readiness, &format!("writeback_probe.{check}")).clone();
    for (check, right) in [
        ("reset", "Reset Password"),
        ("must_change", "Write pwdLastSet"),
        ("unlock", "Write lockoutTime"),
    ] {
        assert_eq!(told(check)["status"], "Fail");
        assert!(
            told(check)["title"].as_str().unwrap().ends_with(right),
            "{}",
            told(check)
        );
        let reason = told(check)["reason"].as_str().unwrap().to_string();
        assert!(reason.contains("SSPR_0029; event 33004, hr=80230626"), "{reason}");
        assert!(
            told(check)["remediation"]["text"]
                .as_str()
                .unwrap()
                .starts_with("Grant ")
        );
    }
    for check in ["minimum_age", "history", "length", "protected_unit"] {
        assert_eq!(status(&readiness, check), "Skipped");
    }
    assert_eq!(readiness["ready"], "No");

    // A denial of lockoutTime directly below this unit.
    let positions = format!("OU=Positions,{ROOT}");
    let readiness = probe(&session, "EXAMPLE\\svc-cases", json!({"container": positions})).unwrap();
    assert_eq!(
        ["reset", "must_change", "unlock"].map(|check| status(&readiness, check)),
        ["Pass", "Pass", "Fail"]
    );
    // Unexpire Password, which everybody has by the domain's root: denied to this account.
    let list = |deny: bool| {
        with(&lab, async |admin| {
            let account = admin
                .list(ROOT, Depth::Subtree, "(sAMAccountName=svc-cases)", &["objectSid"])
                .await
                .unwrap();
            let sid = Sid::read(account[0].value("objectSid").unwrap()).unwrap().keep();
            let root = admin.read(ROOT, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
            let now = Descriptor::read(root.value("nTSecurityDescriptor").unwrap()).unwrap();
            let entries = |ace: &entra_sspr::directory::descriptor::Ace<'_>| {
                ace.trustee().is_none_or(|own| own.bytes() != sid.sid().bytes())
            };
            let mut all: Vec<Vec<u8>> = now
                .dacl()
                .unwrap()
                .aces()
                .filter(entries)
                .map(|ace| ace.bytes.to_vec())
                .collect();
            if deny {
                let unexpire = [
                    0x7d, 0xdc, 0xc2, 0xcc, 0xad, 0xa6, 0x7a, 0x4a, 0x88, 0x46, 0xc0, 0x4e, 0x3c, 0xc5, 0x35, 0x01,
                ];
                let mut ace = entra_sspr::directory::descriptor::allowing(0, 0x100, Some(&unexpire), None, sid.sid());
                ace[0] = 6;
                all.insert(0, ace);
            }
            let bytes = all.concat();
            let new = now.with_dacl(Acl::of(all.len() as u16, &bytes).unwrap());
            admin.replace(ROOT, "nTSecurityDescriptor", &[&new]).await.unwrap();
        });
    };
    list(true);
    let readiness = probe(&session, "EXAMPLE\\svc-cases", json!({"container": positions}));
    list(false);
    let readiness = readiness.unwrap();
    let told = finding(&readiness, "writeback_probe.must_change");
    assert_eq!(told["status"], "Fail", "{told}");
    assert!(
        told["reason"].as_str().unwrap().contains("(failure catalogue, 32)"),
        "{told}"
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
}

#[test]
#[ignore = "needs the directory lab"]
fn an_administrator_proves_nothing() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    let readiness = probe(
        &session,
        &lab.administrator,
        json!({"container": format!("OU=Staff,{ROOT}")}),
    )
    .unwrap();
    let account = finding(&readiness, "writeback_probe.account");
    assert_eq!(account["status"], "Warn");
    assert!(
        account["title"].as_str().unwrap().contains("Domain Admins"),
        "{account}"
    );
    assert_eq!(
        ["reset", "history", "protected_unit"].map(|check| status(&readiness, check)),
        ["Pass", "Pass", "Warn"]
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
}

/// A user of a test's own, whose password may be replaced; removed when the test ends.
struct Named<'a> {
    lab: &'a Lab,
    dn: String,
}

impl Named<'_> {
    fn new<'a>(lab: &'a Lab, name: &str) -> Named<'a> {
        let dn = format!("CN={name},OU=Service,{ROOT}");
        with(lab, async |admin| {
            let attributes: [(&str, &[&str]); 3] = [
                ("objectClass", &["user"]),
                ("sAMAccountName", &[name]),
                ("userAccountControl", &["514"]),
            ];
            admin.delete(&dn).await.unwrap();
            admin.add(&dn, &attributes).await.unwrap();
            admin.set_password(&dn, "Before-Passw0rd-1!", None).await.unwrap();
            admin.replace(&dn, "userAccountControl", &[b"512"]).await.unwrap();
        });
        Named { lab, dn }
    }

    fn set(&self, attribute: &str, value: &str) {
        with(self.lab, async |admin| {
            admin.replace(&self.dn, attribute, &[value.as_bytes()]).await.unwrap();
        });
    }

    fn last_set(&self) -> String {
        with(self.lab, async |admin| {
            let entry = admin.read(&self.dn, &["pwdLastSet"]).await.unwrap().unwrap();
            entry.text("pwdLastSet").unwrap().to_string()
        })
    }

    /// What the controller says to a password of the user.
    fn signs_in(&self, password: &str) -> std::result::Result<(), &'static str> {
        let mut login = self.lab.login(&self.dn);
        if let entra_sspr::directory::forest::Identity::Password { password: own, .. } = &mut login.identity {
            *own = Arc::new(password.to_string().into());
        }
        runtime().unwrap().block_on(async {
            match login.open().await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.sign_in_refusal().unwrap()),
            }
        })
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        with(self.lab, async |admin| admin.delete(&self.dn).await.unwrap());
    }
}

#[test]
#[ignore = "needs the directory lab"]
fn a_user_who_is_named_ends_with_the_final_password_and_must_change_it() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    let last = "Final-Passw0rd-7!";
    let own = Named::new(&lab, "probe.pat");
    let ask = |user: &str, accept: bool| {
        session.set_secret("finalPassword", last.as_bytes()).unwrap();
        probe(&session, CONNECTOR, json!({"user": user, "acceptPasswordLoss": accept}))
    };
    // Without consent, or without a password, nothing is done.
    assert_eq!(ask("probe.pat", false).unwrap_err().status, Status::ArgumentInvalid);
    let refused = probe(
        &session,
        CONNECTOR,
        json!({"user": "probe.pat", "acceptPasswordLoss": true}),
    )
    .unwrap_err();
    assert_eq!(refused.status, Status::ArgumentInvalid);
    assert_eq!(own.signs_in("Before-Passw0rd-1!"), Ok(()));
    // Nor with one that the policy would not take.
    session.set_secret("finalPassword", b"Shor-1").unwrap();
    let request = json!({"user": "probe.pat", "acceptPasswordLoss": true});
    let short = probe(&session, CONNECTOR, request).unwrap_err();
    assert_eq!(short.target.as_deref(), Some("finalPassword"), "{}", short.message);
    assert!(short.message.contains("7 characters"), "{}", short.message);
    // A password that is too young stays.
    let young = ask("probe.pat", true).unwrap();
    let reset = finding(&young, "writeback_probe.reset");
    assert_eq!(reset["status"], "Fail", "{reset}");
    assert!(reset["reason"].as_str().unwrap().contains("33008"), "{reset}");
    assert_eq!(own.signs_in("Before-Passw0rd-1!"), Ok(()));

    own.set("pwdLastSet", "0");
    let done = ask("probe.pat@nowhere.test", true).unwrap_err();
    assert_eq!(done.status, Status::DirectoryNotFound);
    // Who bears one name with another, in another domain.
    let child = &Lab::all()[1];
    connect(&session, child, &child.dns_server, &[]);
    let twice = ask("Guest", true).unwrap_err();
    assert_eq!(twice.status, Status::DirectoryNotFound, "{}", twice.message);
    let done = ask(&own.dn, true).unwrap();
    println!("{:#}", done["findings"]);
    for check in ["reset", "must_change", "unlock", "disabled", "account", "left_behind"] {
        assert_eq!(status(&done, check), "Pass", "{check}");
    }
    assert_eq!(own.last_set(), "0");
    assert_eq!(own.signs_in(last), Err("the account's password must be changed first"));
    assert!(!done.to_string().contains(last));

    // One that was broken off in between is told by the next, once.
    let note = lock_folder().join("probe-example.test-0123456789ab.json");
    let told = json!({"schemaVersion": 1, "at": "2026-11-01T00:00:00Z", "domain": "example.test", "controller": "dc1.example.test", "names": ["Administrator", "sspr-0123456789ab-0"], "user": own.dn});
    std::fs::write(&note, told.to_string()).unwrap();
    let next = probe(&session, CONNECTOR, json!({"container": format!("OU=Staff,{ROOT}")})).unwrap();
    let left_behind = finding(&next, "writeback_probe.left_behind");
    assert_eq!(left_behind["status"], "Warn");
    assert!(
        left_behind["reason"].as_str().unwrap().contains(&own.dn),
        "{left_behind}"
    );
    assert!(!note.exists());

    own.set("userAccountControl", "514");
    let disabled = ask(&own.dn, true).unwrap();
    assert_eq!(status(&disabled, "disabled"), "Fail");
    assert!(
        finding(&disabled, "writeback_probe.disabled")
            .to_string()
            .contains("33005")
    );
    for user in [
        "admin.ann",
        "Administrator",
        "krbtgt",
        "former.admin",
        "MSOL_16fb75d0227d",
    ] {
        let refused = ask(&format!("EXAMPLE\\{user}"), true).unwrap_err();
        assert_eq!(refused.status, Status::ArgumentInvalid, "{user}: {}", refused.message);
        assert_eq!(refused.target.as_deref(), Some("user"), "{user}");
    }
}

/// No password that went over the wire stands anywhere else: this server sees them all.
#[test]
#[ignore = "needs the directory lab"]
fn no_password_stands_in_what_is_told_or_kept() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(0);
    let folder = lock_folder();
    let seen = Arc::new(Mutex::new((Vec::<String>::new(), Vec::<String>::new())));
    let into = Arc::clone(&seen);
    let kept = folder.clone();
    let server = runtime().unwrap().block_on(Server::before(&lab, move |asked| {
        let mut all = into.lock().unwrap();
        if asked.operation == MODIFY && asked.has("unicodePwd") {
            let what = asked.what();
            // Of UTF-16 every second byte is zero; it stands at the end.
            let from = what
                .windows(3)
                .position(|some| some == [b'"', 0, what[what.len() - 1]])
                .or_else(|| what.windows(2).position(|some| some == [b'"', 0]));
            let units: Vec<u8> = what[from.unwrap() + 2..]
                .iter()
                .copied()
                .step_by(2)
                .take_while(|byte| *byte != b'"')
                .collect();
            all.0.push(String::from_utf8(units).unwrap());
        }
        if asked.operation == MODIFY || asked.operation == BIND {
            let files = std::fs::read_dir(&kept).into_iter().flatten().flatten();
            let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
            all.1.extend(texts);
        }
    }));
    let session = open(&json!({}));
    connect_before(&session, &lab, &server, &[]);
    let (result, events) = probe_as(
        &session,
        CONNECTOR,
        &lab.password,
        json!({"container": format!("OU=Staff,{ROOT}")}),
    );
    let readiness = result.unwrap();
    assert_eq!(status(&readiness, "reset"), "Pass");
    let (passwords, files) = std::mem::take(&mut *seen.lock().unwrap());
    assert!(passwords.len() >= 11, "{}", passwords.len());
    assert!(passwords.iter().all(|password| password.len() >= 6), "{passwords:?}");
    assert!(files.iter().any(|text| text.contains("sspr-")), "the note was there");
    let told = events.iter().map(Value::to_string).chain(files).collect::<String>();
    for password in passwords.iter().chain([&lab.password]) {
        assert!(!told.contains(password.as_str()));
    }
}

fn lock_folder() -> std::path::PathBuf {
    let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    let state = named("XDG_STATE_HOME").unwrap_or_else(|| named("HOME").unwrap().join(".local/state"));
    state.join("EntraSspr")
}

/// The connection ends at one request after another, which the controller still carries out: the probe says so, and tidies up.
#[test]
#[ignore = "needs the directory lab"]
fn a_connection_that_ends_leaves_nothing_behind() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(0);
    let (mut cut, mut at) = (0, 1);
    loop {
        let mut seen = 0;
        let server = runtime().unwrap().block_on(Server::before(&lab, move |asked| {
            if asked.operation == MODIFY || asked.operation == ADD {
                seen += 1;
                asked.cut = (seen == at).then_some(Cut::After);
            }
        }));
        let session = open(&json!({}));
        connect_before(&session, &lab, &server, &[]);
        let result = probe(&session, CONNECTOR, json!({"container": format!("OU=Staff,{ROOT}")}));
        assert_eq!(left(&lab, ROOT), [""; 0], "cut at {at}");
        assert_eq!(notes(lock_folder().parent().unwrap()), [""; 0], "cut at {at}");
        match result {
            Ok(_) => break,
            Err(error) => assert_eq!(
                error.status,
                Status::DirectoryUnreachable,
                "cut at {at}: {}",
                error.message
            ),
        }
        cut += 1;
        at += 2;
    }
    assert!(cut >= 12, "{cut}");
}

/// A controller that does not say that it knows the control.
#[test]
#[ignore = "needs the directory lab"]
fn a_controller_that_is_too_old_is_told() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(0);
    let server = runtime().unwrap().block_on(Server::before(&lab, |asked| {
        if asked.operation == SEARCH {
            asked.replace("supportedControl", "supportedContrxl");
        }
    }));
    let session = open(&json!({}));
    connect_before(&session, &lab, &server, &[]);
    let readiness = probe(&session, CONNECTOR, json!({"container": format!("OU=Staff,{ROOT}")})).unwrap();
    let reset = finding(&readiness, "writeback_probe.reset");
    assert_eq!(reset["status"], "Fail", "{reset}");
    assert!(
        reset["reason"].as_str().unwrap().contains("(failure catalogue, 13)"),
        "{reset}"
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
}

/// A fine-grained policy that asks for long passwords, and locks after two wrong ones.
#[test]
#[ignore = "needs the directory lab"]
fn the_fine_grained_policy_that_counts_is_kept() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(1);
    let root = "DC=child,DC=example,DC=test";
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let policy = format!("CN=Probe,CN=Password Settings Container,CN=System,{root}");
    with(&lab, async |admin| {
        let group = "(&(objectClass=group)(sAMAccountName=Dom*nen-Benutzer))";
        let group = admin
            .list(root, Depth::Subtree, group, &["cn"])
            .await
            .unwrap()
            .remove(0)
            .dn;
        let attributes: [(&str, &[&str]); 12] = [
            ("objectClass", &["msDS-PasswordSettings"]),
            ("msDS-PasswordSettingsPrecedence", &["1"]),
            ("msDS-PasswordReversibleEncryptionEnabled", &["FALSE"]),
            ("msDS-PasswordHistoryLength", &["0"]),
            ("msDS-PasswordComplexityEnabled", &["TRUE"]),
            ("msDS-MinimumPasswordLength", &["40"]),
            ("msDS-MinimumPasswordAge", &["0"]),
            ("msDS-MaximumPasswordAge", &["-864000000000"]),
            ("msDS-LockoutThreshold", &["2"]),
            ("msDS-LockoutObservationWindow", &["-18000000000"]),
            ("msDS-LockoutDuration", &["-18000000000"]),
            ("msDS-PSOAppliesTo", &[&group]),
        ];
        admin.add(&policy, &attributes).await.unwrap();
    });
    let readiness = probe(
        &session,
        "CHILD\\sync.renamed",
        json!({"container": format!("CN=Users,{root}")}),
    );
    with(&lab, async |admin| admin.delete(&policy).await.unwrap());
    let readiness = readiness.unwrap();
    println!("{:#}", readiness["findings"]);
    let told = |check: &str| finding(&readiness, &format!("writeback_probe.{check}")).clone();
    assert_eq!(
        told("length")["title"],
        "a password of less than 40 characters is refused, as the policy asks for"
    );
    assert_eq!(told("minimum_age")["status"], "NotApplicable");
    assert_eq!(told("history")["status"], "NotApplicable");
    // No unit can be made in a container of the class `container`.
    assert_eq!(told("protected_unit")["status"], "Skipped");
    assert_eq!(left(&lab, root), [""; 0]);
}

#[test]
#[ignore = "needs the directory lab"]
fn one_that_is_cancelled_tidies_up_and_one_runs_at_a_time() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    let request = json!({"container": format!("OU=Staff,{ROOT}"), "connector": CONNECTOR});
    for wait in [0, 20, 60, 150, 300] {
        session
            .set_secret("connectorPassword", lab.password.as_bytes())
            .unwrap();
        let task = start(&session, request.clone());
        std::thread::sleep(Duration::from_millis(wait));
        if wait == 150 {
            session
                .set_secret("connectorPassword", lab.password.as_bytes())
                .unwrap();
            let (_, second) = events(&start(&session, request.clone()));
            assert_eq!(second.unwrap_err().status, Status::PlanLocked);
        }
        task.cancel();
        drop(task);
        let begun = Instant::now();
        while !left(&lab, ROOT).is_empty() || !notes(lock_folder().parent().unwrap()).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", left(&lab, ROOT));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The process that the next test kills.
#[test]
#[ignore = "needs the directory lab"]
fn a_process_that_probes() {
    let Ok(trial) = std::env::var("SSPR_TRIAL") else {
        return;
    };
    let trial: Value = serde_json::from_str(&trial).unwrap();
    let session = open(&json!({}));
    let (port, ca_file) = (trial["port"].as_u64().unwrap(), trial["caFile"].as_str().unwrap());
    connect_at(&session, &Lab::all()[0], port as u16, Path::new(ca_file), &[]);
    probe(&session, CONNECTOR, json!({"container": format!("OU=Staff,{ROOT}")})).unwrap();
}

/// The process is killed at its writes, from the first to the last: the next run removes what it left.
#[test]
#[ignore = "needs the directory lab"]
fn what_a_killed_one_left_is_removed_by_the_next() {
    let _turn = TURN.lock();
    let (lab, _) = parent();
    let doom = Doom::before(&lab);
    let folder = tempfile::tempdir().unwrap();
    let killed = |at: usize, cut: Cut| {
        let trial = json!({"port": doom.port(), "caFile": doom.ca_file()});
        let mut process = std::process::Command::new(std::env::current_exe().unwrap());
        process
            .args(["--ignored", "--exact", "probe::a_process_that_probes"])
            .env("XDG_STATE_HOME", folder.path())
            .env("SSPR_TRIAL", trial.to_string());
        doom.kills(&mut process, at, cut)
    };
    let (all, _) = killed(0, Cut::Before);
    let mut found = 0;
    for at in 1..=all {
        // Between one write and the next only the note changes: either side of each would take twice as long.
        let cut = if at % 2 == 0 { Cut::Before } else { Cut::After };
        assert!(killed(at, cut).1, "{at} of {all}");
        let there = left(&lab, ROOT);
        found += usize::from(!there.is_empty());
        assert!(
            there.is_empty() || !notes(folder.path()).is_empty(),
            "{at}, {cut:?}: no note names {there:?}"
        );
        assert!(!killed(0, cut).1);
        assert_eq!(left(&lab, ROOT), [""; 0], "{at}, {cut:?}");
        assert_eq!(notes(folder.path()), [""; 0], "{at}, {cut:?}");
    }
    // All but what is killed before the first is made, or behind the last that is removed.
    println!("{found} of {all} had left something");
    assert!(found + 3 >= all && all > 10, "{found} of {all} left something");
}

#[test]
#[ignore = "needs the directory lab"]
fn what_cannot_be_probed_is_said_with_what_to_do() {
    let _turn = TURN.lock();
    let (lab, session) = parent();
    let staff = format!("OU=Staff,{ROOT}");
    for (request, status) in [
        (json!({}), Status::ArgumentInvalid),
        (json!({"container": staff, "user": "x"}), Status::ArgumentInvalid),
        (
            json!({"container": "OU=None,DC=example,DC=test"}),
            Status::DirectoryNotFound,
        ),
        (
            json!({"container": "OU=None,DC=other,DC=test"}),
            Status::DirectoryNotFound,
        ),
        (json!({"container": "Staff"}), Status::DirectoryNotFound),
        (json!({"container": ""}), Status::ArgumentInvalid),
        (json!({"contaner": staff}), Status::ArgumentJson),
    ] {
        let error = probe(&session, CONNECTOR, request.clone()).unwrap_err();
        assert_eq!(error.status, status, "{request}: {}", error.message);
    }
    let (wrong, _) = probe_as(&session, CONNECTOR, "canary-7f3a", json!({"container": staff}));
    let wrong = wrong.unwrap_err();
    assert_eq!(
        (wrong.status, wrong.target.as_deref()),
        (Status::DirectorySignIn, Some("connector"))
    );
    assert!(!format!("{wrong:?}").contains("canary"));
    // The domain's root is a container like any other.
    let root = probe(&session, CONNECTOR, json!({"container": ROOT})).unwrap();
    assert_eq!(status(&root, "reset"), "Pass", "{root:#}");
    assert_eq!(left(&lab, ROOT), [""; 0]);
    // Whoever may make no users.
    let own = open(&json!({}));
    crate::forest::connect_as(&own, &lab, "EXAMPLE\\svc-trial", &[]);
    let error = probe(&own, CONNECTOR, json!({"container": staff})).unwrap_err();
    assert_eq!(error.status, Status::DirectoryRefused, "{}", error.message);
    assert!(
        error.message.contains("a disposable user cannot be made"),
        "{}",
        error.message
    );
    assert_eq!(left(&lab, ROOT), [""; 0]);
    assert_eq!(notes(lock_folder().parent().unwrap()), [""; 0]);
}
