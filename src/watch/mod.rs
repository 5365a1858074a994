//! Watches one user's reset, or unlock, on its way: the user acts in a browser, and what each source says of it is told as
//! it comes. Nothing is written anywhere, and no password is seen.

mod legs;

pub use legs::{Account, Action, LEGS, Leg, News, State, Watch};

use crate::directory::ldap::{Connection, DirectoryError};
use crate::directory::password_policy::moment;
use crate::error::{Error, Result};
use crate::gather::connect;
use crate::gather::directory::user::{Found, find};
use crate::gather::user::{SERVICE, path};
use crate::json::strict;
use crate::session::Session;
use crate::session::directory::{error, sentence};
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::{Ask, Graph};
use jiff::{Timestamp, ToSpan};
use legs::plain;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a watch takes at the most, when nobody said: the audit log is late.
const DEFAULT_SECONDS: u64 = 1800;
/// No watch takes longer.
const MOST_SECONDS: u64 = 6 * 3600;
/// How often the audit log is asked; a Connect server half as often.
const LOG_SECONDS: u64 = 10;
/// How often the directory is.
const DIRECTORY: Duration = Duration::from_secs(2);
/// So far back the log is read: it is dated by the clocks of several machines.
const MARGIN_SECONDS: i64 = 30;
/// After Microsoft Entra's last word each source is looked at for so many polls of the audit log more.
const LAST_POLLS: u32 = 3;
/// After another leg has failed, for so many: the log may yet say more, or a second try work.
const LATE_POLLS: u32 = 12;

/// What is read of a user in the directory.
const ATTRIBUTES: [&str; 3] = ["pwdLastSet", "lockoutTime", "userPrincipalName"];

/// What to watch.
struct Request {
    user: String,
    action: Action,
    time: Duration,
    every: Duration,
}

impl Request {
    fn of(request: &Value) -> Result<Self> {
        let invalid =
            |name: &str, what: &str| Error::new(Status::ArgumentInvalid, format!("'{name}' is {what}")).target(name);
        strict(request, &["user", "action", "timeoutSeconds", "pollSeconds"])?;
        let user = request["user"].as_str().unwrap_or_default().trim();
        if user.is_empty() {
            return Err(invalid("user", "missing: name one user"));
        }
        let action = match request["action"].as_str() {
            None | Some("Reset") => Action::Reset,
            Some("Unlock") => Action::Unlock,
            Some(_) => return Err(invalid("action", "neither \"Reset\" nor \"Unlock\"")),
        };
        let seconds = |name: &str, default: u64, most: u64| match &request[name] {
            Value::Null => Ok(default),
            value => match value.as_u64() {
                Some(seconds) if (1..=most).contains(&seconds) => Ok(seconds),
                _ => Err(invalid(name, &format!("no number of seconds from 1 to {most}"))),
            },
        };
        Ok(Request {
            user: user.into(),
            action,
            time: Duration::from_secs(seconds("timeoutSeconds", DEFAULT_SECONDS, MOST_SECONDS)?),
            every: Duration::from_secs(seconds("pollSeconds", LOG_SECONDS, 600)?),
        })
    }
}

/// The tenant's half.
struct Cloud {
    graph: Graph,
    user: String,
    from: Timestamp,
    /// Events that were there before.
    known: BTreeSet<String>,
}

impl Cloud {
    /// The events of this user that were not there yet.
    async fn look(&mut self) -> std::result::Result<Vec<Value>, String> {
        let from = self.from.strftime("%Y-%m-%dT%H:%M:%SZ");
        let ask = Ask::report(format!(
            "/v1.0/auditLogs/directoryAudits?$filter=loggedByService eq '{SERVICE}' and \
             activityDateTime ge {from}&$top=999"
        ));
        let events: Vec<Value> = self.graph.list(&ask).await.map_err(|e| sentence(&e.into()))?;
        let of_user = |event: &Value| {
            let targets = event["targetResources"].as_array();
            targets
                .into_iter()
                .flatten()
                .any(|target| target["id"].as_str() == Some(self.user.as_str()))
        };
        let mut fresh = Vec::new();
        for event in events {
            let id = event["id"].as_str().unwrap_or_default();
            if of_user(&event) && self.known.insert(id.into()) {
                fresh.push(event);
            }
        }
        Ok(fresh)
    }
}

/// What a source says when it is asked; else why it did not answer.
enum Said {
    Directory(std::result::Result<Account, String>),
    Log(std::result::Result<Vec<Value>, String>),
    Servers(Servers),
}

/// What the Connect servers say: each that answered with its events, and of the others why not.
struct Servers {
    read: Vec<Value>,
    failed: Option<String>,
}

/// The directory's half.
struct OnPremises {
    found: Found,
}

impl OnPremises {
    async fn look(&mut self) -> std::result::Result<Account, DirectoryError> {
        let Found { dn, login, connection } = &mut self.found;
        match read(connection, dn).await {
            // A connection that has ended is begun anew, maybe with another controller.
            Err(error) if error.is_the_controller_s() => {
                *connection = login.open().await?;
                read(connection, dn).await
            }
            read => read,
        }
    }
}

async fn read(connection: &mut Connection, dn: &str) -> std::result::Result<Account, DirectoryError> {
    let Some(entry) = connection.read(dn, &ATTRIBUTES).await? else {
        // Moved or removed: no password has to be changed for that.
        return Err(DirectoryError::Refused {
            code: 32,
            text: format!("{dn} is no longer there"),
        });
    };
    let number = |name: &str| {
        entry
            .text(name)
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or_default()
    };
    let password_set = number("pwdLastSet");
    Ok(Account {
        password_set,
        password_at: moment(password_set),
        locked: number("lockoutTime") != 0,
    })
}

/// Watches. The result is what `sspr_reset_watch` says.
pub async fn watch(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    let request = Request::of(&request)?;
    let begun = Timestamp::now();
    let (graph, user) = person(session, &request.user, context).await?.unzip();
    let user = user.unwrap_or_default();
    let text = |name: &str| user[name].as_str().unwrap_or_default().to_string();
    let (name, sid) = (text("userPrincipalName"), text("onPremisesSecurityIdentifier"));
    let is_synced = graph.is_none() || user["onPremisesSyncEnabled"] == true;
    let anchor = format!("user_{}", text("id"));
    let shown = if name.is_empty() {
        request.user.clone()
    } else {
        plain(&name)
    };
    let mut watch = Watch::new(
        request.action,
        begun,
        &[&name, &request.user, &anchor, &text("onPremisesImmutableId")],
    );

    let mut cloud = None;
    match graph {
        None => {
            for leg in [Leg::Verification, Leg::Cloud, Leg::Agent] {
                watch.leave(leg, "no sign-in to the tenant: Connect-SsprTenant");
            }
        }
        Some(graph) => {
            // By the service's clock, which its answer told: this machine's may be off.
            let from = begun + (graph.ahead() - MARGIN_SECONDS).seconds();
            let mut own = Cloud {
                graph,
                user: text("id"),
                from,
                known: BTreeSet::new(),
            };
            match own.look().await {
                Ok(_) => {
                    watch.await_leg(Leg::Verification, "audit log");
                    watch.await_leg(Leg::Cloud, "audit log");
                    match is_synced {
                        true => watch.await_leg(Leg::Agent, "audit log"),
                        false => watch.skip(Leg::Agent),
                    }
                    cloud = Some(own);
                }
                Err(why) => {
                    for leg in [Leg::Verification, Leg::Cloud, Leg::Agent] {
                        watch.leave(leg, why.clone());
                    }
                }
            }
        }
    }

    let mut directory = None;
    let mut first = Servers {
        read: Vec::new(),
        failed: None,
    };
    if is_synced {
        let asked = if sid.is_empty() { &request.user } else { &sid };
        match self::directory(session, asked).await? {
            Ok(mut own) => {
                let now = own.look().await.map_err(|e| error(&e))?;
                watch.await_leg(Leg::Directory, own.found.connection.host());
                watch.looked(&now, begun);
                directory = Some(own);
            }
            Err(why) => watch.leave(Leg::Directory, why),
        }
        first = documents(context).await;
        match first.read.is_empty() {
            true => watch.leave(Leg::Connect, first.failed.take().unwrap_or_default()),
            false => {
                let names: Vec<String> = first.read.iter().map(computer).collect();
                watch.await_leg(Leg::Connect, names.join(", "));
            }
        }
    } else {
        for leg in [Leg::Directory, Leg::Connect] {
            watch.skip(leg);
        }
    }
    if !LEGS.into_iter().any(|leg| watch.is_watched(leg)) {
        let status = match session.directories().is_empty() {
            true => Status::SignInNeeded,
            false => Status::DirectoryNotFound,
        };
        let mut none = Error::new(status, "nothing can be watched").target(&request.user);
        for leg in [Leg::Cloud, Leg::Directory, Leg::Connect] {
            none = none.detail(watch.leg(leg, false)["detail"].as_str().unwrap_or_default());
        }
        return Err(none);
    }

    let begin = watch.first().unwrap_or("The user may begin now.");
    let what = format!("Watching {shown}: {}. {begin}", watch.awaited());
    context
        .leg(json!({"leg": "Start", "status": "Awaited", "at": begun, "afterSeconds": 0.0, "source": "", "detail": what, "fix": null}))
        .await;
    tell_unread(&mut watch, &[Leg::Connect], first.failed.take(), context).await;
    // Each source is asked by itself: one that does not answer keeps nobody from what the others say.
    let (tell, mut told) = mpsc::channel(1);
    let every = request.every;
    let asked_directory = async {
        while let Some(own) = &mut directory {
            let said = own.look().await.map_err(|cause| sentence(&error(&cause)));
            let _ = tell.send(Said::Directory(said)).await;
            tokio::time::sleep(DIRECTORY.min(every)).await;
        }
    };
    let asked_log = async {
        while let Some(own) = &mut cloud {
            let said = own.look().await;
            let _ = tell.send(Said::Log(said)).await;
            tokio::time::sleep(every).await;
        }
    };
    let asked_servers = async {
        while !first.read.is_empty() {
            tokio::time::sleep(every).await;
            let said = documents(context).await;
            let _ = tell.send(Said::Servers(said)).await;
            tokio::time::sleep(every).await;
        }
    };
    let all = async {
        tokio::join!(asked_directory, asked_log, asked_servers);
        std::future::pending::<()>().await
    };
    let mut all = pin!(all);
    let started = Instant::now();
    let (mut ends, mut polls) = (started + request.time, None);
    loop {
        let said = tokio::select! {
            said = told.recv() => said,
            () = &mut all => None,
            () = tokio::time::sleep(DIRECTORY.min(ends.saturating_duration_since(Instant::now()))) => None,
        };
        let news = match said {
            Some(Said::Directory(said)) => {
                tell_unread(&mut watch, &[Leg::Directory], said.as_ref().err().cloned(), context).await;
                said.map_or_else(|_| Vec::new(), |now| watch.looked(&now, Timestamp::now()))
            }
            Some(Said::Log(said)) => {
                let legs = [Leg::Cloud, Leg::Verification, Leg::Agent];
                tell_unread(&mut watch, &legs, said.as_ref().err().cloned(), context).await;
                said.iter().flatten().flat_map(|event| watch.audited(event)).collect()
            }
            Some(Said::Servers(said)) => {
                tell_unread(&mut watch, &[Leg::Connect], said.failed, context).await;
                let each = said.read.iter();
                each.flat_map(|document| of_server(&mut watch, document, &first.read))
                    .collect()
            }
            None => Vec::new(),
        };
        for one in news {
            let leg = one.leg();
            if watch.note(one) {
                context.leg(watch.leg(leg, false)).await;
            }
        }
        let now = Instant::now();
        let more = match (watch.has_failed(), watch.is_failing()) {
            (true, _) => Some(LAST_POLLS),
            (_, true) => Some(LATE_POLLS),
            _ => None,
        };
        if more != polls {
            let limit = started + request.time;
            polls = more;
            ends = more.map_or(limit, |polls| limit.min(now + polls * every));
        }
        if watch.is_whole() || now >= ends {
            return Ok(watch.document(&shown, Timestamp::now()));
        }
        let (done, of) = (started.elapsed().as_secs(), ends.duration_since(started).as_secs());
        context.progress(&format!("Waiting for {}", watch.awaited()), done, Some(of));
    }
}

/// Tells that a source of legs does not answer, once; or that it does.
async fn tell_unread(watch: &mut Watch, legs: &[Leg], why: Option<String>, context: &TaskContext) {
    if let Some(why) = &why {
        context.log(&format!("Not read: {why}"));
    }
    if let Some(leg) = watch.unread(legs, why.as_deref()) {
        context.leg(watch.leg(leg, false)).await;
    }
}

/// The user in the tenant, where somebody is signed in there.
async fn person(session: &Session, asked: &str, context: &TaskContext) -> Result<Option<(Graph, Value)>> {
    if session.state().is_err() {
        return Ok(None);
    }
    let graph = session.graph(context)?;
    let members = "id,userPrincipalName,onPremisesSyncEnabled,onPremisesSecurityIdentifier,onPremisesImmutableId";
    let nobody = || Error::new(Status::ArgumentInvalid, "there is no such user in the tenant").target(asked);
    let path = path(asked).ok_or_else(nobody)?;
    let ask = Ask::directory(format!("{path}?$select={members}"));
    match graph.get::<Value>(&ask).await {
        Ok(user) => Ok(Some((graph, user))),
        Err(AskError::Refused { status: 404, .. }) => Err(nobody()),
        Err(cause) => Err(Error::from(cause).target(asked)),
    }
}

/// The user in the directory, or why that is not looked at.
async fn directory(session: &Session, asked: &str) -> Result<std::result::Result<OnPremises, String>> {
    if session.directories().is_empty() {
        return Ok(Err("no directory is connected to: Connect-SsprDirectory".into()));
    }
    Ok(match find(session, asked).await? {
        Some(found) => Ok(OnPremises { found }),
        None => Err("the user is in no domain that was reached".into()),
    })
}

/// What the Connect servers say, with the events of a day.
async fn documents(context: &TaskContext) -> Servers {
    let none = "no Connect server is connected to: Connect-SsprConnectServer";
    let failed = |why: &str| Servers {
        read: Vec::new(),
        failed: Some(plain(why)),
    };
    if !context.offers(connect::ACTION) {
        return failed(none);
    }
    let documents = match connect::documents(1, context).await {
        Ok(documents) => documents,
        Err(why) => return failed(&why),
    };
    let mut servers = failed(none);
    if !documents.is_empty() {
        servers.failed = None;
    }
    for document in documents {
        let events = &document["events"];
        let why = match events["value"]["items"].is_array() && !read_at(&document).is_empty() {
            true => None,
            false => [&document["error"], &events["error"]]
                .into_iter()
                .find_map(Value::as_str)
                .or(Some("its events were not read")),
        };
        match why {
            None => servers.read.push(document),
            Some(why) => servers.failed = Some(plain(&format!("{}: {why}", computer(&document)))),
        }
    }
    servers
}

fn computer(document: &Value) -> String {
    plain(document["computer"].as_str().unwrap_or_default())
}

fn read_at(document: &Value) -> String {
    document["readAt"].as_str().unwrap_or_default().into()
}

/// What a Connect server logged since it was first asked, by its own clock.
fn of_server(watch: &mut Watch, document: &Value, first: &[Value]) -> Vec<News> {
    let own = computer(document);
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let before = first.iter().find(|document| computer(document) == own);
    let since = before.map_or_else(|| Some(watch.begun()), |document| time(&read_at(document)));
    let items = document["events"]["value"]["items"].as_array();
    let is_new = |event: &&Value| {
        event["at"]
            .as_str()
            .and_then(time)
            .is_some_and(|at| since.is_none_or(|since| at > since))
    };
    let mut fresh: Vec<&Value> = items.into_iter().flatten().filter(is_new).collect();
    // The oldest first: it is the one that names the user.
    fresh.reverse();
    let each = fresh.iter();
    each.flat_map(|event| watch.logged(&own, event, &fresh)).collect()
}
