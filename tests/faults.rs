//! Every fault that a service can have ends in the right finding or error, with nothing lost and no hang.

mod common;

use common::*;
use entra_sspr::finding::Check;
use entra_sspr::gather::{self, Limits};
use entra_sspr::session::Session;
use entra_sspr::snapshot::{FactId, Facts, Refusal, RefusalKind, Snapshot, source};
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
    let found = facts.registration.refusal().and_then(|r| r.request_id.as_ref());
    assert!(
        found.is_some() || !matches!(wanted, RefusalKind::Unreachable | RefusalKind::Throttled),
        "{kind:?}: the request can be found again"
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
        FaultKind::ForbiddenClaims { claims: None },
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
    refused(
        Fault::new(
            REPORT,
            FaultKind::Drip {
                bytes: 1,
                every_ms: 400,
            },
        ),
        RefusalKind::Unreachable,
    );
    refused(
        Fault::new(REPORT, FaultKind::HugeBody { bytes: 5 << 20 }),
        RefusalKind::Answer,
    );
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
    refused(
        Fault::new(REPORT, FaultKind::ForbiddenClaims { claims: None }),
        RefusalKind::ConditionalAccess,
    );
}

/// Facts that are parts of one batch.
const SHORT: &[FactId] = &[
    FactId::Organization,
    FactId::Domains,
    FactId::SubscribedSkus,
    FactId::MethodsPolicy,
];

/// The short facts under a fault.
fn short(fault: Fault) -> (Lab, Facts) {
    let lab = lab();
    let mut config = config(&lab, 0);
    config["requestTimeoutSeconds"] = json!(1);
    let session = open(&config);
    sign_in(&session, &lab, 0);
    lab.add_fault(fault).expect("a fault");
    let facts = gather(&session, SHORT);
    (lab, facts)
}

/// How often the lab gave a token.
fn tokens(lab: &Lab) -> usize {
    let asked = |path: &str| path.ends_with("/oauth2/v2.0/token");
    lab.requests().iter().filter(|r| asked(&r.path)).count()
}

#[test]
fn a_batch_survives_what_passes() {
    for kind in [
        FaultKind::Truncate,
        FaultKind::DropMidBody { after: None },
        FaultKind::InvalidJson,
        FaultKind::Html,
        // Longer than a request may take.
        FaultKind::Throttle {
            retry_after: Some("1.5".into()),
        },
    ] {
        for times in [1, 2] {
            let (_, facts) = short(Fault::new("/v1.0/$batch", kind.clone()).times(times));
            for id in SHORT {
                assert!(
                    facts.has(*id),
                    "{kind:?} {times} times: {id:?}: {:?}",
                    facts.refusal(*id)
                );
            }
        }
    }
}

#[test]
fn every_part_of_a_batch_that_fails_says_why() {
    let drip = |every_ms| FaultKind::Drip { bytes: 1, every_ms };
    for (kind, wanted, words) in [
        (FaultKind::Truncate, RefusalKind::Answer, "not of the documented form"),
        (
            FaultKind::DropMidBody { after: None },
            RefusalKind::Unreachable,
            "could not be reached",
        ),
        (FaultKind::Never, RefusalKind::Unreachable, "did not answer within 1 s"),
        (drip(5_000), RefusalKind::Unreachable, "did not answer within 1 s"),
        (drip(400), RefusalKind::Unreachable, "did not answer within 6 s"),
        (
            FaultKind::Throttle {
                retry_after: Some("600".into()),
            },
            RefusalKind::Throttled,
            "asks to wait 600 s",
        ),
        (
            FaultKind::HugeBody { bytes: 33 << 20 },
            RefusalKind::Answer,
            "longer than",
        ),
    ] {
        let start = Instant::now();
        let (_, facts) = short(Fault::new("/v1.0/$batch", kind.clone()));
        assert!(start.elapsed() < PATIENCE, "{kind:?}");
        for id in SHORT {
            let refusal = facts.refusal(*id).unwrap_or_else(|| panic!("{kind:?}: {id:?}"));
            assert_eq!(refusal.kind, wanted, "{kind:?}: {refusal:?}");
            assert!(refusal.message.contains(words), "{kind:?}: {refusal:?}");
            assert!(
                refusal.request_id.is_some() || wanted == RefusalKind::Answer,
                "{kind:?}: {refusal:?}"
            );
        }
    }
}

#[test]
fn a_part_whose_token_is_refused_is_asked_for_again_with_a_new_one() {
    for kind in [
        FaultKind::RevokedToken,
        FaultKind::ClaimsChallenge { claims: None },
        FaultKind::ForbiddenClaims { claims: None },
    ] {
        let (lab, facts) = short(Fault::new("/v1.0/domains", kind.clone()).times(1));
        assert!(facts.domains.whole().is_some(), "{kind:?}: {:?}", facts.domains);
        assert_eq!(tokens(&lab), 2, "{kind:?}");
        let asked = lab.requests().into_iter().filter(|r| r.path == "/v1.0/organization");
        assert_eq!(asked.count(), 1, "{kind:?}: the other parts are not asked for again");
    }
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c3"}}}"#;
    for kind in [
        FaultKind::ClaimsChallenge {
            claims: Some(claims.into()),
        },
        FaultKind::ForbiddenClaims {
            claims: Some(claims.into()),
        },
    ] {
        let (lab, facts) = short(Fault::new("/v1.0/domains", kind.clone()));
        let refusal = facts.refusal(FactId::Domains).expect("it stays refused");
        assert_eq!(refusal.kind, RefusalKind::ConditionalAccess, "{kind:?}: {refusal:?}");
        assert!(
            refusal.message.contains("the authentication context c3"),
            "{kind:?}: {refusal:?}"
        );
        assert_eq!(tokens(&lab), 2, "{kind:?}: once");
        assert!(facts.organization.whole().is_some(), "{kind:?}");
    }
}

#[test]
fn a_throttled_part_waits_as_long_as_it_is_asked_to() {
    let times = |lab: &Lab| -> Vec<f64> {
        let domains = lab.requests().into_iter().filter(|r| r.path == "/v1.0/domains");
        domains.map(|r| r.at_ms).collect()
    };
    let throttled = |retry_after: String| {
        let kind = FaultKind::Throttle {
            retry_after: Some(retry_after),
        };
        let (lab, facts) = short(Fault::new("/v1.0/domains", kind.clone()).times(1));
        assert!(facts.domains.whole().is_some(), "{kind:?}: {:?}", facts.domains);
        times(&lab)
    };
    let times_of = throttled("1.6".into());
    assert!(times_of[1] - times_of[0] >= 1_600.0, "{times_of:?}");
    let until = jiff::Timestamp::now().as_second() + 4;
    let date = jiff::Timestamp::from_second(until)
        .expect("a time")
        .strftime("%a, %d %b %Y %H:%M:%S GMT");
    throttled(date.to_string());
    assert!(jiff::Timestamp::now().as_second() >= until, "not before {date}");
    let kind = FaultKind::Throttle {
        retry_after: Some("600".into()),
    };
    let (lab, facts) = short(Fault::new("/v1.0/domains", kind));
    assert_eq!(
        facts.refusal(FactId::Domains).map(|r| r.kind),
        Some(RefusalKind::Throttled)
    );
    assert_eq!(times(&lab).len(), 1, "not retried sooner");
}

#[test]
fn a_run_with_an_end_of_its_own_waits_no_longer() {
    let lab = lab();
    let session = app(&lab, 0);
    let kind = FaultKind::Throttle {
        retry_after: Some("90".into()),
    };
    lab.add_fault(Fault::new("/v1.0/domains", kind)).expect("a fault");
    let start = Instant::now();
    let readiness = check(&session, json!({"deadlineSeconds": 30}));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    let snapshot = readiness["snapshot"].as_str().expect("the snapshot");
    assert!(snapshot.contains("asks to wait 90 s"));
}

#[test]
fn lists_in_a_batch_come_whole() {
    let ids = [
        FactId::Organization,
        FactId::Domains,
        FactId::SubscribedSkus,
        FactId::Subscriptions,
        FactId::GlobalAdministrators,
        FactId::Branding,
        FactId::UserCounts,
        FactId::SecureScore,
    ];
    let read = |page_size, fault: Option<Fault>| {
        let options = LabOptions {
            page_size,
            ..LabOptions::scenario("hybrid-faulty")
        };
        let lab = Lab::start_blocking(options).expect("the lab starts");
        let session = app(&lab, 0);
        if let Some(fault) = fault {
            lab.add_fault(fault).expect("a fault");
        }
        let facts = gather(&session, &ids);
        assert_clean(&lab);
        (facts, lab.requests().len())
    };
    let ((whole, few), (paged, many)) = (read(None, None), read(Some(1), None));
    assert!(
        whole.domains.value().is_some_and(|d| d.len() > 2),
        "there is more than a page"
    );
    assert_eq!(paged.domains.value(), whole.domains.value());
    assert_eq!(paged.subscribed_skus.value(), whole.subscribed_skus.value());
    // Their times count from each lab's start.
    let subscriptions = |facts: &Facts| -> Vec<_> {
        let all = facts.subscriptions.value().expect("they are read").iter();
        all.map(|s| (s.sku_part_number.clone(), s.total_licenses)).collect()
    };
    assert_eq!(subscriptions(&paged), subscriptions(&whole));
    assert_eq!(paged.global_administrators.value(), whole.global_administrators.value());
    assert_eq!(paged.user_counts.value(), whole.user_counts.value());
    assert!(
        many > few && many < few + 40,
        "{few} requests in whole lists, {many} in pages"
    );
    // A list of which a later page is refused is not known.
    let lost = Fault {
        path_regex: Some("skiptoken".into()),
        ..Fault::new(
            "/v1.0/domains",
            FaultKind::Status {
                status: 403,
                code: None,
                retry_after: None,
            },
        )
    };
    let (facts, _) = read(Some(1), Some(lost));
    assert!(facts.refusal(FactId::Domains).is_some(), "{:?}", facts.domains);
    assert!(facts.subscribed_skus.whole().is_some());
}

#[test]
fn an_expired_token_is_renewed_once() {
    let lab = lab();
    let id = lab.tenant(0).tenant_id;
    lab.add_fault(Fault::new(&format!("/{id}/oauth2/v2.0/token"), FaultKind::ExpiredTokens).times(1))
        .expect("a fault");
    let session = app(&lab, 0);
    let facts = gather(&session, &[FactId::Organization, FactId::Registration]);
    assert!(
        facts.organization.whole().is_some() && facts.registration.whole().is_some(),
        "{facts:?}"
    );
    assert_eq!(tokens(&lab), 2);
    assert_clean(&lab);
}

#[test]
fn the_portal_is_read_as_graph_is() {
    const POLICY: &str = "/api/PasswordReset/PasswordResetPolicies";
    let lab = lab();
    let session = person(&lab, 0, true);
    let read = |kind: FaultKind, times: Option<u32>| {
        let fault = Fault {
            count: times,
            ..Fault::new(POLICY, kind)
        };
        lab.add_fault(fault).expect("a fault");
        let facts = gather(&session, &[FactId::PortalResetPolicy]);
        lab.clear_faults();
        facts
    };
    for kind in [FaultKind::Truncate, FaultKind::DropMidBody { after: None }] {
        let facts = read(kind, Some(2));
        assert!(
            facts.portal_reset_policy.whole().is_some(),
            "{:?}",
            facts.portal_reset_policy
        );
    }
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c3"}}}"#;
    let kind = FaultKind::ClaimsChallenge {
        claims: Some(claims.into()),
    };
    let facts = read(kind, None);
    let refusal = facts.refusal(FactId::PortalResetPolicy).expect("it is refused");
    assert_eq!(refusal.kind, RefusalKind::ConditionalAccess, "{refusal:?}");
    assert!(refusal.message.contains("the authentication context c3"), "{refusal:?}");
    assert_clean(&lab);
}

#[test]
fn a_portal_object_that_lacks_a_setting_decides_nothing_of_it() {
    let lab = lab();
    let session = person(&lab, 0, true);
    let told = |id: &str| {
        let readiness = check(&session, json!({}));
        let finding = finding(&readiness, id);
        (finding["status"].clone(), finding["title"].to_string())
    };
    for (path, member, id, status, title) in [
        (
            "/api/PasswordReset/PasswordResetPolicies",
            "notifyUsersOnPasswordReset",
            "notifications.users",
            "Skipped",
            "not known",
        ),
        // What another source tells counts.
        (
            "/api/PasswordReset/OnPremisesPasswordResetPolicies",
            "accountUnlockEnabled",
            "account_unlock.allowed",
            "Pass",
            "audit log",
        ),
    ] {
        let before = told(id);
        assert!(before.0 == "Pass" && before.1.contains("portal"), "{id}: {before:?}");
        let kind = FaultKind::WithoutMember { member: member.into() };
        lab.add_fault(Fault::new(path, kind)).expect("a fault");
        let without = told(id);
        assert!(without.0 == status && without.1.contains(title), "{id}: {without:?}");
        lab.clear_faults();
    }
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
    let mut missed = 0;
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
        let facts = facts_of(&readiness);
        // Some permissions stand behind another one that is still held, or behind a fact that no check asks for which applies.
        let needed = checks.flat_map(|check| check.facts).any(|id| {
            let lacks = |r: &Refusal| r.kind == RefusalKind::Permission;
            source(*id).permissions.first() == Some(&permission.as_str()) && facts.refusal(*id).is_some_and(lacks)
        });
        missed += usize::from(needed);
        assert!(
            !needed || text.contains(&permission),
            "{permission} is not named in {text}"
        );
        lab.control("POST", "permissions/add", &body)
            .expect("the lab gives it back");
    }
    assert!(missed > 4, "{missed} permissions were missed");
}

/// The facts that a readiness document rests on.
fn facts_of(readiness: &Value) -> Facts {
    let text = readiness["snapshot"].as_str().expect("the snapshot");
    Snapshot::from_json(text).expect("the snapshot is read again").facts
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
