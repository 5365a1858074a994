//! OData query options of a request, checked as Graph checks them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;

use super::error::GraphError;
use super::filter::{self, Expr};
use crate::contract::{Version, contract};
use crate::guid::u64_of;
use crate::http::{Call, encode};

/// The options of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub select: Option<Vec<String>>,
    pub filter: Option<Expr>,
    pub top: Option<usize>,
    pub count: bool,
    pub order_by: Option<String>,
    /// Where the page starts.
    pub skip: usize,
    /// `ConsistencyLevel: eventual` was sent.
    pub eventual: bool,
    /// The options as sent, without the skip token.
    rest: String,
}

/// What a path allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub select: bool,
    pub filter: bool,
    pub top: Option<usize>,
    pub count: bool,
    pub order_by: &'static [&'static str],
    pub expand: &'static [&'static str],
}

impl Allowed {
    /// One object: `$select` and nothing else.
    pub const ONE: Allowed = Allowed {
        select: true,
        filter: false,
        top: None,
        count: false,
        order_by: &[],
        expand: &[],
    };
    /// Nothing at all.
    pub const NONE: Allowed = Allowed {
        select: false,
        ..Allowed::ONE
    };
}

impl Query {
    /// Reads the options and refuses what the path does not allow. `kind` is the type whose members `$select` may name.
    pub fn read(call: &Call, allowed: Allowed, kind: &str, version: Version) -> Result<Query, GraphError> {
        let mut query = Query {
            eventual: call
                .header("consistencylevel")
                .is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
            ..Query::default()
        };
        let mut token = None;
        let mut rest = Vec::new();
        for (name, value) in call.parameters() {
            let unsupported =
                || GraphError::bad_request(format!("The query option '{name}' is not supported for this request."));
            if name != "$skiptoken" {
                rest.push(format!("{name}={}", encode_value(&value)));
            }
            match name.as_str() {
                "$select" if allowed.select => query.select = Some(select(&value, kind, version)?),
                "$filter" if allowed.filter => query.filter = Some(filter::parse(&value)?),
                "$top" => match (allowed.top, value.parse::<usize>()) {
                    (None, _) => return Err(unsupported()),
                    (Some(most), Ok(top)) if (1..=most).contains(&top) => query.top = Some(top),
                    (Some(most), _) => {
                        return Err(GraphError::refused(
                            400,
                            "Request_BadRequest",
                            format!("Invalid page size specified: '{value}'. Must be between 1 and {most} inclusive."),
                        ));
                    }
                },
                "$count" if allowed.count => match value.as_str() {
                    "true" => query.count = true,
                    "false" => {}
                    _ => {
                        return Err(GraphError::bad_request(
                            "The value of $count is neither true nor false.",
                        ));
                    }
                },
                "$orderby" if allowed.order_by.contains(&value.as_str()) => query.order_by = Some(value),
                // What is expanded stands in the values already.
                "$expand" if allowed.expand.contains(&value.as_str()) => {}
                "$skiptoken" => token = Some(value),
                _ if name.starts_with('$') => return Err(unsupported()),
                // A name of the service's own, such as the options of branding, would stand here; Graph ignores others.
                _ => {
                    return Err(GraphError::bad_request(format!(
                        "The lab knows no query option '{name}'; was a '$' forgotten?"
                    )));
                }
            }
        }
        query.rest = rest.join("&");
        if let Some(token) = token {
            query.skip = read_token(&token, &call.path, &query.rest)?;
        }
        Ok(query)
    }

    /// The address of the page that starts at `skip`.
    pub fn next_link(&self, call: &Call, skip: usize) -> String {
        let raw = format!("{skip}:{:016x}", u64_of(&[&call.path, &self.rest]));
        let token = encode(&B64.encode(raw));
        let joint = if self.rest.is_empty() { "" } else { "&" };
        format!("{}{}?{}{joint}$skiptoken={token}", call.origin, call.path, self.rest)
    }

    /// The options as sent, without the skip token: pages of the same list have them in common.
    pub fn rest(&self) -> &str {
        &self.rest
    }
}

/// Encodes what must be, and leaves the characters that Graph leaves.
fn encode_value(value: &str) -> String {
    encode(value)
        .replace("%2C", ",")
        .replace("%24", "$")
        .replace("%3A", ":")
        .replace("%28", "(")
        .replace("%29", ")")
        .replace("%27", "'")
}

fn read_token(token: &str, path: &str, rest: &str) -> Result<usize, GraphError> {
    let bad = || {
        GraphError::refused(
            400,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        )
    };
    let text = String::from_utf8(B64.decode(token).map_err(|_| bad())?).map_err(|_| bad())?;
    let (skip, check) = text.split_once(':').ok_or_else(bad)?;
    if check != format!("{:016x}", u64_of(&[path, rest])) {
        return Err(bad());
    }
    skip.parse().map_err(|_| bad())
}

fn select(value: &str, kind: &str, version: Version) -> Result<Vec<String>, GraphError> {
    let known = contract().properties(kind, version);
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    for name in &names {
        if !known.is_empty() && !known.contains_key(name.as_str()) {
            return Err(GraphError::bad_request(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type '{kind}'."
            )));
        }
    }
    Ok(names)
}
