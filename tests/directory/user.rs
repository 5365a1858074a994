//! One user's case against real domain controllers: in the directory alone, and joined with a tenant's account.

use crate::common::{app, config, open, result, sign_in};
use crate::forest::connect;
use crate::{Lab, sid_of};
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

/// Whom, the first broken link, what its title holds; each a row of the failure catalogue that a directory can make.
const USERS: &[(&str, &str, &str)] = &[
    ("stale.sam", "", ""),
    ("fresh.fran", "", ""),
    ("staff1", "password_age", "too young: it can be reset from "),
    ("young.yul", "password_age", "too young: it can be reset from "),
    ("disabled.dee", "enabled", "disabled on premises"),
    ("sales1", "rights", "inheritance is off on OU=Sales,OU=Staff"),
    ("script.sam", "rights", "inheritance is off on OU=Sales,OU=Staff"),
    (
        "field1",
        "rights",
        "Reset Password is denied to EXAMPLE\\Writers of Writers at OU=Field,OU=Staff",
    ),
    (
        "denied.dan",
        "rights",
        "Write lockoutTime is denied to Everyone on the user",
    ),
    ("external1", "rights", "what is granted is for the class user"),
    ("admin.ann", "rights", "inheritance is off on the user"),
    (
        "former.admin",
        "protected",
        "AdminSDHolder protects the account, or did",
    ),
    ("reserved1", "directory", "holds a reserved character"),
    ("EXAMPLE\\nobody", "directory", "no such user in the directory"),
];

#[test]
#[ignore = "needs the directory lab"]
fn each_user_of_the_directory_has_a_first_broken_link() {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let names: Vec<&str> = USERS.iter().map(|(who, ..)| *who).collect();
    for ((who, id, says), case) in USERS.iter().zip(look(&session, &names)) {
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
