//! Joins what was read in different places: the tenant by a job in the cloud, each directory by a machine of its own.

use super::{Fact, Facts, Snapshot};
use crate::error::{Error, Result};
use crate::status::Status;
use std::mem::take;

/// One snapshot of several, all of the same tenant or of none. What was read whole goes before what was read in part, and
/// that before what was refused; between two of a kind the newer counts. Directories are put together domain by domain.
pub fn join(snapshots: Vec<Snapshot>) -> Result<Snapshot> {
    let mut all = snapshots.into_iter();
    let Some(mut whole) = all.next() else {
        return Err(Error::new(Status::ArgumentInvalid, "there is no snapshot to join").target("snapshots"));
    };
    for mut next in all {
        let of = |snapshot: &Snapshot| snapshot.signed_in.tenant_id.to_lowercase();
        if !of(&whole).is_empty() && !of(&next).is_empty() && of(&whole) != of(&next) {
            return Err(
                Error::new(Status::SnapshotInvalid, "the snapshots are of different tenants")
                    .target("snapshots")
                    .detail(whole.tenant_name())
                    .detail(next.tenant_name())
                    .help("Join the snapshots of one tenant and of its own directories."),
            );
        }
        // Each is judged by the declarations that counted when it was taken.
        whole = whole.settled().into_owned();
        next = next.settled().into_owned();
        if whole.signed_in.tenant_id.is_empty() {
            whole.signed_in = take(&mut next.signed_in);
        }
        let facts = directories(&mut whole.facts, &mut next.facts);
        whole.facts.prefer(next.facts);
        whole.facts.forests = facts.forests;
        whole.facts.connectors = facts.connectors;
        whole.facts.directory_access = facts.directory_access;
        whole.facts.directory_passwords = facts.directory_passwords;
        whole.taken_at = whole.taken_at.max(next.taken_at);
        whole.duration_ms = whole.duration_ms.max(next.duration_ms);
    }
    Ok(whole)
}

/// The facts of directories, domain by domain.
fn directories(own: &mut Facts, other: &mut Facts) -> Facts {
    Facts {
        forests: lists(take(&mut own.forests), take(&mut other.forests), |forest| {
            forest.name.clone()
        }),
        connectors: lists(take(&mut own.connectors), take(&mut other.connectors), |account| {
            account.sid.clone()
        }),
        directory_access: lists(
            take(&mut own.directory_access),
            take(&mut other.directory_access),
            |access| (access.domain.clone(), access.connector.clone()),
        ),
        directory_passwords: lists(
            take(&mut own.directory_passwords),
            take(&mut other.directory_passwords),
            |passwords| passwords.domain.clone(),
        ),
        ..Facts::default()
    }
}

/// Two lists as one: each item once, the newer fact's.
fn lists<T, K: PartialEq>(own: Fact<Vec<T>>, other: Fact<Vec<T>>, key: impl Fn(&T) -> K) -> Fact<Vec<T>> {
    if own.value().is_none() || other.value().is_none() {
        return own.preferred(other);
    }
    let (mut newer, older) = if own.as_of() >= other.as_of() {
        (own, other)
    } else {
        (other, own)
    };
    let reason = match &older {
        Fact::Partial { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let as_of = older.as_of().min(newer.as_of());
    let items = match older {
        Fact::Known { value, .. } | Fact::Partial { value, .. } | Fact::Declared { value, .. } => value,
        _ => Vec::new(),
    };
    if let Some(value) = newer.value_mut() {
        for item in items {
            if !value.iter().any(|known| key(known) == key(&item)) {
                value.push(item);
            }
        }
    }
    match (newer, reason, as_of) {
        // As old as its oldest part, and no more whole than it.
        (Fact::Known { value, source, .. }, None, Some(as_of)) => Fact::Known { value, source, as_of },
        (Fact::Known { value, source, .. }, Some(reason), Some(as_of)) => Fact::Partial {
            read: value.len() as u64,
            value,
            source,
            as_of,
            of: None,
            reason,
        },
        (fact, ..) => fact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::directory::DomainPasswords;
    use crate::snapshot::{Refusal, RefusalKind, SignedIn};
    use jiff::Timestamp;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn of(tenant: &str, minute: i64) -> Snapshot {
        let signed_in = SignedIn {
            tenant_id: tenant.into(),
            ..SignedIn::default()
        };
        Snapshot::new(at(minute), signed_in)
    }

    fn passwords(domains: &[(&str, u64)], minute: i64) -> Fact<Vec<DomainPasswords>> {
        let domain = |(name, users): &(&str, u64)| DomainPasswords {
            domain: (*name).into(),
            users: *users,
            ..Default::default()
        };
        Fact::known(domains.iter().map(domain).collect(), "LDAP", at(minute))
    }

    #[test]
    fn a_tenant_and_two_directories_become_one() {
        let mut tenant = of("t", 1);
        tenant.facts.cloud_managed_users = Fact::known(7, "graph", at(1));
        let (mut one, mut two) = (of("", 2), of("", 3));
        one.facts.directory_passwords = passwords(&[("a", 1), ("b", 1)], 2);
        two.facts.directory_passwords = passwords(&[("b", 2), ("c", 2)], 3);
        let whole = join(vec![one, tenant, two]).unwrap();
        assert_eq!((whole.signed_in.tenant_id.as_str(), whole.taken_at), ("t", at(3)));
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&7));
        let mut users: Vec<(&str, u64)> = whole
            .facts
            .directory_passwords
            .value()
            .unwrap()
            .iter()
            .map(|d| (d.domain.as_str(), d.users))
            .collect();
        users.sort_unstable();
        assert_eq!(users, [("a", 1), ("b", 2), ("c", 2)]);
        assert_eq!(whole.facts.directory_passwords.as_of(), Some(at(2)));
    }

    #[test]
    fn what_is_whole_goes_before_what_is_not() {
        let refused = Fact::Unreadable {
            refusal: Refusal {
                kind: RefusalKind::Permission,
                message: "No.".into(),
                needs: None,
                code: None,
                request_id: None,
            },
        };
        let (mut one, mut two) = (of("t", 1), of("T", 2));
        one.facts.cloud_managed_users = Fact::known(1, "graph", at(1));
        two.facts.cloud_managed_users = refused.clone();
        let whole = join(vec![two.clone(), one.clone()]).unwrap();
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&1));
        two.facts.cloud_managed_users = Fact::known(2, "graph", at(2));
        let whole = join(vec![one, two.clone()]).unwrap();
        assert_eq!(whole.facts.cloud_managed_users.value(), Some(&2));
        let other = join(vec![two, of("u", 3)]).unwrap_err();
        assert_eq!(other.status, Status::SnapshotInvalid);
        assert_eq!(join(Vec::new()).unwrap_err().status, Status::ArgumentInvalid);
    }

    #[test]
    fn a_part_that_was_not_whole_makes_the_whole_partial() {
        let (mut one, mut two) = (of("", 1), of("", 2));
        one.facts.directory_passwords = Fact::Partial {
            value: Vec::new(),
            source: "LDAP".into(),
            as_of: at(1),
            read: 0,
            of: Some(1),
            reason: "a: no answer.".into(),
        };
        two.facts.directory_passwords = passwords(&[("b", 1)], 2);
        let whole = join(vec![one, two]).unwrap();
        assert_eq!(whole.facts.directory_passwords.partial_reason(), Some("a: no answer."));
    }
}
