//! A fleet: many tenants and forests checked in one task, some at a time. What fails is kept to its target, results are handed
//! over as they end, and a state file tells what is done.

mod state;

use crate::error::{Error, Result};
use crate::json::{self, flag, read_tree, strict};
use crate::panics;
use crate::run;
use crate::session::Session;
use crate::status::Status;
use crate::steps::Step;
use crate::task::TaskContext;
use jiff::Timestamp;
use serde_json::{Value, json};
use state::State;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

/// How many targets a fleet has at the most.
const MOST: usize = 10_000;

/// How many are checked at a time, unless it is said.
const THROTTLE: usize = 12;

/// One tenant, one directory, or both.
#[derive(Debug)]
struct Target {
    key: String,
    session: Arc<Session>,
    sign_in: Value,
    directory: Value,
}

/// What a run over a fleet takes.
#[derive(Debug)]
pub struct Fleet {
    targets: Vec<Target>,
    check: run::Request,
    steps: Vec<&'static Step>,
    throttle: usize,
    each: Option<Duration>,
    whole: Option<Duration>,
    state: Option<PathBuf>,
    resume: bool,
    shared: bool,
    resume_from: Vec<PathBuf>,
    offered: BTreeSet<String>,
}

const REQUEST: &[&str] = &[
    "targets",
    "check",
    "throttle",
    "targetSeconds",
    "deadlineSeconds",
    "statePath",
    "resume",
    "resumeFrom",
    "shared",
];

fn invalid(target: &str, what: impl Into<String>) -> Error {
    Error::new(Status::ArgumentInvalid, what).target(target)
}

impl Fleet {
    /// Reads a request; `open` gives the session of a handle.
    pub fn new(mut request: Value, open: impl Fn(u64) -> Result<Arc<Session>>) -> Result<Self> {
        strict(&request, REQUEST)?;
        let number = |name: &str, most: u64| match &request[name] {
            Value::Null => Ok(None),
            value => match value.as_u64() {
                Some(number) if (1..=most).contains(&number) => Ok(Some(number)),
                _ => Err(invalid(name, format!("'{name}' is a number from 1 to {most}"))),
            },
        };
        let (throttle, each, whole) = (
            number("throttle", 256)?.map_or(THROTTLE, |n| n as usize),
            number("targetSeconds", 7 * 86_400)?.map(Duration::from_secs),
            number("deadlineSeconds", 7 * 86_400)?.map(Duration::from_secs),
        );
        let state = match &request["statePath"] {
            Value::Null => None,
            Value::String(path) if !path.is_empty() => Some(PathBuf::from(path)),
            _ => return Err(invalid("statePath", "'statePath' is empty or no text")),
        };
        let (resume, shared) = (flag(&request, "resume")?, flag(&request, "shared")?);
        let from = match &request["resumeFrom"] {
            Value::Null => Some(Vec::new()),
            Value::Array(paths) => paths.iter().map(|path| path.as_str().map(PathBuf::from)).collect(),
            _ => None,
        };
        let from = from.ok_or_else(|| invalid("resumeFrom", "'resumeFrom' is no list of files"))?;
        if (resume || !from.is_empty()) && state.is_none() {
            return Err(invalid("statePath", "what is resumed is told by its state file"));
        }
        let check = match request["check"].take() {
            Value::Null => run::Request::default(),
            check => read_tree(check).map_err(|e| invalid("check", format!("'check' is not acceptable: {e}")))?,
        };
        let steps = check.steps()?;
        let Value::Array(entries) = request["targets"].take() else {
            return Err(invalid("targets", "'targets' is no list"));
        };
        if !(1..=MOST).contains(&entries.len()) {
            return Err(invalid("targets", format!("a fleet has 1 to {MOST} targets")));
        }
        let (mut targets, mut keys, mut offered) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for mut entry in entries {
            strict(&entry, &["key", "session", "signIn", "directory"])?;
            let key = entry["key"].as_str().unwrap_or_default().trim().to_string();
            if key.is_empty() || !keys.insert(key.to_lowercase()) {
                return Err(invalid("targets", format!("the key '{key}' is empty or there twice")));
            }
            let handle = entry["session"].as_str().and_then(|text| text.parse().ok());
            let session = open(handle.ok_or_else(|| {
                invalid(
                    "targets",
                    format!("the session of '{key}' is not a handle as a text of digits"),
                )
            })?)?;
            if ["browser", "deviceCode"]
                .iter()
                .any(|asks| entry["signIn"]["method"] == *asks)
            {
                let what = format!("'{key}' signs in by a person, who cannot be asked while many are checked");
                return Err(invalid("targets", what)
                    .help("Sign in as an app: with a certificate, a secret, a managed identity or federated."));
            }
            offered.extend(session.config.host_actions.iter().cloned());
            targets.push(Target {
                key,
                session,
                sign_in: entry["signIn"].take(),
                directory: entry["directory"].take(),
            });
        }
        Ok(Fleet {
            targets,
            check,
            steps,
            throttle,
            each,
            whole,
            state,
            resume,
            shared,
            resume_from: from,
            offered,
        })
    }

    /// What the caller offers to do for any of the targets.
    pub fn offered(&self) -> BTreeSet<String> {
        self.offered.clone()
    }
}

/// A target's line: what it came to, without its findings.
fn line(key: &str, status: &str, taken: Duration) -> Value {
    json!({"key": key, "status": status, "endedAt": Timestamp::now(), "durationMs": taken.as_millis() as u64})
}

/// What a check came to.
fn ended(key: &str, outcome: Result<Value>, taken: Duration) -> (Value, Value) {
    match outcome {
        Ok(readiness) => {
            let mut told = line(key, "Done", taken);
            for name in ["ready", "tenantId", "tenantName", "counts", "first"] {
                told[name] = readiness[name].clone();
            }
            let steps = readiness["steps"].as_array().into_iter().flatten();
            let short = |step: &Value| json!({"name": step["name"], "title": step["title"], "status": step["status"], "headline": step["headline"]});
            told["steps"] = steps.map(short).collect();
            (told, readiness)
        }
        Err(error) => {
            let mut told = line(key, "Failed", taken);
            told["error"] = json::read(&error.to_json()).unwrap_or_default();
            (told, Value::Null)
        }
    }
}

/// Signs in to a target, connects to its directory, and checks it.
async fn visit(target: &Target, steps: &[&'static Step], check: &run::Request, context: &TaskContext) -> Result<Value> {
    let unread = |member: &str, e: serde_json::Error| {
        invalid(member, format!("'{member}' of '{}' is not acceptable: {e}", target.key))
    };
    if !target.sign_in.is_null() {
        let request = read_tree(target.sign_in.clone()).map_err(|e| unread("signIn", e))?;
        target.session.sign_in(request, context).await?;
    }
    if !target.directory.is_null() {
        let request = read_tree(target.directory.clone()).map_err(|e| unread("directory", e))?;
        target.session.connect_directory(request).await?;
    }
    run::check(&target.session, steps, check, context).await
}

fn too_long(what: &str, limit: Duration) -> Error {
    Error::new(
        Status::TaskDeadline,
        format!("{what} took longer than {} s", limit.as_secs()),
    )
    .retryable()
}

/// The same, within its time, and on its own.
async fn visited(
    target: Target,
    steps: Arc<[&'static Step]>,
    check: Arc<run::Request>,
    each: Option<Duration>,
    context: TaskContext,
) -> (Value, Value) {
    let started = Instant::now();
    let ends = each.and_then(|each| started.checked_add(each));
    let context = ends.map_or_else(|| context.clone(), |ends| context.until(ends));
    let work = panics::caught_future(visit(&target, &steps, &check, &context));
    let outcome = match (ends, each) {
        (Some(ends), Some(each)) => tokio::time::timeout_at(ends, work).await.unwrap_or_else(|_| {
            Err(too_long("this target", each).help("Allow more time for a target, or look why it does not answer."))
        }),
        _ => work.await,
    };
    ended(&target.key, outcome.flatten(), started.elapsed())
}

/// A target that is being checked.
struct Begun {
    id: Id,
    key: String,
    at: Instant,
}

/// Checks a fleet.
pub async fn check(fleet: Fleet, context: &TaskContext) -> Result<Value> {
    let started = Instant::now();
    let names: Vec<&str> = fleet.steps.iter().map(|step| step.name).collect();
    let mut elsewhere = State::others(&fleet.resume_from, &names)?;
    let (mut state, mut before) = State::open(fleet.state, fleet.resume, fleet.shared, &names)?;
    let of = fleet.targets.len() as u64;
    let ends = fleet.whole.and_then(|whole| started.checked_add(whole));
    let (steps, check): (Arc<[_]>, _) = (fleet.steps.into(), Arc::new(fleet.check));
    let (mut done, mut failed, mut left, mut resumed) = (0u64, 0u64, 0u64, 0u64);
    let mut waiting = Vec::new();
    for target in fleet.targets {
        let key = target.key.to_lowercase();
        let mut known = before.remove(&key);
        // What another run did stands in this one's file from now on.
        if let (None, Some(told)) = (&known, elsewhere.remove(&key)) {
            state.append(&told)?;
            known = Some(told);
        }
        match known {
            Some(mut told) => {
                told["resumed"] = true.into();
                resumed += 1;
                context.target(told).await;
            }
            None => waiting.push(target),
        }
    }
    let mut waiting = waiting.into_iter();
    let mut running = JoinSet::new();
    let mut begun: Vec<Begun> = Vec::new();
    loop {
        while begun.len() < fleet.throttle
            && ends.is_none_or(|ends| Instant::now() < ends)
            && let Some(target) = waiting.next()
        {
            let key = target.key.clone();
            context.log(&format!("{key}: begun"));
            let part = context.part(target.session.config.host_actions.clone());
            let work = visited(target, Arc::clone(&steps), Arc::clone(&check), fleet.each, part);
            let id = running.spawn(work).id();
            let at = Instant::now();
            begun.push(Begun { id, key, at });
        }
        let next = running.join_next_with_id();
        let next = match ends {
            Some(ends) => tokio::time::timeout_at(ends, next).await,
            None => Ok(next.await),
        };
        let (told, readiness) = match next {
            Ok(None) => break,
            // The whole run's time is over.
            Err(_) => break,
            Ok(Some(Ok((id, told)))) => {
                begun.retain(|one| one.id != id);
                told
            }
            Ok(Some(Err(lost))) => {
                let at = begun.iter().position(|one| one.id == lost.id());
                let one = at.map(|at| begun.swap_remove(at));
                let key = one.as_ref().map_or("", |one| one.key.as_str());
                let error = Error::new(Status::Internal, "its check ended without an answer").caused_by(&lost);
                ended(
                    key,
                    Err(error),
                    one.as_ref().map_or(Duration::ZERO, |one| one.at.elapsed()),
                )
            }
        };
        *if readiness.is_null() { &mut failed } else { &mut done } += 1;
        hand_over(&mut state, told, readiness, context).await?;
        context.progress("Checking the fleet", resumed + done + failed, Some(of));
    }
    drop(running);
    let whole = fleet.whole.unwrap_or_default();
    for one in begun {
        failed += 1;
        let error = too_long("the run over the fleet", whole).help("Allow more time for the run, or resume it.");
        let (told, _) = ended(&one.key, Err(error), one.at.elapsed());
        hand_over(&mut state, told, Value::Null, context).await?;
    }
    for target in waiting {
        left += 1;
        context.target(line(&target.key, "NotDone", Duration::ZERO)).await;
    }
    Ok(json!({
        "done": done, "failed": failed, "notDone": left, "resumed": resumed, "durationMs": started.elapsed().as_millis() as u64,
    }))
}

/// Hands a target's result over, then notes that it is done: who is killed in between does it again, and loses nothing.
async fn hand_over(state: &mut State, told: Value, readiness: Value, context: &TaskContext) -> Result<()> {
    let mut whole = told.clone();
    if !readiness.is_null() {
        whole["readiness"] = readiness;
    }
    context.target(whole).await;
    state.append(&told)
}
