//! The token endpoint.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use ring::digest;
use serde_json::{Value, json};

use super::desk::{Access, Device, DeviceState, Holder, SignIn};
use super::resource::{Resource, Scopes, scopes};
use super::{LoginError, credential, is_shared};
use crate::core::Core;
use crate::fault::FaultKind;
use crate::guid::guid;
use crate::http::{Call, Form, Notes};
use crate::roles;
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
            challenges: false,
        },
    );
    (token, expires)
}

fn common_claims(core: &Core, call: &Call, tenant: &Tenant, app: &App, resource: &Resource, lifetime: i64) -> Value {
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
    person_tokens(core, call, form, &tenant, &app, &sign_in)
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
    person_tokens(core, call, form, &tenant, &app, &sign_in)
}

/// Answers `POST /{tenant}/oauth2/v2.0/devicecode`.
pub(super) fn device_code(core: &Core, call: &Call, tenant_name: &str, notes: &mut Notes) -> Result<Value, LoginError> {
    let form = call.form();
    let client_id = form.get("client_id").ok_or_else(|| LoginError::missing("client_id"))?;
    notes.app_id = Some(client_id.to_owned());
    let (tenant, app) = client(core, tenant_name, client_id, notes)?;
    let scope = form.get("scope").ok_or_else(|| LoginError::missing("scope"))?;
    scopes(core, scope)?;
    let serial = core.desk.serial();
    let code = guid(&["device", &serial.to_string()]);
    let user_code: String = code.replace('-', "").to_ascii_uppercase().chars().take(9).collect();
    let interval = core.options.device_interval_seconds;
    #[allow(clippy::cast_precision_loss)]
    let interval_ms = interval as f64 * 1000.0;
    core.desk.keep_device(
        &code,
        Device {
            user_code: user_code.clone(),
            tenant: tenant.id.clone(),
            client_id: app.client_id,
            scope: scope.to_owned(),
            state: DeviceState::Pending,
            expires: unix_now() + 900,
            last_poll_ms: None,
            interval_ms,
        },
    );
    Ok(json!({
        "user_code": user_code,
        "device_code": code,
        "verification_uri": "https://login.microsoft.com/device",
        "expires_in": 900,
        "interval": interval,
        "message": format!("To sign in, use a web browser to open the page https://login.microsoft.com/device and enter the code {user_code} to authenticate."),
    }))
}

fn by_device_code(
    core: &Core,
    call: &Call,
    form: &Form,
    tenant_name: &str,
    client_id: &str,
    notes: &mut Notes,
) -> Result<Value, LoginError> {
    let (_, app) = client(core, tenant_name, client_id, notes)?;
    let code = form
        .get("device_code")
        .ok_or_else(|| LoginError::missing("device_code"))?;
    let now_ms = core.log.now_ms();
    let device = core.desk.with_device(code, |device| {
        let too_soon = device
            .last_poll_ms
            .is_some_and(|last| now_ms - last < device.interval_ms * 0.9);
        device.last_poll_ms = Some(now_ms);
        if device.state == DeviceState::Pending && device.expires < unix_now() {
            device.state = DeviceState::Expired;
        }
        let seen = device.clone();
        if matches!(device.state, DeviceState::Approved(_)) {
            device.state = DeviceState::Used;
        }
        (seen, too_soon)
    });
    let error = |error, code, message| Err(LoginError::new(400, error, code, message));
    let Some((device, too_soon)) = device.filter(|(device, _)| device.client_id == app.client_id) else {
        return error("bad_verification_code", 70_018, "The verification code is not valid.");
    };
    match device.state {
        DeviceState::Pending if too_soon && core.options.slow_down => error(
            "slow_down",
            70_016,
            "OAuth 2.0 device flow error. The client polls too often.",
        ),
        DeviceState::Pending => error(
            "authorization_pending",
            70_016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        DeviceState::Declined => error(
            "authorization_declined",
            70_000,
            "The end user denied the authorization request.",
        ),
        DeviceState::Expired => error(
            "expired_token",
            70_020,
            "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
        ),
        DeviceState::Used => error("invalid_grant", 54_005, "The device code was already redeemed."),
        DeviceState::Approved(upn) => {
            let tenant = core
                .tenant_called(&device.tenant)
                .ok_or_else(|| LoginError::no_tenant(&device.tenant))?;
            notes.tenant_id = Some(tenant.id.clone());
            if tenant.scenario.switches.device_code_refused {
                return Err(blocked());
            }
            let sign_in = SignIn {
                tenant: device.tenant,
                client_id: device.client_id,
                upn,
                scope: device.scope,
                nonce: None,
            };
            person_tokens(core, call, form, &tenant, &app, &sign_in)
        }
    }
}

/// Conditional Access says no.
fn blocked() -> LoginError {
    let mut error = LoginError::new(
        400,
        "invalid_grant",
        53_003,
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    );
    error.suberror = Some("message_only");
    error
}

/// Checks what a person's sign-in may have, and gives the scopes that the token will carry.
pub(super) fn granted(tenant: &Tenant, app: &App, wanted: &Scopes) -> Result<Vec<String>, LoginError> {
    if wanted.resource == Some(Resource::Portal) {
        if tenant.scenario.switches.portal_tokens_refused {
            return Err(blocked());
        }
        if !app.spec.portal {
            return Err(LoginError::new(
                400,
                "invalid_request",
                65_002,
                format!(
                    "Consent between first party application '{}' and first party resource '74658136-14ec-4630-ad9b-26e160ff0fc6' must be configured via preauthorization.",
                    app.client_id
                ),
            ));
        }
        return Ok(vec!["user_impersonation".to_owned()]);
    }
    let mut scopes = app.spec.delegated_permissions.clone();
    for name in &wanted.names {
        if !scopes.contains(name) {
            if app.spec.first_party {
                scopes.push(name.clone());
            } else {
                let mut error = LoginError::new(
                    400,
                    "invalid_grant",
                    65_001,
                    format!(
                        "The user or administrator has not consented to use the application with ID '{}' named '{}'. Send an interactive authorization request for this user and resource.",
                        app.client_id, app.name
                    ),
                );
                error.suberror = Some("consent_required");
                return Err(error);
            }
        }
    }
    Ok(scopes)
}

/// The answer to a person's sign-in.
fn person_tokens(
    core: &Core,
    call: &Call,
    form: &Form,
    tenant: &Tenant,
    app: &App,
    sign_in: &SignIn,
) -> Result<Value, LoginError> {
    let mut wanted = scopes(core, &sign_in.scope)?;
    let resource = wanted
        .resource
        .clone()
        .unwrap_or(Resource::Graph("https://graph.microsoft.com".to_owned()));
    wanted.resource = Some(resource.clone());
    let scopes = granted(tenant, app, &wanted)?;
    let user = tenant
        .directory
        .find(&sign_in.upn)
        .filter(|user| tenant.directory.population(user).person);
    let user = user.ok_or_else(|| {
        LoginError::new(
            400,
            "invalid_grant",
            50_034,
            format!(
                "The user account {} does not exist in the {} directory.",
                sign_in.upn, tenant.display_name
            ),
        )
    })?;
    let object = tenant.directory.user_value(user);
    if object["accountEnabled"] == json!(false) {
        return Err(LoginError::new(
            400,
            "invalid_grant",
            50_057,
            "The user account is disabled.",
        ));
    }
    let roles = tenant.directory.population(user).spec.roles.clone();
    let mut claims = common_claims(core, call, tenant, app, &resource, 3599);
    let id = object["id"].as_str().unwrap_or_default().to_owned();
    for (name, value) in [
        ("oid", object["id"].clone()),
        ("sub", json!(guid(&["sub", &id, &app.client_id]))),
        ("idtyp", json!("user")),
        ("upn", object["userPrincipalName"].clone()),
        ("unique_name", object["userPrincipalName"].clone()),
        ("name", object["displayName"].clone()),
        ("scp", json!(scopes.join(" "))),
        (
            "wids",
            json!(roles.iter().filter_map(|role| roles::id(role)).collect::<Vec<_>>()),
        ),
    ] {
        claims[name] = value;
    }
    let token = core.signer.sign(&claims);
    core.desk.keep_access(
        &token,
        Access {
            tenant: tenant.id.clone(),
            client_id: app.client_id.clone(),
            resource,
            holder: Holder::Person {
                upn: sign_in.upn.clone(),
                id: id.clone(),
                scopes: scopes.clone(),
                roles,
            },
            expires: claims["exp"].as_i64().unwrap_or_default(),
            challenges: form.get("claims").is_some_and(|claims| claims.contains("cp1")),
        },
    );
    let scope_text = scopes.join(" ");
    let mut body = json!({
        "token_type": "Bearer", "scope": scope_text, "expires_in": 3599, "ext_expires_in": 3599, "access_token": token,
        "client_info": B64.encode(json!({"uid": id, "utid": tenant.id}).to_string()),
    });
    if wanted.offline {
        let refresh = format!(
            "1.{}.{}",
            core.desk.serial(),
            guid(&["refresh", &core.desk.serial().to_string()])
        );
        core.desk.keep_refresh(&refresh, sign_in.clone());
        body["refresh_token"] = json!(refresh);
    }
    if wanted.openid {
        let now = unix_now();
        body["id_token"] = json!(core.signer.sign(&json!({
            "aud": app.client_id, "iss": format!("{}/{}/v2.0", call.origin, tenant.id), "iat": now, "nbf": now - 300, "exp": now + 3599,
            "name": object["displayName"], "preferred_username": object["userPrincipalName"], "oid": id, "sub": claims["sub"],
            "tid": tenant.id, "ver": "2.0", "nonce": sign_in.nonce,
        })));
    }
    Ok(body)
}
