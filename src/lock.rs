//! What only one run at a time may do for a tenant or a domain, on one machine and for one user; and where such runs keep what
//! outlives them.

use crate::error::{Error, Result};
use crate::platform;
use crate::status::Status;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// The folder of what outlives a run: each user's own.
pub fn folder() -> PathBuf {
    let named = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    named("LOCALAPPDATA")
        .or_else(|| named("XDG_STATE_HOME"))
        .or_else(|| named("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("EntraSspr")
}

impl Lock {
    /// Locks a name; where another run holds it, says so in these words.
    pub fn take(target: &str, busy: &str) -> Result<Lock> {
        let folder = folder();
        // The name is a plan's, which anybody may have written.
        let plain = |c: char| {
            if c.is_alphanumeric() || "-.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = target.chars().take(200).map(plain).collect();
        let path = folder.join(format!("{name}.lock"));
        let unusable = |e: &std::io::Error| {
            Error::new(Status::FileWrite, format!("{} cannot be locked", path.display()))
                .target(path.display().to_string())
                .caused_by(e)
        };
        std::fs::create_dir_all(&folder).map_err(|e| unusable(&e))?;
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => match platform::create_private(&path) {
                // Another one was quicker.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    OpenOptions::new().read(true).write(true).open(&path)
                }
                made => made,
            },
            opened => opened,
        };
        let file = file.map_err(|e| unusable(&e))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::new(Status::PlanLocked, busy).target(target)),
            Err(TryLockError::Error(e)) => Err(unusable(&e)),
        }
    }
}
