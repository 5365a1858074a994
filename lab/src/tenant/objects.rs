//! Graph's objects of a tenant other than users, groups and logs.

use std::collections::BTreeMap;
use std::sync::RwLock;

use serde_json::{Value, json};

use super::Names;
use super::directory::{Directory, assigned_plans, derived, overlay};
use crate::contract::{Version, contract};
use crate::scenario::{GroupSettingSpec, Scenario};

/// The objects, in v1.0 form unless said.
pub(crate) struct Objects {
    /// With the members that only beta has.
    pub organization: Value,
    pub domains: Vec<Value>,
    pub federations: BTreeMap<String, Value>,
    pub skus: Vec<Value>,
    pub subscriptions: Vec<Value>,
    pub authentication_methods: RwLock<Value>,
    pub authorization: RwLock<Value>,
    pub security_defaults: RwLock<Value>,
    pub conditional_access: RwLock<Vec<Value>>,
    pub branding: Option<Value>,
    pub group_settings: Vec<Value>,
    pub synchronization: Vec<Value>,
    pub recommendations: Vec<Value>,
    pub secure_scores: Vec<Value>,
    pub activity_types: Vec<Value>,
    /// The tenant holds an Entra ID P1 or P2 plan.
    pub premium: bool,
}

/// Plans that make a tenant premium.
const PREMIUM: [&str; 2] = [
    "41781fb2-bc02-4b7c-bd55-b576c07bb09d",
    "eec0eb4f-6444-4f95-aba0-50c24d67f998",
];

impl Objects {
    pub fn build(tenant: &str, names: &Names, scenario: &Scenario, directory: &Directory) -> Self {
        let skus = skus(tenant, scenario, directory);
        let premium = skus.iter().any(is_premium);
        Objects {
            organization: organization(tenant, scenario),
            domains: domains(scenario),
            federations: federations(names, scenario),
            subscriptions: subscriptions(names, scenario),
            authentication_methods: RwLock::new(authentication_methods(scenario)),
            authorization: RwLock::new(whole(scenario.policies.authorization.clone(), "authorizationPolicy")),
            security_defaults: RwLock::new(whole(
                scenario.policies.security_defaults.clone(),
                "identitySecurityDefaultsEnforcementPolicy",
            )),
            conditional_access: RwLock::new(conditional_access(names, scenario)),
            branding: scenario.branding.clone().map(|mut branding| {
                overlay(&mut branding, &object(json!({"id": "0"})));
                whole(branding, "organizationalBranding")
            }),
            group_settings: group_settings(names, scenario),
            synchronization: synchronization(tenant, scenario),
            recommendations: recommendations(tenant, scenario),
            secure_scores: secure_scores(tenant, names, scenario, directory),
            activity_types: activity_types(scenario),
            skus,
            premium,
        }
    }
}

impl Objects {
    /// Replaces the tenant's id wherever it stands.
    pub fn rename(&mut self, from: &str, to: &str) {
        let change = |value: &mut Value| replace_text(value, from, to);
        change(&mut self.organization);
        self.skus.iter_mut().for_each(change);
        self.synchronization.iter_mut().for_each(change);
        self.recommendations.iter_mut().for_each(change);
        self.secure_scores.iter_mut().for_each(change);
    }
}

fn replace_text(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => *text = text.replace(from, to),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_text(item, from, to)),
        Value::Object(members) => members.values_mut().for_each(|member| replace_text(member, from, to)),
        _ => {}
    }
}

fn is_premium(sku: &Value) -> bool {
    let units = |name: &str| sku["prepaidUnits"][name].as_u64().unwrap_or(0);
    let plans = sku["servicePlans"].as_array();
    matches!(sku["capabilityStatus"].as_str(), Some("Enabled" | "Warning"))
        && units("enabled") + units("warning") > 0
        && plans.is_some_and(|plans| {
            plans
                .iter()
                .any(|plan| PREMIUM.iter().any(|id| plan["servicePlanId"] == *id))
        })
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => serde_json::Map::new(),
    }
}

/// The object with the members that the service adds as null or empty.
fn whole(mut value: Value, kind: &str) -> Value {
    contract().complete(&mut value, &format!("microsoft.graph.{kind}"), Version::V1);
    value
}

fn whole_beta(mut value: Value, kind: &str) -> Value {
    contract().complete(&mut value, &format!("microsoft.graph.{kind}"), Version::Beta);
    value
}

fn organization(tenant: &str, scenario: &Scenario) -> Value {
    let sync = scenario.sync.as_ref();
    let domains: Vec<Value> = scenario
        .domains
        .iter()
        .filter(|(_, domain)| domain["isVerified"].as_bool().unwrap_or(true))
        .map(|(name, domain)| {
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": domain["isDefault"].as_bool().unwrap_or(false),
                "isInitial": domain["isInitial"].as_bool().unwrap_or(false),
                "name": name,
                "type": domain["authenticationType"].as_str().unwrap_or("Managed"),
            })
        })
        .collect();
    let mut value = json!({
        "id": tenant,
        "displayName": scenario.tenant.display_name,
        "tenantType": "AAD",
        "countryLetterCode": "NL",
        "preferredLanguage": "en",
        "createdDateTime": "2019-04-01T08:00:00Z",
        "technicalNotificationMails": ["it@contoso.example"],
        "mobileDeviceManagementAuthority": "unknown",
        "onPremisesSyncEnabled": sync.map(|sync| sync.enabled),
        "onPremisesLastSyncDateTime": sync.and_then(|sync| sync.last_sync.clone()),
        "onPremisesLastPasswordSyncDateTime": sync.and_then(|sync| sync.last_password_sync.clone()),
        "verifiedDomains": domains,
        "assignedPlans": scenario.skus.values().flat_map(assigned_plans).collect::<Vec<_>>(),
    });
    overlay(&mut value, &scenario.tenant.organization);
    whole_beta(value, "organization")
}

fn domains(scenario: &Scenario) -> Vec<Value> {
    let domain = |(name, given): (&String, &Value)| {
        let mut value = json!({
            "id": name, "authenticationType": "Managed", "isAdminManaged": true, "isDefault": false, "isInitial": false,
            "isRoot": true, "isVerified": true, "passwordValidityPeriodInDays": 2_147_483_647,
            "passwordNotificationWindowInDays": 14, "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        });
        let mut given = object(given.clone());
        given.remove("federation");
        overlay(&mut value, &given);
        whole(value, "domain")
    };
    scenario.domains.iter().map(domain).collect()
}

fn federations(names: &Names, scenario: &Scenario) -> BTreeMap<String, Value> {
    let federation = |(name, domain): (&String, &Value)| {
        let mut value = domain.get("federation")?.clone();
        overlay(
            &mut value,
            &object(json!({"id": derived(&names.seed, "federation", name)})),
        );
        Some((name.clone(), whole(value, "internalDomainFederation")))
    };
    scenario.domains.iter().filter_map(federation).collect()
}

fn skus(tenant: &str, scenario: &Scenario, directory: &Directory) -> Vec<Value> {
    let sku = |(part, given): (&String, &Value)| {
        let id = given["skuId"].as_str().unwrap_or_default();
        let mut value = json!({
            "accountId": tenant, "accountName": "contoso", "appliesTo": "User", "capabilityStatus": "Enabled",
            "consumedUnits": directory.licensed(part), "id": format!("{tenant}_{id}"), "skuPartNumber": part,
            "subscriptionIds": [crate::guid::guid(&[tenant, "subscription", part])],
        });
        overlay(&mut value, &object(given.clone()));
        whole(value, "subscribedSku")
    };
    scenario.skus.iter().map(sku).collect()
}

fn subscriptions(names: &Names, scenario: &Scenario) -> Vec<Value> {
    let subscription = |(name, given): (&String, &Value)| {
        let mut value =
            json!({"id": derived(&names.seed, "subscription", name), "status": "Enabled", "isTrial": false});
        overlay(&mut value, &object(given.clone()));
        whole(value, "companySubscription")
    };
    scenario.subscriptions.iter().map(subscription).collect()
}

fn authentication_methods(scenario: &Scenario) -> Value {
    let configuration = |(id, given): (&String, &Value)| {
        let mut value = given.clone();
        overlay(&mut value, &object(json!({"id": id})));
        value
    };
    let mut value = Value::Object(scenario.policies.authentication_methods.clone());
    overlay(
        &mut value,
        &object(json!({
            "id": "authenticationMethodsPolicy",
            "authenticationMethodConfigurations": scenario.policies.methods.iter().map(configuration).collect::<Vec<_>>(),
        })),
    );
    whole(value, "authenticationMethodsPolicy")
}

fn conditional_access(names: &Names, scenario: &Scenario) -> Vec<Value> {
    let policy = |(name, given): (&String, &Value)| {
        let mut value = json!({
            "id": derived(&names.seed, "conditionalAccess", name), "displayName": name, "state": "enabled",
            "createdDateTime": "2025-02-03T10:00:00Z",
        });
        overlay(&mut value, &object(given.clone()));
        whole(value, "conditionalAccessPolicy")
    };
    scenario.policies.conditional_access.iter().map(policy).collect()
}

/// A tenant that never changed a setting has no object for it.
fn group_settings(names: &Names, scenario: &Scenario) -> Vec<Value> {
    let setting = |(name, spec): (&String, &GroupSettingSpec)| {
        let values: Vec<Value> = spec
            .values
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let value = json!({
            "id": derived(&names.seed, "groupSetting", name), "displayName": name, "templateId": spec.template_id,
            "values": values,
        });
        whole(value, "groupSetting")
    };
    scenario.group_settings.iter().map(setting).collect()
}

fn synchronization(tenant: &str, scenario: &Scenario) -> Vec<Value> {
    let Some(sync) = &scenario.sync else { return Vec::new() };
    let mut features = json!({});
    for (name, _) in contract().properties("microsoft.graph.onPremisesDirectorySynchronizationFeature", Version::V1) {
        features[name] = json!(false);
    }
    overlay(&mut features, &sync.features);
    let configuration = if sync.configuration.is_null() {
        json!({"accidentalDeletionPrevention": {"synchronizationPreventionType": "enabledForCount", "alertThreshold": 500}})
    } else {
        sync.configuration.clone()
    };
    vec![json!({"id": tenant, "configuration": configuration, "features": features})]
}

fn recommendations(tenant: &str, scenario: &Scenario) -> Vec<Value> {
    let recommendation = |(kind, given): (&String, &Value)| {
        let mut value = json!({
            "id": format!("{tenant}_Microsoft.Identity.IAM.Insights.{kind}"), "recommendationType": kind,
            "category": "identitySecureScore", "priority": "low", "status": "active", "impactType": "users", "displayName": kind,
            "releaseType": "generallyAvailable", "requiredLicenses": "microsoftEntraIdP1", "featureAreas": ["users"],
            "createdDateTime": "2024-01-01T00:00:00Z",
        });
        overlay(&mut value, &object(given.clone()));
        whole_beta(value, "recommendation")
    };
    scenario.recommendations.iter().map(recommendation).collect()
}

fn secure_scores(tenant: &str, names: &Names, scenario: &Scenario, directory: &Directory) -> Vec<Value> {
    if scenario.secure_score.is_empty() {
        return Vec::new();
    }
    let controls: Vec<Value> = scenario
        .secure_score
        .iter()
        .map(|(name, score)| json!({"controlCategory": "Identity", "controlName": name, "description": "", "score": score}))
        .collect();
    let score = json!({
        "id": format!("{tenant}_{}", &names.ago("-1d")[..10]), "azureTenantId": tenant, "createdDateTime": names.ago("-1d"),
        "activeUserCount": directory.users.len(), "licensedUserCount": directory.users.len(),
        "currentScore": scenario.secure_score.values().sum::<f64>() + 100.0, "maxScore": 260.0, "controlScores": controls,
    });
    vec![whole(score, "secureScore")]
}

fn activity_types(scenario: &Scenario) -> Vec<Value> {
    let kind = |(activity, given): (&String, &Value)| {
        let mut value =
            json!({"id": format!("SSPR_{activity}"), "activity": activity, "service": super::audit::SSPR_SERVICE});
        overlay(&mut value, &object(given.clone()));
        value
    };
    scenario.activity_types.iter().map(kind).collect()
}
