//! Ways to get a token: one file each. Every one is reached through `sspr_session_sign_in`.

mod arc;
mod browser;
mod certificate;
mod client_secret;
mod device_code;
mod environment;
mod federated;
mod issuer;
mod key;
mod listener;
mod managed_identity;
mod person;
pub mod refusal;
mod supplied;

pub use browser::Browser;
pub use certificate::Certificate;
pub use client_secret::ClientSecret;
pub use environment::Environment;
pub use federated::{Assertion, Federated};
pub use issuer::Issuer;
pub use issuer::sign_in_error;
pub use managed_identity::{Identity, ManagedIdentity};
pub use person::{GRAPH_CLIENT, PORTAL_CLIENT, Person, Way};
pub use supplied::Supplied;

use super::tokens::{Audience, Token};
use crate::error::Result;
use crate::task::TaskContext;

/// A token that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Whom it is for.
    pub audience: &'a Audience,
    /// The challenge that it answers, as the service sent it.
    pub claims: Option<&'a str>,
    /// Whose caller can be asked for what only it can do.
    pub task: Option<&'a TaskContext>,
}

/// A way to get a token.
#[derive(Debug)]
pub enum Credential {
    /// An app with a secret.
    ClientSecret(ClientSecret),
    /// An app with a certificate.
    Certificate(Certificate),
    /// An app that trusts another issuer.
    Federated(Federated),
    /// What the platform gives this machine.
    ManagedIdentity(ManagedIdentity),
    /// A person.
    Person(Person),
    /// A token that the caller brought.
    Supplied(Supplied),
    /// What a test says.
    #[cfg(test)]
    Scripted(Scripted),
}

impl Credential {
    /// Gets a token.
    pub async fn token(&self, want: &Want<'_>) -> Result<Token> {
        match self {
            Credential::ClientSecret(credential) => credential.token(want).await,
            Credential::Certificate(credential) => credential.token(want).await,
            Credential::Federated(credential) => credential.token(want).await,
            Credential::ManagedIdentity(credential) => credential.token(want).await,
            Credential::Person(credential) => credential.token(want).await,
            Credential::Supplied(credential) => credential.token(want),
            #[cfg(test)]
            Credential::Scripted(credential) => credential.token().await,
        }
    }
}

/// A credential that does what a test says.
#[cfg(test)]
pub struct Scripted {
    /// How often it was asked.
    pub asked: std::sync::Arc<std::sync::atomic::AtomicU32>,
    wait: std::time::Duration,
    answer: Box<dyn Fn() -> Result<Token> + Send + Sync>,
}

#[cfg(test)]
impl Scripted {
    /// Answers so, after a while.
    pub fn new(wait: std::time::Duration, answer: impl Fn() -> Result<Token> + Send + Sync + 'static) -> Self {
        Scripted {
            asked: Default::default(),
            wait,
            answer: Box::new(answer),
        }
    }

    async fn token(&self) -> Result<Token> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(self.wait).await;
        (self.answer)()
    }
}

#[cfg(test)]
impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}
