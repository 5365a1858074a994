//! Policies and cohorts of any kind: every finding is sound, and a report that was read in part proves no Pass.

use super::fixture::{at, empty, known, log, partial, policy, refused, target};
use super::tests::sound;
use super::user::chain;
use crate::finding::{Finding, Outcome};
use crate::snapshot::audit::ResetActivity;
use crate::snapshot::graph::*;
use crate::snapshot::people::{Cohort, CohortKey, PolicyGroup, PolicyUser, Registration};
use crate::snapshot::person::Person;
use crate::snapshot::portal::PasswordResetPolicy;
use crate::snapshot::{Fact, Snapshot};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const IDS: &[&str] = &[
    "all_users",
    "All",
    "g1",
    "G1",
    "g2",
    "",
    "00000000-0000-0000-0000-000000000000",
    "GuestsOrExternalUsers",
    "62e90394-69f5-4237-9190-012177145e10",
    "\u{202e}\u{1b}[31m",
];

fn ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(IDS).prop_map(String::from), 0..4)
}

fn fact<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Fact<T>> {
    (value, 0..4u8).prop_map(|(value, kind)| match kind {
        0 => Fact::NotAsked,
        1 => refused("Some.Permission"),
        2 => partial(value),
        _ => known(value),
    })
}

prop_compose! {
    fn cohort()(
        flags in any::<u8>(), methods in any::<u64>(), groups in any::<u64>(),
        count in prop_oneof![Just(0), Just(1), 0..5_000u64, Just(u64::MAX)]
    ) -> Cohort {
        let bit = |n: u8| flags & 1 << n != 0;
        let key = CohortKey {
            guest: bit(0), admin: bit(1), global_admin: bit(2), sspr_enabled: bit(3),
            sspr_registered: bit(4), sspr_capable: bit(5), mfa_capable: bit(6), mfa_registered: bit(7),
            methods, groups,
        };
        Cohort { key, count, sample: vec!["\u{1b}x@y".into()] }
    }
}

prop_compose! {
    fn registration()(
        cohorts in prop::collection::vec(cohort(), 0..6),
        names in 0..80usize, groups in 0..80usize, dated in any::<bool>()
    ) -> Registration {
        let known = super::fixture::REPORTED.iter().map(|m| m.to_string());
        Registration {
            rows: 1,
            methods: known.chain((0..80).map(|i| format!("m{i}"))).take(names).collect(),
            groups: (0..groups).map(|i| format!("g{i}")).collect(),
            cohorts,
            updated: dated.then(at),
        }
    }
}

prop_compose! {
    fn configuration()(
        id in select(&["MicrosoftAuthenticator", "Sms", "Voice", "Email", "TemporaryAccessPass", "HardwareOath", "x"][..]),
        state in select(&[Some("enabled"), Some("disabled"), None][..]),
        include in ids(), exclude in ids(), codes in any::<Option<bool>>(), mode in any::<bool>()
    ) -> AuthenticationMethodConfiguration {
        let targets = |ids: &[String]| ids.iter().enumerate().map(|(i, id)| MethodTarget {
            target_type: if i == 2 { "user" } else { "group" }.into(),
            authentication_mode: mode.then(|| "deviceBasedPush".into()),
            is_usable_for_sign_in: codes,
            ..target(id)
        }).collect();
        AuthenticationMethodConfiguration {
            id: id.into(), state: state.map(String::from),
            include_targets: targets(&include), exclude_targets: targets(&exclude),
            is_software_oath_enabled: codes, is_office_phone_allowed: codes,
            allow_external_id_to_use_email_otp: None,
        }
    }
}

prop_compose! {
    fn methods()(
        configurations in prop::collection::vec(configuration(), 0..5), excluded in ids(),
        state in select(&[None, Some("preMigration"), Some("migrationInProgress"), Some("migrationComplete"), Some("?")][..]),
        campaign in select(&["default", "enabled", "disabled", "?"][..])
    ) -> AuthenticationMethodsPolicy {
        AuthenticationMethodsPolicy {
            policy_migration_state: state.map(String::from),
            authentication_method_configurations: configurations,
            registration_enforcement: Some(RegistrationEnforcement {
                authentication_methods_registration_campaign: Some(RegistrationCampaign {
                    state: campaign.into(),
                    exclude_targets: excluded.iter().map(|id| target(id)).collect(),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }
    }
}

prop_compose! {
    fn access()(
        state in select(&["enabled", "disabled", "enabledForReportingButNotEnforced", "?"][..]),
        controls in prop::collection::vec(select(&["mfa", "block", "compliantDevice", "passwordChange", "?"][..]), 0..3),
        people in ids(), without in ids(), groups in ids(), action in any::<bool>(), and in any::<bool>(),
        place in any::<bool>(), strength in any::<Option<bool>>(), users in any::<bool>()
    ) -> ConditionalAccessPolicy {
        let mut policy = policy("p", &controls);
        policy.state = state.into();
        policy.conditions.users = users.then(|| ConditionUsers {
            include_users: people.clone(), include_groups: groups.clone(), include_roles: people,
            exclude_users: without.clone(), exclude_groups: without.clone(), exclude_roles: without,
            exclude_guests_or_external_users: Some(serde_json::json!({})),
            ..Default::default()
        });
        if action {
            policy.conditions.applications = Some(ConditionApplications {
                include_user_actions: vec!["urn:user:registersecurityinfo".into()],
                ..Default::default()
            });
        }
        policy.conditions.locations = place.then(Default::default);
        if let Some(grant) = &mut policy.grant_controls {
            grant.operator = and.then(|| "AND".into());
            grant.authentication_strength = strength.map(|mfa| AuthenticationStrength {
                allowed_combinations: vec!["fido2".into()],
                requirements_satisfied: mfa.then(|| "mfa".into()),
                ..Default::default()
            });
        }
        policy
    }
}

prop_compose! {
    fn portal()(
        required in prop_oneof![Just(None), any::<i64>().prop_map(Some), (0..4i64).prop_map(Some)],
        switch in any::<Option<bool>>(), days in any::<Option<i64>>(), scope in 0..4i64, groups in ids()
    ) -> PasswordResetPolicy {
        PasswordResetPolicy {
            enablement_type: Some(scope),
            number_of_authentication_methods_required: required,
            email_option_enabled: switch,
            mobile_phone_option_enabled: switch.map(|on| !on),
            security_questions_option_enabled: switch,
            registration_required_on_sign_in: switch,
            registration_reconfirm_interval_in_days: days,
            password_reset_enabled_group_ids: groups,
            ..Default::default()
        }
    }
}

prop_compose! {
    fn activity()(numbers in prop::array::uniform6(prop_oneof![Just(0), any::<u64>()]), reason in ".*") -> ResetActivity {
        ResetActivity {
            self_service_resets: numbers[0], admin_resets: numbers[1], unlocks: numbers[2], blocked: numbers[3],
            lost_resets: numbers[4], unknown_origin: numbers[5],
            self_service_failures: [(reason, numbers[0]), ("x".into(), numbers[1])].into(),
            ..Default::default()
        }
    }
}

prop_compose! {
    fn snapshot()(
        report in fact(registration()), policy in fact(methods()),
        access in fact(prop::collection::vec(access(), 0..4)), portal in fact(portal()),
        activity in fact(activity()), on in fact(any::<bool>()), value in ".*",
        groups in fact(prop::collection::btree_map(select(IDS).prop_map(String::from), (any::<bool>(), any::<u64>()), 0..4)),
        cloud in select(&["Public", "China", "UsGovernment", ""][..]), seconds in -60_000_000_000i64..60_000_000_000
    ) -> Snapshot {
        let mut s = empty();
        s.signed_in.cloud = cloud.into();
        s.taken_at = jiff::Timestamp::from_second(seconds).unwrap_or_else(|_| at());
        s.facts.registration = report;
        s.facts.methods_policy = policy;
        s.facts.conditional_access = access;
        s.facts.portal_reset_policy = portal;
        s.facts.audit_resets = activity;
        s.facts.security_defaults = match on {
            Fact::Known { value, .. } => known(SecurityDefaults { is_enabled: value }),
            _ => refused("Policy.Read.All"),
        };
        s.facts.audit_settings = log(&[
            ("NumberOfRequiredContactMethodsForUsers", &value),
            ("EnforcedRegistrationEnablementForUsers", &value),
            ("EnforcedRegistrationIntervalInDaysForUsers", &value),
        ]);
        s.facts.policy_users = match &groups {
            Fact::Known { value, .. } => known(value.iter().map(|(id, (exists, _))| {
                (id.clone(), PolicyUser { id: id.clone(), exists: *exists, ..Default::default() })
            }).collect()),
            _ => refused("User.Read.All"),
        };
        s.facts.global_administrators = if seconds % 2 == 0 { known(vec![]) } else { partial(vec![]) };
        s.facts.policy_groups = match groups {
            Fact::Known { value, .. } => known(value.into_iter().map(|(id, (exists, users))| {
                (id.clone(), PolicyGroup { id, display_name: None, exists, users })
            }).collect()),
            _ => refused("GroupMember.Read.All"),
        };
        s
    }
}

/// Checks that count people: a report that was read in part may prove a fault only.
fn counts_people(finding: &Finding) -> bool {
    let own = finding.id.starts_with("user_registration.")
        && !matches!(
            finding.id.as_str(),
            "user_registration.freshness" | "user_registration.helpdesk" | "user_registration.failures"
        );
    own || finding.id.contains("phone_retirement") || finding.id == "mfa_enforcement.capable"
}

/// A document of a user or of an event: of the form that is expected, or of any other.
fn document() -> impl Strategy<Value = Value> {
    let member = select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(7),
        json!("2026-11-23T07:00:00Z"),
        json!("Blocked from self-service password reset"),
        json!("Reset password (self-service)"),
        json!("\u{202e}\u{1b}[31m"),
        json!([{"key": "OnPremisesAgent", "value": "None", "servicePlanId": 1, "canReset": true}]),
        json!([{"connector": "x", "canReset": false, "cause": {"kind": "denied"}, "rights": [7]}]),
        json!({"minimumAge": -1, "policy": {"minimumAge": u64::MAX}, "resetFrom": "2999-01-01T00:00:00Z", "mustChange": true}),
    ]);
    const NAMES: &[&str] = &[
        "id",
        "accountEnabled",
        "userType",
        "userPrincipalName",
        "assignedPlans",
        "assignedLicenses",
        "onPremisesSyncEnabled",
        "onPremisesImmutableId",
        "onPremisesDomainName",
        "dn",
        "enabled",
        "locked",
        "adminCount",
        "inheritance",
        "accounts",
        "password",
        "activityDateTime",
        "activityDisplayName",
        "result",
        "resultReason",
        "additionalDetails",
    ];
    prop_oneof![
        Just(json!(null)),
        Just(json!([1])),
        prop::collection::btree_map(select(NAMES).prop_map(String::from), member, 0..12)
            .prop_map(|members| json!(members)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn every_snapshot_is_judged(snapshot in snapshot()) {
        for found in sound(&snapshot) {
            if snapshot.facts.registration.whole().is_none() && counts_people(&found) {
                prop_assert_ne!(found.status, Outcome::Pass, "{}", found.id);
            }
        }
    }

    #[test]
    fn every_user_is_judged(
        snapshot in snapshot(), account in fact(document()), directory in fact(document()),
        events in fact(prop::collection::vec(document(), 0..3)), groups in fact(ids()), one in any::<bool>()
    ) {
        let mut person = Person { asked: "\u{1b}x@y".into(), account, groups, events, directory, ..Person::default() };
        person.registration = snapshot.facts.registration.clone();
        if let Some(report) = person.registration.value_mut() {
            report.cohorts.truncate(usize::from(one));
        }
        let links = chain(&mut snapshot.clone(), &person);
        let mut ids: Vec<&str> = links.iter().map(|link| link.id.as_str()).collect();
        ids.dedup();
        prop_assert_eq!(ids.len(), links.len());
        prop_assert!(!links.is_empty());
        for link in &links {
            match link.status {
                Outcome::Fail | Outcome::Warn => {
                    prop_assert!(link.reason.is_some() && link.remediation.is_some() && !link.evidence.is_empty(), "{:#?}", link);
                }
                Outcome::Pass => prop_assert!(!link.evidence.is_empty(), "{:#?}", link),
                _ => prop_assert!(link.reason.is_some(), "{:#?}", link),
            }
        }
    }
}
