//! What a person read of the portal's settings, and how far the audit log carries that on: no interface tells an app how they
//! stand, but every change that the log names since then does.

use super::audit::{SettingChange, SettingsHistory, newest};
use super::portal::{OnPremisesResetPolicy, PasswordResetPolicy, group_ids, names_groups};
use super::{Fact, Snapshot};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events come late: what is newer than this may still be on its way.
pub const LATE: SignedDuration = SignedDuration::from_hours(1);

/// How far two clocks of the service may be apart, and how long an answer may take.
pub const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// By how much what is read of the log must reach back behind what was read before.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// How many events are kept to find them again.
const MOST_EVENTS: usize = 1000;

/// What a person read of the portal's settings, carried on by the audit log. Times are the service's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attestation {
    /// The tenant's id.
    pub tenant_id: String,
    /// Who read the portal's settings.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The reset policy as it was read.
    pub reset_policy: PasswordResetPolicy,
    /// The on-premises integration as it was read.
    pub on_premises: OnPremisesResetPolicy,
    /// The log is known without a gap since then.
    pub since: Timestamp,
    /// Until then: later events may still be on their way.
    pub watermark: Timestamp,
    /// The names under which the log was asked for changes.
    pub activity: String,
    /// The newest change that was ever seen of each setting, by its name as logged.
    pub changes: BTreeMap<String, SettingChange>,
    /// When each event happened that the log should still hold, by its id.
    pub events: BTreeMap<String, Timestamp>,
    /// True where a key vouches for it; else it can be trusted as far as the access rights of its file are.
    pub keyed: bool,
    /// True where its file has the rights that its folder gives: a person and a job share it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// What the log says and how far that goes; none where it was not read whole.
struct Log<'a> {
    history: &'a SettingsHistory,
    now: Timestamp,
    /// How far the service's clock is ahead of this machine's.
    ahead: SignedDuration,
    /// It holds all since then.
    from: Timestamp,
}

fn whole(fact: &Fact<SettingsHistory>) -> Option<Log<'_>> {
    let history = fact.whole()?;
    let now = history.watermark? + LATE;
    Some(Log {
        history,
        now,
        ahead: now.duration_since(fact.as_of()?),
        from: history.shown?,
    })
}

impl Attestation {
    /// What a snapshot attests: a person's, with the portal's settings and the whole log. An earlier attestation adds which
    /// changes the log once named.
    pub fn of(snapshot: &Snapshot, earlier: Option<Attestation>) -> Result<Attestation, &'static str> {
        let (facts, who) = (&snapshot.facts, &snapshot.signed_in);
        let (Some(policy), Some(read)) = (facts.portal_reset_policy.whole(), facts.portal_reset_policy.as_of()) else {
            return Err("it holds no settings of the portal");
        };
        if !who.delegated || !who.portal_api {
            return Err("its settings were not read by a person");
        }
        let log = whole(&facts.audit_settings).ok_or("it does not hold the whole audit log")?;
        let on_premises = facts.portal_on_premises.whole();
        let at = match on_premises.and(facts.portal_on_premises.as_of()) {
            Some(other) => read.min(other),
            None => read,
        };
        let mut made = Attestation {
            tenant_id: who.tenant_id.clone(),
            by: who.account.clone().unwrap_or_default(),
            at: at + log.ahead,
            reset_policy: policy.clone(),
            on_premises: on_premises.cloned().unwrap_or_default(),
            since: log.from,
            ..Attestation::default()
        };
        if let Some(earlier) = earlier {
            made.changes = earlier.changes;
        }
        made.take(&log);
        Ok(made)
    }

    /// The same, carried on to now by what this run read of the log; or why that cannot be told.
    pub fn carried(&self, log: &Fact<SettingsHistory>) -> Result<Attestation, &'static str> {
        let log = whole(log).ok_or("the audit log was not read whole in this run")?;
        let asked: Vec<&str> = log.history.activity.split(", ").collect();
        if !self.activity.split(", ").all(|name| asked.contains(&name)) {
            return Err("this run could not read under which names the log writes changes of the policy");
        }
        if log.now < self.watermark {
            return Err("by this run's clock it is earlier than when it was last carried on");
        }
        let mut made = self.clone();
        if log.from + OVERLAP > self.watermark {
            made.since = made.since.max(log.from);
        }
        // What the log held must be there still, or it does not hold all.
        let lost = |(id, at): (&String, &Timestamp)| *at > log.from + OVERLAP && !log.history.events.contains_key(id);
        if self.events.iter().any(lost) {
            made.since = log.now;
        }
        made.take(&log);
        Ok(made)
    }

    fn take(&mut self, log: &Log<'_>) {
        for (name, change) in &log.history.settings {
            newest(&mut self.changes, name.clone(), change.clone());
        }
        self.events.extend(log.history.events.clone());
        self.events.retain(|_, at| *at > log.from);
        while self.events.len() > MOST_EVENTS {
            let oldest = self.events.iter().min_by_key(|(_, at)| **at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            self.events.remove(&oldest);
        }
        self.watermark = self.watermark.max(log.now - LATE);
        self.activity = log.history.activity.clone();
    }

    /// Whose word it is and how far it goes, in a sentence; or why it does not count in a run.
    pub fn told(&self, reason: Option<&str>) -> String {
        let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%MZ").to_string();
        let trust = match self.keyed {
            true => "a key vouches for it",
            false => "it is trusted as far as the access rights of its file are",
        };
        let how_far = match reason {
            Some(reason) => format!("not carried on by this run: {reason}"),
            None => format!(
                "with the audit log from {} to {}",
                time(self.since),
                time(self.watermark)
            ),
        };
        format!("Attested by {} on {}, {how_far}; {trust}.", self.by, time(self.at))
    }

    /// The groups that reset may be for by its word, whose members are to be read.
    pub fn reset_groups(&self) -> Vec<String> {
        let read = self.reset_policy.password_reset_enabled_group_ids.iter();
        let changes = self.changes.iter().filter(|(name, _)| names_groups(name));
        let changed = changes.filter_map(|(_, change)| change.value.as_ref());
        read.chain(changed).flat_map(|text| group_ids(text)).collect()
    }

    /// Whether it goes farther than another: a person read later, or the log was read later.
    pub fn beyond(&self, other: &Attestation) -> bool {
        (self.at, self.watermark) > (other.at, other.watermark)
    }
}
