//! Set-up of a tenant over HTTP: planned, applied, undone; what gets in its way, and what is sent.

mod common;

use common::*;
use entra_sspr::desired::Profile;
use entra_sspr::error::{Error, Result};
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

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

/// Everything that a set-up could change, as the lab has it.
fn state(lab: &Lab, session: &Arc<Session>) -> Value {
    let portal = lab.control("GET", "portal", &Value::Null).unwrap();
    let read = run_task(session, |session, context| async move {
        let graph = session.graph(&context)?;
        let mut all = Vec::new();
        for path in [
            METHODS,
            "/v1.0/policies/authorizationPolicy",
            "/v1.0/identity/conditionalAccess/policies",
        ] {
            let ask = entra_sspr::tenant::graph::Ask::directory(path);
            let mut policy = graph.get::<Value>(&ask).await.map_err(Error::from)?;
            // When it was changed last is the service's to say.
            policy.as_object_mut().unwrap().remove("lastModifiedDateTime");
            all.push(policy);
        }
        Ok(json!(all))
    });
    json!([portal, read.expect("the lab answers")])
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
    let session = writer(&lab);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let before = state(&lab, &session);
    let made = create(&session, &wanted(), true);
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
    let again = create(&session, &wanted(), true);
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
    let order: Vec<&Value> = undone["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["id"])
        .collect();
    assert_eq!(order[0], "account_unlock.allowed", "the last first");
    assert_eq!(state(&lab, &session), before);
    assert_clean(&lab);
}

#[test]
fn who_may_not_write_is_told_what_is_missing_before_anything_is_changed() {
    let _turn = turn();
    let lab = lab();
    let session = app(&lab, 0);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    // An app cannot reach the portal: these changes are a person's.
    let made = create(&session, &wanted(), true);
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
    let made = create(&writer(&lab), &wanted(), true);
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
