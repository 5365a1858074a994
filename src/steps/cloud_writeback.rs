//! Step `cloud_writeback`: does the tenant write new passwords back to the directory on premises?

use super::hybrid::{OnPremises, on_premises};
use super::policy::{self, Kind, Portal, Setting, Stated, Switch, Wish, date, page, short, truth};
use super::touched::synced;
use super::{Setup, Step, connect_writeback};
use crate::change::Change;
use crate::desired::{ByAgent, DesiredState};
use crate::finding::{Check, Evidence, Finding, Severity, counted, number};
use crate::snapshot::directory::ConnectorKind;
use crate::snapshot::portal::OnPremisesResetPolicy;
use crate::snapshot::{FactId, Snapshot};
use jiff::Timestamp;

/// The step.
pub const STEP: Step = Step {
    name: "cloud_writeback",
    title: "Cloud writeback",
    checks: &[&ENABLED, &CLOUD_SYNC, &LOST],
    check,
    setup: Some(SETUP),
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback";

const ENABLED: Check = Check {
    id: "cloud_writeback.enabled",
    title: "Password writeback is on in the tenant",
    looks_at: "The portal's on-premises integration, the newest enable or disable event, and resets that name the agent which wrote them. Never passwordWritebackEnabled of Graph, which Microsoft says is not in use.",
    why: "Without writeback a synced user cannot reset (SSPR_0010): the password lives on premises.",
    doc: DOC,
    decides: true,
    facts: &[
        FactId::PortalOnPremises,
        FactId::AuditWriteback,
        FactId::AuditResets,
        FactId::Organization,
        FactId::UserCounts,
    ],
};
const CLOUD_SYNC: Check = Check {
    id: "cloud_writeback.cloud_sync",
    title: "Writeback by cloud sync",
    looks_at: "The portal's switch for Entra Connect cloud sync, and resets that cloud sync wrote.",
    why: "Users whom cloud sync brings can reset only when cloud sync writes back too.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-cloud-sync-sspr-writeback",
    decides: false,
    facts: &[FactId::PortalOnPremises, FactId::AuditResets, FactId::Organization],
};
const LOST: Check = Check {
    id: "cloud_writeback.lost_resets",
    title: "Resets of synced users reach the directory",
    looks_at: "Resets in the audit log whose OnPremisesAgent is None although the user is synced.",
    why: "Such a user has a new password in the cloud and the old one on premises.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback",
    decides: false,
    facts: &[FactId::AuditResets, FactId::Organization],
};

const SWITCH: Setting<Switch> = Setting {
    name: "switch of password writeback",
    portal: Portal::OnPremises(|p| {
        // A tenant with cloud sync alone writes back too.
        match (connect(p), p.cloud_provisioning_enablement_for_tenant) {
            (Some(true), _) | (_, Some(true)) => Some(Switch(true)),
            (connect, _) => connect.map(Switch),
        }
    }),
    member: "passwordWritebackSupported",
    logged: &[],
    parse: truth,
};

pub(super) const CONNECT: Setting<Switch> = Setting {
    name: "writeback by Entra Connect",
    portal: Portal::OnPremises(|p| p.password_writeback_supported.map(Switch)),
    member: "passwordWritebackSupported",
    logged: &[],
    parse: truth,
};
pub(super) const BY_CLOUD_SYNC: Setting<Switch> = Setting {
    name: "writeback by cloud sync",
    portal: Portal::OnPremises(|p| p.cloud_provisioning_enablement_for_tenant.map(Switch)),
    member: "cloudProvisioningEnablementForTenant",
    logged: &[],
    parse: truth,
};

const SETUP: Setup = Setup {
    needs: &[
        FactId::PortalOnPremises,
        FactId::Organization,
        FactId::UserCounts,
        FactId::AuditResets,
        FactId::Connectors,
        FactId::ConnectServers,
    ],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.cloud_writeback else {
        return Vec::new();
    };
    if let OnPremises::None(_) = on_premises(snapshot) {
        return Vec::new();
    }
    // By Entra Connect is the usual way, so its own accounts need not have been read.
    let (by_connect, by_cloud_sync) = (
        asked(wanted.connect, || connect_writeback::absent(snapshot).is_none()),
        asked(wanted.cloud_sync, || cloud_sync_is_used(snapshot)),
    );
    let connect = Wish {
        check: &ENABLED,
        title: match by_connect {
            Some(false) => "Do not write passwords back by Entra Connect",
            _ => "Write passwords back by Entra Connect",
        },
        label: "Write back passwords to your on-premises directory",
        page: page::ON_PREMISES,
    };
    let cloud_sync = Wish {
        check: &CLOUD_SYNC,
        title: match by_cloud_sync {
            Some(false) => "Do not write passwords back by cloud sync",
            _ => "Write passwords back by cloud sync",
        },
        label: "Write back passwords with Microsoft Entra Connect cloud sync",
        page: page::ON_PREMISES,
    };
    let connect = CONNECT.change(snapshot, by_connect.map(Switch), connect);
    // Nobody has seen how the portal writes this one.
    let cloud_sync = BY_CLOUD_SYNC.change(snapshot, by_cloud_sync.map(Switch), cloud_sync).map(|mut change| {
        change.by_hand.push(format!(
            "Or, on a machine with its agent, run: Import-Module 'C:\\Program Files\\Microsoft Azure AD Connect Provisioning Agent\\Microsoft.CloudSync.Powershell.dll'; Set-AADCloudSyncPasswordWritebackConfiguration -Enable ${} -Credential (Get-Credential)",
            by_cloud_sync == Some(true)
        ));
        change
    });
    let changes = connect.into_iter().chain(cloud_sync.map(Change::manual));
    changes.map(|change| change.touches(synced(snapshot))).collect()
}

/// What is wanted of an agent that was looked for.
fn asked(wanted: Option<ByAgent>, is_found: impl FnOnce() -> bool) -> Option<bool> {
    match wanted? {
        ByAgent::Switched(on) => Some(on),
        ByAgent::Found(_) => is_found().then_some(true),
    }
}

/// Whether cloud sync is seen at work: an account of its agents that is in use, or a reset that it wrote.
fn cloud_sync_is_used(snapshot: &Snapshot) -> bool {
    let accounts = snapshot.facts.connectors.value().into_iter().flatten();
    accounts
        .clone()
        .any(|account| account.kind == ConnectorKind::CloudSync && !account.is_stale(&[], snapshot.taken_at))
        || written_by_cloud_sync(snapshot).is_some()
}

/// When cloud sync last wrote a reset.
fn written_by_cloud_sync(snapshot: &Snapshot) -> Option<(&str, Timestamp)> {
    last_written(snapshot, |agent| {
        agent.to_ascii_lowercase().replace(' ', "").contains("cloudsync")
    })
}

/// The switch for Entra Connect.
fn connect(policy: &OnPremisesResetPolicy) -> Option<bool> {
    policy.password_writeback_supported.or(policy.enablement_for_tenant)
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return STEP.checks.iter().map(|c| c.not_applicable(why)).collect();
    }
    vec![enabled(snapshot), cloud_sync(snapshot), lost(snapshot)]
}

/// When an agent last wrote a reset, and which; resets without one are listed under `None`.
fn last_written(snapshot: &Snapshot, agent: impl Fn(&str) -> bool) -> Option<(&str, Timestamp)> {
    let resets = snapshot.facts.audit_resets.value()?;
    resets
        .last_by_agent
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("None") && agent(name))
        .max_by_key(|(_, at)| **at)
        .map(|(name, at)| (name.as_str(), *at))
}

/// What the log proves: the newest of the switch's events and of a reset that an agent wrote, which it only does while
/// writeback is on.
fn logged(snapshot: &Snapshot) -> Option<Stated<Switch>> {
    let (switches, resets) = (&snapshot.facts.audit_writeback, &snapshot.facts.audit_resets);
    let trace = switches.value();
    // That it was switched off since stands among the switches, that it was on again among the resets too.
    let whole = |on: bool| switches.whole().is_some() && (on || resets.whole().is_some());
    let stated = |on: bool, at: Timestamp, note: String, seen: String| Stated {
        value: Switch(on),
        at,
        kind: Kind::Event,
        whole: whole(on),
        note,
        evidence: Evidence {
            source: "audit log".into(),
            seen,
            as_of: trace.and_then(|t| t.watermark).or(switches.as_of()),
        },
    };
    let switched = trace.and_then(|t| t.switched.as_ref()).map(|s| {
        let verb = if s.enabled { "enabled" } else { "disabled" };
        let by = s.by.as_deref().map_or("an unknown actor".into(), short);
        let seen = format!("writeback {verb} on {} by {by}", date(s.at));
        stated(s.enabled, s.at, format!("audit log, {verb} {}", date(s.at)), seen)
    });
    let written = last_written(snapshot, |_| true).map(|(agent, at)| {
        let agent = short(agent);
        let seen = format!("{agent} wrote a reset on {}", date(at));
        stated(true, at, format!("{agent} wrote a reset on {}", date(at)), seen)
    });
    match (switched, written) {
        (Some(switched), Some(written)) if switched.at >= written.at => Some(switched),
        (switched, written) => written.or(switched),
    }
}

/// Whether the portal shows writeback on for cloud sync and off for Entra Connect.
fn cloud_sync_alone(snapshot: &Snapshot) -> bool {
    let portal = snapshot.facts.portal_on_premises.value();
    portal.is_some_and(|p| connect(p) == Some(false) && p.cloud_provisioning_enablement_for_tenant == Some(true))
}

fn enabled(snapshot: &Snapshot) -> Finding {
    let Some(switch) = policy::decide(SWITCH.stated(snapshot), logged(snapshot)) else {
        let unknown = policy::unknown(
            snapshot,
            FactId::PortalOnPremises,
            SWITCH.name,
            FactId::AuditWriteback,
            None,
        );
        return unknown.finding(&ENABLED);
    };
    let finding = if switch.value.0 && cloud_sync_alone(snapshot) {
        ENABLED
            .warn(
                Severity::Medium,
                format!("on for cloud sync, off for Entra Connect ({})", switch.note),
            )
            .reason("Users whom Entra Connect brings are refused (SSPR_0010); only those of cloud sync can reset.")
            .fix(
                "Switch on \"Write back passwords to your on-premises directory\", unless cloud sync brings all users.",
            )
            .portal(page::ON_PREMISES)
    } else if switch.value.0 {
        ENABLED.pass(format!("on ({})", switch.note))
    } else if !switch.is_whole() {
        ENABLED.skipped(
            format!("off ({}), but the log was read only in part", switch.note),
            "That it was switched on since, or a reset that was written since, may stand in the part that was not read.",
        )
    } else if on_premises(snapshot) == OnPremises::Unknown {
        ENABLED.skipped(
            format!("off ({}), needed only in a hybrid tenant", switch.note),
            "Whether the tenant syncs from a directory on premises could not be read.",
        )
    } else {
        let finding = ENABLED
            .fail(Severity::High, format!("password writeback is off ({})", switch.note))
            .reason("A synced user who forgot the password is refused (SSPR_0010): the new password could not reach the directory.")
            .fix("Switch on \"Write back passwords to your on-premises directory\", after writeback is set up in Connect or cloud sync.")
            .portal(page::ON_PREMISES);
        let counts = snapshot.facts.user_counts.value();
        match counts.and_then(|c| Some((c.synced_members?, c.enabled_members))) {
            Some((synced, all)) => finding.affects(synced, Some(all), true, Vec::new()),
            None => finding,
        }
    };
    switch.support(finding)
}

fn cloud_sync(snapshot: &Snapshot) -> Finding {
    let portal = &snapshot.facts.portal_on_premises;
    let on = portal.value().and_then(|p| p.cloud_provisioning_enablement_for_tenant);
    let written = written_by_cloud_sync(snapshot);
    let finding = match (on, written) {
        (Some(true), _) => CLOUD_SYNC.pass("on for cloud sync too"),
        (Some(false), Some((_, at))) => CLOUD_SYNC
            .warn(
                Severity::Medium,
                format!("off for cloud sync, which wrote a reset on {}", date(at)),
            )
            .reason("Users whom cloud sync brings could reset until then and cannot now.")
            .fix("Switch on \"Write back passwords with Microsoft Entra Connect cloud sync\", if cloud sync is still in use.")
            .portal(page::ON_PREMISES),
        (Some(false), None) => CLOUD_SYNC
            .pass("off for cloud sync")
            .reason("That is right where Entra Connect brings all users; users whom cloud sync brings need it on."),
        (None, Some((_, at))) => CLOUD_SYNC.pass(format!("cloud sync wrote a reset on {}", date(at))),
        // That its switch could not be read matters only where something shows that it is used.
        (None, None) if snapshot.facts.audit_resets.whole().is_some() => {
            return CLOUD_SYNC.not_applicable(
                "No reset in the audit log was written by cloud sync. Whether its switch is on is told by the portal API alone.",
            );
        }
        (None, None) => {
            let unknown = policy::unknown(
                snapshot,
                FactId::PortalOnPremises,
                "switch of writeback by cloud sync",
                FactId::AuditResets,
                None,
            );
            return unknown.finding(&CLOUD_SYNC);
        }
    };
    let finding = match on {
        Some(on) => finding.evidence(portal, format!("cloudProvisioningEnablementForTenant: {on}")),
        None => finding,
    };
    match written {
        Some((agent, at)) => finding.evidence(
            &snapshot.facts.audit_resets,
            format!("{} wrote a reset on {}", short(agent), date(at)),
        ),
        None => finding,
    }
}

fn lost(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.audit_resets;
    let Some(resets) = fact.value() else {
        return LOST.unreadable(snapshot);
    };
    let since = resets
        .from
        .map_or("in the log".into(), |at| format!("since {}", date(at)));
    let all = resets.self_service_resets.saturating_add(resets.admin_resets);
    let seen = format!(
        "{since}: {}, {} of synced users without an agent, {} of users of unknown origin",
        counted(all, "reset", "resets"),
        number(resets.lost_resets),
        number(resets.unknown_origin)
    );
    let finding = if resets.lost_resets > 0 {
        LOST.fail(
            Severity::High,
            format!(
                "{} of synced users never reached the directory",
                counted(resets.lost_resets, "reset", "resets")
            ),
        )
        .reason("These users have a new password in the cloud and the old one on premises: they cannot sign in to their computer.")
        .fix("Have these users reset again once writeback works; look at it on the Connect server and in its events.")
        .portal(page::ON_PREMISES)
        .affects(
            resets.lost_resets,
            (!fact.is_partial() && all >= resets.lost_resets).then_some(all),
            true,
            resets.lost_sample.clone(),
        )
    } else if fact.is_partial() {
        LOST.skipped(
            "the audit log was read only in part",
            "No lost reset was seen in the part that was read.",
        )
    } else if resets.unknown_origin > 0 {
        LOST.skipped(
            format!(
                "{} without an agent, of users whose origin is not known",
                counted(resets.unknown_origin, "reset", "resets")
            ),
            "Cloud-only users have no agent, and for synced users their reset was lost; which they are could not be read.",
        )
    } else {
        LOST.pass(format!("no reset of a synced user was lost {since}"))
    };
    finding.evidence(fact, seen)
}

#[cfg(test)]
mod tests;
