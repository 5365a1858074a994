//! Drives the library against a lab, as the C interface does: a session, tasks, their events.
#![allow(dead_code)]

pub mod catalogue;

use entra_sspr::error::{Error, Result};
use entra_sspr::plan;
use entra_sspr::run::{self, Request};
use entra_sspr::session::Session;
use entra_sspr::task::{Next, Task, TaskContext};
use serde_json::{Value, json};
use sspr_lab::Lab;
use std::fs::File;
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

/// Runs work of a session as a task.
pub fn run_task<F>(
    session: &Arc<Session>,
    work: impl FnOnce(Arc<Session>, TaskContext) -> F + Send + 'static,
) -> Result<Value>
where
    F: Future<Output = Result<Value>> + Send,
{
    let own = Arc::clone(session);
    let task = Task::start(session.config.host_actions.clone(), move |context| work(own, context));
    result(&task.expect("a task starts"))
}

/// Makes a plan.
pub fn create_plan(session: &Arc<Session>, request: Value) -> Result<Value> {
    let request = serde_json::from_value(request).expect("the request is good");
    run_task(session, |session, context| async move {
        plan::create(&session, request, &context).await
    })
}

/// Tells what stands today, as a desired state.
pub fn current_state(session: &Arc<Session>, request: Value) -> Result<Value> {
    let mut request: plan::CreateRequest = serde_json::from_value(request).expect("the request is good");
    request.of_today().expect("nothing else is asked for");
    run_task(session, |session, context| async move {
        plan::create(&session, request, &context).await
    })
}

/// Applies a plan, or resumes one.
pub fn apply_plan(session: &Arc<Session>, request: Value) -> Result<Value> {
    let request = serde_json::from_value(request).expect("the request is good");
    run_task(session, |session, context| async move {
        plan::apply(&session, request, &context).await
    })
}

/// Takes a plan back.
pub fn undo_plan(session: &Arc<Session>, request: Value) -> Result<Value> {
    let request = serde_json::from_value(request).expect("the request is good");
    run_task(session, |session, context| async move {
        plan::undo(&session, request, &context).await
    })
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

/// A person's token, by the device code flow, as a caller might bring one.
fn person_token(session: &Session, lab: &Lab, index: usize, who: &str, client: &str, scope: &str) -> String {
    let tenant = lab.tenant(index);
    let upn = tenant.people[who]["upn"]
        .as_str()
        .expect("the lab has this person")
        .to_string();
    let base = format!("{}/{}/oauth2/v2.0", lab.url(), tenant.tenant_id);
    let post = async |url: String, form: &[(&str, &str)]| -> Value {
        session
            .http
            .client()
            .await
            .expect("a client")
            .post(url)
            .form(form)
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON")
    };
    entra_sspr::task::runtime().expect("a runtime").block_on(async {
        let start = post(format!("{base}/devicecode"), &[("client_id", client), ("scope", scope)]).await;
        assert_eq!(lab.approve_devices(&upn), 1);
        let code = start["device_code"].as_str().expect("a device code");
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let answer = post(
            format!("{base}/token"),
            &[("client_id", client), ("grant_type", grant), ("device_code", code)],
        )
        .await;
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_string()
    })
}

/// A session that an administrator's tokens are supplied to; with the portal's, if asked for.
pub fn person(lab: &Lab, index: usize, portal: bool) -> Arc<Session> {
    person_as(lab, index, "admin", portal)
}

/// The same of another person.
pub fn person_as(lab: &Lab, index: usize, who: &str, portal: bool) -> Arc<Session> {
    signed_in(&config(lab, index), &tokens(lab, index, who, portal))
}

/// A person's tokens, for Graph and for the portal.
pub fn tokens(lab: &Lab, index: usize, who: &str, portal: bool) -> Vec<String> {
    let session = open(&config(lab, index));
    let of = |client: &str, scope: &str| person_token(&session, lab, index, who, client, scope);
    let graph = of(
        "14d82eec-204b-4c2f-b7e8-296a70dab67e",
        "https://graph.microsoft.com/.default",
    );
    let scope = "74658136-14ec-4630-ad9b-26e160ff0fc6/.default";
    let portal = portal.then(|| of("1950a258-227b-4e31-a9cf-717495945fc2", scope));
    std::iter::once(graph).chain(portal).collect()
}

/// A session that these are supplied to.
pub fn signed_in(config: &Value, tokens: &[String]) -> Arc<Session> {
    let session = open(config);
    for (name, token) in ["accessToken", "portalAccessToken"].iter().zip(tokens) {
        session.set_secret(name, token.as_bytes()).expect("a secret");
    }
    result(&start_sign_in(&session, json!({"method": "accessToken"}))).expect("the tokens are good");
    session
}

/// What a set-up in the cloud needs.
pub const WRITES: [&str; 3] = [
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization",
    "Policy.ReadWrite.ConditionalAccess",
];

/// The labs' tenants have the same id, and one plan of a tenant is applied at a time, whichever process asks.
pub fn turn() -> File {
    let path = std::env::temp_dir().join("entra-sspr-plan-tests");
    let file = File::create(path).expect("a file for the turn");
    file.lock().expect("it is this test's turn");
    file
}

/// An administrator who may write, signed in to the portal too.
pub fn writer(lab: &Lab) -> Arc<Session> {
    may_write(lab);
    person(lab, 0, true)
}

/// Gives the apps what a set-up needs.
pub fn may_write(lab: &Lab) {
    for permission in WRITES {
        for app in ["checker", "14d82eec-204b-4c2f-b7e8-296a70dab67e"] {
            // Not every lab has both.
            let _ = lab.control(
                "POST",
                "permissions/add",
                &json!({"app": app, "permission": permission}),
            );
        }
    }
}

/// Conditional Access keeps everybody from the portal's back end there.
pub const NO_PORTAL: &str = "portal-token-missing";

/// The scenarios of a lab, each a kind of tenant.
pub const SCENARIOS: &[&str] = &[
    "hybrid-ready",
    "hybrid-faulty",
    "cloud-only-ready",
    "mixed",
    "no-license",
    "license-suspended",
    "business-standard-only",
    "empty-group",
    "selected-group",
    "methods-not-migrated",
    "registration-trap",
    "cloud-sync",
    "cloud-sync-only",
    "roll-out-begun",
    "mfa-exempt",
    "license-grace",
    "one-user",
    NO_PORTAL,
];

/// Watches a reset, and tells each event of it to `on_event`, which answers host actions with what it gives.
pub fn watch_reset(
    session: &Arc<Session>,
    request: Value,
    mut on_event: impl FnMut(&Value) -> Option<Value>,
) -> Result<Value> {
    let own = Arc::clone(session);
    let work = move |context: TaskContext| async move { entra_sspr::watch::watch(&own, request, &context).await };
    let task = Task::start(session.config.host_actions.clone(), work).expect("a task starts");
    let start = Instant::now();
    let mut last = Value::Null;
    loop {
        assert!(start.elapsed() < PATIENCE, "the task hangs after {last:#}");
        match task.next(Duration::from_millis(500))? {
            Next::Event(event) => {
                last = serde_json::from_str(&event).expect("an event is JSON");
                if let Some(answer) = on_event(&last) {
                    task.reply(&json!({"id": last["id"], "result": answer}).to_string())
                        .expect("the reply is taken");
                }
            }
            Next::Pending => {}
            Next::Ended => return Ok(last["result"].take()),
        }
    }
}

/// Everything that a set-up could change, as the lab has it.
pub fn state_of(lab: &Lab, session: &Arc<Session>) -> Value {
    let portal = lab.control("GET", "portal", &Value::Null).unwrap();
    let read = run_task(session, |session, context| async move {
        let graph = session.graph(&context)?;
        let mut all = Vec::new();
        for path in [
            "/v1.0/policies/authenticationMethodsPolicy",
            "/v1.0/policies/authorizationPolicy",
            "/v1.0/identity/conditionalAccess/policies",
        ] {
            let ask = entra_sspr::tenant::graph::Ask::directory(path);
            let mut policy = graph.get::<Value>(&ask).await.map_err(Error::from)?;
            // When it was changed last is the service's to say.
            policy.as_object_mut().unwrap().remove("lastModifiedDateTime");
            all.push(policy);
        }
        Ok(json!(all))
    });
    json!([portal, read.expect("the lab answers")])
}
