//! A session's tokens: one for each audience, in memory only, renewed before they end.

use super::credential::Credential;
use crate::error::{Error, Result};
use crate::session::config::Config;
use crate::status::Status;
use base64::Engine as _;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Microsoft Graph.
    Graph,
    /// The portal's back end.
    Portal,
    /// A managed identity's token that stands in for an app's credential.
    TokenExchange,
}

/// The portal back end's application id.
pub const PORTAL_APP: &str = "74658136-14ec-4630-ad9b-26e160ff0fc6";

impl Audience {
    /// The resource, as the v1 and managed identity endpoints name it.
    pub fn resource(&self, config: &Config) -> String {
        match self {
            Audience::Graph => config.cloud.graph().into(),
            Audience::Portal => PORTAL_APP.into(),
            Audience::TokenExchange => config.cloud.token_exchange().into(),
        }
    }

    /// All permissions that were granted, as the v2 endpoint names them.
    pub fn scope(&self, config: &Config) -> String {
        format!("{}/.default", self.resource(config))
    }
}

/// An access token.
#[derive(Clone)]
pub struct Token {
    secret: Arc<Zeroizing<String>>,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Token {
    /// A token that came with its end.
    pub fn new(secret: String, expires_at: Timestamp) -> Self {
        Token {
            secret: Arc::new(Zeroizing::new(secret)),
            expires_at,
        }
    }

    /// The text that is sent.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn usable(&self) -> bool {
        // A token is renewed some minutes before its end, so that none ends under way.
        self.expires_at > Timestamp::now() + 5.minutes()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token {{ expires_at: {} }}", self.expires_at)
    }
}

/// What a token says of itself. It is read to tell people who they are, never to decide what they may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// Whom it is for.
    pub aud: String,
    /// The tenant.
    pub tid: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// The app.
    pub appid: Option<String>,
    /// The app (v2 tokens).
    pub azp: Option<String>,
    /// The person.
    pub upn: Option<String>,
    /// The person (v2 tokens).
    pub preferred_username: Option<String>,
    /// A person's permissions, separated by spaces.
    pub scp: Option<String>,
    /// An app's permissions.
    pub roles: Vec<String>,
    /// `app` or `user`.
    pub idtyp: Option<String>,
}

impl Claims {
    /// Reads a token's claims.
    pub fn of(token: &str) -> Result<Self> {
        let unreadable = || Error::new(Status::TokenUnusable, "the access token is not a readable JWT");
        let payload = token.split('.').nth(1).ok_or_else(unreadable)?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .map_err(|_| unreadable())?;
        serde_json::from_slice(&bytes).map_err(|_| unreadable())
    }

    /// The permissions in it.
    pub fn permissions(&self) -> Vec<String> {
        match &self.scp {
            Some(scopes) => scopes.split_whitespace().map(str::to_string).collect(),
            None => self.roles.clone(),
        }
    }

    /// Whether it stands for a person.
    pub fn delegated(&self) -> bool {
        self.scp.is_some()
    }
}

/// The tokens of one sign-in.
#[derive(Debug)]
pub struct Tokens {
    credential: Credential,
    cache: Mutex<HashMap<Audience, Token>>,
}

impl Tokens {
    /// The tokens that a credential gets.
    pub fn new(credential: Credential) -> Self {
        Tokens {
            credential,
            cache: Mutex::default(),
        }
    }

    /// A token that is good for some minutes at least.
    pub async fn get(&self, audience: &Audience) -> Result<Token> {
        let mut cache = self.cache.lock().await;
        if let Some(token) = cache.get(audience).filter(|t| t.usable()) {
            return Ok(token.clone());
        }
        let token = self.credential.token(audience, None).await?;
        cache.insert(audience.clone(), token.clone());
        Ok(token)
    }

    /// A new token in place of one that was refused; a claims challenge goes along.
    pub async fn renew(&self, audience: &Audience, refused: &Token, claims: Option<&str>) -> Result<Token> {
        let mut cache = self.cache.lock().await;
        // Somebody else may have renewed it while this one waited.
        if let Some(token) = cache
            .get(audience)
            .filter(|t| t.secret() != refused.secret() && claims.is_none())
        {
            return Ok(token.clone());
        }
        let token = self.credential.token(audience, claims).await?;
        cache.insert(audience.clone(), token.clone());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_nonsense_is_refused() {
        let body =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"aud":"a","tid":"t","exp":5,"scp":"A B"}"#);
        let claims = Claims::of(&format!("x.{body}.y")).unwrap();
        assert_eq!(claims.permissions(), ["A", "B"]);
        assert!(claims.delegated());
        for bad in ["", "a", "a.b.c", "a.!!!.c"] {
            assert_eq!(Claims::of(bad).unwrap_err().status, Status::TokenUnusable, "{bad}");
        }
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::new("canary".into(), Timestamp::UNIX_EPOCH);
        assert!(!format!("{token:?}").contains("canary"));
    }
}
