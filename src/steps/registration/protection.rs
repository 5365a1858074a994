//! Policies that keep whoever has a password from registering in its owner's name.

use crate::finding::{Check, Finding, Severity, counted, share};
use crate::snapshot::graph::{ConditionUsers, ConditionalAccessPolicy};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use crate::steps::conditional_access::{
    Control, Narrowing, PORTAL, applies, controls, enforced, narrowed, on_registration, one_is_enough, report_only,
};
use crate::steps::coverage::{EMERGENCY_ACCOUNTS, Left, quoted, users, whom, widest};
use crate::steps::scope::{Directory, any, listed};

/// The check.
pub const PROTECTED: Check = Check {
    id: "registration.protected",
    title: "Registration protected",
    looks_at: "Conditional Access policies on the user action 'Register security information' that ask for MFA, a device or a place, or block: in force, reporting only, or none; whether they cover all who may reset.",
    why: "Without one, whoever has a user's password first registers a method, and resets the password from then on.",
    doc: "https://learn.microsoft.com/entra/identity/conditional-access/policy-all-users-security-info-registration",
    decides: false,
    facts: &[
        FactId::ConditionalAccess,
        FactId::SecurityDefaults,
        FactId::Registration,
        FactId::PolicyGroups,
        FactId::PolicyUsers,
    ],
};
/// Whether a policy in force keeps a thief who has only the password from registering, but for the locations that it leaves
/// out.
fn protects(policy: &ConditionalAccessPolicy) -> bool {
    let guards = |c: &Control<'_>| c.is_mfa() || matches!(c, Control::Block | Control::Device(_));
    let controls = controls(policy);
    let guarded = if one_is_enough(policy) {
        !controls.is_empty() && controls.iter().all(guards)
    } else {
        controls.iter().any(guards)
    };
    guarded
        && narrowed(&policy.conditions)
            .iter()
            .all(|n| *n == Narrowing::ExceptPlaces)
}

/// The finding.
pub fn finding(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let Some(policies) = fact.value() else {
        return PROTECTED.unreadable(snapshot);
    };
    let on: Vec<&ConditionalAccessPolicy> = policies.iter().filter(|p| enforced(p) && on_registration(p)).collect();
    let full: Vec<&ConditionalAccessPolicy> = on.iter().copied().filter(|p| protects(p)).collect();
    if full.is_empty() {
        return unprotected(snapshot, policies, &on);
    }
    let directory = Directory::of(snapshot);
    let described: Vec<String> = full
        .iter()
        .map(|p| format!("{} for {}", quoted(p), whom(p, &directory)))
        .collect();
    let names = listed(&full.iter().map(|p| quoted(p)).collect::<Vec<_>>());
    let seen = format!("enabled on registersecurityinfo: {}", listed(&described));
    let pass = || PROTECTED.pass(format!("registration is protected by {names}"));
    let left = widest(&full).map(|policy| Left::by(policy, &full, &directory));
    if left.as_ref().is_some_and(Left::few) {
        return pass().evidence(fact, seen);
    }
    let some = |found: Finding| {
        found
            .evidence(fact, &seen)
            .reason(THIEF)
            .fix("Extend the policy to all users, or add one for those whom it leaves out.")
            .portal(PORTAL)
    };
    let registration = &snapshot.facts.registration;
    let scopes: Vec<ConditionUsers> = full.iter().map(|p| users(p)).collect();
    let counts = registration.value().map(|report| {
        let covered = |key: &CohortKey| any(scopes.iter().map(|scope| applies(scope, key, &directory)));
        let mut open = report.count(|k| k.sspr_enabled && !k.guest && covered(k) == Some(false));
        open.0 = open.0.saturating_add(left.as_ref().map_or(0, |left| left.persons));
        let unsure = report.count(|k| k.sspr_enabled && !k.guest && covered(k).is_none()).0;
        (open, unsure, report.count(|k| k.sspr_enabled && !k.guest).0)
    });
    let whole = registration.whole().is_some();
    match counts {
        Some(((open, sample), _, of)) if open > left.as_ref().map_or(0, |_| EMERGENCY_ACCOUNTS) => {
            let of = whole.then_some(of);
            let title = format!(
                "registration is protected for some only; not for {}",
                share(open, of, !whole, "user", "users")
            );
            some(PROTECTED.warn(Severity::Medium, title))
                .evidence(
                    registration,
                    format!("{} in scope of reset", share(open, of, !whole, "user", "users")),
                )
                .affects(open, of, false, sample)
        }
        Some((_, 0, of)) if whole && of > 0 => pass()
            .evidence(fact, seen)
            .evidence(registration, counted(of, "user in scope", "users in scope")),
        _ => some(PROTECTED.warn(
            Severity::Low,
            format!("registration is protected for some: {}", listed(&described)),
        ))
        .reason("Whether that is everybody who may reset could not be told."),
    }
}

const THIEF: &str = "Whoever knows the password of a user who has not registered can register in that user's name, and from then on reset the password.";

/// No policy in force protects registration from everywhere but some locations; `on` are those that are on it at all.
fn unprotected(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy], on: &[&ConditionalAccessPolicy]) -> Finding {
    let names = |of: Vec<&ConditionalAccessPolicy>| of.iter().map(|p| quoted(p)).collect::<Vec<_>>();
    let reporting = names(
        policies
            .iter()
            .filter(|p| report_only(p) && on_registration(p))
            .collect(),
    );
    let defaults = snapshot.facts.security_defaults.value().is_some_and(|d| d.is_enabled);
    let found = if !on.is_empty() {
        let weak: Vec<String> = on.iter().map(|p| weakness(p)).collect();
        PROTECTED
            .warn(
                Severity::Medium,
                format!("registration is not protected by {}", listed(&weak)),
            )
            .fix("Ask for MFA on 'Register security information' outside trusted locations, without other conditions.")
    } else if !reporting.is_empty() {
        PROTECTED
            .warn(
                Severity::Medium,
                format!("registration is not protected: {} only reports", listed(&reporting)),
            )
            .fix("Look at what the policy would have done in the sign-in logs, then switch it on.")
    } else if defaults {
        PROTECTED
            .warn(Severity::Low, "registration is not protected: security defaults do not")
            .fix("With Entra ID P1, replace security defaults by Conditional Access, with a policy on 'Register security information'.")
    } else {
        PROTECTED
            .warn(Severity::Medium, "no policy protects registration")
            .fix("Create a policy on the user action 'Register security information': MFA outside trusted locations, with Temporary Access Pass enabled for newcomers.")
    };
    let enabled = names(on.to_vec());
    found
        .evidence(
            &snapshot.facts.conditional_access,
            format!(
                "on registersecurityinfo: {} enabled, {} in report-only mode",
                listed(&enabled),
                listed(&reporting)
            ),
        )
        .reason(THIEF)
        .portal(PORTAL)
}

/// A policy on registration, and why it does not protect it.
fn weakness(policy: &ConditionalAccessPolicy) -> String {
    let narrowed = narrowed(&policy.conditions);
    let mut limits: Vec<String> = narrowed
        .iter()
        .filter(|n| **n != Narrowing::ExceptPlaces)
        .map(|n| n.text().into())
        .collect();
    if limits.is_empty() {
        let controls: Vec<String> = controls(policy).iter().map(Control::name).collect();
        limits.push(format!("asks for {}", controls.join(" or ")));
        if controls.is_empty() {
            limits = vec!["asks for nothing".into()];
        }
    }
    format!("{} ({})", quoted(policy), limits.join(", "))
}
