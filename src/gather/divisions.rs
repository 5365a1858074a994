//! What the registration report is counted by besides what policies name: groups that were asked for, and departments.

use super::refusal::refusal;
use super::{Gatherer, Limits};
use crate::error::{Error, Result};
use crate::snapshot::FactId;
use crate::snapshot::people::DEPARTMENT;
use crate::status::Status;
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use serde_json::Value;
use sspr_rows::membership::{Membership, guid, key};
use std::collections::BTreeMap;

/// Groups by their ids, and the keys of each department's users.
#[derive(Default)]
pub(super) struct Divisions {
    pub(super) groups: Vec<String>,
    departments: BTreeMap<String, Vec<u64>>,
}

impl Rows for Divisions {
    type Page = Vec<Value>;

    fn page(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn take(&mut self, page: Vec<Value>) {
        for user in page {
            let text = |name: &str| user[name].as_str().unwrap_or_default().trim();
            let id = guid(text("id")).unwrap_or_default();
            match self.departments.get_mut(text("department")) {
                Some(keys) => keys.push(key(id)),
                None => drop(self.departments.insert(text("department").into(), vec![key(id)])),
            }
        }
    }
}

impl Divisions {
    /// Adds the departments to the groups, the largest first; those that find no place are one.
    pub(super) fn add_to(&self, membership: &mut Membership) {
        let mut all: Vec<_> = self.departments.iter().collect();
        all.sort_by_key(|(_, keys)| std::cmp::Reverse(keys.len()));
        let places = super::groups::MOST - membership.groups.len();
        let own = if all.len() <= places {
            all.len()
        } else {
            places.saturating_sub(1)
        };
        let (own, others) = all.split_at(own);
        let mut add = |name: &str, keys: &mut Vec<u64>| {
            membership.groups.push(format!("{DEPARTMENT}{name}"));
            membership.add(membership.groups.len() - 1, keys);
        };
        for (name, keys) in own {
            add(name, &mut (*keys).clone());
        }
        if !others.is_empty() && places > 0 {
            let mut keys = others.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
            add(&format!("{} others", others.len()), &mut keys);
        }
    }
}

impl Gatherer {
    /// Looks up what was asked for.
    pub(super) async fn divisions(&self, limits: &Limits) -> Result<Divisions> {
        let mut found = Divisions::default();
        for name in &limits.groups {
            let id = match guid(name) {
                Some(_) => name.to_ascii_lowercase(),
                None => self.group_named(name).await?,
            };
            if !found.groups.contains(&id) {
                found.groups.push(id);
            }
        }
        if limits.departments {
            let path = "/v1.0/users?$filter=accountEnabled eq true&$select=id,department&$top=999";
            let read = self.graph.rows(&Ask::directory(path), &mut found, |_| true).await;
            read.map_err(|error| self.not_divided(FactId::UserCounts, error))?;
        }
        Ok(found)
    }

    async fn group_named(&self, name: &str) -> Result<String> {
        let quoted = super::users::quoted(name);
        let path = format!("/v1.0/groups?$filter=displayName eq {quoted}&$select=id,displayName");
        let groups: Vec<Value> = self
            .graph
            .list(&Ask::directory(path))
            .await
            .map_err(|error| self.not_divided(FactId::PolicyGroups, error))?;
        match &groups[..] {
            [one] => Ok(one["id"].as_str().unwrap_or_default().to_ascii_lowercase()),
            _ => Err(Error::new(
                Status::ArgumentInvalid,
                format!("there is no group '{name}', or more than one"),
            )
            .target(name)
            .help("Give the group's id (object id).")),
        }
    }

    fn not_divided(&self, fact: FactId, error: AskError) -> Error {
        let told = refusal(fact, &error, &self.who);
        let refused = Error::from(error).detail(told.message);
        match told.needs {
            Some(needs) => refused.help(format!("Counting by group or department needs {needs}.")),
            None => refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn departments_beyond_the_places_are_one() {
        let mut divisions = Divisions::default();
        let id = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        let user = |n: u32| json!({"id": id(n), "department": format!(" D{:02}", n % 80)});
        divisions.take((0..200).map(user).collect());
        divisions.take(vec![json!({"id": id(999), "department": null})]);
        let mut membership = Membership::new(vec!["g".into(), "h".into()]);
        divisions.add_to(&mut membership);
        membership.seal();
        assert_eq!(membership.groups.len(), 64);
        assert_eq!(membership.groups[2], "department:D00");
        assert_eq!(membership.groups[63], "department:20 others");
        let bits = |n: u32| membership.of(key(guid(&id(n)).unwrap()));
        assert_eq!(bits(80), bits(0));
        assert_eq!(bits(0), 1 << 2);
        assert_eq!(bits(999), 1 << 63, "the smallest are among the others");
    }
}
