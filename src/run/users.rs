//! The registration report user by user, with what the checks count of each: handed out, or written to a table.

use crate::error::{Error, Result};
use crate::file::Private;
use crate::gather::users::Users;
use crate::json::{flag, strict};
use crate::report::users as table;
use crate::session::Session;
use crate::snapshot::people::CohortKey;
use crate::snapshot::{Fact, FactId, Refusal, Snapshot, source};
use crate::status::Status;
use crate::steps::user_registration::summary;
use crate::steps::user_registration::users::{CAUSE, ENDS, Judge, nobody};
use crate::task::TaskContext;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

const REQUEST: &[&str] = &[
    "users",
    "methods",
    "notRegistered",
    "notCapable",
    "inScope",
    "administrator",
    "userType",
    "atRisk",
    "before",
    "snapshot",
    "path",
    "overwrite",
];

/// So many users are handed out at once: the caller who has enough of them is not far behind the reading.
const AT_ONCE: usize = 25;
/// So many users may be asked for by name.
const MOST: usize = 1000;

/// Which users are wanted.
struct Wanted<'a> {
    users: Vec<&'a str>,
    methods: Vec<&'a str>,
    not_registered: bool,
    not_capable: bool,
    in_scope: bool,
    administrator: bool,
    guest: Option<bool>,
    /// Only those who lose too many methods, by the end of this day at the latest.
    before: Option<&'a str>,
    at_risk: bool,
}

fn texts<'a>(request: &'a Value, name: &str) -> Vec<&'a str> {
    let all = request[name].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn wrong(name: &str, what: impl Into<String>) -> Error {
    Error::new(Status::ArgumentInvalid, what).target(name)
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Value) -> Result<Self> {
        strict(request, REQUEST)?;
        let before = request["before"].as_str();
        if before.is_some_and(|day| day.parse::<jiff::civil::Date>().is_err()) {
            return Err(wrong("before", "'before' is no day such as 2027-02-01"));
        }
        let users = texts(request, "users");
        if users.len() > MOST {
            return Err(wrong("users", format!("more than {MOST} users are asked for by name")));
        }
        let guest = match request["userType"].as_str() {
            None => None,
            Some("member") => Some(false),
            Some("guest") => Some(true),
            Some(_) => return Err(wrong("userType", "'userType' is neither 'member' nor 'guest'")),
        };
        let yes = |name: &str| flag(request, name);
        Ok(Wanted {
            users,
            methods: texts(request, "methods"),
            not_registered: yes("notRegistered")?,
            not_capable: yes("notCapable")?,
            in_scope: yes("inScope")?,
            administrator: yes("administrator")?,
            guest,
            before,
            at_risk: yes("atRisk")? || before.is_some(),
        })
    }

    /// The conditions that the service is documented to look at.
    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut add = |wanted: bool, condition: &str| {
            if wanted {
                all.push(condition.to_string());
            }
        };
        add(self.not_registered, "isSsprRegistered eq false");
        add(self.not_capable, "isSsprCapable eq false");
        add(self.at_risk && !self.not_capable, "isSsprCapable eq true");
        add(self.in_scope, "isSsprEnabled eq true");
        if let [method] = self.methods[..] {
            all.extend(Users::has(method));
        }
        all
    }

    fn takes(&self, key: &CohortKey, user: &Value) -> bool {
        let has = |method: &&str| {
            let registered = user["methods"].as_array().into_iter().flatten();
            registered
                .filter_map(Value::as_str)
                .any(|own| own.eq_ignore_ascii_case(method))
        };
        let end = user["losesOn"].as_str();
        (self.methods.is_empty() || self.methods.iter().any(has))
            && (!self.not_registered || !key.sspr_registered)
            && (!self.not_capable || !key.sspr_capable)
            && (!self.in_scope || key.sspr_enabled)
            && (!self.administrator || key.admin || key.global_admin)
            && self.guest.is_none_or(|guest| guest == key.guest)
            && (!self.at_risk || end.is_some())
            && self.before.is_none_or(|day| end.is_some_and(|end| end <= day))
    }
}

/// A user as callers see them.
fn told(row: &Value, key: &CohortKey, judge: &Judge<'_>) -> Value {
    let end = judge.end(key).map(|end| end.first());
    let administrator = key.admin || key.global_admin;
    json!({
        "id": row["id"], "userPrincipalName": row["userPrincipalName"], "displayName": row["userDisplayName"],
        "userType": if key.guest { "guest" } else { "member" }, "administrator": administrator, "globalAdministrator": key.global_admin,
        "inScope": key.sspr_enabled, "registered": key.sspr_registered, "capable": key.sspr_capable,
        "mfaRegistered": key.mfa_registered, "mfaCapable": key.mfa_capable, "methods": row["methodsRegistered"],
        "cause": judge.cause(key), "losesOn": end.map(|(day, _)| day.to_string()), "loses": end.map(|(_, what)| what),
        "asOf": row["lastUpdatedDateTime"],
    })
}

/// Where users go.
enum Sink<'a> {
    Caller(&'a TaskContext),
    Table(PathBuf, BufWriter<Private>),
}

impl Sink<'_> {
    fn unwritten(path: &std::path::Path, cause: &std::io::Error) -> Error {
        let name = path.display().to_string();
        Error::new(Status::FileWrite, format!("{name} cannot be written"))
            .target(name)
            .caused_by(cause)
    }

    async fn give(&mut self, users: &[Value]) -> Result<()> {
        match self {
            Sink::Caller(context) => {
                for some in users.chunks(AT_ONCE) {
                    context.users(some).await;
                }
                Ok(())
            }
            Sink::Table(path, out) => {
                let rows = table::rows(users);
                out.write_all(&rows).map_err(|e| Sink::unwritten(path, &e))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Sink::Caller(_) => Ok(()),
            Sink::Table(path, out) => {
                let out = out.into_inner();
                out.map_err(|e| Sink::unwritten(&path, &e.into_error()))?
                    .finish()
                    .map(drop)
            }
        }
    }
}

/// Counts a snapshot's users, beside those of an earlier one.
pub fn summarize(request: &Value) -> Result<Value> {
    strict(request, &["snapshot", "reference"])?;
    let given = |name: &str| request[name].as_str().map(Snapshot::from_json).transpose();
    let Some(snapshot) = given("snapshot")? else {
        return Err(wrong("snapshot", "'snapshot' is missing"));
    };
    let lines = |snapshot: &Snapshot, name: &str| match snapshot.facts.registration.value() {
        Some(report) => Ok(summary::lines(snapshot, report)),
        None => {
            let refusal = snapshot.facts.refusal(FactId::Registration);
            let error = wrong(name, "the snapshot does not have the registration report")
                .help("Take one with Test-SsprReadiness, of all steps or of user_registration.");
            Err(refusal
                .iter()
                .fold(error, |error, refusal| error.detail(refusal.message.clone())))
        }
    };
    let mut all = lines(&snapshot, "snapshot")?;
    let reference = given("reference")?;
    let tenant = |snapshot: &Snapshot| snapshot.signed_in.tenant_id.to_ascii_lowercase();
    if reference
        .as_ref()
        .is_some_and(|reference| tenant(reference) != tenant(&snapshot))
    {
        return Err(wrong("reference", "the snapshots are of different tenants"));
    }
    if let Some(reference) = &reference {
        let earlier = lines(reference, "reference")?;
        for line in &mut all {
            let same = |other: &&Value| other["area"] == line["area"] && other["name"] == line["name"];
            let Some(before) = earlier.iter().find(same) else {
                continue;
            };
            let (users, capable) = (before["users"].clone(), before["capable"].clone());
            line["usersBefore"] = users;
            line["capableBefore"] = capable;
        }
    }
    let fact = &snapshot.facts.registration;
    Ok(json!({
        "asOf": fact.value().and_then(|report| report.updated), "takenAt": snapshot.taken_at, "since": reference.map(|reference| reference.taken_at),
        "partial": fact.partial_reason(), "lines": all,
    }))
}

/// Reads the users that are wanted.
pub async fn read(session: &Session, request: &Value, context: &TaskContext) -> Result<Value> {
    let wanted = Wanted::of(request)?;
    let given = request["snapshot"].as_str().map(Snapshot::from_json).transpose()?;
    let path = request["path"].as_str().map(PathBuf::from);
    let mut sink = match &path {
        None => Sink::Caller(context),
        Some(path) => {
            let file = Private::create(path, flag(request, "overwrite")?)?;
            let mut out = BufWriter::new(file);
            out.write_all(table::HEAD).map_err(|e| Sink::unwritten(path, &e))?;
            Sink::Table(path.clone(), out)
        }
    };
    let mut needs: BTreeSet<FactId> = CAUSE.iter().copied().collect();
    if wanted.at_risk {
        needs.extend(ENDS);
        // Whether the app counts for two methods is told by the whole.
        if given.is_none() {
            needs.insert(FactId::Registration);
        }
    }
    let (mut snapshot, users) = Users::open(session, &needs, context).await?;
    let refused = |refusal: Option<&Refusal>| {
        let what = "who is at risk cannot be told: the authentication methods policy is not readable";
        let error = Error::new(Status::ServiceRefused, what);
        refusal.map_or_else(
            || error.clone(),
            |refusal| error.clone().detail(refusal.message.clone()),
        )
    };
    if wanted.at_risk && !snapshot.facts.has(FactId::MethodsPolicy) {
        return Err(refused(snapshot.facts.refusal(FactId::MethodsPolicy)));
    }
    let counted = given.as_ref().unwrap_or(&snapshot);
    let counted = counted.facts.registration.value().cloned();
    let report = nobody(users.groups());
    let mut alike = users.alike(&report.methods);
    let taken_at = snapshot.taken_at;
    snapshot.facts.registration = Fact::known(report.clone(), source(FactId::Registration).path, taken_at);
    let judge = Judge::of(&snapshot, &report, counted.as_ref());
    let (mut rows, mut found) = (0_u64, 0_u64);
    let mut judged = |all: &[Value]| -> Result<Vec<Value>> {
        let mut some = Vec::new();
        for row in all {
            let key = alike.of(&row.to_string()).map_err(|e| {
                Error::new(Status::ServiceAnswer, "a row of the report is not as documented").caused_by(&e)
            })?;
            let user = told(row, &key, &judge);
            if wanted.takes(&key, &user) {
                some.push(user);
            }
        }
        Ok(some)
    };
    let mut missing = Vec::new();
    if wanted.users.is_empty() {
        let mut page = Some(users.page(&Users::all(&wanted.conditions())).await?);
        let mut seen = BTreeSet::new();
        while let Some((all, next)) = page.take() {
            rows += all.len() as u64;
            context.progress("Reading the registration report", rows, None);
            let some = judged(&all)?;
            drop(all);
            found += some.len() as u64;
            if next.as_ref().is_some_and(|next| !seen.insert(next.path.clone())) {
                return Err(Error::new(Status::ServiceAnswer, "the pages lead in a circle"));
            }
            // The next page is read while the caller takes this one.
            let ahead = async {
                match &next {
                    Some(next) => users.page(next).await.map(Some),
                    None => Ok(None),
                }
            };
            let (given, read) = tokio::join!(sink.give(&some), ahead);
            given?;
            page = read?;
        }
    } else {
        for names in wanted.users.chunks(20) {
            let answers = users.named(names).await?;
            let mut all = Vec::new();
            for (name, row) in names.iter().zip(answers) {
                match row {
                    Some(row) => all.push(row),
                    None => missing.push(*name),
                }
            }
            rows += all.len() as u64;
            let some = judged(&all)?;
            found += some.len() as u64;
            sink.give(&some).await?;
        }
    }
    sink.finish()?;
    let unknown = wanted.methods.iter().filter(|method| Users::has(method).is_none());
    let unknown: Vec<_> = unknown.collect();
    Ok(json!({"rows": rows, "users": found, "missing": missing, "unknownMethods": unknown, "path": path}))
}
