//! A person signs in with a code.

use crate::common::{assert_clean, config, open};
use crate::drive::{check, idle, run, sign_in, start_within};
use entra_sspr::status::Status;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::time::{Duration, Instant};

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

/// The person on the other device.
fn person(lab: &Lab, action: &'static str) -> impl FnMut(&Task, &Value) {
    move |_, event| {
        if event["event"] == "signIn" {
            let what = &event["signIn"];
            for member in ["message", "userCode", "verificationUri"] {
                assert!(what[member].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            }
            assert_eq!(what["expiresIn"], 900);
            let upn = lab.tenant(0).people["admin"]["upn"].clone();
            let done = lab.control("POST", action, &json!({"userCode": what["userCode"], "upn": upn}));
            assert_eq!(done.expect("the lab does it")["changed"], 1);
        }
    }
}

fn on_tokens(lab: &Lab, kind: FaultKind, after: u32, times: u32) {
    let fault = Fault {
        path_regex: Some("/oauth2/v2.0/token$".into()),
        ..Fault::new("", kind)
    };
    lab.add_fault(fault.after(after).times(times)).expect("a fault");
}

fn says(error: &str) -> FaultKind {
    FaultKind::Body {
        status: 400,
        content_type: "application/json".into(),
        text: json!({"error": error, "error_description": "words"}).to_string(),
    }
}

#[test]
fn a_person_approves_and_the_session_renews_itself() {
    let lab = lab("cloud-only-ready");
    let session = open(&config(&lab, 0));
    let run = sign_in(
        &session,
        json!({"method": "deviceCode", "portalApi": true}),
        &mut person(&lab, "devices/approve"),
    );
    assert_eq!(run.sign_ins().len(), 2);
    let identity = run.good();
    assert_eq!(identity["method"], "deviceCode");
    assert_eq!(identity["delegated"], true);
    assert_eq!(identity["portalApi"], true);
    check(&session, &mut idle).good();
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut idle).good();
    let renewals = lab
        .requests()
        .iter()
        .filter(|r| r.body.contains("grant_type=refresh_token"))
        .count();
    assert_eq!(renewals, 1);
    assert_clean(&lab);
}

#[test]
fn where_the_portal_lets_nobody_in_the_sign_in_says_so_and_works_without() {
    let lab = lab("portal-token-missing");
    let session = open(&config(&lab, 0));
    let approve = &mut person(&lab, "devices/approve");
    let run = sign_in(&session, json!({"method": "deviceCode", "portalApi": true}), approve);
    assert_eq!(run.sign_ins().len(), 2);
    let error = run.bad(Status::SignInConditionalAccess);
    assert!(error.help.is_some(), "{}", error.to_json());
    sign_in(&session, json!({"method": "deviceCode"}), approve).good();
    check(&session, &mut idle).good();
    assert_clean(&lab);
}

#[test]
fn a_person_declines_or_comes_too_late() {
    let lab = lab("cloud-only-ready");
    for (action, status) in [
        ("devices/decline", Status::SignInRefused),
        ("devices/expire", Status::SignInTimeout),
    ] {
        let session = open(&config(&lab, 0));
        let error = sign_in(&session, json!({"method": "deviceCode"}), &mut person(&lab, action)).bad(status);
        assert!(error.help.is_some(), "{action}");
        assert_eq!(session.state().unwrap_err().status, Status::SignInNeeded);
    }
}

#[test]
fn the_service_s_pace_is_kept() {
    let lab = lab("cloud-only-ready");
    on_tokens(&lab, says("authorization_pending"), 0, 2);
    on_tokens(&lab, says("slow_down"), 2, 1);
    let began = Instant::now();
    let session = open(&config(&lab, 0));
    sign_in(
        &session,
        json!({"method": "deviceCode"}),
        &mut person(&lab, "devices/approve"),
    )
    .good();
    let polls: Vec<f64> = lab
        .requests()
        .iter()
        .filter(|r| r.path.ends_with("/token"))
        .map(|r| r.at_ms)
        .collect();
    let gaps: Vec<f64> = polls.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(polls.len(), 4, "{polls:?}");
    assert!(gaps[..2].iter().all(|gap| (900.0..3000.0).contains(gap)), "{gaps:?}");
    // RFC 8628: five seconds more.
    assert!(gaps[2] >= 5900.0, "{gaps:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_clean(&lab);
}

#[test]
fn conditional_access_may_block_it() {
    let lab = lab("device-code-blocked");
    let session = open(&config(&lab, 0));
    let run = sign_in(
        &session,
        json!({"method": "deviceCode"}),
        &mut person(&lab, "devices/approve"),
    );
    let error = run.bad(Status::SignInConditionalAccess);
    assert!(error.help.unwrap().contains("browser"));
}

#[test]
fn a_block_is_not_taken_for_a_person_who_declined() {
    let lab = lab("cloud-only-ready");
    for (error, words, status) in [
        (
            "access_denied",
            "AADSTS53003: Access has been blocked.",
            Status::SignInConditionalAccess,
        ),
        ("access_denied", "AADSTS65004: User declined.", Status::SignInRefused),
        ("authorization_declined", "", Status::SignInRefused),
    ] {
        // Some gateways make every answer a success.
        for code in [400, 200] {
            let text = json!({"error": error, "error_description": words}).to_string();
            let content_type = "application/json".into();
            on_tokens(
                &lab,
                FaultKind::Body {
                    status: code,
                    content_type,
                    text,
                },
                0,
                1,
            );
            let session = open(&config(&lab, 0));
            let found = sign_in(&session, json!({"method": "deviceCode"}), &mut idle).bad(status);
            let declined = found.help.as_deref().unwrap_or_default().contains("declined");
            assert_eq!(declined, status == Status::SignInRefused, "{}", found.to_json());
        }
    }
}

#[test]
fn a_refusal_at_the_start_is_told_whatever_its_status() {
    let lab = lab("cloud-only-ready");
    for status in [200, 400] {
        let fault = Fault {
            path_regex: Some("/devicecode$".into()),
            ..Fault::new(
                "",
                FaultKind::Body {
                    status,
                    content_type: "application/json".into(),
                    text: json!({"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found.", "error_codes": [700_016]}).to_string(),
                },
            )
        };
        lab.add_fault(fault.times(1)).expect("a fault");
        let session = open(&config(&lab, 0));
        let error = sign_in(&session, json!({"method": "deviceCode"}), &mut idle).bad(Status::SignInRefused);
        assert!(error.message.contains("AADSTS700016"), "{}", error.to_json());
        assert!(error.help.unwrap().contains("client id"));
    }
}

#[test]
fn what_conditional_access_asks_reaches_the_person() {
    const ASKED: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c25"}}}"#;
    let lab = lab("cloud-only-ready");
    let mut config = config(&lab, 0);
    config["interactive"] = json!(true);
    let session = open(&config);
    sign_in(
        &session,
        json!({"method": "deviceCode"}),
        &mut person(&lab, "devices/approve"),
    )
    .good();
    lab.reset();
    let kind = FaultKind::ClaimsChallenge {
        claims: Some(ASKED.into()),
    };
    lab.add_fault(Fault::new("/v1.0", kind).times(1)).expect("a fault");
    // The silent try is not enough.
    let text =
        json!({"error": "interaction_required", "error_description": "AADSTS50076: more is needed.", "claims": ASKED})
            .to_string();
    let content_type = "application/json".into();
    on_tokens(
        &lab,
        FaultKind::Body {
            status: 400,
            content_type,
            text,
        },
        0,
        1,
    );
    let run = check(&session, &mut person(&lab, "devices/approve"));
    assert_eq!(run.sign_ins().len(), 1);
    run.good();
    let bodies = |end: &str| -> Vec<String> {
        let all = lab.requests();
        all.iter()
            .filter(|r| r.path.ends_with(end))
            .map(|r| r.body.clone())
            .collect()
    };
    // Where the person's sign-in begins, and where it is asked after.
    assert_eq!(bodies("/devicecode").len(), 1);
    for body in bodies("/devicecode").iter().chain(&bodies("/token")) {
        assert!(body.contains("c25") && body.contains("cp1"), "{body}");
    }
    assert_clean(&lab);
}

#[test]
fn it_can_be_cancelled() {
    let lab = lab("cloud-only-ready");
    let session = open(&config(&lab, 0));
    let task = start_within(&session, json!({"method": "deviceCode"}), crate::drive::nothing());
    let began = Instant::now();
    let mut cancelled = None;
    let outcome = run(&task, &mut |task: &Task, event: &Value| {
        if event["event"] == "signIn" {
            task.cancel();
            cancelled = Some(Instant::now());
        }
    });
    outcome.bad(Status::TaskCancelled);
    assert!(cancelled.expect("it was shown").elapsed() < Duration::from_secs(1));
    assert!(began.elapsed() < Duration::from_secs(20));
}
