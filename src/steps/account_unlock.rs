//! Step `account_unlock`: may users unlock their account on premises without a new password?

use super::Step;
use super::hybrid::{OnPremises, on_premises};
use super::policy::{self, Kind, Portal, Setting, Sources, Stated, Switch, date, outdated, page, truth};
use crate::finding::{Check, Evidence, Finding, Severity, number};
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "account_unlock",
    title: "Account unlock",
    checks: &[&ALLOWED, &LOCKOUT],
    check,
};

const ALLOWED: Check = Check {
    id: "account_unlock.allowed",
    title: "Users may unlock without a reset",
    looks_at: "\"Allow users to unlock accounts without resetting their password\", from the portal API, the audit log's newest change or a declaration, and self-service unlocks in the log, which prove that it worked then.",
    why: "A user who is locked out but remembers the password must otherwise choose a new one, and type it into every device.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback",
    decides: true,
    facts: &[
        FactId::PortalOnPremises,
        FactId::AuditSettings,
        FactId::AuditResets,
        FactId::Organization,
        FactId::UserCounts,
    ],
};

const LOCKOUT: Check = Check {
    id: "account_unlock.lockout",
    title: "The directory's lockout against smart lockout",
    looks_at: "The directory's lockout threshold against that of Microsoft Entra's smart lockout. The directory is not read in this version, so the two are not compared.",
    why: "Where a wrong password is tried in the cloud, smart lockout should stop it before it locks the account on premises.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout",
    decides: false,
    facts: &[FactId::Organization, FactId::UserCounts],
};

const SWITCH: Setting<Switch> = Setting {
    name: "permission to unlock without a reset",
    portal: Portal::OnPremises(|p| p.account_unlock_enabled.map(Switch)),
    logged: &["EnableAccountUnlock", "accountUnlockEnabled"],
    parse: truth,
};

/// The newest unlock: it only succeeds while it is allowed.
fn unlocked(snapshot: &Snapshot) -> Option<Stated<Switch>> {
    let fact = &snapshot.facts.audit_resets;
    let activity = fact.value()?;
    let last = activity.last_unlock?;
    Some(Stated {
        value: Switch(true),
        at: last,
        kind: Kind::Event,
        // A change after it would stand in the settings' log, so that must have been read whole.
        whole: !fact.is_partial() && snapshot.facts.audit_settings.whole().is_some(),
        note: format!("audit log, a user unlocked on {}", date(last)),
        evidence: Evidence {
            source: "audit log".into(),
            seen: format!(
                "{} self-service unlocks, the last on {}",
                number(activity.unlocks),
                date(last)
            ),
            as_of: fact.as_of(),
        },
    })
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![allowed(snapshot), lockout(snapshot)]
}

fn lockout(snapshot: &Snapshot) -> Finding {
    match on_premises(snapshot) {
        OnPremises::None(why) => LOCKOUT.not_applicable(why),
        _ => LOCKOUT.skipped(
            "lockout thresholds not compared: the directory was not looked at",
            "Smart lockout stops after 10 wrong passwords (3 in US Government clouds) for 60 seconds, unless it was changed. \
             The directory's own threshold comes with the on-premises steps; where passwords are checked on premises, it \
             should be two to three times as high.",
        ),
    }
}

fn allowed(snapshot: &Snapshot) -> Finding {
    if let OnPremises::None(why) = on_premises(snapshot) {
        return ALLOWED.not_applicable(why);
    }
    let Sources { state, event, unread } = SWITCH.sources(snapshot);
    let unlock = unlocked(snapshot);
    let proof = unlock.as_ref().map(|u| u.evidence.clone());
    let event = match (event, unlock.filter(|u| !outdated(u.at, &unread))) {
        (Some(changed), Some(unlock)) if changed.at >= unlock.at => Some(changed),
        (changed, unlock) => unlock.or(changed),
    };
    let Some(switch) = policy::decide(state, event) else {
        let unknown = policy::unknown(
            snapshot,
            FactId::PortalOnPremises,
            SWITCH.name,
            FactId::AuditSettings,
            unread,
        );
        return unknown.finding(&ALLOWED);
    };
    let finding = if switch.value.0 {
        ALLOWED.pass(format!("allowed ({})", switch.note))
    } else if on_premises(snapshot) == OnPremises::Unknown {
        ALLOWED.skipped(
            format!("not allowed ({}), needed only in a hybrid tenant", switch.note),
            "Whether the tenant syncs from a directory on premises could not be read.",
        )
    } else {
        let finding = ALLOWED
            .fail(Severity::Medium, format!("unlock without a reset is not allowed ({})", switch.note))
            .reason("A user who is locked out but remembers the password must choose a new one, and type it into every device.")
            .fix("Set \"Allow users to unlock accounts without resetting their password\" to Yes.")
            .portal(page::ON_PREMISES);
        let counts = snapshot.facts.user_counts.value();
        match counts.and_then(|c| Some((c.synced_members?, c.enabled_members))) {
            // They can still reset, which unlocks too.
            Some((synced, all)) => finding.affects(synced, Some(all), false, Vec::new()),
            None => finding,
        }
    };
    let mut finding = switch.support(finding);
    if let Some(proof) = proof
        && !finding.evidence.contains(&proof)
    {
        finding.evidence.push(proof);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::RefusalKind;
    use crate::snapshot::audit::ResetActivity;
    use crate::snapshot::graph::Organization;
    use crate::snapshot::people::UserCounts;
    use crate::snapshot::portal::OnPremisesResetPolicy;
    use crate::steps::testing::{at, find, known, log, refused, snapshot};

    fn hybrid() -> Snapshot {
        let mut s = snapshot();
        s.facts.organization = known(Organization {
            on_premises_sync_enabled: Some(true),
            ..Default::default()
        });
        s.facts.user_counts = known(UserCounts {
            enabled_members: 100,
            synced_members: Some(80),
            ..Default::default()
        });
        s
    }

    fn portal(s: &mut Snapshot, allowed: bool) {
        s.facts.portal_on_premises = known(OnPremisesResetPolicy {
            account_unlock_enabled: Some(allowed),
            ..Default::default()
        });
    }

    fn unlock(s: &mut Snapshot, when: &str) {
        s.facts.audit_resets = known(ResetActivity {
            unlocks: 4,
            last_unlock: Some(at(when)),
            ..Default::default()
        });
    }

    #[test]
    fn allowed_passes_with_the_proof() {
        let mut s = hybrid();
        portal(&mut s, true);
        unlock(&mut s, "2026-11-20T10:00:00Z");
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!((f.status, f.title.as_str()), (Outcome::Pass, "allowed (portal)"));
        assert!(f.evidence.iter().any(|e| e.seen.contains("4 self-service unlocks")));
    }

    #[test]
    fn not_allowed_fails() {
        let mut s = hybrid();
        portal(&mut s, false);
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(f.status, Outcome::Fail);
        let affected = f.affected.unwrap();
        assert_eq!((affected.count, affected.blocks_reset), (80, false));
    }

    #[test]
    fn the_log_tells_by_change_or_by_deed() {
        let mut s = hybrid();
        s.facts.audit_settings = log(&[("EnableAccountUnlock", "\"True\"", "2026-11-02T08:00:00Z")]);
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(
            (f.status, f.title.as_str()),
            (Outcome::Pass, "allowed (audit log, changed 2026-11-02)")
        );
        s.facts.audit_settings = log(&[]);
        unlock(&mut s, "2026-11-20T10:00:00Z");
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(f.title, "allowed (audit log, a user unlocked on 2026-11-20)");
        s.facts.audit_settings = log(&[("EnableAccountUnlock", "\"False\"", "2026-11-21T08:00:00Z")]);
        assert_eq!(find(&STEP, &ALLOWED, &s).status, Outcome::Fail);
        // What it was changed to since is not understood.
        s.facts.audit_settings = log(&[("EnableAccountUnlock", "Sometimes", "2026-11-21T08:00:00Z")]);
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(f.status, Outcome::Skipped);
        assert!(f.reason.unwrap().contains("\"Sometimes\""));
        // Without the log of changes, nothing says that it still is so.
        s.facts.audit_settings = refused(RefusalKind::Unreachable, "no", None);
        assert_eq!(find(&STEP, &ALLOWED, &s).status, Outcome::Skipped);
    }

    #[test]
    fn the_portal_and_the_log_disagree() {
        let mut s = hybrid();
        portal(&mut s, true);
        s.facts.audit_settings = log(&[("EnableAccountUnlock", "False", "2026-11-21T08:00:00Z")]);
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
        // It was allowed then, and was switched off since: no contradiction, but told.
        portal(&mut s, false);
        s.facts.audit_settings = log(&[]);
        unlock(&mut s, "2026-11-20T10:00:00Z");
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(f.status, Outcome::Fail);
        assert!(f.reason.unwrap().contains("the log missed a later change"));
    }

    #[test]
    fn not_readable_and_not_applicable() {
        let mut s = hybrid();
        s.facts.portal_on_premises = refused(RefusalKind::SignIn, "Only a person is served.", None);
        let f = find(&STEP, &ALLOWED, &s);
        assert_eq!(
            f.title,
            "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
        );
        let f = find(&STEP, &LOCKOUT, &s);
        assert_eq!(f.status, Outcome::Skipped);
        assert!(f.reason.unwrap().contains("on-premises steps") && !f.decides);
        portal(&mut s, false);
        s.facts.organization = known(Organization::default());
        for check in STEP.checks {
            assert_eq!(find(&STEP, check, &s).status, Outcome::NotApplicable);
        }
        s.facts.organization = refused(RefusalKind::Permission, "no", None);
        assert_eq!(find(&STEP, &ALLOWED, &s).status, Outcome::Skipped);
    }
}
