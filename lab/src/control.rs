//! The control interface under `/_lab/`: what a test reads, and what it changes while the lab runs.

use std::path::PathBuf;
use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::core::Core;
use crate::fault::{Fault, FaultError};
use crate::http::{Call, Notes};
use crate::login::DeviceState;
use crate::record::lock;
use crate::reply::Reply;
use crate::tenant::{ClickError, Tenant, TenantError};

/// Why a control request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no such control path or method")]
    Unknown,
    #[error("{0:?} is missing or of the wrong type")]
    Missing(&'static str),
    #[error("the lab has no tenant {0:?}")]
    Tenant(String),
    #[error("the tenant has no app {0:?}")]
    App(String),
    #[error("the body is not JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Click(#[from] ClickError),
    #[error(transparent)]
    Scenario(#[from] TenantError),
}

/// Answers a control request.
pub(crate) fn answer(core: &Core, call: &Call, notes: &mut Notes) -> Reply {
    notes.role = "lab";
    if call.header("x-lab-key") != Some(core.control_key.as_str()) {
        return Reply::json(
            403,
            &json!({"error": "the header x-lab-key does not hold the control key"}),
        );
    }
    let body = if call.body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&call.body)
    };
    let action = call.path.trim_start_matches("/_lab/");
    match body
        .map_err(ControlError::from)
        .and_then(|body| run_local(core, &call.method, action, &body))
    {
        Ok(value) => Reply::json(200, &value),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Reply::json(400, &json!({"error": error.to_string(), "cause": cause}))
        }
    }
}

/// Carries out a control request.
pub(crate) fn run_local(core: &Core, method: &str, action: &str, body: &Value) -> Result<Value, ControlError> {
    let text = |name: &'static str| body[name].as_str().ok_or(ControlError::Missing(name));
    match (method, action) {
        ("GET", "requests") => Ok(json!(core.log.requests())),
        ("GET", "writes") => Ok(json!(core.log.writes())),
        ("GET", "violations") => Ok(json!(core.log.violations())),
        ("GET", "tenants") => Ok(tenants(core)),
        ("GET", "faults") => Ok(json!(core.faults.list())),
        ("GET", "devices") => Ok(json!(core.desk.pending_devices())),
        ("POST", "reset") => {
            core.log.clear();
            core.faults.clear();
            core.budgets.clear();
            Ok(json!({}))
        }
        ("POST", "faults") => {
            let faults: Vec<Fault> = if body.is_array() {
                serde_json::from_value(body.clone())?
            } else {
                vec![serde_json::from_value(body.clone())?]
            };
            for fault in faults {
                core.faults.add(fault)?;
            }
            Ok(json!({"faults": core.faults.list().len()}))
        }
        ("DELETE", "faults") => {
            core.faults.clear();
            Ok(json!({}))
        }
        ("POST", "permissions/add" | "permissions/remove") => permissions(core, body, action.ends_with("add")),
        ("POST", "devices/approve") => {
            let tenant = tenant(core, body)?;
            let upn = body["upn"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| tenant.first_person())
                .unwrap_or_default();
            Ok(json!({"changed": core.desk.set_device(body["userCode"].as_str(), &DeviceState::Approved(upn))}))
        }
        ("POST", "devices/decline") => {
            Ok(json!({"changed": core.desk.set_device(body["userCode"].as_str(), &DeviceState::Declined)}))
        }
        ("POST", "devices/expire") => {
            Ok(json!({"changed": core.desk.set_device(body["userCode"].as_str(), &DeviceState::Expired)}))
        }
        ("POST", "sign-in") => {
            core.set_sign_in_as(body["upn"].as_str().map(str::to_owned));
            core.set_authorize_error(body["error"].as_str().map(str::to_owned));
            Ok(json!({}))
        }
        ("POST", "tokens/revoke") => {
            core.desk.revoke_all(body["refresh"].as_bool().unwrap_or(false));
            Ok(json!({}))
        }
        ("POST", "assertion") => assertion(core, body),
        ("POST", "scenario") => {
            let index = body["index"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok())
                .unwrap_or(0);
            core.swap(index, text("scenario")?)?;
            Ok(tenants(core))
        }
        ("POST", "audit") => {
            tenant(core, body)?.append_audit(body["event"].clone(), jiff::Timestamp::now())?;
            Ok(json!({}))
        }
        // The log's retention: what is older is gone.
        ("POST", "audit/forget") => {
            let hours = body["olderThanHours"]
                .as_i64()
                .ok_or(ControlError::Missing("olderThanHours"))?;
            Ok(json!({"gone": tenant(core, body)?.forget_audits(hours, jiff::Timestamp::now())}))
        }
        ("GET", "portal") => {
            let tenant = tenant(core, &json!({}))?;
            let portal = lock(&tenant.portal).clone();
            Ok(json!({"passwordReset": portal.password_reset, "onPremises": portal.on_premises}))
        }
        // A person's click on the portal's pages.
        ("POST", "portal") => {
            let tenant = tenant(core, body)?;
            for object in ["passwordReset", "onPremises"] {
                if let Some(set) = body[object].as_object() {
                    tenant.click(object, set, body["upn"].as_str())?;
                }
            }
            Ok(json!({}))
        }
        // The same for any object that a set-up writes.
        ("POST", "click") => {
            let set = body["set"].as_object().ok_or(ControlError::Missing("set"))?;
            tenant(core, body)?.click(text("object")?, set, body["upn"].as_str())?;
            Ok(json!({}))
        }
        ("POST", "arc") => {
            *lock(&core.arc_file) = body["file"].as_str().map(PathBuf::from);
            Ok(json!({}))
        }
        _ => Err(ControlError::Unknown),
    }
}

/// The tenant that `tenant` names (id or domain), or the first.
fn tenant(core: &Core, body: &Value) -> Result<std::sync::Arc<Tenant>, ControlError> {
    match body["tenant"].as_str() {
        Some(name) => core
            .tenant_called(name)
            .ok_or_else(|| ControlError::Tenant(name.to_owned())),
        None => core.first_tenant().ok_or_else(|| ControlError::Tenant(String::new())),
    }
}

fn permissions(core: &Core, body: &Value, add: bool) -> Result<Value, ControlError> {
    let tenant = tenant(core, body)?;
    let name = body["app"].as_str().unwrap_or("checker");
    let permission = body["permission"].as_str().ok_or(ControlError::Missing("permission"))?;
    let mut apps = tenant.apps.write().unwrap_or_else(PoisonError::into_inner);
    let app = apps
        .iter_mut()
        .find(|app| app.name == name || app.client_id == name)
        .ok_or_else(|| ControlError::App(name.to_owned()))?;
    for list in [
        &mut app.spec.application_permissions,
        &mut app.spec.delegated_permissions,
    ] {
        list.retain(|held| held != permission);
        if add {
            list.push(permission.to_owned());
        }
    }
    drop(apps);
    // Tokens keep what they were issued with, as in life; `refresh: true` makes the change felt at once.
    if body["revoke"].as_bool().unwrap_or(false) {
        core.desk.revoke_all(false);
    }
    Ok(json!({}))
}

/// A token of an outside issuer for workload identity federation, signed with the lab's key.
fn assertion(core: &Core, body: &Value) -> Result<Value, ControlError> {
    let now = crate::login::unix_now();
    let text = |name: &'static str| body[name].as_str().ok_or(ControlError::Missing(name));
    let claims = json!({
        "iss": text("issuer")?, "sub": text("subject")?, "aud": text("audience")?,
        "iat": now, "nbf": now - 10, "exp": now + body["lifetime"].as_i64().unwrap_or(600),
        "jti": format!("outside-{}", core.desk.serial()),
    });
    Ok(json!({"assertion": core.signer.sign(&claims)}))
}

/// What a test needs to know of each tenant.
pub(crate) fn tenants(core: &Core) -> Value {
    let one = |tenant: &std::sync::Arc<Tenant>| {
        let apps = tenant.apps.read().unwrap_or_else(PoisonError::into_inner);
        let checker = apps.iter().find(|app| app.name == "checker").or_else(|| apps.first());
        let all: serde_json::Map<String, Value> = apps
            .iter()
            .map(|app| {
                let certificate = app.certificates.first();
                let value = json!({
                    "clientId": app.client_id, "objectId": app.object_id, "clientSecret": app.spec.secret,
                    "certificateThumbprint": certificate.map(|c| c.x5t.clone()),
                    "managedIdentity": app.spec.managed_identity,
                });
                (app.name.clone(), value)
            })
            .collect();
        let people: serde_json::Map<String, Value> = tenant
            .directory
            .populations
            .iter()
            .filter(|population| population.person)
            .map(|p| {
                (
                    p.name.clone(),
                    json!({"upn": p.user["userPrincipalName"], "roles": p.spec.roles}),
                )
            })
            .collect();
        let groups: serde_json::Map<String, Value> = tenant
            .directory
            .groups
            .values()
            .map(|group| {
                (
                    group.object["displayName"].as_str().unwrap_or_default().to_owned(),
                    json!(group.id),
                )
            })
            .collect();
        json!({
            "tenantId": tenant.id, "displayName": tenant.display_name, "scenario": tenant.scenario_name, "about": tenant.scenario.about,
            "domains": tenant.scenario.domains.keys().collect::<Vec<_>>(), "users": tenant.directory.users.len(),
            "clientId": checker.map(|app| app.client_id.clone()), "clientSecret": checker.and_then(|app| app.spec.secret.clone()),
            "apps": all, "people": people, "groups": groups,
        })
    };
    Value::Array(core.tenants().iter().map(one).collect())
}
