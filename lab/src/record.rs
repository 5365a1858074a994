//! What was asked of the lab, and what a real service would have refused.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

/// One request that arrived, or one part of a batch.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRecord {
    /// Counts from 1 in the order of arrival.
    pub number: u64,
    /// Milliseconds from the start of the lab to the arrival.
    pub at_ms: f64,
    /// Milliseconds until the answer was ready (not until it was read); none while the lab still works on it.
    pub took_ms: Option<f64>,
    /// The TCP connection, counting from 1.
    pub connection: u64,
    /// `http`, `https`, `wrongName` or `expired`.
    pub listener: String,
    /// HTTP/1.1 or HTTP/2.0.
    pub protocol: String,
    /// `login`, `graph`, `portal`, `identity`, `lab` or `unknown`.
    pub role: String,
    /// The batch that this request was a part of.
    pub batch: Option<u64>,
    /// GET, POST ...
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Headers in lower case; the value of `authorization` is replaced by its scheme.
    pub headers: Vec<(String, String)>,
    /// The body as sent, as far as it is text and up to 64 KiB.
    pub body: String,
    /// 0 when the connection was dropped instead of an answer.
    pub status: u16,
    /// Size of the answer's body before compression.
    pub bytes: usize,
    /// The tenant that the request spoke to.
    pub tenant_id: Option<String>,
    /// The app that signed in.
    pub app_id: Option<String>,
    /// The kinds of fault that were played.
    pub faults: Vec<String>,
}

impl RequestRecord {
    /// A request to Graph or to the portal that does more than read. A batch is not one, but its parts may be.
    fn is_write(&self) -> bool {
        let first = self.path.split('/').nth(1).unwrap_or_default();
        matches!(first, "v1.0" | "beta" | "api")
            && !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
            && !self.path.ends_with("/$batch")
    }
}

/// A request that the real service refuses, or that its documents do not allow.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// [`RequestRecord::number`]
    pub request: u64,
    /// Method and address.
    pub address: String,
    /// What was wrong.
    pub message: String,
}

/// The request log.
#[derive(Debug)]
pub(crate) struct Log {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    requests: Vec<RequestRecord>,
    violations: Vec<Violation>,
}

impl Log {
    pub fn new() -> Self {
        Log {
            started: Instant::now(),
            inner: Mutex::default(),
        }
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }

    /// Notes an arrival and gives its number.
    pub fn arrive(&self, mut record: RequestRecord) -> u64 {
        let mut inner = lock(&self.inner);
        inner.next += 1;
        record.number = inner.next;
        record.at_ms = self.now_ms();
        inner.requests.push(record);
        inner.next
    }

    /// Completes the record of a request that was answered.
    pub fn answered(&self, number: u64, fill: impl FnOnce(&mut RequestRecord)) {
        let now = self.now_ms();
        let mut inner = lock(&self.inner);
        if let Some(record) = inner.requests.iter_mut().rev().find(|record| record.number == number) {
            record.took_ms = Some(now - record.at_ms);
            fill(record);
        }
    }

    pub fn violation(&self, request: u64, address: String, message: String) {
        lock(&self.inner).violations.push(Violation {
            request,
            address,
            message,
        });
    }

    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.inner).requests.clone()
    }

    /// The requests that would change something in the tenant, carried out or not.
    pub fn writes(&self) -> Vec<RequestRecord> {
        let inner = lock(&self.inner);
        let all = inner.requests.iter().filter(|request| request.is_write());
        all.cloned().collect()
    }

    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.inner).violations.clone()
    }

    /// Forgets requests and violations; numbers go on.
    pub fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.requests.clear();
        inner.violations.clear();
    }
}

/// A lock whose holder panicked is still good here: every holder leaves the data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
