//! Step `cloud_writeback`: does the tenant write new passwords back to the directory on premises?

use super::Step;
use super::hybrid::{OnPremises, on_premises};
use super::policy::{self, Kind, Portal, Setting, Stated, Switch, date, page, short, truth};
use crate::finding::{Check, Evidence, Finding, Severity, counted, number};
use crate::snapshot::{FactId, Snapshot};
use jiff::Timestamp;

/// The step.
pub const STEP: Step = Step {
    name: "cloud_writeback",
    title: "Cloud writeback",
    checks: &[&ENABLED, &CLOUD_SYNC, &LOST],
    check,
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
    facts: &[FactId::PortalOnPremises, FactId::AuditWriteback, FactId::Organization],
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
        let connect = p.password_writeback_supported.or(p.enablement_for_tenant);
        match (connect, p.cloud_provisioning_enablement_for_tenant) {
            (Some(true), _) | (_, Some(true)) => Some(Switch(true)),
            (connect, _) => connect.map(Switch),
        }
    }),
    logged: &[],
    parse: truth,
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return STEP.checks.iter().map(|c| c.not_applicable(why)).collect();
    }
    vec![enabled(snapshot), cloud_sync(snapshot), lost(snapshot)]
}

/// When an agent last wrote a reset, and which; resets without one are listed under `None`.
fn last_written(snapshot: &Snapshot, agent: impl Fn(&str) -> bool) -> Option<(&str, Timestamp)> {
    let trace = snapshot.facts.audit_writeback.value()?;
    trace
        .last_by_agent
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("None") && agent(name))
        .max_by_key(|(_, at)| **at)
        .map(|(name, at)| (name.as_str(), *at))
}

/// What the log proves: the newest of the switch's events and of a reset that an agent wrote, which it only does while
/// writeback is on.
fn logged(snapshot: &Snapshot) -> Option<Stated<Switch>> {
    let fact = &snapshot.facts.audit_writeback;
    let trace = fact.value()?;
    let stated = |on: bool, at: Timestamp, note: String, seen: String| Stated {
        value: Switch(on),
        at,
        kind: Kind::Event,
        whole: !fact.is_partial(),
        note,
        evidence: Evidence {
            source: "audit log".into(),
            seen,
            as_of: trace.watermark.or(fact.as_of()),
        },
    };
    let switched = trace.switched.as_ref().map(|s| {
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
    let finding = if switch.value.0 {
        ENABLED.pass(format!("on ({})", switch.note))
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
    let written = last_written(snapshot, |agent| {
        agent.to_ascii_lowercase().replace(' ', "").contains("cloudsync")
    });
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
        (None, None) if snapshot.facts.audit_writeback.whole().is_some() => {
            return CLOUD_SYNC.not_applicable(
                "No reset in the audit log was written by cloud sync. Whether its switch is on is told by the portal API alone.",
            );
        }
        (None, None) => {
            let unknown = policy::unknown(
                snapshot,
                FactId::PortalOnPremises,
                "switch of writeback by cloud sync",
                FactId::AuditWriteback,
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
            &snapshot.facts.audit_writeback,
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
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::audit::{ResetActivity, WritebackSwitch, WritebackTrace};
    use crate::snapshot::graph::Organization;
    use crate::snapshot::people::UserCounts;
    use crate::snapshot::portal::OnPremisesResetPolicy;
    use crate::snapshot::{Fact, RefusalKind};
    use crate::steps::testing::{at, find, known, partial, refused, snapshot};

    fn hybrid(synced: bool) -> Snapshot {
        let mut s = snapshot();
        s.facts.organization = known(Organization {
            on_premises_sync_enabled: synced.then_some(true),
            ..Default::default()
        });
        s.facts.user_counts = known(UserCounts {
            enabled_members: 20_006,
            synced_members: Some(19_594),
            ..Default::default()
        });
        s
    }

    fn portal(connect: bool, cloud_sync: bool) -> Fact<OnPremisesResetPolicy> {
        known(OnPremisesResetPolicy {
            password_writeback_supported: Some(connect),
            enablement_for_tenant: Some(connect),
            account_unlock_enabled: Some(true),
            cloud_provisioning_enablement_for_tenant: Some(cloud_sync),
        })
    }

    fn trace(switched: Option<(bool, &str)>, written: &[(&str, &str)]) -> Fact<WritebackTrace> {
        known(WritebackTrace {
            switched: switched.map(|(enabled, when)| WritebackSwitch {
                enabled,
                at: at(when),
                by: Some("admin@contoso.example".into()),
            }),
            last_by_agent: written.iter().map(|(a, when)| ((*a).into(), at(when))).collect(),
            from: Some(at("2026-10-24T09:00:00Z")),
            watermark: Some(at("2026-11-23T08:30:00Z")),
        })
    }

    #[test]
    fn cloud_only_tenants_need_none() {
        let mut s = hybrid(false);
        s.facts.portal_on_premises = portal(false, false);
        let findings = check(&s);
        assert_eq!(findings.len(), STEP.checks.len());
        assert!(findings.iter().all(|f| f.status == Outcome::NotApplicable));
    }

    #[test]
    fn the_portal_decides() {
        let mut s = hybrid(true);
        s.facts.portal_on_premises = portal(true, false);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!((f.status, f.title.as_str()), (Outcome::Pass, "on (portal)"));
        assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::Pass);
        s.facts.portal_on_premises = portal(false, true);
        assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Pass);
        s.facts.portal_on_premises = portal(false, false);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(f.status, Outcome::Fail);
        let affected = f.affected.unwrap();
        assert_eq!(
            (affected.count, affected.of, affected.blocks_reset),
            (19_594, Some(20_006), true)
        );
    }

    #[test]
    fn the_log_decides_without_the_portal() {
        let mut s = hybrid(true);
        s.facts.portal_on_premises = refused(RefusalKind::SignIn, "Only a person is served.", None);
        s.facts.audit_writeback = trace(None, &[("None", "2026-11-22T00:00:00Z")]);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(f.status, Outcome::Skipped);
        assert_eq!(
            f.title,
            "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
        );
        assert!(f.decides);
        assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::NotApplicable);

        s.facts.audit_writeback = trace(Some((true, "2026-11-02T08:00:00Z")), &[]);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(
            (f.status, f.title.as_str()),
            (Outcome::Pass, "on (audit log, enabled 2026-11-02)")
        );

        // A reset that was written proves more than the switch before it, and nothing against the switch after it.
        let connect = [("Microsoft Entra Connect", "2026-11-20T10:00:00Z")];
        s.facts.audit_writeback = trace(Some((false, "2026-11-02T08:00:00Z")), &connect);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(f.title, "on (Microsoft Entra Connect wrote a reset on 2026-11-20)");
        s.facts.audit_writeback = trace(Some((false, "2026-11-21T08:00:00Z")), &connect);
        assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Fail);
    }

    #[test]
    fn neither_source_is_readable() {
        let mut s = hybrid(true);
        s.facts.portal_on_premises = refused(RefusalKind::SignIn, "Only a person is served.", None);
        s.facts.audit_writeback = refused(RefusalKind::Permission, "The app lacks AuditLog.Read.All.", None);
        for check in [&ENABLED, &CLOUD_SYNC] {
            let f = find(&STEP, check, &s);
            assert_eq!((f.status, f.evidence.len()), (Outcome::Skipped, 2));
            assert!(f.reason.unwrap().contains("AuditLog.Read.All"));
        }
    }

    #[test]
    fn half_a_log_is_no_pass() {
        let mut s = hybrid(true);
        let Fact::Known { value, .. } = trace(Some((true, "2026-11-02T08:00:00Z")), &[]) else {
            unreachable!()
        };
        s.facts.audit_writeback = partial(value);
        assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Skipped);
    }

    #[test]
    fn the_portal_and_the_log_disagree() {
        let mut s = hybrid(true);
        s.facts.portal_on_premises = portal(true, true);
        s.facts.audit_writeback = trace(Some((false, "2026-11-21T08:00:00Z")), &[]);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
        assert!(f.title.ends_with("the sources disagree"));
        s.facts.portal_on_premises = portal(true, false);
        s.facts.audit_writeback = trace(None, &[("CloudSync", "2026-11-20T10:00:00Z")]);
        assert_eq!(find(&STEP, &CLOUD_SYNC, &s).status, Outcome::Warn);
    }

    #[test]
    fn off_is_no_fault_where_hybrid_is_not_known() {
        let mut s = snapshot();
        s.facts.organization = refused(RefusalKind::Permission, "no", None);
        s.facts.portal_on_premises = portal(false, false);
        assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Skipped);
    }

    #[test]
    fn lost_resets_fail() {
        let activity = |lost, unknown| ResetActivity {
            from: Some(at("2026-10-24T09:00:00Z")),
            self_service_resets: 40,
            lost_resets: lost,
            lost_sample: vec!["a@contoso.example".into()],
            unknown_origin: unknown,
            ..Default::default()
        };
        let mut s = hybrid(true);
        s.facts.audit_resets = known(activity(3, 0));
        let f = find(&STEP, &LOST, &s);
        assert_eq!(f.status, Outcome::Fail);
        let affected = f.affected.unwrap();
        assert_eq!((affected.count, affected.of, affected.sample.len()), (3, Some(40), 1));
        s.facts.audit_resets = known(activity(0, 0));
        let f = find(&STEP, &LOST, &s);
        assert_eq!(
            (f.status, f.title.as_str()),
            (Outcome::Pass, "no reset of a synced user was lost since 2026-10-24")
        );
        s.facts.audit_resets = known(activity(0, 2));
        assert_eq!(find(&STEP, &LOST, &s).status, Outcome::Skipped);
        s.facts.audit_resets = partial(activity(0, 0));
        assert_eq!(find(&STEP, &LOST, &s).status, Outcome::Skipped);
        s.facts.audit_resets = refused(RefusalKind::Permission, "no", Some("AuditLog.Read.All"));
        assert!(find(&STEP, &LOST, &s).title.contains("AuditLog.Read.All"));
    }
}
