//! What a set-up writes: policies and their parts. A PATCH keeps what it does not name; a member that holds others is
//! replaced whole.

use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use serde_json::{Map, Value};

use super::{Ask, GraphError};
use crate::contract::{Version, contract};
use crate::guid::guid;
use crate::login::Holder;
use crate::reply::Reply;

const METHODS: &str = "microsoft.graph.authenticationMethodsPolicy";
const POLICY: &str = "microsoft.graph.conditionalAccessPolicy";

fn open<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a write; None where nothing is written at that address.
pub(super) fn answer(ask: &Ask) -> Option<Result<Reply, GraphError>> {
    let segments: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let objects = &ask.tenant.objects;
    let method = ask.call.method.as_str();
    Some(match (method, segments.as_slice()) {
        ("PATCH", ["policies", "authenticationMethodsPolicy"]) => {
            needs(ask, &["Policy.ReadWrite.AuthenticationMethod"])
                .and_then(|()| body(ask))
                .and_then(|new| {
                    let mut policy = open(&objects.authentication_methods);
                    merge(&mut policy, new, METHODS)?;
                    Ok(Reply::json(200, &policy.clone()))
                })
        }
        (
            "PATCH",
            [
                "policies",
                "authenticationMethodsPolicy",
                "authenticationMethodConfigurations",
                id,
            ],
        ) => needs(ask, &["Policy.ReadWrite.AuthenticationMethod"])
            .and_then(|()| body(ask))
            .and_then(|new| {
                let mut policy = open(&objects.authentication_methods);
                let all = policy["authenticationMethodConfigurations"].as_array_mut();
                let own = all.into_iter().flatten().find(|own| own["id"] == *id);
                let own = own.ok_or_else(|| GraphError::not_found(id))?;
                if new.get("@odata.type") != own.get("@odata.type") {
                    return Err(GraphError::bad_request(
                        "The property '@odata.type' is missing or another one.",
                    ));
                }
                let kind = own["@odata.type"]
                    .as_str()
                    .unwrap_or_default()
                    .trim_start_matches('#')
                    .to_owned();
                merge(own, new, &kind)?;
                Ok(Reply::new(204))
            }),
        ("PATCH", ["policies", "authorizationPolicy"]) => needs(ask, &["Policy.ReadWrite.Authorization"])
            .and_then(|()| body(ask))
            .and_then(|new| {
                merge(
                    &mut open(&objects.authorization),
                    new,
                    "microsoft.graph.authorizationPolicy",
                )?;
                Ok(Reply::new(204))
            }),
        ("POST", ["identity", "conditionalAccess", "policies"]) => {
            needs(ask, CONDITIONAL_ACCESS).and_then(|()| body(ask)).and_then(|new| {
                for member in ["displayName", "state", "conditions"] {
                    if !new.contains_key(member) {
                        return Err(GraphError::bad_request(format!("1005: {member} is missing.")));
                    }
                }
                let mut policies = open(&objects.conditional_access);
                let id = guid(&[
                    "policy",
                    &ask.tenant.id,
                    &policies.len().to_string(),
                    &ask.call.number.to_string(),
                ]);
                let mut policy = Value::Object(Map::from_iter([("id".to_owned(), Value::from(id))]));
                merge(&mut policy, new, POLICY)?;
                contract().complete(&mut policy, POLICY, Version::V1);
                policies.push(policy.clone());
                Ok(Reply::json(201, &policy))
            })
        }
        ("PATCH", ["identity", "conditionalAccess", "policies", id]) => {
            needs(ask, CONDITIONAL_ACCESS).and_then(|()| body(ask)).and_then(|new| {
                let mut policies = open(&objects.conditional_access);
                let own = policies.iter_mut().find(|policy| policy["id"] == *id);
                merge(own.ok_or_else(|| GraphError::not_found(id))?, new, POLICY)?;
                Ok(Reply::new(204))
            })
        }
        ("DELETE", ["identity", "conditionalAccess", "policies", id]) => {
            needs(ask, CONDITIONAL_ACCESS).and_then(|()| {
                let mut policies = open(&objects.conditional_access);
                let before = policies.len();
                policies.retain(|policy| policy["id"] != *id);
                match policies.len() < before {
                    true => Ok(Reply::new(204)),
                    false => Err(GraphError::not_found(id)),
                }
            })
        }
        _ => return None,
    })
}

const CONDITIONAL_ACCESS: &[&str] = &["Policy.ReadWrite.ConditionalAccess", "Policy.Read.All"];

/// All of these permissions.
fn needs(ask: &Ask, permissions: &[&str]) -> Result<(), GraphError> {
    let held = match &ask.access.holder {
        Holder::App { permissions } => permissions,
        Holder::Person { scopes, .. } => scopes,
    };
    match permissions.iter().all(|name| held.iter().any(|own| own == name)) {
        true => Ok(()),
        false => Err(GraphError::denied()),
    }
}

fn body(ask: &Ask) -> Result<Map<String, Value>, GraphError> {
    let kind = ask.call.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(GraphError::refused(
            415,
            "RequestBodyRead",
            "A content type of application/json is needed.",
        ));
    }
    match serde_json::from_slice(&ask.call.body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(GraphError::bad_request("The body is not a JSON object.")),
    }
}

/// Puts members in the place of others; one that the type does not have is refused.
fn merge(old: &mut Value, new: Map<String, Value>, kind: &str) -> Result<(), GraphError> {
    for name in new.keys().filter(|name| !name.starts_with('@')) {
        if !contract()
            .properties(kind, Version::V1)
            .iter()
            .any(|(known, _)| *known == name)
        {
            return Err(GraphError::bad_request(format!(
                "The property '{name}' does not exist on type '{kind}'."
            )));
        }
    }
    for (name, value) in new {
        old[name] = value;
    }
    Ok(())
}
