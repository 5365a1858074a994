//! A population's row in the registration report, which follows from the reset policy and the methods.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Names;
use super::directory::{overlay, user_object};
use super::rows::ID;
use crate::scenario::{PopulationSpec, Scenario};
use crate::when;

/// Methods that count for a self-service reset.
const RESET_METHODS: &[&str] = &[
    "email",
    "mobilePhone",
    "alternateMobilePhone",
    "officePhone",
    "securityQuestion",
    "microsoftAuthenticatorPush",
    "softwareOneTimePasscode",
    "hardwareOneTimePasscode",
];

/// Methods that satisfy multifactor authentication.
const STRONG_METHODS: &[&str] = &[
    "mobilePhone",
    "alternateMobilePhone",
    "officePhone",
    "microsoftAuthenticatorPush",
    "microsoftAuthenticatorPasswordless",
    "softwareOneTimePasscode",
    "hardwareOneTimePasscode",
    "fido2SecurityKey",
    "passKeyDeviceBound",
    "passKeySynced",
    "windowsHelloForBusiness",
];

const PASSWORDLESS: &[&str] = &[
    "microsoftAuthenticatorPasswordless",
    "fido2SecurityKey",
    "passKeyDeviceBound",
    "passKeySynced",
    "windowsHelloForBusiness",
];

pub(super) fn report_row(spec: &PopulationSpec, scenario: &Scenario, names: &Names) -> Value {
    let policy = &scenario.portal.password_reset;
    let has = |list: &[&str]| spec.methods.iter().any(|method| list.contains(&method.as_str()));
    let by_group = |name: &String| scenario.groups.get(name).is_some_and(|group| !group.roles.is_empty());
    let admin = !spec.roles.is_empty() || spec.groups.iter().any(by_group);
    let needed = if admin {
        2
    } else {
        policy
            .get("numberOfAuthenticationMethodsRequired")
            .and_then(Value::as_u64)
            .unwrap_or(1)
    };
    // Administrators may never use security questions.
    let usable = spec
        .methods
        .iter()
        .filter(|m| RESET_METHODS.contains(&m.as_str()) && !(admin && *m == "securityQuestion"))
        .count();
    let in_scope = match policy.get("enablementType").and_then(Value::as_u64) {
        Some(2) => true,
        Some(1) => {
            let scope = policy.get("passwordResetEnabledGroupIds").and_then(Value::as_array);
            let ids = closure(scenario, &spec.groups)
                .into_iter()
                .filter_map(|name| names.id(&format!("group:{name}")));
            ids.into_iter()
                .any(|id| scope.is_some_and(|scope| scope.contains(&json!(id))))
        }
        _ => false,
    };
    let guest = spec.user_type.eq_ignore_ascii_case("guest");
    let admins_may = scenario.policies.authorization["allowedToUseSSPR"]
        .as_bool()
        .unwrap_or(true);
    let enabled = if admin { admins_may } else { in_scope && !guest };
    let registered = usable as u64 >= needed;
    let preferred = spec.methods.iter().find_map(|method| match method.as_str() {
        "microsoftAuthenticatorPush" => Some("push"),
        "softwareOneTimePasscode" | "hardwareOneTimePasscode" => Some("oath"),
        "mobilePhone" => Some("sms"),
        "alternateMobilePhone" => Some("voiceAlternateMobile"),
        "officePhone" => Some("voiceOffice"),
        _ => None,
    });
    let user = user_object(0, spec, scenario, names);
    let mut row = json!({
        "id": ID.to_string(),
        "userPrincipalName": user["userPrincipalName"],
        "userDisplayName": user["displayName"],
        "userType": spec.user_type.to_ascii_lowercase(),
        "isAdmin": admin,
        "isSsprRegistered": registered,
        "isSsprEnabled": enabled,
        "isSsprCapable": registered && enabled,
        "isMfaRegistered": has(STRONG_METHODS),
        "isMfaCapable": has(STRONG_METHODS),
        "isPasswordlessCapable": has(PASSWORDLESS),
        "methodsRegistered": spec.methods,
        "isSystemPreferredAuthenticationMethodEnabled": true,
        "systemPreferredAuthenticationMethods": preferred.map(|method| vec![if method == "push" { "Push" } else { method }]).unwrap_or_default(),
        "userPreferredMethodForSecondaryAuthentication": preferred.unwrap_or("none"),
        "lastUpdatedDateTime": names.ago("-1d"),
    });
    overlay(&mut row, &spec.report);
    if let Some(text) = row["lastUpdatedDateTime"].as_str().map(when::with_ticks) {
        row["lastUpdatedDateTime"] = json!(text);
    }
    row
}

/// The names of the groups that hold `groups`, with themselves.
fn closure(scenario: &Scenario, groups: &[String]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = groups.iter().cloned().collect();
    loop {
        let outer: Vec<String> = scenario
            .groups
            .iter()
            .filter(|(name, group)| !all.contains(*name) && group.nested.iter().any(|inner| all.contains(inner)))
            .map(|(name, _)| name.clone())
            .collect();
        if outer.is_empty() {
            return all;
        }
        all.extend(outer);
    }
}
