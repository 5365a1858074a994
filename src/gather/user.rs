//! What every source says of single users: the tenant's account, groups, report row and events, and the directory's account.
//! A thousand users are read in as many rounds as one, but for the documented budget of reports.

use super::directory::user::{MOST, among};
use super::{Gap, Gatherer, Limits, connect, groups};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::snapshot::people::{PolicyGroup, Registration};
use crate::snapshot::person::Person;
use crate::snapshot::{Fact, FactId, RefusalKind, SignedIn, Snapshot, source};
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Value, json};
use sspr_rows::membership::{Membership, guid, key};
use sspr_rows::page::{Entries, Page};
use sspr_rows::registration::{Fold, Known};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What is read of the tenant beside its users: nothing that grows with their number.
const NEEDS: &[FactId] = &[
    FactId::Organization,
    FactId::SubscribedSkus,
    FactId::Subscriptions,
    FactId::MethodsPolicy,
    FactId::AuthorizationPolicy,
    FactId::SecurityDefaults,
    FactId::SmartLockout,
    FactId::UserCounts,
    FactId::ConditionalAccess,
    FactId::GlobalAdministrators,
    FactId::EligibleAdministrators,
    FactId::PortalResetPolicy,
    FactId::PortalOnPremises,
    FactId::AuditSettings,
    FactId::AuditWriteback,
    FactId::ConnectServers,
];

/// What is read of an account.
const ACCOUNT: &str = "id,displayName,userPrincipalName,accountEnabled,userType,createdDateTime,assignedPlans,assignedLicenses,onPremisesSyncEnabled,onPremisesImmutableId,onPremisesLastSyncDateTime,onPremisesDomainName,onPremisesDistinguishedName,onPremisesSecurityIdentifier";
const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";
/// The reset service, as the log calls it.
pub const SERVICE: &str = "Self-service Password Management";
/// Entries of a report's largest page.
const PAGE: u64 = 999;
/// Where nobody knows how long the report is, up to so many users are looked up one by one.
const ONE_BY_ONE: u64 = 20;

/// What the sources say of these users, and of the tenant.
pub async fn look(session: &Session, asked: Vec<String>, context: &TaskContext) -> Result<(Snapshot, Vec<Person>)> {
    if asked.is_empty() || asked.len() > MOST {
        return Err(Error::new(Status::ArgumentInvalid, format!("name 1 to {MOST} users")).target("users"));
    }
    let started = Instant::now();
    let mut persons: Vec<Person> = asked
        .into_iter()
        .map(|asked| Person {
            asked,
            ..Person::default()
        })
        .collect();
    let mut needs: BTreeSet<FactId> = NEEDS.iter().copied().collect();
    // Without the portal the log alone tells whether writeback is on, also by what was written since it was switched off.
    if session.state().is_ok_and(|state| state.portal.is_none()) {
        needs.insert(FactId::AuditResets);
    }
    let needs = super::widen(&needs);
    let connected = !session.directories().is_empty();
    let servers = connect::gather(session, &needs, context);
    let mut snapshot;
    match session.state() {
        Ok(state) => {
            let gatherer = Gatherer::new(session, &state, &Limits::default(), context, started).await?;
            snapshot = Snapshot::new(Timestamp::now(), state.identity);
            let (servers, _, ()) = tokio::join!(
                servers,
                Box::pin(gatherer.gather(&needs, &mut snapshot.facts)),
                Box::pin(gatherer.accounts(&mut persons)),
            );
            snapshot.facts.connect_servers = servers;
            let accounts = connect::accounts(&snapshot.facts.connect_servers);
            let known = in_directory(&persons);
            let (found, ()) = tokio::join!(
                Box::pin(directory(session, connected, known, &accounts)),
                Box::pin(gatherer.reports(&mut snapshot, &mut persons)),
            );
            place(found, &mut persons);
        }
        Err(error) if !connected => return Err(error),
        Err(_) => {
            snapshot = Snapshot::new(Timestamp::now(), SignedIn::default());
            snapshot.facts.connect_servers = servers.await;
            let accounts = connect::accounts(&snapshot.facts.connect_servers);
            let found = Box::pin(directory(session, connected, in_directory(&persons), &accounts)).await;
            place(found, &mut persons);
        }
    }
    snapshot.duration_ms = started.elapsed().as_millis() as u64;
    Ok((snapshot, persons))
}

/// A user in the tenant, whatever the name holds; None for a name by which the tenant knows nobody.
pub fn path(asked: &str) -> Option<String> {
    if guid(asked).is_none() && (!asked.contains('@') || asked.contains(['\\', ','])) {
        return None;
    }
    let mut url = Url::parse("https://graph/v1.0/users").ok()?;
    url.path_segments_mut().ok()?.push(asked);
    Some(url.path().to_string())
}

/// By what each user is looked up in the directory: by its own identifier there, where the tenant knows it. Nobody looks
/// there for a user who was made in the cloud.
fn in_directory(persons: &[Person]) -> Vec<Option<String>> {
    let of = |person: &Person| match person.account.value() {
        Some(account) if !account.is_null() => {
            let own = account["onPremisesSecurityIdentifier"].as_str();
            own.map(str::to_string)
        }
        _ => Some(person.asked.clone()),
    };
    persons.iter().map(of).collect()
}

/// What the directory says of those who are to be looked up there.
async fn directory(
    session: &Session,
    connected: bool,
    known: Vec<Option<String>>,
    accounts: &[String],
) -> Vec<Fact<Value>> {
    if !connected {
        return Vec::new();
    }
    let names: BTreeSet<&String> = known.iter().flatten().collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let unreadable = |message: String| Fact::Unreadable {
        refusal: super::refusal::plain(RefusalKind::Unreachable, message),
    };
    if names.is_empty() {
        return Vec::new();
    }
    let answer = match among(session, names, accounts).await {
        Ok(answer) => answer,
        Err(error) => return known.iter().map(|_| unreadable(format!("{error}."))).collect(),
    };
    let list = |name: &str| answer[name].as_array().into_iter().flatten();
    let mut found: BTreeMap<&str, Fact<Value>> = BTreeMap::new();
    let now = Timestamp::now();
    for user in list("users") {
        let source = format!("LDAP: {}", user["domain"].as_str().unwrap_or_default());
        let fact = Fact::known(user.clone(), &source, now);
        found.insert(user["asked"].as_str().unwrap_or_default(), fact);
    }
    for user in list("unread") {
        let why = user["why"].as_str().unwrap_or_default();
        found.insert(user["user"].as_str().unwrap_or_default(), unreadable(why.into()));
    }
    let of = |name: &Option<String>| match name {
        Some(name) => found
            .get(name.as_str())
            .cloned()
            .unwrap_or_else(|| Fact::known(Value::Null, "LDAP", now)),
        None => Fact::NotAsked,
    };
    known.iter().map(of).collect()
}

fn place(found: Vec<Fact<Value>>, persons: &mut [Person]) {
    for (person, fact) in persons.iter_mut().zip(found) {
        person.directory = fact;
    }
}

/// Keeps the entries that are somebody's of those who were asked for.
struct Kept<'a> {
    wanted: &'a (dyn Fn(&Value) -> Option<usize> + Sync),
    found: Vec<Vec<Value>>,
}

impl Rows for Kept<'_> {
    type Page = Vec<Value>;

    fn page(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn take(&mut self, page: Vec<Value>) {
        for entry in page {
            if let Some(at) = (self.wanted)(&entry) {
                self.found[at].push(entry);
            }
        }
    }
}

impl Gatherer {
    /// The accounts and the groups of all, in batches that are sent at once.
    async fn accounts(&self, persons: &mut [Person]) {
        let mut asked: Vec<(&mut Person, String)> = Vec::new();
        for person in persons {
            match path(&person.asked) {
                Some(path) => asked.push((person, path)),
                None => {
                    let why = "The tenant knows users by user principal name or object id.";
                    let refusal = super::refusal::plain(RefusalKind::Answer, why.into());
                    person.account = Fact::Unreadable { refusal };
                }
            }
        }
        let asks: Vec<Ask> = asked
            .iter()
            .flat_map(|(_, path)| {
                [
                    Ask::directory(format!("{path}?$select={ACCOUNT}")),
                    Ask::directory(format!("{path}/transitiveMemberOf?$select=id&$top=999")),
                ]
            })
            .collect();
        let now = Timestamp::now();
        let path = source(FactId::PolicyUsers).path;
        let refused = |error: &AskError| self.refusal(FactId::PolicyUsers, error);
        let mut answers = self.graph.batch(&asks).await.into_iter();
        for (person, _) in &mut asked {
            let mut next = || {
                answers
                    .next()
                    .unwrap_or_else(|| Err(AskError::Answer("no answer".into())))
            };
            let (account, groups) = (next(), next());
            person.account = match account {
                Ok(account) => Fact::known(account, path, now),
                Err(AskError::Refused { status: 404, .. }) => Fact::known(Value::Null, path, now),
                Err(error) => Fact::Unreadable {
                    refusal: refused(&error),
                },
            };
            let id = |group: &Value| group["id"].as_str().map(str::to_ascii_lowercase);
            person.groups = match groups {
                Ok(groups) => {
                    let all = groups["value"].as_array().into_iter().flatten();
                    let source = "GET /v1.0/users/{id}/transitiveMemberOf";
                    Fact::known(all.filter_map(id).collect(), source, now)
                }
                // Who is not there is in no group.
                Err(AskError::Refused { status: 404, .. }) => Fact::known(Vec::new(), path, now),
                Err(error) => Fact::Unreadable {
                    refusal: refused(&error),
                },
            };
        }
    }

    /// The names of the groups that policies name, the report's rows and the log's events.
    async fn reports(&self, snapshot: &mut Snapshot, persons: &mut [Person]) {
        let ids = groups::named(&snapshot.facts, &[]);
        let users: Vec<Option<String>> = persons.iter().map(id).collect();
        let there = users.iter().flatten().count() as u64;
        let counts = snapshot.facts.user_counts.value();
        let members = counts.map(|counts| counts.enabled_members + counts.enabled_guests.unwrap_or(0));
        // Its pages and one of the log take less than two requests for each user.
        let few = there <= members.map_or(ONE_BY_ONE, |members| members.div_ceil(PAGE) + 1);
        let from = self.log.from().strftime("%Y-%m-%dT%H:%M:%SZ");
        let log = format!(
            "/v1.0/auditLogs/directoryAudits?$filter=loggedByService eq '{SERVICE}' and activityDateTime ge {from}"
        );
        let of_user = |id: &str| {
            [
                format!("{REPORT}/{id}"),
                format!("{log} and targetResources/any(t:t/id eq '{id}')&$top=999"),
            ]
        };
        let everything = [format!("{REPORT}?$top={PAGE}"), format!("{log}&$top=999")];
        let asked = |id: &Value| {
            let id = id.as_str()?;
            let same = |user: &Option<String>| user.as_deref().is_some_and(|user| user.eq_ignore_ascii_case(id));
            users.iter().position(same)
        };
        let target = |event: &Value| {
            let targets = event["targetResources"].as_array()?;
            targets.iter().find_map(|target| asked(&target["id"]))
        };
        let done = AtomicU64::new(0);
        let read = async |at: usize, fact: FactId, wanted: &(dyn Fn(&Value) -> Option<usize> + Sync)| match few {
            true => {
                let one = async |id: &Option<String>| {
                    let entries = self.entries(&of_user(id.as_ref()?)[at], at == 0).await;
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    self.context.progress("Reading reports", done, Some(2 * there));
                    Some(entries)
                };
                let all = join_all(users.iter().map(one)).await;
                all.into_iter()
                    .map(|entries| match entries {
                        Some(Ok(entries)) => Ok(entries),
                        Some(Err(error)) => Err(self.refusal(fact, &error)),
                        None => Ok(Vec::new()),
                    })
                    .collect()
            }
            false => self.streamed(&everything[at], fact, users.len(), wanted).await,
        };
        let names: Vec<Ask> = ids
            .iter()
            .map(|id| Ask::directory(format!("/v1.0/groups/{id}?$select=id,displayName")))
            .collect();
        let row = |row: &Value| asked(&row["id"]);
        let (names, rows, events) = tokio::join!(
            self.graph.batch(&names),
            Box::pin(read(0, FactId::Registration, &row)),
            Box::pin(read(1, FactId::AuditResets, &target)),
        );
        let now = Timestamp::now();
        let named = ids.iter().zip(names).map(|(id, name)| {
            let group = PolicyGroup {
                id: id.clone(),
                exists: !matches!(name, Err(AskError::Refused { status: 404, .. })),
                display_name: name.ok().and_then(|name| name["displayName"].as_str().map(Into::into)),
                users: 1,
            };
            (id.clone(), group)
        });
        let path = source(FactId::PolicyGroups).path;
        snapshot.facts.policy_groups = Fact::known(named.collect(), path, now);
        let administrators = |fact: &Fact<Vec<String>>| fact.value().cloned().unwrap_or_default();
        let active = administrators(&snapshot.facts.global_administrators);
        let eligible = administrators(&snapshot.facts.eligible_administrators);
        for (((person, id), rows), mut events) in persons.iter_mut().zip(&users).zip(rows).zip(events) {
            let Some(id) = id else { continue };
            person.registration = match rows {
                Ok(rows) => {
                    let report = folded(&rows, id, &ids, person.groups.value(), &active, &eligible);
                    let at = report.updated.unwrap_or(now);
                    Fact::known(report, source(FactId::Registration).path, at)
                }
                Err(refusal) => Fact::Unreadable { refusal },
            };
            if let Ok(events) = &mut events {
                let at = |event: &Value| event["activityDateTime"].as_str().unwrap_or_default().to_string();
                events.sort_by_key(|event| std::cmp::Reverse(at(event)));
            }
            person.events = match events {
                Ok(events) => Fact::known(events, source(FactId::AuditResets).path, self.log.at),
                Err(refusal) => Fact::Unreadable { refusal },
            };
        }
    }

    /// The entries of one answer: a list, or a single one that may not be there.
    async fn entries(&self, path: &str, single: bool) -> std::result::Result<Vec<Value>, AskError> {
        match self.graph.get::<Value>(&Ask::report(path)).await {
            Ok(entry) if single => Ok(vec![entry]),
            Ok(mut list) => match list["value"].take() {
                Value::Array(entries) => Ok(entries),
                _ => Err(AskError::Answer("the answer has no member 'value'".into())),
            },
            Err(AskError::Refused { status: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The entries of each user, out of one reading of the whole list.
    async fn streamed(
        &self,
        path: &str,
        fact: FactId,
        users: usize,
        wanted: &(dyn Fn(&Value) -> Option<usize> + Sync),
    ) -> Vec<std::result::Result<Vec<Value>, crate::snapshot::Refusal>> {
        let mut kept = Kept {
            wanted,
            found: vec![Vec::new(); users],
        };
        let gap = match self.graph.rows(&Ask::report(path), &mut kept, |_| self.in_time()).await {
            Ok(true) => None,
            Ok(false) => Some(Gap::Time),
            Err(error) => Some(Gap::Refused(error)),
        };
        let refusal = gap.map(|gap| self.gap(fact, &gap));
        let found = kept.found.into_iter();
        found
            .map(|entries| match &refusal {
                // What was found of somebody counts; that nothing was found does not.
                Some(refusal) if entries.is_empty() => Err(refusal.clone()),
                _ => Ok(entries),
            })
            .collect()
    }
}

/// A user's id in the tenant.
fn id(person: &Person) -> Option<String> {
    person.account.value()?["id"].as_str().map(str::to_string)
}

/// One user's row, read and folded as the whole report is.
fn folded(
    rows: &[Value],
    id: &str,
    policies: &[String],
    own: Option<&Vec<String>>,
    active: &[String],
    eligible: &[String],
) -> Registration {
    // Where it is not known in which groups the user is, it is known of none.
    let policies = if own.is_some() { policies } else { &[] };
    let mut membership = Membership::new(policies.to_vec());
    if let (Some(own), Some(user)) = (own, guid(id)) {
        for (bit, group) in policies.iter().enumerate() {
            if own.iter().any(|own| own.eq_ignore_ascii_case(group)) {
                membership.add(bit, &mut vec![key(user)]);
            }
        }
    }
    membership.seal();
    let known = Arc::new(Known::new(membership, active, eligible));
    let mut fold = Fold::new(known, Box::new(|_| {}));
    let mut part = fold.page();
    let text = json!({ "value": rows }).to_string();
    let read = Entries::feed(&mut part, &mut Page::default(), text.as_bytes());
    if read.is_ok() {
        fold.take(part);
    }
    fold.finish().0
}
