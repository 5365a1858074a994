//! What an app lacks to run the checks, and what it has too much: app roles of Microsoft Graph, planned like any other change.

use super::{Plan, SCHEMA_VERSION};
use crate::change::{Change, Kind, Write};
use crate::error::{Error, Result};
use crate::gather::users::quoted;
use crate::json::{flag, strict};
use crate::report::screen::clean;
use crate::session::Session;
use crate::session::config::check_tenant;
use crate::snapshot::{FactId, source};
use crate::status::Status;
use crate::steps::{self, Step};
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::{Ask, Graph};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Microsoft Graph's application id, the same in every cloud.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
/// What grants app roles.
const REQUIRES: &[&str] = &["AppRoleAssignment.ReadWrite.All"];
/// The step that such changes stand under: none of those that check.
const STEP: &str = "app_permission";
/// A role of a person that reads nearly everything.
const READER: &str = "Global Reader";
const PRINCIPALS: &str = "/v1.0/servicePrincipals";
const MEMBERS: &str = "$select=id,appId,displayName,servicePrincipalType,signInAudience";

/// The permissions that an app needs for some steps, each once: the least for each fact, but none whose facts another opens too.
pub fn needed(steps: &[&Step]) -> BTreeSet<&'static str> {
    // What only a person is served with is no use to an app.
    let facts: Vec<FactId> = steps::needs(steps)
        .into_iter()
        .filter(|fact| !source(*fact).delegated_only)
        .collect();
    let mut needed: BTreeSet<&'static str> = facts
        .iter()
        .filter_map(|fact| source(*fact).permissions.first().copied())
        .collect();
    for name in needed.clone() {
        let others = |fact: &FactId| {
            let mut opening = source(*fact).permissions.iter();
            opening.any(|own| *own != name && needed.contains(own))
        };
        let mut opened = facts
            .iter()
            .filter(|fact| source(**fact).permissions.first() == Some(&name));
        if opened.all(others) {
            needed.remove(name);
        }
    }
    needed
}

/// Plans it: what is missing, and with `removeExcess` what is too much.
pub async fn app_permission(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    strict(&request, &["app", "steps", "removeExcess", "forTenant"])?;
    let remove_excess = flag(&request, "removeExcess")?;
    let text = |name: &str| request[name].as_str().unwrap_or_default().trim();
    let names = request["steps"].as_array().into_iter().flatten();
    let names: Vec<String> = names.filter_map(Value::as_str).map(Into::into).collect();
    let steps = super::named(&names)?;
    let other = match text("forTenant") {
        "" => "organizations",
        name => {
            check_tenant(name)?;
            name
        }
    };
    let graph = session.graph(context)?;
    let app = find(&graph, text("app")).await?;
    let principal = member(&app, "id")?;
    let roles = roles(&graph).await?;
    let needed = needed(&steps);
    if let Some(name) = needed.iter().find(|name| !roles.by_name.contains_key(**name)) {
        return Err(Error::new(
            Status::ServiceAnswer,
            format!("Microsoft Graph has no app role {name} in this tenant"),
        ));
    }
    let assigned: Vec<Value> = graph.list(&Ask::directory(assignments(principal))).await?;
    let (mut held, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    for one in &assigned {
        let role = one["appRoleId"].as_str().unwrap_or_default();
        let of_graph = one["resourceId"].as_str().is_some_and(|id| id == roles.resource);
        match roles.by_name.iter().find(|(_, id)| of_graph && *id == role) {
            Some((name, _)) => drop(held.insert(name.as_str())),
            None => {
                let resource = one["resourceDisplayName"].as_str().unwrap_or_default();
                elsewhere.insert(format!("{}: {role}", clean(resource)));
            }
        }
    }
    let missing: Vec<&str> = needed.iter().filter(|name| !held.contains(**name)).copied().collect();
    let excess: Vec<&str> = held.iter().filter(|name| !needed.contains(**name)).copied().collect();
    let display = clean(app["displayName"].as_str().unwrap_or_default());
    let target = format!("{display} ({principal})");
    let change = |name: &str, granted: bool| {
        let title = match granted {
            true => format!("Grant {name} of Microsoft Graph"),
            false => format!("Take {name} of Microsoft Graph away"),
        };
        let write = Write::AppRole {
            principal: principal.into(),
            resource: roles.resource.clone(),
            role: roles.by_name[name].clone(),
        };
        let (before, after) = (json!({ "granted": !granted }), json!({ "granted": granted }));
        let mut change = Change::of(STEP, Kind::Graph, title).writes(&*target, write, before, after);
        change.id = format!("{STEP}.{name}");
        change.requires(REQUIRES)
    };
    let mut changes: Vec<Change> = missing.iter().map(|name| change(name, true)).collect();
    if remove_excess {
        changes.extend(excess.iter().map(|name| change(name, false)));
    }
    let identity = session.state()?.identity;
    let plan = Plan {
        schema_version: SCHEMA_VERSION,
        id: uuid::Uuid::new_v4().to_string(),
        taken_at: Timestamp::now(),
        tenant_name: identity.tenant_id.clone(),
        tenant_id: identity.tenant_id,
        changes,
        unread: Vec::new(),
    };
    let (kind, audience) = (&app["servicePrincipalType"], &app["signInAudience"]);
    let mut consent = json!({});
    if kind == "ManagedIdentity" {
        consent["note"] = "A managed identity belongs to its own tenant: for others register an app.".into();
    } else {
        let login = session.config.login()?;
        let login = login.as_str().trim_end_matches('/');
        consent["url"] = format!("{login}/{other}/adminconsent?client_id={}", member(&app, "appId")?).into();
        if audience == "AzureADMyOrg" {
            consent["note"] = "The app is registered for its own tenant alone: make it multitenant first.".into();
        }
    }
    let access = needed
        .iter()
        .map(|name| json!({ "id": roles.by_name[*name], "type": "Role" }));
    let access: Vec<Value> = access.collect();
    let mut document = plan.document()?;
    document["app"] =
        json!({ "objectId": principal, "appId": app["appId"], "displayName": display, "servicePrincipalType": kind });
    document["needed"] = json!(needed);
    document["missing"] = json!(missing);
    document["excess"] = json!(excess);
    document["elsewhere"] = json!(elsewhere);
    document["consent"] = consent;
    // What the consent page grants is what the app's registration asks for.
    document["requiredResourceAccess"] = json!({ "resourceAppId": GRAPH_APP, "resourceAccess": access });
    document["gdapRoles"] = gdap(&steps);
    Ok(document)
}

/// The path of the app roles that a service principal holds.
pub(super) fn assignments(principal: &str) -> String {
    format!("{PRINCIPALS}/{principal}/appRoleAssignments")
}

/// The roles of a person of another tenant who reads the same, and of one who consents.
fn gdap(steps: &[&Step]) -> Value {
    let mut all = vec![json!({ "role": READER, "opens": "what the checks read, but for what stands below" })];
    for fact in steps::needs(steps) {
        let own = source(fact);
        if let Some(role) = own.roles.first().filter(|_| !own.roles.contains(&READER)) {
            all.push(json!({ "role": role, "opens": own.path }));
        }
    }
    all.push(
        json!({ "role": "Privileged Role Administrator", "opens": "granting these permissions, and the consent link" }),
    );
    all.into()
}

/// Microsoft Graph in this tenant.
struct Roles {
    /// Its service principal's id.
    resource: String,
    /// The ids of what an app may be granted, by name.
    by_name: BTreeMap<String, String>,
}

async fn roles(graph: &Graph) -> Result<Roles> {
    let path = format!("{PRINCIPALS}?$filter=appId eq '{GRAPH_APP}'&$select=id,appId,appRoles");
    let found: Vec<Value> = graph.list(&Ask::directory(path)).await?;
    let [own] = found.as_slice() else {
        return Err(Error::new(
            Status::ServiceAnswer,
            "the tenant has no service principal of Microsoft Graph",
        ));
    };
    let mut by_name = BTreeMap::new();
    for role in own["appRoles"].as_array().into_iter().flatten() {
        let mut whose = role["allowedMemberTypes"].as_array().into_iter().flatten();
        if let (Some(name), Some(id)) = (role["value"].as_str(), role["id"].as_str())
            && whose.any(|whose| whose == "Application")
            && role["isEnabled"] != Value::Bool(false)
        {
            by_name.insert(name.into(), id.into());
        }
    }
    Ok(Roles {
        resource: member(own, "id")?.into(),
        by_name,
    })
}

/// The service principal of an object id, an application id or a display name.
async fn find(graph: &Graph, app: &str) -> Result<Value> {
    let invalid = |status, why: String| Error::new(status, why).target("app");
    if app.is_empty() {
        return Err(invalid(
            Status::ArgumentInvalid,
            "'app' is missing: name an app or a managed identity".into(),
        ));
    }
    let is_id = uuid::Uuid::try_parse(app).is_ok();
    if is_id {
        match graph
            .get::<Value>(&Ask::directory(format!("{PRINCIPALS}/{app}?{MEMBERS}")))
            .await
        {
            Ok(found) => return Ok(found),
            Err(AskError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let member = if is_id { "appId" } else { "displayName" };
    let path = format!("{PRINCIPALS}?$filter={member} eq {}&{MEMBERS}", quoted(app));
    let mut found: Vec<Value> = graph.list(&Ask::directory(path)).await?;
    let shown = clean(app);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(invalid(
            Status::ArgumentInvalid,
            format!("the tenant has no app or managed identity '{shown}'"),
        )
        .help("Give the name, the application id or the object id as the page Enterprise applications shows it; the object id of an app registration is another.")),
        count => {
            let text = |one: &Value, name: &str| clean(one[name].as_str().unwrap_or("unknown"));
            let told = |one: &Value| {
                let (id, app) = (text(one, "id"), text(one, "appId"));
                format!("object id {id} ({}, application id {app})", text(one, "servicePrincipalType"))
            };
            let all = found.iter().take(10).map(told).collect::<Vec<_>>().join("; ");
            Err(invalid(
                Status::ArgumentInvalid,
                format!("{count} apps are called '{shown}': {all}"),
            )
            .help("Give the object id of the one that is meant."))
        }
    }
}

fn member<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    let id = value[name].as_str().filter(|id| uuid::Uuid::try_parse(id).is_ok());
    id.ok_or_else(|| Error::new(Status::ServiceAnswer, format!("a service principal has no '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::STEPS;

    #[test]
    fn only_what_an_app_is_served_with_and_only_once() {
        let all = needed(STEPS);
        assert!(
            all.contains("Policy.Read.All") && all.contains("Organization.Read.All"),
            "{all:?}"
        );
        // The wider ones open what these would.
        assert!(!all.contains("Policy.Read.AuthenticationMethod"), "{all:?}");
        assert!(!all.contains("OrganizationalBranding.Read.All"), "{all:?}");
        // Served to a person only.
        assert!(!all.contains("OnPremDirectorySynchronization.Read.All"), "{all:?}");
        assert!(all.iter().all(|name| !name.contains("Write")), "{all:?}");
        for fact in steps::needs(STEPS) {
            let own = source(fact);
            let opened = own.permissions.iter().any(|name| all.contains(name));
            assert!(
                opened || own.delegated_only || own.permissions.is_empty(),
                "{}",
                fact.name()
            );
        }
    }

    #[test]
    fn one_step_needs_less() {
        let license = Step::named("license").unwrap();
        let own = needed(&[license]);
        assert!(
            own.len() < needed(STEPS).len() && !own.contains("Policy.Read.All"),
            "{own:?}"
        );
    }
}
