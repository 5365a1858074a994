//! Who is left out of MFA, and what goes around it.

use super::super::conditional_access::{MfaDemand, PORTAL, enforced, mfa, narrowed, on_all_resources, on_all_users};
use super::super::coverage::{EMERGENCY_ACCOUNTS, Left, quoted, widest};
use super::super::scope::{Directory, listed};
use super::{NARROW_EXCLUSIONS, full, members, summary};
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::graph::ConditionalAccessPolicy;
use crate::snapshot::{FactId, Snapshot};

pub(super) const EXCLUSIONS: Check = Check {
    id: "mfa_enforcement.exclusions",
    title: "Who is excluded from MFA",
    looks_at: "Users, groups, roles and guests that the policy for all users excludes and no other policy covers.",
    why: "Emergency accounts are excluded with reason; more than those are a door.",
    doc: "https://learn.microsoft.com/entra/identity/role-based-access-control/security-emergency-access",
    decides: false,
    facts: &[
        FactId::ConditionalAccess,
        FactId::PolicyGroups,
        FactId::PolicyUsers,
        FactId::UserCounts,
    ],
};
pub(super) const BYPASS: Check = Check {
    id: "mfa_enforcement.bypass",
    title: "No way around MFA",
    looks_at: "Enabled policies that ask for MFA but take another control instead, or apply only under some conditions.",
    why: "Such a policy looks like MFA for all and is not.",
    doc: "https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-grant",
    decides: false,
    facts: &[FactId::ConditionalAccess],
};

pub(super) fn exclusions(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let full: Vec<&ConditionalAccessPolicy> = policies.iter().filter(|p| full(p)).collect();
    let Some(policy) = widest(&full) else {
        return EXCLUSIONS.not_applicable("No policy in force asks all users for MFA.");
    };
    let left = Left::by(policy, &full, &Directory::of(snapshot));
    let seen = format!("{} excludes {}", quoted(policy), left.names_in_full());
    if left.few() && !left.guests {
        return EXCLUSIONS
            .pass(match left.count {
                0 => "nobody is excluded".into(),
                n => format!(
                    "{} excluded, as for emergency access",
                    counted(n, "account is", "accounts are")
                ),
            })
            .evidence(fact, seen);
    }
    if !left.roles && !left.guests && left.count <= EMERGENCY_ACCOUNTS {
        let mut found = EXCLUSIONS.unreadable(snapshot).evidence(fact, seen);
        found.title = format!("excluded: {}", listed(&left.names));
        return found;
    }
    let found = EXCLUSIONS
        .warn(Severity::Medium, format!("excluded from MFA: {}", listed(&left.names)))
        .evidence(fact, seen)
        .reason("Their password alone opens their account, and nobody asks them to register.")
        .fix(NARROW_EXCLUSIONS)
        .portal(PORTAL);
    match left.count {
        // Roles and guests are not counted.
        0 => found,
        count => found.affects(count, members(snapshot), false, Vec::new()),
    }
}

pub(super) fn bypass(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let ways: Vec<String> = policies
        .iter()
        .filter(|p| enforced(p) && on_all_resources(p) && on_all_users(p))
        .filter_map(|p| {
            let mut ways: Vec<String> = match mfa(p) {
                MfaDemand::Never => return None,
                MfaDemand::Always => Vec::new(),
                MfaDemand::Or(others) => vec![format!("or {}", others.join(" or "))],
            };
            ways.extend(narrowed(&p.conditions).iter().map(|w| w.text().into()));
            (!ways.is_empty()).then(|| format!("{}: {}", quoted(p), ways.join(", ")))
        })
        .collect();
    let closed = policies.iter().any(|p| full(p) && on_all_users(p));
    if ways.is_empty() || closed {
        return if closed {
            BYPASS.pass("no way around MFA").evidence(fact, summary(policies))
        } else {
            BYPASS.not_applicable("No policy in force asks all users for MFA.")
        };
    }
    BYPASS
        .warn(Severity::Medium, format!("a way around MFA: {}", listed(&ways)))
        .evidence(fact, listed(&ways))
        .reason("Sign-ins outside these conditions, or with the other control, need no second factor.")
        .fix("Add a policy without conditions whose only control is MFA.")
        .portal(PORTAL)
}
