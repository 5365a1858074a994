//! The registration report user by user: what breaks, lies or is cancelled in its middle.

mod common;

use common::*;
use entra_sspr::error::{Error, Result};
use entra_sspr::run::users;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use entra_sspr::task::{Next, Task};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions {
        page_size: Some(20),
        ..LabOptions::scenario("hybrid-faulty")
    })
    .expect("the lab starts")
}

fn start(session: &Arc<Session>, request: Value) -> Arc<Task> {
    let own = Arc::clone(session);
    let work = move |context| async move { users::read(&own, &request, &context).await };
    Task::start(BTreeSet::new(), work).expect("a task starts")
}

/// The ids of the users that were handed out, and the result.
fn read(session: &Arc<Session>, request: Value) -> (Vec<String>, Result<Value>) {
    let (mut events, end) = events(&start(session, request));
    let result = end.map(|()| events.pop().expect("a result")["result"].take());
    let handed = events.iter().filter(|event| event["event"] == "users");
    let users = handed.flat_map(|event| event["users"].as_array().expect("users"));
    let id = |user: &Value| user["id"].as_str().expect("an id").to_string();
    (users.map(id).collect(), result)
}

fn asked(lab: &Lab) -> usize {
    lab.requests().iter().filter(|r| r.path == REPORT).count()
}

fn refused(session: &Arc<Session>, request: Value) -> Error {
    read(session, request).1.expect_err("it is refused")
}

#[test]
fn every_user_comes_once_whatever_breaks() {
    let lab = lab();
    let session = app(&lab, 0);
    let (all, result) = read(&session, json!({}));
    assert_eq!(result.expect("it ends well")["users"], all.len());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for kind in [
        FaultKind::DropMidBody { after: None },
        FaultKind::Truncate,
        FaultKind::DropBeforeHeaders,
        FaultKind::RevokedToken,
        FaultKind::Throttle {
            retry_after: Some("0.1".into()),
        },
    ] {
        let name = format!("{kind:?}");
        lab.add_fault(Fault::new(REPORT, kind).after(3).times(1))
            .expect("a fault");
        let (again, result) = read(&session, json!({}));
        assert!(result.is_ok(), "{name}: {result:?}");
        assert!(again == all, "{name}: other users");
        lab.clear_faults();
    }
}

#[test]
fn pages_in_a_circle_and_links_elsewhere_end_it() {
    let lab = lab();
    let session = app(&lab, 0);
    lab.add_fault(Fault::new(REPORT, FaultKind::NextLinkLoop))
        .expect("a fault");
    let circle = refused(&session, json!({}));
    assert_eq!(circle.status, Status::ServiceAnswer);
    assert!(circle.message.contains("circle"), "{circle:?}");
    lab.clear_faults();
    lab.add_fault(Fault::new(
        REPORT,
        FaultKind::NextLinkHost {
            origin: "https://evil.example".into(),
        },
    ))
    .expect("a fault");
    assert!(refused(&session, json!({})).message.contains("another host"));
}

#[test]
fn a_caller_who_takes_nothing_more_stops_the_reading() {
    let lab = lab();
    let session = app(&lab, 0);
    let task = start(&session, json!({}));
    let first = |task: &Task| loop {
        match task.next(Duration::from_secs(20)).expect("it goes on") {
            Next::Event(event) if event.contains("\"users\"") => break,
            Next::Event(_) => {}
            other => panic!("{other:?}"),
        }
    };
    first(&task);
    std::thread::sleep(Duration::from_millis(300));
    // One page in hand, two events ahead, one page read meanwhile.
    let waiting = asked(&lab);
    assert!(waiting <= 5, "{waiting} pages");
    task.cancel();
    let (_, end) = events(&task);
    assert_eq!(end.expect_err("it was cancelled").status, Status::TaskCancelled);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(asked(&lab), waiting);
}

#[test]
fn bad_requests_are_refused_before_anything_is_read() {
    let lab = lab();
    let session = app(&lab, 0);
    let before = lab.requests().len();
    for (request, target) in [
        (json!({"before": "March 2027"}), "before"),
        (json!({"userType": "robot"}), "userType"),
        (json!({"users": vec!["a@x"; 1001]}), "users"),
        (json!({"metods": ["email"]}), "request_json"),
    ] {
        let error = refused(&session, request);
        assert_eq!(error.target.as_deref(), Some(target), "{error:?}");
    }
    assert_eq!(
        refused(&session, json!({"snapshot": "{}"})).status,
        Status::SnapshotInvalid
    );
    assert_eq!(lab.requests().len(), before);
}

#[test]
fn who_is_at_risk_is_not_told_without_the_policy() {
    let lab = lab();
    let session = app(&lab, 0);
    let policy = "/v1.0/policies/authenticationMethodsPolicy";
    let kind = FaultKind::Status {
        status: 403,
        code: None,
        retry_after: None,
    };
    lab.add_fault(Fault::new(policy, kind)).expect("a fault");
    let error = refused(&session, json!({"atRisk": true}));
    assert!(error.message.contains("authentication methods policy"), "{error:?}");
    assert!(!error.detail.is_empty(), "it says why");
}
