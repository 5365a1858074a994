use super::protection::PROTECTED;
use super::traps::TRAPS;
use super::*;
use crate::finding::Outcome;
use crate::snapshot::Fact;
use crate::snapshot::graph::*;
use crate::steps::fixture::*;

/// A tenant where registration is asked for, protected, and open to newcomers.
fn tenant() -> Snapshot {
    let mut s = empty();
    s.facts.portal_reset_policy = known(portal(2));
    s.facts.audit_settings = log(&[]);
    s.facts.security_defaults = known(SecurityDefaults { is_enabled: false });
    s.facts.policy_groups = groups(&[("g1", "Newcomers", 30)]);
    s.facts.registration = known(report(vec![user(90, &["email"], true), user(10, &[], false)], &["g1"]));
    s.facts.conditional_access = known(vec![on_registering("Protect", &["mfa"])]);
    s.facts.methods_policy = known(AuthenticationMethodsPolicy {
        policy_migration_state: Some("migrationComplete".into()),
        authentication_method_configurations: vec![method("TemporaryAccessPass", &["all_users"])],
        registration_enforcement: Some(RegistrationEnforcement {
            authentication_methods_registration_campaign: Some(RegistrationCampaign {
                state: "default".into(),
                include_targets: vec![target("all_users")],
                ..Default::default()
            }),
        }),
        ..Default::default()
    });
    s
}

fn no_pass(s: &mut Snapshot) {
    pass_for(s, &[]);
}

fn pass_for(s: &mut Snapshot, include: &[&str]) {
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    value.authentication_method_configurations = vec![method("TemporaryAccessPass", include)];
    if include.is_empty() {
        value.authentication_method_configurations.clear();
    }
}

fn status(check: &Check, s: &Snapshot) -> Outcome {
    finding(&STEP, check, s).status
}

#[test]
fn all_is_well() {
    let mut s = tenant();
    s.facts.registration = known(report(vec![user(90, &["email"], true)], &["g1"]));
    for found in (STEP.check)(&s) {
        let expected = if found.id == DEFAULTS.id {
            Outcome::NotApplicable
        } else {
            Outcome::Pass
        };
        assert_eq!(found.status, expected, "{found:#?}");
    }
}

#[test]
fn a_refusal_is_not_a_fail() {
    let mut s = tenant();
    s.facts.portal_reset_policy = refused("-PortalApi");
    s.facts.audit_settings = refused("AuditLog.Read.All");
    s.facts.conditional_access = refused("Policy.Read.All");
    s.facts.security_defaults = refused("Policy.Read.All");
    s.facts.methods_policy = refused("Policy.Read.AuthenticationMethod");
    for check in STEP.checks {
        let found = finding(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{found:#?}");
        assert!(found.title.starts_with("not readable"), "{}", found.title);
    }
}

const LOGGED_REQUIRED: &str = "EnforcedRegistrationEnablementForUsers";
const LOGGED_DAYS: &str = "EnforcedRegistrationIntervalInDaysForUsers";

#[test]
fn not_required_fails_with_those_who_did_not_register() {
    let mut s = tenant();
    s.facts.portal_reset_policy = refused("-PortalApi");
    // What nobody changed, the log does not tell.
    assert_eq!(status(&REQUIRED, &s), Outcome::Skipped);
    s.facts.audit_settings = log(&[(LOGGED_REQUIRED, "False")]);
    let found = finding(&STEP, &REQUIRED, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "nobody is asked to register at sign-in (audit log, changed 2026-11-02)"
    );
    let affected = found.affected.unwrap();
    assert_eq!((affected.count, affected.of), (10, Some(100)));
    assert_eq!(status(&RECONFIRM, &s), Outcome::NotApplicable);
    s.facts.audit_settings = log(&[(LOGGED_REQUIRED, "\"true\""), (LOGGED_DAYS, "0")]);
    assert_eq!(status(&REQUIRED, &s), Outcome::Pass);
    let found = finding(&STEP, &RECONFIRM, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "users are never asked to confirm their methods (audit log, changed 2026-11-02)"
    );
}

#[test]
fn mfa_before_the_first_method_is_a_trap() {
    let mut s = tenant();
    no_pass(&mut s);
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "10 of 100 users cannot register: 'Protect' asks newcomers for MFA"
    );
    let affected = found.affected.unwrap();
    assert_eq!((affected.count, affected.blocks_reset), (10, true));
    // Report-only asks nobody.
    let mut trial = on_registering("Protect", &["mfa"]);
    trial.state = "enabledForReportingButNotEnforced".into();
    s.facts.conditional_access = known(vec![trial]);
    assert_eq!(status(&TRAPS, &s), Outcome::Pass);
    assert_eq!(status(&PROTECTED, &s), Outcome::Warn);
    // Trusted locations are a way in, and so is any location left out of a block.
    let mut away = on_registering("Away", &["block"]);
    away.conditions.locations = Some(ConditionLocations {
        include_locations: vec!["All".into()],
        exclude_locations: vec!["AllTrusted".into()],
    });
    s.facts.conditional_access = known(vec![away]);
    assert_eq!(status(&TRAPS, &s), Outcome::Pass);
    // A policy for guests alone is not about those who reset here.
    let mut guests = on_registering("Guests", &["block"]);
    guests.conditions.users.as_mut().unwrap().include_users = vec!["GuestsOrExternalUsers".into()];
    s.facts.conditional_access = known(vec![guests]);
    assert_eq!(status(&TRAPS, &s), Outcome::Pass);
}

#[test]
fn newcomers_may_need_a_pass() {
    let found = finding(&STEP, &TRAPS, &tenant());
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "10 of 100 users need a Temporary Access Pass to register");
    assert_eq!(found.affected.unwrap().count, 10);
}

fn for_users(mut policy: ConditionalAccessPolicy, change: impl Fn(&mut ConditionUsers)) -> ConditionalAccessPolicy {
    change(policy.conditions.users.as_mut().unwrap());
    policy
}

/// The same for one group.
fn for_group(policy: ConditionalAccessPolicy, id: &str) -> ConditionalAccessPolicy {
    for_users(policy, |u| {
        u.include_users = vec![];
        u.include_groups = vec![id.into()];
    })
}

#[test]
fn a_trap_for_some_fails_when_somebody_is_in_it() {
    let mut s = tenant();
    no_pass(&mut s);
    s.facts.conditional_access = known(vec![for_group(on_registering("Pilot", &["mfa"]), "g1")]);
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "'Pilot' asks newcomers among group 'Newcomers' (30 users) for MFA"
    );
    let mut newcomer = user(10, &[], false);
    newcomer.key.groups = 1;
    s.facts.registration = known(report(vec![user(90, &["email"], true), newcomer], &["g1"]));
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "10 of 100 users cannot register: 'Pilot' asks newcomers among group 'Newcomers' (30 users) for MFA"
    );
    // Half a report proves it too, of a whole that is not known.
    let Fact::Known { value, .. } = s.facts.registration.clone() else {
        panic!("known")
    };
    s.facts.registration = partial(value);
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert!(
        found.title.starts_with("at least 10 users cannot register"),
        "{}",
        found.title
    );
    // A policy for nobody asks nobody.
    let nobody = for_users(on_registering("Draft", &["block"]), |u| {
        u.include_users = vec!["None".into()]
    });
    s.facts.conditional_access = known(vec![nobody]);
    assert_eq!(status(&TRAPS, &s), Outcome::Pass);
}

#[test]
fn a_device_policy_with_an_excluded_resource_still_stands_in_the_way() {
    let mut s = tenant();
    let mut device = policy("Compliant", &["compliantDevice"]);
    device.conditions.applications.as_mut().unwrap().exclude_applications =
        vec!["0000000a-0000-0000-c000-000000000000".into()];
    s.facts.conditional_access = known(vec![device.clone()]);
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "'Compliant' opens nothing, registration included, without a compliant device"
    );
    let nobody = for_users(device, |u| u.include_users = vec!["None".into()]);
    s.facts.conditional_access = known(vec![nobody]);
    assert_eq!(status(&TRAPS, &s), Outcome::Pass);
}

#[test]
fn a_policy_protects_those_whom_it_covers() {
    let mut s = tenant();
    let mut inside = user(90, &["email"], true);
    inside.key.groups = 1;
    let people = |outside: u64| {
        let mut all = vec![inside.clone()];
        all.extend((outside > 0).then(|| user(outside, &[], false)));
        known(report(all, &["g1"]))
    };
    let one = for_group(on_registering("Staff", &["mfa"]), "g1");
    s.facts.conditional_access = known(vec![one]);
    s.facts.registration = people(10);
    let found = finding(&STEP, &PROTECTED, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "registration is protected for some only; not for 10 of 100 users"
    );
    s.facts.registration = people(0);
    assert_eq!(status(&PROTECTED, &s), Outcome::Pass);
    s.facts.registration = refused("AuditLog.Read.All");
    let found = finding(&STEP, &PROTECTED, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "registration is protected for some: 'Staff' for group 'Newcomers' (30 users)"
    );
}

#[test]
fn what_does_not_stop_a_thief_does_not_protect() {
    let mut risky = on_registering("Risky", &["mfa"]);
    risky.conditions.sign_in_risk_levels = vec!["high".into()];
    let mut terms = on_registering("Terms", &[]);
    terms.grant_controls.as_mut().unwrap().terms_of_use = vec!["t".into()];
    let mut either = on_registering("Either", &["mfa"]);
    either.grant_controls.as_mut().unwrap().terms_of_use = vec!["t".into()];
    let mut both = either.clone();
    both.grant_controls.as_mut().unwrap().operator = Some("AND".into());
    let mut away = on_registering("Away", &["mfa"]);
    away.conditions.locations = Some(ConditionLocations {
        include_locations: vec!["All".into()],
        exclude_locations: vec!["AllTrusted".into()],
    });
    let mut there = away.clone();
    there.conditions.locations.as_mut().unwrap().include_locations = vec!["office".into()];
    for (policy, expected, title) in [
        (
            risky,
            Outcome::Warn,
            "registration is not protected by 'Risky' (only at a sign-in risk)",
        ),
        (
            terms,
            Outcome::Warn,
            "registration is not protected by 'Terms' (asks for terms of use)",
        ),
        (
            either,
            Outcome::Warn,
            "registration is not protected by 'Either' (asks for MFA or terms of use)",
        ),
        (both, Outcome::Pass, "registration is protected by 'Either'"),
        (away, Outcome::Pass, "registration is protected by 'Away'"),
        (
            there,
            Outcome::Warn,
            "registration is not protected by 'Away' (only from certain locations)",
        ),
    ] {
        let mut s = tenant();
        s.facts.conditional_access = known(vec![policy]);
        let found = finding(&STEP, &PROTECTED, &s);
        assert_eq!((found.status, found.title.as_str()), (expected, title));
    }
    let mut s = tenant();
    let all = for_users(on_registering("All", &["mfa"]), |u| {
        u.exclude_groups = vec!["g1".into()]
    });
    s.facts.conditional_access = known(vec![all]);
    s.facts.registration = refused("AuditLog.Read.All");
    assert_eq!(
        finding(&STEP, &PROTECTED, &s).title,
        "registration is protected for some: 'All' for all users except group 'Newcomers' (30 users)"
    );
    s.facts.conditional_access = known(vec![]);
    let found = finding(&STEP, &PROTECTED, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(found.title, "no policy protects registration");
}

#[test]
fn a_trap_without_newcomers_warns() {
    let mut s = tenant();
    no_pass(&mut s);
    s.facts.registration = known(report(vec![user(90, &["email"], true)], &["g1"]));
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "newcomers cannot register: 'Protect' asks newcomers for MFA"
    );
    s.facts.registration = refused("AuditLog.Read.All");
    assert_eq!(status(&TRAPS, &s), Outcome::Fail, "who is caught is not known");
}

#[test]
fn controls_are_weighed_together() {
    let strength = |combinations: &[&str]| {
        let mut policy = on_registering("Strong", &[]);
        policy.grant_controls.as_mut().unwrap().authentication_strength = Some(AuthenticationStrength {
            display_name: "Phishing-resistant".into(),
            allowed_combinations: combinations.iter().map(|c| c.to_string()).collect(),
            requirements_satisfied: Some("mfa".into()),
            ..Default::default()
        });
        policy
    };
    let and = |controls: &[&str]| {
        let mut policy = on_registering("Both", controls);
        policy.grant_controls.as_mut().unwrap().operator = Some("AND".into());
        policy
    };
    let cases = [
        (on_registering("Block", &["block"]), true, Outcome::Fail),
        (strength(&["fido2"]), true, Outcome::Fail),
        (strength(&["fido2", "temporaryAccessPassOneTime"]), true, Outcome::Warn),
        (strength(&["fido2", "temporaryAccessPassOneTime"]), false, Outcome::Fail),
        (on_registering("Device", &["compliantDevice"]), false, Outcome::Warn),
        (
            on_registering("Either", &["mfa", "compliantDevice"]),
            false,
            Outcome::Warn,
        ),
        (
            on_registering("Either", &["mfa", "compliantDevice"]),
            true,
            Outcome::Warn,
        ),
        (and(&["mfa", "compliantDevice"]), false, Outcome::Fail),
        (and(&["mfa", "compliantDevice"]), true, Outcome::Warn),
        (policy("All resources", &["mfa"]), false, Outcome::Pass),
        (policy("All resources", &["compliantDevice"]), false, Outcome::Warn),
    ];
    for (policy, pass, expected) in cases {
        let mut s = tenant();
        if !pass {
            no_pass(&mut s);
        }
        let name = policy.display_name.clone();
        s.facts.conditional_access = known(vec![policy]);
        let found = finding(&STEP, &TRAPS, &s);
        assert_eq!(found.status, expected, "{name}, pass {pass}: {found:#?}");
    }
}

#[test]
fn a_pass_for_some_leaves_others_caught() {
    let mut s = tenant();
    pass_for(&mut s, &["g1"]);
    let found = finding(&STEP, &TRAPS, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "10 of 100 users cannot register: no Temporary Access Pass for them"
    );
    let mut newcomer = user(10, &[], false);
    newcomer.key.groups = 1;
    s.facts.registration = known(report(vec![newcomer], &["g1"]));
    assert_eq!(status(&TRAPS, &s), Outcome::Warn, "the next may be in no such group");
}

#[test]
fn the_campaign_names_whom_it_leaves_out() {
    let mut s = tenant();
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    let enforcement = value.registration_enforcement.as_mut().unwrap();
    let campaign = enforcement
        .authentication_methods_registration_campaign
        .as_mut()
        .unwrap();
    campaign.exclude_targets = vec![target("g1")];
    let found = finding(&STEP, &CAMPAIGN, &s);
    assert_eq!(found.title, "the campaign leaves out group 'Newcomers' (30 users)");
    assert!(found.reason.unwrap().contains("not the request to register for reset"));
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    let enforcement = value.registration_enforcement.as_mut().unwrap();
    enforcement
        .authentication_methods_registration_campaign
        .as_mut()
        .unwrap()
        .state = "disabled".into();
    assert_eq!(status(&CAMPAIGN, &s), Outcome::Warn);
}

fn campaign(s: &mut Snapshot) -> &mut Option<RegistrationCampaign> {
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    let enforcement = value.registration_enforcement.as_mut().unwrap();
    &mut enforcement.authentication_methods_registration_campaign
}

#[test]
fn the_campaign_is_on_or_not_known() {
    let mut s = tenant();
    campaign(&mut s).as_mut().unwrap().state = "enabled".into();
    let found = finding(&STEP, &CAMPAIGN, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Pass, "the campaign is on")
    );
    campaign(&mut s).as_mut().unwrap().state = "paused".into();
    let found = finding(&STEP, &CAMPAIGN, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Skipped, "the campaign's state is not known to this version")
    );
    *campaign(&mut s) = None;
    let found = finding(&STEP, &CAMPAIGN, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Skipped, "the campaign was not in the answer")
    );
}

#[test]
fn several_policies_that_govern_registration_warn() {
    let mut s = tenant();
    let Fact::Known { value, .. } = &mut s.facts.methods_policy else {
        panic!("a known policy")
    };
    value.policy_migration_state = Some("migrationInProgress".into());
    let found = finding(&STEP, &COMBINED, &s);
    assert_eq!(found.status, Outcome::Warn);
    assert_eq!(
        found.title,
        "users register once, but by the methods of several policies"
    );
}

#[test]
fn security_defaults_register_one_method() {
    let mut s = tenant();
    s.facts.security_defaults = known(SecurityDefaults { is_enabled: true });
    s.facts.conditional_access = known(vec![]);
    assert_eq!(
        finding(&STEP, &DEFAULTS, &s).title,
        "security defaults register one method only, two are required"
    );
    assert_eq!(finding(&STEP, &PROTECTED, &s).severity, Severity::Low);
    s.facts.portal_reset_policy = known(portal(1));
    assert_eq!(status(&DEFAULTS, &s), Outcome::Pass);
}

#[test]
fn china_registers_apart() {
    let mut s = tenant();
    s.signed_in.cloud = "China".into();
    assert_eq!(status(&COMBINED, &s), Outcome::NotApplicable);
}
