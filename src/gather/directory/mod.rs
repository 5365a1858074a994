//! Gathers what the directories say: domain by domain, all at once, each from a controller of its own.

mod access;
mod grants;
mod linked;
mod passwords;
mod place;
pub mod user;

use super::connect;
use super::refusal::plain;
use crate::directory::affected::{Affected, Sink, Table};
use crate::directory::containers::Containers;
use crate::directory::ldap::DirectoryError;
use crate::directory::names::Names;
use crate::directory::password_policy as policies;
use crate::directory::scan::{self, Policies};
use crate::directory::token;
use crate::error::{Error, Result};
use crate::file::Private;
use crate::session::Session;
use crate::session::directory::{Directory, error, sentence};
use crate::snapshot::directory::{Connector, DomainAccess, DomainPasswords, Forest, Grants, serves};
use crate::snapshot::{Fact, FactId, Facts, Refusal, RefusalKind, source};
use crate::status::Status;
use crate::task::TaskContext;
use access::Watched;
use futures_util::future::join_all;
use jiff::Timestamp;
pub(crate) use passwords::policy;
use place::{Candidate, Opened, Place, candidates, in_use, opened, weighed};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

/// The facts that a directory tells.
pub const FACTS: [FactId; 5] = [
    FactId::Forests,
    FactId::Connectors,
    FactId::DirectoryAccess,
    FactId::DirectoryGrants,
    FactId::DirectoryPasswords,
];

/// What opens the way to what the directory hides.
const READER: &str = "an account that may read it";

/// So many accounts are weighed; a forest has one or two.
const MOST_CONNECTORS: usize = 16;

/// Reads what the steps ask of the directories; None where the session has none, or no step asks.
pub(super) async fn gather(
    session: &Session,
    needs: &BTreeSet<FactId>,
    accounts: &[String],
    containers: &[String],
    context: &TaskContext,
) -> Option<Gathered> {
    let directories = session.directories();
    if directories.is_empty() || FACTS.iter().all(|fact| !needs.contains(fact)) {
        return None;
    }
    let wanted = Wanted {
        needs,
        accounts,
        containers,
        sink: None,
    };
    Some(read(&directories, wanted, context).await)
}

/// What is read of the directories.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    needs: &'a BTreeSet<FactId>,
    /// The accounts that Connect servers say they work as.
    accounts: &'a [String],
    /// The containers that are looked at for what they grant, beside each domain's root.
    containers: &'a [String],
    /// Where users are written down whom an account may not reset.
    sink: Option<&'a dyn Sink>,
}

/// Reads every forest.
async fn read(directories: &[Arc<Directory>], wanted: Wanted<'_>, context: &TaskContext) -> Gathered {
    context.progress("Reading the directory", 0, None);
    let one = |opened: Opened| async move {
        match opened {
            Ok((told, places)) => forest(told, places, wanted, context).await,
            Err((domain, error)) => Gathered::nothing(&domain, &error),
        }
    };
    let mut whole = Gathered::default();
    for gathered in join_all(opened(directories).await.into_iter().map(one)).await {
        whole.join(gathered);
    }
    whole
}

/// What `sspr_directory_affected` takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportRequest {
    path: PathBuf,
    #[serde(default)]
    overwrite: bool,
}

/// Writes everyone whom a connector account may not reset into a table.
pub async fn export(session: &Session, request: ExportRequest, context: &TaskContext) -> Result<Value> {
    let directories = session.connected()?;
    let path = request.path.display().to_string();
    let failed = |e: std::io::Error| Error::new(Status::FileWrite, format!("{path} cannot be written")).caused_by(&e);
    let table = Table::new(BufWriter::new(Private::create(&request.path, request.overwrite)?)).map_err(failed)?;
    let needs = BTreeSet::from([FactId::DirectoryAccess]);
    let accounts = connect::accounts_now(context).await;
    let wanted = Wanted {
        needs: &needs,
        accounts: &accounts,
        containers: &[],
        sink: Some(&table),
    };
    let whole = read(&directories, wanted, context).await;
    // A table that lacks some domain would look whole.
    if let Some((_, refusal)) = whole.gaps.first() {
        return Err(Error::new(
            Status::DirectoryUnreachable,
            "not all of the directory could be read, and no table was written",
        )
        .detail(refusal.message.clone()));
    }
    // An empty table would say that everybody may be reset.
    if whole.access.is_empty() {
        return Err(Error::new(
            Status::DirectoryNotFound,
            "no connector account was found whose rights could be weighed",
        )
        .help(
            "Name it: Connect-SsprDirectory -Connector. Get-ADSyncADConnectorAccount on the Connect server tells it.",
        ));
    }
    let (out, rows) = table.finish();
    out.into_inner().map_err(|e| failed(e.into_error()))?.finish()?;
    let users = whole.access.iter().map(|access| access.users).max().unwrap_or_default();
    Ok(json!({"path": request.path, "rows": rows, "users": users}))
}

/// What was read, and what could not be.
#[derive(Default)]
pub(super) struct Gathered {
    forests: Vec<Forest>,
    connectors: Vec<Connector>,
    access: Vec<DomainAccess>,
    grants: Vec<Grants>,
    passwords: Vec<DomainPasswords>,
    /// Domains, and of these the ones that were not read whole, by fact: why.
    domains: u64,
    gaps: Vec<(FactId, Refusal)>,
}

impl Gathered {
    fn join(&mut self, other: Gathered) {
        self.forests.extend(other.forests);
        self.connectors.extend(other.connectors);
        self.access.extend(other.access);
        self.grants.extend(other.grants);
        self.passwords.extend(other.passwords);
        self.domains += other.domains;
        self.gaps.extend(other.gaps);
    }

    /// A forest of which nothing could be read.
    fn nothing(domain: &str, error: &DirectoryError) -> Gathered {
        let refusal = refusal(domain, error);
        Gathered {
            domains: 1,
            gaps: FACTS.iter().map(|fact| (*fact, refusal.clone())).collect(),
            ..Gathered::default()
        }
    }

    /// Makes facts of it.
    pub(super) fn give(self, facts: &mut Facts) {
        let Gathered {
            forests,
            connectors,
            access,
            grants,
            passwords,
            domains,
            gaps,
        } = self;
        facts.forests = fact(FactId::Forests, forests, domains, &gaps);
        facts.connectors = fact(FactId::Connectors, connectors, domains, &gaps);
        facts.directory_access = fact(FactId::DirectoryAccess, access, domains, &gaps);
        facts.directory_grants = fact(FactId::DirectoryGrants, grants, domains, &gaps);
        facts.directory_passwords = fact(FactId::DirectoryPasswords, passwords, domains, &gaps);
    }
}

fn fact<T>(id: FactId, value: Vec<T>, domains: u64, gaps: &[(FactId, Refusal)]) -> Fact<Vec<T>> {
    let own: Vec<&Refusal> = gaps
        .iter()
        .filter(|(fact, _)| *fact == id)
        .map(|(_, refusal)| refusal)
        .collect();
    let Some(first) = own.first() else {
        return Fact::known(value, source(id).path, Timestamp::now());
    };
    if value.is_empty() {
        return Fact::Unreadable {
            refusal: (*first).clone(),
        };
    }
    let mut reasons: Vec<&str> = own.iter().map(|refusal| refusal.message.as_str()).collect();
    reasons.dedup();
    Fact::Partial {
        value,
        source: source(id).path.into(),
        as_of: Timestamp::now(),
        read: domains.saturating_sub(own.len() as u64),
        of: Some(domains),
        reason: reasons.join(" "),
    }
}

/// What a directory's error says of a fact.
fn refusal(domain: &str, cause: &DirectoryError) -> Refusal {
    let own = error(cause);
    let (kind, needs) = match cause {
        DirectoryError::Refused { code: 50, .. } => (RefusalKind::Permission, Some(READER)),
        DirectoryError::Refused { code: 49, .. } | DirectoryError::NoTicket { .. } => (RefusalKind::SignIn, None),
        DirectoryError::Refused { .. }
        | DirectoryError::Referred { .. }
        | DirectoryError::BrokenOff { .. }
        | DirectoryError::Cut { .. } => (RefusalKind::Answer, None),
        _ => (RefusalKind::Unreachable, None),
    };
    let code = match cause {
        DirectoryError::Refused { code, .. } | DirectoryError::BrokenOff { code, .. } => Some(code.to_string()),
        _ => None,
    };
    Refusal {
        needs: needs.map(str::to_string),
        code,
        ..plain(kind, format!("{domain}: {}.", sentence(&own)))
    }
}

async fn forest(told: Forest, mut places: Vec<Place>, wanted: Wanted<'_>, context: &TaskContext) -> Gathered {
    let Wanted {
        needs, accounts, sink, ..
    } = wanted;
    let mut gathered = Gathered {
        forests: vec![told],
        ..Gathered::default()
    };
    gathered.domains = places.len() as u64;
    for refusal in places.iter().filter_map(|place| place.reached.as_ref().err()) {
        gathered.gaps.extend(FACTS.iter().map(|fact| (*fact, refusal.clone())));
    }
    let candidates = join_all(places.iter_mut().map(|place| candidates(place, accounts))).await;
    let domains: Vec<String> = places.iter().map(|place| place.name.dns.clone()).collect();
    places.iter_mut().for_each(|place| place.note_elsewhere(&domains));
    if let Some(forest) = gathered.forests.first_mut() {
        forest.domains = places.iter().map(|place| place.told.clone()).collect();
    }
    let mut all = Vec::new();
    for (place, found) in places.iter().zip(candidates) {
        match found {
            Ok(found) => all.extend(found),
            Err(error) => gathered
                .gaps
                .push((FactId::Connectors, refusal(&place.name.dns, &error))),
        }
    }
    let mut weighed = weighed(&all, accounts);
    weighed.truncate(MOST_CONNECTORS);
    let live = in_use(&weighed, accounts, Timestamp::now());
    // A table tells of those only by whom a domain is judged; joined with what a Connect server says, that may be others.
    let serving = |place: &Place| -> Vec<&Candidate> {
        let counts = |candidate: &&&Candidate| sink.is_none() || serves(&candidate.told.name, &place.name.dns, &live);
        weighed.iter().filter(counts).copied().collect()
    };
    let scans = needs.contains(&FactId::DirectoryAccess) || needs.contains(&FactId::DirectoryPasswords);
    if scans {
        let reading = places.iter_mut().map(|place| {
            let weighed = serving(place);
            domain(place, weighed, sink, context)
        });
        for read in join_all(reading).await {
            gathered.access.extend(read.access);
            gathered.passwords.extend(read.passwords);
            gathered.gaps.extend(read.gaps);
        }
        for access in &mut gathered.access {
            access.serves = serves(&access.connector, &access.domain, &live);
        }
    }
    if needs.contains(&FactId::DirectoryGrants) {
        let reading = places.iter_mut().map(|place| {
            let weighed = serving(place);
            grants::grants(place, weighed, wanted.containers)
        });
        for (dns, read) in join_all(reading).await {
            match read {
                Ok(read) => gathered.grants.extend(read),
                Err(cause) => gathered.gaps.push((FactId::DirectoryGrants, refusal(&dns, &cause))),
            }
        }
        for place in &places {
            gathered.grants.extend(grants::own_objects(&place.name, &all));
        }
        for grants in &mut gathered.grants {
            grants.serves = serves(&grants.connector, &grants.domain, &live);
        }
    }
    gathered.connectors = all.into_iter().map(|candidate| candidate.told).collect();
    gathered
}

/// What one domain said.
#[derive(Default)]
struct DomainRead {
    access: Vec<DomainAccess>,
    passwords: Option<DomainPasswords>,
    gaps: Vec<(FactId, Refusal)>,
}

async fn domain(
    place: &mut Place,
    weighed: Vec<&Candidate>,
    sink: Option<&dyn Sink>,
    context: &TaskContext,
) -> DomainRead {
    let mut read = DomainRead::default();
    let dns = place.name.dns.clone();
    if let Err(cause) = Box::pin(read_domain(place, &weighed, sink, context, &mut read)).await {
        let refusal = refusal(&dns, &cause);
        // What was read stays; it is not the whole.
        read.gaps.push((FactId::DirectoryAccess, refusal.clone()));
        read.gaps.push((FactId::DirectoryPasswords, refusal));
    }
    read
}

async fn read_domain(
    place: &mut Place,
    weighed: &[&Candidate],
    sink: Option<&dyn Sink>,
    context: &TaskContext,
    read: &mut DomainRead,
) -> std::result::Result<(), DirectoryError> {
    let Ok((login, connection)) = &mut place.reached else {
        return Ok(());
    };
    let root = place.name.dn.as_str();
    let tokens = place::tokens(connection, root, weighed).await?;
    let own_policy = policies::domain(connection, root).await?;
    let fine = policies::fine_grained(connection, root).await?;
    if own_policy.is_none() {
        let message = format!(
            "{}: the domain's password policy cannot be seen with this account.",
            place.name.dns
        );
        let refusal = Refusal {
            needs: Some(READER.into()),
            ..plain(RefusalKind::Permission, message)
        };
        read.gaps.push((FactId::DirectoryPasswords, refusal));
    }
    let (own_policy, links) = own_policy.unzip();
    let ages = Policies {
        domain: own_policy,
        policies: fine
            .iter()
            .flatten()
            .map(|policy| (policy.dn.to_lowercase(), policy.policy))
            .collect(),
        now: policies::now(),
    };
    let containers = Containers::read(connection, root, &tokens).await?;
    let accounts: Vec<String> = weighed.iter().map(|candidate| candidate.told.name.clone()).collect();
    let dns = place.name.dns.as_str();
    let affected = sink.map(|sink| Affected {
        sink,
        domain: dns,
        accounts: &accounts,
    });
    let task = scan::Task {
        affected,
        root,
        containers: &containers,
        tokens: &tokens,
        ages: &ages,
    };
    context.progress(&format!("Reading the users of {}", place.name.dns), 0, None);
    let (scan, end) = scan::scan(task, login, place.directory.connections).await;
    let mut names = Names::default();
    names
        .learn(connection, &place.name.netbios, access::trustees(&scan))
        .await;
    let own = token::controller(connection, root).await?;
    let own = own.as_ref();
    let linked = linked::read(connection, &place.directory, links.unwrap_or_default(), own).await?;
    let controllers = linked::remote_sam(connection, &place.directory, &place.name, &linked, own).await?;
    let watched = Watched::read(connection, root).await?;
    for (at, candidate) in weighed.iter().enumerate() {
        let mut access = access::access(place.name.dns.clone(), &candidate.told, &scan, at, &names);
        access.own_object = candidate.own_rights.iter().map(|(right, _)| (*right).into()).collect();
        access.own_object.dedup();
        access.remote_sam = controllers.of(&tokens[at], watched.domain());
        watched
            .decide(connection, &place.name.netbios, &tokens[at], &mut names, &mut access)
            .await;
        read.access.push(access);
    }
    let own_policy = own_policy.unwrap_or_default();
    let mut told = passwords::passwords(&place.name.dns, own_policy, fine, &linked, &scan);
    told.guid = watched.guid().map(|guid| guid.to_string()).unwrap_or_default();
    told.root = root.into();
    told.controller = connection.host().into();
    read.passwords = Some(told);
    end
}
