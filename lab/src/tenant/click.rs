//! What another person changes while a client works: members of policies, set as they are said, without anyone's permission.

use std::sync::{PoisonError, RwLock};

use serde_json::{Map, Value};

use super::Tenant;

/// A change that fits nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClickError {
    #[error("the tenant has no object {0:?} that a person changes")]
    Object(String),
}

impl Tenant {
    /// Sets members of `passwordReset`, `onPremises`, `authenticationMethods`, `authenticationMethods/ID`, `authorization`,
    /// `securityDefaults` or `conditionalAccess/ID-OR-NAME`; members within members are merged. The audit log names `upn`.
    pub fn click(&self, object: &str, set: &Map<String, Value>, upn: Option<&str>) -> Result<(), ClickError> {
        let objects = &self.objects;
        let missing = || ClickError::Object(object.to_owned());
        let whole = |policy: &RwLock<Value>| merge(&mut policy.write().unwrap_or_else(PoisonError::into_inner), set);
        match object.split_once('/').unwrap_or((object, "")) {
            (pages @ ("passwordReset" | "onPremises"), "") => {
                let someone = self.first_person().unwrap_or_default();
                crate::portal::click(self, upn.unwrap_or(&someone), pages == "onPremises", set);
            }
            ("authenticationMethods", "") => whole(&objects.authentication_methods),
            ("authorization", "") => whole(&objects.authorization),
            ("securityDefaults", "") => whole(&objects.security_defaults),
            ("authenticationMethods", id) => {
                let policy = &mut *objects
                    .authentication_methods
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                let all = policy["authenticationMethodConfigurations"].as_array_mut();
                let own = all.into_iter().flatten().find(|own| own["id"] == *id);
                merge(own.ok_or_else(missing)?, set);
            }
            ("conditionalAccess", name) => {
                let mut policies = objects
                    .conditional_access
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                let own = policies
                    .iter_mut()
                    .find(|own| own["id"] == *name || own["displayName"] == *name);
                merge(own.ok_or_else(missing)?, set);
            }
            _ => return Err(missing()),
        }
        Ok(())
    }
}

fn merge(old: &mut Value, set: &Map<String, Value>) {
    for (name, value) in set {
        match value {
            Value::Object(inner) if old[name].is_object() => merge(&mut old[name], inner),
            _ => old[name] = value.clone(),
        }
    }
}
