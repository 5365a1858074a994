//! The page on which a person signs in: a form that posts the code to the app.

use super::desk::{Code, SignIn};
use super::person::granted;
use super::resource::scopes;
use super::token::client;
use super::{LoginError, is_shared};
use crate::core::Core;
use crate::guid::guid;
use crate::http::{Call, Form, Notes, html};
use crate::reply::Reply;
use crate::tenant::App;

/// Answers `GET /{tenant}/oauth2/v2.0/authorize`.
pub(super) fn answer(core: &Core, call: &Call, tenant_name: &str, notes: &mut Notes) -> Reply {
    let form = if call.method == "POST" {
        call.form()
    } else {
        Form(call.parameters())
    };
    let redirect = form.get("redirect_uri").unwrap_or_default().to_owned();
    let state = form.get("state").unwrap_or_default().to_owned();
    match sign_in(core, &form, tenant_name, notes) {
        Ok(code) => {
            let submit = core.options.auto_submit && form.get("lab_wait").is_none();
            page(
                &redirect,
                &[("code", &code), ("state", &state), ("session_state", "lab")],
                submit,
            )
        }
        // Without a trustworthy address the error is shown and goes nowhere.
        Err((error, false)) => {
            if let Some(message) = &error.violation {
                notes.violation(message.clone());
            }
            let text = html(&error.description("0", "0"));
            Reply::bytes(
                400,
                "text/html; charset=utf-8",
                format!("<!doctype html><title>Sign in</title><p>{text}</p>").into(),
            )
        }
        Err((error, true)) => {
            if let Some(message) = &error.violation {
                notes.violation(message.clone());
            }
            let text = error.description("0", "0");
            // Here a policy that blocks has the same name as a person who declines; the number tells them apart.
            let name = if error.code == 53_003 {
                "access_denied"
            } else {
                error.error
            };
            page(
                &redirect,
                &[("error", name), ("error_description", &text), ("state", &state)],
                core.options.auto_submit,
            )
        }
    }
}

/// The code; or an error, and whether it may be sent to the app.
fn sign_in(core: &Core, form: &Form, tenant_name: &str, notes: &mut Notes) -> Result<String, (LoginError, bool)> {
    let shown = |error| (error, false);
    let sent = |error| (error, true);
    let client_id = form
        .get("client_id")
        .ok_or_else(|| shown(LoginError::missing("client_id")))?;
    notes.app_id = Some(client_id.to_owned());
    let (mut tenant, app) = client(core, tenant_name, client_id, notes).map_err(shown)?;
    let redirect = form
        .get("redirect_uri")
        .ok_or_else(|| shown(LoginError::missing("redirect_uri")))?;
    if !redirect_fits(&app, redirect) {
        let text = format!(
            "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application '{}'.",
            app.client_id
        );
        return Err(shown(LoginError::new(400, "invalid_request", 50_011, text).malformed()));
    }
    let bad = |message: &str| LoginError::new(400, "invalid_request", 900_144, message).malformed();
    if form.get("response_type") != Some("code") {
        return Err(sent(bad("The lab knows response_type=code only.")));
    }
    if form.get("response_mode") != Some("form_post") {
        return Err(sent(bad(
            "response_mode=form_post is the only mode that keeps the code out of the address bar.",
        )));
    }
    let challenge = form.get("code_challenge").map(str::to_owned);
    if challenge.is_none() || form.get("code_challenge_method") != Some("S256") {
        return Err(sent(bad(
            "Proof Key for Code Exchange is required: code_challenge with code_challenge_method=S256.",
        )));
    }
    if form.get("state").is_none() {
        return Err(sent(bad("A sign-in without state cannot be told from a forged one.")));
    }
    let scope = form.get("scope").ok_or_else(|| sent(LoginError::missing("scope")))?;
    let wanted = scopes(core, scope).map_err(sent)?;
    granted(&tenant, &app, &wanted).map_err(sent)?;
    if let Some(error) = core.take_authorize_error() {
        return Err(sent(LoginError::new(400, "access_denied", 65_004, error)));
    }
    let upn = form
        .get("login_hint")
        .map(str::to_owned)
        .or_else(|| core.sign_in_as(&tenant))
        .unwrap_or_default();
    if is_shared(tenant_name)
        && let Some(home) = upn.split_once('@').and_then(|(_, domain)| core.tenant_called(domain))
    {
        tenant = home;
    }
    let code = format!("0.{}", guid(&["code", &core.desk.serial().to_string()]));
    core.desk.keep_code(
        &code,
        Code {
            sign_in: SignIn {
                tenant: tenant.id.clone(),
                client_id: app.client_id,
                upn,
                scope: scope.to_owned(),
                nonce: form.get("nonce").map(str::to_owned),
            },
            redirect_uri: redirect.to_owned(),
            challenge,
        },
    );
    Ok(code)
}

/// A registered `http://localhost` allows any port and path of that host; others must be equal.
fn redirect_fits(app: &App, redirect: &str) -> bool {
    app.spec.redirect_uris.iter().any(|known| {
        known == redirect
            || known.trim_end_matches('/') == "http://localhost"
                && redirect
                    .strip_prefix("http://localhost")
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

fn page(redirect: &str, fields: &[(&str, &str)], submit: bool) -> Reply {
    let inputs: String = fields
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                html(name),
                html(value)
            )
        })
        .collect();
    let script = if submit {
        "<script>document.forms[0].submit()</script>"
    } else {
        ""
    };
    let text = format!(
        "<!doctype html><html><head><title>Sign in to your account</title></head><body>\
         <form method=\"post\" action=\"{}\">{inputs}<button type=\"submit\">Sign in</button></form>{script}</body></html>",
        html(redirect)
    );
    Reply::bytes(200, "text/html; charset=utf-8", text.into()).header("cache-control", "no-store")
}
