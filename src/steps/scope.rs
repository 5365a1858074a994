//! Whom a policy names, told of the cohorts of the registration report. What cannot be told stays `None`.

use crate::finding::counted;
pub use crate::snapshot::graph::GLOBAL_ADMINISTRATOR;
use crate::snapshot::people::{CohortKey, PolicyGroup, PolicyUser, Registration};
use crate::snapshot::{Fact, Snapshot};
use std::collections::BTreeMap;

/// Directory Synchronization Accounts' role template.
pub const SYNCHRONIZATION_ACCOUNTS: &str = "d29b2b05-8046-44ba-8758-1e26182fcf32";

/// True when one is true; unknown when one that is not true is unknown.
pub fn any(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(false);
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all = None,
        }
    }
    all
}

/// Included and not excluded.
pub fn included(include: Option<bool>, exclude: Option<bool>) -> Option<bool> {
    match (include, exclude) {
        (Some(false), _) | (_, Some(true)) => Some(false),
        (Some(true), Some(false)) => Some(true),
        _ => None,
    }
}

/// The groups that policies name, and who is in them.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    registration: Option<&'a Registration>,
    groups: Option<&'a BTreeMap<String, PolicyGroup>>,
    people: Option<&'a BTreeMap<String, PolicyUser>>,
    /// Whether all Global Administrators are known.
    global_administrators: bool,
}

impl<'a> Directory<'a> {
    /// What a snapshot knows of them.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Directory {
            registration: snapshot.facts.registration.value(),
            groups: snapshot.facts.policy_groups.value(),
            people: snapshot.facts.policy_users.value(),
            global_administrators: matches!(snapshot.facts.global_administrators, Fact::Known { .. }),
        }
    }

    /// A group, where it was read.
    pub fn group(&self, id: &str) -> Option<&'a PolicyGroup> {
        let groups = self.groups?;
        groups
            .get(id)
            .or_else(|| groups.values().find(|g| g.id.eq_ignore_ascii_case(id)))
    }

    /// A user whom a policy names, where that was read.
    pub fn person(&self, id: &str) -> Option<&'a PolicyUser> {
        let people = self.people?;
        people
            .get(id)
            .or_else(|| people.values().find(|p| p.id.eq_ignore_ascii_case(id)))
    }

    /// How many users are in a group, where that was read.
    pub fn users(&self, id: &str) -> Option<u64> {
        if nobody(id) {
            return Some(0);
        }
        let group = self.group(id)?;
        Some(if group.exists { group.users } else { 0 })
    }

    /// A group as a person knows it: its name, else its id.
    pub fn name(&self, id: &str) -> String {
        match self.group(id) {
            Some(group) if !group.exists => format!("deleted group {id}"),
            Some(PolicyGroup {
                display_name: Some(name),
                ..
            }) => format!("group '{name}'"),
            _ => format!("group {id} (name not readable)"),
        }
    }

    /// A group with the number of its users.
    pub fn named_and_counted(&self, id: &str) -> String {
        match self.users(id) {
            Some(users) => format!("{} ({})", self.name(id), counted(users, "user", "users")),
            None => format!("{} (members not read)", self.name(id)),
        }
    }

    /// Whether the users of a cohort are in a group.
    pub fn in_group(&self, key: &CohortKey, id: &str) -> Option<bool> {
        match self.registration.and_then(|r| r.group_bit(id)) {
            Some(bit) => Some(key.groups & bit != 0),
            None if self.users(id) == Some(0) => Some(false),
            None => None,
        }
    }

    /// Whether the users of a cohort hold a role now: a policy for a role is not on those who may only become it. The
    /// report tells administrators apart, and their list the Global Administrators; no more. The sync's own accounts
    /// are no people.
    pub fn in_role(&self, key: &CohortKey, role: &str) -> Option<bool> {
        let global = role.eq_ignore_ascii_case(GLOBAL_ADMINISTRATOR);
        if global && (key.global_admin || self.global_administrators) {
            Some(key.global_admin)
        } else if role.eq_ignore_ascii_case(SYNCHRONIZATION_ACCOUNTS) || !(key.admin || key.global_admin) {
            Some(false)
        } else {
            None
        }
    }
}

/// The policies write the nil id for nobody.
pub fn nobody(id: &str) -> bool {
    id.bytes().all(|b| b == b'0' || b == b'-')
}

/// A role as a person knows it.
pub fn role_name(id: &str) -> String {
    if id.eq_ignore_ascii_case(GLOBAL_ADMINISTRATOR) {
        "role Global Administrator".into()
    } else if id.eq_ignore_ascii_case(SYNCHRONIZATION_ACCOUNTS) {
        "role Directory Synchronization Accounts".into()
    } else {
        format!("role {id}")
    }
}

/// A list in a sentence, cut where it grows long.
pub fn listed(items: &[String]) -> String {
    const SHOWN: usize = 4;
    match items.len() {
        0 => "none".into(),
        n if n <= SHOWN => items.join(", "),
        n => format!("{} and {} more", items[..SHOWN].join(", "), n - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_answer_is_not_a_no() {
        assert_eq!(any([Some(false), None]), None);
        assert_eq!(any([None, Some(true)]), Some(true));
        assert_eq!(any([]), Some(false));
        assert_eq!(included(Some(true), None), None);
        assert_eq!(included(None, Some(true)), Some(false));
        assert_eq!(included(Some(true), Some(false)), Some(true));
    }
}
