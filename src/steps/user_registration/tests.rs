use super::activity::{FAILURES, HELPDESK};
use super::reasons::{ADMINISTRATORS, NOTHING, SHORT, UNEXPLAINED, UNFIT};
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
        "5 of 5 members registered, but out of scope"
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
        "7 of 125 users in scope registered nothing"
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
    assert_eq!(found.title, "3 of 5 administrators cannot reset");
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
    assert_eq!(found.title, "5 resets failed, 3 succeeded, blocked 2 times");
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
    assert!(found.affected.is_none(), "events are no users");
    s.facts.audit_resets = known(ResetActivity::default());
    assert_eq!(status(&HELPDESK, &s), Outcome::NotApplicable);
    assert_eq!(status(&FAILURES, &s), Outcome::NotApplicable);
}

#[test]
fn an_unlock_is_no_reset() {
    let mut s = tenant(vec![able(1)]);
    let activity = ResetActivity {
        self_service_resets: 3,
        unlocks: 50,
        self_service_failures: [("x".to_string(), 4)].into(),
        ..Default::default()
    };
    s.facts.audit_resets = known(activity.clone());
    assert_eq!(finding(&STEP, &FAILURES, &s).title, "4 resets failed, 3 succeeded");
    s.facts.audit_resets = known(ResetActivity {
        self_service_resets: 12,
        ..activity
    });
    let found = finding(&STEP, &FAILURES, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Pass, "12 of 16 resets succeeded")
    );
}

#[test]
fn resets_that_never_reached_the_directory_are_told() {
    let mut s = tenant(vec![able(1)]);
    let activity = ResetActivity {
        self_service_resets: 40,
        lost_resets: 3,
        lost_sample: vec!["a@contoso.example".into()],
        ..Default::default()
    };
    s.facts.audit_resets = known(activity.clone());
    let found = finding(&STEP, &FAILURES, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (
            Outcome::Warn,
            "0 resets failed, 40 succeeded, 3 never reached the directory"
        )
    );
    assert_eq!(found.affected.unwrap().sample, ["a@contoso.example"]);
    s.facts.audit_resets = partial(activity);
    assert!(finding(&STEP, &FAILURES, &s).title.starts_with("at least 0 resets"));
}

#[test]
fn a_log_that_was_read_in_part_proves_no_share() {
    let mut s = tenant(vec![able(1)]);
    s.facts.audit_resets = partial(ResetActivity {
        self_service_resets: 3,
        admin_resets: 20,
        self_service_failures: [("x".to_string(), 4)].into(),
        ..Default::default()
    });
    assert_eq!(status(&FAILURES, &s), Outcome::Skipped);
    assert_eq!(status(&HELPDESK, &s), Outcome::Skipped);
}

#[test]
fn a_part_of_the_report_tells_at_least_how_many() {
    let mut s = tenant(vec![]);
    let mut admin = user(3, &["email"], false);
    admin.key.admin = true;
    let mut outside = able(4);
    (outside.key.sspr_enabled, outside.key.sspr_capable) = (false, false);
    s.facts.registration = partial(report(
        vec![
            user(7, &[], false),
            admin,
            outside,
            user(2, &["fido2SecurityKey"], false),
            user(5, &["mobilePhone", "email"], false),
        ],
        &[],
    ));
    for check in [&NOTHING, &SHORT, &UNFIT, &UNEXPLAINED, &OUT_OF_SCOPE, &ADMINISTRATORS] {
        let found = finding(&STEP, check, &s);
        assert!(found.title.starts_with("at least "), "{}", found.title);
        assert_eq!((found.status, found.affected.unwrap().of), (Outcome::Warn, None));
    }
}

#[test]
fn counts_are_given_by_member_guest_and_administrator() {
    let mut guest = user(5, &[], false);
    guest.key.guest = true;
    guest.key.sspr_enabled = false;
    let mut admin = user(2, &["email"], false);
    admin.key.admin = true;
    let found = finding(&STEP, &CAPABLE, &tenant(vec![able(90), guest, admin]));
    let seen: Vec<&str> = found.evidence.iter().map(|e| e.seen.as_str()).collect();
    assert_eq!(
        seen,
        [
            "all: 97; 92 enabled, 90 registered, 90 capable",
            "members: 92; 92 enabled, 90 registered, 90 capable",
            "guests: 5; 0 enabled, 0 registered, 0 capable",
            "administrators: 2; 2 enabled, 0 registered, 0 capable",
        ]
    );
}

#[test]
fn the_rows_and_microsofts_own_counts_disagree() {
    let summary = |enabled, able| {
        let feature = |name: &str, user_count| FeatureCount {
            feature: name.into(),
            user_count,
        };
        known(FeatureSummary {
            total_user_count: enabled,
            user_registration_feature_counts: vec![feature("ssprEnabled", enabled), feature("ssprCapable", able)],
        })
    };
    let mut s = tenant(vec![able(1_000)]);
    s.facts.feature_summary = summary(1_003, 1_001);
    assert_eq!(status(&CAPABLE, &s), Outcome::Pass);
    s.facts.feature_summary = summary(1_000, 700);
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!((found.status, found.severity), (Outcome::Warn, Severity::Low));
    assert!(found.title.ends_with("; the sources disagree"), "{}", found.title);
    let mut s = tenant(vec![able(40), user(60, &[], false)]);
    s.facts.feature_summary = summary(500, 40);
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert!(found.reason.unwrap().contains("its summary 500 and 40"));
}

#[test]
fn a_report_without_a_time_does_not_tell_its_age() {
    let mut s = tenant(vec![]);
    let mut undated = report(vec![able(1)], &[]);
    undated.updated = None;
    s.facts.registration = known(undated);
    assert_eq!(status(&FRESH, &s), Outcome::Skipped);
}
