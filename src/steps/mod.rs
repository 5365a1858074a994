//! The steps of the set-up, in causal order. A step is pure: facts in, findings out.

pub mod account_unlock;
pub mod authentication_methods;
pub mod cloud_writeback;
mod conditional_access;
pub mod connect_writeback;
mod coverage;
pub mod current;
pub mod directory_permissions;
#[cfg(test)]
mod fixture;
pub mod hybrid;
pub mod license;
pub mod mfa_enforcement;
pub mod notifications;
mod on_premises;
pub mod password_policy;
pub mod policy;
pub mod registration;
pub mod reset_policy;
#[cfg(test)]
mod robust;
mod scope;
pub mod security_questions;
pub mod service_account;
#[cfg(test)]
mod testing;
mod touched;
pub mod user;
pub mod user_registration;
pub mod writeback_probe;

use crate::change::Change;
use crate::desired::DesiredState;
use crate::finding::{Check, Finding};
use crate::snapshot::{FactId, Snapshot};
use std::collections::BTreeSet;

/// One step of the set-up.
#[derive(Debug)]
pub struct Step {
    /// Its name everywhere: file, C function, finding id, `-Step` value.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// What it looks at.
    pub checks: &'static [&'static Check],
    /// Judges a snapshot.
    pub check: fn(&Snapshot) -> Vec<Finding>,
    /// Sets it up, where there is something to set.
    pub setup: Option<Setup>,
}

/// How a step is set up.
#[derive(Debug)]
pub struct Setup {
    /// The facts that the plan asks for.
    pub needs: &'static [FactId],
    /// What differs from the desired state.
    pub plan: fn(&Snapshot, &DesiredState) -> Vec<Change>,
}

/// Every step, in the order in which one depends on another.
pub const STEPS: &[&Step] = &[
    &license::STEP,
    &reset_policy::STEP,
    &security_questions::STEP,
    &authentication_methods::STEP,
    &registration::STEP,
    &mfa_enforcement::STEP,
    &notifications::STEP,
    &hybrid::STEP,
    &service_account::STEP,
    &directory_permissions::STEP,
    &password_policy::STEP,
    &connect_writeback::STEP,
    &cloud_writeback::STEP,
    &account_unlock::STEP,
    &user_registration::STEP,
    &writeback_probe::STEP,
];

impl Step {
    /// The facts that the step asks for.
    pub fn needs(&self) -> BTreeSet<FactId> {
        self.checks
            .iter()
            .flat_map(|check| check.facts.iter().copied())
            .collect()
    }

    /// A step by its name.
    pub fn named(name: &str) -> Option<&'static Step> {
        STEPS.iter().copied().find(|step| step.name.eq_ignore_ascii_case(name))
    }
}

/// The steps of these names, or all where none is named, but those of others, in causal order. A name that is no step's is
/// told, with those that are.
pub fn chosen(names: &[String], but: &[String]) -> Result<Vec<&'static Step>, String> {
    if let Some(name) = names.iter().chain(but).find(|name| Step::named(name).is_none()) {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("there is no step '{name}'; the steps are {}", known.join(", ")));
    }
    let named = |list: &[String], step: &Step| list.iter().any(|name| name.eq_ignore_ascii_case(step.name));
    let counts = |step: &&Step| (names.is_empty() || named(names, step)) && !named(but, step);
    Ok(STEPS.iter().copied().filter(counts).collect())
}

/// The facts that the plans of some steps ask for together.
pub fn setup_needs(steps: &[&Step]) -> BTreeSet<FactId> {
    let setups = steps.iter().filter_map(|step| step.setup.as_ref());
    setups.flat_map(|setup| setup.needs.iter().copied()).collect()
}

/// The facts that some steps ask for together.
pub fn needs(steps: &[&Step]) -> BTreeSet<FactId> {
    steps.iter().flat_map(|step| step.needs()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
