//! A forest: its domains, and a controller for each.

use super::ldap::{Address, Connection, Depth, DirectoryError, Options};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The control by which a controller says that it holds a reset against history and age (LDAP_SERVER_POLICY_HINTS_OID),
/// and its older number, for which Connect looks.
const POLICY_HINTS: [&str; 2] = ["1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066"];
/// Of a cross reference's `systemFlags`: a naming context of this forest, and a domain.
const DOMAIN: u32 = 1 | 2;

/// Who signs in.
#[derive(Clone)]
pub enum Identity {
    /// An account by its password.
    Password {
        /// `DOMAIN\user`, a user principal name or a distinguished name.
        user: String,
        /// Its password.
        password: Arc<Zeroizing<String>>,
    },
    /// Whoever runs this, by Kerberos.
    Current,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        f.write_str(match self {
            Identity::Password { user, .. } => user,
            Identity::Current => "the current identity",
        })
    }
}

/// How a domain's controllers are reached.
#[derive(Clone, Debug)]
pub struct Login {
    /// The controllers, in the order in which they are tried.
    pub servers: Vec<Address>,
    /// Who signs in there.
    pub identity: Identity,
    /// What their connections have in common.
    pub options: Options,
}

impl Login {
    /// A connection to the first controller that gives one.
    pub async fn open(&self) -> Result<Connection, DirectoryError> {
        self.open_but(&[]).await
    }

    /// The same, without those that have failed.
    pub async fn open_but(&self, failed: &[Address]) -> Result<Connection, DirectoryError> {
        let mut last = None;
        for address in self.servers.iter().filter(|address| !failed.contains(address)) {
            let opened: Result<Connection, DirectoryError> = async {
                let mut connection = Connection::open(address, &self.options).await?;
                match &self.identity {
                    Identity::Password { user, password } => connection.bind(user, password).await?,
                    Identity::Current => connection.bind_current().await?,
                }
                Ok(connection)
            }
            .await;
            match opened {
                Ok(connection) => return Ok(connection),
                // A controller that is not there, or not yet or no longer in service: the next may be.
                Err(error) if error.is_the_controller_s() => last = Some(error),
                // A wrong password is wrong everywhere, and each further try brings the account nearer to its lockout.
                Err(refused) => return Err(refused),
            }
        }
        Err(last.unwrap_or(DirectoryError::NoController))
    }
}

/// What a controller says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootDse {
    /// Its DNS name.
    pub host: String,
    /// Its domain's distinguished name.
    pub domain: String,
    /// The forest's root domain.
    pub forest: String,
    /// The configuration's distinguished name.
    pub configuration: String,
    /// The domain's functional level.
    pub domain_level: Option<u32>,
    /// The forest's.
    pub forest_level: Option<u32>,
    /// The controller's.
    pub controller_level: Option<u32>,
    /// Whether it holds a reset against the password policy when it is asked to; None where it does not say what it knows.
    pub policy_hints: Option<bool>,
    /// The control that asks for that.
    pub hints_control: Option<&'static str>,
}

impl RootDse {
    /// Reads it.
    pub async fn read(connection: &mut Connection) -> Result<RootDse, DirectoryError> {
        let attributes = [
            "dnsHostName",
            "defaultNamingContext",
            "rootDomainNamingContext",
            "configurationNamingContext",
            "domainFunctionality",
            "forestFunctionality",
            "domainControllerFunctionality",
            "supportedControl",
        ];
        let entry = connection.read("", &attributes).await?.unwrap_or_default();
        let text = |name: &str| entry.text(name).unwrap_or_default().to_string();
        let number = |name: &str| entry.text(name).and_then(|text| text.parse().ok());
        let controls: Vec<&[u8]> = entry.values("supportedControl").collect();
        let known = |oid: &&str| controls.contains(&oid.as_bytes());
        Ok(RootDse {
            host: text("dnsHostName"),
            domain: text("defaultNamingContext"),
            forest: text("rootDomainNamingContext"),
            configuration: text("configurationNamingContext"),
            domain_level: number("domainFunctionality"),
            forest_level: number("forestFunctionality"),
            controller_level: number("domainControllerFunctionality"),
            policy_hints: (!controls.is_empty()).then(|| POLICY_HINTS.iter().any(known)),
            hints_control: POLICY_HINTS.into_iter().find(known),
        })
    }
}

/// A domain by the forest's own list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName {
    /// Its distinguished name.
    pub dn: String,
    /// Its DNS name.
    pub dns: String,
    /// Its short name.
    pub netbios: String,
}

/// The domains of a forest, from its partitions.
pub async fn domains(connection: &mut Connection, configuration: &str) -> Result<Vec<DomainName>, DirectoryError> {
    let attributes = ["nCName", "dnsRoot", "nETBIOSName", "systemFlags"];
    let place = format!("CN=Partitions,{configuration}");
    let found = connection
        .list(&place, Depth::Children, "(objectClass=crossRef)", &attributes)
        .await?;
    let domain = found.iter().filter_map(|entry| {
        let flags: u32 = entry.text("systemFlags")?.parse().ok()?;
        let dn = entry.text("nCName").filter(|_| flags & DOMAIN == DOMAIN)?;
        Some(DomainName {
            dn: dn.into(),
            dns: entry.text("dnsRoot").map_or_else(|| dns_name(dn), str::to_string),
            netbios: entry.text("nETBIOSName").unwrap_or_default().into(),
        })
    });
    let mut domains: Vec<DomainName> = domain.collect();
    // The root before its children, whatever the order of the answer.
    domains.sort_by_key(|domain| (domain.dns.split('.').count(), domain.dns.clone()));
    Ok(domains)
}

/// `DC=child,DC=example,DC=test` as `child.example.test`.
pub fn dns_name(dn: &str) -> String {
    let label = |part: &str| Some(part.trim().split_at_checked(3)?.1.to_string());
    dn.split(',').filter_map(label).collect::<Vec<_>>().join(".")
}

/// `child.example.test` as `DC=child,DC=example,DC=test`.
pub fn distinguished_name(dns: &str) -> String {
    dns.split('.')
        .map(|label| format!("DC={label}"))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_s_two_names_say_the_same() {
        assert_eq!(dns_name("DC=child,DC=example,DC=test"), "child.example.test");
        assert_eq!(distinguished_name("child.example.test"), "DC=child,DC=example,DC=test");
    }

    #[test]
    fn a_password_is_not_shown() {
        let identity = Identity::Password {
            user: "u".into(),
            password: Arc::new(Zeroizing::new("canary".into())),
        };
        assert_eq!(format!("{identity:?}"), "u");
    }
}
