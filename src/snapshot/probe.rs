//! What a probe of writeback came to: a reset and an unlock that were really tried in a directory, as the account that writes
//! passwords back.

use super::directory::PasswordPolicy;
use serde::{Deserialize, Serialize};

/// What is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attempt {
    /// Another password, held against the password policy.
    #[default]
    Reset,
    /// To sign in with it.
    SignIn,
    /// "User must change password at next logon", by `pwdLastSet` 0.
    MustChange,
    /// To take that away, by `pwdLastSet` -1.
    Unexpire,
    /// To end a lockout, by `lockoutTime` 0.
    Unlock,
    /// A password in the place of one that is too young.
    TooYoung,
    /// A password that the user had before.
    FromHistory,
    /// A password that is too short.
    TooShort,
    /// A password for a user in a unit that inherits nothing.
    Protected,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// The controller did it.
    Done,
    /// The controller refused.
    Refused,
    /// The controller said that it did it, and it is not there.
    NotKept,
    /// It was not tried.
    #[default]
    NotTried,
}

/// One thing that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trial {
    /// What.
    pub attempt: Attempt,
    /// How it ended.
    pub ended: Ended,
    /// LDAP's result code of a refusal.
    pub code: Option<u32>,
    /// What the controller said, what was seen, or why it was not tried.
    pub reason: String,
}

/// A probe of one domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WritebackProbe {
    /// The domain's DNS name.
    pub domain: String,
    /// The controller at which it was tried.
    pub controller: String,
    /// As whom.
    pub account: String,
    /// The groups of that account with rights over the domain or the forest.
    pub privileged_groups: Vec<String>,
    /// Where disposable users were made, or the user that was named.
    pub place: String,
    /// Whether that is a user that was named.
    pub named: bool,
    /// Whether the user that was named is disabled.
    pub disabled: bool,
    /// The password policy that counted; None where it could not be read.
    pub policy: Option<PasswordPolicy>,
    /// The fine-grained policy that this is; None: the domain's.
    pub fine_grained: Option<String>,
    /// What was tried.
    pub trials: Vec<Trial>,
    /// What an earlier probe had left behind, and this one removed.
    pub removed: Vec<String>,
    /// What could not be removed, and why.
    pub left: Vec<String>,
}

impl WritebackProbe {
    /// One of the things that were tried.
    pub fn trial(&self, attempt: Attempt) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.attempt == attempt)
    }
}
