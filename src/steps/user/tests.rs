//! A table of users, each with the first link that is broken; and each row of the failure catalogue with the case that makes
//! it, or why none does.

use super::{LINKS, chain, verdict};
use crate::finding::{Finding, Outcome};
use crate::snapshot::connect::{ConnectServer, Setting, SyncEvent};
use crate::snapshot::person::Person;
use crate::snapshot::portal::OnPremisesResetPolicy;
use crate::snapshot::{Fact, RefusalKind, Snapshot};
use crate::steps::fixture::{empty, known, method, methods, portal, refused, report, user};
use crate::steps::testing;
use serde_json::{Value, json};

const CONNECTOR: &str = "EXAMPLE\\MSOL_1";
const DAY: u64 = 24 * 60 * 60;

/// A tenant where everything is right.
fn tenant() -> Snapshot {
    let mut snapshot = empty();
    let facts = &mut snapshot.facts;
    let from = |value: Value| serde_json::from_value(value).expect("a fixture");
    facts.organization = known(
        serde_json::from_value(json!({"onPremisesSyncEnabled": true,
        "verifiedDomains": [{"name": "contoso.example"}]}))
        .expect("a fixture"),
    );
    facts.subscribed_skus = known(from(
        json!([{"skuPartNumber": "AAD_PREMIUM", "skuId": "s1", "capabilityStatus": "Enabled",
        "prepaidUnits": {"enabled": 10}, "servicePlans": [{"servicePlanId": crate::snapshot::graph::P1, "provisioningStatus": "Success"}]}]),
    ));
    facts.subscriptions = known(Vec::new());
    facts.methods_policy = methods(vec![
        method("MicrosoftAuthenticator", &["all_users"]),
        method("Email", &["all_users"]),
    ]);
    facts.conditional_access = known(Vec::new());
    facts.portal_reset_policy = known(portal(2));
    facts.portal_on_premises = known(OnPremisesResetPolicy {
        password_writeback_supported: Some(true),
        ..Default::default()
    });
    snapshot
}

/// A synced user of whom everything is right.
fn person() -> Person {
    let mut own = report(vec![user(1, &["microsoftAuthenticatorPush", "email"], true)], &[]);
    own.rows = 1;
    Person {
        asked: "ann@contoso.example".into(),
        account: known(
            json!({"id": "00000000-0000-4000-8000-00000000000a", "userPrincipalName": "ann@contoso.example",
            "accountEnabled": true, "userType": "Member", "onPremisesSyncEnabled": true, "onPremisesImmutableId": "x",
            "onPremisesDomainName": "contoso.example", "onPremisesDistinguishedName": "CN=ann,OU=a,DC=contoso,DC=example",
            "assignedLicenses": [{"skuId": "s1"}],
            "assignedPlans": [{"servicePlanId": crate::snapshot::graph::P1, "capabilityStatus": "Enabled"}]}),
        ),
        groups: known(Vec::new()),
        registration: known(own),
        events: known(Vec::new()),
        directory: known(account()),
    }
}

/// A Connect server, with writeback on or off.
fn server(on: bool) -> ConnectServer {
    let setting = |of: &str, name: &str, value: bool| Setting {
        of: of.into(),
        name: name.into(),
        value: value.into(),
    };
    ConnectServer {
        computer: "SYNC1".into(),
        read_at: Some(testing::at(testing::NOW)),
        service: Some("Running".into()),
        settings: vec![
            setting("passwordReset", "Enabled", on),
            setting("scheduler", "StagingModeEnabled", false),
        ],
        events: vec![SyncEvent {
            provider: "PasswordResetService".into(),
            id: 31019,
            line: String::new(),
            count: 200,
            first: None,
            last: Some(testing::at("2026-11-23T08:57:00Z")),
        }],
        ..ConnectServer::default()
    }
}

/// The account on premises, as `sspr_directory_user` tells it.
fn account() -> Value {
    json!({"asked": "S-1-5-21-1-2-3-1104", "dn": "CN=ann,OU=a,DC=contoso,DC=example", "name": "ann",
        "userPrincipalName": "ann@contoso.example", "sid": "S-1-5-21-1-2-3-1104", "domain": "contoso.example", "class": "user",
        "enabled": true, "locked": false, "adminCount": false, "inheritance": true,
        "accounts": [may(CONNECTOR)],
        "password": {"fineGrained": null, "policy": {"minimumAge": 0}, "set": "2026-11-01T08:00:00Z", "resetFrom": null,
            "mustChange": false, "neverExpires": false}})
}

fn may(connector: &str) -> Value {
    json!({"connector": connector, "canReset": true, "cause": null, "rights": [
        {"right": "Reset Password", "needed": true, "allowed": true, "by": "allowed to EXAMPLE\\MSOL_1 on OU=a"}]})
}

fn may_not(cause: Value) -> Value {
    json!({"connector": CONNECTOR, "canReset": false, "cause": cause, "rights": [
        {"right": "Reset Password", "needed": true, "allowed": false, "by": "granted by nothing"}]})
}

fn directory(differences: Value) -> Person {
    let mut own = account();
    for (name, value) in differences.as_object().expect("members") {
        own[name] = value.clone();
    }
    Person {
        directory: known(own),
        ..person()
    }
}

fn refused_for(cause: Value) -> Person {
    directory(json!({"accounts": [may_not(cause)]}))
}

fn tenants(differences: Value) -> Person {
    let mut person = person();
    let account = person.account.value_mut().expect("an account");
    for (name, value) in differences.as_object().expect("members") {
        account[name] = value.clone();
    }
    person
}

fn event(activity: &str, result: &str, reason: &str, agent: &str, at: &str) -> Value {
    json!({"activityDateTime": at, "activityDisplayName": activity, "result": result, "resultReason": reason,
        "additionalDetails": [{"key": "OnPremisesAgent", "value": agent}]})
}

fn events(all: Vec<Value>) -> Person {
    Person {
        events: known(all),
        ..person()
    }
}

/// One case: its name, the snapshot, the user, whether the user can reset, the first broken link or the one to watch (`~`) or that
/// could not be read (`?`), and what its title holds.
struct Case(&'static str, Snapshot, Person, &'static str, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let on = |name, person, answer, link, says| Case(name, tenant(), person, answer, link, says);
    let password = |differences: Value| {
        let mut own = account()["password"].clone();
        for (name, value) in differences.as_object().expect("members") {
            own[name] = value.clone();
        }
        directory(json!({ "password": own }))
    };
    let alone = |person: Person| Person {
        account: Fact::NotAsked,
        groups: Fact::NotAsked,
        registration: Fact::NotAsked,
        events: Fact::NotAsked,
        ..person
    };
    let without = |change: fn(&mut Snapshot)| {
        let mut snapshot = tenant();
        change(&mut snapshot);
        snapshot
    };
    let unread = || refused::<Value>("LDAP");
    vec![
        on("whole", person(), "Yes", "", ""),
        on(
            "disabled",
            directory(json!({"enabled": false})),
            "No",
            "enabled",
            "disabled on premises",
        ),
        on(
            "locked",
            directory(json!({"locked": true})),
            "Yes",
            "~locked",
            "locked out on premises",
        ),
        on(
            "young",
            password(
                json!({"policy": {"minimumAge": DAY}, "set": "2026-11-23T08:00:00Z", "resetFrom": "2026-11-24T08:00:00Z"}),
            ),
            "No",
            "password_age",
            "it can be reset from 2026-11-24 08:00 UTC",
        ),
        on(
            "young-fine",
            password(
                json!({"fineGrained": "Strict", "policy": {"minimumAge": 5 * DAY}, "set": "2026-11-23T08:00:00Z", "resetFrom": "2026-11-28T08:00:00Z"}),
            ),
            "No",
            "password_age",
            "too young",
        ),
        on(
            "old-enough",
            password(json!({"policy": {"minimumAge": DAY}, "resetFrom": "2026-11-02T08:00:00Z"})),
            "Yes",
            "",
            "",
        ),
        on(
            "dark-policy",
            password(json!({"fineGrained": "CN=Hidden,CN=x", "policy": null})),
            "Unknown",
            "?password_age",
            "cannot be read",
        ),
        on(
            "must-change",
            password(json!({"mustChange": true})),
            "Yes",
            "~must_change",
            "must change the password",
        ),
        on(
            "not-granted",
            refused_for(json!({"kind": "notGranted", "right": "Reset Password"})),
            "No",
            "rights",
            "nothing grants Reset Password",
        ),
        on(
            "inheritance",
            refused_for(json!({"kind": "inheritance", "container": "OU=a,DC=contoso,DC=example"})),
            "No",
            "rights",
            "inheritance is off on",
        ),
        on(
            "own-inheritance",
            refused_for(json!({"kind": "userInheritance"})),
            "No",
            "rights",
            "inheritance is off on the user",
        ),
        on(
            "protected",
            directory(
                json!({"adminCount": true, "inheritance": false, "accounts": [may_not(json!({"kind": "adminSdHolder"}))]}),
            ),
            "No",
            "protected",
            "AdminSDHolder protects",
        ),
        on(
            "marked",
            directory(json!({"adminCount": true})),
            "Yes",
            "~protected",
            "adminCount is 1",
        ),
        on(
            "denied",
            refused_for(
                json!({"kind": "denied", "right": "Reset Password", "trustee": "EXAMPLE\\x", "container": null}),
            ),
            "No",
            "rights",
            "Reset Password is denied to EXAMPLE\\x",
        ),
        on(
            "inet-org-person",
            refused_for(json!({"kind": "inetOrgPerson"})),
            "No",
            "rights",
            "for the class user",
        ),
        on(
            "dark-descriptor",
            refused_for(json!({"kind": "unreadable"})),
            "Unknown",
            "?rights",
            "cannot be read",
        ),
        on(
            "one-of-two",
            directory(
                json!({"accounts": [may("EXAMPLE\\MSOL_2"), may_not(json!({"kind": "notGranted", "right": "Reset Password"}))]}),
            ),
            "Yes",
            "~rights",
            "EXAMPLE\\MSOL_1 may not reset it",
        ),
        on(
            "no-own-change",
            {
                let mut account = may(CONNECTOR);
                account["rights"] = json!([account["rights"][0], {"right": "Change Password", "needed": false, "allowed": false,
                    "by": "denied to Everyone (explicit)"}]);
                directory(json!({"accounts": [account]}))
            },
            "Yes",
            "~rights",
            "cannot change the password in the cloud",
        ),
        on(
            "no-connector",
            directory(json!({"accounts": []})),
            "Unknown",
            "?rights",
            "no connector account is known",
        ),
        on(
            "reserved-name",
            directory(json!({"reservedName": "OU=East\\, West,DC=contoso,DC=example"})),
            "No",
            "directory",
            "holds a reserved character",
        ),
        on(
            "gone-there",
            Person {
                directory: known(Value::Null),
                ..person()
            },
            "No",
            "directory",
            "not found in the directories",
        ),
        on(
            "dark-domain",
            Person {
                directory: unread(),
                ..person()
            },
            "Unknown",
            "?directory",
            "not readable",
        ),
        on(
            "not-connected",
            Person {
                directory: Fact::NotAsked,
                ..person()
            },
            "Unknown",
            "?directory",
            "was not looked at",
        ),
        on("directory-alone", alone(person()), "Yes", "", ""),
        on(
            "directory-alone-disabled",
            alone(directory(json!({"enabled": false}))),
            "No",
            "enabled",
            "disabled",
        ),
        on(
            "nobody-there",
            alone(Person {
                directory: known(Value::Null),
                ..person()
            }),
            "No",
            "directory",
            "no such user in the directory",
        ),
        on(
            "not-synced-yet",
            Person {
                account: known(Value::Null),
                groups: known(Vec::new()),
                ..person()
            },
            "No",
            "account",
            "no such user in the tenant",
        ),
        on(
            "blocked-sign-in",
            tenants(json!({"accountEnabled": false})),
            "No",
            "account",
            "sign-in is blocked",
        ),
        on(
            "unlicensed",
            {
                let mut person = tenants(json!({"assignedPlans": [], "assignedLicenses": []}));
                let report = person.registration.value_mut().expect("a report");
                (report.cohorts[0].key.sspr_enabled, report.cohorts[0].key.sspr_capable) = (false, false);
                person
            },
            "No",
            "license",
            "no licence",
        ),
        on(
            "grace",
            tenants(
                json!({"assignedPlans": [{"servicePlanId": crate::snapshot::graph::P2, "capabilityStatus": "Warning"}]}),
            ),
            "Yes",
            "",
            "",
        ),
        on(
            "new",
            Person {
                registration: known(report(Vec::new(), &[])),
                ..person()
            },
            "Unknown",
            "?registered",
            "not in the registration report",
        ),
        on(
            "dark-report",
            Person {
                registration: refused("AuditLog.Read.All"),
                ..person()
            },
            "Unknown",
            "?registered",
            "needs AuditLog.Read.All",
        ),
        // Who may have registered is not said to be kept from it.
        Case(
            "new-and-nobody-is-asked",
            without(|snapshot| {
                let mut policy = portal(2);
                policy.registration_required_on_sign_in = Some(false);
                snapshot.facts.portal_reset_policy = known(policy);
            }),
            Person {
                registration: known(report(Vec::new(), &[])),
                ..person()
            },
            "Unknown",
            "~asked",
            "nobody is",
        ),
        Case(
            "dark-report-and-nobody-is-asked",
            without(|snapshot| {
                let mut policy = portal(2);
                policy.registration_required_on_sign_in = Some(false);
                snapshot.facts.portal_reset_policy = known(policy);
            }),
            Person {
                registration: refused("AuditLog.Read.All"),
                ..person()
            },
            "Unknown",
            "~asked",
            "nobody is",
        ),
        Case(
            "capable-by-questions",
            without(|snapshot| {
                let mut policy = portal(2);
                policy.security_questions_option_enabled = Some(true);
                snapshot.facts.portal_reset_policy = known(policy);
            }),
            Person {
                registration: known(report(vec![user(1, &["securityQuestion", "email"], true)], &[])),
                ..person()
            },
            "Yes",
            "~retirements",
            "security questions end",
        ),
        Case(
            "writeback-off",
            without(|snapshot| {
                snapshot.facts.portal_on_premises = known(OnPremisesResetPolicy {
                    password_writeback_supported: Some(false),
                    enablement_for_tenant: Some(false),
                    ..Default::default()
                });
            }),
            person(),
            "No",
            "writeback",
            "password writeback is off",
        ),
        Case(
            "server-off",
            without(|snapshot| snapshot.facts.connect_servers = known(vec![server(false)])),
            person(),
            "No",
            "writeback",
            "SYNC1",
        ),
        Case(
            "server-on",
            without(|snapshot| snapshot.facts.connect_servers = known(vec![server(true)])),
            person(),
            "Yes",
            "",
            "",
        ),
        Case(
            "dark-writeback",
            without(|snapshot| {
                snapshot.facts.portal_on_premises =
                    testing::refused(RefusalKind::SignIn, "An app has no portal.", None);
            }),
            person(),
            "Unknown",
            "?writeback",
            "writeback",
        ),
        Case(
            "dark-policy-cloud",
            without(|snapshot| {
                snapshot.facts.methods_policy = refused("Policy.Read.AuthenticationMethod");
            }),
            person(),
            "Unknown",
            "?methods",
            "needs Policy.Read.AuthenticationMethod",
        ),
        on(
            "blocked-now",
            events(vec![event(
                "Blocked from self-service password reset",
                "failure",
                "",
                "",
                "2026-11-23T07:00:00Z",
            )]),
            "No",
            "blocked",
            "until 2026-11-24 07:00 UTC",
        ),
        on(
            "blocked-long-ago",
            events(vec![event(
                "Blocked from self-service password reset",
                "failure",
                "",
                "",
                "2026-11-20T07:00:00Z",
            )]),
            "Yes",
            "",
            "",
        ),
        on(
            "unreached",
            events(vec![event(
                "Reset password (self-service)",
                "failure",
                "OnPremisesConnectivityError",
                "None",
                "2026-11-23T07:00:00Z",
            )]),
            "Yes",
            "~last_reset",
            "Microsoft does not reach the Connect server",
        ),
        on(
            "refused-there",
            events(vec![event(
                "Reset password (self-service)",
                "failure",
                "OnPremisesAdminActionRequired",
                "None",
                "2026-11-23T07:00:00Z",
            )]),
            "Yes",
            "~last_reset",
            "the connector account lacks a right",
        ),
        on(
            "half-written",
            events(vec![event(
                "Reset password (self-service)",
                "failure",
                "OnPremisesSuccessCloudFailure",
                "Microsoft Entra Connect",
                "2026-11-23T07:00:00Z",
            )]),
            "Yes",
            "~last_reset",
            "the directory took the new password, and the cloud did not",
        ),
        on(
            "lost",
            events(vec![event(
                "Reset password (by admin)",
                "success",
                "",
                "None",
                "2026-11-23T07:00:00Z",
            )]),
            "Yes",
            "~last_reset",
            "never reached the directory",
        ),
        on(
            "right-again",
            events(vec![
                event(
                    "Reset password (self-service)",
                    "success",
                    "",
                    "Microsoft Entra Connect",
                    "2026-11-23T08:00:00Z",
                ),
                event(
                    "Reset password (self-service)",
                    "failure",
                    "OnPremisesConnectivityError",
                    "None",
                    "2026-11-23T07:00:00Z",
                ),
            ]),
            "Yes",
            "",
            "",
        ),
    ]
}

fn link<'l>(links: &'l [Finding], id: &str) -> &'l Finding {
    let found = links.iter().find(|link| link.id == format!("user.{id}"));
    found.unwrap_or_else(|| panic!("no link {id} in {links:#?}"))
}

#[test]
fn every_user_of_the_table_has_a_first_broken_link() {
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    for Case(name, snapshot, person, answer, expected, says) in &cases {
        let links = chain(&mut snapshot.clone(), person);
        let (can, first) = verdict(&links);
        assert_eq!(can, *answer, "{name}: {links:#?}");
        let broken = first.map_or("", |link| link.id.trim_start_matches("user."));
        let found = match (expected.strip_prefix('~'), expected.strip_prefix('?')) {
            (Some(id), _) => (broken.is_empty())
                .then(|| link(&links, id))
                .filter(|link| link.status == Outcome::Warn),
            (_, Some(id)) => (broken.is_empty())
                .then(|| link(&links, id))
                .filter(|link| link.status == Outcome::Skipped),
            _ if expected.is_empty() => {
                assert_eq!(broken, "", "{name}: {links:#?}");
                let watched = links.iter().find(|link| link.status == Outcome::Warn);
                assert!(watched.is_none(), "{name}: {watched:#?}");
                continue;
            }
            _ => first.filter(|_| broken == *expected),
        };
        let found = found.unwrap_or_else(|| panic!("{name}: {broken} in {links:#?}"));
        assert!(found.title.contains(says), "{name}: {}", found.title);
        assert!(found.reason.is_some(), "{name}: {found:#?}");
    }
}

#[test]
fn the_links_stand_in_their_order_and_each_is_known() {
    for Case(name, snapshot, person, ..) in &cases() {
        let place = |link: &Finding| LINKS.iter().position(|check| check.id == link.id);
        let places: Vec<Option<usize>> = chain(&mut snapshot.clone(), person).iter().map(place).collect();
        assert!(places.iter().all(Option::is_some), "{name}");
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {places:?}");
    }
    for check in LINKS {
        assert!(check.title.chars().count() <= 22, "{}", check.title);
    }
}

#[test]
fn a_cloud_only_user_needs_nothing_on_premises() {
    let mut person = tenants(json!({"onPremisesSyncEnabled": null, "onPremisesImmutableId": null}));
    person.directory = Fact::NotAsked;
    let links = chain(&mut tenant(), &person);
    assert_eq!(verdict(&links).0, "Yes", "{links:#?}");
    assert_eq!(link(&links, "writeback").status, Outcome::NotApplicable);
    assert!(!links.iter().any(|link| link.id == "user.directory"));
}

#[test]
fn the_deciding_entry_of_each_right_is_told() {
    let links = chain(&mut tenant(), &person());
    let seen = &link(&links, "rights").evidence[1].seen;
    assert_eq!(
        seen,
        "EXAMPLE\\MSOL_1: Reset Password allowed, allowed to EXAMPLE\\MSOL_1 on OU=a"
    );
}

#[test]
fn which_lockout_it_is_is_told() {
    let links = chain(&mut tenant(), &directory(json!({"locked": true})));
    let reason = link(&links, "locked").reason.as_deref().unwrap();
    assert!(
        reason.contains("ends this lockout") && reason.contains("Smart lockout in the tenant is another"),
        "{reason}"
    );
}

/// The cases that are rows of the catalogue. All rows, and how each is made, stand in `tests/catalogue.rs`.
const ROWS_OF_A_USER: &[(u8, &str)] = &[
    (1, "not-granted"),
    (2, "inheritance"),
    (3, "protected"),
    (4, "marked"),
    (11, "young"),
    (12, "young-fine"),
    (18, "gone-there"),
    (20, "unreached"),
    (21, "writeback-off"),
    (33, "no-own-change"),
    (34, "lost"),
    (36, "disabled"),
    (37, "reserved-name"),
    (38, "inet-org-person"),
    (41, "half-written"),
];

#[test]
fn what_the_catalogue_knows_of_one_user_is_told() {
    let cases = cases();
    for (row, name) in ROWS_OF_A_USER {
        let Some(Case(_, snapshot, person, ..)) = cases.iter().find(|case| case.0 == *name) else {
            panic!("row {row}: no case {name}");
        };
        let links = chain(&mut snapshot.clone(), person);
        let told = |link: &Finding| matches!(link.status, Outcome::Fail | Outcome::Warn);
        assert!(links.iter().any(told), "row {row}: {links:#?}");
    }
}
