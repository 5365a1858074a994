//! Whose reset the directory stops, each user once: by what the reset meets first.

use super::super::hybrid::{OnPremises, on_premises};
use super::super::on_premises::access;
use crate::snapshot::Snapshot;
use crate::snapshot::directory::{Cause, DomainAccess, Stops};
use std::collections::BTreeMap;

/// Users by what stops their reset.
pub struct Stopped {
    /// What, and how many users.
    pub causes: [(&'static str, u64); 7],
    /// Whether names of units and ages of passwords were counted in every domain.
    pub is_whole: bool,
}

/// Those of all domains, each domain by the account that is stopped at most users.
pub fn stopped(snapshot: &Snapshot) -> Option<Stopped> {
    if let OnPremises::None(_) = on_premises(snapshot) {
        return None;
    }
    let mut domains: BTreeMap<&str, [u64; 7]> = BTreeMap::new();
    let all = access(snapshot);
    for access in &all {
        let (own, most) = (counts(access), domains.entry(&access.domain).or_default());
        if sum(&own) > sum(most) {
            *most = own;
        }
    }
    let mut causes = CAUSES.map(|cause| (cause, 0_u64));
    for counts in domains.values() {
        for ((_, all), count) in causes.iter_mut().zip(counts) {
            *all = all.saturating_add(*count);
        }
    }
    let is_whole = all.iter().all(|access| access.stops.is_some());
    Some(Stopped { causes, is_whole })
}

/// In the order in which a reset meets them.
const CAUSES: [&str; 7] = [
    "a reserved character in the name of a unit above",
    "AdminSDHolder protects the user, or did",
    "inheritance is off",
    "an entry denies a right",
    "the user is an inetOrgPerson, and the rights are for the class user",
    "nothing grants a right",
    "the password is too young today",
];

fn counts(access: &DomainAccess) -> [u64; 7] {
    let stops = access.stops.unwrap_or_else(|| refused(access));
    [
        stops.reserved_name,
        stops.admin_sd_holder,
        stops.inheritance,
        stops.denied,
        stops.inet_org_person,
        stops.not_granted,
        stops.too_young,
    ]
}

/// What an older version counted: whom the account may not reset.
fn refused(access: &DomainAccess) -> Stops {
    let mut stops = Stops::default();
    for group in &access.refused {
        let count = match group.cause {
            Cause::AdminSdHolder => &mut stops.admin_sd_holder,
            Cause::Inheritance { .. } | Cause::UserInheritance => &mut stops.inheritance,
            Cause::Denied { .. } => &mut stops.denied,
            Cause::InetOrgPerson => &mut stops.inet_org_person,
            Cause::NotGranted { .. } => &mut stops.not_granted,
            Cause::ReservedName { .. } | Cause::Disabled | Cause::LockedOut | Cause::Unreadable => continue,
        };
        *count = count.saturating_add(group.count);
    }
    stops
}

fn sum(counts: &[u64; 7]) -> u64 {
    counts.iter().fold(0, |all, count| all.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::directory::CauseGroup;
    use crate::steps::tests::full;

    fn of(domain: &str, connector: &str, stops: Stops) -> DomainAccess {
        DomainAccess {
            domain: domain.into(),
            connector: connector.into(),
            users: 100,
            stops: Some(stops),
            ..DomainAccess::default()
        }
    }

    fn counted(all: Vec<DomainAccess>) -> (Vec<u64>, bool) {
        let mut snapshot = Snapshot::from_json(&full().to_string()).unwrap();
        snapshot.facts.connectors = Default::default();
        snapshot.facts.directory_access = crate::steps::testing::known(all);
        let stopped = stopped(&snapshot).unwrap();
        (stopped.causes.map(|(_, count)| count).into(), stopped.is_whole)
    }

    #[test]
    fn a_user_of_a_domain_with_two_accounts_counts_once() {
        let first = Stops {
            reserved_name: 1,
            denied: 7,
            ..Stops::default()
        };
        let second = Stops {
            not_granted: 9,
            too_young: 2,
            ..Stops::default()
        };
        let other = Stops {
            denied: 3,
            ..Stops::default()
        };
        let all = vec![of("a", "A\\x", first), of("a", "A\\y", second), of("b", "B\\z", other)];
        assert_eq!(counted(all), (vec![0, 0, 0, 3, 0, 9, 2], true));
    }

    #[test]
    fn what_an_older_version_read_counts_as_far_as_it_goes() {
        let group = |cause, count| CauseGroup {
            cause,
            count,
            sample: Vec::new(),
        };
        let old = DomainAccess {
            stops: None,
            refused: vec![
                group(Cause::InetOrgPerson, u64::MAX),
                group(Cause::UserInheritance, 4),
                group(Cause::Unreadable, 5),
            ],
            ..of("a", "A\\x", Stops::default())
        };
        let new = Stops {
            too_young: 1,
            ..Stops::default()
        };
        assert_eq!(
            counted(vec![old, of("b", "B\\z", new)]),
            (vec![0, 0, 4, 0, u64::MAX, 0, 1], false)
        );
    }
}
