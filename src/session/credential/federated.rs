//! An app that trusts another issuer: a token from a file, or of a managed identity, proves the app.

use super::{Identity, Issuer, ManagedIdentity, Token, Want};
use crate::error::{Error, Result};
use crate::session::tokens::Audience;
use crate::status::Status;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

/// A token file is longer than this only if it is none.
const MAX_ASSERTION: u64 = 64 * 1024;

/// Where the proof comes from.
#[derive(Debug)]
pub enum Assertion {
    /// A file, which its writer renews.
    File(PathBuf),
    /// A managed identity that was given to this machine.
    Identity(ManagedIdentity),
}

/// An app and what proves it.
#[derive(Debug)]
pub struct Federated {
    issuer: Issuer,
    client_id: String,
    assertion: Assertion,
}

impl Federated {
    /// An app and what proves it.
    pub fn new(issuer: Issuer, client_id: String, assertion: Assertion) -> Result<Self> {
        if let Assertion::Identity(identity) = &assertion {
            if identity.is_arc() {
                return Err(Error::new(
                    Status::CredentialUnusable,
                    "the identity that Azure Arc gives a machine cannot prove an app",
                )
                .help("Sign in as the machine's identity itself, or with a certificate."));
            }
            if *identity.identity() == Identity::System {
                return Err(Error::new(
                    Status::ArgumentInvalid,
                    "only a user-assigned identity can prove an app: name it by clientId, objectId or resourceId",
                )
                .target("managedIdentity"));
            }
        }
        Ok(Federated {
            issuer,
            client_id,
            assertion,
        })
    }

    pub(crate) async fn token(&self, want: &Want<'_>) -> Result<Token> {
        let assertion = match &self.assertion {
            Assertion::File(path) => read(path).await?,
            Assertion::Identity(identity) => {
                let want = Want {
                    audience: &Audience::TokenExchange,
                    claims: None,
                    ..*want
                };
                Zeroizing::new(identity.token(&want).await?.secret().to_string())
            }
        };
        let proof = [
            ("client_assertion_type", super::certificate::ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        Ok(self.issuer.ask_as_app(&self.client_id, &proof, want).await?)
    }
}

/// Reads the file anew: Kubernetes renews it there.
async fn read(path: &Path) -> Result<Zeroizing<String>> {
    let name = path.display().to_string();
    let unusable = |why: &str| {
        Error::new(
            Status::CredentialUnusable,
            format!("the token file cannot be used: {why}"),
        )
        .target(name.clone())
    };
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|e| unusable("it cannot be read").caused_by(&e))?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_ASSERTION + 1)
        .read_to_string(&mut text)
        .await
        .map_err(|e| unusable("it cannot be read as text").caused_by(&e))?;
    if text.len() as u64 > MAX_ASSERTION {
        return Err(unusable("it is longer than 64 KiB"));
    }
    let token = text.trim();
    let parts: Vec<&str> = token.split('.').collect();
    let plain = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c));
    if parts.len() != 3 || !parts.iter().all(plain) {
        return Err(unusable("it does not hold a signed token (JWT)"));
    }
    Ok(Zeroizing::new(token.to_string()))
}
