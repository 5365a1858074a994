//! What the sign-in may do beyond what the checks need.

use crate::snapshot::{FactId, Snapshot, source};
use crate::steps::{self, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Permissions of the sign-in that the checks do not need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Excess {
    /// Those that change something.
    pub writing: Vec<String>,
    /// The others.
    pub reading: Vec<String>,
}

/// What comes with every sign-in of a person.
const BASE: &[&str] = &["openid", "profile", "email", "offline_access", "User.Read"];

impl Excess {
    /// What a run's sign-in holds beyond the facts that were read and those that these steps ask for.
    pub fn of(snapshot: &Snapshot, steps: &[&Step]) -> Self {
        let facts = &snapshot.facts;
        let asked = FactId::ALL
            .iter()
            .copied()
            .filter(|id| facts.has(*id) || facts.refusal(*id).is_some());
        let needs: BTreeSet<FactId> = steps::needs(steps).into_iter().chain(asked).collect();
        let needed: Vec<&str> = needs
            .iter()
            .flat_map(|id| source(*id).permissions)
            .chain(BASE)
            .copied()
            .collect();
        let held: BTreeSet<&String> = snapshot.signed_in.permissions.iter().collect();
        let (writing, reading) = held
            .into_iter()
            .filter(|held| !needed.iter().any(|needed| needed.eq_ignore_ascii_case(held)))
            .cloned()
            .partition(|permission| writes(permission));
        Excess { writing, reading }
    }
}

/// Whether a permission changes something, by its name: `User.ReadWrite.All`, `Mail.Send`, `Directory.AccessAsUser.All`.
fn writes(permission: &str) -> bool {
    const VERBS: &[&str] = &[
        "AccessAsUser",
        "Create",
        "FullControl",
        "Invite",
        "Manage",
        "Privileged",
        "Send",
    ];
    permission
        .split('.')
        .skip(1)
        .any(|part| part.contains("Write") || VERBS.iter().any(|verb| part.starts_with(verb)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SignedIn;
    use crate::steps::STEPS;

    fn excess(permissions: &[&str], steps: &[&Step]) -> Excess {
        let signed_in = SignedIn {
            permissions: permissions.iter().map(|p| (*p).into()).collect(),
            ..Default::default()
        };
        Excess::of(&Snapshot::new(jiff::Timestamp::UNIX_EPOCH, signed_in), steps)
    }

    #[test]
    fn what_the_checks_need_is_no_excess() {
        let all: Vec<&str> = FactId::ALL
            .iter()
            .flat_map(|id| source(*id).permissions)
            .copied()
            .collect();
        assert_eq!(excess(&all, STEPS), Excess::default());
        assert_eq!(
            excess(&["openid", "user.read", "AuditLog.read.all"], STEPS),
            Excess::default()
        );
    }

    #[test]
    fn what_writes_is_told_from_what_only_reads() {
        let held = [
            "User.ReadWrite.All",
            "Mail.Send",
            "Directory.AccessAsUser.All",
            "User.ManageIdentities.All",
            "Mail.Read",
            "RoleManagement.Read.All",
            "DeviceManagementManagedDevices.Read.All",
            "User.Read.All",
        ];
        let found = excess(&held, STEPS);
        assert_eq!(
            found.writing,
            [
                "Directory.AccessAsUser.All",
                "Mail.Send",
                "User.ManageIdentities.All",
                "User.ReadWrite.All"
            ]
        );
        assert_eq!(
            found.reading,
            [
                "DeviceManagementManagedDevices.Read.All",
                "Mail.Read",
                "RoleManagement.Read.All"
            ]
        );
    }

    #[test]
    fn it_depends_on_the_steps() {
        let license = Step::named("license").unwrap();
        assert_eq!(
            excess(&["AuditLog.Read.All"], &[license]).reading,
            ["AuditLog.Read.All"]
        );
    }
}
