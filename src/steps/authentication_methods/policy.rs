//! What the methods policy itself shows: Authenticator first, migration, targets, spare methods, sign-in, guests.

use super::methods::{Migration, Required, Rules, enabled, everybody, gates, migration, resets};
use super::{PORTAL, populations, undecided};
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::graph::{AuthenticationMethodConfiguration, AuthenticationMethodsPolicy, MethodTarget};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::scope::{Directory, listed, nobody};

const MANAGE: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-methods-manage";

/// Authenticator first.
pub const AUTHENTICATOR: Check = Check {
    id: "authentication_methods.authenticator",
    title: "Microsoft Authenticator for everybody",
    looks_at: "Whether Microsoft Authenticator is enabled, for whom, and in which mode.",
    why: "It is the strongest of the methods that reset a password, and it stays when SMS and voice end.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-authenticator-app",
    decides: false,
    facts: &[FactId::MethodsPolicy, FactId::PolicyGroups],
};
/// Migration.
pub const MIGRATION: Check = Check {
    id: "authentication_methods.migration",
    title: "Methods moved to the methods policy",
    looks_at: "The migration state of the authentication methods policy.",
    why: "Before the move the legacy policies say what resets a password, and they can no longer be edited.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/how-to-authentication-methods-manage",
    decides: false,
    facts: &[FactId::MethodsPolicy],
};
/// Targets.
pub const TARGETS: Check = Check {
    id: "authentication_methods.targets",
    title: "The groups that methods name",
    looks_at: "Included and excluded groups of every enabled reset method: whether they exist and have members.",
    why: "A method for a deleted or empty group is for nobody; an excluded group goes without it.",
    doc: MANAGE,
    decides: false,
    facts: &[FactId::MethodsPolicy, FactId::PolicyGroups],
};
/// A spare method.
pub const SPARE: Check = Check {
    id: "authentication_methods.spare",
    title: "A method to spare",
    looks_at: "Whether people may use more methods than are required.",
    why: "Who loses one of exactly as many methods as are required can no longer reset.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks",
    decides: false,
    facts: &[FactId::MethodsPolicy, FactId::PortalResetPolicy, FactId::AuditSettings],
};
/// Sign-in.
pub const SIGN_IN: Check = Check {
    id: "authentication_methods.sign_in",
    title: "Reset methods that also open sign-in",
    looks_at: "Methods enabled for reset that are also usable at sign-in: Authenticator and SMS in place of the password; SMS and voice for MFA.",
    why: "A weak method that was enabled for reset alone may open sign-in too.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/howto-authentication-sms-signin",
    decides: false,
    facts: &[FactId::MethodsPolicy],
};
/// Guests.
pub const GUESTS: Check = Check {
    id: "authentication_methods.guest_email",
    title: "Guests' email codes",
    looks_at: "Whether external users may sign in with a code sent by email.",
    why: "It is set beside email for reset, and easily taken for it; the two do not touch.",
    doc: "https://learn.microsoft.com/entra/external-id/one-time-passcode",
    decides: false,
    facts: &[FactId::MethodsPolicy],
};

/// The findings of these checks.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(policy) = snapshot.facts.methods_policy.value() else {
        return [&AUTHENTICATOR, &MIGRATION, &TARGETS, &SPARE, &SIGN_IN, &GUESTS]
            .iter()
            .map(|check| check.unreadable(snapshot))
            .collect();
    };
    vec![
        authenticator(snapshot, policy),
        migrated(snapshot, policy),
        targets(snapshot, policy),
        spare(snapshot),
        sign_in(snapshot, policy),
        guests(snapshot, policy),
    ]
}

fn configuration<'a>(
    policy: &'a AuthenticationMethodsPolicy,
    id: &str,
) -> Option<&'a AuthenticationMethodConfiguration> {
    policy
        .authentication_method_configurations
        .iter()
        .find(|c| c.id.eq_ignore_ascii_case(id))
}

/// What a configuration is called.
fn title(configuration: &AuthenticationMethodConfiguration) -> &str {
    match configuration.id.as_str() {
        "MicrosoftAuthenticator" => "Microsoft Authenticator",
        "SoftwareOath" => "software OATH tokens",
        "HardwareOath" => "hardware OATH tokens",
        "Sms" => "SMS",
        id => id,
    }
}

/// How Authenticator may be used by a target: `any`, `push`, or `deviceBasedPush`, which is without a password.
fn mode(target: &MethodTarget) -> &str {
    target.authentication_mode.as_deref().unwrap_or("any")
}

fn authenticator(snapshot: &Snapshot, policy: &AuthenticationMethodsPolicy) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let directory = Directory::of(snapshot);
    let fix = "Enable Microsoft Authenticator for all users, mode Any, with its codes allowed.";
    let Some(app) = configuration(policy, "MicrosoftAuthenticator").filter(|c| enabled(c)) else {
        return AUTHENTICATOR
            .warn(Severity::High, "Microsoft Authenticator is not enabled")
            .evidence(fact, "MicrosoftAuthenticator: disabled")
            .reason("Users are left with methods that are weaker or about to end.")
            .fix(fix)
            .portal(PORTAL);
    };
    let excluded: Vec<String> = app
        .exclude_targets
        .iter()
        .filter(|t| !nobody(&t.id) && directory.users(&t.id) != Some(0))
        .map(|t| directory.named_and_counted(&t.id))
        .collect();
    let included: Vec<String> = app
        .include_targets
        .iter()
        .filter(|t| !everybody(t))
        .map(|t| directory.named_and_counted(&t.id))
        .collect();
    let codes = app.is_software_oath_enabled == Some(true);
    let passwordless = app
        .include_targets
        .iter()
        .filter(|t| everybody(t))
        .all(|t| mode(t).eq_ignore_ascii_case("deviceBasedPush"));
    let seen = format!(
        "MicrosoftAuthenticator: enabled, codes {}",
        if codes { "allowed" } else { "not allowed" }
    );
    let problem = if !app.include_targets.iter().any(everybody) {
        format!("Microsoft Authenticator is only for {}", listed(&included))
    } else if !excluded.is_empty() {
        format!("Microsoft Authenticator is not for {}", listed(&excluded))
    } else if passwordless && !codes {
        "Microsoft Authenticator is passwordless only, so it does not reset".into()
    } else if !codes && Required::of(snapshot).count == 1 {
        "Microsoft Authenticator's codes are off: it does not reset alone".into()
    } else {
        return AUTHENTICATOR
            .pass("Microsoft Authenticator is enabled for all users")
            .evidence(fact, seen);
    };
    AUTHENTICATOR
        .warn(Severity::Medium, problem)
        .evidence(fact, seen)
        .reason("The others are left with methods that are weaker or about to end.")
        .fix(fix)
        .portal(PORTAL)
}

fn migrated(snapshot: &Snapshot, policy: &AuthenticationMethodsPolicy) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let state = policy.policy_migration_state.as_deref();
    let seen = format!(
        "policyMigrationState: {}",
        state.unwrap_or("not set, as in new tenants")
    );
    let (severity, text) = match migration(policy) {
        Migration::Complete => {
            return MIGRATION
                .pass("the methods policy alone says what resets a password")
                .evidence(fact, seen);
        }
        Migration::Before => (
            Severity::High,
            "the legacy policy still says what resets a password".to_string(),
        ),
        Migration::Underway => (
            Severity::Medium,
            "the move to the methods policy is not finished".to_string(),
        ),
        Migration::Other => {
            return MIGRATION
                .skipped(
                    "the migration state is one that this version does not know",
                    "Microsoft added a state; look for a newer EntraSspr.",
                )
                .evidence(fact, seen);
        }
    };
    MIGRATION
        .warn(severity, text)
        .evidence(fact, seen)
        .reason("Methods in the legacy MFA and reset policies cannot be managed since 2025-09-30, so what users may use can neither be seen nor changed in one place.")
        .fix("Enable in the methods policy what users reset with today, then finish with Manage migration.")
        .portal(PORTAL)
}

fn targets(snapshot: &Snapshot, policy: &AuthenticationMethodsPolicy) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let directory = Directory::of(snapshot);
    let (mut empty, mut excluded, mut unread) = (Vec::new(), Vec::new(), 0u64);
    let (mut without, mut groups) = (0u64, 0u64);
    for method in policy.authentication_method_configurations.iter().filter(|c| resets(c)) {
        let is_group = |id: &str| !id.eq_ignore_ascii_case("all_users") && !nobody(id);
        for target in method.include_targets.iter().filter(|t| is_group(&t.id)) {
            groups += 1;
            match directory.users(&target.id) {
                Some(0) => empty.push(format!("{} for {}", title(method), directory.name(&target.id))),
                Some(_) => {}
                None => unread += 1,
            }
        }
        for target in method.exclude_targets.iter().filter(|t| is_group(&t.id)) {
            groups += 1;
            match directory.users(&target.id) {
                Some(0) => {}
                Some(users) => {
                    without = without.max(users);
                    excluded.push(format!(
                        "{} not for {}",
                        title(method),
                        directory.named_and_counted(&target.id)
                    ));
                }
                None => unread += 1,
            }
        }
    }
    if !empty.is_empty() {
        return TARGETS
            .warn(Severity::Medium, format!("for nobody: {}", listed(&empty)))
            .evidence(fact, listed(&empty))
            .reason("Nobody may use the method, though it shows as enabled.")
            .fix("Choose a group that has members, or all users.")
            .portal(PORTAL);
    }
    if !excluded.is_empty() {
        return TARGETS
            .warn(Severity::Low, listed(&excluded))
            .evidence(fact, listed(&excluded))
            .reason("Excluded users go without the method even where another group includes them.")
            .fix("See that the exclusions are meant.")
            .portal(PORTAL)
            .affects(without, None, false, Vec::new());
    }
    if unread > 0 {
        let mut found = TARGETS.unreadable(snapshot);
        found.title = format!(
            "the members of {} could not be read",
            counted(unread, "named group", "named groups")
        );
        return found;
    }
    TARGETS
        .pass(match groups {
            0 => "every enabled reset method is for all users".into(),
            n => format!("{} named, all with members", counted(n, "group is", "groups are")),
        })
        .evidence(fact, counted(groups, "group named", "groups named"))
}

fn spare(snapshot: &Snapshot) -> Finding {
    let Some(rules) = Rules::of(snapshot) else {
        return SPARE.unreadable(snapshot);
    };
    let fact = &snapshot.facts.methods_policy;
    let required = Required::of(snapshot);
    let all = populations(snapshot, &rules);
    let Some(base) = all.first() else {
        return SPARE.unreadable(snapshot);
    };
    let sure = gates(base.offered.sure, required.count, false);
    let possible = gates(base.offered.possible, required.count, false);
    let seen = format!("{}: {}", base.name, base.offered.sure.names());
    if sure > required.count {
        return SPARE
            .pass(match required.known {
                true => format!("{sure} methods to choose from, {} required", required.count),
                // One or two is all that can be required.
                false => format!("{sure} methods to choose from, at most two required"),
            })
            .evidence(fact, seen);
    }
    if possible < required.count {
        return SPARE.not_applicable("There are too few methods as it is; see authentication_methods.reach.");
    }
    if possible > required.count {
        return undecided(
            &SPARE,
            &rules,
            "It may allow further methods; it is readable only through the portal (Connect-SsprTenant -PortalApi).",
        );
    }
    SPARE
        .warn(
            Severity::Low,
            format!(
                "exactly {} to choose from, none to spare{}",
                required.text(),
                required.proviso()
            ),
        )
        .evidence(fact, seen)
        .reason("Who loses a phone can no longer reset, and switching one method off stops resets for everybody.")
        .fix("Enable one more method that resets a password, such as email.")
        .portal(PORTAL)
}

fn sign_in(snapshot: &Snapshot, policy: &AuthenticationMethodsPolicy) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let directory = Directory::of(snapshot);
    let on = |id| configuration(policy, id).filter(|c| enabled(c));
    let mfa: Vec<&str> = ["Sms", "Voice"].into_iter().filter(|id| on(id).is_some()).collect();
    let mut unstated = false;
    let mut first = Vec::new();
    for target in on("Sms").into_iter().flat_map(|c| &c.include_targets) {
        match target.is_usable_for_sign_in {
            Some(true) if everybody(target) => first.push("all users".to_string()),
            Some(true) => first.push(directory.named_and_counted(&target.id)),
            Some(false) => {}
            None => unstated = true,
        }
    }
    if !first.is_empty() {
        return SIGN_IN
            .warn(
                Severity::Medium,
                format!("a text message alone signs in: {}", listed(&first)),
            )
            .evidence(fact, "Sms: isUsableForSignIn true")
            .reason("SMS that was enabled for reset replaces the password at sign-in; who takes over the number is in.")
            .fix("Switch off 'Use for sign-in' in the SMS settings.")
            .portal(PORTAL);
    }
    if unstated {
        return SIGN_IN
            .skipped(
                "the SMS settings do not say whether SMS opens sign-in",
                "The answer lacked isUsableForSignIn.",
            )
            .evidence(fact, "Sms: enabled, isUsableForSignIn absent");
    }
    let phone = match mfa.as_slice() {
        [] => "no phone method is enabled".to_string(),
        _ => format!("{} also for MFA, never in place of the password", mfa.join(" and ")),
    };
    let targets = on("MicrosoftAuthenticator")
        .into_iter()
        .flat_map(|c| &c.include_targets);
    let app: Vec<String> = targets
        .filter(|t| !mode(t).eq_ignore_ascii_case("push") && !nobody(&t.id))
        .map(|t| match everybody(t) {
            true => "all users".into(),
            false => directory.named_and_counted(&t.id),
        })
        .collect();
    if app.is_empty() {
        return SIGN_IN
            .pass(phone)
            .evidence(fact, "email, codes and notifications do not replace the password");
    }
    SIGN_IN
        .pass(format!("{phone}; Microsoft Authenticator may replace the password"))
        .evidence(
            fact,
            format!(
                "MicrosoftAuthenticator: mode any or deviceBasedPush for {}; email and codes do not replace the password",
                listed(&app)
            ),
        )
        .reason("Who registers Authenticator may also sign in with its notification alone, without the password. It is no weak method; mode Push keeps it to a second factor.")
}

fn guests(snapshot: &Snapshot, policy: &AuthenticationMethodsPolicy) -> Finding {
    let fact = &snapshot.facts.methods_policy;
    let Some(email) = configuration(policy, "Email") else {
        return GUESTS.skipped(
            "the email settings were not in the answer",
            "The methods policy lists no email method.",
        );
    };
    let text = match email.allow_external_id_to_use_email_otp.as_deref() {
        Some("enabled" | "default") => "guests may sign in with an email code (no part in reset)",
        Some("disabled") => "guests may not sign in with an email code (no part in reset)",
        _ => {
            return GUESTS.skipped(
                "the email settings say nothing of guests",
                "The answer lacked allowExternalIdToUseEmailOtp.",
            );
        }
    };
    GUESTS.pass(text).evidence(
        fact,
        format!(
            "allowExternalIdToUseEmailOtp: {}",
            email.allow_external_id_to_use_email_otp.as_deref().unwrap_or_default()
        ),
    )
}
