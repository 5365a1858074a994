//! What the Connect server's own configuration says: its service, its scope, and what gets in writeback's way.

use super::{TROUBLESHOOT, computers, is_listening, is_running, last, reading};
use crate::catalogue::WRITTEN;
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::connect::{ConnectServer, Relay, Setting, SyncPartition};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::on_premises::{in_use, listed, place};
use crate::steps::policy::date;
use crate::steps::service_account::versions::Version;
use jiff::Timestamp;
use serde_json::Value;

const REFERENCE: &str = "https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-ports";
const SCHEDULER_DOC: &str =
    "https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-sync-feature-scheduler";

pub(super) const SERVICE: Check = Check {
    id: "connect_writeback.service",
    title: "The service ADSync runs",
    looks_at: "The state of the service ADSync on the Connect server.",
    why: "It is what writes passwords back, and what synchronises.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: super::FACTS,
};
pub(super) const RELAYS: Check = Check {
    id: "connect_writeback.relays",
    title: "Microsoft's relays can be reached",
    looks_at: "A connection from the Connect server to port 443 of Microsoft's reset service and of the relays whose names are known. Nothing is sent.",
    why: "The server fetches new passwords from there; nothing comes in from outside.",
    doc: REFERENCE,
    decides: false,
    facts: super::FACTS,
};
pub(super) const SCOPE: Check = Check {
    id: "connect_writeback.scope",
    title: "Every domain is in Connect's scope",
    looks_at: "The domains and containers that Get-ADSyncConnector shows, against the domains of the forests that were read.",
    why: "A user whose container is left out has no password that could be written back (event 33002).",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-sync-configure-filtering",
    decides: false,
    facts: &[
        FactId::ConnectServers,
        FactId::Forests,
        FactId::Organization,
        FactId::UserCounts,
    ],
};
pub(super) const PASSWORD_HASH_SYNC: Check = Check {
    id: "connect_writeback.password_hash_sync",
    title: "No rule leaves users out of password hash sync",
    looks_at: "Synchronisation rules for enabled users that do not take password hashes along, and whether password hash sync is on.",
    why: "Writeback reaches only the users whose hashes are synchronised, where hashes are synchronised at all.",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-selective-password-hash-synchronization",
    decides: false,
    facts: super::FACTS,
};
pub(super) const SCHEDULER: Check = Check {
    id: "connect_writeback.scheduler",
    title: "Synchronisation is scheduled",
    looks_at: "Get-ADSyncScheduler: whether cycles run, and whether the server is in staging mode.",
    why: "New users, and what changed of them, reach Microsoft Entra only with a cycle.",
    doc: SCHEDULER_DOC,
    decides: false,
    facts: super::FACTS,
};
pub(super) const SIGNING: Check = Check {
    id: "connect_writeback.signing",
    title: "Connect signs and encrypts what it tells the controllers",
    looks_at: "Whether passwords were written, which a controller takes over an encrypted connection only, or were refused as insecure (hr=8023062C); where there are several forests, a written one is no proof of each. The connectors' setting itself has no documented name; what may be it is shown.",
    why: "A controller refuses a password that comes over a connection that is not encrypted.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: super::FACTS,
};
pub(super) const REMOTE_SAM: Check = Check {
    id: "connect_writeback.remote_sam",
    title: "RestrictRemoteSam on the Connect server lets the account ask",
    looks_at: "RestrictRemoteSam in the Connect server's registry, where it may stay after a policy was taken away, and whether it names the connector account, Everyone or Authenticated Users.",
    why: "Connect asks the controllers about the user before it resets; where it may not, every reset fails with access denied.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: &[
        FactId::ConnectServers,
        FactId::Connectors,
        FactId::Organization,
        FactId::UserCounts,
    ],
};
pub(super) const CONTROLLER: Check = Check {
    id: "connect_writeback.controller",
    title: "Connect does not run on a domain controller",
    looks_at: "Whether the Connect server is a domain controller.",
    why: "There Connect asks its own controller with rights that differ, and resets may fail.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: super::FACTS,
};
pub(super) const TLS: Check = Check {
    id: "connect_writeback.tls",
    title: "TLS 1.2 is switched on where this version needs that",
    looks_at: "The registry's values for TLS 1.2, which versions 2.3.20.0 to 2.4.129.0 need.",
    why: "Without TLS 1.2 the server does not reach Microsoft.",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-tls-enforcement",
    decides: false,
    facts: super::FACTS,
};

fn evidence(
    finding: Finding,
    snapshot: &Snapshot,
    servers: &[&ConnectServer],
    seen: impl Fn(&ConnectServer) -> String,
) -> Finding {
    servers.iter().fold(finding, |finding, server| {
        finding.evidence(
            &snapshot.facts.connect_servers,
            format!("{}: {}", server.computer, seen(server)),
        )
    })
}

/// The servers of which something holds.
fn those<'a>(servers: &[&'a ConnectServer], holds: impl Fn(&ConnectServer) -> bool) -> Vec<&'a ConnectServer> {
    servers.iter().filter(|server| holds(server)).copied().collect()
}

pub(super) fn service(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&SERVICE, servers, "service") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let stopped = those(&read, |server| is_running(server) == Some(false));
    let finding = match stopped.is_empty() {
        true => SERVICE.pass(format!("ADSync runs on {}", computers(&read))),
        false => SERVICE
            .fail(Severity::High, format!("ADSync does not run on {}", computers(&stopped)))
            .reason("Nothing is synchronised and no password is written back.")
            .fix("Start it; if it stops again after an upgrade, see whether miiserver.exe.config had been edited (docs/catalogue.md, row 43).")
            .command("Start-Service ADSync"),
    };
    evidence(finding, snapshot, &read, |server| {
        format!("ADSync {}", server.service.as_deref().unwrap_or("unknown"))
    })
}

pub(super) fn relays(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let mut read = match reading(&RELAYS, servers, "relays") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    read.retain(|server| !server.relays.is_empty());
    if read.is_empty() {
        return RELAYS.skipped(
            "none was tried",
            "For this cloud no relay's name is known, or none was tried.",
        );
    }
    let tried: Vec<_> = read.iter().flat_map(|server| &server.relays).collect();
    let failed: Vec<String> = tried
        .iter()
        .filter(|relay| !relay.connected)
        .map(|relay| relay.host.clone())
        .collect();
    let fix = "Open port 443 from the Connect server to *.passwordreset.microsoftonline.com and *.servicebus.windows.net, without inspection of TLS.";
    let finding = if failed.is_empty() {
        RELAYS.pass(format!(
            "{} reached",
            counted(tried.len() as u64, "endpoint", "endpoints")
        ))
    } else if failed.len() == tried.len() && !read.iter().all(|server| is_listening(server)) {
        RELAYS
            .fail(Severity::High, format!("{} reaches none of them", computers(&read)))
            .reason("No new password gets to the server.")
            .fix(fix)
    } else {
        RELAYS
            .warn(Severity::Medium, format!("{} not reached", listed(&failed)))
            .reason("Microsoft may move a tenant from one relay to another at any time.")
            .fix(fix)
    };
    evidence(finding, snapshot, &read, |server| {
        let one = |relay: &Relay| match (relay.connected, relay.error.as_deref()) {
            (true, _) => format!("{} reached", relay.host),
            (false, why) => format!("{} not reached ({})", relay.host, why.unwrap_or("no reason told")),
        };
        server.relays.iter().map(one).collect::<Vec<_>>().join(", ")
    })
}

pub(super) fn scope(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&SCOPE, servers, "connectors") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let connectors = read
        .iter()
        .flat_map(|server| &server.connectors)
        .filter(|connector| connector.is_of_a_directory());
    let partitions: Vec<_> = connectors
        .flat_map(|connector| &connector.partitions)
        .filter(|partition| partition.selected != Some(false))
        .collect();
    if partitions.is_empty() {
        return SCOPE.skipped(
            format!("{} shows no domain", computers(&read)),
            "Get-ADSyncConnector named no partition, so that nothing can be compared.",
        );
    }
    let included = |dn: &str| {
        partitions
            .iter()
            .any(|p| p.dn.eq_ignore_ascii_case(dn) && !p.included.is_empty())
    };
    let forests = snapshot.facts.forests.value();
    let missing: Vec<String> = forests
        .into_iter()
        .flatten()
        .flat_map(|forest| &forest.domains)
        .filter(|domain| !included(&domain.dn))
        .map(|domain| domain.name.clone())
        .collect();
    let left_out: Vec<String> = partitions
        .iter()
        .flat_map(|p| &p.excluded)
        .map(|dn| place(dn))
        .collect();
    let part: Vec<String> = partitions
        .iter()
        .filter(|p| !p.included.iter().any(|dn| dn.eq_ignore_ascii_case(&p.dn)))
        .map(|p| p.dn.clone())
        .collect();
    let finding = if !missing.is_empty() {
        SCOPE
            .warn(
                Severity::Medium,
                format!("{} is in no connector's scope", listed(&missing)),
            )
            .reason(
                "Users of that domain are not synchronised by this server, and no password of theirs is written back.",
            )
            .fix("Add the domain in the Entra Connect wizard, unless it is left out on purpose.")
    } else if !left_out.is_empty() || !part.is_empty() {
        let what = match left_out.is_empty() {
            true => format!("only parts of {} are synchronised", listed(&part)),
            false => format!("{} is out of Connect's scope", listed(&left_out)),
        };
        SCOPE
            .warn(Severity::Low, what)
            .reason("Users there are not synchronised; whoever was before is not found by a reset (event 33002).")
            .fix("Take these containers into scope in the Entra Connect wizard, unless they are left out on purpose.")
    } else if forests.is_none() {
        SCOPE.pass(format!(
            "{} whole",
            counted(partitions.len() as u64, "domain", "domains")
        ))
    } else {
        SCOPE.pass("every domain that was read, whole")
    };
    evidence(finding, snapshot, &read, |server| {
        let one = |p: &SyncPartition| match p.selected {
            Some(false) => format!("{}: not selected", p.dn),
            _ => format!("{}: {} in, {} out", p.dn, p.included.len(), p.excluded.len()),
        };
        let all = server.connectors.iter().flat_map(|connector| &connector.partitions);
        all.map(one).collect::<Vec<_>>().join("; ")
    })
}

pub(super) fn password_hash_sync(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let off = |server: &ConnectServer| server.switch("companyFeatures", "PasswordHashSync") == Some(false);
    if !servers.is_empty() && servers.iter().all(|server| off(server)) {
        return PASSWORD_HASH_SYNC.not_applicable("Password hash sync is off: the directory checks passwords itself.");
    }
    let mut read = match reading(&PASSWORD_HASH_SYNC, servers, "rules") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let live = |server: &ConnectServer, wanted: bool| {
        let rules = server
            .rules
            .iter()
            .filter(|rule| !rule.disabled && rule.password_sync == Some(wanted));
        rules.map(|rule| rule.name.clone()).collect::<Vec<_>>()
    };
    read.retain(|server| !live(server, true).is_empty() || !live(server, false).is_empty());
    if read.is_empty() {
        return PASSWORD_HASH_SYNC.skipped(
            "the rules do not say it",
            "No rule for enabled users shows whether it takes password hashes along.",
        );
    }
    let leaving: Vec<String> = read.iter().flat_map(|server| live(server, false)).collect();
    let taking: Vec<String> = read.iter().flat_map(|server| live(server, true)).collect();
    let finding = if leaving.is_empty() {
        PASSWORD_HASH_SYNC.pass("none does")
    } else {
        let title = format!("{} leaves users out of password hash sync", listed(&leaving));
        PASSWORD_HASH_SYNC
            .warn(Severity::Medium, title)
            .reason("A reset of a user whom such a rule takes in is not written back.")
            .fix("Look at the rule's scope in the Synchronization Rules Editor: whoever falls under it resets in the cloud only.")
    };
    evidence(finding, snapshot, &read, |_| {
        format!(
            "with hashes: {}; without: {}",
            listed(&taking),
            if leaving.is_empty() {
                "none".into()
            } else {
                listed(&leaving)
            }
        )
    })
}

pub(super) fn scheduler(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&SCHEDULER, servers, "scheduler") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let paused = those(&read, |server| {
        server.switch("scheduler", "SyncCycleEnabled") == Some(false)
    });
    let told = those(&read, |server| server.switch("scheduler", "SyncCycleEnabled").is_some());
    let finding = if !paused.is_empty() {
        SCHEDULER
            .warn(
                Severity::Medium,
                format!("synchronisation is paused on {}", computers(&paused)),
            )
            .reason("New users, and changes of users, do not reach Microsoft Entra until it goes on.")
            .fix("Let it go on, if nobody paused it for a reason.")
            .command("Set-ADSyncScheduler -SyncCycleEnabled $true")
    } else if told.is_empty() {
        SCHEDULER.skipped(
            "what the scheduler says is not understood",
            "It shows no SyncCycleEnabled.",
        )
    } else {
        SCHEDULER.pass(format!("on {}", computers(&told)))
    };
    evidence(finding, snapshot, &read, |server| {
        pairs(server, |setting| setting.of == "scheduler")
    })
}

/// Settings as they were given.
fn pairs(server: &ConnectServer, wanted: impl Fn(&Setting) -> bool) -> String {
    let all: Vec<String> = server
        .settings
        .iter()
        .filter(|setting| wanted(setting))
        .map(|setting| match &setting.value {
            Value::String(text) => format!("{} {text}", setting.name),
            value => format!("{} {value}", setting.name),
        })
        .collect();
    match all.is_empty() {
        true => "nothing told".into(),
        false => all.join(", "),
    }
}

pub(super) fn signing(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&SIGNING, servers, "events") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let insecure = |server: &ConnectServer| {
        let refused = server.events.iter();
        let refused = refused.filter(|event| event.line.to_lowercase().contains("8023062c"));
        refused.filter_map(|event| event.last).max()
    };
    let written = |server: &ConnectServer| last(server, &WRITTEN);
    // Each forest has a connector with a setting of its own, and an event does not tell its forest.
    let forests = |server: &ConnectServer| server.connectors.iter().filter(|one| one.is_of_a_directory()).count();
    let newest = |servers: &[&ConnectServer], of: &dyn Fn(&ConnectServer) -> Option<Timestamp>| {
        servers.iter().filter_map(|server| of(server)).max()
    };
    let failing = those(&read, |server| insecure(server) > written(server));
    let doubtful = those(&read, |server| insecure(server).is_some() && forests(server) != 1);
    let open = those(&read, |server| written(server).is_none() || forests(server) != 1);
    let fix = "Turn on \"Sign and Encrypt LDAP Traffic\" in the connector's properties (Synchronization Service Manager), in all three places, and restart ADSync.";
    let finding = if let Some(at) = newest(&failing, &insecure) {
        SIGNING
            .fail(
                Severity::High,
                format!("a controller refused a password as insecure on {}", date(at)),
            )
            .reason("\"Sign and Encrypt LDAP Traffic\" is off in one of the three places where a connector has it.")
            .fix(fix)
            .command("Restart-Service ADSync")
    } else if let Some(at) = newest(&doubtful, &insecure) {
        SIGNING
            .warn(
                Severity::Medium,
                format!("a controller refused a password as insecure on {}", date(at)),
            )
            .reason("Passwords were written since, perhaps to another forest: the log does not tell to which.")
            .fix(fix)
    } else if let Some(first) = open.first() {
        let title = match (written(first), forests(first)) {
            (None, _) => "no password was written lately".into(),
            (Some(at), 0) => format!("a password was written on {}, to which forest is not known", date(at)),
            (Some(at), all) => format!("a password was written on {}, to one of {all} forests", date(at)),
        };
        SIGNING.skipped(
            title,
            "Only a reset proves it, and for its own forest only: the setting has no documented name. What may be it is shown.",
        )
    } else {
        let written = newest(&read, &written).map(date).unwrap_or_default();
        SIGNING.pass(format!("a password was written on {written}"))
    };
    evidence(finding, snapshot, &read, |server| {
        pairs(server, |setting| setting.of == "parameters")
    })
}

pub(super) fn remote_sam(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&REMOTE_SAM, servers, "restrictRemoteSam") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let accounts = in_use(snapshot);
    let names = |sddl: &str| {
        let allowed = |who: &str| {
            let entries = sddl
                .split('(')
                .filter(|entry| entry.starts_with("A;") && entry.contains(&format!(";{who})")));
            entries.count() > 0
        };
        allowed("WD") || allowed("AU") || (!accounts.is_empty() && accounts.iter().all(|account| allowed(&account.sid)))
    };
    let denies = |sddl: &str| sddl.contains("(D;");
    let strict = those(&read, |server| {
        server
            .remote_sam
            .as_deref()
            .is_some_and(|sddl| denies(sddl) || !names(sddl))
    });
    let set = those(&read, |server| server.remote_sam.is_some());
    let finding = if !strict.is_empty() {
        REMOTE_SAM
            .warn(Severity::High, format!("RestrictRemoteSam on {} does not name the connector account", computers(&strict)))
            .reason("Whether a group that it names holds the account is not known from here. Where it does not, every reset fails (event 6329, access denied).")
            .fix("Name the connector account in it; where no policy sets it any more, delete the value that was left over (HKLM\\System\\CurrentControlSet\\Control\\Lsa, RestrictRemoteSam).")
    } else if set.is_empty() {
        REMOTE_SAM.pass("not set")
    } else {
        REMOTE_SAM.pass(format!("set on {}, and lets the account ask", computers(&set)))
    };
    evidence(finding, snapshot, &read, |server| {
        server.remote_sam.clone().unwrap_or_else(|| "not set".into())
    })
}

pub(super) fn controller(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&CONTROLLER, servers, "domainController") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let controllers = those(&read, |server| server.domain_controller == Some(true));
    let finding = match controllers.is_empty() {
        true => CONTROLLER.pass("it does not"),
        false => CONTROLLER
            .warn(Severity::Medium, format!("{} is a domain controller", computers(&controllers)))
            .reason("Connect then asks its own controller about users, where the account may lack rights that it has elsewhere.")
            .fix("Move Connect to a member server, or let its connector prefer another controller."),
    };
    evidence(finding, snapshot, &read, |server| match server.domain_controller {
        Some(true) => "a domain controller".into(),
        _ => "a member server".into(),
    })
}

/// The versions that need TLS 1.2 to be switched on.
const FIRST: &str = "2.3.20.0";
const LAST: &str = "2.4.129.0";

/// Whether a version needs TLS 1.2 to be switched on; None where it is not known.
fn needs_tls(server: &ConnectServer) -> Option<bool> {
    let version: Version = server.version.as_deref()?.parse().ok()?;
    let (first, last) = (FIRST.parse().ok()?, LAST.parse().ok()?);
    Some(version >= first && version <= last)
}

fn has_tls(server: &ConnectServer) -> bool {
    let key = |setting: &&Setting| setting.of.to_uppercase().starts_with("HKLM:");
    let right = |setting: &&Setting| {
        let set = setting.value.as_u64();
        match setting.name.eq_ignore_ascii_case("DisabledByDefault") {
            true => set == Some(0),
            // SCHANNEL writes all bits for "on".
            false => set.is_some_and(|set| set != 0),
        }
    };
    let keys: Vec<&Setting> = server.settings.iter().filter(key).collect();
    !keys.is_empty() && keys.iter().all(right)
}

/// Whether a version that needs TLS 1.2 to be switched on shows that it is not.
pub(super) fn lacks_tls(server: &ConnectServer) -> bool {
    needs_tls(server) == Some(true) && !server.unread.contains_key("tls") && !has_tls(server)
}

pub(super) fn tls(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let needs = those(servers, |server| needs_tls(server) == Some(true));
    if needs.is_empty() {
        return match servers.iter().all(|server| needs_tls(server).is_some()) {
            true => TLS.not_applicable("This version of Entra Connect needs no such values."),
            false => TLS.skipped(
                "the version of Entra Connect is not known",
                "Only some versions need these values.",
            ),
        };
    }
    let read = match reading(&TLS, &needs, "tls") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let lacking = those(&read, |server| !has_tls(server));
    let finding = match lacking.is_empty() {
        true => TLS.pass("all values are set"),
        false => TLS
            .warn(
                Severity::Low,
                format!("TLS 1.2 is not switched on for good on {}", computers(&lacking)),
            )
            .reason("Versions 2.3.20.0 to 2.4.129.0 ask for them; newer ones do not.")
            .fix("Upgrade Entra Connect, or set the values that Microsoft's page lists and restart the server."),
    };
    evidence(finding, snapshot, &read, |server| {
        pairs(server, |setting| setting.of.to_uppercase().starts_with("HKLM:"))
    })
}
