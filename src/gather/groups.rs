//! The groups that policies name: their names, their members at any depth, and who is in which.

use super::Gatherer;
use crate::snapshot::people::PolicyGroup;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// As many groups as a cohort's key has bits.
const MOST: usize = 64;

/// Who is in which policy group: sorted by user, so that a million rows are looked up quickly in little memory.
#[derive(Debug, Default)]
pub struct Membership {
    /// Group ids, in the order of their bits.
    pub groups: Vec<String>,
    members: Vec<(u128, u64)>,
}

impl Membership {
    /// The bits of a user's groups.
    pub fn of(&self, user: u128) -> u64 {
        self.members
            .binary_search_by_key(&user, |(id, _)| *id)
            .map_or(0, |i| self.members[i].1)
    }

    fn add(&mut self, group: String, mut users: Vec<u128>) {
        let bit = 1u64 << self.groups.len();
        self.groups.push(group);
        users.sort_unstable();
        users.dedup();
        self.members.extend(users.into_iter().map(|user| (user, bit)));
    }

    fn seal(&mut self) {
        self.members.sort_unstable_by_key(|(user, _)| *user);
        self.members.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 |= later.1;
            }
            same
        });
        self.members.shrink_to_fit();
    }
}

/// Reads a GUID's 32 digits.
pub fn guid(text: &str) -> Option<u128> {
    let mut value = 0u128;
    let mut digits = 0;
    for byte in text.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'-' => continue,
            _ => return None,
        };
        value = value << 4 | u128::from(digit);
        digits += 1;
    }
    (digits == 32).then_some(value)
}

/// Collects the ids of a group's members.
#[derive(Default)]
struct Ids {
    all: Vec<u128>,
    page: Vec<u128>,
}

#[derive(Deserialize)]
struct Member<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Rows for Ids {
    type Row<'a> = Member<'a>;

    fn row(&mut self, row: Member<'_>) {
        self.page.extend(guid(&row.id));
    }

    fn commit(&mut self) {
        self.all.append(&mut self.page);
    }

    fn discard(&mut self) {
        self.page.clear();
    }
}

/// The ids of all groups that the facts name.
fn named(facts: &Facts) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut add = |id: &str| {
        // The policies write the nil GUID for "nobody".
        if guid(id).is_some_and(|g| g != 0) && !ids.iter().any(|known| known.eq_ignore_ascii_case(id)) {
            ids.push(id.to_ascii_lowercase());
        }
    };
    if let Some(policy) = facts.portal_reset_policy.value() {
        policy.password_reset_enabled_group_ids.iter().for_each(|id| add(id));
    }
    if let Some(policy) = facts.methods_policy.value() {
        let campaign = policy
            .registration_enforcement
            .as_ref()
            .and_then(|r| r.authentication_methods_registration_campaign.as_ref());
        let targets = policy
            .authentication_method_configurations
            .iter()
            .filter(|c| c.state.as_deref() == Some("enabled"))
            .flat_map(|c| c.include_targets.iter().chain(&c.exclude_targets))
            .chain(
                campaign
                    .into_iter()
                    .flat_map(|c| c.include_targets.iter().chain(&c.exclude_targets)),
            );
        targets
            .filter(|t| t.target_type.eq_ignore_ascii_case("group"))
            .for_each(|t| add(&t.id));
    }
    for policy in facts
        .conditional_access
        .value()
        .into_iter()
        .flatten()
        .filter(|p| p.state != "disabled")
    {
        if let Some(users) = &policy.conditions.users {
            users
                .include_groups
                .iter()
                .chain(&users.exclude_groups)
                .for_each(|id| add(id));
        }
    }
    ids
}

impl Gatherer {
    /// Reads the groups that the facts name.
    pub(super) async fn groups(&self, facts: &mut Facts) -> Membership {
        let mut ids = named(facts);
        let overflow = ids.len().saturating_sub(MOST);
        ids.truncate(MOST);
        let names: Vec<Ask> = ids
            .iter()
            .map(|id| Ask::directory(format!("/v1.0/groups/{id}?$select=id,displayName")))
            .collect();
        let members = futures_util::future::join_all(ids.iter().map(|id| async move {
            let mut rows = Ids::default();
            let ask = Ask::directory(format!(
                "/v1.0/groups/{id}/transitiveMembers/microsoft.graph.user?$select=id&$count=true&$top=999"
            ));
            let outcome = self.graph.rows(&ask.eventual(), &mut rows, |_| true).await;
            outcome.map(|_| rows.all)
        }));
        let (names, members) = tokio::join!(self.graph.batch(&names), members);
        let mut groups = BTreeMap::new();
        let mut membership = Membership::default();
        let mut refused: Option<AskError> = None;
        for ((id, name), users) in ids.into_iter().zip(names).zip(members) {
            let mut group = PolicyGroup {
                id: id.clone(),
                exists: true,
                ..Default::default()
            };
            match name {
                Ok(value) => group.display_name = value["displayName"].as_str().map(str::to_string),
                Err(AskError::Refused { status: 404, .. }) => group.exists = false,
                Err(_) => {}
            }
            match users {
                Ok(users) => {
                    group.users = users.len() as u64;
                    membership.add(id.clone(), users);
                    groups.insert(id, group);
                }
                Err(AskError::Refused { status: 404, .. }) => {
                    group.exists = false;
                    membership.add(id.clone(), Vec::new());
                    groups.insert(id, group);
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        membership.seal();
        let (source, now) = (super::source(FactId::PolicyGroups).path, Timestamp::now());
        let read = groups.len() as u64;
        facts.policy_groups = match refused {
            Some(error) if groups.is_empty() => Fact::Unreadable {
                refusal: self.refusal(FactId::PolicyGroups, &error),
            },
            None if overflow == 0 => Fact::known(groups, source, now),
            error => Fact::Partial {
                value: groups,
                source: source.into(),
                as_of: now,
                read,
                of: None,
                reason: match error {
                    Some(error) => self.refusal(FactId::PolicyGroups, &error).message,
                    None => format!("The policies name more than {MOST} groups."),
                },
            },
        };
        membership
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_read_and_nonsense_is_not() {
        assert_eq!(guid("00000000-0000-0000-0000-0000000000Ff"), Some(255));
        assert_eq!(guid("all_users"), None);
        assert_eq!(guid("1234"), None);
    }

    #[test]
    fn a_user_has_the_bits_of_all_groups() {
        let mut membership = Membership::default();
        membership.add("a".into(), vec![3, 1, 3]);
        membership.add("b".into(), vec![2, 3]);
        membership.seal();
        assert_eq!([1, 2, 3, 4].map(|u| membership.of(u)), [1, 2, 3, 0]);
    }
}
