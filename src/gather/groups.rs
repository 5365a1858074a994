//! The groups that policies name: their names, their members at any depth, and who is in which.

use super::{Gap, Gatherer};
use crate::snapshot::people::PolicyGroup;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use jiff::Timestamp;
use sspr_rows::member::PageKeys;
use sspr_rows::membership::{Membership, guid};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// As many groups as a cohort's key has bits.
pub(super) const MOST: usize = 64;

/// So many keys of a group are collected before they are merged with the others': all groups are read at once.
const RUN: usize = 32 * 1024;

/// Collects the keys of a group's members.
struct Keys<'m> {
    /// Those of whole pages that were not merged yet.
    all: Vec<u64>,
    /// How many are of whole pages, with those that were merged.
    users: u64,
    bit: usize,
    membership: &'m Mutex<Membership>,
}

impl<'m> Keys<'m> {
    fn new(bit: usize, membership: &'m Mutex<Membership>) -> Self {
        Keys {
            all: Vec::new(),
            users: 0,
            bit,
            membership,
        }
    }

    /// Merges what is there of whole pages.
    fn merge(&mut self) {
        let mut membership = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        membership.add(self.bit, &mut self.all);
    }
}

impl Rows for Keys<'_> {
    type Page = PageKeys;

    fn page(&mut self) -> PageKeys {
        PageKeys::default()
    }

    fn take(&mut self, mut page: PageKeys) {
        self.users += page.keys.len() as u64;
        self.all.append(&mut page.keys);
        if self.all.len() >= RUN {
            self.merge();
        }
    }
}

/// The ids of the groups that were asked for, and of all that the facts name.
pub(super) fn named(facts: &Facts, asked: &[String]) -> Vec<String> {
    let mut ids = asked.to_vec();
    let mut add = |id: &str| {
        // The policies write the nil GUID for "nobody".
        if guid(id).is_some_and(|g| g != 0) && !ids.iter().any(|known| known.eq_ignore_ascii_case(id)) {
            ids.push(id.to_ascii_lowercase());
        }
    };
    facts.reset_groups().iter().for_each(|id| add(id));
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

/// The question who is in a group, at any depth.
pub(super) fn members(id: &str) -> Ask {
    let path = format!("/v1.0/groups/{id}/transitiveMembers/microsoft.graph.user?$select=id&$count=true&$top=999");
    Ask::directory(path).costing(4).eventual()
}

impl Gatherer {
    /// Reads the groups that the facts name.
    pub(super) async fn groups(&self, facts: &Facts) -> (Membership, Fact<BTreeMap<String, PolicyGroup>>) {
        let mut ids = named(facts, &self.divisions.groups);
        let overflow = ids.len().saturating_sub(MOST);
        ids.truncate(MOST);
        let names: Vec<Ask> = ids
            .iter()
            .map(|id| Ask::directory(format!("/v1.0/groups/{id}?$select=id,displayName")))
            .collect();
        let membership = Mutex::new(Membership::new(ids.clone()));
        let users = futures_util::future::join_all(ids.iter().enumerate().map(|(bit, id)| {
            let mut rows = Keys::new(bit, &membership);
            async move {
                match self.graph.rows(&members(id), &mut rows, |_| self.in_time()).await {
                    Ok(true) => {
                        rows.merge();
                        Ok(rows.users)
                    }
                    Ok(false) => Err(Gap::Time),
                    Err(error) => Err(Gap::Refused(error)),
                }
            }
        }));
        let (names, users) = tokio::join!(self.graph.batch(&names), users);
        let mut membership = membership.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut groups = BTreeMap::new();
        let mut missing: Option<Gap> = None;
        let mut bit = 0;
        for ((id, name), users) in ids.into_iter().zip(names).zip(users) {
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
                Ok(users) => group.users = users,
                Err(Gap::Refused(AskError::Refused { status: 404, .. })) => group.exists = false,
                Err(gap) => {
                    missing = missing.or(Some(gap));
                    membership.forget(bit);
                    continue;
                }
            }
            bit += 1;
            groups.insert(id, group);
        }
        self.divisions.add_to(&mut membership);
        membership.seal();
        let (source, now) = (crate::snapshot::source(FactId::PolicyGroups).path, Timestamp::now());
        let read = groups.len() as u64;
        let groups = match missing {
            Some(gap) if groups.is_empty() => Fact::Unreadable {
                refusal: self.gap(FactId::PolicyGroups, &gap),
            },
            None if overflow == 0 => Fact::known(groups, source, now),
            gap => Fact::Partial {
                value: groups,
                source: source.into(),
                as_of: now,
                read,
                of: None,
                reason: match gap {
                    Some(gap) => self.gap(FactId::PolicyGroups, &gap).message,
                    None => format!("The policies name more than {MOST} groups."),
                },
            },
        };
        (membership, groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sspr_rows::membership::key;
    use sspr_rows::page::{Entries, Page};

    /// A page of members with these ids.
    fn page(ids: std::ops::Range<u32>) -> String {
        let ids = ids.map(|n| format!(r#"{{"id":"00000000-0000-0000-0000-{n:012x}"}}"#));
        format!(r#"{{"value":[{}]}}"#, ids.collect::<Vec<_>>().join(","))
    }

    fn read(entries: &mut PageKeys, text: &str) {
        Entries::feed(entries, &mut Page::default(), text.as_bytes()).unwrap();
    }

    #[test]
    fn a_page_of_members_that_broke_off_does_not_count() {
        let membership = Mutex::new(Membership::default());
        let mut keys = Keys::new(0, &membership);
        let mut entries = keys.page();
        read(&mut entries, &page(1..2));
        keys.take(entries);
        let mut entries = keys.page();
        read(&mut entries, &page(2..3));
        Entries::discard(&mut entries);
        read(&mut entries, &page(3..4));
        keys.take(entries);
        assert_eq!((keys.users, &keys.all[..]), (2, &[key(1), key(3)][..]));
    }

    #[test]
    fn a_long_group_is_merged_on_the_way() {
        let membership = Mutex::new(Membership::default());
        let mut keys = Keys::new(0, &membership);
        let pages = 100u32;
        for number in 0..pages {
            let mut entries = keys.page();
            read(&mut entries, &page(number * 999..(number + 1) * 999));
            keys.take(entries);
            assert!(keys.all.len() < RUN && keys.all.capacity() <= 2 * RUN);
        }
        keys.merge();
        assert_eq!(keys.users, u64::from(pages) * 999);
        let mut membership = membership.into_inner().unwrap();
        membership.seal();
        let users = [0, 1, 54_321, 99_899, 99_900].map(key);
        let mut groups = Vec::new();
        membership.of_all(&users, &mut groups);
        assert_eq!(groups, [1, 1, 1, 1, 0]);
    }
}
