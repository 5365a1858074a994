//! Drives a task as a caller does: reads its events, answers its host actions.

use crate::common::PATIENCE;
use entra_sspr::error::{Error, Result};
use entra_sspr::run::{self, Request};
use entra_sspr::session::Session;
use entra_sspr::session::credential::Environment;
use entra_sspr::status::Status;
use entra_sspr::task::{Next, Task, TaskContext};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A caller: what it does at each event.
pub type Caller<'a> = &'a mut dyn FnMut(&Task, &Value);

/// A caller that does nothing.
pub fn idle(_: &Task, _: &Value) {}

/// What came of a task.
pub struct Run {
    pub events: Vec<Value>,
    pub result: Result<Value>,
}

impl Run {
    /// The result of one that must have gone well.
    #[track_caller]
    pub fn good(self) -> Value {
        match self.result {
            Ok(value) => value,
            Err(error) => panic!("{} after {:#?}", error.to_json(), self.events),
        }
    }

    /// The error of one that must have failed so.
    #[track_caller]
    pub fn bad(self, status: Status) -> Error {
        let error = self.result.expect_err("it should have failed");
        assert_eq!(error.status, status, "{}", error.to_json());
        error
    }

    /// The `signIn` events.
    pub fn sign_ins(&self) -> Vec<&Value> {
        let found = self.events.iter().filter(|e| e["event"] == "signIn");
        found.map(|e| &e["signIn"]).collect()
    }
}

/// Runs a task to its end.
pub fn run(task: &Task, caller: Caller<'_>) -> Run {
    let start = Instant::now();
    let mut events = Vec::new();
    let end = loop {
        assert!(start.elapsed() < PATIENCE, "the task hangs after {events:#?}");
        match task.next(Duration::from_millis(200)) {
            Ok(Next::Event(event)) => {
                let event: Value = serde_json::from_str(&event).expect("an event is JSON");
                caller(task, &event);
                events.push(event);
            }
            Ok(Next::Pending) => {}
            Ok(Next::Ended) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let result = end.map(|()| events.pop().expect("a result")["result"].take());
    Run { events, result }
}

/// Answers a host action.
pub fn reply(task: &Task, event: &Value, result: Value) {
    task.reply(&json!({"id": event["id"], "result": result}).to_string())
        .expect("the reply is waited for");
}

/// Starts work in a session.
fn start<F>(session: &Arc<Session>, work: impl FnOnce(Arc<Session>, TaskContext) -> F + Send + 'static) -> Arc<Task>
where
    F: Future<Output = Result<Value>> + Send,
{
    let of = Arc::clone(session);
    Task::start(session.config.host_actions.clone(), move |context| work(of, context)).expect("a task starts")
}

/// Starts a sign-in, on a machine with this environment.
pub fn start_within(session: &Arc<Session>, request: Value, environment: Environment) -> Arc<Task> {
    let request = serde_json::from_value(request).expect("the request is good");
    start(session, move |session, context| async move {
        let identity = session.sign_in_within(request, &context, environment).await?;
        Ok(serde_json::to_value(identity).expect("JSON"))
    })
}

/// Signs in, on a machine with this environment.
pub fn sign_in_within(session: &Arc<Session>, request: Value, environment: Environment) -> Run {
    run(&start_within(session, request, environment), &mut idle)
}

/// An environment that says nothing.
pub fn nothing() -> Environment {
    Environment::for_test(&[], "/nowhere".into())
}

/// Signs in.
pub fn sign_in(session: &Arc<Session>, request: Value, caller: Caller<'_>) -> Run {
    run(&start_within(session, request, nothing()), caller)
}

/// Checks the license step: a few requests to Graph.
pub fn check(session: &Arc<Session>, caller: Caller<'_>) -> Run {
    let request: Request = serde_json::from_value(json!({"steps": ["license"]})).expect("the request is good");
    let task = start(session, move |session, context| async move {
        let steps = request.steps()?;
        run::check(&session, &steps, &request, &context).await
    });
    run(&task, caller)
}
