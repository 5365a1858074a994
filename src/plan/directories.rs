//! Where changes of directories are written: entries of access control lists, and group policy objects.

use super::writer::members;
use crate::change::{NewPolicy, Write};
use crate::directory::descriptor::{Ace, Descriptor, Effect, flag};
use crate::directory::edit;
use crate::directory::forest::{self, RootDse};
use crate::directory::ldap::{Connection, DirectoryError, Entry};
use crate::directory::policy_object;
use crate::directory::scan::{USERS, class};
use crate::directory::sysvol::{self, Files, SysvolError};
use crate::error::{Error, Result};
use crate::session::directory::{self, Directory};
use crate::status::Status;
use crate::text::{hex, unhex};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// The members of a group policy object's before and after.
pub const MINIMUM_AGE: &str = "minimumPasswordAgeDays";
/// Whether it names what reads security templates.
const EXTENSION: &str = "securityExtension";
/// Whether the directory and SYSVOL name the same version of it.
const IN_STEP: &str = "versionsAgree";
/// Whether it is linked to the domain's root.
const LINKED: &str = "linked";
/// Whether its files hold nothing but what the change makes.
const ALONE: &str = "nothingElse";

/// Of `sDRightsEffective`: the DACL may be written.
const DACL: u32 = 4;
/// There is no such value to be taken away, or already one where there was none (RFC 4511, appendix A).
const OVERTAKEN: [u32; 2] = [16, 20];
/// So many users are looked at for whether they have taken what was granted above them.
const SAMPLES: u32 = 5;

/// The directories that a session is connected to.
#[derive(Debug)]
pub struct Directories {
    directories: Vec<Arc<Directory>>,
    /// A connection for each domain, so that what is written is read on the same controller.
    connections: HashMap<String, Connection>,
}

/// A group policy object as the directory shows it.
struct Policy {
    /// Where SYSVOL is mounted, where it is not reached by its name.
    mounted: Option<PathBuf>,
    /// Its folder.
    files: String,
    extensions: String,
    version: Option<u32>,
}

impl Directories {
    /// These.
    pub fn new(directories: Vec<Arc<Directory>>) -> Self {
        Directories {
            directories,
            connections: HashMap::new(),
        }
    }

    /// Has the next one who asks connect anew.
    pub fn reconnect(&mut self) {
        self.connections.clear();
    }

    /// Which of some entries stand on an object.
    pub async fn entries(&mut self, domain: &str, object: &str, entries: &BTreeMap<String, String>) -> Result<Value> {
        let bytes = self.descriptor(domain, object).await?;
        let descriptor = readable(&bytes, object)?;
        let held = |hex: &str| {
            let entry = unhex(hex);
            let mut list = descriptor.dacl().into_iter().flat_map(|list| list.aces());
            list.any(|ace| ace.bytes == entry)
        };
        let named = entries.iter();
        Ok(named
            .map(|(name, hex)| (name.clone(), Value::Bool(held(hex))))
            .collect())
    }

    /// What is to be known of something before it is written, beyond its value: the places of the entries that go, and the
    /// files of a group policy object.
    pub async fn keep(&mut self, write: &Write, value: &Value) -> Result<Option<Value>> {
        match write {
            Write::Descriptor {
                domain,
                object,
                entries,
            } => {
                let gone = stated(entries, value, false);
                if gone.is_empty() {
                    return Ok(None);
                }
                let bytes = self.descriptor(domain, object).await?;
                let descriptor = readable(&bytes, object)?;
                let removed = edit::remove(&descriptor, &gone).map_err(unchanged(object))?;
                let places = removed.changed.iter().map(|(at, entry)| json!([at, hex(entry)]));
                let places: Vec<Value> = places.collect();
                let left = count(&descriptor) - places.len();
                Ok((!places.is_empty()).then(|| json!({ "places": places, "left": left })))
            }
            Write::Template {
                domain,
                object,
                new: None,
            } => {
                let policy = self.policy(domain, object).await?.ok_or_else(|| missing(object))?;
                let kept = sysvol::keep(policy.mounted.as_deref(), &policy.files, days(object, value)?).await;
                let kept = kept.map_err(|e| unreached(object, &e))?;
                Ok(Some(
                    json!({ "template": hex(&kept.template), "ini": hex(&kept.ini), "days": kept.days }),
                ))
            }
            _ => Ok(None),
        }
    }

    /// Puts entries on an object, and takes others away. Those that were taken away before, in what was kept, go to the places
    /// where they stood, where the list is as long as it was left.
    pub async fn write_entries(
        &mut self,
        domain: &str,
        object: &str,
        entries: &BTreeMap<String, String>,
        value: &Value,
        kept: &[&Value],
    ) -> Result<()> {
        // Read again, so that what others changed in the meantime stays.
        let bytes = self.descriptor(domain, object).await?;
        let descriptor = readable(&bytes, object)?;
        let mut added = stated(entries, value, true);
        let mut with = None;
        for kept in kept {
            let places = places(kept, &added);
            if kept["left"] == count(&descriptor) && !places.is_empty() {
                with = Some(edit::put_back(&descriptor, &places).map_err(unchanged(object))?);
                added.retain(|entry| places.iter().all(|(_, other)| other != entry));
                break;
            }
        }
        let bytes = with.as_ref().map_or(&bytes, |with| &with.descriptor);
        let added = edit::add(&readable(bytes, object)?, &added).map_err(unchanged(object))?;
        let removed = stated(entries, value, false);
        let edited = edit::remove(&readable(&added.descriptor, object)?, &removed).map_err(unchanged(object))?;
        let connection = self.connection(domain).await?;
        let values: &[&[u8]] = &[&edited.descriptor];
        let written = connection.replace(object, "nTSecurityDescriptor", values).await;
        written.map_err(|e| directory::error(&e))
    }

    /// How a group policy object stands; null where one that a change makes is not there.
    pub async fn template(&mut self, domain: &str, object: &str, new: Option<&NewPolicy>) -> Result<Value> {
        let Some(policy) = self.policy(domain, object).await? else {
            return match new {
                Some(_) => Ok(Value::Null),
                None => Err(missing(object)),
            };
        };
        let files = match sysvol::files(policy.mounted.as_deref(), &policy.files).await {
            // One that is only half made, or was cut off in the middle.
            Err(_) if new.is_some() => Files::default(),
            Err(SysvolError::Template(_)) => Files::default(),
            files => files.map_err(|e| unreached(object, &e))?,
        };
        let mut state = Map::new();
        state.insert(MINIMUM_AGE.into(), json!(files.template.minimum_password_age));
        let named = policy_object::names_security_extension(&policy.extensions);
        state.insert(EXTENSION.into(), named.into());
        let in_step = policy.version.map(|version| version & 0xffff) == files.version;
        state.insert(IN_STEP.into(), in_step.into());
        if let Some(new) = new {
            let links = self.text(domain, &new.root, "gPLink").await?;
            let linked = policy_object::with_link(&links, object) == links;
            state.insert(LINKED.into(), linked.into());
            state.insert(ALONE.into(), files.sets_age_alone.into());
        }
        Ok(Value::Object(state))
    }

    /// Sets what a group policy object sets; makes one, or takes it away, where that is the change.
    pub async fn write_template(
        &mut self,
        domain: &str,
        object: &str,
        new: Option<&NewPolicy>,
        value: &Value,
        kept: &[&Value],
    ) -> Result<()> {
        if let (Some(new), Value::Null) = (new, value) {
            return self.remove_policy(domain, object, new).await;
        }
        let days = days(object, value)?;
        if let Some(new) = new {
            self.make_policy(domain, object, new).await?;
        }
        let policy = self.policy(domain, object).await?.ok_or_else(|| missing(object))?;
        let edited = match value[EXTENSION].as_bool() {
            Some(false) => policy_object::without_security_extension(&policy.extensions, ""),
            _ => policy_object::with_security_extension(&policy.extensions),
        };
        let extensions = edited.map_err(|e| Error::new(Status::DirectoryRefused, e.to_string()).target(object))?;
        let mut kept: Vec<sysvol::Kept> = kept.iter().filter_map(|kept| files(kept)).collect();
        if new.is_some() {
            // Before it was made there was nothing.
            kept.push(sysvol::Kept {
                days,
                ..sysvol::Kept::default()
            });
        }
        let (mounted, made) = (policy.mounted.as_deref(), new.is_some());
        let written = sysvol::set_minimum_password_age(mounted, &policy.files, days, made, &kept).await;
        // The attribute's syntax is a signed number of the same 32 bits.
        let version = (written.map_err(|e| unreached(object, &e))? as i32).to_string();
        self.set(
            domain,
            object,
            "gPCMachineExtensionNames",
            &policy.extensions,
            &extensions,
        )
        .await?;
        let now = self.text(domain, object, "versionNumber").await?;
        self.set(domain, object, "versionNumber", &now, &version).await?;
        if let Some(new) = new {
            // What counts last comes last: until it is linked it does nothing.
            let links = self.text(domain, &new.root, "gPLink").await?;
            let with = policy_object::with_link(&links, object);
            self.set(domain, &new.root, "gPLink", &links, &with).await?;
        }
        Ok(())
    }

    /// The object alone, as MS-GPOL 2.2.8.1 has it. What is there of it stays.
    async fn make_policy(&mut self, domain: &str, object: &str, new: &NewPolicy) -> Result<()> {
        let guid = object.trim_start_matches("CN=").split(',').next().unwrap_or_default();
        let files = format!(r"\\{domain}\SysVol\{domain}\Policies\{guid}");
        let attributes: [(&str, &[&str]); 6] = [
            ("objectClass", &["groupPolicyContainer"]),
            ("displayName", &[&new.name]),
            ("gPCFileSysPath", &[&files]),
            ("gPCFunctionalityVersion", &["2"]),
            ("flags", &["0"]),
            ("versionNumber", &["0"]),
        ];
        let connection = self.connection(domain).await?;
        let made = connection.add(object, &attributes).await;
        made.map_err(|e| directory::error(&e))?;
        for part in PARTS {
            let container: [(&str, &[&str]); 1] = [("objectClass", &["container"])];
            let made = connection.add(&format!("CN={part},{object}"), &container).await;
            made.map_err(|e| directory::error(&e))?;
        }
        Ok(())
    }

    async fn remove_policy(&mut self, domain: &str, object: &str, new: &NewPolicy) -> Result<()> {
        let links = self.text(domain, &new.root, "gPLink").await?;
        let without = policy_object::without_link(&links, object, "");
        self.set(domain, &new.root, "gPLink", &links, &without).await?;
        if let Some(policy) = self.policy(domain, object).await? {
            let removed = sysvol::remove(policy.mounted.as_deref(), &policy.files).await;
            removed.map_err(|e| unreached(object, &e))?;
        }
        let connection = self.connection(domain).await?;
        let parts = PARTS.iter().map(|part| format!("CN={part},{object}"));
        for dn in parts.chain([object.to_string()]) {
            connection.delete(&dn).await.map_err(|e| directory::error(&e))?;
        }
        Ok(())
    }

    /// What the sign-in may not do of what a change needs: the controller tells what it would let it write.
    pub async fn lacks(&mut self, write: &Write) -> Result<Option<String>> {
        match write {
            Write::Descriptor { domain, object, .. } => {
                let rights = self.told(domain, object, "sDRightsEffective").await?;
                let rights: Option<u32> = rights.first().and_then(|text| text.parse().ok());
                let refused = rights.is_some_and(|rights| rights & DACL == 0);
                Ok(refused.then(|| format!("the right to modify permissions (write DACL) of {object}")))
            }
            Write::Template {
                domain,
                object,
                new: None,
            } => {
                let Some(policy) = self.policy(domain, object).await? else {
                    return Ok(None);
                };
                let writable = sysvol::is_writable(policy.mounted.as_deref(), &policy.files).await;
                Ok(
                    match self.may_write(domain, object, "versionNumber").await? && writable {
                        true => None,
                        false => Some(format!(
                            "the right to edit the group policy object {object} and its files"
                        )),
                    },
                )
            }
            Write::Template {
                domain, new: Some(new), ..
            } => {
                let policies = format!("CN=Policies,CN=System,{}", new.root);
                let made = self.told(domain, &policies, "allowedChildClassesEffective").await?;
                if !made
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case("groupPolicyContainer"))
                {
                    return Ok(Some("the right to make group policy objects".into()));
                }
                Ok(match self.may_write(domain, &new.root, "gPLink").await? {
                    true => None,
                    false => Some(format!("the right to link group policy objects to {}", new.root)),
                })
            }
            _ => Ok(None),
        }
    }

    async fn may_write(&mut self, domain: &str, object: &str, attribute: &str) -> Result<bool> {
        let may = self.told(domain, object, "allowedAttributesEffective").await?;
        Ok(may.iter().any(|name| name.eq_ignore_ascii_case(attribute)))
    }

    /// An attribute's values, as text.
    async fn told(&mut self, domain: &str, object: &str, attribute: &str) -> Result<Vec<String>> {
        let entry = self.connection(domain).await?.read(object, &[attribute]).await;
        let entry = entry.map_err(|e| directory::error(&e))?.unwrap_or_default();
        let values = entry.values(attribute);
        Ok(values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect())
    }

    /// Whether users below an object have taken the entries that were put there: some of them are looked at, for a controller
    /// hands entries down in its own time.
    pub async fn is_taken(&mut self, write: &Write, value: &Value) -> Result<bool> {
        let Write::Descriptor {
            domain,
            object,
            entries,
        } = write
        else {
            return Ok(true);
        };
        let added = stated(entries, value, true);
        let connection = self.connection(domain).await?;
        let filter = format!("(&{USERS}(!(adminCount=1)))");
        let attributes = ["nTSecurityDescriptor", "objectClass"];
        let some = connection.some(object, &filter, &attributes, SAMPLES).await;
        let some = some.map_err(|e| directory::error(&e))?;
        Ok(some.iter().all(|user| has_taken(user, &added)))
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
        self.connections.get_mut(domain).ok_or_else(|| unconnected(domain))
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
        Err(unconnected(domain))
    }

    async fn policy(&mut self, domain: &str, object: &str) -> Result<Option<Policy>> {
        let known = self.directories.iter();
        let mounted = known
            .filter(|known| known.domain.dns.eq_ignore_ascii_case(domain))
            .find_map(|known| known.sysvol.clone());
        let attributes = ["gPCFileSysPath", "gPCMachineExtensionNames", "versionNumber"];
        let entry = self.connection(domain).await?.read(object, &attributes).await;
        let Some(entry) = entry.map_err(|e| directory::error(&e))? else {
            return Ok(None);
        };
        let text = |name| entry.text(name).unwrap_or_default().to_string();
        let version: Option<i64> = text(attributes[2]).parse().ok();
        Ok(Some(Policy {
            mounted,
            files: text(attributes[0]),
            extensions: text(attributes[1]),
            // Both readings of the same 32 bits.
            version: version.map(|version| version as u32),
        }))
    }

    /// An attribute's one value; empty where it has none.
    async fn text(&mut self, domain: &str, object: &str, attribute: &str) -> Result<String> {
        let values = self.told(domain, object, attribute).await?;
        Ok(values.into_iter().next().unwrap_or_default())
    }

    /// Sets an attribute from one text to another, of which an empty one is none. What stands so already is not written, nor
    /// what somebody else has written since the first was read.
    async fn set(&mut self, domain: &str, object: &str, attribute: &str, now: &str, text: &str) -> Result<()> {
        if now == text {
            return Ok(());
        }
        let connection = self.connection(domain).await?;
        match connection.exchange(object, attribute, now, text).await {
            Err(DirectoryError::Refused { code, .. }) if OVERTAKEN.contains(&code) => {
                let why = format!("somebody else changed {attribute} of {object} in the meantime");
                Err(Error::new(Status::PlanDrift, why).target(object))
            }
            exchanged => exchanged.map_err(|e| directory::error(&e)),
        }
    }

    async fn descriptor(&mut self, domain: &str, object: &str) -> Result<Vec<u8>> {
        let connection = self.connection(domain).await?;
        let entry = connection.read(object, &["nTSecurityDescriptor"]).await;
        let entry = entry.map_err(|e| directory::error(&e))?.unwrap_or_default();
        let bytes = entry.value("nTSecurityDescriptor").map(<[u8]>::to_vec);
        bytes.ok_or_else(|| missing(object))
    }
}

/// The containers in a group policy object.
const PARTS: [&str; 2] = ["Machine", "User"];

/// The minimum password age that a policy is to have.
fn days(object: &str, value: &Value) -> Result<u16> {
    let days = value[MINIMUM_AGE].as_u64().and_then(|days| u16::try_from(days).ok());
    days.ok_or_else(|| {
        let why = "the minimum password age is no number of days";
        Error::new(Status::PlanInvalid, why).target(object)
    })
}

/// Files that were kept.
fn files(kept: &Value) -> Option<sysvol::Kept> {
    Some(sysvol::Kept {
        template: unhex(kept["template"].as_str()?),
        ini: unhex(kept["ini"].as_str()?),
        days: kept["days"].as_u64()?.try_into().ok()?,
    })
}

/// The places that were kept of these entries.
fn places(kept: &Value, entries: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let all = kept["places"].as_array().into_iter().flatten();
    let place = |pair: &Value| Some((usize::try_from(pair[0].as_u64()?).ok()?, unhex(pair[1].as_str()?)));
    all.filter_map(place)
        .filter(|(_, entry)| entries.contains(entry))
        .collect()
}

/// How many entries a descriptor's list has.
fn count(descriptor: &Descriptor<'_>) -> usize {
    descriptor.dacl().into_iter().flat_map(|list| list.aces()).count()
}

fn unchanged(object: &str) -> impl Fn(edit::EditError) -> Error {
    move |e| Error::new(Status::DirectoryRefused, format!("{object} cannot be changed: {e}")).target(object)
}

/// Those of some entries that shall be there, or shall not.
fn stated(entries: &BTreeMap<String, String>, value: &Value, there: bool) -> Vec<Vec<u8>> {
    let named = members(value).filter(|(_, state)| **state == Value::Bool(there));
    named.filter_map(|(name, _)| Some(unhex(entries.get(name)?))).collect()
}

/// Whether a user has taken those of some entries that are for its class. One that takes none from above is not waited for.
fn has_taken(user: &Entry, entries: &[Vec<u8>]) -> bool {
    let Some(Ok(descriptor)) = user.value("nTSecurityDescriptor").map(Descriptor::read) else {
        return true;
    };
    let own = class(user);
    let entries = entries.iter().filter_map(|bytes| Ace::read(bytes).ok());
    let meant = |ace: &Ace<'_>| {
        ace.flags & flag::CONTAINER_INHERIT != 0
            && match ace.inherited_object {
                Some(class) => *class == own,
                None => true,
            }
    };
    let taken = |wanted: Ace<'_>| {
        let mut list = descriptor.dacl().into_iter().flat_map(|list| list.aces());
        list.any(|ace| {
            ace.is_inherited()
                && ace.effect == Some(Effect::Allow)
                && ace.mask & wanted.mask == wanted.mask
                && ace.object == wanted.object
                && ace.trustee().map(|sid| sid.bytes()) == wanted.trustee().map(|sid| sid.bytes())
        })
    };
    descriptor.is_protected() || entries.filter(meant).all(taken)
}

fn unconnected(domain: &str) -> Error {
    let why = format!("the session is not connected to {domain}");
    Error::new(Status::DirectoryNeeded, why).target(domain)
}

fn missing(object: &str) -> Error {
    let why = format!("{object} is not there, or cannot be read");
    Error::new(Status::DirectoryNotFound, why).target(object)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::rights::{RESET_PASSWORD, USER};
    use crate::directory::sid::SidBuf;

    /// A user's descriptor with one entry.
    fn user(class: &str, control: u16, entry: &[u8]) -> Entry {
        let mut list = vec![4, 0, 0, 0, 1, 0, 0, 0];
        list.extend_from_slice(entry);
        let size = list.len() as u16;
        list[2..4].copy_from_slice(&size.to_le_bytes());
        let mut bytes = vec![1, 0];
        bytes.extend_from_slice(&(0x8004 | control).to_le_bytes());
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&20u32.to_le_bytes());
        bytes.extend_from_slice(&list);
        Entry::of(
            "CN=a",
            &[("nTSecurityDescriptor", &bytes), ("objectClass", class.as_bytes())],
        )
    }

    #[test]
    fn what_is_handed_down_is_taken_when_it_stands_there_as_inherited() {
        let sid: SidBuf = "S-1-5-21-1-2-3-1105".parse().unwrap();
        let other: SidBuf = "S-1-5-21-1-2-3-1106".parse().unwrap();
        let granted = edit::on_descendants(&RESET_PASSWORD.want, &USER, sid.sid());
        let with = |flags: u8, sid: &SidBuf| {
            let mut entry = edit::on_descendants(&RESET_PASSWORD.want, &USER, sid.sid());
            entry[1] = flags;
            entry
        };
        let taken = |user: &Entry| has_taken(user, std::slice::from_ref(&granted));
        let inherited = flag::INHERITED | flag::CONTAINER_INHERIT;
        assert!(taken(&user("user", 0, &with(inherited, &sid))));
        assert!(!taken(&user("user", 0, &with(inherited, &other))));
        assert!(
            !taken(&user("user", 0, &with(0, &sid))),
            "an entry of its own is not the container's"
        );
        assert!(taken(&user("inetOrgPerson", 0, &with(0, &other))), "it is not meant");
        assert!(taken(&user("user", 0x1000, &with(0, &other))), "it takes none");
        assert!(taken(&Entry::default()), "nothing can be seen of it");
        // What stands on the container alone is handed down to nobody.
        let alone = edit::on_object(&RESET_PASSWORD.want, sid.sid());
        assert!(has_taken(&user("user", 0, &with(0, &other)), &[alone]));
    }
}
