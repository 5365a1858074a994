//! HTTP as every service here is spoken to: one client, a deadline, retries that respect the service's wishes.

use super::wait::retry_after;
use crate::error::{Error, Result};
use crate::file;
use crate::session::config::Config;
use crate::status::Status;
use reqwest::header::HeaderMap;
use reqwest::{Request, Response, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How often a request is sent at the most.
const ATTEMPTS: u32 = 5;
/// The first wait where the service named none.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait where the service named none.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a service may ask for where the task has no end of its own: the longest documented window.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// An answer may come slowly, but its body takes no longer than so many times what its beginning may take.
const BODY_TIMES: u32 = 6;
/// Error documents are short; more is not read.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The client that a session's requests share.
#[derive(Clone)]
pub struct Http {
    shared: Arc<Shared>,
    /// When the task ends that it is used for.
    ends: Option<Instant>,
}

struct Shared {
    config: Arc<Config>,
    password: Mutex<Option<Zeroizing<String>>>,
    /// Made by the first task that sends: they take files, of the caller's and of the system's trust.
    clients: OnceCell<Clients>,
}

struct Clients {
    through: reqwest::Client,
    direct: reqwest::Client,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

/// Why a request came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, or it broke.
    #[error("{host} could not be reached")]
    Unreachable {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The certificate was not accepted.
    #[error("the certificate of {host} was not accepted")]
    Tls {
        /// Which host.
        host: String,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No answer in time, or no whole one.
    #[error("{host} did not answer within {seconds} s")]
    Timeout {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// The time given.
        seconds: u64,
    },
    /// The service asked to wait longer than the task may take.
    #[error("{host} asks to wait {seconds} s")]
    Throttled {
        /// Which host.
        host: String,
        /// The request's id.
        request_id: Option<String>,
        /// The wait asked for.
        seconds: u64,
    },
    /// Nothing can be sent: the session's settings do not allow it.
    #[error(transparent)]
    Unusable(Box<Error>),
    /// An answer other than success, whole.
    #[error("{host} answered {status}")]
    Status {
        /// Which host.
        host: String,
        /// The answer's status.
        status: StatusCode,
        /// Its headers.
        headers: Box<HeaderMap>,
        /// Its body, cut to a sane length.
        body: String,
    },
}

impl HttpError {
    /// What kind of error the caller sees.
    pub fn status(&self) -> Status {
        match self {
            HttpError::Unreachable { .. } | HttpError::Timeout { .. } => Status::ServiceUnreachable,
            HttpError::Tls { .. } => Status::ServiceTls,
            HttpError::Throttled { .. } => Status::ServiceThrottled,
            HttpError::Unusable(error) => error.status,
            HttpError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => Status::ServiceRefused,
            HttpError::Status { .. } => Status::ServiceFailed,
        }
    }

    /// The id of the request, for the service's support.
    pub fn request_id(&self) -> Option<String> {
        match self {
            HttpError::Unreachable { request_id, .. }
            | HttpError::Timeout { request_id, .. }
            | HttpError::Throttled { request_id, .. } => request_id.clone(),
            HttpError::Tls { .. } | HttpError::Unusable(_) => None,
            HttpError::Status { headers, .. } => request_id(headers),
        }
    }

    /// As the error that leaves the library.
    pub fn into_error(self) -> Error {
        if let HttpError::Unusable(error) = self {
            return *error;
        }
        let mut error = Error::new(self.status(), self.to_string());
        error.request_id = self.request_id();
        if let Some(cause) = std::error::Error::source(&self) {
            error = error.caused_by(cause);
        }
        match &self {
            HttpError::Throttled { seconds, .. } => {
                error.retry_after_seconds = Some(*seconds as f64);
                error.retryable = true;
                error
            }
            HttpError::Tls { .. } => error.help(
                "A proxy that opens TLS needs its root certificate in the system's store, or in the file named by -CaFile.",
            ),
            HttpError::Unreachable { .. } | HttpError::Timeout { .. } => {
                error.retryable().help("Check the network, the proxy and the firewall; Get-SsprEnvironment shows what is used.")
            }
            HttpError::Status { body, .. } if !body.is_empty() => error.detail(body.chars().take(500).collect::<String>()),
            HttpError::Status { .. } | HttpError::Unusable(_) => error,
        }
    }
}

impl Clients {
    /// Reads files and the system's settings: not for a thread that others wait for.
    fn new(config: &Config, password: Option<&str>) -> Result<Self> {
        let mut tls = tls(config)?;
        // reqwest takes a finished configuration as it is.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let build = |proxy: Option<&str>| -> Result<reqwest::Client> {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(config.user_agent())
                .connect_timeout(Duration::from_secs(20))
                .read_timeout(config.request_timeout())
                .tcp_nodelay(true)
                // No service here redirects; a redirect would carry a token elsewhere.
                .redirect(reqwest::redirect::Policy::none());
            match proxy {
                Some("none") => builder = builder.no_proxy(),
                Some(address) => {
                    let mut proxy = reqwest::Proxy::all(address).map_err(|e| {
                        Error::new(Status::ArgumentInvalid, "the proxy's address is not one")
                            .target("proxy")
                            .caused_by(&e)
                    })?;
                    if let Some(user) = &config.proxy_user {
                        proxy = proxy.basic_auth(user, password.unwrap_or_default());
                    }
                    builder = builder.proxy(proxy);
                }
                None => {}
            }
            builder
                .build()
                .map_err(|e| Error::new(Status::Internal, "the HTTP client cannot be made").caused_by(&e))
        };
        Ok(Clients {
            through: build(config.proxy.as_deref())?,
            direct: build(Some("none"))?,
        })
    }
}

impl Http {
    /// The session's client. Nothing is read or made before it is used.
    pub fn new(config: &Arc<Config>) -> Self {
        let shared = Shared {
            config: Arc::clone(config),
            password: Mutex::default(),
            clients: OnceCell::new(),
        };
        Http {
            shared: Arc::new(shared),
            ends: None,
        }
    }

    /// The same client, for a task that ends at that time.
    pub fn until(&self, ends: Option<Instant>) -> Self {
        Http { ends, ..self.clone() }
    }

    /// Whether there is time for a wait.
    pub fn has_time_for(&self, wait: Duration) -> bool {
        match self.ends {
            Some(ends) => Instant::now() + wait < ends,
            None => wait <= LONGEST_ASKED,
        }
    }

    /// What is known of an answer while its body is read.
    pub fn reading(&self, response: &Response) -> Reading {
        Reading {
            host: response.url().host_str().unwrap_or_default().into(),
            request_id: request_id(response.headers()),
            timeout: self.timeout(),
        }
    }

    /// The password for the configured proxy; false when it is too late for one.
    pub fn set_proxy_password(&self, password: Zeroizing<String>) -> bool {
        *self.shared.password.lock().unwrap_or_else(PoisonError::into_inner) = Some(password);
        !self.shared.clients.initialized()
    }

    /// The client itself.
    pub async fn client(&self) -> std::result::Result<&reqwest::Client, HttpError> {
        Ok(&self.clients().await?.through)
    }

    async fn clients(&self) -> std::result::Result<&Clients, HttpError> {
        let make = || async {
            let shared = Arc::clone(&self.shared);
            let made = tokio::task::spawn_blocking(move || {
                let password = shared.password.lock().unwrap_or_else(PoisonError::into_inner).take();
                Clients::new(&shared.config, password.as_deref().map(String::as_str))
            });
            let made = made
                .await
                .unwrap_or_else(|e| Err(Error::new(Status::Internal, "the HTTP client cannot be made").caused_by(&e)));
            made.map_err(|error| HttpError::Unusable(Box::new(error)))
        };
        self.shared.clients.get_or_try_init(make).await
    }

    /// How long each try of a request may take until its answer begins.
    pub fn timeout(&self) -> Duration {
        self.shared.config.request_timeout()
    }

    /// Sends a request until it is answered with success, is refused, or its time is over.
    ///
    /// `before` is waited for ahead of every attempt: the budgets.
    pub async fn send<F>(&self, request: Request, before: impl Fn() -> F) -> std::result::Result<Response, HttpError>
    where
        F: Future<Output = ()>,
    {
        self.send_with(self.client().await?, request, before).await
    }

    /// The same, never through a proxy: for this machine's own metadata services.
    pub async fn send_direct(&self, request: Request) -> std::result::Result<Response, HttpError> {
        self.send_with(&self.clients().await?.direct, request, || async {})
            .await
    }

    async fn send_with<F>(
        &self,
        client: &reqwest::Client,
        request: Request,
        before: impl Fn() -> F,
    ) -> std::result::Result<Response, HttpError>
    where
        F: Future<Output = ()>,
    {
        let (host, id) = (host_of(&request), request_id(request.headers()));
        let timeout = self.timeout();
        let late = || HttpError::Timeout {
            host: host.clone(),
            request_id: id.clone(),
            seconds: timeout.as_secs(),
        };
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            before().await;
            let Some(copy) = request.try_clone() else { break };
            let deadline = Instant::now() + timeout;
            let outcome = match tokio::time::timeout_at(deadline, client.execute(copy)).await {
                Err(_) => return Err(late()),
                Ok(Err(error)) => Err(transport(&host, id.clone(), error, timeout)),
                Ok(Ok(response)) if response.status().is_success() => return Ok(response),
                Ok(Ok(response)) => Ok(response),
            };
            let (error, asked) = match outcome {
                Err(error) => (error, None),
                Ok(response) => {
                    let retry = matches!(response.status().as_u16(), 429 | 502 | 503 | 504);
                    let asked = retry_after(response.headers());
                    let error = failure(&host, response, deadline).await;
                    if !retry {
                        return Err(error);
                    }
                    (error, asked)
                }
            };
            let transient = matches!(error, HttpError::Unreachable { .. } | HttpError::Status { .. });
            if !transient || attempt >= ATTEMPTS {
                return Err(error);
            }
            let pause = asked.unwrap_or_else(|| wait.mul_f64(0.5 + fastrand::f64() / 2.0));
            if !self.has_time_for(pause) {
                return Err(match asked {
                    Some(asked) => HttpError::Throttled {
                        request_id: error.request_id().or(id),
                        host,
                        seconds: asked.as_secs_f64().ceil() as u64,
                    },
                    None => error,
                });
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(late())
    }
}

/// An answer whose body is being read.
#[derive(Clone, Debug)]
pub struct Reading {
    host: String,
    request_id: Option<String>,
    timeout: Duration,
}

impl Reading {
    /// Reads the body, but not for ever: one that drips has an end too.
    pub async fn whole<T, E: From<HttpError>>(
        &self,
        reading: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        let limit = self.timeout * BODY_TIMES;
        match tokio::time::timeout(limit, reading).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HttpError::Timeout {
                host: self.host.clone(),
                request_id: self.request_id.clone(),
                seconds: limit.as_secs(),
            }
            .into()),
        }
    }

    /// What it means that the body broke off.
    pub fn broke(&self, error: reqwest::Error) -> HttpError {
        transport(&self.host, self.request_id.clone(), error, self.timeout)
    }
}

/// The id by which a service finds a request again: its own where there is one, else the client's.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = [
        "request-id",
        "x-ms-request-id",
        "client-request-id",
        "x-ms-client-request-id",
    ];
    names
        .iter()
        .find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_string()))
}

/// The name of the host that a request goes to.
fn host_of(request: &Request) -> String {
    request.url().host_str().unwrap_or("the service").to_string()
}

/// What a broken connection means.
fn transport(host: &str, request_id: Option<String>, source: reqwest::Error, timeout: Duration) -> HttpError {
    let host = host.to_string();
    if source.is_timeout() {
        return HttpError::Timeout {
            host,
            request_id,
            seconds: timeout.as_secs(),
        };
    }
    if is_tls(&source) {
        return HttpError::Tls {
            host,
            source: source.into(),
        };
    }
    HttpError::Unreachable {
        host,
        request_id,
        source: source.into(),
    }
}

/// Whether TLS is among the causes. An I/O error stands for what it holds, and does not name that as its source.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || held.is_some_and(|held| is_tls(held)) || error.source().is_some_and(is_tls)
}

/// An answer other than success, bounded in length and time: its status counts, and what of its words came by then.
async fn failure(host: &str, mut response: Response, deadline: Instant) -> HttpError {
    let (status, headers) = (response.status(), Box::new(response.headers().clone()));
    let mut body = Vec::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(deadline, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    HttpError::Status {
        host: host.into(),
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Trust: the operating system's, or the caller's file and nothing else.
fn tls(config: &Config) -> Result<rustls::ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use rustls_platform_verifier::BuilderVerifierExt;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let internal =
        |e: &(dyn std::error::Error + 'static)| Error::new(Status::Internal, "TLS cannot be set up").caused_by(e);
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| internal(&e))?;
    let Some(path) = &config.ca_file else {
        return Ok(builder
            .with_platform_verifier()
            .map_err(|e| internal(&e))?
            .with_no_client_auth());
    };
    let name = path.display().to_string();
    let unusable =
        || Error::new(Status::FileRead, format!("{name} holds no certificates in PEM form")).target(name.clone());
    let text = file::read(path)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|e| unusable().caused_by(&e))?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_found_among_the_causes() {
        let tls = || std::io::Error::other(rustls::Error::DecryptError);
        assert!(is_tls(&tls()));
        assert!(is_tls(&std::io::Error::other(tls())));
        assert!(!is_tls(&std::io::Error::other("no")));
    }
}
