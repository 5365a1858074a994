//! Tenants of any size for the lab: users in some fifty shapes, and policies that name two large groups.

use anyhow::Result;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Sets of methods, and how many of a hundred users have them.
const METHODS: &[(&[&str], u32)] = &[
    (
        &["microsoftAuthenticatorPush", "softwareOneTimePasscode", "mobilePhone"],
        24,
    ),
    (&["microsoftAuthenticatorPush", "softwareOneTimePasscode"], 17),
    (&["mobilePhone", "email"], 13),
    (&["mobilePhone"], 11),
    (
        &[
            "microsoftAuthenticatorPush",
            "softwareOneTimePasscode",
            "mobilePhone",
            "email",
        ],
        9,
    ),
    (
        &[
            "windowsHelloForBusiness",
            "microsoftAuthenticatorPush",
            "softwareOneTimePasscode",
        ],
        8,
    ),
    (
        &[
            "passKeyDeviceBound",
            "microsoftAuthenticatorPush",
            "softwareOneTimePasscode",
        ],
        5,
    ),
    (&["mobilePhone", "officePhone"], 4),
    (&["email"], 3),
    (
        &[
            "windowsHelloForBusiness",
            "mobilePhone",
            "email",
            "alternateMobilePhone",
        ],
        2,
    ),
    (&["fido2SecurityKey", "mobilePhone"], 1),
    (&[], 3),
];

/// Which of the two groups a user is in, and how many of a hundred users are.
const GROUPS: &[(&[&str], u32)] = &[(&[], 72), (&["pilot"], 18), (&["field"], 8), (&["pilot", "field"], 2)];

/// Writes the scenario of a tenant with so many users that the report lists.
pub fn write(place: &Path, users: u64) -> Result<PathBuf> {
    let mut populations = Map::new();
    let mut left = users.saturating_sub(PEOPLE);
    let parts: Vec<_> = METHODS
        .iter()
        .flat_map(|m| GROUPS.iter().map(move |g| (m, g)))
        .collect();
    for (index, ((methods, share), (groups, of))) in parts.iter().enumerate().rev() {
        // The first and largest shape takes what rounding left.
        let count = if index == 0 {
            left
        } else {
            users * u64::from(share * of) / 10_000
        };
        left -= count;
        let name = format!("shape{index}");
        populations.insert(
            name.clone(),
            json!({
                "count": count, "name": format!("User {name} {{n}}"), "alias": format!("{name}.user{{n}}"), "onPremises": "synced",
                "skus": ["AAD_PREMIUM"], "methods": methods,
                "groups": groups.iter().copied().chain(["all-staff"]).collect::<Vec<_>>(),
            }),
        );
    }
    populations.insert("staff".into(), json!({"count": 10}));
    populations.insert("guests".into(), Value::Null);
    let excluded = |group: &str| json!({"conditions": {"users": {"excludeGroups": ["group:breakglass", format!("group:{group}")]}}});
    let scenario = json!({
        // The same app in every tenant that is made from this.
        "apps": {"checker": {"clientId": "8e6c1d0b-5b0e-4f5a-9a55-0c8f4f9f2d11"}},
        "extends": "hybrid-ready",
        "about": "Made by the benchmarks.",
        "skus": {"AAD_PREMIUM": {"prepaidUnits": {"enabled": users + 1_000}}},
        "subscriptions": {"premium": {"totalLicenses": users + 1_000}},
        "groups": {"pilot": {"name": "Pilot"}, "field": {"name": "Field"}},
        "populations": populations,
        "policies": {"conditionalAccess": {"mfa": excluded("pilot"), "registration": excluded("field")}},
    });
    let path = place.join(format!("users-{users}.json"));
    std::fs::write(&path, scenario.to_string())?;
    Ok(path)
}

/// Writes the scenario of a small tenant with so many apps more.
pub fn with_apps(place: &Path, apps: usize) -> Result<PathBuf> {
    let app = json!({
        "secret": "lab~secret.for-one_more",
        "applicationPermissions": ["AuditLog.Read.All", "GroupMember.Read.All", "Policy.Read.All", "RoleManagement.Read.Directory", "User.Read.All"],
    });
    let apps: Map<String, Value> = (1..=apps).map(|n| (format!("more{n}"), app.clone())).collect();
    let scenario = json!({"extends": "hybrid-ready", "about": "Made by the benchmarks.", "apps": apps});
    let path = place.join("apps.json");
    std::fs::write(&path, scenario.to_string())?;
    Ok(path)
}

/// The scenario's own accounts, which the report lists too.
const PEOPLE: u64 = 16;
