use super::sync::{PASSWORD_SYNC, SYNC};
use super::*;
use crate::finding::Outcome;
use crate::snapshot::graph::{Domain, DomainFederation, Organization, PasswordSync, SynchronizationFeatures};
use crate::snapshot::people::UserCounts;
use crate::snapshot::portal::AdConnectStatus;
use crate::snapshot::{Fact, RefusalKind};
use crate::steps::testing::{at, find, known, partial, refused, snapshot};

fn tenant(enabled: Option<bool>, last: Option<&str>) -> Snapshot {
    let mut s = snapshot();
    s.facts.organization = known(Organization {
        on_premises_sync_enabled: enabled,
        on_premises_last_sync_date_time: last.map(at),
        ..Default::default()
    });
    s.facts.password_sync = known(PasswordSync {
        on_premises_last_password_sync_date_time: last.map(at),
    });
    s
}

fn counts(all: u64, synced: u64) -> Fact<UserCounts> {
    known(UserCounts {
        enabled_members: all,
        synced_members: Some(synced),
        ..Default::default()
    })
}

#[test]
fn cloud_only_needs_no_directory() {
    for enabled in [None, Some(false)] {
        let s = tenant(enabled, None);
        assert_eq!(find(&STEP, &SYNC, &s).status, Outcome::Pass);
        for check in [&PASSWORD_SYNC, &MIXED] {
            assert_eq!(find(&STEP, check, &s).status, Outcome::NotApplicable, "{}", check.id);
        }
        assert!(matches!(on_premises(&s), OnPremises::None(_)));
    }
}

#[test]
fn sync_age_decides() {
    for (last, status) in [
        ("2026-11-23T08:41:00Z", Outcome::Pass),
        ("2026-11-23T05:00:00Z", Outcome::Warn),
        ("2026-11-20T05:00:00Z", Outcome::Fail),
        ("2026-11-23T09:05:00Z", Outcome::Pass),
    ] {
        let s = tenant(Some(true), Some(last));
        let f = find(&STEP, &SYNC, &s);
        assert_eq!(f.status, status, "{}", f.title);
    }
    let s = tenant(Some(true), Some("2026-11-20T05:00:00Z"));
    assert_eq!(find(&STEP, &SYNC, &s).title, "last sync 3 days ago");
    assert_eq!(find(&STEP, &SYNC, &tenant(Some(true), None)).status, Outcome::Warn);
}

#[test]
fn graph_and_the_portal_disagree() {
    let mut s = tenant(Some(true), Some("2026-11-23T08:41:00Z"));
    s.facts.portal_sync_status = known(AdConnectStatus {
        dir_sync_enabled: Some(false),
        ..Default::default()
    });
    let f = find(&STEP, &SYNC, &s);
    assert_eq!((f.status, f.evidence.len()), (Outcome::Warn, 2));
    assert_eq!(f.title, "synchronisation is on by Graph, off by the portal");
    let mut s = tenant(Some(false), None);
    s.facts.user_counts = counts(100, 40);
    assert_eq!(find(&STEP, &MIXED, &s).status, Outcome::Warn);
}

#[test]
fn a_dead_sync_stays_one_whatever_the_portal_says() {
    let mut s = tenant(Some(true), Some("2026-11-20T05:00:00Z"));
    s.facts.portal_sync_status = known(AdConnectStatus {
        dir_sync_enabled: Some(false),
        ..Default::default()
    });
    let f = find(&STEP, &SYNC, &s);
    assert_eq!((f.status, f.title.as_str()), (Outcome::Fail, "last sync 3 days ago"));
    assert!(f.reason.unwrap().contains("off by the portal"));
}

#[test]
fn the_portals_hours_are_compared() {
    let portal = |hours| {
        known(AdConnectStatus {
            dir_sync_enabled: Some(true),
            number_of_hours_from_last_sync: Some(hours),
            ..Default::default()
        })
    };
    let mut s = tenant(Some(true), Some("2026-11-23T08:41:00Z"));
    for (hours, status) in [
        (0, Outcome::Pass),
        (3, Outcome::Pass),
        (-1, Outcome::Pass),
        (50, Outcome::Warn),
    ] {
        s.facts.portal_sync_status = portal(hours);
        assert_eq!(find(&STEP, &SYNC, &s).status, status, "{hours}");
    }
    assert_eq!(
        find(&STEP, &SYNC, &s).title,
        "last sync 19 minutes ago by Graph, 2 days ago by the portal"
    );
    let mut s = tenant(Some(true), Some("2026-11-20T05:00:00Z"));
    s.facts.portal_sync_status = portal(0);
    let f = find(&STEP, &SYNC, &s);
    assert_eq!(f.status, Outcome::Fail);
    assert!(f.reason.unwrap().contains("0 minutes ago by the portal"));
    s.facts.portal_sync_status = portal(76);
    assert!(!find(&STEP, &SYNC, &s).reason.unwrap().contains("disagree"));
}

#[test]
fn not_readable_is_skipped() {
    let mut s = snapshot();
    s.facts.organization = refused(RefusalKind::Permission, "no", Some("Organization.Read.All"));
    s.facts.password_sync = refused(RefusalKind::Permission, "no", Some("Organization.Read.All"));
    let findings = check(&s);
    assert!(findings.iter().all(|f| f.status == Outcome::Skipped), "{findings:#?}");
    assert!(find(&STEP, &SYNC, &s).title.contains("Organization.Read.All"));
    assert_eq!(on_premises(&s), OnPremises::Unknown);
}

#[test]
fn password_sync_age() {
    let status = |s: &Snapshot| find(&STEP, &PASSWORD_SYNC, s).status;
    assert_eq!(status(&tenant(Some(true), Some("2026-11-23T08:41:00Z"))), Outcome::Pass);
    assert_eq!(status(&tenant(Some(true), Some("2026-11-23T04:41:00Z"))), Outcome::Warn);
    let mut s = tenant(Some(true), None);
    assert_eq!(status(&s), Outcome::Skipped);
    let features = |on| {
        known(SynchronizationFeatures {
            password_sync_enabled: Some(on),
            ..Default::default()
        })
    };
    s.facts.synchronization = features(true);
    assert_eq!(status(&s), Outcome::Warn);
    s.facts.password_sync = refused(RefusalKind::NotOffered, "This cloud does not offer it.", None);
    let f = find(&STEP, &PASSWORD_SYNC, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Skipped, "not readable: This cloud does not offer it.")
    );
    s.facts.synchronization = features(false);
    assert_eq!(status(&s), Outcome::NotApplicable);
}

#[test]
fn mixed_tenants_are_counted() {
    let mut s = tenant(Some(true), Some("2026-11-23T08:41:00Z"));
    s.facts.user_counts = counts(20_006, 19_594);
    s.facts.cloud_managed_users = known(7);
    let f = find(&STEP, &MIXED, &s);
    assert_eq!(f.status, Outcome::Pass);
    assert_eq!(
        f.title,
        "19,594 synced, 412 cloud-only, 7 of these managed in the cloud or left over"
    );
    s.facts.cloud_managed_users = refused(RefusalKind::Permission, "The app lacks it.", None);
    assert_eq!(find(&STEP, &MIXED, &s).evidence.len(), 2);
    s.facts.user_counts = counts(10, 0);
    assert_eq!(find(&STEP, &MIXED, &s).status, Outcome::Warn);
    assert!(matches!(on_premises(&s), OnPremises::None(_)));
    s.facts.user_counts = partial(UserCounts {
        enabled_members: 10,
        synced_members: Some(10),
        ..Default::default()
    });
    assert_eq!(find(&STEP, &MIXED, &s).status, Outcome::Skipped);
}

#[test]
fn federated_domains_are_told() {
    let domain = |id: &str, kind: &str| Domain {
        id: id.into(),
        authentication_type: kind.into(),
        ..Default::default()
    };
    let mut s = snapshot();
    s.facts.domains = known(vec![domain("contoso.example", "Managed")]);
    assert_eq!(find(&STEP, &FEDERATION, &s).status, Outcome::Pass);
    s.facts.domains = known(vec![domain("a.example", "Federated"), domain("b.example", "federated")]);
    s.facts.federation = refused(
        RefusalKind::Permission,
        "no",
        Some("Domain-InternalFederation.Read.All"),
    );
    let f = find(&STEP, &FEDERATION, &s);
    assert_eq!(f.status, Outcome::Skipped);
    assert!(
        f.title.starts_with("a.example and 1 other domain: not readable"),
        "{}",
        f.title
    );
    let uri = |domain: &str, uri: &str| DomainFederation {
        domain: domain.into(),
        password_reset_uri: Some(uri.into()),
        ..Default::default()
    };
    s.facts.federation = known(vec![uri("a.example", "https://passwordreset.microsoftonline.com")]);
    let f = find(&STEP, &FEDERATION, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Warn, "federated b.example names no page to reset")
    );
    s.facts.federation = known(vec![uri("a.example", "https://adfs.a.example/reset")]);
    assert_eq!(find(&STEP, &FEDERATION, &s).severity, Severity::Medium);
    s.facts.federation = known(vec![
        uri("A.example", "https://aka.ms/sspr"),
        uri("b.example", "https://aka.ms/sspr"),
    ]);
    assert_eq!(find(&STEP, &FEDERATION, &s).status, Outcome::Pass);
}

#[test]
fn what_is_half_read_or_not_read_is_no_pass() {
    let domain = Domain {
        id: "contoso.example".into(),
        authentication_type: "Managed".into(),
        ..Default::default()
    };
    let mut s = tenant(Some(true), Some("2026-11-23T08:41:00Z"));
    s.facts.domains = partial(vec![domain]);
    assert_eq!(find(&STEP, &FEDERATION, &s).status, Outcome::Skipped);
    s.facts.user_counts = refused(RefusalKind::Permission, "no", Some("User.Read.All"));
    let f = find(&STEP, &MIXED, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Skipped, "not readable: needs User.Read.All")
    );
    let Fact::Known { value, .. } = s.facts.organization.clone() else {
        unreachable!()
    };
    s.facts.organization = partial(value);
    assert_eq!(find(&STEP, &SYNC, &s).status, Outcome::Skipped);
}

#[test]
fn a_tenant_of_synced_users_alone_passes() {
    let mut s = tenant(Some(true), Some("2026-11-23T08:41:00Z"));
    s.facts.user_counts = counts(40, 40);
    s.facts.cloud_managed_users = known(0);
    let f = find(&STEP, &MIXED, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "all 40 enabled members are synced")
    );
}

#[test]
fn a_late_sync_names_whom_it_concerns_and_blocks_nobody_by_itself() {
    let mut s = tenant(Some(true), Some("2026-11-20T05:00:00Z"));
    s.facts.user_counts = counts(100, 40);
    let affected = find(&STEP, &SYNC, &s).affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (40, Some(100), false)
    );
}
