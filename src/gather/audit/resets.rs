//! Resets, unlocks and blocks in the log, counted; whose resets no agent wrote.

use super::activity::{ADMIN_RESET, BLOCKED, SELF_RESET, UNLOCK};
use super::{Event, Reach};
use crate::gather::Gatherer;
use crate::snapshot::audit::ResetActivity;
use crate::snapshot::people::SAMPLE;
use crate::tenant::graph::Ask;
use jiff::Timestamp;

/// How many resets without an agent are traced to their users.
const MOST_TRACED: usize = 200;
/// The log's reasons are prose: so many different ones are kept apart.
const MOST_REASONS: usize = 32;
/// The others.
const OTHER: &str = "other reasons";

/// Users whose reset no agent wrote, until it is known who they are.
#[derive(Default)]
struct Untraced {
    /// Ids, with their names.
    users: Vec<(String, String)>,
    /// How many more.
    more: u64,
}

impl Untraced {
    fn add(&mut self, id: &str, name: Option<&str>) {
        if self.users.len() < MOST_TRACED {
            self.users.push((id.into(), name.unwrap_or(id).into()));
        } else {
            self.more += 1;
        }
    }
}

/// Counts one kind of reset.
#[derive(Default)]
struct Resets {
    activity: ResetActivity,
    untraced: Untraced,
}

impl Resets {
    fn fold(&mut self, event: &Event, by_admin: bool) {
        let activity = &mut self.activity;
        match (event.succeeded(), by_admin) {
            (true, true) => activity.admin_resets += 1,
            (true, false) => activity.self_service_resets += 1,
            (false, true) => return,
            (false, false) => {
                let reason = event.result_reason.as_deref().filter(|r| !r.is_empty());
                let reason: String = reason.unwrap_or("no reason given").chars().take(120).collect();
                let known = &mut activity.self_service_failures;
                let room = known.len() < MOST_REASONS || known.contains_key(&reason);
                *known.entry(if room { reason } else { OTHER.into() }).or_default() += 1;
                return;
            }
        }
        match event.agent() {
            None => {}
            Some(agent) if agent.eq_ignore_ascii_case("none") || agent.is_empty() => {
                if let Some((id, name)) = event
                    .user()
                    .and_then(|u| Some((u.id.as_ref()?, &u.user_principal_name)))
                {
                    self.untraced.add(id, name.as_deref());
                }
            }
            Some(agent) => note(activity, agent, event.activity_date_time),
        }
    }

    fn join(&mut self, other: Resets) {
        self.activity.admin_resets += other.activity.admin_resets;
        for (agent, at) in &other.activity.last_by_agent {
            note(&mut self.activity, agent, *at);
        }
        for (id, name) in &other.untraced.users {
            self.untraced.add(id, Some(name));
        }
        self.untraced.more += other.untraced.more;
    }
}

/// Notes when an agent wrote a reset.
fn note(activity: &mut ResetActivity, agent: &str, at: Timestamp) {
    let last = activity.last_by_agent.entry(agent.into()).or_insert(at);
    *last = (*last).max(at);
}

impl Gatherer {
    pub(super) async fn resets(&self) -> (ResetActivity, Vec<Reach>) {
        let (mut own, mut admin) = (Resets::default(), Resets::default());
        let (mut unlocks, mut last_unlock, mut blocked) = (0, None::<Timestamp>, 0);
        let (a, b, c, d) = tokio::join!(
            self.events(&SELF_RESET, |event| own.fold(event, false)),
            self.events(&ADMIN_RESET, |event| admin.fold(event, true)),
            self.events(&UNLOCK, |event| {
                if event.succeeded() {
                    unlocks += 1;
                    last_unlock = last_unlock.max(Some(event.activity_date_time));
                }
            }),
            self.events(&BLOCKED, |_| blocked += 1),
        );
        own.join(admin);
        let mut activity = ResetActivity {
            unlocks,
            last_unlock,
            blocked,
            ..own.activity
        };
        self.trace(own.untraced, &mut activity).await;
        (activity, vec![a, b, c, d])
    }

    /// Tells the resets that no agent wrote apart: a synced user's never reached the directory, a cloud user's need not.
    async fn trace(&self, untraced: Untraced, activity: &mut ResetActivity) {
        activity.unknown_origin = untraced.more;
        let asks: Vec<Ask> = untraced
            .users
            .iter()
            .map(|(id, _)| Ask::directory(format!("/v1.0/users/{id}?$select=id,onPremisesSyncEnabled")))
            .collect();
        for ((_, name), answer) in untraced.users.iter().zip(self.graph.batch(&asks).await) {
            match answer {
                Ok(user) if user["onPremisesSyncEnabled"].as_bool() == Some(true) => {
                    activity.lost_resets += 1;
                    if activity.lost_sample.len() < SAMPLE && !activity.lost_sample.contains(name) {
                        activity.lost_sample.push(name.clone());
                    }
                }
                Ok(_) => {}
                Err(_) => activity.unknown_origin += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        serde_json::from_str(text).unwrap()
    }

    fn by(key: &str, value: &str) -> Event {
        event(&format!(
            r#"{{"activityDateTime":"2026-11-20T10:00:00Z","result":"success","targetResources":[{{"id":"u1"}}],
            "additionalDetails":[{{"key":"{key}","value":"{value}"}}]}}"#
        ))
    }

    #[test]
    fn agents_are_told_whatever_the_case_of_the_key() {
        let (mut own, mut admin) = (Resets::default(), Resets::default());
        admin.fold(&by("onpremisesagent", "CloudSync"), true);
        own.fold(&by("OnPremisesAgent", "None"), false);
        own.join(admin);
        assert!(own.activity.last_by_agent.contains_key("CloudSync"));
        assert_eq!((own.activity.admin_resets, own.activity.self_service_resets), (1, 1));
        assert_eq!(own.untraced.users, [("u1".to_string(), "u1".to_string())]);
    }

    #[test]
    fn a_flood_of_resets_without_an_agent_is_counted_not_kept() {
        let (mut own, mut admin) = (Resets::default(), Resets::default());
        for _ in 0..150 {
            own.fold(&by("OnPremisesAgent", "None"), false);
            admin.fold(&by("OnPremisesAgent", "None"), true);
        }
        own.join(admin);
        assert_eq!((own.untraced.users.len(), own.untraced.more), (MOST_TRACED, 100));
    }

    #[test]
    fn every_failure_is_counted_whatever_its_reason() {
        let mut own = Resets::default();
        for n in 0..100 {
            own.fold(
                &event(&format!(
                    r#"{{"activityDateTime":"2026-11-20T10:00:00Z","result":"failure","resultReason":"reason {n}"}}"#
                )),
                false,
            );
        }
        let failures = &own.activity.self_service_failures;
        assert_eq!((failures.values().sum::<u64>(), failures[OTHER]), (100, 68));
    }
}
