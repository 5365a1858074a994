//! The error that leaves the library: one status, one sentence, what to do.

use crate::status::Status;
use serde::Serialize;

/// What went wrong, in the form that crosses the C boundary as JSON.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which kind of error it is.
    pub status: Status,
    /// One sentence for a person, without secrets.
    pub message: String,
    /// Further lines: causes, the service's own words.
    pub detail: Vec<String>,
    /// Which argument, file, address or object it is about.
    pub target: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long the service asked to wait.
    pub retry_after_seconds: Option<f64>,
    /// The service's id of the request, for its support.
    pub request_id: Option<String>,
    /// What to do about it, where there is more to say than its status does.
    pub help: Option<String>,
}

impl Error {
    /// An error with nothing but a status and a sentence.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Error {
            status,
            message: message.into(),
            detail: Vec::new(),
            target: None,
            retryable: false,
            retry_after_seconds: None,
            request_id: None,
            help: None,
        }
    }

    /// Adds what it is about.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a further line.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.detail.push(line.into());
        self
    }

    /// Adds the whole chain of causes of another error.
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let line = error.to_string();
            if self.detail.last() != Some(&line) {
                self.detail.push(line);
            }
            next = error.source();
        }
        self
    }

    /// Says that a later try may succeed.
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The documented error document.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            code: i32,
            name: &'a str,
            category: &'a str,
            message: &'a str,
            detail: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            target: &'a Option<String>,
            retryable: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after_seconds: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: &'a Option<String>,
            help: &'a str,
        }
        let document = Document {
            code: self.status.code(),
            name: self.status.name(),
            category: self.status.category(),
            message: &self.message,
            detail: &self.detail,
            target: &self.target,
            retryable: self.retryable,
            retry_after_seconds: self.retry_after_seconds,
            request_id: &self.request_id,
            help: self.help.as_deref().unwrap_or(self.status.help()),
        };
        serde_json::to_string(&document).unwrap_or_else(|_| String::from("{}"))
    }
}

/// The library's own result.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_document_says_what_to_do() {
        for status in Status::ALL.iter().filter(|status| status.code() >= 100) {
            let help = |error: Error| {
                let document: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
                document["help"].as_str().unwrap().to_string()
            };
            assert_eq!(help(Error::new(*status, "x")), status.help());
            assert_eq!(help(Error::new(*status, "x").help("Do this.")), "Do this.");
        }
    }
}
