//! Step `registration`: are people asked to register, and can they?

mod traps;

use super::Step;
use super::authentication_methods::methods::{Migration, Required, everybody, migration};
use super::conditional_access::{
    self as ca, Control, Narrowing, applies, controls, enforced, narrowed, on_registration, one_is_enough, report_only,
};
use super::coverage::{EMERGENCY_ACCOUNTS, Left, quoted, users, whom, widest};
use super::policy::{Portal, REGISTRATION_REQUIRED, Setting, integer, weigh};
use super::scope::{Directory, any, listed, nobody};
use crate::finding::{Check, Finding, Severity, counted, share};
use crate::snapshot::graph::ConditionalAccessPolicy;
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "registration",
    title: "Registration",
    checks: &[
        &REQUIRED,
        &traps::TRAPS,
        &RECONFIRM,
        &PROTECTED,
        &DEFAULTS,
        &CAMPAIGN,
        &COMBINED,
    ],
    check,
};

const HOW: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks";
const PORTAL: &str = "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Registration";
const METHODS_PORTAL: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/RegistrationCampaign";

const REQUIRED: Check = Check {
    id: "registration.required",
    title: "Registration asked for at sign-in",
    looks_at: "Whether users are required to register when they sign in, from the portal or its newest change in the audit log.",
    why: "Who is not asked does not register, and who did not register cannot reset.",
    doc: HOW,
    decides: true,
    facts: &[FactId::PortalResetPolicy, FactId::AuditSettings, FactId::Registration],
};
const RECONFIRM: Check = Check {
    id: "registration.reconfirm",
    title: "Registered methods confirmed again",
    looks_at: "After how many days users are asked to confirm what they registered.",
    why: "Phones and addresses change; a method that nobody confirmed fails on the day it is needed.",
    doc: HOW,
    decides: false,
    facts: &[FactId::PortalResetPolicy, FactId::AuditSettings],
};
const CAMPAIGN: Check = Check {
    id: "registration.campaign",
    title: "Registration campaign",
    looks_at: "The campaign's state, what it asks for, and whom it leaves out.",
    why: "It moves users to Authenticator or passkeys at sign-in. It does not ask anybody to register for reset.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/how-to-mfa-registration-campaign",
    decides: false,
    facts: &[FactId::MethodsPolicy, FactId::PolicyGroups],
};
const COMBINED: Check = Check {
    id: "registration.combined",
    title: "One registration for MFA and reset",
    looks_at: "The cloud, and whether the methods policy governs what may be registered.",
    why: "Registering once for both is what makes users who use MFA able to reset.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-registration-mfa-sspr-combined",
    decides: false,
    facts: &[FactId::MethodsPolicy],
};
const PROTECTED: Check = Check {
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
const DEFAULTS: Check = Check {
    id: "registration.security_defaults",
    title: "Security defaults and registration",
    looks_at: "Whether security defaults are on, and what they make users register.",
    why: "They make everybody register an authenticator app, which is one reset method and no more.",
    doc: "https://learn.microsoft.com/entra/fundamentals/security-defaults",
    decides: false,
    facts: &[
        FactId::SecurityDefaults,
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
    ],
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![
        required(snapshot),
        traps::finding(snapshot),
        reconfirm(snapshot),
        protected(snapshot),
        defaults(snapshot),
        campaign(snapshot),
        combined(snapshot),
    ]
}

/// After how many days users are asked to confirm what they registered.
const RECONFIRM_DAYS: Setting<i64> = Setting {
    name: "number of days before users confirm again",
    portal: Portal::Reset(|p| p.registration_reconfirm_interval_in_days),
    logged: &[
        "EnforcedRegistrationIntervalInDaysForUsers",
        "registrationReconfirmIntevalInDays",
    ],
    parse: integer,
};

fn required(snapshot: &Snapshot) -> Finding {
    let required = match weigh(snapshot, &REGISTRATION_REQUIRED) {
        Ok(required) => required,
        Err(unknown) => return unknown.finding(&REQUIRED),
    };
    if required.value.0 {
        let title = format!("users are asked to register at sign-in ({})", required.note);
        return required.support(REQUIRED.pass(title));
    }
    let found = REQUIRED
        .fail(
            Severity::High,
            format!("nobody is asked to register at sign-in ({})", required.note),
        )
        .reason("Users register only when they think of it; most learn that they did not on the day they forgot their password.")
        .fix("Set 'Require users to register when signing in' to Yes.")
        .portal(PORTAL);
    let fact = &snapshot.facts.registration;
    let Some(report) = fact.value() else {
        return required.support(found);
    };
    let (missing, sample) = report.count(|k| k.sspr_enabled && !k.sspr_registered);
    let (of, _) = report.count(|k| k.sspr_enabled);
    let seen = format!("{} in scope not registered", counted(missing, "user", "users"));
    required.support(
        found
            .evidence(fact, seen)
            .affects(missing, (!fact.is_partial()).then_some(of), true, sample),
    )
}

fn reconfirm(snapshot: &Snapshot) -> Finding {
    if weigh(snapshot, &REGISTRATION_REQUIRED).is_ok_and(|required| !required.value.0) {
        return RECONFIRM.not_applicable("It takes effect only where registration is required at sign-in.");
    }
    let days = match weigh(snapshot, &RECONFIRM_DAYS) {
        Ok(days) => days,
        Err(unknown) => return unknown.finding(&RECONFIRM),
    };
    if days.value > 0 {
        let every = counted(days.value.unsigned_abs(), "day", "days");
        let title = format!("users confirm their methods every {every} ({})", days.note);
        return days.support(RECONFIRM.pass(title));
    }
    let title = format!("users are never asked to confirm their methods ({})", days.note);
    days.support(
        RECONFIRM
            .warn(Severity::Medium, title)
            .reason("Numbers and addresses that changed stay registered, and fail when they are needed.")
            .fix("Set the number of days before users confirm again to 180.")
            .portal(PORTAL),
    )
}

fn campaign(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let Some(policy) = fact.value() else {
        return CAMPAIGN.unreadable(snapshot);
    };
    let enforcement = policy.registration_enforcement.as_ref();
    let Some(campaign) = enforcement.and_then(|e| e.authentication_methods_registration_campaign.as_ref()) else {
        return CAMPAIGN.skipped(
            "the campaign was not in the answer",
            "The methods policy said nothing of it.",
        );
    };
    let directory = Directory::of(snapshot);
    let (mut left_out, mut users, mut persons) = (Vec::new(), 0u64, 0u64);
    for target in campaign.exclude_targets.iter().filter(|t| !nobody(&t.id)) {
        if target.target_type.eq_ignore_ascii_case("user") {
            persons += 1;
        } else {
            users = users.saturating_add(directory.users(&target.id).unwrap_or(0));
            left_out.push(directory.named_and_counted(&target.id));
        }
    }
    if persons > 0 {
        left_out.push(counted(persons, "single user", "single users"));
    }
    let asked: Vec<String> = campaign
        .include_targets
        .iter()
        .map(|t| {
            let who = match (everybody(t), t.target_type.eq_ignore_ascii_case("user")) {
                (true, _) => "all users".into(),
                (_, true) => "a single user".into(),
                _ => directory.named_and_counted(&t.id),
            };
            format!(
                "{who}: {}",
                t.targeted_authentication_method.as_deref().unwrap_or("not stated")
            )
        })
        .collect();
    let note = format!(
        "state {}, asks {}, leaves out {}",
        campaign.state,
        listed(&asked),
        listed(&left_out)
    );
    let apart = "It asks users who sign in with MFA for a better method. It is not the request to register for reset, which is a setting of its own.";
    let found = match campaign.state.to_ascii_lowercase().as_str() {
        "disabled" => CAMPAIGN
            .warn(
                Severity::Low,
                "the campaign is off: nobody is moved to stronger methods",
            )
            .reason(apart)
            .fix("Set the campaign to Microsoft managed or Enabled.")
            .portal(METHODS_PORTAL),
        "default" | "enabled" if !left_out.is_empty() => CAMPAIGN
            .warn(Severity::Low, format!("the campaign leaves out {}", listed(&left_out)))
            .reason(apart)
            .fix("See that the exclusions are meant.")
            .portal(METHODS_PORTAL)
            .affects(users.saturating_add(persons), None, false, Vec::new()),
        "default" => CAMPAIGN.pass("the campaign is managed by Microsoft").reason(apart),
        "enabled" => CAMPAIGN.pass("the campaign is on").reason(apart),
        _ => CAMPAIGN.skipped("the campaign's state is not known to this version", apart),
    };
    found.evidence(fact, note)
}

fn combined(snapshot: &Snapshot) -> Finding {
    if snapshot.signed_in.cloud.eq_ignore_ascii_case("China") {
        return COMBINED.not_applicable("Combined registration is not offered in this cloud.");
    }
    let fact = &snapshot.facts.methods_policy;
    let Some(policy) = fact.value() else {
        return COMBINED.unreadable(snapshot);
    };
    let state = policy.policy_migration_state.as_deref().unwrap_or("not set");
    let note = format!("policyMigrationState: {state}; combined registration is in force for every tenant");
    match migration(policy) {
        Migration::Complete => COMBINED.pass("users register once for MFA and reset"),
        _ => COMBINED
            .warn(
                Severity::Low,
                "users register once, but by the methods of several policies",
            )
            .reason("What the registration page offers is the sum of the legacy policies and the methods policy.")
            .fix("Finish the move to the methods policy with Manage migration.")
            .portal(
                "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/AdminAuthMethods",
            ),
    }
    .evidence(fact, note)
}

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

fn protected(snapshot: &Snapshot) -> Finding {
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
            .portal(ca::PORTAL)
    };
    let registration = &snapshot.facts.registration;
    let counts = registration.value().map(|report| {
        let covered = |key: &CohortKey| any(full.iter().map(|p| applies(&users(p), key, &directory)));
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
        .portal(ca::PORTAL)
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

fn defaults(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.security_defaults;
    let Some(value) = fact.value() else {
        return DEFAULTS.unreadable(snapshot);
    };
    if !value.is_enabled {
        return DEFAULTS.not_applicable("Security defaults are off.");
    }
    let required = Required::of(snapshot);
    if required.known && required.count == 1 {
        return DEFAULTS
            .pass("security defaults make users register an app, which is enough")
            .evidence(fact, "isEnabled: true");
    }
    DEFAULTS
        .warn(
            Severity::Medium,
            format!("security defaults register one method only{}", if required.known { ", two are required" } else { "" }),
        )
        .evidence(fact, "isEnabled: true")
        .reason("At their first sign-ins users must register an authenticator app (within 14 days where the grace period still exists); other methods are not asked for. The app is one reset method, so they cannot reset where two are required.")
        .fix("Require registration at sign-in too, so that users add a second method such as email.")
        .portal(PORTAL)
}

#[cfg(test)]
mod tests;
