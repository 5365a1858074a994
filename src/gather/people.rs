//! The people whom policies and roles name: excluded users by their names, the holders of a role at any remove.

use super::{Gatherer, groups};
use crate::snapshot::graph::GLOBAL_ADMINISTRATOR;
use crate::snapshot::people::PolicyUser;
use crate::snapshot::{Fact, FactId, Facts, RefusalKind};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use jiff::Timestamp;
use serde::Deserialize;
use sspr_rows::membership::guid;
use std::collections::{BTreeMap, BTreeSet};

/// As many as one batch holds.
const MOST: usize = 20;

/// `unifiedRoleAssignment` and `unifiedRoleEligibilityScheduleInstance`, with the principal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assignment {
    principal_id: String,
    #[serde(default)]
    principal: Option<Principal>,
}

#[derive(Debug, Deserialize)]
struct Principal {
    #[serde(rename = "@odata.type", default)]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Member {
    id: String,
}

/// The ids of the single users whom the Conditional Access policies in force exclude.
fn excluded(facts: &Facts) -> Vec<String> {
    let policies = facts.conditional_access.value().into_iter().flatten();
    let in_force = policies.filter(|p| p.state.eq_ignore_ascii_case("enabled"));
    let users = in_force.filter_map(|p| p.conditions.users.as_ref());
    let mut ids: Vec<String> = Vec::new();
    for id in users.flat_map(|u| &u.exclude_users) {
        let id = id.to_ascii_lowercase();
        if guid(&id).is_some() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

impl Gatherer {
    /// Reads the names of the users whom the policies in force exclude.
    pub(super) async fn policy_users(
        &self,
        needs: &BTreeSet<FactId>,
        facts: &Facts,
    ) -> Fact<BTreeMap<String, PolicyUser>> {
        if !needs.contains(&FactId::PolicyUsers) {
            return Fact::NotAsked;
        }
        if let Some(refusal) = facts.conditional_access.refusal() {
            let refusal = refusal.clone();
            return Fact::Unreadable { refusal };
        }
        let mut ids = excluded(facts);
        let all = ids.len();
        ids.truncate(MOST);
        let path = |id: &String| format!("/v1.0/users/{id}?$select=id,displayName,userPrincipalName");
        let asks: Vec<Ask> = ids.iter().map(|id| Ask::directory(path(id))).collect();
        let mut people = BTreeMap::new();
        for (id, answer) in ids.into_iter().zip(self.graph.batch(&asks).await) {
            let text = |answer: &serde_json::Value, name: &str| answer[name].as_str().map(Into::into);
            let mut person = PolicyUser {
                id: id.clone(),
                exists: true,
                ..Default::default()
            };
            match answer {
                Ok(answer) => {
                    person.display_name = text(&answer, "displayName");
                    person.user_principal_name = text(&answer, "userPrincipalName");
                }
                Err(AskError::Refused { status: 404, .. }) => person.exists = false,
                Err(error) => {
                    let refusal = self.refusal(FactId::PolicyUsers, &error);
                    return Fact::Unreadable { refusal };
                }
            }
            people.insert(id, person);
        }
        let (source, now) = (crate::snapshot::source(FactId::PolicyUsers).path, Timestamp::now());
        if all <= MOST {
            return Fact::known(people, source, now);
        }
        Fact::Partial {
            read: MOST as u64,
            value: people,
            source: source.into(),
            as_of: now,
            of: Some(all as u64),
            reason: format!("The policies exclude more than {MOST} single users."),
        }
    }

    /// Reads who is Global Administrator now, and who may become it.
    pub(super) async fn administrators(&self, needs: &BTreeSet<FactId>) -> (Fact<Vec<String>>, Fact<Vec<String>>) {
        let holders = async |fact: FactId, resource: &str| {
            if needs.contains(&fact) {
                self.holders(fact, resource).await
            } else {
                Fact::NotAsked
            }
        };
        let (active, mut eligible) = tokio::join!(
            holders(FactId::GlobalAdministrators, "roleAssignments"),
            holders(FactId::EligibleAdministrators, "roleEligibilityScheduleInstances"),
        );
        // Without the licence for it, nobody is eligible for anything.
        if eligible.refusal().is_some_and(|r| r.kind == RefusalKind::License) {
            let source = crate::snapshot::source(FactId::EligibleAdministrators).path;
            eligible = Fact::known(Vec::new(), source, Timestamp::now());
        }
        (active, eligible)
    }

    /// The users who are assigned to the role, themselves or as members of a group. Other principals are no people.
    async fn holders(&self, fact: FactId, resource: &str) -> Fact<Vec<String>> {
        let path = format!(
            "/v1.0/roleManagement/directory/{resource}?$filter=roleDefinitionId eq '{GLOBAL_ADMINISTRATOR}'&$expand=principal"
        );
        let assignments: Vec<Assignment> = match self.graph.list(&Ask::directory(path)).await {
            Ok(assignments) => assignments,
            Err(error) => {
                let refusal = self.refusal(fact, &error);
                return Fact::Unreadable { refusal };
            }
        };
        let (mut users, mut nested, mut missing) = (BTreeSet::new(), Vec::new(), None);
        for assignment in assignments {
            let id = assignment.principal_id.to_ascii_lowercase();
            match assignment.principal.as_ref().map(|p| p.kind.as_str()) {
                Some("#microsoft.graph.user") => {
                    users.insert(id);
                }
                Some("#microsoft.graph.group") => nested.push(id),
                Some(_) => {}
                None => {
                    users.insert(id);
                    missing = Some("Whether an assignment is to a user or to a group was not told.".to_string());
                }
            }
        }
        let members = nested
            .iter()
            .map(|id| async move { self.graph.list::<Member>(&groups::members(id)).await });
        for answer in futures_util::future::join_all(members).await {
            match answer {
                Ok(members) => users.extend(members.into_iter().map(|m| m.id.to_ascii_lowercase())),
                Err(error) => missing = Some(self.refusal(FactId::PolicyGroups, &error).message),
            }
        }
        let (source, now) = (crate::snapshot::source(fact).path, Timestamp::now());
        let users: Vec<String> = users.into_iter().collect();
        match missing {
            None => Fact::known(users, source, now),
            Some(reason) => Fact::Partial {
                read: users.len() as u64,
                value: users,
                source: source.into(),
                as_of: now,
                of: None,
                reason,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::graph::{ConditionSet, ConditionUsers, ConditionalAccessPolicy};

    #[test]
    fn assignments_are_read_as_published() {
        crate::shapes::assert_published::<Assignment>(&[("unifiedRoleAssignment", "v1.0")], &[]);
    }

    #[test]
    fn only_those_are_looked_up_whom_policies_in_force_exclude_by_id() {
        let id = |n: u32| format!("0000000A-0000-0000-0000-{n:012}");
        let policy = |state: &str, exclude: Vec<String>| ConditionalAccessPolicy {
            state: state.into(),
            conditions: ConditionSet {
                users: Some(ConditionUsers {
                    exclude_users: exclude,
                    ..Default::default()
                }),
                ..Default::default()
            },
            ..Default::default()
        };
        let policies = vec![
            policy("enabled", vec![id(1), "GuestsOrExternalUsers".into(), id(2)]),
            policy("enabled", vec![id(1).to_lowercase()]),
            policy("disabled", vec![id(3)]),
        ];
        let facts = Facts {
            conditional_access: Fact::known(policies, "test", Timestamp::UNIX_EPOCH),
            ..Default::default()
        };
        assert_eq!(excluded(&facts), [id(1).to_lowercase(), id(2).to_lowercase()]);
    }
}
