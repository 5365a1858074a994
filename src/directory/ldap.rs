//! LDAP as a domain controller is spoken to: over TLS, or signed and sealed by Kerberos; with Active Directory's controls,
//! lists in pages.

mod entry;
mod error;
#[cfg(any(windows, feature = "kerberos"))]
mod sealed;

pub use entry::Entry;
pub use error::DirectoryError;

use crate::error::Error;
use crate::status::Status;
use crate::tls;
use futures_util::FutureExt;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchOptions, StdStream};
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;

/// The control that asks for parts of a security descriptor (LDAP_SERVER_SD_FLAGS_OID).
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// How many entries a page has: what a controller gives at the most.
const PAGE: i32 = 1000;
/// How often a list is begun that a controller breaks off between two pages.
const TRIES: usize = 3;

/// Which parts of a security descriptor are read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// Owner, group and DACL: what everybody may read.
    All,
    /// The DACL alone.
    Dacl,
}

/// How far below a place a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What stands directly in it.
    Children,
    /// It, and all below.
    Subtree,
}

/// What keeps a connection from others' eyes and hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Protection {
    /// TLS from the first byte, on port 636.
    #[default]
    #[serde(rename = "LDAPS")]
    Ldaps,
    /// TLS begun on an open connection, on port 389.
    StartTls,
    /// Kerberos, which signs and seals, on port 389. No password goes over such a connection.
    #[serde(rename = "None")]
    Sealed,
}

impl Protection {
    /// The port where it is usual.
    pub fn port(self) -> u16 {
        match self {
            Protection::Ldaps => 636,
            Protection::StartTls | Protection::Sealed => 389,
        }
    }
}

/// How a controller is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its DNS name, which its certificate must bear.
    pub host: String,
    /// Where that is, where DNS is not to be asked.
    pub socket: Option<SocketAddr>,
    /// Where it listens, where not at the usual place.
    pub port: Option<u16>,
    /// What protects it.
    pub protection: Protection,
}

/// What all connections of a domain have in common.
#[derive(Clone, Debug)]
pub struct Options {
    /// The certificates that are trusted, where not the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How many entries a page has.
    pub page_size: i32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ca_file: None,
            timeout: Duration::from_secs(60),
            page_size: PAGE,
        }
    }
}

type Result<T> = std::result::Result<T, DirectoryError>;

/// A connection to a controller; it ends when it is dropped.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    host: String,
    ldap: Ldap,
    timeout: Duration,
    page_size: i32,
    references: BTreeSet<String>,
    driver: Driver,
}

/// What sends requests and receives answers, while somebody waits for one: in the same task, so that what is read is taken
/// before more is read, on the processor that read it. Never locked: it makes what several threads may look at of what only
/// one may drive.
struct Driver(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl Driver {
    fn new(connection: LdapConnAsync) -> Self {
        // ldap3 panics on some answers that are not LDAP. It is over then, as with a connection that is closed.
        let driven = AssertUnwindSafe(connection.drive()).catch_unwind();
        Driver(Mutex::new(Some(Box::pin(async move {
            let _ = driven.await;
        }))))
    }

    /// Drives until something is done. The connection's end is seen by whoever asks next.
    async fn until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        poll_fn(|context| {
            if let Poll::Ready(value) = done.as_mut().poll(context) {
                return Poll::Ready(value);
            }
            let own = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
            let driven = own.as_mut().map(|driver| driver.as_mut().poll(context));
            if driven.is_some_and(|end| end.is_ready()) {
                *own = None;
                return done.as_mut().poll(context);
            }
            Poll::Pending
        })
        .await
    }
}

impl Connection {
    /// Connects. The controller's certificate is held against the system's trust, or against the CA file alone. A connection
    /// without TLS is one of whoever runs this, signed in by Kerberos.
    pub async fn open(address: &Address, options: &Options) -> Result<Self> {
        let unreachable = |source| DirectoryError::Unreachable {
            host: address.host.clone(),
            source,
        };
        let config = Arc::new(tls::config(options.ca_file.as_deref())?);
        let scheme = match address.protection {
            Protection::Ldaps => "ldaps",
            Protection::StartTls | Protection::Sealed => "ldap",
        };
        let port = address.port.unwrap_or(address.protection.port());
        let connecting = async {
            let stream = match address.socket {
                Some(socket) => TcpStream::connect(socket).await,
                None => TcpStream::connect((address.host.as_str(), port)).await,
            };
            let mut stream = stream.map_err(|e| unreachable(e.into()))?;
            if address.protection == Protection::Sealed {
                stream = sealed::open(stream, &address.host).await?;
            }
            let stream = stream.into_std().map_err(|e| unreachable(e.into()))?;
            let settings = LdapConnSettings::new()
                .set_config(config)
                .set_starttls(address.protection == Protection::StartTls)
                .set_std_stream(StdStream::Tcp(stream));
            let opened = LdapConnAsync::with_settings(settings, &format!("{scheme}://{}", address.host)).await;
            opened.map_err(unreachable)
        };
        let connected = tokio::time::timeout(options.timeout, connecting).await;
        let (driver, ldap) = connected.map_err(|e| unreachable(e.into()))??;
        Ok(Connection {
            address: address.clone(),
            host: address.host.clone(),
            ldap,
            timeout: options.timeout,
            page_size: options.page_size,
            references: BTreeSet::new(),
            driver: Driver::new(driver),
        })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The controller's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where searches were referred to for what lies in other naming contexts, as LDAP URLs. None was followed.
    pub fn references(&self) -> &BTreeSet<String> {
        &self.references
    }

    /// Signs in with a name (`DOMAIN\user`, a user principal name or a distinguished name) and a password.
    pub async fn bind(&mut self, user: &str, password: &str) -> Result<()> {
        if self.address.protection == Protection::Sealed {
            return Err(Error::new(Status::ArgumentInvalid, "a password is sent over TLS only").into());
        }
        let bound = self.ldap.with_timeout(self.timeout).simple_bind(user, password);
        let answer = self.driver.until(bound).await;
        self.done(answer)
    }

    /// Signs in as whoever runs this, by Kerberos.
    #[cfg(any(windows, feature = "kerberos"))]
    pub async fn bind_current(&mut self) -> Result<()> {
        if self.address.protection == Protection::Sealed {
            // That was done before anything else could be sent.
            return Ok(());
        }
        let host = self.host.clone();
        let bound = self.ldap.with_timeout(self.timeout).sasl_gssapi_bind(&host);
        let answer = self.driver.until(bound).await;
        match answer {
            Err(source @ ldap3::LdapError::GssapiOperationError(_)) => Err(DirectoryError::NoTicket {
                host,
                why: source.to_string(),
            }),
            answer => self.done(answer),
        }
    }

    /// This build knows no Kerberos.
    #[cfg(not(any(windows, feature = "kerberos")))]
    pub async fn bind_current(&mut self) -> Result<()> {
        Err(no_kerberos(&self.host))
    }

    /// Reads one object; None where there is none, or none that may be seen. Values that the controller gives in ranges
    /// come whole.
    pub async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        match self.base(dn, attributes).await? {
            Some(entry) => self.whole(entry).await.map(Some),
            None => Ok(None),
        }
    }

    async fn base(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        self.prepare(attributes);
        let found = self.ldap.search(dn, Scope::Base, "(objectClass=*)", attributes);
        let answer = self.driver.until(found).await;
        let found = answer.map_err(|source| self.broke(source))?;
        if found.1.rc == NO_SUCH_OBJECT {
            return Ok(None);
        }
        let first = found.0.into_iter().next();
        self.refused(found.1)?;
        Ok(first.map(Entry::from))
    }

    /// Asks for the rest of values of which the controller gave the first range: 1,500 by its defaults.
    async fn whole(&mut self, mut entry: Entry) -> Result<Entry> {
        while let Some((attribute, next)) = entry.cut() {
            let range = format!("{attribute};range={next}-*");
            let more = self.base(&entry.dn, &[&range]).await?.unwrap_or_default();
            if !entry.goes_on(&attribute, more) {
                return Err(DirectoryError::Cut {
                    host: self.host.clone(),
                    attribute,
                });
            }
        }
        Ok(entry)
    }

    /// Reads all objects below a place that a filter takes, page by page. References to other servers are kept, and not
    /// followed. Values that come in ranges are cut short.
    pub async fn search(
        &mut self,
        base: &str,
        depth: Depth,
        filter: &str,
        attributes: &[&str],
        mut each: impl FnMut(Entry),
    ) -> Result<()> {
        let adapters: Vec<Box<dyn Adapter<'_, &str, &[&str]>>> = vec![
            Box::new(EntriesOnly::new()),
            Box::new(PagedResults::new(self.page_size)),
        ];
        let scope = match depth {
            Depth::Children => Scope::OneLevel,
            Depth::Subtree => Scope::Subtree,
        };
        self.prepare(attributes);
        let host = self.host.clone();
        let broke = |source| DirectoryError::Unreachable {
            host: host.clone(),
            source,
        };
        let started = self
            .ldap
            .streaming_search_with(adapters, base, scope, filter, attributes);
        let mut begun = false;
        let read = async {
            let mut stream = started.await?;
            while let Some(entry) = stream.next().await? {
                begun = true;
                each(entry.into());
            }
            Ok(stream.finish().await)
        };
        let mut result = self.driver.until(read).await.map_err(broke)?;
        // A sign that something was given before is that the rest is refused: by its cookie, not for what was asked.
        if begun && NO_SUCH_COOKIE.contains(&result.rc) {
            return Err(DirectoryError::BrokenOff {
                host,
                code: result.rc,
                text: plain(&result.text),
            });
        }
        if result.rc == 0 {
            self.references.append(&mut result.refs.drain(..).collect());
        }
        self.refused(result)
    }

    /// The same, folded into something that is begun anew where the controller breaks the list off between two pages.
    pub async fn fold<T: Default>(
        &mut self,
        base: &str,
        depth: Depth,
        filter: &str,
        attributes: &[&str],
        mut add: impl FnMut(&mut T, Entry),
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            let mut whole = T::default();
            let each = |entry| add(&mut whole, entry);
            match self.search(base, depth, filter, attributes, each).await {
                Err(DirectoryError::BrokenOff { .. }) if tries < TRIES => tries += 1,
                end => return end.map(|()| whole),
            }
        }
    }

    /// The same, as a list, with values that come in ranges whole.
    pub async fn list(&mut self, base: &str, depth: Depth, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let found: Vec<Entry> = self.fold(base, depth, filter, attributes, Vec::push).await?;
        let mut whole = Vec::with_capacity(found.len());
        for entry in found {
            whole.push(self.whole(entry).await?);
        }
        Ok(whole)
    }

    fn prepare(&mut self, attributes: &[&str]) {
        self.ldap.with_timeout(self.timeout);
        if attributes.contains(&"nTSecurityDescriptor") {
            self.ldap.with_controls(parts(Parts::All));
        }
    }

    /// Puts other values in the place of an attribute's.
    pub async fn replace(&mut self, dn: &str, attribute: &str, values: &[&[u8]]) -> Result<()> {
        let change = Mod::Replace(attribute.as_bytes(), values.iter().copied().collect::<HashSet<_>>());
        self.ldap.with_timeout(self.timeout);
        if attribute == "nTSecurityDescriptor" {
            self.ldap.with_controls(parts(Parts::Dacl));
        }
        let answer = self.driver.until(self.ldap.modify(dn, vec![change])).await;
        self.done(answer)
    }

    /// Some objects below a place that a filter takes: so many at the most, whichever the controller finds first.
    pub async fn some(&mut self, base: &str, filter: &str, attributes: &[&str], most: i32) -> Result<Vec<Entry>> {
        self.prepare(attributes);
        let found = self
            .ldap
            .with_search_options(SearchOptions::new().sizelimit(most))
            .search(base, Scope::Subtree, filter, attributes);
        let answer = self.driver.until(found).await;
        let found = answer.map_err(|source| self.broke(source))?;
        if found.1.rc != SIZE_LIMIT {
            self.refused(found.1)?;
        }
        let entries = found
            .0
            .into_iter()
            .filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(entries.map(Entry::from).collect())
    }

    /// Makes an object. One that is there already is left as it is.
    pub async fn add(&mut self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<()> {
        let values =
            |(name, values): &(&str, &[&str])| (name.to_string(), values.iter().map(|v| v.to_string()).collect());
        let attributes: Vec<(String, HashSet<String>)> = attributes.iter().map(values).collect();
        self.ldap.with_timeout(self.timeout);
        let answer = self.driver.until(self.ldap.add(dn, attributes)).await;
        let answer = answer.map_err(|source| self.broke(source))?;
        match answer.rc {
            ALREADY_EXISTS => Ok(()),
            _ => self.refused(answer),
        }
    }

    /// Removes an object that has none below it. One that is not there is passed over.
    pub async fn delete(&mut self, dn: &str) -> Result<()> {
        self.ldap.with_timeout(self.timeout);
        let answer = self.driver.until(self.ldap.delete(dn)).await;
        let answer = answer.map_err(|source| self.broke(source))?;
        match answer.rc {
            NO_SUCH_OBJECT => Ok(()),
            _ => self.refused(answer),
        }
    }

    fn done(&self, answer: std::result::Result<LdapResult, ldap3::LdapError>) -> Result<()> {
        self.refused(answer.map_err(|source| self.broke(source))?)
    }

    fn refused(&self, result: LdapResult) -> Result<()> {
        match result.rc {
            0 => Ok(()),
            REFERRAL => Err(DirectoryError::Referred {
                host: self.host.clone(),
                to: result.refs,
            }),
            code => Err(DirectoryError::Refused {
                code,
                text: plain(&result.text),
            }),
        }
    }

    fn broke(&self, source: ldap3::LdapError) -> DirectoryError {
        DirectoryError::Unreachable {
            host: self.host.clone(),
            source,
        }
    }
}

#[cfg(not(any(windows, feature = "kerberos")))]
fn no_kerberos(host: &str) -> DirectoryError {
    DirectoryError::NoTicket {
        host: host.into(),
        why: "this build of the library has no Kerberos".into(),
    }
}

/// This build seals nothing.
#[cfg(not(any(windows, feature = "kerberos")))]
mod sealed {
    pub(super) async fn open(_: super::TcpStream, host: &str) -> super::Result<super::TcpStream> {
        Err(super::no_kerberos(host))
    }
}

/// LDAP's result codes (RFC 4511).
const SIZE_LIMIT: u32 = 4;
const REFERRAL: u32 = 10;
const NO_SUCH_OBJECT: u32 = 32;
const ALREADY_EXISTS: u32 = 68;
/// By these a controller refuses to go on with a list: it has forgotten it, or never knew it. Operations error, critical
/// extension unavailable, unwilling to perform.
const NO_SUCH_COOKIE: [u32; 3] = [1, 12, 53];

/// What a controller says, which may end in a NUL or a line break.
fn plain(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).into()
}

fn parts(parts: Parts) -> RawControl {
    // Owner 1, group 2, DACL 4.
    let flags = match parts {
        Parts::All => 7,
        Parts::Dacl => 4,
    };
    RawControl {
        ctype: SD_FLAGS.into(),
        crit: true,
        val: Some(vec![0x30, 3, 2, 1, flags]),
    }
}
