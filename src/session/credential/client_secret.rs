//! An app that proves itself with a secret.

use super::{Issuer, Token};
use crate::error::Result;
use crate::session::tokens::Audience;
use zeroize::Zeroizing;

/// An app and its secret.
pub struct ClientSecret {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: String,
    pub(crate) secret: Zeroizing<String>,
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientSecret {{ client_id: {} }}", self.client_id)
    }
}

impl ClientSecret {
    pub(crate) async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<Token> {
        let scope = audience.scope(&self.issuer.config);
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("scope", scope.as_str()),
            ("client_secret", self.secret.as_str()),
            ("grant_type", "client_credentials"),
        ];
        form.extend(claims.map(|claims| ("claims", claims)));
        Ok(self.issuer.ask(&form).await?.token())
    }
}
