//! Step `hybrid`: is there a directory on premises, is it still in touch, and whom does it concern?

use super::Step;
use super::policy::short;
use crate::finding::{Check, Finding, Outcome, Severity, counted, number, refused};
use crate::snapshot::graph::Organization;
use crate::snapshot::portal::AdConnectStatus;
use crate::snapshot::{FactId, Snapshot};
use jiff::{SignedDuration, Timestamp};

/// The step.
pub const STEP: Step = Step {
    name: "hybrid",
    title: "Hybrid",
    checks: &[&SYNC, &PASSWORD_SYNC, &MIXED, &FEDERATION, &DIRECTORY],
    check,
};

const CONNECT: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_Connect_Provisioning/AADConnectMenuBlade/~/ConnectSync";
const DOC: &str = "https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-sync-feature-scheduler";
/// Six of the default cycles of 30 minutes were missed.
const LATE: SignedDuration = SignedDuration::from_hours(3);
/// Nobody restarts a server for an hour's maintenance after a day.
const DEAD: SignedDuration = SignedDuration::from_hours(24);

const SYNC: Check = Check {
    id: "hybrid.sync",
    title: "The directory on premises is in touch",
    looks_at: "Whether the tenant syncs (onPremisesSyncEnabled: yes, no longer, never), when it last did, and what the portal says of both.",
    why: "A sync server that stands still often takes password writeback down with it, and new users never arrive.",
    doc: DOC,
    decides: true,
    facts: &[FactId::Organization, FactId::PortalSyncStatus],
};
const PASSWORD_SYNC: Check = Check {
    id: "hybrid.password_sync",
    title: "Passwords still sync",
    looks_at: "When passwords last synced (beta), and whether password hash synchronisation is on.",
    why: "When password hashes stop to sync, a password that was changed on premises does not open the cloud.",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/tshoot-connect-password-hash-synchronization",
    decides: false,
    facts: &[FactId::PasswordSync, FactId::Organization, FactId::Synchronization],
};
const MIXED: Check = Check {
    id: "hybrid.mixed",
    title: "Which users are not synced",
    looks_at: "Enabled members that are synced against all of them, and those that have an anchor on premises without being synced: managed in the cloud, or left over.",
    why: "Writeback concerns synced users only; cloud-only and cloud-managed users reset in the cloud alone.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-writeback",
    decides: false,
    facts: &[FactId::Organization, FactId::UserCounts, FactId::CloudManagedUsers],
};
const FEDERATION: Check = Check {
    id: "hybrid.federation",
    title: "Where federated users are sent to reset",
    looks_at: "Federated domains and their passwordResetUri.",
    why: "Users of a federated domain sign in at the federation server, whose page need not lead to Microsoft's reset.",
    doc: "https://learn.microsoft.com/graph/api/resources/internaldomainfederation",
    decides: false,
    facts: &[FactId::Domains, FactId::Federation],
};
const DIRECTORY: Check = Check {
    id: "hybrid.directory",
    title: "The directory's half of the set-up",
    looks_at: "Whether this run saw the directory: the connector account's rights, the password policy, the Connect server.",
    why: "Most failed resets of synced users fail there: missing rights, inheritance switched off, a minimum password age.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback",
    decides: true,
    facts: &[FactId::Organization, FactId::PortalSyncStatus],
};

/// Whether there are users of a directory on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPremises {
    /// There are.
    Some,
    /// There are none, and why.
    None(&'static str),
    /// That could not be read.
    Unknown,
}

/// Whether there are users of a directory on premises.
pub fn on_premises(snapshot: &Snapshot) -> OnPremises {
    let facts = &snapshot.facts;
    let synced = match facts.organization.value() {
        Some(organization) => organization.on_premises_sync_enabled == Some(true),
        None => match facts.portal_sync_status.value().and_then(|s| s.dir_sync_enabled) {
            Some(synced) => synced,
            None => return OnPremises::Unknown,
        },
    };
    if !synced {
        return OnPremises::None("The tenant does not sync from a directory on premises.");
    }
    match facts.user_counts.whole().and_then(|c| c.synced_members) {
        Some(0) => OnPremises::None("No enabled member is synced from the directory on premises."),
        _ => OnPremises::Some,
    }
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![
        sync(snapshot),
        password_sync(snapshot),
        mixed(snapshot),
        federation(snapshot),
        directory(snapshot),
    ]
}

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

fn sync(snapshot: &Snapshot) -> Finding {
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

fn password_sync(snapshot: &Snapshot) -> Finding {
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

fn mixed(snapshot: &Snapshot) -> Finding {
    let (fact, managed) = (&snapshot.facts.user_counts, &snapshot.facts.cloud_managed_users);
    let hybrid = snapshot
        .facts
        .organization
        .value()
        .map(|o| o.on_premises_sync_enabled == Some(true));
    let Some((all, synced)) = fact.value().and_then(|c| Some((c.enabled_members, c.synced_members?))) else {
        return match hybrid {
            Some(false) => MIXED.not_applicable("The tenant does not sync from a directory on premises."),
            _ => MIXED.unreadable(snapshot),
        };
    };
    let seen = format!("{} of {} enabled members are synced", number(synced), number(all));
    if hybrid == Some(false) {
        return if synced == 0 {
            MIXED.not_applicable("The tenant does not sync from a directory on premises.")
        } else {
            MIXED
                .warn(Severity::Medium, format!("{seen}, but synchronisation is off"))
                .evidence(fact, seen)
                .reason("The sources disagree: synced users cannot reset without writeback.")
                .fix("Look at the sync status in the portal. Switching synchronisation off takes up to three days.")
                .portal(CONNECT)
                .affects(synced, Some(all), true, Vec::new())
        };
    }
    if hybrid.is_none() {
        return MIXED.unreadable(snapshot);
    }
    if fact.is_partial() {
        return MIXED.skipped("the users were counted only in part", seen);
    }
    let mut finding = if synced == 0 {
        MIXED
            .warn(
                Severity::Medium,
                "synchronisation is on, but no enabled member is synced",
            )
            .reason("Nobody of the directory on premises can sign in to the cloud, nor reset there.")
            .fix("Look at what the sync server filters.")
            .portal(CONNECT)
    } else if synced >= all {
        MIXED.pass(format!(
            "all {} are synced",
            counted(all, "enabled member", "enabled members")
        ))
    } else {
        MIXED
            .pass(format!(
                "{} synced, {} cloud-only",
                number(synced),
                number(all - synced)
            ))
            .reason("Cloud-only users reset in the cloud; writeback does not concern them.")
    };
    finding = finding.evidence(fact, seen);
    match managed.value() {
        Some(&count) if count > 0 => {
            finding.title = format!("{}, {} managed in the cloud or left over", finding.title, number(count));
            let text = format!(
                "{} an anchor on premises without being synced, managed in the cloud or left over: their reset is not written back",
                counted(count, "enabled member has", "enabled members have")
            );
            finding.evidence(managed, text)
        }
        Some(_) => finding.evidence(
            managed,
            "no enabled member has an anchor on premises without being synced",
        ),
        None => {
            finding.evidence.extend(refused(snapshot, &[FactId::CloudManagedUsers]));
            finding
        }
    }
}

fn federation(snapshot: &Snapshot) -> Finding {
    let (fact, details) = (&snapshot.facts.domains, &snapshot.facts.federation);
    let Some(domains) = fact.value() else {
        return FEDERATION.unreadable(snapshot);
    };
    let federated: Vec<&str> = domains
        .iter()
        .filter(|d| d.authentication_type.eq_ignore_ascii_case("Federated"))
        .map(|d| d.id.as_str())
        .collect();
    let seen = format!(
        "{} of {} federated",
        number(federated.len() as u64),
        counted(domains.len() as u64, "domain", "domains")
    );
    let Some(first) = federated.first() else {
        if fact.is_partial() {
            return FEDERATION.skipped("the domains were read only in part", seen);
        }
        return FEDERATION.pass("no domain is federated").evidence(fact, seen);
    };
    let name = |domain: &str, more: usize| match more {
        0 => short(domain),
        n => format!(
            "{} and {}",
            short(domain),
            counted(n as u64, "other domain", "other domains")
        ),
    };
    let Some(details) = details.value() else {
        let mut finding = FEDERATION.unreadable(snapshot);
        finding.title = format!("{}: {}", name(first, federated.len() - 1), finding.title);
        return finding.evidence(fact, federated.join(", "));
    };
    let reset = |domain: &str| {
        let own = details.iter().find(|d| d.domain.eq_ignore_ascii_case(domain));
        own.and_then(|d| d.password_reset_uri.as_deref())
            .filter(|uri| !uri.trim().is_empty())
    };
    let elsewhere: Vec<(&str, &str)> = federated
        .iter()
        .filter_map(|d| reset(d).map(|uri| (*d, uri)))
        .filter(|(_, uri)| !super::reset_policy::leads_to_reset(uri))
        .collect();
    let unset: Vec<&str> = federated.iter().copied().filter(|d| reset(d).is_none()).collect();
    let fix = "Set passwordResetUri of the federation to https://passwordreset.microsoftonline.com, and put that link on the federation server's page.";
    let finding = if let Some((domain, uri)) = elsewhere.first() {
        FEDERATION
            .warn(
                Severity::Medium,
                format!(
                    "users of {} are sent elsewhere to reset",
                    name(domain, elsewhere.len() - 1)
                ),
            )
            .reason(format!(
                "They are sent to {}, not to Microsoft's reset page.",
                short(uri)
            ))
            .fix(fix)
    } else if let Some(domain) = unset.first() {
        FEDERATION
            .warn(
                Severity::Low,
                format!("federated {} names no page to reset", name(domain, unset.len() - 1)),
            )
            .reason("Its users sign in at the federation server; they get to reset only where its page has the link.")
            .fix(fix)
    } else {
        FEDERATION.pass(format!(
            "federated users of {} are sent to reset",
            name(first, federated.len() - 1)
        ))
    };
    finding.evidence(fact, seen)
}

fn directory(snapshot: &Snapshot) -> Finding {
    match on_premises(snapshot) {
        OnPremises::None(why) => DIRECTORY.not_applicable(why),
        OnPremises::Unknown => DIRECTORY.skipped(
            "not known whether there is a directory on premises",
            "What the tenant says of synchronisation could not be read.",
        ),
        OnPremises::Some => DIRECTORY
            .skipped(
                "the directory on premises was not looked at",
                "This run saw the cloud only. Whether a reset gets into the directory also depends on the connector account's rights, the password policy and the Connect server.",
            )
            .fix("Go through the directory's half by Microsoft's tutorial: rights of the connector account, minimum password age 0, writeback in Connect."),
    }
}

#[cfg(test)]
mod tests;
