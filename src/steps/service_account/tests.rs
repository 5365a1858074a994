use super::*;
use crate::finding::Outcome;
use crate::snapshot::directory::{Domain, Forest, Installation};
use crate::snapshot::graph::{Organization, VerifiedDomain};
use crate::steps::testing::{at, find, known, snapshot};

fn account(name: &str) -> Connector {
    Connector {
        name: name.into(),
        enabled: true,
        last_sign_in: Some(at("2026-11-20T00:00:00Z")),
        password_set: Some(at("2026-01-01T00:00:00Z")),
        ..Default::default()
    }
}

fn of(accounts: Vec<Connector>) -> Snapshot {
    let mut s = snapshot();
    s.facts.connectors = known(accounts);
    s
}

#[test]
fn one_that_cannot_sign_in_fails() {
    let ended = Some(at("2026-11-22T00:00:00Z"));
    for (account, why) in [
        (
            Connector {
                locked: true,
                ..account("a")
            },
            "a is locked out",
        ),
        (
            Connector {
                expires: ended,
                ..account("a")
            },
            "a has expired",
        ),
        (
            Connector {
                password_expires: ended,
                ..account("a")
            },
            "a has a password that has expired",
        ),
        (
            Connector {
                enabled: false,
                ..account("a")
            },
            "",
        ),
    ] {
        let found = find(&STEP, &USABLE, &of(vec![account]));
        match why {
            // A disabled one is not in use.
            "" => assert_eq!(found.status, Outcome::Skipped),
            _ => assert_eq!((found.status, found.title.as_str()), (Outcome::Fail, why)),
        }
    }
    assert_eq!(find(&STEP, &USABLE, &of(vec![account("a")])).status, Outcome::Pass);
    let soon = Connector {
        password_expires: Some(at("2026-12-24T00:00:00Z")),
        ..account("a")
    };
    let found = find(&STEP, &USABLE, &of(vec![soon]));
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Warn, "it stops signing in on 2026-12-24")
    );
}

#[test]
fn one_of_another_tenant_is_told_and_one_that_is_left_over() {
    let mut s = of(vec![Connector {
        installation: Some(Installation {
            tenant: "fabrikam.example".into(),
            ..Default::default()
        }),
        ..account("a")
    }]);
    assert_eq!(find(&STEP, &FOUND, &s).status, Outcome::Pass);
    s.facts.organization = known(Organization {
        on_premises_sync_enabled: Some(true),
        verified_domains: vec![VerifiedDomain {
            name: Some("contoso.example".into()),
            ..Default::default()
        }],
        ..Default::default()
    });
    let found = find(&STEP, &FOUND, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Warn, "a serves another tenant")
    );

    let old = Connector {
        last_sign_in: Some(at("2026-01-01T00:00:00Z")),
        ..account("b")
    };
    let found = find(&STEP, &STALE, &of(vec![account("a"), old.clone()]));
    assert_eq!((found.status, found.title.as_str()), (Outcome::Warn, "b is left over"));
    // With no other in use it may be the one that counts.
    assert_eq!(find(&STEP, &STALE, &of(vec![old])).status, Outcome::Skipped);
    assert_eq!(find(&STEP, &STALE, &of(vec![account("a")])).status, Outcome::Pass);
    assert_eq!(find(&STEP, &FOUND, &of(Vec::new())).status, Outcome::Skipped);
}

#[test]
fn an_administrator_and_an_old_password_are_warned_of() {
    let strong = Connector {
        privileged_groups: vec!["X\\Domain Admins".into()],
        password_set: Some(at("2019-01-01T00:00:00Z")),
        ..account("a")
    };
    let s = of(vec![strong]);
    let found = find(&STEP, &PRIVILEGED, &s);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Warn, "a is in X\\Domain Admins")
    );
    assert_eq!(find(&STEP, &PASSWORD_AGE, &s).title, "set on 2019-01-01");
    let managed = Connector {
        kind: ConnectorKind::CloudSync,
        ..account("p$")
    };
    assert_eq!(
        find(&STEP, &PASSWORD_AGE, &of(vec![managed])).status,
        Outcome::NotApplicable
    );
}

#[test]
fn a_domain_that_was_not_read_is_no_pass_and_an_old_controller_fails() {
    let domain = |controller: Option<&str>, hints| Domain {
        name: "x".into(),
        controller: controller.map(str::to_string),
        policy_hints: hints,
        ..Default::default()
    };
    let forest = |domain| {
        let mut s = of(vec![account("a")]);
        s.facts.forests = known(vec![Forest {
            domains: vec![domain],
            ..Default::default()
        }]);
        find(&STEP, &COVERAGE, &s)
    };
    assert_eq!(forest(domain(Some("dc1"), Some(true))).status, Outcome::Pass);
    assert_eq!(forest(domain(Some("dc1"), Some(false))).status, Outcome::Fail);
    assert_eq!(forest(domain(None, None)).status, Outcome::Skipped);
    let found = forest(Domain {
        unread: Some("the directory refused the sign-in".into()),
        ..domain(None, None)
    });
    assert_eq!(found.reason.as_deref(), Some("x: the directory refused the sign-in"));
    assert_eq!(
        found.remediation.unwrap().command.as_deref(),
        Some("Connect-SsprDirectory -Domain x -Credential (Get-Credential)")
    );
    // What lies outside the forest is no part of it.
    let found = forest(Domain {
        elsewhere: vec!["ldap://other.invalid/DC=other".into()],
        ..domain(Some("dc1"), Some(true))
    });
    assert_eq!(found.status, Outcome::Pass);
    assert_eq!(
        found.evidence.last().unwrap().seen,
        "x: refers to ldap://other.invalid/DC=other, outside the forest, which was not followed"
    );
}
