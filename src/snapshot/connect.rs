//! What an Entra Connect server said of itself: its synchronisation engine's cmdlets, its registry and its event log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An Entra Connect server. What it did not say is None or empty, with the reason in `unread`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectServer {
    /// Its name, as it gives it.
    pub computer: String,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// The version of Entra Connect.
    pub version: Option<String>,
    /// What the service ADSync does: `Running`, `Stopped` ...
    pub service: Option<String>,
    /// The directories that it synchronises from, and Microsoft Entra.
    pub connectors: Vec<SyncConnector>,
    /// Names and values as the cmdlets and the registry gave them.
    pub settings: Vec<Setting>,
    /// The rules by which enabled users and password hashes come in.
    pub rules: Vec<SyncRule>,
    /// RestrictRemoteSam in the registry, as an access list.
    pub remote_sam: Option<String>,
    /// Whether it is a domain controller too.
    pub domain_controller: Option<bool>,
    /// What it reached of Microsoft's relays.
    pub relays: Vec<Relay>,
    /// Its events, like ones counted together, the newest first.
    pub events: Vec<SyncEvent>,
    /// Whether there were more events than are read; heartbeats do not count.
    pub events_cut: bool,
    /// From when on there are events.
    pub events_since: Option<Timestamp>,
    /// What could not be read: the section, and why.
    pub unread: BTreeMap<String, String>,
}

/// A connector of the synchronisation engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncConnector {
    /// Its name.
    pub name: String,
    /// `AD`, or what Microsoft Entra's is.
    pub kind: String,
    /// The account that it works as.
    pub account: Option<String>,
    /// That account's domain.
    pub account_domain: Option<String>,
    /// The domains that it knows.
    pub partitions: Vec<SyncPartition>,
}

/// A domain of a connector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPartition {
    /// Its distinguished name.
    pub dn: String,
    /// Whether it is synchronised; None where that is not shown.
    pub selected: Option<bool>,
    /// The containers that are synchronised, with what is below them.
    pub included: Vec<String>,
    /// Those that are left out.
    pub excluded: Vec<String>,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Setting {
    /// Whose: `passwordReset`, `scheduler`, `companyFeatures`, `globalSettings`, `parameters` or a key of the registry.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Its value; null where it is not set.
    pub value: Value,
}

/// A synchronisation rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncRule {
    /// Its name.
    pub name: String,
    /// The lower wins.
    pub precedence: Option<i64>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether it takes password hashes along.
    pub password_sync: Option<bool>,
    /// Whether it is for some users only.
    pub scoped: bool,
}

/// A relay that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Relay {
    /// Its name.
    pub host: String,
    /// Whether it could be reached.
    pub connected: bool,
    /// Why not.
    pub error: Option<String>,
}

/// Events that say the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncEvent {
    /// `PasswordResetService` or `ADSync`.
    pub provider: String,
    /// Its number.
    pub id: u32,
    /// What of its text tells the cause.
    pub line: String,
    /// How often.
    pub count: u64,
    /// When first.
    pub first: Option<Timestamp>,
    /// When last.
    pub last: Option<Timestamp>,
}

impl SyncConnector {
    /// Whether it is one of Active Directory, and not Microsoft Entra's own.
    pub fn is_of_a_directory(&self) -> bool {
        self.kind.eq_ignore_ascii_case("AD") || self.kind.is_empty() && !self.name.ends_with("- AAD")
    }
}

impl ConnectServer {
    /// The accounts by which it works in directories: domain and name.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let directories = self.connectors.iter().filter(|connector| connector.is_of_a_directory());
        directories.filter_map(|connector| {
            let domain = connector.account_domain.as_deref().unwrap_or_default();
            Some((domain, connector.account.as_deref()?))
        })
    }

    /// A setting's value by its owner and name, whatever their case.
    pub fn setting(&self, of: &str, name: &str) -> Option<&Value> {
        let found = self
            .settings
            .iter()
            .find(|setting| setting.of.eq_ignore_ascii_case(of) && setting.name.eq_ignore_ascii_case(name))?;
        Some(&found.value)
    }

    /// A setting that is on or off; None where it is not there, or says something else.
    pub fn switch(&self, of: &str, name: &str) -> Option<bool> {
        match self.setting(of, name)? {
            Value::Bool(on) => Some(*on),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Whether it is in staging mode: it reads and computes, and writes nothing. None where it does not say.
    pub fn is_staging(&self) -> Option<bool> {
        self.switch("scheduler", "StagingModeEnabled")
            .or_else(|| self.switch("globalSettings", "Microsoft.Synchronize.StagingMode"))
    }
}
