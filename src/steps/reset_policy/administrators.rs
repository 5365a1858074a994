//! Administrators' own rule: two methods, but for Microsoft's two exceptions.

use super::{ADMINISTRATORS, Scope, WHO};
use crate::finding::{Finding, Severity};
use crate::snapshot::graph::CompanySubscription;
use crate::snapshot::{Refusal, Snapshot};
use crate::steps::policy::{REGISTRATION_REQUIRED, date, page, short, weigh};
use jiff::SignedDuration;

/// How long a trial keeps its exception.
const TRIAL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many methods administrators need to reset.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Two, whatever the users' policy says.
    Two,
    /// One, says Microsoft, in the first days of a trial, which this names; two, says the same page, where there is a
    /// custom domain or synchronisation.
    Trial(String),
    /// One: the tenant has no custom domain and does not synchronise.
    NoDomain,
    /// That could not be read, and why.
    Unknown(String),
}

/// The rule that holds in a tenant.
pub fn rule(snapshot: &Snapshot) -> Rule {
    let facts = &snapshot.facts;
    let organization = facts.organization.whole();
    if organization.is_some_and(|organization| {
        let mut names = organization.verified_domains.iter().filter_map(|d| d.name.as_deref());
        let initial = |name: &str| name.to_ascii_lowercase().contains(".onmicrosoft.");
        organization.on_premises_sync_enabled != Some(true) && names.clone().count() > 0 && names.all(initial)
    }) {
        return Rule::NoDomain;
    }
    let subscriptions = facts.subscriptions.whole();
    let trials: Vec<&CompanySubscription> = subscriptions
        .into_iter()
        .flatten()
        .filter(|s| s.is_trial == Some(true))
        .collect();
    let young = trials.iter().find_map(|trial| {
        let since = trial.created_date_time?;
        let age = snapshot.taken_at.duration_since(since);
        (age < TRIAL).then(|| {
            let name = trial.sku_part_number.as_deref().unwrap_or("a product");
            format!("trial of {} since {}", short(name), date(since))
        })
    });
    if let Some(seen) = young {
        return Rule::Trial(seen);
    }
    let unread = |refusal: Option<&Refusal>| refusal.map_or("It was not read.".into(), |r| r.message.clone());
    if organization.is_none() {
        Rule::Unknown(unread(facts.organization.refusal()))
    } else if subscriptions.is_none() {
        Rule::Unknown(unread(facts.subscriptions.refusal()))
    } else if trials.iter().any(|t| t.created_date_time.is_none()) {
        Rule::Unknown("A trial does not say when it began.".into())
    } else {
        Rule::Two
    }
}

pub(super) fn check(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.authorization_policy;
    let Some(policy) = fact.value() else {
        return ADMINISTRATORS.unreadable(snapshot);
    };
    let Some(allowed) = policy.allowed_to_use_sspr else {
        return ADMINISTRATORS.skipped(
            "this tenant does not tell it",
            "The authorization policy of some tenants comes without allowedToUseSSPR.",
        );
    };
    let seen = format!("allowedToUseSSPR: {allowed}");
    if allowed {
        return match rule(snapshot) {
            Rule::Two => ADMINISTRATORS.pass("administrators may reset with two methods, without questions"),
            Rule::NoDomain => ADMINISTRATORS
                .warn(Severity::Low, "administrators may reset with one method: no custom domain")
                .evidence(&snapshot.facts.organization, "no custom domain, no synchronisation")
                .reason("Without a custom domain or synchronisation Microsoft asks administrators for one method only.")
                .fix("Add and verify a custom domain before the tenant goes into production.")
                .portal(page::ADMINISTRATORS),
            Rule::Trial(trial) => ADMINISTRATORS
                .warn(Severity::Low, "one method may be enough for administrators: a trial is younger than 30 days")
                .evidence(&snapshot.facts.subscriptions, trial)
                .reason("In the first 30 days of a trial Microsoft asks administrators for one method only; its page leaves open whether also where there is a custom domain.")
                .fix("Have administrators register a second method: it is asked for when the 30 days are over.")
                .portal(page::ADMINISTRATORS),
            Rule::Unknown(why) => ADMINISTRATORS.skipped(
                "administrators may reset; not known whether one method is enough",
                format!(
                    "Two methods are asked for, but one without a custom domain and synchronisation, and in the first 30 days of a trial. Whether that holds here could not be read. {why}"
                ),
            ),
        }
        .evidence(fact, seen);
    }
    let asked = weigh(snapshot, &WHO).is_ok_and(|w| w.value == Scope::All)
        && weigh(snapshot, &REGISTRATION_REQUIRED).is_ok_and(|w| w.value.0);
    if asked {
        return ADMINISTRATORS
            .warn(Severity::Low, "administrators are asked to register, but may not reset")
            .evidence(fact, seen)
            .reason("Reset is off for administrators, but on and with registration for all users: administrators are asked to register and then told that they cannot.")
            .fix("Select a group without administrators for reset, or allow administrators to reset.")
            .portal(page::ADMINISTRATORS);
    }
    ADMINISTRATORS
        .pass("off for administrators; another administrator resets theirs")
        .evidence(fact, seen)
}
