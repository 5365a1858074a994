//! Signing in: from the caller's request to a credential, its first token, and who that is.

use super::credential::{ClientSecret, Credential, Issuer, Supplied};
use super::tokens::{Audience, Claims, Tokens};
use super::{Session, State};
use crate::error::{Error, Result};
use crate::snapshot::SignedIn;
use crate::status::Status;
use crate::task::TaskContext;
use serde::Deserialize;
use std::sync::Arc;

/// What `sspr_session_sign_in` takes.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "method",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// An app with a secret (`clientSecret`).
    ClientSecret {
        /// The app.
        client_id: String,
    },
    /// A token that the caller brought (`accessToken`, and `portalAccessToken` for the portal).
    AccessToken {},
}

impl Request {
    /// The method's name.
    fn name(&self) -> &'static str {
        match self {
            Request::ClientSecret { .. } => "clientSecret",
            Request::AccessToken {} => "accessToken",
        }
    }
}

impl Session {
    /// Signs in.
    pub async fn sign_in(&self, request: Request, _task: &TaskContext) -> Result<SignedIn> {
        let method = request.name();
        let mut portal = None;
        let credential = match request {
            Request::ClientSecret { client_id } => Credential::ClientSecret(ClientSecret {
                issuer: self.issuer(true)?,
                client_id,
                secret: self.take_secret_text("clientSecret")?,
            }),
            Request::AccessToken {} => {
                if let Ok(token) = self.take_secret_text("portalAccessToken") {
                    portal = Some(Credential::Supplied(Supplied::new(
                        &self.config,
                        Audience::Portal,
                        &token,
                    )?));
                }
                Credential::Supplied(Supplied::new(
                    &self.config,
                    Audience::Graph,
                    &self.take_secret_text("accessToken")?,
                )?)
            }
        };
        let tokens = Arc::new(Tokens::new(credential));
        let claims = Claims::of(tokens.get(&Audience::Graph).await?.secret())?;
        let delegated = claims.delegated();
        let app = claims.appid.clone().or_else(|| claims.azp.clone()).unwrap_or_default();
        let identity = SignedIn {
            tenant_id: claims.tid.clone(),
            cloud: self.config.cloud.name().into(),
            method: method.into(),
            account: if delegated {
                claims.upn.clone().or_else(|| claims.preferred_username.clone())
            } else {
                Some(app.clone())
            },
            delegated,
            permissions: claims.permissions(),
            portal_api: portal.is_some(),
        };
        self.set_state(State {
            tokens,
            portal: portal.map(|c| Arc::new(Tokens::new(c))),
            identity: identity.clone(),
            app,
        });
        Ok(identity)
    }

    /// Who issues the tokens; an app must name its tenant.
    fn issuer(&self, tenant_needed: bool) -> Result<Issuer> {
        let tenant = match (&self.config.tenant, tenant_needed) {
            (Some(tenant), _) => tenant.clone(),
            (None, false) => "organizations".into(),
            (None, true) => {
                return Err(
                    Error::new(Status::ArgumentInvalid, "an app signs in to a tenant that is named").target("tenant"),
                );
            }
        };
        Ok(Issuer {
            http: self.http.clone(),
            config: Arc::clone(&self.config),
            tenant,
        })
    }
}
