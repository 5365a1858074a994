//! Backups of a group policy object that sets the minimum password age, beside a plan that leaves it to a person.

use super::Plan;
use super::directories::MINIMUM_AGE;
use crate::change::{Change, Kind};
use crate::directory::policy_backup::Backup;
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;
use crate::snapshot::directory::DomainPasswords;
use crate::status::Status;
use crate::steps::password_policy::{NEW_POLICY, STEP};
use std::io::Write;
use std::path::Path;
use uuid::Uuid;

/// Writes one for each domain whose minimum password age a person sets, into a folder named after the domain; and adds to
/// what the person does how it is imported.
pub fn write(folder: &Path, snapshot: &Snapshot, plan: &mut Plan) -> Result<()> {
    let domains = snapshot.facts.directory_passwords.value().into_iter().flatten();
    for domain in domains {
        let meant = |change: &&mut Change| {
            let of = change.id.split_once(':').map(|(_, domain)| domain);
            change.kind == Kind::Manual && change.step == STEP.name && of == Some(&domain.domain)
        };
        for change in plan.changes.iter_mut().filter(meant) {
            let days = change.after[MINIMUM_AGE].as_u64();
            if let Some(days) = days.and_then(|days| u16::try_from(days).ok()) {
                let own = folder.join(&domain.domain);
                let id = one(&own, domain, days)?;
                change.by_hand.extend(commands(&own, id, domain));
            }
        }
    }
    Ok(())
}

/// Writes the backup of one domain, and gives its id.
fn one(folder: &Path, domain: &DomainPasswords, days: u16) -> Result<Uuid> {
    let backup = Backup {
        id: Uuid::new_v4(),
        name: NEW_POLICY,
        object: Uuid::new_v4(),
        domain: &domain.domain,
        domain_guid: domain.guid.parse().unwrap_or_default(),
        controller: &domain.controller,
        time: jiff::Timestamp::now(),
    };
    let files = backup
        .files(days)
        .map_err(|e| Error::new(Status::Internal, "the group policy backup").caused_by(&e))?;
    for (path, bytes) in files {
        let path = folder.join(path);
        let writing = || {
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::File::create_new(&path)?.write_all(&bytes)
        };
        writing().map_err(|e: std::io::Error| {
            Error::new(Status::FileWrite, format!("{} cannot be written", path.display()))
                .target("policyBackup")
                .caused_by(&e)
        })?;
    }
    Ok(backup.id)
}

/// An import erases what the object held before, so it goes to a new one; which is linked so that it wins.
fn commands(folder: &Path, id: Uuid, domain: &DomainPasswords) -> [String; 2] {
    let path = folder.display().to_string().replace('\'', "''");
    let enforced = domain.links.iter().any(|link| link.enabled && link.enforced);
    [
        format!(
            "Or import it: Import-GPO -Path '{path}' -BackupId {id} -TargetName '{NEW_POLICY}' -CreateIfNeeded -Domain {}",
            domain.domain
        ),
        format!(
            "and link it: New-GPLink -Name '{NEW_POLICY}' -Domain {} -Target '{}' -LinkEnabled Yes -Order 1{}",
            domain.domain,
            domain.root,
            if enforced { " -Enforced Yes" } else { "" }
        ),
    ]
}
