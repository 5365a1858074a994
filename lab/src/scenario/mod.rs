//! Scenarios: tenants written down as data, one file each, that may extend one another.

mod spec;

use std::path::Path;

use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use serde_json::Value;

use crate::when;

pub(crate) use spec::{AppSpec, AuditSpec, GroupSettingSpec, GroupSpec, OnPremises, PopulationSpec, Scenario};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// Why a scenario could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in name nor a file.
    #[error("no scenario and no file is called {0:?}; built in are: {1}")]
    Unknown(String, String),
    /// The file could not be read.
    #[error("scenario {0:?} cannot be read")]
    Read(String, #[source] std::io::Error),
    /// The file is not JSON, or not what a scenario may hold.
    #[error("scenario {0:?} is not well formed")]
    Parse(String, #[source] serde_json::Error),
    /// A chain of `extends` longer than ten.
    #[error("scenario {0:?} extends itself")]
    Endless(String),
}

/// The built-in scenarios: name, and what each is for.
pub fn list() -> Vec<(String, String)> {
    let about = |name: &String| {
        merged(name, 0)
            .ok()
            .and_then(|value| value["about"].as_str().map(str::to_owned))
    };
    names()
        .into_iter()
        .map(|name| (name.clone(), about(&name).unwrap_or_default()))
        .collect()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = FILES
        .files()
        .filter_map(|file| file.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.sort();
    names
}

/// Loads a built-in scenario or a file, follows `extends`, and makes its times absolute. `instance` keeps the tenants of one lab apart
/// when two of them have the same scenario.
pub(crate) fn load(name: &str, instance: usize, now: Timestamp) -> Result<Scenario, ScenarioError> {
    let mut value = merged(name, 0)?;
    if instance > 1 {
        rename_domains(&mut value, &format!("contoso{instance}."));
    }
    when::resolve(&mut value, now);
    serde_json::from_value(value).map_err(|source| ScenarioError::Parse(name.to_owned(), source))
}

fn merged(name: &str, depth: usize) -> Result<Value, ScenarioError> {
    if depth > 10 {
        return Err(ScenarioError::Endless(name.to_owned()));
    }
    let mut value: Value =
        serde_json::from_str(&text(name)?).map_err(|source| ScenarioError::Parse(name.to_owned(), source))?;
    let parent = value.as_object_mut().and_then(|object| object.remove("extends"));
    match parent.as_ref().and_then(Value::as_str) {
        Some(parent) => {
            let mut base = merged(parent, depth + 1)?;
            merge(&mut base, value);
            Ok(base)
        }
        None => Ok(value),
    }
}

fn text(name: &str) -> Result<String, ScenarioError> {
    if let Some(file) = FILES.get_file(format!("{name}.json")) {
        return Ok(file.contents_utf8().unwrap_or_default().to_owned());
    }
    if Path::new(name).is_file() {
        return std::fs::read_to_string(name).map_err(|source| ScenarioError::Read(name.to_owned(), source));
    }
    Err(ScenarioError::Unknown(name.to_owned(), names().join(", ")))
}

/// JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: Value) {
    match patch {
        Value::Object(members) => {
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            if let Value::Object(object) = target {
                for (name, member) in members {
                    if member.is_null() {
                        object.remove(&name);
                    } else {
                        merge(object.entry(name).or_insert(Value::Null), member);
                    }
                }
            }
        }
        other => *target = other,
    }
}

fn rename_domains(value: &mut Value, to: &str) {
    match value {
        Value::String(text) => *text = text.replace("contoso.", to),
        Value::Array(items) => items.iter_mut().for_each(|item| rename_domains(item, to)),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut member)| {
                    rename_domains(&mut member, to);
                    (name.replace("contoso.", to), member)
                })
                .collect();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads() {
        for name in names() {
            if let Err(error) = load(&name, 1, Timestamp::now()) {
                panic!(
                    "{name}: {error}: {:?}",
                    std::error::Error::source(&error).map(ToString::to_string)
                );
            }
        }
    }

    #[test]
    fn merge_patch_replaces_removes_and_descends() {
        let mut target = serde_json::json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut target, serde_json::json!({"a": {"b": null, "e": 3}, "d": [2]}));
        assert_eq!(target, serde_json::json!({"a": {"c": 2, "e": 3}, "d": [2]}));
    }
}
