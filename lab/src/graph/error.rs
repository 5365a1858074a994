//! Graph's errors.

use serde_json::json;

use crate::guid::guid;
use crate::http::Call;
use crate::reply::Reply;

/// An error in Graph's form.
#[derive(Debug, Clone)]
pub(crate) struct GraphError {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// The request is one that Graph's documents do not allow.
    pub violation: bool,
    pub headers: Vec<(&'static str, String)>,
}

impl GraphError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        GraphError {
            status,
            code: code.to_owned(),
            message: message.into(),
            violation: false,
            headers: Vec::new(),
        }
    }

    /// The request breaks a rule.
    pub fn refused(status: u16, code: &str, message: impl Into<String>) -> Self {
        GraphError {
            violation: true,
            ..GraphError::new(status, code, message)
        }
    }

    pub fn unsupported_query(message: impl Into<String>) -> Self {
        GraphError::refused(400, "Request_UnsupportedQuery", message)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        GraphError::refused(400, "BadRequest", message)
    }

    pub fn denied() -> Self {
        GraphError::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub fn not_found(what: &str) -> Self {
        GraphError::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn reply(&self, call: &Call) -> Reply {
        let id = request_id(call);
        let client = call.header("client-request-id").unwrap_or(&id);
        let body = json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": id,
                "client-request-id": client,
            },
        }});
        let mut reply = Reply::json(self.status, &body);
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        reply
    }
}

/// The id under which the service would know this request.
pub(crate) fn request_id(call: &Call) -> String {
    guid(&["request", &call.origin, &call.number.to_string(), &call.path])
}
