//! Where changes are written: how something stands there now, and how it is put there.

use super::app_permission::assignments;
use super::apply::drifted;
use super::directories::Directories;
use crate::change::{Change, PortalObject, Write, plain_targets};
use crate::error::{Error, Result};
use crate::gather::connect::server_now;
use crate::session::Session;
use crate::snapshot::connect::ConnectServer;
use crate::status::Status;
use crate::steps::connect_writeback;
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::{Ask, Graph};
use crate::tenant::portal::Portal;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The host action that switches password writeback of a Connect server on or off.
pub const SET_WRITEBACK: &str = "setConnectWriteback";
/// How long that may take there.
const DEADLINE: Duration = Duration::from_secs(300);
/// The member of the reset policy that names the selected group.
const RESET_GROUPS: &str = "passwordResetEnabledGroupIds";
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

/// What writes a session's changes.
#[derive(Debug)]
pub struct Writer {
    /// None where no tenant is signed in to.
    graph: Option<Graph>,
    portal: Option<Portal>,
    context: TaskContext,
    /// Where changes of directories are written.
    pub directories: Directories,
}

impl Writer {
    /// The session's.
    pub fn new(session: &Session, context: &TaskContext) -> Result<Self> {
        let signed_in = session.state().is_ok();
        Ok(Writer {
            graph: signed_in.then(|| session.graph(context)).transpose()?,
            portal: match signed_in {
                true => session.portal(context)?,
                false => None,
            },
            context: context.clone(),
            directories: Directories::new(session.directories()),
        })
    }

    /// Whether the portal's back end is signed in to.
    pub fn has_portal(&self) -> bool {
        self.portal.is_some()
    }

    /// How what a change is about stands now, in the form of its before and after.
    pub async fn look(&mut self, change: &Change) -> Result<Value> {
        match &change.write {
            None => Ok(Value::Null),
            Some(Write::Portal { object }) => {
                let read: Value = self.portal()?.get(object.path()).await?;
                Ok(of_resource(change, &read))
            }
            Some(Write::Graph { path, .. }) => {
                let read: Value = self.graph()?.get(&Ask::directory(path)).await?;
                Ok(of_resource(change, &read))
            }
            Some(Write::Descriptor {
                domain,
                object,
                entries,
            }) => self.directories.entries(domain, object, entries).await,
            Some(Write::Template { domain, object, new }) => {
                self.directories.template(domain, object, new.as_ref()).await
            }
            Some(Write::Host { computer }) => {
                let server = self.server(computer).await?;
                Ok(json!({ "enabled": connect_writeback::switched(&server) }))
            }
            Some(Write::AppRole {
                principal,
                resource,
                role,
            }) => {
                let assignment = self.assignment(principal, resource, role).await?;
                Ok(json!({ "granted": assignment.is_some() }))
            }
            Some(Write::ConditionalAccess) => {
                let found = self.policies(&change.after).await?;
                match found.as_slice() {
                    [] => Ok(Value::Null),
                    [one] if is_held(one, &change.after) => Ok(change.after.clone()),
                    [one] => Ok(one.clone()),
                    many => Ok(json!(many)),
                }
            }
        }
    }

    /// What the journal is to keep of how it is, before this is put there.
    pub async fn keep(&mut self, change: &Change, value: &Value) -> Result<Option<Value>> {
        match &change.write {
            Some(write) => self.directories.keep(write, value).await,
            None => Ok(None),
        }
    }

    /// Puts it there, by what was kept before. Where more is sent than what the change is about, the rest is read again, and with it whether what it is about
    /// still stands as expected.
    pub async fn write(&mut self, change: &Change, expected: &Value, value: &Value, kept: &[&Value]) -> Result<()> {
        match &change.write {
            None => Ok(()),
            Some(Write::Portal { object }) => self.write_portal(*object, change, expected, value).await,
            Some(Write::Graph { path, odata_type }) => {
                let mut body = Map::new();
                if let Some(name) = odata_type {
                    body.insert("@odata.type".into(), name.as_str().into());
                }
                // Of a member that holds others the whole is sent: right whether a PATCH replaces or merges it.
                let mut read = Value::Null;
                if members(value).any(|(name, _)| name.contains('/')) {
                    read = self.graph()?.get(&Ask::directory(path)).await?;
                    unchanged(change, expected, &of_resource(change, &read))?;
                }
                for (name, value) in members(value) {
                    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
                    let mut place = body.entry(first).or_insert_with(|| read[first].clone());
                    for part in rest.split('/').filter(|part| !part.is_empty()) {
                        if !place.is_object() {
                            return Err(answer(&format!("{path} has no member {name}")));
                        }
                        place = &mut place[part];
                    }
                    *place = value.clone();
                }
                let body = Value::Object(body);
                let ask = Ask::directory(path);
                Ok(self.graph()?.write(Method::PATCH, &ask, Some(&body)).await?)
            }
            Some(Write::Descriptor {
                domain,
                object,
                entries,
            }) => {
                self.directories
                    .write_entries(domain, object, entries, value, kept)
                    .await
            }
            Some(Write::Template { domain, object, new }) => {
                self.directories
                    .write_template(domain, object, new.as_ref(), value, kept)
                    .await
            }
            Some(Write::Host { computer }) => {
                let server = self.server(computer).await?;
                let now = Timestamp::now();
                let hindered = connect_writeback::hindrances(&server, now..=now);
                if value["enabled"] == Value::Bool(true) && !hindered.is_empty() {
                    return Err(Error::new(Status::HostActionFailed, hindered).target(computer));
                }
                let arguments = json!({ "computer": computer, "enabled": value["enabled"] });
                let set = self.context.host_action(SET_WRITEBACK, arguments, DEADLINE).await;
                set.map(drop)
            }
            Some(Write::AppRole {
                principal,
                resource,
                role,
            }) => {
                let path = assignments(principal);
                if value["granted"] == Value::Bool(true) {
                    let body = json!({ "principalId": principal, "resourceId": resource, "appRoleId": role });
                    let ask = Ask::directory(path);
                    return Ok(self.graph()?.write(Method::POST, &ask, Some(&body)).await?);
                }
                match self.assignment(principal, resource, role).await? {
                    None => Ok(()),
                    Some(id) => {
                        let ask = Ask::directory(format!("{path}/{id}"));
                        Ok(self.graph()?.write(Method::DELETE, &ask, None).await?)
                    }
                }
            }
            Some(Write::ConditionalAccess) if value.is_null() => {
                for policy in self.policies(&change.after).await? {
                    let id = policy["id"].as_str().unwrap_or_default();
                    let ask = Ask::conditional_access(format!("{POLICIES}/{id}"));
                    self.graph()?.write(Method::DELETE, &ask, None).await?;
                }
                Ok(())
            }
            Some(Write::ConditionalAccess) => {
                let ask = Ask::conditional_access(POLICIES);
                self.graph()?
                    .write(Method::POST, &ask, Some(value))
                    .await
                    .map_err(Error::from)
            }
        }
    }

    fn graph(&self) -> Result<&Graph> {
        let none = || Error::new(Status::SignInNeeded, "the session is not signed in to a tenant");
        self.graph.as_ref().ok_or_else(none)
    }

    /// The group whose users may reset must be there: else nobody may.
    async fn check_group(&self, change: &Change) -> Result<()> {
        let ids = change.after[RESET_GROUPS].as_array().into_iter().flatten();
        for id in ids.filter_map(Value::as_str) {
            let found = self
                .graph()?
                .get::<Value>(&Ask::directory(format!("/v1.0/groups/{id}?$select=id")))
                .await;
            // Who may not read groups knows what to do without.
            if let Err(AskError::Refused { status: 404, .. }) = found {
                let why = format!("the group {id}, whose users are to reset their passwords, is not there");
                return Err(Error::new(Status::PlanInvalid, why).target("resetPolicy.group"));
            }
        }
        Ok(())
    }

    /// Who is named must be there. Those whom a new Conditional Access policy leaves out must be there, and the accounts among them enabled; of one that is put
    /// into force, one of them: else nobody gets in when all else fails. The error's target is the list that it is about.
    pub async fn check_named(&self, change: &Change) -> Result<()> {
        self.check_group(change).await?;
        let users = match &change.write {
            Some(Write::ConditionalAccess) => change.after["conditions"]["users"].clone(),
            Some(Write::Graph { path, .. }) if path.starts_with(POLICIES) && change.after["state"] == "enabled" => {
                let own: Value = self.graph()?.get(&Ask::conditional_access(path)).await?;
                own["conditions"]["users"].clone()
            }
            _ => return Ok(()),
        };
        let is_new = change.write == Some(Write::ConditionalAccess);
        let mut wrong = None;
        for (member, path) in [
            ("excludeUsers", "/v1.0/users/ID?$select=id,accountEnabled"),
            (
                "excludeGroups",
                "/v1.0/groups/ID/transitiveMembers/microsoft.graph.user?$select=id,accountEnabled&$count=true&$top=999",
            ),
        ] {
            let ids = users[member].as_array().into_iter().flatten().filter_map(Value::as_str);
            for id in ids.filter(|id| uuid::Uuid::try_parse(id).is_ok()) {
                let found = self
                    .graph()?
                    .get::<Value>(&Ask::directory(path.replace("ID", id)).eventual())
                    .await;
                let is_off = |user: &Value| user["accountEnabled"] == Value::Bool(false);
                let why = match found {
                    Ok(found) if is_off(&found) => "is disabled",
                    Ok(found)
                        if found["value"]
                            .as_array()
                            .is_some_and(|members| members.iter().all(is_off)) =>
                    {
                        "has no member whose account is enabled"
                    }
                    Ok(_) if is_new => continue,
                    Ok(_) => return Ok(()),
                    Err(AskError::Refused { status: 404, .. }) => "is not there",
                    Err(error) => return Err(error.into()),
                };
                wrong = wrong.or(Some((member, format!("{id}, whom the policy leaves out, {why}"))));
            }
        }
        let none = || {
            (
                "excludeUsers",
                "the policy leaves out nobody who gets in when all else fails".into(),
            )
        };
        match wrong.or_else(|| (!is_new).then(none)) {
            None => Ok(()),
            Some((member, why)) => Err(Error::new(Status::PlanInvalid, why).target(format!("mfaEnforcement.{member}"))),
        }
    }

    /// The id by which an app holds an app role.
    async fn assignment(&self, principal: &str, resource: &str, role: &str) -> Result<Option<String>> {
        let all: Vec<Value> = self.graph()?.list(&Ask::directory(assignments(principal))).await?;
        let mut own = all
            .iter()
            .filter(|one| one["resourceId"] == resource && one["appRoleId"] == role);
        Ok(own.next().and_then(|one| one["id"].as_str()).map(Into::into))
    }

    async fn server(&self, computer: &str) -> Result<ConnectServer> {
        let server = server_now(computer, &self.context).await;
        server.map_err(|why| {
            let why = format!("the Connect server {computer} cannot be read: {why}");
            Error::new(Status::HostActionFailed, why).target(computer)
        })
    }

    fn portal(&self) -> Result<&Portal> {
        let none = || answer("the portal's back end is not signed in to");
        self.portal.as_ref().ok_or_else(none)
    }

    /// The back end takes the reset policy as a whole, and of the other object one setting at a time.
    async fn write_portal(&self, object: PortalObject, change: &Change, expected: &Value, value: &Value) -> Result<()> {
        let (portal, path) = (self.portal()?, object.path());
        match object {
            PortalObject::Reset => {
                let mut whole: Value = portal.get(path).await?;
                if whole["objectId"] != "default" {
                    return Err(answer("the portal's object is not the default policy"));
                }
                unchanged(change, expected, &of_resource(change, &whole))?;
                for (name, value) in members(value) {
                    let Some(member) = whole.get_mut(name) else {
                        return Err(answer(&format!("the portal's object has no member {name}")));
                    };
                    *member = value.clone();
                }
                // What the service fills when asked; it takes it empty.
                if let Some(name) = whole.get_mut("passwordResetEnabledGroupName") {
                    *name = "".into();
                }
                portal.put(path, &whole).await.map_err(Error::from)
            }
            PortalObject::OnPremises => {
                for (name, value) in members(value) {
                    let name = match name.as_str() {
                        "passwordWritebackSupported" => "passwordWriteBackSupported",
                        name => name,
                    };
                    portal.put(path, &json!({ name: value })).await?;
                }
                Ok(())
            }
        }
    }

    /// The Conditional Access policies of a name.
    async fn policies(&self, wanted: &Value) -> Result<Vec<Value>> {
        let mut all: Vec<Value> = self.graph()?.list(&Ask::conditional_access(POLICIES)).await?;
        all.retain(|policy| policy["displayName"] == wanted["displayName"]);
        Ok(all)
    }
}

impl PortalObject {
    fn path(self) -> &'static str {
        match self {
            PortalObject::Reset => "PasswordReset/PasswordResetPolicies",
            PortalObject::OnPremises => "PasswordReset/OnPremisesPasswordResetPolicies",
        }
    }
}

/// The members of what was read that a change is about.
fn of_resource(change: &Change, read: &Value) -> Value {
    let mut own = Map::new();
    for (name, _) in members(&change.after) {
        let value = name.split('/').fold(read, |value, part| &value[part]);
        let value = match name.ends_with("Targets") {
            true => plain_targets(value),
            false => value.clone(),
        };
        own.insert(name.clone(), value);
    }
    own.into()
}

fn unchanged(change: &Change, expected: &Value, now: &Value) -> Result<()> {
    match now == expected {
        true => Ok(()),
        false => Err(drifted(change, expected, now)),
    }
}

fn answer(text: &str) -> Error {
    Error::new(Status::ServiceAnswer, text)
}

pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether all that is wanted stands in what there is; the service adds members of its own.
fn is_held(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| there.get(name).is_some_and(|own| is_held(own, value))),
        (there, wanted) => there == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_adds_is_no_difference() {
        let there = json!({"id": "1", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"], "x": []}}});
        assert!(is_held(
            &there,
            &json!({"conditions": {"users": {"includeUsers": ["All"]}}})
        ));
        assert!(!is_held(&there, &json!({"state": "disabled"})));
        assert!(!is_held(
            &there,
            &json!({"conditions": {"users": {"includeUsers": []}}})
        ));
        assert!(!is_held(&there, &json!({"other": null})));
    }
}
