//! Tells a webhook what changed: a card for a Teams workflow, or the same as JSON for any other, signed where that is asked for.
//! The address is a secret: it is in no error and no log, and no other host than its own is asked.

mod card;
pub mod state;

use crate::error::{Error, Result};
use crate::json::{flag, strict};
use crate::session::Session;
use crate::session::config::is_loopback;
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::http::HttpError;
use crate::text::hex;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use ring::hmac;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Whoever shows it may hold it to be one message.
const ID: HeaderName = HeaderName::from_static("x-sspr-id");
/// When it was signed, in seconds since 1970: an old message is not to be replayed.
const SIGNED_AT: HeaderName = HeaderName::from_static("x-sspr-timestamp");
/// `sha256=` and HMAC-SHA256 over the time, a dot and the body, in hexadecimal digits.
const SIGNATURE: HeaderName = HeaderName::from_static("x-sspr-signature");

/// Sends one message.
pub async fn send(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    // Taken whatever comes: they are not kept.
    let address = session.need_text("webhookUrl");
    let key = session.take_secret("webhookKey");
    strict(&request, &["format", "message", "dryRun"])?;
    let url = secret_url("webhookUrl", &address?)?;
    let id = uuid::Uuid::new_v4().to_string();
    let dry_run = flag(&request, "dryRun")?;
    let message = &request["message"];
    let invalid = |name: &str, what: &str| Error::new(Status::ArgumentInvalid, what).target(name);
    if !message.is_object() {
        return Err(invalid("message", "'message' is missing"));
    }
    let (body, left_out) = match request["format"].as_str() {
        None | Some("Teams") => card::teams(message),
        Some("Json") => card::json(message, &id),
        Some(_) => return Err(invalid("format", "'format' is neither \"Teams\" nor \"Json\"")),
    };
    let host = url.host_str().unwrap_or_default().to_string();
    let mut told = json!({ "id": id, "host": host, "bytes": body.len(), "leftOut": left_out, "sent": false });
    if dry_run {
        told["body"] = body.into();
        return Ok(told);
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, header(&id)?);
    if let Some(key) = key {
        let at = Timestamp::now().as_second().to_string();
        headers.insert(SIGNATURE, header(&signature(&key, &at, &body))?);
        headers.insert(SIGNED_AT, header(&at)?);
    }
    let mut post = Request::new(Method::POST, url);
    *post.headers_mut() = headers;
    *post.body_mut() = Some(body.into());
    let http = session.http.until(context.ends());
    let answer = http.send(post, || async {}).await;
    let answer = answer.map_err(|error| failed(error, "the webhook"))?;
    told["status"] = answer.status().as_u16().into();
    told["sent"] = true.into();
    Ok(told)
}

fn signature(key: &[u8], at: &str, body: &str) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(at.as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    format!("sha256={}", hex(context.sign().as_ref()))
}

fn header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|e| Error::new(Status::Internal, "a header").caused_by(&e))
}

/// An address that is a secret as a whole: nothing of it is told but its host.
fn secret_url(name: &str, text: &Zeroizing<String>) -> Result<Url> {
    let refuse = |why: &str| Error::new(Status::ArgumentInvalid, format!("the secret '{name}' {why}")).target(name);
    let mut url = Url::parse(text.trim()).map_err(|_| refuse("is no address"))?;
    url.set_fragment(None);
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Err(refuse("holds a user or a password")),
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(refuse("is no https address")),
    }
}

/// What came in place of success, without the address and without what the answer says: it may repeat it.
fn failed(error: HttpError, who: &str) -> Error {
    if let HttpError::Unusable(error) = error {
        return *error;
    }
    let mut own = Error::new(error.status(), format!("{who}: {error}"));
    own.request_id = error.request_id();
    match &error {
        // Of a client's error the first sentence holds the address; what is beneath does not.
        HttpError::Unreachable { source, .. } | HttpError::Tls { source, .. } => {
            let source: &reqwest::Error = source;
            if let Some(cause) = std::error::Error::source(source) {
                own = own.caused_by(cause);
            }
            own.retryable = matches!(error, HttpError::Unreachable { .. });
            own
        }
        HttpError::Timeout { .. } => own.retryable(),
        HttpError::Throttled { seconds, .. } => {
            own.retry_after_seconds = Some(*seconds as f64);
            own.retryable()
        }
        HttpError::Status { status, .. } if status.is_redirection() => {
            own.help("A redirect is not followed: give the address that it leads to, if you trust it.")
        }
        HttpError::Status { status, .. } if status.is_client_error() => {
            own.help("Make a new address where this one came from: it may have been removed or have ended, or another kind of message is expected there.")
        }
        HttpError::Status { .. } | HttpError::Unusable(_) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_time_and_body() {
        // Of `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`.
        let own = signature(b"key", "1700000000", "{}");
        assert_eq!(own.len(), "sha256=".len() + 64);
        assert_ne!(own, signature(b"key", "1700000001", "{}"));
        assert_ne!(own, signature(b"other", "1700000000", "{}"));
    }

    #[test]
    fn an_address_is_told_by_no_error() {
        for bad in [
            "canary",
            "http://example.com/canary",
            "ftp://h/canary",
            "https://canary:x@h/",
            "https://canary@h/",
        ] {
            let error = secret_url("webhookUrl", &Zeroizing::new(bad.into())).unwrap_err();
            assert!(!error.to_json().contains("canary"), "{}", error.to_json());
        }
        for good in [
            "https://h.example/x?sig=1",
            "http://127.0.0.1:1/x",
            "http://localhost/x",
        ] {
            secret_url("webhookUrl", &Zeroizing::new(good.into())).unwrap();
        }
    }
}
