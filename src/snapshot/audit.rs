//! What the directory audit log proves: settings by their newest change, writeback by its switch and its traces.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The newest value of every setting that `Update SSPR Settings` events name, by the setting's name as logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SettingsHistory {
    /// The setting's newest change.
    pub settings: BTreeMap<String, SettingChange>,
    /// The oldest moment that the read reached.
    pub from: Option<Timestamp>,
    /// The log shows by what it holds that it holds all since then, whatever the licence says of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Timestamp>,
    /// Events after this moment may still be on their way.
    pub watermark: Option<Timestamp>,
    /// The activity's name as this tenant's log has it.
    pub activity: String,
    /// When each event happened, by its id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, Timestamp>,
}

/// The name under which a change stands whose event names no setting: it may be of any.
pub const UNNAMED: &str = "";

impl SettingsHistory {
    /// Notes a change of a setting. Of two at the same moment nobody knows which was the last.
    pub fn note(&mut self, name: String, change: SettingChange) {
        newest(&mut self.settings, name, change);
    }

    /// The newest change of a setting whose name fits.
    pub fn newest(&self, mut fits: impl FnMut(&str) -> bool) -> Option<(&str, &SettingChange)> {
        let fitting = self.settings.iter().filter(|(name, _)| fits(name));
        fitting
            .max_by_key(|(_, change)| change.at)
            .map(|(name, change)| (name.as_str(), change))
    }
}

/// Keeps the newest change of a setting, whatever order they come in.
pub(super) fn newest(changes: &mut BTreeMap<String, SettingChange>, name: String, change: SettingChange) {
    match changes.get_mut(&name) {
        Some(known) if known.at > change.at => {}
        Some(known) if known.at == change.at => {
            if known.value != change.value {
                known.value = None;
            }
        }
        _ => drop(changes.insert(name, change)),
    }
}

/// The newest change of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingChange {
    /// The value since then, without the log's quotes; none where the log does not say it, as of a setting that was
    /// cleared.
    #[serde(default)]
    pub value: Option<String>,
    /// The value before.
    #[serde(default)]
    pub before: Option<String>,
    /// When it was changed.
    pub at: Timestamp,
    /// By whom.
    #[serde(default)]
    pub by: Option<String>,
}

/// The switch of password writeback.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WritebackTrace {
    /// The newest enable or disable event.
    pub switched: Option<WritebackSwitch>,
    /// The oldest moment that the read reached.
    pub from: Option<Timestamp>,
    /// Events after this moment may still be on their way.
    pub watermark: Option<Timestamp>,
}

/// An enable or disable event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WritebackSwitch {
    /// On or off since then.
    pub enabled: bool,
    /// When.
    pub at: Timestamp,
    /// By whom.
    #[serde(default)]
    pub by: Option<String>,
}

/// Resets, unlocks and blocks in the log's window, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetActivity {
    /// The oldest moment that the read reached.
    pub from: Option<Timestamp>,
    /// Completed self-service resets.
    pub self_service_resets: u64,
    /// Failed ones, by the log's own reason.
    pub self_service_failures: BTreeMap<String, u64>,
    /// Resets by an administrator or the helpdesk.
    pub admin_resets: u64,
    /// Completed self-service unlocks.
    pub unlocks: u64,
    /// The newest unlock.
    pub last_unlock: Option<Timestamp>,
    /// People blocked for a day after too many tries.
    pub blocked: u64,
    /// When each agent (`Microsoft Entra Connect`, `CloudSync`) last wrote a reset, by its name as logged.
    pub last_by_agent: BTreeMap<String, Timestamp>,
    /// Resets whose `OnPremisesAgent` is `None`, of users who are synced: they never reached the directory.
    pub lost_resets: u64,
    /// Of whom, a bounded sample (user principal names).
    pub lost_sample: Vec<String>,
    /// How many `OnPremisesAgent` None resets could not be told apart (the user's origin was not readable).
    pub unknown_origin: u64,
}

/// Which agent wrote a reset on premises, as its record in Graph's form says it. The spelling of the key was not verified, so
/// case is not looked at.
pub fn agent(event: &Value) -> Option<&str> {
    let details = event["additionalDetails"].as_array()?;
    let is = |detail: &&Value| {
        detail["key"]
            .as_str()
            .is_some_and(|key| key.eq_ignore_ascii_case("OnPremisesAgent"))
    };
    let value = details.iter().find(is)?["value"].as_str()?;
    Some(value.trim_matches('"').trim())
}
