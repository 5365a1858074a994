//! Every fault that a service can have ends in the right finding or error, with nothing lost and no hang.

mod common;

use common::*;
use entra_sspr::finding::Check;
use entra_sspr::gather::{self, Limits};
use entra_sspr::session::Session;
use entra_sspr::snapshot::{FactId, Facts, RefusalKind, source};
use entra_sspr::status::Status;
use entra_sspr::steps::STEPS;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions {
        page_size: Some(50),
        ..LabOptions::scenario("hybrid-ready")
    })
    .expect("the lab starts")
}

/// Gathers some facts while a fault is on.
fn gather(session: &Arc<Session>, ids: &[FactId]) -> Facts {
    let session = Arc::clone(session);
    let ids: BTreeSet<FactId> = ids.iter().copied().collect();
    let task = Task::start(BTreeSet::new(), move |context| async move {
        let snapshot = gather::run(&session, &ids, &Limits::default(), &context).await?;
        Ok(serde_json::to_value(snapshot.facts).expect("facts are JSON"))
    });
    serde_json::from_value(result(&task.expect("a task starts")).expect("gathering ends"))
        .expect("facts are read again")
}

/// The report under a fault that passes: every row is there, once.
fn survives(fault: Fault) {
    let lab = lab();
    let session = app(&lab, 0);
    let expected = gather(&session, &[FactId::Registration])
        .registration
        .whole()
        .expect("no fault yet")
        .rows;
    assert!(expected > 200, "several pages");
    let kind = fault.kind.clone();
    lab.add_fault(fault).expect("a fault");
    let facts = gather(&session, &[FactId::Registration]);
    let registration = facts
        .registration
        .whole()
        .unwrap_or_else(|| panic!("{kind:?}: {:?}", facts.registration));
    assert_eq!(registration.rows, expected, "{kind:?}");
    assert_eq!(
        registration.cohorts.iter().map(|c| c.count).sum::<u64>(),
        expected,
        "{kind:?}"
    );
}

/// The report under a fault that stays: unreadable or partial, and why.
fn refused(fault: Fault, wanted: RefusalKind) {
    let lab = lab();
    let mut config = config(&lab, 0);
    config["requestTimeoutSeconds"] = json!(2);
    let session = open(&config);
    sign_in(&session, &lab, 0);
    let kind = fault.kind.clone();
    lab.add_fault(fault).expect("a fault");
    let start = Instant::now();
    let facts = gather(&session, &[FactId::Registration]);
    assert_eq!(
        facts.registration.refusal().map(|r| r.kind),
        Some(wanted),
        "{kind:?}: {:?}",
        facts.registration
    );
    assert!(
        facts.user_counts.whole().is_some(),
        "{kind:?}: the other facts are read"
    );
    assert!(start.elapsed() < PATIENCE, "{kind:?}");
}

#[test]
fn passing_faults_lose_nothing_and_double_nothing() {
    for kind in [
        FaultKind::Throttle {
            retry_after: Some("0.2".into()),
        },
        FaultKind::Throttle { retry_after: None },
        FaultKind::Status {
            status: 502,
            code: None,
            retry_after: None,
        },
        FaultKind::Status {
            status: 503,
            code: None,
            retry_after: Some("0.1".into()),
        },
        FaultKind::Status {
            status: 504,
            code: None,
            retry_after: None,
        },
        FaultKind::DropBeforeHeaders,
        FaultKind::DropMidBody { after: None },
        FaultKind::Truncate,
        FaultKind::InvalidJson,
        FaultKind::RevokedToken,
        FaultKind::Drip {
            bytes: 700,
            every_ms: 2,
        },
        FaultKind::Latency { ms: 300 },
        FaultKind::UnknownEnums,
    ] {
        // The second page, so that the first one's rows are there already.
        survives(Fault::new(REPORT, kind).after(1).times(1));
    }
}

#[test]
fn an_empty_page_does_not_end_the_report() {
    let lab = lab();
    let session = app(&lab, 0);
    let rows = |facts: Facts| facts.registration.whole().expect("the report was read whole").rows;
    let all = rows(gather(&session, &[FactId::Registration]));
    // Graph may send a page without entries and a link; here the second one's 50 are missing, the others follow.
    lab.add_fault(Fault::new(REPORT, FaultKind::EmptyPage).after(1).times(1))
        .expect("a fault");
    assert_eq!(rows(gather(&session, &[FactId::Registration])), all - 50);
}

#[test]
fn lasting_faults_are_told_apart() {
    refused(
        Fault::new(
            REPORT,
            FaultKind::Status {
                status: 503,
                code: None,
                retry_after: None,
            },
        ),
        RefusalKind::Unreachable,
    );
    refused(
        Fault::new(
            REPORT,
            FaultKind::Throttle {
                retry_after: Some("600".into()),
            },
        ),
        RefusalKind::Throttled,
    );
    refused(
        Fault::new(REPORT, FaultKind::DropBeforeHeaders),
        RefusalKind::Unreachable,
    );
    refused(Fault::new(REPORT, FaultKind::Never), RefusalKind::Unreachable);
    refused(Fault::new(REPORT, FaultKind::Html), RefusalKind::Answer);
    refused(Fault::new(REPORT, FaultKind::InvalidJson), RefusalKind::Answer);
    refused(
        Fault::new(
            REPORT,
            FaultKind::Redirect {
                to: "http://127.0.0.1:9/".into(),
            },
        ),
        RefusalKind::Answer,
    );
    refused(
        Fault::new(REPORT, FaultKind::ClaimsChallenge { claims: None }),
        RefusalKind::ConditionalAccess,
    );
}

#[test]
fn a_branding_whose_languages_are_not_read_is_read_in_part() {
    let lab = Lab::start_blocking(LabOptions::scenario("hybrid-faulty")).expect("the lab starts");
    let session = app(&lab, 0);
    let whole = gather(&session, &[FactId::Branding]);
    assert!(whole.branding.whole().is_some());
    let languages = format!("/v1.0/organization/{}/branding/localizations", lab.tenant(0).tenant_id);
    lab.add_fault(Fault::new(
        &languages,
        FaultKind::Status {
            status: 403,
            code: Some("Authorization_RequestDenied".into()),
            retry_after: None,
        },
    ))
    .expect("a fault");
    let facts = gather(&session, &[FactId::Branding]);
    assert!(facts.branding.is_partial(), "{:?}", facts.branding);
    let reason = facts.branding.partial_reason().expect("a reason");
    assert!(reason.starts_with("Its languages were not read."), "{reason}");
}

#[test]
fn links_that_lead_astray_are_not_followed() {
    let lab = lab();
    let session = app(&lab, 0);
    lab.add_fault(Fault::new(
        REPORT,
        FaultKind::NextLinkHost {
            origin: "http://127.0.0.1:9".into(),
        },
    ))
    .expect("a fault");
    let facts = gather(&session, &[FactId::Registration]);
    assert!(facts.registration.whole().is_none());
    lab.clear_faults();
    lab.add_fault(Fault::new(REPORT, FaultKind::NextLinkLoop))
        .expect("a fault");
    let facts = gather(&session, &[FactId::Registration]);
    assert!(facts.registration.whole().is_none(), "a loop ends");
}

#[test]
fn hostile_names_reach_no_screen() {
    let lab = lab();
    let session = app(&lab, 0);
    lab.add_fault(Fault::new("", FaultKind::HostileNames)).expect("a fault");
    let readiness = check(&session, json!({}));
    for line in readiness["screen"].as_array().expect("lines") {
        let line = line.as_str().expect("text");
        assert!(
            !line
                .chars()
                .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
            "{line:?}"
        );
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}

#[test]
fn a_run_finishes_and_names_each_permission_that_is_taken_away() {
    let lab = lab();
    let full = app(&lab, 0);
    let held = full.state().expect("signed in").identity.permissions;
    assert!(held.len() > 8, "{held:?}");
    for permission in held {
        let body = json!({"app": "checker", "permission": permission});
        lab.control("POST", "permissions/remove", &body)
            .expect("the lab takes it away");
        let session = app(&lab, 0);
        let readiness = check(&session, json!({}));
        let text = readiness["findings"].to_string();
        let open = source(FactId::Organization).permissions.len() > 1;
        assert!(readiness["ready"].is_string() && open);
        let applies = |check: &&Check| {
            let findings = readiness["findings"].as_array().expect("findings");
            !findings
                .iter()
                .any(|f| f["id"] == check.id && f["status"] == "NotApplicable")
        };
        let checks = STEPS.iter().flat_map(|step| step.checks).copied().filter(applies);
        let least = checks.flat_map(|check| check.facts).any(|id| {
            let source = source(*id);
            source.permissions.first() == Some(&permission.as_str())
                && !source.permissions[1..].iter().any(|other| {
                    session
                        .state()
                        .is_ok_and(|s| s.identity.permissions.iter().any(|p| p == other))
                })
        });
        // Some permissions stand behind another one that is still held, or behind a fact that no check asks for which applies.
        let needed = least && asked(&readiness, &permission);
        assert!(
            !needed || text.contains(&permission),
            "{permission} is not named in {text}"
        );
        lab.control("POST", "permissions/add", &body)
            .expect("the lab gives it back");
    }
}

/// Whether some fact that was asked for was refused for want of a permission.
fn asked(readiness: &Value, permission: &str) -> bool {
    readiness["snapshot"]
        .as_str()
        .expect("the snapshot")
        .contains(permission)
}

#[test]
fn a_sign_in_that_fails_says_why_and_keeps_its_secret() {
    let lab = lab();
    let session = open(&config(&lab, 0));
    session
        .set_secret("clientSecret", b"canary-secret-7f3a")
        .expect("a secret");
    let request = json!({"method": "clientSecret", "clientId": lab.tenant(0).client_id});
    let (events, end) = events(&start_sign_in(&session, request));
    let error = end.expect_err("the secret is wrong");
    assert_eq!(error.status, Status::SignInRefused);
    assert!(error.message.contains("AADSTS7000215"), "{error:?}");
    assert!(
        !format!("{events:?}{}{session:?}", error.to_json()).contains("canary"),
        "the secret is told"
    );
}

#[test]
fn a_run_ends_at_its_deadline_and_the_session_stays_usable() {
    let lab = lab();
    let session = app(&lab, 0);
    lab.add_fault(Fault::new("/v1.0/$batch", FaultKind::Never))
        .expect("a fault");
    let start = Instant::now();
    let error = result(&start_check(&session, json!({"deadlineSeconds": 1}))).expect_err("it cannot end in time");
    assert_eq!(error.status, Status::TaskDeadline);
    assert!(start.elapsed().as_secs() < 5);
    lab.clear_faults();
    assert!(check(&session, json!({}))["ready"].is_string());
}

#[test]
fn a_cancelled_run_stops_within_a_second_and_the_session_stays_usable() {
    let lab = lab();
    let session = app(&lab, 0);
    lab.add_fault(Fault::new("", FaultKind::Latency { ms: 20_000 }))
        .expect("a fault");
    let task = start_check(&session, json!({}));
    std::thread::sleep(std::time::Duration::from_millis(200));
    let start = Instant::now();
    task.cancel();
    let (_, end) = events(&task);
    assert_eq!(end.expect_err("it was cancelled").status, Status::TaskCancelled);
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
    lab.clear_faults();
    assert!(check(&session, json!({}))["ready"].is_string());
}

#[test]
fn two_sessions_for_two_tenants_do_not_mix() {
    let options = LabOptions {
        scenarios: vec!["hybrid-ready".into(), "cloud-only-ready".into()],
        ..LabOptions::default()
    };
    let lab = Lab::start_blocking(options).expect("the lab starts");
    let sessions = [app(&lab, 0), app(&lab, 1)];
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let session = Arc::clone(&sessions[i % 2]);
            let id = lab.tenant(i % 2).tenant_id;
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let readiness = check(&session, json!({}));
                    assert_eq!(readiness["tenantId"], id.as_str());
                    assert_eq!(readiness["hybrid"], json!(i % 2 == 0));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().expect("no thread fails"));
    assert_clean(&lab);
}
