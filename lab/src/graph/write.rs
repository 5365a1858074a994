//! What a set-up writes: policies and their parts. A PATCH keeps what it does not name, within a member that holds others
//! too (as in the example of Conditional Access, which sends one condition alone); a list is replaced whole.

use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use serde_json::{Map, Value, json};

use super::access::{self, Writers};
use super::{Ask, GraphError, list, objects};
use crate::contract::{Property, Version, contract};
use crate::guid::guid;
use crate::reply::Reply;

/// A write that a path takes.
pub(super) struct Write {
    pub method: &'static str,
    writers: Writers,
    handler: fn(&Ask) -> Result<Reply, GraphError>,
}

impl Write {
    /// Carries it out for whoever may.
    pub fn answer(&self, ask: &Ask) -> Result<Reply, GraphError> {
        self.writers.check(ask)?;
        (self.handler)(ask)
    }
}

pub(super) const METHODS_POLICY: &[Write] = &[Write {
    method: "PATCH",
    writers: access::METHODS_WRITERS,
    handler: patch_methods_policy,
}];
pub(super) const METHOD: &[Write] = &[Write {
    method: "PATCH",
    writers: access::METHODS_WRITERS,
    handler: patch_method,
}];
pub(super) const AUTHORIZATION: &[Write] = &[Write {
    method: "PATCH",
    writers: access::AUTHORIZATION_WRITERS,
    handler: patch_authorization,
}];
pub(super) const SECURITY_DEFAULTS: &[Write] = &[Write {
    method: "PATCH",
    writers: access::SECURITY_DEFAULTS_WRITERS,
    handler: patch_security_defaults,
}];
pub(super) const CONDITIONAL_ACCESS: &[Write] = &[Write {
    method: "POST",
    writers: access::CONDITIONAL_ACCESS_WRITERS,
    handler: create_policy,
}];
pub(super) const CONDITIONAL_ACCESS_POLICY: &[Write] = &[
    Write {
        method: "PATCH",
        writers: access::CONDITIONAL_ACCESS_WRITERS,
        handler: patch_policy,
    },
    Write {
        method: "DELETE",
        writers: access::CONDITIONAL_ACCESS_WRITERS,
        handler: delete_policy,
    },
];

pub(super) const APP_ROLES: &[Write] = &[Write {
    method: "POST",
    writers: access::APP_ROLE_WRITERS,
    handler: grant_app_role,
}];
pub(super) const APP_ROLE: &[Write] = &[Write {
    method: "DELETE",
    writers: access::APP_ROLE_WRITERS,
    handler: revoke_app_role,
}];

const POLICY: &str = "microsoft.graph.conditionalAccessPolicy";

/// `PATCH /policies/authenticationMethodsPolicy`
fn patch_methods_policy(ask: &Ask) -> Result<Reply, GraphError> {
    // The configurations have addresses of their own.
    const FIXED: &[&str] = &[
        "id",
        "displayName",
        "description",
        "lastModifiedDateTime",
        "policyVersion",
        "authenticationMethodConfigurations",
    ];
    let new = body(ask)?;
    let campaign =
        &new.get("registrationEnforcement").unwrap_or(&Value::Null)["authenticationMethodsRegistrationCampaign"];
    if campaign["snoozeDurationInDays"]
        .as_i64()
        .is_some_and(|days| !(0..=14).contains(&days))
    {
        return Err(GraphError::bad_request("snoozeDurationInDays is not between 0 and 14."));
    }
    {
        let mut policy = open(&ask.tenant.objects.authentication_methods);
        change(
            ask,
            &mut policy,
            &new,
            "microsoft.graph.authenticationMethodsPolicy",
            FIXED,
        )?;
        policy["lastModifiedDateTime"] = now();
    }
    objects::authentication_methods(ask)
}

/// `PATCH /policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{id}`
fn patch_method(ask: &Ask) -> Result<Reply, GraphError> {
    let new = body(ask)?;
    let id = &ask.segments[3];
    let mut policy = open(&ask.tenant.objects.authentication_methods);
    let all = policy["authenticationMethodConfigurations"].as_array_mut();
    let own = all.into_iter().flatten().find(|own| is_called(own, id));
    let own = own.ok_or_else(|| GraphError::not_found(id))?;
    if new.get("@odata.type") != own.get("@odata.type") {
        return Err(GraphError::bad_request(format!(
            "The property '@odata.type' is needed, and {} is the one of '{id}'.",
            own["@odata.type"]
        )));
    }
    let kind = own["@odata.type"].as_str().unwrap_or_default();
    let kind = kind.trim_start_matches('#').to_owned();
    change(ask, own, &new, &kind, &["id"])?;
    policy["lastModifiedDateTime"] = now();
    Ok(Reply::new(204))
}

/// `PATCH /policies/authorizationPolicy`
fn patch_authorization(ask: &Ask) -> Result<Reply, GraphError> {
    let mut policy = open(&ask.tenant.objects.authorization);
    change(
        ask,
        &mut policy,
        &body(ask)?,
        "microsoft.graph.authorizationPolicy",
        &["id"],
    )?;
    Ok(Reply::new(204))
}

/// `PATCH /policies/identitySecurityDefaultsEnforcementPolicy`
fn patch_security_defaults(ask: &Ask) -> Result<Reply, GraphError> {
    let kind = "microsoft.graph.identitySecurityDefaultsEnforcementPolicy";
    let mut policy = open(&ask.tenant.objects.security_defaults);
    change(
        ask,
        &mut policy,
        &body(ask)?,
        kind,
        &["id", "displayName", "description"],
    )?;
    Ok(Reply::new(204))
}

const POLICY_FIXED: &[&str] = &["id", "createdDateTime", "modifiedDateTime", "deletedDateTime"];

/// `POST /identity/conditionalAccess/policies`
fn create_policy(ask: &Ask) -> Result<Reply, GraphError> {
    let new = body(ask)?;
    if let Some(name) = ["displayName", "state", "conditions"]
        .iter()
        .find(|name| !new.contains_key(**name))
    {
        return Err(GraphError::bad_request(format!("The property '{name}' is missing.")));
    }
    let mut policies = open(&ask.tenant.objects.conditional_access);
    let mut policy = json!({});
    change(ask, &mut policy, &new, POLICY, POLICY_FIXED)?;
    covers_something(&policy)?;
    let serial = ask.call.number.to_string();
    policy["id"] = guid(&["policy", &ask.tenant.id, &ask.call.origin, &serial]).into();
    policy["createdDateTime"] = now();
    policies.push(policy.clone());
    drop(policies);
    let mut reply = list::one(ask, policy, POLICY)?;
    reply.status = 201;
    Ok(reply)
}

/// `PATCH /identity/conditionalAccess/policies/{id}`
fn patch_policy(ask: &Ask) -> Result<Reply, GraphError> {
    let new = body(ask)?;
    let id = &ask.segments[3];
    let mut policies = open(&ask.tenant.objects.conditional_access);
    let own = policies.iter_mut().find(|policy| is_called(policy, id));
    let own = own.ok_or_else(|| GraphError::not_found(id))?;
    let mut changed = own.clone();
    change(ask, &mut changed, &new, POLICY, POLICY_FIXED)?;
    covers_something(&changed)?;
    changed["modifiedDateTime"] = now();
    *own = changed;
    Ok(Reply::new(204))
}

/// `DELETE /identity/conditionalAccess/policies/{id}`
fn delete_policy(ask: &Ask) -> Result<Reply, GraphError> {
    let id = &ask.segments[3];
    let mut policies = open(&ask.tenant.objects.conditional_access);
    let before = policies.len();
    policies.retain(|policy| !is_called(policy, id));
    if policies.len() == before {
        return Err(GraphError::not_found(id));
    }
    Ok(Reply::new(204))
}

/// A policy needs at least one rule for applications, one for users, and one control.
fn covers_something(policy: &Value) -> Result<(), GraphError> {
    let includes = |rule: &Value| {
        let members = rule.as_object().into_iter().flatten();
        members
            .filter(|(name, _)| name.starts_with("include"))
            .any(|(_, value)| match value {
                Value::Array(items) => !items.is_empty(),
                other => !other.is_null(),
            })
    };
    let conditions = &policy["conditions"];
    for (what, there) in [
        ("application rule", includes(&conditions["applications"])),
        (
            "user rule",
            includes(&conditions["users"]) || includes(&conditions["clientApplications"]),
        ),
        (
            "grant or session control",
            policy["grantControls"].is_object() || policy["sessionControls"].is_object(),
        ),
    ] {
        if !there {
            return Err(GraphError::bad_request(format!("The policy has no {what}.")));
        }
    }
    Ok(())
}

/// `POST /servicePrincipals/{id}/appRoleAssignments`
fn grant_app_role(ask: &Ask) -> Result<Reply, GraphError> {
    let new = body(ask)?;
    let text = |name: &str| new.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = &ask.segments[1];
    if !text("principalId").eq_ignore_ascii_case(id) || text("resourceId") != objects::graph_id(ask) {
        return Err(GraphError::bad_request("Not a valid reference update."));
    }
    let role = crate::permissions::app_roles().find(|(_, own)| own == text("appRoleId"));
    let (name, _) =
        role.ok_or_else(|| GraphError::bad_request("Permission being assigned was not found on application"))?;
    let mut apps = open(&ask.tenant.apps);
    let app = apps.iter_mut().find(|app| app.object_id.eq_ignore_ascii_case(id));
    let app = app.ok_or_else(|| GraphError::not_found(id))?;
    if app.spec.application_permissions.iter().any(|held| held == name) {
        return Err(GraphError::bad_request(
            "Permission being assigned already exists on the object",
        ));
    }
    app.spec.application_permissions.push(name.to_owned());
    Ok(Reply::graph(201, &objects::assignment(ask, app, name)))
}

/// `DELETE /servicePrincipals/{id}/appRoleAssignments/{id}`
fn revoke_app_role(ask: &Ask) -> Result<Reply, GraphError> {
    let (id, assignment) = (&ask.segments[1], &ask.segments[3]);
    let mut apps = open(&ask.tenant.apps);
    let app = apps.iter_mut().find(|app| app.object_id.eq_ignore_ascii_case(id));
    let app = app.ok_or_else(|| GraphError::not_found(id))?;
    let object = app.object_id.clone();
    let count = app.spec.application_permissions.len();
    app.spec
        .application_permissions
        .retain(|name| guid(&[&object, "assignment", name]) != *assignment);
    match app.spec.application_permissions.len() < count {
        true => Ok(Reply::new(204)),
        false => Err(GraphError::not_found(assignment)),
    }
}

fn open<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn is_called(value: &Value, id: &str) -> bool {
    value["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id))
}

fn now() -> Value {
    crate::when::rfc3339(jiff::Timestamp::now()).into()
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

/// Changes an object, or nothing of it: what its type does not have is refused, and what only the service sets.
fn change(ask: &Ask, old: &mut Value, new: &Map<String, Value>, kind: &str, fixed: &[&str]) -> Result<(), GraphError> {
    let named = new.get("@odata.type").and_then(Value::as_str);
    if named.is_some_and(|named| named.trim_start_matches('#') != kind) {
        return Err(GraphError::bad_request(format!("The resource is not a '{kind}'.")));
    }
    let whole = Value::Object(new.clone());
    if let Some(fault) = contract().faults(&whole, kind, ask.version, "body").first() {
        return Err(GraphError::bad_request(format!("Invalid property: {fault}.")));
    }
    // Types that are open in an answer take no member that nobody declared.
    let known = contract().properties(kind, ask.version);
    let unknown = |name: &&String| !name.contains('@') && !known.contains_key(name.as_str());
    if let Some(name) = new.keys().find(unknown) {
        return Err(GraphError::bad_request(format!(
            "The property '{name}' does not exist on type '{kind}'."
        )));
    }
    // What was read may be sent back.
    let set = |name: &&&str| new.get(**name).is_some_and(|value| old.get(**name) != Some(value));
    if let Some(name) = fixed.iter().find(set) {
        return Err(GraphError::bad_request(format!("The property '{name}' cannot be set.")));
    }
    merge(old, new, kind, ask.version);
    contract().complete(old, kind, ask.version);
    Ok(())
}

/// Puts members in the place of others, within members too.
fn merge(old: &mut Value, new: &Map<String, Value>, kind: &str, version: Version) {
    let known = contract().properties(kind, version);
    for (name, value) in new.iter().filter(|(name, _)| !name.contains('@')) {
        let property = known.get(name.as_str()).copied();
        match (value, property) {
            (Value::Object(inner), Some(property)) if old[name].is_object() => {
                merge(&mut old[name], inner, &property.kind, version);
            }
            (Value::Array(items), Some(property)) => {
                old[name] = items.iter().map(|item| item_of(item, property, version)).collect();
            }
            _ => old[name] = value.clone(),
        }
    }
}

/// An item of a list with what the service adds where it was not said.
fn item_of(item: &Value, property: &Property, version: Version) -> Value {
    let mut item = item.clone();
    if let Some(object) = item.as_object_mut() {
        for (name, own) in contract().properties(&property.kind, version) {
            let default = match own.kind.as_str() {
                _ if own.nullable || own.collection || object.contains_key(name) => continue,
                "Edm.Boolean" => json!(false),
                _ if name == "authenticationMode" => json!("any"),
                _ => continue,
            };
            object.insert(name.to_owned(), default);
        }
    }
    item
}
