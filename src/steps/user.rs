//! One user's case: the links between the user and a reset that works, in causal order. A link is judged by what the steps
//! judge the tenant by, over a snapshot of which the user is everybody.

mod cloud;
mod events;
mod on_premises;
#[cfg(test)]
mod tests;

use super::conditional_access::applies;
use super::scope::Directory;
use super::{Step, user_registration};
use crate::finding::{Check, Finding, Outcome};
use crate::snapshot::graph::{ConditionUsers, ConditionalAccessPolicy, MethodTarget};
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::person::Person;
use crate::snapshot::{Fact, Snapshot};
use serde_json::Value;

const TROUBLE: &str = "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr";

/// A link of the chain; whether the user can reset depends on those that decide.
const fn link(id: &'static str, title: &'static str, why: &'static str, decides: bool) -> Check {
    Check {
        id,
        title,
        looks_at: title,
        why,
        doc: TROUBLE,
        decides,
        facts: &[],
    }
}

/// Every link, in causal order.
pub const LINKS: &[&Check] = &[
    &cloud::ACCOUNT,
    &cloud::ORIGIN,
    &cloud::LICENSE,
    &cloud::SCOPE,
    &cloud::METHODS,
    &cloud::ASKED,
    &cloud::CAMPAIGN,
    &cloud::REGISTERED,
    &cloud::RETIREMENT,
    &events::BLOCKED,
    &on_premises::WRITEBACK,
    &on_premises::DIRECTORY,
    &on_premises::ENABLED,
    &on_premises::PROTECTED,
    &on_premises::RIGHTS,
    &on_premises::AGE,
    &on_premises::LOCKED,
    &on_premises::MUST_CHANGE,
    &events::LAST,
];

/// A user, and the snapshot as it is for this user alone.
struct Case<'a> {
    snapshot: &'a Snapshot,
    person: &'a Person,
    /// The account in the tenant, where there is one.
    account: Option<&'a Value>,
    /// What the steps ask of the user, as far as it is known.
    key: CohortKey,
    /// Whether the registration report has the user.
    reported: bool,
    /// What the report's step would say if reset were enabled for the user; nothing of one who is registered.
    in_scope: Vec<Finding>,
}

impl<'a> Case<'a> {
    fn of(own: &'a mut Snapshot, person: &'a Person) -> Self {
        own.facts.registration = person.registration.clone();
        let account = person.account.value().filter(|account| !account.is_null());
        let id = account.and_then(|account| account["id"].as_str()).unwrap_or_default();
        personal(own, id);
        let report = own.facts.registration.value();
        let cohort = report
            .and_then(|report| report.cohorts.first())
            .map(|cohort| cohort.key);
        let key = cohort.unwrap_or_else(|| unreported(report, person));
        // Policies that are surely not for the user say nothing of the user.
        if let Some(mut policies) = own.facts.conditional_access.value().cloned() {
            let directory = Directory::of(own);
            let users = |policy: &ConditionalAccessPolicy| policy.conditions.users.clone().unwrap_or_default();
            policies.retain(|policy| applies(&users(policy), &key, &directory) != Some(false));
            if let Some(all) = own.facts.conditional_access.value_mut() {
                *all = policies;
            }
        }
        let mut in_scope = Vec::new();
        if !key.sspr_registered
            && let Some(was) = enabled(own, true)
        {
            in_scope = (user_registration::STEP.check)(own);
            enabled(own, was);
        }
        Case {
            reported: cohort.is_some(),
            key,
            snapshot: own,
            person,
            account,
            in_scope,
        }
    }

    fn administrator(&self) -> bool {
        self.key.admin || self.key.global_admin
    }

    /// Whether the password is kept in the directory on premises.
    fn synced(&self) -> Option<bool> {
        match self.account {
            Some(account) => Some(account["onPremisesSyncEnabled"] == true),
            None => self.person.directory.value().map(|user| !user.is_null()),
        }
    }

    /// What a step says of the tenant, with this user as everybody in it.
    fn found(&self, step: &Step, id: &str) -> Option<Finding> {
        (step.check)(self.snapshot).into_iter().find(|found| found.id == id)
    }
}

/// Says whether reset is enabled for the one user of the report; gives what it said before.
fn enabled(snapshot: &mut Snapshot, is: bool) -> Option<bool> {
    let report = snapshot.facts.registration.value_mut()?;
    let key = &mut report.cohorts.first_mut()?.key;
    Some(std::mem::replace(&mut key.sspr_enabled, is))
}

/// What is known of a user whom the report does not have.
fn unreported(report: Option<&Registration>, person: &Person) -> CohortKey {
    let mut key = CohortKey::default();
    for group in person.groups.value().into_iter().flatten() {
        key.groups |= report.and_then(|report| report.group_bit(group)).unwrap_or_default();
    }
    key
}

/// Policies name single users too. Of those, each stands for everybody where it is this user, and for nobody where not.
fn personal(snapshot: &mut Snapshot, id: &str) {
    let single = |person: &String| person.contains('-');
    let is = |person: &String| person.eq_ignore_ascii_case(id);
    let facts = &mut snapshot.facts;
    if let Some(policies) = facts.conditional_access.value_mut() {
        let users = |users: &ConditionUsers| users.exclude_users.iter().any(is);
        policies.retain(|policy| !policy.conditions.users.as_ref().is_some_and(users));
        for users in policies
            .iter_mut()
            .filter_map(|policy| policy.conditions.users.as_mut())
        {
            let named = users.include_users.iter().any(is);
            users.include_users.retain(|person| !single(person));
            users.exclude_users.retain(|person| !single(person));
            if named {
                users.include_users.push("All".into());
            }
        }
    }
    let Some(policy) = facts.methods_policy.value_mut() else {
        return;
    };
    let own = |targets: &mut Vec<MethodTarget>| {
        let user = |target: &MethodTarget| target.target_type.eq_ignore_ascii_case("user");
        targets.retain(|target| !user(target) || is(&target.id));
        for target in targets.iter_mut().filter(|target| user(target)) {
            (target.id, target.target_type) = ("all_users".into(), "group".into());
        }
    };
    for configuration in &mut policy.authentication_method_configurations {
        own(&mut configuration.include_targets);
        own(&mut configuration.exclude_targets);
    }
    let enforcement = policy.registration_enforcement.as_mut();
    if let Some(campaign) = enforcement.and_then(|all| all.authentication_methods_registration_campaign.as_mut()) {
        own(&mut campaign.include_targets);
        own(&mut campaign.exclude_targets);
    }
}

/// The links between a user and a reset that works, in causal order. The snapshot is changed meanwhile, and as it was then.
pub fn chain(snapshot: &mut Snapshot, person: &Person) -> Vec<Finding> {
    let facts = &snapshot.facts;
    let before = (
        facts.registration.clone(),
        facts.conditional_access.clone(),
        facts.methods_policy.clone(),
    );
    let links = links(&Case::of(snapshot, person));
    let facts = &mut snapshot.facts;
    (facts.registration, facts.conditional_access, facts.methods_policy) = before;
    links
}

fn links(case: &Case<'_>) -> Vec<Finding> {
    let mut links = Vec::new();
    if !matches!(case.person.account, Fact::NotAsked) {
        cloud::links(case, &mut links);
    }
    on_premises::links(case, &mut links);
    if !matches!(case.person.events, Fact::NotAsked) {
        links.push(events::last(case));
    }
    links
}

/// Whether a user can reset by these links, and the first that is broken.
pub fn verdict(links: &[Finding]) -> (&'static str, Option<&Finding>) {
    let broken = links.iter().find(|link| link.status == Outcome::Fail);
    let unknown = |link: &Finding| link.decides && link.status == Outcome::Skipped;
    let answer = match broken {
        Some(_) => "No",
        None if links.iter().any(unknown) => "Unknown",
        None => "Yes",
    };
    (answer, broken)
}
