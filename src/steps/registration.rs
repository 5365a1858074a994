//! Step `registration`: are people asked to register, and can they?

mod protection;
mod traps;

use super::authentication_methods::methods::{Migration, Required, everybody, migration};
use super::current::Sections;
use super::policy::{Portal, REGISTRATION_REQUIRED, Setting, Switch, Wish, integer, weigh};
use super::scope::{Directory, listed, nobody};
use super::touched::{in_scope, of_groups};
use super::{Setup, Step};
use crate::change::{Change, Kind, Write, plain_targets};
use crate::desired::{self, Campaign, DesiredState};
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::graph::{MethodTarget, RegistrationCampaign};
use crate::snapshot::{FactId, Snapshot};
use serde_json::{Map, Value, json};

/// The step.
pub const STEP: Step = Step {
    name: "registration",
    title: "Registration",
    checks: &[
        &REQUIRED,
        &traps::TRAPS,
        &RECONFIRM,
        &protection::PROTECTED,
        &DEFAULTS,
        &CAMPAIGN,
        &COMBINED,
    ],
    check,
    setup: Some(SETUP),
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
        protection::finding(snapshot),
        defaults(snapshot),
        campaign(snapshot),
        combined(snapshot),
    ]
}

/// After how many days users are asked to confirm what they registered.
const RECONFIRM_DAYS: Setting<i64> = Setting {
    name: "number of days before users confirm again",
    portal: Portal::Reset(|p| p.registration_reconfirm_interval_in_days),
    member: "registrationReconfirmIntevalInDays",
    logged: &["EnforcedRegistrationIntervalInDaysForUsers"],
    parse: integer,
};

const SETUP: Setup = Setup {
    needs: &[
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::MethodsPolicy,
        FactId::UserCounts,
    ],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.registration else {
        return Vec::new();
    };
    let required = Wish {
        check: &REQUIRED,
        title: match wanted.required {
            Some(false) => "Do not ask users to register at sign-in",
            _ => "Ask users to register at sign-in",
        },
        label: "Require users to register when signing in",
        page: PORTAL,
    };
    let days = Wish {
        check: &RECONFIRM,
        title: match wanted.reconfirm_days {
            Some(0) => "Never ask users to confirm what they registered",
            _ => "Ask users to confirm what they registered, after the days below",
        },
        label: "Number of days before users are asked to re-confirm their authentication information",
        page: PORTAL,
    };
    let now = known_campaign(snapshot);
    let campaign = now.and_then(|now| campaign_change(now, wanted)).map(|change| {
        let targets = now.flatten().map_or(&[][..], |now| &now.include_targets);
        let standing = targets.iter().map(|target| target.id.as_str());
        let groups = wanted.campaign_groups.iter().flatten().map(String::as_str);
        change.touches(of_groups(snapshot, standing.chain(groups)))
    });
    let changes = [
        REGISTRATION_REQUIRED.change(snapshot, wanted.required.map(Switch), required),
        RECONFIRM_DAYS.change(snapshot, wanted.reconfirm_days.map(i64::from), days),
    ];
    let own = changes.into_iter().flatten();
    own.map(|change| change.touches(in_scope(snapshot, desired)))
        .chain(campaign)
        .collect()
}

/// The campaign, where the policy was read; it may have none.
pub(super) fn known_campaign(snapshot: &Snapshot) -> Option<Option<&RegistrationCampaign>> {
    let policy = snapshot.facts.methods_policy.whole()?;
    let enforcement = policy.registration_enforcement.as_ref();
    Some(enforcement.and_then(|all| all.authentication_methods_registration_campaign.as_ref()))
}

/// What differs of the campaign.
fn campaign_change(now: Option<&RegistrationCampaign>, wanted: &desired::Registration) -> Option<Change> {
    let state = wanted.campaign.map(|state| match state {
        Campaign::Default => "default",
        Campaign::Enabled => "enabled",
        Campaign::Disabled => "disabled",
    });
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut differs = |member: &str, now: Value, wanted: Value| {
        if now != wanted {
            let path = format!("registrationEnforcement/authenticationMethodsRegistrationCampaign/{member}");
            before.insert(path.clone(), now);
            after.insert(path, wanted);
        }
    };
    let mut title = "Choose whom the registration campaign asks".into();
    if let Some(state) = state
        && now.map(|now| now.state.as_str()) != Some(state)
    {
        title = format!("Set the registration campaign to {state}");
        differs("state", now.map(|now| now.state.as_str()).into(), state.into());
    }
    let lists = [
        (
            "includeTargets",
            &wanted.campaign_groups,
            now.map(|now| &now.include_targets),
        ),
        (
            "excludeTargets",
            &wanted.campaign_exclude_groups,
            now.map(|now| &now.exclude_targets),
        ),
    ];
    for (member, groups, now) in lists {
        let Some(groups) = groups else { continue };
        let now = now.map(Vec::as_slice).unwrap_or_default();
        // New ones are asked for what the others are asked for.
        let mut method = "microsoftAuthenticator";
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let plain = |id: &str, kind: &str, method: Option<&str>| json!({"id": id, "targetType": kind, "targetedAuthenticationMethod": method});
        for target in now {
            let named = target.targeted_authentication_method.as_deref();
            method = named.unwrap_or(method);
            let own = plain(&target.id, &target.target_type, named);
            let meant = |id: &String| id.eq_ignore_ascii_case(&target.id);
            if !target.target_type.eq_ignore_ascii_case("group") || groups.iter().any(meant) {
                after.push(own.clone());
            }
            before.push(own);
        }
        for id in groups {
            let known = |target: &MethodTarget| {
                target.id.eq_ignore_ascii_case(id) && target.target_type.eq_ignore_ascii_case("group")
            };
            if !now.iter().any(known) {
                after.push(plain(id, "group", (member == "includeTargets").then_some(method)));
            }
        }
        differs(member, plain_targets(&before.into()), plain_targets(&after.into()));
    }
    let write = Write::Graph {
        path: "/v1.0/policies/authenticationMethodsPolicy".into(),
        odata_type: None,
    };
    (!after.is_empty()).then(|| {
        Change::of(CAMPAIGN.id, Kind::Graph, title)
            .writes(
                "/v1.0/policies/authenticationMethodsPolicy",
                write,
                before.into(),
                after.into(),
            )
            .requires(&["Policy.ReadWrite.AuthenticationMethod"])
    })
}

/// How users come to register today.
pub(super) fn current(snapshot: &Snapshot, all: &mut Sections) {
    const SECTION: &str = "registration";
    all.say(SECTION, "required", REGISTRATION_REQUIRED.now(snapshot));
    all.say(SECTION, "reconfirmDays", RECONFIRM_DAYS.now(snapshot));
    let Some(campaign) = known_campaign(snapshot).flatten() else {
        return;
    };
    all.say(SECTION, "campaign", campaign.state.as_str().into());
    for (member, targets) in [
        ("campaignGroups", &campaign.include_targets),
        ("campaignExcludeGroups", &campaign.exclude_targets),
    ] {
        let mut groups = Vec::new();
        for target in targets {
            if target.target_type.eq_ignore_ascii_case("group") && !nobody(&target.id) {
                groups.push(Value::from(target.id.as_str()));
            }
        }
        all.say(SECTION, member, groups.into());
    }
}

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
