//! A run: gather what the steps need, judge it, hand out one document.

pub mod attestation;
pub mod users;

use crate::catalogue;
use crate::declarations::Declarations;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::gather::{self, Limits};
use crate::json::{flag, strict};
use crate::probe;
use crate::readiness::{Readiness, Selection, assess};
use crate::report;
use crate::report::export::{self, Format};
use crate::report::screen;
use crate::session::Session;
use crate::snapshot::person::Person;
use crate::snapshot::{self, Fact, FactId, Snapshot, source};
use crate::status::Status;
use crate::steps::{self, STEPS, Step};
use crate::task::TaskContext;
use attestation::Attested;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What every check takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Request {
    steps: Vec<String>,
    exclude_steps: Vec<String>,
    severity: Option<Severity>,
    time_budget_seconds: Option<u64>,
    full: bool,
    deadline_seconds: Option<u64>,
    utc_offset_minutes: i32,
    groups: Vec<String>,
    departments: bool,
    attestation: Option<PathBuf>,
    declarations: Option<PathBuf>,
}

/// What assessing a saved snapshot takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SavedRequest {
    snapshot: Option<String>,
    path: Option<PathBuf>,
    steps: Vec<String>,
    exclude_steps: Vec<String>,
    severity: Option<Severity>,
    utc_offset_minutes: i32,
    declarations: Option<PathBuf>,
}

/// What saving takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveRequest {
    snapshot: String,
    path: PathBuf,
    #[serde(default)]
    overwrite: bool,
    #[serde(default)]
    shared: bool,
}

/// What joining takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    snapshots: Vec<String>,
}

/// What loading takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadRequest {
    path: PathBuf,
}

impl Request {
    /// Makes it a request for one step.
    pub fn only(&mut self, step: &str) -> Result<()> {
        if !self.steps.is_empty() || !self.exclude_steps.is_empty() {
            return Err(Error::new(
                Status::ArgumentInvalid,
                "this function checks one step; steps cannot be chosen",
            )
            .target("steps"));
        }
        self.steps = vec![step.into()];
        Ok(())
    }

    /// The chosen steps, in causal order.
    pub fn steps(&self) -> Result<Vec<&'static Step>> {
        let chosen = steps::chosen(&self.steps, &self.exclude_steps)
            .map_err(|why| Error::new(Status::ArgumentInvalid, why).target("steps"))?;
        if chosen.is_empty() {
            return Err(Error::new(Status::ArgumentInvalid, "no step is left to check").target("excludeSteps"));
        }
        Ok(chosen)
    }

    fn selection(&self) -> Selection {
        Selection {
            severity: self.severity,
            utc_offset_minutes: self.utc_offset_minutes,
        }
    }

    /// The file of declarations, and what it says.
    fn declared(&self) -> Result<Option<(Value, Declarations)>> {
        let Some(path) = &self.declarations else {
            return Ok(None);
        };
        let text = crate::file::read(path)?;
        let declarations = Declarations::from_json(&text)?;
        Ok(Some((crate::json::read(&text).unwrap_or_default(), declarations)))
    }
}

/// Gives a snapshot what was declared.
fn declare(snapshot: &mut Snapshot, (file, declarations): (Value, Declarations)) {
    declarations.state(snapshot);
    snapshot.declarations = Some(file);
}

/// Gathers and judges.
pub async fn check(
    session: &Session,
    chosen: &[&'static Step],
    request: &Request,
    context: &TaskContext,
) -> Result<Value> {
    let mut limits = Limits {
        time: request.time_budget_seconds.map(Duration::from_secs),
        full: request.full,
        groups: request.groups.clone(),
        departments: request.departments,
        ..Limits::default()
    };
    let declared = request.declared()?;
    if let Some((_, declarations)) = &declared {
        limits.groups.extend(declarations.reset_groups());
    }
    let mut needs = steps::needs(chosen);
    let attested = match &request.attestation {
        Some(path) => {
            needs.insert(FactId::AuditSettings);
            let attested = Attested::read(path, session)?;
            limits.groups.extend(attested.reset_groups());
            Some(attested)
        }
        None => None,
    };
    let seconds = request.deadline_seconds.unwrap_or_default();
    let limit = request.deadline_seconds.map(Duration::from_secs);
    // A time that no clock reaches is none.
    let ends = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut snapshot = match ends {
        None => gather::run(session, &needs, &limits, context).await?,
        Some(ends) => {
            let context = context.until(ends);
            tokio::time::timeout_at(ends, gather::run(session, &needs, &limits, &context))
                .await
                .map_err(|_| {
                    Error::new(
                        Status::TaskDeadline,
                        format!("reading the tenant took longer than {seconds} s"),
                    )
                    .retryable()
                    .help("Allow more time, or fewer steps.")
                })??
        }
    };
    let attested = attested.map(|attested| attested.give(&mut snapshot)).transpose()?;
    if let Some(declared) = declared {
        declare(&mut snapshot, declared);
    }
    let readiness = assess(&snapshot, chosen, &request.selection());
    for finding in &readiness.findings {
        context.finding(finding).await;
    }
    let mut document = document(&readiness, snapshot.to_json()?)?;
    if let Some(attested) = attested {
        document["attestation"] = attested;
    }
    Ok(document)
}

const PROBE: &[&str] = &[
    "container",
    "user",
    "acceptPasswordLoss",
    "connector",
    "utcOffsetMinutes",
];

/// Reads what a probe is asked for.
pub fn probe_request(request: &Value) -> Result<probe::Request> {
    strict(request, PROBE)?;
    let member = |name: &str| match &request[name] {
        Value::Null => Ok(None),
        Value::String(text) if !text.trim().is_empty() => Ok(Some(text.clone())),
        _ => Err(Error::new(Status::ArgumentInvalid, format!("'{name}' is empty or no text")).target(name)),
    };
    Ok(probe::Request {
        container: member("container")?,
        user: member("user")?,
        accept_password_loss: flag(request, "acceptPasswordLoss")?,
        connector: member("connector")?,
    })
}

/// Probes writeback in the directory, and judges what that came to.
pub async fn probe(session: Arc<Session>, request: Value, context: &TaskContext) -> Result<Value> {
    let wanted = probe_request(&request)?;
    let started = Instant::now();
    let signed_in = session.state().map(|state| state.identity).unwrap_or_default();
    let mut snapshot = Snapshot::new(Timestamp::now(), signed_in);
    let told = probe::run(session, wanted, context.clone()).await?;
    snapshot.duration_ms = started.elapsed().as_millis() as u64;
    let source = source(FactId::WritebackProbes).path;
    snapshot.facts.writeback_probes = Fact::known(vec![told], source, Timestamp::now());
    let selection = Selection {
        utc_offset_minutes: request["utcOffsetMinutes"]
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or_default(),
        ..Selection::default()
    };
    let step = &steps::writeback_probe::STEP;
    let mut readiness = assess(&snapshot, &[step], &selection);
    for finding in &readiness.findings {
        context.finding(finding).await;
    }
    readiness.screen = screen::each_check(&readiness, step, selection.utc_offset_minutes);
    readiness
        .screen
        .push("The directory's half: whether a reset in the cloud gets here is not tried.".into());
    document(&readiness, snapshot.to_json()?)
}

/// Judges a saved snapshot.
pub fn assess_saved(request: SavedRequest) -> Result<Value> {
    let choice = Request {
        steps: request.steps,
        exclude_steps: request.exclude_steps,
        severity: request.severity,
        utc_offset_minutes: request.utc_offset_minutes,
        declarations: request.declarations,
        ..Request::default()
    };
    let text = match (request.snapshot, request.path) {
        (Some(text), None) => text,
        (None, Some(path)) => read(&path)?,
        _ => return Err(Error::new(Status::ArgumentInvalid, "give either 'snapshot' or 'path'").target("snapshot")),
    };
    let (mut snapshot, mut text) = today(text)?;
    if let Some(declared) = choice.declared()? {
        declare(&mut snapshot, declared);
        text = snapshot.to_json()?;
    }
    document(&assess(&snapshot, &choice.steps()?, &choice.selection()), text)
}

fn document(readiness: &Readiness, snapshot: String) -> Result<Value> {
    let mut document = serde_json::to_value(readiness).map_err(|e| Error::new(Status::Internal, e.to_string()))?;
    document["snapshot"] = snapshot.into();
    Ok(document)
}

/// Writes a snapshot to a file.
pub fn save(request: SaveRequest) -> Result<Value> {
    Snapshot::from_json(&request.snapshot)?;
    let path = &request.path;
    crate::file::write(path, request.snapshot.as_bytes(), request.overwrite, request.shared)?;
    Ok(json!({"path": path, "bytes": request.snapshot.len()}))
}

const REPORT: &[&str] = &[
    "fleet",
    "readiness",
    "snapshot",
    "steps",
    "severity",
    "format",
    "path",
    "overwrite",
    "shared",
    "redact",
];

/// Writes an answer to a file, as a page or in another form for others.
pub fn report(request: Value) -> Result<Value> {
    strict(&request, REPORT)?;
    let member = |name: &str| request[name].as_str();
    let wrong = |name: &str| {
        Error::new(
            Status::ArgumentInvalid,
            format!("'{name}' is missing or none that is known"),
        )
        .target(name)
    };
    let format = member("format")
        .and_then(Format::named)
        .ok_or_else(|| wrong("format"))?;
    let path = member("path").map(Path::new).ok_or_else(|| wrong("path"))?;
    let severity = match member("severity") {
        None => None,
        Some("Info") => Some(Severity::Info),
        Some("Low") => Some(Severity::Low),
        Some("Medium") => Some(Severity::Medium),
        Some("High") => Some(Severity::High),
        Some(_) => return Err(wrong("severity")),
    };
    let (redact, overwrite) = (flag(&request, "redact")?, flag(&request, "overwrite")?);
    let shared = flag(&request, "shared")?;
    if let Some(results) = member("fleet") {
        if format != Format::Html || redact {
            let what = "a fleet is written as a page, with its names";
            return Err(Error::new(Status::ArgumentInvalid, what).target("format"));
        }
        let results: Vec<Value> = crate::json::read(results).map_err(|_| wrong("fleet"))?;
        let bytes = export::write_fleet(&results);
        crate::file::write(path, &bytes, overwrite, shared)?;
        return Ok(json!({"path": path, "bytes": bytes.len()}));
    }
    let (document, text) = match (member("readiness"), member("snapshot")) {
        (Some(answer), None) => {
            let answer: Value = crate::json::read(answer)
                .ok()
                .filter(|answer: &Value| answer["findings"].is_array() && answer["steps"].is_array())
                .ok_or_else(|| {
                    let what = "'readiness' is not the document of a run";
                    Error::new(Status::ArgumentInvalid, what).target("readiness")
                })?;
            let text = answer["snapshot"].as_str().map(str::to_string);
            (answer, text)
        }
        (None, Some(text)) => {
            let steps = request["steps"].as_array().into_iter().flatten();
            let assessed = SavedRequest {
                snapshot: Some(text.into()),
                steps: steps.map(|step| step.as_str().unwrap_or_default().into()).collect(),
                severity,
                ..SavedRequest::default()
            };
            (assess_saved(assessed)?, Some(text.into()))
        }
        _ => {
            let what = "give either 'readiness' or 'snapshot'";
            return Err(Error::new(Status::ArgumentInvalid, what).target("readiness"));
        }
    };
    let snapshot = text.as_deref().map(Snapshot::from_json).transpose()?;
    let names: Option<Value> = match (redact, &text) {
        (false, _) => None,
        (true, Some(text)) => crate::json::read(text).ok(),
        (true, None) => {
            let what = "without its snapshot it is not known which names an answer holds";
            return Err(Error::new(Status::ArgumentInvalid, what).target("redact"));
        }
    };
    let bytes = export::write(document, snapshot.as_ref(), format, names.as_ref());
    crate::file::write(path, &bytes, overwrite, shared)?;
    Ok(json!({"path": path, "bytes": bytes.len()}))
}

/// Reads a snapshot from a file.
pub fn load(request: LoadRequest) -> Result<Value> {
    let text = read(&request.path)?;
    let unknown = snapshot::unknown(&text);
    let (snapshot, text) = today(text)?;
    Ok(told(&snapshot, text, &unknown))
}

/// Joins what was read in different places.
pub fn join(request: JoinRequest) -> Result<Value> {
    let text = snapshot::join(&request.snapshots)?;
    Ok(told(&Snapshot::from_json(&text)?, text, &[]))
}

/// A snapshot of any form with its text in today's.
fn today(text: String) -> Result<(Snapshot, String)> {
    let snapshot = Snapshot::from_json(&text)?;
    let text = match snapshot::current(&text)? {
        Cow::Borrowed(_) => text,
        Cow::Owned(_) => snapshot.to_json()?,
    };
    Ok((snapshot, text))
}

/// A snapshot and whose it is.
fn told(snapshot: &Snapshot, text: String, unknown: &[String]) -> Value {
    json!({
        "tenantId": snapshot.signed_in.tenant_id,
        "tenantName": snapshot.tenant_name(),
        "takenAt": snapshot.taken_at,
        "unknown": unknown,
        "snapshot": text,
    })
}

fn read(path: &Path) -> Result<String> {
    let bytes = crate::file::read(path)?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(Status::SnapshotInvalid, format!("{} is not a snapshot", path.display()))
            .target(path.display().to_string())
    })
}

/// One user's case, or some users': the links of each one's chain, in causal order.
pub async fn check_user(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    strict(&request, &["users", "utcOffsetMinutes"])?;
    let offset = request["utcOffsetMinutes"]
        .as_i64()
        .and_then(|minutes| i32::try_from(minutes).ok());
    let mut asked: Vec<String> = Vec::new();
    for user in request["users"].as_array().into_iter().flatten() {
        let user = user.as_str().unwrap_or_default().trim();
        if user.is_empty() {
            return Err(
                Error::new(Status::ArgumentInvalid, "a user's name is a text that is not empty").target("users"),
            );
        }
        if !asked.iter().any(|other| other.eq_ignore_ascii_case(user)) {
            asked.push(user.into());
        }
    }
    let (mut snapshot, persons) = gather::user::look(session, asked, context).await?;
    let users: Vec<Value> = persons
        .iter()
        .map(|person| case(&mut snapshot, person, offset.unwrap_or_default()))
        .collect();
    Ok(json!({
        "tenantId": snapshot.signed_in.tenant_id, "takenAt": snapshot.taken_at, "durationMs": snapshot.duration_ms, "users": users,
    }))
}

fn case(snapshot: &mut Snapshot, person: &Person, utc_offset_minutes: i32) -> Value {
    let links = steps::user::chain(snapshot, person);
    let (can_reset, first) = steps::user::verdict(&links);
    let text = |name: &str| {
        let own = person.account.value().and_then(|account| account[name].as_str());
        own.or_else(|| person.directory.value()?[name].as_str())
    };
    let names = [
        Some(person.asked.as_str()),
        text("userPrincipalName"),
        text("displayName"),
    ];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let screen = report::user::lines(&names, &links, snapshot.taken_at, utc_offset_minutes);
    json!({
        "asked": person.asked, "userPrincipalName": text("userPrincipalName"), "displayName": text("displayName"),
        "id": person.account.value().and_then(|account| account["id"].as_str()),
        "dn": person.directory.value().and_then(|user| user["dn"].as_str()),
        "canReset": can_reset, "first": first.map(|link| &link.id), "links": links, "screen": screen,
    })
}

/// The known causes of an error, the likeliest first.
pub fn resolve(request: &Value) -> Result<Value> {
    strict(request, &["text", "id", "provider"])?;
    let clue = catalogue::Clue {
        text: request["text"].as_str().unwrap_or_default(),
        id: request["id"].as_u64().and_then(|id| u32::try_from(id).ok()),
        provider: request["provider"].as_str(),
    };
    if clue.id.is_none() && clue.text.trim().is_empty() {
        return Err(Error::new(Status::ArgumentInvalid, "give a code, an event's number or a text").target("text"));
    }
    let told = |(row, by): (&catalogue::Row, catalogue::By)| {
        let checks: Vec<&str> = row.before.iter().chain(row.after).copied().collect();
        let mut steps: Vec<&str> = checks.iter().filter_map(|id| Some(id.split_once('.')?.0)).collect();
        if checks.is_empty() && !row.events.is_empty() {
            // The step that reads a Connect server's events.
            steps.push("connect_writeback");
        }
        steps.dedup();
        let command = match steps.as_slice() {
            [] => None,
            // A check does not try it.
            ["writeback_probe"] => Some("Test-SsprWriteback".to_string()),
            steps => Some(format!("Test-SsprReadiness -Step {}", steps.join(", "))),
        };
        json!({
            "number": row.number, "by": by.name(), "seen": row.symptom, "cause": row.cause, "fix": row.fix, "checks": checks,
            "command": command, "neither": row.neither,
        })
    };
    let causes: Vec<Value> = catalogue::resolve(&clue).into_iter().map(told).collect();
    Ok(json!({ "causes": causes }))
}

/// Every check, with what it looks at, why, and what it takes.
pub fn check_list() -> Value {
    let checks: Vec<Value> = STEPS
        .iter()
        .flat_map(|step| step.checks.iter().map(move |check| (step, check)))
        .map(|(step, check)| {
            let mut permissions: Vec<&str> = check.facts.iter().flat_map(|fact| source(*fact).permissions.first().copied()).collect();
            permissions.sort_unstable();
            permissions.dedup();
            json!({
                "id": check.id, "step": step.name, "stepTitle": step.title, "title": check.title, "looksAt": check.looks_at,
                "why": check.why, "decides": check.decides, "documentation": check.doc, "permissions": permissions,
                "sources": check.facts.iter().map(|fact| source(*fact).path).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "checks": checks })
}
