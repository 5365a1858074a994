//! The steps of the set-up, in causal order. A step is pure: facts in, findings out.

pub mod authentication_methods;
mod conditional_access;
#[cfg(test)]
mod fixture;
pub mod license;
pub mod mfa_enforcement;
pub mod registration;
#[cfg(test)]
mod robust;
mod scope;
pub mod user_registration;

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
}

/// Every step, in the order in which one depends on another.
pub const STEPS: &[&Step] = &[
    &license::STEP,
    &authentication_methods::STEP,
    &registration::STEP,
    &mfa_enforcement::STEP,
    &user_registration::STEP,
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

/// The facts that some steps ask for together.
pub fn needs(steps: &[&Step]) -> BTreeSet<FactId> {
    steps.iter().flat_map(|step| step.needs()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_check_belongs_to_its_step_and_is_unique() {
        let mut seen = HashSet::new();
        for step in STEPS {
            assert!(!step.checks.is_empty(), "{} has no check", step.name);
            for check in step.checks {
                assert_eq!(check.step(), step.name, "{}", check.id);
                assert!(seen.insert(check.id), "{} stands twice", check.id);
                assert!(check.doc.starts_with("https://learn.microsoft.com/"), "{}", check.id);
                assert!(!check.why.is_empty() && !check.looks_at.is_empty(), "{}", check.id);
            }
        }
    }
}
