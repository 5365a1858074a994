//! A pilot's reset on its way, against the lab's tenant and a Connect server that a test plays.

mod common;

use common::{app, assert_clean, config, open, sign_in, watch_reset};
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::sync::Arc;

const PILOT: &str = "staff3@contoso.example";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("hybrid-ready")).expect("the lab starts")
}

/// Something happens in the tenant now.
fn happens(lab: &Lab, activity: &str, with: Value) {
    let mut event = json!({"at": "+0s", "activity": activity, "target": PILOT});
    event.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    lab.control("POST", "audit", &json!({"event": event})).unwrap();
}

fn reset(lab: &Lab, with: Value) {
    happens(lab, "Reset password (self-service)", with);
}

fn request(seconds: u64) -> Value {
    json!({"user": PILOT, "timeoutSeconds": seconds, "pollSeconds": 1})
}

fn leg<'a>(result: &'a Value, name: &str) -> &'a Value {
    let legs = result["legs"].as_array().unwrap();
    legs.iter().find(|leg| leg["leg"] == name).unwrap()
}

/// Whether the user may begin now.
fn is_start(event: &Value) -> bool {
    event["event"] == "leg" && event["leg"]["leg"] == "Start"
}

#[test]
fn a_reset_is_seen_in_the_cloud_and_what_is_not_watched_says_why() {
    let lab = lab();
    let session = app(&lab, 0);
    // What was before is not what is waited for.
    reset(&lab, json!({"result": "failure", "reason": "before"}));
    let mut told = Vec::new();
    let result = watch_reset(&session, request(30), |event| {
        if is_start(event) {
            assert!(event["leg"]["detail"].as_str().unwrap().contains("may begin now"));
            let other = json!({"target": "staff4@contoso.example", "result": "failure", "reason": "another's"});
            reset(&lab, other);
            happens(
                &lab,
                "Self-service password reset flow activity progress",
                json!({"reason": "User passed"}),
            );
            reset(&lab, json!({"reason": "Successfully completed reset."}));
        }
        if event["event"] == "leg" {
            told.push(event["leg"]["leg"].as_str().unwrap().to_string());
        }
        None
    })
    .unwrap();
    assert_eq!(
        (&result["verdict"], &result["user"]),
        (&json!("Worked"), &json!(PILOT)),
        "{result:#}"
    );
    assert_eq!(leg(&result, "Cloud")["detail"], "Successfully completed reset.");
    assert_eq!(leg(&result, "Agent")["status"], "NotShown");
    for (name, why) in [
        ("Directory", "Connect-SsprDirectory"),
        ("Connect", "Connect-SsprConnectServer"),
    ] {
        assert_eq!(leg(&result, name)["status"], "NotWatched");
        assert!(
            leg(&result, name)["detail"].as_str().unwrap().contains(why),
            "{result:#}"
        );
    }
    told.sort_unstable();
    assert_eq!(told, ["Agent", "Cloud", "Start", "Verification"]);
    assert_clean(&lab);
    assert!(lab.writes().is_empty());
}

#[test]
fn a_failure_ends_the_watch_and_no_reset_the_time() {
    let lab = lab();
    let session = app(&lab, 0);
    let started = Timestamp::now();
    let failed = watch_reset(&session, request(50), |event| {
        if is_start(event) {
            reset(
                &lab,
                json!({"result": "failure", "reason": "OnPremisesPolicyViolation"}),
            );
        }
        None
    })
    .unwrap();
    assert_eq!(failed["verdict"], "Failed", "{failed:#}");
    assert!(
        failed["headline"]
            .as_str()
            .unwrap()
            .contains("OnPremisesPolicyViolation")
    );
    assert!(Timestamp::now().duration_since(started).as_secs() < 20);
    let none = watch_reset(&session, request(3), |_| None).unwrap();
    assert_eq!(
        (&none["verdict"], &leg(&none, "Cloud")["status"]),
        (&json!("Missing"), &json!("Missing"))
    );
}

#[test]
fn a_verification_that_failed_and_that_nothing_follows_is_what_the_time_ends_with() {
    let lab = lab();
    let session = app(&lab, 0);
    let started = Timestamp::now();
    let why = "User cancelled before passing the required authentication methods";
    let result = watch_reset(&session, request(5), |event| {
        if is_start(event) {
            let step = "Self-service password reset flow activity progress";
            happens(&lab, step, json!({"result": "failure", "reason": why}));
        }
        None
    })
    .unwrap();
    assert!(
        Timestamp::now().duration_since(started).as_secs() >= 5,
        "the user may try again"
    );
    assert_eq!(result["verdict"], "Failed", "{result:#}");
    assert!(result["headline"].as_str().unwrap().ends_with(why), "{result:#}");
    assert!(!leg(&result, "Verification")["fix"].is_null(), "{result:#}");
    assert_eq!(leg(&result, "Cloud")["status"], "Missing");
}

#[test]
fn a_log_that_stumbles_is_asked_again_and_one_that_refuses_is_named() {
    let lab = lab();
    let session = app(&lab, 0);
    let result = watch_reset(&session, request(40), |event| {
        if is_start(event) {
            let fault = Fault::new(
                "/v1.0/auditLogs/directoryAudits",
                FaultKind::Status {
                    status: 400,
                    code: None,
                    retry_after: None,
                },
            );
            lab.add_fault(fault.times(2)).unwrap();
            reset(&lab, json!({"details": {"OnPremisesAgent": "Microsoft Entra Connect"}}));
        }
        None
    })
    .unwrap();
    assert_eq!(result["verdict"], "Worked", "{result:#}");
    assert_eq!(leg(&result, "Agent")["detail"], "Microsoft Entra Connect");

    lab.control(
        "POST",
        "permissions/remove",
        &json!({"permission": "AuditLog.Read.All", "revoke": true}),
    )
    .unwrap();
    lab.control(
        "POST",
        "permissions/remove",
        &json!({"permission": "Directory.Read.All", "revoke": true}),
    )
    .unwrap();
    let session = app(&lab, 0);
    let refused = watch_reset(&session, request(5), |_| None).unwrap_err();
    assert_eq!(refused.status, Status::SignInNeeded);
    assert!(!refused.detail.is_empty(), "{refused:?}");
}

/// A Connect server's document, with its password resets' events.
fn server(events: &[(u64, Timestamp, &str)]) -> Value {
    let of = |(id, at, message): &(u64, Timestamp, &str)| {
        let provider = if *id < 10_000 { "ADSync" } else { "PasswordResetService" };
        json!({"provider": provider, "id": id, "at": at, "message": message})
    };
    let items: Vec<Value> = events.iter().map(of).collect();
    let document = json!({
        "computer": "AAD1", "readAt": Timestamp::now(), "events": {"value": {"since": Timestamp::now(), "cut": false, "items": items}},
    });
    json!({"servers": [document.to_string()]})
}

/// Somebody who is signed in to the lab, with a Connect server.
fn with_server(lab: &Lab) -> Arc<Session> {
    let mut config = config(lab, 0);
    config["hostActions"] = json!(["readConnectServer"]);
    let session = open(&config);
    sign_in(&session, lab, 0);
    session
}

#[test]
fn the_connect_server_s_events_are_told_with_their_cause_by_its_own_clock() {
    let lab = lab();
    let session = with_server(&lab);
    let named = format!("TrackingId: 11112222-3333, Context: UserPrincipalName: {PILOT}");
    let of_other = "TrackingId: 99992222-3333, Context: UserPrincipalName: staff33@contoso.example";
    let denied = format!(
        "TrackingId: 11112222-3333, Reason: hr=80230626, message=denied access, Context: UserPrincipalName: {PILOT}"
    );
    let old = Timestamp::now() - SignedDuration::from_secs(60);
    for (last, verdict, status) in [
        ((31002, "TrackingId: 11112222-3333, done"), "Worked", "Came"),
        ((33004, denied.as_str()), "Failed", "Failed"),
    ] {
        let mut begun = None;
        let result = watch_reset(&session, request(40), |event| {
            if is_start(event) {
                begun = Some(Timestamp::now());
                let how = if verdict == "Failed" {
                    json!({"result": "failure", "reason": "x"})
                } else {
                    json!({})
                };
                reset(&lab, how);
            }
            // The newest first, as a server gives them.
            (event["event"] == "hostAction").then(|| match begun {
                None => server(&[(33008, old, &named)]),
                Some(at) => server(&[
                    (last.0, at, last.1),
                    (31003, at, of_other),
                    (31001, at, &named),
                    (33008, old, &named),
                ]),
            })
        })
        .unwrap();
        let connect = leg(&result, "Connect");
        assert_eq!(
            (&result["verdict"], &connect["status"], &connect["source"]),
            (&json!(verdict), &json!(status), &json!("AAD1")),
            "{result:#}"
        );
        assert_eq!(
            connect["at"].as_str().unwrap().parse::<Timestamp>().unwrap(),
            begun.unwrap()
        );
    }
}

#[test]
fn a_machine_whose_clock_is_off_sees_the_log_by_the_service_s() {
    for ahead in [-600, 600] {
        let lab = lab();
        lab.add_fault(Fault::new("/v1.0", FaultKind::Clock { ahead })).unwrap();
        let session = app(&lab, 0);
        let at = if ahead < 0 { "-600s" } else { "+600s" };
        let result = watch_reset(&session, request(8), |event| {
            if is_start(event) {
                reset(&lab, json!({"at": at, "reason": "Successfully completed reset."}));
            }
            None
        })
        .unwrap();
        assert_eq!(result["verdict"], "Worked", "{ahead}: {result:#}");
    }
}

#[test]
fn a_failure_on_the_connect_server_ends_the_watch_though_the_log_says_nothing() {
    let lab = lab();
    let session = with_server(&lab);
    let denied = format!("TrackingId: 11112222-3333, Reason: hr=80230626, Context: UserPrincipalName: {PILOT}");
    let engine = "ERR_: MMS(1): admaexport.cpp(2939): Failed to acquire user information: 0x6ba";
    let started = Timestamp::now();
    let mut begun = None;
    let result = watch_reset(&session, request(300), |event| {
        if is_start(event) {
            begun = Some(Timestamp::now());
        }
        (event["event"] == "hostAction").then(|| match begun {
            None => server(&[]),
            Some(at) => server(&[(33004, at, &denied), (6329, at, engine)]),
        })
    })
    .unwrap();
    let took = Timestamp::now().duration_since(started).as_secs();
    assert!((10..40).contains(&took), "{took} s: twelve polls for what may yet come");
    assert_eq!(result["verdict"], "Failed", "{result:#}");
    let headline = result["headline"].as_str().unwrap();
    assert!(
        headline.contains("the Connect server's event: event 33004") && headline.contains("(catalogue, row 8)"),
        "{headline}"
    );
    assert!(leg(&result, "Connect")["fix"].as_str().unwrap().contains("135"));
    assert_eq!(leg(&result, "Cloud")["status"], "Missing");
}

#[test]
fn a_source_that_fails_in_the_middle_is_told_once_and_hides_no_other() {
    let lab = lab();
    let session = with_server(&lab);
    let gone = json!({"computer": "AAD1", "error": "WinRM cannot\u{202e} complete the operation"});
    let unread = json!({"computer": "AAD1", "readAt": Timestamp::now(), "events": {"error": "access is denied"}});
    let broken = Fault::new(
        "/v1.0/auditLogs/directoryAudits",
        FaultKind::Status {
            status: 400,
            code: None,
            retry_after: None,
        },
    );
    for document in [gone, unread] {
        let (mut is_begun, mut asked, mut told) = (false, 0, Vec::new());
        let result = watch_reset(&session, request(14), |event| {
            if is_start(event) {
                is_begun = true;
                lab.add_fault(broken.clone().times(2)).unwrap();
                reset(&lab, json!({"reason": "Successfully completed reset."}));
            } else if event["event"] == "leg" {
                told.push(event["leg"].clone());
            }
            (event["event"] == "hostAction").then(|| {
                asked += 1;
                match is_begun {
                    false => server(&[]),
                    true => json!({"servers": [document.to_string()]}),
                }
            })
        })
        .unwrap();
        assert!(asked > 3, "it is asked again: {asked}");
        let of = |name: &str, status: &str| {
            let same = told.iter().filter(|leg| leg["leg"] == name && leg["status"] == status);
            same.count()
        };
        assert_eq!(
            (of("Connect", "Awaited"), of("Cloud", "Awaited"), of("Cloud", "Came")),
            (1, 1, 1),
            "{told:#?}"
        );
        assert_eq!(result["verdict"], "Incomplete", "{result:#}");
        let connect = leg(&result, "Connect");
        assert_eq!(connect["status"], "Missing");
        assert!(
            connect["detail"].as_str().unwrap().starts_with("not read: AAD1: "),
            "{connect}"
        );
        assert!(!connect.to_string().contains('\u{202e}'));
        let headline = result["headline"].as_str().unwrap();
        assert!(
            headline.ends_with("Not read at the end: the Connect server's event."),
            "{headline}"
        );
    }
}

#[test]
fn a_source_that_never_answers_keeps_nobody_from_the_others() {
    let lab = lab();
    let session = with_server(&lab);
    let mut is_begun = false;
    let mut cloud = None;
    let result = watch_reset(&session, request(8), |event| {
        if is_start(event) {
            is_begun = true;
        }
        if event["leg"]["leg"] == "Cloud" {
            cloud = Some(Timestamp::now());
        }
        match event["event"] == "hostAction" {
            true if is_begun => {
                // From here on the server hangs, and what comes then is seen all the same.
                reset(&lab, json!({"reason": "Successfully completed reset."}));
                None
            }
            true => Some(server(&[])),
            false => None,
        }
    })
    .unwrap();
    assert!(cloud.is_some(), "{result:#}");
    assert_eq!(leg(&result, "Cloud")["status"], "Came");
    assert_eq!(leg(&result, "Connect")["status"], "Missing");
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let lab = lab();
    let session = app(&lab, 0);
    for (request, status) in [
        (json!({}), Status::ArgumentInvalid),
        (json!({"user": "  "}), Status::ArgumentInvalid),
        (json!({"user": PILOT, "action": "Change"}), Status::ArgumentInvalid),
        (json!({"user": PILOT, "timeoutSeconds": 0}), Status::ArgumentInvalid),
        (json!({"user": PILOT, "pollSeconds": "1"}), Status::ArgumentInvalid),
        (json!({"user": PILOT, "colour": 1}), Status::ArgumentJson),
        (json!([]), Status::ArgumentJson),
    ] {
        let refused = watch_reset(&session, request.clone(), |_| None).unwrap_err();
        assert_eq!(refused.status, status, "{request}");
    }
    for nobody in ["nobody@contoso.example", "../me", "a/b?$x#y"] {
        let refused = watch_reset(&session, json!({"user": nobody}), |_| None).unwrap_err();
        assert_eq!(refused.status, Status::ArgumentInvalid, "{nobody}: {refused:?}");
        assert_eq!(refused.target.as_deref(), Some(nobody));
    }
    let offline = open(&config(&lab, 0));
    let refused = watch_reset(&offline, request(5), |_| None).unwrap_err();
    assert_eq!(refused.status, Status::SignInNeeded);
}
