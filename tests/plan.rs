//! Set-up of a tenant over HTTP: planned, applied, undone; what gets in its way, and what is sent.

mod common;

use common::*;
use entra_sspr::desired::Profile;
use entra_sspr::error::Result;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const POLICY: &str = "/api/PasswordReset/PasswordResetPolicies";
const METHODS: &str = "/v1.0/policies/authenticationMethodsPolicy";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("hybrid-faulty")).expect("the lab starts")
}

fn wanted() -> Value {
    let mut desired: Value = serde_json::from_str(Profile::Guide.text()).unwrap();
    desired["resetPolicy"]["administrators"] = json!(false);
    desired["registration"]["campaign"] = json!("enabled");
    desired["mfaEnforcement"] = json!({
        "conditionalAccess": "reportOnly", "excludeUsers": ["11111111-2222-4333-8444-555555555555"],
    });
    desired["notifications"]["helpdesk"] = json!("helpdesk@contoso.example");
    desired
}

fn create(session: &Arc<Session>, desired: &Value, portal: bool) -> Value {
    let request = json!({"desired": desired.to_string(), "allowPortalWrite": portal});
    create_plan(session, request).expect("a plan")
}

fn apply(session: &Arc<Session>, plan: &Value, journal: &Path) -> Result<Value> {
    apply_plan(
        session,
        json!({"plan": plan["plan"], "journal": journal, "allowPortalWrite": true}),
    )
}

fn undo(session: &Arc<Session>, journal: &Path) -> Result<Value> {
    undo_plan(session, json!({"journal": journal, "allowPortalWrite": true}))
}

/// What each change came to, by its id.
fn outcomes(result: &Value) -> BTreeMap<&str, &str> {
    let changes = result["changes"].as_array().unwrap().iter();
    changes
        .map(|change| (change["id"].as_str().unwrap(), change["outcome"].as_str().unwrap()))
        .collect()
}

fn writes(lab: &Lab) -> Vec<String> {
    let written = lab.requests().into_iter().filter(|request| {
        matches!(request.method.as_str(), "PUT" | "PATCH" | "DELETE")
            || request.method == "POST" && request.path.contains("conditionalAccess")
    });
    written
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

#[test]
fn a_faulty_tenant_is_set_up_and_set_back() {
    let _turn = turn();
    let lab = lab();
    without_mfa(&lab);
    let session = writer(&lab);
    let mut wanted = wanted();
    wanted["mfaEnforcement"]["excludeUsers"] = json!([administrator(&lab, &session)]);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let before = state_of(&lab, &session);
    let made = create(&session, &wanted, true);
    assert_eq!(writes(&lab), [""; 0], "a plan sends no write");

    let done = apply(&session, &made, &journal).expect("the plan is applied");
    let came = outcomes(&done);
    for id in [
        "reset_policy.methods_required",
        "reset_policy.administrators",
        "authentication_methods.softwareoath",
        "registration.required",
        "registration.reconfirm",
        "registration.campaign",
        "notifications.users",
        "notifications.administrators",
        "notifications.helpdesk",
        "mfa_enforcement.all_users",
        "account_unlock.allowed",
    ] {
        assert_eq!(came.get(id), Some(&"done"), "{id}: {came:#?}");
    }
    assert!(
        came.values().all(|outcome| matches!(*outcome, "done" | "byHand")),
        "{done:#}"
    );
    assert_clean(&lab);

    // Nothing is left but what a person does; applying what is there changes nothing.
    let again = create(&session, &wanted, true);
    assert_eq!(again["counts"]["change"], 0, "{again:#}");
    let sent = writes(&lab).len();
    let same = apply(&session, &made, &folder.path().join("again.jsonl")).unwrap();
    assert!(
        outcomes(&same)
            .values()
            .all(|outcome| matches!(*outcome, "already" | "byHand")),
        "{same:#}"
    );
    assert_eq!(writes(&lab).len(), sent);
    let readiness = check(
        &session,
        json!({"steps": ["notifications", "reset_policy", "account_unlock"]}),
    );
    for id in [
        "notifications.users",
        "notifications.administrators",
        "reset_policy.methods_required",
        "account_unlock.allowed",
    ] {
        if id == "notifications.administrators" {
            continue; // administrators may no longer reset
        }
        assert_eq!(finding(&readiness, id)["status"], "Pass", "{id}");
    }

    let undone = undo(&session, &journal).expect("the plan is undone");
    assert!(
        outcomes(&undone).values().all(|outcome| *outcome == "undone"),
        "{undone:#}"
    );
    // What only a person could do stays, and is told.
    let left: Vec<&str> = undone["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|why| why.as_str().unwrap())
        .collect();
    assert!(
        left.iter().any(|why| why.contains("a person takes it back")),
        "{left:#?}"
    );
    let order: Vec<&Value> = undone["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["id"])
        .collect();
    assert_eq!(order[0], "account_unlock.allowed", "the last first");
    assert_eq!(state_of(&lab, &session), before);
    assert_clean(&lab);
}

#[test]
fn who_may_not_write_is_told_what_is_missing_before_anything_is_changed() {
    let _turn = turn();
    let lab = lab();
    without_mfa(&lab);
    let session = app(&lab, 0);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    // An app cannot reach the portal: these changes are a person's.
    let mut wanted = wanted();
    wanted["mfaEnforcement"]["excludeUsers"] = json!([administrator(&lab, &session)]);
    let made = create(&session, &wanted, true);
    let kinds: Vec<&Value> = made["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["kind"])
        .collect();
    assert!(
        kinds.iter().all(|kind| *kind == "Graph" || *kind == "Manual"),
        "{made:#}"
    );
    assert!(kinds.iter().any(|kind| *kind == "Manual"));
    let error = apply(&session, &made, &journal).unwrap_err();
    assert_eq!(error.status, Status::PlanPermission);
    for permission in WRITES {
        assert!(error.message.contains(permission), "{}", error.message);
    }
    assert!(!journal.exists() && writes(&lab).is_empty());

    // Nobody signed in to the portal, or nobody allowed it.
    let made = create(&writer(&lab), &wanted, true);
    let refused = apply_plan(&writer(&lab), json!({"plan": made["plan"], "journal": journal}));
    assert_eq!(refused.unwrap_err().target.as_deref(), Some("allowPortalWrite"));
    let error = apply(&person(&lab, 0, false), &made, &journal).unwrap_err();
    assert_eq!(error.status, Status::PlanPermission);
    assert!(!journal.exists() && writes(&lab).is_empty());
}

#[test]
fn what_others_changed_stops_the_plan_and_is_not_undone() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let only = json!({"schemaVersion": 1, "notifications": {"users": true, "administrators": true}});
    let made = create(&session, &only, true);
    // Somebody sets the first otherwise than it was, in a way that is not wanted either.
    let odd = json!({"passwordReset": {"notifyUsersOnPasswordReset": "sometimes"}});
    lab.control("POST", "portal", &odd).unwrap();
    let journal = folder.path().join("plan.jsonl");
    let stopped = apply(&session, &made, &journal).unwrap();
    assert_eq!(
        outcomes(&stopped),
        BTreeMap::from([
            ("notifications.users", "drifted"),
            ("notifications.administrators", "notTried")
        ])
    );
    assert_eq!(stopped["complete"], false);
    assert!(
        stopped["changes"][0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("sometimes")
    );
    assert!(writes(&lab).is_empty());

    lab.control(
        "POST",
        "portal",
        &json!({"passwordReset": {"notifyUsersOnPasswordReset": false}}),
    )
    .unwrap();
    let resume = json!({"journal": journal, "resume": true, "allowPortalWrite": true});
    let resumed = apply_plan(&session, resume).unwrap();
    assert!(
        outcomes(&resumed).values().all(|outcome| *outcome == "done"),
        "{resumed:#}"
    );
    // What was done and is no longer there is neither called done nor done again.
    let taken_back = json!({"passwordReset": {"notifyUsersOnPasswordReset": false}});
    lab.control("POST", "portal", &taken_back).unwrap();
    let sent = writes(&lab).len();
    let resume = json!({"journal": journal, "resume": true, "allowPortalWrite": true});
    let resumed = apply_plan(&session, resume).unwrap();
    assert_eq!(outcomes(&resumed)["notifications.users"], "drifted", "{resumed:#}");
    assert_eq!(resumed["complete"], false);
    assert_eq!(writes(&lab).len(), sent);
    // Others take one back since: it stays as they left it, and the other is undone.
    lab.control(
        "POST",
        "portal",
        &json!({"passwordReset": {"notifyUsersOnPasswordReset": "never"}}),
    )
    .unwrap();
    let undone = undo(&session, &journal).unwrap();
    assert_eq!(
        outcomes(&undone),
        BTreeMap::from([
            ("notifications.users", "drifted"),
            ("notifications.administrators", "undone")
        ])
    );
}

#[test]
fn what_a_service_does_in_mid_plan_ends_with_a_journal_that_says_it() {
    let _turn = turn();
    let only = json!({"schemaVersion": 1, "notifications": {"users": true, "administrators": true}});
    for (what, kind, expected) in [
        (
            "refused",
            FaultKind::Status {
                status: 403,
                code: None,
                retry_after: None,
            },
            "failed",
        ),
        (
            "changed meanwhile",
            FaultKind::Status {
                status: 412,
                code: None,
                retry_after: None,
            },
            "failed",
        ),
        (
            "lost on the way back",
            FaultKind::DropMidBody { after: Some(0) },
            "done",
        ),
        ("lost on the way there", FaultKind::DropBeforeHeaders, "any"),
    ] {
        let lab = lab();
        let session = writer(&lab);
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("plan.jsonl");
        let made = create(&session, &only, true);
        let fault = Fault {
            method: Some("PUT".into()),
            ..Fault::new(POLICY, kind).times(1)
        };
        lab.add_fault(fault).unwrap();
        let result = apply(&session, &made, &journal).unwrap();
        let outcome = outcomes(&result)["notifications.users"].to_string();
        assert!(expected == "any" || outcome == expected, "{what}: {result:#}");
        // Whatever it was, what is there is what was said.
        let there = lab.control("GET", "portal", &Value::Null).unwrap();
        let there = there["passwordReset"]["notifyUsersOnPasswordReset"] == true;
        assert_eq!(there, outcome == "done", "{what}: {result:#}");
        let lines = std::fs::read_to_string(&journal).unwrap();
        let marked = |mark: &str| {
            lines
                .lines()
                .any(|line| line.contains("\"notifications.users\"") && line.contains(&format!("\"mark\":\"{mark}\"")))
        };
        assert!(
            marked("begun") && marked(if there { "done" } else { "failed" }),
            "{what}: {lines}"
        );
        // What was done is taken back, what was not stays.
        undo(&session, &journal).unwrap();
        let back = lab.control("GET", "portal", &Value::Null).unwrap();
        assert_eq!(back["passwordReset"]["notifyUsersOnPasswordReset"], false, "{what}");
        assert_eq!(back["passwordReset"]["notifyOnAdminPasswordReset"], false, "{what}");
    }
}

#[test]
fn a_plan_is_one_tenant_s_and_whole() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let made = create(&session, &wanted(), true);
    let text = made["plan"].as_str().unwrap();
    let other = text.replace(&lab.tenant(0).tenant_id, "99999999-0000-4000-8000-000000000000");
    for (plan, status) in [
        (other.as_str(), Status::PlanInvalid),
        ("{}", Status::PlanInvalid),
        (
            &text.replacen("\"schemaVersion\":1", "\"schemaVersion\":9", 1),
            Status::PlanInvalid,
        ),
    ] {
        let error = apply(&session, &json!({"plan": plan}), &folder.path().join("j")).unwrap_err();
        assert_eq!(error.status, status, "{plan:.80}");
    }
    std::fs::write(folder.path().join("not"), "no journal\n").unwrap();
    assert_eq!(
        undo(&session, &folder.path().join("not")).unwrap_err().status,
        Status::PlanInvalid
    );
    assert!(writes(&lab).is_empty());
}

/// What asks all users for MFA already is used, whoever made it; and nobody is left out who is not there.
#[test]
fn a_policy_that_is_there_is_used_and_whom_it_leaves_out_must_be_there() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let mfa = |state: &str, users: &[&str]| json!({"schemaVersion": 1, "mfaEnforcement": {"conditionalAccess": state, "excludeUsers": users}});
    let nobody = "11111111-2222-4333-8444-555555555555";
    // Another one is on trial.
    let trial = create(&session, &mfa("reportOnly", &[nobody]), true);
    assert_eq!(trial["changes"], json!([]), "{trial:#}");
    let enforced = create(&session, &mfa("enforced", &[nobody]), true);
    let change = &enforced["changes"][0];
    assert_eq!(
        change["title"],
        "Set the policy \"CA01 - MFA for all users\" to enabled"
    );
    assert!(
        change["risk"].as_str().unwrap().contains("asks all users"),
        "{change:#}"
    );

    without_mfa(&lab);
    let admin = administrator(&lab, &session);
    let desired = mfa("reportOnly", &[&admin, nobody]).to_string();
    let refused = create_plan(&session, json!({"desired": desired})).unwrap_err();
    assert_eq!(refused.status, Status::DesiredState);
    assert_eq!(refused.target.as_deref(), Some("mfaEnforcement.excludeUsers"));
    assert!(
        refused
            .message
            .contains(&format!("{nobody}, whom the policy leaves out, is not there")),
        "{refused:?}"
    );
    // A group must hold somebody who can sign in.
    let group = |name: &str| {
        let desired = json!({"schemaVersion": 1, "mfaEnforcement": {"conditionalAccess": "reportOnly", "excludeGroups": [group(&session, name)]}});
        create_plan(&session, json!({"desired": desired.to_string()}))
    };
    let refused = group("Break glass").unwrap_err();
    assert_eq!(refused.target.as_deref(), Some("mfaEnforcement.excludeGroups"));
    assert!(
        refused.message.contains("has no member whose account is enabled"),
        "{refused:?}"
    );
    assert!(group("All staff").is_ok());
    // Applying asks again: since the plan was made, somebody may have gone.
    let made = create(&session, &mfa("reportOnly", &[&admin]), true);
    let gone = json!({"plan": made["plan"].as_str().unwrap().replace(&admin, nobody)});
    let refused = apply(&session, &gone, &folder.path().join("nobody.jsonl")).unwrap_err();
    assert_eq!(refused.status, Status::PlanInvalid);
    assert!(
        refused
            .message
            .contains(&format!("{nobody}, whom the policy leaves out, is not there")),
        "{refused:?}"
    );
    assert!(!folder.path().join("nobody.jsonl").exists() && writes(&lab).is_empty());
    let made = create(&session, &mfa("reportOnly", &[&admin]), true);
    let done = apply(&session, &made, &folder.path().join("plan.jsonl")).unwrap();
    assert_eq!(outcomes(&done)["mfa_enforcement.all_users"], "done");
    // That somebody is gone since keeps nobody from taking the policy away.
    let gone = FaultKind::Status {
        status: 404,
        code: None,
        retry_after: None,
    };
    lab.add_fault(Fault::new("/v1.0/users/", gone)).unwrap();
    let undone = undo(&session, &folder.path().join("plan.jsonl")).unwrap();
    assert_eq!(outcomes(&undone)["mfa_enforcement.all_users"], "undone");
    lab.clear_faults();
    let done = apply(&session, &made, &folder.path().join("again.jsonl")).unwrap();
    assert_eq!(outcomes(&done)["mfa_enforcement.all_users"], "done");
    // One that leaves out nobody is put into force by a person, who chooses somebody first.
    let id = created_policy(&session);
    set_left_out(&session, &id, json!([]));
    let made = create(&session, &mfa("enforced", &[&admin]), true);
    assert_eq!(made["changes"][0]["kind"], "Manual", "{made:#}");
    // Nor is it put into force where those whom it leaves out have gone since.
    set_left_out(&session, &id, json!([admin]));
    let made = create(&session, &mfa("enforced", &[&admin]), true);
    assert_eq!(made["changes"][0]["kind"], "Graph", "{made:#}");
    set_left_out(&session, &id, json!([nobody]));
    let refused = apply(&session, &made, &folder.path().join("gone.jsonl")).unwrap_err();
    assert_eq!(refused.status, Status::PlanInvalid);
    assert!(!folder.path().join("gone.jsonl").exists());
}

/// The id of the policy that a plan made.
fn created_policy(session: &Arc<Session>) -> String {
    let read = run_task(session, |session, context| async move {
        let ask = entra_sspr::tenant::graph::Ask::directory("/v1.0/identity/conditionalAccess/policies");
        Ok(session.graph(&context)?.get::<Value>(&ask).await?)
    });
    let read = read.unwrap();
    let mut all = read["value"].as_array().unwrap().iter();
    let own = all.find(|policy| policy["displayName"].as_str().unwrap().starts_with("EntraSspr"));
    own.unwrap()["id"].as_str().unwrap().into()
}

/// Of two plans for one tenant at once the second is refused, and writes nothing.
#[test]
fn two_plans_of_one_tenant_are_not_applied_at_once() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let made = create(&session, &wanted(), true);
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.jsonl"), folder.path().join("second.jsonl"));
    lab.add_fault(Fault::new("/v1.0/policies/", FaultKind::Latency { ms: 700 }))
        .unwrap();
    std::thread::scope(|scope| {
        let going = scope.spawn(|| apply(&session, &made, &first));
        while !first.exists() {
            assert!(!going.is_finished(), "it ended before it began");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let refused = apply(&session, &made, &second).unwrap_err();
        assert_eq!(refused.status, Status::PlanLocked, "{refused:?}");
        assert!(!second.exists());
        // A journal that another may be writing, this moment in the middle of a line, is left as it is.
        while !std::fs::read(&first).unwrap().contains(&b'\n') {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let other = folder.path().join("other.jsonl");
        let mut bytes = std::fs::read(&first).unwrap();
        bytes.extend(b"{\"at\":\"20");
        std::fs::write(&other, &bytes).unwrap();
        let undone = undo(&session, &other).unwrap_err();
        assert_eq!(undone.status, Status::PlanLocked, "{undone:?}");
        let resumed = apply_plan(
            &session,
            json!({"resume": true, "journal": other, "allowPortalWrite": true}),
        );
        assert_eq!(resumed.unwrap_err().status, Status::PlanLocked);
        assert!(std::fs::read(&other).unwrap() == bytes);
        assert_eq!(going.join().unwrap().unwrap()["complete"], true);
    });
    lab.clear_faults();
    undo(&session, &first).unwrap();
}

/// While another run may be writing a journal, whose last line is on its way to the disk, nothing of it is cut off.
#[test]
fn a_journal_is_not_touched_while_another_run_may_write_it() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let made = create(
        &session,
        &json!({"schemaVersion": 1, "notifications": {"users": true}}),
        true,
    );
    apply(&session, &made, &journal).unwrap();
    let named = |name| std::env::var_os(name).map(PathBuf::from);
    let state = named("LOCALAPPDATA").or_else(|| named("XDG_STATE_HOME"));
    let state = state.unwrap_or_else(|| named("HOME").unwrap().join(".local/state"));
    let lock = state.join(format!("EntraSspr/{}.lock", lab.tenant(0).tenant_id.to_lowercase()));
    let other = std::fs::OpenOptions::new().write(true).open(lock).unwrap();
    other.lock().unwrap();
    let text = std::fs::read_to_string(&journal).unwrap() + "{\"at\":\"20";
    std::fs::write(&journal, &text).unwrap();
    let resume = json!({"journal": journal, "resume": true, "allowPortalWrite": true});
    for refused in [undo(&session, &journal), apply_plan(&session, resume)] {
        assert_eq!(refused.unwrap_err().status, Status::PlanLocked);
    }
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), text);
    drop(other);
    assert_eq!(undo(&session, &journal).unwrap()["complete"], true);
}

/// Somebody changes whom a policy leaves out.
fn set_left_out(session: &Arc<Session>, id: &str, users: Value) {
    let ask = entra_sspr::tenant::graph::Ask::directory(format!("/v1.0/identity/conditionalAccess/policies/{id}"));
    let body = json!({"conditions": {
        "clientAppTypes": ["all"], "applications": {"includeApplications": ["All"]},
        "users": {"includeUsers": ["All"], "excludeUsers": users, "excludeGroups": []},
    }});
    let written = run_task(session, |session, context| async move {
        let graph = session.graph(&context)?;
        graph.write(reqwest::Method::PATCH, &ask, Some(&body)).await?;
        Ok(Value::Null)
    });
    written.unwrap();
}

/// A plan that is made of what stands today is empty, in every kind of tenant, whatever can be read there.
#[test]
fn what_stands_today_is_a_state_whose_plan_is_empty() {
    let _turn = turn();
    for scenario in SCENARIOS {
        let lab = Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts");
        for session in [
            app(&lab, 0),
            person(&lab, 0, false),
            person(&lab, 0, *scenario != NO_PORTAL),
        ] {
            let current = current_state(&session, json!({})).expect("what stands today");
            let desired: Value = serde_json::from_str(current["desired"].as_str().unwrap()).unwrap();
            let made = create(&session, &desired, true);
            assert_eq!(made["changes"], json!([]), "{scenario}: {desired:#}");
            // Where every method is off, a state may not say so.
            let told = current["leftOut"].to_string();
            assert!(
                desired["authenticationMethods"]["email"].is_string() || told.contains("leaves no method"),
                "{scenario}: {desired:#} {told}"
            );
            // A snapshot says the same.
            let readiness = check(&session, json!({}));
            let saved = current_state(&session, json!({"snapshot": readiness["snapshot"]})).unwrap();
            assert_eq!(saved["desired"], current["desired"], "{scenario}");
        }
        assert_clean(&lab);
        assert!(writes(&lab).is_empty());
    }
    let lab = lab();
    let current = current_state(&writer(&lab), json!({})).unwrap();
    let desired: Value = serde_json::from_str(current["desired"].as_str().unwrap()).unwrap();
    for (section, member, value) in [
        ("resetPolicy", "methodsRequired", json!(1)),
        ("notifications", "users", json!(false)),
        ("accountUnlock", "allowed", json!(false)),
        ("mfaEnforcement", "conditionalAccess", json!("reportOnly")),
    ] {
        assert_eq!(desired[section][member], value, "{desired:#}");
    }
    assert_eq!(desired["authenticationMethods"]["migration"], Value::Null);
    let told = current["leftOut"].as_array().unwrap();
    assert!(
        told.iter()
            .any(|why| why.as_str().unwrap().starts_with("directoryPermissions")),
        "{told:#?}"
    );
}

/// The campaign's groups are those that are named; what is not named of it stays.
#[test]
fn the_campaign_asks_the_groups_that_are_named() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let before = state_of(&lab, &session);
    let (one, other) = (
        "11111111-2222-4333-8444-555555555555",
        "21111111-2222-4333-8444-555555555555",
    );
    let desired =
        json!({"schemaVersion": 1, "registration": {"campaignGroups": [one], "campaignExcludeGroups": [other]}});
    let made = create(&session, &desired, true);
    let change = &made["changes"][0];
    assert_eq!(
        (&change["id"], &change["kind"]),
        (&json!("registration.campaign"), &json!("Graph"))
    );
    let of = "registrationEnforcement/authenticationMethodsRegistrationCampaign";
    assert_eq!(
        change["after"],
        json!({
            (format!("{of}/includeTargets")): [{"id": one, "targetType": "group", "targetedAuthenticationMethod": "microsoftAuthenticator"}],
            (format!("{of}/excludeTargets")): [{"id": other, "targetType": "group"}],
        }),
        "{change:#}"
    );
    let journal = folder.path().join("plan.jsonl");
    assert_eq!(apply(&session, &made, &journal).unwrap()["complete"], true);
    let campaign =
        &state_of(&lab, &session)[1][0]["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"];
    assert_eq!(campaign["includeTargets"][0]["id"], one, "{campaign:#}");
    let was = &before[1][0]["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"];
    assert_eq!(
        (&campaign["state"], &campaign["snoozeDurationInDays"]),
        (&was["state"], &was["snoozeDurationInDays"])
    );
    assert_eq!(create(&session, &desired, true)["changes"], json!([]));
    assert_eq!(undo(&session, &journal).unwrap()["complete"], true);
    assert_eq!(state_of(&lab, &session), before);
    assert_clean(&lab);
}

/// The object id of the lab's administrator.
fn administrator(lab: &Lab, session: &Arc<Session>) -> String {
    let upn = lab.tenant(0).people["admin"]["upn"].as_str().unwrap().to_string();
    let read = run_task(session, |session, context| async move {
        let path = format!("/v1.0/users/{upn}?$select=id");
        let ask = entra_sspr::tenant::graph::Ask::directory(path);
        Ok(session.graph(&context)?.get::<Value>(&ask).await?)
    });
    read.unwrap()["id"].as_str().unwrap().to_string()
}

/// The id of a group.
fn group(session: &Arc<Session>, name: &str) -> String {
    let path = "/v1.0/groups?$select=id,displayName";
    let read = run_task(session, move |session, context| async move {
        let ask = entra_sspr::tenant::graph::Ask::directory(path);
        Ok(session.graph(&context)?.get::<Value>(&ask).await?)
    });
    let read = read.unwrap();
    let found = read["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == name);
    found.unwrap()["id"].as_str().unwrap().to_string()
}

/// The lab's policy that asks all users for MFA, switched off.
fn without_mfa(lab: &Lab) {
    let off = json!({"object": "conditionalAccess/CA01 - MFA for all users", "set": {"state": "disabled"}});
    lab.control("POST", "click", &off).unwrap();
}

/// What is only changed when it is named, and what a person types.
#[test]
fn the_migration_and_own_questions_are_set_only_when_they_are_named() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let of = |plan: &Value, id: &str| {
        let mut changes = plan["changes"].as_array().unwrap().iter();
        changes.find(|change| change["id"] == id).cloned()
    };
    let guide = create(&session, &wanted(), true);
    let (migration, typed) = ("authentication_methods.migration", "security_questions.defined");
    assert_eq!((of(&guide, migration), of(&guide, typed)), (None, None));
    let mut desired = wanted();
    desired["authenticationMethods"]["migration"] = "migrationInProgress".into();
    desired["securityQuestions"]["questions"] = json!(["What is the name of your first ship?"]);
    let made = create(&session, &desired, true);
    let change = of(&made, migration).unwrap();
    assert_eq!(change["after"], json!({"policyMigrationState": "migrationInProgress"}));
    let change = of(&made, typed).unwrap();
    assert_eq!(change["kind"], "Manual");
    assert_eq!(change["byHand"][1], "Type: What is the name of your first ship?");
    // A person does that.
    let portal = lab.control("GET", "portal", &Value::Null).unwrap();
    let mut questions = portal["passwordReset"]["securityQuestions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    questions.push(json!({"questionText": "What is the name of your first ship?"}));
    let typing = json!({"passwordReset": {"securityQuestions": questions}});
    lab.control("POST", "portal", &typing).unwrap();
    assert_eq!(of(&create(&session, &desired, true), typed), None);
}

/// The process that others kill, or let run out of room.
#[test]
fn a_process_that_applies() {
    let Ok(trial) = std::env::var("SSPR_TRIAL") else { return };
    let trial: Value = serde_json::from_str(&std::fs::read_to_string(trial).unwrap()).unwrap();
    let tokens: Vec<String> = serde_json::from_value(trial["tokens"].clone()).unwrap();
    let session = signed_in(&trial["config"], &tokens);
    std::fs::write(trial["begun"].as_str().unwrap(), "").unwrap();
    while trial["go"].as_str().is_some_and(|go| !Path::new(go).exists()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut request = json!({"journal": trial["journal"], "allowPortalWrite": true});
    let came = match trial["plan"].is_string() {
        true => {
            request["plan"] = trial["plan"].clone();
            apply_plan(&session, request)
        }
        false => undo_plan(&session, request),
    };
    let came = match came {
        Ok(result) => result.to_string(),
        Err(error) => error.status.name().to_string(),
    };
    println!("came to: {came}");
}

/// A process of its own that applies a plan.
struct Trial {
    folder: tempfile::TempDir,
    journal: PathBuf,
}

impl Trial {
    fn new(lab: &Lab, tokens: &[String], plan: &Value) -> Trial {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("plan.jsonl");
        let trial = json!({
            "config": config(lab, 0), "tokens": tokens, "plan": plan["plan"], "journal": journal,
            "begun": folder.path().join("begun"),
        });
        std::fs::write(folder.path().join("trial.json"), trial.to_string()).unwrap();
        Trial { folder, journal }
    }

    /// The process, behind another program.
    fn process(&self, before: &[&str]) -> Command {
        let own = std::env::current_exe().unwrap().display().to_string();
        let words: Vec<&str> = before.iter().copied().chain([own.as_str()]).collect();
        let mut process = Command::new(words[0]);
        process
            .args(&words[1..])
            .args(["--exact", "a_process_that_applies", "--nocapture"])
            .env("SSPR_TRIAL", self.folder.path().join("trial.json"));
        process
    }
}

/// The process, killed at its `at`th request: before that is carried out, or after it was and before it is answered. False where
/// it had ended before.
fn killed(lab: &Lab, own: &Trial, at: u32, kind: FaultKind) -> bool {
    let text = std::fs::read_to_string(own.folder.path().join("trial.json")).unwrap();
    let mut trial: Value = serde_json::from_str(&text).unwrap();
    let (begun, go) = (own.folder.path().join("begun"), own.folder.path().join("go"));
    trial["go"] = json!(go);
    std::fs::write(own.folder.path().join("trial.json"), trial.to_string()).unwrap();
    let mut process = own
        .process(&[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !begun.exists() {
        assert!(process.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    let met = || {
        lab.requests()
            .iter()
            .filter(|request| !request.faults.is_empty())
            .count()
    };
    let before = met();
    // What was asked is done by then: the record has its answer, or it never will be.
    let withheld = kind == FaultKind::Withhold;
    lab.add_fault(Fault::new("", kind).after(at).times(1)).unwrap();
    std::fs::write(go, "").unwrap();
    let ended = loop {
        if process.try_wait().unwrap().is_some() {
            break true;
        }
        if met() > before {
            if withheld {
                std::thread::sleep(Duration::from_millis(40));
            }
            break false;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    process.kill().unwrap();
    process.wait().unwrap();
    lab.clear_faults();
    !ended
}

/// Each policy that is made has an id and times of its own.
fn without_ids(mut state: Value) -> Value {
    for policy in state[1][2]["value"].as_array_mut().unwrap() {
        for member in ["id", "createdDateTime", "modifiedDateTime"] {
            policy[member] = Value::Null;
        }
    }
    state
}

/// Killed at each request, before it is carried out and after: going on makes all of it once, taking it back leaves nothing.
#[test]
fn a_plan_that_is_killed_at_any_request_is_finished_or_taken_back() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let tokens = tokens(&lab, 0, "admin", true);
    without_mfa(&lab);
    // Each way of writing once, and one twice.
    let desired = json!({
        "schemaVersion": 1, "notifications": {"users": true, "administrators": true}, "accountUnlock": {"allowed": true},
        "authenticationMethods": {"softwareOath": "enabled"}, "registration": {"campaign": "enabled"},
        "mfaEnforcement": {"conditionalAccess": "reportOnly", "excludeUsers": [administrator(&lab, &session)]},
    });
    let before = state_of(&lab, &session);
    let folder = tempfile::tempdir().unwrap();
    let made = create(&session, &desired, true);
    assert_eq!(made["counts"]["change"], 6, "{made:#}");
    let first = folder.path().join("whole.jsonl");
    assert_eq!(apply(&session, &made, &first).unwrap()["complete"], true);
    let set_up = without_ids(state_of(&lab, &session));
    assert_eq!(undo(&session, &first).unwrap()["complete"], true);

    let (mut points, mut begun) = (0, 0);
    'applied: for at in 0.. {
        for kind in [FaultKind::Never, FaultKind::Withhold] {
            let own = Trial::new(&lab, &tokens, &made);
            let told = format!("killed at request {at}, {kind:?}");
            if !killed(&lab, &own, at, kind) {
                assert_eq!(undo(&session, &own.journal).unwrap()["complete"], true);
                break 'applied;
            }
            points += 1;
            let Ok(text) = std::fs::read_to_string(&own.journal) else {
                assert_eq!(state_of(&lab, &session), before, "{told}");
                continue;
            };
            begun += usize::from(text.contains("\"begun\""));
            if at % 2 == 0 {
                // The machine itself failed while the last mark was written.
                if text.trim_end().ends_with("\"mark\":\"done\"}") {
                    std::fs::write(&own.journal, &text[..text.len() - 9]).unwrap();
                }
                let resume = json!({"journal": own.journal, "resume": true, "allowPortalWrite": true});
                let resumed = apply_plan(&session, resume).unwrap();
                assert_eq!(resumed["complete"], true, "{told}: {resumed:#}\n{text}");
                assert_eq!(without_ids(state_of(&lab, &session)), set_up, "{told}");
            }
            let undone = undo(&session, &own.journal).unwrap();
            assert_eq!(undone["complete"], true, "{told}: {undone:#}\n{text}");
            assert_eq!(state_of(&lab, &session), before, "{told}: {text}");
        }
    }
    assert!(
        points > 40 && begun > 30,
        "{points} points, {begun} with something begun"
    );
    // Taking back is cut off too, and is taken up again.
    points = 0;
    'undone: for at in 0.. {
        for kind in [FaultKind::Never, FaultKind::Withhold] {
            let own = Trial::new(&lab, &tokens, &json!({}));
            let told = format!("killed at request {at} of taking back, {kind:?}");
            assert_eq!(
                apply(&session, &made, &own.journal).unwrap()["complete"],
                true,
                "{told}"
            );
            let cut = killed(&lab, &own, at, kind);
            points += usize::from(cut);
            if cut {
                let undone = undo(&session, &own.journal).unwrap();
                assert_eq!(undone["complete"], true, "{told}: {undone:#}");
            }
            assert_eq!(state_of(&lab, &session), before, "{told}");
            if !cut {
                break 'undone;
            }
        }
    }
    assert!(points > 40, "{points} points");
}

/// No change is begun that the journal has no room for.
#[test]
#[cfg(target_os = "linux")]
fn a_journal_that_finds_no_room_ends_the_plan() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let tokens = tokens(&lab, 0, "admin", true);
    let only = json!({"schemaVersion": 1, "notifications": {"users": true, "administrators": true, "helpdesk": "a@b.example"}});
    let made = create(&session, &only, true);
    let before = state_of(&lab, &session);
    let trial = Trial::new(&lab, &tokens, &made);
    let room = |bytes: usize| {
        let limit = format!("--fsize={bytes}");
        let mut process = trial.process(&["env", "--ignore-signal=XFSZ", "prlimit", &limit]);
        String::from_utf8(process.output().unwrap().stdout).unwrap()
    };
    // Not even for the plan; for the plan and a change and a half.
    assert!(room(100).contains("came to: File.Write"));
    assert!(!trial.journal.exists());
    assert_eq!(state_of(&lab, &session), before);
    let first = made["plan"].as_str().unwrap().len() + 200;
    let came = room(first + 400);
    assert!(came.contains("came to: File.Write"), "{came}");
    let text = std::fs::read_to_string(&trial.journal).unwrap();
    let portal = lab.control("GET", "portal", &Value::Null).unwrap();
    for (id, member) in [
        ("notifications.users", "notifyUsersOnPasswordReset"),
        ("notifications.administrators", "notifyOnAdminPasswordReset"),
    ] {
        let begun = text
            .lines()
            .any(|line| line.contains(&format!("\"{id}\"")) && line.contains("\"begun\""));
        assert!(begun || portal["passwordReset"][member] == false, "{id}: {text}");
    }
    assert!(text.contains("\"begun\""), "{text}");
    // With room again, it goes on.
    let resume = json!({"journal": trial.journal, "resume": true, "allowPortalWrite": true});
    assert_eq!(apply_plan(&session, resume).unwrap()["complete"], true);
    assert_eq!(undo(&session, &trial.journal).unwrap()["complete"], true);
    assert_eq!(state_of(&lab, &session), before);
}

/// A token that is over in mid-plan: the journal says how far it came, and another sign-in goes on.
#[test]
fn a_token_that_is_over_ends_the_plan_and_another_goes_on() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let only = json!({"schemaVersion": 1, "notifications": {"users": true, "administrators": true}});
    let made = create(&session, &only, true);
    // The first change reads, writes and reads again.
    lab.add_fault(Fault::new(POLICY, FaultKind::RevokedToken).after(4))
        .unwrap();
    let stopped = apply(&session, &made, &journal).unwrap();
    assert_eq!(
        outcomes(&stopped),
        BTreeMap::from([
            ("notifications.users", "done"),
            ("notifications.administrators", "failed")
        ]),
        "{stopped:#}"
    );
    assert!(
        std::fs::read_to_string(&journal)
            .unwrap()
            .contains("\"notifications.users\",\"mark\":\"done\"")
    );
    lab.clear_faults();
    let resume = json!({"journal": journal, "resume": true, "allowPortalWrite": true});
    let resumed = apply_plan(&person(&lab, 0, true), resume).unwrap();
    assert_eq!(resumed["complete"], true, "{resumed:#}");
}

/// Whatever stands there and whatever is wanted: applied once there is nothing more to do, and taken back it is as before.
#[test]
fn any_state_is_set_up_once_and_set_back() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    without_mfa(&lab);
    let admin = administrator(&lab, &session);
    let maybe = |strategy: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 3 => strategy].boxed();
    let yes = || any::<bool>().prop_map(Value::from).boxed();
    let of = |values: Vec<Value>| proptest::sample::select(values).boxed();
    let number = |least: u16, most: u16| (least..=most).prop_map(Value::from).boxed();
    let state = || of(vec!["enabled".into(), "disabled".into()]);
    let start = (
        yes(),
        number(1, 2),
        yes(),
        number(3, 5),
        yes(),
        number(0, 730),
        yes(),
        yes(),
        yes(),
    );
    let methods = proptest::collection::vec(state(), 5);
    let wanted = (
        (
            maybe(of(vec!["None".into(), "All".into()])),
            maybe(number(1, 2)),
            maybe(yes()),
        ),
        (maybe(yes()), maybe(number(3, 5)), maybe(of(vec![3.into()]))),
        proptest::collection::vec(maybe(state()), 5),
        (
            maybe(yes()),
            maybe(number(0, 730)),
            maybe(of(vec!["default".into(), "enabled".into(), "disabled".into()])),
            maybe(of(vec![json!(["all_users"]), json!([admin]), json!([])])),
            maybe(of(vec![json!([admin]), json!([])])),
        ),
        (
            maybe(yes()),
            maybe(yes()),
            maybe(of(vec!["".into(), "help@b.example".into(), "https://b.example".into()])),
        ),
        maybe(of(vec!["reportOnly".into(), "enforced".into()])),
        (maybe(yes()), maybe(yes())),
    );
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (changes, trials) = (Cell::new(0), Cell::new(0));
    let tried = runner.run(&((start, methods), wanted), |((start, methods), wanted)| {
        let names = ["MicrosoftAuthenticator", "SoftwareOath", "Email", "Sms", "Voice"];
        lab.control("POST", "portal", &json!({
            "passwordReset": {
                "securityQuestionsOptionEnabled": start.0, "numberOfAuthenticationMethodsRequired": start.1,
                "registrationRequiredOnSignIn": start.2, "numberOfQuestionsToRegister": start.3, "numberOfQuestionsToReset": 3,
                "notifyUsersOnPasswordReset": start.4, "registrationReconfirmIntevalInDays": start.5,
                "notifyOnAdminPasswordReset": start.6,
            },
            "onPremises": {"accountUnlockEnabled": start.7, "passwordWritebackSupported": start.8, "enablementForTenant": start.8},
        })).unwrap();
        for (name, state) in names.iter().zip(&methods) {
            let click = json!({"object": format!("authenticationMethods/{name}"), "set": {"state": state}});
            lab.control("POST", "click", &click).unwrap();
        }
        let (policy, questions, own, registration, told, mfa, hybrid) = &wanted;
        let desired = json!({
            "schemaVersion": 1,
            "resetPolicy": {"enabledFor": policy.0, "methodsRequired": policy.1, "administrators": policy.2},
            "securityQuestions": {"enabled": questions.0, "toRegister": questions.1, "toReset": questions.2},
            "authenticationMethods": {
                "microsoftAuthenticator": own[0], "softwareOath": own[1], "email": own[2], "sms": own[3], "voice": own[4],
            },
            "registration": {"required": registration.0, "reconfirmDays": registration.1, "campaign": registration.2, "campaignGroups": registration.3, "campaignExcludeGroups": registration.4},
            "notifications": {"users": told.0, "administrators": told.1, "helpdesk": told.2},
            "mfaEnforcement": {"conditionalAccess": mfa, "excludeUsers": [admin]},
            "cloudWriteback": {"connect": hybrid.0},
            "accountUnlock": {"allowed": hybrid.1},
        });
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("plan.jsonl");
        let before = state_of(&lab, &session);
        let Ok(made) = create_plan(&session, json!({"desired": desired.to_string(), "allowPortalWrite": true})) else {
            // It cannot be: no method is left.
            return Err(TestCaseError::reject("impossible"));
        };
        changes.set(changes.get() + made["counts"]["change"].as_u64().unwrap());
        trials.set(trials.get() + 1);
        let done = apply(&session, &made, &journal).unwrap();
        prop_assert_eq!(&done["complete"], true, "{:#}", done);
        let again = create(&session, &desired, true);
        prop_assert_eq!(&again["counts"]["change"], 0, "{:#}", again);
        let undone = undo(&session, &journal).unwrap();
        prop_assert_eq!(&undone["complete"], true, "{:#}", undone);
        let after = state_of(&lab, &session);
        prop_assert!(after == before, "{desired}: {}", difference("", &before, &after));
        Ok(())
    });
    tried.unwrap();
    assert!(
        changes.get() > trials.get() * 4,
        "{changes:?} changes in {trials:?} trials"
    );
    assert_clean(&lab);
}

/// Where two values differ.
fn difference(at: &str, one: &Value, other: &Value) -> String {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => a
            .keys()
            .chain(b.keys())
            .map(|name| difference(&format!("{at}/{name}"), &one[name], &other[name]))
            .collect(),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (0..a.len())
            .map(|n| difference(&format!("{at}/{n}"), &one[n], &other[n]))
            .collect(),
        (one, other) if one == other => String::new(),
        (one, other) => format!("{at}: {one} became {other}\n"),
    }
}

/// A Connect server whose answers are composed: nobody documents what Get-ADSyncAADPasswordResetConfiguration gives.
struct ConnectServer {
    enabled: bool,
    version: &'static str,
    service: &'static str,
    /// How far its clock is off.
    minutes: i64,
    /// What it says when it is set, in place of doing it.
    refuses: Option<&'static str>,
    /// Whether the answer gets lost after it was set.
    loses: bool,
    /// What it was asked to do.
    asked: Vec<Value>,
}

impl ConnectServer {
    fn document(&self) -> String {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(self.minutes);
        let values = json!([{"name": "Enabled", "value": self.enabled}]);
        json!({
            "computer": "SYNC1", "readAt": at, "version": {"value": self.version},
            "service": {"value": {"status": self.service}},
            "connectors": {"value": [{"name": "corp.example", "type": "AD"}]},
            "passwordReset": {"value": [{"connector": "contoso.example - AAD", "values": values}]},
            "scheduler": {"value": [{"name": "StagingModeEnabled", "value": false}]},
        })
        .to_string()
    }

    fn answer(&mut self, action: &Value) -> Value {
        let id = &action["id"];
        match action["action"].as_str().unwrap() {
            "readConnectServer" => json!({"id": id, "result": {"servers": [self.document()]}}),
            "setConnectWriteback" => {
                self.asked.push(action["arguments"].clone());
                if let Some(why) = self.refuses {
                    return json!({"id": id, "error": why});
                }
                self.enabled = action["arguments"]["enabled"] == true;
                match self.loses {
                    true => json!({"id": id, "error": "the connection broke off"}),
                    false => json!({"id": id, "result": null}),
                }
            }
            // Whoever is asked says no.
            "confirm" => {
                self.asked.push(action["arguments"].clone());
                json!({"id": id, "result": false})
            }
            other => panic!("nobody offers {other}"),
        }
    }

    /// Runs a task, and answers what it asks.
    fn host<F>(
        &mut self,
        session: &Arc<Session>,
        work: impl FnOnce(Arc<Session>, entra_sspr::task::TaskContext) -> F + Send + 'static,
    ) -> Result<Value>
    where
        F: Future<Output = Result<Value>> + Send,
    {
        use entra_sspr::task::{Next, Task};
        let own = Arc::clone(session);
        let offered = session.config.host_actions.clone();
        let task = Task::start(offered, move |context| work(own, context)).unwrap();
        let mut result = Value::Null;
        loop {
            match task.next(PATIENCE)? {
                Next::Pending => panic!("the task hangs"),
                Next::Ended => return Ok(result),
                Next::Event(text) => {
                    let mut event: Value = serde_json::from_str(&text).unwrap();
                    match event["event"].as_str().unwrap() {
                        "hostAction" => task.reply(&self.answer(&event).to_string()).unwrap(),
                        "result" => result = event["result"].take(),
                        _ => {}
                    }
                }
            }
        }
    }

    fn create(&mut self, session: &Arc<Session>, desired: &Value) -> Value {
        let request = serde_json::from_value(json!({"desired": desired.to_string()})).unwrap();
        let made = self.host(session, |session, context| async move {
            entra_sspr::plan::create(&session, request, &context).await
        });
        made.unwrap()
    }

    fn apply(&mut self, session: &Arc<Session>, plan: &Value, journal: &Path) -> Value {
        let request = serde_json::from_value(json!({"plan": plan["plan"], "journal": journal})).unwrap();
        let done = self.host(session, |session, context| async move {
            entra_sspr::plan::apply(&session, request, &context).await
        });
        done.unwrap()
    }

    fn undo(&mut self, session: &Arc<Session>, journal: &Path) -> Value {
        let request = serde_json::from_value(json!({"journal": journal})).unwrap();
        let done = self.host(session, |session, context| async move {
            entra_sspr::plan::undo(&session, request, &context).await
        });
        done.unwrap()
    }
}

const WORKING: ConnectServer = ConnectServer {
    enabled: false,
    version: "2.5.190.0",
    service: "Running",
    minutes: 0,
    refuses: None,
    loses: false,
    asked: Vec::new(),
};

/// Without a directory nothing is known of it, also where nothing else is planned: that is no plan in which nothing differs.
#[test]
fn what_no_directory_tells_is_unread_also_alone() {
    let _turn = turn();
    let lab = lab();
    let session = app(&lab, 0);
    for (section, step) in [
        (
            json!({"directoryPermissions": {"users": true}}),
            "directory_permissions",
        ),
        (json!({"passwordPolicy": {"minimumAgeDays": 0}}), "password_policy"),
    ] {
        let mut desired = section;
        desired["schemaVersion"] = json!(1);
        let request = json!({"desired": desired.to_string(), "steps": [step]});
        let made = create_plan(&session, request).unwrap();
        let unread = made["unread"].to_string();
        assert!(unread.contains("no directory is connected to"), "{made:#}");
        assert!(!made["screen"].to_string().contains("Nothing differs"), "{made:#}");
    }
}

/// Each change is asked about by itself, with how it stands and how it shall; what is declined is not written, and not done.
#[test]
fn a_change_that_is_declined_is_not_written() {
    let _turn = turn();
    let lab = lab();
    may_write(&lab);
    let mut config = config(&lab, 0);
    config["hostActions"] = json!(["confirm"]);
    let session = signed_in(&config, &tokens(&lab, 0, "admin", true));
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let only = json!({"schemaVersion": 1, "notifications": {"users": true, "administrators": true}});
    let made = create(&session, &only, true);
    let mut host = WORKING;
    let ask = |request: Value| serde_json::from_value(request).unwrap();
    let request = json!({"plan": made["plan"], "journal": journal, "allowPortalWrite": true, "confirm": true});
    let (request, before) = (ask(request), state_of(&lab, &session));
    let done = host.host(&session, |session, context| async move {
        entra_sspr::plan::apply(&session, request, &context).await
    });
    let done = done.unwrap();
    assert!(
        outcomes(&done).values().all(|outcome| *outcome == "declined"),
        "{done:#}"
    );
    assert_eq!((&done["complete"], &done["counts"]["open"]), (&json!(false), &json!(2)));
    assert_eq!(host.asked.len(), 2);
    for (asked, change) in host.asked.iter().zip(made["changes"].as_array().unwrap()) {
        for member in ["id", "title", "target", "before", "after"] {
            assert_eq!(asked[member], change[member], "{member}");
        }
    }
    assert!(writes(&lab).is_empty() && state_of(&lab, &session) == before);
    // Nothing was begun, so nothing is taken back.
    assert_eq!(undo(&session, &journal).unwrap()["changes"], json!([]));
}

/// Writeback on the Connect server itself: set there by the host, read back, and set back; where that would fail, a person does it.
#[test]
fn a_connect_server_is_set_by_the_host_and_set_back() {
    let _turn = turn();
    let lab = lab();
    let tokens = tokens(&lab, 0, "admin", false);
    let mut config = config(&lab, 0);
    config["hostActions"] = json!(["readConnectServer"]);
    let reader = signed_in(&config, &tokens);
    config["hostActions"] = json!(["readConnectServer", "setConnectWriteback"]);
    let session = signed_in(&config, &tokens);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let on = json!({"schemaVersion": 1, "connectWriteback": {"enabled": true}});

    let mut server = WORKING;
    let made = server.create(&session, &on);
    let change = &made["changes"][0];
    assert_eq!((&change["kind"], &change["target"]), (&json!("Host"), &json!("SYNC1")));
    assert_eq!(
        (&change["before"], &change["after"]),
        (&json!({"enabled": false}), &json!({"enabled": true}))
    );
    let done = server.apply(&session, &made, &journal);
    assert_eq!(outcomes(&done)["connect_writeback.enabled:SYNC1"], "done", "{done:#}");
    assert_eq!(server.asked, [json!({"computer": "SYNC1", "enabled": true})]);
    assert_eq!(server.create(&session, &on)["changes"], json!([]));
    let undone = server.undo(&session, &journal);
    assert_eq!(
        (server.enabled, &undone["complete"]),
        (false, &json!(true)),
        "{undone:#}"
    );
    // The answer is lost after it was set: what is there counts.
    server.loses = true;
    let lost = server.apply(&session, &made, &folder.path().join("lost.jsonl"));
    assert_eq!(outcomes(&lost)["connect_writeback.enabled:SYNC1"], "done", "{lost:#}");

    // What would make it fail is seen before it is tried, and when it is about to be.
    for (hindered, why) in [
        (
            ConnectServer {
                service: "Stopped",
                ..WORKING
            },
            "does not run",
        ),
        (
            ConnectServer {
                version: "2.4.18.0",
                ..WORKING
            },
            "",
        ),
        (
            ConnectServer {
                version: "2.6.84.0",
                ..WORKING
            },
            "",
        ),
    ] {
        let mut server = hindered;
        let made = server.create(&session, &on);
        let change = &made["changes"][0];
        let manual = server.version != "2.4.18.0";
        assert_eq!(change["kind"], if manual { "Manual" } else { "Host" }, "{change:#}");
        assert!(change["risk"].as_str().unwrap_or_default().contains(why), "{change:#}");
        assert!(
            change["byHand"][3]
                .as_str()
                .unwrap()
                .starts_with("Tick Password writeback")
        );
    }
    let mut late = ConnectServer { minutes: 20, ..WORKING };
    let done = late.apply(&session, &made, &folder.path().join("late.jsonl"));
    let told = &done["changes"][0];
    assert_eq!(told["outcome"], "failed", "{done:#}");
    assert!(told["error"]["message"].as_str().unwrap().contains("clock"), "{done:#}");
    assert!(late.asked.is_empty());
    let mut federated = ConnectServer {
        refuses: Some("error getting an auth token"),
        ..WORKING
    };
    let done = federated.apply(&session, &made, &folder.path().join("federated.jsonl"));
    assert_eq!(done["changes"][0]["outcome"], "failed", "{done:#}");

    // A host that only reads leaves it to a person; so does one that reaches no server.
    let mut working = WORKING;
    let read = working.create(&reader, &on);
    assert_eq!(read["changes"][0]["kind"], "Manual");
    let none = create(&person(&lab, 0, false), &on, false);
    assert_eq!(
        (&none["changes"][0]["kind"], &none["changes"][0]["before"]),
        (&json!("Manual"), &Value::Null),
        "{none:#}"
    );
    let error = apply(&person(&lab, 0, false), &made, &folder.path().join("none.jsonl")).unwrap_err();
    assert_eq!(error.status, Status::PlanPermission);
    assert!(!folder.path().join("none.jsonl").exists());
}

/// Whatever a service does to any of the writes: what is there is what is told, the journal says so, and what was done is taken back.
#[test]
fn faults_of_any_write_end_with_what_is_there() {
    let _turn = turn();
    let status = |status, code: &str| FaultKind::Status {
        status,
        code: Some(code.into()),
        retry_after: None,
    };
    let lab = lab();
    let session = writer(&lab);
    without_mfa(&lab);
    let before = state_of(&lab, &session);
    let desired = json!({
        "schemaVersion": 1, "notifications": {"users": true}, "accountUnlock": {"allowed": true},
        "authenticationMethods": {"softwareOath": "enabled"}, "registration": {"campaign": "enabled"},
        "mfaEnforcement": {"conditionalAccess": "reportOnly", "excludeUsers": [administrator(&lab, &session)]},
    });
    let made = create(&session, &desired, true);
    let all: Vec<&Value> = made["changes"].as_array().unwrap().iter().collect();
    assert_eq!(all.len(), 5, "{made:#}");
    let throttled = FaultKind::Throttle {
        retry_after: Some("0".into()),
    };
    for (what, kind, times, outcome) in [
        ("refused", status(403, "accessDenied"), 1, "failed"),
        ("changed meanwhile", status(412, "preconditionFailed"), 1, "failed"),
        ("too much asked", throttled, 1, "done"),
        ("out of order", status(500, "internalServerError"), 20, "failed"),
        ("answered by nobody, and done", FaultKind::DropAnswer, 1, "done"),
        ("never there", FaultKind::DropBeforeHeaders, 1, "failed"),
    ] {
        // Where it is unknown whether it was done, it is looked for a while: some of them will do.
        let quick = outcome == "done" || what == "refused";
        for at in (0..all.len()).step_by(if quick { 1 } else { 2 }) {
            let folder = tempfile::tempdir().unwrap();
            let journal = folder.path().join("plan.jsonl");
            let write = Fault {
                path_regex: Some("^/(api|v1.0/(policies|identity))/".into()),
                ..Fault::new("", kind.clone())
            };
            // Of the writes, the one.
            for method in ["PUT", "PATCH", "POST"] {
                let own = match all[at]["write"]["to"].as_str().unwrap() {
                    "portal" => "PUT",
                    "graph" => "PATCH",
                    _ => "POST",
                };
                if own == method {
                    let earlier = all[..at]
                        .iter()
                        .filter(|other| other["write"]["to"] == all[at]["write"]["to"]);
                    lab.add_fault(
                        Fault {
                            method: Some(own.into()),
                            ..write.clone()
                        }
                        .after(earlier.count() as u32)
                        .times(times),
                    )
                    .unwrap();
                }
            }
            let id = all[at]["id"].as_str().unwrap();
            let told = format!("{id} {what}");
            let result = apply(&session, &made, &journal).unwrap();
            lab.clear_faults();
            let came = outcomes(&result);
            assert_eq!(came[id], outcome, "{told}: {result:#}");
            let text = std::fs::read_to_string(&journal).unwrap();
            let marked = |mark: &str| text.contains(&format!("\"id\":\"{id}\",\"mark\":\"{mark}\""));
            // What is written in several parts may be there in part.
            let ended = match outcome {
                "done" => marked("done"),
                _ if what == "refused" && all[at]["write"]["to"] != "portal" => marked("refused"),
                _ => marked("failed") || marked("refused"),
            };
            assert!(marked("begun") && ended, "{told}: {text}");
            for (later, change) in all.iter().enumerate().skip(at + 1) {
                let own = came[change["id"].as_str().unwrap()];
                assert_eq!(
                    own,
                    if outcome == "done" { "done" } else { "notTried" },
                    "{told}, then {later}"
                );
            }
            assert_eq!(undo(&session, &journal).unwrap()["complete"], true, "{told}");
            assert_eq!(state_of(&lab, &session), before, "{told}");
        }
    }
}

/// What was set back in part, and what was refused to us and made by somebody else, is theirs.
#[test]
fn what_others_did_since_is_not_taken_back() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let desired = json!({"schemaVersion": 1, "notifications": {"helpdesk": "https://help.contoso.example/new"}});
    let made = create(&session, &desired, true);
    let change = &made["changes"][0];
    let (before, after) = (&change["before"], &change["after"]);
    assert_eq!(after.as_object().unwrap().len(), 2, "{change:#}");
    let journal = folder.path().join("one.jsonl");
    assert_eq!(apply(&session, &made, &journal).unwrap()["complete"], true);
    let one_back = json!({"passwordReset": {"customHelpdeskEmailOrUrl": before["customHelpdeskEmailOrUrl"]}});
    lab.control("POST", "portal", &one_back).unwrap();
    let sent = writes(&lab).len();
    let undone = undo(&session, &journal).unwrap();
    assert_eq!(outcomes(&undone)["notifications.helpdesk"], "drifted", "{undone:#}");
    assert_eq!(writes(&lab).len(), sent);

    let desired = json!({"schemaVersion": 1, "authenticationMethods": {"softwareOath": "enabled"}});
    let made = create(&session, &desired, false);
    let refusal = Fault::new(
        "",
        FaultKind::Status {
            status: 403,
            code: Some("accessDenied".into()),
            retry_after: None,
        },
    );
    let refusal = Fault {
        path_regex: Some("SoftwareOath".into()),
        ..refusal
    };
    lab.add_fault(refusal.on("PATCH").times(1)).unwrap();
    let journal = folder.path().join("two.jsonl");
    let refused = apply(&session, &made, &journal).unwrap();
    assert_eq!(refused["complete"], false, "{refused:#}");
    lab.clear_faults();
    // Somebody else makes it.
    let other = apply(&session, &made, &folder.path().join("theirs.jsonl")).unwrap();
    assert_eq!(other["complete"], true, "{other:#}");
    let undone = undo(&session, &journal).unwrap();
    assert_eq!(undone["changes"], json!([]), "{undone:#}");
    assert_eq!(
        create(&session, &desired, false)["changes"],
        json!([]),
        "it is still on"
    );
    let mistyped = json!({"journal": journal, "force": ["notifications.user"]});
    let told = undo_plan(&session, mistyped).unwrap_err();
    assert!(
        told.message.contains("no change \"notifications.user\""),
        "{}",
        told.message
    );
}

/// Beside what stands, and is not spoken of.
#[test]
fn what_cannot_be_beside_what_stands_is_not_planned() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    lab.control(
        "POST",
        "portal",
        &json!({"passwordReset": {"numberOfQuestionsToRegister": 3, "numberOfQuestionsToReset": 3}}),
    )
    .unwrap();
    let nobody = "11111111-2222-4333-8444-555555555556";
    for (section, target) in [
        (
            json!({"securityQuestions": {"toReset": 5}}),
            "securityQuestions.toReset",
        ),
        (
            json!({"resetPolicy": {"enabledFor": "Selected", "group": nobody}}),
            "resetPolicy.group",
        ),
    ] {
        let mut desired = section;
        desired["schemaVersion"] = 1.into();
        for portal in [true, false] {
            let request = json!({"desired": desired.to_string(), "allowPortalWrite": portal});
            let told = create_plan(&session, request).unwrap_err();
            assert_eq!(told.status, Status::DesiredState, "{told:?}");
            assert_eq!(told.target.as_deref(), Some(target), "{told:?}");
        }
    }
    let both = json!({"schemaVersion": 1, "securityQuestions": {"toRegister": 5, "toReset": 5}});
    let both = create(&session, &both, true);
    assert!(both["counts"]["change"].as_u64() > Some(0), "{both:#}");
}

/// Somebody else writes between our look and our write: that is seen where the whole is read again, and nothing of theirs is lost.
#[test]
fn what_others_write_in_between_is_seen() {
    let _turn = turn();
    let lab = lab();
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let desired =
        json!({"schemaVersion": 1, "notifications": {"users": true}, "registration": {"campaign": "enabled"}});
    let made = create(&session, &desired, true);
    let set = |value: Value| value.as_object().unwrap().clone();
    // Of the same member: the plan stops.
    let drift = |set, after| FaultKind::Drift {
        object: "passwordReset".into(),
        set,
        after,
    };
    let odd = drift(set(json!({"notifyUsersOnPasswordReset": "sometimes"})), true);
    lab.add_fault(Fault::new(POLICY, odd).on("GET").times(1)).unwrap();
    let journal = folder.path().join("one.jsonl");
    let only = json!({"plan": made["plan"], "journal": journal, "allowPortalWrite": true, "steps": ["notifications"]});
    let stopped = apply_plan(&session, only).unwrap();
    assert_eq!(outcomes(&stopped)["notifications.users"], "drifted", "{stopped:#}");
    assert!(std::fs::read_to_string(&journal).unwrap().contains("\"failed\""));
    assert!(writes(&lab).is_empty());
    lab.clear_faults();
    let back = json!({"passwordReset": {"notifyUsersOnPasswordReset": false}});
    lab.control("POST", "portal", &back).unwrap();
    // Of another member: theirs stays, ours comes.
    let other = drift(set(json!({"registrationReconfirmIntevalInDays": 77})), true);
    lab.add_fault(Fault::new(POLICY, other).on("GET").times(1)).unwrap();
    let journal = folder.path().join("two.jsonl");
    let only = json!({"plan": made["plan"], "journal": journal, "allowPortalWrite": true, "steps": ["notifications"]});
    assert_eq!(apply_plan(&session, only).unwrap()["complete"], true);
    let portal = lab.control("GET", "portal", &Value::Null).unwrap();
    assert_eq!(portal["passwordReset"]["registrationReconfirmIntevalInDays"], 77);
    assert_eq!(portal["passwordReset"]["notifyUsersOnPasswordReset"], true);
    lab.clear_faults();
    // The same over Graph.
    let campaign = |member: &str, value: Value| {
        let set = json!({"registrationEnforcement": {"authenticationMethodsRegistrationCampaign": {member: value}}});
        FaultKind::Drift {
            object: "authenticationMethods".into(),
            set: set.as_object().unwrap().clone(),
            after: true,
        }
    };
    let own = |journal: &Path| json!({"plan": made["plan"], "journal": journal, "allowPortalWrite": true, "steps": ["registration"]});
    let sent = writes(&lab).len();
    lab.add_fault(
        Fault::new(METHODS, campaign("state", json!("paused")))
            .on("GET")
            .times(1),
    )
    .unwrap();
    let stopped = apply_plan(&session, own(&folder.path().join("three.jsonl"))).unwrap();
    assert_eq!(outcomes(&stopped)["registration.campaign"], "drifted", "{stopped:#}");
    assert_eq!(writes(&lab).len(), sent);
    lab.clear_faults();
    let now = |member: &str| {
        state_of(&lab, &session)[1][0]["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"][member]
            .clone()
    };
    assert_eq!(now("state"), "paused");
    let before = &made["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["id"] == "registration.campaign");
    let before = before.unwrap()["before"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .clone();
    lab.add_fault(
        Fault::new(METHODS, campaign("state", before.clone()))
            .on("GET")
            .times(1),
    )
    .unwrap();
    state_of(&lab, &session);
    assert_eq!(now("state"), before);
    lab.clear_faults();
    lab.add_fault(
        Fault::new(METHODS, campaign("snoozeDurationInDays", json!(9)))
            .on("GET")
            .times(1),
    )
    .unwrap();
    let done = apply_plan(&session, own(&folder.path().join("four.jsonl"))).unwrap();
    assert_eq!(done["complete"], true, "{done:#}");
    assert_eq!(
        (now("state"), now("snoozeDurationInDays")),
        (json!("enabled"), json!(9))
    );
}
