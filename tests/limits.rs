//! What a run shows when its time, its log or its sign-in does not reach: the rest is told, never guessed.

mod common;

use common::*;
use entra_sspr::gather::{self, Limits};
use entra_sspr::session::Session;
use entra_sspr::snapshot::{FactId, Facts, RefusalKind};
use entra_sspr::task::Task;
use jiff::Timestamp;
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

fn lab(scenario: &str, page_size: usize) -> Lab {
    let options = LabOptions {
        page_size: Some(page_size),
        ..LabOptions::scenario(scenario)
    };
    Lab::start_blocking(options).expect("the lab starts")
}

/// All facts that can be read in this time.
fn gather(session: &Arc<Session>, time: Duration) -> Facts {
    let session = Arc::clone(session);
    let task = Task::start(BTreeSet::new(), move |context| async move {
        let all = FactId::ALL.iter().copied().collect();
        let limits = Limits {
            time: Some(time),
            full: false,
            ..Limits::default()
        };
        let snapshot = gather::run(&session, &all, &limits, &context).await?;
        Ok(serde_json::to_value(snapshot.facts).expect("facts are JSON"))
    });
    serde_json::from_value(result(&task.expect("a task starts")).expect("gathering ends"))
        .expect("facts are read again")
}

fn change(lab: &Lab, what: &str, permission: &str) {
    let body = json!({"app": "checker", "permission": permission});
    lab.control("POST", what, &body).expect("the lab takes it");
}

/// Meets requests whose path and query match.
fn fault(path_regex: &str, kind: FaultKind) -> Fault {
    Fault {
        path_regex: Some(path_regex.into()),
        kind,
        ..Fault::default()
    }
}

#[test]
fn the_time_of_a_run_holds_for_every_long_list() {
    let lab = lab("hybrid-faulty", 1);
    let facts = gather(&app(&lab, 0), Duration::ZERO);
    let over = |reason: Option<&str>| assert!(reason.expect("a part").contains("time was over"), "{reason:?}");
    over(facts.registration.partial_reason());
    over(facts.audit_settings.partial_reason());
    let groups = facts.policy_groups.refusal().map(|r| (r.kind, r.message.as_str()));
    match groups {
        Some((kind, _)) => assert_eq!(kind, RefusalKind::Time),
        None => over(facts.policy_groups.partial_reason()),
    }
    // What fits on one page is whole.
    assert!(facts.audit_writeback.whole().is_some(), "{:?}", facts.audit_writeback);
    assert!(facts.organization.whole().is_some() && facts.user_counts.whole().is_some());
}

#[test]
fn a_report_of_unknown_length_that_does_not_fit_is_read_for_those_who_cannot_reset() {
    let lab = lab("hybrid-faulty", 200);
    let whole = gather(&app(&lab, 0), Duration::from_secs(30));
    let unable = whole
        .registration
        .whole()
        .expect("no fault yet")
        .count(|k| !k.sspr_capable)
        .0;
    assert!(unable > 0);
    change(&lab, "permissions/remove", "User.Read.All");
    let session = app(&lab, 0);
    // Short enough to be read whole all the same.
    let facts = gather(&session, Duration::from_secs(30));
    assert!(facts.user_counts.refusal().is_some());
    assert!(facts.registration.whole().is_some());
    lab.add_fault(Fault::new(REPORT, FaultKind::Latency { ms: 700 }))
        .expect("a fault");
    let facts = gather(&session, Duration::from_secs(1));
    let reason = facts.registration.partial_reason().expect("a part");
    assert!(
        reason.starts_with("Only the users who cannot reset were read"),
        "{reason}"
    );
    let read = facts.registration.value().expect("a value");
    assert!(read.cohorts.iter().all(|c| !c.key.sspr_capable));
    assert_eq!(read.rows, unable);
}

#[test]
fn a_report_that_takes_longer_than_thought_is_read_for_those_who_cannot_reset() {
    let lab = lab("hybrid-ready", 20);
    let session = app(&lab, 0);
    lab.add_fault(Fault::new(REPORT, FaultKind::Latency { ms: 500 }))
        .expect("a fault");
    let facts = gather(&session, Duration::from_secs(4));
    let reason = facts.registration.partial_reason().expect("a part");
    assert!(
        reason.starts_with("Only the users who cannot reset were read"),
        "{reason}"
    );
    let read = facts.registration.value().expect("a value");
    assert!(read.rows > 0 && read.cohorts.iter().all(|c| !c.key.sspr_capable));
}

#[test]
fn one_failed_query_of_the_log_is_a_gap_and_no_absence() {
    let lab = lab("hybrid-ready", 50);
    let kind = FaultKind::Status {
        status: 403,
        code: Some("Authorization_RequestDenied".into()),
        retry_after: None,
    };
    lab.add_fault(fault("directoryAudits.*by.{1,3}admin", kind))
        .expect("a fault");
    let session = app(&lab, 0);
    let facts = gather(&session, Duration::from_secs(30));
    assert!(facts.audit_writeback.whole().is_some());
    let resets = facts.audit_resets.value().expect("a part");
    assert!(facts.audit_resets.is_partial());
    assert_eq!(
        (resets.self_service_resets, resets.unlocks, resets.admin_resets),
        (1, 1, 0)
    );
    let readiness = check(&session, json!({"steps": ["cloud_writeback", "user_registration"]}));
    for id in [
        "cloud_writeback.cloud_sync",
        "cloud_writeback.lost_resets",
        "user_registration.helpdesk",
    ] {
        assert_eq!(finding(&readiness, id)["status"], "Skipped", "{id}");
    }
    // It was switched on, and no reset can say otherwise.
    assert_eq!(finding(&readiness, "cloud_writeback.enabled")["status"], "Pass");
}

#[test]
fn the_activities_are_called_as_the_tenants_log_calls_them() {
    let file = std::env::temp_dir().join(format!("sspr-renamed-{}.json", std::process::id()));
    let renamed = json!({
        "extends": "hybrid-ready",
        "activityTypes": {
            "Reset password (by admin)": null,
            "Reset password (by admin or helpdesk)": {"category": "UserManagement"},
            "Enable password writeback for directory": null,
            "Enable password writeback for tenant": {"category": "DirectoryManagement"},
        },
        "audit": {
            "admin-reset": {"activity": "Reset password (by admin or helpdesk)"},
            "writeback-on": {"activity": "Enable password writeback for tenant"},
        },
    });
    std::fs::write(&file, renamed.to_string()).expect("a scenario");
    let lab = lab(file.to_str().expect("a path"), 50);
    std::fs::remove_file(&file).expect("the scenario was read");
    let facts = gather(&app(&lab, 0), Duration::from_secs(30));
    let switched = facts.audit_writeback.whole().and_then(|t| t.switched.as_ref());
    assert!(switched.is_some_and(|s| s.enabled), "{switched:?}");
    assert_eq!(facts.audit_resets.whole().map(|r| r.admin_resets), Some(1));
    assert_clean(&lab);
}

#[test]
fn the_log_reaches_as_far_as_the_licence_keeps_it() {
    for (scenario, days) in [("no-license", 7), ("hybrid-ready", 30)] {
        let lab = lab(scenario, 50);
        let facts = gather(&app(&lab, 0), Duration::from_secs(30));
        for from in [
            facts.audit_settings.value().and_then(|v| v.from),
            facts.audit_resets.value().and_then(|v| v.from),
        ] {
            let hours = Timestamp::now().duration_since(from.expect("a beginning")).as_hours();
            assert_eq!(hours, days * 24, "{scenario}");
        }
    }
}

#[test]
fn a_sign_in_that_may_do_more_is_pointed_out() {
    let lab = lab("hybrid-ready", 50);
    let excess = |readiness: &Value| readiness["excessPermissions"].clone();
    let line = |readiness: &Value| {
        let lines = readiness["screen"].as_array().expect("lines").clone();
        lines
            .into_iter()
            .find(|l| l.as_str().is_some_and(|l| l.starts_with("The sign-in may also write")))
    };
    let readiness = check(&app(&lab, 0), json!({}));
    assert_eq!(
        excess(&readiness),
        json!({"writing": [], "reading": ["Application.Read.All"]})
    );
    assert_eq!(line(&readiness), None);
    change(&lab, "permissions/add", "User.ReadWrite.All");
    let readiness = check(&app(&lab, 0), json!({}));
    assert_eq!(excess(&readiness)["writing"], json!(["User.ReadWrite.All"]));
    let line = line(&readiness).expect("a line");
    let line = line.as_str().expect("text");
    assert!(
        line.chars().count() <= 80 && line.contains("User.ReadWrite.All"),
        "{line}"
    );
    // A person's scopes are told in the same way.
    let readiness = check(&person(&lab, 0, false), json!({}));
    assert!(excess(&readiness)["writing"].is_array());
}

#[test]
fn a_person_without_a_role_is_told_the_role() {
    let lab = lab("hybrid-ready", 50);
    let session = person_as(&lab, 0, "user", false);
    let facts = gather(&session, Duration::from_secs(30));
    for id in [FactId::MethodsPolicy, FactId::ConditionalAccess] {
        let refusal = facts.refusal(id).unwrap_or_else(|| panic!("{id:?} was read"));
        assert_eq!(refusal.kind, RefusalKind::Role, "{id:?}: {refusal:?}");
        assert!(refusal.message.contains("Global Reader"), "{refusal:?}");
    }
}
