//! LDAP as a domain controller is spoken to: always over TLS, with Active Directory's controls, lists in pages.

use crate::tls;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchEntry, StdStream};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
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
pub enum Parts {
    /// Owner, group and DACL: what everybody may read.
    All,
    /// The DACL alone.
    Dacl,
}

/// How a controller is reached.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its DNS name, which its certificate must bear.
    pub host: String,
    /// Where that is, where DNS is not to be asked.
    pub socket: Option<SocketAddr>,
    /// TLS from the first byte (LDAPS), or begun on an open connection (StartTLS).
    pub start_tls: bool,
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
    /// It refused, by LDAP's result code.
    #[error("the domain controller refused with result {code}: {text}")]
    Refused {
        /// The result code.
        code: u32,
        /// What it said.
        text: String,
    },
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

impl From<SearchEntry> for Entry {
    fn from(entry: SearchEntry) -> Self {
        let texts = entry.attrs.into_iter();
        let texts = texts.map(|(name, values)| (name, values.into_iter().map(String::into_bytes).collect()));
        Entry {
            dn: entry.dn,
            attributes: texts.chain(entry.bin_attrs).collect(),
        }
    }
}

/// A connection to a controller; it ends when it is dropped.
#[derive(Debug)]
pub struct Connection {
    host: String,
    ldap: Ldap,
    timeout: Duration,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects. The controller's certificate is held against the system's trust, or against this file alone.
    pub async fn open(address: &Address, ca_file: Option<&Path>, timeout: Duration) -> Result<Self> {
        let unreachable = |source| DirectoryError::Unreachable {
            host: address.host.clone(),
            source,
        };
        let config = Arc::new(tls::config(ca_file)?);
        let (scheme, port) = if address.start_tls {
            ("ldap", 389)
        } else {
            ("ldaps", 636)
        };
        let connecting = async {
            let stream = match address.socket {
                Some(socket) => TcpStream::connect(socket).await,
                None => TcpStream::connect((address.host.as_str(), port)).await,
            };
            let settings = LdapConnSettings::new()
                .set_config(config)
                .set_starttls(address.start_tls)
                .set_std_stream(StdStream::Tcp(stream?.into_std()?));
            LdapConnAsync::with_settings(settings, &format!("{scheme}://{}", address.host)).await
        };
        let connected = tokio::time::timeout(timeout, connecting).await;
        let (driver, ldap) = connected.map_err(|e| unreachable(e.into()))?.map_err(unreachable)?;
        Ok(Connection {
            host: address.host.clone(),
            ldap,
            timeout,
            // Its end is seen by whoever asks next.
            driver: tokio::spawn(async move {
                let _ = driver.drive().await;
            }),
        })
    }

    /// Signs in with a name (`DOMAIN\user`, a user principal name or a distinguished name) and a password.
    pub async fn bind(&mut self, user: &str, password: &str) -> Result<()> {
        let answer = self.ldap.with_timeout(self.timeout).simple_bind(user, password).await;
        self.done(answer)
    }

    /// Reads one object; None where there is none, or none that may be seen.
    pub async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        self.ldap.with_timeout(self.timeout).with_controls(parts(Parts::All));
        let answer = self.ldap.search(dn, Scope::Base, "(objectClass=*)", attributes).await;
        let found = answer.map_err(|source| self.broke(source))?;
        if found.1.rc == NO_SUCH_OBJECT {
            return Ok(None);
        }
        let first = found.0.into_iter().next();
        refused(found.1)?;
        Ok(first.map(|entry| SearchEntry::construct(entry).into()))
    }

    /// Reads all objects below a place that a filter takes, page by page.
    pub async fn search(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        mut each: impl FnMut(Entry),
    ) -> Result<()> {
        let adapters: Vec<Box<dyn Adapter<'_, &str, &[&str]>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        self.ldap.with_timeout(self.timeout).with_controls(parts(Parts::All));
        let host = self.host.clone();
        let broke = |source| DirectoryError::Unreachable {
            host: host.clone(),
            source,
        };
        let started = self
            .ldap
            .streaming_search_with(adapters, base, Scope::Subtree, filter, attributes)
            .await;
        let mut stream = started.map_err(broke)?;
        while let Some(entry) = stream.next().await.map_err(broke)? {
            each(SearchEntry::construct(entry).into());
        }
        refused(stream.finish().await)
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
