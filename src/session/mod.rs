//! A session: one tenant, how it is reached, who is signed in.

pub mod claims;
pub mod config;
pub mod credential;
pub mod directory;
mod request;
mod sign_in;
pub mod tokens;

use crate::error::{Error, Result};
use crate::snapshot::SignedIn;
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::budget::Budget;
use crate::tenant::graph::Graph;
use crate::tenant::http::Http;
use crate::tenant::portal::Portal;
use config::{Budgets, Config};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use tokens::Tokens;
use zeroize::Zeroizing;

/// Secrets that a caller may hand over, by name.
pub const SECRET_NAMES: &[&str] = &[
    "clientSecret",
    "certificate",
    "certificatePassword",
    "accessToken",
    "portalAccessToken",
    "proxyPassword",
    "directoryPassword",
    "connectorPassword",
    "finalPassword",
    "attestationKey",
    "webhookUrl",
    "webhookKey",
    "stateUrl",
];

/// A secret is short; more is a mistake.
pub(crate) const MAX_SECRET: usize = 1024 * 1024;

/// One tenant's session.
pub struct Session {
    /// What it was opened with.
    pub config: Arc<Config>,
    /// Its client.
    pub http: Http,
    secrets: Mutex<HashMap<String, Zeroizing<Vec<u8>>>>,
    state: Mutex<Option<State>>,
    directories: Mutex<Vec<Arc<directory::Directory>>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the secrets.
        f.debug_struct("Session")
            .field("config", &self.config)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct State {
    /// Graph's tokens.
    pub tokens: Arc<Tokens>,
    /// The portal's, where signed in to it.
    pub portal: Option<Arc<Tokens>>,
    /// Who, and how.
    pub identity: SignedIn,
    /// The app's id, whose budget requests count against.
    pub app: String,
}

impl Session {
    /// Opens a session. Nothing is read or sent.
    pub fn open(config_json: &str) -> Result<Self> {
        let config = Arc::new(Config::from_json(config_json)?);
        Ok(Session {
            http: Http::new(&config),
            config,
            secrets: Mutex::default(),
            state: Mutex::default(),
            directories: Mutex::default(),
        })
    }

    /// Takes a secret for the next sign-in, or the proxy's password for all that is sent.
    pub fn set_secret(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let Some(name) = SECRET_NAMES.iter().find(|known| **known == name) else {
            return Err(Error::new(
                Status::ArgumentInvalid,
                format!(
                    "there is no secret of that name; the names are {}",
                    SECRET_NAMES.join(", ")
                ),
            )
            .target("name"));
        };
        if bytes.is_empty() || bytes.len() > MAX_SECRET {
            return Err(Error::new(
                Status::ArgumentInvalid,
                format!("the secret '{name}' is empty or longer than 1 MiB"),
            )
            .target("bytes"));
        }
        if *name == "proxyPassword" {
            return self.set_proxy_password(bytes);
        }
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((*name).into(), Zeroizing::new(bytes.to_vec()));
        Ok(())
    }

    fn set_proxy_password(&self, bytes: &[u8]) -> Result<()> {
        if self.config.proxy_user.is_none() {
            return Err(Error::new(
                Status::ArgumentInvalid,
                "a proxy's password needs the proxy's address and a user (proxy, proxyUser) in the session's configuration",
            )
            .target("proxyUser"));
        }
        if self
            .http
            .set_proxy_password(Zeroizing::new(utf8("proxyPassword", bytes)?.to_string()))
        {
            return Ok(());
        }
        Err(Error::new(
            Status::ArgumentInvalid,
            "the proxy's password must be set before the session's first task",
        )
        .target("name")
        .help("Open a new session and set it first."))
    }

    /// Hands out a secret once; it is not kept.
    pub(crate) fn take_secret(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// The same, as text; none where it was not set.
    pub(crate) fn take_text(&self, name: &str) -> Result<Option<Zeroizing<String>>> {
        let Some(bytes) = self.take_secret(name) else {
            return Ok(None);
        };
        Ok(Some(Zeroizing::new(utf8(name, &bytes)?.to_string())))
    }

    /// The same, as text that must be there.
    pub(crate) fn need_text(&self, name: &str) -> Result<Zeroizing<String>> {
        self.take_text(name)?.ok_or_else(|| missing(name))
    }

    /// Who is signed in.
    pub fn state(&self) -> Result<State> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| {
                Error::new(Status::SignInNeeded, "the session is not signed in")
                    .help("Sign in with Connect-SsprTenant.")
            })
    }

    pub(crate) fn set_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// The tenant's Graph, for a task whose caller may be asked to sign in again.
    pub fn graph(&self, task: &TaskContext) -> Result<Graph> {
        let state = self.state()?;
        let base = self.config.graph()?;
        let budget = self.budget(&state)?;
        let tokens = Arc::new(state.tokens.for_task(task));
        Ok(Graph::new(self.http.until(task.ends()), tokens, base, budget))
    }

    /// The portal's back end, where the person signed in to it.
    pub fn portal(&self, task: &TaskContext) -> Result<Option<Portal>> {
        let state = self.state()?;
        let budget = self.budget(&state)?;
        let base = self.config.portal()?;
        Ok(state.portal.as_ref().zip(base).map(|(tokens, base)| {
            Portal::new(
                self.http.until(task.ends()),
                Arc::new(tokens.for_task(task)),
                base,
                budget,
            )
        }))
    }

    /// The budgets that the session's requests count against.
    pub fn budget(&self, state: &State) -> Result<Budget> {
        let base = self.config.graph()?;
        Ok(Budget::new(
            base.as_str(),
            &state.identity.tenant_id,
            &state.app,
            self.config.processes.unwrap_or(NonZeroU32::MIN),
            self.config.budgets == Budgets::Documented,
        ))
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(Status::CredentialUnusable, format!("the secret '{name}' is not UTF-8")))
}

/// A secret that the sign-in needs was not handed over.
fn missing(name: &str) -> Error {
    Error::new(Status::ArgumentInvalid, format!("the secret '{name}' was not set"))
        .target(name)
        .help("Call sspr_session_set_secret before the sign-in.")
}
