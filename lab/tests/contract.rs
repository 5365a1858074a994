//! Every answer of every scenario against Microsoft's published types, and the others against the documented key sets.

mod support;

use serde_json::{Value, json};
use sspr_lab::{LabOptions, Version, graph_paths, path_is_of, scenarios, shape_faults};
use support::{Bench, send};

const KEYS: &str = include_str!("../contract/documented-keys.json");

/// Path, type, and whether it is a collection.
const V1: &[(&str, &str, bool)] = &[
    ("organization", "organization", true),
    ("organization/{tenant}", "organization", false),
    ("domains", "domain", true),
    ("groupSettings", "groupSetting", true),
    ("domains/contoso.example", "domain", false),
    ("groups", "group", true),
    (
        "domains/contoso.example/federationConfiguration",
        "internalDomainFederation",
        true,
    ),
    (
        "domains/fed.contoso.example/federationConfiguration",
        "internalDomainFederation",
        true,
    ),
    ("organization/{tenant}/branding", "organizationalBranding", false),
    (
        "organization/{tenant}/branding/localizations",
        "organizationalBranding",
        true,
    ),
    (
        "roleManagement/directory/roleAssignments",
        "unifiedRoleAssignment",
        true,
    ),
    ("subscribedSkus", "subscribedSku", true),
    ("directory/subscriptions", "companySubscription", true),
    (
        "roleManagement/directory/roleAssignments?$expand=principal",
        "unifiedRoleAssignment",
        true,
    ),
    (
        "policies/authenticationMethodsPolicy",
        "authenticationMethodsPolicy",
        false,
    ),
    (
        "policies/authenticationMethodsPolicy/authenticationMethodConfigurations/MicrosoftAuthenticator",
        "microsoftAuthenticatorAuthenticationMethodConfiguration",
        false,
    ),
    ("policies/authorizationPolicy", "authorizationPolicy", false),
    (
        "policies/identitySecurityDefaultsEnforcementPolicy",
        "identitySecurityDefaultsEnforcementPolicy",
        false,
    ),
    ("identity/conditionalAccess/policies", "conditionalAccessPolicy", true),
    (
        "reports/authenticationMethods/userRegistrationDetails",
        "userRegistrationDetails",
        true,
    ),
    (
        "reports/authenticationMethods/usersRegisteredByFeature(includedUserTypes='all',includedUserRoles='all')",
        "userRegistrationFeatureSummary",
        false,
    ),
    (
        "reports/authenticationMethods/usersRegisteredByMethod(includedUserTypes='all',includedUserRoles='all')",
        "userRegistrationMethodSummary",
        false,
    ),
    ("auditLogs/directoryAudits", "directoryAudit", true),
    ("security/secureScores", "secureScore", true),
    (
        "directory/onPremisesSynchronization",
        "onPremisesDirectorySynchronization",
        true,
    ),
    ("users", "user", true),
    (
        "users/ada@contoso.example?$select=id,assignedLicenses,assignedPlans,onPremisesSyncEnabled,userType,createdDateTime,onPremisesProvisioningErrors",
        "user",
        false,
    ),
    ("me", "user", false),
    ("groups/{group}", "group", false),
    ("groups/{group}/transitiveMembers", "user", true),
    ("users/ada@contoso.example/transitiveMemberOf", "group", true),
    (
        "users/staff1@contoso.example/transitiveMemberOf?$select=id",
        "group",
        true,
    ),
    (
        "groups/{group}/transitiveMembers/microsoft.graph.user?$count=true",
        "user",
        true,
    ),
    (
        "users/ada@contoso.example/onPremisesSyncBehavior",
        "onPremisesSyncBehavior",
        false,
    ),
    (
        "reports/authenticationMethods/userRegistrationDetails/{user}",
        "userRegistrationDetails",
        false,
    ),
    (
        "identity/conditionalAccess/policies/{policy}",
        "conditionalAccessPolicy",
        false,
    ),
    (
        "directory/onPremisesSynchronization/{tenant}",
        "onPremisesDirectorySynchronization",
        false,
    ),
    ("servicePrincipals", "servicePrincipal", true),
    ("servicePrincipals/{principal}", "servicePrincipal", false),
    ("servicePrincipals(appId='{app}')", "servicePrincipal", false),
    (
        "servicePrincipals/{principal}/appRoleAssignments",
        "appRoleAssignment",
        true,
    ),
    (
        "servicePrincipals/{principal}/appRoleAssignments/{assignment}",
        "appRoleAssignment",
        false,
    ),
];

const BETA: &[(&str, &str, bool)] = &[
    ("organization", "organization", true),
    (
        "policies/authenticationMethodsPolicy",
        "authenticationMethodsPolicy",
        false,
    ),
    (
        "reports/authenticationMethods/userRegistrationDetails",
        "userRegistrationDetails",
        true,
    ),
    (
        "reports/authenticationMethods/userEventsSummary",
        "userEventsSummary",
        true,
    ),
    (
        "reports/authenticationMethods/userPasswordResetsAndChangesSummary",
        "userPasswordResetsAndChangesSummary",
        true,
    ),
    ("auditLogs/directoryAudits", "directoryAudit", true),
    ("auditLogs/auditActivityTypes", "auditActivityType", true),
    ("directory/recommendations", "recommendation", true),
    (
        "directory/onPremisesSynchronization",
        "onPremisesDirectorySynchronization",
        true,
    ),
];

#[test]
fn every_answer_fits_the_published_types() {
    let mut answers = 0;
    let mut faults = Vec::new();
    for (scenario, _) in scenarios() {
        // Its pages differ from the others' in number only.
        if scenario == "one-million-users" || scenario == "device-code-blocked" {
            continue;
        }
        let bench = Bench::new(&scenario);
        let token = bench.graph_token("admin");
        let first = |path: &str| {
            let id = bench.get(&token, path).json()["value"][0]["id"].clone();
            id.as_str().unwrap_or("none").to_owned()
        };
        let policy = first("/v1.0/identity/conditionalAccess/policies");
        let user = first("/v1.0/reports/authenticationMethods/userRegistrationDetails");
        let checker = bench.tenant.apps["checker"]["objectId"].as_str().unwrap();
        let assignment = first(&format!("/v1.0/servicePrincipals/{checker}/appRoleAssignments"));
        let fill = |path: &str| {
            path.replace("{tenant}", &bench.tenant.tenant_id)
                .replace("{policy}", &policy)
                .replace("{user}", &user)
                .replace("{app}", &bench.tenant.client_id)
                .replace("{group}", bench.tenant.groups["All staff"].as_str().unwrap())
                .replace("{assignment}", &assignment)
                .replace("{principal}", checker)
        };
        for (version, segment, paths) in [(Version::V1, "v1.0", V1), (Version::Beta, "beta", BETA)] {
            for (path, kind, collection) in paths {
                let address = format!("/{segment}/{}", fill(path));
                let answer = if path.contains("$count=true") {
                    bench.get_eventual(&token, &address)
                } else {
                    bench.get(&token, &address)
                };
                if answer.status != 200 {
                    let expected = matches!(answer.status, 403 | 404);
                    assert!(expected, "{scenario} {path}: {} {}", answer.status, answer.text);
                    assert!(!answer.code().is_empty());
                    continue;
                }
                answers += 1;
                let name = format!("microsoft.graph.{kind}");
                let body = answer.json();
                let values = if *collection {
                    body["value"].as_array().unwrap().clone()
                } else {
                    vec![body.clone()]
                };
                if *collection && let Some(link) = answer.text.find("@odata.nextLink") {
                    assert!(link < answer.text.find("\"value\":[").unwrap(), "nextLink after value");
                }
                for value in values {
                    for fault in shape_faults(&value, &name, version) {
                        faults.push(format!("{scenario} {segment}/{path}: {fault}"));
                    }
                }
            }
        }
        bench.assert_no_violations();
    }
    faults.dedup();
    assert!(faults.is_empty(), "{} of {answers} answers: {faults:#?}", faults.len());
    assert!(answers > 300, "{answers}");
}

#[test]
fn every_path_that_is_answered_is_held_to_its_type() {
    let listed = |pattern: &str| {
        let paths = V1.iter().chain(BETA).map(|(path, ..)| path.split('?').next().unwrap());
        paths.into_iter().any(|path| path_is_of(pattern, path))
    };
    // A bare number has no type; the documented keys stand for one that is missing.
    let held = |pattern: &str| pattern.ends_with("$count") || pattern == ELIGIBILITY || listed(pattern);
    let missing: Vec<&str> = graph_paths().filter(|pattern| !held(pattern)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

const ELIGIBILITY: &str = "roleManagement/directory/roleEligibilityScheduleInstances";

#[test]
fn eligible_holders_of_a_role_have_the_documented_keys() {
    let bench = Bench::new("mfa-exempt");
    let rows = bench.all(&bench.app_token(), &format!("/v1.0/{ELIGIBILITY}"));
    assert!(!rows.is_empty());
    rows.iter()
        .for_each(|row| assert_eq!(keys_of(row), keys("roleEligibility")));
}

fn keys(name: &str) -> Vec<String> {
    let all: Value = serde_json::from_str(KEYS).unwrap();
    let mut keys: Vec<String> = all[name]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    keys
}

fn keys_of(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn answers_without_a_published_type_have_the_documented_keys() {
    let bench = Bench::new("hybrid-ready");
    let app = bench.token_answer(&[
        ("grant_type", "client_credentials"),
        ("client_id", &bench.tenant.client_id),
        ("client_secret", &bench.tenant.client_secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ]);
    assert_eq!(keys_of(&app.json()), keys("clientCredentials"));
    let wrong = bench.token_answer(&[
        ("grant_type", "client_credentials"),
        ("client_id", &bench.tenant.client_id),
        ("client_secret", "wrong"),
        ("scope", "https://graph.microsoft.com/.default"),
    ]);
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "invalid_client"));
    let error = wrong.json();
    assert!(keys("tokenError").iter().all(|key| error.get(key).is_some()), "{error}");
    assert_eq!(error["error_codes"], json!([7_000_215]));
    let device = bench.form(
        "/oauth2/v2.0/devicecode",
        &[("client_id", &bench.tenant.client_id), ("scope", "User.Read")],
    );
    assert_eq!(keys_of(&device.json()), keys("deviceCode"));

    let identity =
        |path: &str, headers: &[(&str, &str)]| send("GET", &format!("{}{path}", bench.url), headers, "").unwrap();
    let header = bench.lab.identity_header();
    let automation = identity(
        "/msi/token?resource=https://graph.microsoft.com/",
        &[("X-IDENTITY-HEADER", header), ("Metadata", "True")],
    );
    assert_eq!(keys_of(&automation.json()), keys("appServiceIdentity"));
    assert!(automation.json()["expires_on"].is_string());
    let imds = identity(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com",
        &[("Metadata", "true")],
    );
    assert_eq!(keys_of(&imds.json()), keys("imdsIdentity"));

    let portal = bench.portal_token("admin").json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for (path, name) in [
        ("PasswordReset/PasswordResetPolicies", "passwordResetPolicies"),
        (
            "PasswordReset/OnPremisesPasswordResetPolicies",
            "onPremisesPasswordResetPolicies",
        ),
        ("Directories/ADConnectStatus", "adConnectStatus"),
    ] {
        let answer = bench.portal(&portal, "GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(keys_of(&answer.json()), keys(name));
    }
    assert_eq!(
        bench
            .portal(&portal, "GET", "Directories/GetPasswordSyncStatus", &Value::Null)
            .json(),
        json!(true)
    );
    bench.assert_no_violations();
}

#[test]
fn counts_and_lists_of_a_scenario_agree() {
    for scenario in [
        "hybrid-ready",
        "hybrid-faulty",
        "mixed",
        "selected-group",
        "empty-group",
        "registration-trap",
    ] {
        let bench = Bench::with(LabOptions {
            page_size: Some(7),
            ..LabOptions::scenario(scenario)
        });
        let token = bench.graph_token("admin");
        let rows = bench.all(&token, "/v1.0/reports/authenticationMethods/userRegistrationDetails");
        let users = bench.all(
            &token,
            "/v1.0/users?$select=id,accountEnabled,userType,onPremisesSyncEnabled&$top=50",
        );
        assert_eq!(users.len(), bench.tenant.users);
        let enabled = users.iter().filter(|user| user["accountEnabled"] == true).count();
        assert_eq!(rows.len(), enabled, "{scenario}: the report lists enabled users");
        let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), rows.len());
        let features = bench
            .get(&token, "/v1.0/reports/authenticationMethods/usersRegisteredByFeature(includedUserTypes='all',includedUserRoles='all')")
            .json();
        for (feature, member) in [
            ("ssprRegistered", "isSsprRegistered"),
            ("ssprEnabled", "isSsprEnabled"),
            ("ssprCapable", "isSsprCapable"),
        ] {
            let counted = rows.iter().filter(|row| row[member] == true).count();
            let list = features["userRegistrationFeatureCounts"].as_array().unwrap();
            let told = list.iter().find(|item| item["feature"] == feature).unwrap();
            assert_eq!(told["userCount"], json!(counted), "{scenario} {feature}");
        }
        let synced = users
            .iter()
            .filter(|user| user["onPremisesSyncEnabled"] == true)
            .count();
        let count = bench.get_eventual(&token, "/v1.0/users/$count?$filter=onPremisesSyncEnabled eq true");
        assert_eq!(count.text.trim_start_matches('\u{feff}'), synced.to_string());
        let incapable = bench.all(&token, "/v1.0/reports/authenticationMethods/userRegistrationDetails?$filter=isSsprEnabled eq true and isSsprCapable eq false");
        let expected = rows
            .iter()
            .filter(|row| row["isSsprEnabled"] == true && row["isSsprCapable"] == false)
            .count();
        assert_eq!(incapable.len(), expected, "{scenario}");
        bench.assert_no_violations();
    }
}
