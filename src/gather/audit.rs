//! What the directory audit log proves. Activities are asked for one by one: the log's filter has no `or`.

mod activity;
mod event;
mod resets;

use super::{Gap, Gatherer};
use crate::json;
use crate::snapshot::attestation::LATE;
use crate::snapshot::audit::{ResetActivity, SettingChange, SettingsHistory, UNNAMED, WritebackSwitch, WritebackTrace};
use crate::snapshot::graph::{P1, P2, SubscribedSku};
use crate::snapshot::{Fact, FactId, Facts, source};
use crate::tenant::graph::Ask;
use activity::{Activity, Names};
use event::{Event, Events, Property};
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How far back the log reaches with P1 or P2.
const KEPT_DAYS: i64 = 30;
/// How far without.
const KEPT_DAYS_FREE: i64 = 7;

/// How far the events of one activity were read.
#[derive(Default)]
struct Reach {
    read: u64,
    gap: Option<Gap>,
}

/// The log, as all who read of it in a run share it.
pub(super) struct Log {
    /// When the run asked.
    pub at: Timestamp,
    /// What it calls its activities; read once.
    names: OnceCell<Names>,
    /// The oldest event that was seen.
    oldest: Mutex<Option<Timestamp>>,
}

impl Log {
    pub fn new(at: Timestamp) -> Self {
        Log {
            at,
            names: OnceCell::new(),
            oldest: Mutex::default(),
        }
    }

    /// How far back it is asked.
    pub fn from(&self) -> Timestamp {
        self.at - (KEPT_DAYS * 24).hours()
    }

    /// Notes an event's time.
    fn saw(&self, at: Timestamp) {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        *oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

/// The log quotes its values as JSON text.
fn unquoted(text: &str) -> String {
    json::read::<String>(text).unwrap_or_else(|_| text.trim().trim_matches('"').to_string())
}

fn fold_settings(history: &mut SettingsHistory, event: &Event) {
    if let Some(id) = &event.id {
        history.events.insert(id.clone(), event.activity_date_time);
    }
    if event.result.as_deref() == Some("failure") {
        return;
    }
    // Where its outcome is not told, the setting may have changed, or not.
    let told = event.succeeded();
    let change = |property: Option<&Property>| SettingChange {
        // A cleared setting has no new value: what it was before counts no longer.
        value: property
            .and_then(|p| p.new_value.as_deref())
            .filter(|_| told)
            .map(unquoted),
        before: property.and_then(|p| p.old_value.as_deref()).map(unquoted),
        at: event.activity_date_time,
        by: event.by(),
    };
    let targets = event.target_resources.iter().flatten();
    let mut named = false;
    for property in targets.flat_map(|t| t.modified_properties.iter().flatten()) {
        if let Some(name) = property.display_name.as_ref().filter(|name| !name.trim().is_empty()) {
            history.note(name.clone(), change(Some(property)));
            named = true;
        }
    }
    if !named {
        history.note(UNNAMED.into(), change(None));
    }
}

/// Since when the log is whole: as the licence says, or as what it holds shows; at the least a week.
fn kept_since(now: Timestamp, oldest: Option<Timestamp>, skus: Option<&Vec<SubscribedSku>>) -> Timestamp {
    let plan = |id: &str| id.eq_ignore_ascii_case(P1) || id.eq_ignore_ascii_case(P2);
    let premium = skus.into_iter().flatten().any(|sku| {
        matches!(sku.capability_status.as_deref(), Some("Enabled" | "Warning"))
            && sku
                .service_plans
                .iter()
                .any(|p| p.service_plan_id.as_deref().is_some_and(plan))
    });
    let free = now - (KEPT_DAYS_FREE * 24).hours();
    if premium || oldest.is_some_and(|oldest| oldest < free) {
        now - (KEPT_DAYS * 24).hours()
    } else {
        free
    }
}

/// How many report requests these facts take at the least.
pub(super) fn requests(needs: &BTreeSet<FactId>) -> u64 {
    let of = |id, requests| if needs.contains(&id) { requests } else { 0 };
    let activities = of(FactId::AuditSettings, 1) + of(FactId::AuditWriteback, 2) + of(FactId::AuditResets, 4);
    activities + u64::from(activities > 0)
}

impl Gatherer {
    /// Reads what the log proves of the reset policy's settings.
    pub(super) async fn audit_settings(&self, needs: &BTreeSet<FactId>) -> Fact<SettingsHistory> {
        if !needs.contains(&FactId::AuditSettings) {
            return Fact::NotAsked;
        }
        let (history, reach) = self.settings().await;
        self.logged(FactId::AuditSettings, history, reach)
    }

    /// Reads what the log proves of writeback and resets.
    pub(super) async fn audit(&self, needs: &BTreeSet<FactId>) -> (Fact<WritebackTrace>, Fact<ResetActivity>) {
        let switches = async {
            if !needs.contains(&FactId::AuditWriteback) {
                return Fact::NotAsked;
            }
            let (trace, reach) = self.switches().await;
            self.logged(FactId::AuditWriteback, trace, reach)
        };
        let resets = async {
            if !needs.contains(&FactId::AuditResets) {
                return Fact::NotAsked;
            }
            let (activity, reach) = self.resets().await;
            self.logged(FactId::AuditResets, activity, reach)
        };
        tokio::join!(switches, resets)
    }

    /// Notes in the facts how far the log reaches. That follows from the licence, which is read at the same time.
    pub(super) fn date_audit(&self, facts: &mut Facts) {
        let oldest = *self.log.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        // By the service's clock, which the events are dated by; what it was asked for is by this machine's.
        let now = self.log.at + self.graph.ahead().seconds();
        let from = Some(kept_since(now, oldest, facts.subscribed_skus.value()).max(self.log.from()));
        let watermark = Some(now - LATE);
        if let Some(history) = facts.audit_settings.value_mut() {
            (history.from, history.watermark) = (from, watermark);
            // Events go oldest first, and none within a week. A licence that was gone for a while took more along.
            let week = now - (KEPT_DAYS_FREE * 24).hours();
            history.shown = Some(oldest.map_or(week, |oldest| oldest.min(week)));
        }
        if let Some(trace) = facts.audit_writeback.value_mut() {
            (trace.from, trace.watermark) = (from, watermark);
        }
        if let Some(activity) = facts.audit_resets.value_mut() {
            activity.from = from;
        }
    }

    async fn names(&self) -> &Names {
        self.log.names.get_or_init(|| self.activity_names()).await
    }

    /// A fact whose activities were read so far.
    fn logged<T>(&self, id: FactId, value: T, reach: Vec<Reach>) -> Fact<T> {
        let (source, at) = (source(id).path, self.log.at);
        let read = reach.iter().map(|r| r.read).sum();
        let nothing = read == 0 && reach.iter().all(|r| r.gap.is_some());
        match reach.into_iter().find_map(|r| r.gap) {
            None => Fact::known(value, source, at),
            Some(gap) => {
                let refusal = self.gap(id, &gap);
                if nothing {
                    return Fact::Unreadable { refusal };
                }
                Fact::Partial {
                    value,
                    source: source.into(),
                    as_of: at,
                    read,
                    of: None,
                    reason: refusal.message,
                }
            }
        }
    }

    /// Streams the events of one activity: under its published name while the log's own names are read, then under those.
    async fn events(&self, activity: &Activity, mut fold: impl FnMut(&Event) + Send) -> Reach {
        let mut reach = Reach::default();
        let (names, ()) = tokio::join!(self.names(), self.named(activity.published, &mut reach, &mut fold));
        for name in names.others(activity) {
            self.named(&name, &mut reach, &mut fold).await;
        }
        reach
    }

    /// Streams the events of one name.
    async fn named(&self, name: &str, reach: &mut Reach, fold: &mut (impl FnMut(&Event) + Send)) {
        let name = name.replace('\'', "''");
        let ask = Ask::report(format!(
            "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq '{name}' and activityDateTime ge {}&$top=999",
            self.log.from().strftime("%Y-%m-%dT%H:%M:%SZ")
        ));
        let mut events = Events(|event: &Event| {
            reach.read += 1;
            self.log.saw(event.activity_date_time);
            fold(event);
        });
        match Box::pin(self.graph.rows(&ask, &mut events, |_| self.in_time())).await {
            Ok(true) => {}
            Ok(false) => reach.gap = Some(Gap::Time),
            Err(error) => reach.gap = Some(Gap::Refused(error)),
        }
    }

    async fn settings(&self) -> (SettingsHistory, Vec<Reach>) {
        let mut history = SettingsHistory::default();
        let reach = self
            .events(&activity::SETTINGS, |event| fold_settings(&mut history, event))
            .await;
        let mut names = self.names().await.others(&activity::SETTINGS);
        names.insert(0, activity::SETTINGS.published.into());
        history.activity = names.join(", ");
        (history, vec![reach])
    }

    async fn switches(&self) -> (WritebackTrace, Vec<Reach>) {
        let newest = |enabled: bool| async move {
            let mut newest: Option<WritebackSwitch> = None;
            let activity = if enabled {
                &activity::ENABLED
            } else {
                &activity::DISABLED
            };
            let reach = self
                .events(activity, |event| {
                    if event.succeeded() && newest.as_ref().is_none_or(|known| known.at < event.activity_date_time) {
                        newest = Some(WritebackSwitch {
                            enabled,
                            at: event.activity_date_time,
                            by: event.by(),
                        });
                    }
                })
                .await;
            (newest, reach)
        };
        let ((on, seen), (off, also)) = tokio::join!(newest(true), newest(false));
        let trace = WritebackTrace {
            switched: [on, off].into_iter().flatten().max_by_key(|s| s.at),
            ..Default::default()
        };
        (trace, vec![seen, also])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        serde_json::from_str(text).unwrap()
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
    fn the_log_reaches_as_far_as_the_licence_or_its_oldest_event_shows() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-23T09:00:00Z");
        let (week, month) = (at("2026-11-16T09:00:00Z"), at("2026-10-24T09:00:00Z"));
        let sku = |status: &str| {
            let sku = serde_json::json!({"capabilityStatus": status, "servicePlans": [{"servicePlanId": P1}]});
            vec![serde_json::from_value::<SubscribedSku>(sku).unwrap()]
        };
        assert_eq!(kept_since(now, None, Some(&sku("Enabled"))), month);
        assert_eq!(kept_since(now, None, Some(&sku("Suspended"))), week);
        assert_eq!(kept_since(now, None, None), week);
        assert_eq!(kept_since(now, Some(at("2026-11-20T00:00:00Z")), None), week);
        assert_eq!(kept_since(now, Some(at("2026-11-01T00:00:00Z")), None), month);
    }
}
