//! Step `reset_policy`: may users reset at all, with how many methods, and do they find the way?

mod signs;

use super::Step;
use super::policy::{self, METHODS_REQUIRED, Portal, REGISTRATION_REQUIRED, Setting, bare, page, weigh};
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::graph::{Branding, LoginPageTextVisibility};
use crate::snapshot::{FactId, Facts, Snapshot};
use std::fmt::{self, Display};

/// The step.
pub const STEP: Step = Step {
    name: "reset_policy",
    title: "Reset policy",
    checks: &[&SCOPE, &GROUP, &METHODS, &LINK, &ADMINISTRATORS, &SIGNS],
    check,
};

const TUTORIAL: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr";
const BRANDING: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_UsersAndTenants/CompanyBrandingOverview.ReactView";

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
        FactId::Registration,
        FactId::FeatureSummary,
        FactId::Recommendation,
        FactId::SecureScore,
    ],
};
const GROUP: Check = Check {
    id: "reset_policy.group",
    title: "The selected group exists and has members",
    looks_at: "The group that the reset policy names, and its members at any depth.",
    why: "When the group was deleted or is empty, nobody can reset, although reset looks switched on.",
    doc: TUTORIAL,
    decides: true,
    facts: &[FactId::PortalResetPolicy, FactId::AuditSettings, FactId::PolicyGroups],
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
    looks_at: "allowedToUseSSPR of the authorization policy, which speaks of administrators only, and what relaxes their rule of two methods: no custom domain and no synchronisation.",
    why: "Administrators reset by a fixed rule of their own (two methods, no security questions), whatever the users' policy says.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-policy",
    decides: false,
    facts: &[
        FactId::AuthorizationPolicy,
        FactId::Organization,
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
    logged: &["EnablementForUsers", "enablementType"],
    parse: |text| match bare(text).to_ascii_lowercase().replace(' ', "").as_str() {
        "none" | "nobody" | "0" => Some(Scope::None),
        "selected" | "selectedgroup" | "group" | "some" | "1" => Some(Scope::Selected),
        "all" | "allusers" | "everyone" | "2" => Some(Scope::All),
        _ => None,
    },
};

/// The ids of the groups that the reset policy names, for whoever reads their members.
pub fn group_ids(facts: &Facts) -> Vec<String> {
    if let Some(policy) = facts.portal_reset_policy.value()
        && !policy.password_reset_enabled_group_ids.is_empty()
    {
        return policy.password_reset_enabled_group_ids.clone();
    }
    let named = policy::newest(facts, |name| name.to_ascii_lowercase().contains("group"));
    let parts = named
        .iter()
        .flat_map(|(_, change)| change.value.split(|c: char| !c.is_ascii_hexdigit() && c != '-'));
    parts.filter(|p| p.len() == 36).map(str::to_ascii_lowercase).collect()
}

/// All whom the policy could concern: enabled members.
pub(super) fn members(snapshot: &Snapshot) -> Option<u64> {
    snapshot.facts.user_counts.value().map(|c| c.enabled_members)
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = vec![scope(snapshot)];
    findings.extend(group(snapshot));
    findings.push(methods(snapshot));
    findings.push(link(snapshot));
    findings.push(administrators(snapshot));
    findings.extend(signs::check(snapshot));
    findings
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
        Scope::Selected => selected(snapshot, all, &who.note),
    };
    who.support(finding)
}

/// Whom a selected group leaves out.
fn selected(snapshot: &Snapshot, all: Option<u64>, note: &str) -> Finding {
    let groups = &snapshot.facts.policy_groups;
    let ids = group_ids(&snapshot.facts);
    let group = groups.value().zip(ids.first()).and_then(|(groups, id)| {
        groups
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(id))
            .map(|(_, g)| g)
    });
    let counts = group.filter(|g| g.exists && !groups.is_partial()).zip(all);
    let finding = match counts {
        Some((group, all)) if group.users >= all => {
            return SCOPE.pass(format!("a group of all {} members ({note})", number(all)));
        }
        Some((group, all)) => SCOPE
            .warn(
                Severity::Medium,
                format!(
                    "only a group of {} of {} enabled members ({note})",
                    number(group.users),
                    number(all)
                ),
            )
            .affects(all - group.users, Some(all), true, Vec::new()),
        None => SCOPE.warn(Severity::Medium, format!("only a selected group ({note})")),
    };
    finding
        .reason("Users outside the group are told to ask an administrator (SSPR_0013).")
        .fix("When the pilot went well, set \"Self service password reset enabled\" to All.")
        .portal(page::PROPERTIES)
}

/// Judged only where a group is selected; where the scope is not known, that check says why.
fn group(snapshot: &Snapshot) -> Option<Finding> {
    let who = weigh(snapshot, &WHO).ok()?;
    if who.value != Scope::Selected {
        return Some(GROUP.not_applicable("No group is selected."));
    }
    let ids = group_ids(&snapshot.facts);
    let Some(id) = ids.first() else {
        return Some(who.support(GROUP.skipped(
            "a group is selected, not known which",
            "The audit log tells that a group was selected, but not which. The portal API tells it.",
        )));
    };
    let fact = &snapshot.facts.policy_groups;
    let Some(groups) = fact.value() else {
        return Some(GROUP.unreadable(snapshot));
    };
    let Some(group) = groups
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(id))
        .map(|(_, g)| g)
    else {
        return Some(GROUP.skipped(
            "the selected group was not read",
            "The members of the selected group are not among what was read.",
        ));
    };
    let name = group.display_name.clone().unwrap_or_else(|| {
        let portal = snapshot.facts.portal_reset_policy.value();
        let name = portal.and_then(|p| p.password_reset_enabled_group_name.clone());
        name.filter(|n| !n.is_empty()).unwrap_or_else(|| id.clone())
    });
    let name = policy::short(&name);
    let users = counted(group.users, "user", "users");
    let finding = if !group.exists {
        GROUP.fail(Severity::High, "the selected group no longer exists")
    } else if group.users > 0 {
        return Some(
            GROUP
                .pass(format!("group {name} has {users}"))
                .evidence(fact, format!("{name}: {users}")),
        );
    } else if fact.is_partial() {
        return Some(GROUP.skipped(
            format!("the members of {name} were read only in part"),
            "No user was seen in the part that was read.",
        ));
    } else {
        GROUP.fail(Severity::High, format!("the selected group {name} has no users"))
    };
    let finding = finding
        .evidence(fact, format!("{name} ({id}): exists {}, {users}", group.exists))
        .reason("Nobody can reset, although reset looks switched on.")
        .fix("Select a group that has members, or set reset to All.")
        .portal(page::PROPERTIES);
    Some(match members(snapshot) {
        Some(all) => finding.affects(all, Some(all), true, Vec::new()),
        None => finding,
    })
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

/// What one page of branding does to the way to reset.
struct Sight {
    hidden: Vec<&'static str>,
    lesser: Vec<&'static str>,
    elsewhere: Vec<String>,
}

fn sight(branding: &Branding) -> Sight {
    let visibility: &LoginPageTextVisibility =
        &branding.login_page_text_visibility_settings.clone().unwrap_or_default();
    let shown = |flag: Option<bool>, name: &'static str| (flag == Some(true)).then_some(name);
    let urls = [
        &branding.custom_account_reset_credentials_url,
        &branding.custom_cannot_access_your_account_url,
    ];
    Sight {
        hidden: [
            shown(visibility.hide_forgot_my_password, "Forgot my password"),
            shown(visibility.hide_account_reset_credentials, "self-service reset"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        lesser: [
            shown(visibility.hide_reset_it_now, "Reset it now"),
            shown(visibility.hide_cannot_access_your_account, "Can't access your account?"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        elsewhere: urls
            .into_iter()
            .flatten()
            .filter(|url| !url.trim().is_empty() && !leads_to_reset(url))
            .map(|url| policy::short(url))
            .collect(),
    }
}

/// Whether an address is one of Microsoft's reset pages, of any cloud.
pub(super) fn leads_to_reset(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address.trim()) else {
        return false;
    };
    let path = url.path().trim_end_matches('/').to_ascii_lowercase();
    url.scheme() == "https"
        && match url.host_str() {
            Some("aka.ms") => path == "/sspr",
            Some("passwordreset.microsoftonline.com" | "passwordreset.microsoftonline.us") => true,
            Some("passwordreset.activedirectory.windowsazure.cn") => true,
            _ => false,
        }
}

fn link(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.branding;
    let Some(branding) = fact.value() else {
        return LINK.unreadable(snapshot);
    };
    let pages = std::iter::once(("everybody".to_owned(), branding)).chain(branding.localizations.iter().map(|page| {
        (
            format!(
                "people whose browser speaks {}",
                policy::short(page.id.as_deref().unwrap_or("another language"))
            ),
            page,
        )
    }));
    let mut worst: Option<(u8, Finding)> = None;
    for (whom, page) in pages {
        let sight = sight(page);
        let (rank, finding) = if let Some(name) = sight.hidden.first() {
            let finding = LINK
                .fail(Severity::High, format!("company branding hides \"{name}\" for {whom}"))
                .reason("They do not see the way to reset when they sign in; only who knows https://aka.ms/sspr gets there.")
                .fix("Show self-service password reset in the sign-in form of company branding.");
            (3, finding)
        } else if let Some(address) = sight.elsewhere.first() {
            let finding = LINK
                .warn(Severity::Medium, format!("company branding sends {whom} elsewhere to reset"))
                .reason(format!("The link leads to {address}, not to Microsoft's reset page. Resets there do not count here."))
                .fix("Clear the custom address in the sign-in form of company branding, unless it leads on to https://aka.ms/sspr.");
            (2, finding)
        } else if let Some(name) = sight.lesser.first() {
            let finding = LINK
                .warn(Severity::Low, format!("company branding hides \"{name}\" for {whom}"))
                .reason("One of the ways to reset is missing when they sign in.")
                .fix("Show self-service password reset in the sign-in form of company branding.");
            (1, finding)
        } else {
            continue;
        };
        if worst.as_ref().is_none_or(|(other, _)| rank > *other) {
            let all = [sight.hidden, sight.lesser].concat().join(", ");
            let seen = format!("hidden: {all}; elsewhere: {}", sight.elsewhere.join(", "));
            worst = Some((
                rank,
                finding.portal(BRANDING).evidence(fact, format!("for {whom}, {seen}")),
            ));
        }
    }
    match worst {
        Some((_, finding)) => finding,
        None if fact.is_partial() => LINK.skipped(
            "company branding was read only in part",
            "Some of its languages were not read.",
        ),
        None => LINK.pass("the link to reset is shown and leads to reset").evidence(
            fact,
            format!(
                "nothing hidden or redirected, {}",
                counted(branding.localizations.len() as u64, "language", "languages")
            ),
        ),
    }
}

/// True where the documented exception for administrators holds: no custom domain and no synchronisation.
pub(super) fn one_method(snapshot: &Snapshot) -> bool {
    let Some(organization) = snapshot.facts.organization.whole() else {
        return false;
    };
    let names: Vec<&str> = organization
        .verified_domains
        .iter()
        .filter_map(|d| d.name.as_deref())
        .collect();
    let own = |name: &&str| !name.to_ascii_lowercase().contains(".onmicrosoft.");
    organization.on_premises_sync_enabled != Some(true) && !names.is_empty() && !names.iter().any(own)
}

fn administrators(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.authorization_policy;
    let Some(policy) = fact.value() else {
        return ADMINISTRATORS.unreadable(snapshot);
    };
    let Some(allowed) = policy.allowed_to_use_sspr else {
        return ADMINISTRATORS.skipped(
            "this tenant does not tell it",
            "The authorization policy of some tenants comes without allowedToUseSSPR.",
        );
    };
    let seen = format!("allowedToUseSSPR: {allowed}");
    if allowed && one_method(snapshot) {
        return ADMINISTRATORS
            .warn(
                Severity::Low,
                "administrators may reset with one method: no custom domain",
            )
            .evidence(fact, seen)
            .evidence(&snapshot.facts.organization, "no custom domain, no synchronisation")
            .reason("Without a custom domain or synchronisation Microsoft asks administrators for one method only.")
            .fix("Add and verify a custom domain before the tenant goes into production.")
            .portal(page::ADMINISTRATORS);
    }
    if allowed {
        return ADMINISTRATORS
            .pass("administrators may reset with two methods, without questions")
            .evidence(fact, seen);
    }
    let asked = |who: Scope| {
        weigh(snapshot, &WHO).is_ok_and(|w| w.value == who)
            && weigh(snapshot, &REGISTRATION_REQUIRED).is_ok_and(|w| w.value.0)
    };
    if asked(Scope::All) {
        return ADMINISTRATORS
            .warn(Severity::Low, "administrators are asked to register, but may not reset")
            .evidence(fact, seen)
            .reason("Reset is off for administrators, but on and with registration for all users: administrators are asked to register and then told that they cannot.")
            .fix("Select a group without administrators for reset, or allow administrators to reset.")
            .portal(page::ADMINISTRATORS);
    }
    ADMINISTRATORS
        .pass("off for administrators; another administrator resets theirs")
        .evidence(fact, seen)
}

#[cfg(test)]
mod tests;
