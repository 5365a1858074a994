use super::*;
use crate::finding::Outcome;
use crate::snapshot::audit::{ResetActivity, WritebackSwitch, WritebackTrace};
use crate::snapshot::directory::Connector;
use crate::snapshot::graph::Organization;
use crate::snapshot::people::UserCounts;
use crate::snapshot::portal::OnPremisesResetPolicy;
use crate::snapshot::{Fact, RefusalKind};
use crate::steps::testing::{at, find, known, partial, refused, snapshot};

fn hybrid(synced: bool) -> Snapshot {
    let mut s = snapshot();
    s.facts.organization = known(Organization {
        on_premises_sync_enabled: synced.then_some(true),
        ..Default::default()
    });
    s.facts.user_counts = known(UserCounts {
        enabled_members: 20_006,
        synced_members: Some(19_594),
        ..Default::default()
    });
    s
}

fn portal(connect: bool, cloud_sync: bool) -> Fact<OnPremisesResetPolicy> {
    known(OnPremisesResetPolicy {
        password_writeback_supported: Some(connect),
        enablement_for_tenant: Some(connect),
        account_unlock_enabled: Some(true),
        cloud_provisioning_enablement_for_tenant: Some(cloud_sync),
    })
}

fn switched(switched: Option<(bool, &str)>) -> WritebackTrace {
    WritebackTrace {
        switched: switched.map(|(enabled, when)| WritebackSwitch {
            enabled,
            at: at(when),
            by: Some("admin@contoso.example".into()),
        }),
        from: Some(at("2026-10-24T09:00:00Z")),
        watermark: Some(at("2026-11-23T08:30:00Z")),
    }
}

fn written(by: &[(&str, &str)]) -> ResetActivity {
    ResetActivity {
        last_by_agent: by.iter().map(|(a, when)| ((*a).into(), at(when))).collect(),
        ..Default::default()
    }
}

/// A log that was read whole.
fn log(s: &mut Snapshot, switch: Option<(bool, &str)>, by: &[(&str, &str)]) {
    s.facts.audit_writeback = known(switched(switch));
    s.facts.audit_resets = known(written(by));
}

#[test]
fn cloud_only_tenants_need_none() {
    let mut s = hybrid(false);
    s.facts.portal_on_premises = portal(false, false);
    let findings = check(&s);
    assert_eq!(findings.len(), STEP.checks.len());
    assert!(findings.iter().all(|f| f.status == Outcome::NotApplicable));
}

#[test]
fn the_portal_decides() {
    let mut s = hybrid(true);
    s.facts.portal_on_premises = portal(true, false);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!((f.status, f.title.as_str()), (Outcome::Pass, "on (portal)"));
    assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::Pass);
    s.facts.portal_on_premises = portal(false, true);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Warn, "on for cloud sync, off for Entra Connect (portal)")
    );
    assert_eq!(find(&STEP, &CLOUD_SYNC, &s).title, "on for cloud sync too");
    s.facts.portal_on_premises = portal(false, false);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(f.status, Outcome::Fail);
    let affected = f.affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (19_594, Some(20_006), true)
    );
}

#[test]
fn the_log_decides_without_the_portal() {
    let mut s = hybrid(true);
    s.facts.portal_on_premises = refused(RefusalKind::SignIn, "Only a person is served.", None);
    log(&mut s, None, &[("None", "2026-11-22T00:00:00Z")]);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(f.status, Outcome::Skipped);
    assert_eq!(
        f.title,
        "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
    );
    assert!(f.decides);
    assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::NotApplicable);

    log(&mut s, Some((true, "2026-11-02T08:00:00Z")), &[]);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "on (audit log, enabled 2026-11-02)")
    );

    // A reset that was written proves more than the switch before it, and nothing against the switch after it.
    let connect = [("Microsoft Entra Connect", "2026-11-20T10:00:00Z")];
    log(&mut s, Some((false, "2026-11-02T08:00:00Z")), &connect);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(f.title, "on (Microsoft Entra Connect wrote a reset on 2026-11-20)");
    log(&mut s, Some((false, "2026-11-21T08:00:00Z")), &connect);
    assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Fail);
}

#[test]
fn neither_source_is_readable() {
    let mut s = hybrid(true);
    s.facts.portal_on_premises = refused(RefusalKind::SignIn, "Only a person is served.", None);
    s.facts.audit_writeback = refused(RefusalKind::Permission, "The app lacks AuditLog.Read.All.", None);
    s.facts.audit_resets = refused(RefusalKind::Permission, "The app lacks AuditLog.Read.All.", None);
    for check in [&ENABLED, &CLOUD_SYNC] {
        let f = find(&STEP, check, &s);
        assert_eq!((f.status, f.evidence.len()), (Outcome::Skipped, 2));
        assert!(f.reason.unwrap().contains("AuditLog.Read.All"));
    }
}

#[test]
fn half_a_log_is_no_pass() {
    let mut s = hybrid(true);
    let on = Some((true, "2026-11-02T08:00:00Z"));
    s.facts.audit_writeback = partial(switched(on));
    s.facts.audit_resets = known(written(&[("CloudSync", "2026-11-20T10:00:00Z")]));
    assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Skipped);
    // What was read of the resets cannot contradict a switch that is on.
    s.facts.audit_writeback = known(switched(on));
    s.facts.audit_resets = partial(written(&[]));
    assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Pass);
}

#[test]
fn an_old_switch_is_no_fault_where_later_resets_were_not_read() {
    let mut s = hybrid(true);
    s.facts.audit_writeback = known(switched(Some((false, "2026-11-02T08:00:00Z"))));
    for resets in [
        partial(written(&[])),
        refused(RefusalKind::Unreachable, "The service answered 503.", None),
    ] {
        s.facts.audit_resets = resets;
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(
            (f.status, f.title.as_str()),
            (
                Outcome::Skipped,
                "off (audit log, disabled 2026-11-02), but the log was read only in part"
            )
        );
        let f = find(&STEP, &CLOUD_SYNC, &s);
        assert_eq!(f.status, Outcome::Skipped, "{}", f.title);
    }
    s.facts.audit_resets = known(written(&[]));
    assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Fail);
    assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::NotApplicable);
}

#[test]
fn the_portal_and_the_log_disagree() {
    let mut s = hybrid(true);
    s.facts.portal_on_premises = portal(true, true);
    log(&mut s, Some((false, "2026-11-21T08:00:00Z")), &[]);
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
    assert!(f.title.ends_with("the sources disagree"));
    s.facts.portal_on_premises = portal(true, false);
    log(&mut s, None, &[("CloudSync", "2026-11-20T10:00:00Z")]);
    assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::Warn);
}

#[test]
fn off_is_no_fault_where_hybrid_is_not_known() {
    let mut s = snapshot();
    s.facts.organization = refused(RefusalKind::Permission, "no", None);
    s.facts.portal_on_premises = portal(false, false);
    assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Skipped);
}

#[test]
fn lost_resets_fail() {
    let activity = |lost, unknown| ResetActivity {
        from: Some(at("2026-10-24T09:00:00Z")),
        self_service_resets: 40,
        lost_resets: lost,
        lost_sample: vec!["a@contoso.example".into()],
        unknown_origin: unknown,
        ..Default::default()
    };
    let mut s = hybrid(true);
    s.facts.audit_resets = known(activity(3, 0));
    let f = find(&STEP, &LOST, &s);
    assert_eq!(f.status, Outcome::Fail);
    let affected = f.affected.unwrap();
    assert_eq!((affected.count, affected.of, affected.sample.len()), (3, Some(40), 1));
    s.facts.audit_resets = known(activity(0, 0));
    let f = find(&STEP, &LOST, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "no reset of a synced user was lost since 2026-10-24")
    );
    s.facts.audit_resets = known(activity(0, 2));
    assert_eq!(find(&STEP, &LOST, &s).status, Outcome::Skipped);
    s.facts.audit_resets = partial(activity(0, 0));
    assert_eq!(find(&STEP, &LOST, &s).status, Outcome::Skipped);
    s.facts.audit_resets = refused(RefusalKind::Permission, "no", Some("AuditLog.Read.All"));
    assert!(find(&STEP, &LOST, &s).title.contains("AuditLog.Read.All"));
}

/// The checks that the recommendation changes.
fn recommended(s: &Snapshot) -> Vec<String> {
    let desired = DesiredState::from_json(crate::desired::Profile::Recommended.text()).unwrap();
    plan(s, &desired).into_iter().map(|change| change.id).collect()
}

#[test]
fn writeback_by_an_agent_is_recommended_where_it_is_found() {
    let account = |kind| Connector {
        kind,
        enabled: true,
        last_sign_in: Some(at("2026-11-22T09:00:00Z")),
        ..Default::default()
    };
    let mut s = hybrid(true);
    s.facts.portal_on_premises = portal(false, false);
    // No account was read: Entra Connect is the usual way.
    assert_eq!(recommended(&s), [ENABLED.id]);
    s.facts.connectors = known(vec![account(ConnectorKind::CloudSync), account(ConnectorKind::Connect)]);
    assert_eq!(recommended(&s), [ENABLED.id, CLOUD_SYNC.id]);
    s.facts.connectors = known(vec![account(ConnectorKind::CloudSync)]);
    assert_eq!(recommended(&s), [CLOUD_SYNC.id], "cloud sync alone");
    // An account that is left over is no agent; a reset that cloud sync wrote shows one.
    s.facts.connectors = known(vec![Connector {
        enabled: false,
        ..account(ConnectorKind::CloudSync)
    }]);
    assert!(!recommended(&s).contains(&CLOUD_SYNC.id.to_string()));
    log(&mut s, None, &[("CloudSync", "2026-11-20T08:00:00Z")]);
    assert!(recommended(&s).contains(&CLOUD_SYNC.id.to_string()));
}
