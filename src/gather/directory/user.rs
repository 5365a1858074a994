//! One user's case: each right of each connector account, the entry that decides it, and the password policy that counts.

use super::super::connect;
use super::access::{cause_of, decided_by};
use super::passwords::policy;
use super::place::{Candidate, Place, candidates, opened, tokens, weighed};
use crate::directory::access::{Object, Token, Verdict};
use crate::directory::containers::{Containers, domain_of};
use crate::directory::descriptor::Descriptor;
use crate::directory::forest::{DomainName, Login};
use crate::directory::ldap::{Connection, Depth, DirectoryError, Entry};
use crate::directory::names::Names;
use crate::directory::password_policy as policies;
use crate::directory::rights::CHANGE_PASSWORD;
use crate::directory::scan::{self, NEEDED, USERS};
use crate::directory::sid::Sid;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::session::directory::error;
use crate::snapshot::directory::{Cause, PasswordPolicy};
use crate::status::Status;
use crate::task::TaskContext;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What `sspr_directory_user` takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// The users: distinguished names, user principal names, `DOMAIN\name`, names of accounts, SIDs.
    users: Vec<String>,
}

/// So many users are looked at in one task.
pub(in crate::gather) const MOST: usize = 1000;

/// One user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    /// As it was asked for.
    asked: String,
    dn: String,
    name: String,
    user_principal_name: Option<String>,
    sid: String,
    domain: String,
    class: &'static str,
    enabled: bool,
    locked: bool,
    admin_count: bool,
    inheritance: bool,
    /// The unit above whose name holds a character that writeback cannot take.
    reserved_name: Option<String>,
    accounts: Vec<Account>,
    password: Password,
}

/// What one connector account may do to a user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    connector: String,
    /// Whether it may reset the user.
    can_reset: bool,
    /// Why not.
    cause: Option<Cause>,
    rights: Vec<RightVerdict>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RightVerdict {
    right: &'static str,
    /// Whether a reset needs it.
    needed: bool,
    allowed: bool,
    by: String,
}

/// A user's password and what is asked of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    /// The fine-grained policy that counts; None: the domain's.
    fine_grained: Option<String>,
    policy: Option<PasswordPolicy>,
    set: Option<Timestamp>,
    /// When it is old enough to be reset.
    reset_from: Option<Timestamp>,
    must_change: bool,
    never_expires: bool,
}

/// What is read of a user.
const ATTRIBUTES: [&str; 11] = [
    "nTSecurityDescriptor",
    "objectClass",
    "objectSid",
    "adminCount",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "pwdLastSet",
    "msDS-ResultantPSO",
    "sAMAccountName",
    "userPrincipalName",
    "distinguishedName",
];

/// Looks at users, in the order in which they were named: `{users:[...], missing:[...], unread:[...]}`.
pub async fn look(session: &Session, request: Request, context: &TaskContext) -> Result<Value> {
    session.connected()?;
    if request.users.is_empty() || request.users.len() > MOST {
        return Err(Error::new(Status::ArgumentInvalid, format!("name 1 to {MOST} users")).target("users"));
    }
    let configured = connect::accounts_now(context).await;
    among(session, request.users, &configured).await
}

/// The same, where it is known by which accounts the Connect servers work.
pub(in crate::gather) async fn among(session: &Session, names: Vec<String>, configured: &[String]) -> Result<Value> {
    let directories = session.connected()?;
    let (mut open, mut dark) = (Vec::new(), Dark::default());
    for opened in opened(&directories).await {
        let mut of_forest = match opened {
            Ok((_, places)) => places,
            Err((domain, cause)) if directories.len() > 1 => {
                dark.0.push((None, super::refusal(&domain, &cause).message));
                continue;
            }
            Err((_, cause)) => return Err(error(&cause)),
        };
        let mut accounts = Vec::new();
        for place in &mut of_forest {
            accounts.extend(candidates(place, configured).await.map_err(|e| error(&e))?);
        }
        let accounts = weighed(&accounts, configured);
        for place in of_forest {
            match &place.reached {
                Ok(_) => open.push(Reader::new(place, &accounts).await.map_err(|e| error(&e))?),
                Err(refusal) => dark.0.push((Some(place.name), refusal.message.clone())),
            }
        }
    }
    let (mut users, mut missing, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for asked in names {
        let mut found = None;
        for reader in &mut open {
            found = reader.user(&asked).await.map_err(|e| error(&e))?;
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(user) => users.push(user),
            None => match dark.why(&asked) {
                Some(why) => unread.push(json!({"user": asked, "why": why})),
                None => missing.push(asked),
            },
        }
    }
    Ok(json!({"users": users, "missing": missing, "unread": unread}))
}

/// A user who was found, with the way there.
#[derive(Debug)]
pub struct Found {
    /// Where the user stands.
    pub dn: String,
    /// How the domain is reached.
    pub login: Login,
    /// A connection to it.
    pub connection: Connection,
}

/// Finds a user in the domains that are reached.
pub async fn find(session: &Session, asked: &str) -> Result<Option<Found>> {
    for opened in opened(&session.connected()?).await {
        let (_, places) = opened.map_err(|(_, cause)| error(&cause))?;
        for place in places {
            let (Ok((login, mut connection)), Some(filter)) = (place.reached, filter(&place.name, asked)) else {
                continue;
            };
            let filter = format!("(&{USERS}{filter})");
            let found = connection
                .list(&place.name.dn, Depth::Subtree, &filter, &["objectSid"])
                .await;
            let mut found = found.map_err(|e| error(&e))?;
            if found.len() == 1 {
                let dn = found.remove(0).dn;
                return Ok(Some(Found { dn, login, connection }));
            }
        }
    }
    Ok(None)
}

/// The domains that were not reached, each with why; of a forest that was not, its domains are not known.
#[derive(Default)]
struct Dark(Vec<(Option<DomainName>, String)>);

impl Dark {
    /// Why a user was not found, where one of these may be the user's domain.
    fn why(&self, asked: &str) -> Option<String> {
        let may_be = |name: &Option<DomainName>| name.as_ref().is_none_or(|name| filter(name, asked).is_some());
        let why = self.0.iter().filter(|(name, _)| may_be(name));
        let why: Vec<&str> = why.map(|(_, why)| why.as_str()).collect();
        (!why.is_empty()).then(|| why.join(" "))
    }
}

/// The filter that finds a user in a domain; None for a user of another.
pub(crate) fn filter(domain: &DomainName, asked: &str) -> Option<String> {
    let escaped = crate::directory::ldap::escape;
    let lower = asked.to_lowercase();
    if lower.starts_with("s-1-") {
        let sid: crate::directory::sid::SidBuf = asked.parse().ok()?;
        return Some(format!("(objectSid={})", sid.sid().escaped()));
    }
    if let Some(root) = domain_of(&lower) {
        let own = root == domain.dn.to_lowercase();
        return own.then(|| format!("(distinguishedName={})", escaped(asked)));
    }
    if let Some((netbios, name)) = asked.split_once('\\') {
        let own = netbios.eq_ignore_ascii_case(&domain.netbios);
        return own.then(|| format!("(sAMAccountName={})", escaped(name)));
    }
    Some(format!(
        "(|(sAMAccountName={0})(userPrincipalName={0}))",
        escaped(asked)
    ))
}

/// A domain, ready to look at users.
struct Reader {
    place: Place,
    accounts: Vec<(String, Token)>,
    containers: Containers,
    own_policy: Option<policies::Policy>,
    fine: Option<Vec<policies::FineGrained>>,
    names: Names,
}

impl Reader {
    async fn new(mut place: Place, candidates: &[&Candidate]) -> std::result::Result<Reader, DirectoryError> {
        let root = place.name.dn.clone();
        let Ok((_, connection)) = &mut place.reached else {
            return Err(DirectoryError::NoController);
        };
        let tokens = tokens(connection, &root, candidates).await?;
        let containers = Containers::read(connection, &root, &tokens).await?;
        let names = candidates.iter().map(|candidate| candidate.told.name.clone());
        let accounts = names.zip(tokens).collect();
        let own_policy = policies::domain(connection, &root).await?.map(|(policy, _)| policy);
        let fine = policies::fine_grained(connection, &root).await?;
        Ok(Reader {
            place,
            accounts,
            containers,
            own_policy,
            fine,
            names: Names::default(),
        })
    }

    async fn user(&mut self, asked: &str) -> std::result::Result<Option<User>, DirectoryError> {
        let root = self.place.name.dn.clone();
        let netbios = self.place.name.netbios.clone();
        let Some(filter) = filter(&self.place.name, asked) else {
            return Ok(None);
        };
        let Ok((_, connection)) = &mut self.place.reached else {
            return Ok(None);
        };
        let filter = format!("(&{USERS}{filter})");
        let mut found = connection.list(&root, Depth::Subtree, &filter, &ATTRIBUTES).await?;
        let entry = match found.len() {
            1 => found.remove(0),
            _ => return Ok(None),
        };
        let mut sids = Vec::new();
        for (_, token) in &self.accounts {
            if let Some((_, verdicts)) = weigh(&entry, token) {
                sids.extend(verdicts.iter().filter_map(Verdict::trustee));
            }
        }
        self.names.learn(connection, &netbios, sids).await;
        Ok(Some(self.told(asked, &entry)))
    }

    fn told(&self, asked: &str, entry: &Entry) -> User {
        let number = |name: &str| {
            entry
                .text(name)
                .and_then(|text| text.parse::<i64>().ok())
                .unwrap_or_default()
        };
        let control = number("userAccountControl");
        let descriptor = entry
            .value("nTSecurityDescriptor")
            .and_then(|bytes| Descriptor::read(bytes).ok());
        let mut classes = entry.values("objectClass");
        let is_inet = classes
            .next_back()
            .is_some_and(|class| class.eq_ignore_ascii_case(b"inetOrgPerson"));
        User {
            asked: asked.into(),
            dn: entry.dn.clone(),
            name: entry.text("sAMAccountName").unwrap_or_default().into(),
            user_principal_name: entry.text("userPrincipalName").map(str::to_string),
            sid: entry
                .value("objectSid")
                .and_then(Sid::read)
                .map(|sid| sid.to_string())
                .unwrap_or_default(),
            domain: self.place.name.dns.clone(),
            class: if is_inet { "inetOrgPerson" } else { "user" },
            enabled: control & 0x2 == 0,
            locked: number("msDS-User-Account-Control-Computed") & 0x10 != 0,
            admin_count: number("adminCount") == 1,
            inheritance: descriptor.is_some_and(|descriptor| !descriptor.is_protected()),
            reserved_name: self.containers.above(&entry.dn).reserved().map(str::to_string),
            accounts: self
                .accounts
                .iter()
                .enumerate()
                .map(|(at, (name, token))| self.account(at, name, token, entry))
                .collect(),
            password: self.password(entry, control, number("pwdLastSet")),
        }
    }

    fn account(&self, at: usize, connector: &str, token: &Token, entry: &Entry) -> Account {
        let rights = NEEDED.into_iter().chain([CHANGE_PASSWORD]);
        let Some((cause, verdicts)) = weigh(entry, token) else {
            return Account {
                connector: connector.into(),
                can_reset: false,
                cause: Some(Cause::Unreadable),
                rights: Vec::new(),
            };
        };
        let verdict = |(at, (right, verdict)): (usize, (crate::directory::rights::Right, &Verdict<'_>))| RightVerdict {
            right: right.name,
            needed: at < NEEDED.len(),
            allowed: verdict.is_allowed(),
            by: decided_by(verdict, &self.names),
        };
        let rights: Vec<RightVerdict> = rights.zip(&verdicts).enumerate().map(verdict).collect();
        let can_reset = rights.iter().all(|right| right.allowed || !right.needed);
        let cause = cause.map(|missing| scan::cause_of(&missing, entry, at, &self.containers));
        Account {
            connector: connector.into(),
            can_reset,
            cause: cause.map(|cause| cause_of(&cause, &self.names)),
            rights,
        }
    }

    fn password(&self, entry: &Entry, control: i64, set: i64) -> Password {
        let resultant = entry.text("msDS-ResultantPSO").map(str::to_string);
        let fine = resultant.as_ref().and_then(|dn| {
            let known = self.fine.iter().flatten();
            known.into_iter().find(|policy| policy.dn.eq_ignore_ascii_case(dn))
        });
        // One that counts but cannot be seen is not the domain's.
        let counting = match (&resultant, fine) {
            (Some(_), fine) => fine.map(|policy| policy.policy),
            (None, _) => self.own_policy,
        };
        let from = counting.filter(|policy| policy.minimum_age < 0 && set > 0);
        Password {
            fine_grained: fine.map(|policy| policy.name.clone()).or(resultant),
            policy: counting.map(|counting| policy(&counting)),
            set: policies::moment(set),
            reset_from: from
                .and_then(|policy| policies::moment(set.saturating_add(policy.minimum_age.saturating_neg()))),
            must_change: set == 0,
            never_expires: control & 0x1_0000 != 0,
        }
    }
}

/// What keeps an account from a user, and the verdict on each right that is looked at.
fn weigh<'e>(entry: &'e Entry, token: &Token) -> Option<(Option<scan::Missing>, [Verdict<'e>; 4])> {
    let descriptor = Descriptor::read(entry.value("nTSecurityDescriptor")?).ok()?;
    let object = Object {
        descriptor,
        class: scan::class(entry),
        sid: entry.value("objectSid").and_then(Sid::read),
    };
    let verdicts = object.access(token, scan::LOOKED_AT.map(|right| right.want));
    Some((scan::missing(&object, &verdicts), verdicts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(dns: &str, netbios: &str) -> DomainName {
        DomainName {
            dn: crate::directory::forest::distinguished_name(dns),
            dns: dns.into(),
            netbios: netbios.into(),
        }
    }

    #[test]
    fn a_user_who_may_be_of_a_domain_that_was_not_reached_is_not_missing() {
        let child = domain("child.example.test", "CHILD");
        let dark = Dark(vec![(Some(child.clone()), "child.example.test: no answer.".into())]);
        for (asked, may_be) in [
            ("ann", true),
            ("ann@example.test", true),
            ("S-1-5-21-1-2-3-1104", true),
            ("child\\ann", true),
            ("EXAMPLE\\ann", false),
            ("CN=ann,OU=a,DC=CHILD,DC=example,DC=test", true),
            ("CN=ann,OU=a,DC=example,DC=test", false),
            ("CN=ann,DC=grand,DC=child,DC=example,DC=test", false),
            (r"CN=dc=1\,dc=x,DC=child,DC=example,DC=test", true),
        ] {
            assert_eq!(dark.why(asked).is_some(), may_be, "{asked}");
        }
        let dark = Dark(vec![(Some(child), "One.".into()), (None, "Two.".into())]);
        assert_eq!(dark.why("ann").as_deref(), Some("One. Two."));
        assert_eq!(dark.why("EXAMPLE\\ann").as_deref(), Some("Two."));
        assert_eq!(Dark::default().why("ann"), None);
    }
}
