//! A session's configuration: which tenant, which cloud, how to reach it.

use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// What `sspr_session_open` takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The tenant's id or one of its domains; absent: the one that the sign-in belongs to.
    pub tenant: Option<String>,
    /// The cloud that the tenant is in.
    pub cloud: Cloud,
    /// Addresses other than the cloud's own.
    pub endpoints: Endpoints,
    /// Trust the certificates in this PEM file, and no others.
    pub ca_file: Option<PathBuf>,
    /// `none`, or a proxy's address; absent: the environment's or the system's.
    pub proxy: Option<String>,
    /// Who signs in to that proxy; the password is the secret `proxyPassword`.
    pub proxy_user: Option<String>,
    /// What the caller can do for the library: `confirm`, `openBrowser`, `signAssertion`, `readConnectServer`, `setConnectWriteback`.
    pub host_actions: BTreeSet<String>,
    /// Whether a person is there to sign in again.
    pub interactive: bool,
    /// Whether the services' documented request budgets are kept.
    pub budgets: Budgets,
    /// Over how many processes an app is spread at once: each keeps to its share of the app's budgets over all tenants.
    pub processes: Option<NonZeroU32>,
    /// How long each try of a request may take until its answer begins, and the longest silence in an answer.
    pub request_timeout_seconds: Option<u32>,
    /// How the caller names itself to the services.
    pub caller: Option<String>,
}

/// What a caller may offer to do for the library.
pub const HOST_ACTIONS: &[&str] = &[
    "confirm",
    "openBrowser",
    "readConnectServer",
    "setConnectWriteback",
    "signAssertion",
];

/// A caller's name is short; services cut headers that are long.
const MAX_CALLER: usize = 200;

/// Microsoft's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Cloud {
    /// Worldwide, GCC.
    #[default]
    Public,
    /// US Government L4 (GCC High).
    UsGovernment,
    /// US Government L5 (DoD).
    UsGovernmentDod,
    /// China, operated by 21Vianet.
    China,
}

/// Addresses other than the cloud's own; plain HTTP on loopback only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// Where tokens come from.
    pub login: Option<String>,
    /// Microsoft Graph.
    pub graph: Option<String>,
    /// The portal's back end.
    pub portal: Option<String>,
    /// The virtual machine's metadata service.
    pub imds: Option<String>,
}

/// Whether the services' documented request budgets are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Budgets {
    /// Kept.
    #[default]
    Documented,
    /// Not kept: for benchmarks.
    Off,
}

impl Cloud {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Public => "Public",
            Cloud::UsGovernment => "UsGovernment",
            Cloud::UsGovernmentDod => "UsGovernmentDod",
            Cloud::China => "China",
        }
    }

    fn login(self) -> &'static str {
        match self {
            Cloud::Public => "https://login.microsoftonline.com",
            Cloud::UsGovernment | Cloud::UsGovernmentDod => "https://login.microsoftonline.us",
            Cloud::China => "https://login.chinacloudapi.cn",
        }
    }

    /// Graph's address, which is also its audience.
    pub fn graph(self) -> &'static str {
        match self {
            Cloud::Public => "https://graph.microsoft.com",
            Cloud::UsGovernment => "https://graph.microsoft.us",
            Cloud::UsGovernmentDod => "https://dod-graph.microsoft.us",
            Cloud::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The portal's back end; known in the public cloud only.
    fn portal(self) -> Option<&'static str> {
        (self == Cloud::Public).then_some("https://main.iam.ad.ext.azure.com")
    }

    /// The audience for which a managed identity's token may stand in for an app's credential.
    pub fn token_exchange(self) -> &'static str {
        match self {
            Cloud::Public => "api://AzureADTokenExchange",
            Cloud::UsGovernment | Cloud::UsGovernmentDod => "api://AzureADTokenExchangeUSGov",
            Cloud::China => "api://AzureADTokenExchangeChina",
        }
    }
}

impl Config {
    /// Reads and checks a configuration.
    pub fn from_json(text: &str) -> Result<Self> {
        let config: Config = json::read(text).map_err(|e| {
            Error::new(
                Status::ArgumentJson,
                format!("the session's configuration is not acceptable: {e}"),
            )
        })?;
        config.login()?;
        config.graph()?;
        config.portal()?;
        config.imds()?;
        if let Some(tenant) = &config.tenant {
            check_tenant(tenant)?;
        }
        config.check_proxy()?;
        config.check_caller()?;
        if let Some(unknown) = config.host_actions.iter().find(|a| !HOST_ACTIONS.contains(&a.as_str())) {
            return Err(invalid(
                "hostActions",
                format!(
                    "there is no host action '{unknown}'; the host actions are {}",
                    HOST_ACTIONS.join(", ")
                ),
            ));
        }
        Ok(config)
    }

    /// A proxy is `none` or an address, without what is secret: a configuration may be kept and shown.
    fn check_proxy(&self) -> Result<()> {
        let address = self.proxy.as_deref().filter(|proxy| *proxy != "none");
        if let Some(address) = address {
            // Without a scheme it is HTTP, as everywhere.
            let text = if address.contains("://") {
                address.to_string()
            } else {
                format!("http://{address}")
            };
            // The address itself is not told: it may hold a password.
            let url = Url::parse(&text)
                .ok()
                .filter(Url::has_host)
                .ok_or_else(|| invalid("proxy", "the proxy's address is not one"))?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err(invalid("proxy", "the proxy's address holds a user or a password").help(
                    "Give the user as proxyUser and the password as the secret 'proxyPassword' (Connect-SsprTenant: -ProxyCredential).",
                ));
            }
        } else if self.proxy_user.is_some() {
            return Err(invalid(
                "proxyUser",
                "a proxy's user needs the proxy's address in 'proxy'",
            ));
        }
        Ok(())
    }

    /// The caller's name becomes a part of a header.
    fn check_caller(&self) -> Result<()> {
        let fits = |caller: &str| caller.len() <= MAX_CALLER && !caller.chars().any(char::is_control);
        if self.caller.as_deref().is_none_or(fits) {
            return Ok(());
        }
        Err(invalid(
            "caller",
            format!("the caller's name has control characters (line breaks) or is longer than {MAX_CALLER} bytes"),
        ))
    }

    /// How the session names itself to the services.
    pub fn user_agent(&self) -> String {
        let own = concat!("EntraSspr/", env!("CARGO_PKG_VERSION"));
        match &self.caller {
            Some(caller) => format!("{own} ({caller})"),
            None => own.into(),
        }
    }

    /// Where tokens come from.
    pub fn login(&self) -> Result<Url> {
        address(
            "endpoints.login",
            self.endpoints.login.as_deref().unwrap_or(self.cloud.login()),
            is_loopback,
        )
    }

    /// Microsoft Graph.
    pub fn graph(&self) -> Result<Url> {
        address(
            "endpoints.graph",
            self.endpoints.graph.as_deref().unwrap_or(self.cloud.graph()),
            is_loopback,
        )
    }

    /// The portal's back end, where the cloud has a known one.
    pub fn portal(&self) -> Result<Option<Url>> {
        let text = self.endpoints.portal.as_deref().or(self.cloud.portal());
        text.map(|text| address("endpoints.portal", text, is_loopback))
            .transpose()
    }

    /// The virtual machine's metadata service.
    pub fn imds(&self) -> Result<Url> {
        let text = self.endpoints.imds.as_deref().unwrap_or("http://169.254.169.254");
        address("endpoints.imds", text, |url| {
            is_loopback(url) || url.host_str() == Some("169.254.169.254")
        })
    }

    /// How long each try of a request may take until its answer begins, and the longest silence in an answer.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.unwrap_or(100).clamp(1, 3600).into())
    }
}

fn invalid(target: &str, message: impl Into<String>) -> Error {
    Error::new(Status::ArgumentInvalid, message).target(target)
}

/// A tenant's name becomes a part of addresses.
pub fn check_tenant(tenant: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    // Dots alone would be steps in a path.
    if tenant.starts_with(|c: char| c.is_ascii_alphanumeric()) && tenant.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(Status::ArgumentInvalid, "the tenant is neither an id nor a domain").target("tenant"))
}

/// Reads an address; plain HTTP only where the rule allows it.
pub fn address(target: &str, text: &str, plain: impl Fn(&Url) -> bool) -> Result<Url> {
    let refuse = |why: &str| Error::new(Status::ArgumentInvalid, format!("{text}: {why}")).target(target);
    let url = Url::parse(text).map_err(|_| refuse("not an address"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if plain(&url) => Ok(url),
        "http" => Err(refuse("plain HTTP is for this machine only; use https")),
        _ => Err(refuse("only https is spoken")),
    }
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "http://127.0.0.1:80",
            "http://localhost:9/x",
            "http://[::1]:1",
            "https://login.example",
        ] {
            assert!(
                Config::from_json(&format!(r#"{{"endpoints":{{"login":"{good}"}}}}"#)).is_ok(),
                "{good}"
            );
        }
        for bad in ["..", ".", "-x", "", "a?b", "a%2f"] {
            let error = Config::from_json(&format!(r#"{{"tenant":"{bad}"}}"#)).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("tenant"), "{bad}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "ftp://localhost",
            "nonsense",
        ] {
            let error = Config::from_json(&format!(r#"{{"endpoints":{{"login":"{bad}"}}}}"#)).unwrap_err();
            assert_eq!(error.status, Status::ArgumentInvalid, "{bad}");
        }
    }

    fn refused(config: serde_json::Value) -> Error {
        let error = Config::from_json(&config.to_string()).unwrap_err();
        assert_eq!(error.status, Status::ArgumentInvalid, "{config}");
        error
    }

    #[test]
    fn names_of_hosts_are_ascii() {
        let config = |proxy: &str| serde_json::json!({"proxy": proxy});
        assert_eq!(
            refused(config("http://b\u{fc}cher.example:8080")).target.as_deref(),
            Some("proxy")
        );
        assert!(Config::from_json(&config("http://xn--bcher-kva.example:8080").to_string()).is_ok());
    }

    #[test]
    fn a_proxy_s_address_holds_no_secret() {
        for address in [
            "http://user:canary@proxy:8080",
            "user:canary@proxy:8080",
            "https://canary@proxy",
        ] {
            let error = refused(serde_json::json!({ "proxy": address }));
            assert_eq!(error.target.as_deref(), Some("proxy"));
            assert!(!error.to_json().contains("canary"), "{}", error.to_json());
            assert!(error.help.unwrap().contains("proxyPassword"));
        }
        for bad in ["", "http://", "http://a b:canary@c"] {
            let error = refused(serde_json::json!({ "proxy": bad }));
            assert!(!error.to_json().contains("canary"), "{}", error.to_json());
        }
        for good in ["none", "http://proxy:8080", "proxy.contoso.com:8080", "socks5h://proxy"] {
            Config::from_json(&serde_json::json!({ "proxy": good }).to_string()).unwrap();
        }
        let alone = refused(serde_json::json!({"proxyUser": "user"}));
        assert_eq!(alone.target.as_deref(), Some("proxyUser"));
        refused(serde_json::json!({"proxy": "none", "proxyUser": "user"}));
    }

    #[test]
    fn what_cannot_be_sent_or_done_is_refused() {
        for caller in ["a\nb", "a\r\nX: 1", "a\u{7f}", "\u{0}", &"a".repeat(201)] {
            let error = refused(serde_json::json!({ "caller": caller }));
            assert_eq!(error.target.as_deref(), Some("caller"), "{caller:?}");
        }
        for caller in ["", "Contoso's tool 1.0 (x; y)", "\u{e4}\u{1f600}"] {
            let config = Config::from_json(&serde_json::json!({ "caller": caller }).to_string()).unwrap();
            assert!(reqwest::header::HeaderValue::from_bytes(config.user_agent().as_bytes()).is_ok());
        }
        let error = refused(serde_json::json!({"hostActions": ["openBrowser", "openBrwoser"]}));
        assert_eq!(error.target.as_deref(), Some("hostActions"));
    }

    #[test]
    fn an_app_is_spread_over_one_process_or_more() {
        for wrong in ["0", "-1", "1.5", "\"2\""] {
            assert!(
                Config::from_json(&format!(r#"{{"processes":{wrong}}}"#)).is_err(),
                "{wrong}"
            );
        }
        let read = Config::from_json(r#"{"processes":3}"#).unwrap();
        assert_eq!(read.processes.map(NonZeroU32::get), Some(3));
    }

    #[test]
    fn unknown_members_are_refused() {
        assert_eq!(
            Config::from_json(r#"{"tenent":"x"}"#).unwrap_err().status,
            Status::ArgumentJson
        );
        assert_eq!(
            Config::from_json(r#"{"tenant":"a/b"}"#).unwrap_err().status,
            Status::ArgumentInvalid
        );
    }

    #[test]
    fn each_cloud_has_its_own_addresses() {
        for (name, login, graph, portal, exchange) in [
            (
                "Public",
                "https://login.microsoftonline.com/",
                "https://graph.microsoft.com/",
                Some("https://main.iam.ad.ext.azure.com/"),
                "api://AzureADTokenExchange",
            ),
            (
                "UsGovernment",
                "https://login.microsoftonline.us/",
                "https://graph.microsoft.us/",
                None,
                "api://AzureADTokenExchangeUSGov",
            ),
            (
                "UsGovernmentDod",
                "https://login.microsoftonline.us/",
                "https://dod-graph.microsoft.us/",
                None,
                "api://AzureADTokenExchangeUSGov",
            ),
            (
                "China",
                "https://login.chinacloudapi.cn/",
                "https://microsoftgraph.chinacloudapi.cn/",
                None,
                "api://AzureADTokenExchangeChina",
            ),
        ] {
            let config = Config::from_json(&format!(r#"{{"cloud":"{name}"}}"#)).unwrap();
            assert_eq!(config.cloud.name(), name);
            assert_eq!(config.login().unwrap().as_str(), login);
            assert_eq!(config.graph().unwrap().as_str(), graph);
            assert_eq!(config.portal().unwrap().as_ref().map(Url::as_str), portal);
            assert_eq!(config.cloud.token_exchange(), exchange);
            let audience = crate::session::tokens::Audience::Graph;
            assert_eq!(audience.scope(&config), format!("{graph}.default"));
        }
    }
}
