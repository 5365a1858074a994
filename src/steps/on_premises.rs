//! What the steps on premises have in common: whether they apply, and which connector accounts count.

use super::connect_writeback;
use super::hybrid::{OnPremises, on_premises};
use crate::finding::{Check, Finding};
use crate::snapshot::connect::ConnectServer;
use crate::snapshot::directory::{Connector, ConnectorKind, DomainAccess};
use crate::snapshot::{Fact, Snapshot};
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// An account that has not signed in for so long is not in use: the directory notes a sign-in to within two weeks, and
/// Connect signs in every half hour.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);

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
    let last = connector.last_sign_in.or(connector.created);
    let unused = last.is_some_and(|last| snapshot.taken_at.duration_since(last) > UNUSED);
    !is_among(connector, &configured(snapshot)) && (!connector.enabled || unused)
}

/// The accounts that the active Connect servers say they work as: domain and name.
pub fn configured(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    connect_writeback::active(snapshot)
        .into_iter()
        .flat_map(ConnectServer::accounts)
        .collect()
}

/// Whether an account is one of these.
pub fn is_among(connector: &Connector, accounts: &[(&str, &str)]) -> bool {
    accounts.iter().any(|(domain, account)| connector.is(domain, account))
}

/// The accounts that are in use: those that Connect servers name, beside cloud sync's; else those that seem alive. Where
/// all seem left over, those that may sign in.
pub fn in_use(snapshot: &Snapshot) -> Vec<&Connector> {
    let all = snapshot.facts.connectors.value().map(Vec::as_slice).unwrap_or_default();
    let configured = configured(snapshot);
    if !configured.is_empty() {
        let cloud =
            |connector: &Connector| connector.kind == ConnectorKind::CloudSync && !is_stale(connector, snapshot);
        return all
            .iter()
            .filter(|one| is_among(one, &configured) || cloud(one))
            .collect();
    }
    let live: Vec<&Connector> = all.iter().filter(|connector| !is_stale(connector, snapshot)).collect();
    if live.is_empty() {
        return all.iter().filter(|connector| connector.enabled).collect();
    }
    live
}

/// What the accounts in use may do, domain by domain. A domain is judged by the accounts that stand in it; one without any,
/// by those of the others.
pub fn access(snapshot: &Snapshot) -> Vec<&DomainAccess> {
    let all = snapshot
        .facts
        .directory_access
        .value()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let live = in_use(snapshot);
    // A fragment may hold what was weighed, and not the accounts.
    if live.is_empty() && snapshot.facts.connectors.value().is_none() {
        return all.iter().collect();
    }
    let account = |access: &DomainAccess| live.iter().find(|account| account.name == access.connector);
    let own = |access: &DomainAccess| account(access).is_some_and(|account| account.domain == access.domain);
    let served = |domain: &str| all.iter().any(|access| access.domain == domain && own(access));
    all.iter()
        .filter(|access| account(access).is_some() && (own(access) || !served(&access.domain)))
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

    #[test]
    fn a_place_is_told_without_its_domain() {
        assert_eq!(place("OU=Sales,OU=Staff,DC=example,DC=test"), "OU=Sales,OU=Staff");
        assert_eq!(place("DC=example,DC=test"), "DC=example,DC=test");
        assert_eq!(place("OU=\u{130}\u{130},DC=x"), "OU=\u{130}\u{130}");
    }
}
