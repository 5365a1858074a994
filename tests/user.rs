//! One user's case over HTTP: what stands first between each user of the lab and a reset, in tenants of many kinds.

mod common;

use common::*;
use entra_sspr::error::Result;
use entra_sspr::run;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::sync::Arc;

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

/// A lab whose tenant is that of `one-user` with these differences.
fn variant(name: &str, differences: Value) -> Lab {
    let mut scenario = differences;
    scenario["extends"] = "one-user".into();
    scenario["about"] = name.into();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("{name}.json"));
    std::fs::write(&path, scenario.to_string()).expect("a file");
    lab(path.to_str().expect("a path"))
}

fn start(session: &Arc<Session>, request: Value) -> Result<Value> {
    let session = Arc::clone(session);
    let task = Task::start(session.config.host_actions.clone(), move |context| async move {
        run::check_user(&session, request, &context).await
    });
    result(&task.expect("a task starts"))
}

/// The cases of these users.
fn look(session: &Arc<Session>, users: &[&str]) -> Vec<Value> {
    let answer = start(session, json!({ "users": users })).expect("the users are looked at");
    let cases = answer["users"].as_array().expect("cases").clone();
    for case in &cases {
        sound(case);
    }
    cases
}

/// What every case owes its reader.
fn sound(case: &Value) {
    for line in case["screen"].as_array().expect("lines") {
        let line = line.as_str().expect("text");
        assert!(line.chars().count() <= 80 || line.starts_with("       "), "{line}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
    for link in links(case) {
        let (status, title) = (text(link, "status"), text(link, "title"));
        assert!(!title.is_empty() && title.chars().count() <= 160, "{title}");
        assert!(
            !link.to_string().contains("1 user"),
            "of one user nothing is counted: {link}"
        );
        match status {
            "Pass" => assert!(!evidence(link).is_empty(), "{link}"),
            "Fail" | "Warn" => {
                assert!(!text(&link["remediation"], "text").is_empty(), "{link}");
                assert!(!text(link, "reason").is_empty() && !evidence(link).is_empty(), "{link}");
            }
            _ => assert!(!text(link, "reason").is_empty(), "{link}"),
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn evidence(link: &Value) -> &[Value] {
    link["evidence"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn links(case: &Value) -> &[Value] {
    case["links"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn link<'v>(case: &'v Value, id: &str) -> &'v Value {
    links(case)
        .iter()
        .find(|link| link["id"] == format!("user.{id}"))
        .unwrap_or(&Value::Null)
}

/// The first broken link, or `-`; what it says.
fn first(case: &Value) -> (String, String) {
    let id = case["first"]
        .as_str()
        .unwrap_or("-")
        .trim_start_matches("user.")
        .to_string();
    let title = text(link(case, &id), "title").to_string();
    (id, title)
}

/// Whom, the first broken link, what its title holds. `-`: none; what then stands there is a link that is to be watched.
const ONE_USER: &[(&str, &str, &str)] = &[
    ("wanda", "-", ""),
    ("claude", "-", ""),
    ("mona", "-", "origin: managed in the cloud or left over"),
    ("stella", "account", "sign-in is blocked"),
    ("una", "-", "license: the service does not refuse"),
    ("rita", "license", "no licence that entitles"),
    ("otto", "scope", "not in group 'SSPR users'"),
    ("fay", "methods", "may use email only, and 2 methods are needed"),
    (
        "cora",
        "asked",
        "kept from registering: 'CA07 - No security info for contractors'",
    ),
    ("emil", "registered", "registered nothing"),
    ("kim", "registered", "only methods that do not reset: fido2SecurityKey"),
    ("sven", "registered", "registered email only, and 2 methods are needed"),
    ("uwe", "registered", "may not use all of it"),
    ("tina", "-", "retirements: drops below two methods on 2027-02-01"),
    ("asta", "-", ""),
    ("theo", "blocked", "blocked after too many tries, until "),
    ("willy", "-", "last_reset: refused as too weak or banned"),
    ("lola", "-", "last_reset: it never reached the directory"),
    ("ute", "-", "last_reset: Microsoft does not reach the Connect server"),
    ("olga", "-", ""),
    ("chief", "registered", "registered email only"),
    ("ada", "-", "retirements: 2027-07-01"),
    ("o'hara+x", "-", ""),
    ("nobody", "account", "no such user"),
];

#[test]
fn each_user_has_a_first_broken_link() {
    let lab = lab("one-user");
    let session = person(&lab, 0, true);
    let names: Vec<String> = ONE_USER
        .iter()
        .map(|(who, ..)| format!("{who}@contoso.example"))
        .collect();
    let cases = look(&session, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for ((who, id, says), case) in ONE_USER.iter().zip(&cases) {
        let found = first(case);
        assert_eq!(found.0, *id, "{who}: {case:#}");
        match (*id, says.split_once(": ")) {
            ("-", Some((watched, says))) => {
                let link = link(case, watched);
                assert_eq!(link["status"], "Warn", "{who}: {link}");
                assert!(text(link, "title").contains(says), "{who}: {link}");
            }
            _ => assert!(found.1.contains(says), "{who}: {found:?}"),
        }
        let answer = match *id {
            "-" if text(link(case, "directory"), "status") == "Skipped" => "Unknown",
            "-" => "Yes",
            _ => "No",
        };
        assert_eq!(case["canReset"], answer, "{who}: {case:#}");
    }
    // A guest's name holds what an address would end at.
    let guest = look(&session, &["vic_partner.example#EXT#@contoso.onmicrosoft.com"]);
    assert_eq!(
        first(&guest[0]),
        ("account".into(), "a guest, whose password is kept elsewhere".into())
    );
    assert_clean(&lab);
}

#[test]
fn many_users_are_read_with_as_many_rounds_as_one() {
    let lab = lab("one-user");
    let session = app(&lab, 0);
    let rounds = |users: &[&str]| {
        let before = lab.requests().len();
        look(&session, users);
        let requests = lab.requests().split_off(before);
        let of = |part: &str| requests.iter().filter(|request| request.path.contains(part)).count();
        (of("$batch"), of("userRegistrationDetails"), of("directoryAudits"))
    };
    let one = rounds(&["staff1@contoso.example"]);
    assert_eq!(one.1, 1, "one user's row: {one:?}");
    let names: Vec<String> = (1..=100).map(|n| format!("staff{n}@contoso.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = rounds(&names);
    // Ten batches of twenty parts at once in place of one; the report and the log are read through.
    assert_eq!((many.0, many.1, many.2), (one.0 + 9, one.1, one.2), "{one:?} {many:?}");
    let streamed = look(&session, &names);
    let alone = look(&session, &names[6..7]);
    let plain = |case: &Value| {
        (
            case["canReset"].clone(),
            links(case).iter().map(|link| link["title"].clone()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        plain(&streamed[6]),
        plain(&alone[0]),
        "the same whichever way it was read"
    );
    // How many requests had to wait for others: those of which no two were under way at once.
    let latency = Fault::new("", FaultKind::Latency { ms: 200 });
    lab.add_fault(latency).expect("a fault");
    let depth = |users: &[&str]| {
        let before = lab.requests().len();
        look(&session, users);
        let mut spans: Vec<(f64, f64)> = lab.requests()[before..]
            .iter()
            .filter(|request| request.batch.is_none())
            .map(|request| (request.at_ms, request.at_ms + request.took_ms.unwrap_or_default()))
            .collect();
        spans.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut free = 0.0;
        spans.retain(|(from, until)| {
            let alone = *from >= free;
            if alone {
                free = *until;
            }
            alone
        });
        spans.len()
    };
    let (one, many) = (depth(&names[..1]), depth(&names));
    assert!(many <= one, "{many} in a row for 100 users, {one} for one");
    lab.clear_faults();
    assert_clean(&lab);
}

/// A tenant's difference, whom it is about, the first broken link, what its title holds.
fn variants() -> Vec<(&'static str, Value, &'static str, &'static str, &'static str)> {
    let portal = |members: Value| json!({"portal": {"passwordReset": members}});
    let policy = |members: Value| json!({"policies": members});
    vec![
        (
            "off",
            portal(json!({"enablementType": 0})),
            "wanda",
            "scope",
            "reset is off for all users",
        ),
        ("everybody", portal(json!({"enablementType": 2})), "otto", "-", ""),
        (
            "group-gone",
            portal(json!({"passwordResetEnabledGroupIds": ["deadbeef-0000-4000-8000-00000000dead"]})),
            "wanda",
            "scope",
            "no longer exists",
        ),
        (
            "not-asked",
            portal(json!({"registrationRequiredOnSignIn": false})),
            "emil",
            "asked",
            "nobody is",
        ),
        (
            "administrators-off",
            policy(json!({"authorization": {"allowedToUseSSPR": false}})),
            "chief",
            "scope",
            "administrators may not reset by themselves",
        ),
        (
            "one-method",
            portal(json!({"numberOfAuthenticationMethodsRequired": 1})),
            "sven",
            "-",
            "",
        ),
        (
            "app-alone",
            policy(json!({"methods": {
                "SoftwareOath": {"state": "disabled"}, "Email": {"state": "disabled"}, "Sms": {"state": "disabled"}}})),
            "wanda",
            "methods",
            "and 2 methods are needed",
        ),
        (
            "writeback-off",
            json!({"portal": {"onPremises": {"passwordWritebackSupported": false, "enablementForTenant": false}},
                "audit": {"writeback-off": {"at": "-3h", "activity": "Disable password writeback for directory", "by": "hyun@contoso.example"}}}),
            "wanda",
            "writeback",
            "password writeback is off",
        ),
        (
            "writeback-off-cloud",
            json!({"portal": {"onPremises": {"passwordWritebackSupported": false, "enablementForTenant": false}},
                "audit": {"writeback-off": {"at": "-3h", "activity": "Disable password writeback for directory", "by": "hyun@contoso.example"}}}),
            "claude",
            "-",
            "",
        ),
        (
            "suspended",
            json!({"skus": {"AAD_PREMIUM": {"capabilityStatus": "Suspended"}}}),
            "claude",
            "license",
            "is suspended",
        ),
        (
            "mfa-first",
            policy(
                json!({"methods": {"TemporaryAccessPass": {"state": "disabled"}}, "conditionalAccess": {
                "registration": {"conditions": {"locations": null}}}}),
            ),
            "emil",
            "asked",
            "kept from registering: 'CA02",
        ),
        (
            // A policy that leaves a single user out, by id.
            "left-out",
            json!({"people": {"ned": {"name": "Ned New", "alias": "ned", "skus": ["AAD_PREMIUM"], "groups": ["sspr-users"]}}, "policies": {"methods": {"TemporaryAccessPass": {"state": "disabled"}}, "conditionalAccess": {
                "registration": {"conditions": {"locations": null, "users": {"excludeUsers": ["person:ned"]}}}}}}),
            "ned",
            "registered",
            "registered nothing",
        ),
        (
            "singled-out",
            json!({"people": {"ned": {"name": "Ned New", "alias": "ned", "skus": ["AAD_PREMIUM"], "groups": ["sspr-users"]}}, "policies": {"methods": {"TemporaryAccessPass": {"state": "disabled"}}, "conditionalAccess": {
                "office": {"conditions": {"users": {"includeUsers": ["person:ned"], "includeGroups": []}}}}}}),
            "ned",
            "asked",
            "kept from registering: 'CA07",
        ),
    ]
}

#[test]
fn a_tenant_s_own_faults_come_first_for_its_users() {
    for (name, differences, who, id, says) in variants() {
        let lab = variant(name, differences);
        let user = format!("{who}@contoso.example");
        let case = look(&person(&lab, 0, true), &[&user]).remove(0);
        let found = first(&case);
        assert_eq!(found.0, id, "{name}: {case:#}");
        assert!(found.1.contains(says), "{name}: {found:?}");
        assert_clean(&lab);
    }
}

#[test]
fn what_may_not_be_read_is_told_and_is_no_answer() {
    let lab = lab("one-user");
    let tenant = lab.tenant(0);
    for permission in ["User.Read.All", "AuditLog.Read.All", "Policy.Read.All"] {
        let app = &tenant.client_id;
        lab.control(
            "POST",
            "permissions/remove",
            &json!({"app": app, "permission": permission}),
        )
        .expect("the app loses it");
    }
    let case = look(&app(&lab, 0), &["claude@contoso.example"]).remove(0);
    assert_eq!(
        (&case["canReset"], &case["first"]),
        (&json!("Unknown"), &Value::Null),
        "{case:#}"
    );
    let account = link(&case, "account");
    assert_eq!(account["status"], "Skipped");
    assert!(text(account, "title").contains("User.Read.All"), "{account}");
}

#[test]
fn what_is_no_request_is_refused_with_what_to_do() {
    let lab = lab("one-user");
    let session = app(&lab, 0);
    for (request, says) in [
        (json!({}), "name 1 to 1000 users"),
        (json!({"users": []}), "name 1 to 1000 users"),
        (json!({"users": [" "]}), "not empty"),
        (json!({"users": [7]}), "not empty"),
        (json!({"user": "x"}), "unknown field `user`"),
    ] {
        let error = start(&session, request).expect_err("it is refused");
        assert!(
            matches!(error.status, Status::ArgumentInvalid | Status::ArgumentJson),
            "{error:?}"
        );
        assert!(error.message.contains(says), "{error:?}");
    }
    let closed = open(&config(&lab, 0));
    let error = start(&closed, json!({"users": ["ann@contoso.example"]})).expect_err("nobody is signed in");
    assert_eq!(error.status, Status::SignInNeeded);
    // By a name that is none of the tenant's nobody is found there.
    let case = look(&session, &["CONTOSO\\ann"]).remove(0);
    assert!(
        text(link(&case, "account"), "title").contains("user principal name"),
        "{case:#}"
    );
}

#[test]
fn a_report_that_fails_in_the_middle_leaves_the_rest_of_the_case() {
    let lab = lab("one-user");
    let fault = Fault::new(
        "/v1.0/reports/authenticationMethods/userRegistrationDetails",
        FaultKind::Status {
            status: 500,
            code: None,
            retry_after: None,
        },
    );
    lab.add_fault(fault).expect("a fault");
    let case = look(&app(&lab, 0), &["sven@contoso.example"]).remove(0);
    assert_eq!(link(&case, "registered")["status"], "Skipped", "{case:#}");
    assert_eq!(link(&case, "license")["status"], "Pass");
    assert_eq!(case["canReset"], "Unknown");
}
