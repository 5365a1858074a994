//! Step `connect_writeback`: does Entra Connect write passwords back, and what keeps it from it? Read on its own server.

mod events;
mod server;
mod setup;

pub use setup::{current, hindrances};

use super::Step;
use super::hybrid::{OnPremises, on_premises};
use super::on_premises::listed;
use super::policy::date;
use crate::finding::{Check, Finding, Outcome, Severity};
use crate::snapshot::connect::ConnectServer;
use crate::snapshot::directory::ConnectorKind;
use crate::snapshot::{Fact, FactId, Snapshot};
use jiff::{SignedDuration, Timestamp};

/// The step.
pub const STEP: Step = Step {
    name: "connect_writeback",
    title: "Connect writeback",
    checks: &[
        &ENABLED,
        &server::SERVICE,
        &LISTENING,
        &events::EVENTS,
        &server::RELAYS,
        &server::SCOPE,
        &server::PASSWORD_HASH_SYNC,
        &server::SCHEDULER,
        &server::SIGNING,
        &server::REMOTE_SAM,
        &server::CONTROLLER,
        &server::TLS,
    ],
    check,
    setup: Some(setup::SETUP),
};

const TROUBLESHOOT: &str = "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback";
const FACTS: &[FactId] = &[FactId::ConnectServers, FactId::Organization, FactId::UserCounts];

const ENABLED: Check = Check {
    id: "connect_writeback.enabled",
    title: "Password writeback is on in Entra Connect",
    looks_at: "On the Connect server: Get-ADSyncAADPasswordResetConfiguration, the service ADSync and its heartbeat; where no server was read, resets in the audit log that Entra Connect wrote.",
    why: "Both sides must be on: the tenant hands the new password over only to a Connect server that listens (SSPR_0010, SSPR_0030).",
    doc: "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback",
    decides: true,
    facts: &[
        FactId::ConnectServers,
        FactId::AuditResets,
        FactId::Connectors,
        FactId::Organization,
        FactId::UserCounts,
    ],
};
const LISTENING: Check = Check {
    id: "connect_writeback.listening",
    title: "The Connect server listens",
    looks_at: "The heartbeat of password writeback to Microsoft's relay in the Connect server's event log (31019, about every five minutes).",
    why: "Without it a reset waits for a server that does not answer.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: FACTS,
};

/// A heartbeat comes about every five minutes; three in a row that are missing are silence.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Nobody restarts a service for so long.
const SILENT: SignedDuration = SignedDuration::from_mins(60);
/// A reset that Connect wrote proves for so long that it does.
const PROOF: SignedDuration = SignedDuration::from_hours(7 * 24);
const HEARTBEAT: u32 = 31019;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    if let Some(why) = absent(snapshot) {
        return STEP.checks.iter().map(|check| check.not_applicable(why)).collect();
    }
    let fact = &snapshot.facts.connect_servers;
    let active = active(snapshot);
    let make = |check: &'static Check, section: &str, judge: fn(&Snapshot, &[&ConnectServer]) -> Finding| {
        if let Some(finding) = unread(check, snapshot) {
            return finding;
        }
        if active.is_empty() {
            return check.skipped("no active server was read", idle(snapshot));
        }
        let finding = judge(snapshot, &active);
        // What one server does not say, another's answer does not make good.
        match active.iter().find(|server| server.unread.contains_key(section)) {
            Some(server) if finding.status == Outcome::Pass => {
                let why = format!("{}: {}", server.computer, gap(server, section).unwrap_or_default());
                let mut open = check.skipped(format!("not readable on {}", server.computer), why);
                open.evidence = finding.evidence;
                open
            }
            _ => finding,
        }
    };
    let enabled = match (written(snapshot), fact.value()) {
        (Some(at), None) => ENABLED
            .pass(format!("Entra Connect wrote a reset on {}", date(at)))
            .evidence(
                &snapshot.facts.audit_resets,
                format!("the newest reset that Entra Connect wrote: {}", date(at)),
            ),
        _ => make(&ENABLED, "events", enabled),
    };
    vec![
        enabled,
        make(&server::SERVICE, "service", server::service),
        make(&LISTENING, "events", listening),
        make(&events::EVENTS, "events", events::events),
        make(&server::RELAYS, "relays", server::relays),
        make(&server::SCOPE, "connectors", server::scope),
        make(&server::PASSWORD_HASH_SYNC, "rules", server::password_hash_sync),
        make(&server::SCHEDULER, "scheduler", server::scheduler),
        make(&server::SIGNING, "events", server::signing),
        make(&server::REMOTE_SAM, "restrictRemoteSam", server::remote_sam),
        make(&server::CONTROLLER, "domainController", server::controller),
        make(&server::TLS, "version", server::tls),
    ]
}

fn servers(snapshot: &Snapshot) -> impl Iterator<Item = &ConnectServer> {
    snapshot.facts.connect_servers.value().into_iter().flatten()
}

/// The servers that write back, as they were lately: neither in staging mode nor read long ago. One that does not say its
/// mode counts where it listens, for the others do not.
pub(super) fn active(snapshot: &Snapshot) -> Vec<&ConnectServer> {
    let counts =
        |server: &&ConnectServer| !is_old(server, snapshot) && !server.is_staging().unwrap_or(!is_listening(server));
    servers(snapshot).filter(counts).collect()
}

/// Why none of the servers that were read counts.
pub(super) fn idle(snapshot: &Snapshot) -> String {
    let why = |server: &ConnectServer| match (is_old(server, snapshot), server.is_staging(), server.read_at) {
        (true, _, Some(at)) => format!(
            "{} was read on {}: what it said then may no longer be so.",
            server.computer,
            date(at)
        ),
        (true, ..) => format!("When {} was read is not known.", server.computer),
        (_, Some(true), _) => format!(
            "{} is in staging mode and writes nothing back; the active server is another.",
            server.computer
        ),
        _ => format!(
            "Whether {} is in staging mode could not be read, and it was not heard.",
            server.computer
        ),
    };
    servers(snapshot).map(why).collect::<Vec<_>>().join(" ")
}

/// Why there is no Connect server to look at.
pub(super) fn absent(snapshot: &Snapshot) -> Option<&'static str> {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return Some(why);
    }
    let facts = &snapshot.facts;
    let accounts = facts.connectors.whole()?;
    let cloud = !accounts.is_empty() && accounts.iter().all(|account| account.kind == ConnectorKind::CloudSync);
    let other = facts.connect_servers.value().is_some() || written(snapshot).is_some();
    (cloud && !other).then_some("Cloud sync writes passwords back; the directory holds no account of Entra Connect.")
}

/// Why a check of the Connect server comes to nothing.
pub(super) fn unread(check: &Check, snapshot: &Snapshot) -> Option<Finding> {
    match &snapshot.facts.connect_servers {
        Fact::NotAsked => Some(
            check
                .skipped(
                    "no Connect server was read",
                    "This can be read on the Entra Connect server only.",
                )
                .fix("Run the check there, or by remoting; or join the snapshot of a run there (Join-SsprSnapshot).")
                .command("Connect-SsprConnectServer -ComputerName SYNC01"),
        ),
        Fact::Unreadable { .. } => Some(check.unreadable(snapshot)),
        _ => None,
    }
}

/// What was read longer ago says nothing of today.
const OLD: SignedDuration = SignedDuration::from_hours(24);

fn is_old(server: &ConnectServer, snapshot: &Snapshot) -> bool {
    server
        .read_at
        .is_none_or(|read| snapshot.taken_at.duration_since(read) > OLD)
}

/// When Entra Connect last wrote a reset, where that is new enough to prove that it does.
fn written(snapshot: &Snapshot) -> Option<Timestamp> {
    let resets = snapshot.facts.audit_resets.value()?;
    let connect = resets
        .last_by_agent
        .iter()
        .filter(|(agent, _)| agent.to_lowercase().contains("connect"));
    let newest = connect.map(|(_, at)| *at).max()?;
    (snapshot.taken_at.duration_since(newest) <= PROOF).then_some(newest)
}

/// The last heartbeat in a server's log; None where the log was not read.
fn heartbeat(server: &ConnectServer) -> Option<Option<Timestamp>> {
    (!server.unread.contains_key("events")).then(|| last(server, &[HEARTBEAT]))
}

/// When one of these events of password writeback last came.
fn last(server: &ConnectServer, ids: &[u32]) -> Option<Timestamp> {
    let reset = server
        .events
        .iter()
        .filter(|event| event.provider.eq_ignore_ascii_case("PasswordResetService"));
    reset
        .filter(|event| ids.contains(&event.id))
        .filter_map(|event| event.last)
        .max()
}

/// How long a server had been silent when it was read; None where that is not known.
fn silence(server: &ConnectServer) -> Option<SignedDuration> {
    let heard = heartbeat(server)?.or(server.events_since)?;
    Some(server.read_at?.duration_since(heard))
}

/// Whether a server had just been heard.
fn is_listening(server: &ConnectServer) -> bool {
    heartbeat(server).flatten().is_some() && silence(server).is_some_and(|silence| silence <= FRESH)
}

fn is_running(server: &ConnectServer) -> Option<bool> {
    server
        .service
        .as_deref()
        .map(|status| status.eq_ignore_ascii_case("Running"))
}

/// The switch as the cmdlet shows it. Its names are not documented: only plain ones are taken at their word.
pub fn switched(server: &ConnectServer) -> Option<bool> {
    ["Enabled", "IsEnabled"]
        .iter()
        .find_map(|name| server.switch("passwordReset", name))
}

fn computers(servers: &[&ConnectServer]) -> String {
    listed(&servers.iter().map(|server| server.computer.clone()).collect::<Vec<_>>())
}

/// Why a section of a server could not be read.
fn gap<'a>(server: &'a ConnectServer, section: &str) -> Option<&'a str> {
    server.unread.get(section).map(String::as_str)
}

/// The servers of which a section was read; where of none, why not.
fn reading<'a>(
    check: &Check,
    servers: &[&'a ConnectServer],
    section: &str,
) -> Result<Vec<&'a ConnectServer>, Box<Finding>> {
    let read: Vec<&ConnectServer> = servers
        .iter()
        .filter(|server| gap(server, section).is_none())
        .copied()
        .collect();
    if !read.is_empty() {
        return Ok(read);
    }
    let why: Vec<String> = servers
        .iter()
        .map(|server| format!("{}: {}", server.computer, gap(server, section).unwrap_or_default()))
        .collect();
    let finding = check.skipped(format!("not readable on {}", computers(servers)), why.join("; "));
    Err(Box::new(finding))
}

fn enabled(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let stopped: Vec<&ConnectServer> = servers
        .iter()
        .filter(|server| is_running(server) == Some(false))
        .copied()
        .collect();
    let off: Vec<&ConnectServer> = servers
        .iter()
        .filter(|server| switched(server) == Some(false))
        .copied()
        .collect();
    let deaf: Vec<&ConnectServer> = servers
        .iter()
        .filter(|server| silence(server).is_some_and(|silence| silence > SILENT))
        .copied()
        .collect();
    let finding = if !stopped.is_empty() {
        ENABLED
            .fail(
                Severity::High,
                format!(
                    "ADSync does not run on {}: nothing is written back",
                    computers(&stopped)
                ),
            )
            .reason("Password writeback is a part of that service.")
            .fix("Start the service, and see why it stopped.")
            .command("Start-Service ADSync")
    } else if !off.is_empty() {
        ENABLED
            .fail(Severity::High, format!("password writeback is off on {}", computers(&off)))
            .reason("The tenant finds no Connect server that takes a new password (SSPR_0010).")
            .fix("Run the Entra Connect wizard there: Configure, Customize synchronization options, Optional features, Password writeback.")
    } else if servers.iter().all(|server| is_listening(server)) {
        ENABLED.pass(format!("{} listens", computers(servers)))
    } else if !deaf.is_empty() {
        ENABLED
            .fail(Severity::High, format!("{} has not been listening for over an hour", computers(&deaf)))
            .reason("Its log has no heartbeat of password writeback: it is off, or cannot reach Microsoft.")
            .fix("See connect_writeback.events and .relays; then restart ADSync, and turn password writeback off and on again in the wizard.")
            .command("Restart-Service ADSync")
    } else {
        ENABLED.skipped(
            format!("not known of {}", computers(servers)),
            "No heartbeat of password writeback was seen, and what the cmdlet says of the switch alone proves nothing: its answers are not documented.",
        )
    };
    servers.iter().fold(finding, |finding, server| {
        finding.evidence(&snapshot.facts.connect_servers, seen(server))
    })
}

/// What a server says of writeback.
fn seen(server: &ConnectServer) -> String {
    let switch: Vec<String> = server
        .settings
        .iter()
        .filter(|setting| setting.of == "passwordReset")
        .map(|setting| format!("{} {}", setting.name, setting.value))
        .collect();
    let switch = match (switch.is_empty(), gap(server, "passwordReset")) {
        (false, _) => switch.join(", "),
        (true, Some(why)) => format!("its switch: {why}"),
        (true, None) => "its switch is not shown".into(),
    };
    let heard = match (heartbeat(server), gap(server, "events")) {
        (Some(Some(at)), _) => format!("heartbeat {at:.0}"),
        (Some(None), _) => "no heartbeat".into(),
        (None, why) => format!("its log: {}", why.unwrap_or_default()),
    };
    let service = server.service.as_deref().unwrap_or("unknown");
    format!("{}: ADSync {service}; {switch}; {heard}", server.computer)
}

fn listening(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&LISTENING, servers, "events") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let longest = read
        .iter()
        .filter_map(|server| Some((silence(server)?, *server)))
        .max_by_key(|(silence, _)| *silence);
    let finding = match longest {
        None => LISTENING.skipped(
            "when the log was read is not known",
            "The server's answer lacks its time.",
        ),
        Some((silence, server)) if silence <= FRESH && is_listening(server) => {
            LISTENING.pass(format!("{} was heard within a quarter of an hour", computers(&read)))
        }
        Some((silence, server)) => {
            let since = heartbeat(server).flatten();
            let title = match since {
                Some(at) => format!("{} was last heard on {at:.0}", server.computer),
                None => format!("{} was not heard at all", server.computer),
            };
            let finding = match silence > SILENT {
                true => LISTENING.fail(Severity::High, title),
                false => LISTENING.warn(Severity::Medium, title),
            };
            finding
                .reason("It tells Microsoft's relay about every five minutes that it is there; without that no reset gets to it.")
                .fix("See connect_writeback.events for the cause, and restart ADSync.")
                .command("Restart-Service ADSync")
        }
    };
    read.iter().fold(finding, |finding, server| {
        finding.evidence(&snapshot.facts.connect_servers, seen(server))
    })
}

#[cfg(test)]
mod tests;
