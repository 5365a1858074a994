//! Errors of the sign-in service, in its words.

use serde_json::json;

use crate::guid;
use crate::reply::Reply;

/// An OAuth error with Microsoft's code.
#[derive(Debug, Clone)]
pub(crate) struct LoginError {
    pub status: u16,
    /// Such as `invalid_client`.
    pub error: &'static str,
    /// The number after AADSTS.
    pub code: u32,
    pub message: String,
    /// Set when the request itself was not well formed.
    pub violation: Option<String>,
    /// The `suberror` member.
    pub suberror: Option<&'static str>,
}

impl LoginError {
    pub fn new(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> Self {
        LoginError {
            status,
            error,
            code,
            message: message.into(),
            violation: None,
            suberror: None,
        }
    }

    /// The same, and the request counts as malformed.
    pub fn malformed(mut self) -> Self {
        self.violation = Some(format!("AADSTS{}: {}", self.code, self.message));
        self
    }

    pub fn no_tenant(tenant: &str) -> Self {
        LoginError::new(
            400,
            "invalid_request",
            90002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
        )
    }

    pub fn missing(field: &str) -> Self {
        LoginError::new(
            400,
            "invalid_request",
            900_144,
            format!("The request body must contain the following parameter: '{field}'."),
        )
        .malformed()
    }

    /// The text with code, ids and time, as the service writes it.
    pub fn description(&self, trace: &str, time: &str) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {trace} Timestamp: {time}",
            self.code, self.message
        )
    }

    pub fn reply(&self) -> Reply {
        let now = jiff::Timestamp::now();
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let trace = guid::guid(&["trace", &now.to_string()]);
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(&trace, &time),
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": trace,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = json!(suberror);
        }
        Reply::json(self.status, &body)
    }
}
