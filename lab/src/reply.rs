//! An answer before it is put on the wire.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

/// Status, headers and body; the body in pieces so that a page rendered beforehand is sent without copying.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<Bytes>,
    /// The same body as a gzip stream, when it was compressed beforehand.
    pub packed: Option<Vec<Bytes>>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Reply {
            status,
            ..Reply::default()
        }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Reply::bytes(status, "application/json; charset=utf-8", value.to_string().into())
    }

    /// JSON as Graph labels it.
    pub fn graph(status: u16, value: &Value) -> Self {
        Reply::bytes(status, GRAPH_JSON, value.to_string().into())
    }

    pub fn bytes(status: u16, content_type: &'static str, body: Bytes) -> Self {
        let mut reply = Reply::new(status);
        reply
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        reply.body.push(body);
        reply
    }

    /// Adds a header; a value that HTTP does not allow is left out.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The body in one piece.
    pub fn whole(&self) -> Bytes {
        match self.body.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    pub fn length(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// Replaces the body.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = vec![body.into()];
        self.packed = None;
    }
}

pub(crate) const GRAPH_JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
