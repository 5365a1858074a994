//! Step `account_unlock`: may users unlock their account on premises without a new password?

use super::hybrid::{OnPremises, on_premises};
use super::on_premises as directory;
use super::policy::{self, Kind, Portal, Setting, Sources, Stated, Switch, Wish, date, outdated, page, truth};
use super::touched::synced;
use super::{Setup, Step};
use crate::change::Change;
use crate::desired::DesiredState;
use crate::finding::{Check, Evidence, Finding, Outcome, Severity, number, refused};
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "account_unlock",
    title: "Account unlock",
    checks: &[&ALLOWED, &LOCKOUT],
    check,
    setup: Some(SETUP),
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
    looks_at: "The lockout threshold and duration of every domain and fine-grained policy against Microsoft Entra's smart lockout (the setting \"Password Rule Settings\"; never changed: 10 wrong passwords, in US Government clouds 3, and 60 seconds).",
    why: "Where a wrong password is tried in the cloud, smart lockout should stop it before it locks the account on premises.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout",
    decides: false,
    facts: &[
        FactId::SmartLockout,
        FactId::DirectoryPasswords,
        FactId::Organization,
        FactId::UserCounts,
    ],
};

pub(super) const SWITCH: Setting<Switch> = Setting {
    name: "permission to unlock without a reset",
    portal: Portal::OnPremises(|p| p.account_unlock_enabled.map(Switch)),
    member: "accountUnlockEnabled",
    logged: &["EnableAccountUnlock"],
    parse: truth,
};

const SETUP: Setup = Setup {
    needs: &[
        FactId::PortalOnPremises,
        FactId::AuditSettings,
        FactId::Organization,
        FactId::UserCounts,
    ],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let wanted = desired.account_unlock.as_ref().and_then(|wanted| wanted.allowed);
    if let OnPremises::None(_) = on_premises(snapshot) {
        return Vec::new();
    }
    let allowed = Wish {
        check: &ALLOWED,
        title: match wanted {
            Some(false) => "Do not let users unlock without a reset",
            _ => "Let users unlock without a reset",
        },
        label: "Allow users to unlock accounts without resetting their password",
        page: page::ON_PREMISES,
    };
    let change = SWITCH.change(snapshot, wanted.map(Switch), allowed);
    change
        .map(|change| change.touches(synced(snapshot)))
        .into_iter()
        .collect()
}

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

/// What smart lockout does where nobody changed it.
const THRESHOLD: u64 = 10;
const GOVERNMENT_THRESHOLD: u64 = 3;
const SECONDS: u64 = 60;
/// The directory's threshold should be at least so many times as high.
const APART: u64 = 2;
/// Two lockouts, of which a user sees one.
const APART_FROM_EACH_OTHER: &str = "An unlock on premises, by a user or an administrator, does not end smart lockout in the cloud, nor the other way round.";

fn lockout(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.directory_passwords;
    if let Some(mut finding) = directory::unread(&LOCKOUT, snapshot, fact) {
        if finding.status == Outcome::Skipped {
            finding.evidence.extend(refused(snapshot, &[FactId::SmartLockout]));
        }
        return finding;
    }
    let Some(own) = snapshot.facts.smart_lockout.value() else {
        return LOCKOUT.unreadable(snapshot);
    };
    let government = snapshot.signed_in.cloud.starts_with("UsGovernment");
    let usual = if government { GOVERNMENT_THRESHOLD } else { THRESHOLD };
    let (threshold, seconds) = (own.threshold.unwrap_or(usual), own.seconds.unwrap_or(SECONDS));
    let domains = fact.value().map(Vec::as_slice).unwrap_or_default();
    let policies = domains.iter().flat_map(|domain| {
        let fine = domain.fine_grained.iter().flatten().filter(|policy| policy.users > 0);
        let fine = fine.map(|policy| (policy.name.as_str(), &policy.policy));
        std::iter::once((domain.domain.as_str(), &domain.policy)).chain(fine)
    });
    // One that never locks is no lower than any.
    let locking = policies.clone().filter(|(_, policy)| policy.lockout_threshold > 0);
    let lowest = locking.clone().min_by_key(|(_, policy)| policy.lockout_threshold);
    let longest = locking.max_by_key(|(_, policy)| policy.lockout_duration.unwrap_or(u64::MAX));
    let finding = match (lowest, longest) {
        (Some((name, policy)), _) if u64::from(policy.lockout_threshold) < threshold.saturating_mul(APART) => LOCKOUT
            .warn(
                Severity::Low,
                format!("{name} locks after {} wrong passwords, smart lockout after {threshold}", policy.lockout_threshold),
            )
            .reason(format!("Where passwords are checked on premises (pass-through authentication, federation), guessing in the cloud locks the account on premises before smart lockout steps in. {APART_FROM_EACH_OTHER}"))
            .fix("Let the directory lock after two to three times as many wrong passwords as smart lockout."),
        (_, Some((name, policy))) if policy.lockout_duration.is_none_or(|lasts| lasts >= seconds) => LOCKOUT
            .warn(
                Severity::Low,
                format!("{name} stays locked no shorter than smart lockout's {seconds} seconds"),
            )
            .reason(format!("Where passwords are checked on premises, smart lockout should last longer than the directory's, so that it is what stops a guesser. {APART_FROM_EACH_OTHER}"))
            .fix("Let smart lockout last longer than the directory's lockout, where passwords are checked on premises."),
        _ if domains.is_empty() || domains.iter().any(|domain| domain.fine_grained.is_none()) => LOCKOUT.skipped(
            "not every lockout policy could be read",
            "Fine-grained policies, which may lock sooner, are visible to administrators only by default.",
        ),
        _ => LOCKOUT
            .pass(format!("smart lockout steps in first, after {threshold} wrong passwords"))
            .reason(APART_FROM_EACH_OTHER),
    };
    let set = match (own.threshold, own.seconds) {
        (None, None) => " (never changed)",
        _ => "",
    };
    let finding = finding.evidence(
        &snapshot.facts.smart_lockout,
        format!("smart lockout: {threshold} wrong passwords, {seconds} seconds{set}"),
    );
    policies.fold(finding, |finding, (name, policy)| {
        let lasts = policy
            .lockout_duration
            .map_or("until somebody unlocks it".into(), |lasts| {
                format!("for {lasts} seconds")
            });
        let seen = match policy.lockout_threshold {
            0 => format!("{name}: never locks"),
            threshold => format!("{name}: locks after {threshold} wrong passwords, {lasts}"),
        };
        finding.evidence(fact, seen)
    })
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
    use crate::snapshot::RefusalKind;
    use crate::snapshot::audit::ResetActivity;
    use crate::snapshot::directory::{DomainPasswords, PasswordPolicy};
    use crate::snapshot::graph::{Organization, SmartLockout};
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
        assert!(
            f.remediation
                .unwrap()
                .command
                .unwrap()
                .starts_with("Connect-SsprDirectory")
                && !f.decides
        );
        portal(&mut s, false);
        s.facts.organization = known(Organization::default());
        for check in STEP.checks {
            assert_eq!(find(&STEP, check, &s).status, Outcome::NotApplicable);
        }
        s.facts.organization = refused(RefusalKind::Permission, "no", None);
        assert_eq!(find(&STEP, &ALLOWED, &s).status, Outcome::Skipped);
    }

    #[test]
    fn smart_lockout_should_step_in_first() {
        let lockout = |own: SmartLockout, threshold: u32, lasts: Option<u64>| {
            let mut s = hybrid();
            s.facts.smart_lockout = known(own);
            s.facts.directory_passwords = known(vec![DomainPasswords {
                domain: "example.test".into(),
                fine_grained: Some(Vec::new()),
                policy: PasswordPolicy {
                    lockout_threshold: threshold,
                    lockout_duration: lasts,
                    ..Default::default()
                },
                ..Default::default()
            }]);
            let f = find(&STEP, &LOCKOUT, &s);
            assert!(
                f.reason
                    .as_deref()
                    .is_some_and(|reason| reason.contains("does not end smart lockout"))
            );
            (f.status, f.title)
        };
        let usual = SmartLockout::default;
        let set = |threshold, seconds| SmartLockout {
            threshold: Some(threshold),
            seconds: Some(seconds),
        };
        assert_eq!(
            lockout(usual(), 10, Some(30)),
            (
                Outcome::Warn,
                "example.test locks after 10 wrong passwords, smart lockout after 10".into()
            )
        );
        assert_eq!(lockout(usual(), 20, Some(60)).0, Outcome::Warn);
        assert_eq!(lockout(usual(), 20, Some(30)).0, Outcome::Pass);
        assert_eq!(lockout(usual(), 0, None).0, Outcome::Pass);
        assert_eq!(lockout(set(5, 3600), 10, Some(1800)).0, Outcome::Pass);
        assert_eq!(
            lockout(usual(), 30, Some(1800)),
            (
                Outcome::Warn,
                "example.test stays locked no shorter than smart lockout's 60 seconds".into()
            )
        );
        assert_eq!(lockout(usual(), 30, None).0, Outcome::Warn);
        let mut s = hybrid();
        s.facts.directory_passwords = known(Vec::new());
        s.facts.smart_lockout = refused(RefusalKind::Permission, "no", Some("GroupSettings.Read.All"));
        let f = find(&STEP, &LOCKOUT, &s);
        assert!(f.status == Outcome::Skipped && f.title.contains("GroupSettings.Read.All"));
    }
}
