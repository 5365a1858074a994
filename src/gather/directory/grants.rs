//! What containers grant connector accounts, and the entries that would grant what is missing.

use super::place::{self, Candidate, Place};
use crate::directory::access::{Object, Token, Verdict};
use crate::directory::containers::domain_of;
use crate::directory::descriptor::Descriptor;
use crate::directory::edit;
use crate::directory::ldap::DirectoryError;
use crate::directory::rights::{DOMAIN_DNS, INET_ORG_PERSON, UNEXPIRE_PASSWORD, USER};
use crate::directory::scan::LOOKED_AT;
use crate::directory::sid::Sid;
use crate::snapshot::directory::{Grantable, Grants};

/// The classes on whose objects a set-up grants.
const CLASSES: [(&str, crate::directory::rights::Guid); 2] = [("user", USER), ("inetOrgPerson", INET_ORG_PERSON)];

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
    let here = |dn: &&String| domain_of(dn).is_some_and(|domain| domain.eq_ignore_ascii_case(root));
    let own = containers.iter().filter(here).map(String::as_str);
    let mut all = Vec::new();
    for dn in std::iter::once(root).chain(own) {
        let entry = connection
            .read(dn, &["nTSecurityDescriptor"])
            .await?
            .unwrap_or_default();
        let Some(Ok(descriptor)) = entry.value("nTSecurityDescriptor").map(Descriptor::read) else {
            continue;
        };
        for (candidate, token) in weighed.iter().zip(&tokens) {
            all.push(Grants {
                domain: place.name.dns.clone(),
                object: entry.dn.clone(),
                root: entry.dn.eq_ignore_ascii_case(root),
                connector: candidate.told.name.clone(),
                serves: false,
                rights: rights(
                    descriptor,
                    token,
                    candidate.member.sid.sid(),
                    entry.dn.eq_ignore_ascii_case(root),
                ),
            });
        }
    }
    Ok(all)
}

fn rights(descriptor: Descriptor<'_>, token: &Token, sid: Sid<'_>, root: bool) -> Vec<Grantable> {
    let mut all = Vec::new();
    for (name, class) in CLASSES {
        let object = Object {
            descriptor,
            class,
            sid: None,
        };
        let verdicts = object.handed_down(token, LOOKED_AT.map(|right| right.want), true);
        for (right, verdict) in LOOKED_AT.iter().zip(verdicts) {
            let entry = edit::on_descendants(&right.want, &class, sid);
            all.push(grantable(right.name, Some(name), verdict, &entry, descriptor));
        }
    }
    if root {
        let object = Object {
            descriptor,
            class: DOMAIN_DNS,
            sid: None,
        };
        let [verdict] = object.access(token, [UNEXPIRE_PASSWORD.want]);
        let entry = edit::on_object(&UNEXPIRE_PASSWORD.want, sid);
        all.push(grantable(UNEXPIRE_PASSWORD.name, None, verdict, &entry, descriptor));
    }
    all
}

fn grantable(
    right: &str,
    class: Option<&str>,
    verdict: Verdict<'_>,
    entry: &[u8],
    descriptor: Descriptor<'_>,
) -> Grantable {
    let mut own = descriptor.dacl().into_iter().flat_map(|list| list.aces());
    Grantable {
        right: right.into(),
        class: class.map(Into::into),
        allowed: verdict.is_allowed(),
        denied: matches!(verdict, Verdict::Denied(_)),
        entry: entry.iter().map(|byte| format!("{byte:02x}")).collect(),
        there: own.any(|ace| ace.bytes == entry),
    }
}
