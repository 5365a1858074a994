use super::*;
use crate::finding::Check;
use crate::snapshot::RefusalKind;
use crate::snapshot::Snapshot;
use crate::steps::testing::{at, change, declared, known, log, refused, snapshot};

fn methods(n: i64) -> PasswordResetPolicy {
    PasswordResetPolicy {
        number_of_authentication_methods_required: Some(n),
        ..Default::default()
    }
}

const CHECK: Check = Check {
    id: "test.one",
    title: "",
    looks_at: "",
    why: "",
    doc: "",
    decides: true,
    facts: &[],
};

#[test]
fn the_portal_counts_and_an_older_contradiction_is_told() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = known(methods(2));
    s.facts.audit_settings = log(&[(
        "NumberOfRequiredContactMethodsForUsers",
        "\"1\"",
        "2026-11-02T08:00:00Z",
    )]);
    let w = weigh(&s, &METHODS_REQUIRED).unwrap();
    assert_eq!((w.value, w.note.as_str()), (2, "portal"));
    let f = w.support(CHECK.pass("2 methods"));
    assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
    assert!(f.reason.unwrap().contains("missed a later change"));
    assert_eq!(f.evidence.len(), 2);
}

#[test]
fn sources_that_agree_pass() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = known(methods(2));
    s.facts.audit_settings = log(&[(
        "numberofrequiredcontactmethodsforusers",
        "\"2\"",
        "2026-11-02T08:00:00Z",
    )]);
    let f = weigh(&s, &METHODS_REQUIRED).unwrap().support(CHECK.pass("2 methods"));
    assert_eq!(f.status, Outcome::Pass);
    assert_eq!(f.evidence.len(), 2);
}

#[test]
fn a_change_after_the_portal_was_read_counts() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = Fact::known(methods(1), "portal", at("2026-11-01T00:00:00Z"));
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "2", "2026-11-02T08:00:00Z")]);
    let w = weigh(&s, &METHODS_REQUIRED).unwrap();
    assert_eq!((w.value, w.note.as_str()), (2, "audit log, changed 2026-11-02"));
    assert_eq!(w.support(CHECK.pass("x")).status, Outcome::Pass);
}

#[test]
fn a_declaration_counts_alone_until_it_ends_and_never_against_the_log() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = declared(methods(2), "2026-12-31T00:00:00Z");
    let w = weigh(&s, &METHODS_REQUIRED).unwrap();
    assert_eq!(w.note, "declared by ops@contoso.example until 2026-12-31");
    assert_eq!(w.support(CHECK.pass("x")).status, Outcome::Pass);
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "1", "2026-11-02T08:00:00Z")]);
    let w = weigh(&s, &METHODS_REQUIRED).unwrap();
    assert_eq!(w.value, 1);
    let f = w.support(CHECK.fail(Severity::Medium, "x"));
    assert_eq!(f.status, Outcome::Fail);
    assert!(f.reason.unwrap().contains("ops@contoso.example declared 2"));
    s.facts.audit_settings = Fact::NotAsked;
    s.facts.portal_reset_policy = declared(methods(2), "2026-11-01T00:00:00Z");
    let s = saved(&s);
    let f = weigh(&s, &METHODS_REQUIRED).unwrap_err().finding(&CHECK);
    assert!(f.title.starts_with("not readable with an app"), "{}", f.title);
    assert!(f.reason.unwrap().contains("ended on 2026-11-01"));
}

/// The snapshot as it is when it was saved and read again.
fn saved(snapshot: &Snapshot) -> Snapshot {
    Snapshot::from_json(&snapshot.to_json().unwrap()).unwrap()
}

#[test]
fn a_declaration_that_ended_counts_nowhere() {
    let assessed = |until: &str| {
        let mut s = snapshot();
        s.facts.portal_reset_policy = declared(
            PasswordResetPolicy {
                security_questions_option_enabled: Some(true),
                number_of_questions_to_register: Some(3),
                security_questions: vec![Default::default(); 3],
                ..methods(2)
            },
            until,
        );
        s.facts.portal_on_premises = declared(
            OnPremisesResetPolicy {
                cloud_provisioning_enablement_for_tenant: Some(true),
                ..Default::default()
            },
            until,
        );
        let readiness = crate::readiness::assess(&saved(&s), crate::steps::STEPS, &Default::default());
        let of = |id: &str| readiness.findings.iter().find(|f| f.id == id).unwrap().status;
        [
            "security_questions.defined",
            "cloud_writeback.cloud_sync",
            "reset_policy.methods_required",
        ]
        .map(of)
    };
    assert_eq!(assessed("2026-12-31T00:00:00Z"), [Outcome::Pass; 3]);
    assert_eq!(assessed("2026-11-01T00:00:00Z"), [Outcome::Skipped; 3]);
}

#[test]
fn half_a_log_is_no_pass_but_a_fail() {
    let mut s = snapshot();
    let Fact::Known { value, source, as_of } =
        log(&[("NumberOfRequiredContactMethodsForUsers", "2", "2026-11-02T08:00:00Z")])
    else {
        unreachable!()
    };
    s.facts.audit_settings = Fact::Partial {
        value,
        source,
        as_of,
        read: 1,
        of: None,
        reason: String::new(),
    };
    let w = weigh(&s, &METHODS_REQUIRED).unwrap();
    assert_eq!(w.support(CHECK.pass("x")).status, Outcome::Skipped);
    assert_eq!(w.support(CHECK.fail(Severity::High, "x")).status, Outcome::Fail);
}

#[test]
fn nobody_says_it() {
    let mut s = snapshot();
    let title = |s: &Snapshot| weigh(s, &METHODS_REQUIRED).unwrap_err().finding(&CHECK);
    assert_eq!(title(&s).title, "not read in this run");
    s.facts.portal_reset_policy = refused(RefusalKind::SignIn, "Only a person is served.", None);
    s.facts.audit_settings = log(&[]);
    let f = title(&s);
    assert_eq!(
        f.title,
        "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
    );
    assert!(f.reason.unwrap().contains("holds no change"));
    assert_eq!(
        f.remediation.unwrap().command.as_deref(),
        Some("Connect-SsprTenant -PortalApi")
    );
    s.signed_in.delegated = true;
    assert!(title(&s).title.starts_with("not readable without the portal API"));
    s.signed_in.cloud = "China".into();
    let f = title(&s);
    assert_eq!(f.title, "not readable: this cloud has no portal API");
    assert!(f.remediation.is_none());
    s.signed_in.cloud = "Public".into();
    s.signed_in.portal_api = true;
    s.facts.portal_reset_policy = refused(
        RefusalKind::Role,
        "A role is missing.",
        Some("the role Authentication Policy Administrator"),
    );
    assert_eq!(
        title(&s).title,
        "not readable: needs the role Authentication Policy Administrator"
    );
    s.facts.portal_reset_policy = known(PasswordResetPolicy::default());
    assert!(title(&s).title.contains("does not name it"));
}

#[test]
fn a_value_that_is_not_understood_is_not_guessed() {
    let mut s = snapshot();
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "many", "2026-11-02T08:00:00Z")]);
    let f = weigh(&s, &METHODS_REQUIRED).unwrap_err().finding(&CHECK);
    assert_eq!(f.status, Outcome::Skipped);
    assert!(f.reason.unwrap().contains("\"many\""));
}

#[test]
fn what_is_older_than_a_change_that_is_not_understood_counts_no_longer() {
    let mut s = snapshot();
    s.facts.portal_reset_policy = declared(methods(2), "2026-12-31T00:00:00Z");
    s.facts.audit_settings = log(&[("NumberOfRequiredContactMethodsForUsers", "many", "2026-11-02T08:00:00Z")]);
    let f = weigh(&s, &METHODS_REQUIRED).unwrap_err().finding(&CHECK);
    assert_eq!(f.title, "not known: a later change in the audit log is not understood");
    // The portal was read after it.
    s.facts.portal_reset_policy = known(methods(2));
    assert_eq!(weigh(&s, &METHODS_REQUIRED).unwrap().value, 2);
    // A cleared setting is not understood either.
    s.facts.portal_reset_policy = Fact::NotAsked;
    let Fact::Known { value, .. } = &mut s.facts.audit_settings else {
        unreachable!()
    };
    value.settings.values_mut().for_each(|change| change.value = None);
    let f = weigh(&s, &METHODS_REQUIRED).unwrap_err().finding(&CHECK);
    assert!(f.reason.unwrap().contains("names no value"));
}

#[test]
fn the_newest_of_two_names_counts() {
    let mut s = snapshot();
    s.facts.audit_settings = log(&[
        (
            "Policy.NumberOfRequiredContactMethodsForUsers",
            "1",
            "2026-11-01T08:00:00Z",
        ),
        ("numberOfAuthenticationMethodsRequired", "2", "2026-11-02T08:00:00Z"),
    ]);
    assert_eq!(weigh(&s, &METHODS_REQUIRED).unwrap().value, 2);
    assert_eq!(change("x", "2026-11-01T08:00:00Z").before, None);
}

#[test]
fn values_are_read_however_they_are_written() {
    for yes in ["True", "\"True\"", "1", "\\\"true\\\"", "[\"Enabled\"]", " yes "] {
        assert_eq!(truth(yes), Some(Switch(true)), "{yes}");
    }
    assert_eq!(truth("\"False\""), Some(Switch(false)));
    assert_eq!(truth("maybe"), None);
    assert_eq!(integer("[\"2\"]"), Some(2));
    assert_eq!(integer("\"two\""), Some(2));
    assert_eq!(integer(""), None);
}
