//! LDAP as a domain controller is spoken to: always over TLS, with Active Directory's controls, lists in pages.

use crate::tls;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, ResultEntry, Scope, StdStream};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The control that asks for parts of a security descriptor (LDAP_SERVER_SD_FLAGS_OID).
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// How many entries a page has: what a controller gives at the most.
const PAGE: i32 = 1000;

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

/// How a controller is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its DNS name, which its certificate must bear.
    pub host: String,
    /// Where that is, where DNS is not to be asked.
    pub socket: Option<SocketAddr>,
    /// Where it listens, where not at the usual place.
    pub port: Option<u16>,
    /// TLS from the first byte (LDAPS), or begun on an open connection (StartTLS).
    pub start_tls: bool,
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

/// Why a controller did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No connection, or it broke.
    #[error("the domain controller {host} could not be reached")]
    Unreachable {
        /// Which.
        host: String,
        /// Why.
        #[source]
        source: ldap3::LdapError,
    },
    /// Nothing can be sent: the CA file is not usable.
    #[error(transparent)]
    Unusable(#[from] crate::error::Error),
    /// The current identity has no ticket that a controller takes.
    #[error("whoever runs this cannot sign in to {host} by Kerberos: {why}")]
    NoTicket {
        /// Which.
        host: String,
        /// Why.
        why: String,
    },
    /// There is no controller left to ask.
    #[error("no domain controller is known that could be asked")]
    NoController,
    /// It refused, by LDAP's result code.
    #[error("the domain controller refused with result {code}: {text}")]
    Refused {
        /// The result code.
        code: u32,
        /// What it said.
        text: String,
    },
}

impl DirectoryError {
    /// Whether another controller may do better.
    pub fn is_the_controller_s(&self) -> bool {
        match self {
            DirectoryError::Unreachable { .. } => true,
            // Busy, unavailable.
            DirectoryError::Refused { code, .. } => matches!(code, 51 | 52),
            _ => false,
        }
    }

    /// What a refused sign-in means, from the number that Active Directory puts into its words (`data 532`).
    pub fn sign_in_refusal(&self) -> Option<&'static str> {
        let DirectoryError::Refused { code: 49, text } = self else {
            return None;
        };
        let number = text
            .split_once("data ")
            .and_then(|(_, rest)| rest.split([',', ' ']).next());
        Some(match number {
            Some("530") => "the account may not sign in at this time",
            Some("531") => "the account may not sign in at this machine",
            Some("532") => "the account's password has expired",
            Some("533") => "the account is disabled",
            Some("701") => "the account has expired",
            Some("773") => "the account's password must be changed first",
            Some("775") => "the account is locked out",
            _ => "the user or the password is wrong",
        })
    }
}

type Result<T> = std::result::Result<T, DirectoryError>;

/// An entry, with the values as bytes.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// An attribute's values.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self
            .attributes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }

    /// The value of an attribute that has one.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).first().map(Vec::as_slice)
    }

    /// The same, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(name)?).ok()
    }
}

/// The bytes of a SearchResultEntry (RFC 4511, 4.5.2) are moved, not copied; what is not of its form is left out.
impl From<ResultEntry> for Entry {
    fn from(entry: ResultEntry) -> Self {
        let text = |tag: Option<StructureTag>| {
            let bytes = tag.and_then(StructureTag::expect_primitive).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
        };
        let inner = |tag: Option<StructureTag>| match tag.map(|tag| tag.payload) {
            Some(PL::C(tags)) => tags.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut parts = inner(Some(entry.0));
        let dn = text(parts.next());
        let attribute = |tag| {
            let mut parts = inner(Some(tag));
            let name = text(parts.next());
            let values = inner(parts.next()).filter_map(StructureTag::expect_primitive);
            (name, values.collect())
        };
        Entry {
            dn,
            attributes: inner(parts.next()).map(attribute).collect(),
        }
    }
}

/// A connection to a controller; it ends when it is dropped.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    host: String,
    ldap: Ldap,
    timeout: Duration,
    page_size: i32,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects. The controller's certificate is held against the system's trust, or against the CA file alone.
    pub async fn open(address: &Address, options: &Options) -> Result<Self> {
        let unreachable = |source| DirectoryError::Unreachable {
            host: address.host.clone(),
            source,
        };
        let config = Arc::new(tls::config(options.ca_file.as_deref())?);
        let (scheme, port) = if address.start_tls {
            ("ldap", 389)
        } else {
            ("ldaps", 636)
        };
        let connecting = async {
            let stream = match address.socket {
                Some(socket) => TcpStream::connect(socket).await,
                None => TcpStream::connect((address.host.as_str(), address.port.unwrap_or(port))).await,
            };
            let settings = LdapConnSettings::new()
                .set_config(config)
                .set_starttls(address.start_tls)
                .set_std_stream(StdStream::Tcp(stream?.into_std()?));
            LdapConnAsync::with_settings(settings, &format!("{scheme}://{}", address.host)).await
        };
        let connected = tokio::time::timeout(options.timeout, connecting).await;
        let (driver, ldap) = connected.map_err(|e| unreachable(e.into()))?.map_err(unreachable)?;
        Ok(Connection {
            address: address.clone(),
            host: address.host.clone(),
            ldap,
            timeout: options.timeout,
            page_size: options.page_size,
            // Its end is seen by whoever asks next.
            driver: tokio::spawn(async move {
                let _ = driver.drive().await;
            }),
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

    /// Signs in with a name (`DOMAIN\user`, a user principal name or a distinguished name) and a password.
    pub async fn bind(&mut self, user: &str, password: &str) -> Result<()> {
        let answer = self.ldap.with_timeout(self.timeout).simple_bind(user, password).await;
        self.done(answer)
    }

    /// Signs in as whoever runs this, by Kerberos.
    #[cfg(any(windows, feature = "kerberos"))]
    pub async fn bind_current(&mut self) -> Result<()> {
        let host = self.host.clone();
        let answer = self.ldap.with_timeout(self.timeout).sasl_gssapi_bind(&host).await;
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
        Err(DirectoryError::NoTicket {
            host: self.host.clone(),
            why: "this build of the library has no Kerberos".into(),
        })
    }

    /// Reads one object; None where there is none, or none that may be seen.
    pub async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        self.prepare(attributes);
        let answer = self.ldap.search(dn, Scope::Base, "(objectClass=*)", attributes).await;
        let found = answer.map_err(|source| self.broke(source))?;
        if found.1.rc == NO_SUCH_OBJECT {
            return Ok(None);
        }
        let first = found.0.into_iter().find(|entry| !entry.is_ref());
        refused(found.1)?;
        Ok(first.map(Entry::from))
    }

    /// Reads all objects below a place that a filter takes, page by page. References to other servers are not followed.
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
            .streaming_search_with(adapters, base, scope, filter, attributes)
            .await;
        let mut stream = started.map_err(broke)?;
        while let Some(entry) = stream.next().await.map_err(broke)? {
            each(entry.into());
        }
        refused(stream.finish().await)
    }

    /// The same, as a list.
    pub async fn list(&mut self, base: &str, depth: Depth, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        self.search(base, depth, filter, attributes, |entry| found.push(entry))
            .await?;
        Ok(found)
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
        let answer = self.ldap.modify(dn, vec![change]).await;
        self.done(answer)
    }

    fn done(&self, answer: std::result::Result<LdapResult, ldap3::LdapError>) -> Result<()> {
        refused(answer.map_err(|source| self.broke(source))?)
    }

    fn broke(&self, source: ldap3::LdapError) -> DirectoryError {
        DirectoryError::Unreachable {
            host: self.host.clone(),
            source,
        }
    }
}

/// LDAP's result codes (RFC 4511).
const NO_SUCH_OBJECT: u32 = 32;

fn refused(result: LdapResult) -> Result<()> {
    match result.rc {
        0 => Ok(()),
        code => Err(DirectoryError::Refused {
            code,
            text: result.text,
        }),
    }
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
