//! Where changes are written: how something stands there now, and how it is put there.

use crate::change::{Change, PortalObject, Write};
use crate::directory::descriptor::Descriptor;
use crate::directory::edit;
use crate::directory::forest::{self, RootDse};
use crate::directory::ldap::Connection;
use crate::directory::policy_object;
use crate::directory::sysvol::{self, SysvolError};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::session::directory::{self, Directory};
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::graph::{Ask, Graph};
use crate::tenant::portal::Portal;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

const MINIMUM_AGE: &str = "minimumPasswordAgeDays";
const EXTENSION: &str = "securityExtension";
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

/// What writes a session's changes.
#[derive(Debug)]
pub struct Writer {
    /// None where no tenant is signed in to.
    graph: Option<Graph>,
    portal: Option<Portal>,
    directories: Vec<Arc<Directory>>,
    /// A connection for each domain, so that what is written is read on the same controller.
    connections: HashMap<String, Connection>,
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
            directories: session.directories(),
            connections: HashMap::new(),
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
                let members = members(&change.after);
                Ok(members.map(|(name, _)| (name.clone(), read[name].clone())).collect())
            }
            Some(Write::Graph { path, .. }) => {
                let read: Value = self.graph()?.get(&Ask::directory(path)).await?;
                let at = |name: &str| name.split('/').fold(&read, |value, part| &value[part]).clone();
                Ok(members(&change.after)
                    .map(|(name, _)| (name.clone(), at(name)))
                    .collect())
            }
            Some(Write::Descriptor {
                domain,
                object,
                entries,
            }) => {
                let bytes = self.descriptor(domain, object).await?;
                let descriptor = readable(&bytes, object)?;
                let held = |hex: &str| {
                    let entry = unhex(hex);
                    descriptor
                        .dacl()
                        .is_some_and(|list| list.aces().any(|ace| ace.bytes == entry))
                };
                Ok(entries
                    .iter()
                    .map(|(name, hex)| (name.clone(), Value::Bool(held(hex))))
                    .collect())
            }
            Some(Write::Template { domain, object }) => {
                let (mounted, files, extensions) = self.policy(domain, object).await?;
                let files = sysvol::files(mounted.as_deref(), &files).await;
                let template = files.map_err(|e| unreached(object, &e))?.template;
                Ok(json!({
                    MINIMUM_AGE: template.minimum_password_age,
                    EXTENSION: policy_object::names_security_extension(&extensions),
                }))
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

    /// Puts it there.
    pub async fn write(&mut self, change: &Change, value: &Value) -> Result<()> {
        match &change.write {
            None => Ok(()),
            Some(Write::Portal { object }) => self.write_portal(*object, value).await,
            Some(Write::Graph { path, odata_type }) => {
                let mut body = Map::new();
                if let Some(name) = odata_type {
                    body.insert("@odata.type".into(), name.as_str().into());
                }
                // Of a member that holds others the whole is sent: right whether a PATCH replaces or merges it.
                let read: Value = match members(value).any(|(name, _)| name.contains('/')) {
                    true => self.graph()?.get(&Ask::directory(path)).await?,
                    false => Value::Null,
                };
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
                // Read again, so that what others changed in the meantime stays.
                let bytes = self.descriptor(domain, object).await?;
                let wanted = |there: bool| -> Vec<Vec<u8>> {
                    let named = members(value).filter(|(_, state)| **state == Value::Bool(there));
                    named.filter_map(|(name, _)| Some(unhex(entries.get(name)?))).collect()
                };
                let failed = |e: edit::EditError| {
                    Error::new(Status::DirectoryRefused, format!("{object} cannot be changed: {e}")).target(object)
                };
                let added = edit::add(&readable(&bytes, object)?, &wanted(true)).map_err(failed)?;
                let edited = edit::remove(&readable(&added.descriptor, object)?, &wanted(false)).map_err(failed)?;
                let connection = self.connection(domain).await?;
                let written = connection
                    .replace(object, "nTSecurityDescriptor", &[&edited.descriptor])
                    .await;
                written.map_err(|e| directory::error(&e))
            }
            Some(Write::Template { domain, object }) => {
                let days = value[MINIMUM_AGE].as_u64().and_then(|days| u16::try_from(days).ok());
                let days = days.ok_or_else(|| answer("the minimum password age is no number of days"))?;
                let (mounted, files, extensions) = self.policy(domain, object).await?;
                let edited = match value[EXTENSION].as_bool() {
                    Some(false) => policy_object::without_security_extension(&extensions, ""),
                    _ => policy_object::with_security_extension(&extensions),
                };
                let extensions =
                    edited.map_err(|e| Error::new(Status::DirectoryRefused, e.to_string()).target(object))?;
                let written = sysvol::set_minimum_password_age(mounted.as_deref(), &files, days).await;
                // The attribute's syntax is a signed number of the same 32 bits.
                let version = (written.map_err(|e| unreached(object, &e))? as i32).to_string();
                let connection = self.connection(domain).await?;
                for (attribute, value) in [("gPCMachineExtensionNames", &extensions), ("versionNumber", &version)] {
                    // No value at all takes the attribute away.
                    let bytes = value.as_bytes();
                    let values: &[&[u8]] = if bytes.is_empty() { &[] } else { &[bytes] };
                    let replaced = connection.replace(object, attribute, values).await;
                    replaced.map_err(|e| directory::error(&e))?;
                }
                Ok(())
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

    /// The connection to a domain's controller: of the domain that was connected to, or of its forest.
    async fn connection(&mut self, domain: &str) -> Result<&mut Connection> {
        if !self.connections.contains_key(domain) {
            let own = self
                .directories
                .iter()
                .find(|known| known.domain.dns.eq_ignore_ascii_case(domain));
            let opened = match own {
                Some(own) => own.login.open().await.map_err(|e| directory::error(&e))?,
                None => self.elsewhere(domain).await?,
            };
            self.connections.insert(domain.into(), opened);
        }
        let none = || {
            Error::new(
                Status::DirectoryNeeded,
                format!("the session is not connected to {domain}"),
            )
        };
        self.connections.get_mut(domain).ok_or_else(none)
    }

    /// Another domain of a forest that was connected to.
    async fn elsewhere(&self, domain: &str) -> Result<Connection> {
        for known in &self.directories {
            let mut connection = known.login.open().await.map_err(|e| directory::error(&e))?;
            let root = RootDse::read(&mut connection).await.map_err(|e| directory::error(&e))?;
            let all = forest::domains(&mut connection, &root.configuration).await;
            let all = all.map_err(|e| directory::error(&e))?;
            if let Some(other) = all.iter().find(|other| other.dns.eq_ignore_ascii_case(domain)) {
                let login = known.login_to(other).await?;
                return login.open().await.map_err(|e| directory::error(&e));
            }
        }
        Err(Error::new(
            Status::DirectoryNeeded,
            format!("the session is not connected to {domain}"),
        )
        .target(domain))
    }

    /// Where a group policy object's files are, and the extensions that it names.
    async fn policy(&mut self, domain: &str, object: &str) -> Result<(Option<PathBuf>, String, String)> {
        let known = self.directories.iter();
        let mounted = known
            .filter(|known| known.domain.dns.eq_ignore_ascii_case(domain))
            .find_map(|known| known.sysvol.clone());
        let connection = self.connection(domain).await?;
        let attributes = ["gPCFileSysPath", "gPCMachineExtensionNames"];
        let entry = connection.read(object, &attributes).await;
        let entry = entry.map_err(|e| directory::error(&e))?.unwrap_or_default();
        let text = |name| entry.text(name).unwrap_or_default().to_string();
        Ok((mounted, text(attributes[0]), text(attributes[1])))
    }

    async fn descriptor(&mut self, domain: &str, object: &str) -> Result<Vec<u8>> {
        let connection = self.connection(domain).await?;
        let entry = connection.read(object, &["nTSecurityDescriptor"]).await;
        let entry = entry.map_err(|e| directory::error(&e))?.unwrap_or_default();
        let bytes = entry.value("nTSecurityDescriptor").map(<[u8]>::to_vec);
        bytes.ok_or_else(|| {
            Error::new(
                Status::DirectoryNotFound,
                format!("{object} is not there, or cannot be read"),
            )
            .target(object)
        })
    }

    fn portal(&self) -> Result<&Portal> {
        let none = || answer("the portal's back end is not signed in to");
        self.portal.as_ref().ok_or_else(none)
    }

    /// The back end takes the reset policy as a whole, and of the other object one setting at a time.
    async fn write_portal(&self, object: PortalObject, value: &Value) -> Result<()> {
        let (portal, path) = (self.portal()?, object.path());
        match object {
            PortalObject::Reset => {
                let mut whole: Map<String, Value> = portal.get(path).await?;
                if whole.get("objectId").and_then(Value::as_str) != Some("default") {
                    return Err(answer("the portal's object is not the default policy"));
                }
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
                portal.put(path, &Value::Object(whole)).await.map_err(Error::from)
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

fn answer(text: &str) -> Error {
    Error::new(Status::ServiceAnswer, text)
}

fn unreached(object: &str, error: &SysvolError) -> Error {
    let status = match error {
        SysvolError::Write { .. } => Status::FileWrite,
        _ => Status::FileRead,
    };
    Error::new(status, error.to_string()).target(object).caused_by(error)
}

fn readable<'a>(bytes: &'a [u8], object: &str) -> Result<Descriptor<'a>> {
    Descriptor::read(bytes).map_err(|e| {
        Error::new(
            Status::DirectoryRefused,
            format!("the security descriptor of {object} is not understood"),
        )
        .target(object)
        .caused_by(&e)
    })
}

/// What is no hexadecimal number is no entry.
fn unhex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map_while(pair).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
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
