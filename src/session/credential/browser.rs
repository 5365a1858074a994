//! A person signs in through the system's browser: authorization code with PKCE, posted back to this machine.

use super::Token;
use super::issuer::TokenAnswer;
use super::listener::{Answer, Listener, Page};
use super::person::Asking;
use super::refusal::Refusal;
use crate::error::{Error, Result};
use crate::session::claims::{Claims, payload};
use crate::status::Status;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use ring::rand::SecureRandom;
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

/// How a browser is used.
#[derive(Clone, Debug)]
pub struct Browser {
    /// `login`, `select_account`, `consent` or nothing, as the service knows them.
    pub prompt: Option<String>,
    /// How long the person may take.
    pub timeout: Duration,
}

/// Signs a person in. `keep` takes what comes of it; the page in the browser tells how that went.
pub(crate) async fn sign_in(
    browser: &Browser,
    asking: &Asking<'_>,
    keep: impl FnOnce(TokenAnswer) -> Result<Token>,
) -> Result<Token> {
    let listener = Listener::bind().await?;
    let redirect = listener.redirect_uri();
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let challenge = BASE64_URL.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()));
    let mut url = asking.issuer.url("authorize")?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", asking.client_id)
            .append_pair("response_type", "code")
            .append_pair("response_mode", "form_post")
            .append_pair("redirect_uri", &redirect)
            .append_pair("scope", asking.scope)
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let optional = [
            ("prompt", browser.prompt.as_deref()),
            ("login_hint", asking.account),
            ("claims", asking.claims),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
    }
    let mut server = listener.serve(&state);
    let seconds = browser.timeout.as_secs();
    let tell = |message: Option<String>| {
        let mut what = json!({
            "method": "browser", "service": asking.service.name(), "url": url.as_str(), "expiresIn": seconds,
        });
        if let Some(message) = message {
            what["message"] = message.into();
        }
        asking.task.sign_in(what)
    };
    let by_hand = || {
        Some(format!(
            "To sign in for {}, open this address in a browser on this machine: {url}",
            asking.service.name()
        ))
    };
    let opens = asking.task.offers("openBrowser");
    // A person is told what to do only where nobody does it for them.
    tell(if opens { None } else { by_hand() }).await;
    let wait = async {
        let open = async {
            if opens {
                let arguments = json!({ "url": url.as_str() });
                if let Err(error) = asking.task.host_action("openBrowser", arguments, browser.timeout).await {
                    asking.task.log(&error.to_string());
                    tell(by_hand()).await;
                }
            }
            // Whether or not it opened: the answer is what counts.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = server.answer() => answer,
            () = open => None,
        }
    };
    let answer = tokio::time::timeout(browser.timeout, wait).await.map_err(|_| {
        Error::new(
            Status::SignInTimeout,
            format!("nobody finished the sign-in in the browser within {seconds} s"),
        )
        .help("Start it again; where there is no browser on this machine, sign in with a device code.")
        .retryable()
    })?;
    let Some(Answer { outcome, page }) = answer else {
        return Err(Error::new(Status::Internal, "the listener for the browser ended"));
    };
    let result = match outcome {
        Ok(code) => redeem(asking, &code, &redirect, &verifier, &nonce).await.and_then(keep),
        Err((error, description)) => Err(Refusal::returned(&error, &description).error()),
    };
    server
        .finish(
            page,
            match &result {
                Ok(_) => Page::Done,
                Err(error) => Page::Refused(error.to_string()),
            },
        )
        .await;
    result
}

/// Exchanges the code.
async fn redeem(asking: &Asking<'_>, code: &str, redirect: &str, verifier: &str, nonce: &str) -> Result<TokenAnswer> {
    let mut form = vec![
        ("client_id", asking.client_id),
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
        ("scope", asking.scope),
    ];
    form.extend(asking.claims.map(|claims| ("claims", claims)));
    let answer = asking.issuer.ask(&form).await?;
    // The id token came from the service itself over TLS, so its claims are believed without its signature.
    let id: Option<Claims> = answer.id_token.as_deref().and_then(|id| payload(id));
    let fits = id.is_some_and(|id| id.nonce.as_deref() == Some(nonce) && id.aud == asking.client_id);
    if !fits {
        return Err(Error::new(
            Status::ServiceAnswer,
            "the sign-in's answer does not belong to this sign-in",
        ));
    }
    Ok(answer)
}

/// 256 random bits, as text.
fn random() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    ring::rand::SystemRandom::new()
        .fill(bytes.as_mut())
        .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
    Ok(Zeroizing::new(BASE64_URL.encode(bytes.as_ref())))
}
