//! Tokens of people: what a sign-in may have, and the answer to it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::LoginError;
use super::desk::{Access, Holder, SignIn};
use super::resource::{Resource, Scopes, scopes};
use super::token::{common_claims, unix_now};
use crate::core::Core;
use crate::guid::guid;
use crate::http::Call;
use crate::roles;
use crate::tenant::{App, Tenant};

/// Conditional Access says no.
pub(super) fn blocked() -> LoginError {
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
pub(super) fn person_tokens(
    core: &Core,
    call: &Call,
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
