//! Collections: filtering, selecting, paging.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::filter::Rules;
use super::query::{Allowed, Query};
use super::{Ask, GraphError};
use crate::contract::{Version, contract};
use crate::record::lock;
use crate::reply::{GRAPH_JSON, Reply};

/// One object, with `$select` applied.
pub(super) fn one(ask: &Ask, value: Value, kind: &str) -> Result<Reply, GraphError> {
    let query = Query::read(ask.call, Allowed::ONE, kind, ask.version)?;
    let mut value = shaped(ask, value, kind, &query);
    let fragment = format!("{}/$entity", ask.segments.join("/"));
    value["@odata.context"] = json!(context(ask, &fragment));
    Ok(Reply::graph(200, &value))
}

/// A collection, filtered, selected and paged.
pub(super) fn many(
    ask: &Ask,
    values: &[Value],
    kind: &str,
    allowed: Allowed,
    rules: Option<&Rules>,
    page: usize,
) -> Result<Reply, GraphError> {
    let query = Query::read(ask.call, allowed, kind, ask.version)?;
    let filter = match (&query.filter, rules) {
        (Some(filter), Some(rules)) => {
            filter.check(rules)?;
            Some(filter)
        }
        (Some(_), None) => {
            return Err(GraphError::unsupported_query(
                "$filter is not supported for this request.",
            ));
        }
        (None, _) => None,
    };
    let mut rows: Vec<&Value> = values
        .iter()
        .filter(|value| filter.is_none_or(|filter| filter.matches(value)))
        .collect();
    if query
        .order_by
        .as_deref()
        .is_some_and(|order| order.ends_with(" asc") || !order.contains(' '))
    {
        rows.reverse();
    }
    let size = page_size(ask, &query, page);
    let slice: Vec<Value> = rows
        .iter()
        .skip(query.skip)
        .take(size)
        .map(|value| shaped(ask, (*value).clone(), kind, &query))
        .collect();
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(context(ask, &ask.segments.join("/"))),
    );
    if query.count {
        body.insert("@odata.count".to_owned(), json!(rows.len()));
    }
    if query.skip + size < rows.len() {
        body.insert(
            "@odata.nextLink".to_owned(),
            json!(query.next_link(ask.call, query.skip + size)),
        );
    }
    body.insert("value".to_owned(), Value::Array(slice));
    // The members come out sorted, so the annotations stand in front of `value`, as Graph sends them.
    Ok(Reply::graph(200, &Value::Object(body)))
}

/// Rows a page: what the client asks for, but never more than the lab was told to give.
pub(super) fn page_size(ask: &Ask, query: &Query, default: usize) -> usize {
    query
        .top
        .unwrap_or(default)
        .min(ask.core.options.page_size.unwrap_or(usize::MAX))
}

/// The address that describes the answer.
pub(super) fn context(ask: &Ask, fragment: &str) -> String {
    format!(
        "https://graph.microsoft.com/{}/$metadata#{fragment}",
        ask.version.segment()
    )
}

/// Leaves out members that the version does not have and those that were not selected.
fn shaped(ask: &Ask, mut value: Value, kind: &str, query: &Query) -> Value {
    if let Some(object) = value.as_object_mut() {
        if ask.version == Version::V1 {
            let known = contract().properties(kind, Version::V1);
            if !known.is_empty() {
                object.retain(|name, _| name.contains('@') || known.contains_key(name.as_str()));
            }
        }
        if let Some(select) = &query.select {
            object.retain(|name, _| name.contains('@') || select.contains(name));
        }
    }
    value
}

/// The rows of a page of many users, rendered once and kept.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub rows: Bytes,
    /// The rows as a raw deflate stream, with their checksum.
    pub packed: Option<(Bytes, crc32fast::Hasher)>,
    /// Where the next page starts.
    pub next: Option<usize>,
}

/// Pages that were rendered before.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<HashMap<String, Arc<Page>>>);

impl Pages {
    pub fn get(&self, key: &str) -> Option<Arc<Page>> {
        lock(&self.0).get(key).cloned()
    }

    pub fn keep(&self, key: String, page: Page) -> Arc<Page> {
        let page = Arc::new(page);
        lock(&self.0).insert(key, page.clone());
        page
    }

    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Bytes held, plain and packed.
    pub fn bytes(&self) -> usize {
        lock(&self.0)
            .values()
            .map(|page| page.rows.len() + page.packed.as_ref().map_or(0, |(bytes, _)| bytes.len()))
            .sum()
    }
}

/// Puts head and rows together: `{"@odata...": ..., "value":[` rows `]}`.
pub(super) fn page_reply(head: &Map<String, Value>, page: &Page) -> Reply {
    let mut start = Value::Object(head.clone()).to_string();
    start.pop();
    if !head.is_empty() {
        start.push(',');
    }
    start.push_str("\"value\":");
    let mut reply = Reply::bytes(200, GRAPH_JSON, Bytes::from(start.clone()));
    reply.body.push(page.rows.clone());
    reply.packed = page
        .packed
        .as_ref()
        .map(|(rows, check)| crate::pack::join(start.as_bytes(), rows, check));
    reply
}
