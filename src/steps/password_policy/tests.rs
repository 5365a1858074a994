use super::*;
use crate::finding::Outcome;
use crate::snapshot::directory::FineGrained;
use crate::steps::testing::{find, known, partial, snapshot};

fn domain(minimum_age: u64, young: u64) -> DomainPasswords {
    DomainPasswords {
        domain: "x".into(),
        policy: PasswordPolicy {
            minimum_age,
            ..Default::default()
        },
        users: 1_000,
        young,
        fine_grained: Some(Vec::new()),
        ..Default::default()
    }
}

fn of(domain: DomainPasswords) -> Snapshot {
    let mut s = snapshot();
    s.facts.directory_passwords = known(vec![domain]);
    s
}

fn link(name: &str, days: Option<i64>) -> PolicyLink {
    PolicyLink {
        name: name.into(),
        enabled: true,
        computer_settings: true,
        minimum_age_days: days,
        ..Default::default()
    }
}

#[test]
fn an_age_that_hinders_nobody_today_is_a_warning() {
    for (age, young, status, title) in [
        (0, 0, Outcome::Pass, "0 in every domain that was read"),
        (DAY, 0, Outcome::Warn, "1 day in x; today nobody's password is so young"),
        (
            DAY,
            12,
            Outcome::Fail,
            "1 day in x: 12 of 1,000 users could not reset today",
        ),
        (
            7_200,
            1,
            Outcome::Fail,
            "2 hours in x: 1 of 1,000 users could not reset today",
        ),
    ] {
        let found = find(&STEP, &MINIMUM_AGE, &of(domain(age, young)));
        assert_eq!((found.status, found.title.as_str()), (status, title));
    }
    let mut s = of(domain(0, 0));
    s.facts.directory_passwords = partial(vec![domain(0, 0)]);
    assert_eq!(find(&STEP, &MINIMUM_AGE, &s).status, Outcome::Skipped);
}

#[test]
fn a_fine_grained_policy_counts_for_its_users_alone() {
    let fine = |users, young| FineGrained {
        name: "Strict".into(),
        policy: PasswordPolicy {
            minimum_age: 5 * DAY,
            ..Default::default()
        },
        users,
        young,
        ..Default::default()
    };
    let with = |fine: Option<Vec<FineGrained>>| {
        find(
            &STEP,
            &FINE_GRAINED,
            &of(DomainPasswords {
                fine_grained: fine,
                ..domain(0, 0)
            }),
        )
    };
    let found = with(Some(vec![fine(10, 2)]));
    assert_eq!(
        found.title,
        "Strict asks for 5 days of 10 users: 2 could not reset today"
    );
    assert_eq!(found.status, Outcome::Fail);
    assert_eq!(with(Some(vec![fine(10, 0)])).status, Outcome::Warn);
    assert_eq!(with(Some(vec![fine(0, 0)])).status, Outcome::Pass);
    assert_eq!(with(Some(Vec::new())).status, Outcome::Pass);
    // That none is seen is no proof where they cannot be seen.
    assert_eq!(with(None).status, Outcome::Skipped);
    // Nor that it is for nobody, where no user was seen.
    let nobody = DomainPasswords {
        users: 0,
        fine_grained: Some(vec![fine(0, 0)]),
        ..domain(0, 0)
    };
    assert_eq!(find(&STEP, &FINE_GRAINED, &of(nobody)).status, Outcome::Skipped);
}

#[test]
fn the_first_link_in_force_wins() {
    let with = |links: Vec<PolicyLink>| {
        find(
            &STEP,
            &GROUP_POLICY,
            &of(DomainPasswords {
                links,
                ..domain(DAY, 0)
            }),
        )
    };
    let off = PolicyLink {
        enabled: false,
        ..link("Off", Some(0))
    };
    let denied = PolicyLink {
        denied: true,
        unread: Some("not for them".into()),
        ..link("For clients", Some(3))
    };
    let found = with(vec![
        off,
        denied,
        link("Users only", None),
        link("Default", Some(1)),
        link("Later", Some(7)),
    ]);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Pass, "Default sets 1 day in x")
    );
    let found = with(vec![link("Changed", Some(0))]);
    assert_eq!(
        (found.status, found.title.as_str()),
        (Outcome::Warn, "Changed sets 0 days, but x has 1 day")
    );
    let stale = PolicyLink {
        version: Some(3),
        file_version: Some(2),
        ..link("Stale", Some(1))
    };
    assert_eq!(with(vec![stale]).status, Outcome::Warn);
    let unsound = PolicyLink {
        unsound: true,
        ..link("Unsound", Some(1000))
    };
    assert_eq!(with(vec![unsound]).status, Outcome::Warn);
    let unread = PolicyLink {
        unread: Some("not here".into()),
        ..link("Unread", None)
    };
    assert_eq!(with(vec![unread]).status, Outcome::Skipped);
    assert_eq!(with(Vec::new()).status, Outcome::Pass);
}

#[test]
fn a_minimum_that_is_not_below_the_maximum_is_a_person_s_to_set() {
    let desired = r#"{"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 42, "method": "sysvol"}}"#;
    let desired = DesiredState::from_json(desired).unwrap();
    for (maximum, of_domain, kind) in [
        (Some(42), None, Kind::Manual),
        (Some(43), None, Kind::Sysvol),
        (Some(-1), Some(10 * DAY), Kind::Sysvol),
        (None, Some(42 * DAY), Kind::Manual),
        (None, Some(43 * DAY), Kind::Sysvol),
        (None, None, Kind::Sysvol),
    ] {
        let mut own = domain(DAY, 0);
        own.policy.maximum_age = of_domain;
        own.links = vec![PolicyLink {
            maximum_age_days: maximum,
            ..link("Corporate", Some(1))
        }];
        let changes = plan(&of(own), &desired);
        assert_eq!(changes[0].kind, kind, "{maximum:?} {of_domain:?}");
        let first = changes[0]
            .by_hand
            .iter()
            .any(|text| text.contains("Maximum password age"));
        assert_eq!(first, kind == Kind::Manual);
    }
}

/// Only the controllers know whether they take it.
#[test]
fn an_object_with_a_wmi_filter_is_a_person_s_to_edit() {
    let desired = r#"{"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 0, "method": "sysvol"}}"#;
    let desired = DesiredState::from_json(desired).unwrap();
    for (age, wmi_filter, kinds) in [
        (DAY, false, &[Kind::Sysvol][..]),
        (DAY, true, &[Kind::Manual]),
        (0, true, &[]),
    ] {
        let mut own = domain(age, 0);
        let filtered = PolicyLink {
            wmi_filter,
            ..link("Servers", Some(1))
        };
        own.links = vec![filtered, link("Default", Some(1))];
        let changes = plan(&of(own), &desired);
        let found: Vec<Kind> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(found, kinds, "{age} {wmi_filter}");
        let told = changes.iter().any(|change| change.by_hand[0].contains("WMI filter"));
        assert_eq!(told, wmi_filter && age > 0);
    }
}

#[test]
fn what_the_winner_sets_is_planned_whatever_stands_in_the_domain() {
    let wanted = DesiredState::from_json(r#"{"schemaVersion":1,"passwordPolicy":{"minimumAgeDays":0}}"#).unwrap();
    let planned = |age, sets| {
        let links = vec![link("Default", sets)];
        plan(
            &of(DomainPasswords {
                links,
                ..domain(age, 0)
            }),
            &wanted,
        )
    };
    // The controllers set it back at their next refresh.
    let changes = planned(0, Some(1));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].before["minimumPasswordAgeDays"], 1);
    assert!(planned(DAY, Some(0)).is_empty(), "they have only not taken it yet");
    assert!(planned(0, None).is_empty());
    assert_eq!(planned(DAY, None)[0].before["minimumPasswordAgeDays"], 1);
}
