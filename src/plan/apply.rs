//! The only writer: each change's precondition, the journal, the write, and a look at what is there then.

use super::journal::{Journal, Known, Mark};
use super::writer::{SET_WRITEBACK, Writer, members};
use super::{Means, Plan, named};
use crate::change::{Change, Kind, Write};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::session::Session;
use crate::status::Status;
use crate::task::TaskContext;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// So often it is looked whether what was written is there, with longer waits between.
const LOOKS: u32 = 6;
/// The first of these waits.
const WAIT: Duration = Duration::from_millis(250);
/// So often it is looked whether users have taken what was granted above them.
const PULSE: Duration = Duration::from_secs(2);
/// How long it is waited for that, where nothing else is said.
const PATIENCE: u64 = 30;
/// How long a person may think about one change.
const THOUGHT: Duration = Duration::from_secs(3600);

/// What applying takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApplyRequest {
    /// The plan, as text; none where one is resumed.
    plan: Option<String>,
    /// Where the journal is, or goes.
    journal: PathBuf,
    /// Go on with the plan of a journal.
    resume: bool,
    /// The steps whose changes are made; empty: all.
    steps: Vec<String>,
    /// The portal's back end may be written to.
    allow_portal_write: bool,
    /// The files of group policy objects may be written to.
    allow_sysvol_write: bool,
    /// Ask the caller before each change, by the host action `confirm`.
    confirm: bool,
    /// How long it is waited for that users take what was granted above them; absent: 30 seconds.
    effective_seconds: Option<u64>,
}

/// What undoing takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UndoRequest {
    /// The journal of what was applied.
    journal: PathBuf,
    /// The changes that are taken back though somebody changed them since.
    force: Vec<String>,
    /// The portal's back end may be written to.
    allow_portal_write: bool,
    /// The files of group policy objects may be written to.
    allow_sysvol_write: bool,
    /// Ask the caller before each change, by the host action `confirm`.
    confirm: bool,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    /// It was written, and is there.
    Done,
    /// It was written, and is there; but not all users that were looked at have taken it yet.
    Pending,
    /// It was there.
    Already,
    /// It was taken back.
    Undone,
    /// A person makes it.
    ByHand,
    /// Whoever was asked said no.
    Declined,
    /// It cannot be taken back.
    Lasting,
    /// Somebody else changed what it is about.
    Drifted,
    /// It was not written, or is not there.
    Failed,
    /// One before it failed.
    NotTried,
}

/// One change, and what it came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'c> {
    id: &'c str,
    step: &'c str,
    kind: Kind,
    title: &'c str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forth,
    Back,
}

impl Way {
    /// What should be there before, and what then.
    fn ends(self, change: &Change) -> (&Value, &Value) {
        match self {
            Way::Forth => (&change.before, &change.after),
            Way::Back => (&change.after, &change.before),
        }
    }

    fn marks(self) -> (Mark, Mark) {
        match self {
            Way::Forth => (Mark::Begun, Mark::Done),
            Way::Back => (Mark::UndoBegun, Mark::Undone),
        }
    }

    fn done(self) -> Outcome {
        match self {
            Way::Forth => Outcome::Done,
            Way::Back => Outcome::Undone,
        }
    }
}

/// How a change is made.
#[derive(Clone, Copy, Debug)]
struct How<'k> {
    way: Way,
    /// What the journal knows of it.
    known: &'k Known,
    /// The caller is asked.
    confirm: bool,
    /// Whatever is there.
    forced: bool,
    /// How long it is waited for that users take it.
    patience: Duration,
}

/// Makes a plan's changes.
pub async fn apply(session: &Session, request: ApplyRequest, context: &TaskContext) -> Result<Value> {
    let given = match (&request.plan, request.resume) {
        (Some(text), false) => Plan::from_json(text)?,
        (None, true) => Journal::plan(&request.journal)?,
        _ => return Err(Error::new(Status::ArgumentInvalid, "give either 'plan' or 'resume'").target("plan")),
    };
    let _locks = ours(session, &given)?;
    let steps = named(&request.steps)?;
    let wanted = |change: &&Change| request.steps.is_empty() || steps.iter().any(|step| step.name == change.step);
    let all: Vec<&Change> = given.changes.iter().filter(wanted).collect();
    let account = session.state().ok().and_then(|state| state.identity.account);
    let mut writer = Writer::new(session, context)?;
    let means = Means {
        portal: request.allow_portal_write,
        sysvol: request.allow_sysvol_write,
        host: context.offers(SET_WRITEBACK),
    };
    allowed(session, &mut writer, &all, means).await?;
    for change in &all {
        writer.check_named(change).await.map_err(|mut error| {
            error.message.push_str("; nothing was changed");
            error
        })?;
    }
    let (mut journal, known) = match request.resume {
        true => Journal::open(&request.journal)?,
        false => (
            Journal::begin(&request.journal, &given, account.as_deref())?,
            BTreeMap::new(),
        ),
    };
    let mut told = Vec::new();
    let mut stopped = false;
    let nothing = Known::default();
    for change in all {
        let known = known.get(&change.id).unwrap_or(&nothing);
        let (outcome, error) = match change.write {
            None => (Outcome::ByHand, None),
            Some(_) if stopped => (Outcome::NotTried, None),
            // What was done is not done twice: somebody may have taken it back since, and that is told.
            Some(_) if known.mark == Some(Mark::Done) => still(&mut writer, change).await,
            // What was begun when the plan was cut off may be there, or not: it is looked at like any other.
            Some(_) => {
                let how = How {
                    way: Way::Forth,
                    known,
                    confirm: request.confirm,
                    forced: false,
                    patience: Duration::from_secs(request.effective_seconds.unwrap_or(PATIENCE)),
                };
                one(&mut writer, &mut journal, change, how, context).await?
            }
        };
        stopped |= matches!(outcome, Outcome::Drifted | Outcome::Failed);
        told.push(tell(change, outcome, error.as_ref(), context).await);
    }
    Ok(document(&given, &told, &request.journal))
}

/// Takes back what a journal says was done, the last first.
pub async fn undo(session: &Session, request: UndoRequest, context: &TaskContext) -> Result<Value> {
    let plan = Journal::plan(&request.journal)?;
    let _locks = ours(session, &plan)?;
    let (mut journal, known) = Journal::open(&request.journal)?;
    let mut writer = Writer::new(session, context)?;
    if let Some(name) = request
        .force
        .iter()
        .find(|name| plan.changes.iter().all(|change| change.id != **name))
    {
        return Err(Error::new(Status::ArgumentInvalid, format!("the plan has no change {name:?}")).target("force"));
    }
    let ours = |change: &&Change| change.write.is_some() && known.get(&change.id).is_some_and(Known::is_ours);
    let all: Vec<&Change> = plan.changes.iter().rev().filter(ours).collect();
    let means = Means {
        portal: request.allow_portal_write,
        sysvol: request.allow_sysvol_write,
        host: context.offers(SET_WRITEBACK),
    };
    allowed(session, &mut writer, &all, means).await?;
    let mut told = Vec::new();
    for change in all {
        let forced = request.force.contains(&change.id);
        let (outcome, error) = match change.reversible {
            false => (Outcome::Lasting, None),
            // One that fails keeps none of the others.
            true => {
                let how = How {
                    way: Way::Back,
                    known: &known[&change.id],
                    confirm: request.confirm,
                    forced,
                    patience: Duration::ZERO,
                };
                one(&mut writer, &mut journal, change, how, context).await?
            }
        };
        told.push(tell(change, outcome, error.as_ref(), context).await);
    }
    let mut document = document(&plan, &told, &request.journal);
    // Nobody knows which of these a person made.
    let by_people = plan.changes.iter().filter(|change| change.write.is_none());
    let left = by_people.map(|change| {
        let was = match change.before.is_null() {
            true => "how it was is not known".into(),
            false => format!("it was {}", short(&change.before)),
        };
        format!(
            "{}: where a person did this, a person takes it back; {was}",
            change.title
        )
    });
    document["left"] = left.collect::<Vec<_>>().into();
    Ok(document)
}

/// Whether what an earlier run did is still there.
async fn still(writer: &mut Writer, change: &Change) -> (Outcome, Option<Error>) {
    match writer.look(change).await {
        Ok(now) if now == change.after => (Outcome::Already, None),
        Ok(now) => (Outcome::Drifted, Some(drifted(change, &change.after, &now))),
        Err(error) => (Outcome::Failed, Some(refused(change, error))),
    }
}

/// Makes or takes back one change. An error of the journal ends all.
async fn one(
    writer: &mut Writer,
    journal: &mut Journal,
    change: &Change,
    how: How<'_>,
    context: &TaskContext,
) -> Result<(Outcome, Option<Error>)> {
    let way = how.way;
    let (from, to) = way.ends(change);
    let now = match writer.look(change).await {
        Ok(now) => now,
        Err(error) => return Ok((Outcome::Failed, Some(refused(change, error)))),
    };
    if now == *to {
        // What somebody else did is not ours to take back.
        if how.known.is_ours() {
            journal.mark(&change.id, way.marks().1, Some("it was there"))?;
        }
        return Ok((Outcome::Already, None));
    }
    if now != *from && !how.forced && !(how.known.is_open() && is_half_done(change, &now)) {
        return Ok((Outcome::Drifted, Some(drifted(change, from, &now))));
    }
    if how.confirm {
        let question = json!({
            "id": change.id, "title": change.title, "target": change.target, "before": now, "after": to,
            "risk": change.risk, "undo": way == Way::Back,
        });
        if context.host_action("confirm", question, THOUGHT).await?.as_bool() != Some(true) {
            return Ok((Outcome::Declined, None));
        }
    }
    let keep = match writer.keep(change, to).await {
        Ok(keep) => keep,
        Err(error) => return Ok((Outcome::Failed, Some(refused(change, error)))),
    };
    journal.begun(&change.id, way.marks().0, keep)?;
    let kept: Vec<&Value> = [&how.known.undone, &how.known.made].into_iter().flatten().collect();
    let written = writer.write(change, &now, to, &kept).await;
    // Whatever was answered, what is there decides: an answer can be lost after the service has written.
    let mut wait = WAIT;
    let mut seen = Ok(Value::Null);
    for look in 1..=LOOKS {
        match writer.look(change).await {
            Ok(now) if now == *to => {
                journal.mark(&change.id, way.marks().1, None)?;
                return Ok(match way {
                    Way::Forth if !is_taken(writer, change, how.patience).await => (Outcome::Pending, None),
                    way => (way.done(), None),
                });
            }
            Ok(now) => seen = Ok(now),
            // With the answer the connection may be lost.
            Err(error) => {
                writer.directories.reconnect();
                seen = Err(error);
            }
        }
        if look == LOOKS || written.as_ref().is_err_and(is_refusal) {
            break;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    let is_refused = written.as_ref().is_err_and(is_refusal);
    let error = match (written, seen) {
        (Err(error), _) => refused(change, error),
        (Ok(()), Err(error)) => error
            .detail(format!("{} was written; whether it holds could not be read.", change.target))
            .help("When it can be reached again, go on with Invoke-SsprPlan -Resume: what was written is looked at first."),
        (Ok(()), Ok(seen)) => Error::new(
            Status::PlanNotKept,
            format!("{} was written and reads {}", change.target, short(&seen)),
        )
        .target(&change.id),
    };
    let mark = match is_refused && way == Way::Forth && !is_in_parts(change) {
        true => Mark::Refused,
        false => Mark::Failed,
    };
    journal.mark(&change.id, mark, Some(&error.message))?;
    let outcome = match error.status {
        Status::PlanDrift => Outcome::Drifted,
        _ => Outcome::Failed,
    };
    Ok((outcome, Some(error)))
}

/// Whether a change is written in several parts.
fn is_in_parts(change: &Change) -> bool {
    matches!(change.write, Some(Write::Template { .. } | Write::Portal { .. }))
}

/// Whether what stands there is what a change leaves that is written in several parts, and was cut off between two.
fn is_half_done(change: &Change, now: &Value) -> bool {
    let ours = |(name, value): (&String, &Value)| {
        [
            &change.before[name],
            &change.after[name],
            &Value::Bool(false),
            &Value::Null,
        ]
        .contains(&value)
    };
    is_in_parts(change) && members(now).all(ours)
}

/// Waits until users have taken what was granted above them, or no longer.
async fn is_taken(writer: &mut Writer, change: &Change, patience: Duration) -> bool {
    let Some(write) = &change.write else { return true };
    let until = tokio::time::Instant::now() + patience;
    loop {
        if writer.directories.is_taken(write, &change.after).await == Ok(true) {
            return true;
        }
        if tokio::time::Instant::now() + PULSE > until {
            return false;
        }
        tokio::time::sleep(PULSE).await;
    }
}

/// The plan must be this tenant's, and no other may be at work on what it writes to: the tenant, and each domain.
fn ours(session: &Session, plan: &Plan) -> Result<Vec<Lock>> {
    let mut targets = BTreeSet::new();
    // A plan of directories alone is of no tenant.
    if !plan.tenant_id.is_empty() {
        let tenant = session.state()?.identity.tenant_id;
        if !plan.tenant_id.eq_ignore_ascii_case(&tenant) {
            return Err(Error::new(
                Status::PlanInvalid,
                format!("the plan is for the tenant {}, not for {tenant}", plan.tenant_id),
            )
            .target(&plan.tenant_id));
        }
        targets.insert(tenant.to_lowercase());
    }
    for change in &plan.changes {
        if let Some(Write::Descriptor { domain, .. } | Write::Template { domain, .. }) = &change.write {
            targets.insert(domain.to_lowercase());
        }
    }
    let lock = |target: &String| Lock::take(target, &format!("another plan is being applied to {target}"));
    targets.iter().map(lock).collect()
}

/// Before anything is changed: what the sign-in lacks, all at once.
async fn allowed(session: &Session, writer: &mut Writer, changes: &[&Change], means: Means) -> Result<()> {
    let written = || changes.iter().filter(|change| change.write.is_some());
    let writes = |kind: fn(&Write) -> bool| written().any(|change| change.write.as_ref().is_some_and(kind));
    if !means.sysvol && writes(|write| matches!(write, Write::Template { .. })) {
        return Err(Error::new(
            Status::ArgumentInvalid,
            "the plan writes to the files of group policy objects",
        )
        .target("allowSysvolWrite")
        .help("Allow it with -AllowSysvolWrite, or make a plan without it."));
    }
    if writes(|write| matches!(write, Write::Portal { .. })) {
        if !means.portal {
            return Err(Error::new(
                Status::ArgumentInvalid,
                "the plan writes to the portal's back end, which Microsoft does not document",
            )
            .target("allowPortalWrite")
            .help("Allow it with -AllowPortalWrite, or make a plan without it."));
        }
        if !writer.has_portal() {
            return Err(Error::new(
                Status::PlanPermission,
                "the plan writes to the portal's back end, and nobody signed in to it",
            )
            .help("Sign in with Connect-SsprTenant -PortalApi."));
        }
    }
    if !means.host && writes(|write| matches!(write, Write::Host { .. })) {
        return Err(Error::new(
            Status::PlanPermission,
            "the plan sets a Connect server, which this caller does not offer to do",
        )
        .help("Connect to the server with Connect-SsprConnectServer, in the session that applies the plan."));
    }
    let held = session
        .state()
        .map(|state| state.identity.permissions)
        .unwrap_or_default();
    let lacks = |change: &&&Change| {
        change.kind == Kind::Graph && !change.requires.iter().any(|name| held.iter().any(|own| own == name))
    };
    let mut missing: BTreeSet<String> = written()
        .filter(lacks)
        .map(|change| change.requires.join(" or "))
        .collect();
    for write in written().filter_map(|change| change.write.as_ref()) {
        missing.extend(writer.directories.lacks(write).await?);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::new(
        Status::PlanPermission,
        format!("the sign-in lacks {names}; nothing was changed"),
    )
    .target(names))
}

/// What a service said, with what the change needs.
fn refused(change: &Change, mut own: Error) -> Error {
    own.target = Some(change.id.clone());
    if matches!(own.status, Status::ServiceRefused | Status::DirectoryRefused) && !change.requires.is_empty() {
        own = own.help(format!("It needs {}.", change.requires.join(" or ")));
    }
    own
}

/// Somebody else changed what a change is about.
pub fn drifted(change: &Change, expected: &Value, now: &Value) -> Error {
    Error::new(
        Status::PlanDrift,
        format!("{} is not as the plan knows it: it is {}", change.target, short(now)),
    )
    .target(&change.id)
    .detail(format!("expected {}", short(expected)))
}

/// Whether it was certainly not written.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.status,
        Status::ServiceRefused
            | Status::DirectoryRefused
            | Status::DirectoryNotFound
            | Status::SignInNeeded
            | Status::PlanDrift
    )
}

async fn tell<'c>(change: &'c Change, outcome: Outcome, error: Option<&Error>, context: &TaskContext) -> Told<'c> {
    let told = Told {
        id: &change.id,
        step: &change.step,
        kind: change.kind,
        title: &change.title,
        outcome,
        error: error.and_then(|error| crate::json::read(&error.to_json()).ok()),
    };
    context.change(json!(told)).await;
    told
}

fn document(plan: &Plan, told: &[Told<'_>], journal: &std::path::Path) -> Value {
    let count = |outcomes: &[Outcome]| told.iter().filter(|told| outcomes.contains(&told.outcome)).count();
    let failed = count(&[Outcome::Drifted, Outcome::Failed, Outcome::NotTried, Outcome::Declined]);
    json!({
        "planId": plan.id, "tenantId": plan.tenant_id, "tenantName": plan.tenant_name, "journal": journal,
        "changes": told, "complete": failed == 0,
        "counts": {
            "done": count(&[Outcome::Done, Outcome::Undone, Outcome::Pending]), "already": count(&[Outcome::Already]),
            "byHand": count(&[Outcome::ByHand, Outcome::Lasting]), "open": failed,
        },
    })
}

/// A value short enough for a sentence.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
