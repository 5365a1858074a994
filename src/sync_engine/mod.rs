//! What an Entra Connect server answers, read as it is: a section that is missing or not understood is kept as a gap, and
//! never guessed at.

mod events;

pub use events::folded;

use crate::snapshot::connect::{ConnectServer, Relay, Setting, SyncConnector, SyncPartition, SyncRule};
use serde_json::Value;

/// So much of a value that is not understood is kept.
const KEPT: usize = 200;
/// So many entries of a list are kept; a server has fewer.
const MOST: usize = 2_000;

/// Reads a server's document; the error is the server's own, or says what it is not.
pub fn server(document: &Value) -> Result<ConnectServer, String> {
    if let Some(error) = document["error"].as_str() {
        return Err(match document["computer"].as_str() {
            Some(computer) => format!("{computer}: {error}"),
            None => error.into(),
        });
    }
    let Some(computer) = document["computer"].as_str().filter(|name| !name.trim().is_empty()) else {
        return Err(format!(
            "the answer is not that of a Connect server: {}",
            kept(document)
        ));
    };
    let mut server = ConnectServer {
        computer: computer.into(),
        read_at: document["readAt"].as_str().and_then(|at| at.parse().ok()),
        ..ConnectServer::default()
    };
    let at = server.read_at;
    server.version = server.section(document, "version", |value| text(value).map(Some));
    server.service = server.section(document, "service", |value| text(&value["status"]).map(Some));
    server.connectors = server.section(document, "connectors", |value| each(value, connector));
    server.rules = server.section(document, "rules", |value| each(value, rule));
    server.relays = server.section(document, "relays", |value| each(value, relay));
    server.domain_controller = server.section(document, "domainController", |value| value.as_bool().map(Some));
    server.remote_sam = server.section(document, "restrictRemoteSam", |value| match value {
        Value::Null => Some(None),
        value => text(value).map(Some),
    });
    for name in ["scheduler", "companyFeatures", "globalSettings"] {
        let settings: Vec<Setting> = server.section(document, name, |value| each(value, |item| setting(name, item)));
        server.settings.extend(settings);
    }
    let reset: Vec<Vec<Setting>> = server.section(document, "passwordReset", |value| {
        each(value, |item| {
            each(&item["values"], |item| setting("passwordReset", item))
        })
    });
    server.settings.extend(reset.into_iter().flatten());
    let keys: Vec<Setting> = server.section(document, "tls", |value| {
        each(value, |item| setting(item["path"].as_str()?, item))
    });
    server.settings.extend(keys);
    // Of the connectors, what speaks of signing and encryption.
    let parameters = document["connectors"]["value"].as_array().into_iter().flatten();
    let parameters = parameters.flat_map(|item| item["parameters"].as_array().into_iter().flatten());
    server
        .settings
        .extend(parameters.take(MOST).filter_map(|item| setting("parameters", item)));
    (server.events, server.events_since, server.events_cut) = server.section(document, "events", |value| {
        let since = value["since"].as_str()?.parse().ok();
        let cut = value["cut"].as_bool().unwrap_or_default();
        Some((events::folded(value["items"].as_array()?), since.or(at), cut))
    });
    Ok(server)
}

impl ConnectServer {
    /// One section; where it is not as it should be, why stands among the gaps.
    fn section<T: Default>(&mut self, document: &Value, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> T {
        let section = &document[name];
        let outcome = match (section.get("value"), section["error"].as_str()) {
            (_, Some(error)) => Err(shortened(error)),
            (None, None) => Err("the server said nothing of it".into()),
            (Some(value), None) => read(value).ok_or_else(|| format!("not understood: {}", kept(value))),
        };
        outcome.unwrap_or_else(|why| {
            self.unread.insert(name.into(), why);
            T::default()
        })
    }
}

/// Every item of a list; None where one is not understood.
fn each<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().take(MOST).map(read).collect()
}

/// A text that is not empty.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.into())
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|items| items.iter().take(MOST).filter_map(text).collect())
        .unwrap_or_default()
}

fn connector(item: &Value) -> Option<SyncConnector> {
    let partition = |item: &Value| {
        Some(SyncPartition {
            dn: text(&item["dn"])?,
            selected: item["selected"].as_bool(),
            included: texts(&item["included"]),
            excluded: texts(&item["excluded"]),
        })
    };
    Some(SyncConnector {
        name: text(&item["name"])?,
        kind: text(&item["type"]).unwrap_or_default(),
        account: text(&item["account"]),
        account_domain: text(&item["accountDomain"]),
        partitions: each(&item["partitions"], partition).unwrap_or_default(),
    })
}

fn rule(item: &Value) -> Option<SyncRule> {
    Some(SyncRule {
        name: text(&item["name"])?,
        precedence: item["precedence"].as_i64(),
        disabled: item["disabled"].as_bool().unwrap_or_default(),
        password_sync: item["enablePasswordSync"].as_bool(),
        scoped: item["scopes"].as_array().is_some_and(|scopes| !scopes.is_empty()),
    })
}

fn relay(item: &Value) -> Option<Relay> {
    Some(Relay {
        host: text(&item["host"])?,
        connected: item["connected"].as_bool()?,
        error: text(&item["error"]).map(|error| shortened(&error)),
    })
}

fn setting(of: &str, item: &Value) -> Option<Setting> {
    let value = match &item["value"] {
        // What holds more is not a setting that anybody reads here.
        whole @ (Value::Array(_) | Value::Object(_)) => kept(whole).into(),
        Value::String(text) => shortened(text).into(),
        plain => plain.clone(),
    };
    Some(Setting {
        of: of.into(),
        name: text(&item["name"])?,
        value,
    })
}

fn kept(value: &Value) -> String {
    shortened(&value.to_string())
}

fn shortened(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests;
