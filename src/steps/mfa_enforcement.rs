//! Step `mfa_enforcement`: is every user required to use MFA, by a policy that is in force?

use super::Step;
use super::conditional_access::{
    MfaDemand, PORTAL, applies, enforced, mfa, narrowed, on_all_resources, on_all_users, report_only,
};
use super::scope::{Directory, any, listed, role_name};
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::graph::{ConditionUsers, ConditionalAccessPolicy};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "mfa_enforcement",
    title: "MFA enforcement",
    checks: &[&ALL_USERS, &EXCLUSIONS, &BYPASS, &REPORT_ONLY, &CAPABLE, &LEGACY],
    check,
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/conditional-access/policy-all-users-mfa-strength";

const ALL_USERS: Check = Check {
    id: "mfa_enforcement.all_users",
    title: "MFA is required of all users",
    looks_at: "Enabled Conditional Access policies that ask for MFA (or a strength that is MFA) in all resources under all conditions, alone or together; security defaults.",
    why: "A password that was reset is worth little to a thief where MFA is asked for, and registering for MFA registers for reset.",
    doc: DOC,
    decides: true,
    facts: &[
        FactId::ConditionalAccess,
        FactId::SecurityDefaults,
        FactId::Registration,
        FactId::PolicyGroups,
    ],
};
const EXCLUSIONS: Check = Check {
    id: "mfa_enforcement.exclusions",
    title: "Who is excluded from MFA",
    looks_at: "Users, groups, roles and guests that the policy for all users excludes and no other policy covers.",
    why: "Emergency accounts are excluded with reason; more than those are a door.",
    doc: "https://learn.microsoft.com/entra/identity/role-based-access-control/security-emergency-access",
    decides: false,
    facts: &[FactId::ConditionalAccess, FactId::PolicyGroups],
};
const BYPASS: Check = Check {
    id: "mfa_enforcement.bypass",
    title: "No way around MFA",
    looks_at: "Enabled policies that ask for MFA but take another control instead, or apply only under some conditions.",
    why: "Such a policy looks like MFA for all and is not.",
    doc: "https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-grant",
    decides: false,
    facts: &[FactId::ConditionalAccess],
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

/// So many excluded accounts are taken for emergency access: two are recommended, and two more for a second cloud or a
/// sync account that is named one by one.
const EMERGENCY_ACCOUNTS: u64 = 4;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = match snapshot.facts.conditional_access.value() {
        Some(policies) => vec![
            all_users(snapshot, policies),
            exclusions(snapshot, policies),
            bypass(snapshot, policies),
            reported(snapshot, policies),
        ],
        None if defaults(snapshot) => vec![by_defaults(snapshot)],
        None => [&ALL_USERS, &EXCLUSIONS, &BYPASS, &REPORT_ONLY]
            .iter()
            .map(|check| check.unreadable(snapshot))
            .collect(),
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

/// In force, for all resources, under all conditions, with nothing taken instead of MFA.
fn full(policy: &ConditionalAccessPolicy) -> bool {
    enforced(policy)
        && on_all_resources(policy)
        && mfa(policy) == MfaDemand::Always
        && narrowed(&policy.conditions).is_empty()
}

fn quoted(policy: &ConditionalAccessPolicy) -> String {
    format!("'{}'", policy.display_name)
}

fn users(policy: &ConditionalAccessPolicy) -> ConditionUsers {
    policy.conditions.users.clone().unwrap_or_default()
}

fn all_users(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let full: Vec<&ConditionalAccessPolicy> = policies.iter().filter(|p| full(p)).collect();
    if let Some(policy) = full.iter().find(|p| on_all_users(p)) {
        return ALL_USERS
            .pass(format!("{} asks all users for MFA", quoted(policy)))
            .evidence(fact, format!("{}: enabled, all users, all resources", quoted(policy)));
    }
    if defaults(snapshot) {
        return by_defaults(snapshot);
    }
    let fix = |found: Finding| {
        found
            .reason("A stolen password alone opens these accounts. Per-user MFA is not read here; where it is in use, move to Conditional Access.")
            .fix("Create a Conditional Access policy: all users, all resources, require MFA. Exclude the emergency accounts, try it in report-only mode, then switch it on.")
            .portal(PORTAL)
    };
    if full.is_empty() {
        let almost: Vec<String> = policies
            .iter()
            .filter(|p| enforced(p) && on_all_users(p) && mfa(p) != MfaDemand::Never)
            .map(quoted)
            .collect();
        let found = match almost.as_slice() {
            [] => ALL_USERS.fail(Severity::High, "no policy in force asks all users for MFA"),
            names => ALL_USERS.warn(
                Severity::High,
                format!("MFA is asked for, but not always: {}", listed(names)),
            ),
        };
        return fix(found.evidence(fact, summary(policies)));
    }
    let names: Vec<String> = full.iter().map(|p| quoted(p)).collect();
    let directory = Directory::of(snapshot);
    let scopes: Vec<ConditionUsers> = full.iter().map(|p| users(p)).collect();
    let covered = |key: &CohortKey| any(scopes.iter().map(|scope| applies(scope, key, &directory)));
    let registration = &snapshot.facts.registration;
    let Some(report) = registration.value() else {
        let found = ALL_USERS.warn(Severity::High, format!("MFA is asked of some: {}", listed(&names)));
        return fix(found.evidence(fact, summary(policies)))
            .reason("Whether these policies together cover everybody could not be told: the registration report is not readable.");
    };
    let (without, sample) = report.count(|key| covered(key) == Some(false));
    let (unsure, _) = report.count(|key| covered(key).is_none());
    let (of, _) = report.count(|_| true);
    if without > 0 {
        let title = format!(
            "{} in no policy that asks for MFA",
            counted(without, "user is", "users are")
        );
        return fix(ALL_USERS.fail(Severity::High, title))
            .evidence(fact, summary(policies))
            .evidence(registration, format!("{} users looked up", number(of)))
            .affects(without, (!registration.is_partial()).then_some(of), false, sample);
    }
    if unsure > 0 || registration.whole().is_none() || of == 0 {
        let found = ALL_USERS.warn(Severity::Medium, format!("MFA is asked of some: {}", listed(&names)));
        return fix(found.evidence(fact, summary(policies)))
            .reason("Whether these policies together cover everybody could not be told: groups or roles that they name were not read for every user.");
    }
    ALL_USERS
        .pass(format!(
            "{} together ask everybody for MFA",
            counted(names.len() as u64, "policy", "policies")
        ))
        .evidence(fact, listed(&names))
        .evidence(registration, format!("each of {} users is covered", number(of)))
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

/// Somebody whom a policy excludes.
#[derive(Clone, Debug, PartialEq)]
enum Excluded {
    User(String),
    Group(String),
    Role(String),
    Guests,
}

fn excluded(policy: &ConditionalAccessPolicy) -> Vec<Excluded> {
    let users = users(policy);
    let mut all = Vec::new();
    for id in users.exclude_users {
        all.push(if id.eq_ignore_ascii_case("GuestsOrExternalUsers") {
            Excluded::Guests
        } else {
            Excluded::User(id.to_ascii_lowercase())
        });
    }
    all.extend(
        users
            .exclude_groups
            .iter()
            .map(|id| Excluded::Group(id.to_ascii_lowercase())),
    );
    all.extend(
        users
            .exclude_roles
            .iter()
            .map(|id| Excluded::Role(id.to_ascii_lowercase())),
    );
    let kinds = users.exclude_guests_or_external_users;
    if kinds.is_some_and(|k| !k.is_null()) && !all.contains(&Excluded::Guests) {
        all.push(Excluded::Guests);
    }
    all
}

/// Whether a policy names just these.
fn includes(policy: &ConditionalAccessPolicy, who: &Excluded) -> bool {
    let users = users(policy);
    let has = |list: &[String], id: &str| list.iter().any(|i| i.eq_ignore_ascii_case(id));
    on_all_users(policy)
        || match who {
            Excluded::User(id) => has(&users.include_users, id),
            Excluded::Group(id) => has(&users.include_groups, id),
            Excluded::Role(id) => has(&users.include_roles, id),
            Excluded::Guests => has(&users.include_users, "GuestsOrExternalUsers"),
        }
}

fn exclusions(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
    let fact = &snapshot.facts.conditional_access;
    let full: Vec<&ConditionalAccessPolicy> = policies.iter().filter(|p| full(p)).collect();
    let all = full.iter().filter(|p| on_all_users(p));
    let Some(policy) = all.min_by_key(|p| excluded(p).len()) else {
        return EXCLUSIONS.not_applicable("No policy in force asks all users for MFA.");
    };
    let directory = Directory::of(snapshot);
    let left: Vec<Excluded> = excluded(policy)
        .into_iter()
        .filter(|who| !full.iter().any(|p| includes(p, who) && !excluded(p).contains(who)))
        .collect();
    let persons = left.iter().filter(|w| matches!(w, Excluded::User(_))).count() as u64;
    let (mut names, mut count, mut unread, mut roles) = (Vec::new(), persons, false, false);
    if persons > 0 {
        names.push(counted(persons, "single user", "single users"));
    }
    for who in &left {
        match who {
            Excluded::User(_) => {}
            Excluded::Group(id) => {
                names.push(directory.named_and_counted(id));
                match directory.users(id) {
                    Some(users) => count = count.saturating_add(users),
                    None => unread = true,
                }
            }
            // The sync's own accounts cannot answer, and are always left out.
            Excluded::Role(id) => {
                names.push(role_name(id));
                roles |= !id.eq_ignore_ascii_case(super::scope::SYNCHRONIZATION_ACCOUNTS);
            }
            Excluded::Guests => {
                names.push("guests".into());
                roles = true;
            }
        }
    }
    let seen = format!("{} excludes {}", quoted(policy), listed(&names));
    if !roles && !unread && count <= EMERGENCY_ACCOUNTS {
        return EXCLUSIONS
            .pass(match count {
                0 => "nobody is excluded".into(),
                n => format!(
                    "{} excluded, as for emergency access",
                    counted(n, "account is", "accounts are")
                ),
            })
            .evidence(fact, seen);
    }
    if !roles && count <= EMERGENCY_ACCOUNTS {
        let mut found = EXCLUSIONS.unreadable(snapshot).evidence(fact, seen);
        found.title = format!("excluded: {}", listed(&names));
        return found;
    }
    EXCLUSIONS
        .warn(Severity::Medium, format!("excluded from MFA: {}", listed(&names)))
        .evidence(fact, seen)
        .reason("Their password alone opens their account, and nobody asks them to register.")
        .fix("Leave only the emergency accounts excluded, or cover the others by a second policy.")
        .portal(PORTAL)
        .affects(count, None, false, Vec::new())
}

fn bypass(snapshot: &Snapshot, policies: &[ConditionalAccessPolicy]) -> Finding {
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
            ways.extend(narrowed(&p.conditions).iter().map(|w| w.to_string()));
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
    let members = |key: &CohortKey| !key.guest;
    let (unable, sample) = report.count(|key| members(key) && !key.mfa_capable);
    let (refused, _) = report.count(|key| members(key) && !key.mfa_capable && key.mfa_registered);
    let (of, _) = report.count(members);
    let whole = (!fact.is_partial()).then_some(of);
    if unable > 0 {
        let title = format!("{} cannot answer MFA yet", counted(unable, "member", "members"));
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
