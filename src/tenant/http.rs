//! HTTP as every service here is spoken to: one client, a deadline, retries that respect the service's wishes.

mod client;
mod error;

use super::wait::{ahead, retry_after};
use crate::error::Error;
use crate::session::config::Config;
use crate::status::Status;
use client::Clients;
pub use error::{HttpError, request_id};
use error::{failure, transport};
use reqwest::{Request, Response};
use std::sync::atomic::{AtomicI64, Ordering};
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

/// The client that a session's requests share.
#[derive(Clone)]
pub struct Http {
    shared: Arc<Shared>,
    /// When the task ends that it is used for.
    ends: Option<Instant>,
    /// How often a request is sent at the most.
    attempts: u32,
}

struct Shared {
    config: Arc<Config>,
    password: Mutex<Option<Zeroizing<String>>>,
    /// Made by the first task that sends: they take files, of the caller's and of the system's trust.
    clients: OnceCell<Clients>,
    /// By how many seconds the services' clock was ahead of this machine's in their last answer.
    ahead: AtomicI64,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// The session's client. Nothing is read or made before it is used.
    pub fn new(config: &Arc<Config>) -> Self {
        let shared = Shared {
            config: Arc::clone(config),
            password: Mutex::default(),
            clients: OnceCell::new(),
            ahead: AtomicI64::new(0),
        };
        Http {
            shared: Arc::new(shared),
            ends: None,
            attempts: ATTEMPTS,
        }
    }

    /// By how many seconds the services' clock was ahead of this machine's in their last answer.
    pub fn ahead(&self) -> i64 {
        self.shared.ahead.load(Ordering::Relaxed)
    }

    /// The same client, which sends once, but for what the service did not take: for what must not be done twice.
    pub fn once(&self) -> Self {
        Http {
            attempts: 1,
            ..self.clone()
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
                Ok(Ok(response)) if response.status().is_success() => {
                    if let Some(seconds) = ahead(response.headers()) {
                        self.shared.ahead.store(seconds, Ordering::Relaxed);
                    }
                    return Ok(response);
                }
                Ok(Ok(response)) => Ok(response),
            };
            let (error, asked, most) = match outcome {
                Err(error) => (error, None, self.attempts),
                Ok(response) => {
                    let retry = matches!(response.status().as_u16(), 429 | 502 | 503 | 504);
                    let asked = retry_after(response.headers());
                    // What was too much was not done: it may be sent again, whatever it is.
                    let most = match response.status().as_u16() {
                        429 => ATTEMPTS,
                        _ => self.attempts,
                    };
                    let error = failure(&host, response, deadline).await;
                    if !retry {
                        return Err(error);
                    }
                    (error, asked, most)
                }
            };
            let transient = matches!(error, HttpError::Unreachable { .. } | HttpError::Status { .. });
            if !transient || attempt >= most {
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

/// The name of the host that a request goes to.
fn host_of(request: &Request) -> String {
    request.url().host_str().unwrap_or("the service").to_string()
}
