use super::*;
use crate::finding::Outcome;
use crate::snapshot::attestation::Attestation;
use crate::snapshot::audit::SettingChange;
use crate::snapshot::graph::{
    AuthorizationPolicy, CompanySubscription, FeatureCount, FeatureSummary, Organization, Recommendation,
    SecureScoreControl, VerifiedDomain,
};
use crate::snapshot::people::{CohortKey, PolicyGroup, Registration, UserCounts};
use crate::snapshot::portal::PasswordResetPolicy;
use crate::snapshot::{Fact, RefusalKind};
use crate::steps::testing::{at, change, declared, find, known, log, partial, refused, report, snapshot};

const GROUP_ID: &str = "22222222-2222-2222-2222-222222222222";

fn policy(kind: i64, methods: i64) -> PasswordResetPolicy {
    PasswordResetPolicy {
        object_id: Some("default".into()),
        enablement_type: Some(kind),
        number_of_authentication_methods_required: Some(methods),
        password_reset_enabled_group_ids: if kind == 1 {
            vec![GROUP_ID.to_uppercase()]
        } else {
            vec![]
        },
        ..Default::default()
    }
}

fn portal(kind: i64, methods: i64) -> Snapshot {
    let mut s = snapshot();
    s.facts.portal_reset_policy = known(policy(kind, methods));
    s.facts.user_counts = known(UserCounts {
        enabled_members: 1_000,
        ..Default::default()
    });
    s
}

fn with_group(users: u64, exists: bool) -> Snapshot {
    let mut s = portal(1, 2);
    let group = PolicyGroup {
        id: GROUP_ID.into(),
        display_name: Some("SSPR-Pilot".into()),
        exists,
        users,
    };
    s.facts.policy_groups = known([(GROUP_ID.to_owned(), group)].into());
    s
}

fn user(enabled: bool) -> CohortKey {
    CohortKey {
        sspr_enabled: enabled,
        ..Default::default()
    }
}

fn admin(enabled: bool) -> CohortKey {
    CohortKey {
        admin: true,
        ..user(enabled)
    }
}

#[test]
fn all_users_pass_with_the_source_in_the_headline() {
    let mut s = snapshot();
    s.facts.audit_settings = log(&[
        ("EnablementForUsers", "\"All\"", "2026-11-02T08:00:00Z"),
        (
            "NumberOfRequiredContactMethodsForUsers",
            "\"2\"",
            "2026-11-02T08:00:00Z",
        ),
    ]);
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Pass);
    assert_eq!(f.title, "all users, 2 methods (audit log, changed 2026-11-02)");
    assert_eq!(find(&STEP, &METHODS, &s).status, Outcome::Pass);
    assert_eq!(find(&STEP, &GROUP, &s).status, Outcome::NotApplicable);
}

#[test]
fn none_fails_for_all_members() {
    let f = find(&STEP, &SCOPE, &portal(0, 2));
    assert_eq!((f.status, f.severity), (Outcome::Fail, Severity::High));
    let affected = f.affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (1_000, Some(1_000), true)
    );
    assert!(
        f.remediation
            .unwrap()
            .portal_url
            .unwrap()
            .contains("PasswordResetMenuBlade/~/Properties")
    );
}

#[test]
fn a_group_leaves_others_out() {
    let s = with_group(412, true);
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Warn);
    assert_eq!(f.title, "only a selected group of 412 users (portal)");
    let f = find(&STEP, &GROUP, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "group SSPR-Pilot has 412 users (portal)")
    );
    // Guests and disabled users may be among as many users as there are members.
    assert_eq!(find(&STEP, &SCOPE, &with_group(1_000, true)).status, Outcome::Warn);
}

/// A report of users in the selected group and of others.
fn members_of(inside: &[(CohortKey, u64)], outside: &[(CohortKey, u64)]) -> Registration {
    let marked = inside.iter().map(|(key, count)| {
        let key = CohortKey { groups: 1, ..*key };
        (key, *count)
    });
    Registration {
        groups: vec![GROUP_ID.into()],
        ..report(&[], marked.chain(outside.iter().copied()).collect())
    }
}

#[test]
fn enabled_members_of_the_group_are_counted_in_the_report() {
    let guest = CohortKey {
        guest: true,
        ..user(true)
    };
    let mut s = with_group(1_000, true);
    s.facts.registration = known(members_of(
        &[(user(true), 400), (admin(true), 12), (guest, 88)],
        &[(user(false), 588)],
    ));
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Warn);
    assert_eq!(f.title, "only a group of 412 of 1,000 enabled members (portal)");
    assert_eq!(f.affected.unwrap().count, 588);
    assert_eq!(find(&STEP, &GROUP, &s).status, Outcome::Pass);
    s.facts.registration = known(members_of(&[(user(true), 990), (admin(true), 10)], &[(guest, 5)]));
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "a group of all 1,000 enabled members (portal)")
    );
    // Half a report shows neither.
    let Fact::Known { value, .. } = s.facts.registration.clone() else {
        unreachable!()
    };
    s.facts.registration = partial(value);
    assert_eq!(
        find(&STEP, &SCOPE, &s).title,
        "only a selected group of 1,000 users (portal)"
    );
    // A group of guests and disabled users lets nobody reset.
    s.facts.registration = known(members_of(&[(guest, 88)], &[(user(true), 1_000)]));
    let f = find(&STEP, &GROUP, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Fail,
            "the selected group SSPR-Pilot has 1,000 users, but no enabled member among them"
        )
    );
}

#[test]
fn a_selected_group_in_which_nobody_is_enabled_fails() {
    let mut s = snapshot();
    s.facts.audit_settings = log(&[("EnablementForUsers", "Selected", "2026-11-02T08:00:00Z")]);
    s.facts.registration = known(report(&[], vec![(user(false), 980), (admin(true), 20)]));
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!((f.status, f.severity), (Outcome::Fail, Severity::High));
    assert_eq!(
        f.title,
        "a group is selected, but none of 980 users is enabled for reset (registration report)"
    );
    let reason = f.reason.unwrap();
    assert!(reason.contains("is empty") && reason.contains("no licence"), "{reason}");
    assert_eq!(f.affected.unwrap().count, 980);
    // The report may lag behind a change that is younger than 36 hours, and half of it proves nothing.
    s.facts.audit_settings = log(&[("EnablementForUsers", "Selected", "2026-11-22T08:00:00Z")]);
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Warn);
    s.facts.audit_settings = log(&[("EnablementForUsers", "Selected", "2026-11-02T08:00:00Z")]);
    s.facts.registration = partial(report(&[], vec![(user(false), 980)]));
    assert_eq!(
        find(&STEP, &SCOPE, &s).title,
        "only a selected group (audit log, changed 2026-11-02)"
    );
}

#[test]
fn a_group_that_is_empty_or_gone_fails_for_all() {
    for s in [with_group(0, true), with_group(5, false)] {
        let f = find(&STEP, &GROUP, &s);
        assert_eq!(f.status, Outcome::Fail, "{}", f.title);
        assert_eq!(f.affected.unwrap().count, 1_000);
    }
    let mut s = with_group(0, true);
    let groups = s.facts.policy_groups.value().cloned().unwrap();
    s.facts.policy_groups = partial(groups);
    assert_eq!(find(&STEP, &GROUP, &s).status, Outcome::Skipped);
}

#[test]
fn a_group_that_is_not_known_or_not_readable_is_skipped() {
    let mut s = snapshot();
    s.facts.audit_settings = log(&[("EnablementForUsers", "Selected", "2026-11-02T08:00:00Z")]);
    assert_eq!(find(&STEP, &GROUP, &s).status, Outcome::Skipped);
    let named = format!("[\"{GROUP_ID}\"]");
    s.facts.audit_settings = log(&[
        ("EnablementForUsers", "Selected", "2026-11-02T08:00:00Z"),
        ("PasswordResetEnabledGroupIds", &named, "2026-11-02T08:00:00Z"),
    ]);
    assert_eq!(s.facts.reset_groups(), [GROUP_ID]);
    assert_eq!(selected_groups(&s).unwrap().value.0, [GROUP_ID]);
    s.facts.policy_groups = refused(
        RefusalKind::Permission,
        "The app lacks it.",
        Some("GroupMember.Read.All"),
    );
    let f = find(&STEP, &GROUP, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Skipped, "not readable: needs GroupMember.Read.All")
    );
}

#[test]
fn an_attested_group_counts_as_long_as_the_attestation_of_it_does() {
    let log_name = "PasswordResetEnabledGroupIds";
    let before = "2026-10-25T08:00:00Z";
    let mut attestation = Attestation {
        by: "admin@contoso.example".into(),
        at: at("2026-11-20T09:00:00Z"),
        reset_policy: policy(1, 2),
        since: at("2026-10-20T09:00:00Z"),
        watermark: at("2026-11-22T08:00:00Z"),
        ..Attestation::default()
    };
    let mut judged = |changes: &[(&str, SettingChange)]| {
        let mut s = with_group(5, true);
        s.facts.portal_reset_policy = Fact::NotAsked;
        let named = changes
            .iter()
            .map(|(name, change)| ((*name).to_string(), change.clone()));
        attestation.changes = named.collect();
        s.facts.attestation = known(attestation.clone());
        find(&STEP, &GROUP, &s)
    };
    let chosen = ("EnablementForUsers", change("Selected", before));
    let f = judged(&[chosen.clone(), (log_name, change(GROUP_ID, before))]);
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Pass,
            "group SSPR-Pilot has 5 users (attested 2026-11-20, as of 2026-11-22 08:00Z)"
        )
    );
    assert_eq!(f.evidence[0].source, "attestation");
    // Whether a change of it would show is not known.
    let f = judged(std::slice::from_ref(&chosen));
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Skipped, "a group is selected, not known which")
    );
    assert!(
        f.reason.as_ref().unwrap().contains("no change of it was ever seen"),
        "{f:?}"
    );
    // Another one was chosen since, whose members were not read.
    let other = change(&GROUP_ID.replace('2', "3"), "2026-11-21T08:00:00Z");
    let f = judged(&[chosen.clone(), (log_name, other)]);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Skipped, "the selected group was not read")
    );
    // The log tells of a change, but not to what.
    let unclear = change("", "2026-11-21T08:00:00Z");
    assert_eq!(judged(&[chosen, (log_name, unclear)]).status, Outcome::Skipped);
}

#[test]
fn one_method_fails() {
    let f = find(&STEP, &METHODS, &portal(2, 1));
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Fail, "1 method required to reset (portal)")
    );
}

#[test]
fn the_portal_and_the_log_disagree() {
    let mut s = portal(2, 2);
    s.facts.audit_settings = log(&[("EnablementForUsers", "None", "2026-11-02T08:00:00Z")]);
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Warn);
    assert!(f.title.starts_with("all users, 2 methods (portal)"), "{}", f.title);
    assert!(
        f.reason
            .unwrap()
            .contains("says nobody, but the portal now says all users")
    );
}

#[test]
fn a_declaration_is_told() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = declared(policy(2, 2), "2026-12-31T00:00:00Z");
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Pass);
    assert!(f.title.contains("declared by ops@contoso.example until 2026-12-31"));
}

#[test]
fn not_readable_says_how_to_sign_in() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = refused(RefusalKind::SignIn, "Only a signed-in person is served.", None);
    s.facts.audit_settings = log(&[]);
    assert_eq!(find(&STEP, &SIGNS, &s).status, Outcome::Skipped);
    for check in [&SCOPE, &GROUP, &METHODS] {
        let f = find(&STEP, check, &s);
        assert_eq!(f.status, Outcome::Skipped);
        assert_eq!(
            f.title,
            "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
        );
        assert!(f.decides);
    }
}

#[test]
fn reports_prove_faults_and_never_a_pass() {
    let mut s = snapshot();
    s.facts.registration = known(report(&[], vec![(user(true), 900), (admin(true), 10)]));
    s.facts.recommendation = known(Recommendation {
        status: "completedBySystem".into(),
        ..Default::default()
    });
    s.facts.secure_score = known(SecureScoreControl {
        score: Some(1.0),
        ..Default::default()
    });
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Skipped);
    assert_eq!(f.evidence.len(), 3);

    s.facts.registration = known(report(&[], vec![(user(true), 900), (user(false), 100)]));
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Warn);
    assert_eq!(
        f.title,
        "100 of 1,000 users are not enabled for reset (registration report)"
    );
    assert!(f.reason.unwrap().contains("inferred"));

    // Administrators may reset by their own rule: that they are enabled says nothing of users.
    let nobody = report(&[], vec![(user(false), 1_000), (admin(true), 10)]);
    s.facts.registration = known(nobody.clone());
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(f.status, Outcome::Fail);
    assert_eq!(f.affected.unwrap().count, 1_000);
    // What was read of half a report is a part, never the whole.
    s.facts.registration = partial(report(&[], vec![(user(false), 500), (user(true), 10)]));
    let f = find(&STEP, &SCOPE, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Warn,
            "at least 500 users are not enabled for reset (registration report)"
        )
    );
    assert_eq!(f.affected.unwrap().of, None);
    s.facts.registration = partial(nobody);
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Warn);
    s.facts.registration = partial(report(&[], vec![(user(true), 10)]));
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Skipped);
}

#[test]
fn scores_alone_warn() {
    let mut s = snapshot();
    s.facts.secure_score = known(SecureScoreControl {
        score: Some(0.0),
        ..Default::default()
    });
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Warn);
    s.facts.feature_summary = known(FeatureSummary {
        total_user_count: 50,
        user_registration_feature_counts: vec![FeatureCount {
            feature: "ssprEnabled".into(),
            user_count: 0,
        }],
    });
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Fail);
}

#[test]
fn administrators_say_nothing_of_users() {
    let mut s = snapshot();
    s.facts.authorization_policy = known(AuthorizationPolicy {
        allowed_to_use_sspr: Some(true),
    });
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Skipped);
    let f = find(&STEP, &ADMINISTRATORS, &s);
    assert_eq!(f.status, Outcome::Skipped, "nothing tells whether an exception holds");
}

#[test]
fn signs_against_the_policy_are_told() {
    let mut s = portal(2, 2);
    s.facts.registration = known(report(&[], vec![(user(false), 1_000)]));
    let f = find(&STEP, &SIGNS, &s);
    assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Medium));
    assert_eq!(
        f.title,
        "the policy says all users, but none of 1,000 users is enabled for reset (registration report)"
    );
    assert_eq!(find(&STEP, &SCOPE, &s).status, Outcome::Pass);
    s.facts.registration = known(report(&[], vec![(user(true), 1_000)]));
    assert_eq!(find(&STEP, &SIGNS, &s).status, Outcome::Pass);
    s.facts.registration = known(report(
        &[],
        vec![(user(false), 500), (user(true), 500), (admin(true), 9)],
    ));
    let f = find(&STEP, &SIGNS, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Warn,
            "the policy says all users, but 500 of 1,000 users are not enabled for reset (registration report)"
        )
    );
    assert_eq!(f.affected.unwrap().of, Some(1_000));
    s.facts.portal_reset_policy = known(policy(0, 2));
    assert_eq!(find(&STEP, &SIGNS, &s).status, Outcome::Warn);
    s.facts.registration = refused(RefusalKind::License, "P1 only.", Some("Microsoft Entra ID P1"));
    assert_eq!(find(&STEP, &SIGNS, &s).status, Outcome::Skipped);
    // That some can reset is not in keeping with nobody, nor against it: they may be administrators.
    let score = |score| SecureScoreControl {
        score: Some(score),
        ..Default::default()
    };
    s.facts.secure_score = known(score(1.0));
    assert_eq!(find(&STEP, &SIGNS, &s).status, Outcome::Skipped);
    s.facts.secure_score = known(score(0.0));
    let f = find(&STEP, &SIGNS, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (Outcome::Pass, "in keeping with the policy: Secure Score")
    );
}

fn branding(json: &str) -> Snapshot {
    let mut s = snapshot();
    s.facts.branding = known(serde_json::from_str(json).unwrap());
    s
}

#[test]
fn branding_that_hides_or_redirects_is_told() {
    assert_eq!(find(&STEP, &LINK, &branding("{}")).status, Outcome::Pass);
    let f = find(
        &STEP,
        &LINK,
        &branding(r#"{"loginPageTextVisibilitySettings":{"hideForgotMyPassword":true}}"#),
    );
    assert_eq!(f.status, Outcome::Fail);
    assert_eq!(f.evidence[0].seen, "for everybody, hidden: Forgot my password");
    let f = find(
        &STEP,
        &LINK,
        &branding(r#"{"customCannotAccessYourAccountUrl":"https://intranet.contoso.example/pw"}"#),
    );
    assert_eq!(f.status, Outcome::Warn);
    let f = find(
        &STEP,
        &LINK,
        &branding(r#"{"customAccountResetCredentialsUrl":"https://aka.ms/sspr"}"#),
    );
    assert_eq!(f.status, Outcome::Pass);
    let f = find(
        &STEP,
        &LINK,
        &branding(r#"{"loginPageTextVisibilitySettings":{"hideResetItNow":true}}"#),
    );
    assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
    let f = find(
        &STEP,
        &LINK,
        &branding(
            r#"{"localizations":[{"id":"fr-FR","loginPageTextVisibilitySettings":{"hideAccountResetCredentials":true}}]}"#,
        ),
    );
    assert_eq!(f.status, Outcome::Fail);
    assert!(f.title.contains("fr-FR"));
    // Its languages were not read: one may hide the link.
    let mut s = snapshot();
    s.facts.branding = partial(Default::default());
    assert_eq!(find(&STEP, &LINK, &s).status, Outcome::Skipped);
    let mut s = branding("{}");
    s.facts.branding = refused(RefusalKind::Permission, "no", Some("OrganizationalBranding.Read.All"));
    let f = find(&STEP, &LINK, &s);
    assert_eq!(f.status, Outcome::Skipped);
    assert!(f.title.contains("OrganizationalBranding.Read.All"));
}

#[test]
fn only_the_reset_pages_lead_to_reset() {
    for good in [
        "https://aka.ms/sspr",
        "https://passwordreset.microsoftonline.com/?whr=contoso.example",
    ] {
        assert!(leads_to_reset(good), "{good}");
    }
    for bad in [
        "http://aka.ms/sspr",
        "https://aka.ms/other",
        "https://passwordreset.microsoftonline.com.evil.example/",
        "aka.ms/sspr",
        "",
    ] {
        assert!(!leads_to_reset(bad), "{bad}");
    }
}

#[test]
fn administrators_own_rule() {
    let with = |allowed: Option<bool>, domains: &[&str]| {
        let mut s = snapshot();
        s.facts.authorization_policy = known(AuthorizationPolicy {
            allowed_to_use_sspr: allowed,
        });
        s.facts.subscriptions = known(vec![]);
        s.facts.organization = known(Organization {
            verified_domains: domains
                .iter()
                .map(|d| VerifiedDomain {
                    name: Some((*d).into()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
        s
    };
    let status = |s: &Snapshot| find(&STEP, &ADMINISTRATORS, s).status;
    assert_eq!(
        status(&with(Some(true), &["contoso.example", "contoso.onmicrosoft.com"])),
        Outcome::Pass
    );
    assert_eq!(status(&with(Some(true), &["contoso.onmicrosoft.com"])), Outcome::Warn);
    assert_eq!(status(&with(None, &[])), Outcome::Skipped);
    let mut trial = with(Some(true), &["contoso.example"]);
    let began = |when: Option<&str>| {
        known(vec![CompanySubscription {
            is_trial: Some(true),
            created_date_time: when.map(at),
            ..Default::default()
        }])
    };
    trial.facts.subscriptions = began(Some("2026-11-01T09:00:00Z"));
    let f = find(&STEP, &ADMINISTRATORS, &trial);
    assert_eq!(f.status, Outcome::Warn);
    assert!(f.title.contains("a trial is younger than 30 days"), "{}", f.title);
    trial.facts.subscriptions = began(Some("2026-10-01T09:00:00Z"));
    assert_eq!(status(&trial), Outcome::Pass);
    trial.facts.subscriptions = began(None);
    assert_eq!(status(&trial), Outcome::Skipped);
    trial.facts.subscriptions = refused(RefusalKind::Permission, "no", None);
    assert_eq!(status(&trial), Outcome::Skipped);
    let mut unread = with(Some(true), &["contoso.example"]);
    unread.facts.organization = refused(RefusalKind::Permission, "The app lacks Organization.Read.All.", None);
    let f = find(&STEP, &ADMINISTRATORS, &unread);
    assert_eq!(f.status, Outcome::Skipped);
    assert!(f.reason.unwrap().ends_with("The app lacks Organization.Read.All."));
    let mut off = with(Some(false), &["contoso.example"]);
    assert_eq!(status(&off), Outcome::Pass);
    off.facts.portal_reset_policy = known(PasswordResetPolicy {
        registration_required_on_sign_in: Some(true),
        ..policy(2, 2)
    });
    assert_eq!(status(&off), Outcome::Warn);
    off.facts.authorization_policy = Fact::NotAsked;
    assert_eq!(status(&off), Outcome::Skipped);
}
