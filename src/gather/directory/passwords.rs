//! From a domain's password policies to facts.

use crate::directory::forest::DomainName;
use crate::directory::group_policy::Link;
use crate::directory::ldap::{Connection, DirectoryError};
use crate::directory::password_policy as policies;
use crate::directory::scan::{self, Scan};
use crate::directory::sysvol;
use crate::session::directory::Directory;
use crate::snapshot::directory::{DomainPasswords, FineGrained, PasswordPolicy, PolicyLink};
use std::collections::BTreeSet;

pub(super) async fn passwords(
    connection: &mut Connection,
    name: &DomainName,
    directory: &Directory,
    own: policies::Policy,
    fine: Option<Vec<policies::FineGrained>>,
    links: Vec<Link>,
    scan: &Scan,
) -> Result<DomainPasswords, DirectoryError> {
    let ages = |policy: &str| scan.ages.get(policy).cloned().unwrap_or_default();
    let mut told = DomainPasswords {
        domain: name.dns.clone(),
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
    for (at, link) in links.into_iter().enumerate() {
        let mut shown = PolicyLink {
            dn: link.object.clone(),
            order: at as u32 + 1,
            enabled: !link.disabled,
            enforced: link.enforced,
            ..PolicyLink::default()
        };
        match policies::linked(connection, link).await? {
            None => shown.unread = Some("the object cannot be seen with this account".into()),
            Some(object) => {
                shown.name = object.name;
                shown.computer_settings = object.computer_settings;
                shown.version = object.version;
                match sysvol::files(directory.sysvol.as_deref(), &object.files).await {
                    Ok(files) => {
                        shown.minimum_age_days = files.template.minimum_password_age;
                        shown.maximum_age_days = files.template.maximum_password_age;
                        shown.unsound = !files.template.has_sound_ages();
                        shown.file_version = files.version;
                    }
                    Err(error) => shown.unread = Some(error.to_string()),
                }
            }
        }
        told.links.push(shown);
    }
    Ok(told)
}

/// A policy with its times in seconds.
pub(super) fn policy(own: &policies::Policy) -> PasswordPolicy {
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
