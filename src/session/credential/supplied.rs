//! A token that the caller brought: read and checked, never renewed.

use super::{Token, Want};
use crate::error::{Error, Result};
use crate::session::claims;
use crate::session::config::Config;
use crate::session::tokens::{Audience, Claims};
use crate::status::Status;
use jiff::{Timestamp, ToSpan};
use zeroize::Zeroizing;

/// One audience's token.
#[derive(Debug)]
pub struct Supplied {
    audience: Audience,
    token: Token,
}

impl Supplied {
    /// Checks whom the token is for and when it ends; which tenant it is of is checked as of every sign-in.
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
        let begin = claims.nbf.and_then(|s| Timestamp::from_second(s).ok());
        // Clocks differ by minutes.
        if let Some(begin) = begin.filter(|begin| *begin > Timestamp::now() + 5.minutes()) {
            return Err(unusable(format!(
                "the access token begins at {begin}; check this machine's clock"
            )));
        }
        Ok(Supplied {
            audience,
            token: Token::new(secret.to_string(), end),
        })
    }

    pub(crate) fn token(&self, want: &Want<'_>) -> Result<Token> {
        if *want.audience != self.audience {
            return Err(Error::new(
                Status::SignInNeeded,
                "the access token that was supplied is for another service",
            ));
        }
        if let Some(challenge) = want.claims {
            return Err(claims::unmet(challenge).detail("a token that was supplied cannot be renewed"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use serde_json::{Value, json};

    const TENANT: &str = "11111111-1111-1111-1111-111111111111";

    fn supplied(config: &str, audience: Audience, claims: Value) -> Result<Supplied> {
        let config = Config::from_json(config).unwrap();
        let body = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        Supplied::new(&config, audience, &Zeroizing::new(format!("canary.{body}.canary")))
    }

    fn now() -> i64 {
        Timestamp::now().as_second()
    }

    #[test]
    fn a_token_for_this_tenant_and_service_is_taken() {
        let config = json!({"tenant": TENANT}).to_string();
        for (audience, aud) in [
            (Audience::Graph, "https://graph.microsoft.com"),
            (Audience::Graph, "https://graph.microsoft.com/"),
            (Audience::Graph, "00000003-0000-0000-c000-000000000000"),
            (Audience::Portal, "74658136-14ec-4630-ad9b-26e160ff0fc6"),
        ] {
            let claims = json!({"aud": aud, "tid": TENANT, "exp": now() + 60, "nbf": now() + 100});
            let supplied = supplied(&config, audience.clone(), claims).unwrap();
            assert!(!format!("{supplied:?}").contains("canary"));
            let want = |audience, claims| Want {
                audience,
                claims,
                task: None,
            };
            assert!(supplied.token(&want(&audience, None)).is_ok());
            let other = Audience::TokenExchange;
            assert_eq!(
                supplied.token(&want(&other, None)).unwrap_err().status,
                Status::SignInNeeded
            );
            let challenged = supplied.token(&want(&audience, Some("{}"))).unwrap_err();
            assert_eq!(challenged.status, Status::SignInConditionalAccess);
        }
    }

    #[test]
    fn another_s_token_and_an_ended_one_are_refused() {
        let good = json!({"aud": "https://graph.microsoft.com", "tid": TENANT, "exp": now() + 600});
        let config = json!({"tenant": TENANT}).to_string();
        assert!(supplied(&config, Audience::Graph, good.clone()).is_ok());
        for (member, value, word) in [
            ("aud", json!("https://graph.microsoft.us"), "is for"),
            ("aud", json!("74658136-14ec-4630-ad9b-26e160ff0fc6"), "is for"),
            ("exp", json!(now() - 1), "ended"),
            ("exp", json!(i64::MAX), "names no end"),
            ("nbf", json!(now() + 900), "begins"),
        ] {
            let mut claims = good.clone();
            claims[member] = value;
            let error = supplied(&config, Audience::Graph, claims).unwrap_err();
            assert_eq!(error.status, Status::TokenUnusable, "{member}");
            assert!(error.message.contains(word), "{}", error.message);
            assert!(!error.to_json().contains("canary"));
        }
        let portal = supplied(&config, Audience::Portal, good).unwrap_err();
        assert_eq!(portal.status, Status::TokenUnusable);
    }
}
