//! The token endpoint: what every credential but a managed identity asks.

use super::refusal::{Refusal, redact};
use super::{Token, Want};
use crate::error::{Error, Result};
use crate::json;
use crate::session::claims;
use crate::session::config::Config;
use crate::session::tokens::Audience;
use crate::status::Status;
use crate::tenant::http::{Http, HttpError};
use bytes::Bytes;
use jiff::{Timestamp, ToSpan};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Answers are short; more is not read.
const MAX_ANSWER: usize = 1024 * 1024;

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

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The service said no.
    Refused(Box<Refusal>),
    /// It could not be asked, or its answer not be read.
    Failed(Error),
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refusal) => refusal.error(),
            TokenError::Failed(error) => error,
        }
    }
}

impl From<HttpError> for TokenError {
    fn from(error: HttpError) -> Self {
        match Refusal::of(&error) {
            Some(refusal) => TokenError::Refused(Box::new(refusal)),
            None => TokenError::Failed(error.into_error()),
        }
    }
}

/// The token endpoint's refusal, as the error that the caller sees.
pub fn sign_in_error(error: HttpError) -> Error {
    TokenError::from(error).into()
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        TokenError::Failed(error)
    }
}

/// The token endpoint's answer.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    access_token: Zeroizing<String>,
    /// Seconds; some endpoints write it as text.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<i64>,
    /// Unix seconds; managed identity endpoints write it, mostly as text.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<i64>,
    /// When the service would like to be asked again.
    #[serde(default, deserialize_with = "seconds")]
    refresh_in: Option<i64>,
    /// Comes with a person's sign-in.
    #[serde(default)]
    pub(crate) refresh_token: Option<Zeroizing<String>>,
    /// Comes with a person's sign-in.
    #[serde(default)]
    pub(crate) id_token: Option<Zeroizing<String>>,
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
        let sane = |seconds: &i64| (0..=30 * 24 * 3600).contains(seconds);
        let end = self
            .expires_in
            .filter(sane)
            .map(|s| now + s.seconds())
            .or_else(|| self.expires_on.and_then(|s| Timestamp::from_second(s).ok()))
            .unwrap_or(now + 1.hours());
        let token = Token::new(self.access_token.to_string(), end);
        match self.refresh_in.filter(sane) {
            Some(seconds) => token.renewed_from(now + seconds.seconds()),
            None => token,
        }
    }
}

/// Reads an answer of the token endpoint's kind, of sane length and within a request's time.
pub(crate) async fn read(mut response: reqwest::Response, time: Duration) -> Result<Zeroizing<Vec<u8>>> {
    let endless = || Error::new(Status::ServiceAnswer, "the token endpoint's answer does not end");
    let whole = async {
        // Room for all of it at once: a vector that grows leaves its former content behind.
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(endless()),
                Ok(None) => return Ok(body),
                Err(e) => {
                    return Err(Error::new(Status::ServiceUnreachable, "the token's answer broke off")
                        .caused_by(&e)
                        .retryable());
                }
            }
        }
    };
    tokio::time::timeout(time, whole).await.unwrap_or_else(|_| {
        Err(endless()
            .detail(format!("it was read for {} s", time.as_secs()))
            .retryable())
    })
}

/// Makes out what an answer says.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    // What serde found is not told: it may quote the token.
    json::read(body).map_err(|_| {
        Error::new(
            Status::ServiceAnswer,
            "the token endpoint's answer is not of the documented form",
        )
        .help("Something between here and the service may answer in its place: check the proxy.")
    })
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
        reqwest::Url::parse(&text).map_err(|_| self.no_tenant())
    }

    /// The tenant's id, from its public metadata; none for a name that stands for every tenant (`organizations`).
    pub(crate) async fn tenant_id(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
        }
        let base = self.config.login()?;
        let text = format!(
            "{}/{}/v2.0/.well-known/openid-configuration",
            base.as_str().trim_end_matches('/'),
            self.tenant
        );
        let url = reqwest::Url::parse(&text).map_err(|_| self.no_tenant())?;
        let request = Request::new(Method::GET, url);
        let told = |error: Error| {
            let why = format!(
                "the tenant's id is needed to check whose token it is, and {} was asked for it",
                base.as_str()
            );
            error.detail(why).target("tenant")
        };
        let response = self
            .http
            .send(request, || async {})
            .await
            .map_err(|error| told(sign_in_error(error)))?;
        let body = read(response, self.http.timeout()).await.map_err(told)?;
        let issuer = parse::<Metadata>(&body).map_err(told)?.issuer;
        if issuer.contains("{tenantid}") {
            return Ok(None);
        }
        let id = issuer.split('/').find(|part| uuid::Uuid::parse_str(part).is_ok());
        id.map(|id| Some(id.to_string())).ok_or_else(|| {
            told(Error::new(
                Status::ServiceAnswer,
                "the tenant's metadata names no tenant",
            ))
        })
    }

    fn no_tenant(&self) -> Error {
        Error::new(Status::ArgumentInvalid, "the tenant is neither an id nor a domain").target("tenant")
    }

    /// The `claims` parameter, where there is something to say. Graph's challenges are answered, so it is told.
    pub(crate) fn claims(&self, want: &Want<'_>) -> Option<String> {
        match want.audience {
            Audience::Graph => Some(claims::parameter(want.claims)),
            _ => want.claims.map(str::to_string),
        }
    }

    /// Asks for an app's token, with what proves the app.
    pub(crate) async fn ask_as_app(
        &self,
        client_id: &str,
        proof: &[(&str, &str)],
        want: &Want<'_>,
    ) -> std::result::Result<Token, TokenError> {
        let scope = want.audience.scope(&self.config);
        let claims = self.claims(want);
        let mut form = vec![
            ("client_id", client_id),
            ("scope", scope.as_str()),
            ("grant_type", "client_credentials"),
        ];
        form.extend_from_slice(proof);
        form.extend(claims.as_deref().map(|claims| ("claims", claims)));
        Ok(self.ask(&form).await?.token())
    }

    /// Asks the token endpoint.
    pub(crate) async fn ask(&self, form: &[(&str, &str)]) -> std::result::Result<TokenAnswer, TokenError> {
        self.post(self.token_url()?, form).await
    }

    /// Posts a form to one of the tenant's OAuth endpoints.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: reqwest::Url,
        form: &[(&str, &str)],
    ) -> std::result::Result<T, TokenError> {
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        // It holds secrets, so it is wiped when the request and its copies are gone.
        *request.body_mut() = Some(Bytes::from_owner(encode(form)).into());
        match self.http.send(request, || async {}).await {
            Ok(response) => {
                let body = read(response, self.http.timeout()).await?;
                // A gateway may turn every status into 200. Only what is a refusal is copied: tokens are not.
                let refused = |text: &&str| Refusal::read(text).is_some();
                let text = std::str::from_utf8(&body).ok().filter(refused);
                match text.and_then(|text| Refusal::read(&redact(text, form))) {
                    Some(refusal) => Err(TokenError::Refused(Box::new(refusal))),
                    None => Ok(parse(&body)?),
                }
            }
            Err(mut error) => {
                // An answer may hold what was sent to it.
                if let HttpError::Status { body, .. } = &mut error {
                    *body = redact(body, form);
                }
                Err(error.into())
            }
        }
    }
}

/// A form as it is sent, in memory that is wiped and never moved.
fn encode(form: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // Three bytes for each at the most, and what stands between.
    let most: usize = form
        .iter()
        .map(|(name, value)| 3 * (name.len() + value.len()) + 2)
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(most));
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        text.push('=');
        text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_in_one_piece() {
        let form = [("client_secret", "se/cret+\"1\" \u{e4}&=%"), ("empty", "")];
        let encoded = encode(&form);
        let wanted = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        assert_eq!(*encoded, wanted.as_bytes());
        let most: usize = form.iter().map(|(n, v)| 3 * (n.len() + v.len()) + 2).sum();
        assert_eq!(encoded.capacity(), most, "it never grew");
    }

    #[test]
    fn numbers_may_be_text() {
        let end = |text: &str| serde_json::from_str::<TokenAnswer>(text).unwrap().token().expires_at;
        let near = |at: Timestamp, seconds: i64| (at.as_second() - Timestamp::now().as_second() - seconds).abs() < 5;
        assert!(near(end(r#"{"access_token":"a","expires_in":"60"}"#), 60));
        assert!(near(end(r#"{"access_token":"a","expires_in":60.5}"#), 60));
        assert!(near(end(r#"{"access_token":"a","expires_in":-5}"#), 3600));
        assert!(near(end(r#"{"access_token":"a","expires_in":9e99}"#), 3600));
        assert!(near(end(r#"{"access_token":"a"}"#), 3600));
        assert_eq!(
            end(r#"{"access_token":"a","expires_on":"1795345200"}"#).as_second(),
            1_795_345_200
        );
    }
}
