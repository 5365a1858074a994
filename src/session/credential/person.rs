//! A person: signed in once by the browser or a device code, renewed without asking as long as the service allows it.

use super::browser::{self, Browser};
use super::device_code;
use super::issuer::{TokenAnswer, TokenError};
use super::refusal::Refusal;
use super::{Issuer, Token, Want};
use crate::error::{Error, Result};
use crate::session::claims::{self, Claims};
use crate::session::config::Config;
use crate::session::tokens::Audience;
use crate::snapshot::{self, FactId};
use crate::status::Status;
use crate::task::TaskContext;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Microsoft Graph Command Line Tools: the app that a person signs in to when the tenant has none of its own for it.
pub const GRAPH_CLIENT: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
/// Azure PowerShell: the app that the portal API is known to serve.
pub const PORTAL_CLIENT: &str = "1950a258-227b-4e31-a9cf-717495945fc2";

/// How a person signs in.
#[derive(Clone, Debug)]
pub enum Way {
    /// Through the system's browser.
    Browser(Browser),
    /// With a code, on any device.
    DeviceCode,
}

/// A person.
pub struct Person {
    issuer: Issuer,
    client_id: String,
    way: Way,
    held: Mutex<Held>,
}

/// What is kept of a sign-in.
#[derive(Clone, Default)]
struct Held {
    signed_in: bool,
    refresh: Option<Zeroizing<String>>,
    /// The account's name, offered when it signs in again.
    account: Option<String>,
    /// The account's tenant and object, which must be the same then.
    who: Option<(String, String)>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person {{ client_id: {}, way: {:?} }}", self.client_id, self.way)
    }
}

/// A sign-in that a person is asked for.
pub(crate) struct Asking<'a> {
    pub issuer: &'a Issuer,
    pub client_id: &'a str,
    pub service: &'a Audience,
    pub scope: &'a str,
    pub claims: Option<&'a str>,
    /// The account that should sign in.
    pub account: Option<&'a str>,
    pub task: &'a TaskContext,
}

impl Person {
    /// A person who has not signed in yet; a name may be known.
    pub fn new(issuer: Issuer, client_id: &str, way: Way, account: Option<String>) -> Self {
        Person {
            issuer,
            client_id: client_id.into(),
            way,
            held: Mutex::new(Held {
                account,
                ..Held::default()
            }),
        }
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn token(&self, want: &Want<'_>) -> Result<Token> {
        let held = self.held();
        let Some(refresh) = &held.refresh else {
            // The first time, or the service gave nothing to renew with.
            return match want.task {
                Some(task) if !held.signed_in || self.reachable(task) => self.sign_in(want, want.claims, task).await,
                _ => Err(self.unmet(want.claims, None)),
            };
        };
        let refusal = match self.refresh(refresh, want).await {
            Ok(answer) => return self.keep(answer),
            Err(TokenError::Refused(refusal)) if refusal.needs_person() => refusal,
            Err(error) => return Err(error.into()),
        };
        let challenge = refusal.claims.clone().or_else(|| want.claims.map(str::to_string));
        match want.task {
            Some(task) if self.reachable(task) => {
                task.log(&format!(
                    "{} asks for a new sign-in: {}",
                    want.audience.name(),
                    refusal.words()
                ));
                self.sign_in(want, challenge.as_deref(), task).await
            }
            _ => Err(self.unmet(challenge.as_deref(), Some(&refusal))),
        }
    }

    /// Whether a person is there who can be asked again.
    fn reachable(&self, task: &TaskContext) -> bool {
        self.issuer.config.interactive
            && match self.way {
                Way::Browser(_) => task.offers("openBrowser"),
                Way::DeviceCode => true,
            }
    }

    /// Nobody is there to do what is asked.
    fn unmet(&self, challenge: Option<&str>, refusal: Option<&Refusal>) -> Error {
        let mut error = match (challenge, refusal) {
            (Some(challenge), None) => return claims::unmet(challenge),
            (Some(challenge), Some(refusal)) => {
                let mut error = claims::unmet(challenge).detail(refusal.words());
                error.request_id = refusal.error().request_id;
                return error;
            }
            (None, Some(refusal)) => refusal.error(),
            (None, None) => Error::new(Status::SignInNeeded, "the sign-in has ended"),
        };
        if error.status == Status::SignInRefused {
            error.status = Status::SignInNeeded;
        }
        if error.help.is_none() {
            error.help = Some("Sign in again with Connect-SsprTenant.".into());
        }
        error
    }

    async fn refresh(&self, refresh: &str, want: &Want<'_>) -> std::result::Result<TokenAnswer, TokenError> {
        let scope = self.scope(want.audience);
        let claims = self.issuer.claims(want);
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("scope", scope.as_str()),
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh),
        ];
        form.extend(claims.as_deref().map(|claims| ("claims", claims)));
        self.issuer.ask(&form).await
    }

    async fn sign_in(&self, want: &Want<'_>, challenge: Option<&str>, task: &TaskContext) -> Result<Token> {
        let held = self.held();
        let scope = self.scope(want.audience);
        let claims = self.issuer.claims(&Want {
            claims: challenge,
            ..*want
        });
        let asking = Asking {
            issuer: &self.issuer,
            client_id: &self.client_id,
            service: want.audience,
            scope: &scope,
            claims: claims.as_deref(),
            account: held.account.as_deref(),
            task,
        };
        match &self.way {
            // The page is told the outcome, so keeping the answer is part of it.
            Way::Browser(browser) => browser::sign_in(browser, &asking, |answer| self.keep(answer)).await,
            Way::DeviceCode => self.keep(device_code::sign_in(&asking).await?),
        }
    }

    /// Keeps what the answer brings for the next time, and gives its token.
    fn keep(&self, answer: TokenAnswer) -> Result<Token> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = answer.id_token.as_deref().and_then(|id| claims::payload::<Claims>(id)) {
            let who = id.oid.clone().map(|oid| (id.tid.clone(), oid));
            if let (Some(before), Some(now)) = (&held.who, &who)
                && before != now
            {
                return Err(Error::new(
                    Status::SignInRefused,
                    "another person signed in than the one whom the session belongs to",
                )
                .help("Sign in as the same person, or start over with Connect-SsprTenant."));
            }
            held.who = who.or_else(|| held.who.take());
            held.account = id.person().or_else(|| held.account.take());
        }
        held.signed_in = true;
        if answer.refresh_token.is_some() {
            held.refresh.clone_from(&answer.refresh_token);
        }
        Ok(answer.token())
    }

    /// What is asked for: of Microsoft's shared app the permissions by name, of the tenant's own what was granted.
    fn scope(&self, audience: &Audience) -> String {
        let config = &self.issuer.config;
        let named = *audience == Audience::Graph && self.client_id == GRAPH_CLIENT;
        let resource = if named {
            read_permissions(config).join(" ")
        } else {
            audience.scope(config)
        };
        format!("{resource} openid profile offline_access")
    }
}

/// The least permission of every fact that Graph answers, as the v2 endpoint names them. Only what reads: a check writes
/// nothing, so the one fact that is behind a write permission stays unread for a person who did not grant it.
fn read_permissions(config: &Config) -> Vec<String> {
    let names: BTreeSet<&str> = FactId::ALL
        .iter()
        .filter_map(|fact| snapshot::source(*fact).permissions.first().copied())
        .filter(|name| !name.contains("ReadWrite"))
        .collect();
    let graph = Audience::Graph.resource(config);
    names.into_iter().map(|name| format!("{graph}/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_app_is_asked_for_named_read_permissions_only() {
        let config = Config::from_json(r#"{"cloud":"China"}"#).unwrap();
        let names = read_permissions(&config);
        assert!(names.contains(&"https://microsoftgraph.chinacloudapi.cn/AuditLog.Read.All".to_string()));
        assert!(
            names
                .iter()
                .all(|n| n.starts_with("https://microsoftgraph.chinacloudapi.cn/") && n.contains("Read"))
        );
        assert!(!names.iter().any(|n| n.contains("Write") || n.contains(".default")));
    }
}
