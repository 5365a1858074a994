use super::*;
use crate::finding::Outcome;
use crate::snapshot::RefusalKind;
use crate::snapshot::audit::ResetActivity;
use crate::snapshot::connect::{Relay, Setting, SyncConnector, SyncEvent, SyncPartition, SyncRule};
use crate::snapshot::directory::{Connector, Domain, Forest};
use crate::snapshot::graph::Organization;
use crate::steps::service_account;
use crate::steps::testing::{at, find, known, partial, refused, snapshot};
use serde_json::{Value, json};

fn hybrid() -> Snapshot {
    let mut s = snapshot();
    s.facts.organization = known(Organization {
        on_premises_sync_enabled: Some(true),
        ..Default::default()
    });
    s
}

fn event(id: u32, line: &str, count: u64, last: &str) -> SyncEvent {
    SyncEvent {
        provider: if id < 10_000 {
            "ADSync".into()
        } else {
            "PasswordResetService".into()
        },
        id,
        line: line.into(),
        count,
        first: None,
        last: Some(at(last)),
    }
}

fn setting(of: &str, name: &str, value: impl Into<Value>) -> Setting {
    Setting {
        of: of.into(),
        name: name.into(),
        value: value.into(),
    }
}

/// A server on which all is well.
fn server() -> ConnectServer {
    ConnectServer {
        computer: "SYNC1".into(),
        read_at: Some(at("2026-11-23T08:59:00Z")),
        version: Some("2.6.92.0".into()),
        service: Some("Running".into()),
        connectors: vec![SyncConnector {
            name: "example.test".into(),
            kind: "AD".into(),
            account: Some("MSOL_1".into()),
            account_domain: Some("example.test".into()),
            partitions: vec![SyncPartition {
                dn: "DC=example,DC=test".into(),
                selected: Some(true),
                included: vec!["DC=example,DC=test".into()],
                excluded: Vec::new(),
            }],
        }],
        settings: vec![
            setting("passwordReset", "Enabled", true),
            setting("scheduler", "SyncCycleEnabled", true),
            setting("scheduler", "StagingModeEnabled", false),
            setting("companyFeatures", "PasswordHashSync", true),
        ],
        rules: vec![SyncRule {
            name: "In from AD - User AccountEnabled".into(),
            password_sync: Some(true),
            ..Default::default()
        }],
        remote_sam: None,
        domain_controller: Some(false),
        relays: vec![
            Relay {
                host: "r1".into(),
                connected: true,
                error: None,
            },
            Relay {
                host: "r2".into(),
                connected: true,
                error: None,
            },
        ],
        events: vec![
            event(31019, "", 200, "2026-11-23T08:57:00Z"),
            event(31002, "", 12, "2026-11-23T08:00:00Z"),
        ],
        events_since: Some(at("2026-11-16T08:59:00Z")),
        events_cut: false,
        unread: Default::default(),
    }
}

fn with(change: impl FnOnce(&mut ConnectServer)) -> Snapshot {
    let mut own = server();
    change(&mut own);
    let mut s = hybrid();
    s.facts.connect_servers = known(vec![own]);
    s
}

fn outcome(check: &'static Check, s: &Snapshot) -> (Outcome, String) {
    let f = find(&STEP, check, s);
    (f.status, f.title)
}

#[test]
fn a_server_on_which_all_is_well_passes() {
    let s = with(|_| {});
    for check in STEP.checks {
        let f = find(&STEP, check, &s);
        let expected = if check.id == server::TLS.id {
            Outcome::NotApplicable
        } else {
            Outcome::Pass
        };
        assert_eq!(f.status, expected, "{f:?}");
        assert!(
            check.id == server::TLS.id || f.evidence.iter().any(|e| e.seen.starts_with("SYNC1")),
            "{f:?}"
        );
    }
    assert_eq!(outcome(&ENABLED, &s).1, "SYNC1 listens");
    assert_eq!(
        outcome(&events::EVENTS, &s).1,
        "SYNC1: 12 resets written since 2026-11-16, none failed"
    );
}

#[test]
fn nothing_is_earned_where_no_server_was_read() {
    let mut s = hybrid();
    for check in STEP.checks {
        let f = find(&STEP, check, &s);
        assert_eq!(f.status, Outcome::Skipped, "{f:?}");
        assert!(
            f.remediation
                .unwrap()
                .command
                .unwrap()
                .starts_with("Connect-SsprConnectServer")
        );
    }
    // A reset that Connect wrote proves the one, and no more.
    s.facts.audit_resets = known(ResetActivity {
        last_by_agent: [("Microsoft Entra Connect".into(), at("2026-11-22T10:00:00Z"))].into(),
        ..Default::default()
    });
    assert_eq!(
        outcome(&ENABLED, &s),
        (Outcome::Pass, "Entra Connect wrote a reset on 2026-11-22".into())
    );
    assert_eq!(outcome(&server::SERVICE, &s).0, Outcome::Skipped);
    s.facts.audit_resets = known(ResetActivity {
        last_by_agent: [("Microsoft Entra Connect".into(), at("2026-11-02T10:00:00Z"))].into(),
        ..Default::default()
    });
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::Skipped);
    s.facts.connect_servers = refused(RefusalKind::Answer, "SYNC1: access is denied.", None);
    let f = find(&STEP, &ENABLED, &s);
    assert!(f.status == Outcome::Skipped && f.reason.unwrap().contains("denied"));
    s.facts.organization = known(Organization::default());
    for check in STEP.checks {
        assert_eq!(outcome(check, &s).0, Outcome::NotApplicable);
    }
}

#[test]
fn cloud_sync_alone_needs_no_connect_server() {
    let mut s = hybrid();
    let cloud = Connector {
        kind: ConnectorKind::CloudSync,
        ..Default::default()
    };
    s.facts.connectors = known(vec![cloud.clone()]);
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::NotApplicable);
    assert_eq!(
        find(&service_account::STEP, &service_account::VERSION, &s).status,
        Outcome::NotApplicable
    );
    // Of a part of the forest that cannot be said.
    s.facts.connectors = partial(vec![cloud.clone()]);
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::Skipped);
    s.facts.connectors = known(vec![cloud, Connector::default()]);
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::Skipped);
}

#[test]
fn on_is_what_was_heard_and_not_what_was_said() {
    let s = with(|own| own.service = Some("Stopped".into()));
    assert_eq!(
        outcome(&ENABLED, &s),
        (
            Outcome::Fail,
            "ADSync does not run on SYNC1: nothing is written back".into()
        )
    );
    assert_eq!(outcome(&server::SERVICE, &s).0, Outcome::Fail);
    let s = with(|own| own.settings[0].value = "False".into());
    assert_eq!(
        outcome(&ENABLED, &s),
        (Outcome::Fail, "password writeback is off on SYNC1".into())
    );
    // Names that nobody documented say nothing; the heartbeat does.
    let s = with(|own| own.settings[0].name = "State".into());
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::Pass);
    let silent = |last: &'static str| with(move |own| own.events[0].last = Some(at(last)));
    assert_eq!(outcome(&ENABLED, &silent("2026-11-23T08:30:00Z")).0, Outcome::Skipped);
    assert_eq!(outcome(&LISTENING, &silent("2026-11-23T08:30:00Z")).0, Outcome::Warn);
    let s = silent("2026-11-22T08:30:00Z");
    assert_eq!(outcome(&ENABLED, &s).1, "SYNC1 has not been listening for over an hour");
    assert_eq!(
        outcome(&LISTENING, &s),
        (Outcome::Fail, "SYNC1 was last heard on 2026-11-22T08:30:00Z".into())
    );
    let s = with(|own| own.events.clear());
    assert_eq!(
        outcome(&LISTENING, &s),
        (Outcome::Fail, "SYNC1 was not heard at all".into())
    );
    let s = with(|own| {
        own.events.clear();
        own.unread.insert("events".into(), "Access is denied".into());
    });
    for check in [&ENABLED, &LISTENING, &events::EVENTS, &server::SIGNING] {
        let f = find(&STEP, check, &s);
        assert_eq!(f.status, Outcome::Skipped, "{f:?}");
    }
    assert!(find(&STEP, &LISTENING, &s).reason.unwrap().contains("Access is denied"));
}

#[test]
fn a_server_that_does_not_write_back_or_was_read_long_ago_counts_for_nothing() {
    let mut s = with(|own| own.settings[2].value = true.into());
    for check in STEP.checks {
        let f = find(&STEP, check, &s);
        assert_eq!(
            (f.status, f.title.as_str()),
            (Outcome::Skipped, "no active server was read"),
            "{}",
            check.id
        );
    }
    assert!(find(&STEP, &ENABLED, &s).reason.unwrap().contains("staging mode"));
    let mut other = server();
    other.computer = "SYNC2".into();
    s.facts.connect_servers.value_mut().unwrap().push(other);
    assert_eq!(outcome(&ENABLED, &s), (Outcome::Pass, "SYNC2 listens".into()));
    // One that does not say its mode counts where it listens.
    let silent = |own: &mut ConnectServer| own.settings.retain(|setting| setting.of != "scheduler");
    assert_eq!(outcome(&ENABLED, &with(silent)).0, Outcome::Pass);
    let s = with(|own| {
        silent(own);
        own.events.clear();
    });
    assert!(find(&STEP, &ENABLED, &s).reason.unwrap().contains("could not be read"));
    let mut s = with(|own| own.read_at = Some(at("2026-11-21T08:59:00Z")));
    let f = find(&STEP, &ENABLED, &s);
    assert_eq!(f.status, Outcome::Skipped);
    assert!(f.reason.unwrap().contains("SYNC1 was read on 2026-11-21"));
    assert_eq!(
        find(&service_account::STEP, &service_account::VERSION, &s).status,
        Outcome::Skipped
    );
    s.facts.connect_servers.value_mut().unwrap()[0].read_at = None;
    assert_eq!(outcome(&ENABLED, &s).0, Outcome::Skipped);
}

#[test]
fn what_one_server_does_not_say_another_s_answer_does_not_make_good() {
    let mut s = with(|_| {});
    let mut other = server();
    other.computer = "SYNC2".into();
    for section in [
        "service",
        "events",
        "relays",
        "connectors",
        "rules",
        "scheduler",
        "restrictRemoteSam",
        "domainController",
    ] {
        other.unread.insert(section.into(), "Access is denied".into());
    }
    s.facts.connect_servers.value_mut().unwrap().push(other);
    for check in STEP.checks.iter().filter(|check| check.id != server::TLS.id) {
        let f = find(&STEP, check, &s);
        assert_eq!(f.status, Outcome::Skipped, "{f:?}");
        assert!(
            f.id == ENABLED.id || f.reason.as_deref().is_some_and(|reason| reason.contains("SYNC2")),
            "{f:?}"
        );
    }
}

#[test]
fn the_account_that_a_server_names_is_the_one_that_counts() {
    let account = |name: &str| Connector {
        name: format!("EXAMPLE\\{name}"),
        sid: "S-1-5-21-1-2-3-1104".into(),
        domain: "example.test".into(),
        enabled: true,
        last_sign_in: Some(at("2026-11-20T08:00:00Z")),
        ..Default::default()
    };
    let found = |s: &Snapshot| {
        let f = find(&service_account::STEP, service_account::STEP.checks[0], s);
        (f.status, f.title)
    };
    let mut s = with(|own| own.connectors[0].account = Some("svc-entra".into()));
    s.facts.connectors = known(vec![account("MSOL_1"), account("svc-entra")]);
    assert_eq!(found(&s), (Outcome::Pass, "EXAMPLE\\svc-entra".into()));
    // It was joined from elsewhere, and nobody looked for that account.
    s.facts.connectors = known(vec![account("MSOL_1")]);
    assert_eq!(
        found(&s),
        (Outcome::Skipped, "example.test\\svc-entra was not looked at".into())
    );
    // A server in staging mode names nobody.
    s.facts.connect_servers.value_mut().unwrap()[0].settings[2].value = true.into();
    assert_eq!(found(&s), (Outcome::Pass, "EXAMPLE\\MSOL_1".into()));
}

#[test]
fn events_are_told_by_their_cause() {
    let s = with(|own| {
        own.events.push(event(31003, "", 3, "2026-11-22T10:00:00Z"));
        own.events.push(event(
            33008,
            "hr=80230619, message=A restriction",
            2,
            "2026-11-22T10:00:00Z",
        ));
        own.events
            .push(event(6329, "ERR_: something new", 9, "2026-11-22T10:00:00Z"));
    });
    let f = find(&STEP, &events::EVENTS, &s);
    assert_eq!(f.status, Outcome::Warn);
    assert_eq!(
        f.title,
        "3 of 15 resets failed since 2026-11-16: the new password breaks the password policy: age, history, length or complexity"
    );
    assert!(
        f.evidence.iter().any(|e| e.seen.contains("catalogue, row 9"))
            && f.evidence.iter().any(|e| e.seen.contains("something new"))
    );
    // Nothing was written at all.
    let s = with(|own| {
        own.events[1] = event(31003, "", 4, "2026-11-22T10:00:00Z");
        own.events.push(event(33004, "hr=80230626", 4, "2026-11-22T10:00:00Z"));
    });
    let f = find(&STEP, &events::EVENTS, &s);
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Fail,
            "4 of 4 resets failed since 2026-11-16: the connector account lacks a right on the user"
        )
    );
    // What keeps the service is history once it was well again.
    let s = with(|own| own.events.push(event(31044, "", 1, "2026-11-20T10:00:00Z")));
    let f = find(&STEP, &events::EVENTS, &s);
    assert!(
        f.status == Outcome::Pass && f.evidence.iter().any(|e| e.seen.contains("event 31044 1 time")),
        "{f:?}"
    );
    // A heart that beats decrypts nothing: that is over with a password that was written.
    let keys = |last: &'static str| with(move |own| own.events.push(event(32004, "", 30, last)));
    assert_eq!(outcome(&events::EVENTS, &keys("2026-11-23T08:30:00Z")).0, Outcome::Fail);
    assert_eq!(outcome(&events::EVENTS, &keys("2026-11-23T07:30:00Z")).0, Outcome::Pass);
    // A retry is no fault, and who types the old password wrong shows none.
    let s = with(|own| own.events.push(event(32014, "", 1, "2026-11-23T08:58:00Z")));
    assert_eq!(outcome(&events::EVENTS, &s).0, Outcome::Pass);
    let s = with(|own| {
        own.events[1] = event(31008, "", 1, "2026-11-22T10:00:00Z");
        own.events.push(event(33007, "", 1, "2026-11-22T10:00:00Z"));
    });
    assert_eq!(outcome(&events::EVENTS, &s).0, Outcome::Warn);
    // The cause goes before the denial that it ends in.
    let s = with(|own| {
        own.events
            .push(event(33004, "hr=80230626, message=denied", 9, "2026-11-22T10:00:00Z"));
        own.events.push(event(
            6329,
            "ERR_: Failed to acquire user information: X. Error Code: ERROR_ACCESS_DENIED",
            1,
            "2026-11-22T10:00:00Z",
        ));
    });
    assert!(outcome(&events::EVENTS, &s).1.contains("RestrictRemoteSam"));
    assert_eq!(
        outcome(&events::EVENTS, &with(|own| own.events_cut = true)).0,
        Outcome::Skipped
    );
    let s = with(|own| own.events.push(event(31044, "", 1, "2026-11-23T08:58:00Z")));
    let f = find(&STEP, &events::EVENTS, &s);
    assert_eq!(f.status, Outcome::Fail);
    assert!(f.title.contains("firewall") && f.remediation.unwrap().text.contains("servicebus"));
}

#[test]
fn what_gets_in_the_way_is_told() {
    let s = with(|own| own.relays[1].connected = false);
    assert_eq!(outcome(&server::RELAYS, &s), (Outcome::Warn, "r2 not reached".into()));
    let all = |own: &mut ConnectServer| own.relays.iter_mut().for_each(|relay| relay.connected = false);
    // It was heard a moment ago, so the names may be others.
    assert_eq!(outcome(&server::RELAYS, &with(all)).0, Outcome::Warn);
    let s = with(|own| {
        all(own);
        own.events.clear();
    });
    assert_eq!(
        outcome(&server::RELAYS, &s),
        (Outcome::Fail, "SYNC1 reaches none of them".into())
    );
    assert_eq!(
        outcome(&server::RELAYS, &with(|own| own.relays.clear())).0,
        Outcome::Skipped
    );

    let s = with(|own| own.domain_controller = Some(true));
    assert_eq!(outcome(&server::CONTROLLER, &s).0, Outcome::Warn);
    let s = with(|own| own.settings[1].value = false.into());
    assert_eq!(outcome(&server::SCHEDULER, &s).0, Outcome::Warn);
    let s = with(|own| own.settings.retain(|setting| setting.of != "scheduler"));
    assert_eq!(outcome(&server::SCHEDULER, &s).0, Outcome::Skipped);

    let s = with(|own| {
        own.rules.push(SyncRule {
            name: "No hashes".into(),
            password_sync: Some(false),
            scoped: true,
            ..Default::default()
        })
    });
    assert_eq!(
        outcome(&server::PASSWORD_HASH_SYNC, &s),
        (Outcome::Warn, "No hashes leaves users out of password hash sync".into())
    );
    let s = with(|own| own.rules[0].password_sync = None);
    assert_eq!(outcome(&server::PASSWORD_HASH_SYNC, &s).0, Outcome::Skipped);
    let s = with(|own| own.settings[3].value = false.into());
    assert_eq!(outcome(&server::PASSWORD_HASH_SYNC, &s).0, Outcome::NotApplicable);

    let s = with(|own| own.events[1] = event(6329, "ERR_: hr=8023062C", 1, "2026-11-23T08:00:00Z"));
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Fail);
    let s = with(|own| own.events.push(event(6329, "hr=8023062c", 1, "2026-11-20T08:00:00Z")));
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Pass);
    let s = with(|own| drop(own.events.remove(1)));
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Skipped);
}

#[test]
fn a_password_that_was_written_speaks_for_one_forest_only() {
    let another = |own: &mut ConnectServer| {
        let mut other = own
            .connectors
            .iter()
            .find(|one| one.is_of_a_directory())
            .unwrap()
            .clone();
        other.name = "other.test".into();
        own.connectors.push(other);
    };
    let f = find(&STEP, &server::SIGNING, &with(another));
    assert_eq!(
        (f.status, f.title.as_str()),
        (
            Outcome::Skipped,
            "a password was written on 2026-11-23, to one of 2 forests"
        )
    );
    // Nor does it take back what a controller of perhaps another forest refused.
    let refused = |own: &mut ConnectServer| own.events.push(event(6329, "hr=8023062c", 1, "2026-11-20T08:00:00Z"));
    let s = with(|own| {
        another(own);
        refused(own);
    });
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Warn);
    // How many there are is not known.
    let s = with(|own| {
        own.connectors.clear();
        own.unread.insert("connectors".into(), "Access is denied".into());
    });
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Skipped);
    // What one server wrote is no proof of another.
    let mut s = with(|_| {});
    let mut other = server();
    other.computer = "SYNC2".into();
    other.events.retain(|event| event.id == 31019);
    s.facts.connect_servers.value_mut().unwrap().push(other);
    assert_eq!(outcome(&server::SIGNING, &s).0, Outcome::Skipped);
}

#[test]
fn remote_sam_must_name_the_account() {
    let sam = |sddl: &str| {
        let mut s = with(|own| own.remote_sam = Some(sddl.into()));
        s.facts.connectors = known(vec![Connector {
            name: "EXAMPLE\\MSOL_1".into(),
            sid: "S-1-5-21-1-2-3-1104".into(),
            domain: "example.test".into(),
            enabled: true,
            ..Default::default()
        }]);
        outcome(&server::REMOTE_SAM, &s).0
    };
    assert_eq!(sam("O:BAG:BAD:(A;;RC;;;BA)"), Outcome::Warn);
    assert_eq!(
        sam("O:BAG:BAD:(A;;RC;;;BA)(A;;RC;;;S-1-5-21-1-2-3-1104)"),
        Outcome::Pass
    );
    assert_eq!(
        sam("O:BAG:BAD:(A;;RC;;;BA)(A;;RC;;;S-1-5-21-1-2-3-11045)"),
        Outcome::Warn
    );
    assert_eq!(sam("O:SYG:SYD:(A;;RC;;;WD)"), Outcome::Pass);
    assert_eq!(sam("O:SYG:SYD:(D;;RC;;;BG)(A;;RC;;;WD)"), Outcome::Warn);
    assert_eq!(sam("odd"), Outcome::Warn);
}

#[test]
fn domains_and_containers_that_are_left_out_are_named() {
    let domain = |name: &str, dn: &str| Domain {
        name: name.into(),
        dn: dn.into(),
        ..Default::default()
    };
    let mut s = with(|_| {});
    s.facts.forests = known(vec![Forest {
        name: "example.test".into(),
        domains: vec![
            domain("example.test", "DC=Example,DC=test"),
            domain("child.example.test", "DC=child,DC=example,DC=test"),
        ],
        ..Default::default()
    }]);
    assert_eq!(
        outcome(&server::SCOPE, &s),
        (Outcome::Warn, "child.example.test is in no connector's scope".into())
    );
    let s = with(|own| own.connectors[0].partitions[0].excluded = vec!["OU=Old,DC=example,DC=test".into()]);
    assert_eq!(
        outcome(&server::SCOPE, &s),
        (Outcome::Warn, "OU=Old is out of Connect's scope".into())
    );
    let s = with(|own| own.connectors[0].partitions[0].included = vec!["OU=Staff,DC=example,DC=test".into()]);
    assert_eq!(
        outcome(&server::SCOPE, &s).1,
        "only parts of DC=example,DC=test are synchronised"
    );
    let s = with(|own| own.connectors[0].partitions[0].included.clear());
    assert_eq!(outcome(&server::SCOPE, &s).0, Outcome::Warn);
    let s = with(|own| own.connectors[0].kind = "Extensible2".into());
    assert_eq!(outcome(&server::SCOPE, &s).0, Outcome::Skipped);
    let s = with(|own| own.connectors.clear());
    assert_eq!(outcome(&server::SCOPE, &s).0, Outcome::Skipped);
}

#[test]
fn tls_values_matter_to_some_versions_only() {
    let key = |name: &str, value: Value| setting("HKLM:\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319", name, value);
    let tls = |version: &str, values: Vec<Setting>| {
        let s = with(|own| {
            own.version = Some(version.into());
            own.settings.extend(values);
        });
        outcome(&server::TLS, &s).0
    };
    let right = || {
        vec![
            key("SchUseStrongCrypto", json!(1)),
            key("Enabled", json!(0xffff_ffff_u32)),
            key("DisabledByDefault", json!(0)),
        ]
    };
    assert_eq!(tls("2.4.18.0", right()), Outcome::Pass);
    assert_eq!(
        tls("2.4.18.0", vec![key("SchUseStrongCrypto", Value::Null)]),
        Outcome::Warn
    );
    assert_eq!(tls("2.4.18.0", vec![key("DisabledByDefault", json!(1))]), Outcome::Warn);
    assert_eq!(tls("2.4.18.0", vec![]), Outcome::Warn);
    assert_eq!(tls("2.6.1.0", vec![]), Outcome::NotApplicable);
    assert_eq!(tls("new", vec![]), Outcome::Skipped);
}

#[test]
fn the_version_is_held_against_the_table() {
    let of = |version: &str| {
        let s = with(|own| own.version = Some(version.into()));
        let f = find(&service_account::STEP, &service_account::VERSION, &s);
        assert!(f.evidence[0].seen.contains("table checked on 2026-11-22"), "{f:?}");
        (f.status, f.title)
    };
    assert_eq!(
        of("2.4.18.0"),
        (Outcome::Fail, "Entra Connect 2.4.18.0 on SYNC1 no longer works".into())
    );
    assert_eq!(
        of("2.5.79.0"),
        (
            Outcome::Warn,
            "support of Entra Connect 2.5.79.0 on SYNC1 ended on 2026-10-23".into()
        )
    );
    assert_eq!(
        of("2.5.190.0"),
        (
            Outcome::Warn,
            "support of Entra Connect 2.5.190.0 on SYNC1 ends on 2027-02-02".into()
        )
    );
    assert_eq!(
        of("2.6.3.0"),
        (
            Outcome::Pass,
            "Entra Connect 2.6.3.0 on SYNC1, supported until 2027-07-07".into()
        )
    );
    assert_eq!(of("2.6.79.0").0, Outcome::Warn);
    assert_eq!(of("2.6.92.0").0, Outcome::Pass);
    assert_eq!(of("2.6.50.0").0, Outcome::Skipped);
    assert_eq!(of("latest"), (Outcome::Skipped, "not told by the server".into()));
}

#[test]
fn a_damaged_snapshot_s_duration_is_no_harm() {
    let mut s = with(|own| own.settings[0] = setting("passwordReset", "Enabled", false));
    s.duration_ms = u64::MAX;
    let wanted = crate::desired::DesiredState::from_json(r#"{"schemaVersion":1,"connectWriteback":{"enabled":true}}"#);
    let changes = (STEP.setup.as_ref().unwrap().plan)(&s, &wanted.unwrap());
    assert_eq!(changes.len(), 1);
}
