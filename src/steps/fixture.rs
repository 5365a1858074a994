//! Policies, reports and cohorts for the tests of the steps that judge methods, registration and MFA.

use super::Step;
use super::testing::{self, NOW};
pub use super::testing::{known, partial};
use crate::finding::{Check, Finding, Outcome};
use crate::snapshot::audit::SettingsHistory;
use crate::snapshot::graph::*;
use crate::snapshot::people::{Cohort, CohortKey, PolicyGroup, Registration};
use crate::snapshot::portal::PasswordResetPolicy;
use crate::snapshot::{Fact, RefusalKind, Snapshot};
use jiff::Timestamp;

/// The snapshots' day.
pub fn at() -> Timestamp {
    testing::at(NOW)
}

/// An empty snapshot of the public cloud.
pub fn empty() -> Snapshot {
    let mut snapshot = testing::snapshot();
    snapshot.signed_in.cloud = "Public".into();
    snapshot
}

/// A refusal for a lacking permission.
pub fn refused<T>(permission: &str) -> Fact<T> {
    let message = format!("The app lacks {permission}.");
    testing::refused(RefusalKind::Permission, &message, Some(permission))
}

/// The finding of one check, with what every finding owes its reader.
pub fn finding(step: &Step, check: &Check, snapshot: &Snapshot) -> Finding {
    let found = testing::find(step, check, snapshot);
    match found.status {
        Outcome::Fail | Outcome::Warn => {
            let fix = found.remediation.as_ref().expect("something to do");
            assert!(!fix.text.is_empty() && fix.portal_url.is_some(), "{found:#?}");
            assert!(found.reason.is_some() && !found.evidence.is_empty(), "{found:#?}");
        }
        Outcome::Pass => assert!(!found.evidence.is_empty(), "{found:#?}"),
        _ => assert!(found.reason.is_some(), "{found:#?}"),
    }
    assert!(found.title.chars().count() <= 160, "long: {}", found.title);
    found
}

/// A target of all users or of a group.
pub fn target(id: &str) -> MethodTarget {
    MethodTarget {
        id: id.into(),
        target_type: "group".into(),
        ..Default::default()
    }
}

/// An enabled method for these groups; Authenticator with its codes.
pub fn method(id: &str, include: &[&str]) -> AuthenticationMethodConfiguration {
    AuthenticationMethodConfiguration {
        id: id.into(),
        state: Some("enabled".into()),
        include_targets: include.iter().map(|id| target(id)).collect(),
        is_software_oath_enabled: (id == "MicrosoftAuthenticator").then_some(true),
        ..Default::default()
    }
}

/// A migrated methods policy.
pub fn methods(configurations: Vec<AuthenticationMethodConfiguration>) -> Fact<AuthenticationMethodsPolicy> {
    known(AuthenticationMethodsPolicy {
        policy_migration_state: Some("migrationComplete".into()),
        authentication_method_configurations: configurations,
        ..Default::default()
    })
}

/// The portal's policy for all users with so many methods required, and all legacy toggles off.
pub fn portal(required: i64) -> PasswordResetPolicy {
    PasswordResetPolicy {
        enablement_type: Some(2),
        number_of_authentication_methods_required: Some(required),
        email_option_enabled: Some(false),
        mobile_phone_option_enabled: Some(false),
        office_phone_option_enabled: Some(false),
        security_questions_option_enabled: Some(false),
        mobile_app_notification_enabled: Some(false),
        mobile_app_code_enabled: Some(false),
        registration_required_on_sign_in: Some(true),
        registration_reconfirm_interval_in_days: Some(180),
        ..Default::default()
    }
}

/// A log that holds these changes.
pub fn log(changes: &[(&str, &str)]) -> Fact<SettingsHistory> {
    let dated: Vec<(&str, &str, &str)> = changes
        .iter()
        .map(|(name, value)| (*name, *value, "2026-11-02T08:00:00Z"))
        .collect();
    testing::log(&dated)
}

/// The names behind the bits of `user`.
pub const REPORTED: &[&str] = &[
    "microsoftAuthenticatorPush",
    "softwareOneTimePasscode",
    "mobilePhone",
    "email",
    "securityQuestion",
    "fido2SecurityKey",
    "officePhone",
];

/// Users in scope with these methods; able, where `able`.
pub fn user(count: u64, methods: &[&str], able: bool) -> Cohort {
    let bits = methods
        .iter()
        .map(|name| 1u64 << REPORTED.iter().position(|r| r == name).expect("a reported name"))
        .sum();
    Cohort {
        key: CohortKey {
            sspr_enabled: true,
            sspr_registered: able,
            sspr_capable: able,
            mfa_capable: able,
            mfa_registered: able,
            methods: bits,
            ..Default::default()
        },
        count,
        sample: (0..count.min(5)).map(|i| format!("user{i}@contoso.example")).collect(),
    }
}

/// A report of these cohorts, with the groups behind their bits.
pub fn report(cohorts: Vec<Cohort>, groups: &[&str]) -> Registration {
    Registration {
        rows: cohorts.iter().map(|c| c.count).sum(),
        methods: REPORTED.iter().map(|m| m.to_string()).collect(),
        groups: groups.iter().map(|g| g.to_string()).collect(),
        cohorts,
        updated: Some(at()),
    }
}

/// The groups that policies name.
pub fn groups(all: &[(&str, &str, u64)]) -> Fact<std::collections::BTreeMap<String, PolicyGroup>> {
    known(
        all.iter()
            .map(|(id, name, users)| {
                let group = PolicyGroup {
                    id: id.to_string(),
                    display_name: Some(name.to_string()),
                    exists: true,
                    users: *users,
                };
                (id.to_string(), group)
            })
            .collect(),
    )
}

/// A Conditional Access policy in force: for all users, in all resources, always.
pub fn policy(name: &str, controls: &[&str]) -> ConditionalAccessPolicy {
    ConditionalAccessPolicy {
        id: name.into(),
        display_name: name.into(),
        state: "enabled".into(),
        conditions: ConditionSet {
            applications: Some(ConditionApplications {
                include_applications: vec!["All".into()],
                ..Default::default()
            }),
            users: Some(ConditionUsers {
                include_users: vec!["All".into()],
                ..Default::default()
            }),
            client_app_types: vec!["all".into()],
            ..Default::default()
        },
        grant_controls: Some(GrantControls {
            operator: Some("OR".into()),
            built_in_controls: controls.iter().map(|c| c.to_string()).collect(),
            ..Default::default()
        }),
    }
}

/// The same on registering security information.
pub fn on_registering(name: &str, controls: &[&str]) -> ConditionalAccessPolicy {
    let mut policy = policy(name, controls);
    policy.conditions.applications = Some(ConditionApplications {
        include_user_actions: vec!["urn:user:registersecurityinfo".into()],
        ..Default::default()
    });
    policy
}
