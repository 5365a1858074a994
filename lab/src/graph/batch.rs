//! `POST /$batch`: up to twenty requests in one, each checked like a request of its own.

use std::collections::HashSet;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Ask, GraphError};
use crate::guid::mix;
use crate::http::{Call, Notes};
use crate::record::RequestRecord;
use crate::reply::Reply;

fn malformed(message: impl Into<String>) -> GraphError {
    GraphError::refused(400, "BadRequest", message)
}

/// Answers a batch; parts come back in another order.
pub(super) fn answer(ask: &Ask, notes: &mut Notes) -> Result<Reply, GraphError> {
    if ask.call.method != "POST" {
        return Err(malformed("$batch answers POST only."));
    }
    if !ask
        .call
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        return Err(malformed("The batch must be application/json."));
    }
    let body: Value = serde_json::from_slice(&ask.call.body)
        .map_err(|error| malformed(format!("Unable to read JSON request payload: {error}")))?;
    let items = body["requests"]
        .as_array()
        .ok_or_else(|| malformed("The batch has no list 'requests'."))?;
    if items.is_empty() || items.len() > 20 {
        return Err(malformed(format!(
            "Number of batch request steps exceeds the maximum value of 20, or is zero: {}.",
            items.len()
        )));
    }
    let mut seen = HashSet::new();
    let mut parts = Vec::new();
    for item in items {
        parts.push(part(ask, item, &mut seen)?);
    }
    let mut responses = Vec::new();
    for (id, call) in parts {
        responses.push(run(ask, id, call, notes));
    }
    shuffle(&mut responses, ask.call.number);
    Ok(Reply::json(200, &json!({"responses": responses})))
}

/// Reads one part.
fn part(ask: &Ask, item: &Value, seen: &mut HashSet<String>) -> Result<(String, Call), GraphError> {
    let text = |name: &str| {
        item[name]
            .as_str()
            .ok_or_else(|| malformed(format!("A batch item has no '{name}'.")))
    };
    let (id, method, url) = (text("id")?, text("method")?, text("url")?);
    if !seen.insert(id.to_owned()) {
        return Err(malformed(format!("The id '{id}' stands twice in the batch.")));
    }
    if item.get("dependsOn").is_some() {
        return Err(malformed("The lab does not run batches with dependsOn."));
    }
    if url.contains("://") {
        return Err(malformed(format!("The url of a batch item must be relative: '{url}'.")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in item["headers"].as_object().into_iter().flatten() {
        if let (Ok(name), Some(Ok(value))) = (
            HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()),
            value.as_str().map(HeaderValue::from_str),
        ) {
            headers.insert(name, value);
        }
    }
    if item.get("body").is_some() && !headers.contains_key("content-type") {
        return Err(malformed(format!(
            "The batch item '{id}' has a body and no Content-Type."
        )));
    }
    // The token of the batch counts for its parts.
    if let Some(token) = ask.call.headers.get("authorization") {
        headers.insert("authorization", token.clone());
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = format!("/{}/{}", ask.version.segment(), path.trim_start_matches('/'));
    let tenant = Some(ask.tenant.id.as_str());
    let faults = ask.core.faults.pick(tenant, method, &path, &format!("{path}?{query}"));
    Ok((
        id.to_owned(),
        Call {
            number: ask.call.number,
            method: method.to_owned(),
            path,
            query: query.to_owned(),
            headers,
            body: item.get("body").map(|body| body.to_string().into()).unwrap_or_default(),
            origin: ask.call.origin.clone(),
            faults,
        },
    ))
}

/// Sends one part through the same checks as a request of its own, and into the log.
fn run(ask: &Ask, id: String, mut call: Call, notes: &mut Notes) -> Value {
    let log = &ask.core.log;
    call.number = log.arrive(RequestRecord {
        role: "graph".to_owned(),
        batch: Some(ask.call.number),
        method: call.method.clone(),
        path: call.path.clone(),
        query: call.query.clone(),
        body: String::from_utf8_lossy(&call.body).into_owned(),
        faults: call.faults.iter().map(crate::fault::kind_name).collect(),
        ..RequestRecord::default()
    });
    let mut own = Notes::default();
    let reply = crate::fault::play(ask.core, &call, &mut own, |own| {
        super::answer(ask.core, &call, own, true)
    });
    for message in own.violations {
        log.violation(call.number, call.address(), message);
    }
    log.answered(call.number, |record| {
        record.status = reply.status;
        record.bytes = reply.length();
        record.tenant_id.clone_from(&own.tenant_id);
        record.app_id.clone_from(&own.app_id);
    });
    notes.tenant_id = own.tenant_id.or_else(|| notes.tenant_id.take());
    let headers: serde_json::Map<String, Value> = reply
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "request-id" | "client-request-id" | "odata-version"))
        .map(|(name, value)| {
            // The parts name their type without the parameters that a whole answer has.
            let value = value.to_str().unwrap_or_default();
            let value = if name == "content-type" {
                value.split(';').next().unwrap_or_default()
            } else {
                value
            };
            (title(name.as_str()), json!(value))
        })
        .collect();
    let bytes = reply.whole();
    // What is not JSON comes as a string, in base64 for anything but text.
    let body = serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&bytes);
        json!(text.trim_start_matches('\u{feff}'))
    });
    let mut part = json!({"id": id, "status": reply.status, "headers": headers});
    if !bytes.is_empty() {
        part["body"] = body;
    }
    part
}

/// `retry-after` as `Retry-After`.
fn title(name: &str) -> String {
    name.split('-')
        .map(|word| word.get(..1).unwrap_or_default().to_ascii_uppercase() + word.get(1..).unwrap_or_default())
        .collect::<Vec<_>>()
        .join("-")
}

/// Another order, the same in every run.
fn shuffle(items: &mut [Value], seed: u64) {
    let mut draw = mix(seed);
    for last in (1..items.len()).rev() {
        draw = mix(draw);
        let other = usize::try_from(draw % (last as u64 + 1)).unwrap_or(0);
        items.swap(last, other);
    }
}
