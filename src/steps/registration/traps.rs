//! Policies in force that keep an unregistered user from registering.

use crate::finding::{Check, Finding, Severity, share};
use crate::snapshot::graph::{
    AuthenticationMethodConfiguration, AuthenticationMethodsPolicy, AuthenticationStrength, ConditionalAccessPolicy,
};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use crate::steps::authentication_methods::methods::{enabled, everybody, names};
use crate::steps::conditional_access::{
    Control, Narrowing, PORTAL, applies, controls, enforced, narrowed, on_all_resources, on_all_users, on_registration,
    one_is_enough,
};
use crate::steps::coverage::{for_guests_alone, for_nobody, quoted, whom};
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

/// What a policy does to those who have not registered.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// Nobody registers.
    Trap(String),
    /// Nobody of some registers.
    TrapForSome(String),
    /// Not everybody registers everywhere.
    Narrow(String),
    /// All do.
    Fine(String),
}

fn judge(policy: &ConditionalAccessPolicy, pass: Option<bool>, directory: &Directory<'_>) -> Verdict {
    let name = quoted(policy);
    let limits = narrowed(&policy.conditions);
    if for_guests_alone(policy) {
        return Verdict::Fine(format!("{name} is for guests alone"));
    }
    if limits.iter().any(|limit| limit.is_place()) {
        return Verdict::Fine(format!("{name} leaves some locations open"));
    }
    let controls: Vec<String> = controls(policy).iter().map(Control::name).collect();
    let demand = listed(&controls);
    let newcomers = if on_all_users(policy) {
        "newcomers".into()
    } else {
        format!("newcomers among {}", whom(policy, directory))
    };
    match left(policy, Place::Registration, pass) {
        Way::Open => Verdict::Fine(format!("{name} can be met")),
        Way::Pass => Verdict::Fine(format!(
            "{name} is met with a Temporary Access Pass, one for each newcomer"
        )),
        Way::Device(device) => Verdict::Narrow(format!("{name} lets {newcomers} register only with {device}")),
        Way::Perhaps => Verdict::Narrow(format!(
            "{name} asks {newcomers} for {demand}; a Temporary Access Pass is perhaps not for all of them"
        )),
        Way::Closed if !limits.is_empty() => {
            let limits: Vec<&str> = limits.iter().map(|limit| limit.text()).collect();
            Verdict::Narrow(format!("{name} asks {newcomers} for {demand}, {}", limits.join(", ")))
        }
        Way::Closed if !on_all_users(policy) => Verdict::TrapForSome(format!("{name} asks {newcomers} for {demand}")),
        Way::Closed => Verdict::Trap(format!("{name} asks newcomers for {demand}")),
    }
}

/// A policy on all resources guards the page of the security information too. Asking for MFA is no trap there: who has
/// no method is led to register one. A device is, and a strength whose methods need another one before them. Resources
/// that it excludes open nothing else.
fn judge_all_resources(
    policy: &ConditionalAccessPolicy,
    pass: Option<bool>,
    directory: &Directory<'_>,
) -> Option<String> {
    let blocks = controls(policy).contains(&Control::Block);
    let limits = narrowed(&policy.conditions);
    // Who is blocked from everything was meant to be.
    if blocks || for_guests_alone(policy) || limits.iter().any(|limit| *limit != Narrowing::Resources) {
        return None;
    }
    let name = quoted(policy);
    let of = if on_all_users(policy) {
        String::new()
    } else {
        format!(" to {}", whom(policy, directory))
    };
    match left(policy, Place::Elsewhere, pass) {
        Way::Open | Way::Pass => None,
        Way::Device(device) => Some(format!(
            "{name} opens nothing{of}, registration included, without {device}"
        )),
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
    let pass = for_all(snapshot.facts.methods_policy.value());
    let directory = Directory::of(snapshot);
    let in_force = || policies.iter().filter(|p| enforced(p) && !for_nobody(p));
    let (mut traps, mut for_some, mut narrow, mut fine) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for policy in in_force().filter(|p| on_registration(p)) {
        match judge(policy, pass, &directory) {
            Verdict::Trap(text) => traps.push(text),
            Verdict::TrapForSome(text) => for_some.push(text),
            Verdict::Narrow(text) => narrow.push(text),
            Verdict::Fine(text) => fine.push(text),
        }
    }
    for policy in in_force().filter(|p| on_all_resources(p)) {
        narrow.extend(judge_all_resources(policy, pass, &directory));
    }
    let newcomers = newcomers(snapshot, policies);
    let report = &snapshot.facts.registration;
    let on = |found: Finding, seen: &[String]| found.evidence(fact, listed(seen)).portal(PORTAL);
    let touches = |found: Finding, users: &Users| {
        found
            .evidence(report, format!("{} without a method, under the policy", users.share()))
            .affects(users.count, users.of, true, users.sample.clone())
    };
    let caught = newcomers.as_ref().map(|n| &n.caught);
    if let Some(caught) = caught.filter(|c| c.count > 0) {
        let seen = [traps, for_some].concat();
        let (why, fix) = if seen.is_empty() {
            // The pass is enabled, but not for them.
            let fix = "Enable Temporary Access Pass for all users.";
            ("no Temporary Access Pass for them".into(), fix)
        } else {
            (listed(&seen), FIX)
        };
        let title = format!("{} cannot register: {why}", caught.share());
        return touches(
            on(TRAPS.fail(Severity::High, title), &[seen, narrow, fine].concat()),
            caught,
        )
        .reason(CAUGHT)
        .fix(fix);
    }
    if !traps.is_empty() {
        let title = format!("newcomers cannot register: {}", listed(&traps));
        let found = if report.whole().is_some() {
            // Everybody has registered; the next newcomer will not.
            TRAPS.warn(Severity::High, title)
        } else {
            TRAPS.fail(Severity::High, title)
        };
        let found = on(found, &traps).reason(CAUGHT).fix(FIX);
        return match caught.filter(|_| report.whole().is_some()) {
            Some(caught) => touches(found, caught),
            None => found,
        };
    }
    let narrow = [for_some, narrow].concat();
    if !narrow.is_empty() {
        return on(TRAPS.warn(Severity::Medium, listed(&narrow)), &narrow)
            .reason("Newcomers who cannot meet it cannot register, and cannot reset later.")
            .fix("See that every newcomer can meet it: a managed device, a trusted location, or a Temporary Access Pass.");
    }
    if let Some(users) = newcomers.as_ref().map(|n| &n.by_pass).filter(|n| n.count > 0) {
        let verb = if users.count == 1 { "needs" } else { "need" };
        let title = format!("{} {verb} a Temporary Access Pass to register", users.share());
        return touches(on(TRAPS.warn(Severity::Medium, title), &fine), users)
            .reason("They have no method yet, and the policy asks them for MFA wherever they are; only a pass from an administrator lets them register.")
            .fix("Hand a Temporary Access Pass to each of them, or exclude trusted locations from the policy.");
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

const CAUGHT: &str =
    "A user who has no method yet can meet no demand of the policy, so never registers and never resets.";
const FIX: &str = "Enable Temporary Access Pass for all users and hand one to each newcomer, or exclude trusted locations from the policy.";

/// Some of the users in scope of reset.
struct Users {
    count: u64,
    /// All in scope, where all were read.
    of: Option<u64>,
    partial: bool,
    sample: Vec<String>,
}

impl Users {
    fn share(&self) -> String {
        share(self.count, self.of, self.partial, "user", "users")
    }
}

/// Users in scope of reset who have no method yet.
struct Newcomers {
    /// Those who surely cannot meet the policies on registration.
    caught: Users,
    /// Those who can with a Temporary Access Pass alone.
    by_pass: Users,
}

fn newcomers(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Option<Newcomers> {
    let fact = &snapshot.facts.registration;
    let report = fact.value()?;
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
    let whole = fact.whole().is_some();
    let of = whole.then(|| report.count(|key| key.sspr_enabled).0);
    let users = |way: Way| {
        let (count, sample) = report.count(|key| {
            let newcomer = key.sspr_enabled && !key.sspr_registered && !key.mfa_registered;
            newcomer && hardest(key).as_ref() == Some(&way)
        });
        Users {
            count,
            of,
            partial: !whole,
            sample,
        }
    };
    Some(Newcomers {
        caught: users(Way::Closed),
        by_pass: users(Way::Pass),
    })
}
