//! The registration report, folded: users alike, counted.

use serde::{Deserialize, Serialize};

/// The registration report, folded. It does not grow with the number of users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registration {
    /// Rows read.
    pub rows: u64,
    /// The names behind `Cohort::methods`' bits.
    pub methods: Vec<String>,
    /// The group ids behind `Cohort::groups`' bits.
    pub groups: Vec<String>,
    /// Users alike in all that the steps ask of a user.
    pub cohorts: Vec<Cohort>,
    /// The newest `lastUpdatedDateTime`: how fresh the report is.
    pub updated: Option<jiff::Timestamp>,
}

/// Users who are alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cohort {
    /// What they have in common.
    pub key: CohortKey,
    /// How many.
    pub count: u64,
    /// Some of their user principal names, chosen the same way each time.
    pub sample: Vec<String>,
}

/// What the steps ask of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CohortKey {
    /// Member or guest.
    pub guest: bool,
    /// Holds an administrator role.
    pub admin: bool,
    /// Is a Global Administrator.
    pub global_admin: bool,
    /// In scope of self-service reset.
    pub sspr_enabled: bool,
    /// Registered for enough methods.
    pub sspr_registered: bool,
    /// Registered and enabled.
    pub sspr_capable: bool,
    /// Can do MFA.
    pub mfa_capable: bool,
    /// Has registered a strong method for MFA.
    pub mfa_registered: bool,
    /// Registered methods, as bits of `Registration::methods`.
    pub methods: u64,
    /// Policy groups, as bits of `Registration::groups`.
    pub groups: u64,
}

impl Registration {
    /// The bit of a method's name, or 0 where nobody has it.
    pub fn method_bit(&self, name: &str) -> u64 {
        self.methods
            .iter()
            .position(|m| m.eq_ignore_ascii_case(name))
            .map_or(0, |i| 1 << i.min(63))
    }

    /// The bit of a group, where its members were read.
    pub fn group_bit(&self, id: &str) -> Option<u64> {
        self.groups
            .iter()
            .position(|g| g.eq_ignore_ascii_case(id))
            .and_then(|i| 1u64.checked_shl(u32::try_from(i).ok()?))
    }

    /// How many users satisfy a condition, with a bounded sample of them.
    pub fn count(&self, mut condition: impl FnMut(&CohortKey) -> bool) -> (u64, Vec<String>) {
        self.counted(&mut condition)
    }

    /// The same behind a pointer: the steps have half a hundred conditions, and each would be a function of its own.
    fn counted(&self, condition: &mut dyn FnMut(&CohortKey) -> bool) -> (u64, Vec<String>) {
        let mut count: u64 = 0;
        let mut sample = Vec::new();
        for cohort in &self.cohorts {
            if condition(&cohort.key) {
                count = cohort.count.saturating_add(count);
                sample.extend(cohort.sample.iter().cloned());
            }
        }
        sample.sort();
        sample.truncate(SAMPLE);
        (count, sample)
    }
}

/// How many names a sample holds at the most.
pub const SAMPLE: usize = 5;
