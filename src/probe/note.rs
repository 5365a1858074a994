//! The note: what a probe is about to make, on the disk before it makes it, so that the next one removes what a probe left
//! that was cut off. It holds names, and no secret.

use crate::directory::containers::parent;
use crate::directory::ldap::{Connection, Depth, DirectoryError, escape};
use crate::error::Result;
use crate::{file, json, lock};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What an object of ours says of itself. No other is removed.
pub const MARK: &str = "Made by EntraSspr to probe password writeback. It can be removed.";
/// How a name of ours begins.
pub const PREFIX: &str = "sspr-";
/// Of all these one name has 20 characters at the most, as `sAMAccountName` has.
const LONGEST: usize = 20;
/// After so long, every controller of a domain has what one was given.
const REPLICATED: SignedDuration = SignedDuration::from_hours(24);

/// One run's note.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
    at: Timestamp,
    controller: String,
    /// The names of what is made.
    pub names: Vec<String>,
    /// The user that was named.
    pub user: Option<String>,
}

impl Note {
    /// Writes one.
    pub fn begin(domain: &str, run: &str, controller: &str, names: &[String], user: Option<&str>) -> Result<Note> {
        let path = lock::folder().join(format!("probe-{domain}-{run}.json"));
        let at = Timestamp::now();
        let text = json!({"schemaVersion": 1, "at": at, "domain": domain, "controller": controller, "names": names, "user": user});
        file::write_private(&path, text.to_string().as_bytes(), false)?;
        Ok(Note {
            path,
            at,
            controller: controller.into(),
            names: names.to_vec(),
            user: user.map(str::to_string),
        })
    }

    /// Those of earlier runs of a domain.
    pub fn earlier(domain: &str) -> Vec<Note> {
        let begin = format!("probe-{domain}-");
        let files = std::fs::read_dir(lock::folder()).into_iter().flatten().flatten();
        let own = files.filter(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let run = name.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(".json"));
            run.is_some_and(|run| run.bytes().all(|byte| byte.is_ascii_hexdigit()))
        });
        own.filter_map(|file| Note::read(file.path())).collect()
    }

    fn read(path: PathBuf) -> Option<Note> {
        let bytes = file::read(&path).ok()?;
        let document: Value = json::read(std::str::from_utf8(&bytes).ok()?).ok()?;
        let names = document["names"].as_array()?.iter().filter_map(Value::as_str);
        Some(Note {
            at: document["at"].as_str()?.parse().ok()?,
            controller: document["controller"].as_str()?.into(),
            names: names.filter(|name| is_ours(name)).map(str::to_string).collect(),
            user: document["user"].as_str().map(str::to_string),
            path,
        })
    }

    /// Removes what it names, and with the last of that the note. Says what was removed, and what is left.
    pub async fn clean(self, connection: &mut Connection, root: &str) -> Cleaned {
        let mut cleaned = Cleaned::default();
        match remove(connection, root, &self.names, &mut cleaned).await {
            Err(error) => cleaned
                .left
                .extend(self.names.iter().map(|name| format!("{name}: {error}"))),
            // Another controller may not know of it yet.
            Ok(()) if self.controller != connection.host() && Timestamp::now().duration_since(self.at) < REPLICATED => {
                if !self.names.is_empty() {
                    cleaned.unsure = Some(self.controller.clone());
                }
            }
            Ok(()) => {}
        }
        if cleaned.left.is_empty() && cleaned.unsure.is_none() {
            // One that cannot be removed is read again, and names nothing that is there.
            let _ = std::fs::remove_file(&self.path);
        }
        cleaned
    }
}

/// What cleaning came to.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The distinguished names of what was removed.
    pub removed: Vec<String>,
    /// What was not, and why.
    pub left: Vec<String>,
    /// The controller that may have more.
    pub unsure: Option<String>,
}

fn is_ours(name: &str) -> bool {
    let plain = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    name.len() <= LONGEST && name.strip_prefix(PREFIX).is_some_and(plain)
}

async fn remove(
    connection: &mut Connection,
    root: &str,
    names: &[String],
    cleaned: &mut Cleaned,
) -> std::result::Result<(), DirectoryError> {
    if names.is_empty() {
        return Ok(());
    }
    // Wherever somebody has moved it in the meantime.
    let one = |name: &String| format!("(sAMAccountName={0})(ou={0})", escape(name));
    let filter = format!(
        "(&(description={})(|{}))",
        escape(MARK),
        names.iter().map(one).collect::<String>()
    );
    let mut found = connection.list(root, Depth::Subtree, &filter, &["objectClass"]).await?;
    // What stands in another goes first.
    let depth = |dn: &str| std::iter::successors(Some(dn), |dn| parent(dn)).count();
    found.sort_by_key(|entry| std::cmp::Reverse(depth(&entry.dn)));
    for entry in found {
        match connection.delete(&entry.dn).await {
            Ok(()) => cleaned.removed.push(entry.dn),
            Err(DirectoryError::Refused { code, text }) => {
                cleaned
                    .left
                    .push(format!("{}: {}", entry.dn, DirectoryError::Refused { code, text }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_is_left_alone() {
        assert!(is_ours("sspr-0123456789ab-1"));
        for other in [
            "Administrator",
            "sspr-",
            "sspr-x",
            "sspr-*",
            "sspr-0123456789ab-0123",
            "",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
