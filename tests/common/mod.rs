//! Drives the library against a lab, as the C interface does: a session, tasks, their events.
#![allow(dead_code)]

use entra_sspr::error::{Error, Result};
use entra_sspr::run::{self, Request};
use entra_sspr::session::Session;
use entra_sspr::task::{Next, Task};
use serde_json::{Value, json};
use sspr_lab::Lab;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long any one task of a test may take: a hang is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration of a session with a lab's tenant.
pub fn config(lab: &Lab, index: usize) -> Value {
    let url = lab.url();
    json!({
        "tenant": lab.tenant(index).tenant_id, "budgets": "off", "requestTimeoutSeconds": 20,
        "endpoints": {"login": url, "graph": url, "portal": url, "imds": url},
    })
}

/// Opens a session.
pub fn open(config: &Value) -> Arc<Session> {
    Arc::new(Session::open(&config.to_string()).expect("the configuration is good"))
}

/// All events of a task and how it ended.
pub fn events(task: &Task) -> (Vec<Value>, Result<()>) {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        assert!(start.elapsed() < PATIENCE, "the task hangs after {events:?}");
        match task.next(Duration::from_millis(500)) {
            Ok(Next::Event(event)) => events.push(serde_json::from_str(&event).expect("an event is JSON")),
            Ok(Next::Pending) => {}
            Ok(Next::Ended) => return (events, Ok(())),
            Err(error) => return (events, Err(error)),
        }
    }
}

/// A task's result.
pub fn result(task: &Task) -> Result<Value> {
    let (mut events, end) = events(task);
    end.map(|()| events.pop().expect("a result")["result"].take())
}

/// Starts a sign-in.
pub fn start_sign_in(session: &Arc<Session>, request: Value) -> Arc<Task> {
    let session = Arc::clone(session);
    let request = serde_json::from_value(request).expect("the request is good");
    Task::start(session.config.host_actions.clone(), move |context| async move {
        let identity = session.sign_in(request, &context).await?;
        serde_json::to_value(identity).map_err(|e| Error::new(entra_sspr::status::Status::Internal, e.to_string()))
    })
    .expect("a task starts")
}

/// Signs in with the app's secret.
pub fn sign_in(session: &Arc<Session>, lab: &Lab, index: usize) {
    let tenant = lab.tenant(index);
    session
        .set_secret("clientSecret", tenant.client_secret.as_bytes())
        .expect("a secret");
    result(&start_sign_in(
        session,
        json!({"method": "clientSecret", "clientId": tenant.client_id}),
    ))
    .expect("the lab lets the app in");
}

/// A session that is signed in with the app's secret.
pub fn app(lab: &Lab, index: usize) -> Arc<Session> {
    let session = open(&config(lab, index));
    sign_in(&session, lab, index);
    session
}

/// Starts a check.
pub fn start_check(session: &Arc<Session>, request: Value) -> Arc<Task> {
    let session = Arc::clone(session);
    let request: Request = serde_json::from_value(request).expect("the request is good");
    let steps = request.steps().expect("the steps are known");
    Task::start(session.config.host_actions.clone(), move |context| async move {
        run::check(&session, &steps, &request, &context).await
    })
    .expect("a task starts")
}

/// Runs a check.
pub fn check(session: &Arc<Session>, request: Value) -> Value {
    result(&start_check(session, request)).expect("the check ends with an answer")
}

/// One finding of a readiness document.
pub fn finding<'a>(readiness: &'a Value, id: &str) -> &'a Value {
    let findings = readiness["findings"].as_array().expect("findings");
    findings
        .iter()
        .find(|f| f["id"] == id)
        .unwrap_or_else(|| panic!("{id} is missing in {:#}", readiness["findings"]))
}

/// The lab saw no request that Microsoft would refuse.
pub fn assert_clean(lab: &Lab) {
    let violations = lab.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}
