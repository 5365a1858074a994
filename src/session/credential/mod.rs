//! Ways to get a token: one file each. Every one is reached through `sspr_session_sign_in`.

mod client_secret;
mod supplied;

pub use client_secret::ClientSecret;
pub use supplied::Supplied;

use super::config::Config;
use super::tokens::{Audience, Token};
use crate::error::{Error, Result};
use crate::status::Status;
use crate::tenant::http::{Http, HttpError};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::sync::Arc;

/// What every credential needs to ask for a token.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The session's client.
    pub http: Http,
    /// The session's configuration.
    pub config: Arc<Config>,
    /// The tenant's id or domain, or `organizations`.
    pub tenant: String,
}

/// A way to get a token.
#[derive(Debug)]
pub enum Credential {
    /// An app with a secret.
    ClientSecret(ClientSecret),
    /// A token that the caller brought.
    Supplied(Supplied),
}

impl Credential {
    /// Gets a token. `claims` answers a challenge.
    pub async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<Token> {
        match self {
            Credential::ClientSecret(credential) => credential.token(audience, claims).await,
            Credential::Supplied(credential) => credential.token(audience, claims),
        }
    }
}

/// The token endpoint's answer.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    access_token: String,
    /// Seconds; some endpoints write it as text.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<i64>,
    /// Unix seconds; managed identity endpoints write it, mostly as text.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<i64>,
    /// Comes with a person's sign-in.
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
    /// Comes with a person's sign-in.
    #[serde(default)]
    pub(crate) id_token: Option<String>,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|f| f as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

impl TokenAnswer {
    /// The token, with the end that the answer names (an hour where it names none that can be read).
    pub(crate) fn token(&self) -> Token {
        let now = Timestamp::now();
        let end = self
            .expires_in
            .filter(|s| (0..=30 * 24 * 3600).contains(s))
            .map(|s| now + s.seconds())
            .or_else(|| self.expires_on.and_then(|s| Timestamp::from_second(s).ok()));
        Token::new(self.access_token.clone(), end.unwrap_or(now + 1.hours()))
    }
}

impl Issuer {
    /// The tenant's token endpoint.
    pub(crate) fn token_url(&self) -> Result<reqwest::Url> {
        self.url("token")
    }

    /// One of the tenant's OAuth endpoints.
    pub(crate) fn url(&self, leaf: &str) -> Result<reqwest::Url> {
        let base = self.config.login()?;
        let text = format!(
            "{}/{}/oauth2/v2.0/{leaf}",
            base.as_str().trim_end_matches('/'),
            self.tenant
        );
        reqwest::Url::parse(&text).map_err(|_| {
            Error::new(Status::ArgumentInvalid, "the tenant is neither an id nor a domain").target("tenant")
        })
    }

    /// Asks the token endpoint.
    pub(crate) async fn ask(&self, form: &[(&str, &str)]) -> Result<TokenAnswer> {
        let request = self
            .http
            .client()
            .post(self.token_url()?)
            .form(form)
            .build()
            .map_err(|e| Error::new(Status::Internal, "the token request cannot be made").caused_by(&e))?;
        let response = self.http.send(request, || async {}).await.map_err(sign_in_error)?;
        let body = response.bytes().await.map_err(|e| {
            Error::new(Status::ServiceUnreachable, "the token's answer broke off")
                .caused_by(&e)
                .retryable()
        })?;
        serde_json::from_slice(&body).map_err(|_| {
            Error::new(
                Status::ServiceAnswer,
                "the token endpoint's answer is not of the documented form",
            )
        })
    }
}

/// The token endpoint's error document, as the error that the caller sees.
pub fn sign_in_error(error: HttpError) -> Error {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Document {
        error: String,
        error_description: String,
        error_codes: Vec<i64>,
        correlation_id: Option<String>,
        claims: Option<String>,
        suberror: Option<String>,
    }
    let HttpError::Status { body, .. } = &error else {
        return error.into_error();
    };
    let Ok(document) = serde_json::from_str::<Document>(body) else {
        return error.into_error();
    };
    if document.error.is_empty() {
        return error.into_error();
    }
    // The description's first line says it; the rest repeats the ids.
    let words = document.error_description.lines().next().unwrap_or_default();
    let words = words.split(" Trace ID:").next().unwrap_or(words).trim();
    let (status, help) = explain(&document.error, &document.error_codes, document.claims.is_some());
    let mut out = Error::new(
        status,
        if words.is_empty() {
            format!("the sign-in was refused: {}", document.error)
        } else {
            words.to_string()
        },
    );
    out.detail.push(document.error);
    out.detail.extend(document.suberror);
    out.request_id = document.correlation_id;
    out.help = help.map(str::to_string);
    out
}

/// What the more frequent refusals mean and what to do.
fn explain(error: &str, codes: &[i64], claims: bool) -> (Status, Option<&'static str>) {
    let has = |wanted: &[i64]| codes.iter().any(|code| wanted.contains(code));
    let refused = Status::SignInRefused;
    if has(&[7_000_215, 7_000_222]) {
        return (
            refused,
            Some("Make a new secret for the app and use its value, not its id; it may also have ended."),
        );
    }
    if has(&[700_016, 90_002]) {
        return (
            refused,
            Some("Check the tenant and the client id: the app must be registered or consented to in this tenant."),
        );
    }
    if has(&[700_027, 700_024, 50_027, 7_000_272, 5_002_738]) {
        return (
            refused,
            Some("Register this certificate with the app, and check this machine's clock."),
        );
    }
    if has(&[700_213, 70_021, 700_211]) {
        return (
            refused,
            Some("Add a federated credential with this issuer, subject and audience to the app."),
        );
    }
    if has(&[65_001, 65_004, 90_094]) {
        return (
            refused,
            Some("An administrator must consent to the app's permissions in this tenant."),
        );
    }
    if claims
        || error == "interaction_required"
        || has(&[50_076, 50_079, 50_158, 53_000, 53_001, 53_003, 530_003, 50_005, 530_031])
    {
        return (
            Status::SignInConditionalAccess,
            Some("A Conditional Access policy asks for more: see the sign-in log entry of this time."),
        );
    }
    (refused, None)
}
