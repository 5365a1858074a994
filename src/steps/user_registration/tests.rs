use super::activity::{FAILURES, HELPDESK};
use super::*;
use crate::snapshot::audit::ResetActivity;
use crate::snapshot::graph::{FeatureCount, FeatureSummary};
use crate::snapshot::people::Cohort;
use crate::steps::fixture::*;

fn tenant(cohorts: Vec<Cohort>) -> Snapshot {
    let mut s = empty();
    s.facts.portal_reset_policy = known(portal(2));
    s.facts.registration = known(report(cohorts, &[]));
    s.facts.audit_resets = known(ResetActivity {
        from: Some("2026-10-24T09:00:00Z".parse().unwrap()),
        self_service_resets: 40,
        admin_resets: 3,
        ..Default::default()
    });
    s
}

fn able(count: u64) -> Cohort {
    user(count, &["microsoftAuthenticatorPush", "email"], true)
}

fn count(check: &Check, s: &Snapshot) -> u64 {
    finding(&STEP, check, s).affected.map_or(0, |a| a.count)
}

fn status(check: &Check, s: &Snapshot) -> Outcome {
    finding(&STEP, check, s).status
}

#[test]
fn all_is_well() {
    for found in (STEP.check)(&tenant(vec![able(90)])) {
        assert_eq!(found.status, Outcome::Pass, "{found:#?}");
    }
}

#[test]
fn a_refusal_is_not_a_fail() {
    let mut s = tenant(vec![]);
    s.facts.registration = refused("AuditLog.Read.All");
    s.facts.audit_resets = refused("AuditLog.Read.All");
    for check in STEP.checks {
        let found = finding(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{found:#?}");
        assert!(found.title.contains("AuditLog.Read.All"));
    }
}

#[test]
fn the_share_decides() {
    let s = tenant(vec![able(50), user(50, &[], false)]);
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "50 of 100 users in scope cannot reset");
    let s = tenant(vec![able(49), user(51, &[], false)]);
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.status, Outcome::Fail);
    let affected = found.affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (51, Some(100), true)
    );
    let mut nobody = able(5);
    (nobody.key.sspr_enabled, nobody.key.sspr_capable) = (false, false);
    let s = tenant(vec![nobody]);
    assert_eq!(
        finding(&STEP, &CAPABLE, &s).title,
        "nobody is in scope of self-service reset"
    );
    assert_eq!(
        finding(&STEP, &OUT_OF_SCOPE, &s).title,
        "5 members are registered, but out of scope"
    );
}

#[test]
fn the_reason_is_told_from_what_is_registered() {
    let s = tenant(vec![
        able(100),
        user(7, &[], false),
        user(6, &["mobilePhone"], false),
        user(5, &["microsoftAuthenticatorPush", "softwareOneTimePasscode"], false),
        user(4, &["fido2SecurityKey"], false),
        user(3, &["mobilePhone", "email"], false),
    ]);
    assert_eq!(count(&NOTHING, &s), 7);
    assert_eq!(count(&SHORT, &s), 11);
    assert_eq!(count(&UNFIT, &s), 4);
    assert_eq!(count(&UNEXPLAINED, &s), 3);
    assert_eq!(finding(&STEP, &NOTHING, &s).affected.unwrap().of, Some(125));
    assert_eq!(
        finding(&STEP, &NOTHING, &s).title,
        "7 users in scope registered nothing"
    );
    // With one required, those with one can, so that is not their reason.
    let mut s = s;
    s.facts.portal_reset_policy = known(portal(1));
    assert_eq!(count(&SHORT, &s), 0);
    assert_eq!(count(&UNEXPLAINED, &s), 14);
    // Not known, two are assumed, and it is said.
    s.facts.portal_reset_policy = refused("-PortalApi");
    assert!(finding(&STEP, &SHORT, &s).reason.unwrap().contains("judged for two"));
}

#[test]
fn administrators_have_a_rule_of_their_own() {
    let admin = |count, methods: &[&str], able| {
        let mut cohort = user(count, methods, able);
        cohort.key.admin = true;
        cohort
    };
    let mut s = tenant(vec![
        able(100),
        admin(3, &["email", "securityQuestion"], false),
        admin(2, &["email", "mobilePhone"], true),
    ]);
    s.facts.portal_reset_policy = known(portal(1));
    let found = finding(&STEP, &ADMINISTRATORS, &s);
    assert_eq!(found.title, "3 administrators cannot reset");
    assert_eq!(found.affected.unwrap().of, Some(5));
    assert_eq!(count(&SHORT, &s), 3, "questions do not count for them");
    assert_eq!(
        finding(&STEP, &ADMINISTRATORS, &tenant(vec![able(1)])).title,
        "no administrator is in scope"
    );
}

#[test]
fn a_part_of_the_report_proves_no_pass_and_is_not_extrapolated() {
    let mut s = tenant(vec![]);
    s.facts.registration = partial(report(vec![able(10)], &[]));
    for check in [
        &CAPABLE,
        &NOTHING,
        &SHORT,
        &UNFIT,
        &UNEXPLAINED,
        &OUT_OF_SCOPE,
        &ADMINISTRATORS,
    ] {
        assert_eq!(status(check, &s), Outcome::Skipped, "{}", check.id);
    }
    s.facts.registration = partial(report(vec![user(700, &[], false)], &[]));
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.title, "at least 700 users in scope cannot reset");
    assert_eq!((found.status, found.affected.unwrap().of), (Outcome::Warn, None));
    // Microsoft's own counts are whole.
    let feature = |name: &str, user_count| FeatureCount {
        feature: name.into(),
        user_count,
    };
    s.facts.feature_summary = known(FeatureSummary {
        total_user_count: 1_000,
        user_registration_feature_counts: vec![feature("ssprEnabled", 1_000), feature("ssprCapable", 300)],
    });
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.title, "700 of 1,000 users in scope cannot reset");
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.affected.unwrap().sample.len(), 5);
    s.facts.registration = refused("AuditLog.Read.All");
    assert_eq!(status(&CAPABLE, &s), Outcome::Fail);
}

#[test]
fn an_old_report_is_told() {
    let mut s = tenant(vec![able(1)]);
    s.taken_at = "2026-11-24T21:00:00Z".parse().unwrap();
    assert_eq!(status(&FRESH, &s), Outcome::Pass);
    s.taken_at = "2026-11-24T21:00:01Z".parse().unwrap();
    assert_eq!(status(&FRESH, &s), Outcome::Warn);
}

#[test]
fn failures_and_the_helpdesk_are_weighed() {
    let mut s = tenant(vec![able(1)]);
    s.facts.audit_resets = known(ResetActivity {
        self_service_resets: 3,
        admin_resets: 20,
        blocked: 2,
        self_service_failures: [
            ("FuzzyPolicyViolationInvalidPassword".to_string(), 4),
            (String::new(), 1),
        ]
        .into(),
        ..Default::default()
    });
    let found = finding(&STEP, &FAILURES, &s);
    assert_eq!(found.title, "5 resets failed, 3 succeeded, 2 users blocked");
    assert!(
        found.evidence[0]
            .seen
            .contains("FuzzyPolicyViolationInvalidPassword (4), no reason given (1)")
    );
    assert_eq!(
        finding(&STEP, &HELPDESK, &s).title,
        "3 resets by users, 20 by the helpdesk"
    );
    assert_eq!(status(&HELPDESK, &s), Outcome::Warn);
    s.facts.audit_resets = known(ResetActivity::default());
    assert_eq!(status(&HELPDESK, &s), Outcome::NotApplicable);
    assert_eq!(status(&FAILURES, &s), Outcome::NotApplicable);
}
