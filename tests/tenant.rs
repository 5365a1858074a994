//! The cloud's facts and checks against the lab, over HTTP.

mod common;

use common::*;
use entra_sspr::gather::{self, Limits};
use entra_sspr::session::Session;
use entra_sspr::snapshot::{FactId, Facts, RefusalKind};
use entra_sspr::task::Task;
use serde_json::json;
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

/// Every fact of a tenant, as the signed-in session reads them.
fn facts(session: &Arc<Session>) -> Facts {
    let session = Arc::clone(session);
    let task = Task::start(BTreeSet::new(), move |context| async move {
        let all = FactId::ALL.iter().copied().collect();
        let snapshot = gather::run(&session, &all, &Limits::default(), &context).await?;
        Ok(serde_json::to_value(snapshot.facts).expect("facts are JSON"))
    });
    serde_json::from_value(result(&task.expect("a task starts")).expect("gathering ends"))
        .expect("facts are read again")
}

#[test]
fn an_app_reads_every_fact_that_is_open_to_apps() {
    let lab = lab("hybrid-ready");
    let facts = facts(&app(&lab, 0));
    for &id in FactId::ALL {
        match (id, facts.refusal(id)) {
            (
                FactId::PortalResetPolicy
                | FactId::PortalOnPremises
                | FactId::PortalSyncStatus
                | FactId::Synchronization,
                refusal,
            ) => {
                assert_eq!(refusal.map(|r| r.kind), Some(RefusalKind::SignIn), "{id:?}");
            }
            (
                FactId::Attestation
                | FactId::ConnectServers
                | FactId::Forests
                | FactId::Connectors
                | FactId::DirectoryAccess
                | FactId::DirectoryGrants
                | FactId::DirectoryPasswords
                | FactId::WritebackProbes,
                refusal,
            ) => {
                assert!(
                    refusal.is_none() && !facts.has(id),
                    "{id:?}: nothing on premises is connected to, and nothing is attested"
                );
            }
            (FactId::FeatureSummary, refusal) => {
                assert!(refusal.is_none() && !facts.has(id), "an app does not ask for it")
            }
            (_, refusal) => assert!(facts.has(id), "{id:?}: {refusal:?}"),
        }
    }
    let registration = facts.registration.whole().expect("the report was read whole");
    let counts = facts.user_counts.whole().expect("the users were counted");
    assert_eq!(
        registration.rows,
        counts.enabled_members + counts.enabled_guests.unwrap_or(0)
    );
    assert_eq!(counts.synced_members, Some(230));
    let licensed = facts.licensed_members.whole().expect("the licensed were counted");
    assert_eq!(licensed.by_plan, counts.enabled_members);
    assert_clean(&lab);
}

#[test]
fn a_person_reads_the_portal_too_and_the_sources_agree() {
    let lab = lab("hybrid-ready");
    let facts = facts(&person(&lab, 0, true));
    let policy = facts.portal_reset_policy.whole().expect("the portal's policy");
    assert_eq!(
        (policy.enablement_type, policy.number_of_authentication_methods_required),
        (Some(2), Some(2))
    );
    assert!(facts.portal_on_premises.whole().is_some() && facts.portal_sync_status.whole().is_some());
    assert!(facts.feature_summary.whole().is_some(), "the report serves people");
    assert_clean(&lab);
}

#[test]
fn a_grace_period_and_business_standard_license_their_users() {
    let lab = lab("license-grace");
    let session = app(&lab, 0);
    let facts = facts(&session);
    let members = facts
        .user_counts
        .whole()
        .expect("the users were counted")
        .enabled_members;
    let licensed = facts.licensed_members.whole().expect("the licensed were counted");
    assert_eq!((licensed.by_plan, licensed.with_standard), (members - 5, members));
    let readiness = check(&session, serde_json::json!({"steps": ["license"]}));
    assert_eq!(finding(&readiness, "license.seats")["status"], "Pass");
    assert_eq!(finding(&readiness, "license.lifecycle")["status"], "Warn");
    assert_clean(&lab);
}

#[test]
fn a_registration_trap_is_seen_with_those_whom_it_catches() {
    let lab = lab("registration-trap");
    let readiness = check(&app(&lab, 0), serde_json::json!({"steps": ["registration"]}));
    assert_eq!(readiness["ready"], "No");
    let trap = finding(&readiness, "registration.traps");
    assert_eq!(trap["status"], "Fail");
    assert_eq!(trap["affected"]["count"], 25);
    let title = trap["title"].as_str().expect("a title");
    assert!(title.starts_with("25 of 91 users cannot register: 'CA02"), "{title}");
    assert_clean(&lab);
}

#[test]
fn an_app_sees_by_its_effect_that_the_selected_group_is_empty() {
    let lab = lab("empty-group");
    let readiness = check(&app(&lab, 0), serde_json::json!({"steps": ["reset_policy"]}));
    assert_eq!(readiness["ready"], "No");
    let scope = finding(&readiness, "reset_policy.scope");
    assert_eq!(scope["status"], "Fail", "{scope}");
    let title = scope["title"].as_str().expect("a title");
    assert!(title.starts_with("a group is selected, but none of "), "{title}");
    assert_clean(&lab);
}

#[test]
fn a_group_that_the_log_alone_names_is_read() {
    let lab = lab("empty-group");
    let portal = facts(&person(&lab, 0, true)).portal_reset_policy;
    let group = &portal
        .whole()
        .expect("the portal's policy")
        .password_reset_enabled_group_ids[0];
    let event = serde_json::json!({"at": "-2d", "activity": "Update SSPR Settings",
        "changes": {"PasswordResetEnabledGroupIds": ["", group]}});
    lab.control("POST", "audit", &serde_json::json!({ "event": event }))
        .expect("the lab logs it");
    let readiness = check(&app(&lab, 0), serde_json::json!({"steps": ["reset_policy"]}));
    let found = finding(&readiness, "reset_policy.group");
    assert_eq!(found["title"], "the selected group SSPR pilot has no users", "{found}");
    assert_eq!(found["status"], "Fail");
    assert_clean(&lab);
}

#[test]
fn the_end_of_sms_is_counted_over_http() {
    let lab = lab("hybrid-faulty");
    let steps = ["authentication_methods", "mfa_enforcement", "user_registration"];
    let readiness = check(&app(&lab, 0), serde_json::json!({ "steps": steps }));
    let retirement = finding(&readiness, "authentication_methods.phone_retirement");
    assert_eq!(retirement["status"], "Warn");
    assert_eq!(
        retirement["title"],
        "207 users lose their only method on 2027-02-01, when SMS by Microsoft ends"
    );
    assert_eq!(retirement["affected"]["sample"].as_array().map(Vec::len), Some(5));
    assert_eq!(finding(&readiness, "mfa_enforcement.all_users")["status"], "Skipped");
    assert_eq!(finding(&readiness, "mfa_enforcement.report_only")["status"], "Warn");
    let nothing = finding(&readiness, "user_registration.nothing_registered");
    assert_eq!(nothing["affected"]["count"], 35);
    assert_clean(&lab);
}

#[test]
fn those_whom_mfa_leaves_out_are_counted_and_named() {
    let lab = lab("mfa-exempt");
    let session = app(&lab, 0);
    let readiness = check(&session, serde_json::json!({"steps": ["mfa_enforcement"]}));
    let all = finding(&readiness, "mfa_enforcement.all_users");
    assert_eq!(all["status"], "Fail");
    assert_eq!(all["title"], "61 of 69 members are in no policy that asks for MFA");
    let seen = finding(&readiness, "mfa_enforcement.exclusions")["evidence"][0]["seen"].clone();
    let seen = seen.as_str().expect("text");
    assert!(seen.contains("ada@contoso.example, deleted user 0000"), "{seen}");
    assert!(seen.contains("group 'All staff' (60 users)"), "{seen}");
    let facts = facts(&session);
    let administrators = facts.global_administrators.whole().expect("the role's holders");
    assert_eq!(administrators.len(), 3, "Ada, and two through a group");
    assert_eq!(facts.eligible_administrators.whole().map(Vec::len), Some(1));
    assert_clean(&lab);
}

#[test]
fn administrators_are_known_in_part_without_the_members_of_their_group() {
    let lab = lab("mfa-exempt");
    let body = serde_json::json!({"app": "checker", "permission": "GroupMember.Read.All"});
    lab.control("POST", "permissions/remove", &body)
        .expect("the lab takes it away");
    // A tenant without the licence has nobody who is eligible.
    let path = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances";
    let kind = FaultKind::Status {
        status: 400,
        code: Some("AadPremiumLicenseRequired".into()),
        retry_after: None,
    };
    lab.add_fault(Fault::new(path, kind)).expect("a fault");
    let facts = facts(&app(&lab, 0));
    assert!(facts.global_administrators.is_partial());
    let reason = facts.global_administrators.partial_reason().unwrap_or_default();
    assert!(reason.contains("GroupMember.Read.All"), "{reason}");
    assert_eq!(facts.global_administrators.value().map(Vec::len), Some(1));
    assert_eq!(facts.eligible_administrators.whole().map(Vec::len), Some(0));
}

#[test]
fn an_app_keeps_the_documented_budgets_in_two_tenants_at_once() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("shared-app.json");
    let app = json!({"clientId": "3c1f0f5e-8f2b-4f57-9d0a-5d1c0f6e7a11"});
    let scenario = json!({"extends": "hybrid-ready", "about": "An app of many tenants.", "apps": {"checker": app}});
    std::fs::write(&path, scenario.to_string()).expect("the scenario is written");
    let lab = Lab::start_blocking(LabOptions {
        scenarios: vec![path.display().to_string(); 2],
        budgets: true,
        page_size: Some(50),
        ..LabOptions::default()
    })
    .expect("the lab starts");
    assert_eq!(lab.tenant(0).client_id, lab.tenant(1).client_id);
    assert_ne!(lab.tenant(0).tenant_id, lab.tenant(1).tenant_id);
    let start = Instant::now();
    let read = |index: usize| {
        let mut config = config(&lab, index);
        config["budgets"] = "documented".into();
        let session = open(&config);
        sign_in(&session, &lab, index);
        let facts = facts(&session);
        assert!(facts.registration.whole().is_some() && facts.audit_settings.whole().is_some());
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(1));
        read(0);
        other.join().expect("no thread fails");
    });
    let refused: Vec<_> = lab.requests().into_iter().filter(|r| r.status == 429).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    // Each tenant's reports have a budget of their own.
    let reports = |index: usize| {
        let tenant = Some(lab.tenant(index).tenant_id);
        let counted = |path: &str| path.contains("/reports/") || path.contains("/auditLogs/");
        lab.requests()
            .into_iter()
            .filter(|r| r.tenant_id == tenant && counted(&r.path))
            .count()
    };
    let windows = (reports(0).max(reports(1)) - 1) / 5;
    assert!(
        start.elapsed().as_secs_f64() < 10.5 * windows as f64 + 5.0,
        "{} and {} reports in {:?}",
        reports(0),
        reports(1),
        start.elapsed()
    );
    assert_clean(&lab);
}
