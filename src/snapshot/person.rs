//! What the sources say of one user.

use super::Fact;
use super::people::Registration;
use serde_json::Value;

/// One user. Documents of others are kept as they came; null stands for a user who is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// As the user was asked for.
    pub asked: String,
    /// The account in the tenant: Graph's `user`.
    pub account: Fact<Value>,
    /// The ids of the groups that hold the user, at any depth.
    pub groups: Fact<Vec<String>>,
    /// The user's row of the registration report, folded; without cohorts where the report has none. Its groups are those
    /// that policies name.
    pub registration: Fact<Registration>,
    /// The user's events of the reset service, the newest first: Graph's `directoryAudit`.
    pub events: Fact<Vec<Value>>,
    /// The account in the directory, as `sspr_directory_user` tells it.
    pub directory: Fact<Value>,
}
