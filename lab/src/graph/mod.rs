//! Microsoft Graph: one function answers a request, alone or as a part of a batch.

mod access;
mod batch;
mod budget;
mod error;
mod filter;
mod groups;
mod list;
mod logs;
mod objects;
mod query;
mod reports;
mod route;
mod users;
mod write;

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};

use crate::LabError;
use crate::contract::Version;
use crate::core::Core;
use crate::fault::FaultKind;
use crate::http::{Call, Notes};
use crate::login::{Access, Resource, unix_now};
use crate::reply::Reply;
use crate::tenant::Tenant;

pub(crate) use budget::Budgets;
pub(crate) use error::{GraphError, request_id};
pub(crate) use list::Pages;
pub use route::{graph_paths, path_is_of};

/// A request whose token was accepted.
pub(crate) struct Ask<'a> {
    pub core: &'a Core,
    pub call: &'a Call,
    pub tenant: Arc<Tenant>,
    pub access: Arc<Access>,
    pub version: Version,
    /// The path after the version, decoded.
    pub segments: Vec<String>,
}

/// Answers a request to `/v1.0/...` or `/beta/...`.
pub(crate) fn answer(core: &Core, call: &Call, notes: &mut Notes, in_batch: bool) -> Reply {
    notes.role = "graph";
    let mut reply = match checked(core, call, notes, in_batch) {
        Ok(reply) => reply,
        Err(error) => {
            if error.violation {
                notes.violation(format!("{}: {}", error.code, error.message));
            }
            error.reply(call)
        }
    };
    let id = request_id(call);
    for (name, value) in [
        ("request-id", id.as_str()),
        ("client-request-id", call.header("client-request-id").unwrap_or(&id)),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            reply.headers.insert(HeaderName::from_static(name), value);
        }
    }
    if matches!(reply.status, 200 | 201) {
        reply.headers.insert("odata-version", HeaderValue::from_static("4.0"));
    }
    reply
}

fn checked(core: &Core, call: &Call, notes: &mut Notes, in_batch: bool) -> Result<Reply, GraphError> {
    let (version, segments) = address_of(call)?;
    let access = token(core, call)?;
    let tenant = core
        .tenant_called(&access.tenant)
        .ok_or_else(|| unauthorized("The tenant of the token is gone."))?;
    notes.tenant_id = Some(tenant.id.clone());
    notes.app_id = Some(access.client_id.clone());
    if let Some(error) = ordered(call) {
        return Err(error);
    }
    let ask = Ask {
        core,
        call,
        tenant,
        access,
        version,
        segments,
    };
    if ask.segments == ["$batch"] {
        if in_batch {
            return Err(GraphError::bad_request("A batch cannot hold a batch."));
        }
        return batch::answer(&ask, notes);
    }
    route::answer(&ask)
}

/// The version and the decoded segments of the path.
fn address_of(call: &Call) -> Result<(Version, Vec<String>), GraphError> {
    let mut parts = call.path.trim_start_matches('/').split('/');
    let version = match parts.next() {
        Some("v1.0") => Version::V1,
        Some("beta") => Version::Beta,
        _ => return Err(GraphError::bad_request("Invalid version.")),
    };
    let segments: Vec<String> = parts.map(|part| crate::http::decode(part, false)).collect();
    if segments.is_empty() || segments.iter().any(String::is_empty) {
        return Err(GraphError::bad_request(
            "Empty segment encountered in request URL. Please make sure that a valid request URL is specified.",
        ));
    }
    Ok((version, segments))
}

/// Renders pages beforehand, as the options ask: for each tenant that is large, the report and the members of the policy's group.
pub(crate) fn prerender(core: &Core) -> Result<(), LabError> {
    let Some(tenant) = core.first_tenant() else {
        return Ok(());
    };
    let mut addresses = core.options.prerender.clone();
    if addresses.is_empty() && tenant.directory.users.len() >= core.options.keep_pages_from {
        addresses.push("/v1.0/reports/authenticationMethods/userRegistrationDetails".to_owned());
    }
    for address in addresses {
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let mut call = Call {
            number: 0,
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: hyper::HeaderMap::from_iter([(
                HeaderName::from_static("consistencylevel"),
                HeaderValue::from_static("eventual"),
            )]),
            body: bytes::Bytes::new(),
            origin: String::new(),
            faults: Vec::new(),
        };
        loop {
            let (version, segments) =
                address_of(&call).map_err(|why| LabError::Prerender(address.clone(), why.message))?;
            let permissions = vec![
                "Directory.Read.All".to_owned(),
                "AuditLog.Read.All".to_owned(),
                "User.Read.All".to_owned(),
            ];
            let access = Access {
                tenant: tenant.id.clone(),
                client_id: String::new(),
                resource: Resource::Portal,
                holder: crate::login::Holder::App { permissions },
                expires: 0,
            };
            let ask = Ask {
                core,
                call: &call,
                tenant: tenant.clone(),
                access: Arc::new(access),
                version,
                segments,
            };
            let reply = route::render(&ask).map_err(|why| LabError::Prerender(address.clone(), why.message))?;
            let head = reply.body.first().cloned().unwrap_or_default();
            let Some(next) = next_query(&head) else { break };
            call.query = next;
        }
    }
    Ok(())
}

/// The query of the next link that stands in the head of a page.
fn next_query(head: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(head).ok()?;
    let (_, link) = text.split_once("\"@odata.nextLink\":\"")?;
    let (link, _) = link.split_once('"')?;
    link.split_once('?').map(|(_, query)| query.to_owned())
}

fn unauthorized(message: &str) -> GraphError {
    GraphError::new(401, "InvalidAuthenticationToken", message).with(
        "www-authenticate",
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"",
    )
}

fn token(core: &Core, call: &Call) -> Result<Arc<Access>, GraphError> {
    let Some(token) = call.bearer() else {
        let mut error = unauthorized("Access token is empty.");
        error.violation = true;
        return Err(error);
    };
    let access = core
        .desk
        .access(token)
        .ok_or_else(|| unauthorized("IDX14100: JWT is not well formed, or it was revoked."))?;
    if !matches!(access.resource, Resource::Graph(_)) {
        let mut error = unauthorized("Access token validation failure. Invalid audience.");
        error.violation = true;
        return Err(error);
    }
    if access.expires <= unix_now() {
        return Err(unauthorized("Access token has expired or is not yet valid."));
    }
    Ok(access)
}

/// The faults that answer in place of Graph once the token is known.
fn ordered(call: &Call) -> Option<GraphError> {
    call.faults.iter().find_map(|fault| match fault {
        FaultKind::RevokedToken => Some(unauthorized(
            "Continuous access evaluation resulted in challenge: the token was revoked.",
        )),
        FaultKind::ClaimsChallenge { claims } => Some(crate::fault::challenge(claims.as_deref())),
        FaultKind::ForbiddenClaims { claims } => Some(GraphError {
            status: 403,
            code: "AccessDenied".to_owned(),
            ..crate::fault::challenge(claims.as_deref())
        }),
        _ => None,
    })
}
