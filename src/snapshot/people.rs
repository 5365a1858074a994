//! People, counted: the registration report folded into cohorts, and the directory's own counts.

use serde::{Deserialize, Serialize};

/// Counts over the directory's users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserCounts {
    /// Enabled members.
    pub enabled_members: u64,
    /// Enabled members that are synced from a directory on premises.
    pub synced_members: Option<u64>,
    /// Enabled guests.
    pub enabled_guests: Option<u64>,
}

/// Enabled members by the licence that entitles them to reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LicensedMembers {
    /// With a P1 or P2 plan that is in force or in its grace period.
    pub by_plan: u64,
    /// Those, and the cloud-only ones with Business Standard.
    pub with_standard: u64,
}

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

/// A group that a policy names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyGroup {
    /// Its id.
    pub id: String,
    /// Its name, where readable.
    pub display_name: Option<String>,
    /// False when the group no longer exists.
    pub exists: bool,
    /// How many users are in it, at any depth.
    pub users: u64,
}

/// A user whom a policy names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyUser {
    /// The user's id.
    pub id: String,
    /// The user's name.
    pub display_name: Option<String>,
    /// The name to sign in with.
    pub user_principal_name: Option<String>,
    /// False when the user no longer exists.
    pub exists: bool,
}
