//! Whom Conditional Access policies name and whom they leave out, for a sentence and counted as far as that goes.

use super::conditional_access::on_all_users;
use super::scope::{Directory, SYNCHRONIZATION_ACCOUNTS, listed, role_name};
use crate::finding::counted;
use crate::snapshot::graph::{ConditionUsers, ConditionalAccessPolicy};

/// So many excluded accounts are taken for emergency access: two are recommended, and two more for a second cloud or a
/// sync account that is named one by one.
pub const EMERGENCY_ACCOUNTS: u64 = 4;

/// A policy's name in a sentence.
pub fn quoted(policy: &ConditionalAccessPolicy) -> String {
    format!("'{}'", policy.display_name)
}

/// Whom a policy names.
pub fn users(policy: &ConditionalAccessPolicy) -> ConditionUsers {
    policy.conditions.users.clone().unwrap_or_default()
}

/// Somebody whom a policy names.
#[derive(Clone, Debug, PartialEq)]
enum Who {
    User(String),
    Group(String),
    Role(String),
    Guests,
}

fn who(people: &[String], groups: &[String], roles: &[String], guests: &Option<serde_json::Value>) -> Vec<Who> {
    let mut all = Vec::new();
    for id in people {
        if id.eq_ignore_ascii_case("GuestsOrExternalUsers") {
            all.push(Who::Guests);
        } else if !id.eq_ignore_ascii_case("None") && !id.eq_ignore_ascii_case("All") {
            all.push(Who::User(id.to_ascii_lowercase()));
        }
    }
    all.extend(groups.iter().map(|id| Who::Group(id.to_ascii_lowercase())));
    all.extend(roles.iter().map(|id| Who::Role(id.to_ascii_lowercase())));
    if guests.as_ref().is_some_and(|kinds| !kinds.is_null()) && !all.contains(&Who::Guests) {
        all.push(Who::Guests);
    }
    all
}

fn included(users: &ConditionUsers) -> Vec<Who> {
    who(
        &users.include_users,
        &users.include_groups,
        &users.include_roles,
        &users.include_guests_or_external_users,
    )
}

fn excluded(users: &ConditionUsers) -> Vec<Who> {
    who(
        &users.exclude_users,
        &users.exclude_groups,
        &users.exclude_roles,
        &users.exclude_guests_or_external_users,
    )
}

/// Whether a policy is for nobody (`None`, as the portal writes while it is being made).
pub fn for_nobody(policy: &ConditionalAccessPolicy) -> bool {
    !on_all_users(policy) && included(&users(policy)).is_empty()
}

/// Whether a policy is for guests alone, whose password is reset in their own tenant.
pub fn for_guests_alone(policy: &ConditionalAccessPolicy) -> bool {
    !on_all_users(policy) && included(&users(policy)) == [Who::Guests]
}

/// Whom a policy is for, in a sentence.
pub fn whom(policy: &ConditionalAccessPolicy, directory: &Directory<'_>) -> String {
    let users = users(policy);
    let names = |who| listed(&Left::of(who, directory).names);
    let included = if on_all_users(policy) {
        "all users".into()
    } else {
        names(included(&users))
    };
    match excluded(&users) {
        none if none.is_empty() => included,
        excluded => format!("{included} except {}", names(excluded)),
    }
}

/// The policy for all users that excludes the fewest.
pub fn widest<'a>(policies: &[&'a ConditionalAccessPolicy]) -> Option<&'a ConditionalAccessPolicy> {
    let all = policies.iter().copied().filter(|p| on_all_users(p));
    all.min_by_key(|p| excluded(&users(p)).len())
}

/// Those whom a policy leaves out.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// As people know them.
    pub names: Vec<String>,
    /// Single users.
    pub persons: u64,
    /// Single users and the members of the groups that were read.
    pub count: u64,
    /// Whether there is a group whose members were not read.
    pub unread: bool,
    /// Whether there are roles, whose holders are not counted.
    pub roles: bool,
    /// Whether there are guests.
    pub guests: bool,
}

impl Left {
    /// Whom a policy excludes and none of the others names.
    pub fn by(
        policy: &ConditionalAccessPolicy,
        others: &[&ConditionalAccessPolicy],
        directory: &Directory<'_>,
    ) -> Self {
        let covered = |who: &Who| {
            others.iter().any(|&other| {
                let users = users(other);
                (on_all_users(other) || included(&users).contains(who)) && !excluded(&users).contains(who)
            })
        };
        let mut left = excluded(&users(policy));
        left.retain(|who| !covered(who));
        Left::of(left, directory)
    }

    fn of(all: Vec<Who>, directory: &Directory<'_>) -> Self {
        let mut left = Left::default();
        let mut nameless: u64 = 0;
        for who in all {
            match who {
                Who::User(id) => match directory.person(&id) {
                    Some(person) if !person.exists => left.names.push(format!("deleted user {id}")),
                    person => {
                        left.persons += 1;
                        match person.and_then(|p| p.user_principal_name.clone().or(p.display_name.clone())) {
                            Some(name) => left.names.push(name),
                            None => nameless += 1,
                        }
                    }
                },
                Who::Group(id) => {
                    left.names.push(directory.named_and_counted(&id));
                    match directory.users(&id) {
                        Some(users) => left.count = left.count.saturating_add(users),
                        None => left.unread = true,
                    }
                }
                // The sync's own accounts cannot answer, and are always left out.
                Who::Role(id) => {
                    left.names.push(role_name(&id));
                    left.roles |= !id.eq_ignore_ascii_case(SYNCHRONIZATION_ACCOUNTS);
                }
                Who::Guests => {
                    left.names.push("guests".into());
                    left.guests = true;
                }
            }
        }
        if nameless > 0 {
            left.names
                .insert(0, format!("{} (name not read)", counted(nameless, "user", "users")));
        }
        left.count = left.count.saturating_add(left.persons);
        left
    }

    /// All of them, for the evidence.
    pub fn names_in_full(&self) -> String {
        if self.names.is_empty() {
            "nobody".into()
        } else {
            self.names.join(", ")
        }
    }

    /// Whether these are surely no more than emergency accounts, guests aside.
    pub fn few(&self) -> bool {
        !self.roles && !self.unread && self.count <= EMERGENCY_ACCOUNTS
    }
}
