//! A session's tokens: one for each audience, in memory only, renewed before they end.

pub use super::claims::Claims;

use super::credential::{Credential, Want};
use crate::error::{Error, Result};
use crate::session::config::Config;
use crate::status::Status;
use crate::task::TaskContext;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// A token is renewed some minutes before its end, so that none ends under way.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// After a renewal that failed, the old token serves this long before the next try.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Microsoft Graph.
    Graph,
    /// The portal's back end.
    Portal,
    /// A managed identity's token that stands in for an app's credential.
    TokenExchange,
    /// Azure Storage.
    Storage,
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
            Audience::Storage => "https://storage.azure.com".into(),
        }
    }

    /// All permissions that were granted, as the v2 endpoint names them.
    pub fn scope(&self, config: &Config) -> String {
        format!("{}/.default", self.resource(config))
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Audience::Graph => "Microsoft Graph",
            Audience::Portal => "the portal API",
            Audience::TokenExchange => "token exchange",
            Audience::Storage => "Azure Storage",
        }
    }
}

/// An access token.
#[derive(Clone)]
pub struct Token {
    secret: Arc<Zeroizing<String>>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// From when on a new one is asked for.
    renew_at: Timestamp,
}

impl Token {
    /// A token that came with its end.
    pub fn new(secret: String, expires_at: Timestamp) -> Self {
        let left = expires_at.duration_since(Timestamp::now());
        // Of a token that lives for minutes only, half of its life is used.
        let margin = MARGIN.min(left / 2).max(SignedDuration::ZERO);
        Token {
            secret: Arc::new(Zeroizing::new(secret)),
            expires_at,
            renew_at: expires_at.saturating_sub(margin).unwrap_or(expires_at),
        }
    }

    /// The same token, renewed from that time on already where that is sooner.
    pub fn renewed_from(mut self, time: Timestamp) -> Self {
        self.renew_at = self.renew_at.min(time);
        self
    }

    /// The text that is sent.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn fresh(&self) -> bool {
        self.renew_at > Timestamp::now()
    }

    /// Until when a request that starts may still be served with it.
    fn last_use(&self) -> Timestamp {
        self.expires_at
            .saturating_sub(SignedDuration::from_secs(10))
            .unwrap_or(self.expires_at)
    }

    fn serves(&self) -> bool {
        self.last_use() > Timestamp::now()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token {{ expires_at: {} }}", self.expires_at)
    }
}

/// A token, and the challenge that it was asked for with.
#[derive(Debug)]
struct Held {
    token: Token,
    answers: Option<String>,
}

/// One audience's token. Whoever renews it holds the lock; the others wait for what comes of it.
type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

/// The tokens of one sign-in.
#[derive(Clone, Debug)]
pub struct Tokens {
    credential: Arc<Credential>,
    slots: Arc<Mutex<HashMap<Audience, Slot>>>,
    task: Option<TaskContext>,
}

impl Tokens {
    /// The tokens that a credential gets.
    pub fn new(credential: Credential) -> Self {
        Tokens {
            credential: Arc::new(credential),
            slots: Arc::default(),
            task: None,
        }
    }

    /// The same tokens, for work whose caller can be asked to sign in again or to sign with its key.
    pub fn for_task(&self, task: &TaskContext) -> Self {
        Tokens {
            task: Some(task.clone()),
            ..self.clone()
        }
    }

    /// A token that is good for some minutes at least.
    pub async fn get(&self, audience: &Audience) -> Result<Token> {
        let slot = self.slot(audience);
        let mut held = slot.lock().await;
        if let Some(held) = held.as_ref().filter(|h| h.token.fresh()) {
            return Ok(held.token.clone());
        }
        match self.ask(audience, None).await {
            Ok(token) => Ok(keep(&mut held, token, None)),
            Err(error) => {
                // The old one is good to its end.
                let Some(old) = held.as_mut().map(|h| &mut h.token).filter(|t| t.serves()) else {
                    return Err(error);
                };
                old.renew_at = (Timestamp::now() + PATIENCE).min(old.last_use());
                Ok(old.clone())
            }
        }
    }

    /// A new token in place of one that was refused; a claims challenge goes along.
    pub async fn renew(&self, audience: &Audience, refused: &Token, challenge: Option<&str>) -> Result<Token> {
        let slot = self.slot(audience);
        let mut held = slot.lock().await;
        // Somebody else may have renewed it while this one waited; what a challenge asks for has only a token that was
        // asked for with it.
        let renewed = |h: &&Held| {
            let answers = challenge.is_none() || h.answers.as_deref() == challenge;
            answers && h.token.secret() != refused.secret() && h.token.serves()
        };
        if let Some(held) = held.as_ref().filter(renewed) {
            return Ok(held.token.clone());
        }
        let token = self.ask(audience, challenge).await?;
        if token.secret() == refused.secret() {
            return Err(match challenge {
                Some(challenge) => super::claims::unmet(challenge),
                None => Error::new(
                    Status::TokenUnusable,
                    format!("{} refuses the access token, and there is no other", audience.name()),
                ),
            });
        }
        Ok(keep(&mut held, token, challenge))
    }

    fn slot(&self, audience: &Audience) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(audience.clone()).or_default())
    }

    async fn ask(&self, audience: &Audience, claims: Option<&str>) -> Result<Token> {
        let want = Want {
            audience,
            claims,
            task: self.task.as_ref(),
        };
        // On the heap: a sign-in is large and rare, and every request of a run has room for one in it.
        Box::pin(self.credential.token(&want)).await
    }
}

fn keep(held: &mut Option<Held>, token: Token, challenge: Option<&str>) -> Token {
    let answers = challenge.map(str::to_string);
    held.insert(Held { token, answers }).token.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::credential::Scripted;
    use jiff::ToSpan;
    use std::sync::atomic::Ordering::SeqCst;
    use std::time::Duration;

    fn run(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work);
    }

    fn held(token: Token) -> Option<Held> {
        Some(Held { token, answers: None })
    }

    fn ending(seconds: i64) -> Token {
        Token::new(format!("canary {seconds}"), Timestamp::now() + seconds.seconds())
    }

    #[test]
    fn a_token_does_not_print_itself() {
        assert!(!format!("{:?}", ending(9)).contains("canary"));
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        assert!(ending(3600).fresh());
        assert!(!Token::new("x".into(), Timestamp::now()).fresh());
        // A short one is not asked for again at once.
        assert!(ending(120).fresh());
        assert!(!ending(3600).renewed_from(Timestamp::now()).fresh());
        assert!(ending(3600).renewed_from(Timestamp::now()).serves());
    }

    #[test]
    fn concurrent_callers_cause_one_request() {
        run(async {
            let scripted = Scripted::new(Duration::from_millis(50), || Ok(ending(3600)));
            let asked = Arc::clone(&scripted.asked);
            let tokens = Tokens::new(Credential::Scripted(scripted));
            let all = (0..20).map(|_| tokens.get(&Audience::Graph));
            for token in futures_util::future::join_all(all).await {
                token.unwrap();
            }
            assert_eq!(asked.load(SeqCst), 1);
            let old = tokens.get(&Audience::Graph).await.unwrap();
            // All were refused together; one renews for all.
            let scripted = Scripted::new(Duration::from_millis(50), || Ok(ending(3000)));
            let asked = Arc::clone(&scripted.asked);
            let tokens = Tokens {
                credential: Arc::new(Credential::Scripted(scripted)),
                ..tokens
            };
            let all = (0..20).map(|_| tokens.renew(&Audience::Graph, &old, None));
            for token in futures_util::future::join_all(all).await {
                assert_ne!(token.unwrap().secret(), old.secret());
            }
            assert_eq!(asked.load(SeqCst), 1);
        });
    }

    #[test]
    fn a_slow_audience_blocks_no_other() {
        run(async {
            let tokens = Tokens::new(Credential::Scripted(Scripted::new(Duration::ZERO, || Ok(ending(3600)))));
            let slot = tokens.slot(&Audience::Portal);
            let _busy = slot.lock().await;
            tokio::time::timeout(Duration::from_secs(5), tokens.get(&Audience::Graph))
                .await
                .unwrap()
                .unwrap();
        });
    }

    #[test]
    fn the_old_token_serves_when_the_renewal_fails() {
        run(async {
            let failing = || Err(Error::new(Status::ServiceUnreachable, "no"));
            let scripted = Scripted::new(Duration::ZERO, failing);
            let asked = Arc::clone(&scripted.asked);
            let tokens = Tokens::new(Credential::Scripted(scripted));
            let old = ending(200).renewed_from(Timestamp::now());
            *tokens.slot(&Audience::Graph).lock().await = held(old.clone());
            assert_eq!(tokens.get(&Audience::Graph).await.unwrap().secret(), old.secret());
            // Not tried again at each request.
            assert_eq!(tokens.get(&Audience::Graph).await.unwrap().secret(), old.secret());
            assert_eq!(asked.load(SeqCst), 1);
            // An ended one does not serve, and neither does a refused one.
            assert_eq!(
                tokens.renew(&Audience::Graph, &old, None).await.unwrap_err().message,
                "no"
            );
            *tokens.slot(&Audience::Graph).lock().await = held(ending(3).renewed_from(Timestamp::now()));
            assert_eq!(tokens.get(&Audience::Graph).await.unwrap_err().message, "no");
        });
    }

    #[test]
    fn an_ended_token_is_not_fresh_however_the_renewal_goes() {
        run(async {
            let failing = || Err(Error::new(Status::ServiceUnreachable, "no"));
            let tokens = Tokens::new(Credential::Scripted(Scripted::new(Duration::ZERO, failing)));
            let old = ending(20).renewed_from(Timestamp::now());
            *tokens.slot(&Audience::Graph).lock().await = held(old.clone());
            tokens.get(&Audience::Graph).await.unwrap();
            let slot = tokens.slot(&Audience::Graph);
            let slot = slot.lock().await;
            assert!(slot.as_ref().unwrap().token.renew_at <= old.expires_at - 10.seconds());
        });
    }

    #[test]
    fn a_challenge_is_answered_by_no_token_that_was_got_without_it() {
        run(async {
            let count = std::sync::atomic::AtomicI64::new(0);
            let next = move || Ok(ending(3600 + count.fetch_add(1, SeqCst)));
            let scripted = Scripted::new(Duration::ZERO, next);
            let asked = Arc::clone(&scripted.asked);
            let tokens = Tokens::new(Credential::Scripted(scripted));
            let old = tokens.get(&Audience::Graph).await.unwrap();
            // Somebody renewed it for another reason meanwhile.
            let plain = tokens.renew(&Audience::Graph, &old, None).await.unwrap();
            let answer = tokens.renew(&Audience::Graph, &old, Some("c1")).await.unwrap();
            assert_ne!(answer.secret(), plain.secret());
            assert_eq!(asked.load(SeqCst), 3);
            // Whoever was refused with the same challenge shares the answer; another challenge needs its own.
            let same = tokens.renew(&Audience::Graph, &old, Some("c1")).await.unwrap();
            assert_eq!(same.secret(), answer.secret());
            let plain = tokens.renew(&Audience::Graph, &old, None).await.unwrap();
            assert_eq!((plain.secret(), asked.load(SeqCst)), (answer.secret(), 3));
            tokens.renew(&Audience::Graph, &old, Some("c2")).await.unwrap();
            assert_eq!(asked.load(SeqCst), 4);
        });
    }

    #[test]
    fn the_same_token_again_is_no_answer() {
        run(async {
            let tokens = Tokens::new(Credential::Scripted(Scripted::new(Duration::ZERO, || Ok(ending(3600)))));
            let token = tokens.get(&Audience::Graph).await.unwrap();
            let error = tokens.renew(&Audience::Graph, &token, None).await.unwrap_err();
            assert_eq!(error.status, Status::TokenUnusable);
            let challenge = r#"{"access_token":{"acrs":{"value":"c7"}}}"#;
            let error = tokens
                .renew(&Audience::Graph, &token, Some(challenge))
                .await
                .unwrap_err();
            assert_eq!(error.status, Status::SignInConditionalAccess);
            assert!(error.message.contains("c7"));
        });
    }
}
