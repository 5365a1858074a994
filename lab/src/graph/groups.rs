//! Groups and everybody in them.

use serde_json::{Map, Value, json};

use super::access::sees_users;
use super::filter::{Rule, Rules};
use super::list;
use super::query::{Allowed, Query};
use super::users::{Rows, needs_header, rows, selected};
use super::{Ask, GraphError};
use crate::reply::Reply;
use crate::tenant::{Group, Population};

const KIND: &str = "microsoft.graph.user";

fn group<'a>(ask: &'a Ask) -> Result<&'a Group, GraphError> {
    let id = &ask.segments[1];
    ask.tenant
        .directory
        .groups
        .get(&id.to_ascii_lowercase())
        .ok_or_else(|| GraphError::not_found(id))
}

/// `GET /groups`
pub(super) fn list(ask: &Ask) -> Result<Reply, GraphError> {
    const RULES: Rules = Rules {
        kind: "microsoft.graph.group",
        or: false,
        not: false,
        properties: &[Rule {
            path: "displayName",
            operators: "eq startswith",
            advanced: "",
        }],
    };
    let allowed = Allowed {
        select: true,
        filter: true,
        top: Some(999),
        count: false,
        order_by: &[],
        expand: &[],
    };
    let groups: Vec<Value> = ask
        .tenant
        .directory
        .groups
        .values()
        .map(|group| group.object.clone())
        .collect();
    list::many(ask, &groups, "microsoft.graph.group", allowed, Some(&RULES), 100)
}

/// `GET /groups/{id}`
pub(super) fn one(ask: &Ask) -> Result<Reply, GraphError> {
    list::one(ask, group(ask)?.object.clone(), "microsoft.graph.group")
}

/// `GET /groups/{id}/transitiveMembers`: nested groups first, then users.
pub(super) fn members(ask: &Ask) -> Result<Reply, GraphError> {
    let group = group(ask)?;
    let query = read(ask)?;
    let reply = list_users(ask, group, &query, "directoryObjects")?;
    if group.nested.is_empty() || query.skip > 0 {
        return Ok(reply);
    }
    let mut body: Value = serde_json::from_slice(&reply.whole()).unwrap_or(Value::Null);
    if let Some(values) = body["value"].as_array_mut() {
        let nested = group.nested.iter().filter_map(|id| ask.tenant.directory.groups.get(id));
        let nested: Vec<Value> = nested.map(|inner| typed(&inner.object, "group", &query)).collect();
        values.splice(0..0, nested);
    }
    if let Some(count) = body.get("@odata.count").and_then(Value::as_u64) {
        body["@odata.count"] = json!(count + group.nested.len() as u64);
    }
    Ok(Reply::graph(200, &body))
}

/// `GET /groups/{id}/transitiveMembers/microsoft.graph.user`
pub(super) fn user_members(ask: &Ask) -> Result<Reply, GraphError> {
    let group = group(ask)?;
    let query = read(ask)?;
    // Asking for one type of member is an advanced query.
    if !query.eventual || !query.count {
        return Err(needs_header("a cast of members"));
    }
    list_users(ask, group, &query, "users")
}

/// `GET /users/{id or name}/transitiveMemberOf`: the groups that hold the user, directly or through others.
pub(super) fn of_user(ask: &Ask) -> Result<Reply, GraphError> {
    let key = &ask.segments[1];
    let directory = &ask.tenant.directory;
    let user = directory.find(key).ok_or_else(|| GraphError::not_found(key))?;
    let holding = directory
        .groups
        .values()
        .filter(|group| group.populations.contains(&user.population));
    let groups: Vec<Value> = holding
        .map(|group| {
            let mut object = group.object.clone();
            object["@odata.type"] = json!("#microsoft.graph.group");
            object
        })
        .collect();
    let allowed = Allowed {
        select: true,
        filter: false,
        top: Some(999),
        count: false,
        order_by: &[],
        expand: &[],
    };
    list::many(ask, &groups, "microsoft.graph.group", allowed, None, 100)
}

fn read(ask: &Ask) -> Result<Query, GraphError> {
    let allowed = Allowed {
        select: true,
        filter: false,
        top: Some(999),
        count: true,
        order_by: &[],
        expand: &[],
    };
    let query = Query::read(ask.call, allowed, KIND, ask.version)?;
    if query.count && !query.eventual {
        return Err(needs_header("$count"));
    }
    Ok(query)
}

fn list_users(ask: &Ask, group: &Group, query: &Query, fragment: &str) -> Result<Reply, GraphError> {
    let sees = sees_users(ask);
    let template = |population: &Population| {
        let mut row = selected(&population.user, query);
        if let (Some(object), false) = (row.as_object_mut(), sees) {
            // Without a permission on users only the id is told.
            object
                .iter_mut()
                .filter(|(name, _)| *name != "id")
                .for_each(|(_, value)| *value = Value::Null);
        }
        row["@odata.type"] = json!("#microsoft.graph.user");
        row
    };
    let wanted = |population: u16| group.populations.contains(&population);
    rows(
        ask,
        query,
        &Rows {
            fragment,
            default_page: 100,
            wanted: &wanted,
            template: &template,
            object: |p| &p.user,
        },
    )
}

fn typed(object: &Value, kind: &str, query: &Query) -> Value {
    let mut out = Map::new();
    out.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.{kind}")));
    for (name, value) in object.as_object().into_iter().flatten() {
        if query.select.as_ref().is_none_or(|select| select.contains(name)) {
            out.insert(name.clone(), value.clone());
        }
    }
    Value::Object(out)
}

/// `GET /groups/{id}/transitiveMembers/$count`
pub(super) fn member_count(ask: &Ask) -> Result<Reply, GraphError> {
    let group = group(ask)?;
    count(ask, group, group.nested.len() as u64)
}

/// `GET /groups/{id}/transitiveMembers/microsoft.graph.user/$count`
pub(super) fn user_member_count(ask: &Ask) -> Result<Reply, GraphError> {
    count(ask, group(ask)?, 0)
}

fn count(ask: &Ask, group: &Group, more: u64) -> Result<Reply, GraphError> {
    let query = Query::read(ask.call, Allowed::NONE, KIND, ask.version)?;
    if !query.eventual {
        return Err(needs_header("$count"));
    }
    let populations = &ask.tenant.directory.populations;
    let users: u64 = group
        .populations
        .iter()
        .map(|at| u64::from(populations[usize::from(*at)].spec.count))
        .sum();
    Ok(Reply::bytes(
        200,
        "text/plain",
        format!("\u{feff}{}", users + more).into(),
    ))
}
