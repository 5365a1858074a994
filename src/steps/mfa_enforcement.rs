//! Step `mfa_enforcement`: is every user required to use MFA, by a policy that is in force?

mod gaps;

use super::conditional_access::{
    MfaDemand, PORTAL, applies, enforced, mfa, narrowed, on_all_resources, on_all_users, report_only,
};
use super::coverage::{EMERGENCY_ACCOUNTS, Left, quoted, users, widest};
use super::current::Sections;
use super::policy::graph_change;
use super::scope::{Directory, any, listed};
use super::{Setup, Step};
use crate::change::{Change, Kind, Write};
use crate::desired::{DesiredState, Enforcement};
use crate::finding::{Check, Finding, Outcome, Severity, counted, number, share};
use crate::snapshot::graph::{ConditionUsers, ConditionalAccessPolicy};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use gaps::{BYPASS, EXCLUSIONS, bypass, exclusions};
use serde_json::{Value, json};

/// The step.
pub const STEP: Step = Step {
    name: "mfa_enforcement",
    title: "MFA enforcement",
    checks: &[&ALL_USERS, &EXCLUSIONS, &BYPASS, &REPORT_ONLY, &CAPABLE, &LEGACY],
    check,
    setup: Some(SETUP),
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/conditional-access/policy-all-users-mfa-strength";

const ALL_USERS: Check = Check {
    id: "mfa_enforcement.all_users",
    title: "MFA is required of all users",
    looks_at: "Enabled Conditional Access policies that ask for MFA (or a strength that is MFA) in all resources under all conditions, alone or together, and whom they leave out; security defaults. Per-user MFA is not read.",
    why: "A password that was reset is worth little to a thief where MFA is asked for, and registering for MFA registers for reset.",
    doc: DOC,
    decides: true,
    facts: &[
        FactId::ConditionalAccess,
        FactId::SecurityDefaults,
        FactId::Registration,
        FactId::PolicyGroups,
        FactId::PolicyUsers,
        FactId::UserCounts,
    ],
};
const REPORT_ONLY: Check = Check {
    id: "mfa_enforcement.report_only",
    title: "Policies that only report",
    looks_at: "Policies that ask for MFA in report-only mode.",
    why: "A policy in report-only mode asks nobody for anything.",
    doc: "https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-report-only",
    decides: false,
    facts: &[FactId::ConditionalAccess],
};
const CAPABLE: Check = Check {
    id: "mfa_enforcement.capable",
    title: "Users can answer when asked",
    looks_at: "Users in the registration report who are not capable of MFA, and those who registered a method that they may not use.",
    why: "Who cannot answer is stopped at the next sign-in, and cannot register where registration is protected.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/howto-authentication-methods-activity",
    decides: false,
    facts: &[FactId::Registration],
};
const LEGACY: Check = Check {
    id: "mfa_enforcement.legacy_methods",
    title: "MFA methods moved to the methods policy",
    looks_at: "The migration state of the authentication methods policy.",
    why: "Before the move the legacy MFA settings allow methods too, and they can no longer be managed.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/how-to-authentication-methods-manage",
    decides: false,
    facts: &[FactId::MethodsPolicy],
};

const SETUP: Setup = Setup {
    needs: ALL_USERS.facts,
    plan,
};

/// By this name our policy is known again.
const OURS: &str = "EntraSspr: MFA for all users";
const REQUIRES: &[&str] = &["Policy.ReadWrite.ConditionalAccess"];

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let facts = &snapshot.facts;
    let (Some(wanted), Some(policies)) = (&desired.mfa_enforcement, facts.conditional_access.whole()) else {
        return Vec::new();
    };
    let state = match wanted.conditional_access {
        None => return Vec::new(),
        Some(Enforcement::ReportOnly) => "enabledForReportingButNotEnforced",
        Some(Enforcement::Enforced) => "enabled",
    };
    let risk = "It asks all users for MFA, but for those whom it leaves out.";
    let risky = |change: Change| match state {
        "enabled" => change.risk(risk).touches(members(snapshot)),
        // It writes down what it would ask.
        _ => change.touches(Some(0)),
    };
    if let Some(own) = used(policies) {
        // One of somebody else's is put into force, and never out of it.
        if own.state == state || own.display_name != OURS && enforced(own) {
            return Vec::new();
        }
        let path = format!("/v1.0/identity/conditionalAccess/policies/{}", own.id);
        let title = format!("Set the policy \"{}\" to {state}", own.display_name);
        let change = graph_change(
            &ALL_USERS,
            title,
            &path,
            "state",
            own.state.clone().into(),
            state.into(),
        );
        let change = risky(change.requires(REQUIRES));
        let users = own.conditions.users.as_ref();
        let somebody = users.is_some_and(|users| {
            !left_out(&users.exclude_groups).is_empty() || !left_out(&users.exclude_users).is_empty()
        });
        let alone = state == "enabled" && !somebody;
        return vec![match alone {
            true => change.manual().by_hand(
                PORTAL,
                &[
                    &format!(
                        "Open the policy \"{}\", Users, Exclude: choose a group or an account for emergencies.",
                        own.display_name
                    ),
                    "Set Enable policy to On.",
                    "Select Save.",
                ],
            ),
            false => change,
        }];
    }
    // Another policy, or security defaults, may do it already.
    if check(snapshot)
        .iter()
        .any(|finding| finding.id == ALL_USERS.id && finding.status == Outcome::Pass)
    {
        return Vec::new();
    }
    let policy = json!({
        "displayName": OURS,
        "state": state,
        "conditions": {
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": ["All"]},
            "users": {
                "includeUsers": ["All"],
                "excludeUsers": wanted.exclude_users.as_deref().unwrap_or_default(),
                "excludeGroups": wanted.exclude_groups.as_deref().unwrap_or_default(),
            },
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    });
    let title = match state {
        "enabled" => "Create a Conditional Access policy that asks all users for MFA",
        _ => "Create a Conditional Access policy that reports whom it would ask for MFA",
    };
    let change = Change::of(ALL_USERS.id, Kind::Graph, title).writes(
        "/v1.0/identity/conditionalAccess/policies",
        Write::ConditionalAccess,
        Value::Null,
        policy,
    );
    vec![risky(change.requires(REQUIRES))]
}

/// The policy that is ours by its name; else one that asks the same of everybody, whoever made it.
fn used(policies: &[ConditionalAccessPolicy]) -> Option<&ConditionalAccessPolicy> {
    let ours = policies.iter().find(|policy| policy.display_name == OURS);
    let same = policies.iter().filter(|policy| everybody(policy));
    ours.or_else(|| same.max_by_key(|policy| enforced(policy)))
}

/// Whom a policy leaves out by their ids, of one of its lists.
fn left_out(list: &[String]) -> Vec<Value> {
    let mut ids = Vec::new();
    for id in list {
        if uuid::Uuid::try_parse(id).is_ok() {
            ids.push(id.as_str().into());
        }
    }
    ids
}

/// What the policy that counts here does, and whom it leaves out.
pub(super) fn current(snapshot: &Snapshot, all: &mut Sections) {
    const SECTION: &str = "mfaEnforcement";
    let policies = snapshot.facts.conditional_access.whole();
    let Some(own) = policies.and_then(|policies| used(policies)) else {
        return;
    };
    let state = match enforced(own) {
        true => "enforced",
        false if report_only(own) => "reportOnly",
        false => return,
    };
    all.say(SECTION, "conditionalAccess", state.into());
    if let Some(users) = &own.conditions.users {
        all.say(SECTION, "excludeGroups", left_out(&users.exclude_groups).into());
        all.say(SECTION, "excludeUsers", left_out(&users.exclude_users).into());
    }
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = match snapshot.facts.conditional_access.value() {
        Some(policies) => vec![
            all_users(snapshot, policies),
            exclusions(snapshot, policies),
            bypass(snapshot, policies),
            reported(snapshot, policies),
        ],
        None => {
            let mut unread: Vec<Finding> = [&ALL_USERS, &EXCLUSIONS, &BYPASS, &REPORT_ONLY]
                .iter()
                .map(|check| check.unreadable(snapshot))
                .collect();
            if defaults(snapshot) {
                unread[0] = by_defaults(snapshot);
            }
            unread
        }
    };
    findings.push(capable(snapshot));
    findings.push(legacy(snapshot));
    findings
}

fn defaults(snapshot: &Snapshot) -> bool {
    snapshot.facts.security_defaults.whole().is_some_and(|d| d.is_enabled)
}

fn by_defaults(snapshot: &Snapshot) -> Finding {
    ALL_USERS
        .pass("security defaults ask all users for MFA")
        .evidence(&snapshot.facts.security_defaults, "isEnabled: true")
        .reason("Security defaults ask for MFA when Microsoft finds it necessary; administrators at every sign-in.")
}

/// In force or on trial, for all users.
fn everybody(policy: &ConditionalAccessPolicy) -> bool {
    (enforced(policy) || report_only(policy)) && on_all_users(policy) && unconditional(policy)
}

/// In force, for all resources, under all conditions, with nothing taken instead of MFA.
fn full(policy: &ConditionalAccessPolicy) -> bool {
    enforced(policy) && unconditional(policy)
}

fn unconditional(policy: &ConditionalAccessPolicy) -> bool {
    on_all_resources(policy) && mfa(policy) == MfaDemand::Always && narrowed(&policy.conditions).is_empty()
}

fn all_users(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let full: Vec<&ConditionalAccessPolicy> = policies.iter().filter(|p| full(p)).collect();
    let directory = Directory::of(snapshot);
    let all = widest(&full);
    let left = all.map(|policy| Left::by(policy, &full, &directory));
    if let (Some(policy), Some(left)) = (all, &left)
        && left.few()
        && !left.guests
    {
        return ALL_USERS
            .pass(format!("{} asks all users for MFA", quoted(policy)))
            .evidence(fact, format!("{}: enabled, all users, all resources", quoted(policy)));
    }
    if all.is_none() && defaults(snapshot) {
        return by_defaults(snapshot);
    }
    let fix = |found: Finding| {
        found
            .evidence(fact, summary(policies))
            .fix(match all {
                Some(_) => NARROW_EXCLUSIONS,
                None => "Create a Conditional Access policy: all users, all resources, require MFA. Exclude the emergency accounts, try it in report-only mode, then switch it on.",
            })
            .portal(PORTAL)
    };
    if full.is_empty() {
        return fix(no_policy(snapshot, policies));
    }
    let names: Vec<String> = full.iter().map(|p| quoted(p)).collect();
    let asked = match (all, &left) {
        (Some(policy), Some(left)) => {
            format!(
                "{} asks all users for MFA except {}",
                quoted(policy),
                listed(&left.names)
            )
        }
        _ => format!("MFA is asked of some: {}", listed(&names)),
    };
    let registration = &snapshot.facts.registration;
    let Some(report) = registration.value() else {
        let reason = "How many users that leaves out could not be told: the registration report is not readable.";
        return fix(ALL_USERS.warn(Severity::High, asked)).reason(reason);
    };
    let scopes: Vec<ConditionUsers> = full.iter().map(|p| users(p)).collect();
    let covered = |key: &CohortKey| any(scopes.iter().map(|scope| applies(scope, key, &directory)));
    let (without, sample) = report.count(|key| !key.guest && covered(key) == Some(false));
    let (guests, _) = report.count(|key| key.guest && covered(key) == Some(false));
    let (unsure, _) = report.count(|key| covered(key).is_none());
    let (of, _) = report.count(|_| true);
    let partial = registration.whole().is_none();
    // Single users are no part of the report's counts.
    let without = without.saturating_add(left.as_ref().map_or(0, |left| left.persons));
    let looked_up = format!("{} users looked up", number(of));
    if without > all.map_or(0, |_| EMERGENCY_ACCOUNTS) {
        let members = members(snapshot);
        let verb = if without == 1 { "is" } else { "are" };
        let title = format!(
            "{} {verb} in no policy that asks for MFA",
            share(without, members, partial, "member", "members")
        );
        // Where a policy is for all, those left out were excluded on purpose; that is not MFA for all when they are most.
        let most = members.is_some_and(|members| without >= members.div_ceil(2));
        let found = if all.is_none() || most {
            ALL_USERS.fail(Severity::High, title)
        } else {
            ALL_USERS.warn(Severity::High, title)
        };
        return fix(found)
            .evidence(registration, looked_up)
            .reason(format!("A stolen password alone opens these accounts. {PER_USER}"))
            .affects(without, members, false, sample);
    }
    if unsure > 0 || partial || of == 0 {
        return fix(ALL_USERS.warn(Severity::Medium, asked))
            .reason("Whether these policies together cover everybody could not be told: persons, groups or roles that they name were not looked up for every user.");
    }
    if guests > 0 {
        let (all_guests, _) = report.count(|key| key.guest);
        let verb = if guests == 1 { "is" } else { "are" };
        let title = format!(
            "{} {verb} in no policy that asks for MFA",
            share(guests, Some(all_guests), false, "guest", "guests")
        );
        return fix(ALL_USERS.warn(Severity::Medium, title))
            .evidence(registration, looked_up)
            .reason("Their own tenant may ask them; this one does not. All members are covered.")
            .affects(guests, Some(all_guests), false, Vec::new());
    }
    let title = match all {
        Some(policy) => format!("{} asks all users for MFA", quoted(policy)),
        None => format!(
            "{} together ask everybody for MFA",
            counted(names.len() as u64, "policy", "policies")
        ),
    };
    ALL_USERS
        .pass(title)
        .evidence(fact, listed(&names))
        .evidence(registration, format!("each of {} users is covered", number(of)))
}

const NARROW_EXCLUSIONS: &str = "Leave only the emergency accounts excluded, or cover the others by a second policy.";

/// MFA that is switched on user by user is told by no list.
const PER_USER: &str = "Per-user MFA is not read here; where it is in use, move to Conditional Access.";

/// No policy asks all users under all conditions. Only per-user MFA could, and nobody knows of that.
fn no_policy(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let almost: Vec<String> = policies
        .iter()
        .filter(|p| enforced(p) && on_all_users(p) && mfa(p) != MfaDemand::Never)
        .map(quoted)
        .collect();
    if !almost.is_empty() {
        let title = format!("MFA is asked for, but not always: {}", listed(&almost));
        let reason = format!("Where it is not, a stolen password alone opens the account. {PER_USER}");
        return ALL_USERS.warn(Severity::High, title).reason(reason);
    }
    let defaults = match snapshot.facts.security_defaults.value() {
        Some(_) => "",
        None => " Security defaults were not readable either.",
    };
    ALL_USERS.skipped(
        "no policy in force asks all users for MFA; per-user MFA is not read",
        format!("Where per-user MFA is not in use, a stolen password alone opens an account. {PER_USER}{defaults}"),
    )
}

/// All members: as the report lists them, else as the directory counts them.
fn members(snapshot: &Snapshot) -> Option<u64> {
    let facts = &snapshot.facts;
    let listed = facts
        .registration
        .whole()
        .map(|report| report.count(|key| !key.guest).0);
    listed.or_else(|| facts.user_counts.value().map(|counts| counts.enabled_members))
}

fn summary(policies: &[ConditionalAccessPolicy]) -> String {
    let on = policies.iter().filter(|p| enforced(p)).count() as u64;
    let asking = policies.iter().filter(|p| enforced(p) && mfa(p) != MfaDemand::Never);
    format!(
        "{}, {} in force; asking for MFA: {}",
        counted(policies.len() as u64, "policy", "policies"),
        number(on),
        listed(&asking.map(quoted).collect::<Vec<_>>())
    )
}

fn reported(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let names: Vec<String> = policies
        .iter()
        .filter(|p| report_only(p) && mfa(p) != MfaDemand::Never)
        .map(quoted)
        .collect();
    if names.is_empty() {
        return REPORT_ONLY
            .pass("no MFA policy is in report-only mode")
            .evidence(fact, summary(policies));
    }
    let found = if policies.iter().any(|p| full(p) && on_all_users(p)) {
        REPORT_ONLY.pass(format!("on trial: {}", listed(&names)))
    } else {
        REPORT_ONLY
            .warn(
                Severity::Medium,
                format!("only reports, asks nobody: {}", listed(&names)),
            )
            .reason("The policy looks active in the list, but nobody is asked for MFA.")
            .fix("Look at what it would have done in the sign-in logs, then switch it on.")
            .portal(PORTAL)
    };
    found.evidence(fact, format!("enabledForReportingButNotEnforced: {}", listed(&names)))
}

fn capable(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.registration;
    let Some(report) = fact.value() else {
        return CAPABLE.unreadable(snapshot);
    };
    let (unable, sample) = report.count(|key| !key.guest && !key.mfa_capable);
    let (refused, _) = report.count(|key| !key.guest && !key.mfa_capable && key.mfa_registered);
    let (of, _) = report.count(|key| !key.guest);
    let whole = (!fact.is_partial()).then_some(of);
    if unable > 0 {
        let title = format!(
            "{} cannot answer MFA yet",
            share(unable, members(snapshot), whole.is_none(), "member", "members")
        );
        return CAPABLE
            .warn(Severity::Medium, title)
            .evidence(
                fact,
                format!(
                    "{} of them registered a method that they may not use",
                    number(refused)
                ),
            )
            .reason("They are stopped at the next sign-in that asks for MFA, until they have registered.")
            .fix("Have them register at aka.ms/mysecurityinfo before MFA is enforced; hand out a Temporary Access Pass where registration is protected.")
            .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/UserRegistrationDetails")
            .affects(unable, whole, false, sample);
    }
    match (fact.whole(), fact.partial_reason()) {
        (Some(_), _) => CAPABLE
            .pass(format!("all {} can answer MFA", counted(of, "member", "members")))
            .evidence(fact, format!("{} users", number(report.rows))),
        (None, reason) => CAPABLE.skipped(
            "the registration report was read in part",
            reason.unwrap_or("It was declared, not read."),
        ),
    }
}

fn legacy(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let Some(policy) = fact.value() else {
        return LEGACY.unreadable(snapshot);
    };
    use super::authentication_methods::methods::{Migration, migration};
    let seen = format!(
        "policyMigrationState: {}",
        policy
            .policy_migration_state
            .as_deref()
            .unwrap_or("not set, as in new tenants")
    );
    match migration(policy) {
        Migration::Complete => LEGACY
            .pass("MFA methods come from the methods policy alone")
            .evidence(fact, seen),
        Migration::Before | Migration::Underway => LEGACY
            .warn(Severity::Low, "the legacy MFA settings still allow methods")
            .evidence(fact, seen)
            .reason("A method that the methods policy forbids may still answer MFA, and the legacy settings cannot be managed since 2025-09-30.")
            .fix("Finish the move with Manage migration.")
            .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/AdminAuthMethods"),
        Migration::Other => LEGACY
            .skipped(
                "the migration state is one that this version does not know",
                "Microsoft added a state; look for a newer EntraSspr.",
            )
            .evidence(fact, seen),
    }
}

#[cfg(test)]
mod tests;
