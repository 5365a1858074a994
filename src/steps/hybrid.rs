//! Step `hybrid`: is there a directory on premises, is it still in touch, and whom does it concern?

mod sync;

use super::Step;
use super::policy::short;
use crate::finding::{Check, Finding, Severity, counted, number, refused};
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "hybrid",
    title: "Hybrid",
    checks: &[&sync::SYNC, &sync::PASSWORD_SYNC, &MIXED, &FEDERATION],
    check,
    setup: None,
};

const CONNECT: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_Connect_Provisioning/AADConnectMenuBlade/~/ConnectSync";
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
        sync::sync(snapshot),
        sync::password_sync(snapshot),
        mixed(snapshot),
        federation(snapshot),
    ]
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
            finding.title = format!(
                "{}, {} of these managed in the cloud or left over",
                finding.title,
                number(count)
            );
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

#[cfg(test)]
mod tests;
