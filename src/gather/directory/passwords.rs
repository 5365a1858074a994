//! From a domain's password policies to facts.

use super::linked::Linked;
use crate::directory::password_policy as policies;
use crate::directory::scan::{self, Scan};
use crate::snapshot::directory::{DomainPasswords, FineGrained, PasswordPolicy};
use std::collections::BTreeSet;

pub(super) fn passwords(
    domain: &str,
    own: policies::Policy,
    fine: Option<Vec<policies::FineGrained>>,
    links: &[Linked],
    scan: &Scan,
) -> DomainPasswords {
    let ages = |policy: &str| scan.ages.get(policy).cloned().unwrap_or_default();
    let mut told = DomainPasswords {
        domain: domain.into(),
        policy: policy(&own),
        ..DomainPasswords::default()
    };
    let mut known = BTreeSet::new();
    told.fine_grained = fine.map(|fine| {
        let one = |fine: policies::FineGrained| {
            let key = fine.dn.to_lowercase();
            let counted = ages(&key);
            known.insert(key);
            FineGrained {
                name: fine.name,
                dn: fine.dn,
                precedence: fine.precedence,
                policy: policy(&fine.policy),
                applies_to: fine.applies_to,
                users: counted.users,
                young: counted.young.count,
                young_sample: counted.young.sample,
            }
        };
        fine.into_iter().map(one).collect()
    });
    for (key, counted) in &scan.ages {
        if !known.contains(key) {
            told.users += counted.users;
            told.young += counted.young.count;
            told.young_sample.extend(counted.young.sample.iter().cloned());
        }
    }
    told.young_sample.truncate(scan::SAMPLE);
    told.links = links.iter().map(|linked| linked.link.clone()).collect();
    told
}

/// A policy with its times in seconds.
pub(crate) fn policy(own: &policies::Policy) -> PasswordPolicy {
    // Negative steps; the least number of all stands for "never", as does 0 where it would mean "at once".
    let seconds = |steps: i64| steps.saturating_neg().max(0) as u64 / policies::STEPS as u64;
    let bounded = |steps: i64| (steps != i64::MIN && steps != 0).then(|| seconds(steps));
    PasswordPolicy {
        minimum_age: seconds(own.minimum_age),
        maximum_age: bounded(own.maximum_age),
        minimum_length: own.minimum_length,
        history: own.history,
        complexity: own.complexity,
        lockout_threshold: own.lockout_threshold,
        lockout_duration: bounded(own.lockout_duration),
        lockout_window: seconds(own.lockout_window),
    }
}
