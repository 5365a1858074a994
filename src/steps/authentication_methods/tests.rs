use super::policy::{AUTHENTICATOR, GUESTS, MIGRATION, SIGN_IN, SPARE, TARGETS};
use super::retirement::{PHONE_LATER, PHONE_MEMBERS, QUESTIONS_END};
use super::*;
use crate::finding::Outcome;
use crate::snapshot::Fact;
use crate::snapshot::people::Cohort;
use crate::steps::fixture::*;
use crate::steps::testing;

/// A tenant where all is well: two required, Authenticator, email and SMS for all.
fn tenant() -> Snapshot {
    let mut s = empty();
    let mut email = method("Email", &["all_users"]);
    email.allow_external_id_to_use_email_otp = Some("default".into());
    let mut sms = method("Sms", &["all_users"]);
    sms.include_targets[0].is_usable_for_sign_in = Some(false);
    s.facts.methods_policy = methods(vec![method("MicrosoftAuthenticator", &["all_users"]), email, sms]);
    s.facts.portal_reset_policy = known(portal(2));
    s.facts.policy_groups = groups(&[]);
    s.facts.global_administrators = known(vec![]);
    s.facts.registration = known(report(
        vec![user(
            90,
            &["microsoftAuthenticatorPush", "softwareOneTimePasscode", "email"],
            true,
        )],
        &[],
    ));
    s
}

fn policy_of(s: &mut Snapshot) -> &mut crate::snapshot::graph::AuthenticationMethodsPolicy {
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    value
}

#[test]
fn all_is_well() {
    for found in (STEP.check)(&tenant()) {
        assert_eq!(found.status, Outcome::Pass, "{found:#?}");
    }
}

#[test]
fn a_refusal_leaves_everything_open() {
    let mut s = tenant();
    s.facts.methods_policy = refused("Policy.Read.AuthenticationMethod");
    for check in STEP.checks {
        let found = finding(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{found:#?}");
        assert!(found.title.contains("Policy.Read.AuthenticationMethod"));
    }
}

#[test]
fn one_method_for_all_where_two_are_required_fails() {
    let mut s = tenant();
    s.facts.methods_policy = methods(vec![method("Email", &["all_users"]), method("Fido2", &["all_users"])]);
    s.facts.registration = known(report(vec![user(40, &["email"], false)], &[]));
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.title, "40 of 40 users are allowed fewer than two methods");
    let affected = found.affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (40, Some(40), true)
    );
    // The same from the policy alone.
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.title, "fewer than two methods for all users");
    // One is enough where one is required; it is known from the log just as well.
    s.facts.portal_reset_policy = refused("-PortalApi");
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "1")]);
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Pass);
    assert_eq!(
        finding(&STEP, &SPARE, &s).status,
        Outcome::Skipped,
        "questions may be on"
    );
}

#[test]
fn an_assumed_number_proves_no_fault() {
    let mut s = tenant();
    s.facts.methods_policy = methods(vec![method("Email", &["all_users"])]);
    s.facts.portal_reset_policy = refused("-PortalApi");
    s.facts.registration = known(report(vec![user(40, &["email"], true)], &[]));
    let found = finding(&STEP, &REACH, &s);
    assert_ne!(found.status, Outcome::Fail, "{found:#?}");
    assert_ne!(found.status, Outcome::Pass, "{found:#?}");
}

#[test]
fn with_one_required_the_notification_is_no_method() {
    let mut s = tenant();
    let mut app = method("MicrosoftAuthenticator", &["all_users"]);
    app.is_software_oath_enabled = Some(false);
    s.facts.methods_policy = methods(vec![app]);
    s.facts.portal_reset_policy = known(portal(1));
    s.facts.registration = known(report(vec![user(3, &["microsoftAuthenticatorPush"], false)], &[]));
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Fail);
    assert_eq!(finding(&STEP, &AUTHENTICATOR, &s).status, Outcome::Warn);
}

#[test]
fn an_excluded_group_is_a_population_of_its_own() {
    let mut s = tenant();
    policy_of(&mut s).authentication_method_configurations[1].exclude_targets = vec![target("g1")];
    policy_of(&mut s).authentication_method_configurations[2].exclude_targets = vec![target("g1")];
    s.facts.policy_groups = groups(&[("g1", "Sales", 412)]);
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.title, "fewer than two methods for group 'Sales'");
    assert_eq!(found.affected.unwrap().count, 412);
    // The report tells who that is.
    let mut sales = user(7, &["microsoftAuthenticatorPush"], false);
    sales.key.groups = 1;
    s.facts.registration = known(report(vec![sales, user(90, &["email"], false)], &["g1"]));
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.title, "7 of 97 users are allowed fewer than two methods");
    assert_eq!(found.affected.unwrap().of, Some(97));
    assert_eq!(finding(&STEP, &TARGETS, &s).status, Outcome::Warn);
}

#[test]
fn methods_for_a_group_alone_warn_where_the_scope_is_not_known() {
    let mut s = tenant();
    s.facts.methods_policy = methods(vec![
        method("MicrosoftAuthenticator", &["g1"]),
        method("Email", &["g1"]),
    ]);
    s.facts.policy_groups = groups(&[("g1", "SSPR", 50)]);
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "fewer than two methods for users in none of the groups");
    // Where the reset policy is for that group, all is well.
    let mut selected = portal(2);
    selected.enablement_type = Some(1);
    selected.password_reset_enabled_group_ids = vec!["g1".into()];
    s.facts.portal_reset_policy = known(selected);
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Pass);
    assert_eq!(finding(&STEP, &AUTHENTICATOR, &s).status, Outcome::Warn);
    assert_eq!(finding(&STEP, &TARGETS, &s).status, Outcome::Pass);
}

#[test]
fn before_the_migration_the_legacy_policy_decides() {
    let mut s = tenant();
    s.facts.registration = refused("AuditLog.Read.All");
    policy_of(&mut s).policy_migration_state = Some("preMigration".into());
    assert_eq!(
        finding(&STEP, &REACH, &s).status,
        Outcome::Fail,
        "every legacy toggle is off"
    );
    let mut legacy = portal(2);
    legacy.email_option_enabled = Some(true);
    legacy.mobile_phone_option_enabled = Some(true);
    s.facts.portal_reset_policy = known(legacy);
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Pass);
    assert_eq!(finding(&STEP, &MIGRATION, &s).status, Outcome::Warn);
    // And not readable it decides nothing.
    s.facts.portal_reset_policy = refused("-PortalApi");
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "2")]);
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Skipped, "{found:#?}");
    // Under way, both count, and the methods policy alone gives enough.
    policy_of(&mut s).policy_migration_state = Some("migrationInProgress".into());
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Pass);
    policy_of(&mut s).policy_migration_state = None;
    assert_eq!(finding(&STEP, &MIGRATION, &s).status, Outcome::Pass);
}

#[test]
fn users_drop_when_sms_ends() {
    let mut s = tenant();
    s.facts.registration = known(report(
        vec![
            user(412, &["mobilePhone", "email"], true),
            user(1_000, &["microsoftAuthenticatorPush", "email", "mobilePhone"], true),
            user(9, &["mobilePhone"], false),
        ],
        &[],
    ));
    let found = finding(&STEP, &PHONE_MEMBERS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "412 users drop below two methods on 2027-02-01, when SMS by Microsoft ends"
    );
    let affected = found.affected.unwrap();
    assert_eq!(
        (affected.count, affected.of, affected.blocks_reset),
        (412, Some(1_412), false),
        "nobody is kept from resetting before that day"
    );
    assert_eq!(affected.sample.len(), 5);
    assert_eq!(finding(&STEP, &PHONE_LATER, &s).status, Outcome::Pass, "no such people");
    assert_eq!(finding(&STEP, &QUESTIONS_END, &s).status, Outcome::Pass);
    // Where one is required, it is the only one.
    s.facts.portal_reset_policy = known(portal(1));
    s.facts.registration = known(report(vec![user(1, &["mobilePhone"], true)], &[]));
    assert_eq!(
        finding(&STEP, &PHONE_MEMBERS, &s).title,
        "1 user loses the only method on 2027-02-01, when SMS by Microsoft ends"
    );
    s.facts.portal_reset_policy = known(portal(2));
    s.facts.registration = known(report(vec![user(412, &["mobilePhone", "email"], true)], &[]));
    // Another cloud has no date, and a day later it has happened.
    s.signed_in.cloud = "UsGovernment".into();
    assert_eq!(finding(&STEP, &PHONE_MEMBERS, &s).status, Outcome::NotApplicable);
    s.signed_in.cloud = "Public".into();
    s.taken_at = "2027-02-01T00:00:00Z".parse().unwrap();
    assert!(
        finding(&STEP, &PHONE_MEMBERS, &s)
            .title
            .starts_with("412 users dropped below")
    );
}

#[test]
fn the_app_counts_once_unless_the_report_shows_otherwise() {
    let mut s = tenant();
    let app = &["microsoftAuthenticatorPush", "softwareOneTimePasscode", "mobilePhone"];
    s.facts.registration = known(report(vec![user(30, app, true)], &[]));
    assert_eq!(finding(&STEP, &PHONE_MEMBERS, &s).affected.unwrap().count, 30);
    let both = &["microsoftAuthenticatorPush", "softwareOneTimePasscode"];
    let mut status = |others: Vec<Cohort>| {
        let cohorts = [vec![user(30, app, true)], others].concat();
        s.facts.registration = known(report(cohorts, &[]));
        finding(&STEP, &PHONE_MEMBERS, &s).status
    };
    assert_eq!(status(vec![user(5, both, true)]), Outcome::Pass);
    // One may just have changed methods; a notification alone is one method; others with the same cannot reset.
    assert_eq!(status(vec![user(1, both, true)]), Outcome::Warn);
    assert_eq!(
        status(vec![user(5, &["microsoftAuthenticatorPush"], true)]),
        Outcome::Warn
    );
    assert_eq!(status(vec![user(5, both, true), user(1, both, false)]), Outcome::Warn);
    // Administrators may need one method alone.
    let mut administrators = user(5, both, true);
    administrators.key.admin = true;
    assert_eq!(status(vec![administrators]), Outcome::Warn);
    // The report may lag behind a raise from one to two.
    s.facts.registration = known(report(vec![user(30, app, true), user(5, both, true)], &[]));
    let day = |s: &mut Snapshot, at: &str| {
        s.facts.audit_settings = testing::log(&[("NumberOfRequiredContactMethodsForUsers", "2", at)]);
        finding(&STEP, &PHONE_MEMBERS, s).status
    };
    assert_eq!(day(&mut s, "2026-11-22T09:00:00Z"), Outcome::Warn);
    assert_eq!(day(&mut s, "2026-11-02T09:00:00Z"), Outcome::Pass);
}

#[test]
fn groups_outside_the_selected_one_prove_nothing() {
    let mut s = tenant();
    let mut email = method("Email", &["all_users"]);
    email.exclude_targets = vec![target("g2")];
    s.facts.methods_policy = methods(vec![method("MicrosoftAuthenticator", &["all_users"]), email]);
    s.facts.policy_groups = groups(&[("g1", "Pilot", 50), ("g2", "Workshop", 12)]);
    let mut selected = portal(2);
    selected.enablement_type = Some(1);
    selected.password_reset_enabled_group_ids = vec!["g1".into()];
    s.facts.portal_reset_policy = known(selected);
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Skipped);
    assert_eq!(
        found.title,
        "not decided: who of the selected group is in group 'Workshop'"
    );
    // With reset for all, the workshop is in scope.
    s.facts.portal_reset_policy = known(portal(2));
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Fail);
}

#[test]
fn questions_end_at_one_date_and_count_from_every_source() {
    let mut s = tenant();
    let mut questions = portal(2);
    questions.security_questions_option_enabled = Some(true);
    s.facts.portal_reset_policy = known(questions);
    s.facts.registration = known(report(vec![user(5, &["email", "securityQuestion"], true)], &[]));
    s.taken_at = "2027-03-31T23:00:00Z".parse().unwrap();
    let title = |s: &Snapshot| finding(&STEP, &QUESTIONS_END, s).title;
    assert!(title(&s).starts_with("5 users drop below"), "{}", title(&s));
    s.taken_at = "2027-04-01T00:00:00Z".parse().unwrap();
    assert!(title(&s).starts_with("5 users dropped below"), "{}", title(&s));
    // That they are off is known from the audit log too.
    s.facts.registration = refused("AuditLog.Read.All");
    s.facts.portal_reset_policy = refused("-PortalApi");
    s.facts.audit_settings = log(&[("SelectedContactMethodsForUsers", "[\"Email\"]")]);
    assert_eq!(title(&s), "security questions are not in use");
}

#[test]
fn global_administrators_and_guests_have_until_july() {
    let mut s = tenant();
    let mut admin = user(3, &["mobilePhone", "email"], true);
    (admin.key.admin, admin.key.global_admin) = (true, true);
    let mut guest = user(2, &["mobilePhone", "email"], true);
    guest.key.guest = true;
    let mut helpdesk = user(4, &["mobilePhone", "email"], true);
    helpdesk.key.admin = true;
    s.facts.registration = known(report(vec![admin, guest, helpdesk], &[]));
    let found = finding(&STEP, &PHONE_LATER, &s);
    assert_eq!(
        found.title,
        "5 Global Administrators and guests drop below two methods on 2027-07-01, when SMS by Microsoft ends"
    );
    assert_eq!(finding(&STEP, &PHONE_MEMBERS, &s).affected.unwrap().count, 4);
    // Who they are was refused: that is said, and nothing passes.
    s.facts.global_administrators = refused("RoleManagement.Read.Directory");
    s.facts.registration = known(report(vec![user(9, &["email"], true)], &[]));
    let found = finding(&STEP, &PHONE_LATER, &s);
    assert_eq!(found.status, Outcome::Skipped);
    assert_eq!(
        found.title,
        "Global Administrators cannot be told apart: needs RoleManagement.Read.Directory"
    );
}

#[test]
fn nobody_is_counted_at_two_ends() {
    let mut s = tenant();
    let mut questions = portal(2);
    questions.security_questions_option_enabled = Some(true);
    s.facts.portal_reset_policy = known(questions);
    s.facts.registration = known(report(
        vec![
            user(10, &["mobilePhone", "securityQuestion"], true),
            user(5, &["email", "securityQuestion"], true),
        ],
        &[],
    ));
    assert_eq!(finding(&STEP, &PHONE_MEMBERS, &s).affected.unwrap().count, 10);
    let found = finding(&STEP, &QUESTIONS_END, &s);
    assert_eq!(
        found.title,
        "5 users drop below two methods in March 2027, when security questions end"
    );
    // In the other clouds SMS stays, so the ten fall with the questions.
    s.signed_in.cloud = "UsGovernment".into();
    assert_eq!(finding(&STEP, &QUESTIONS_END, &s).affected.unwrap().count, 15);
}

#[test]
fn a_partial_report_never_passes() {
    let mut s = tenant();
    s.facts.registration = partial(report(vec![user(9, &["mobilePhone"], false)], &[]));
    let found = finding(&STEP, &PHONE_MEMBERS, &s);
    assert_eq!(found.status, Outcome::Skipped);
    s.facts.registration = partial(report(vec![user(9, &["mobilePhone", "email"], true)], &[]));
    let found = finding(&STEP, &PHONE_MEMBERS, &s);
    assert!(
        found.title.starts_with("at least 9 users drop below"),
        "{}",
        found.title
    );
    assert_eq!((found.status, found.affected.unwrap().of), (Outcome::Warn, None));
    // Without any report the policy still shows what it leaves.
    s.facts.registration = refused("AuditLog.Read.All");
    s.facts.methods_policy = methods(vec![method("Sms", &["all_users"]), method("Email", &["all_users"])]);
    let found = finding(&STEP, &PHONE_MEMBERS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert!(
        found
            .title
            .starts_with("the policy leaves too few methods on 2027-02-01"),
        "{}",
        found.title
    );
}

#[test]
fn after_the_end_only_a_provider_of_ones_own_keeps_sms() {
    let mut s = tenant();
    s.facts.registration = refused("AuditLog.Read.All");
    s.facts.methods_policy = methods(vec![method("Sms", &["all_users"]), method("Email", &["all_users"])]);
    assert_eq!(finding(&STEP, &REACH, &s).status, Outcome::Pass);
    s.taken_at = "2027-02-01T00:00:00Z".parse().unwrap();
    let found = finding(&STEP, &REACH, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "fewer than two methods since Microsoft's SMS ended");
}

#[test]
fn authenticator_comes_first() {
    let mut s = tenant();
    policy_of(&mut s).authentication_method_configurations[0].exclude_targets = vec![target("g1")];
    s.facts.policy_groups = groups(&[("g1", "Workshop", 12)]);
    let found = finding(&STEP, &AUTHENTICATOR, &s);
    assert_eq!(
        found.title,
        "Microsoft Authenticator is not for group 'Workshop' (12 users)"
    );
    policy_of(&mut s).authentication_method_configurations[0].exclude_targets = Vec::new();
    let app = &mut policy_of(&mut s).authentication_method_configurations[0];
    app.include_targets[0].authentication_mode = Some("deviceBasedPush".into());
    assert_eq!(
        finding(&STEP, &AUTHENTICATOR, &s).status,
        Outcome::Pass,
        "its codes reset"
    );
    policy_of(&mut s).authentication_method_configurations[0].is_software_oath_enabled = Some(false);
    assert_eq!(
        finding(&STEP, &AUTHENTICATOR, &s).title,
        "Microsoft Authenticator is passwordless only, so it does not reset"
    );
    policy_of(&mut s).authentication_method_configurations[0].state = Some("disabled".into());
    assert_eq!(
        finding(&STEP, &AUTHENTICATOR, &s).title,
        "Microsoft Authenticator is not enabled"
    );
}

#[test]
fn sms_may_open_sign_in() {
    let mut s = tenant();
    policy_of(&mut s).authentication_method_configurations[2].include_targets[0].is_usable_for_sign_in = Some(true);
    assert_eq!(finding(&STEP, &SIGN_IN, &s).status, Outcome::Warn);
    policy_of(&mut s).authentication_method_configurations[2].include_targets[0].is_usable_for_sign_in = None;
    assert_eq!(finding(&STEP, &SIGN_IN, &s).status, Outcome::Skipped);
}

#[test]
fn authenticator_opens_sign_in_unless_it_is_kept_to_its_notification() {
    let mut s = tenant();
    for (mode, replaces) in [
        (None, true),
        (Some("any"), true),
        (Some("deviceBasedPush"), true),
        (Some("push"), false),
    ] {
        let app = &mut policy_of(&mut s).authentication_method_configurations[0];
        app.include_targets[0].authentication_mode = mode.map(String::from);
        let found = finding(&STEP, &SIGN_IN, &s);
        assert_eq!(found.status, Outcome::Pass);
        assert_eq!(
            found
                .title
                .ends_with("Microsoft Authenticator may replace the password"),
            replaces,
            "{mode:?}: {}",
            found.title
        );
    }
}

#[test]
fn a_state_that_is_not_known_decides_nothing() {
    let mut s = tenant();
    s.facts.registration = refused("AuditLog.Read.All");
    policy_of(&mut s).policy_migration_state = Some("migrationRevised".into());
    for check in [&MIGRATION, &REACH, &SPARE] {
        let found = finding(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{}", check.id);
        assert!(found.title.contains("migration state"), "{}", found.title);
    }
}

#[test]
fn what_is_to_spare_is_told_by_the_number_that_is_known() {
    let mut s = tenant();
    assert_eq!(finding(&STEP, &SPARE, &s).title, "3 methods to choose from, 2 required");
    s.facts.portal_reset_policy = refused("-PortalApi");
    assert_eq!(
        finding(&STEP, &SPARE, &s).title,
        "3 methods to choose from, at most two required"
    );
    s.facts.portal_reset_policy = known(portal(2));
    s.facts.methods_policy = methods(vec![method("Email", &["all_users"])]);
    assert_eq!(finding(&STEP, &SPARE, &s).status, Outcome::NotApplicable);
}

#[test]
fn guests_may_be_kept_from_email_codes() {
    let mut s = tenant();
    policy_of(&mut s).authentication_method_configurations[1].allow_external_id_to_use_email_otp =
        Some("disabled".into());
    let found = finding(&STEP, &GUESTS, &s);
    assert_eq!(found.status, Outcome::Pass);
    assert!(found.title.starts_with("guests may not sign in"), "{}", found.title);
}

#[test]
fn deleted_groups_and_the_last_method_are_seen() {
    let mut s = tenant();
    s.facts.methods_policy = methods(vec![
        method("MicrosoftAuthenticator", &["all_users"]),
        method("Email", &["all_users"]),
        method("Sms", &["gone"]),
    ]);
    let Fact::Known { value, .. } = &mut s.facts.policy_groups else {
        panic!("known groups")
    };
    value.insert(
        "gone".into(),
        crate::snapshot::people::PolicyGroup {
            id: "gone".into(),
            ..Default::default()
        },
    );
    assert_eq!(
        finding(&STEP, &TARGETS, &s).title,
        "for nobody: SMS for deleted group gone"
    );
    let found = finding(&STEP, &SPARE, &s);
    assert_eq!(found.title, "exactly two methods to choose from, none to spare");
    assert_eq!(
        finding(&STEP, &GUESTS, &s).status,
        Outcome::Skipped,
        "the answer lacked it"
    );
    s.facts.policy_groups = refused("GroupMember.Read.All");
    let found = finding(&STEP, &TARGETS, &s);
    assert_eq!(found.status, Outcome::Skipped);
    assert_eq!(found.title, "the members of 1 named group could not be read");
}
