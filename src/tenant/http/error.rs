//! Why a request came to nothing, and how that is told from what came.

use crate::error::Error;
use crate::status::Status;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Error documents are short; more is not read.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Why a request came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, or it broke.
    #[error("{host} could not be reached")]
    Unreachable {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The certificate was not accepted.
    #[error("the certificate of {host} was not accepted")]
    Tls {
        /// Which host.
        host: String,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No answer in time, or no whole one.
    #[error("{host} did not answer within {seconds} s")]
    Timeout {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// The time given.
        seconds: u64,
    },
    /// The service asked to wait longer than the task may take.
    #[error("{host} asks to wait {seconds} s")]
    Throttled {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// The wait asked for.
        seconds: u64,
    },
    /// Nothing can be sent: the session's settings do not allow it.
    #[error(transparent)]
    Unusable(Box<Error>),
    /// An answer other than success, whole.
    #[error("{host} answered {status}")]
    Status {
        /// Which host.
        host: String,
        /// The answer's status.
        status: StatusCode,
        /// Its headers.
        headers: Box<HeaderMap>,
        /// Its body, cut to a sane length.
        body: String,
    },
}

impl HttpError {
    /// What kind of error the caller sees.
    pub fn status(&self) -> Status {
        match self {
            HttpError::Unreachable { .. } | HttpError::Timeout { .. } => Status::ServiceUnreachable,
            HttpError::Tls { .. } => Status::ServiceTls,
            HttpError::Throttled { .. } => Status::ServiceThrottled,
            HttpError::Unusable(error) => error.status,
            HttpError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => Status::ServiceRefused,
            HttpError::Status { .. } => Status::ServiceFailed,
        }
    }

    /// The id of the request, for the service's support.
    pub fn request_id(&self) -> Option<String> {
        match self {
            HttpError::Unreachable { request_id, .. }
            | HttpError::Timeout { request_id, .. }
            | HttpError::Throttled { request_id, .. } => request_id.clone(),
            HttpError::Tls { .. } | HttpError::Unusable(_) => None,
            HttpError::Status { headers, .. } => request_id(headers),
        }
    }

    /// As the error that leaves the library.
    pub fn into_error(self) -> Error {
        if let HttpError::Unusable(error) = self {
            return *error;
        }
        let mut error = Error::new(self.status(), self.to_string());
        error.request_id = self.request_id();
        if let Some(cause) = std::error::Error::source(&self) {
            error = error.caused_by(cause);
        }
        match &self {
            HttpError::Throttled { seconds, .. } => {
                error.retry_after_seconds = Some(*seconds as f64);
                error.retryable = true;
                error
            }
            HttpError::Tls { .. } => error.help(
                "A proxy that opens TLS needs its root certificate in the system's store, or in the file named by -CaFile.",
            ),
            HttpError::Unreachable { .. } | HttpError::Timeout { .. } => {
                error.retryable().help("Check the network, the proxy and the firewall; Get-SsprEnvironment shows what is used.")
            }
            HttpError::Status { body, .. } if !body.is_empty() => error.detail(body.chars().take(500).collect::<String>()),
            HttpError::Status { .. } | HttpError::Unusable(_) => error,
        }
    }
}

/// What a broken connection means.
pub(super) fn transport(
    host: &str,
    request_id: Option<String>,
    source: reqwest::Error,
    timeout: Duration,
) -> HttpError {
    let host = host.to_string();
    if source.is_timeout() {
        return HttpError::Timeout {
            host,
            request_id,
            seconds: timeout.as_secs(),
        };
    }
    if is_tls(&source) {
        return HttpError::Tls {
            host,
            source: source.into(),
        };
    }
    HttpError::Unreachable {
        host,
        request_id,
        source: source.into(),
    }
}

/// Whether TLS is among the causes. An I/O error stands for what it holds, and does not name that as its source.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || held.is_some_and(|held| is_tls(held)) || error.source().is_some_and(is_tls)
}

/// An answer other than success, bounded in length and time: its status counts, and what of its words came by then.
pub(super) async fn failure(host: &str, mut response: Response, deadline: Instant) -> HttpError {
    let (status, headers) = (response.status(), Box::new(response.headers().clone()));
    let mut body = Vec::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(deadline, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    HttpError::Status {
        host: host.into(),
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// The id by which a service finds a request again: its own where there is one, else the client's.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = [
        "request-id",
        "x-ms-request-id",
        "client-request-id",
        "x-ms-client-request-id",
    ];
    names
        .iter()
        .find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_found_among_the_causes() {
        let tls = || std::io::Error::other(rustls::Error::DecryptError);
        assert!(is_tls(&tls()));
        assert!(is_tls(&std::io::Error::other(tls())));
        assert!(!is_tls(&std::io::Error::other("no")));
    }
}
