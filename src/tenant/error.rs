//! Why a service did not answer, and how its error documents are read.

use super::http::{HttpError, transport};
use super::page::PageError;
use crate::error::Error;
use base64::Engine as _;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Why a service did not answer a question.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The service's own error document.
    #[error("{message} ({code})")]
    Refused {
        /// The answer's status.
        status: u16,
        /// The code to branch on.
        code: String,
        /// Its words.
        message: String,
        /// Its id of the request.
        request_id: Option<String>,
        /// A claims challenge that came with it.
        claims: Option<String>,
    },
    /// The connection.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer's form.
    #[error("{0}")]
    Answer(String),
    /// A link that leads elsewhere.
    #[error("the next page's link leads to another host ({0})")]
    ForeignLink(String),
    /// No token.
    #[error("{0}")]
    Token(#[from] Error),
}

impl From<PageError> for AskError {
    fn from(error: PageError) -> Self {
        AskError::Answer(error.to_string())
    }
}

impl AskError {
    /// The same error once more, for the parts of a batch that failed together.
    pub(crate) fn copy(&self) -> AskError {
        match self {
            AskError::Refused {
                status,
                code,
                message,
                request_id,
                claims,
            } => AskError::Refused {
                status: *status,
                code: code.clone(),
                message: message.clone(),
                request_id: request_id.clone(),
                claims: claims.clone(),
            },
            AskError::Token(error) => AskError::Token(error.clone()),
            AskError::ForeignLink(host) => AskError::ForeignLink(host.clone()),
            other => AskError::Answer(other.to_string()),
        }
    }
}

pub(crate) fn may_retry(error: &AskError) -> bool {
    matches!(
        error,
        AskError::Http(HttpError::Unreachable { .. }) | AskError::Answer(_)
    )
}

pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_string)
}

/// An error document as Graph writes it; its `innerError` has changed its case more than once.
pub fn refused(status: u16, body: &Value, request_id: Option<String>) -> AskError {
    let error = &body["error"];
    let inner = error.get("innerError").or_else(|| error.get("innererror"));
    let text = |value: &Value| value.as_str().map(|s| s.chars().take(500).collect::<String>());
    AskError::Refused {
        status,
        code: text(&error["code"]).unwrap_or_else(|| format!("HTTP {status}")),
        message: text(&error["message"]).unwrap_or_else(|| "no error document came with the answer".into()),
        request_id: inner.and_then(|i| text(&i["request-id"])).or(request_id),
        claims: None,
    }
}

/// The claims that a 401 asks for.
pub fn claims_challenge(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|text| {
            let start = text.find("claims=\"")? + "claims=\"".len();
            let encoded = text[start..].split('"').next()?;
            let engine = base64::engine::GeneralPurpose::new(
                &base64::alphabet::STANDARD,
                base64::engine::GeneralPurposeConfig::new()
                    .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
            );
            let bytes = engine.decode(encoded.replace('-', "+").replace('_', "/")).ok()?;
            String::from_utf8(bytes).ok()
        })
}

pub(crate) fn expect_json(response: &Response) -> Result<(), AskError> {
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if kind.to_ascii_lowercase().contains("json") {
        Ok(())
    } else {
        Err(AskError::Answer(format!(
            "the answer is {}, not JSON; a proxy may have answered",
            if kind.is_empty() { "of no type" } else { kind }
        )))
    }
}

pub(crate) async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, AskError> {
    expect_json(&response)?;
    let host = response.url().host_str().unwrap_or_default().to_string();
    let bytes = response
        .bytes()
        .await
        .map_err(|e| AskError::Http(transport(&host, e, Duration::ZERO)))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| AskError::Answer(format!("the answer is not of the documented form: {e}")))
}
