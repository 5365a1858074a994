//! Managed identity in the forms of Automation and App Service, of a virtual machine, and of Arc.

use base64::Engine;
use serde_json::{Value, json};

use crate::core::Core;
use crate::http::{Call, Form, Notes};
use crate::login::{issue_app, resource, unix_now};
use crate::record::lock;
use crate::reply::Reply;
use crate::tenant::{App, Tenant};

/// Answers `/msi/token` and `/metadata/identity/oauth2/token`.
pub(crate) fn answer(core: &Core, call: &Call, notes: &mut Notes) -> Reply {
    notes.role = "identity";
    let form = if call.method == "POST" {
        call.form()
    } else {
        Form(call.parameters())
    };
    let result = match call.path.as_str() {
        "/msi/token" => endpoint(core, call, &form, notes),
        "/metadata/identity/oauth2/token" => metadata(core, call, &form, notes),
        "/arc/metadata/identity/oauth2/token" => arc(core, call, &form, notes),
        _ => Err((
            404,
            "not_found",
            format!("{} is no path of a managed identity", call.path),
            true,
        )),
    };
    match result {
        Ok(reply) => reply,
        Err((status, error, description, violation)) => {
            if violation {
                notes.violation(format!("{error}: {description}"));
            }
            Reply::json(status, &json!({"error": error, "error_description": description}))
        }
    }
}

type Failure = (u16, &'static str, String, bool);

fn bad(error: &'static str, description: &str) -> Failure {
    (400, error, description.to_owned(), true)
}

/// `IDENTITY_ENDPOINT` with `IDENTITY_HEADER`: App Service sends an api-version, Automation wants `Metadata: True`.
fn endpoint(core: &Core, call: &Call, form: &Form, notes: &mut Notes) -> Result<Reply, Failure> {
    if call.header("x-identity-header") != Some(core.identity_header.as_str()) {
        return Err((
            401,
            "unauthorized_client",
            "X-IDENTITY-HEADER is missing or wrong.".to_owned(),
            true,
        ));
    }
    let automation = core.options.automation_identity;
    if automation && call.header("metadata") != Some("True") && call.header("metadata") != Some("true") {
        return Err(bad("invalid_request", "Required metadata header not specified."));
    }
    if !automation && form.get("api-version") != Some("2019-08-01") {
        return Err(bad(
            "invalid_request",
            "The lab stands for App Service here: api-version=2019-08-01 is needed.",
        ));
    }
    if call.header("x-forwarded-for").is_some() {
        return Err(bad("invalid_request", "X-Forwarded-For is refused."));
    }
    let (_, body) = token(core, call, form, notes)?;
    let kept: serde_json::Map<String, Value> = ["access_token", "expires_on", "resource", "token_type", "client_id"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone())))
        .collect();
    Ok(Reply::json(200, &Value::Object(kept)))
}

/// The metadata service of a virtual machine.
fn metadata(core: &Core, call: &Call, form: &Form, notes: &mut Notes) -> Result<Reply, Failure> {
    metadata_header(call)?;
    if form.get("api-version") != Some("2018-02-01") {
        return Err(bad("invalid_request", "api-version=2018-02-01 is needed."));
    }
    token(core, call, form, notes).map(|(_, body)| Reply::json(200, &body))
}

/// The agent of a connected machine: a challenge names a file that only privileged accounts can read.
fn arc(core: &Core, call: &Call, form: &Form, notes: &mut Notes) -> Result<Reply, Failure> {
    metadata_header(call)?;
    if !matches!(
        form.get("api-version"),
        Some("2019-11-01" | "2020-06-01" | "2021-02-01")
    ) {
        return Err(bad("invalid_request", "api-version=2020-06-01 is needed."));
    }
    let file = lock(&core.arc_file)
        .clone()
        .unwrap_or_else(|| core.state_dir.join("arc.key"));
    let Some(given) = call
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
    else {
        let challenge = format!("Basic realm={}", file.display());
        let body = json!({"error": "unauthorized_client", "error_description": "Missing Basic Authorization header."});
        return Ok(Reply::json(401, &body).header("www-authenticate", &challenge));
    };
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if expected.is_empty() || given.trim() != expected.trim() {
        return Err((403, "access_denied", "The key is wrong.".to_owned(), false));
    }
    token(core, call, form, notes).map(|(_, body)| Reply::json(200, &body))
}

fn metadata_header(call: &Call) -> Result<(), Failure> {
    if call
        .header("metadata")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        Ok(())
    } else {
        Err(bad("invalid_request", "Required metadata header not specified."))
    }
}

/// Chooses the identity and issues its token.
fn token(core: &Core, call: &Call, form: &Form, notes: &mut Notes) -> Result<(App, Value), Failure> {
    let wanted = form
        .get("resource")
        .ok_or_else(|| bad("invalid_request", "resource is missing."))?;
    let resource = resource(core, wanted).ok_or_else(|| {
        bad(
            "invalid_resource",
            &format!("AADSTS500011: The resource principal named {wanted} was not found."),
        )
    })?;
    let (tenant, app) = identity(core, form).ok_or((400, "invalid_request", "Identity not found".to_owned(), false))?;
    notes.tenant_id = Some(tenant.id.clone());
    notes.app_id = Some(app.client_id.clone());
    let lifetime = 86_399;
    let (access_token, expires) = issue_app(core, call, &tenant, &app, &resource, lifetime);
    let body = json!({
        "access_token": access_token, "client_id": app.client_id, "expires_in": lifetime.to_string(),
        "expires_on": expires.to_string(), "ext_expires_in": lifetime.to_string(), "not_before": (unix_now() - 300).to_string(),
        "resource": wanted, "token_type": "Bearer",
    });
    Ok((app, body))
}

/// A user-assigned identity by client id, object id or resource id; else the system-assigned one of the first tenant.
fn identity(core: &Core, form: &Form) -> Option<(std::sync::Arc<Tenant>, App)> {
    let client = form.get("client_id");
    let object = form.get("object_id").or_else(|| form.get("principal_id"));
    let resource = form.get("msi_res_id").or_else(|| form.get("mi_res_id"));
    for tenant in core.tenants() {
        let apps = tenant
            .apps
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let found = apps.into_iter().find(|app| match app.spec.managed_identity.as_deref() {
            None => false,
            Some(kind) => match (client, object, resource) {
                (Some(id), _, _) => app.client_id.eq_ignore_ascii_case(id),
                (_, Some(id), _) => app.object_id.eq_ignore_ascii_case(id),
                (_, _, Some(id)) => id.ends_with(&format!("/{}", app.name)),
                _ => kind == "system",
            },
        });
        if let Some(app) = found {
            return Some((tenant, app));
        }
    }
    None
}

/// Writes a good key file for the Arc form.
pub(crate) fn write_arc_key(core: &Core) -> std::io::Result<()> {
    let key = base64::prelude::BASE64_STANDARD.encode(&core.control_key);
    std::fs::write(core.state_dir.join("arc.key"), key)
}
