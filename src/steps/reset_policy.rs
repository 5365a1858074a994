//! Step `reset_policy`: may users reset at all, with how many methods, and do they find the way?

mod administrators;
mod link;
mod signs;

pub use administrators::{Rule, rule};
pub use link::leads_to_reset;

use super::policy::{
    self, Kind, METHODS_REQUIRED, Portal, Setting, Unknown, Weighed, Wish, bare, both, decide, graph_change, page,
    weigh,
};
use super::scope::Directory;
use super::touched::{self, in_scope, members};
use super::{Setup, Step};
use crate::change::Change;
use crate::desired::{DesiredState, EnabledFor};
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::people::PolicyGroup;
use crate::snapshot::portal::group_ids;
use crate::snapshot::{FactId, Snapshot};
use serde_json::Value;
use std::fmt::{self, Display};

/// The step.
pub const STEP: Step = Step {
    name: "reset_policy",
    title: "Reset policy",
    checks: &[&SCOPE, &GROUP, &METHODS, &LINK, &ADMINISTRATORS, &SIGNS],
    check,
    setup: Some(SETUP),
};

const TUTORIAL: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr";

const SCOPE: Check = Check {
    id: "reset_policy.scope",
    title: "Reset is on for all users",
    looks_at: "Who may reset (none, a selected group, all), from the portal API, the audit log's newest change or a declaration; without these the registration report, Microsoft's recommendation and Secure Score, which can only show a fault.",
    why: "A user outside the scope is told to ask an administrator (SSPR_0009, SSPR_0011, SSPR_0013).",
    doc: TUTORIAL,
    decides: true,
    facts: &[
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::UserCounts,
        FactId::PolicyGroups,
        FactId::Registration,
        FactId::FeatureSummary,
        FactId::Recommendation,
        FactId::SecureScore,
    ],
};
const GROUP: Check = Check {
    id: "reset_policy.group",
    title: "The selected group exists and has members",
    looks_at: "The group that the reset policy names, its members at any depth, and how many of them are enabled members by the registration report.",
    why: "When the group was deleted or is empty, nobody can reset, although reset looks switched on.",
    doc: TUTORIAL,
    decides: true,
    facts: &[
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::PolicyGroups,
        FactId::Registration,
    ],
};
const METHODS: Check = Check {
    id: "reset_policy.methods_required",
    title: "Two methods are required to reset",
    looks_at: "The number of methods required to reset, from the portal API, the audit log's newest change or a declaration.",
    why: "With one method, whoever holds a user's phone or mailbox can take over the account.",
    doc: TUTORIAL,
    decides: true,
    facts: &[FactId::PortalResetPolicy, FactId::AuditSettings],
};
const LINK: Check = Check {
    id: "reset_policy.link",
    title: "Users find the way to reset",
    looks_at: "Company branding, the default and each language: links to reset that are hidden or lead elsewhere.",
    why: "A user who does not see \"Forgot my password\" calls the helpdesk, however well reset is set up.",
    doc: "https://learn.microsoft.com/entra/fundamentals/how-to-customize-branding",
    decides: true,
    facts: &[FactId::Branding],
};
const ADMINISTRATORS: Check = Check {
    id: "reset_policy.administrators",
    title: "Administrators' own rule",
    looks_at: "allowedToUseSSPR of the authorization policy, which speaks of administrators only, and what relaxes their rule of two methods: no custom domain and no synchronisation, or the first 30 days of a trial.",
    why: "Administrators reset by a fixed rule of their own (two methods, no security questions), whatever the users' policy says.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-policy",
    decides: false,
    facts: &[
        FactId::AuthorizationPolicy,
        FactId::Organization,
        FactId::Subscriptions,
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
    ],
};
const SIGNS: Check = Check {
    id: "reset_policy.signs",
    title: "Independent signs agree with the policy",
    looks_at: "Who may reset against the registration report, Microsoft's recommendation and Secure Score.",
    why: "When the policy says one thing and its effect another, users may be refused for a reason that the policy does not show, such as a missing licence.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/howto-authentication-methods-activity",
    decides: false,
    facts: SCOPE.facts,
};

/// Who may reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No user; administrators follow their own rule.
    None,
    /// The members of one group.
    Selected,
    /// All users.
    All,
}

impl Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::None => "nobody",
            Scope::Selected => "a selected group",
            Scope::All => "all users",
        })
    }
}

/// Who may reset, as a setting of the policy.
pub const WHO: Setting<Scope> = Setting {
    name: "users who may reset",
    portal: Portal::Reset(|p| match p.enablement_type? {
        0 => Some(Scope::None),
        1 => Some(Scope::Selected),
        2 => Some(Scope::All),
        _ => None,
    }),
    member: "enablementType",
    logged: &["EnablementForUsers"],
    parse: |text| match bare(text).to_ascii_lowercase().replace(' ', "").as_str() {
        "none" | "nobody" | "0" => Some(Scope::None),
        "selected" | "selectedgroup" | "group" | "some" | "1" => Some(Scope::Selected),
        "all" | "allusers" | "everyone" | "2" => Some(Scope::All),
        _ => None,
    },
};

impl From<Scope> for Value {
    fn from(scope: Scope) -> Self {
        (scope as i64).into()
    }
}

impl From<EnabledFor> for Scope {
    fn from(wanted: EnabledFor) -> Self {
        match wanted {
            EnabledFor::None => Scope::None,
            EnabledFor::Selected => Scope::Selected,
            EnabledFor::All => Scope::All,
        }
    }
}

/// The groups of the policy; the portal allows one.
#[derive(Clone, PartialEq)]
pub(super) struct Groups(pub(super) Vec<String>);

impl Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl From<Groups> for Value {
    fn from(groups: Groups) -> Self {
        groups.0.into()
    }
}

pub(super) const SELECTED: Setting<Groups> = Setting {
    name: "selected group",
    portal: Portal::Reset(|p| Some(Groups(p.password_reset_enabled_group_ids.clone()))),
    member: "passwordResetEnabledGroupIds",
    logged: &["*group"],
    parse: |text| Some(group_ids(text)).filter(|ids| !ids.is_empty()).map(Groups),
};

/// The same, from whoever names one.
const NAMED: Setting<Groups> = Setting {
    portal: Portal::Reset(|p| {
        let ids = p.password_reset_enabled_group_ids.iter();
        Some(ids.map(|id| id.to_ascii_lowercase()).collect::<Vec<_>>())
            .filter(|ids| !ids.is_empty())
            .map(Groups)
    }),
    ..SELECTED
};

/// The groups that reset is for, by the source that counts. Where the portal names them that is the portal alone: the log's name
/// for them is documented nowhere, and a change under another that looks like it does not contradict.
pub(super) fn selected_groups(snapshot: &Snapshot) -> Result<Weighed<Groups>, Unknown> {
    let portal = NAMED.stated(snapshot).filter(|stated| stated.kind == Kind::State);
    match decide(portal, None) {
        Some(named) => Ok(named),
        None => weigh(snapshot, &NAMED),
    }
}

const SETUP: Setup = Setup {
    needs: &[
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::AuthorizationPolicy,
        FactId::UserCounts,
    ],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.reset_policy else {
        return Vec::new();
    };
    let scope = Wish {
        check: &SCOPE,
        title: match wanted.enabled_for {
            Some(EnabledFor::None) => "Let nobody but administrators reset their password",
            Some(EnabledFor::Selected) => "Let the users of one group reset their password",
            _ => "Let all users reset their password",
        },
        label: "Self service password reset enabled",
        page: page::PROPERTIES,
    };
    let group = Wish {
        label: "Select group",
        ..scope
    };
    let methods = Wish {
        check: &METHODS,
        title: match wanted.methods_required {
            Some(1) => "Ask for one method to reset",
            _ => "Ask for two methods to reset",
        },
        label: "Number of methods required to reset",
        page: page::METHODS,
    };
    let who = wanted.enabled_for.map(Scope::from);
    let groups = wanted.group.clone().map(|id| Groups(vec![id]));
    let scope = both(
        WHO.change(snapshot, who, scope),
        SELECTED.change(snapshot, groups, group),
    );
    let required = wanted.methods_required.map(i64::from);
    let now = snapshot
        .facts
        .authorization_policy
        .whole()
        .map(|policy| policy.allowed_to_use_sspr);
    let administrators = match (now, wanted.administrators) {
        (Some(now), Some(wanted)) if now != Some(wanted) => Some(
            graph_change(
                &ADMINISTRATORS,
                match wanted {
                    true => "Let administrators reset their own password",
                    false => "Keep administrators from resetting their own password",
                },
                "/v1.0/policies/authorizationPolicy",
                "allowedToUseSSPR",
                now.into(),
                wanted.into(),
            )
            .requires(&["Policy.ReadWrite.Authorization"])
            .risk("It takes up to 60 minutes to count."),
        ),
        _ => None,
    };
    let methods = METHODS_REQUIRED.change(snapshot, required, methods);
    let changes = [
        // Who gets in, and who is out.
        scope.map(|change| change.touches(members(snapshot))),
        methods.map(|change| change.touches(in_scope(snapshot, desired))),
        administrators.map(|change| change.touches(touched::administrators(snapshot))),
    ];
    changes.into_iter().flatten().collect()
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![
        scope(snapshot),
        group(snapshot),
        methods(snapshot),
        link::check(snapshot),
        administrators::check(snapshot),
        signs::check(snapshot),
    ]
}

fn scope(snapshot: &Snapshot) -> Finding {
    let who = match weigh(snapshot, &WHO) {
        Ok(who) => who,
        Err(unknown) => return signs::inferred(snapshot, unknown.finding(&SCOPE)),
    };
    let all = members(snapshot);
    let finding = match who.value {
        Scope::All => {
            let required = weigh(snapshot, &METHODS_REQUIRED).ok();
            let required = required.map_or(String::new(), |m| format!(", {}", method_count(m.value)));
            SCOPE.pass(format!("all users{required} ({})", who.note))
        }
        Scope::None => {
            let finding = SCOPE
                .fail(Severity::High, format!("reset is off for all users ({})", who.note))
                .reason("Every user who forgot the password must call the helpdesk; only administrators can reset.")
                .fix("Set \"Self service password reset enabled\" to All, or first to a pilot group.")
                .portal(page::PROPERTIES);
            match all {
                Some(all) => finding.affects(all, Some(all), true, Vec::new()),
                None => finding,
            }
        }
        Scope::Selected => selected(snapshot, &who),
    };
    who.support(finding)
}

/// The selected group, where it was read.
fn selected_group(snapshot: &Snapshot, named: &Weighed<Groups>) -> Option<(String, PolicyGroup)> {
    let id = named.value.0.first()?;
    let group = Directory::of(snapshot).group(id)?;
    Some((id.clone(), group.clone()))
}

/// Enabled members, all and those in the selected group: the whole report's, which leaves disabled users out.
fn in_group(snapshot: &Snapshot, id: &str) -> Option<(u64, u64)> {
    let report = snapshot.facts.registration.whole()?;
    let bit = report.group_bit(id)?;
    let (all, _) = report.count(|k| !k.guest);
    let (inside, _) = report.count(|k| !k.guest && k.groups & bit != 0);
    (all > 0).then_some((inside, all))
}

/// Whom a selected group leaves out.
fn selected(snapshot: &Snapshot, who: &Weighed<Scope>) -> Finding {
    if let Some(nobody) = signs::nobody(snapshot) {
        return nobody;
    }
    let (note, report) = (&who.note, &snapshot.facts.registration);
    let named = selected_groups(snapshot).ok();
    let group = named.as_ref().and_then(|named| selected_group(snapshot, named));
    let group = group.filter(|(_, group)| group.exists);
    let support = |finding: Finding| match &named {
        Some(named) => named.support(finding),
        None => finding,
    };
    let counts = group.as_ref().and_then(|(id, _)| in_group(snapshot, id));
    let finding = match (counts, group) {
        (Some((inside, all)), _) if inside >= all => {
            let pass = SCOPE.pass(format!("a group of all {} enabled members ({note})", number(all)));
            let seen = format!("all {} enabled members are in the group", number(all));
            return support(pass.evidence(report, seen));
        }
        (Some((inside, all)), _) => {
            let whole = format!("{} of {} enabled members", number(inside), number(all));
            SCOPE
                .warn(Severity::Medium, format!("only a group of {whole} ({note})"))
                .evidence(report, format!("{whole} are in the group"))
                .affects(all - inside, Some(all), true, Vec::new())
        }
        (None, Some((_, group))) => {
            let users = counted(group.users, "user", "users");
            SCOPE.warn(Severity::Medium, format!("only a selected group of {users} ({note})"))
        }
        (None, None) => SCOPE.warn(Severity::Medium, format!("only a selected group ({note})")),
    };
    let finding = finding
        .reason("Users outside the group are told to ask an administrator (SSPR_0013).")
        .fix("When the pilot went well, set \"Self service password reset enabled\" to All.")
        .portal(page::PROPERTIES);
    support(finding)
}

/// Whether the selected group lets anybody reset.
fn group(snapshot: &Snapshot) -> Finding {
    let who = match weigh(snapshot, &WHO) {
        Ok(who) => who,
        Err(unknown) => return unknown.finding(&GROUP),
    };
    if who.value != Scope::Selected {
        let reason = format!("Reset is for {} ({}).", who.value, who.note);
        return GROUP.not_applicable("No group is selected.").reason(reason);
    }
    let named = match selected_groups(snapshot) {
        Ok(named) => named,
        Err(unknown) => {
            let mut finding = unknown.finding(&GROUP);
            finding.title = "a group is selected, not known which".into();
            return who.support(finding);
        }
    };
    let fact = &snapshot.facts.policy_groups;
    if fact.value().is_none() {
        return GROUP.unreadable(snapshot);
    }
    let Some((id, group)) = selected_group(snapshot, &named) else {
        return GROUP.skipped(
            "the selected group was not read",
            "The members of the selected group are not among what was read.",
        );
    };
    let name = group.display_name.clone().unwrap_or_else(|| {
        let portal = snapshot.facts.portal_reset_policy.value();
        let name = portal.and_then(|p| p.password_reset_enabled_group_name.clone());
        name.filter(|n| !n.is_empty()).unwrap_or_else(|| id.clone())
    });
    let name = policy::short(&name);
    let users = counted(group.users, "user", "users");
    let inside = in_group(snapshot, &id).map(|(inside, _)| inside);
    let mut seen = format!("{name} ({id}): exists {}, {users}", group.exists);
    if let Some(inside) = inside {
        let enabled = counted(inside, "enabled member", "enabled members");
        seen.push_str(&format!(", {enabled} by the registration report"));
    }
    let finding = if !group.exists {
        GROUP.fail(Severity::High, "the selected group no longer exists")
    } else if group.users > 0 && inside != Some(0) {
        let title = format!("group {name} has {users} ({})", named.note);
        return named.support(GROUP.pass(title).evidence(fact, seen));
    } else if fact.is_partial() {
        return GROUP.skipped(
            format!("the members of {name} were read only in part"),
            "No user was seen in the part that was read.",
        );
    } else if group.users > 0 {
        let title = format!("the selected group {name} has {users}, but no enabled member among them");
        GROUP.fail(Severity::High, title)
    } else {
        GROUP.fail(Severity::High, format!("the selected group {name} has no users"))
    };
    let finding = finding
        .evidence(fact, seen)
        .reason("Nobody can reset, although reset looks switched on.")
        .fix("Select a group that has members, or set reset to All.")
        .portal(page::PROPERTIES);
    let finding = named.support(finding);
    match members(snapshot) {
        Some(all) => finding.affects(all, Some(all), true, Vec::new()),
        None => finding,
    }
}

fn method_count(required: i64) -> String {
    match u64::try_from(required) {
        Ok(n) => counted(n, "method", "methods"),
        Err(_) => format!("{required} methods"),
    }
}

fn methods(snapshot: &Snapshot) -> Finding {
    let required = match weigh(snapshot, &METHODS_REQUIRED) {
        Ok(required) => required,
        Err(unknown) => return unknown.finding(&METHODS),
    };
    let title = format!("{} required to reset ({})", method_count(required.value), required.note);
    let finding = if required.value >= 2 {
        METHODS.pass(title)
    } else {
        METHODS
            .fail(Severity::Medium, title)
            .reason("Whoever holds a user's phone, or reads the user's other mailbox, can take over the account.")
            .fix("Set \"Number of methods required to reset\" to 2, after users have registered a second method.")
            .portal(page::METHODS)
    };
    required.support(finding)
}

#[cfg(test)]
mod tests;
