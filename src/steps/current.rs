//! What stands today, as a desired state: each member that is known. A plan that is made of it is empty.

use super::policy::{METHODS_REQUIRED, SECURITY_QUESTIONS};
use super::{
    Step, account_unlock, authentication_methods, cloud_writeback, connect_writeback, directory_permissions,
    mfa_enforcement, notifications, password_policy, registration, reset_policy, security_questions,
};
use crate::desired::DesiredState;
use crate::snapshot::Snapshot;
use serde_json::{Value, json};

/// The sections in the document's order, with null for what is not known.
pub fn sections(snapshot: &Snapshot) -> Vec<(&'static str, Value)> {
    vec![
        ("resetPolicy", who(snapshot)),
        (
            "securityQuestions",
            json!({
                "enabled": SECURITY_QUESTIONS.now(snapshot),
                "toRegister": security_questions::TO_REGISTER.now(snapshot),
                "toReset": security_questions::TO_RESET.now(snapshot),
            }),
        ),
        ("authenticationMethods", authentication_methods::current(snapshot)),
        ("registration", registration::current(snapshot)),
        ("mfaEnforcement", mfa_enforcement::current(snapshot)),
        (
            "notifications",
            json!({
                "users": notifications::TELL_USERS.now(snapshot),
                "administrators": notifications::TELL_ADMINISTRATORS.now(snapshot),
                "helpdesk": match notifications::LINK_ON.now(snapshot) {
                    Value::Bool(true) => notifications::LINK.now(snapshot),
                    Value::Bool(false) => "".into(),
                    unknown => unknown,
                },
            }),
        ),
        ("directoryPermissions", permissions(snapshot)),
        ("passwordPolicy", minimum_age(snapshot)),
        ("connectWriteback", connect_writeback::current(snapshot)),
        (
            "cloudWriteback",
            json!({
                "connect": cloud_writeback::CONNECT.now(snapshot),
                "cloudSync": cloud_writeback::BY_CLOUD_SYNC.now(snapshot),
            }),
        ),
        (
            "accountUnlock",
            json!({ "allowed": account_unlock::SWITCH.now(snapshot) }),
        ),
    ]
}

fn who(snapshot: &Snapshot) -> Value {
    let groups = reset_policy::SELECTED.now(snapshot);
    let (name, group) = match reset_policy::WHO.now(snapshot).as_i64() {
        Some(0) => ("None", Value::Null),
        // Without its group it would be no state that can be.
        Some(1) if groups[0].is_string() => ("Selected", groups[0].clone()),
        Some(2) => ("All", Value::Null),
        _ => ("", Value::Null),
    };
    let policy = snapshot.facts.authorization_policy.whole();
    json!({
        "enabledFor": (!name.is_empty()).then_some(name),
        "group": group,
        "methodsRequired": METHODS_REQUIRED.now(snapshot),
        "administrators": policy.and_then(|policy| policy.allowed_to_use_sspr),
    })
}

/// Of each kind of right, whether all of it is there.
fn permissions(snapshot: &Snapshot) -> Value {
    let grants = snapshot.facts.directory_grants.whole();
    if !grants.into_iter().flatten().any(|grants| grants.serves) {
        return Value::Null;
    }
    let held = |members: Value| holds(snapshot, &directory_permissions::STEP, "directoryPermissions", members);
    let users = held(json!({ "users": true }));
    json!({
        "users": users.then_some(true),
        "inetOrgPersons": held(json!({ "inetOrgPersons": true })).then_some(true),
        "changePassword": (users && held(json!({ "users": true, "changePassword": true }))).then_some(true),
        "unexpirePassword": held(json!({ "unexpirePassword": true })).then_some(true),
    })
}

/// The minimum password age, where it is the same everywhere.
fn minimum_age(snapshot: &Snapshot) -> Value {
    let domains = snapshot.facts.directory_passwords.whole();
    let Some(first) = domains.and_then(|domains| domains.first()) else {
        return Value::Null;
    };
    let age = json!({ "minimumAgeDays": first.policy.minimum_age / (24 * 60 * 60) });
    match holds(snapshot, &password_policy::STEP, "passwordPolicy", age.clone()) {
        true => age,
        false => Value::Null,
    }
}

/// Whether a plan of these members is empty.
fn holds(snapshot: &Snapshot, step: &Step, section: &str, members: Value) -> bool {
    let text = json!({ "schemaVersion": 1, section: members }).to_string();
    let plan = step.setup.as_ref().map(|setup| setup.plan);
    matches!((DesiredState::from_json(&text), plan), (Ok(desired), Some(plan)) if plan(snapshot, &desired).is_empty())
}
