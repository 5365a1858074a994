//! Policies in force that keep an unregistered user from registering.

use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::graph::{
    AuthenticationMethodConfiguration, AuthenticationMethodsPolicy, AuthenticationStrength, ConditionalAccessPolicy,
};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use crate::steps::authentication_methods::methods::{enabled, everybody, names};
use crate::steps::conditional_access::{
    Control, PORTAL, applies, by_place, controls, enforced, narrowed, on_all_resources, on_registration, one_is_enough,
};
use crate::steps::scope::{Directory, any, included, listed, nobody};

/// The check.
pub const TRAPS: Check = Check {
    id: "registration.traps",
    title: "Registration not blocked",
    looks_at: "Enabled Conditional Access policies on registering security information, or on all resources, whose demands a user without any method cannot meet; Temporary Access Pass; trusted locations.",
    why: "A policy that asks for MFA before the first method is registered locks newcomers out of registering, and so of resetting.",
    doc: "https://learn.microsoft.com/entra/identity/conditional-access/policy-all-users-security-info-registration",
    decides: true,
    facts: &[
        FactId::ConditionalAccess,
        FactId::MethodsPolicy,
        FactId::Registration,
        FactId::PolicyGroups,
    ],
};

/// How an unregistered user meets a demand, the easiest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Without more.
    Open,
    /// With a Temporary Access Pass.
    Pass,
    /// With a device or app that not everybody has.
    Device(String),
    /// Perhaps with a pass: whether there is one for him is not known.
    Perhaps,
    /// Not at all.
    Closed,
}

/// Where a demand is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the way to registering: nothing is registered yet.
    Registration,
    /// On the way to anything else: who has no method is led to register one first.
    Elsewhere,
}

/// How an unregistered user meets one control. `pass` says whether there is a Temporary Access Pass for him.
fn way(control: &Control<'_>, place: Place, pass: Option<bool>) -> Way {
    let by_pass = match pass {
        Some(true) => Way::Pass,
        Some(false) => Way::Closed,
        None => Way::Perhaps,
    };
    match control {
        Control::Block => Way::Closed,
        Control::Mfa if place == Place::Elsewhere => Way::Open,
        Control::Strength(s) if place == Place::Elsewhere && takes_first_method(s) => Way::Open,
        Control::Strength(s) if !takes_pass(s) => Way::Closed,
        Control::Mfa | Control::Strength(_) => by_pass,
        Control::Device(name) => Way::Device((*name).into()),
        Control::App => Way::Device("an approved app".into()),
        // Changing a password asks for MFA first.
        Control::Other(name) if name.eq_ignore_ascii_case("passwordChange") && place == Place::Registration => by_pass,
        Control::Other(_) => Way::Open,
    }
}

/// Whether a strength takes a Temporary Access Pass.
fn takes_pass(strength: &AuthenticationStrength) -> bool {
    strength
        .allowed_combinations
        .iter()
        .any(|c| c.to_ascii_lowercase().contains("temporaryaccesspass"))
}

/// Whether a strength takes something that can be registered as the first method of all.
fn takes_first_method(strength: &AuthenticationStrength) -> bool {
    let first = ["microsoftauthenticatorpush", "softwareoath", "sms", "voice"];
    strength.allowed_combinations.iter().any(|c| {
        let combination = c.to_ascii_lowercase();
        first.iter().any(|method| combination.contains(method))
    })
}

/// How an unregistered user gets past a policy.
fn left(policy: &ConditionalAccessPolicy, place: Place, pass: Option<bool>) -> Way {
    let controls = controls(policy);
    let ways = controls.iter().map(|c| way(c, place, pass));
    let met = if one_is_enough(policy) { ways.min() } else { ways.max() };
    met.unwrap_or(Way::Open)
}

fn access_pass(policy: &AuthenticationMethodsPolicy) -> Option<&AuthenticationMethodConfiguration> {
    policy
        .authentication_method_configurations
        .iter()
        .find(|c| c.id.eq_ignore_ascii_case("TemporaryAccessPass") && enabled(c))
}

/// Whether there is a Temporary Access Pass for everybody: unknown where it is for some.
fn for_all(policy: Option<&AuthenticationMethodsPolicy>) -> Option<bool> {
    let Some(pass) = access_pass(policy?) else {
        return Some(false);
    };
    let unbound = pass.include_targets.iter().any(everybody) && pass.exclude_targets.iter().all(|t| nobody(&t.id));
    unbound.then_some(true)
}

/// Whether there is one for the users of a cohort. It does not work for guests.
fn for_cohort(
    policy: Option<&AuthenticationMethodsPolicy>,
    key: &CohortKey,
    directory: &Directory<'_>,
) -> Option<bool> {
    let Some(pass) = access_pass(policy?).filter(|_| !key.guest) else {
        return Some(false);
    };
    let in_group = |id: &str| directory.in_group(key, id);
    included(
        any(pass.include_targets.iter().map(|t| names(t, &in_group))),
        any(pass.exclude_targets.iter().map(|t| names(t, &in_group))),
    )
}

/// Whether a policy is for guests alone, whose password is reset in their own tenant.
fn guests_alone(policy: &ConditionalAccessPolicy) -> bool {
    policy.conditions.users.as_ref().is_some_and(|u| {
        let kinds = u
            .include_guests_or_external_users
            .as_ref()
            .is_some_and(|k| !k.is_null());
        u.include_groups.is_empty()
            && u.include_roles.is_empty()
            && (kinds || !u.include_users.is_empty())
            && u.include_users
                .iter()
                .all(|id| id.eq_ignore_ascii_case("GuestsOrExternalUsers"))
    })
}

/// What a policy does to those who have not registered.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Trap(String),
    Narrow(String),
    Fine(String),
}

fn judge(policy: &ConditionalAccessPolicy, pass: Option<bool>) -> Verdict {
    let name = format!("'{}'", policy.display_name);
    let conditions = &policy.conditions;
    if guests_alone(policy) {
        return Verdict::Fine(format!("{name} is for guests alone"));
    }
    if by_place(conditions) {
        return Verdict::Fine(format!("{name} leaves some locations open"));
    }
    let limits = narrowed(conditions);
    let controls: Vec<String> = controls(policy).iter().map(Control::name).collect();
    let demand = listed(&controls);
    match left(policy, Place::Registration, pass) {
        Way::Open => Verdict::Fine(format!("{name} can be met")),
        Way::Pass => Verdict::Fine(format!(
            "{name} is met with a Temporary Access Pass, one for each newcomer"
        )),
        Way::Device(device) => Verdict::Narrow(format!("{name} lets users register only with {device}")),
        Way::Perhaps => Verdict::Narrow(format!(
            "{name} asks newcomers for {demand}; a Temporary Access Pass is perhaps not for all of them"
        )),
        Way::Closed if !limits.is_empty() => {
            Verdict::Narrow(format!("{name} asks for {demand}, {}", limits.join(", ")))
        }
        Way::Closed => Verdict::Trap(format!("{name} asks newcomers for {demand}")),
    }
}

/// A policy on all resources guards the page of the security information too. Asking for MFA is no trap there: who has
/// no method is led to register one. A device is, and a strength whose methods need another one before them.
fn judge_all_resources(policy: &ConditionalAccessPolicy, pass: Option<bool>) -> Option<String> {
    let blocks = controls(policy).contains(&Control::Block);
    // Who is blocked from everything was meant to be.
    if blocks || guests_alone(policy) || !narrowed(&policy.conditions).is_empty() {
        return None;
    }
    let name = format!("'{}'", policy.display_name);
    match left(policy, Place::Elsewhere, pass) {
        Way::Open | Way::Pass => None,
        Way::Device(device) => Some(format!("{name} opens nothing, registration included, without {device}")),
        Way::Perhaps | Way::Closed => Some(format!(
            "{name} takes only methods that cannot be the first, and not all have a Temporary Access Pass"
        )),
    }
}

/// The finding.
pub fn finding(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let Some(policies) = fact.value() else {
        return TRAPS.unreadable(snapshot);
    };
    let methods = snapshot.facts.methods_policy.value();
    let pass = for_all(methods);
    let (mut traps, mut narrow, mut fine) = (Vec::new(), Vec::new(), Vec::new());
    for policy in policies.iter().filter(|p| enforced(p) && on_registration(p)) {
        match judge(policy, pass) {
            Verdict::Trap(text) => traps.push(text),
            Verdict::Narrow(text) => narrow.push(text),
            Verdict::Fine(text) => fine.push(text),
        }
    }
    for policy in policies.iter().filter(|p| enforced(p) && on_all_resources(p)) {
        narrow.extend(judge_all_resources(policy, pass));
    }
    let (caught, by_pass) = newcomers(snapshot, policies);
    let on = |found: Finding, seen: &[String]| found.evidence(fact, listed(seen)).portal(PORTAL);
    if !traps.is_empty() {
        let title = match &caught {
            Some(caught) if caught.count > 0 => format!(
                "{} cannot register: {}",
                counted(caught.count, "user", "users"),
                listed(&traps)
            ),
            _ => format!("newcomers cannot register: {}", listed(&traps)),
        };
        let empty = caught.as_ref().is_some_and(|c| c.count == 0) && snapshot.facts.registration.whole().is_some();
        let found = if empty {
            // Everybody has registered; the next newcomer will not.
            TRAPS.warn(Severity::High, title)
        } else {
            TRAPS.fail(Severity::High, title)
        };
        let found = on(found, &traps)
            .reason("A user who has no method yet can meet no demand of the policy, so never registers and never resets.")
            .fix("Enable Temporary Access Pass for all users and hand one to each newcomer, or exclude trusted locations from the policy.");
        return match caught {
            Some(caught) => {
                let registration = &snapshot.facts.registration;
                found
                    .evidence(
                        registration,
                        format!(
                            "{} without a method, under the policy",
                            counted(caught.count, "user", "users")
                        ),
                    )
                    .affects(caught.count, None, true, caught.sample)
            }
            None => found,
        };
    }
    if let Some(caught) = caught.filter(|c| c.count > 0) {
        // The pass is enabled, but not for them.
        let title = format!(
            "{} cannot register: no Temporary Access Pass for them",
            counted(caught.count, "user", "users")
        );
        return on(TRAPS.fail(Severity::High, title), &fine)
            .evidence(
                &snapshot.facts.registration,
                format!(
                    "{} without a method, under the policy",
                    counted(caught.count, "user", "users")
                ),
            )
            .reason(
                "The policy asks them for MFA before they have a method, and the methods policy gives them no pass.",
            )
            .fix("Enable Temporary Access Pass for all users.")
            .affects(caught.count, None, true, caught.sample);
    }
    if !narrow.is_empty() {
        return on(TRAPS.warn(Severity::Medium, listed(&narrow)), &narrow)
            .reason("Newcomers who cannot meet it cannot register, and cannot reset later.")
            .fix("See that every newcomer can meet it: a managed device, a trusted location, or a Temporary Access Pass.");
    }
    if let Some(newcomers) = by_pass.filter(|n| n.count > 0) {
        let title = format!(
            "{} a Temporary Access Pass to register",
            counted(newcomers.count, "user needs", "users need")
        );
        return on(TRAPS.warn(Severity::Medium, title), &fine)
            .evidence(
                &snapshot.facts.registration,
                format!("{} without a method, under the policy", counted(newcomers.count, "user", "users")),
            )
            .reason("They have no method yet, and the policy asks them for MFA wherever they are; only a pass from an administrator lets them register.")
            .fix("Hand a Temporary Access Pass to each of them, or exclude trusted locations from the policy.")
            .affects(newcomers.count, None, true, newcomers.sample);
    }
    if let Some(reason) = fact.partial_reason() {
        return on(TRAPS.skipped("the policies were read in part", reason), &fine);
    }
    TRAPS.pass("nothing keeps newcomers from registering").evidence(
        fact,
        match fine.len() {
            0 => "no policy in force on registering security information".into(),
            _ => listed(&fine),
        },
    )
}

/// Users who have no method yet.
struct Newcomers {
    count: u64,
    sample: Vec<String>,
}

/// Users in scope of reset who have no method, under a policy on registration: those who surely cannot meet it, and
/// those who can with a Temporary Access Pass alone.
fn newcomers(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> (Option<Newcomers>, Option<Newcomers>) {
    let Some(report) = snapshot.facts.registration.value() else {
        return (None, None);
    };
    let methods = snapshot.facts.methods_policy.value();
    let directory = Directory::of(snapshot);
    let always: Vec<&ConditionalAccessPolicy> = policies
        .iter()
        .filter(|p| enforced(p) && on_registration(p) && narrowed(&p.conditions).is_empty())
        .collect();
    // What the hardest of the policies that surely apply leaves to the users of a cohort.
    let hardest = |key: &CohortKey| {
        let pass = for_cohort(methods, key, &directory);
        let applying = always.iter().filter(|policy| {
            let users = policy.conditions.users.as_ref();
            users.is_some_and(|u| applies(u, key, &directory) == Some(true))
        });
        applying.map(|policy| left(policy, Place::Registration, pass)).max()
    };
    let count = |way: Way| {
        let (count, sample) = report.count(|key| {
            let newcomer = key.sspr_enabled && !key.sspr_registered && !key.mfa_registered;
            newcomer && hardest(key).as_ref() == Some(&way)
        });
        Some(Newcomers { count, sample })
    };
    (count(Way::Closed), count(Way::Pass))
}
