//! The identity that the platform gives this machine.

use super::environment::Environment;
use super::issuer::{TokenAnswer, parse, read};
use super::{Token, Want, arc};
use crate::error::{Error, Result};
use crate::json;
use crate::session::config::{self, Config};
use crate::session::tokens::Audience;
use crate::status::Status;
use crate::task;
use crate::tenant::http::{Http, HttpError};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Azure Arc's agent, where the environment does not name it.
const ARC_AGENT: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
/// What a machine's metadata service calls the client id, the object id and the resource's id of an identity.
const MACHINE: [&str; 3] = ["client_id", "object_id", "msi_res_id"];
/// The metadata service is on the same host or nowhere.
const NEAR: Duration = Duration::from_secs(2);

/// Which of a machine's identities.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Identity {
    /// Its own.
    #[default]
    System,
    /// One that was given to it, by the client id,
    ClientId(String),
    /// the object id,
    ObjectId(String),
    /// or the Azure resource's id.
    ResourceId(String),
}

/// A managed identity.
#[derive(Debug)]
pub struct ManagedIdentity {
    http: Http,
    config: Arc<Config>,
    identity: Identity,
    place: Place,
}

/// Who hands out its tokens.
enum Place {
    /// App Service, Functions, Azure Automation.
    Endpoint { url: Url, header: Zeroizing<String> },
    /// Azure Arc's agent.
    Arc { url: Url, folder: PathBuf },
    /// An older hybrid worker.
    Worker { url: Url, secret: Zeroizing<String> },
    /// The virtual machine's metadata service.
    Machine { url: Url },
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Place::Endpoint { .. } => "the platform's identity endpoint (IDENTITY_ENDPOINT)",
            Place::Arc { .. } => "Azure Arc's agent",
            Place::Worker { .. } => "the worker's identity endpoint (MSI_ENDPOINT)",
            Place::Machine { .. } => "the virtual machine's metadata service",
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl ManagedIdentity {
    /// Finds out who hands out this machine's tokens. Nothing is sent.
    pub fn find(http: &Http, config: &Arc<Config>, environment: &Environment, identity: Identity) -> Result<Self> {
        Ok(ManagedIdentity {
            http: http.clone(),
            config: Arc::clone(config),
            identity,
            place: place(config, environment)?,
        })
    }

    /// The same, to sign in as itself.
    pub fn itself(self) -> Result<Self> {
        if self.is_arc() && self.identity != Identity::System {
            return Err(Error::new(
                Status::ArgumentInvalid,
                "a machine that Azure Arc connects has its own identity only; leave clientId, objectId and resourceId out",
            ));
        }
        Ok(self)
    }

    /// Whether it is Azure Arc's.
    pub(super) fn is_arc(&self) -> bool {
        matches!(self.place, Place::Arc { .. })
    }

    /// Its id, where the caller named one.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) async fn token(&self, want: &Want<'_>) -> Result<Token> {
        // These services know no claims; where one was asked for, a token that is newer is all there is to try.
        let answer = match &self.place {
            Place::Endpoint { url, header } => {
                let url = self.question(
                    url,
                    "2019-08-01",
                    ["client_id", "object_id", "mi_res_id"],
                    want.audience,
                );
                self.ask(url, &[("x-identity-header", header), ("metadata", "True")])
                    .await?
            }
            Place::Worker { url, secret } => {
                let url = self.question(url, "2017-09-01", ["clientid", "object_id", "mi_res_id"], want.audience);
                self.ask(url, &[("secret", secret), ("metadata", "True")]).await?
            }
            Place::Arc { url, folder } => {
                self.reach(url).await?;
                self.challenge(self.question(url, "2020-06-01", MACHINE, want.audience), folder)
                    .await?
            }
            Place::Machine { url } => {
                self.reach(url).await?;
                let url = self.question(url, "2018-02-01", MACHINE, want.audience);
                self.ask(url, &[("metadata", "true")]).await?
            }
        };
        Ok(answer.token())
    }

    /// Whether anybody is there at all, found out quickly: outside Azure nobody is.
    async fn reach(&self, url: &Url) -> Result<()> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);
        let failed = match tokio::time::timeout(NEAR, tokio::net::TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(e)) => self.unavailable().caused_by(&e),
            Err(_) => self
                .unavailable()
                .detail(format!("no connection within {} s", NEAR.as_secs())),
        };
        Err(failed.target(format!("{host}:{port}")))
    }

    /// The request's address.
    fn question(&self, url: &Url, version: &str, names: [&str; 3], audience: &Audience) -> Url {
        let mut url = url.clone();
        let named = match &self.identity {
            Identity::System => None,
            Identity::ClientId(id) => Some((names[0], id)),
            Identity::ObjectId(id) => Some((names[1], id)),
            Identity::ResourceId(id) => Some((names[2], id)),
        };
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("api-version", version)
                .append_pair("resource", &audience.resource(&self.config));
            if let Some((name, id)) = named {
                query.append_pair(name, id);
            }
        }
        url
    }

    async fn ask(&self, url: Url, headers: &[(&'static str, &str)]) -> Result<TokenAnswer> {
        match self.send(url, headers).await? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.refused(&error, headers)),
        }
    }

    /// Azure Arc: the first answer names the file whose content the second request brings.
    async fn challenge(&self, url: Url, folder: &std::path::Path) -> Result<TokenAnswer> {
        let headers = match self.send(url.clone(), &[("metadata", "true")]).await? {
            Err(HttpError::Status { status, headers, .. }) if status == StatusCode::UNAUTHORIZED => headers,
            Err(error) => return Err(self.refused(&error, &[])),
            // Whoever answers without asking for the proof is not the agent.
            Ok(_) => {
                return Err(self
                    .unavailable()
                    .detail("it gave a token without the challenge that Azure Arc makes"));
            }
        };
        let named = headers
            .get(WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
            .and_then(arc::challenged);
        let Some(path) = named else {
            return Err(self.unavailable().detail("its challenge names no key file"));
        };
        let (path, folder) = (path.to_string(), folder.to_path_buf());
        let key = task::blocking(move || arc::key(&path, &folder)).await?;
        let basic = Zeroizing::new(format!("Basic {}", key.as_str()));
        let headers = [("metadata", "true"), (AUTHORIZATION.as_str(), basic.as_str())];
        match self.send(url, &headers).await? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.refused(&error, &[("", &key)])),
        }
    }

    /// Sends without a proxy: no proxy can speak for this machine, and none may see these headers.
    async fn send(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
    ) -> Result<std::result::Result<TokenAnswer, HttpError>> {
        let mut request = Request::new(Method::GET, url);
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| self.unavailable().detail("what the environment holds cannot be sent"))?;
            value.set_sensitive(true);
            all.insert(HeaderName::from_static(name), value);
        }
        *request.headers_mut() = all;
        match self.http.send_direct(request).await {
            Ok(response) => Ok(Ok(parse(&read(response, self.http.timeout()).await?)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn unavailable(&self) -> Error {
        let mut error = Error::new(
            Status::IdentityUnavailable,
            format!("there is no managed identity here: {} gave no token", self.place.name()),
        );
        if let Place::Machine { .. } = self.place {
            error.detail.push(
                "the environment names no other: IDENTITY_ENDPOINT with IDENTITY_HEADER or IMDS_ENDPOINT, MSI_ENDPOINT with \
                 MSI_SECRET, and Azure Arc's agent were looked for"
                    .into(),
            );
        }
        error.help("Run where Azure gives an identity (virtual machine, Automation, App Service, Azure Arc), or sign in in another way.")
    }

    /// The place's refusal.
    fn refused(&self, error: &HttpError, secrets: &[(&str, &str)]) -> Error {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Document {
            error: String,
            error_description: String,
            message: String,
        }
        let mut out = self.unavailable().detail(error.to_string());
        if let HttpError::Status { body, status, .. } = error {
            let mut text = body.clone();
            for (_, secret) in secrets.iter().filter(|(_, secret)| secret.len() > 4) {
                text = text.replace(secret, "***");
            }
            let document: Document = json::read(&text).unwrap_or_default();
            let words = [document.error, document.error_description, document.message];
            let words = words
                .iter()
                .map(|w| w.chars().filter(|c| !c.is_control()).take(500).collect::<String>());
            out.detail.extend(words.filter(|w| !w.is_empty()));
            if *status == StatusCode::BAD_REQUEST {
                out = out.help(match self.identity {
                    Identity::System => "Switch the system-assigned identity on, or name the user-assigned one.",
                    _ => "Check that the identity that was named is assigned to this machine, app or account.",
                });
            }
        } else {
            out.retryable = true;
            out = match std::error::Error::source(error) {
                Some(cause) => out.caused_by(cause),
                None => out,
            };
        }
        out
    }
}

/// Where the environment says that tokens are, in the order in which Microsoft's own libraries look.
fn place(config: &Config, environment: &Environment) -> Result<Place> {
    let secret = |text: &str| Zeroizing::new(text.to_string());
    if let (Some(url), Some(header)) = (environment.get("IDENTITY_ENDPOINT"), environment.get("IDENTITY_HEADER")) {
        if environment.get("IDENTITY_SERVER_THUMBPRINT").is_some() {
            return Err(Error::new(
                Status::IdentityUnavailable,
                "the managed identity of Service Fabric is not supported",
            )
            .help("Sign in with a certificate or with workload identity federation."));
        }
        return Ok(Place::Endpoint {
            url: near("IDENTITY_ENDPOINT", url)?,
            header: secret(header),
        });
    }
    let agent = match (environment.get("IDENTITY_ENDPOINT"), environment.get("IMDS_ENDPOINT")) {
        (Some(url), Some(_)) => Some(url),
        _ => environment.arc_agent.is_file().then_some(ARC_AGENT),
    };
    if let Some(url) = agent {
        return Ok(Place::Arc {
            url: near("IDENTITY_ENDPOINT", url)?,
            folder: environment.arc_tokens.clone(),
        });
    }
    if let (Some(url), Some(text)) = (environment.get("MSI_ENDPOINT"), environment.get("MSI_SECRET")) {
        return Ok(Place::Worker {
            url: near("MSI_ENDPOINT", url)?,
            secret: secret(text),
        });
    }
    let mut url = config.imds()?;
    url.set_path("/metadata/identity/oauth2/token");
    Ok(Place::Machine { url })
}

/// An endpoint that the environment names: on this machine, or at the platform's own link-local addresses.
fn near(name: &str, text: &str) -> Result<Url> {
    let link_local = |url: &Url| {
        let ip = url.host_str().and_then(|host| host.parse::<IpAddr>().ok());
        matches!(ip, Some(IpAddr::V4(ip)) if ip.is_link_local())
    };
    let url = config::address(name, text, |url| config::is_loopback(url) || link_local(url))?;
    if config::is_loopback(&url) || link_local(&url) {
        Ok(url)
    } else {
        Err(Error::new(
            Status::ArgumentInvalid,
            format!("{text}: an identity endpoint is on this machine or at a link-local address"),
        )
        .target(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Place> {
        let config = Config::default();
        place(&config, &Environment::for_test(variables, "/nowhere".into()))
    }

    #[test]
    fn the_environment_is_read_in_the_documented_order() {
        let endpoint = ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token");
        let header = ("IDENTITY_HEADER", "h");
        let imds = ("IMDS_ENDPOINT", "http://127.0.0.1:9");
        let worker = [("MSI_ENDPOINT", "http://localhost:9/"), ("MSI_SECRET", "s")];
        for (variables, wanted) in [
            (vec![endpoint, header, imds, worker[0], worker[1]], "IDENTITY_ENDPOINT"),
            (vec![endpoint, imds, worker[0], worker[1]], "Arc"),
            (vec![endpoint, worker[0], worker[1]], "MSI_ENDPOINT"),
            (vec![worker[0]], "metadata service"),
            (vec![endpoint, ("IDENTITY_HEADER", "")], "metadata service"),
            (vec![], "metadata service"),
        ] {
            let place = found(&variables).unwrap();
            assert!(place.name().contains(wanted), "{variables:?}: {}", place.name());
        }
        let fabric = [endpoint, header, ("IDENTITY_SERVER_THUMBPRINT", "t")];
        assert_eq!(found(&fabric).unwrap_err().status, Status::IdentityUnavailable);
    }

    #[test]
    fn the_agent_s_presence_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::for_test(&[], folder.path().into());
        std::fs::write(&environment.arc_agent, b"").unwrap();
        assert!(matches!(place(&Config::default(), &environment), Ok(Place::Arc { .. })));
        environment.arc_agent = folder.path().into();
        assert!(matches!(
            place(&Config::default(), &environment),
            Ok(Place::Machine { .. })
        ));
    }

    #[test]
    fn endpoints_are_near() {
        for good in [
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://[::1]:5",
            "http://169.254.129.2:8081/msi/token",
            "https://localhost:2377/x",
        ] {
            assert!(near("IDENTITY_ENDPOINT", good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1/x",
            "https://example.com",
            "http://169.254.1.1.example.com",
            "http://localhost.example.com",
            "file:///etc/passwd",
            "http://[fe80::1]/",
            "x",
        ] {
            assert_eq!(
                near("IDENTITY_ENDPOINT", bad).unwrap_err().status,
                Status::ArgumentInvalid,
                "{bad}"
            );
        }
    }
}
