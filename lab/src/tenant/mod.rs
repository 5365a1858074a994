//! A running tenant: what a scenario describes, with ids, users and counts worked out.

mod apps;
mod audit;
mod click;
mod directory;
mod objects;
mod report;
mod rows;

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::certs::AppCertificate;
use crate::guid::guid;
use crate::roles;
use crate::scenario::{Scenario, ScenarioError};

pub(crate) use apps::App;
pub(crate) use click::ClickError;
pub(crate) use directory::{Directory, Group, Population, User};
pub(crate) use objects::Objects;
pub(crate) use rows::Template;

/// One tenant.
pub(crate) struct Tenant {
    pub id: String,
    pub display_name: String,
    pub scenario_name: String,
    pub scenario: Scenario,
    pub apps: RwLock<Vec<App>>,
    pub directory: Directory,
    pub objects: Objects,
    /// Newest first.
    pub audits: Mutex<Vec<Value>>,
    pub portal: Mutex<Portal>,
    pub premium: bool,
}

/// The two objects of the portal's back end.
#[derive(Debug, Clone)]
pub(crate) struct Portal {
    pub password_reset: Map<String, Value>,
    pub on_premises: Map<String, Value>,
}

/// Why a tenant could not be made from its scenario.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The scenario could not be loaded.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A name that nothing in the scenario has.
    #[error("scenario {scenario:?} speaks of {name:?}, which it does not hold")]
    Name {
        /// The scenario.
        scenario: String,
        /// What it speaks of.
        name: String,
    },
    /// A certificate file could not be read.
    #[error("certificate {0:?} cannot be used: {1}")]
    Certificate(String, String),
}

impl Tenant {
    /// Loads a scenario and works out what it leaves open.
    pub fn build(
        scenario_name: &str,
        instance: usize,
        now: Timestamp,
        certificate: &AppCertificate,
    ) -> Result<Tenant, TenantError> {
        let mut scenario = crate::scenario::load(scenario_name, instance, now)?;
        let seed = if instance > 1 {
            format!("{scenario_name}#{instance}")
        } else {
            scenario_name.to_owned()
        };
        let id = scenario.tenant.id.clone().unwrap_or_else(|| guid(&[&seed, "tenant"]));
        let names = Names::new(&seed, &id, &scenario, now);
        names.resolve_scenario(&mut scenario);

        let directory = Directory::build(&seed, &scenario, &names)?;
        let apps = apps::build(&names, &scenario, certificate)?;
        let objects = Objects::build(&id, &names, &scenario, &directory);
        let premium = objects.premium;
        let audits = audit::build(&id, &names, &scenario, &directory);
        let portal = Portal {
            password_reset: scenario.portal.password_reset.clone(),
            on_premises: scenario.portal.on_premises.clone(),
        };
        Ok(Tenant {
            display_name: scenario.tenant.display_name.clone(),
            scenario_name: scenario_name.to_owned(),
            apps: RwLock::new(apps),
            audits: Mutex::new(audits),
            portal: Mutex::new(portal),
            id,
            scenario,
            directory,
            objects,
            premium,
        })
    }

    /// True when `name` is this tenant's id or one of its domains.
    pub fn answers_to(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name)
            || self
                .scenario
                .domains
                .keys()
                .any(|domain| domain.eq_ignore_ascii_case(name))
    }

    /// The app with this client id.
    pub fn app(&self, client_id: &str) -> Option<App> {
        let apps = self.apps.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        apps.iter()
            .find(|app| app.client_id.eq_ignore_ascii_case(client_id))
            .cloned()
    }

    /// Takes over the id of the tenant that it replaces, so that tokens and addresses stay good.
    pub fn keep_identity_of(&mut self, other: &Tenant) {
        let own = std::mem::replace(&mut self.id, other.id.clone());
        self.objects.rename(&own, &self.id);
        let mut apps = self.apps.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let others = other.apps.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for app in apps.iter_mut() {
            if let Some(same) = others.iter().find(|same| same.name == app.name) {
                app.client_id = same.client_id.clone();
                app.object_id = same.object_id.clone();
            }
        }
    }

    /// The administrator, or whoever else can sign in.
    pub fn first_person(&self) -> Option<String> {
        let people = &self.directory.populations;
        let person = people
            .iter()
            .find(|p| p.person && p.name == "admin")
            .or_else(|| people.iter().find(|p| p.person))?;
        person.user["userPrincipalName"].as_str().map(str::to_owned)
    }

    /// Adds an audit event, given as in a scenario file.
    pub fn append_audit(&self, mut event: Value, now: Timestamp) -> Result<(), serde_json::Error> {
        crate::when::resolve(&mut event, now);
        let spec = serde_json::from_value(event)?;
        let mut made = Vec::new();
        let serial = crate::record::lock(&self.audits).len();
        audit::events(
            &self.id,
            &self.display_name,
            // Some may be gone by now.
            &format!("added-{serial}-{}", now.as_nanosecond()),
            &spec,
            &self.directory,
            &mut made,
        );
        let mut audits = crate::record::lock(&self.audits);
        audits.extend(made);
        audit::newest_first(&mut audits);
        Ok(())
    }

    /// Drops the audit events that are older, and says how many.
    pub fn forget_audits(&self, hours: i64, now: Timestamp) -> usize {
        let oldest = now - jiff::SignedDuration::from_hours(hours);
        let kept = |event: &Value| {
            let at = event["activityDateTime"].as_str().unwrap_or_default();
            at.parse::<Timestamp>().is_ok_and(|at| at >= oldest)
        };
        let mut audits = crate::record::lock(&self.audits);
        let before = audits.len();
        audits.retain(kept);
        before - audits.len()
    }
}

/// Names that scenario files use in place of ids: `group:NAME`, `person:NAME`, `role:NAME`, `app:NAME`, `tenant:id`.
pub(crate) struct Names {
    pub seed: String,
    /// When the lab started.
    pub now: Timestamp,
    ids: BTreeMap<String, String>,
}

impl Names {
    fn new(seed: &str, tenant: &str, scenario: &Scenario, now: Timestamp) -> Self {
        let mut ids = BTreeMap::from([("tenant:id".to_owned(), tenant.to_owned())]);
        for name in scenario.groups.keys() {
            ids.insert(format!("group:{name}"), guid(&[seed, "group", name]));
        }
        for name in scenario.people.keys() {
            ids.insert(format!("person:{name}"), directory::person_id(seed, name));
        }
        for (name, app) in &scenario.apps {
            let client = app.client_id.clone().unwrap_or_else(|| guid(&[seed, "app", name]));
            ids.insert(format!("app:{name}"), client);
            ids.insert(
                format!("servicePrincipal:{name}"),
                guid(&[seed, "servicePrincipal", name]),
            );
        }
        Names {
            seed: seed.to_owned(),
            now,
            ids,
        }
    }

    /// A time before the start of the lab, such as `-1d`.
    pub fn ago(&self, text: &str) -> String {
        crate::when::rfc3339(crate::when::relative(text, self.now).unwrap_or(self.now))
    }

    /// The id behind a name such as `group:staff`.
    pub fn id(&self, name: &str) -> Option<String> {
        self.ids
            .get(name)
            .cloned()
            .or_else(|| roles::id(name.strip_prefix("role:")?).map(str::to_owned))
    }

    fn resolve(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(id) = self.id(text) {
                    *text = id;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.resolve(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.resolve(member)),
            _ => {}
        }
    }

    fn resolve_scenario(&self, scenario: &mut Scenario) {
        let policies = &mut scenario.policies;
        policies
            .authentication_methods
            .values_mut()
            .for_each(|value| self.resolve(value));
        policies.methods.values_mut().for_each(|value| self.resolve(value));
        policies
            .conditional_access
            .values_mut()
            .for_each(|value| self.resolve(value));
        self.resolve(&mut policies.authorization);
        scenario
            .portal
            .password_reset
            .values_mut()
            .for_each(|value| self.resolve(value));
        scenario
            .recommendations
            .values_mut()
            .for_each(|value| self.resolve(value));
        scenario
            .subscriptions
            .values_mut()
            .for_each(|value| self.resolve(value));
    }
}
