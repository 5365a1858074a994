//! LDAP as a domain controller is spoken to: over TLS, or signed and sealed by Kerberos; with Active Directory's controls,
//! lists in pages.

mod ber;
mod entry;
mod error;
mod filter;
#[cfg(any(windows, feature = "kerberos"))]
mod kerberos;
#[cfg(unix)]
mod patient;
mod wire;

pub use entry::Entry;
pub use error::DirectoryError;
pub use filter::escape;
pub use wire::{Stream, Wire};

use crate::error::Error;
use crate::status::Status;
use crate::tls;
use ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, number, value};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::{Message, Outcome, PAGED, control};
use zeroize::Zeroizing;

/// The control that asks for parts of a security descriptor (LDAP_SERVER_SD_FLAGS_OID).
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// How many entries a page has: what a controller gives at the most.
const PAGE: u32 = 1000;
/// The operation that begins TLS (RFC 4511, 4.14).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// So much is read of a connection at once, where so much is there.
const READ: usize = 64 << 10;
/// How far a search goes, and what a change is, as LDAP says it.
const BASE: u32 = 0;
const CHILDREN: u32 = 1;
const SUBTREE: u32 = 2;
const ADD: u32 = 0;
const DELETE: u32 = 1;
const REPLACE: u32 = 2;
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
    pub page_size: u32,
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
    wire: Wire,
    /// The controller's certificate, where there is TLS: a ticket is bound to it.
    #[cfg_attr(not(any(windows, feature = "kerberos")), expect(dead_code))]
    certificate: Vec<u8>,
    page_size: u32,
    references: BTreeSet<String>,
}

impl Connection {
    /// Connects. The controller's certificate is held against the system's trust, or against the CA file alone. A connection
    /// without TLS is one of whoever runs this, signed in by Kerberos.
    pub async fn open(address: &Address, options: &Options) -> Result<Self> {
        let unreachable = |e| DirectoryError::unreachable(&address.host, e);
        let config = tls::config(options.ca_file.as_deref())?;
        let port = address.port.unwrap_or(address.protection.port());
        let connecting = async {
            let stream = match address.socket {
                Some(socket) => TcpStream::connect(socket).await,
                None => TcpStream::connect((address.host.as_str(), port)).await,
            };
            let stream = stream.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            // Windows wakes whoever sleeps a few milliseconds after fifteen.
            #[cfg(unix)]
            let stream = patient::Patient::new(stream);
            let mut wire = Wire::new(Box::new(stream), options.timeout);
            let mut certificate = Vec::new();
            if address.protection == Protection::StartTls {
                let request = value(0x77, &[&value(0x80, &[START_TLS.as_bytes()])]);
                let outcome = wire.ask(&request, &[]).await.map_err(unreachable)?;
                result(&address.host, outcome)?;
            }
            let stream = if address.protection == Protection::Sealed {
                sealed(wire, &address.host).await?
            } else {
                let stream = wire.into_stream().map_err(unreachable)?;
                let secured = secured(stream, &address.host, config).await;
                let stream;
                (stream, certificate) = secured.map_err(unreachable)?;
                stream
            };
            Ok::<_, DirectoryError>((Wire::new(stream, options.timeout), certificate))
        };
        let connected = tokio::time::timeout(options.timeout, connecting).await;
        let (wire, certificate) = connected.map_err(|e| unreachable(e.into()))??;
        Ok(Connection {
            certificate,
            ..Connection::over(wire, address, options)
        })
    }

    /// One over a stream that is open.
    pub fn over(wire: Wire, address: &Address, options: &Options) -> Self {
        Connection {
            address: address.clone(),
            wire,
            certificate: Vec::new(),
            page_size: options.page_size,
            references: BTreeSet::new(),
        }
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The controller's name.
    pub fn host(&self) -> &str {
        &self.address.host
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
        let how = Zeroizing::new(value(0x80, &[password.as_bytes()]));
        self.ask(&Zeroizing::new(bind(user, &how)), &[]).await
    }

    /// Signs in as whoever runs this, by Kerberos.
    #[cfg(any(windows, feature = "kerberos"))]
    pub async fn bind_current(&mut self) -> Result<()> {
        if self.address.protection == Protection::Sealed {
            // That was done before anything else could be sent.
            return Ok(());
        }
        kerberos::bound(&mut self.wire, &self.address.host, &self.certificate).await
    }

    /// This build knows no Kerberos.
    #[cfg(not(any(windows, feature = "kerberos")))]
    pub async fn bind_current(&mut self) -> Result<()> {
        Err(no_kerberos(&self.address.host))
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
        let request = search(dn, BASE, 0, "(objectClass=*)", attributes)?;
        let mut first = None;
        let take = |entry: &Entry| {
            first.get_or_insert_with(|| entry.clone());
        };
        match self.page(&request, &parts_of(attributes), take).await? {
            Outcome {
                code: NO_SUCH_OBJECT, ..
            } => Ok(None),
            outcome => result(self.host(), outcome).map(|()| first),
        }
    }

    /// Asks for the rest of values of which the controller gave the first range: 1,500 by its defaults.
    async fn whole(&mut self, mut entry: Entry) -> Result<Entry> {
        while let Some((attribute, next)) = entry.cut() {
            let range = format!("{attribute};range={next}-*");
            let more = self.base(&entry.dn, &[&range]).await?.unwrap_or_default();
            if !entry.goes_on(&attribute, &more) {
                return Err(DirectoryError::Cut {
                    host: self.host().into(),
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
        mut each: impl FnMut(&Entry),
    ) -> Result<()> {
        let scope = match depth {
            Depth::Children => CHILDREN,
            Depth::Subtree => SUBTREE,
        };
        let request = search(base, scope, 0, filter, attributes)?;
        let descriptors = parts_of(attributes);
        let (mut begun, mut cookie) = (false, Vec::new());
        loop {
            let page = value(
                SEQUENCE,
                &[&number(INTEGER, self.page_size), &value(OCTETS, &[&cookie])],
            );
            let controls = [descriptors.clone(), control(PAGED, &page)].concat();
            let take = |entry: &Entry| {
                begun = true;
                each(entry);
            };
            let outcome = self.page(&request, &controls, take).await?;
            // A sign that something was given before is that the rest is refused: by its cookie, not for what was asked.
            if begun && NO_SUCH_COOKIE.contains(&outcome.code) {
                return Err(DirectoryError::BrokenOff {
                    host: self.host().into(),
                    code: outcome.code,
                    text: outcome.text,
                });
            }
            cookie.clone_from(&outcome.cookie);
            result(self.host(), outcome)?;
            if cookie.is_empty() {
                return Ok(());
            }
        }
    }

    /// One search: its entries, then how it ended.
    async fn page(&mut self, request: &[u8], controls: &[u8], mut each: impl FnMut(&Entry)) -> Result<Outcome> {
        let mut entry = Entry::default();
        let reading = async {
            self.wire.send(request, controls).await?;
            loop {
                let message: Message<'_> = self.wire.receive().await?;
                match message.tag {
                    wire::ENTRY => {
                        entry.read(message.content)?;
                        each(&entry);
                    }
                    wire::REFERENCE => self.references.extend(message.references()?),
                    _ => return Ok(message.outcome()?),
                }
            }
        };
        reading
            .await
            .map_err(|e: io::Error| DirectoryError::unreachable(&self.address.host, e))
    }

    /// The same, folded into something that is begun anew where the controller breaks the list off between two pages.
    pub async fn fold<T: Default>(
        &mut self,
        base: &str,
        depth: Depth,
        filter: &str,
        attributes: &[&str],
        mut add: impl FnMut(&mut T, &Entry),
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            let mut whole = T::default();
            let each = |entry: &Entry| add(&mut whole, entry);
            match self.search(base, depth, filter, attributes, each).await {
                Err(DirectoryError::BrokenOff { .. }) if tries < TRIES => tries += 1,
                end => return end.map(|()| whole),
            }
        }
    }

    /// The same, as a list, with values that come in ranges whole.
    pub async fn list(&mut self, base: &str, depth: Depth, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let add = |found: &mut Vec<Entry>, entry: &Entry| found.push(entry.clone());
        let found = self.fold(base, depth, filter, attributes, add).await?;
        let mut whole = Vec::with_capacity(found.len());
        for entry in found {
            whole.push(self.whole(entry).await?);
        }
        Ok(whole)
    }

    /// Puts other values in the place of an attribute's.
    pub async fn replace(&mut self, dn: &str, attribute: &str, values: &[&[u8]]) -> Result<()> {
        let controls = match attribute {
            "nTSecurityDescriptor" => parts(Parts::Dacl),
            _ => Vec::new(),
        };
        self.put(dn, attribute, values, &controls).await
    }

    /// Gives a user another password, as somebody who may reset it. Where a policy hints control is named, the controller
    /// holds it against the password policy, as it else does not (MS-ADTS 3.1.1.3.4.1.27).
    pub async fn set_password(&mut self, dn: &str, password: &str, policy_hints: Option<&str>) -> Result<()> {
        let quoted = ["\"", password, "\""].into_iter().flat_map(str::encode_utf16);
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 * password.len() + 4));
        quoted.for_each(|unit| bytes.extend(unit.to_le_bytes()));
        let hints = policy_hints.map(|oid| control(oid, &value(SEQUENCE, &[&number(INTEGER, 1)])));
        self.put(dn, "unicodePwd", &[&bytes], &hints.unwrap_or_default()).await
    }

    /// Gives an attribute of one text another, where that is still what it has; an empty one is none. Else it is refused, and
    /// what somebody else wrote in the meantime stays.
    pub async fn exchange(&mut self, dn: &str, attribute: &str, old: &str, new: &str) -> Result<()> {
        let parts = [(DELETE, old), (ADD, new)].into_iter();
        let parts = parts.filter(|(_, text)| !text.is_empty());
        let changes: Vec<_> = parts
            .map(|(how, text)| changing(how, attribute, &[text.as_bytes()]))
            .collect();
        self.modify(dn, &changes, &[]).await
    }

    async fn put(&mut self, dn: &str, attribute: &str, values: &[&[u8]], controls: &[u8]) -> Result<()> {
        self.modify(dn, &[changing(REPLACE, attribute, values)], controls).await
    }

    async fn modify(&mut self, dn: &str, changes: &[Zeroizing<Vec<u8>>], controls: &[u8]) -> Result<()> {
        let changes: Vec<&[u8]> = changes.iter().map(|one| one.as_slice()).collect();
        let changes = Zeroizing::new(value(SEQUENCE, &changes));
        let request = Zeroizing::new(value(0x66, &[&value(OCTETS, &[dn.as_bytes()]), &changes]));
        self.ask(&request, controls).await
    }

    /// Some objects below a place that a filter takes: so many at the most, whichever the controller finds first.
    pub async fn some(&mut self, base: &str, filter: &str, attributes: &[&str], most: u32) -> Result<Vec<Entry>> {
        let request = search(base, SUBTREE, most, filter, attributes)?;
        let mut found = Vec::new();
        let take = |entry: &Entry| found.push(entry.clone());
        let outcome = self.page(&request, &parts_of(attributes), take).await?;
        if outcome.code != SIZE_LIMIT {
            result(self.host(), outcome)?;
        }
        Ok(found)
    }

    /// Makes an object. One that is there already is left as it is.
    pub async fn add(&mut self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<()> {
        let named = |(name, values): &(&str, &[&str])| {
            let values: Vec<u8> = values.iter().flat_map(|one| value(OCTETS, &[one.as_bytes()])).collect();
            value(SEQUENCE, &[&value(OCTETS, &[name.as_bytes()]), &value(SET, &[&values])])
        };
        let attributes: Vec<u8> = attributes.iter().flat_map(named).collect();
        let request = value(
            0x68,
            &[&value(OCTETS, &[dn.as_bytes()]), &value(SEQUENCE, &[&attributes])],
        );
        self.ask_but(&request, &[], ALREADY_EXISTS).await
    }

    /// Removes an object that has none below it. One that is not there is passed over.
    pub async fn delete(&mut self, dn: &str) -> Result<()> {
        self.ask_but(&value(0x4a, &[dn.as_bytes()]), &[], NO_SUCH_OBJECT).await
    }

    async fn ask(&mut self, request: &[u8], controls: &[u8]) -> Result<()> {
        self.ask_but(request, controls, 0).await
    }

    /// The same, where one outcome is as good as success.
    async fn ask_but(&mut self, request: &[u8], controls: &[u8], good: u32) -> Result<()> {
        let outcome = self.wire.ask(request, controls).await;
        let outcome = outcome.map_err(|e| DirectoryError::unreachable(&self.address.host, e))?;
        if outcome.code == good {
            return Ok(());
        }
        result(self.host(), outcome)
    }
}

/// One change of an attribute, of those that a request may have.
fn changing(how: u32, attribute: &str, values: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // They may be a password.
    let secret = |tag, parts: &[&[u8]]| Zeroizing::new(value(tag, parts));
    let values: Vec<_> = values.iter().map(|one| secret(OCTETS, &[one])).collect();
    let values: Vec<&[u8]> = values.iter().map(|one| one.as_slice()).collect();
    let named = secret(
        SEQUENCE,
        &[&value(OCTETS, &[attribute.as_bytes()]), &secret(SET, &values)],
    );
    secret(SEQUENCE, &[&number(ENUMERATED, how), &named])
}

/// A stream inside TLS, and the controller's certificate.
async fn secured(
    stream: Box<dyn Stream>,
    host: &str,
    config: rustls::ClientConfig,
) -> io::Result<(Box<dyn Stream>, Vec<u8>)> {
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    // TLS by itself reads four kilobytes at a time.
    let stream = BufReader::with_capacity(READ, stream);
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().map(|first| first.to_vec());
    Ok((Box::new(stream), certificate.unwrap_or_default()))
}

/// A SearchRequest (RFC 4511, 4.5.1).
fn search(base: &str, scope: u32, most: u32, filter: &str, attributes: &[&str]) -> Result<Vec<u8>> {
    let filter =
        filter::encoded(filter).ok_or_else(|| Error::new(Status::Internal, format!("this is no filter: {filter}")))?;
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|name| value(OCTETS, &[name.as_bytes()]))
        .collect();
    Ok(value(
        0x63,
        &[
            &value(OCTETS, &[base.as_bytes()]),
            &number(ENUMERATED, scope),
            // Aliases as they are, so many entries (0: all), however long it takes, values too.
            &number(ENUMERATED, 0),
            &number(INTEGER, most),
            &number(INTEGER, 0),
            &value(BOOLEAN, &[&[0]]),
            &filter,
            &value(SEQUENCE, &[&attributes]),
        ],
    ))
}

/// A BindRequest (RFC 4511, 4.2).
fn bind(user: &str, how: &[u8]) -> Vec<u8> {
    value(0x60, &[&number(INTEGER, 3), &value(OCTETS, &[user.as_bytes()]), how])
}

/// What an outcome is to whoever asked.
fn result(host: &str, outcome: Outcome) -> Result<()> {
    match outcome.code {
        0 => Ok(()),
        REFERRAL => Err(DirectoryError::Referred {
            host: host.into(),
            to: outcome.referrals,
        }),
        code => Err(DirectoryError::Refused {
            code,
            text: outcome.text,
        }),
    }
}

#[cfg(not(any(windows, feature = "kerberos")))]
fn no_kerberos(host: &str) -> DirectoryError {
    DirectoryError::NoTicket {
        host: host.into(),
        why: "this build of the library has no Kerberos".into(),
    }
}

/// A stream whose other end is sealed by Kerberos.
async fn sealed(wire: Wire, host: &str) -> Result<Box<dyn Stream>> {
    #[cfg(any(windows, feature = "kerberos"))]
    return kerberos::sealed(wire, host).await;
    #[cfg(not(any(windows, feature = "kerberos")))]
    {
        drop(wire);
        Err(no_kerberos(host))
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

/// Asks for the parts of a descriptor that everybody may read, where one is asked for.
fn parts_of(attributes: &[&str]) -> Vec<u8> {
    match attributes.contains(&"nTSecurityDescriptor") {
        true => parts(Parts::All),
        false => Vec::new(),
    }
}

fn parts(parts: Parts) -> Vec<u8> {
    // Owner 1, group 2, DACL 4.
    let flags = match parts {
        Parts::All => 7,
        Parts::Dacl => 4,
    };
    control(SD_FLAGS, &value(SEQUENCE, &[&number(INTEGER, flags)]))
}
