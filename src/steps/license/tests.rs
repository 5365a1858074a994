use super::products::BASIC;
use super::*;
use crate::finding::Outcome;
use crate::snapshot::graph::{
    BUSINESS_STANDARD, LicenseUnitsDetail, Organization, P1, P2, ServicePlanInfo, SubscribedSku,
};
use crate::snapshot::people::{LicensedMembers, UserCounts};
use crate::snapshot::{Fact, Refusal, RefusalKind, SignedIn};
use crate::steps::fixture;
use jiff::Timestamp;

fn sku(part: &str, plan: Option<&str>, status: &str, seats: i64) -> SubscribedSku {
    SubscribedSku {
        sku_id: Some(if part == "O365_BUSINESS_PREMIUM" {
            BUSINESS_STANDARD.into()
        } else {
            part.into()
        }),
        sku_part_number: Some(part.into()),
        capability_status: Some(status.into()),
        consumed_units: Some(seats),
        prepaid_units: Some(LicenseUnitsDetail {
            enabled: Some(seats),
            ..Default::default()
        }),
        service_plans: plan
            .map(|id| ServicePlanInfo {
                service_plan_id: Some(id.into()),
                provisioning_status: Some("Success".into()),
                ..Default::default()
            })
            .into_iter()
            .collect(),
    }
}

fn snapshot(skus: Vec<SubscribedSku>, members: u64, licensed: u64, hybrid: bool) -> Snapshot {
    let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut snapshot = Snapshot::new(at, SignedIn::default());
    snapshot.facts.subscribed_skus = Fact::known(skus, "subscribedSkus", at);
    snapshot.facts.subscriptions = Fact::known(vec![], "subscriptions", at);
    snapshot.facts.organization = Fact::known(
        Organization {
            on_premises_sync_enabled: hybrid.then_some(true),
            ..Default::default()
        },
        "organization",
        at,
    );
    let counts = UserCounts {
        enabled_members: members,
        ..Default::default()
    };
    snapshot.facts.user_counts = Fact::known(counts, "users", at);
    let licensed = LicensedMembers {
        by_plan: licensed,
        with_standard: licensed,
    };
    snapshot.facts.licensed_members = Fact::known(licensed, "users", at);
    snapshot
}

fn outcome(snapshot: &Snapshot, check: &Check) -> Outcome {
    (STEP.check)(snapshot).iter().find(|f| f.id == check.id).unwrap().status
}

#[test]
fn a_plan_with_seats_passes() {
    let s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 10)], 10, 10, true);
    assert!(
        (STEP.check)(&s).iter().all(|f| f.status == Outcome::Pass),
        "{:#?}",
        (STEP.check)(&s)
    );
}

#[test]
fn a_suspended_plan_fails() {
    let s = snapshot(vec![sku("AAD_PREMIUM_P2", Some(P2), "Suspended", 0)], 10, 10, false);
    assert_eq!(outcome(&s, &ENTITLEMENT), Outcome::Fail);
    assert_eq!(outcome(&s, &SEATS), Outcome::NotApplicable);
}

#[test]
fn business_standard_gives_cloud_reset_only() {
    let skus = vec![sku("O365_BUSINESS_PREMIUM", None, "Enabled", 15)];
    assert_eq!(
        outcome(&snapshot(skus.clone(), 12, 0, false), &ENTITLEMENT),
        Outcome::Pass
    );
    let mut cloud = snapshot(skus.clone(), 12, 0, false);
    cloud.facts.licensed_members = fixture::known(LicensedMembers {
        by_plan: 0,
        with_standard: 12,
    });
    assert_eq!(outcome(&cloud, &SEATS), Outcome::Pass);
    assert_eq!(outcome(&snapshot(skus, 12, 0, true), &ENTITLEMENT), Outcome::Fail);
}

#[test]
fn missing_seats_fail_with_the_count() {
    let s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 18_500)], 20_006, 18_500, true);
    let finding = (STEP.check)(&s).into_iter().find(|f| f.id == SEATS.id).unwrap();
    assert_eq!(
        finding.title,
        "1,506 of 20,006 enabled members have no licence for self-service reset"
    );
    assert_eq!(finding.affected.unwrap().count, 1_506);
}

#[test]
fn a_refusal_is_not_a_fail() {
    let mut s = snapshot(vec![], 1, 1, false);
    let refusal = Refusal {
        kind: RefusalKind::Permission,
        message: "The app lacks LicenseAssignment.Read.All.".into(),
        needs: Some("LicenseAssignment.Read.All".into()),
        code: Some("Authorization_RequestDenied".into()),
        request_id: None,
    };
    s.facts.subscribed_skus = Fact::Unreadable { refusal };
    let finding = (STEP.check)(&s).into_iter().find(|f| f.id == ENTITLEMENT.id).unwrap();
    assert_eq!(finding.status, Outcome::Skipped);
    assert!(finding.title.contains("LicenseAssignment.Read.All"));
}

#[test]
fn a_grace_period_warns() {
    let s = snapshot(vec![sku("EMS", Some(P1), "Warning", 10)], 10, 10, false);
    assert_eq!(outcome(&s, &ENTITLEMENT), Outcome::Pass);
    assert_eq!(outcome(&s, &LIFECYCLE), Outcome::Warn);
}

fn found(snapshot: &Snapshot, check: &Check) -> crate::finding::Finding {
    fixture::finding(&STEP, check, snapshot)
}

fn standard(seats: i64) -> SubscribedSku {
    sku("O365_BUSINESS_PREMIUM", None, "Enabled", seats)
}

fn refused<T>() -> Fact<T> {
    fixture::refused("User.Read.All")
}

#[test]
fn seats_that_nobody_was_given_cover_nobody() {
    let skus = vec![sku("AAD_PREMIUM", Some(P1), "Enabled", 100), standard(20)];
    let mut s = snapshot(skus.clone(), 100, 0, false);
    let licensed = |by_plan, with_standard| {
        let value = LicensedMembers { by_plan, with_standard };
        Fact::known(value, "users", fixture::at())
    };
    s.facts.licensed_members = licensed(0, 15);
    let seats = found(&s, &SEATS);
    assert_eq!(seats.status, Outcome::Fail);
    assert_eq!(
        seats.title,
        "85 of 100 enabled members have no licence for self-service reset"
    );
    assert!(
        !seats.affected.unwrap().blocks_reset,
        "the service does not refuse them one by one"
    );
    s.facts.licensed_members = licensed(80, 100);
    assert_eq!(outcome(&s, &SEATS), Outcome::Pass);
    // Licences of a Business Standard that is not in force count for nothing.
    let skus = vec![
        sku("AAD_PREMIUM", Some(P1), "Enabled", 100),
        sku("O365_BUSINESS_PREMIUM", None, "Suspended", 20),
    ];
    let mut s = snapshot(skus, 100, 80, false);
    s.facts.licensed_members = licensed(80, 100);
    assert_eq!(outcome(&s, &SEATS), Outcome::Fail);
}

#[test]
fn seats_are_not_known_where_the_licensed_were_not_counted() {
    for lose in [
        |s: &mut Snapshot| s.facts.licensed_members = refused(),
        |s: &mut Snapshot| s.facts.user_counts = refused(),
    ] {
        let mut s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 10)], 10, 10, false);
        lose(&mut s);
        let seats = found(&s, &SEATS);
        assert_eq!(seats.status, Outcome::Skipped);
        assert_eq!(seats.title, "not readable: needs User.Read.All");
    }
    let mut s = snapshot(vec![], 10, 10, false);
    s.facts.subscribed_skus = fixture::refused("LicenseAssignment.Read.All");
    s.facts.licensed_members = refused();
    assert_eq!(
        found(&s, &SEATS).title,
        "not readable: needs LicenseAssignment.Read.All and User.Read.All"
    );
}

#[test]
fn office_plans_are_unclear() {
    for office in [
        sku("ENTERPRISEPACK", None, "Enabled", 50),
        sku("O365_w/o_Teams_Bundle_E3", None, "Enabled", 50),
        sku("EDU", Some(BASIC[1]), "Enabled", 50),
    ] {
        let s = snapshot(vec![office.clone()], 50, 0, false);
        let entitlement = found(&s, &ENTITLEMENT);
        assert_eq!(entitlement.status, Outcome::Skipped, "{entitlement:#?}");
        assert!(
            entitlement.title.starts_with("unclear whether"),
            "{}",
            entitlement.title
        );
        assert_eq!(outcome(&s, &SEATS), Outcome::Skipped);
        // No writeback, that much is clear.
        assert_eq!(
            outcome(&snapshot(vec![office], 50, 0, true), &ENTITLEMENT),
            Outcome::Fail
        );
    }
    // One that is not in force leaves nothing unclear.
    let s = snapshot(vec![sku("ENTERPRISEPACK", None, "Suspended", 50)], 50, 0, false);
    assert_eq!(outcome(&s, &ENTITLEMENT), Outcome::Fail);
    assert_eq!(outcome(&s, &SEATS), Outcome::NotApplicable);
}

#[test]
fn business_standard_needs_to_know_where_users_come_from() {
    let mut s = snapshot(vec![standard(15)], 12, 12, false);
    s.facts.organization = fixture::refused("Organization.Read.All");
    let entitlement = found(&s, &ENTITLEMENT);
    assert_eq!(entitlement.status, Outcome::Skipped);
    assert_eq!(
        entitlement.title,
        "Business Standard gives cloud reset only; whether this tenant is hybrid was not read"
    );
}

#[test]
fn what_is_in_force_counts_before_what_is_not() {
    let skus = vec![sku("AAD_PREMIUM", Some(P1), "Suspended", 10), standard(15)];
    let s = snapshot(skus, 12, 12, false);
    assert_eq!(
        found(&s, &ENTITLEMENT).title,
        "Business Standard entitles cloud-only users to reset (no writeback)"
    );
    let lifecycle = found(&s, &LIFECYCLE);
    assert_eq!(lifecycle.status, Outcome::Warn);
    assert_eq!(
        lifecycle.title,
        "AAD_PREMIUM is assigned to 10 users, but it is suspended"
    );
    // Nobody holds it any more.
    let mut old = sku("AAD_PREMIUM", Some(P1), "Deleted", 10);
    old.consumed_units = Some(0);
    let s = snapshot(vec![old, sku("EMS", Some(P1), "Enabled", 10)], 10, 10, false);
    assert_eq!(outcome(&s, &LIFECYCLE), Outcome::Pass);
}

#[test]
fn what_is_not_in_force_is_told_with_the_cause() {
    let mut pending = sku("EMS", Some(P1), "Enabled", 10);
    pending.service_plans[0].provisioning_status = Some("PendingInput".into());
    let mut silent = pending.clone();
    silent.service_plans[0].provisioning_status = None;
    for (sku, cause) in [
        (sku("EMS", Some(P1), "LockedOut", 10), "it is locked out"),
        (sku("EMS", Some(P1), "Deleted", 10), "it is deleted"),
        (sku("EMS", Some(P1), "Enabled", 0), "it has no seats in force"),
        (pending, "its plan is PendingInput"),
        (silent, "its plan is of no stated status"),
    ] {
        let s = snapshot(vec![sku], 10, 10, true);
        let entitlement = found(&s, &ENTITLEMENT);
        assert_eq!(entitlement.status, Outcome::Fail);
        assert_eq!(
            entitlement.title,
            format!("EMS (Entra ID P1) would entitle to reset, but {cause}")
        );
    }
}

#[test]
fn every_plan_that_writes_back_is_named() {
    let skus = vec![
        sku("EMS", Some(P1), "Enabled", 10),
        sku("AAD_PREMIUM_P2", Some(P2), "Warning", 5),
    ];
    let s = snapshot(skus, 10, 10, true);
    assert_eq!(
        found(&s, &ENTITLEMENT).title,
        "EMS (Entra ID P1), AAD_PREMIUM_P2 (Entra ID P2) entitle to reset and writeback"
    );
}

#[test]
fn a_subscription_that_ends_soon_warns() {
    let subscription = |days: i64, is_trial| crate::snapshot::graph::CompanySubscription {
        sku_part_number: Some("EMS".into()),
        sku_id: Some("EMS".into()),
        is_trial: Some(is_trial),
        next_lifecycle_date_time: fixture::at().saturating_add((days * 24).hours()).ok(),
        ..Default::default()
    };
    let mut s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 10)], 10, 10, false);
    let mut with = |all| {
        s.facts.subscriptions = Fact::known(all, "subscriptions", fixture::at());
        found(&s, &LIFECYCLE)
    };
    assert_eq!(with(vec![subscription(40, false)]).status, Outcome::Pass);
    let ending = with(vec![subscription(40, false), subscription(10, false)]);
    assert_eq!(ending.status, Outcome::Warn);
    assert_eq!(ending.title, "EMS changes its state on 2026-12-03");
    assert_eq!(
        with(vec![subscription(10, true)]).title,
        "EMS (a trial) changes its state on 2026-12-03"
    );
    s.facts.subscriptions = fixture::refused("Organization.Read.All");
    assert_eq!(outcome(&s, &LIFECYCLE), Outcome::Skipped);
    s.facts.subscribed_skus = Fact::known(vec![], "subscribedSkus", fixture::at());
    assert_eq!(outcome(&s, &LIFECYCLE), Outcome::NotApplicable);
    s.facts.subscribed_skus = fixture::refused("LicenseAssignment.Read.All");
    assert_eq!(outcome(&s, &LIFECYCLE), Outcome::Skipped);
}
