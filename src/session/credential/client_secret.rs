//! An app that proves itself with a secret.

use super::{Issuer, Token, Want};
use crate::error::Result;
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
    pub(crate) async fn token(&self, want: &Want<'_>) -> Result<Token> {
        let proof = [("client_secret", self.secret.as_str())];
        Ok(self.issuer.ask_as_app(&self.client_id, &proof, want).await?)
    }
}
