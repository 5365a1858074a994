//! Step `authentication_methods`: can every population reach the required number of methods, today and after each
//! announced retirement?

pub mod methods;
mod policy;
pub mod retirement;

use super::current::Sections;
use super::policy::{graph_change, weigh};
use super::reset_policy::{Scope, WHO, selected_groups};
use super::scope::listed;
use super::touched::{members, of_groups};
use super::{Setup, Step};
use crate::change::{Change, Kind, Write};
use crate::desired::{self, DesiredState, State};
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use methods::{ADMINISTRATORS, Methods, Migration, Offered, Required, Rules, gates, required_of_administrators};
use serde_json::json;

/// The step.
pub const STEP: Step = Step {
    name: "authentication_methods",
    title: "Authentication methods",
    checks: &[
        &REACH,
        &retirement::PHONE_MEMBERS,
        &retirement::QUESTIONS_END,
        &retirement::PHONE_LATER,
        &policy::AUTHENTICATOR,
        &policy::MIGRATION,
        &policy::TARGETS,
        &policy::SPARE,
        &policy::SIGN_IN,
        &policy::GUESTS,
    ],
    check,
    setup: Some(SETUP),
};

/// The page where methods are enabled.
const PORTAL: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/AdminAuthMethods";

const REACH: Check = Check {
    id: "authentication_methods.reach",
    title: "Enough methods for everybody",
    looks_at: "For all users, each group that the methods policy names, and administrators: the enabled methods that reset a password, against the number required.",
    why: "Who is not allowed enough methods cannot register enough of them, and the reset page turns them away.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-methods-manage",
    decides: true,
    facts: &[
        FactId::MethodsPolicy,
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::PolicyGroups,
        FactId::Registration,
        FactId::Organization,
        FactId::AuthorizationPolicy,
    ],
};

const SETUP: Setup = Setup {
    needs: &[FactId::MethodsPolicy, FactId::UserCounts],
    plan,
};

/// Where a method's own configuration is.
const CONFIGURATIONS: &str = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations";
const SMS_ENDS: &str = "Microsoft's own SMS and calls end on 2027-02-01 (2027-07-01 for Global Administrators). From 2026-09-01 on, users of SMS and calls are enabled for passkeys, and the registration campaign is managed by Microsoft.";

/// Only the switch of each method is changed: the groups that it is for stay.
fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let (Some(wanted), Some(policy)) = (&desired.authentication_methods, snapshot.facts.methods_policy.whole()) else {
        return Vec::new();
    };
    let methods = [
        (
            "MicrosoftAuthenticator",
            "microsoftAuthenticator",
            wanted.microsoft_authenticator,
            None,
        ),
        ("SoftwareOath", "softwareOath", wanted.software_oath, None),
        ("Email", "email", wanted.email, None),
        ("Sms", "sms", wanted.sms, Some(SMS_ENDS)),
        ("Voice", "voice", wanted.voice, Some(SMS_ENDS)),
    ];
    let change = |(id, kind, state, risk): (&str, &str, Option<State>, Option<&str>)| {
        let state = match state? {
            State::Enabled => "enabled",
            State::Disabled => "disabled",
        };
        let own = policy
            .authentication_method_configurations
            .iter()
            .find(|own| own.id == id)?;
        if own.state.as_deref() == Some(state) {
            return None;
        }
        let path = format!("{CONFIGURATIONS}/{id}");
        let write = Write::Graph {
            odata_type: Some(format!("#microsoft.graph.{kind}AuthenticationMethodConfiguration")),
            path: path.clone(),
        };
        let title = match state {
            "enabled" => format!("Switch on {id}"),
            _ => format!("Switch off {id}"),
        };
        let mut change = Change::of(REACH.id, Kind::Graph, title)
            .writes(path, write, json!({ "state": own.state }), json!({ "state": state }))
            .requires(&["Policy.ReadWrite.AuthenticationMethod"]);
        change.id = format!("authentication_methods.{}", id.to_lowercase());
        let groups = own.include_targets.iter().map(|target| target.id.as_str());
        let change = change.touches(of_groups(snapshot, groups));
        Some(match risk.filter(|_| state == "enabled") {
            Some(risk) => change.risk(risk),
            None => change,
        })
    };
    let migration = wanted.migration.map(|wanted| match wanted {
        desired::Migration::Before => "preMigration",
        desired::Migration::InProgress => "migrationInProgress",
        desired::Migration::Complete => "migrationComplete",
    });
    let now = policy.policy_migration_state.as_deref();
    let migration = migration.filter(|wanted| now != Some(wanted)).map(|wanted| {
        let title = format!("Set the move to the methods policy to {wanted}");
        // Microsoft lets nobody go back in practice.
        let reversible = wanted != "migrationComplete";
        let path = "/v1.0/policies/authenticationMethodsPolicy";
        let change = graph_change(
            &policy::MIGRATION,
            title,
            path,
            "policyMigrationState",
            now.into(),
            wanted.into(),
        )
        .requires(&["Policy.ReadWrite.AuthenticationMethod"])
        .risk(
            "Once it is complete, the older policies for MFA and reset no longer count: what only they allow is gone.",
        );
        Change { reversible, ..change }.touches(members(snapshot))
    });
    methods.into_iter().filter_map(change).chain(migration).collect()
}

/// Which methods are on. How far the move has come is named by nobody but a person.
pub(super) fn current(snapshot: &Snapshot, all: &mut Sections) {
    let Some(policy) = snapshot.facts.methods_policy.whole() else {
        return;
    };
    for (id, member) in [
        ("MicrosoftAuthenticator", "microsoftAuthenticator"),
        ("SoftwareOath", "softwareOath"),
        ("Email", "email"),
        ("Sms", "sms"),
        ("Voice", "voice"),
    ] {
        for own in &policy.authentication_method_configurations {
            if own.id == id
                && let Some(state) = &own.state
            {
                all.say("authenticationMethods", member, state.as_str().into());
            }
        }
    }
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = vec![reach(snapshot)];
    findings.extend(retirement::findings(snapshot));
    findings.extend(policy::findings(snapshot));
    findings
}

/// People whom the policies treat alike.
#[derive(Clone, Debug)]
struct Population {
    /// For a sentence: `all users`, `group 'Sales'`.
    name: String,
    /// What they may use, being in no other group.
    offered: Offered,
    /// What they may use at the most, being in other groups too.
    best: Methods,
    /// How many, where read.
    users: Option<u64>,
    /// The number that they need, where it is not the tenant's.
    required: Option<u64>,
    /// False where none of them may be in scope of reset: reset is for another group, and who is in both is not known.
    in_scope: bool,
}

/// The group that reset is for, where it is for one.
fn scope_group(snapshot: &Snapshot) -> Option<String> {
    let who = weigh(snapshot, &WHO).ok().filter(|who| who.is_whole())?;
    let named = selected_groups(snapshot).ok().filter(|named| named.is_whole())?;
    named
        .value
        .0
        .into_iter()
        .next()
        .filter(|_| who.value == Scope::Selected)
}

/// All users, each group that a method names, and administrators, with what is left for them on the snapshot's day.
fn populations(snapshot: &Snapshot, rules: &Rules<'_>) -> Vec<Population> {
    let ended = retirement::ended_today(snapshot, &CohortKey::default());
    let alone = |group: Option<&str>, others: Option<bool>| {
        let offered = rules.offered(&|id| {
            if group.is_some_and(|g| g.eq_ignore_ascii_case(id)) {
                Some(true)
            } else {
                others
            }
        });
        offered.after(ended)
    };
    let groups = rules.groups();
    let selected = scope_group(snapshot);
    let scope = selected.as_deref();
    let base = match scope {
        Some(id) => format!("the users of {}", rules.directory.name(id)),
        None if groups.is_empty() => "all users".into(),
        None => "users in none of the groups".into(),
    };
    let mut all = vec![Population {
        name: base,
        offered: alone(scope, Some(false)),
        best: alone(scope, None).possible,
        users: scope.and_then(|id| rules.directory.users(id)),
        required: None,
        in_scope: true,
    }];
    for id in groups {
        if scope.is_some_and(|s| s.eq_ignore_ascii_case(id)) {
            continue;
        }
        all.push(Population {
            name: rules.directory.name(id),
            offered: alone(Some(id), Some(false)),
            best: alone(Some(id), None).possible,
            users: rules.directory.users(id),
            required: None,
            in_scope: scope.is_none(),
        });
    }
    let own = snapshot
        .facts
        .authorization_policy
        .value()
        .and_then(|p| p.allowed_to_use_sspr);
    if own != Some(false) {
        let left = Offered {
            sure: ADMINISTRATORS,
            possible: ADMINISTRATORS,
        }
        .after(ended);
        all.push(Population {
            name: "administrators (a rule of their own)".into(),
            offered: left,
            best: left.possible,
            users: None,
            required: Some(required_of_administrators(snapshot)),
            in_scope: true,
        });
    }
    all
}

/// The populations in one line each.
fn described(all: &[Population], required: &Required) -> String {
    const SHOWN: usize = 12;
    let mut lines: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|p| {
            let need = p.required.unwrap_or(required.count);
            let sure = gates(p.offered.sure, need, false);
            let perhaps = p.offered.possible.without(p.offered.sure);
            let mut line = format!("{}: {} ({sure} of {need})", p.name, p.offered.sure.names());
            if !perhaps.is_empty() {
                line.push_str(&format!(", perhaps {}", perhaps.names()));
            }
            line
        })
        .collect();
    if all.len() > SHOWN {
        lines.push(format!("and {} more groups", all.len() - SHOWN));
    }
    lines.join("; ")
}

fn reach(snapshot: &Snapshot) -> Finding {
    let Some(rules) = Rules::of(snapshot) else {
        return REACH.unreadable(snapshot);
    };
    let required = Required::of(snapshot);
    let all = populations(snapshot, &rules);
    let found = judged(snapshot, &rules, &required, &all);
    required.support(found.evidence(&snapshot.facts.methods_policy, described(&all, &required)))
}

/// Fails where the number was read, else warns.
fn below(required: &Required, title: String) -> Finding {
    if required.known {
        REACH.fail(Severity::High, title)
    } else {
        REACH.warn(Severity::High, title)
    }
    .reason("They cannot register enough methods, and the reset page sends them to an administrator.")
    .fix("Enable Microsoft Authenticator for all users, and email or another method beside it.")
    .portal(PORTAL)
}

/// Warns where only methods are left that Microsoft no longer serves.
fn below_since(required: &Required) -> Finding {
    REACH
        .warn(
            Severity::High,
            format!("fewer than {} since Microsoft's SMS ended", required.text()),
        )
        .reason("SMS and voice still count only where a telephony provider of the tenant's own serves them, which cannot be read.")
        .fix("Enable Microsoft Authenticator and email for all users.")
        .portal(PORTAL)
}

fn judged(snapshot: &Snapshot, rules: &Rules<'_>, required: &Required, all: &[Population]) -> Finding {
    let tenants = || all.iter().filter(|p| p.required.is_none() && p.users != Some(0));
    let enough = |methods: Methods| gates(methods, required.count, false) >= required.count;

    let registration = &snapshot.facts.registration;
    if let Some(report) = registration.value() {
        let left = |key: &CohortKey| rules.offered_to(key).after(retirement::ended_today(snapshot, key));
        let concerns = |key: &CohortKey| key.sspr_enabled && !key.admin && !key.global_admin;
        let (short, sample) = report.count(|key| concerns(key) && !key.sspr_capable && !enough(left(key).possible));
        let (of, _) = report.count(concerns);
        if short > 0 {
            let whole = registration.whole().is_some();
            let who = match whole {
                true => format!("{} of {} are", number(short), counted(of, "user", "users")),
                false => format!("at least {}", counted(short, "user is", "users are")),
            };
            let title = format!("{who} allowed fewer than {}{}", required.text(), required.proviso());
            return below(required, title)
                .evidence(
                    registration,
                    format!("{} read are in scope of reset", counted(of, "user", "users")),
                )
                .affects(short, whole.then_some(of), true, sample);
        }
        let (unsure, _) = report.count(|key| concerns(key) && !enough(left(key).sure));
        if registration.whole().is_some() && unsure == 0 && of > 0 {
            return passed(required).evidence(
                registration,
                format!("each of {} in scope of reset", counted(of, "user", "users")),
            );
        }
    }
    let never: Vec<&Population> = tenants().filter(|p| p.in_scope && !enough(p.best)).collect();
    if !never.is_empty() {
        let names: Vec<String> = never.iter().map(|p| p.name.clone()).collect();
        let title = format!(
            "fewer than {} for {}{}",
            required.text(),
            listed(&names),
            required.proviso()
        );
        let counted: Option<u64> = never.iter().map(|p| p.users).sum();
        let found = below(required, title);
        return match counted {
            Some(users) => found.affects(users, None, true, Vec::new()),
            None => found,
        };
    }
    if tenants().all(|p| enough(p.offered.sure)) {
        return passed(required);
    }
    let perhaps: Vec<String> = tenants()
        .filter(|p| p.in_scope && !enough(p.offered.possible))
        .map(|p| p.name.clone())
        .collect();
    if !perhaps.is_empty() {
        let title = format!(
            "fewer than {} for {}{}",
            required.text(),
            listed(&perhaps),
            required.proviso()
        );
        let reason = "Who of them is in no other group that a method names cannot register enough methods.";
        return REACH
            .warn(Severity::Medium, title)
            .reason(reason)
            .fix("Enable Microsoft Authenticator and email for all users instead of for groups.")
            .portal(PORTAL);
    }
    let outside: Vec<String> = tenants()
        .filter(|p| !p.in_scope && !enough(p.offered.possible))
        .map(|p| p.name.clone())
        .collect();
    if !outside.is_empty() {
        let unread = registration
            .refusal()
            .map(|r| r.message.as_str())
            .or(registration.partial_reason());
        return REACH.skipped(
            format!("not decided: who of the selected group is in {}", listed(&outside)),
            format!(
                "They would be allowed fewer than {}. Who is in both groups is told by the registration report. {}",
                required.text(),
                unread.unwrap_or("It was not read.")
            ),
        );
    }
    let ended = retirement::ended_today(snapshot, &CohortKey::default());
    if tenants().all(|p| enough(p.offered.sure.or(ended))) {
        return below_since(required);
    }
    undecided(
        &REACH,
        rules,
        "The methods policy alone does not give enough methods, and the legacy policy, which still counts, is readable only through the portal (Connect-SsprTenant -PortalApi).",
    )
}

/// Not decided, for what counts beside the methods policy is not known.
fn undecided(check: &Check, rules: &Rules<'_>, why: &str) -> Finding {
    match methods::migration(rules.policy) {
        Migration::Other => check.skipped(
            "not decided: the migration state is one that this version does not know",
            "It says which policy counts. Microsoft added a state; look for a newer EntraSspr.",
        ),
        _ => check.skipped("not decided: the legacy reset policy is not readable", why),
    }
}

/// Two different methods are one too, also where the app counts by its codes alone: this rests on no assumed number.
fn passed(required: &Required) -> Finding {
    REACH.pass(format!("everybody may use {} or more", required.text()))
}

#[cfg(test)]
mod tests;
