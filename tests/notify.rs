//! Notifications over HTTP: what a webhook gets, what gets in the way, and where what was told is kept. And the permissions of an app.

mod common;

use common::*;
use entra_sspr::error::Result;
use entra_sspr::notify::{self, state};
use entra_sspr::plan;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Fault, Lab, LabOptions};
use std::fs;
use std::sync::Arc;

const CANARY: &str = "canary-7c1e";
const HOOK: &str = "/hook/workflows/canary-7c1e?sig=canary-7c1e";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("hybrid-ready")).expect("the lab starts")
}

fn message() -> Value {
    json!({
        "tenantName": "Contoso [x](https://evil.example)", "headline": "1 new.", "footer": "f",
        "changes": [{"change": "New", "id": "license.seats", "title": "Seats", "before": "Pass", "after": "Fail"}],
    })
}

fn send(session: &Arc<Session>, url: &str, key: Option<&str>, request: Value) -> Result<Value> {
    session.set_secret("webhookUrl", url.as_bytes()).unwrap();
    if let Some(key) = key {
        session.set_secret("webhookKey", key.as_bytes()).unwrap();
    }
    run_task(session, |session, context| async move {
        notify::send(&session, request, &context).await
    })
}

fn hooks(lab: &Lab) -> Vec<sspr_lab::RequestRecord> {
    lab.requests()
        .into_iter()
        .filter(|request| request.path.starts_with("/hook"))
        .collect()
}

fn header(request: &sspr_lab::RequestRecord, name: &str) -> String {
    let found = request.headers.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[test]
fn a_webhook_gets_a_card_or_json_signed_and_its_address_is_told_nowhere() {
    let lab = lab();
    let session = open(&config(&lab, 0));
    let url = format!("{}{HOOK}", lab.url());
    let told = send(&session, &url, None, json!({"message": message(), "dryRun": true})).unwrap();
    assert!(hooks(&lab).is_empty() && told["sent"] == false, "{told}");
    assert!(told["body"].as_str().unwrap().contains("AdaptiveCard"));
    // What may have been meant as a dry run is none that sends.
    let error = send(&session, &url, None, json!({"message": message(), "dryRun": "true"})).unwrap_err();
    assert_eq!(error.target.as_deref(), Some("dryRun"));
    assert!(hooks(&lab).is_empty());
    let told = send(&session, &url, Some("canary-key"), json!({"message": message()})).unwrap();
    assert_eq!(
        (told["sent"].as_bool(), told["status"].as_u64()),
        (Some(true), Some(202))
    );
    assert!(!told.to_string().contains(CANARY), "{told}");
    let told = send(&session, &url, None, json!({"message": message(), "format": "Json"})).unwrap();
    let all = hooks(&lab);
    assert_eq!(all.len(), 2);
    let card: Value = serde_json::from_str(&all[0].body).unwrap();
    assert_eq!(
        card["attachments"][0]["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    assert!(!all[0].body.contains("[x](") && all[0].body.contains("Seats"));
    let at = header(&all[0], "x-sspr-timestamp");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"canary-key");
    let tag = ring::hmac::sign(&key, format!("{at}.{}", all[0].body).as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header(&all[0], "x-sspr-signature"), format!("sha256={hex}"));
    // The key was for one message.
    assert_eq!(header(&all[1], "x-sspr-signature"), "");
    let body: Value = serde_json::from_str(&all[1].body).unwrap();
    assert_eq!((&body["id"], &body["schemaVersion"]), (&told["id"], &json!(1)));
    assert_eq!(body["changes"][0]["id"], "license.seats");
    assert!(all.iter().all(|request| !request.body.contains("canary")));
}

#[test]
fn no_other_host_is_asked_and_no_error_tells_the_address() {
    let (lab, other) = (lab(), lab());
    let session = open(&config(&lab, 0));
    // A redirect that keeps method and body.
    let to = format!("{}/hook/taken", other.url());
    let moved = format!("{}/hook/moved?to={to}&sig={CANARY}", lab.url());
    let error = send(&session, &moved, None, json!({"message": message()})).unwrap_err();
    assert_eq!(error.status, Status::ServiceFailed, "{error:?}");
    assert!(error.help.as_deref().unwrap_or_default().contains("redirect"));
    assert!(other.requests().is_empty());
    assert_eq!(hooks(&lab).len(), 1);
    // Refused, throttled for too long, unreachable, no https.
    let mut errors = vec![error];
    for fault in [
        json!({"path": "/hook", "count": 1, "kind": "body", "status": 403, "text": format!("no {CANARY}")}),
        json!({"path": "/hook", "count": 1, "kind": "throttle", "retryAfter": "999"}),
    ] {
        lab.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
        let url = format!("{}{HOOK}", lab.url());
        errors.push(send(&session, &url, None, json!({"message": message()})).unwrap_err());
    }
    assert_eq!(errors[1].status, Status::ServiceRefused);
    assert_eq!(errors[2].status, Status::ServiceThrottled);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for url in [
        format!("http://127.0.0.1:{port}/{CANARY}"),
        format!("http://example.com/{CANARY}"),
        format!("https://{CANARY}:x@127.0.0.1/"),
        CANARY.to_string(),
    ] {
        errors.push(send(&session, &url, None, json!({"message": message()})).unwrap_err());
    }
    errors.push(send(&session, "https://a.example/", None, json!({"message": 1})).unwrap_err());
    for error in errors {
        let text = error.to_json();
        assert!(!text.contains(CANARY), "{text}");
        assert!(text.contains("help"), "{text}");
    }
}

#[test]
fn what_is_asked_to_wait_is_sent_again() {
    let lab = lab();
    let session = open(&config(&lab, 0));
    for kind in [
        json!({"kind": "throttle", "retryAfter": "0"}),
        json!({"kind": "status", "status": 503, "retryAfter": "0"}),
    ] {
        let mut fault = json!({"path": "/hook", "count": 1});
        fault.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        lab.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
        let told = send(
            &session,
            &format!("{}{HOOK}", lab.url()),
            None,
            json!({"message": message()}),
        )
        .unwrap();
        let all = hooks(&lab);
        assert_eq!(all.len(), 2);
        // The same message.
        for request in &all {
            assert_eq!(header(request, "x-sspr-id"), told["id"].as_str().unwrap());
        }
        lab.reset();
    }
}

fn read(session: &Arc<Session>, request: Value, blob: Option<&str>) -> Result<Value> {
    if let Some(blob) = blob {
        session.set_secret("stateUrl", blob.as_bytes()).unwrap();
    }
    run_task(session, |session, context| async move {
        state::read(&session, request, &context).await
    })
}

fn write(session: &Arc<Session>, request: Value, blob: Option<&str>) -> Result<Value> {
    if let Some(blob) = blob {
        session.set_secret("stateUrl", blob.as_bytes()).unwrap();
    }
    run_task(session, |session, context| async move {
        state::write(&session, request, &context).await
    })
}

#[test]
fn a_state_is_kept_in_a_file_or_a_blob_and_replaced_only_as_it_was_read() {
    let lab = lab();
    let session = app(&lab, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let tenant = "aaaaaaaa-0000-4000-8000-000000000001";
    let own = json!({"tenantId": tenant, "findings": [{"id": "a.b"}]});
    let signed = format!("{}/blob/states/signed.json?sv=2021&sig={CANARY}", lab.url());
    let plain = format!("{}/blob/states/plain.json", lab.url());
    for (place, blob) in [
        (json!({"path": path}), None),
        (json!({}), Some(signed.as_str())),
        (json!({}), Some(plain.as_str())),
    ] {
        let with = |members: Value| {
            let mut request = place.clone();
            request
                .as_object_mut()
                .unwrap()
                .extend(members.as_object().unwrap().clone());
            request
        };
        let none = read(&session, with(json!({"tenantId": tenant})), blob).unwrap();
        assert_eq!(none, json!({"state": null, "tag": null}));
        write(&session, with(json!({"state": own})), blob).unwrap();
        let first = read(&session, with(json!({"tenantId": tenant})), blob).unwrap();
        assert_eq!(first["state"]["findings"][0]["id"], "a.b");
        // Somebody made it meanwhile; somebody changed it meanwhile.
        let error = write(&session, with(json!({"state": own})), blob).unwrap_err();
        assert_eq!(error.status, Status::StateChanged);
        write(
            &session,
            with(json!({"state": {"tenantId": tenant, "findings": []}, "tag": first["tag"]})),
            blob,
        )
        .unwrap();
        let error = write(&session, with(json!({"state": own, "tag": first["tag"]})), blob).unwrap_err();
        assert_eq!(error.status, Status::StateChanged);
        assert!(!error.to_json().contains(CANARY));
        // Another tenant's is left as it is.
        let error = read(&session, with(json!({"tenantId": "b"})), blob).unwrap_err();
        assert_eq!(error.status, Status::StateInvalid);
    }
    // A token goes to Azure's blobs alone.
    let error = read(&session, json!({"tenantId": tenant}), Some("https://evil.example/c/b")).unwrap_err();
    assert_eq!(error.status, Status::ArgumentInvalid, "{error:?}");
    let error = read(
        &session,
        json!({"tenantId": tenant}),
        Some("https://x.blob.core.windows.net.evil.example/c/b"),
    );
    assert_eq!(error.unwrap_err().status, Status::ArgumentInvalid);
    // Whoever is not signed in has none to send.
    let nobody = open(&config(&lab, 0));
    let error = read(&nobody, json!({"tenantId": tenant}), Some(&plain)).unwrap_err();
    assert_eq!(error.status, Status::SignInNeeded);
    assert_clean(&lab);
}

fn plan_of(session: &Arc<Session>, request: Value) -> Result<Value> {
    run_task(session, |session, context| async move {
        plan::app_permission(&session, request, &context).await
    })
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn an_app_is_granted_what_it_lacks_and_it_is_taken_back() {
    let _turn = turn();
    let lab = lab();
    let change = |add: bool, app: &str, permission: &str| {
        let action = if add { "permissions/add" } else { "permissions/remove" };
        lab.control("POST", action, &json!({"app": app, "permission": permission}))
            .unwrap();
    };
    change(true, "checker", "AppRoleAssignment.ReadWrite.All");
    let session = app(&lab, 0);
    change(false, "checker", "Policy.Read.All");
    change(true, "checker", "Mail.Send");
    let first = plan_of(&session, json!({"app": "checker"})).unwrap();
    assert_eq!(names(&first["missing"]), ["Policy.Read.All"], "{first:#}");
    assert!(names(&first["excess"]).contains(&"Mail.Send"));
    assert_eq!(first["changes"].as_array().unwrap().len(), 1);
    let url = first["consent"]["url"].as_str().unwrap();
    assert!(url.contains("/organizations/adminconsent?client_id="), "{url}");
    // By each of its names it is the same.
    for name in ["objectId", "appId"] {
        let other = plan_of(&session, json!({"app": first["app"][name]})).unwrap();
        assert_eq!(other["app"], first["app"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("a.jsonl");
    let held = |name: &str| {
        let again = plan_of(&session, json!({"app": "checker"})).unwrap();
        !names(&again["missing"]).contains(&name) && !names(&again["excess"]).contains(&name)
    };
    let done = apply_plan(&session, json!({"plan": first["plan"], "journal": journal})).unwrap();
    assert_eq!(done["changes"][0]["outcome"], "done", "{done:#}");
    assert!(held("Policy.Read.All"));
    let undone = undo_plan(&session, json!({"journal": journal})).unwrap();
    assert_eq!(undone["changes"][0]["outcome"], "undone", "{undone:#}");
    assert!(!held("Policy.Read.All"));
    // What is too much goes only where that is asked for, and comes back.
    let more = plan_of(
        &session,
        json!({"app": "checker", "removeExcess": true, "steps": ["license"]}),
    )
    .unwrap();
    assert!(more["changes"].as_array().unwrap().len() > 3);
    assert_clean(&lab);
}

#[test]
fn of_two_apps_with_one_name_both_are_told_with_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("two-apps.json");
    let twins = json!({"extends": "cloud-only-ready", "about": "Two apps with one name.", "apps": {
        "first": {"displayName": "Nightly checks"}, "second": {"displayName": "Nightly checks", "managedIdentity": "user"}}});
    fs::write(&scenario, twins.to_string()).unwrap();
    let lab = Lab::start_blocking(LabOptions::scenario(&scenario.display().to_string())).unwrap();
    let session = app(&lab, 0);
    let error = plan_of(&session, json!({"app": "Nightly checks"})).unwrap_err();
    assert_eq!(
        (error.status, error.target.as_deref()),
        (Status::ArgumentInvalid, Some("app"))
    );
    assert!(
        error.message.starts_with("2 apps are called 'Nightly checks': "),
        "{}",
        error.message
    );
    assert!(error.help.unwrap().contains("object id"));
    for name in ["first", "second"] {
        let own = lab.tenant(0).apps[name].clone();
        for id in ["objectId", "clientId"] {
            let id = own[id].as_str().unwrap();
            assert!(error.message.contains(id), "{name}: {}", error.message);
            // By an id it is the one that is meant.
            let one = plan_of(&session, json!({"app": id})).unwrap();
            assert_eq!(one["app"]["objectId"], own["objectId"]);
        }
    }
    assert!(error.message.contains("ManagedIdentity"), "{}", error.message);
    assert_clean(&lab);
}

#[test]
fn an_app_that_is_not_there_is_refused() {
    let _turn = turn();
    let lab = lab();
    let session = app(&lab, 0);
    for name in ["nobody", "it's & #1?", "", "11111111-2222-4333-8444-555555555555"] {
        let error = plan_of(&session, json!({"app": name})).unwrap_err();
        assert_eq!(error.status, Status::ArgumentInvalid, "{name}: {error:?}");
    }
    let without = plan_of(&session, json!({"app": "checker", "steps": ["nonsense"]})).unwrap_err();
    assert_eq!(without.status, Status::ArgumentInvalid);
    // It may not write: that is said before anything is changed.
    lab.control(
        "POST",
        "permissions/remove",
        &json!({"app": "checker", "permission": "Policy.Read.All"}),
    )
    .unwrap();
    let plan = plan_of(&session, json!({"app": "checker"})).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("a.jsonl");
    let error = apply_plan(&session, json!({"plan": plan["plan"], "journal": journal})).unwrap_err();
    assert_eq!(error.status, Status::PlanPermission);
    assert!(!journal.exists() && lab.writes().is_empty());
}
