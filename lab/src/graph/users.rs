//! Users: lists of any length, counts, one user, and the signed-in user.

use serde_json::{Map, Value, json};

use super::filter::{Expr, Rule, Rules};
use super::list::{self, Page, context, page_reply};
use super::query::{Allowed, Query};
use super::{Ask, GraphError};
use crate::login::Holder;
use crate::reply::Reply;
use crate::scenario::OnPremises;
use crate::tenant::{Population, Template, User};

const KIND: &str = "microsoft.graph.user";
const MOST: usize = 999;

/// The members that come without `$select`.
const DEFAULT: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

const fn rule(path: &'static str, operators: &'static str, advanced: &'static str) -> Rule {
    Rule {
        path,
        operators,
        advanced,
    }
}

const RULES: Rules = Rules {
    kind: KIND,
    or: true,
    not: true,
    properties: &[
        rule("accountEnabled", "eq", "ne"),
        rule("userType", "eq", "ne"),
        rule("onPremisesSyncEnabled", "eq", "ne"),
        rule("onPremisesImmutableId", "eq", "ne"),
        rule("id", "eq", "ne"),
        rule("displayName", "eq startswith ge le", "ne endswith"),
        rule("userPrincipalName", "eq startswith ge le", "ne endswith"),
        rule("mail", "eq startswith ge le", "ne endswith"),
        rule("assignedLicenses/any/skuId", "eq", ""),
        rule("assignedPlans/any/servicePlanId", "", "eq"),
        rule("assignedPlans/any/capabilityStatus", "", "eq"),
        rule("assignedPlans/any/service", "", "eq"),
        rule("createdDateTime", "", "eq ge le"),
    ],
};

/// Members that differ between the users of a population.
pub(super) const INDIVIDUAL: &[&str] = &[
    "id",
    "displayName",
    "userPrincipalName",
    "mail",
    "userDisplayName",
    "onPremisesImmutableId",
];

/// `GET /users`
pub(super) fn list(ask: &Ask) -> Result<Reply, GraphError> {
    let allowed = Allowed {
        select: true,
        filter: true,
        top: Some(MOST),
        count: true,
        order_by: &["displayName", "userPrincipalName"],
        expand: &[],
    };
    let query = Query::read(ask.call, allowed, KIND, ask.version)?;
    check_advanced(&query, &RULES, query.count)?;
    let template = |population: &Population| selected(&population.user, &query);
    let list = Rows {
        fragment: "users",
        default_page: 100,
        wanted: &|_| true,
        template: &template,
        object: |p| &p.user,
    };
    rows(ask, &query, &list)
}

/// `GET /users/$count`
pub(super) fn count(ask: &Ask) -> Result<Reply, GraphError> {
    let allowed = Allowed {
        select: false,
        filter: true,
        top: None,
        count: false,
        order_by: &[],
        expand: &[],
    };
    let query = Query::read(ask.call, allowed, KIND, ask.version)?;
    if !query.eventual {
        return Err(needs_header("$count"));
    }
    if let Some(filter) = &query.filter {
        filter.check(&RULES)?;
    }
    let number = number(ask, query.filter.as_ref(), &|_| true, |p| &p.user);
    Ok(Reply::bytes(200, "text/plain", format!("\u{feff}{number}").into()))
}

/// `GET /users/{id or name}`
pub(super) fn one(ask: &Ask) -> Result<Reply, GraphError> {
    user(ask, &ask.segments[1])
}

/// `GET /me`
pub(super) fn me(ask: &Ask) -> Result<Reply, GraphError> {
    match &ask.access.holder {
        Holder::Person { id, .. } => user(ask, id),
        Holder::App { .. } => Err(GraphError::refused(
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        )),
    }
}

fn user(ask: &Ask, key: &str) -> Result<Reply, GraphError> {
    let directory = &ask.tenant.directory;
    let user = directory.find(key).ok_or_else(|| GraphError::not_found(key))?;
    let query = Query::read(ask.call, Allowed::ONE, KIND, ask.version)?;
    let mut value = Template::new(&selected(&directory.population(user).user, &query)).value(user);
    value["@odata.context"] = json!(context(ask, "users/$entity"));
    Ok(Reply::graph(200, &value))
}

/// `GET /users/{id}/onPremisesSyncBehavior`
pub(super) fn sync_behavior(ask: &Ask) -> Result<Reply, GraphError> {
    let key = &ask.segments[1];
    let user = ask
        .tenant
        .directory
        .find(key)
        .ok_or_else(|| GraphError::not_found(key))?;
    let cloud_managed = ask.tenant.directory.population(user).spec.on_premises == OnPremises::CloudManaged;
    let value = json!({"id": crate::guid::text(user.id), "isCloudManaged": cloud_managed});
    list::one(ask, value, "microsoft.graph.onPremisesSyncBehavior")
}

/// The user object with the members that were asked for.
pub(super) fn selected(user: &Value, query: &Query) -> Value {
    let Some(object) = user.as_object() else {
        return Value::Null;
    };
    let wanted = |name: &str| match &query.select {
        Some(select) => select.iter().any(|selected| selected == name),
        None => DEFAULT.contains(&name),
    };
    let mut out: Map<String, Value> = object
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // Members that the lab does not hold but Graph has: null.
    for name in query.select.iter().flatten() {
        out.entry(name.clone()).or_insert(Value::Null);
    }
    Value::Object(out)
}

/// Refuses an advanced query without its parameters.
pub(super) fn check_advanced(query: &Query, rules: &Rules, count: bool) -> Result<(), GraphError> {
    let advanced = query.filter.as_ref().map_or(Ok(false), |filter| filter.check(rules))?;
    if count && !query.eventual {
        return Err(needs_header("$count"));
    }
    if advanced && !(query.eventual && query.count) {
        return Err(needs_header("this filter"));
    }
    if query.order_by.is_some() && query.filter.is_some() && !(query.eventual && query.count) {
        return Err(GraphError::unsupported_query(
            "Sorting not supported for current query.",
        ));
    }
    Ok(())
}

pub(super) fn needs_header(what: &str) -> GraphError {
    GraphError::unsupported_query(format!(
        "Request is not supported without the advanced query parameters: {what} needs the header 'ConsistencyLevel: eventual' and $count=true."
    ))
}

/// Gives the object of a population that a filter looks at.
pub(super) type Object = fn(&Population) -> &Value;

fn is_individual(filter: Option<&Expr>) -> bool {
    filter.is_some_and(|filter| filter.mentions(INDIVIDUAL))
}

/// For each population, whether its users are in the list. A filter that speaks of nothing individual is decided here, once for all
/// of them.
fn let_through(ask: &Ask, filter: Option<&Expr>, wanted: &dyn Fn(u16) -> bool, object: Object) -> Vec<bool> {
    let individual = is_individual(filter);
    (0u16..)
        .zip(&ask.tenant.directory.populations)
        .map(|(at, p)| wanted(at) && (individual || filter.is_none_or(|filter| filter.matches(object(p)))))
        .collect()
}

/// The users from `start` on that are of the wanted populations and that the filter lets through, by id.
pub(super) fn matching<'a>(
    ask: &'a Ask,
    start: usize,
    filter: Option<&'a Expr>,
    wanted: &dyn Fn(u16) -> bool,
    object: Object,
) -> impl Iterator<Item = (usize, &'a User)> + use<'a> {
    let directory = &ask.tenant.directory;
    let individual = is_individual(filter);
    let let_through = let_through(ask, filter, wanted, object);
    let templates: Vec<Template> = if individual {
        directory.populations.iter().map(|p| Template::new(object(p))).collect()
    } else {
        Vec::new()
    };
    (start..)
        .zip(directory.users.iter().skip(start))
        .filter(move |(_, user)| {
            let population = usize::from(user.population);
            let_through[population]
                && (!individual || filter.is_none_or(|filter| filter.matches(&templates[population].value(user))))
        })
}

/// How many users `matching` gives.
fn number(ask: &Ask, filter: Option<&Expr>, wanted: &dyn Fn(u16) -> bool, object: Object) -> usize {
    if is_individual(filter) {
        return matching(ask, 0, filter, wanted, object).count();
    }
    let populations = ask.tenant.directory.populations.iter();
    let chosen = populations
        .zip(let_through(ask, filter, wanted, object))
        .filter(|(_, chosen)| *chosen);
    chosen.map(|(population, _)| population.spec.count as usize).sum()
}

/// What a list of users is made of.
pub(super) struct Rows<'a> {
    pub fragment: &'a str,
    pub default_page: usize,
    /// The populations that are in the list.
    pub wanted: &'a dyn Fn(u16) -> bool,
    /// The row of a population, with holes.
    pub template: &'a dyn Fn(&Population) -> Value,
    pub object: Object,
}

/// A page of users, rendered from one template for each population.
pub(super) fn rows(ask: &Ask, query: &Query, rows: &Rows) -> Result<Reply, GraphError> {
    let directory = &ask.tenant.directory;
    let filter = query.filter.as_ref();
    let size = list::page_size(ask, query, rows.default_page);
    let count = query.count.then(|| number(ask, filter, rows.wanted, rows.object));
    let large = directory.users.len() >= ask.core.options.keep_pages_from;
    let sees = super::access::sees_users(ask);
    let key = format!(
        "{} {} {} {size} {} {sees}",
        ask.tenant.id,
        ask.call.path,
        query.rest(),
        query.skip
    );
    let page = match ask.core.pages.get(&key) {
        Some(page) => page,
        None => {
            let page = render(ask, query, rows, size, large && ask.core.options.gzip);
            if large {
                ask.core.pages.keep(key, page)
            } else {
                page.into()
            }
        }
    };
    let mut head = Map::new();
    head.insert("@odata.context".to_owned(), json!(context(ask, rows.fragment)));
    if let Some(count) = count {
        head.insert("@odata.count".to_owned(), json!(count));
    }
    if let Some(next) = page.next {
        head.insert("@odata.nextLink".to_owned(), json!(query.next_link(ask.call, next)));
    }
    Ok(page_reply(&head, &page))
}

fn render(ask: &Ask, query: &Query, rows: &Rows, size: usize, pack: bool) -> Page {
    let populations = &ask.tenant.directory.populations;
    let templates: Vec<Template> = populations.iter().map(|p| Template::new(&(rows.template)(p))).collect();
    let mut out = vec![b'['];
    let mut next = None;
    let users: Box<dyn Iterator<Item = (usize, &User)>> = match &query.order_by {
        // The skip token is a position among all users, so that a page starts without counting the ones before.
        None => Box::new(matching(
            ask,
            query.skip,
            query.filter.as_ref(),
            rows.wanted,
            rows.object,
        )),
        Some(order) => Box::new(
            ordered(ask, query, rows, order)
                .into_iter()
                .enumerate()
                .skip(query.skip),
        ),
    };
    for (taken, (at, user)) in users.enumerate() {
        if taken == size {
            next = Some(at);
            break;
        }
        if taken > 0 {
            out.push(b',');
        }
        templates[usize::from(user.population)].render(user, &mut out);
    }
    out.extend_from_slice(b"]}");
    let packed = if pack { crate::pack::rows(&out) } else { None };
    Page {
        rows: out.into(),
        packed,
        next,
    }
}

/// All users of the list in the order of a property.
fn ordered<'a>(ask: &'a Ask, query: &'a Query, rows: &Rows, order: &str) -> Vec<&'a User> {
    let (property, direction) = order.split_once(' ').unwrap_or((order, "asc"));
    let keys: Vec<Template> = ask
        .tenant
        .directory
        .populations
        .iter()
        .map(|p| Template::new(&(rows.object)(p)[property]))
        .collect();
    let all = matching(ask, 0, query.filter.as_ref(), rows.wanted, rows.object);
    let mut all: Vec<(String, &User)> = all
        .map(|(_, user)| (keys[usize::from(user.population)].string(user).to_lowercase(), user))
        .collect();
    all.sort_by(|(left, _), (right, _)| {
        if direction == "desc" {
            right.cmp(left)
        } else {
            left.cmp(right)
        }
    });
    all.into_iter().map(|(_, user)| user).collect()
}
