//! The domains of a forest while they are read, and the connector accounts in each.

use crate::directory::access::Token;
use crate::directory::connector::{self, Account};
use crate::directory::forest::{self, DomainName, Login, RootDse, dns_name};
use crate::directory::ldap::{Connection, DirectoryError};
use crate::directory::names::Names;
use crate::directory::password_policy as policies;
use crate::directory::token::Member;
use crate::error::Error;
use crate::gather::refusal::plain;
use crate::session::directory::{Directory, error, sentence};
use crate::snapshot::directory::{self, Connector, ConnectorKind, Domain, Forest, Installation};
use crate::snapshot::{Refusal, RefusalKind};
use crate::status::Status;
use futures_util::future::join_all;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A domain while it is read.
pub(super) struct Place {
    pub(super) name: DomainName,
    pub(super) directory: Arc<Directory>,
    pub(super) told: Domain,
    /// How it is reached, or why it is not.
    pub(super) reached: Result<(Login, Connection), Refusal>,
}

impl Place {
    /// Notes where its controller refers to outside a forest of these domains.
    pub(super) fn note_elsewhere(&mut self, forest: &[String]) {
        let Ok((_, connection)) = &self.reached else { return };
        let outside = connection.references().iter().filter(|url| !is_of(url, forest));
        self.told.elsewhere = outside.cloned().collect();
    }
}

/// Whether an LDAP URL leads to a host of a forest of these domains.
fn is_of(url: &str, forest: &[String]) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', ':']).next().unwrap_or_default().to_lowercase();
    let below = |domain: &String| {
        let above = host.strip_suffix(domain.to_lowercase().as_str());
        above.is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    // Without a host: whoever was asked.
    host.is_empty() || forest.iter().any(below)
}

/// An account with what it is at home.
pub(super) struct Candidate {
    pub(super) told: Connector,
    pub(super) member: Member,
    /// What its own object grants it by name, with the entries that do.
    pub(super) own_rights: Vec<(&'static str, Vec<u8>)>,
}

/// The forests that were connected to, each domain once.
pub(super) async fn opened(directories: &[Arc<Directory>]) -> Vec<Opened> {
    let roots = roots(directories);
    forests(join_all(roots.iter().map(|root| places(root, directories))).await)
}

/// What each of these accounts is in a domain.
pub(super) async fn tokens(
    connection: &mut Connection,
    root: &str,
    candidates: &[&Candidate],
) -> Result<Vec<Token>, DirectoryError> {
    let mut tokens = Vec::new();
    for candidate in candidates {
        tokens.push(candidate.member.token(connection, root).await?);
    }
    Ok(tokens)
}

/// The root domains of the forests that were connected to.
fn roots(directories: &[Arc<Directory>]) -> Vec<String> {
    let mut roots: Vec<String> = directories.iter().map(|directory| directory.forest.clone()).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// A forest with its domains, or the domain that was asked and why it did not answer.
pub(super) type Opened = Result<(Forest, Vec<Place>), (String, DirectoryError)>;

/// The forest of a root domain, and its domains with a connection to each that can be reached.
async fn places(root: &str, directories: &[Arc<Directory>]) -> Opened {
    let mut last = None;
    for directory in directories.iter().filter(|directory| directory.forest == root) {
        let asked = async {
            let mut connection = directory.login.open().await?;
            let root = RootDse::read(&mut connection).await?;
            let domains = forest::domains(&mut connection, &root.configuration).await?;
            Ok((connection, root, domains))
        };
        match asked.await {
            Ok((connection, root, domains)) => {
                let mut open = Some((connection, root.clone()));
                let opened = domains.into_iter().map(|domain| {
                    let asked = domain.dn.eq_ignore_ascii_case(&directory.domain.dn);
                    place(domain, directories, directory, open.take_if(|_| asked))
                });
                let opened = opened.collect::<Vec<_>>();
                let forest = Forest {
                    name: dns_name(&root.forest),
                    level: root.forest_level,
                    domains: Vec::new(),
                };
                return Ok((forest, join_all(opened).await));
            }
            Err(error) => last = Some((directory.domain.dns.clone(), error)),
        }
    }
    Err(last.unwrap_or_else(|| (String::new(), DirectoryError::NoController)))
}

/// Each domain once: one that two forests claim is of the one that has more domains.
fn forests(mut opened: Vec<Opened>) -> Vec<Opened> {
    let domains = |opened: &Opened| opened.as_ref().map_or(0, |(_, places)| places.len());
    opened.sort_by_key(|opened| std::cmp::Reverse(domains(opened)));
    let mut seen = BTreeSet::new();
    for (_, places) in opened.iter_mut().flatten() {
        places.retain(|place| seen.insert(place.name.dn.to_lowercase()));
    }
    opened.retain(|opened| opened.as_ref().map_or(true, |(_, places)| !places.is_empty()));
    opened
}

/// A domain; where its controller told of the forest, over the connection that is open to it.
async fn place(
    name: DomainName,
    known: &[Arc<Directory>],
    other: &Arc<Directory>,
    open: Option<(Connection, RootDse)>,
) -> Place {
    let own = known
        .iter()
        .find(|directory| directory.domain.dn.eq_ignore_ascii_case(&name.dn));
    let directory = own.unwrap_or(other);
    let mut told = Domain {
        name: name.dns.clone(),
        dn: name.dn.clone(),
        netbios_name: name.netbios.clone(),
        ..Domain::default()
    };
    let opened = async {
        let login = match own {
            Some(own) => own.login.clone(),
            None => directory.login_to(&name).await?,
        };
        if let Some((connection, root)) = open {
            return Ok((login, connection, root));
        }
        let mut connection = login.open().await.map_err(|e| by_whom(&e, &login))?;
        let root = RootDse::read(&mut connection).await.map_err(|e| error(&e))?;
        Ok::<_, Error>((login, connection, root))
    };
    let reached = match opened.await {
        Ok((login, connection, root)) => {
            told.level = root.domain_level;
            told.controller = Some(root.host);
            told.controller_level = root.controller_level;
            told.policy_hints = root.policy_hints;
            Ok((login, connection))
        }
        Err(error) => {
            told.unread = Some(sentence(&error));
            Err(unreached(&name.dns, &error))
        }
    };
    Place {
        name,
        directory: Arc::clone(directory),
        told,
        reached,
    }
}

/// A refused sign-in names the account, which another domain may not know.
fn by_whom(cause: &DirectoryError, login: &Login) -> Error {
    let mut own = error(cause);
    if let Some(why) = cause.sign_in_refusal() {
        own.message = format!("the directory refused the sign-in of {:?}: {why}", login.identity);
    }
    own
}

/// Why a domain was not read, and what to do where it is another's account that it refused.
fn unreached(domain: &str, error: &Error) -> Refusal {
    let why = format!("{domain}: {}.", sentence(error));
    if error.status != Status::DirectorySignIn {
        return plain(RefusalKind::Unreachable, why);
    }
    let how = format!("Connect-SsprDirectory -Domain {domain} -Credential (Get-Credential)");
    plain(
        RefusalKind::SignIn,
        format!("{why} Connect to it with an account that it knows: {how}."),
    )
}

/// The accounts that are weighed, of those that may sign in: those that Connect servers name, and cloud sync's; where they
/// name none that was found, all.
pub(super) fn weighed<'a>(all: &'a [Candidate], configured: &[String]) -> Vec<&'a Candidate> {
    let named = |account: &Candidate| {
        let mut names = configured.iter().filter_map(|name| name.split_once('\\'));
        names.any(|(domain, name)| account.told.is(domain, name))
    };
    let known = all.iter().any(named);
    let counts = |account: &&Candidate| !known || named(account) || account.told.kind == ConnectorKind::CloudSync;
    all.iter()
        .filter(|account| account.told.enabled)
        .filter(counts)
        .collect()
}

/// Those of weighed accounts that are in use, as the steps say it.
pub(super) fn in_use<'a>(weighed: &[&'a Candidate], configured: &[String], now: Timestamp) -> Vec<&'a Connector> {
    let configured: Vec<(&str, &str)> = configured.iter().filter_map(|name| name.split_once('\\')).collect();
    directory::in_use(weighed.iter().map(|candidate| &candidate.told), &configured, now)
}

/// The connector accounts of a domain; `configured` are those that Connect servers say they work as.
pub(super) async fn candidates(place: &mut Place, configured: &[String]) -> Result<Vec<Candidate>, DirectoryError> {
    let Ok((_, connection)) = &mut place.reached else {
        return Ok(Vec::new());
    };
    let own = place.directory.domain.dn.eq_ignore_ascii_case(&place.name.dn);
    // Named accounts are looked for where they were named.
    let names: &[String] = if own { &place.directory.connectors } else { &[] };
    if !own && !place.directory.connectors.is_empty() {
        return Ok(Vec::new());
    }
    let here = |account: &&String| {
        account.split_once('\\').is_some_and(|(domain, _)| {
            domain.eq_ignore_ascii_case(&place.name.dns) || domain.eq_ignore_ascii_case(&place.name.netbios)
        })
    };
    let configured: Vec<String> = configured.iter().filter(here).cloned().collect();
    let mut found = Vec::new();
    let mut known = Names::default();
    for account in connector::find(connection, &place.name.dn, names, &configured).await? {
        let Some(member) = Member::read(connection, account.dn()).await? else {
            continue;
        };
        let privileged = connector::privileged(&member.groups);
        known.learn(connection, &place.name.netbios, privileged.clone()).await;
        let told = told(
            &account,
            &place.name,
            match (names.is_empty(), account.is_managed()) {
                (false, _) => ConnectorKind::Named,
                (true, true) => ConnectorKind::CloudSync,
                (true, false) => ConnectorKind::Connect,
            },
            &member,
            privileged.iter().map(|sid| known.get(sid)).collect(),
        );
        found.push(Candidate {
            told,
            member,
            own_rights: account.own_rights(),
        });
    }
    Ok(found)
}

fn told(
    account: &Account,
    domain: &DomainName,
    kind: ConnectorKind,
    member: &Member,
    privileged_groups: Vec<String>,
) -> Connector {
    let moment = |attribute| policies::moment(account.steps(attribute));
    let created = account.created().and_then(|text| {
        let text = text.get(..14)?;
        let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    Connector {
        name: match domain.netbios.as_str() {
            "" => account.name().into(),
            netbios => format!("{netbios}\\{}", account.name()),
        },
        sid: account.sid.to_string(),
        dn: account.dn().into(),
        domain: domain.dns.clone(),
        kind,
        installation: account.installation().map(|read| Installation {
            id: read.id,
            computer: read.computer,
            tenant: read.tenant,
        }),
        enabled: account.is_enabled(),
        locked: account.is_locked(),
        expires: moment("accountExpires"),
        password_set: moment("pwdLastSet"),
        password_expires: moment("msDS-UserPasswordExpiryTimeComputed"),
        created,
        last_sign_in: moment("lastLogonTimestamp"),
        privileged_groups,
        groups: member.groups.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_forest_is_known_by_its_name() {
        let forest = ["example.test".to_string(), "Other.test".to_string()];
        for (url, own) in [
            ("ldap://example.test/CN=Configuration,DC=example,DC=test", true),
            (
                "ldap://DomainDnsZones.example.test/DC=DomainDnsZones,DC=example,DC=test",
                true,
            ),
            ("ldap://dc7.child.example.test:3268/DC=x", true),
            ("ldap://dc.OTHER.test", true),
            ("ldap:///DC=example,DC=test", true),
            ("ldap://notexample.test/DC=example,DC=test", false),
            ("ldap://example.test.evil.invalid/DC=example,DC=test", false),
            ("example.test", false),
        ] {
            assert_eq!(is_of(url, &forest), own, "{url}");
        }
    }
}
