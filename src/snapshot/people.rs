//! People, counted: the registration report folded into cohorts, and the directory's own counts.

use serde::{Deserialize, Serialize};

pub use sspr_rows::cohort::{Cohort, CohortKey, Registration, SAMPLE};

/// What the id of a department begins with, where it stands among those of groups.
pub const DEPARTMENT: &str = "department:";

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
