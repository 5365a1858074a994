//! The links in the tenant: account, licence, scope, methods, registration, retirements.

use super::{Case, events, link};
use crate::finding::{Check, Finding, Outcome, Severity, counted};
use crate::snapshot::FactId;
use crate::steps::authentication_methods::methods::{
    ADMINISTRATORS, Offered, Registered, Required, Rules, gates, names, required_of_administrators,
};
use crate::steps::authentication_methods::retirement::{RETIREMENTS, ended_today};
use crate::steps::policy::{REGISTRATION_REQUIRED, Unknown, page, short, weigh};
use crate::steps::registration::known_campaign;
use crate::steps::reset_policy::{Scope, WHO, selected_groups};
use crate::steps::scope::{Directory, any, included};
use crate::steps::{authentication_methods, license, registration};
use jiff::Timestamp;

pub(super) const ACCOUNT: Check = link(
    "user.account",
    "Account",
    "A reset begins with an account that may sign in.",
    true,
);
pub(super) const ORIGIN: Check = link(
    "user.origin",
    "Origin",
    "The password of a synced user is kept on premises, and a reset must be written back there.",
    false,
);
pub(super) const LICENSE: Check = link(
    "user.license",
    "License",
    "Without one the reset page may refuse the user (SSPR_0012).",
    true,
);
pub(super) const SCOPE: Check = link(
    "user.scope",
    "Scope",
    "A user outside the scope is told to ask an administrator (SSPR_0009, SSPR_0011, SSPR_0013).",
    true,
);
pub(super) const METHODS: Check = link(
    "user.methods",
    "Methods allowed",
    "Who may not use enough methods cannot register them.",
    true,
);
pub(super) const ASKED: Check = link(
    "user.asked",
    "Asked to register",
    "Who is not asked, or is kept from it, does not register.",
    false,
);
pub(super) const CAMPAIGN: Check = link(
    "user.campaign",
    "Campaign",
    "It asks for a better method, not for one to reset with.",
    false,
);
pub(super) const REGISTERED: Check = link(
    "user.registered",
    "Registered",
    "Who has not registered enough methods cannot reset (SSPR_0014).",
    true,
);
pub(super) const RETIREMENT: Check = link(
    "user.retirements",
    "After retirements",
    "Who relies on a method that ends cannot reset from that day.",
    false,
);

/// What a step adds to the name of a group of whom this user is all that is known.
const COUNTED: &str = " (1 user)";
/// How a step tells of users where this one is everybody.
const ALL: &str = "1 of 1 user ";
const USERS: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_UsersAndTenants/UserManagementMenuBlade/~/AllUsers";
const SECURITY_INFO: &str = "https://aka.ms/mysecurityinfo";

/// The links, in causal order. Of a user who is not there, or is not known to be, the first alone.
pub fn links(case: &Case<'_>, all: &mut Vec<Finding>) {
    all.push(account(case));
    if case.account.is_none() {
        return;
    }
    let license = license(case);
    let scope = scope(case);
    let outside = scope.status == Outcome::Fail;
    all.extend([origin(case), license, scope, methods(case)]);
    all.extend([
        asked(case, outside),
        campaign(case),
        registered(case),
        retirements(case),
    ]);
    all.push(events::blocked(case));
}

fn account(case: &Case<'_>) -> Finding {
    let fact = &case.person.account;
    let Some(account) = fact.value() else {
        return ACCOUNT.unread(fact.refusal());
    };
    let seen = |name: &str| format!("{name}: {}", account[name]);
    if account.is_null() {
        return ACCOUNT
            .fail(Severity::High, "there is no such user in the tenant")
            .evidence(fact, "not found")
            .reason(
                "Nobody can reset by that name. A user who was deleted is found among the deleted users for 30 days.",
            )
            .fix("Look for the user in the portal: the name may be written otherwise, or not be synced yet.")
            .portal(USERS);
    }
    if account["accountEnabled"] == false {
        return ACCOUNT
            .fail(Severity::High, "sign-in is blocked in the tenant")
            .evidence(fact, seen("accountEnabled"))
            .reason("A new password does not let a blocked user in. Who is disabled on premises is blocked by the next sync.")
            .fix("Unblock the sign-in, or enable the account on premises where it is synced, if the user shall work again.")
            .portal(USERS);
    }
    let guest = account["userType"]
        .as_str()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"));
    let name = account["userPrincipalName"].as_str().unwrap_or_default();
    if guest && name.to_ascii_uppercase().contains("#EXT#") {
        return ACCOUNT
            .fail(Severity::Low, "a guest, whose password is kept elsewhere")
            .evidence(fact, seen("userType"))
            .reason("A guest's password is reset where the account is at home, not in this tenant.")
            .fix("Send the user to the own organisation's reset page.")
            .portal(USERS);
    }
    ACCOUNT
        .pass("there, and may sign in")
        .evidence(fact, seen("accountEnabled"))
}

fn origin(case: &Case<'_>) -> Finding {
    let fact = &case.person.account;
    let Some(account) = case.account else {
        return ORIGIN.unread(fact.refusal());
    };
    let text = |name: &str| account[name].as_str();
    let domain = text("onPremisesDomainName").unwrap_or("a directory on premises");
    let place = text("onPremisesDistinguishedName").unwrap_or("its place there was not told");
    if case.synced() == Some(true) {
        let last = text("onPremisesLastSyncDateTime").and_then(|at| at.parse::<Timestamp>().ok());
        let last = last.map_or(String::new(), |at| format!(", last on {}", moment(at)));
        return ORIGIN
            .pass(format!("synced from {}{last}", short(domain)))
            .evidence(fact, place)
            .reason("The password is kept on premises: a reset must be written back.");
    }
    if !account["onPremisesImmutableId"].is_null() {
        return ORIGIN
            .warn(
                Severity::Low,
                format!("of {}, but managed in the cloud or left over", short(domain)),
            )
            .evidence(
                fact,
                format!(
                    "an anchor on premises, onPremisesSyncEnabled {}; {place}",
                    account["onPremisesSyncEnabled"]
                ),
            )
            .reason("A reset changes the password in the cloud; the account on premises keeps its own.")
            .fix("If the account on premises is still in use, take it into the sync's scope again.")
            .portal(USERS);
    }
    ORIGIN.pass("made in the cloud").evidence(fact, "no anchor on premises")
}

fn license(case: &Case<'_>) -> Finding {
    let fact = &case.person.account;
    let Some(account) = case.account else {
        return LICENSE.unread(fact.refusal());
    };
    let synced = case.synced() == Some(true);
    if let Some(found) = case.found(&license::STEP, "license.entitlement")
        && found.status == Outcome::Fail
    {
        return as_link(&LICENSE, found);
    }
    let held = license::of_user(case.snapshot, account, synced);
    if let Some(plan) = held.entitles {
        return LICENSE
            .pass(format!("licensed by {plan}"))
            .evidence(fact, "assignedPlans, assignedLicenses");
    }
    let seen = if held.products.is_empty() {
        "no product".into()
    } else {
        held.products.join(", ")
    };
    if held.unclear {
        return LICENSE
            .skipped(
                "unclear whether the user's product entitles to reset",
                "Microsoft's page on licences does not name it.",
            )
            .evidence(fact, seen);
    }
    let found = if case.reported && case.key.sspr_enabled {
        LICENSE
            .warn(Severity::Medium, "no licence for reset, though the service does not refuse the user")
            .evidence(&case.snapshot.facts.registration, "isSsprEnabled: true")
            .reason("Microsoft asks for a licence for each user who benefits from reset, even where the service does not refuse each user without one.")
    } else {
        LICENSE
            .fail(Severity::High, "no licence that entitles to reset")
            .reason("The reset page may refuse the user (SSPR_0012, not licensed).")
    };
    found
        .evidence(fact, seen)
        .fix("Assign Microsoft Entra ID P1 or a product that contains it, by group, so that new users get one.")
        .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/LicensesMenuBlade/~/Products")
}

fn scope(case: &Case<'_>) -> Finding {
    let snapshot = case.snapshot;
    let report = &snapshot.facts.registration;
    // What the policy comes to, by the report.
    let by_report = || {
        let found = match (case.reported, case.key.sspr_enabled) {
            (false, _) => return None,
            (true, true) => SCOPE.pass("in scope, says the registration report"),
            (true, false) => SCOPE
                .fail(Severity::High, "not in scope, says the registration report")
                .reason("Reset is off, is for a group without the user, or the user has no licence; which of them only the policy tells.")
                .fix("Look who may reset, and see that the user has a licence.")
                .portal(page::PROPERTIES),
        };
        Some(found.evidence(report, format!("isSsprEnabled: {}", case.key.sspr_enabled)))
    };
    if case.administrator() {
        let fact = &snapshot.facts.authorization_policy;
        return match fact.value().and_then(|policy| policy.allowed_to_use_sspr) {
            Some(true) => SCOPE
                .pass("an administrator, and administrators may reset")
                .evidence(fact, "allowedToUseSSPR: true"),
            Some(false) => SCOPE
                .fail(Severity::High, "an administrator, and administrators may not reset by themselves")
                .evidence(fact, "allowedToUseSSPR: false")
                .reason("Administrators follow a rule of their own, whatever the users' policy says (SSPR_0009).")
                .fix("Allow administrators to reset, if that is what is wanted; else another administrator resets the password.")
                .portal(page::ADMINISTRATORS),
            None => by_report().unwrap_or_else(|| SCOPE.unread(fact.refusal())),
        };
    }
    let who = match weigh(snapshot, &WHO) {
        Ok(who) => who,
        Err(unknown) => return by_report().unwrap_or_else(|| unknown.finding(&SCOPE)),
    };
    let found = match who.value {
        Scope::All => SCOPE.pass(format!("reset is for all users ({})", who.note)),
        Scope::None => SCOPE
            .fail(Severity::High, format!("reset is off for all users ({})", who.note))
            .reason("The user is told to ask an administrator (SSPR_0009, SSPR_0011).")
            .fix("Set \"Self service password reset enabled\" to All, or first to a pilot group with the user.")
            .portal(page::PROPERTIES),
        Scope::Selected => {
            let directory = Directory::of(snapshot);
            let named = selected_groups(snapshot);
            let groups = named.as_ref().map(|named| named.value.0.clone()).unwrap_or_default();
            let inside = any(groups.iter().map(|id| directory.in_group(&case.key, id)));
            let known = !groups.is_empty() && (case.person.groups.value().is_some() || inside == Some(true));
            let Some(id) = groups.first().filter(|_| known) else {
                let what = "reset is for a group, not known which or who is in it";
                let found = match by_report() {
                    None => SCOPE.skipped(
                        what,
                        named
                            .as_ref()
                            .map_or_else(Unknown::reason, |_| "The user's groups were not read."),
                    ),
                    Some(mut found) => {
                        if found.status == Outcome::Fail {
                            found.title = "not in the group that reset is for, says the registration report".into();
                        }
                        found
                    }
                };
                return who.support(found);
            };
            let fact = &snapshot.facts.policy_groups;
            let name = directory.name(id);
            let found = if directory.group(id).is_some_and(|group| !group.exists) {
                SCOPE
                    .fail(Severity::High, "the group that reset is for no longer exists")
                    .evidence(fact, name)
                    .reason("Nobody can reset, although reset looks switched on (SSPR_0013).")
                    .fix("Select a group that has members, or set reset to All.")
                    .portal(page::PROPERTIES)
            } else if inside == Some(true) {
                SCOPE
                    .pass(format!("in {name}, which reset is for"))
                    .evidence(&case.person.groups, "a member, directly or through other groups")
            } else {
                SCOPE
                    .fail(Severity::High, format!("not in {name}, which reset is for"))
                    .evidence(&case.person.groups, "no member")
                    .reason("The user is told to ask an administrator (SSPR_0013).")
                    .fix("Add the user to the group, or set reset to All.")
                    .portal(page::PROPERTIES)
            };
            match &named {
                Ok(named) => named.support(found),
                Err(_) => found,
            }
        }
    };
    let found = who.support(found);
    // Policy and effect differ: a change of today, or a licence.
    match (found.status, by_report()) {
        (Outcome::Pass, Some(effect)) if effect.status == Outcome::Fail => {
            let mut warned = SCOPE
                .warn(Severity::Medium, format!("{}, but the registration report says otherwise", found.title))
                .evidence(report, "isSsprEnabled: false")
                .reason("The report lies up to 36 hours behind. Where it still says so tomorrow, the user has no licence that counts.")
                .fix("Look at the user's licence, and again tomorrow.")
                .portal(page::PROPERTIES);
            warned.evidence.extend(found.evidence);
            warned
        }
        _ => found,
    }
}

/// How many methods the user needs.
fn needed(case: &Case<'_>) -> (Required, u64) {
    let required = Required::of(case.snapshot);
    let need = match case.administrator() {
        true => required_of_administrators(case.snapshot),
        false => required.count,
    };
    (required, need)
}

fn methods(case: &Case<'_>) -> Finding {
    let snapshot = case.snapshot;
    let fact = &snapshot.facts.methods_policy;
    let (required, need) = needed(case);
    let left = |offered: Offered| offered.after(ended_today(snapshot, &case.key));
    let offered = match Rules::of(snapshot) {
        Some(rules) => left(rules.offered_to(&case.key)),
        // Their rule stands apart from the policies.
        None if case.administrator() => left(Offered {
            sure: ADMINISTRATORS,
            possible: ADMINISTRATORS,
        }),
        None => return METHODS.unread(fact.refusal()),
    };
    let many = counted(need, "method", "methods");
    let found = if gates(offered.sure, need, false) >= need {
        METHODS.pass(format!("may use {}, of which {need} are needed", offered.sure.names()))
    } else if gates(offered.possible, need, false) >= need {
        METHODS.skipped(
            format!("may surely use {} only, and {many} are needed", offered.sure.names()),
            "Which groups hold the user, or what the older policies allow, could not be read.",
        )
    } else {
        METHODS
            .fail(
                Severity::High,
                format!("may use {} only, and {many} are needed", offered.possible.names()),
            )
            .reason("The user cannot register enough methods, and the reset page sends the user to an administrator.")
            .fix("Enable Microsoft Authenticator and email for the user's groups, or for all users.")
            .portal(
                "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/AdminAuthMethods",
            )
    };
    let seen = format!("sure: {}", offered.sure.names());
    required.support(match case.administrator() {
        true => found.evidence(&case.snapshot.facts.registration, format!("an administrator; {seen}")),
        false => found.evidence(fact, seen),
    })
}

/// Why the user was not asked to register, where that is so.
fn asked(case: &Case<'_>, outside: bool) -> Finding {
    let snapshot = case.snapshot;
    let report = &snapshot.facts.registration;
    if case.reported && case.key.sspr_registered {
        return ASKED.not_applicable("Already registered, so not asked.");
    }
    if outside {
        return ASKED.not_applicable("Who is out of scope is not asked to register.");
    }
    let trap = case.found(&registration::STEP, "registration.traps");
    let touched = |found: &Finding| found.affected.as_ref().is_some_and(|affected| affected.count > 0);
    if let Some(found) = trap.filter(touched) {
        let mut found = as_link(&ASKED, found);
        found.title = match (found.status, found.title.split_once(": ")) {
            (Outcome::Fail, Some((_, why))) => format!("kept from registering: {why}"),
            _ => "needs a Temporary Access Pass to register".into(),
        };
        return found;
    }
    let required = match weigh(snapshot, &REGISTRATION_REQUIRED) {
        Ok(required) => required,
        Err(unknown) => return unknown.finding(&ASKED),
    };
    required.support(if required.value.0 {
        let when = match case.reported {
            true => "asked to register at the next sign-in",
            false => "asked to register at the next sign-in, if not registered yet",
        };
        ASKED
            .pass(format!("{when} ({})", required.note))
            .evidence(report, "isSsprRegistered: false")
    } else {
        let defaults = snapshot
            .facts
            .security_defaults
            .value()
            .is_some_and(|defaults| defaults.is_enabled);
        let more = if defaults {
            " Security defaults make the user register an app, which is one method."
        } else {
            ""
        };
        let title = format!("not asked to register: nobody is ({})", required.note);
        // Whom the report does not have may be registered all the same.
        let found = match case.reported {
            true => ASKED.fail(Severity::High, title),
            false => ASKED.warn(Severity::Medium, title),
        };
        found
            .reason(format!(
                "The user registers only when thinking of it. A registration campaign does not ask for it either.{more}"
            ))
            .fix("Set 'Require users to register when signing in' to Yes, or send the user to aka.ms/mysecurityinfo.")
            .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Registration")
    })
}

fn campaign(case: &Case<'_>) -> Finding {
    let fact = &case.snapshot.facts.methods_policy;
    let Some(Some(campaign)) = known_campaign(case.snapshot) else {
        return match fact.refusal() {
            None => CAMPAIGN.not_applicable("The methods policy names no campaign."),
            refusal => CAMPAIGN.unread(refusal),
        };
    };
    let directory = Directory::of(case.snapshot);
    let in_group = |id: &str| directory.in_group(&case.key, id);
    let mut targets = campaign.include_targets.iter();
    let asked = included(
        any(campaign.include_targets.iter().map(|target| names(target, &in_group))),
        any(campaign.exclude_targets.iter().map(|target| names(target, &in_group))),
    );
    let own = targets.find(|target| names(target, &in_group) == Some(true));
    let method = own.and_then(|target| target.targeted_authentication_method.as_deref());
    let days = campaign.snooze_duration_in_days.unwrap_or_default().unsigned_abs();
    let title = match (campaign.state.to_ascii_lowercase().as_str(), asked) {
        ("disabled", _) => "the campaign is off".into(),
        (_, Some(false)) => "the campaign leaves this user out".into(),
        (_, None) => "not known whether the campaign is for this user".into(),
        (_, Some(true)) => format!(
            "the campaign asks for {}, which may be put off for {}",
            short(method.unwrap_or("a method")),
            counted(days, "day", "days")
        ),
    };
    CAMPAIGN
        .pass(title)
        .evidence(fact, format!("state {}, snoozeDurationInDays {days}", campaign.state))
        .reason(
            "It asks users who sign in with MFA for a better method; it does not ask anybody to register for reset.",
        )
}

/// What the user has registered, by the report's own names.
fn registered_names(case: &Case<'_>) -> String {
    let report = case.snapshot.facts.registration.value();
    let own = report.into_iter().flat_map(|report| {
        let has = |name: &&String| case.key.methods & report.method_bit(name) != 0;
        report.methods.iter().filter(has)
    });
    let names: Vec<&str> = own.map(String::as_str).collect();
    match names.is_empty() {
        true => "none".into(),
        false => names.join(", "),
    }
}

fn registered(case: &Case<'_>) -> Finding {
    let fact = &case.snapshot.facts.registration;
    let Some(report) = fact.value() else {
        return REGISTERED.unread(fact.refusal());
    };
    if !case.reported {
        let why = "The report leaves disabled users out, and lies up to 36 hours behind for new ones.";
        return REGISTERED
            .skipped("not in the registration report", why)
            .evidence(fact, "no row")
            .fix("Look again tomorrow, or at the user's methods in the portal.")
            .portal(USERS);
    }
    let names = registered_names(case);
    let seen = format!("methodsRegistered: {names}");
    let fit = Registered::of(report).methods(&case.key);
    let (required, need) = needed(case);
    if case.key.sspr_registered {
        let title = format!("registered: {}", fit.names());
        return REGISTERED.pass(title).evidence(fact, seen);
    }
    // Why not is asked of those in scope.
    let id = |slug: &str| format!("user_registration.{slug}");
    let titles = [
        ("nothing_registered", "registered nothing".to_string()),
        (
            "unfit_methods",
            format!("registered only methods that do not reset: {}", names),
        ),
        (
            "one_short",
            format!(
                "registered {} only, and {} are needed",
                fit.names(),
                counted(need, "method", "methods")
            ),
        ),
        (
            "not_allowed",
            format!("registered {}, but may not use all of it", fit.names()),
        ),
    ];
    for (slug, title) in titles {
        let own = |found: &&Finding| found.id == id(slug) && found.status == Outcome::Warn;
        if let Some(found) = case.in_scope.iter().find(own) {
            let told = found.reason.clone().unwrap_or_default();
            let fix = found.remediation.as_ref().map_or("", |fix| &fix.text);
            let found = REGISTERED
                .fail(Severity::High, title)
                .evidence(fact, seen)
                .reason(told)
                .fix(fix)
                .portal(SECURITY_INFO);
            return required.support(found);
        }
    }
    REGISTERED
        .fail(Severity::High, "not registered, says the registration report")
        .evidence(fact, seen)
        .reason("The report does not tell why.")
        .fix("Have the user look at aka.ms/mysecurityinfo.")
        .portal(SECURITY_INFO)
}

fn retirements(case: &Case<'_>) -> Finding {
    let fact = &case.snapshot.facts.registration;
    if !(case.reported && case.key.sspr_capable) {
        return RETIREMENT.not_applicable("Who cannot reset today loses nothing.");
    }
    let findings = (authentication_methods::STEP.check)(case.snapshot);
    let mut falls: Option<Finding> = None;
    let mut kept = Vec::new();
    for retirement in RETIREMENTS {
        let Some(found) = findings.iter().find(|found| found.id == retirement.check.id) else {
            continue;
        };
        if found.affected.as_ref().is_some_and(|affected| affected.count > 0) {
            // "1 user drops below two methods on ..."
            let counted = [("1 user ", ""), ("1 Global Administrator or guest ", "")];
            let title = counted.iter().find_map(|(count, _)| found.title.strip_prefix(count));
            let title = title.unwrap_or(&found.title).to_string();
            match &mut falls {
                None => {
                    let mut link = as_link(&RETIREMENT, found.clone());
                    link.title = title;
                    // Counts of everybody.
                    link.evidence.retain(|evidence| !evidence.seen.starts_with("1 "));
                    link = link.evidence(fact, format!("methodsRegistered: {}", registered_names(case)));
                    falls = Some(link);
                }
                Some(link) => link.title = format!("{}; {title}", link.title),
            }
        } else {
            kept.push(retirement.told());
        }
    }
    match falls {
        Some(link) => link,
        None if case.snapshot.facts.methods_policy.value().is_none() => {
            RETIREMENT.unread(case.snapshot.facts.refusal(FactId::MethodsPolicy))
        }
        None => RETIREMENT
            .pass("able after each end that Microsoft has announced")
            .evidence(fact, kept.join("; ")),
    }
}

/// What a step says of the tenant, as a link of the user's chain. How many users a group has was not asked for one of them.
pub fn as_link(check: &Check, mut found: Finding) -> Finding {
    let uncounted = |text: &mut String| *text = text.replace(COUNTED, "").replace(ALL, "the user ");
    uncounted(&mut found.title);
    found
        .evidence
        .iter_mut()
        .for_each(|evidence| uncounted(&mut evidence.seen));
    found.id = check.id.into();
    found.step = check.step().into();
    found.decides = check.decides;
    found.affected = None;
    found
}

/// A moment for a sentence.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
