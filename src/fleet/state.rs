//! A fleet's state: a line of JSON for each target that has ended, on the disk before the run goes on. There is no secret in it.

use crate::error::{Error, Result};
use crate::file::{self, Lines};
use crate::json;
use crate::lock::Lock;
use crate::status::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a run notes what has ended; nowhere, when nobody asked for it.
#[derive(Debug)]
pub(super) struct State(Option<(Lines, Lock)>);

/// Those that are done, by their keys in small letters.
type Before = BTreeMap<String, Value>;

/// Two runs with one state would both do what neither has done yet. The file itself stays free to be read and copied.
fn lock(path: &Path) -> Result<Lock> {
    let name = path.display().to_string();
    // What tells paths apart is mostly their end.
    let skipped = name.chars().count().saturating_sub(150);
    let end: String = name.chars().skip(skipped).collect();
    Lock::take(&format!("fleet-{end}"), &format!("another run goes on with {name}"))
}

/// The first line of a file.
fn head(steps: &[&str]) -> Value {
    json!({"fleet": 1, "steps": steps})
}

/// How much of a file's bytes is whole lines, and what is done in it.
fn read<'b>(path: &Path, bytes: &'b [u8], head: &Value) -> Result<(&'b [u8], Before)> {
    let whole = Lines::whole(bytes);
    let mut lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let first: Value = lines.next().and_then(|line| json::read(line).ok()).unwrap_or_default();
    let name = path.display().to_string();
    let refused = |what: &str, help: &str| {
        Err(Error::new(Status::ArgumentInvalid, format!("{name} {what}"))
            .target(name.clone())
            .help(help))
    };
    let begun = match whole.is_empty() {
        true => head.to_string().as_bytes().starts_with(bytes),
        false => first["fleet"] == 1,
    };
    if !begun {
        return refused("is no fleet's state file", "Name the file that the run was begun with.");
    }
    if !whole.is_empty() && first["steps"] != head["steps"] {
        let help = "Choose the same steps, or begin a new run.";
        return refused("is of a run over other steps", help);
    }
    let mut before = Before::new();
    for line in lines {
        // What cannot be read is not done.
        let told: Value = json::read(line).unwrap_or_default();
        let Some(key) = told["key"].as_str().map(str::to_lowercase) else {
            continue;
        };
        if told["status"] == "Done" {
            before.insert(key, told);
        } else {
            before.remove(&key);
        }
    }
    Ok((whole, before))
}

impl State {
    /// Begins a file, or goes on with one. A line that a crash cut off counts for nothing: its target is done again.
    pub(super) fn open(path: Option<PathBuf>, resume: bool, shared: bool, steps: &[&str]) -> Result<(Self, Before)> {
        let Some(path) = path else {
            return Ok((State(None), Before::new()));
        };
        let head = head(steps);
        let path = std::path::absolute(&path).unwrap_or(path);
        let held = lock(&path)?;
        if !resume {
            let lines = Lines::begin(&path, shared, &head.to_string()).map_err(|e| match path.exists() {
                true => e.help("Resume it, or name another file."),
                false => e,
            })?;
            return Ok((State(Some((lines, held))), Before::new()));
        }
        let bytes = file::read(&path)?;
        let (whole, before) = read(&path, &bytes, &head)?;
        let mut state = State(Some((Lines::go_on(&path, whole.len() as u64)?, held)));
        if whole.is_empty() {
            state.append(&head)?;
        }
        Ok((state, before))
    }

    /// What is done in the state files of other runs, over parts of the same list for example.
    pub(super) fn others(paths: &[PathBuf], steps: &[&str]) -> Result<Before> {
        let head = head(steps);
        let mut all = Before::new();
        for path in paths {
            all.append(&mut read(path, &file::read(path)?, &head)?.1);
        }
        Ok(all)
    }

    /// Notes what a target came to.
    pub(super) fn append(&mut self, told: &Value) -> Result<()> {
        match &mut self.0 {
            Some((lines, _)) => lines.append(&told.to_string()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(path: &Path, steps: &[&str]) -> Result<Vec<String>> {
        State::open(Some(path.into()), true, false, steps).map(|(_, before)| before.into_keys().collect())
    }

    #[test]
    fn what_is_done_is_known_again_and_what_failed_or_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.state");
        let (mut state, before) = State::open(Some(path.clone()), false, false, &["license"]).unwrap();
        assert!(before.is_empty());
        for (key, status) in [
            ("A", "Done"),
            ("b", "Failed"),
            ("c", "Failed"),
            ("c", "Done"),
            ("d", "Done"),
        ] {
            state.append(&json!({"key": key, "status": status})).unwrap();
        }
        let busy = reopened(&path, &["license"]).unwrap_err();
        assert!(busy.message.contains("another run"), "{}", busy.message);
        drop(state);
        assert_eq!(reopened(&path, &["license"]).unwrap(), ["a", "c", "d"]);
        let text = std::fs::read_to_string(&path).unwrap();
        for cut in 1..20 {
            std::fs::write(&path, &text[..text.len() - cut]).unwrap();
            assert_eq!(reopened(&path, &["license"]).unwrap(), ["a", "c"], "cut by {cut}");
        }
        // What is appended after the cut begins a line of its own.
        let (mut state, _) = State::open(Some(path.clone()), true, false, &["license"]).unwrap();
        state.append(&json!({"key": "e", "status": "Done"})).unwrap();
        drop(state);
        assert_eq!(reopened(&path, &["license"]).unwrap(), ["a", "c", "e"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_state_of_other_steps_or_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.state");
        drop(State::open(Some(path.clone()), false, false, &["license"]).unwrap());
        assert!(
            reopened(&path, &["hybrid"])
                .unwrap_err()
                .message
                .contains("other steps")
        );
        let there = State::open(Some(path.clone()), false, false, &["license"]).unwrap_err();
        assert_eq!(there.help.as_deref(), Some("Resume it, or name another file."));
        for text in ["some text\nof a person\n", "a line without an end"] {
            std::fs::write(&path, text).unwrap();
            let refused = reopened(&path, &["license"]).unwrap_err();
            assert!(refused.message.contains("no fleet's"), "{}", refused.message);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, r#"{"fleet":1,"st"#).unwrap();
        assert!(reopened(&path, &["license"]).unwrap().is_empty());
        assert_eq!(
            reopened(&folder.path().join("none"), &[]).unwrap_err().status,
            Status::FileRead
        );
    }
}
