//! Whom accounts may reset, and why not; and who is too young for it: users folded into causes as they are read.

use super::access::{Object, Token, Verdict};
use super::affected::{Affected, Named, Rows};
use super::containers::{Above, Containers, Part, body};
use super::descriptor::Descriptor;
use super::forest::Login;
use super::ldap::{Address, Connection, DirectoryError, Entry};
use super::password_policy::Policy;
use super::rights::{
    CHANGE_PASSWORD, Guid, INET_ORG_PERSON, RESET_PASSWORD, Right, USER, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET,
};
use super::seen::{Seen, Sight};
use super::sid::{Sid, SidBuf};
use crate::error::Error;
use crate::status::Status;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// What a user's object must grant, in the order in which writeback uses it.
pub const NEEDED: [Right; 3] = [RESET_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET];
/// The same, and what is looked at besides.
pub const LOOKED_AT: [Right; 4] = [RESET_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET, CHANGE_PASSWORD];
/// What is read of a user.
const ATTRIBUTES: [&str; 7] = [
    "nTSecurityDescriptor",
    "objectClass",
    "objectSid",
    "adminCount",
    "userAccountControl",
    "pwdLastSet",
    "lockoutTime",
];
/// What is read besides where users are written down.
const NAMES: [&str; 2] = ["sAMAccountName", "userPrincipalName"];
/// The fine-grained policy that counts for a user. The controller works it out for each, so it is asked for only where
/// there are such policies.
const RESULTANT_POLICY: &str = "msDS-ResultantPSO";
/// Users and inetOrgPersons, and no computers.
pub const USERS: &str = "(&(objectCategory=person)(objectClass=user))";
/// So many users are named for a cause: the first by their names, in whatever order they are read.
pub const SAMPLE: usize = 10;
/// So many parts at the least, where there are so many containers: a small one need not wait for a large one, and a
/// controller that walks all users for each subtree (Samba) is asked for children.
const PARTS: usize = 512;
/// How often a part is begun that a controller breaks off between two pages.
const TRIES: usize = 3;

/// Of `userAccountControl`: disabled.
const DISABLED: u32 = 0x2;

/// Why an account may not reset a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A container does not take its parent's entries, which would grant it; its distinguished name.
    Protected(String),
    /// The user does not take its container's entries, which would grant it, as one whom AdminSDHolder protects or protected.
    AdminSdHolder,
    /// The user does not take its container's entries, which would grant it.
    ProtectedUser,
    /// An entry denies a right to somebody whom the account is.
    Denied {
        /// To whom.
        trustee: SidBuf,
        /// Which right.
        right: &'static str,
        /// The container that hands it down; None where it stands on the user.
        from: Option<String>,
    },
    /// The user is an inetOrgPerson, and what its container hands down grants it for the class user.
    InetOrgPerson,
    /// Nothing grants it, nor would if nothing stood in the way.
    NotGranted {
        /// The first right that is missing.
        right: &'static str,
    },
    /// The user's security descriptor cannot be read.
    Unreadable,
}

/// What stops a reset in the directory, in the order in which it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Writeback does not find the user, as the name of a unit above holds what it cannot take.
    ReservedName,
    /// AdminSDHolder protects the user, or did.
    AdminSdHolder,
    /// A container, or the user, does not take what stands above.
    Inheritance,
    /// An entry denies a right.
    Denied,
    /// What is granted is for the class user.
    InetOrgPerson,
    /// Nothing grants a right.
    NotGranted,
    /// The password is younger than the minimum age.
    TooYoung,
}

impl Stop {
    /// Of a cause; of what cannot be read it is not known whether it stops anything.
    fn of(cause: &Cause) -> Option<Stop> {
        match cause {
            Cause::AdminSdHolder => Some(Stop::AdminSdHolder),
            Cause::Protected(_) | Cause::ProtectedUser => Some(Stop::Inheritance),
            Cause::Denied { .. } => Some(Stop::Denied),
            Cause::InetOrgPerson => Some(Stop::InetOrgPerson),
            Cause::NotGranted { .. } => Some(Stop::NotGranted),
            Cause::Unreadable => None,
        }
    }
}

/// Users by what stops their reset first, each once.
pub type Stops = BTreeMap<Stop, u64>;

/// Some users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// How many.
    pub count: u64,
    /// The distinguished names of some of them.
    pub sample: Vec<String>,
}

impl Crowd {
    fn add(&mut self, dn: &str) {
        self.count += 1;
        let at = self.sample.partition_point(|known| known.as_str() < dn);
        if at < SAMPLE {
            self.sample.truncate(SAMPLE - 1);
            self.sample.insert(at.min(self.sample.len()), dn.into());
        }
    }

    fn join(&mut self, other: Crowd) {
        self.count += other.count;
        self.sample.extend(other.sample);
        self.sample.sort_unstable();
        self.sample.truncate(SAMPLE);
    }
}

/// Users by what keeps an account from them.
pub type Causes = BTreeMap<Cause, Crowd>;

/// The users whom a password policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// How many.
    pub users: u64,
    /// Those of them whose password is younger than the policy's minimum age today.
    pub young: Crowd,
}

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The enabled users that were read.
    pub users: u64,
    /// The disabled ones: nobody resets these, so what keeps an account from them is not told.
    pub disabled: Crowd,
    /// The enabled ones that are locked out now.
    pub locked: Crowd,
    /// The enabled ones that are inetOrgPersons.
    pub inet_org_persons: u64,
    /// For each account: those whom it may not reset.
    pub refused: Vec<Causes>,
    /// For each account: those whose password it may not change, as an entry denies that.
    pub change_denied: Vec<Causes>,
    /// For each account: those whom it could not reset now, by what stops it first.
    pub stops: Vec<Stops>,
    /// Those below a unit whose name writeback cannot take, by that unit.
    pub reserved: BTreeMap<String, Crowd>,
    /// The ages of passwords by the fine-grained policy that counts; under "" where it is the domain's.
    pub ages: BTreeMap<String, Ages>,
    /// So many different security descriptors were weighed.
    pub descriptors: u64,
}

impl Scan {
    /// One that has seen nobody, for so many accounts.
    fn of(accounts: usize) -> Scan {
        Scan {
            refused: vec![Causes::new(); accounts],
            change_denied: vec![Causes::new(); accounts],
            stops: vec![Stops::new(); accounts],
            ..Scan::default()
        }
    }

    fn join(&mut self, other: Scan) {
        fn causes(into: &mut Vec<Causes>, from: Vec<Causes>) {
            into.resize_with(into.len().max(from.len()), Causes::new);
            for (into, from) in into.iter_mut().zip(from) {
                for (cause, crowd) in from {
                    into.entry(cause).or_default().join(crowd);
                }
            }
        }
        self.users += other.users;
        self.disabled.join(other.disabled);
        self.locked.join(other.locked);
        self.inet_org_persons += other.inet_org_persons;
        self.descriptors += other.descriptors;
        causes(&mut self.refused, other.refused);
        causes(&mut self.change_denied, other.change_denied);
        self.stops
            .resize_with(self.stops.len().max(other.stops.len()), Stops::new);
        for (into, from) in self.stops.iter_mut().zip(other.stops) {
            for (stop, count) in from {
                *into.entry(stop).or_default() += count;
            }
        }
        for (unit, crowd) in other.reserved {
            self.reserved.entry(unit).or_default().join(crowd);
        }
        for (policy, ages) in other.ages {
            let own = self.ages.entry(policy).or_default();
            own.users += ages.users;
            own.young.join(ages.young);
        }
    }
}

/// What says how old a password must be before it may be reset, and for how long somebody is locked out.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// The domain's own policy, where it can be seen.
    pub domain: Option<Policy>,
    /// The fine-grained ones by their distinguished names in small letters.
    pub policies: HashMap<String, Policy>,
    /// The present, in the directory's steps since 1601.
    pub now: i64,
}

/// What a scan is about.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The domain's distinguished name.
    pub root: &'a str,
    /// Its containers.
    pub containers: &'a Containers,
    /// The accounts.
    pub tokens: &'a [Token],
    /// The policies that count.
    pub ages: &'a Policies,
    /// Where each user is written down whom an account may not reset.
    pub affected: Option<Affected<'a>>,
}

/// Reads a domain's users over so many connections. A part whose connection breaks is begun anew with another controller, one
/// that is broken off over a new connection to the same; where that does not help, what was read whole so far comes with the
/// error.
pub async fn scan(task: Task<'_>, login: &Login, connections: usize) -> (Scan, Result<(), DirectoryError>) {
    let connections = connections.max(1);
    let queue = Mutex::new(VecDeque::from(task.containers.parts(task.root, PARTS)));
    let failed = Mutex::new(Vec::new());
    let workers = (0..connections).map(|_| Box::pin(work(task, login, &queue, &failed)));
    let mut whole = Scan::of(task.tokens.len());
    let mut end = Ok(());
    for (scan, result) in futures_util::future::join_all(workers).await {
        whole.join(scan);
        end = end.and(result);
    }
    (whole, end)
}

/// Takes parts from the queue until none is left.
async fn work(
    task: Task<'_>,
    login: &Login,
    queue: &Mutex<VecDeque<Part>>,
    failed: &Mutex<Vec<Address>>,
) -> (Scan, Result<(), DirectoryError>) {
    let mut scanner = Scanner::new(task);
    let (mut done, mut connection, mut broke) = (Scan::default(), None, None);
    let policies = !task.ages.policies.is_empty();
    let names = task.affected.iter().flat_map(|_| NAMES);
    let attributes = ATTRIBUTES
        .into_iter()
        .chain(policies.then_some(RESULTANT_POLICY))
        .chain(names);
    let attributes: Vec<&str> = attributes.collect();
    while let Some(part) = take(queue) {
        let mut tries = 1;
        loop {
            let mut open: Connection = match connection.take() {
                Some(open) => open,
                None => {
                    let but = failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    match (login.open_but(&but).await, broke.take()) {
                        (Ok(open), _) => open,
                        // That none is left says less than why the last one was lost.
                        (Err(DirectoryError::NoController), Some(why)) => return (done, Err(why)),
                        (Err(error), _) => return (done, Err(error)),
                    }
                }
            };
            let read = open
                .search(&part.base, part.depth, USERS, &attributes, |entry| scanner.user(entry))
                .await;
            let scan = scanner.finish();
            let rows = std::mem::take(&mut scanner.rows);
            match read {
                Ok(()) => {
                    if let Err(error) = rows.kept(task.affected.as_ref()) {
                        return (done, Err(error));
                    }
                    done.join(scan);
                    connection = Some(open);
                    break;
                }
                // What was read of the part is read again.
                Err(error) if error.is_the_controller_s() => {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.push(open.address().clone());
                    broke = Some(error);
                }
                Err(DirectoryError::BrokenOff { .. }) if tries < TRIES => tries += 1,
                Err(refused) => return (done, Err(refused)),
            }
        }
    }
    (done, Ok(()))
}

fn take(queue: &Mutex<VecDeque<Part>>) -> Option<Part> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What a descriptor grants an account.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// The first right that it does not grant.
    missing: Option<Missing>,
    /// The entry that denies changing the password.
    change: Option<Denial>,
}

impl Weighed {
    /// Whether a right that a reset needs is missing.
    pub fn is_refused(&self) -> bool {
        self.missing.is_some()
    }
}

/// The first right that a descriptor does not grant.
#[derive(Clone, Debug)]
pub struct Missing {
    right: &'static str,
    protected: bool,
    denied: Option<Denial>,
}

/// The entry that denies a right.
#[derive(Clone, Debug)]
struct Denial {
    right: &'static str,
    trustee: SidBuf,
    inherited: bool,
    body: Box<[u8]>,
}

/// Weighs descriptors, each once.
pub struct Weigher<'t> {
    tokens: &'t [Token],
    seen: Seen,
    /// What each of them grants, by its number; None where it cannot be read.
    weighed: Vec<Option<Box<[Weighed]>>>,
    /// So many were weighed.
    count: u64,
}

impl<'t> Weigher<'t> {
    /// For these accounts.
    pub fn new(tokens: &'t [Token]) -> Self {
        Weigher {
            tokens,
            seen: Seen::default(),
            weighed: Vec::new(),
            count: 0,
        }
    }

    /// What a descriptor grants each account; None where it cannot be read.
    pub fn weigh(&mut self, bytes: &[u8], class: Guid, sid: Option<Sid<'_>>) -> Option<&[Weighed]> {
        // For an account's own object SELF means another. There are fewer accounts than bits.
        let own = |own, (at, token): (usize, &Token)| match sid {
            Some(sid) if token.holds(sid) => own | 1u64 << (at % 64),
            _ => own,
        };
        let own = self.tokens.iter().enumerate().fold(0, own);
        let number = match self.seen.look(bytes, class, own) {
            Sight::Known(number) => number,
            Sight::New(number) => {
                self.weighed.truncate(number);
                self.count += 1;
                let all = Descriptor::read(bytes).ok().map(|descriptor| {
                    let object = Object { descriptor, class, sid };
                    self.tokens.iter().map(|token| weigh(&object, token)).collect()
                });
                self.weighed.push(all);
                number
            }
        };
        self.weighed.get(number)?.as_deref()
    }
}

/// Folds users.
struct Scanner<'t> {
    task: Task<'t>,
    weigher: Weigher<'t>,
    /// What stands above the users of the container that was looked at last.
    above: (String, Above<'t>),
    scan: Scan,
    /// The rows of the part, or why they could not be written.
    rows: Written,
}

/// Rows as they are written.
struct Written(std::io::Result<Rows>);

impl Default for Written {
    fn default() -> Self {
        Written(Ok(Rows::default()))
    }
}

impl Written {
    fn add(&mut self, affected: &Affected<'_>, account: usize, user: &Entry, cause: &Cause) {
        let Ok(rows) = &mut self.0 else { return };
        let user = Named {
            dn: &user.dn,
            principal: user.text("userPrincipalName").unwrap_or_default(),
            name: user.text("sAMAccountName").unwrap_or_default(),
        };
        if let Err(error) = rows.add(affected, account, &user, cause) {
            self.0 = Err(error);
        }
    }

    /// Puts them into the table.
    fn kept(self, affected: Option<&Affected<'_>>) -> Result<(), DirectoryError> {
        let kept = self
            .0
            .and_then(|mut rows| affected.map_or(Ok(()), |affected| rows.keep(affected)));
        kept.map_err(|e| {
            Error::new(Status::FileWrite, "the table of users cannot be written")
                .caused_by(&e)
                .into()
        })
    }
}

impl<'t> Scanner<'t> {
    fn new(task: Task<'t>) -> Self {
        let mut scanner = Scanner {
            task,
            weigher: Weigher::new(task.tokens),
            above: Default::default(),
            scan: Scan::default(),
            rows: Written::default(),
        };
        scanner.finish();
        scanner
    }

    /// What the users since the last time came to.
    fn finish(&mut self) -> Scan {
        self.scan.descriptors = std::mem::take(&mut self.weigher.count);
        std::mem::replace(&mut self.scan, Scan::of(self.task.tokens.len()))
    }

    fn user(&mut self, user: &Entry) {
        let control: u32 = user
            .text("userAccountControl")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        if control & DISABLED != 0 {
            self.scan.disabled.add(&user.dn);
            return;
        }
        self.scan.users += 1;
        let is_young = self.age(user);
        let class = class(user);
        self.scan.inet_org_persons += u64::from(class == INET_ORG_PERSON);
        self.look_above(&user.dn);
        let above = &self.above.1;
        let reserved = above.reserved().map(|unit| {
            self.scan.reserved.entry(unit.into()).or_default().add(&user.dn);
            Stop::ReservedName
        });
        let mut stopped = |at: usize, cause: Option<&Cause>| {
            let refused = || cause.and_then(Stop::of);
            if let Some(stop) = reserved.or_else(refused).or(is_young.then_some(Stop::TooYoung)) {
                *self.scan.stops[at].entry(stop).or_default() += 1;
            }
        };
        let sid = user.value("objectSid").and_then(Sid::read);
        let weighed = user
            .value("nTSecurityDescriptor")
            .and_then(|bytes| self.weigher.weigh(bytes, class, sid));
        let Some(weighed) = weighed else {
            for (at, causes) in self.scan.refused.iter_mut().enumerate() {
                if let Some(affected) = &self.task.affected {
                    self.rows.add(affected, at, user, &Cause::Unreadable);
                }
                stopped(at, None);
                causes.entry(Cause::Unreadable).or_default().add(&user.dn);
            }
            return;
        };
        for (at, weighed) in weighed.iter().enumerate() {
            let missing = weighed.missing.as_ref();
            let cause = missing.map(|missing| cause(missing, user, at, above, self.task.containers));
            stopped(at, cause.as_ref());
            if let Some(cause) = cause {
                if let Some(affected) = &self.task.affected {
                    self.rows.add(affected, at, user, &cause);
                }
                self.scan.refused[at].entry(cause).or_default().add(&user.dn);
            }
            if let Some(denial) = &weighed.change {
                let cause = denied(denial, &user.dn, self.task.containers);
                self.scan.change_denied[at].entry(cause).or_default().add(&user.dn);
            }
        }
    }

    /// Counts a user's password with those of its policy. Whether it is too young to be reset.
    fn age(&mut self, user: &Entry) -> bool {
        let policies = self.task.ages;
        let name = user.text(RESULTANT_POLICY).map(str::to_lowercase).unwrap_or_default();
        let policy = policies.policies.get(&name).or(policies.domain.as_ref());
        let steps = |attribute| -> i64 {
            let text = user.text(attribute).and_then(|text| text.parse().ok());
            text.unwrap_or_default()
        };
        let counted = self.scan.ages.entry(name).or_default();
        counted.users += 1;
        let Some(policy) = policy else { return false };
        let (set, minimum) = (steps("pwdLastSet"), policy.minimum_age.saturating_neg());
        // 0: the password must be changed, which its age does not hinder.
        let is_young = set > 0 && minimum > 0 && set.saturating_add(minimum) > policies.now;
        if is_young {
            counted.young.add(&user.dn);
        }
        // It stays when the time is over.
        let locked = steps("lockoutTime");
        if locked > 0 && policy.locked_until(locked) > policies.now {
            self.scan.locked.add(&user.dn);
        }
        is_young
    }

    /// Looks at what stands above a user. Users of a container come one after another.
    fn look_above(&mut self, dn: &str) {
        let parent = super::containers::parent(dn).unwrap_or_default();
        if self.above.0 != parent {
            self.above = (parent.into(), self.task.containers.above(dn));
        }
    }
}

/// Why a right is missing to an account on a user; the account by the place of its token.
pub fn cause_of(missing: &Missing, user: &Entry, account: usize, containers: &Containers) -> Cause {
    cause(missing, user, account, &containers.above(&user.dn), containers)
}

fn cause(missing: &Missing, user: &Entry, account: usize, above: &Above<'_>, containers: &Containers) -> Cause {
    if let Some(denial) = &missing.denied {
        return denied(denial, &user.dn, containers);
    }
    let (right, class) = (missing.right, class(user));
    if missing.protected && above.grants(account, right, class) {
        return match user.text("adminCount") {
            Some("1") => Cause::AdminSdHolder,
            _ => Cause::ProtectedUser,
        };
    }
    if let Some(container) = above.cut_off(account, right, class) {
        return Cause::Protected(container.into());
    }
    if class == INET_ORG_PERSON && above.grants(account, right, USER) {
        return Cause::InetOrgPerson;
    }
    Cause::NotGranted { right }
}

fn denied(denial: &Denial, dn: &str, containers: &Containers) -> Cause {
    let from = denial.inherited.then(|| containers.origin(dn, &denial.body));
    Cause::Denied {
        from: from.flatten(),
        trustee: denial.trustee.clone(),
        right: denial.right,
    }
}

fn weigh(object: &Object<'_>, token: &Token) -> Weighed {
    let verdicts = object.access(token, LOOKED_AT.map(|right| right.want));
    Weighed {
        missing: missing(object, &verdicts),
        change: Denial::by(&CHANGE_PASSWORD, &verdicts[NEEDED.len()]),
    }
}

/// The first right that verdicts do not grant.
pub fn missing(object: &Object<'_>, verdicts: &[Verdict<'_>; 4]) -> Option<Missing> {
    let missing = NEEDED.iter().zip(verdicts).find(|(_, verdict)| !verdict.is_allowed());
    missing.map(|(right, verdict)| Missing {
        right: right.name,
        protected: object.descriptor.is_protected(),
        denied: Denial::by(right, verdict),
    })
}

impl Denial {
    fn by(right: &Right, verdict: &Verdict<'_>) -> Option<Denial> {
        let Verdict::Denied(ace) = verdict else { return None };
        Some(Denial {
            right: right.name,
            trustee: ace.trustee()?.keep(),
            inherited: ace.is_inherited(),
            body: body(ace),
        })
    }
}

/// A user's most specific class, as far as entries are told apart by it.
pub fn class(user: &Entry) -> Guid {
    match user.values("objectClass").next_back() {
        Some(last) if last.eq_ignore_ascii_case(b"inetOrgPerson") => INET_ORG_PERSON,
        _ => USER,
    }
}

#[cfg(test)]
mod tests;
