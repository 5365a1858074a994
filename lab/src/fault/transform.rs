//! Faults that change or replace an answer.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{FaultKind, hostile};
use crate::graph::GraphError;
use crate::http::Call;
use crate::reply::Reply;

/// 401 with the claims that a new token must satisfy.
pub(crate) fn challenge(claims: Option<&str>) -> GraphError {
    let claims = claims.unwrap_or(r#"{"access_token":{"nbf":{"essential":true,"value":"1764000000"}}}"#);
    let header = format!(
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{}\"",
        BASE64_STANDARD.encode(claims)
    );
    GraphError::new(
        401,
        "InvalidAuthenticationToken",
        "Continuous access evaluation resulted in challenge with result: InteractionRequired.",
    )
    .with("www-authenticate", header)
}

/// The answer that a fault gives in place of the real one; none when the fault does something else.
pub(crate) fn replace(fault: &FaultKind, origin: &str) -> Option<Reply> {
    let error = |status: u16, code: &str, message: &str| {
        Reply::json(
            status,
            &json!({"error": {"code": code, "message": message, "innerError": {"date": "2026-11-22T09:00:00"}}}),
        )
    };
    let with_retry = |reply: Reply, retry_after: &Option<String>| match retry_after {
        Some(value) => reply.header("retry-after", value),
        None => reply,
    };
    match fault {
        FaultKind::Throttle { retry_after } => Some(with_retry(
            error(429, "TooManyRequests", "Please retry again later."),
            retry_after,
        )),
        FaultKind::Status {
            status,
            code,
            retry_after,
        } => {
            let code = code.as_deref().unwrap_or(match *status {
                403 => "Authorization_RequestDenied",
                500 => "InternalServerError",
                502 => "BadGateway",
                503 => "ServiceUnavailable",
                504 => "GatewayTimeout",
                _ => "UnknownError",
            });
            Some(with_retry(
                error(*status, code, "The lab was told to fail."),
                retry_after,
            ))
        }
        FaultKind::Html => Some(Reply::bytes(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><head><title>Proxy</title></head><body><h1>Sign in to the network</h1></body></html>"
                .into(),
        )),
        FaultKind::InvalidJson => Some(Reply::bytes(
            200,
            "application/json",
            "{\"value\": [{\"id\": \"x\", }, tru".into(),
        )),
        FaultKind::Body {
            status,
            content_type,
            text,
        } => {
            let mut reply = Reply::bytes(*status, "application/json", text.clone().into());
            if let Ok(kind) = HeaderValue::from_str(content_type) {
                reply.headers.insert(CONTENT_TYPE, kind);
            }
            Some(reply)
        }
        FaultKind::Redirect { to } => Some(Reply::new(307).header("location", &to.replace("{origin}", origin))),
        FaultKind::HugeBody { bytes } => {
            let mut text = String::from("{\"value\":[\"");
            text.push_str(&"x".repeat(*bytes));
            text.push_str("\"]}");
            Some(Reply::bytes(200, "application/json", text.into()))
        }
        _ => None,
    }
}

/// Changes the real answer.
pub(crate) fn transform(fault: &FaultKind, reply: &mut Reply, call: &Call) {
    let edit = |reply: &mut Reply, change: &mut dyn FnMut(&mut Value)| {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&reply.whole()) {
            change(&mut value);
            reply.set_body(value.to_string());
        }
    };
    match fault {
        FaultKind::Clock { ahead } => {
            let date = Timestamp::now() + SignedDuration::from_secs(*ahead);
            let text = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if let Ok(text) = HeaderValue::from_str(&text) {
                reply.headers.insert(DATE, text);
            }
        }
        FaultKind::NextLinkHost { origin } => edit(reply, &mut |value| {
            let link = value["@odata.nextLink"]
                .as_str()
                .unwrap_or("/v1.0/users?$skiptoken=x")
                .to_owned();
            let path = link.strip_prefix(&call.origin).unwrap_or(&link).to_owned();
            value["@odata.nextLink"] = json!(format!("{origin}{path}"));
        }),
        FaultKind::NextLinkLoop => edit(reply, &mut |value| {
            let joint = if call.query.is_empty() { "" } else { "?" };
            value["@odata.nextLink"] = json!(format!("{}{}{joint}{}", call.origin, call.path, call.query));
        }),
        FaultKind::EmptyPage => edit(reply, &mut |value| {
            if value.get("@odata.nextLink").is_some() {
                value["value"] = json!([]);
            }
        }),
        FaultKind::WithoutMember { member } => edit(reply, &mut |value| {
            if let Some(object) = value.as_object_mut() {
                object.remove(member);
            }
        }),
        FaultKind::UnknownEnums => edit(reply, &mut unknown_enums),
        FaultKind::HostileNames => {
            let mut turn = 0;
            edit(reply, &mut |value| hostile::names(value, &mut turn));
            let text = String::from_utf8_lossy(&reply.whole()).replace(hostile::LONE, "\\ud800");
            reply.set_body(text);
        }
        _ => {}
    }
}

/// Replaces members of enumerations by one that no document knows.
fn unknown_enums(value: &mut Value) {
    const ENUMS: &[&str] = &[
        "state",
        "userType",
        "policyMigrationState",
        "result",
        "capabilityStatus",
        "targetType",
        "provisioningStatus",
        "userPreferredMethodForSecondaryAuthentication",
        "status",
        "authenticationType",
        "authenticationMode",
    ];
    match value {
        Value::Array(items) => items.iter_mut().for_each(unknown_enums),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if ENUMS.contains(&name.as_str()) && member.is_string() {
                    *member = json!("somethingNew");
                } else if name == "methodsRegistered" || name == "builtInControls" {
                    if let Some(list) = member.as_array_mut() {
                        list.push(json!("somethingNew"));
                    }
                } else {
                    unknown_enums(member);
                }
            }
        }
        _ => {}
    }
}
