//! Whether the directory on premises and its passwords still sync.

use super::{CONNECT, OnPremises, on_premises};
use crate::finding::{Check, Finding, Outcome, Severity, counted, refused};
use crate::snapshot::graph::Organization;
use crate::snapshot::portal::AdConnectStatus;
use crate::snapshot::{FactId, Snapshot};
use jiff::{SignedDuration, Timestamp};

const DOC: &str = "https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-sync-feature-scheduler";
/// Six of the default cycles of 30 minutes were missed.
const LATE: SignedDuration = SignedDuration::from_hours(3);
/// Nobody restarts a server for an hour's maintenance after a day.
const DEAD: SignedDuration = SignedDuration::from_hours(24);

/// Sync.
pub const SYNC: Check = Check {
    id: "hybrid.sync",
    title: "The directory on premises is in touch",
    looks_at: "Whether the tenant syncs (onPremisesSyncEnabled: yes, no longer, never), when it last did, and what the portal says of both.",
    why: "A sync server that stands still often takes password writeback down with it, and new users never arrive.",
    doc: DOC,
    decides: true,
    facts: &[FactId::Organization, FactId::PortalSyncStatus],
};
/// Password sync.
pub const PASSWORD_SYNC: Check = Check {
    id: "hybrid.password_sync",
    title: "Passwords still sync",
    looks_at: "When passwords last synced (beta), and whether password hash synchronisation is on.",
    why: "When password hashes stop to sync, a password that was changed on premises does not open the cloud.",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/tshoot-connect-password-hash-synchronization",
    decides: false,
    facts: &[FactId::PasswordSync, FactId::Organization, FactId::Synchronization],
};

/// A span as people say it: `40 minutes`, `5 hours`, `3 days`.
fn span(age: SignedDuration) -> String {
    let minutes = u64::try_from(age.as_mins()).unwrap_or(0);
    match minutes {
        0..120 => counted(minutes, "minute", "minutes"),
        120..2_880 => counted(minutes / 60, "hour", "hours"),
        _ => counted(minutes / 1_440, "day", "days"),
    }
}

fn age(snapshot: &Snapshot, at: Timestamp) -> SignedDuration {
    snapshot.taken_at.duration_since(at)
}

/// Whether it is in touch.
pub fn sync(snapshot: &Snapshot) -> Finding {
    let (fact, status) = (&snapshot.facts.organization, &snapshot.facts.portal_sync_status);
    let portal = status.value();
    let Some(organization) = fact.value() else {
        return SYNC.unreadable(snapshot);
    };
    let enabled = organization.on_premises_sync_enabled;
    let mut finding = match enabled {
        None => SYNC.pass("cloud-only: there is no directory on premises"),
        Some(false) => SYNC
            .pass("cloud-only: directory synchronisation was switched off")
            .reason("Users who were synced before keep their last password and reset in the cloud now."),
        Some(true) => match organization.on_premises_last_sync_date_time {
            None => SYNC
                .warn(Severity::Medium, "synchronisation is on, but has never run")
                .reason("Users of the directory are not in the cloud yet.")
                .fix("Look at the Connect server or the cloud sync agents.")
                .portal(CONNECT),
            Some(last) => concerns(synced_ago(age(snapshot, last)), snapshot),
        },
    };
    finding = finding.evidence(
        fact,
        format!(
            "onPremisesSyncEnabled: {}, last sync: {}",
            enabled.map_or("never".into(), |e| e.to_string()),
            organization
                .on_premises_last_sync_date_time
                .map_or("unknown".into(), |at| at.to_string())
        ),
    );
    let Some(portal) = portal else { return finding };
    let hours = portal.number_of_hours_from_last_sync;
    finding = finding.evidence(
        status,
        format!(
            "portal: dirSyncEnabled {}, hours since the last sync {}",
            portal.dir_sync_enabled.map_or("unknown".into(), |e| e.to_string()),
            hours.map_or("unknown".into(), |h| h.to_string())
        ),
    );
    let Some(title) = disagreement(organization, portal, snapshot) else {
        return finding;
    };
    // What is amiss by one source stays amiss; what is well by one alone is not.
    if finding.status != Outcome::Pass {
        let reason = finding.reason.take().unwrap_or_default();
        return finding.reason(
            format!("{reason} The sources disagree: {title}.")
                .trim_start()
                .to_string(),
        );
    }
    let mut differs = SYNC
        .warn(Severity::Medium, title)
        .reason("The sources disagree; whether writeback is needed, and works, depends on it.")
        .fix("Look at the sync status in the portal, then check again.")
        .portal(CONNECT);
    differs.evidence = finding.evidence;
    differs
}

/// What Graph and the portal say differently of synchronisation.
fn disagreement(organization: &Organization, portal: &AdConnectStatus, snapshot: &Snapshot) -> Option<String> {
    let on = organization.on_premises_sync_enabled == Some(true);
    let words = |on: bool| if on { "on" } else { "off" };
    if portal.dir_sync_enabled.is_some_and(|e| e != on) {
        return Some(format!(
            "synchronisation is {} by Graph, {} by the portal",
            words(on),
            words(!on)
        ));
    }
    let last = organization.on_premises_last_sync_date_time.filter(|_| on)?;
    let hours = portal
        .number_of_hours_from_last_sync
        .filter(|h| (0..1_000_000).contains(h))?;
    let (graph, portal) = (age(snapshot, last), SignedDuration::from_hours(hours));
    // Where both are late, or neither, it makes no difference; the portal counts whole hours.
    let differ = (graph > LATE) != (portal > LATE) && (graph - portal).abs() > SignedDuration::from_hours(1);
    differ.then(|| {
        format!(
            "last sync {} ago by Graph, {} ago by the portal",
            span(graph),
            span(portal)
        )
    })
}

/// Whom a sync that is late concerns: whether their resets fail is for writeback to tell.
fn concerns(finding: Finding, snapshot: &Snapshot) -> Finding {
    let counts = snapshot.facts.user_counts.value();
    match counts.and_then(|c| Some((c.synced_members?, c.enabled_members))) {
        Some((synced, all)) if finding.status != Outcome::Pass => finding.affects(synced, Some(all), false, Vec::new()),
        _ => finding,
    }
}

fn synced_ago(age: SignedDuration) -> Finding {
    let title = format!("last sync {} ago", span(age));
    let finding = if age > DEAD {
        SYNC.fail(Severity::High, title)
    } else if age > LATE {
        SYNC.warn(Severity::Medium, title)
    } else {
        return SYNC.pass(format!("hybrid, {title}"));
    };
    finding
        .reason("Synchronisation runs every 30 minutes by default. When its server stands still, writeback often does too, and resets of synced users fail.")
        .fix("Look at the Connect server: the service \"Microsoft Entra ID Sync\", its scheduler and its errors; for cloud sync at the agents.")
        .portal(CONNECT)
}

/// Whether passwords still sync.
pub fn password_sync(snapshot: &Snapshot) -> Finding {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return PASSWORD_SYNC.not_applicable(why);
    }
    let (fact, features) = (&snapshot.facts.password_sync, &snapshot.facts.synchronization);
    let on = features.value().and_then(|f| f.password_sync_enabled);
    if on == Some(false) {
        return PASSWORD_SYNC
            .not_applicable("Password hash synchronisation is off: passwords are checked on premises.")
            .evidence(features, "passwordSyncEnabled: false");
    }
    let Some(synced) = fact.value() else {
        return PASSWORD_SYNC.unreadable(snapshot);
    };
    let Some(last) = synced.on_premises_last_password_sync_date_time else {
        return match on {
            Some(true) => PASSWORD_SYNC
                .warn(
                    Severity::Medium,
                    "password hash sync is on, but its last run is not known",
                )
                .evidence(features, "passwordSyncEnabled: true")
                .reason("Whether passwords that were changed on premises reach the cloud is not known.")
                .fix("Run the troubleshooting task of the Connect wizard for password hash synchronisation.")
                .portal(CONNECT),
            _ if features.refusal().is_some() => PASSWORD_SYNC.unreadable(snapshot),
            _ => PASSWORD_SYNC.skipped(
                "not known whether passwords sync",
                "Graph names no time of a password sync; the tenant may check passwords on premises.",
            ),
        };
    };
    let age = age(snapshot, last);
    let title = format!("passwords last synced {} ago", span(age));
    let finding = if age > LATE {
        let severity = if age > DEAD { Severity::High } else { Severity::Medium };
        PASSWORD_SYNC
            .warn(severity, title)
            .reason("A password that was changed on premises does not open the cloud; after a reset a federated user waits for it.")
            .fix("Restart the service \"Microsoft Entra ID Sync\" on the Connect server, then run its troubleshooting task.")
            .portal(CONNECT)
    } else {
        PASSWORD_SYNC.pass(title)
    };
    let mut finding = finding.evidence(fact, format!("onPremisesLastPasswordSyncDateTime: {last}"));
    finding.evidence.extend(refused(snapshot, &[FactId::Synchronization]));
    finding
}
