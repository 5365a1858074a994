//! The token endpoint.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use ring::digest;
use serde_json::{Value, json};

use super::desk::{Access, Holder};
use super::device::by_device_code;
use super::person::person_tokens;
use super::resource::{Resource, scopes};
use super::{LoginError, credential, is_shared};
use crate::core::Core;
use crate::fault::FaultKind;
use crate::guid::guid;
use crate::http::{Call, Form, Notes};
use crate::tenant::{App, Tenant};

/// Seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub(super) fn answer(core: &Core, call: &Call, tenant_name: &str, notes: &mut Notes) -> Result<Value, LoginError> {
    if !call.is_form() {
        let message = "The request body must be application/x-www-form-urlencoded.";
        return Err(LoginError::new(400, "invalid_request", 900_144, message).malformed());
    }
    let form = call.form();
    let grant = form
        .get("grant_type")
        .ok_or_else(|| LoginError::missing("grant_type"))?;
    let client_id = form.get("client_id").ok_or_else(|| LoginError::missing("client_id"))?;
    notes.app_id = Some(client_id.to_owned());
    match grant {
        "client_credentials" => {
            if is_shared(tenant_name) {
                return Err(LoginError::new(
                    400,
                    "invalid_request",
                    50_059,
                    "No tenant-identifying information found in either the request or implied by any provided credentials.",
                ));
            }
            let (tenant, app) = client(core, tenant_name, client_id, notes)?;
            if !credential::check(core, call, &form, &tenant, &app)? {
                return Err(no_credential());
            }
            client_credentials(core, call, &form, &tenant, &app)
        }
        "authorization_code" => by_code(core, call, &form, tenant_name, client_id, notes),
        "refresh_token" => by_refresh_token(core, call, &form, tenant_name, client_id, notes),
        "urn:ietf:params:oauth:grant-type:device_code" => {
            by_device_code(core, call, &form, tenant_name, client_id, notes)
        }
        other => Err(LoginError::new(
            400,
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{other}'."),
        )
        .malformed()),
    }
}

fn no_credential() -> LoginError {
    LoginError::new(
        401,
        "invalid_client",
        7_000_218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    )
}

/// The tenant and the app of a request.
pub(super) fn client(
    core: &Core,
    tenant_name: &str,
    client_id: &str,
    notes: &mut Notes,
) -> Result<(std::sync::Arc<Tenant>, App), LoginError> {
    let tenant = if is_shared(tenant_name) {
        core.first_tenant()
    } else {
        core.tenant_called(tenant_name)
    };
    let tenant = tenant.ok_or_else(|| LoginError::no_tenant(tenant_name))?;
    notes.tenant_id = Some(tenant.id.clone());
    let app = tenant
        .app(client_id)
        .filter(|app| app.spec.managed_identity.is_none())
        .ok_or_else(|| {
            LoginError::new(
                400,
                "unauthorized_client",
                700_016,
                format!(
                    "Application with identifier '{client_id}' was not found in the directory '{}'.",
                    tenant.display_name
                ),
            )
        })?;
    Ok((tenant, app))
}

fn client_credentials(core: &Core, call: &Call, form: &Form, tenant: &Tenant, app: &App) -> Result<Value, LoginError> {
    let scope = form.get("scope").ok_or_else(|| LoginError::missing("scope"))?;
    let wanted = scopes(core, scope)?;
    let (true, true, Some(resource)) = (wanted.all, wanted.names.is_empty(), wanted.resource) else {
        return Err(LoginError::new(
            400,
            "invalid_scope",
            1_002_012,
            format!("The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."),
        )
        .malformed());
    };
    let (token, _) = issue_app(core, call, tenant, app, &resource, 3599);
    Ok(json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}))
}

/// Issues a token for an app or a managed identity; gives it with its expiry.
pub(crate) fn issue_app(
    core: &Core,
    call: &Call,
    tenant: &Tenant,
    app: &App,
    resource: &Resource,
    lifetime: i64,
) -> (String, i64) {
    let graph = matches!(resource, Resource::Graph(_));
    let permissions = if graph {
        app.spec.application_permissions.clone()
    } else {
        Vec::new()
    };
    let mut claims = common_claims(core, call, tenant, app, resource, lifetime);
    claims["oid"] = json!(app.object_id);
    claims["sub"] = json!(app.object_id);
    claims["idtyp"] = json!("app");
    if !permissions.is_empty() {
        claims["roles"] = json!(permissions);
    }
    let expires = claims["exp"].as_i64().unwrap_or_default();
    let token = core.signer.sign(&claims);
    core.desk.keep_access(
        &token,
        Access {
            tenant: tenant.id.clone(),
            client_id: app.client_id.clone(),
            resource: resource.clone(),
            holder: Holder::App { permissions },
            expires,
        },
    );
    (token, expires)
}

pub(super) fn common_claims(
    core: &Core,
    call: &Call,
    tenant: &Tenant,
    app: &App,
    resource: &Resource,
    lifetime: i64,
) -> Value {
    let shift = if call.faults.contains(&FaultKind::ExpiredTokens) {
        -lifetime - 600
    } else {
        0
    };
    let now = unix_now() + shift;
    json!({
        "aud": resource.audience(),
        "iss": core.issuer(&tenant.id),
        "iat": now, "nbf": now - 300, "exp": now + lifetime,
        "appid": app.client_id,
        "app_displayname": app.name,
        "tid": tenant.id,
        "uti": guid(&["token", &core.desk.serial().to_string()]),
        "ver": "1.0",
    })
}

fn by_code(
    core: &Core,
    call: &Call,
    form: &Form,
    tenant_name: &str,
    client_id: &str,
    notes: &mut Notes,
) -> Result<Value, LoginError> {
    let (tenant, app) = client(core, tenant_name, client_id, notes)?;
    credential::check(core, call, form, &tenant, &app)?;
    let code = form.get("code").ok_or_else(|| LoginError::missing("code"))?;
    let content = core
        .desk
        .take_code(code)
        .filter(|content| content.sign_in.client_id == app.client_id);
    let content = content.ok_or_else(|| {
        LoginError::new(400, "invalid_grant", 54_005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
    })?;
    if form.get("redirect_uri") != Some(content.redirect_uri.as_str()) {
        return Err(LoginError::new(
            400,
            "invalid_client",
            500_112,
            "The reply address does not match the reply address provided when requesting Authorization code.",
        )
        .malformed());
    }
    if let Some(challenge) = &content.challenge {
        let verifier = form
            .get("code_verifier")
            .ok_or_else(|| LoginError::missing("code_verifier"))?;
        if B64.encode(digest::digest(&digest::SHA256, verifier.as_bytes())) != *challenge {
            return Err(LoginError::new(
                400,
                "invalid_grant",
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
    }
    let mut sign_in = content.sign_in;
    if let Some(scope) = form.get("scope") {
        sign_in.scope = scope.to_owned();
    }
    person_tokens(core, call, &tenant, &app, &sign_in)
}

fn by_refresh_token(
    core: &Core,
    call: &Call,
    form: &Form,
    tenant_name: &str,
    client_id: &str,
    notes: &mut Notes,
) -> Result<Value, LoginError> {
    let (tenant, app) = client(core, tenant_name, client_id, notes)?;
    credential::check(core, call, form, &tenant, &app)?;
    let token = form
        .get("refresh_token")
        .ok_or_else(|| LoginError::missing("refresh_token"))?;
    let refused = || {
        LoginError::new(
            400,
            "invalid_grant",
            70_000,
            "The provided value for the input parameter 'refresh_token' is not valid.",
        )
    };
    let mut sign_in = core.desk.refresh(token).ok_or_else(refused)?;
    if sign_in.client_id != app.client_id || sign_in.tenant != tenant.id && !is_shared(tenant_name) {
        return Err(refused());
    }
    if let Some(scope) = form.get("scope") {
        sign_in.scope = scope.to_owned();
    }
    sign_in.nonce = None;
    let tenant = core.tenant_called(&sign_in.tenant).ok_or_else(refused)?;
    person_tokens(core, call, &tenant, &app, &sign_in)
}
