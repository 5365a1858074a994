//! The directories of a session: any number of domains, each with its own sign-in.

use super::{Session, utf8};
use crate::directory::forest::{self, DomainName, Identity, Login, RootDse, distinguished_name, dns_name};
use crate::directory::ldap::{Address, DirectoryError, Options, Protection};
use crate::directory::locate::Dns;
use crate::error::{Error, Result};
use crate::status::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// What `sspr_directory_connect` takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Request {
    /// The domain's DNS name; absent: that of the user's name, or the machine's own.
    domain: Option<String>,
    /// Its controllers, `name` or `name:port`; absent: those that DNS names.
    servers: Vec<String>,
    /// Who signs in, with the secret `directoryPassword`; absent: whoever runs this.
    user: Option<String>,
    /// What protects the connections.
    tls: Protection,
    /// Trust the certificates in this PEM file, and no others.
    ca_file: Option<PathBuf>,
    /// Ask this DNS server, `address:port`, and not the system's.
    dns_server: Option<SocketAddr>,
    /// How many entries a page has.
    page_size: Option<u16>,
    /// Over how many connections a scan reads.
    max_connections: Option<u8>,
    /// How long a request may take.
    timeout_seconds: Option<u32>,
    /// The connector accounts, where they are not to be looked for.
    connectors: Vec<String>,
    /// Where the domain's SYSVOL lies; absent: `\\domain\SYSVOL`, on Windows.
    sysvol: Option<PathBuf>,
}

/// Two connections: gentle, and about as fast as one controller answers.
const CONNECTIONS: usize = 2;
/// No scan asks for more.
const MOST_CONNECTIONS: u8 = 16;
/// What Active Directory gives at the most by its defaults.
const MOST_ENTRIES: u16 = 1000;

/// A domain that was connected to.
#[derive(Debug)]
pub struct Directory {
    /// The domain.
    pub domain: DomainName,
    /// Its forest's root domain.
    pub forest: String,
    /// How its controllers are reached.
    pub login: Login,
    /// Over how many connections a scan reads.
    pub connections: usize,
    /// The connector accounts, where they are not to be looked for.
    pub connectors: Vec<String>,
    /// Where the domain's SYSVOL lies.
    pub sysvol: Option<PathBuf>,
    /// The DNS server to ask.
    dns_server: Option<SocketAddr>,
}

impl Directory {
    /// How the controllers of another domain of the forest are reached, with the same sign-in.
    pub async fn login_to(&self, domain: &DomainName) -> Result<Login> {
        let protection = self.login.servers.first().map(|server| server.protection);
        let servers = located(&domain.dns, self.dns_server, protection.unwrap_or_default()).await?;
        Ok(Login {
            servers,
            ..self.login.clone()
        })
    }
}

/// The controllers that DNS names.
async fn located(domain: &str, dns_server: Option<SocketAddr>, protection: Protection) -> Result<Vec<Address>> {
    let none = |cause: &(dyn std::error::Error + 'static)| {
        Error::new(
            Status::DirectoryNotFound,
            format!("DNS names no domain controllers for {domain}"),
        )
        .target(domain)
        .caused_by(cause)
    };
    let dns = Dns::new(dns_server);
    dns.controllers(domain, protection).await.map_err(|e| none(&e))
}

impl Session {
    /// Connects to a domain, in place of an earlier connection to it, and tells what is there.
    pub async fn connect_directory(&self, request: Request) -> Result<Value> {
        let password = self.take_secret("directoryPassword");
        let identity = match (&request.user, password) {
            (Some(user), Some(password)) => Identity::Password {
                user: user.clone(),
                password: Arc::new(Zeroizing::new(utf8("directoryPassword", &password)?.to_string())),
            },
            (None, None) => Identity::Current,
            (Some(_), None) => return Err(super::missing("directoryPassword")),
            (None, Some(_)) => {
                return Err(
                    Error::new(Status::ArgumentInvalid, "a password needs the user whose it is").target("user"),
                );
            }
        };
        let wanted = request.domain().filter(|name| !name.is_empty());
        let protection = request.tls;
        if let (Identity::Password { .. }, Protection::Sealed) = (&identity, protection) {
            return Err(Error::new(Status::ArgumentInvalid, "a password is sent over TLS only")
                .target("tls")
                .help("Use LDAPS or StartTls, or leave the credential out to sign in by Kerberos as yourself."));
        }
        let servers = if request.servers.is_empty() {
            let domain = wanted.as_deref().ok_or_else(|| {
                Error::new(Status::ArgumentInvalid, "the domain is not known")
                    .target("domain")
                    .help("Name it: Connect-SsprDirectory -Domain.")
            })?;
            located(domain, request.dns_server, protection).await?
        } else {
            let dns = Dns::new(request.dns_server);
            let mut servers = Vec::new();
            for text in &request.servers {
                let (host, port) = host_and_port(text)?;
                servers.push(dns.address(host, port, protection).await);
            }
            servers
        };
        let login = Login {
            servers,
            identity,
            options: request.options(),
        };
        let mut connection = login.open().await.map_err(|e| error(&e))?;
        let root = RootDse::read(&mut connection).await.map_err(|e| error(&e))?;
        if let Some(wanted) = wanted.filter(|wanted| !root.domain.eq_ignore_ascii_case(&distinguished_name(wanted))) {
            return Err(Error::new(
                Status::DirectoryNotFound,
                format!(
                    "{} is a controller of {}, not of {wanted}",
                    connection.host(),
                    dns_name(&root.domain)
                ),
            )
            .target(wanted));
        }
        let domains = forest::domains(&mut connection, &root.configuration)
            .await
            .map_err(|e| error(&e))?;
        let domain = domains
            .iter()
            .find(|domain| domain.dn.eq_ignore_ascii_case(&root.domain));
        let domain = domain.cloned().unwrap_or_else(|| DomainName {
            dn: root.domain.clone(),
            dns: dns_name(&root.domain),
            netbios: String::new(),
        });
        let document = json!({
            "domain": domain.dns, "forest": dns_name(&root.forest), "controller": connection.host(),
            "domains": domains.iter().map(|domain| &domain.dns).collect::<Vec<_>>(),
        });
        let directory = Directory {
            forest: root.forest,
            login,
            connections: request
                .max_connections
                .map_or(CONNECTIONS, |most| usize::from(most.clamp(1, MOST_CONNECTIONS))),
            connectors: request.connectors,
            sysvol: request.sysvol,
            dns_server: request.dns_server,
            domain,
        };
        self.add_directory(Arc::new(directory));
        Ok(document)
    }

    fn add_directory(&self, directory: Arc<Directory>) {
        let mut all = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.domain.dn != directory.domain.dn);
        all.push(directory);
    }

    /// Takes the domains that another session is connected to.
    pub fn adopt_directories(&self, other: &Session) {
        for directory in other.directories() {
            self.add_directory(directory);
        }
    }

    /// The same, where there must be one.
    pub fn connected(&self) -> Result<Vec<Arc<Directory>>> {
        let directories = self.directories();
        if directories.is_empty() {
            return Err(Error::new(
                Status::DirectoryNeeded,
                "the session is not connected to a directory",
            ));
        }
        Ok(directories)
    }

    /// The domains that were connected to.
    pub fn directories(&self) -> Vec<Arc<Directory>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Request {
    /// The domain that is meant: the one that is named, that of `user@domain`, the machine's own.
    fn domain(&self) -> Option<String> {
        let of_user = || {
            self.user
                .as_deref()?
                .rsplit_once('@')
                .map(|(_, domain)| domain.to_string())
        };
        let of_machine = || std::env::var("USERDNSDOMAIN").ok();
        let named = self.domain.clone().or_else(|| match self.servers.is_empty() {
            true => of_user().or_else(of_machine),
            // A controller knows its domain.
            false => None,
        });
        named.map(|name| name.trim_end_matches('.').to_lowercase())
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        Options {
            ca_file: self.ca_file.clone(),
            timeout: self.timeout_seconds.map_or(usual.timeout, |seconds| {
                Duration::from_secs(seconds.clamp(1, 3600).into())
            }),
            page_size: self
                .page_size
                .map_or(usual.page_size, |size| size.clamp(1, MOST_ENTRIES).into()),
        }
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>)> {
    let unusable = || {
        Error::new(
            Status::ArgumentInvalid,
            format!("{text} is no name of a domain controller"),
        )
        .target("servers")
    };
    let (host, port) = match text.rsplit_once(':') {
        None => (text, None),
        Some((host, port)) => (host, Some(port.parse().map_err(|_| unusable())?)),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match !host.is_empty() && host.chars().all(plain) {
        true => Ok((host, port)),
        false => Err(unusable()),
    }
}

/// An error in one sentence, with its last cause.
pub fn sentence(error: &Error) -> String {
    match error.detail.last().filter(|cause| !error.message.contains(*cause)) {
        Some(cause) => format!("{} ({cause})", error.message),
        None => error.message.clone(),
    }
}

/// What a directory's error is to the caller.
pub fn error(error: &DirectoryError) -> Error {
    if let Some(why) = error.sign_in_refusal() {
        return Error::new(
            Status::DirectorySignIn,
            format!("the directory refused the sign-in: {why}"),
        )
        .caused_by(error);
    }
    match error {
        DirectoryError::Unusable(own) => own.clone(),
        DirectoryError::Unreachable { host, .. } => {
            let mut own = Error::new(Status::DirectoryUnreachable, error.to_string()).target(host);
            own = own
                .caused_by(std::error::Error::source(error).unwrap_or(error))
                .retryable();
            if own.detail.iter().any(|line| line.contains("certificate")) {
                own.status = Status::DirectoryTls;
                own.retryable = false;
            }
            own
        }
        DirectoryError::NoTicket { host, .. } => Error::new(Status::DirectorySignIn, error.to_string()).target(host),
        DirectoryError::NoController => Error::new(Status::DirectoryNotFound, error.to_string()),
        DirectoryError::Refused { .. } => Error::new(Status::DirectoryRefused, error.to_string()),
        DirectoryError::Referred { host, .. }
        | DirectoryError::BrokenOff { host, .. }
        | DirectoryError::Cut { host, .. } => Error::new(Status::DirectoryRefused, error.to_string()).target(host),
    }
}
