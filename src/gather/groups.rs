//! The groups that policies name: their names, their members at any depth, and who is in which.

use super::Gatherer;
use super::scan::{Scan, Shape, Text};
use crate::snapshot::people::PolicyGroup;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// As many groups as a cohort's key has bits.
const MOST: usize = 64;

/// Who is in which policy group. A million rows are looked up in it, so a user is the key of its id and the keys are sorted
/// and found by their first bits; two users share a key once in 2^64 pairs.
#[derive(Debug, Default)]
pub struct Membership {
    /// Group ids, in the order of their bits.
    pub groups: Vec<String>,
    /// Keys, each with the bits of the user's groups.
    members: Vec<(u64, u64)>,
    /// Where the keys with the same first bits begin; one more than there are such beginnings.
    starts: Vec<u32>,
    /// How far a key is shifted to leave those bits.
    shift: u32,
}

/// Spreads ids evenly, the same way in every run.
pub fn key(id: u128) -> u64 {
    ((id >> 64) as u64 ^ id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Membership {
    /// The bits of the groups of the user with this key.
    pub fn of(&self, key: u64) -> u64 {
        if self.members.is_empty() {
            return 0;
        }
        let bucket = (key >> self.shift) as usize;
        let bucket = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let member = self.members[bucket].iter().find(|(other, _)| *other == key);
        member.map_or(0, |(_, bits)| *bits)
    }

    fn add(&mut self, group: String, mut users: Vec<u64>) {
        let bit = 1u64 << self.groups.len();
        self.groups.push(group);
        users.sort_unstable();
        users.dedup();
        let known = self.members.len();
        let mut at = 0;
        for user in users {
            while at < known && self.members[at].0 < user {
                at += 1;
            }
            if at < known && self.members[at].0 == user {
                self.members[at].1 |= bit;
            } else {
                self.members.push((user, bit));
            }
        }
        // Two sorted runs: the stable sort merges them.
        self.members.sort_by_key(|(user, _)| *user);
    }

    /// Makes the index, about two keys to a beginning.
    fn seal(&mut self) {
        self.members.shrink_to_fit();
        let bits = self.members.len().max(2).ilog2();
        self.shift = u64::BITS - bits;
        self.starts = Vec::with_capacity((1 << bits) + 1);
        for (index, (key, _)) in (0..).zip(&self.members) {
            let bucket = (key >> self.shift) as usize;
            while self.starts.len() <= bucket {
                self.starts.push(index);
            }
        }
        self.starts.resize((1 << bits) + 1, self.members.len() as u32);
    }
}

/// Reads a GUID as Graph writes it: 32 digits and four dashes.
pub fn guid(text: &str) -> Option<u128> {
    guid_bytes(text.as_bytes())
}

/// The value of each hexadecimal digit; 255 for anything else.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads a GUID as Graph writes it.
pub fn guid_bytes(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut wrong = [8, 13, 18, 23].iter().fold(0, |wrong, at| wrong | (text[*at] ^ b'-'));
    // Four independent runs of digits, so that none waits for the one before.
    let mut eight = |digits: [usize; 8]| {
        let mut value = 0;
        for at in digits {
            let digit = DIGITS[usize::from(text[at])];
            wrong |= digit & 0xf0;
            value = value << 4 | u32::from(digit & 15);
        }
        u128::from(value)
    };
    let value = eight([0, 1, 2, 3, 4, 5, 6, 7]) << 96
        | eight([9, 10, 11, 12, 14, 15, 16, 17]) << 64
        | eight([19, 20, 21, 22, 24, 25, 26, 27]) << 32
        | eight([28, 29, 30, 31, 32, 33, 34, 35]);
    (wrong == 0).then_some(value)
}

/// Collects the keys of a group's members.
struct Keys {
    shape: Shape,
    all: Vec<u64>,
    /// How many are of whole pages.
    whole: usize,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Member<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// Reads a member as the service writes it.
fn member<'a>(shape: &mut Shape, text: &'a [u8]) -> Option<(Member<'a>, usize)> {
    let mut scan = Scan::new(text);
    let mut id = None;
    shape.object(&mut scan, |scan, _| id.replace(scan.text()?).is_none().then_some(()))?;
    id.map(|id| (Member { id }, scan.at))
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            shape: Shape::new(&["id"]),
            all: Vec::new(),
            whole: 0,
        }
    }
}

impl Rows for Keys {
    type Row<'a> = Member<'a>;

    fn quick<'a>(&mut self, text: &'a [u8]) -> Option<(Member<'a>, usize)> {
        member(&mut self.shape, text)
    }

    fn row(&mut self, row: Member<'_>) {
        self.all.extend(guid_bytes(&row.id.0).map(key));
    }

    fn commit(&mut self) {
        self.whole = self.all.len();
    }

    fn discard(&mut self) {
        self.all.truncate(self.whole);
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
            let mut rows = Keys::default();
            let ask = Ask::directory(format!(
                "/v1.0/groups/{id}/transitiveMembers/microsoft.graph.user?$select=id&$count=true&$top=999"
            ))
            .costing(4)
            .eventual();
            let outcome = self.graph.rows(&ask, &mut rows, |_| true).await;
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
        let (source, now) = (crate::snapshot::source(FactId::PolicyGroups).path, Timestamp::now());
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
    use proptest::prelude::*;

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
        let mut nobody = Membership::default();
        nobody.add("c".into(), Vec::new());
        nobody.seal();
        assert_eq!(nobody.of(1), 0);
    }

    #[test]
    fn a_page_of_members_that_broke_off_does_not_count() {
        let id = |n: u32| Member {
            id: Text(format!("00000000-0000-0000-0000-{n:012}").into_bytes().into()),
        };
        let mut keys = Keys::default();
        keys.row(id(1));
        keys.commit();
        keys.row(id(2));
        keys.discard();
        keys.row(id(3));
        keys.commit();
        assert_eq!(keys.all, [key(1), key(3)]);
    }

    proptest! {
        #[test]
        fn everybody_is_found_and_nobody_else(
            groups in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 0..200), 1..5), others in proptest::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut membership = Membership::default();
            for (n, users) in groups.iter().enumerate() {
                membership.add(n.to_string(), users.clone());
            }
            membership.seal();
            for user in groups.iter().flatten().chain(&others).chain(&[0, u64::MAX]) {
                let bits = (0..).zip(&groups).filter(|(_, users)| users.contains(user)).map(|(n, _): (u32, _)| 1 << n).sum::<u64>();
                prop_assert_eq!(membership.of(*user), bits);
            }
        }

        #[test]
        fn a_member_is_read_as_serde_reads_it(id in ".{0,20}", name in ".{0,20}", at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = serde_json::json!({"@odata.type": "#microsoft.graph.user", "id": id, "displayName": name}).to_string().into_bytes();
            let at = at.index(bytes.len());
            let mut shape = Shape::new(&["id"]);
            for with in [None, Some(with)] {
                if let Some(byte) = with { bytes[at] = byte }
                if let Some((read, length)) = member(&mut shape, &bytes) {
                    let again: Member<'_> = serde_json::from_slice(&bytes[..length]).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }

    #[test]
    fn the_usual_member_is_read_quickly() {
        for text in [
            r##"{"@odata.type":"#microsoft.graph.user","id":"00000000-0000-0000-0000-000000000001"}"##,
            r#"{"id":"x"}"#,
        ] {
            assert_eq!(
                member(&mut Shape::new(&["id"]), text.as_bytes()).map(|(_, length)| length),
                Some(text.len())
            );
        }
    }
}
