use super::*;
use crate::finding::Outcome;
use crate::snapshot::graph::{ConditionLocations, SecurityDefaults};
use crate::snapshot::people::{Cohort, PolicyUser};
use crate::steps::fixture::*;
use crate::steps::scope::{GLOBAL_ADMINISTRATOR, SYNCHRONIZATION_ACCOUNTS};

fn tenant(policies: Vec<ConditionalAccessPolicy>) -> Snapshot {
    let mut s = empty();
    s.facts.conditional_access = known(policies);
    s.facts.security_defaults = known(SecurityDefaults { is_enabled: false });
    s.facts.policy_groups = groups(&[("g1", "Break glass", 2), ("g2", "Sales", 412), ("g3", "Staff", 900)]);
    s.facts.methods_policy = methods(vec![]);
    s.facts.global_administrators = known(vec![]);
    s.facts.registration = known(report(vec![user(50, &["email"], true)], &["g1", "g2", "g3"]));
    s
}

fn for_users(mut policy: ConditionalAccessPolicy, change: impl Fn(&mut ConditionUsers)) -> ConditionalAccessPolicy {
    change(policy.conditions.users.as_mut().unwrap());
    policy
}

fn status(check: &Check, s: &Snapshot) -> Outcome {
    finding(&STEP, check, s).status
}

#[test]
fn one_policy_for_all_is_enough() {
    let s = tenant(vec![policy("MFA for all", &["mfa"])]);
    for found in (STEP.check)(&s) {
        assert_eq!(found.status, Outcome::Pass, "{found:#?}");
    }
    assert_eq!(
        finding(&STEP, &ALL_USERS, &s).title,
        "'MFA for all' asks all users for MFA"
    );
}

#[test]
fn report_only_is_not_enforced() {
    let mut trial = policy("Trial", &["mfa"]);
    trial.state = "enabledForReportingButNotEnforced".into();
    let s = tenant(vec![trial.clone()]);
    // Whether per-user MFA asks instead, nobody knows.
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Skipped);
    assert_eq!(
        found.title,
        "no policy in force asks all users for MFA; per-user MFA is not read"
    );
    let found = finding(&STEP, &REPORT_ONLY, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "only reports, asks nobody: 'Trial'");
    let s = tenant(vec![trial, policy("MFA for all", &["mfa"])]);
    assert_eq!(status(&REPORT_ONLY, &s), Outcome::Pass);
}

#[test]
fn another_control_or_a_condition_is_a_way_around() {
    let mut away = policy("Away", &["mfa"]);
    away.conditions.locations = Some(ConditionLocations {
        include_locations: vec!["All".into()],
        exclude_locations: vec!["AllTrusted".into()],
    });
    for (policy, text) in [
        (
            policy("Either", &["mfa", "compliantDevice"]),
            "a way around MFA: 'Either': or a compliant device",
        ),
        (away, "a way around MFA: 'Away': not from every location"),
    ] {
        let s = tenant(vec![policy]);
        assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
        assert_eq!(finding(&STEP, &BYPASS, &s).title, text);
    }
}

#[test]
fn security_defaults_stand_in() {
    let mut s = tenant(vec![]);
    assert_eq!(status(&ALL_USERS, &s), Outcome::Skipped);
    assert_eq!(status(&EXCLUSIONS, &s), Outcome::NotApplicable);
    assert_eq!(status(&BYPASS, &s), Outcome::NotApplicable);
    s.facts.security_defaults = known(SecurityDefaults { is_enabled: true });
    assert_eq!(status(&ALL_USERS, &s), Outcome::Pass);
    s.facts.conditional_access = refused("Policy.Read.All");
    assert_eq!(status(&ALL_USERS, &s), Outcome::Pass);
    for check in [&EXCLUSIONS, &BYPASS, &REPORT_ONLY] {
        assert_eq!(status(check, &s), Outcome::Skipped);
    }
}

#[test]
fn a_refusal_is_not_a_fail() {
    let mut s = tenant(vec![]);
    s.facts.conditional_access = refused("Policy.Read.All");
    s.facts.security_defaults = refused("Policy.Read.All");
    s.facts.methods_policy = refused("Policy.Read.AuthenticationMethod");
    s.facts.registration = refused("AuditLog.Read.All");
    for check in STEP.checks {
        let found = finding(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{found:#?}");
        assert!(found.title.starts_with("not readable: needs"), "{}", found.title);
    }
}

#[test]
fn emergency_accounts_may_be_excluded_and_more_may_not() {
    let excluding = |change: &dyn Fn(&mut ConditionUsers)| tenant(vec![for_users(policy("All", &["mfa"]), change)]);
    let s = excluding(&|u| {
        u.exclude_groups = vec!["g1".into()];
        u.exclude_users = vec!["u1".into()];
        u.exclude_roles = vec![SYNCHRONIZATION_ACCOUNTS.into()];
    });
    let found = finding(&STEP, &EXCLUSIONS, &s);
    assert_eq!(found.status, Outcome::Pass, "{found:#?}");
    assert_eq!(found.title, "3 accounts are excluded, as for emergency access");
    let s = excluding(&|u| u.exclude_groups = vec!["g2".into()]);
    let found = finding(&STEP, &EXCLUSIONS, &s);
    assert_eq!(found.title, "excluded from MFA: group 'Sales' (412 users)");
    assert_eq!(found.affected.unwrap().count, 412);
    let s = excluding(&|u| u.exclude_roles = vec![GLOBAL_ADMINISTRATOR.into()]);
    assert_eq!(
        finding(&STEP, &EXCLUSIONS, &s).title,
        "excluded from MFA: role Global Administrator"
    );
    // Whose members were not read, nobody knows.
    let mut s = excluding(&|u| u.exclude_groups = vec!["g9".into()]);
    s.facts.policy_groups = refused("GroupMember.Read.All");
    assert_eq!(status(&EXCLUSIONS, &s), Outcome::Skipped);
}

#[test]
fn excluded_users_are_named() {
    let person = |id: &str, name: Option<&str>| {
        let person = PolicyUser {
            id: id.into(),
            user_principal_name: name.map(Into::into),
            exists: name.is_some(),
            ..Default::default()
        };
        (id.to_string(), person)
    };
    let all = for_users(policy("All", &["mfa"]), |u| {
        u.exclude_users = ["u1", "u2", "gone", "u4"].map(Into::into).into();
    });
    let mut s = tenant(vec![all]);
    s.facts.policy_users = known(
        [
            person("u1", Some("glass1@x")),
            person("u2", Some("glass2@x")),
            person("gone", None),
        ]
        .into(),
    );
    let found = finding(&STEP, &EXCLUSIONS, &s);
    assert_eq!(found.title, "3 accounts are excluded, as for emergency access");
    assert_eq!(
        found.evidence[0].seen,
        "'All' excludes 1 user (name not read), glass1@x, glass2@x, deleted user gone"
    );
}

#[test]
fn a_policy_for_all_that_excludes_many_is_not_for_all() {
    let member = |count, groups| {
        let mut cohort: Cohort = user(count, &["email"], true);
        cohort.key.groups = groups;
        cohort
    };
    let all = for_users(policy("All", &["mfa"]), |u| u.exclude_groups = vec!["g3".into()]);
    let people = |inside, outside| report(vec![member(inside, 0), member(outside, 0b100)], &["g1", "g2", "g3"]);
    let mut s = tenant(vec![all.clone()]);
    s.facts.registration = known(people(100, 900));
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.title, "900 of 1,000 members are in no policy that asks for MFA");
    assert_eq!(found.affected.unwrap().of, Some(1_000));
    s.facts.registration = known(people(900, 100));
    assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
    // Read in part, and of a whole that the directory knows.
    s.facts.registration = partial(people(10, 600));
    s.facts.user_counts = known(crate::snapshot::people::UserCounts {
        enabled_members: 1_000,
        ..Default::default()
    });
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "at least 600 of 1,000 members are in no policy that asks for MFA"
    );
    // Nobody is in the group any more.
    s.facts.registration = known(people(900, 0));
    assert_eq!(status(&ALL_USERS, &s), Outcome::Pass);
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "'All' asks all users for MFA except group 'Staff' (900 users)"
    );
    // Guests are counted aside.
    let mut guests = user(40, &[], false);
    guests.key.guest = true;
    let no_guests = for_users(policy("All", &["mfa"]), |u| {
        u.exclude_users = vec!["GuestsOrExternalUsers".into()];
    });
    let mut s = tenant(vec![no_guests]);
    s.facts.registration = known(report(vec![member(900, 0), guests], &[]));
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "40 of 40 guests are in no policy that asks for MFA");
}

#[test]
fn users_who_are_listed_one_by_one_are_not_known_to_be_left_out() {
    let each = for_users(policy("Each", &["mfa"]), |u| {
        u.include_users = (0..50).map(|i| format!("u{i}")).collect();
    });
    let found = finding(&STEP, &ALL_USERS, &tenant(vec![each]));
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "MFA is asked of some: 'Each'");
}

#[test]
fn administrators_who_are_not_all_known_may_be_in_the_role() {
    let admins = for_users(policy("Admins", &["mfa"]), |u| {
        u.include_users = vec![];
        u.include_roles = vec![GLOBAL_ADMINISTRATOR.into()];
    });
    let mut staff = user(900, &["email"], true);
    staff.key.admin = true;
    let mut s = tenant(vec![admins]);
    s.facts.registration = known(report(vec![staff], &[]));
    assert_eq!(status(&ALL_USERS, &s), Outcome::Fail);
    s.facts.global_administrators = partial(vec![]);
    assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
}

#[test]
fn a_second_policy_covers_whom_the_first_excludes() {
    let all = for_users(policy("All", &["mfa"]), |u| u.exclude_groups = vec!["g2".into()]);
    let sales = for_users(policy("Sales", &["mfa"]), |u| {
        u.include_users = vec![];
        u.include_groups = vec!["G2".into()];
    });
    let s = tenant(vec![all.clone(), sales]);
    assert_eq!(finding(&STEP, &EXCLUSIONS, &s).title, "nobody is excluded");
    assert_eq!(status(&EXCLUSIONS, &tenant(vec![all])), Outcome::Warn);
}

#[test]
fn policies_for_groups_and_roles_cover_together_or_not() {
    let for_group = |name: &str, id: &str| {
        let id = id.to_string();
        for_users(policy(name, &["mfa"]), move |u| {
            u.include_users = vec![];
            u.include_groups = vec![id.clone()];
        })
    };
    let admins = for_users(policy("Admins", &["mfa"]), |u| {
        u.include_users = vec![];
        u.include_roles = vec![GLOBAL_ADMINISTRATOR.into()];
    });
    let member = |count, groups, global_admin| {
        let mut cohort: Cohort = user(count, &["email"], true);
        cohort.key.groups = groups;
        cohort.key.global_admin = global_admin;
        cohort.key.admin = global_admin;
        cohort
    };
    let mut s = tenant(vec![for_group("Staff", "g3"), admins]);
    s.facts.registration = known(report(
        vec![member(900, 0b100, false), member(3, 0, true)],
        &["g1", "g2", "g3"],
    ));
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.status, Outcome::Pass);
    assert_eq!(found.title, "2 policies together ask everybody for MFA");
    s.facts.registration = known(report(
        vec![member(900, 0b100, false), member(3, 0, true), member(40, 0, false)],
        &["g1", "g2", "g3"],
    ));
    let found = finding(&STEP, &ALL_USERS, &s);
    assert_eq!(found.title, "40 of 943 members are in no policy that asks for MFA");
    assert_eq!(found.affected.unwrap().of, Some(943));
    // Groups that were not read prove nothing either way.
    s.facts.registration = known(report(vec![member(900, 0, false)], &[]));
    assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
    s.facts.registration = refused("AuditLog.Read.All");
    assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
    // Nor does a part of the report, where everybody in it is covered.
    s.facts.registration = partial(report(vec![member(900, 0b100, false)], &["g1", "g2", "g3"]));
    assert_eq!(status(&ALL_USERS, &s), Outcome::Warn);
}

#[test]
fn who_cannot_answer_is_counted() {
    let mut s = tenant(vec![]);
    let mut refused_method = user(4, &["mobilePhone"], false);
    refused_method.key.mfa_registered = true;
    s.facts.registration = known(report(
        vec![user(90, &["email"], true), refused_method, user(2, &[], false)],
        &[],
    ));
    let found = finding(&STEP, &CAPABLE, &s);
    assert_eq!(found.title, "6 of 96 members cannot answer MFA yet");
    assert!(found.evidence[0].seen.starts_with("4 of them"));
    s.facts.registration = partial(report(vec![user(90, &["email"], true)], &[]));
    assert_eq!(status(&CAPABLE, &s), Outcome::Skipped);
}

#[test]
fn legacy_settings_are_told() {
    let mut s = tenant(vec![]);
    s.facts.methods_policy = known(crate::snapshot::graph::AuthenticationMethodsPolicy {
        policy_migration_state: Some("preMigration".into()),
        ..Default::default()
    });
    assert_eq!(status(&LEGACY, &s), Outcome::Warn);
}

#[test]
fn a_migration_state_that_is_not_known_is_not_judged() {
    let mut s = tenant(vec![]);
    s.facts.methods_policy = known(crate::snapshot::graph::AuthenticationMethodsPolicy {
        policy_migration_state: Some("migrationRevised".into()),
        ..Default::default()
    });
    assert_eq!(status(&LEGACY, &s), Outcome::Skipped);
}
