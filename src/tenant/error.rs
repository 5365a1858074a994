//! Why a service did not answer, and how its error documents are read.

use super::http::{Http, HttpError, request_id};
use super::page::PageError;
use crate::error::Error;
use crate::json;
use crate::status::Status;
use base64::Engine as _;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Why a service did not answer a question.
#[derive(Clone, Debug, thiserror::Error)]
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
    /// The answer broke off, or something else answered; it may come whole the next time.
    #[error("{0}")]
    Broken(String),
    /// A link that leads elsewhere.
    #[error("the next page's link leads to another host ({0})")]
    ForeignLink(String),
    /// No token.
    #[error("{0}")]
    Token(#[from] Error),
}

impl From<PageError> for AskError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::TooLong => AskError::Answer(error.to_string()),
            _ => AskError::Broken(error.to_string()),
        }
    }
}

impl AskError {
    /// Whether a new token may be what is missing. The synchronization API says 401 `UnknownError` to whoever lacks the role.
    pub(crate) fn wants_token(&self) -> bool {
        matches!(self, AskError::Refused { status, code, claims, .. } if claims.is_some() || (*status == 401 && code != "UnknownError"))
    }

    /// The claims that a new token must have.
    pub(crate) fn claims(&self) -> Option<&str> {
        match self {
            AskError::Refused { claims, .. } => claims.as_deref(),
            _ => None,
        }
    }
}

/// As the error that leaves the library.
impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused {
                status, ref request_id, ..
            } => {
                let own = match status {
                    429 => Status::ServiceThrottled,
                    400..=499 => Status::ServiceRefused,
                    _ => Status::ServiceFailed,
                };
                let mut refused = Error::new(own, error.to_string());
                refused.request_id = request_id.clone();
                refused
            }
            AskError::Http(error) => error.into_error(),
            AskError::Token(error) => error,
            AskError::Answer(_) | AskError::Broken(_) | AskError::ForeignLink(_) => {
                Error::new(Status::ServiceAnswer, error.to_string())
            }
        }
    }
}

/// How often an answer that broke off is asked for.
const ATTEMPTS: u32 = 4;

/// How often an answer was read in vain.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Waits until the answer may be asked for again, or hands the error back when that is of no use.
    pub(crate) async fn after(&mut self, error: AskError) -> Result<(), AskError> {
        let passing = matches!(
            error,
            AskError::Http(HttpError::Unreachable { .. }) | AskError::Broken(_)
        );
        self.0 += 1;
        if !passing || self.0 >= ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(200 << self.0)).await;
        Ok(())
    }
}

/// A refusal: Graph's error document, whose `innerError` has changed its case more than once, and what the headers add.
pub fn refused(status: u16, body: &Value, headers: &HeaderMap) -> AskError {
    let error = &body["error"];
    let inner = error.get("innerError").or_else(|| error.get("innererror"));
    let text = |value: &Value| value.as_str().map(|s| s.chars().take(500).collect::<String>());
    AskError::Refused {
        status,
        code: text(&error["code"]).unwrap_or_else(|| format!("HTTP {status}")),
        message: text(&error["message"]).unwrap_or_else(|| "no error document came with the answer".into()),
        request_id: inner
            .and_then(|i| text(&i["request-id"]))
            .or_else(|| request_id(headers)),
        claims: claims_challenge(headers),
    }
}

/// The claims that a challenge asks for.
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
        Err(AskError::Broken(format!(
            "the answer is {}, not JSON; a proxy may have answered",
            if kind.is_empty() { "of no type" } else { kind }
        )))
    }
}

/// Longer than any documented answer, or page of one; keeps a hostile one from filling the memory.
const LONGEST: usize = 32 * 1024 * 1024;

/// Refuses an answer of which so many bytes have come.
pub(crate) fn not_too_long(length: usize) -> Result<(), AskError> {
    if length > LONGEST {
        return Err(AskError::Answer(format!("the answer is longer than {LONGEST} bytes")));
    }
    Ok(())
}

/// Reads an answer to its end: one JSON document.
pub(crate) async fn whole(http: &Http, mut response: Response) -> Result<Value, AskError> {
    expect_json(&response)?;
    let reading = http.reading(&response);
    let bytes = reading.whole(async {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| reading.broke(e))? {
            not_too_long(bytes.len() + chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok::<_, AskError>(bytes)
    });
    let bytes = bytes.await?;
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) => json::read(&*json::mended(text)),
        Err(_) => json::read(&bytes),
    };
    read.map_err(|error| AskError::Broken(form(&error)))
}

/// What an answer says. What was read whole comes no different the next time.
pub(crate) fn document<T: DeserializeOwned>(answer: Value) -> Result<T, AskError> {
    json::read_tree(answer).map_err(|error| AskError::Answer(form(&error)))
}

fn form(error: &serde_json::Error) -> String {
    format!("the answer is not of the documented form: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    #[test]
    fn a_refusal_keeps_what_its_headers_say() {
        let challenge = r#"Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ==""#;
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        headers.insert("request-id", HeaderValue::from_static("of-the-headers"));
        let body =
            json!({"error": {"code": "AccessDenied", "message": "no", "innererror": {"request-id": "of-the-body"}}});
        for (body, id) in [(&body, "of-the-body"), (&Value::Null, "of-the-headers")] {
            let AskError::Refused { request_id, claims, .. } = refused(403, body, &headers) else {
                panic!("a refusal");
            };
            assert_eq!(request_id.as_deref(), Some(id));
            assert_eq!(claims.as_deref(), Some(r#"{"a":1}"#));
        }
    }

    #[test]
    fn a_new_token_is_asked_for_where_it_may_help() {
        let refusal =
            |status, code: &str, headers: &HeaderMap| refused(status, &json!({"error": {"code": code}}), headers);
        let (none, mut challenged) = (HeaderMap::new(), HeaderMap::new());
        challenged.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer claims="e30=""#));
        assert!(refusal(401, "InvalidAuthenticationToken", &none).wants_token());
        assert!(refusal(403, "AccessDenied", &challenged).wants_token());
        assert!(!refusal(403, "Authorization_RequestDenied", &none).wants_token());
        assert!(!refusal(401, "UnknownError", &none).wants_token());
    }
}
