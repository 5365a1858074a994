//! Users and groups, worked out from the populations of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::report::report_row;
use super::rows::{ID, IMMUTABLE, NUMBER, Template};
use super::{Names, TenantError};
use crate::guid::{self, guid, guid_bits, u64_of};
use crate::scenario::{GroupSpec, OnPremises, PopulationSpec, Scenario};

/// One user: the rest follows from its population.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub id: u128,
    pub population: u16,
    pub number: u32,
}

/// Users that differ in id and number only.
#[derive(Debug)]
pub(crate) struct Population {
    pub name: String,
    pub spec: PopulationSpec,
    /// Graph's user object, with holes.
    pub user: Value,
    /// The row of the registration report, with holes.
    pub report: Value,
    /// Only people sign in.
    pub person: bool,
    /// From which the ids follow.
    seed: u64,
}

impl Population {
    /// The id of the user with this user principal name (in lower case), if it is one of the population.
    fn id_of(&self, upn: &str) -> Option<u128> {
        let pattern = self.user["userPrincipalName"].as_str()?.to_ascii_lowercase();
        let Some((start, end)) = pattern.split_once(NUMBER) else {
            return (pattern == upn).then(|| guid_bits(self.seed, 1));
        };
        let number = upn.strip_prefix(start)?.strip_suffix(end)?;
        let value: u32 = number.parse().ok()?;
        let known = (1..=self.spec.count).contains(&value) && value.to_string() == number;
        known.then(|| guid_bits(self.seed, u64::from(value)))
    }
}

/// A group with everything that it holds.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: String,
    pub spec: GroupSpec,
    pub object: Value,
    pub nested: BTreeSet<String>,
    /// Populations that are members, directly or through nested groups.
    pub populations: BTreeSet<u16>,
}

/// All users, by id, and all groups.
#[derive(Debug)]
pub(crate) struct Directory {
    pub populations: Vec<Population>,
    pub users: Vec<User>,
    /// By group id.
    pub groups: BTreeMap<String, Group>,
}

/// The id of a person, needed before the directory is built.
pub(crate) fn person_id(seed: &str, name: &str) -> String {
    guid::text(guid_bits(u64_of(&[seed, "population", name]), 1))
}

impl Directory {
    pub fn build(seed: &str, scenario: &Scenario, names: &Names) -> Result<Self, TenantError> {
        let mut populations = Vec::new();
        let mut users = Vec::new();
        let all = scenario
            .people
            .iter()
            .map(|p| (p, true))
            .chain(scenario.populations.iter().map(|p| (p, false)));
        for (index, ((name, spec), person)) in all.enumerate() {
            for group in &spec.groups {
                if !scenario.groups.contains_key(group) {
                    return Err(TenantError::Name {
                        scenario: names.seed.clone(),
                        name: format!("group {group}"),
                    });
                }
            }
            for sku in &spec.skus {
                if !scenario.skus.contains_key(sku) {
                    return Err(TenantError::Name {
                        scenario: names.seed.clone(),
                        name: format!("sku {sku}"),
                    });
                }
            }
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let user_seed = u64_of(&[seed, "population", name]);
            users.extend((1..=spec.count).map(|number| User {
                id: guid_bits(user_seed, u64::from(number)),
                population: index,
                number,
            }));
            populations.push(Population {
                name: name.clone(),
                user: user_object(index, spec, scenario, names),
                report: report_row(spec, scenario, names),
                spec: spec.clone(),
                person,
                seed: user_seed,
            });
        }
        users.sort_unstable_by_key(|user| user.id);
        let groups = groups(scenario, names, &populations)?;
        Ok(Directory {
            populations,
            users,
            groups,
        })
    }

    pub fn population(&self, user: &User) -> &Population {
        &self.populations[usize::from(user.population)]
    }

    /// A user by id or by user principal name.
    pub fn find(&self, key: &str) -> Option<&User> {
        if let Some(bits) = guid::parse(key) {
            return self
                .users
                .binary_search_by_key(&bits, |user| user.id)
                .ok()
                .map(|at| &self.users[at]);
        }
        let key = key.to_ascii_lowercase();
        let id = self.populations.iter().find_map(|population| population.id_of(&key))?;
        self.users
            .binary_search_by_key(&id, |user| user.id)
            .ok()
            .map(|at| &self.users[at])
    }

    /// The whole user object.
    pub fn user_value(&self, user: &User) -> Value {
        Template::new(&self.population(user).user).value(user)
    }

    /// How many users hold a licence.
    pub fn licensed(&self, sku: &str) -> u64 {
        self.populations
            .iter()
            .filter(|p| p.spec.skus.iter().any(|s| s == sku))
            .map(|p| u64::from(p.spec.count))
            .sum()
    }
}

pub(super) fn user_object(index: u16, spec: &PopulationSpec, scenario: &Scenario, names: &Names) -> Value {
    let domain = spec.domain.clone().unwrap_or_else(|| default_domain(scenario));
    let number = NUMBER.to_string();
    let name = spec.name.replace("{n}", &number);
    let alias = spec.alias.replace("{n}", &number);
    let guest = spec.user_type.eq_ignore_ascii_case("guest");
    let on_premises = spec.on_premises != OnPremises::CloudOnly;
    let synced = spec.on_premises == OnPremises::Synced;
    let last_sync = scenario.sync.as_ref().and_then(|sync| sync.last_sync.clone());
    let sid = format!("S-1-5-21-1004336348-1177238915-682003330-{}{NUMBER}", index + 10);
    let some = |wanted: bool, value: Value| if wanted { value } else { Value::Null };
    let mut user = json!({
        "id": ID.to_string(),
        "accountEnabled": spec.enabled,
        "assignedLicenses": spec.skus.iter().map(|sku| json!({"disabledPlans": [], "skuId": scenario.skus[sku]["skuId"]})).collect::<Vec<_>>(),
        "assignedPlans": spec.skus.iter().flat_map(|sku| assigned_plans(&scenario.skus[sku])).collect::<Vec<_>>(),
        "businessPhones": [],
        "createdDateTime": names.ago("-700d"),
        "displayName": name,
        "givenName": null,
        "jobTitle": null,
        "lastPasswordChangeDateTime": names.ago("-60d"),
        "mail": format!("{alias}@{domain}"),
        "mailNickname": alias,
        "mobilePhone": null,
        "officeLocation": null,
        "onPremisesDistinguishedName": some(on_premises, json!(format!("CN={name},OU=Users,DC=contoso,DC=example"))),
        "onPremisesDomainName": some(on_premises, json!("contoso.example")),
        "onPremisesImmutableId": some(on_premises, json!(IMMUTABLE.to_string())),
        "onPremisesLastSyncDateTime": some(on_premises, json!(last_sync)),
        "onPremisesProvisioningErrors": [],
        "onPremisesSamAccountName": some(on_premises, json!(alias)),
        "onPremisesSecurityIdentifier": some(on_premises, json!(sid)),
        "onPremisesSyncEnabled": some(synced, json!(true)),
        "onPremisesUserPrincipalName": some(on_premises, json!(format!("{alias}@{domain}"))),
        "otherMails": [],
        "passwordPolicies": some(synced, json!("DisablePasswordExpiration")),
        "preferredLanguage": null,
        "surname": null,
        "usageLocation": "NL",
        "userPrincipalName": format!("{alias}@{domain}"),
        "userType": if guest { "Guest" } else { "Member" },
    });
    overlay(&mut user, &spec.user);
    user
}

/// The plans of a licence as an assigned plan of a user or of the organisation.
pub(crate) fn assigned_plans(sku: &Value) -> Vec<Value> {
    let status = match sku["capabilityStatus"].as_str() {
        Some("Suspended") => "Suspended",
        Some("Warning") => "Warning",
        Some("Deleted" | "LockedOut") => "Deleted",
        _ => "Enabled",
    };
    let plan = |plan: &Value| {
        json!({
            "assignedDateTime": "2025-01-10T10:00:00Z",
            "capabilityStatus": status,
            "service": if plan["servicePlanName"].as_str().is_some_and(|name| name.starts_with("AAD_")) { "AADPremiumService" } else { "exchange" },
            "servicePlanId": plan["servicePlanId"],
        })
    };
    sku["servicePlans"]
        .as_array()
        .map(|plans| plans.iter().map(plan).collect())
        .unwrap_or_default()
}

fn groups(
    scenario: &Scenario,
    names: &Names,
    populations: &[Population],
) -> Result<BTreeMap<String, Group>, TenantError> {
    let id = |name: &str| {
        names.id(&format!("group:{name}")).ok_or_else(|| TenantError::Name {
            scenario: names.seed.clone(),
            name: format!("group {name}"),
        })
    };
    let mut all = BTreeMap::new();
    for (name, spec) in &scenario.groups {
        let mut inner = BTreeSet::new();
        nested(scenario, spec, &mut inner);
        let members = |within: &dyn Fn(&str) -> bool| -> BTreeSet<u16> {
            (0u16..)
                .zip(populations)
                .filter(|(_, p)| p.spec.groups.iter().any(|g| within(g)))
                .map(|(at, _)| at)
                .collect()
        };
        let group = Group {
            id: id(name)?,
            spec: spec.clone(),
            object: group_object(&id(name)?, name, spec),
            populations: members(&|group| group == name || inner.contains(group)),
            nested: inner.iter().map(|inner| id(inner)).collect::<Result<_, _>>()?,
        };
        all.insert(group.id.clone(), group);
    }
    Ok(all)
}

fn nested(scenario: &Scenario, group: &GroupSpec, found: &mut BTreeSet<String>) {
    for name in &group.nested {
        if found.insert(name.clone())
            && let Some(inner) = scenario.groups.get(name)
        {
            nested(scenario, inner, found);
        }
    }
}

fn group_object(id: &str, name: &str, spec: &GroupSpec) -> Value {
    let mut group = json!({
        "id": id,
        "createdDateTime": "2024-03-01T09:00:00Z",
        "deletedDateTime": null,
        "description": null,
        "displayName": spec.name,
        "groupTypes": [],
        "mail": null,
        "mailEnabled": false,
        "mailNickname": name,
        "membershipRule": null,
        "membershipRuleProcessingState": null,
        "onPremisesLastSyncDateTime": null,
        "onPremisesSecurityIdentifier": null,
        "onPremisesSyncEnabled": null,
        "securityEnabled": true,
        "securityIdentifier": format!("S-1-12-1-{}", u64_of(&[id]) % 4_000_000_000),
        "visibility": null,
    });
    overlay(&mut group, &spec.group);
    group
}

/// The domain that new users get.
pub(crate) fn default_domain(scenario: &Scenario) -> String {
    scenario
        .domains
        .iter()
        .find(|(_, domain)| domain["isDefault"].as_bool() == Some(true))
        .or_else(|| scenario.domains.iter().next())
        .map(|(name, _)| name.clone())
        .unwrap_or_else(|| "contoso.example".to_owned())
}

/// Sets members of an object.
pub(crate) fn overlay(target: &mut Value, members: &Map<String, Value>) {
    if let Some(object) = target.as_object_mut() {
        for (name, value) in members {
            object.insert(name.clone(), value.clone());
        }
    }
}

/// An id for something that has no id of its own in the scenario.
pub(crate) fn derived(seed: &str, kind: &str, name: &str) -> String {
    guid(&[seed, kind, name])
}
