//! Whom an account may reset, and why not: users folded into causes as they are read.

use super::access::{Object, Token, Verdict};
use super::descriptor::{Ace, Descriptor, DescriptorError};
use super::ldap::{Connection, DirectoryError, Entry};
use super::rights::{INET_ORG_PERSON, RESET_PASSWORD, Right, USER, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET};
use super::sid::{Sid, SidBuf};
use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What a user's object must grant, in the order in which writeback uses it.
pub const NEEDED: [Right; 3] = [RESET_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET];
/// What is read of a user.
const ATTRIBUTES: &[&str] = &["nTSecurityDescriptor", "objectClass", "objectSid", "adminCount"];
/// Users and inetOrgPersons, and no computers.
const USERS: &str = "(&(objectCategory=person)(objectClass=user))";
/// What hands entries down to users.
const CONTAINERS: &str = "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain))";
/// So many users are named for a cause.
pub const SAMPLE: usize = 10;

/// Why an account may not reset a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A container does not take its parent's entries; its distinguished name.
    Protected(String),
    /// The user does not take its container's entries, as one whom AdminSDHolder protects or protected.
    AdminSdHolder,
    /// The user does not take its container's entries.
    ProtectedUser,
    /// An entry denies a right to somebody whom the account is.
    Denied {
        /// To whom.
        trustee: SidBuf,
        /// Which right.
        right: &'static str,
        /// The container that hands it down; None where it stands on the user.
        from: Option<String>,
    },
    /// The user is an inetOrgPerson, and what is granted is for the class user.
    InetOrgPerson,
    /// Nothing grants it, though nothing stands in the way.
    NotGranted {
        /// The first right that is missing.
        right: &'static str,
    },
    /// The user's security descriptor cannot be read.
    Unreadable,
}

/// The users of one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// The distinguished names of some of them.
    pub sample: Vec<String>,
}

/// What the scan of a domain came to.
#[derive(Debug, Default)]
pub struct Scan {
    /// The users that were read.
    pub users: u64,
    /// Those whom the account may not reset, by cause.
    pub refused: HashMap<Cause, Refused>,
    /// So many different security descriptors were weighed.
    pub descriptors: u64,
}

/// A container's own descriptor.
struct Container {
    dn: String,
    descriptor: Vec<u8>,
}

/// Weighs users, those with the same descriptor once.
struct Scanner<'t> {
    token: &'t Token,
    containers: HashMap<String, Container>,
    /// By a hash of class and descriptor that nobody can foresee: whether it grants all, else the first right that it does
    /// not, and the entry that denies it.
    weighed: HashMap<[u64; 2], Option<Missing>>,
    hashes: [RandomState; 2],
    scan: Scan,
}

/// The first right that a descriptor does not grant.
#[derive(Clone)]
struct Missing {
    right: &'static str,
    protected: bool,
    denied: Option<Denial>,
}

/// The entry that denies a right.
#[derive(Clone)]
struct Denial {
    trustee: SidBuf,
    inherited: bool,
    /// All of it but the flags, which tell how it was handed down.
    body: Vec<u8>,
}

/// What two entries have in common where one was handed down from the other.
fn body(ace: &Ace<'_>) -> Vec<u8> {
    let mut body = ace.bytes.to_vec();
    body[1] = 0;
    body
}

/// Reads a domain's users and tells whom a token may reset.
pub async fn scan(connection: &mut Connection, root: &str, token: &Token) -> Result<Scan, DirectoryError> {
    let mut scanner = Scanner {
        token,
        containers: HashMap::new(),
        weighed: HashMap::new(),
        hashes: [RandomState::default(), RandomState::default()],
        scan: Scan::default(),
    };
    let attributes = ["nTSecurityDescriptor"];
    connection
        .search(root, CONTAINERS, &attributes, |entry| scanner.container(entry))
        .await?;
    connection
        .search(root, USERS, ATTRIBUTES, |entry| scanner.user(&entry))
        .await?;
    Ok(scanner.scan)
}

impl Scanner<'_> {
    fn container(&mut self, entry: Entry) {
        if let Some(descriptor) = entry.value("nTSecurityDescriptor") {
            let container = Container {
                descriptor: descriptor.to_vec(),
                dn: entry.dn,
            };
            self.containers.insert(container.dn.to_lowercase(), container);
        }
    }

    fn user(&mut self, user: &Entry) {
        self.scan.users += 1;
        let external = user
            .values("objectClass")
            .iter()
            .any(|class| class.eq_ignore_ascii_case(b"inetOrgPerson"));
        let missing = match user.value("nTSecurityDescriptor") {
            None => return self.refuse(Cause::Unreadable, &user.dn),
            Some(bytes) => self.weigh(bytes, external, user.value("objectSid").and_then(Sid::read)),
        };
        match missing {
            Err(_) => self.refuse(Cause::Unreadable, &user.dn),
            Ok(None) => {}
            Ok(Some(missing)) => {
                let cause = self.cause(missing, user, external);
                self.refuse(cause, &user.dn);
            }
        }
    }

    /// The first right that a descriptor does not grant.
    fn weigh(
        &mut self,
        bytes: &[u8],
        external: bool,
        sid: Option<Sid<'_>>,
    ) -> Result<Option<Missing>, DescriptorError> {
        // For the account's own object SELF means another.
        let own = sid.is_some_and(|sid| self.token.holds(sid));
        let key = [0, 1].map(|n: usize| self.hashes[n].hash_one((external, own, bytes)));
        if let Some(known) = self.weighed.get(&key) {
            return Ok(known.clone());
        }
        let descriptor = Descriptor::read(bytes)?;
        let object = Object {
            descriptor,
            class: if external { INET_ORG_PERSON } else { USER },
            sid,
        };
        let verdicts = object.access(self.token, NEEDED.map(|right| right.want));
        let first = NEEDED.iter().zip(verdicts).find(|(_, verdict)| !verdict.is_allowed());
        let missing = first.map(|(right, verdict)| Missing {
            right: right.name,
            protected: descriptor.is_protected(),
            denied: match verdict {
                Verdict::Denied(ace) => ace.trustee().map(|trustee| Denial {
                    trustee: trustee.keep(),
                    inherited: ace.is_inherited(),
                    body: body(&ace),
                }),
                _ => None,
            },
        });
        self.scan.descriptors += 1;
        self.weighed.insert(key, missing.clone());
        Ok(missing)
    }

    fn cause(&self, missing: Missing, user: &Entry, external: bool) -> Cause {
        if let Some(denial) = missing.denied {
            return Cause::Denied {
                from: denial.inherited.then(|| self.origin(&user.dn, &denial)).flatten(),
                trustee: denial.trustee,
                right: missing.right,
            };
        }
        if missing.protected {
            return match user.text("adminCount") {
                Some("1") => Cause::AdminSdHolder,
                _ => Cause::ProtectedUser,
            };
        }
        if let Some(container) = self.above(&user.dn).find(|container| is_protected(container)) {
            return Cause::Protected(container.dn.clone());
        }
        if external {
            return Cause::InetOrgPerson;
        }
        Cause::NotGranted { right: missing.right }
    }

    /// The containers above an object, the nearest first.
    fn above<'s>(&'s self, dn: &'s str) -> impl Iterator<Item = &'s Container> {
        std::iter::successors(parent(dn), |dn| parent(dn)).filter_map(|dn| self.containers.get(&dn.to_lowercase()))
    }

    /// The container on which an entry stands that was handed down.
    fn origin(&self, dn: &str, denial: &Denial) -> Option<String> {
        let holds = |container: &&Container| {
            let dacl = Descriptor::read(&container.descriptor)
                .ok()
                .and_then(|descriptor| descriptor.dacl());
            dacl.is_some_and(|dacl| dacl.aces().any(|ace| !ace.is_inherited() && body(&ace) == denial.body))
        };
        self.above(dn).find(holds).map(|container| container.dn.clone())
    }

    fn refuse(&mut self, cause: Cause, dn: &str) {
        let refused = self.scan.refused.entry(cause).or_default();
        refused.count += 1;
        if refused.sample.len() < SAMPLE {
            refused.sample.push(dn.into());
        }
    }
}

fn is_protected(container: &Container) -> bool {
    Descriptor::read(&container.descriptor).is_ok_and(|descriptor| descriptor.is_protected())
}

/// The distinguished name of what an object stands in. A comma in a name is escaped.
fn parent(dn: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, character) in dn.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return Some(&dn[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_s_own_commas_are_no_borders() {
        assert_eq!(parent(r"CN=Smith\, Ann,OU=A,DC=x"), Some("OU=A,DC=x"));
        assert_eq!(parent(r"CN=a\\,OU=A"), Some("OU=A"));
        assert_eq!(parent("DC=x"), None);
    }
}
