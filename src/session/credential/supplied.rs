//! A token that the caller brought: read and checked, never renewed.

use super::Token;
use crate::error::{Error, Result};
use crate::session::config::Config;
use crate::session::tokens::{Audience, Claims};
use crate::status::Status;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// One audience's token.
#[derive(Debug)]
pub struct Supplied {
    audience: Audience,
    token: Token,
}

impl Supplied {
    /// Checks whom the token is for, which tenant it is of, and when it ends.
    pub fn new(config: &Config, audience: Audience, secret: &Zeroizing<String>) -> Result<Self> {
        let claims = Claims::of(secret)?;
        let unusable = |message: String| Error::new(Status::TokenUnusable, message).target("accessToken");
        let resource = audience.resource(config);
        // Graph's tokens name it by its address or by its well-known id.
        let named = [resource.trim_end_matches('/'), "00000003-0000-0000-c000-000000000000"];
        let fits = named[0].eq_ignore_ascii_case(claims.aud.trim_end_matches('/'))
            || (audience == Audience::Graph && claims.aud == named[1]);
        if !fits {
            return Err(unusable(format!(
                "the access token is for {}, not for {resource}",
                claims.aud
            )));
        }
        let end = Timestamp::from_second(claims.exp).map_err(|_| unusable("the access token names no end".into()))?;
        if end <= Timestamp::now() {
            return Err(unusable(format!("the access token ended at {end}")));
        }
        if let Some(tenant) = config.tenant.as_deref().filter(|t| uuid::Uuid::parse_str(t).is_ok())
            && !tenant.eq_ignore_ascii_case(&claims.tid)
        {
            return Err(unusable(format!(
                "the access token is of tenant {}, not of {tenant}",
                claims.tid
            )));
        }
        Ok(Supplied {
            audience,
            token: Token::new(secret.to_string(), end),
        })
    }

    pub(crate) fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<Token> {
        if *audience != self.audience {
            return Err(Error::new(
                Status::SignInNeeded,
                "the access token that was supplied is for another service",
            ));
        }
        if claims.is_some() {
            return Err(Error::new(
                Status::SignInConditionalAccess,
                "Conditional Access asks for a new sign-in, and this token cannot be renewed",
            ));
        }
        if self.token.expires_at <= Timestamp::now() {
            return Err(
                Error::new(Status::SignInNeeded, "the access token that was supplied has ended")
                    .help("Supply a new one to Connect-SsprTenant."),
            );
        }
        Ok(self.token.clone())
    }
}
