//! The probe: a real reset and a real unlock in a directory, as the account that writes passwords back, on users that are made
//! for it and removed again, or on one that is named. What it comes to is a fact.

mod note;
mod password;
mod trials;

use crate::directory::connector::privileged;
use crate::directory::containers::domain_of;
use crate::directory::forest::{Identity, Login, RootDse};
use crate::directory::ldap::{Connection, Depth, DirectoryError};
use crate::directory::names::Names;
use crate::directory::password_policy as policies;
use crate::directory::scan::USERS;
use crate::directory::sid::{Sid, SidBuf};
use crate::error::{Error, Result};
use crate::gather::directory::user::filter;
use crate::lock::Lock;
use crate::panics;
use crate::session::Session;
use crate::session::directory::{Directory, error};
use crate::snapshot::probe::WritebackProbe;
use crate::status::Status;
use crate::task::TaskContext;
use note::Note;
use std::sync::Arc;
use trials::Scene;
use zeroize::Zeroizing;

/// What is to be probed.
#[derive(Debug, Default)]
pub struct Request {
    /// Where disposable users are made.
    pub container: Option<String>,
    /// A user in their place.
    pub user: Option<String>,
    /// That user's password may be lost.
    pub accept_password_loss: bool,
    /// Who resets, with the secret `connectorPassword`; absent: whoever runs this, by Kerberos.
    pub connector: Option<String>,
}

/// Why a probe has to wait.
const BUSY: &str = "another probe of this domain is at work";

/// Groups whose members AdminSDHolder protects, by the last part of their SIDs (ADTS 3.1.1.6.1): in a domain Domain Admins,
/// Domain Controllers, Schema Admins, Enterprise Admins, Read-only Domain Controllers, the Key Admins; and of every domain
/// Administrators, Account, Server, Print and Backup Operators, Replicator.
const PROTECTED: [u32; 7] = [512, 516, 518, 519, 521, 526, 527];
const PROTECTED_BUILTIN: [u32; 6] = [544, 548, 549, 550, 551, 552];
/// Of users: Administrator, krbtgt.
const PROTECTED_USERS: [u32; 2] = [500, 502];
/// So many SIDs are asked about in one search.
const SIDS: usize = 50;

/// Probes, and tidies up whatever happens: also when the caller cancels, or the probe itself fails.
pub async fn run(session: Arc<Session>, request: Request, context: TaskContext) -> Result<WritebackProbe> {
    // Work of its own: a task that is cancelled is dropped, and this is not.
    let work = tokio::spawn(async move { Box::pin(whole(&session, request, &context)).await });
    work.await
        .unwrap_or_else(|_| Err(Error::new(Status::Internal, "the probe was broken off")))
}

fn invalid(what: &str, target: &str) -> Error {
    Error::new(Status::ArgumentInvalid, what).target(target)
}

async fn whole(session: &Session, request: Request, context: &TaskContext) -> Result<WritebackProbe> {
    let secrets = [
        session.take_text("connectorPassword")?,
        session.take_text("finalPassword")?,
    ];
    let [connector_password, final_password] = secrets;
    let last = match (&request.container, &request.user, final_password) {
        (Some(_), None, None) => None,
        (None, Some(_), Some(password)) if request.accept_password_loss => Some(password),
        (None, Some(_), _) => {
            let what = "the password of a user who is probed is lost: it needs your consent, and the password that the user has in the end";
            return Err(invalid(what, "acceptPasswordLoss")
                .help("Give -AcceptPasswordLoss and -FinalPassword; or leave the user out, and disposable users are made in a -Container."));
        }
        (Some(_), None, Some(_)) => return Err(invalid("a final password needs the user whose it will be", "user")),
        _ => return Err(invalid("give either a container or a user", "container")),
    };
    let identity = match (&request.connector, connector_password) {
        (Some(user), Some(password)) => Identity::Password {
            user: user.clone(),
            password: Arc::new(password),
        },
        (None, None) => Identity::Current,
        _ => {
            return Err(invalid(
                "the connector account takes a name and a password",
                "connector",
            ));
        }
    };
    let target = target(session, &request).await?;
    let _lock = Lock::take(&format!("probe-{}", target.directory.domain.dns), BUSY)?;
    Box::pin(probed(target, identity, last, context)).await
}

/// What is probed, and where.
struct Target {
    directory: Arc<Directory>,
    connection: Connection,
    /// The container's or the user's distinguished name.
    dn: String,
}

async fn target(session: &Session, request: &Request) -> Result<Target> {
    let directories = session.connected()?;
    let missing = |what: &str, name: &str| {
        Error::new(Status::DirectoryNotFound, what)
            .target(name)
            .help("Name it as the directory does, in a domain that is connected to (Connect-SsprDirectory).")
    };
    if let Some(container) = &request.container {
        let root = domain_of(container).unwrap_or_default();
        // The domain's root is a container too.
        let own = |directory: &&Arc<Directory>| {
            [root, container.as_str()]
                .iter()
                .any(|dn| directory.domain.dn.eq_ignore_ascii_case(dn))
        };
        let Some(directory) = directories.iter().find(own) else {
            return Err(missing("the container is in no domain that is connected to", container));
        };
        let mut connection = directory.login.open().await.map_err(|e| error(&e))?;
        let entry = connection
            .read(container, &["objectClass"])
            .await
            .map_err(|e| error(&e))?;
        let Some(entry) = entry else {
            return Err(missing("there is no such container, or it cannot be seen", container));
        };
        return Ok(Target {
            directory: Arc::clone(directory),
            connection,
            dn: entry.dn,
        });
    }
    let user = request.user.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for directory in &directories {
        let Some(own) = filter(&directory.domain, user) else {
            continue;
        };
        let mut connection = directory.login.open().await.map_err(|e| error(&e))?;
        let filter = format!("(&{USERS}{own})");
        let there = connection.list(&directory.domain.dn, Depth::Subtree, &filter, &["objectSid"]);
        let dns: Vec<String> = there
            .await
            .map_err(|e| error(&e))?
            .into_iter()
            .map(|entry| entry.dn)
            .collect();
        found.extend(dns.into_iter().map(|dn| (Arc::clone(directory), dn)));
    }
    // Of two who bear the name, none: one of them would lose the password.
    let [(directory, dn)] = found.as_slice() else {
        return Err(missing("there is no such user, or more than one", user));
    };
    Ok(Target {
        connection: directory.login.open().await.map_err(|e| error(&e))?,
        directory: Arc::clone(directory),
        dn: dn.clone(),
    })
}

/// An account by the SIDs of its token at the controller that it is signed in to.
struct Account {
    sid: Option<SidBuf>,
    name: String,
    sids: Vec<SidBuf>,
}

/// The SIDs of who is signed in over a connection, the groups' too.
async fn token(own: &mut Connection) -> std::result::Result<Vec<SidBuf>, DirectoryError> {
    let root = own.read("", &["tokenGroups"]).await?.unwrap_or_default();
    Ok(root
        .values("tokenGroups")
        .filter_map(Sid::read)
        .map(Sid::keep)
        .collect())
}

async fn account(
    sids: Vec<SidBuf>,
    reader: &mut Connection,
    directory: &Directory,
) -> std::result::Result<Account, DirectoryError> {
    let mut account = Account {
        sid: None,
        name: String::new(),
        sids,
    };
    for some in account.sids.chunks(SIDS) {
        let any: String = some
            .iter()
            .map(|sid| format!("(objectSid={})", sid.sid().escaped()))
            .collect();
        let filter = format!("(&(|{any})(|(objectClass=user)(objectClass=msDS-GroupManagedServiceAccount)))");
        let found = reader.list(
            &directory.domain.dn,
            Depth::Subtree,
            &filter,
            &["objectSid", "sAMAccountName"],
        );
        if let Some(entry) = found.await?.first() {
            account.sid = entry.value("objectSid").and_then(Sid::read).map(Sid::keep);
            let name = entry.text("sAMAccountName").unwrap_or_default();
            account.name = format!("{}\\{name}", directory.domain.netbios);
            break;
        }
    }
    Ok(account)
}

/// Why a user is refused whom AdminSDHolder protects.
fn protection(sid: &SidBuf, groups: &[SidBuf]) -> bool {
    let of = |sid: &SidBuf, domain: &[u32], builtin: &[u32]| {
        sid.sid().split().is_some_and(|(of, rid)| {
            let text = of.to_string();
            text.starts_with("S-1-5-21-") && domain.contains(&rid) || text == "S-1-5-32" && builtin.contains(&rid)
        })
    };
    of(sid, &PROTECTED_USERS, &[]) || groups.iter().any(|group| of(group, &PROTECTED, &PROTECTED_BUILTIN))
}

async fn probed(
    target: Target,
    identity: Identity,
    last: Option<Zeroizing<String>>,
    context: &TaskContext,
) -> Result<WritebackProbe> {
    let Target {
        directory,
        connection: mut admin,
        dn,
    } = target;
    let failed = |e: DirectoryError| error(&e);
    let root = RootDse::read(&mut admin).await.map_err(failed)?;
    // One controller for all of it: what one is told, another learns later.
    let by = Login {
        servers: vec![admin.address().clone()],
        ..directory.login.clone()
    };
    let connector_login = Login { identity, ..by.clone() };
    let mut connector = connector_login.open().await.map_err(|e| {
        let mut own = error(&e).target("connector");
        if e.sign_in_refusal().is_some() {
            own.message = own.message.replace("the sign-in", "the connector account's sign-in");
        }
        if own.status == Status::DirectorySignIn {
            own = own.help("Check the account and its password, or name another with -ConnectorCredential.");
        }
        own
    })?;
    let sids = token(&mut connector).await.map_err(failed)?;
    let who = account(sids, &mut admin, &directory).await.map_err(failed)?;
    let sids = token(&mut admin).await.map_err(failed)?;
    let caller = account(sids, &mut admin, &directory).await.map_err(failed)?;
    let mut names = Names::default();
    let groups = privileged(&who.sids);
    names
        .learn(&mut admin, &directory.domain.netbios, groups.iter().cloned())
        .await;
    let account_name = match (&who.name, &connector_login.identity) {
        (name, _) if !name.is_empty() => name.clone(),
        (_, identity) => format!("{identity:?}"),
    };
    let domain = policies::domain(&mut admin, &directory.domain.dn)
        .await
        .map_err(failed)?;
    let fine = policies::fine_grained(&mut admin, &directory.domain.dn)
        .await
        .map_err(failed)?;
    let mut told = WritebackProbe {
        domain: directory.domain.dns.clone(),
        controller: admin.host().into(),
        account: account_name,
        privileged_groups: groups.iter().map(|sid| names.get(sid)).collect(),
        place: dn.clone(),
        named: last.is_some(),
        ..WritebackProbe::default()
    };
    for note in Note::earlier(&told.domain) {
        if let Some(user) = &note.user {
            told.left.push(format!("an earlier probe was broken off while it gave {user} its final password: the user has that one, or the one of before"));
        }
        let cleaned = note.clean(&mut admin, &directory.domain.dn).await;
        told.removed.extend(cleaned.removed);
        told.left.extend(cleaned.left);
        if let Some(controller) = cleaned.unsure {
            told.left.push(format!(
                "what an earlier probe made at {controller} may still be on its way here"
            ));
        }
    }
    let run = password::digits(12)?;
    let made: Vec<String> = match last {
        Some(_) => Vec::new(),
        None => (0..trials::MADE)
            .map(|at| format!("{}{run}-{at}", note::PREFIX))
            .collect(),
    };
    let note = Note::begin(
        &told.domain,
        &run,
        admin.host(),
        &made,
        last.is_some().then_some(dn.as_str()),
    )?;
    let mut scene = Scene {
        by: by.clone(),
        admin,
        connector,
        hints: root.hints_control,
        domain: domain.map(|(policy, _)| policy),
        fine,
        own: caller.sid,
        connector_sid: who.sid,
        made,
        context: context.clone(),
    };
    let trying = async {
        match &last {
            None => scene.disposable(&dn, &mut told).await,
            Some(password) => scene.named(&dn, password, &mut told).await,
        }
    };
    let ended = tokio::select! {
        biased;
        () = context.cancelled() => Err(Error::new(Status::TaskCancelled, "the task was cancelled")),
        ended = panics::caught_future(trying) => ended.flatten(),
    };
    // A connection of its own: the others may be in the middle of a request.
    context.progress("Removing what was made", 0, None);
    let removed = async {
        let mut admin = by.open().await?;
        Ok::<_, DirectoryError>(note.clean(&mut admin, &directory.domain.dn).await)
    };
    let left = match removed.await {
        Ok(cleaned) => cleaned.left,
        Err(why) => vec![format!("what was made was not removed: {why}")],
    };
    match ended {
        Ok(()) => {
            told.left.extend(left);
            Ok(told)
        }
        Err(error) => Err(left.into_iter().fold(error, Error::detail)),
    }
}
