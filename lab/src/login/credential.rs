//! How a client proves who it is: secret, certificate, or the token of another issuer.

use serde_json::Value;

use super::LoginError;
use super::token::unix_now;
use crate::core::Core;
use crate::fault::FaultKind;
use crate::http::{Call, Form};
use crate::jwt::{self, Parsed};
use crate::tenant::{App, Tenant};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Checks the client's credential; true when it had one.
pub(super) fn check(core: &Core, call: &Call, form: &Form, tenant: &Tenant, app: &App) -> Result<bool, LoginError> {
    if let Some(assertion) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(LoginError::missing("client_assertion_type"));
        }
        let parsed =
            jwt::parse(assertion).ok_or_else(|| invalid(50027, "JWT token is invalid or malformed.").malformed())?;
        let own = parsed.claims["iss"].as_str() == Some(app.client_id.as_str());
        if own
            || parsed.header.get("x5t").is_some() && parsed.header["kid"] != jwt::KEY_ID
            || parsed.header.get("x5t#S256").is_some()
        {
            certificate(core, call, tenant, app, &parsed)?;
        } else {
            federated(core, call, tenant, app, &parsed)?;
        }
        return Ok(true);
    }
    match form.get("client_secret") {
        Some(secret) if app.spec.secret.as_deref() == Some(secret) => Ok(true),
        Some(secret) if app.spec.expired_secret.as_deref() == Some(secret) => Err(invalid(
            7_000_222,
            &format!(
                "The provided client secret keys for app '{}' are expired.",
                app.client_id
            ),
        )),
        Some(_) => Err(invalid(
            7_000_215,
            &format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                app.client_id
            ),
        )),
        None => Ok(false),
    }
}

fn invalid(code: u32, message: &str) -> LoginError {
    LoginError::new(401, "invalid_client", code, message)
}

/// `private_key_jwt` with a certificate that is registered with the app.
fn certificate(core: &Core, call: &Call, tenant: &Tenant, app: &App, token: &Parsed) -> Result<(), LoginError> {
    let algorithm = token.header["alg"].as_str().unwrap_or_default();
    let refused = call.faults.contains(&FaultKind::RefusePs256);
    // Microsoft's own clients send the fingerprints with the padding that base64url leaves out.
    let print = |name: &str| token.header[name].as_str().unwrap_or_default().trim_end_matches('=');
    let (x5t, x5t_s256) = (print("x5t"), print("x5t#S256"));
    let unsupported = || {
        LoginError::new(
            400,
            "invalid_request",
            5_002_738,
            format!(
                "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256'."
            ),
        )
    };
    let found = match algorithm {
        "PS256" if refused => return Err(unsupported()),
        "PS256" => app.certificates.iter().find(|c| c.x5t_s256 == x5t_s256),
        "RS256" => app.certificates.iter().find(|c| c.x5t == x5t || c.x5t_s256 == x5t_s256),
        _ => return Err(unsupported().malformed()),
    };
    let Some(certificate) = found else {
        let print = token.header.get("x5t#S256").or_else(|| token.header.get("x5t"));
        return Err(invalid(
            700_027,
            &format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: {}]",
                print.unwrap_or(&Value::Null)
            ),
        ));
    };
    if !jwt::verify_with_certificate(token, &certificate.der) {
        return Err(invalid(700_027, "Client assertion failed signature validation."));
    }
    let id = Value::from(app.client_id.as_str());
    if token.claims["iss"] != id || token.claims["sub"] != id {
        return Err(invalid(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    let audience = token.claims["aud"].as_str().unwrap_or_default();
    if !core.is_token_audience(audience, tenant) {
        return Err(invalid(
            700_023,
            &format!("Client assertion audience claim does not match Realm issuer. The audience was '{audience}'."),
        )
        .malformed());
    }
    times(token)?;
    match token.claims["jti"].as_str() {
        Some(jti) if core.desk.first_use(jti) => Ok(()),
        Some(_) => Err(invalid(50_064, "Credential validation failed: the assertion was used before.").malformed()),
        None => Err(invalid(50_027, "JWT token is invalid or malformed: it has no jti.").malformed()),
    }
}

fn times(token: &Parsed) -> Result<(), LoginError> {
    let now = unix_now();
    // Some clients send fractions of a second.
    #[allow(clippy::cast_possible_truncation)]
    let time = |name: &str| token.claims[name].as_f64().map(|seconds| seconds as i64);
    let (Some(exp), nbf) = (time("exp"), time("nbf").or_else(|| time("iat"))) else {
        return Err(invalid(700_024, "Client assertion has no expiry time.").malformed());
    };
    if exp < now || nbf.is_some_and(|nbf| nbf > now + 300) {
        return Err(invalid(
            700_024,
            &format!(
                "Client assertion is not within its valid time range. Current time: {now}, expiry time of assertion {exp}."
            ),
        ));
    }
    Ok(())
}

/// The token of another issuer that the app trusts.
fn federated(core: &Core, call: &Call, tenant: &Tenant, app: &App, token: &Parsed) -> Result<(), LoginError> {
    let claim = |name: &str| token.claims[name].as_str().unwrap_or_default();
    let credentials = &app.spec.federated_credentials;
    let issuer_fits = |issuer: &str| match issuer {
        "lab" => core.is_own_issuer(claim("iss"), &tenant.id),
        other => other == claim("iss"),
    };
    let refuse = |code, what: &str, value: &str| {
        Err(invalid(
            code,
            &format!("No matching federated identity record found for presented assertion {what} '{value}'."),
        ))
    };
    let _ = call;
    if !credentials.iter().any(|c| issuer_fits(&c.issuer)) {
        return refuse(700_211, "issuer", claim("iss"));
    }
    if !credentials
        .iter()
        .any(|c| issuer_fits(&c.issuer) && c.subject == claim("sub"))
    {
        return refuse(700_213, "subject", claim("sub"));
    }
    if !credentials
        .iter()
        .any(|c| issuer_fits(&c.issuer) && c.subject == claim("sub") && c.audience == claim("aud"))
    {
        return refuse(700_212, "audience", claim("aud"));
    }
    if !core.signer.verify(token) {
        return Err(invalid(50_013, "Assertion failed signature validation."));
    }
    times(token)
}
