//! A plan: what differs from the desired state, change by change. Made from a snapshot, applied and undone by `apply`.

mod app_permission;
mod apply;
mod backup;
mod directories;
mod journal;
mod writer;

pub use app_permission::app_permission;
pub use apply::{ApplyRequest, UndoRequest, apply, undo};

use crate::change::{Change, Kind};
use crate::desired::{DesiredState, Profile};
use crate::error::{Error, Result};
use crate::gather::{self, Limits};
use crate::json;
use crate::session::Session;
use crate::snapshot::{FactId, Snapshot};
use crate::status::Status;
use crate::steps::{self, Step};
use crate::task::TaskContext;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use writer::Writer;

/// The version of the form that this library writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// What shall be changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The form's version.
    pub schema_version: u32,
    /// Its own id.
    pub id: String,
    /// When its facts were read.
    pub taken_at: Timestamp,
    /// The tenant.
    pub tenant_id: String,
    /// Its name.
    pub tenant_name: String,
    /// The changes, in the order in which one depends on another.
    pub changes: Vec<Change>,
    /// What could not be read, so that what differs there is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// How many changes of each kind a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// That are written.
    pub change: usize,
    /// That a person makes.
    pub by_hand: usize,
    /// Of those that are written: that cannot be taken back.
    pub undo_by_hand: usize,
}

/// What may be written with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Means {
    /// The portal's back end, which Microsoft does not document.
    pub portal: bool,
    /// The files of group policy objects.
    pub sysvol: bool,
    /// The caller, on a Connect server.
    pub host: bool,
}

/// What making a plan takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CreateRequest {
    /// The desired state, as text.
    desired: String,
    /// The steps; empty: all.
    steps: Vec<String>,
    /// A snapshot to plan from; absent: what is needed is read now.
    snapshot: Option<String>,
    /// The portal's back end may be written to.
    allow_portal_write: bool,
    /// The files of group policy objects may be written to.
    allow_sysvol_write: bool,
    /// The folder for backups of a group policy object that sets the minimum password age, where a person sets it.
    policy_backup: Option<PathBuf>,
    /// No plan, but what stands today.
    #[serde(skip)]
    current: bool,
}

impl CreateRequest {
    /// Makes it a request for what stands today, which takes a snapshot and nothing else.
    pub fn of_today(&mut self) -> Result<()> {
        self.current = true;
        match self.desired.is_empty() && self.steps.is_empty() {
            true => Ok(()),
            false => Err(Error::new(Status::ArgumentInvalid, "this function plans nothing").target("desired")),
        }
    }

    /// Makes it a request for one step.
    pub fn only(&mut self, step: &str) -> Result<()> {
        if !self.steps.is_empty() {
            let why = "this function plans one step; steps cannot be chosen";
            return Err(Error::new(Status::ArgumentInvalid, why).target("steps"));
        }
        self.steps = vec![step.into()];
        Ok(())
    }
}

/// Makes a plan.
pub async fn create(session: &Session, request: CreateRequest, context: &TaskContext) -> Result<Value> {
    if request.current {
        return current(session, request.snapshot.as_deref(), context).await;
    }
    let desired = DesiredState::from_json(&request.desired)?;
    let steps = named(&request.steps)?;
    let snapshot = match &request.snapshot {
        Some(text) => Snapshot::from_json(text)?,
        None => {
            let permissions = desired.directory_permissions.as_ref();
            let limits = Limits {
                containers: permissions
                    .and_then(|wanted| wanted.containers.clone())
                    .unwrap_or_default(),
                ..Limits::default()
            };
            // What nothing is said of is not read.
            let wanted: Vec<&Step> = steps.iter().copied().filter(|step| desired.wants(step.name)).collect();
            gather::run(session, &steps::setup_needs(&wanted), &limits, context).await?
        }
    };
    let means = Means {
        portal: request.allow_portal_write,
        sysvol: request.allow_sysvol_write,
        host: context.offers(writer::SET_WRITEBACK),
    };
    possible(&snapshot, &desired)?;
    let mut plan = plan(&snapshot, &desired, &steps, means);
    if request.snapshot.is_none() && session.state().is_ok() {
        all_are_there(session, &plan, context).await?;
    }
    if let Some(folder) = &request.policy_backup {
        backup::write(folder, &snapshot, &mut plan)?;
    }
    plan.document()
}

/// What is wanted must go with what stands and is not spoken of.
fn possible(snapshot: &Snapshot, desired: &DesiredState) -> Result<()> {
    let Some(wanted) = &desired.security_questions else {
        return Ok(());
    };
    let standing = steps::current::sections(snapshot).0;
    let stands = |member: &str| {
        let own = standing.iter().find(|(name, _)| *name == "securityQuestions");
        own.and_then(|(_, members)| members.get(member)?.as_u64())
    };
    let number = |wanted: Option<u16>, member| wanted.map(u64::from).or_else(|| stands(member));
    match (
        number(wanted.to_register, "toRegister"),
        number(wanted.to_reset, "toReset"),
    ) {
        (Some(register), Some(reset)) if reset > register && (wanted.to_register, wanted.to_reset) != (None, None) => {
            let why = format!("{reset} questions cannot be asked for a reset where {register} are registered");
            Err(Error::new(Status::DesiredState, why)
                .target("securityQuestions.toReset")
                .help("Name both numbers: securityQuestions.toRegister and toReset."))
        }
        _ => Ok(()),
    }
}

/// Refuses to plan for somebody who is not there. Where that cannot be read, applying asks again.
async fn all_are_there(session: &Session, plan: &Plan, context: &TaskContext) -> Result<()> {
    let writer = Writer::new(session, context)?;
    for change in &plan.changes {
        match writer.check_named(change).await {
            Err(error) if error.status == Status::PlanInvalid => {
                return Err(Error {
                    status: Status::DesiredState,
                    ..error
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The steps of these names; all, where none is named.
fn named(names: &[String]) -> Result<Vec<&'static Step>> {
    steps::chosen(names, &[]).map_err(|why| Error::new(Status::ArgumentInvalid, why).target("steps"))
}

/// What begins a desired state.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DesiredRequest {
    /// From what.
    profile: Profile,
}

/// A desired state to begin with.
pub fn desired(request: DesiredRequest) -> Result<Value> {
    Ok(serde_json::json!({ "desired": request.profile.text() }))
}

/// What stands today, as a desired state. What is not known is left out, and told; so is what no desired state may say.
async fn current(session: &Session, snapshot: Option<&str>, context: &TaskContext) -> Result<Value> {
    let snapshot = match snapshot {
        Some(text) => Snapshot::from_json(text)?,
        None => {
            // Nothing of it is about single users.
            let mut needs = steps::setup_needs(steps::STEPS);
            for fact in [FactId::Registration, FactId::PolicyGroups, FactId::PolicyUsers] {
                needs.remove(&fact);
            }
            Box::pin(gather::run(session, &needs, &Limits::default(), context)).await?
        }
    };
    standing(&snapshot)
}

/// The document of what stands today, and what it leaves out.
fn standing(snapshot: &Snapshot) -> Result<Value> {
    let mut sections = steps::current::sections(snapshot).0;
    let mut left_out = Vec::new();
    let is_told = |name: &&&str| sections.iter().any(|(own, _)| own == *name);
    let unknown: Vec<&str> = DesiredState::NAMES
        .iter()
        .filter(|name| !is_told(name))
        .copied()
        .collect();
    if !unknown.is_empty() {
        left_out.push(Value::from(format!(
            "{}, for it is not known how that stands",
            unknown.join(", ")
        )));
    }
    loop {
        let mut text = String::from("{\n  \"schemaVersion\": 1");
        for (name, members) in &sections {
            let members = Value::Object(members.clone());
            text.push_str(&format!(",\n  \"{name}\": {members}"));
        }
        text.push_str("\n}\n");
        let Err(error) = DesiredState::from_json(&text) else {
            return Ok(serde_json::json!({ "desired": text, "leftOut": left_out }));
        };
        // It stands so, and yet may not be wanted: without it the rest may.
        let path = error.target.clone().unwrap_or_default();
        let (name, member) = path.split_once('.').unwrap_or((&path, ""));
        let Some(at) = sections.iter().position(|(own, _)| *own == name) else {
            return Err(error);
        };
        let mut rest = serde_json::Map::new();
        for (own, value) in &sections[at].1 {
            if own != member {
                rest.insert(own.clone(), value.clone());
            }
        }
        match rest.is_empty() || rest.len() == sections[at].1.len() {
            true => drop(sections.remove(at)),
            false => sections[at].1 = rest,
        }
        left_out.push(error.message.into());
    }
}

/// What differs from a desired state.
pub fn plan(snapshot: &Snapshot, desired: &DesiredState, steps: &[&Step], means: Means) -> Plan {
    let setups = steps.iter().filter_map(|step| step.setup.as_ref());
    let changes = setups.flat_map(|setup| (setup.plan)(snapshot, desired));
    let changes = changes.map(|change| match change.kind {
        Kind::Portal if !means.portal || change.before.is_null() => change.manual(),
        Kind::Sysvol if !means.sysvol => change.manual(),
        Kind::Host if !means.host => change.manual(),
        _ => change,
    });
    Plan {
        schema_version: SCHEMA_VERSION,
        id: uuid::Uuid::new_v4().to_string(),
        taken_at: snapshot.taken_at,
        tenant_id: snapshot.signed_in.tenant_id.clone(),
        tenant_name: snapshot.tenant_name(),
        changes: changes.collect(),
        unread: unread(snapshot, desired, steps),
    }
}

/// The settings of the portal, and proofs, that cannot be read become changes by hand, and how many users there are decides
/// nothing; where anything else cannot be read, nothing is known.
fn unread(snapshot: &Snapshot, desired: &DesiredState, steps: &[&Step]) -> Vec<String> {
    const WITHOUT: [FactId; 5] = [
        FactId::PortalResetPolicy,
        FactId::PortalOnPremises,
        FactId::AuditSettings,
        FactId::AuditResets,
        FactId::UserCounts,
    ];
    let facts = &snapshot.facts;
    // What is missing of these would have its changes too.
    let in_part = |fact| match fact {
        FactId::DirectoryGrants => facts.directory_grants.partial_reason(),
        FactId::DirectoryPasswords => facts.directory_passwords.partial_reason(),
        FactId::ConditionalAccess => facts.conditional_access.partial_reason(),
        _ => None,
    };
    let wanted = steps.iter().filter(|step| desired.wants(step.name));
    let needs = wanted.flat_map(|step| {
        step.setup
            .iter()
            .flat_map(|setup| setup.needs)
            .map(move |fact| (step, fact))
    });
    let refused = needs.filter(|(_, fact)| !WITHOUT.contains(fact));
    let told = refused.filter_map(|(step, fact)| {
        let refusal = facts.refusal(*fact).map(|refusal| refusal.message.as_str());
        Some(format!("{}: {}", step.title, refusal.or_else(|| in_part(*fact))?))
    });
    let mut told: BTreeSet<String> = told.collect();
    // Where nothing says that there is no directory, one that was not looked at may differ.
    let organization = facts.organization.value();
    let synced = organization.is_none_or(|tenant| tenant.on_premises_sync_enabled == Some(true));
    let on_premises = [FactId::DirectoryGrants, FactId::DirectoryPasswords];
    for step in steps.iter().filter(|step| synced && desired.wants(step.name)) {
        let needs = step.setup.iter().flat_map(|setup| setup.needs);
        if needs
            .filter(|fact| on_premises.contains(fact))
            .any(|fact| !facts.has(*fact) && facts.refusal(*fact).is_none())
        {
            told.insert(format!(
                "{}: no directory is connected to (Connect-SsprDirectory).",
                step.title
            ));
        }
    }
    let permissions = desired.directory_permissions.as_ref();
    let named = permissions.and_then(|wanted| wanted.containers.as_ref());
    let of_accounts = permissions.is_some_and(|wanted| {
        [wanted.users, wanted.inet_org_persons, wanted.unexpire_password]
            .iter()
            .any(Option::is_some)
    });
    if let Some(grants) = facts.directory_grants.value() {
        if of_accounts && !grants.iter().any(|grants| grants.serves) {
            let why = "no connector account in use was found. Name it: Connect-SsprDirectory -Connector.";
            told.insert(format!("{}: {why}", steps::directory_permissions::STEP.title));
        }
        let found: HashSet<String> = grants.iter().map(|grants| grants.object.to_lowercase()).collect();
        for dn in named.into_iter().flatten() {
            if !found.contains(&dn.to_lowercase()) {
                told.insert(format!(
                    "{dn} was not found in a domain that was read, or cannot be read."
                ));
            }
        }
    }
    told.into_iter().collect()
}

impl Plan {
    /// Reads a plan.
    pub fn from_json(text: &str) -> Result<Self> {
        let damaged = Error::new(Status::PlanInvalid, "the document is not a plan of this version");
        let plan: Plan = json::read(text).map_err(|e| damaged.clone().caused_by(&e))?;
        match plan.schema_version {
            SCHEMA_VERSION => Ok(plan),
            _ => Err(damaged),
        }
    }

    fn to_value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|e| Error::new(Status::Internal, "the plan").caused_by(&e))
    }

    /// The plan as a document, with its view line by line.
    pub fn document(&self) -> Result<Value> {
        let mut document = self.to_value()?;
        document["plan"] = document.to_string().into();
        document["counts"] = serde_json::json!(self.counts());
        document["screen"] = crate::report::plan::lines(self).into();
        Ok(document)
    }

    /// How many changes of each kind it has.
    pub fn counts(&self) -> Counts {
        let written = self.changes.iter().filter(|change| change.write.is_some());
        let lasting = written.clone().filter(|change| !change.reversible);
        Counts {
            change: written.clone().count(),
            by_hand: self.changes.len() - written.count(),
            undo_by_hand: lasting.count(),
        }
    }
}
