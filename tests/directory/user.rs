//! One user's case against real domain controllers: in the directory alone, and joined with a tenant's account.

use crate::common::catalogue::BY_DIRECTORY;
use crate::common::{app, check, config, finding, open, result, sign_in};
use crate::forest::connect;
use crate::watch::{CHILD, Pilot};
use crate::{Lab, entries, sid_of};
use entra_sspr::directory::descriptor::{Acl, Descriptor, allowing, mask};
use entra_sspr::directory::rights::{UNEXPIRE_PASSWORD, Want};
use entra_sspr::directory::sid::SidBuf;
use entra_sspr::run;
use entra_sspr::session::Session;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use sspr_lab::{Lab as TenantLab, LabOptions};
use std::sync::Arc;

fn look(session: &Arc<Session>, users: &[&str]) -> Vec<Value> {
    let session = Arc::clone(session);
    let request = json!({ "users": users });
    let task = Task::start(session.config.host_actions.clone(), move |context| async move {
        run::check_user(&session, request, &context).await
    });
    let answer = result(&task.expect("a task starts")).expect("the users are looked at");
    answer["users"].as_array().expect("cases").clone()
}

fn link<'v>(case: &'v Value, id: &str) -> &'v Value {
    let links = case["links"].as_array().expect("links");
    let found = links.iter().find(|link| link["id"] == format!("user.{id}"));
    found.unwrap_or(&Value::Null)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Whom, the row of the failure catalogue that this is (0: none), the first broken link, what its title holds.
const USERS: &[(&str, u8, &str, &str)] = &[
    ("stale.sam", 0, "", ""),
    ("fresh.fran", 0, "", ""),
    ("staff1", 11, "password_age", "too young: it can be reset from "),
    ("young.yul", 12, "password_age", "too young: it can be reset from "),
    ("disabled.dee", 36, "enabled", "disabled on premises"),
    ("sales1", 2, "rights", "inheritance is off on OU=Sales,OU=Staff"),
    ("script.sam", 2, "rights", "inheritance is off on OU=Sales,OU=Staff"),
    (
        "field1",
        1,
        "rights",
        "Reset Password is denied to EXAMPLE\\Writers of Writers at OU=Field,OU=Staff",
    ),
    (
        "denied.dan",
        1,
        "rights",
        "Write lockoutTime is denied to Everyone on the user",
    ),
    ("external1", 38, "rights", "what is granted is for the class user"),
    ("admin.ann", 3, "rights", "inheritance is off on the user"),
    (
        "former.admin",
        4,
        "protected",
        "AdminSDHolder protects the account, or did",
    ),
    ("reserved1", 37, "directory", "holds a reserved character"),
    ("EXAMPLE\\nobody", 0, "directory", "no such user in the directory"),
];

/// Rows that the tests below make, each with a user or an account of its own.
const OTHERS: [u8; 4] = [6, 32, 33, 39];

#[test]
fn the_rows_of_the_catalogue_that_are_made_here_are_those_that_it_says() {
    let mut rows: Vec<u8> = USERS.iter().map(|(_, row, ..)| *row).filter(|row| *row > 0).collect();
    rows.extend(OTHERS);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows, BY_DIRECTORY);
}

#[test]
#[ignore = "needs the directory lab"]
fn each_user_of_the_directory_has_a_first_broken_link() {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let names: Vec<&str> = USERS.iter().map(|(who, ..)| *who).collect();
    for ((who, _, id, says), case) in USERS.iter().zip(look(&session, &names)) {
        let first = case["first"].as_str().unwrap_or_default().trim_start_matches("user.");
        assert_eq!(first, *id, "{who}: {case:#}");
        assert!(text(link(&case, first), "title").contains(says), "{who}: {case:#}");
        for line in case["screen"].as_array().expect("lines") {
            let line = line.as_str().expect("text");
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
    let must_change = look(&session, &["fresh.fran"]).remove(0);
    assert_eq!(link(&must_change, "must_change")["status"], "Warn");
    // The entry that decides each right is told as the controller has it.
    let rights = look(&session, &["denied.dan"]).remove(0);
    let seen = link(&rights, "rights")["evidence"].to_string();
    assert!(seen.contains("Write lockoutTime refused, denied to Everyone"), "{seen}");
}

#[test]
#[ignore = "needs the directory lab"]
fn a_user_whose_own_change_is_denied_can_still_be_reset() {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &["svc-cases"]);
    let case = look(&session, &["deny-other"]).remove(0);
    let rights = link(&case, "rights");
    assert_eq!(rights["status"], "Warn", "{case:#}");
    assert!(
        text(rights, "title").contains("cannot change the password in the cloud"),
        "{rights}"
    );
}

/// What an administrator took away: Unexpire Password on the root, and reading CN=Builtin.
#[test]
#[ignore = "needs the directory lab"]
fn an_account_that_may_not_unexpire_nor_read_what_connect_reads_is_told() {
    let account = Pilot::new("svc-bare");
    let sid: SidBuf = account.sid.parse().unwrap();
    let Want::ControlAccess(unexpire) = UNEXPIRE_PASSWORD.want else {
        unreachable!()
    };
    let before = account.does(async |admin| {
        let mut before = Vec::new();
        for (object, mask, right) in [
            (CHILD.to_string(), mask::CONTROL_ACCESS, Some(&unexpire)),
            (format!("CN=Builtin,{CHILD}"), mask::READ_PROPERTY, None),
        ] {
            let entry = admin.read(&object, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
            let old = entry.value("nTSecurityDescriptor").unwrap().to_vec();
            let now = Descriptor::read(&old).unwrap();
            let mut denying = allowing(0, mask, right, None, sid.sid());
            // From allow to deny.
            denying[0] += 1;
            let count = now.dacl().unwrap().aces().count() as u16 + 1;
            let new = now.with_dacl(Acl::of(count, &[denying, entries(&now)].concat()).unwrap());
            admin.replace(&object, "nTSecurityDescriptor", &[&new]).await.unwrap();
            before.push((object, old));
        }
        before
    });
    let session = open(&json!({}));
    connect(&session, &account.lab, &account.lab.dns_server, &["svc-bare"]);
    let readiness = check(&session, json!({"steps": ["directory_permissions"]}));
    account.does(async |admin| {
        for (object, bytes) in &before {
            admin.replace(object, "nTSecurityDescriptor", &[bytes]).await.unwrap();
        }
    });
    let unexpire = finding(&readiness, "directory_permissions.unexpire");
    assert_eq!(unexpire["status"], "Fail", "{unexpire:#}");
    assert!(
        unexpire["evidence"].to_string().contains("denied to CHILD\\\\svc-bare"),
        "{unexpire:#}"
    );
    let reads = finding(&readiness, "directory_permissions.connect_reads");
    assert_eq!(reads["status"], "Fail", "{reads:#}");
    assert!(text(reads, "title").contains("CN=Builtin"), "{reads:#}");
}

#[test]
#[ignore = "needs the directory lab"]
fn an_account_without_rights_in_another_domain_cannot_reset_its_users() {
    let mut labs = Lab::all();
    labs.truncate(2);
    let session = open(&json!({}));
    for lab in &labs {
        connect(&session, lab, &lab.dns_server, &["EXAMPLE\\MSOL_16fb75d0227d"]);
    }
    let cases = look(&session, &["CHILD\\child1", "CHILD\\direct.dora", "stale.sam"]);
    let first: Vec<&str> = cases.iter().map(|case| text(case, "first")).collect();
    assert_eq!(first, ["user.rights", "user.rights", ""], "{cases:#?}");
    assert!(
        text(link(&cases[0], "rights"), "title").contains("nothing grants"),
        "{:#}",
        cases[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn the_tenant_s_account_and_the_directory_s_are_one_user() {
    let lab = Lab::all().remove(0);
    let mut connection = lab.open(&lab.administrator).await;
    let (mut people, mut names) = (json!({}), Vec::new());
    for (name, account) in [("well", "stale.sam"), ("kept", "sales1"), ("off", "disabled.dee")] {
        let sid = sid_of(&mut connection, account).await.sid().to_string();
        people[name] = json!({"name": name, "alias": name, "onPremises": "synced", "skus": ["AAD_PREMIUM"],
            "groups": ["all-staff", "sspr-users"], "methods": ["email", "softwareOneTimePasscode"],
            "user": {"onPremisesSecurityIdentifier": sid}});
        names.push(format!("{name}@contoso.example"));
    }
    let joined = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joined.json");
        let scenario = json!({"extends": "one-user", "about": "Users of the lab's directory.", "people": people});
        std::fs::write(&path, scenario.to_string()).unwrap();
        let tenant = TenantLab::start_blocking(LabOptions::scenario(path.to_str().unwrap())).unwrap();
        let session = open(&config(&tenant, 0));
        connect(&session, &lab, &lab.dns_server, &[]);
        let without = look(&app(&tenant, 0), &["kept@contoso.example"]).remove(0);
        sign_in(&session, &tenant, 0);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        (look(&session, &names), without)
    });
    let (cases, without) = joined.await.unwrap();
    let first: Vec<&str> = cases.iter().map(|case| text(case, "first")).collect();
    assert_eq!(first, ["", "user.rights", "user.enabled"], "{cases:#?}");
    assert_eq!(cases[0]["canReset"], "Yes", "{:#}", cases[0]);
    assert!(text(&cases[1], "dn").starts_with("CN=sales1,"));
    for id in [
        "license",
        "registered",
        "writeback",
        "directory",
        "rights",
        "password_age",
        "locked",
    ] {
        assert_ne!(link(&cases[1], id), &Value::Null, "{id}");
    }
    assert_eq!((text(&without, "canReset"), text(&without, "first")), ("Unknown", ""));
}
