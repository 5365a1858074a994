//! What the steps on premises have in common: whether they apply, and which connector accounts count.

use super::connect_writeback;
use super::hybrid::{OnPremises, on_premises};
use crate::finding::{Check, Finding};
use crate::snapshot::connect::ConnectServer;
use crate::snapshot::directory::{self, Connector, DomainAccess, serves};
use crate::snapshot::{Fact, Snapshot};
use std::collections::BTreeMap;

/// Why a check of the directory comes to nothing, where it does.
pub fn unread<T>(check: &Check, snapshot: &Snapshot, fact: &Fact<T>) -> Option<Finding> {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return Some(check.not_applicable(why));
    }
    match fact {
        Fact::NotAsked => Some(
            check
                .skipped(
                    "the directory on premises was not looked at",
                    "This run was not connected to a directory.",
                )
                .fix("Connect to the directory and check again, on a machine that reaches a domain controller; or join the snapshot of one that does.")
                .command("Connect-SsprDirectory -Domain corp.contoso.com"),
        ),
        Fact::Unreadable { .. } => Some(check.unreadable(snapshot)),
        _ => None,
    }
}

/// Whether an account is left over from an installation that is gone.
pub fn is_stale(connector: &Connector, snapshot: &Snapshot) -> bool {
    connector.is_stale(&configured(snapshot), snapshot.taken_at)
}

/// The accounts that the active Connect servers say they work as: domain and name.
pub fn configured(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    connect_writeback::active(snapshot)
        .into_iter()
        .flat_map(ConnectServer::accounts)
        .collect()
}

/// The accounts that are in use, forest by forest: what is left over in one may be all that there is in another.
pub fn in_use(snapshot: &Snapshot) -> Vec<&Connector> {
    let all = snapshot.facts.connectors.value().map(Vec::as_slice).unwrap_or_default();
    let forests = snapshot.facts.forests.value().map(Vec::as_slice).unwrap_or_default();
    let forest = |account: &&Connector| forests.iter().position(|forest| forest.has(&account.domain));
    let mut of_forests: BTreeMap<Option<usize>, Vec<&Connector>> = BTreeMap::new();
    for account in all {
        of_forests.entry(forest(&account)).or_default().push(account);
    }
    let configured = configured(snapshot);
    of_forests
        .into_values()
        .flat_map(|own| directory::in_use(own.into_iter(), &configured, snapshot.taken_at))
        .collect()
}

/// What the accounts in use may do, domain by domain: of each domain, those by whom it is judged.
pub fn access(snapshot: &Snapshot) -> Vec<&DomainAccess> {
    let all = snapshot
        .facts
        .directory_access
        .value()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut live = in_use(snapshot);
    // A fragment may hold what was weighed, and not the accounts.
    if live.is_empty() && snapshot.facts.connectors.value().is_none() {
        return all.iter().collect();
    }
    live.retain(|account| all.iter().any(|access| access.connector == account.name));
    all.iter()
        .filter(|access| serves(&access.connector, &access.domain, &live))
        .collect()
}

/// The domains that were reached of the forests of accounts in use, where none of these was weighed: they were read by
/// different readers.
pub fn unjudged(snapshot: &Snapshot, access: &[&DomainAccess]) -> Vec<String> {
    let live = in_use(snapshot);
    let forests = snapshot.facts.forests.value().into_iter().flatten();
    let served = forests.filter(|forest| {
        let here = |account: &&Connector| forest.has(&account.domain);
        live.iter().any(here)
    });
    served
        .flat_map(|forest| &forest.domains)
        .filter(|domain| domain.unread.is_none() && !access.iter().any(|access| access.domain == domain.name))
        .map(|domain| domain.name.clone())
        .collect()
}

/// The largest of the accounts' counts in each domain, summed: a user who is refused to two accounts is one user.
pub fn across<'a>(access: &[&'a DomainAccess], count: impl Fn(&'a DomainAccess) -> u64) -> u64 {
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for access in access {
        let known = most.entry(&access.domain).or_default();
        *known = (*known).max(count(access));
    }
    total(most.into_values())
}

/// A sum of counts, which a saved snapshot may have made larger than any number.
pub fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// A distinguished name without its domain: `OU=Sales,OU=Staff`.
pub fn place(dn: &str) -> String {
    let is_domain = |at: &usize| {
        dn[*at..]
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(",DC="))
    };
    let domain = dn.match_indices(',').map(|(at, _)| at).find(is_domain);
    let starts = dn.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("DC="));
    super::policy::short(domain.filter(|_| !starts).map_or(dn, |at| &dn[..at]))
}

/// Several names as one: `a`, `a and b`, `a and 2 others`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [one, rest @ ..] => format!("{one} and {} others", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::directory::{Domain, Forest};
    use crate::steps::testing::{at, known, snapshot};

    #[test]
    fn an_account_that_is_left_over_counts_where_its_forest_has_no_other() {
        let account = |name: &str, domain: &str, last: &str| Connector {
            name: name.into(),
            domain: domain.into(),
            enabled: true,
            last_sign_in: Some(at(last)),
            ..Connector::default()
        };
        let forest = |domain: &str| Forest {
            domains: vec![Domain {
                name: domain.into(),
                ..Domain::default()
            }],
            ..Forest::default()
        };
        let mut snapshot = snapshot();
        let (new, old) = ("2026-11-20T00:00:00Z", "2026-01-01T00:00:00Z");
        snapshot.facts.connectors = known(vec![
            account("A\\live", "a", new),
            account("A\\old", "a", old),
            account("B\\old", "b", old),
        ]);
        let used = |snapshot: &Snapshot| -> Vec<String> {
            in_use(snapshot)
                .into_iter()
                .map(|account| account.name.clone())
                .collect()
        };
        snapshot.facts.forests = known(vec![forest("a"), forest("b")]);
        assert_eq!(used(&snapshot), ["A\\live", "B\\old"]);
        let mut one = forest("a");
        one.domains.extend(forest("b").domains);
        snapshot.facts.forests = known(vec![one]);
        assert_eq!(used(&snapshot), ["A\\live"]);
    }

    #[test]
    fn a_place_is_told_without_its_domain() {
        assert_eq!(place("OU=Sales,OU=Staff,DC=example,DC=test"), "OU=Sales,OU=Staff");
        assert_eq!(place("DC=example,DC=test"), "DC=example,DC=test");
        assert_eq!(place("OU=\u{130}\u{130},DC=x"), "OU=\u{130}\u{130}");
    }
}
