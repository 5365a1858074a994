//! Step `service_account`: the accounts by which passwords are written back: which, whether they work, how strong they are.

pub(super) mod versions;

use super::Step;
use super::connect_writeback;
use super::on_premises::{access, configured, in_use, is_stale, listed, unread};
use super::policy::date;
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::directory::{Connector, ConnectorKind};
use crate::snapshot::{FactId, Snapshot};
use jiff::SignedDuration;
use versions::Support;

/// The step.
pub const STEP: Step = Step {
    name: "service_account",
    title: "Service account",
    checks: &[&FOUND, &USABLE, &COVERAGE, &PRIVILEGED, &STALE, &PASSWORD_AGE, &VERSION],
    check,
    setup: None,
};

const ACCOUNTS: &str =
    "https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-accounts-permissions";
const FACTS: &[FactId] = &[
    FactId::ConnectServers,
    FactId::Connectors,
    FactId::Forests,
    FactId::Organization,
    FactId::UserCounts,
];

const FOUND: Check = Check {
    id: "service_account.found",
    title: "The connector account is known",
    looks_at: "Accounts that Entra Connect (MSOL_*, or by their description) or cloud sync (pGMSA_*) made, or those that were named, in every domain of the forest.",
    why: "Writeback acts as this account; every right on premises is a right of this account.",
    doc: ACCOUNTS,
    decides: true,
    facts: FACTS,
};
const USABLE: Check = Check {
    id: "service_account.usable",
    title: "It can sign in",
    looks_at: "Whether the account is enabled, not locked out, not expired, and its password has not expired.",
    why: "An account that cannot sign in stops synchronisation and every reset.",
    doc: ACCOUNTS,
    decides: true,
    facts: FACTS,
};
const COVERAGE: Check = Check {
    id: "service_account.coverage",
    title: "Every domain can be read",
    looks_at: "Whether each domain of the forest was reached, by a controller that holds a reset against the password policy when asked to.",
    why: "Connect needs a controller with the policy hints control (Windows Server 2016 or newer); without it a reset fails (event 6329).",
    doc: "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback",
    decides: true,
    facts: FACTS,
};
const PRIVILEGED: Check = Check {
    id: "service_account.privileged",
    title: "It is no administrator",
    looks_at: "Whether the account is in a group with rights over the domain or the forest, directly or through others.",
    why: "Its password lies on the Connect server; whoever takes that server would have the domain.",
    doc: ACCOUNTS,
    decides: false,
    facts: FACTS,
};
const STALE: Check = Check {
    id: "service_account.stale",
    title: "No account left over",
    looks_at: "Connector accounts that are disabled or have not signed in for 30 days: left over from an installation that is gone.",
    why: "They keep their rights over every password, and mislead whoever looks for the account that counts.",
    doc: ACCOUNTS,
    decides: false,
    facts: FACTS,
};
const PASSWORD_AGE: Check = Check {
    id: "service_account.password_age",
    title: "The age of its password",
    looks_at: "When the account's password was set.",
    why: "One that was set long ago may lack the keys that domain controllers ask for since RC4 was switched off, and then the account cannot sign in.",
    doc: ACCOUNTS,
    decides: false,
    facts: FACTS,
};

pub(super) const VERSION: Check = Check {
    id: "service_account.version",
    title: "Entra Connect's version is supported",
    looks_at: "The version that the Connect server tells, against a table of versions and their end of support, with the day on which the table was checked.",
    why: "Microsoft switches old versions off: synchronisation and writeback stop on that day.",
    doc: "https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-version-history",
    decides: false,
    facts: &[FactId::ConnectServers, FactId::Organization, FactId::UserCounts],
};

/// A password older than this was set before much else that counts.
const OLD: SignedDuration = SignedDuration::from_hours(5 * 365 * 24);

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let fact = &snapshot.facts.connectors;
    let used = in_use(snapshot);
    let make = |check: &'static Check, judge: fn(&Snapshot, &[&Connector]) -> Finding| {
        unread(check, snapshot, fact).unwrap_or_else(|| judge(snapshot, &used))
    };
    let known = |check: &'static Check, judge: fn(&Snapshot, &[&Connector]) -> Finding| {
        unread(check, snapshot, fact).unwrap_or_else(|| match used.is_empty() {
            true => check.skipped("no connector account is known", "See service_account.found."),
            false => judge(snapshot, &used),
        })
    };
    vec![
        make(&FOUND, found),
        known(&USABLE, usable),
        unread(&COVERAGE, snapshot, &snapshot.facts.forests).unwrap_or_else(|| coverage(snapshot)),
        known(&PRIVILEGED, privileged),
        make(&STALE, stale),
        known(&PASSWORD_AGE, password_age),
        version(snapshot),
    ]
}

fn names(accounts: &[&Connector]) -> String {
    // A saved snapshot may have lost a name.
    let name = |account: &&Connector| match account.name.trim() {
        "" => "an account without a name".to_string(),
        name => name.to_string(),
    };
    listed(&accounts.iter().map(name).collect::<Vec<_>>())
}

fn seen(account: &Connector, snapshot: &Snapshot) -> String {
    let kind = match account.kind {
        _ if account.is_among(&configured(snapshot)) => "as Entra Connect says on its server",
        ConnectorKind::Connect => "made by Entra Connect",
        ConnectorKind::CloudSync => "cloud sync's managed service account",
        ConnectorKind::Named => "named by you",
    };
    let from = account.installation.as_ref().map_or_else(String::new, |from| {
        format!(", on {} for {}", from.computer, from.tenant)
    });
    let last = account.last_sign_in.map_or_else(
        || ", no sign-in noted".into(),
        |last| format!(", last signed in about {}", date(last)),
    );
    // Of an account that was not weighed nothing is known but where it stands.
    let mut serves: Vec<String> = access(snapshot)
        .iter()
        .filter(|access| access.connector == account.name)
        .map(|access| access.domain.clone())
        .collect();
    serves.dedup();
    let serves = match (serves.is_empty(), account.domain.as_str()) {
        (true, "") => String::new(),
        (true, domain) => format!(", in {domain}"),
        (false, _) => format!(", for {}", serves.join(" and ")),
    };
    format!("{}: {kind}{from}{serves}{last}", account.name)
}

fn with(finding: Finding, snapshot: &Snapshot, accounts: &[&Connector]) -> Finding {
    accounts.iter().fold(finding, |finding, account| {
        finding.evidence(&snapshot.facts.connectors, seen(account, snapshot))
    })
}

fn found(snapshot: &Snapshot, used: &[&Connector]) -> Finding {
    let tenant_of = |account: &Connector| account.installation.as_ref().map(|from| from.tenant.to_lowercase());
    let domains = snapshot.facts.organization.value().map(|o| {
        let names = o.verified_domains.iter().filter_map(|domain| domain.name.as_deref());
        names.map(str::to_lowercase).collect::<Vec<_>>()
    });
    let foreign: Vec<&Connector> = used
        .iter()
        .filter(|account| match (tenant_of(account), &domains) {
            (Some(tenant), Some(domains)) => !domains.is_empty() && !domains.contains(&tenant),
            _ => false,
        })
        .copied()
        .collect();
    let all = snapshot.facts.connectors.value().map(Vec::as_slice).unwrap_or_default();
    let missing: Vec<String> = configured(snapshot)
        .iter()
        .filter(|account| !all.iter().any(|known| known.is_among(std::slice::from_ref(account))))
        .map(|(domain, name)| format!("{domain}\\{name}"))
        .collect();
    if !missing.is_empty() {
        return FOUND
            .skipped(
                format!("{} was not looked at", listed(&missing)),
                "Entra Connect works as this account, and it was not found in the domains that were read, or these were read before the server was.",
            )
            .fix("Check the directory and the Connect server in one run, with a connection to the account's domain.")
            .command("Connect-SsprConnectServer; Connect-SsprDirectory; Test-SsprReadiness");
    }
    if used.is_empty() {
        let finding = FOUND.skipped(
            "no connector account was found",
            "None bears the name or the description that Microsoft gives; yours may be called otherwise, or be in a domain that was not read.",
        );
        return finding
            .fix("Name it: Connect shows it on its server (Get-ADSyncADConnectorAccount).")
            .command("Connect-SsprDirectory -Connector CONTOSO\\svc-entra");
    }
    let finding = if foreign.len() == used.len() {
        FOUND
            .warn(Severity::Medium, format!("{} serves another tenant", names(&foreign)))
            .reason("By its description the account was made for another tenant: which account writes this tenant's passwords back is not known.")
            .fix("Name the account of this tenant's Connect server.")
            .command("Connect-SsprDirectory -Connector CONTOSO\\svc-entra")
    } else {
        FOUND.pass(names(used))
    };
    with(finding, snapshot, used)
}

/// Why an account cannot sign in.
fn broken(account: &Connector, snapshot: &Snapshot) -> Option<&'static str> {
    let over = |end: Option<jiff::Timestamp>| end.is_some_and(|end| end <= snapshot.taken_at);
    if !account.enabled {
        Some("is disabled")
    } else if account.locked {
        Some("is locked out")
    } else if over(account.expires) {
        Some("has expired")
    } else if over(account.password_expires) {
        Some("has a password that has expired")
    } else {
        None
    }
}

fn usable(snapshot: &Snapshot, used: &[&Connector]) -> Finding {
    let faulty: Vec<(&Connector, &str)> = used
        .iter()
        .filter_map(|account| Some((*account, broken(account, snapshot)?)))
        .collect();
    let Some((account, why)) = faulty.first() else {
        let ending = used
            .iter()
            .flat_map(|account| [account.expires, account.password_expires])
            .flatten();
        let finding = match ending.min() {
            Some(end) => USABLE
                .warn(Severity::Medium, format!("it stops signing in on {}", date(end)))
                .reason("The account, or its password, ends on that day; synchronisation and every reset stop then.")
                .fix("Let neither the account nor its password expire."),
            None => USABLE.pass(format!("{} can sign in", names(used))),
        };
        return with(finding, snapshot, used);
    };
    let finding = USABLE
        .fail(Severity::High, format!("{} {why}", account.name))
        .reason("Writeback acts as this account: while it cannot sign in, no reset gets into the directory.")
        .fix("Put the account in order; a new password must be entered in Connect too.");
    with(finding, snapshot, used)
}

fn coverage(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.forests;
    let domains: Vec<_> = fact
        .value()
        .into_iter()
        .flatten()
        .flat_map(|forest| &forest.domains)
        .collect();
    let unread: Vec<String> = domains
        .iter()
        .filter(|domain| domain.controller.is_none())
        .map(|d| d.name.clone())
        .collect();
    let old: Vec<String> = domains
        .iter()
        .filter(|d| d.policy_hints == Some(false))
        .map(|d| d.name.clone())
        .collect();
    let finding = if !old.is_empty() {
        COVERAGE
            .fail(Severity::High, format!("the controller of {} is too old for writeback", listed(&old)))
            .reason("It does not know the policy hints control: Connect refuses to reset there (event 6329, admaexport.cpp 2837).")
            .fix("Upgrade the domain controllers to Windows Server 2016 or newer, or let Connect prefer one that is.")
    } else if !unread.is_empty() {
        COVERAGE
            .skipped(
                format!("{} could not be read", listed(&unread)),
                domains
                    .iter()
                    .filter_map(|domain| Some(format!("{}: {}", domain.name, domain.unread.as_deref()?)))
                    .collect::<Vec<_>>()
                    .join("; "),
            )
            .fix("Connect to that domain too, with an account of it or a controller that can be reached.")
            .command(format!(
                "Connect-SsprDirectory -Domain {} -Credential (Get-Credential)",
                unread.first().map_or("", String::as_str)
            ))
    } else {
        COVERAGE.pass(format!("{} read", counted(domains.len() as u64, "domain", "domains")))
    };
    domains.iter().fold(finding, |finding, domain| {
        let seen = match (&domain.controller, &domain.unread) {
            (Some(controller), _) => format!("{}: read from {controller}", domain.name),
            (None, why) => format!("{}: {}", domain.name, why.as_deref().unwrap_or("not read")),
        };
        let finding = finding.evidence(fact, seen);
        domain.elsewhere.iter().fold(finding, |finding, url| {
            let seen = format!(
                "{}: refers to {url}, outside the forest, which was not followed",
                domain.name
            );
            finding.evidence(fact, seen)
        })
    })
}

fn privileged(snapshot: &Snapshot, used: &[&Connector]) -> Finding {
    let strong: Vec<&Connector> = used
        .iter()
        .filter(|account| !account.privileged_groups.is_empty())
        .copied()
        .collect();
    let Some(first) = strong.first() else {
        return with(
            PRIVILEGED.pass("in no group with rights over the domain"),
            snapshot,
            used,
        );
    };
    let finding = PRIVILEGED
        .warn(Severity::High, format!("{} is in {}", first.name, listed(&first.privileged_groups)))
        .reason("Its password lies on the Connect server: whoever takes that server has the domain. Writeback needs only the rights that directory_permissions names.")
        .fix("Take it out of the group, after the rights that it needs are granted to it.");
    strong.iter().fold(finding, |finding, account| {
        finding.evidence(
            &snapshot.facts.connectors,
            format!("{}: {}", account.name, account.privileged_groups.join(", ")),
        )
    })
}

fn stale(snapshot: &Snapshot, used: &[&Connector]) -> Finding {
    let fact = &snapshot.facts.connectors;
    let all = fact.value().map(Vec::as_slice).unwrap_or_default();
    let old: Vec<&Connector> = all.iter().filter(|account| is_stale(account, snapshot)).collect();
    if old.is_empty() {
        let seen = format!("{} found", counted(all.len() as u64, "account", "accounts"));
        return STALE.pass("none").evidence(fact, seen);
    }
    // With none in use, these may be the ones that are, of a directory that does not note sign-ins.
    let finding = if used.iter().all(|account| old.contains(account)) && !used.is_empty() {
        STALE.skipped(
            format!("{} seems unused, but no other is in use", names(&old)),
            "The directory noted no sign-in of it within 30 days: synchronisation may have stopped, or nothing notes sign-ins.",
        )
    } else {
        STALE
            .warn(Severity::Low, format!("{} is left over", names(&old)))
            .reason("It has not signed in for 30 days or is disabled, and keeps rights over passwords.")
            .fix("Make sure that no Connect server uses it, take its rights away, and delete it.")
    };
    with(finding, snapshot, &old)
}

fn password_age(snapshot: &Snapshot, used: &[&Connector]) -> Finding {
    let oldest = used
        .iter()
        .filter(|account| account.kind != ConnectorKind::CloudSync)
        .filter_map(|account| account.password_set)
        .min();
    let Some(set) = oldest else {
        return PASSWORD_AGE.not_applicable("A managed service account's password is renewed by the directory.");
    };
    let finding = if snapshot.taken_at.duration_since(set) > OLD {
        PASSWORD_AGE
            .warn(Severity::Low, format!("set on {}", date(set)))
            .reason("So old a password may have no AES keys; domain controllers no longer take RC4 by default since July 2026, and the account could then not sign in.")
            .fix("Set a new password of at most 256 characters, and enter it in Connect.")
    } else {
        PASSWORD_AGE.pass(format!("set on {}", date(set)))
    };
    with(finding, snapshot, used)
}

/// Half a year before a version ends, the next one should be planned.
const SOON: i64 = 180;

fn version(snapshot: &Snapshot) -> Finding {
    if let Some(why) = connect_writeback::absent(snapshot) {
        return VERSION.not_applicable(why);
    }
    if let Some(finding) = connect_writeback::unread(&VERSION, snapshot) {
        return finding;
    }
    let fact = &snapshot.facts.connect_servers;
    let servers = connect_writeback::active(snapshot);
    if servers.is_empty() {
        return VERSION.skipped("no active server was read", connect_writeback::idle(snapshot));
    }
    let told = servers
        .iter()
        .filter_map(|server| Some((server, server.version.as_deref()?)));
    let today = snapshot.taken_at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut worst: Option<(i64, Finding)> = None;
    for (server, text) in told.clone() {
        let Ok(number) = text.parse() else { continue };
        let at = &server.computer;
        let upgrade =
            |finding: Finding| finding.fix("Upgrade Entra Connect: the installer is in the Entra admin center.");
        let (rank, finding) = match versions::support(number) {
            Support::Stopped => (0, upgrade(VERSION.fail(Severity::High, format!("Entra Connect {text} on {at} no longer works")))
                .reason("Microsoft stopped versions before 2.5.79.0 on 2026-09-30: nothing is synchronised or written back.")),
            Support::Withdrawn => (1, upgrade(VERSION.warn(Severity::High, format!("Entra Connect {text} on {at} was withdrawn")))
                .reason("Microsoft took this version back; it asks to uninstall it and to take 2.6.84.0 or newer.")),
            Support::Until(end) if end < today => (2, upgrade(VERSION.warn(Severity::High, format!("support of Entra Connect {text} on {at} ended on {end}")))
                .reason("Microsoft may switch it off without further notice.")),
            Support::Until(end) if today.until(end).map_or(0, |left| left.get_days().into()) <= SOON => (3, upgrade(
                VERSION.warn(Severity::Medium, format!("support of Entra Connect {text} on {at} ends on {end}")))
                .reason("Synchronisation and writeback may stop after that day.")),
            Support::Unlisted => (4, VERSION.skipped(format!("Entra Connect {text} on {at} is not in the table"), "It stands between two versions that are; when its support ends is not known.")),
            Support::Until(end) => (5, VERSION.pass(format!("Entra Connect {text} on {at}, supported until {end}"))),
            Support::Current => (6, VERSION.pass(format!("Entra Connect {text} on {at} is the newest known, or newer"))),
        };
        if worst.as_ref().is_none_or(|(known, _)| rank < *known) {
            worst = Some((rank, finding));
        }
    }
    let finding = worst.map_or_else(
        || {
            VERSION.skipped(
                "not told by the server",
                "Its answer holds no version that is understood.",
            )
        },
        |(_, finding)| finding,
    );
    let table = versions::checked().map_or_else(String::new, |day| format!(" (table checked on {day})"));
    servers.iter().fold(finding, |finding, server| {
        let why = server.unread.get("version").map(String::as_str);
        let seen = server.version.as_deref().or(why).unwrap_or("no version");
        finding.evidence(fact, format!("{}: {seen}{table}", server.computer))
    })
}

#[cfg(test)]
mod tests;
