//! What containers grant connector accounts, and the entries that would grant what is missing.

use super::place::{self, Candidate, Place};
use crate::directory::access::{Object, Token, Verdict};
use crate::directory::containers::domain_of;
use crate::directory::descriptor::Descriptor;
use crate::directory::edit;
use crate::directory::forest::DomainName;
use crate::directory::ldap::{Connection, Depth, DirectoryError, Entry, escape};
use crate::directory::rights::{DOMAIN_DNS, INET_ORG_PERSON, UNEXPIRE_PASSWORD, USER};
use crate::directory::scan::{LOOKED_AT, USERS};
use crate::directory::sid::Sid;
use crate::snapshot::directory::{GrantScope, Grantable, Grants};
use crate::text::hex;

/// The classes on whose objects a set-up grants.
const CLASSES: [(&str, crate::directory::rights::Guid); 2] = [("user", USER), ("inetOrgPerson", INET_ORG_PERSON)];

/// So many containers are asked for by one search: a controller may compare each that it finds with each that is named.
const AT_ONCE: usize = 16;

/// What a domain's root, and those of these containers that stand in the domain, grant the accounts.
pub(super) async fn grants(
    place: &mut Place,
    weighed: Vec<&Candidate>,
    containers: &[String],
) -> (String, Result<Vec<Grants>, DirectoryError>) {
    let read = read(place, &weighed, containers).await;
    (place.name.dns.clone(), read)
}

async fn read(place: &mut Place, weighed: &[&Candidate], containers: &[String]) -> Result<Vec<Grants>, DirectoryError> {
    let Ok((_, connection)) = &mut place.reached else {
        return Ok(Vec::new());
    };
    let root = place.name.dn.as_str();
    let tokens = place::tokens(connection, root, weighed).await?;
    let here = |dn: &&str| domain_of(dn).is_some_and(|domain| domain.eq_ignore_ascii_case(root));
    let named: Vec<&str> = containers.iter().map(String::as_str).filter(here).collect();
    let mut found = Vec::from_iter(connection.read(root, &["nTSecurityDescriptor"]).await?);
    for some in named.chunks(AT_ONCE) {
        let each: String = some
            .iter()
            .map(|dn| format!("(distinguishedName={})", escape(dn)))
            .collect();
        let filter = format!("(|{each})");
        found.extend(
            connection
                .list(root, Depth::Subtree, &filter, &["nTSecurityDescriptor"])
                .await?,
        );
    }
    let mut all = Vec::new();
    for entry in found {
        let Some(Ok(descriptor)) = entry.value("nTSecurityDescriptor").map(Descriptor::read) else {
            continue;
        };
        let scope = scope(&entry.dn, root);
        // So many can be counted without making the plan late.
        let users = match scope == GrantScope::Container && named.len() <= AT_ONCE {
            true => Some(count(connection, &entry.dn).await?),
            false => None,
        };
        for (candidate, token) in weighed.iter().zip(&tokens) {
            all.push(Grants {
                domain: place.name.dns.clone(),
                object: entry.dn.clone(),
                scope,
                protected: descriptor.is_protected(),
                connector: candidate.told.name.clone(),
                serves: false,
                users,
                rights: rights(descriptor, token, candidate.member.sid.sid(), scope),
            });
        }
    }
    Ok(all)
}

/// How many users stand below a container.
async fn count(connection: &mut Connection, container: &str) -> Result<u64, DirectoryError> {
    let one = |count: &mut u64, _: &Entry| *count += 1;
    // Of each its name alone.
    connection.fold(container, Depth::Subtree, USERS, &["1.1"], one).await
}

/// What stands on the accounts' own objects, those in one domain.
pub(super) fn own_objects(domain: &DomainName, all: &[Candidate]) -> impl Iterator<Item = Grants> {
    let own = |candidate: &&Candidate| {
        let here = domain_of(&candidate.told.dn).is_some_and(|dn| dn.eq_ignore_ascii_case(&domain.dn));
        here && !candidate.own_rights.is_empty()
    };
    all.iter().filter(own).map(|candidate| Grants {
        domain: domain.dns.clone(),
        object: candidate.told.dn.clone(),
        scope: GrantScope::OwnObject,
        connector: candidate.told.name.clone(),
        rights: candidate.own_rights.iter().map(misplaced).collect(),
        ..Grants::default()
    })
}

fn scope(dn: &str, root: &str) -> GrantScope {
    let above = dn.len().checked_sub(root.len()).and_then(|at| dn.get(..at));
    match above {
        Some("") => GrantScope::Root,
        Some(above) if above.eq_ignore_ascii_case("CN=AdminSDHolder,CN=System,") => GrantScope::AdminSdHolder,
        _ => GrantScope::Container,
    }
}

fn rights(descriptor: Descriptor<'_>, token: &Token, sid: Sid<'_>, scope: GrantScope) -> Vec<Grantable> {
    let object = |class| Object {
        descriptor,
        class,
        sid: None,
    };
    let entries = descriptor.dacl().into_iter().flat_map(|list| list.aces());
    let own: Vec<&[u8]> = entries.map(|ace| ace.bytes).collect();
    let mut all = Vec::new();
    if scope == GrantScope::AdminSdHolder {
        // Users are made like it as it stands: what counts is what it says of itself.
        let verdicts = object(USER).access(token, LOOKED_AT.map(|right| right.want));
        for (right, verdict) in LOOKED_AT.iter().zip(verdicts) {
            let entry = edit::on_object(&right.want, sid);
            all.push(grantable(right.name, Some(CLASSES[0].0), verdict, &entry, &own));
        }
        return all;
    }
    for (name, class) in CLASSES {
        let verdicts = object(class).handed_down(token, LOOKED_AT.map(|right| right.want), true);
        for (right, verdict) in LOOKED_AT.iter().zip(verdicts) {
            let entry = edit::on_descendants(&right.want, &class, sid);
            all.push(grantable(right.name, Some(name), verdict, &entry, &own));
        }
    }
    if scope == GrantScope::Root {
        let [verdict] = object(DOMAIN_DNS).access(token, [UNEXPIRE_PASSWORD.want]);
        let entry = edit::on_object(&UNEXPIRE_PASSWORD.want, sid);
        all.push(grantable(UNEXPIRE_PASSWORD.name, None, verdict, &entry, &own));
    }
    all
}

/// A right that stands on the account's own object.
fn misplaced((right, entry): &(&'static str, Vec<u8>)) -> Grantable {
    Grantable {
        right: (*right).into(),
        allowed: true,
        entry: hex(entry),
        there: true,
        ..Grantable::default()
    }
}

fn grantable(right: &str, class: Option<&str>, verdict: Verdict<'_>, entry: &[u8], own: &[&[u8]]) -> Grantable {
    Grantable {
        right: right.into(),
        class: class.map(Into::into),
        allowed: verdict.is_allowed(),
        denied: matches!(verdict, Verdict::Denied(_)),
        entry: hex(entry),
        there: own.contains(&entry),
    }
}
