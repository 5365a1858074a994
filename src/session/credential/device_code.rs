//! A person signs in with a code, on any device.

use super::issuer::{TokenAnswer, TokenError};
use super::person::Asking;
use crate::error::{Error, Result};
use crate::status::Status;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How much longer a service wants to be left alone that says `slow_down`.
const SLOWER: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Start {
    device_code: Zeroizing<String>,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default = "lifetime")]
    expires_in: u64,
    #[serde(default = "interval")]
    interval: u64,
    #[serde(default)]
    message: String,
}

fn lifetime() -> u64 {
    900
}

fn interval() -> u64 {
    5
}

/// Signs a person in.
pub(crate) async fn sign_in(asking: &Asking<'_>) -> Result<TokenAnswer> {
    // What the person must meet is settled here, where the sign-in begins; the polls say it again.
    let claims = asking.claims.map(|claims| ("claims", claims));
    let mut form = vec![("client_id", asking.client_id), ("scope", asking.scope)];
    form.extend(claims);
    let start: Start = asking.issuer.post(asking.issuer.url("devicecode")?, &form).await?;
    let lifetime = Duration::from_secs(start.expires_in.clamp(1, 3600));
    let end = Instant::now() + lifetime;
    let message = if start.message.is_empty() {
        format!(
            "Open {} and enter the code {}.",
            start.verification_uri, start.user_code
        )
    } else {
        start.message.chars().filter(|c| !c.is_control()).collect()
    };
    asking
        .task
        .sign_in(json!({
            "method": "deviceCode", "service": asking.service.name(), "message": message,
            "userCode": start.user_code, "verificationUri": start.verification_uri, "expiresIn": lifetime.as_secs(),
        }))
        .await;
    let mut form = vec![
        ("client_id", asking.client_id),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", start.device_code.as_str()),
    ];
    form.extend(claims);
    let mut interval = Duration::from_secs(start.interval.clamp(1, 60));
    loop {
        if Instant::now() + interval >= end {
            tokio::time::sleep_until(end).await;
            return Err(late(lifetime));
        }
        tokio::time::sleep(interval).await;
        match asking.issuer.ask(&form).await {
            Ok(answer) => return Ok(answer),
            Err(TokenError::Refused(refusal)) => match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval += SLOWER,
                "expired_token" | "code_expired" => return Err(late(lifetime)),
                _ => return Err(refusal.error()),
            },
            // The person is still busy on the other device; a network that comes back is in time.
            Err(TokenError::Failed(error)) if error.retryable => {
                asking.task.log(&format!("{error}; it is asked again"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn late(lifetime: Duration) -> Error {
    Error::new(
        Status::SignInTimeout,
        format!("nobody entered the code within {} s", lifetime.as_secs()),
    )
    .help("Start it again; the code is good once and for minutes only.")
    .retryable()
}
