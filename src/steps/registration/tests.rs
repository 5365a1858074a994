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
        "10 users cannot register: 'Protect' asks newcomers for MFA"
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
    assert_eq!(found.title, "10 users need a Temporary Access Pass to register");
    assert_eq!(found.affected.unwrap().count, 10);
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
        "10 users cannot register: no Temporary Access Pass for them"
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
