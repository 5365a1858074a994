use super::*;
use crate::finding::Outcome;
use crate::snapshot::RefusalKind;
use crate::snapshot::directory::{Connector, Decision, Domain, Forest};
use crate::snapshot::graph::Organization;
use crate::steps::testing::{find, known, partial, refused, snapshot};

fn account(name: &str) -> Connector {
    Connector {
        name: name.into(),
        enabled: true,
        ..Default::default()
    }
}

fn group(cause: Cause, count: u64) -> CauseGroup {
    CauseGroup {
        cause,
        count,
        sample: vec!["CN=o'neil,OU=Sales,DC=x".into()],
    }
}

fn sales() -> Cause {
    Cause::Inheritance {
        container: "OU=Sales,OU=Staff,DC=x".into(),
    }
}

fn domain(connector: &str, groups: Vec<CauseGroup>) -> DomainAccess {
    DomainAccess {
        domain: "x".into(),
        connector: connector.into(),
        users: 20_006,
        unexpire: Some(Decision {
            allowed: true,
            by: "allowed to Authenticated Users (explicit)".into(),
        }),
        refused: groups,
        ..Default::default()
    }
}

fn of(access: Vec<DomainAccess>) -> Snapshot {
    let mut s = snapshot();
    s.facts.connectors = known(vec![account("X\\MSOL_1"), account("X\\MSOL_2")]);
    s.facts.directory_access = known(access);
    s
}

#[test]
fn the_largest_cause_is_the_headline_and_the_whole_is_told() {
    let other = Cause::Inheritance {
        container: "OU=Lab,DC=x".into(),
    };
    let s = of(vec![domain("X\\MSOL_1", vec![group(other, 12), group(sales(), 4_400)])]);
    let found = find(&STEP, &INHERITANCE, &s);
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(
        found.title,
        "4,412 of 20,006 users refused: inheritance is off on OU=Sales,OU=Staff, and 1 other cause"
    );
    assert_eq!(found.affected.as_ref().unwrap().count, 4_412);
    let command = found.remediation.unwrap().command.unwrap();
    assert_eq!(command, "Get-SsprDirectoryPermission -User 'CN=o''neil,OU=Sales,DC=x'");
    // What stands in the way there is no fault of the grants elsewhere.
    let granted = find(&STEP, &GRANTED, &s);
    assert_eq!(granted.status, Outcome::Pass);
    assert!(
        granted.title.starts_with("15,594 of 20,006 enabled users can be reset"),
        "{}",
        granted.title
    );
}

#[test]
fn a_user_who_is_refused_to_two_accounts_is_one() {
    let s = of(vec![
        domain("X\\MSOL_1", vec![group(sales(), 10)]),
        domain("X\\MSOL_2", vec![group(sales(), 12)]),
    ]);
    assert_eq!(find(&STEP, &INHERITANCE, &s).affected.unwrap().count, 12);
}

#[test]
fn an_account_that_is_left_over_does_not_count() {
    let mut s = of(vec![
        domain("X\\MSOL_1", Vec::new()),
        domain(
            "X\\MSOL_2",
            vec![group(
                Cause::NotGranted {
                    right: "Reset Password".into(),
                },
                20_006,
            )],
        ),
    ]);
    let mut old = account("X\\MSOL_2");
    old.last_sign_in = Some("2026-01-01T00:00:00Z".parse().unwrap());
    s.facts.connectors = known(vec![account("X\\MSOL_1"), old]);
    assert_eq!(find(&STEP, &GRANTED, &s).status, Outcome::Pass);
}

#[test]
fn a_domain_is_judged_by_its_own_accounts() {
    let all = || {
        vec![group(
            Cause::NotGranted {
                right: "Reset Password".into(),
            },
            20_006,
        )]
    };
    let mut child = domain("C\\MSOL_1", Vec::new());
    child.domain = "c.x".into();
    let mut foreign = domain("X\\MSOL_1", all());
    foreign.domain = "c.x".into();
    let mut s = of(vec![domain("X\\MSOL_1", Vec::new()), child, foreign.clone()]);
    let of_domain = |name: &str, domain: &str| Connector {
        domain: domain.into(),
        ..account(name)
    };
    s.facts.connectors = known(vec![of_domain("X\\MSOL_1", "x"), of_domain("C\\MSOL_1", "c.x")]);
    assert_eq!(find(&STEP, &GRANTED, &s).status, Outcome::Pass);
    // One without accounts of its own is served by the forest's.
    s.facts.connectors = known(vec![of_domain("X\\MSOL_1", "x")]);
    assert_eq!(find(&STEP, &GRANTED, &s).status, Outcome::Fail);
}

#[test]
fn each_cause_has_its_own_check() {
    let denied = Cause::Denied {
        right: "Reset Password".into(),
        trustee: "X\\Writers".into(),
        container: Some("OU=Field,DC=x".into()),
    };
    for (check, cause, status, says) in [
        (
            &DENIED,
            denied,
            Outcome::Fail,
            "Reset Password is denied to X\\Writers at OU=Field",
        ),
        (&ADMINISTRATORS, Cause::AdminSdHolder, Outcome::Warn, "AdminSDHolder"),
        (&INHERITANCE, Cause::UserInheritance, Outcome::Fail, "on the user"),
    ] {
        let found = find(&STEP, check, &of(vec![domain("X\\MSOL_1", vec![group(cause, 3)])]));
        assert_eq!(found.status, status, "{}", check.id);
        assert!(
            found.title.starts_with("3 of 20,006 users refused") && found.title.contains(says),
            "{}",
            found.title
        );
    }
    let mut people = domain("X\\MSOL_1", vec![group(Cause::InetOrgPerson, 3)]);
    assert_eq!(
        find(&STEP, &INET_ORG_PERSON, &of(vec![people.clone()])).status,
        Outcome::NotApplicable
    );
    people.inet_org_persons = 3;
    assert_eq!(find(&STEP, &INET_ORG_PERSON, &of(vec![people])).status, Outcome::Fail);
}

#[test]
fn unexpire_fails_where_nothing_grants_it() {
    let mut lacking = domain("X\\MSOL_1", Vec::new());
    lacking.unexpire = Some(Decision {
        allowed: false,
        by: "no entry grants it".into(),
    });
    let found = find(&STEP, &UNEXPIRE, &of(vec![lacking.clone()]));
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Fail, "not granted on x")
    );
    // What cannot be read proves nothing.
    lacking.unexpire = None;
    let found = find(&STEP, &UNEXPIRE, &of(vec![lacking]));
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Skipped, "the security descriptor of x cannot be read")
    );
}

#[test]
fn users_whose_descriptor_cannot_be_read_are_neither_granted_nor_refused() {
    let unread = || group(Cause::Unreadable, 3);
    let found = find(&STEP, &GRANTED, &of(vec![domain("X\\MSOL_1", vec![unread()])]));
    assert_eq!(
        (found.status, found.title.as_str()),
        (
            Outcome::Skipped,
            "3 of 20,006 users: the security descriptor cannot be read"
        )
    );
    assert!(found.remediation.unwrap().text.contains("Read permissions"));
    assert!(found.evidence[0].seen.contains("o'neil"));
    let missing = Cause::NotGranted {
        right: "Reset Password".into(),
    };
    let all = vec![group(missing, 5), unread()];
    let found = find(&STEP, &GRANTED, &of(vec![domain("X\\MSOL_1", all)]));
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(found.affected.unwrap().count, 5);
    assert!(found.evidence.iter().any(|seen| seen.seen.starts_with("3 of 20,006")));
}

#[test]
fn objects_whose_descriptor_cannot_be_read_are_named() {
    let mut access = domain("X\\MSOL_1", Vec::new());
    access.reads = vec![crate::snapshot::directory::Read {
        object: "DC=x".into(),
        decision: Decision {
            allowed: true,
            by: String::new(),
        },
    }];
    access.unread = vec!["CN=AdminSDHolder,CN=System,DC=x".into()];
    let status = |access: &DomainAccess| find(&STEP, &CONNECT_READS, &of(vec![access.clone()]));
    assert_eq!(status(&access).status, Outcome::Pass);
    access.unread.push("CN=Builtin,DC=x".into());
    let found = status(&access);
    assert_eq!(found.status, Outcome::Skipped);
    assert_eq!(
        found.reason.unwrap(),
        "The security descriptors of CN=Builtin could not be read."
    );
}

/// What AdminSDHolder grants, of the rights in their order.
fn held(granted: [bool; 3]) -> Vec<crate::snapshot::directory::Held> {
    let rights = ["Reset Password", "Write lockoutTime", "Write pwdLastSet"];
    let one = |(right, allowed): (&str, bool)| crate::snapshot::directory::Held {
        right: right.into(),
        decision: Decision {
            allowed,
            by: if allowed {
                "allowed to X\\MSOL_1 (explicit)"
            } else {
                "no entry grants it"
            }
            .into(),
        },
    };
    rights.into_iter().zip(granted).map(one).collect()
}

#[test]
fn an_account_that_may_reset_administrators_is_a_risk() {
    let with = |granted: Option<[bool; 3]>, refused: Vec<CauseGroup>| {
        let mut access = domain("X\\MSOL_1", refused);
        access.admin_sd_holder = granted.map(held).unwrap_or_default();
        find(&STEP, &ADMINISTRATORS, &of(vec![access]))
    };
    let found = with(Some([true, true, false]), Vec::new());
    assert_eq!((found.status, found.severity), (Outcome::Warn, Severity::Low));
    assert_eq!(
        found.title,
        "X\\MSOL_1 may reset administrators of x: AdminSDHolder grants it Reset Password"
    );
    let seen = &found.evidence.last().unwrap().seen;
    assert_eq!(
        seen,
        "x: AdminSDHolder itself grants X\\MSOL_1 Reset Password (allowed to X\\MSOL_1 (explicit)), Write lockoutTime (allowed to X\\MSOL_1 (explicit)), and does not grant Write pwdLastSet (no entry grants it)"
    );
    // Those who are refused all the same are still told.
    let found = with(Some([true; 3]), vec![group(Cause::AdminSdHolder, 4)]);
    assert_eq!(found.affected.unwrap().count, 4);
    assert!(found.title.starts_with("X\\MSOL_1 may reset"));

    let found = with(Some([false; 3]), vec![group(Cause::AdminSdHolder, 4)]);
    assert_eq!(found.status, Outcome::Warn);
    assert!(found.title.starts_with("4 of 20,006 users refused"), "{}", found.title);
    assert!(
        found
            .evidence
            .last()
            .unwrap()
            .seen
            .starts_with("x: AdminSDHolder itself does not grant X\\MSOL_1 Reset Password"),
    );
    let found = with(Some([false, true, true]), Vec::new());
    assert_eq!(found.status, Outcome::Pass);
    let found = with(None, Vec::new());
    assert_eq!(found.status, Outcome::Pass);
    assert!(found.evidence.last().unwrap().seen.ends_with("is not known"));
}

#[test]
fn a_restriction_of_the_controllers_fails_where_it_leaves_the_account_out() {
    let with = |sddl: Option<&str>, allowed, unread: Option<&str>| {
        let mut access = domain("X\\MSOL_1", Vec::new());
        access.remote_sam = crate::snapshot::directory::RemoteSam {
            policy: sddl.map(|_| "Hardened".into()),
            sddl: sddl.map(str::to_string),
            allowed,
            unread: unread.map(str::to_string),
        };
        find(&STEP, &REMOTE_SAM, &of(vec![access]))
    };
    let found = with(Some("D:(A;;RC;;;BA)"), Some(false), None);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Fail, "Hardened keeps X\\MSOL_1 from asking the controllers")
    );
    assert_eq!(with(Some("D:(A;;RC;;;AU)"), Some(true), None).status, Outcome::Pass);
    assert_eq!(with(Some("?"), None, None).status, Outcome::Skipped);
    assert_eq!(with(None, None, Some("not here")).status, Outcome::Skipped);
    assert_eq!(with(None, None, None).status, Outcome::Pass);
}

#[test]
fn what_was_not_read_or_only_in_part_is_no_pass() {
    let mut s = of(vec![domain("X\\MSOL_1", Vec::new())]);
    s.facts.directory_access = partial(vec![domain("X\\MSOL_1", Vec::new())]);
    let findings = check(&s);
    assert!(
        findings.iter().all(|found| found.status != Outcome::Pass),
        "{findings:#?}"
    );
    s.facts.directory_access = refused(RefusalKind::Unreachable, "x: no answer.", None);
    assert!(check(&s).iter().all(|found| found.status == Outcome::Skipped));
    s.facts.directory_access = crate::snapshot::Fact::NotAsked;
    let found = find(&STEP, &GRANTED, &s);
    assert!(
        found
            .remediation
            .unwrap()
            .command
            .unwrap()
            .starts_with("Connect-SsprDirectory")
    );
    s.facts.directory_access = known(Vec::new());
    assert!(check(&s).iter().all(|found| found.status == Outcome::Skipped));
    s.facts.organization = known(Organization::default());
    assert!(check(&s).iter().all(|found| found.status == Outcome::NotApplicable));
}

/// The checks of users that a scan must have seen.
const OF_USERS: [&Check; 5] = [
    &INHERITANCE,
    &DENIED,
    &ADMINISTRATORS,
    &RESERVED_NAMES,
    &CHANGE_PASSWORD,
];

#[test]
fn where_no_user_was_weighed_nothing_passes() {
    let nobody = DomainAccess {
        users: 0,
        ..domain("X\\MSOL_1", Vec::new())
    };
    let s = of(vec![nobody.clone()]);
    for check in OF_USERS.iter().chain(&[&GRANTED, &INET_ORG_PERSON]) {
        let found = find(&STEP, check, &s);
        assert_eq!(
            (found.status, found.title.as_str()),
            (Outcome::Skipped, "no enabled user was seen in x"),
            "{}",
            check.id
        );
        assert!(found.reason.unwrap().contains("lack the right"));
    }
    let unread = domain("X\\MSOL_1", vec![group(Cause::Unreadable, 20_006)]);
    let s = of(vec![unread]);
    for check in OF_USERS.iter().chain(&[&GRANTED]) {
        let found = find(&STEP, check, &s);
        // Names are read without descriptors.
        let outcome = if check.id == RESERVED_NAMES.id {
            Outcome::Pass
        } else {
            Outcome::Skipped
        };
        assert_eq!(found.status, outcome, "{}: {}", check.id, found.title);
    }
    // One domain's users are no answer for another's.
    let mut child = nobody.clone();
    child.domain = "c.x".into();
    let s = of(vec![domain("X\\MSOL_1", Vec::new()), child.clone()]);
    for check in OF_USERS.iter().chain(&[&GRANTED]) {
        let found = find(&STEP, check, &s);
        assert_eq!(
            (found.status, found.title.as_str()),
            (Outcome::Skipped, "no enabled user was seen in c.x"),
            "{}",
            check.id
        );
    }
    // A domain whose users are all disabled was seen.
    child.barred = vec![group(Cause::Disabled, 1)];
    let s = of(vec![domain("X\\MSOL_1", Vec::new()), child.clone()]);
    for check in OF_USERS.iter().chain(&[&GRANTED]) {
        assert_eq!(find(&STEP, check, &s).status, Outcome::Pass, "{}", check.id);
    }
    for check in OF_USERS.iter().chain(&[&GRANTED, &INET_ORG_PERSON]) {
        assert_eq!(
            find(&STEP, check, &of(vec![child.clone()])).status,
            Outcome::NotApplicable,
            "{}",
            check.id
        );
    }
    // What is wrong elsewhere is told all the same.
    let s = of(vec![
        domain("X\\MSOL_1", vec![group(sales(), 3)]),
        DomainAccess {
            domain: "c.x".into(),
            ..nobody
        },
    ]);
    assert_eq!(find(&STEP, &INHERITANCE, &s).status, Outcome::Fail);
}

#[test]
fn a_domain_where_no_account_in_use_was_weighed_is_no_pass() {
    let mut s = of(vec![domain("X\\MSOL_1", Vec::new())]);
    let named = |name: &str| Domain {
        name: name.into(),
        ..Default::default()
    };
    let mut one = account("X\\MSOL_1");
    one.domain = "x".into();
    s.facts.connectors = known(vec![one]);
    s.facts.forests = known(vec![Forest {
        domains: vec![named("x")],
        ..Default::default()
    }]);
    assert_eq!(find(&STEP, &GRANTED, &s).status, Outcome::Pass);
    s.facts.forests.value_mut().unwrap()[0].domains.push(named("c.x"));
    for check in OF_USERS.iter().chain(&[&GRANTED, &UNEXPIRE]) {
        let found = find(&STEP, check, &s);
        assert_eq!(found.status, Outcome::Skipped, "{}", check.id);
        assert!(found.reason.unwrap().contains("c.x"));
    }
    // Another forest has accounts of its own, or none that write back.
    s.facts.forests.value_mut().unwrap()[0].domains.pop();
    s.facts.forests.value_mut().unwrap().push(Forest {
        domains: vec![named("y")],
        ..Default::default()
    });
    assert_eq!(find(&STEP, &GRANTED, &s).status, Outcome::Pass);
}

#[test]
fn disabled_and_locked_out_users_are_told_and_no_failure() {
    let mut access = domain("X\\MSOL_1", Vec::new());
    access.barred = vec![group(Cause::Disabled, 300), group(Cause::LockedOut, 4)];
    let found = find(
        &STEP,
        &GRANTED,
        &of(vec![
            access.clone(),
            DomainAccess {
                connector: "X\\MSOL_2".into(),
                ..access
            },
        ]),
    );
    assert_eq!(found.status, Outcome::Pass);
    let seen: Vec<&str> = found.evidence.iter().map(|seen| seen.seen.as_str()).collect();
    assert_eq!(
        seen[1..],
        [
            "x: the user is disabled: 300 users, such as CN=o'neil,OU=Sales,DC=x",
            "x: the user is locked out now: 4 users, such as CN=o'neil,OU=Sales,DC=x"
        ]
    );
}

/// Where accounts or a domain were not found, nothing is planned there; that is told, and is not called no difference.
#[test]
fn a_plan_tells_of_what_was_not_weighed() {
    use crate::snapshot::directory::Grants;
    let desired = r#"{"schemaVersion":1,"directoryPermissions":{"users":true,"unexpirePassword":true}}"#;
    let desired = DesiredState::from_json(desired).unwrap();
    let steps = crate::steps::chosen(&["directory_permissions".into()], &[]).unwrap();
    let grants = |serves| Grants {
        domain: "x".into(),
        object: "DC=x".into(),
        connector: "svc".into(),
        serves,
        ..Default::default()
    };
    for (fact, says) in [
        (known(vec![]), Some("no connector account in use was found")),
        (
            known(vec![grants(false)]),
            Some("no connector account in use was found"),
        ),
        (partial(vec![grants(true)]), Some("Directory permissions: ")),
        (known(vec![grants(true)]), None),
    ] {
        let mut snapshot = snapshot();
        snapshot.facts.directory_grants = fact;
        let plan = crate::plan::plan(&snapshot, &desired, &steps, Default::default());
        assert!(plan.changes.is_empty());
        let told = plan.unread.join(" ");
        assert!(
            says.map_or(told.is_empty(), |says| told.contains(says)),
            "{says:?}: {told}"
        );
        let screen = crate::report::plan::lines(&plan).join(" ");
        assert_eq!(screen.contains("Nothing differs"), says.is_none(), "{screen}");
    }
}
