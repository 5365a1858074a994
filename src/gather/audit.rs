//! What the directory audit log proves. Activities are asked for one by one: the log's filter has no `or`.

use super::Gatherer;
use crate::snapshot::audit::{ResetActivity, SettingChange, SettingsHistory, WritebackSwitch, WritebackTrace};
use crate::snapshot::people::SAMPLE;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// The service that logs self-service reset.
const SERVICE: &str = "Self-service Password Management";
const SETTINGS: &str = "Update SSPR Settings";
const ENABLED: &str = "Enable password writeback for directory";
const DISABLED: &str = "Disable password writeback for directory";
const SELF_RESET: &str = "Reset password (self-service)";
const ADMIN_RESET: &str = "Reset password (by admin)";
const UNLOCK: &str = "Unlock user account (self-service)";
const BLOCKED: &str = "Blocked from self-service password reset";
/// Events come late: what is newer than this may still be on its way.
const LATE_HOURS: i64 = 1;
/// How far back the log reaches with P1 or P2; without, it answers less.
const RETENTION_DAYS: i64 = 30;
/// How many resets without an agent are traced to their users.
const MOST_TRACED: usize = 200;

/// `directoryAudit`, with what is read of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    activity_date_time: Timestamp,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    result_reason: Option<String>,
    #[serde(default)]
    initiated_by: Option<Initiator>,
    #[serde(default)]
    target_resources: Option<Vec<Target>>,
    #[serde(default)]
    additional_details: Option<Vec<Detail>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Initiator {
    #[serde(default)]
    user: Option<Who>,
    #[serde(default)]
    app: Option<Who>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    #[serde(default)]
    user_principal_name: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    user_principal_name: Option<String>,
    #[serde(default)]
    modified_properties: Option<Vec<Property>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    old_value: Option<String>,
    #[serde(default)]
    new_value: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Detail {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

impl Event {
    fn succeeded(&self) -> bool {
        self.result.as_deref() == Some("success")
    }

    fn by(&self) -> Option<String> {
        let initiator = self.initiated_by.as_ref()?;
        let name = |who: &Option<Who>| {
            who.as_ref()
                .and_then(|w| w.user_principal_name.clone().or_else(|| w.display_name.clone()))
        };
        name(&initiator.user).or_else(|| name(&initiator.app))
    }

    /// `None`, `Microsoft Entra Connect` or `CloudSync`; the spelling of the key was not verified, so case is not looked at.
    fn agent(&self) -> Option<&str> {
        let details = self.additional_details.as_ref()?;
        let detail = details.iter().find(|d| {
            d.key
                .as_deref()
                .is_some_and(|k| k.eq_ignore_ascii_case("OnPremisesAgent"))
        })?;
        detail.value.as_deref().map(|v| v.trim_matches('"').trim())
    }

    fn user(&self) -> Option<&Target> {
        self.target_resources.as_ref()?.first()
    }
}

/// Events of one activity, kept as they are folded: the log of a month is short but for resets.
struct Events<F: FnMut(&Event) + Send> {
    page: Vec<Event>,
    fold: F,
}

impl<F: FnMut(&Event) + Send> Rows for Events<F> {
    type Row<'a> = Event;

    fn row(&mut self, row: Event) {
        self.page.push(row);
    }

    fn commit(&mut self) {
        self.page.drain(..).for_each(|event| (self.fold)(&event));
    }

    fn discard(&mut self) {
        self.page.clear();
    }
}

/// The log quotes its values as JSON text.
fn unquoted(text: &str) -> String {
    serde_json::from_str::<String>(text).unwrap_or_else(|_| text.trim().trim_matches('"').to_string())
}

fn fold_settings(history: &mut SettingsHistory, event: &Event) {
    if !event.succeeded() {
        return;
    }
    for property in event
        .target_resources
        .iter()
        .flatten()
        .flat_map(|t| t.modified_properties.iter().flatten())
    {
        let Some(name) = &property.display_name else {
            continue;
        };
        // A cleared setting has no new value: what it was before counts no longer.
        let change = SettingChange {
            value: property.new_value.as_deref().map(unquoted),
            before: property.old_value.as_deref().map(unquoted),
            at: event.activity_date_time,
            by: event.by(),
        };
        keep_newest(history, name.clone(), change);
    }
}

fn keep_newest(history: &mut SettingsHistory, name: String, change: SettingChange) {
    if history.settings.get(&name).is_none_or(|known| known.at < change.at) {
        history.settings.insert(name, change);
    }
}

/// Resets that no agent wrote, newest last, until it is known whose they are.
#[derive(Default)]
struct Untraced(Vec<(String, String)>);

fn fold_reset(
    activity: &mut ResetActivity,
    trace: &mut WritebackTrace,
    untraced: &mut Untraced,
    event: &Event,
    by_admin: bool,
) {
    match (event.succeeded(), by_admin) {
        (true, true) => activity.admin_resets += 1,
        (true, false) => activity.self_service_resets += 1,
        (false, true) => {}
        (false, false) => {
            let reason = event
                .result_reason
                .as_deref()
                .filter(|r| !r.is_empty())
                .unwrap_or("no reason given");
            let reason: String = reason.chars().take(120).collect();
            // The log's reasons are prose; a flood of different ones is cut.
            if activity.self_service_failures.len() < 32 || activity.self_service_failures.contains_key(&reason) {
                *activity.self_service_failures.entry(reason).or_default() += 1;
            }
        }
    }
    if !event.succeeded() {
        return;
    }
    match event.agent() {
        None => {}
        Some(agent) if agent.eq_ignore_ascii_case("none") || agent.is_empty() => {
            if let Some(user) = event.user()
                && let Some(id) = &user.id
            {
                untraced.0.push((
                    id.clone(),
                    user.user_principal_name.clone().unwrap_or_else(|| id.clone()),
                ));
            }
        }
        Some(agent) => {
            let last = trace
                .last_by_agent
                .entry(agent.to_string())
                .or_insert(event.activity_date_time);
            *last = (*last).max(event.activity_date_time);
        }
    }
}

impl Gatherer {
    /// Reads what the log proves of settings, writeback and resets; tells the settings as soon as they are read.
    pub(super) async fn audit(
        &self,
        needs: &BTreeSet<FactId>,
        tell: oneshot::Sender<SettingsHistory>,
        facts: &mut Facts,
    ) {
        let wants = |id| needs.contains(&id);
        let (settings, writeback, resets) = (
            wants(FactId::AuditSettings),
            wants(FactId::AuditWriteback),
            wants(FactId::AuditResets),
        );
        if !(settings || writeback || resets) {
            return;
        }
        let now = Timestamp::now();
        let from = now - (RETENTION_DAYS * 24).hours();
        let (s, w, r) = tokio::join!(
            async {
                if settings {
                    let read = self.settings(from, now).await;
                    if let Ok(history) = &read {
                        // Nobody waits for it where no group is wanted.
                        let _ = tell.send(history.clone());
                    }
                    Some(read)
                } else {
                    None
                }
            },
            async {
                if writeback {
                    Some(self.switches(from, now).await)
                } else {
                    None
                }
            },
            async {
                if resets || writeback {
                    Some(self.resets(from).await)
                } else {
                    None
                }
            },
        );
        let set = |id: FactId, error: &AskError, facts: &mut Facts| facts.refuse(id, self.refusal(id, error));
        match s {
            Some(Ok(history)) => {
                facts.audit_settings = Fact::known(history, crate::snapshot::source(FactId::AuditSettings).path, now)
            }
            Some(Err(error)) => set(FactId::AuditSettings, &error, facts),
            None => {}
        }
        let (activity, agents) = match r {
            Some(Ok((activity, agents))) => (Some(activity), agents),
            Some(Err(error)) => {
                if resets {
                    set(FactId::AuditResets, &error, facts);
                }
                (None, BTreeMap::new())
            }
            None => (None, BTreeMap::new()),
        };
        if resets && let Some(activity) = activity {
            facts.audit_resets = Fact::known(activity, crate::snapshot::source(FactId::AuditResets).path, now);
        }
        match w {
            Some(Ok(mut trace)) => {
                trace.last_by_agent = agents;
                facts.audit_writeback = Fact::known(trace, crate::snapshot::source(FactId::AuditWriteback).path, now);
            }
            Some(Err(error)) => set(FactId::AuditWriteback, &error, facts),
            None => {}
        }
    }

    /// Streams the events of one activity.
    async fn events(&self, activity: &str, from: Timestamp, fold: impl FnMut(&Event) + Send) -> Result<(), AskError> {
        let name = activity.replace('\'', "''");
        let ask = Ask::report(format!(
            "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq '{name}' and activityDateTime ge {}&$top=999",
            from.strftime("%Y-%m-%dT%H:%M:%SZ")
        ));
        let mut events = Events { page: Vec::new(), fold };
        Box::pin(self.graph.rows(&ask, &mut events, |_| true)).await.map(drop)
    }

    /// What this tenant's log calls a change of the reset policy; the published name where the list is not readable.
    async fn settings_activities(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Type {
            #[serde(default)]
            activity: Option<String>,
            #[serde(default)]
            service: Option<String>,
        }
        let types: Result<Vec<Type>, _> = self
            .graph
            .list(&Ask::report("/beta/auditLogs/auditActivityTypes"))
            .await;
        let mut names: Vec<String> = types
            .unwrap_or_default()
            .into_iter()
            .filter(|t| t.service.as_deref() == Some(SERVICE))
            .filter_map(|t| t.activity)
            .filter(|name| {
                let lower = name.to_ascii_lowercase();
                lower.contains("settings") && (lower.contains("sspr") || lower.contains("self-service password reset"))
            })
            .take(4)
            .collect();
        if names.is_empty() {
            names.push(SETTINGS.into());
        }
        names
    }

    async fn settings(&self, from: Timestamp, now: Timestamp) -> Result<SettingsHistory, AskError> {
        let mut history = SettingsHistory {
            from: Some(from),
            watermark: Some(now - LATE_HOURS.hours()),
            ..Default::default()
        };
        let names = self.settings_activities().await;
        let parts = names.iter().map(|name| async move {
            let mut part = SettingsHistory::default();
            self.events(name, from, |event| fold_settings(&mut part, event)).await?;
            Ok::<_, AskError>(part.settings)
        });
        for (name, change) in futures_util::future::try_join_all(parts).await?.into_iter().flatten() {
            keep_newest(&mut history, name, change);
        }
        history.activity = names.join(", ");
        Ok(history)
    }

    async fn switches(&self, from: Timestamp, now: Timestamp) -> Result<WritebackTrace, AskError> {
        let newest = |enabled: bool| async move {
            let mut newest: Option<WritebackSwitch> = None;
            let name = if enabled { ENABLED } else { DISABLED };
            self.events(name, from, |event| {
                if event.succeeded() && newest.as_ref().is_none_or(|known| known.at < event.activity_date_time) {
                    newest = Some(WritebackSwitch {
                        enabled,
                        at: event.activity_date_time,
                        by: event.by(),
                    });
                }
            })
            .await?;
            Ok::<_, AskError>(newest)
        };
        let (on, off) = tokio::try_join!(newest(true), newest(false))?;
        let switched = [on, off].into_iter().flatten().max_by_key(|s| s.at);
        Ok(WritebackTrace {
            switched,
            from: Some(from),
            watermark: Some(now - LATE_HOURS.hours()),
            ..Default::default()
        })
    }

    async fn resets(&self, from: Timestamp) -> Result<(ResetActivity, BTreeMap<String, Timestamp>), AskError> {
        type Part = (ResetActivity, WritebackTrace, Untraced);
        let part = |by_admin: bool| async move {
            let mut part: Part = Default::default();
            let name = if by_admin { ADMIN_RESET } else { SELF_RESET };
            self.events(name, from, |event| {
                fold_reset(&mut part.0, &mut part.1, &mut part.2, event, by_admin)
            })
            .await?;
            Ok::<_, AskError>(part)
        };
        let unlocks = async {
            let mut seen = (0u64, None::<Timestamp>);
            self.events(UNLOCK, from, |event| {
                if event.succeeded() {
                    seen = (seen.0 + 1, seen.1.max(Some(event.activity_date_time)));
                }
            })
            .await?;
            Ok::<_, AskError>(seen)
        };
        let blocked = async {
            let mut seen = 0u64;
            self.events(BLOCKED, from, |_| seen += 1).await?;
            Ok::<_, AskError>(seen)
        };
        let (own, admin, unlocks, blocked) = tokio::try_join!(part(false), part(true), unlocks, blocked)?;
        let (mut activity, mut trace, mut untraced) = own;
        activity.admin_resets = admin.0.admin_resets;
        for (agent, at) in admin.1.last_by_agent {
            let last = trace.last_by_agent.entry(agent).or_insert(at);
            *last = (*last).max(at);
        }
        untraced.0.extend(admin.2.0);
        activity.from = Some(from);
        (activity.unlocks, activity.last_unlock) = unlocks;
        activity.blocked = blocked;
        self.trace(untraced, &mut activity).await;
        Ok((activity, trace.last_by_agent))
    }

    /// Tells the resets that no agent wrote apart: a synced user's never reached the directory, a cloud user's need not.
    async fn trace(&self, untraced: Untraced, activity: &mut ResetActivity) {
        let total = untraced.0.len();
        let traced = &untraced.0[..total.min(MOST_TRACED)];
        activity.unknown_origin = (total - traced.len()) as u64;
        let asks: Vec<Ask> = traced
            .iter()
            .map(|(id, _)| Ask::directory(format!("/v1.0/users/{id}?$select=id,onPremisesSyncEnabled")))
            .collect();
        for ((_, name), answer) in traced.iter().zip(self.graph.batch(&asks).await) {
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

    #[test]
    fn the_events_are_read_as_published() {
        use crate::shapes::assert_published;
        assert_published::<Event>(&[("directoryAudit", "v1.0")], &[]);
        assert_published::<Initiator>(&[("auditActivityInitiator", "v1.0")], &[]);
        assert_published::<Who>(&[("userIdentity", "v1.0"), ("appIdentity", "v1.0")], &[]);
        assert_published::<Target>(&[("targetResource", "v1.0")], &[]);
        assert_published::<Property>(&[("modifiedProperty", "v1.0")], &[]);
        assert_published::<Detail>(&[("keyValue", "v1.0")], &[]);
    }

    #[test]
    fn the_newest_change_of_a_setting_counts_and_quotes_go() {
        let change = |at: &str, value: &str| {
            event(&format!(
                r#"{{"activityDateTime":"{at}","result":"success","initiatedBy":{{"app":null,"user":{{"userPrincipalName":"a@x"}}}},
                "targetResources":[{{"modifiedProperties":[{{"displayName":"EnablementForUsers","oldValue":"\"None\"","newValue":{value}}}]}}]}}"#
            ))
        };
        let mut history = SettingsHistory::default();
        fold_settings(&mut history, &change("2026-11-20T10:00:00Z", r#""\"All\"""#));
        fold_settings(&mut history, &change("2026-11-19T10:00:00Z", r#""Selected""#));
        let setting = &history.settings["EnablementForUsers"];
        assert_eq!(
            (
                setting.value.as_deref(),
                setting.before.as_deref(),
                setting.by.as_deref()
            ),
            (Some("All"), Some("None"), Some("a@x"))
        );
        fold_settings(&mut history, &change("2026-11-21T10:00:00Z", "null"));
        assert_eq!(
            history.settings["EnablementForUsers"].value, None,
            "cleared, so not known"
        );
    }

    #[test]
    fn agents_are_told_whatever_the_case_of_the_key() {
        let reset = |key: &str, value: &str| {
            event(&format!(
                r#"{{"activityDateTime":"2026-11-20T10:00:00Z","result":"success","targetResources":[{{"id":"u1"}}],
                "additionalDetails":[{{"key":"{key}","value":"{value}"}}]}}"#
            ))
        };
        let (mut activity, mut trace, mut untraced) = Default::default();
        fold_reset(
            &mut activity,
            &mut trace,
            &mut untraced,
            &reset("onpremisesagent", "CloudSync"),
            true,
        );
        fold_reset(
            &mut activity,
            &mut trace,
            &mut untraced,
            &reset("OnPremisesAgent", "None"),
            false,
        );
        assert!(trace.last_by_agent.contains_key("CloudSync"));
        assert_eq!(
            (untraced.0.len(), activity.admin_resets, activity.self_service_resets),
            (1, 1, 1)
        );
    }
}
