//! The sign-in service: token, device code and authorise endpoints, discovery and keys.

mod authorize;
mod credential;
mod desk;
mod device;
mod error;
mod person;
mod resource;
mod token;

use serde_json::{Value, json};

use crate::core::Core;
use crate::http::{Call, Notes};
use crate::reply::Reply;

pub(crate) use desk::{Access, Desk, DeviceState, Holder};
pub(crate) use error::LoginError;
pub(crate) use resource::{Resource, resource};
pub(crate) use token::{issue_app, unix_now};

/// Answers a request to the sign-in service, or none when the path is not one of it.
pub(crate) fn answer(core: &Core, call: &Call, notes: &mut Notes) -> Option<Reply> {
    let segments: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    let get = call.method == "GET";
    let post = call.method == "POST";
    let reply = match segments.as_slice() {
        ["common", "discovery", "instance"] if get => instance_discovery(call),
        [tenant, "oauth2", "v2.0", "token"] if post => finish(token::answer(core, call, tenant, notes), notes),
        [tenant, "oauth2", "v2.0", "devicecode"] if post => {
            finish(device::device_code(core, call, tenant, notes), notes)
        }
        [tenant, "oauth2", "v2.0", "authorize"] if get || post => authorize::answer(core, call, tenant, notes),
        [tenant, "v2.0", ".well-known", "openid-configuration"] if get => finish(discovery(core, call, tenant), notes),
        [tenant, "discovery", "v2.0", "keys"] if get => {
            Reply::json(200, &core.signer.key_set(&format!("{}/{tenant}/v2.0", call.origin)))
        }
        _ => return None,
    };
    notes.role = "login";
    Some(reply)
}

fn finish(result: Result<Value, LoginError>, notes: &mut Notes) -> Reply {
    match result {
        Ok(body) => Reply::json(200, &body)
            .header("cache-control", "no-store, no-cache")
            .header("pragma", "no-cache"),
        Err(error) => {
            if let Some(message) = &error.violation {
                notes.violation(message.clone());
            }
            error.reply()
        }
    }
}

fn instance_discovery(call: &Call) -> Reply {
    let host = call
        .origin
        .split_once("://")
        .map_or(call.origin.as_str(), |(_, host)| host);
    Reply::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{}/common/v2.0/.well-known/openid-configuration", call.origin),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

/// The metadata of a tenant, `common` or `organizations`.
fn discovery(core: &Core, call: &Call, tenant: &str) -> Result<Value, LoginError> {
    let shared = is_shared(tenant);
    let id = if shared {
        "{tenantid}".to_owned()
    } else {
        core.tenant_called(tenant)
            .ok_or_else(|| LoginError::no_tenant(tenant))?
            .id
            .clone()
    };
    let base = if shared {
        format!("{}/{tenant}", call.origin)
    } else {
        format!("{}/{id}", call.origin)
    };
    Ok(json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{}/{id}/v2.0", call.origin),
        "request_uri_parameter_supported": false,
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }))
}

fn is_shared(tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations")
}
