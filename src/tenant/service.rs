//! A service that is asked with a session's token: each request within its budget, refused tokens renewed, answers read whole.

use super::budget::{Budget, Workload};
use super::error::{AskError, Attempts, refused, whole};
use super::http::{Http, HttpError, request_id};
use crate::json;
use crate::session::tokens::{Audience, Token, Tokens};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Request, Response, Url};
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

/// One service of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub http: Http,
    pub tokens: Arc<Tokens>,
    pub audience: Audience,
    pub base: Url,
    pub budget: Budget,
}

impl Service {
    /// An address below the service's root.
    pub fn url(&self, path: &str) -> Result<Url, AskError> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|e| AskError::Answer(format!("{path}: {e}")))
    }

    /// The session's token for the service.
    pub async fn token(&self) -> Result<Token, AskError> {
        Ok(self.tokens.get(&self.audience).await?)
    }

    /// Another token in place of one that was refused.
    pub async fn renew(&self, token: &Token, refusal: &AskError) -> Result<Token, AskError> {
        Ok(self.tokens.renew(&self.audience, token, refusal.claims()).await?)
    }

    /// Asks until an answer was read whole; each request costs so much.
    pub async fn read(
        &self,
        token: &mut Token,
        request: &(dyn Fn() -> Request + Sync),
        costs: &[(Workload, u32)],
    ) -> Result<Value, AskError> {
        let mut attempts = Attempts::default();
        loop {
            let response = self.send(token, request, costs).await?;
            match whole(&self.http, response).await {
                Ok(value) => return Ok(value),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    /// Sends with a token; where that is refused once more with a new one, which then takes its place.
    pub async fn send(
        &self,
        token: &mut Token,
        request: &(dyn Fn() -> Request + Sync),
        costs: &[(Workload, u32)],
    ) -> Result<Response, AskError> {
        let mut renewed = false;
        loop {
            let mut attempt = request();
            let mut bearer = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", token.secret())))
                .map_err(|_| AskError::Answer("the token is not one".into()))?;
            bearer.set_sensitive(true);
            attempt.headers_mut().insert(AUTHORIZATION, bearer);
            let own = request_id(attempt.headers());
            let sending = self.http.send(attempt, || self.budget.spend(costs));
            match Box::pin(sending).await {
                Ok(response) => return Ok(response),
                Err(HttpError::Status {
                    status, headers, body, ..
                }) => {
                    let body: Value = json::read(&body).unwrap_or(Value::Null);
                    let mut refusal = refused(status.as_u16(), &body, &headers);
                    if let AskError::Refused { request_id, .. } = &mut refusal {
                        *request_id = request_id.take().or(own);
                    }
                    if renewed || !refusal.wants_token() {
                        return Err(refusal);
                    }
                    *token = self.renew(token, &refusal).await?;
                    renewed = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes once, and reads nothing of the answer but that it was taken: whether it was done is seen by looking.
    pub async fn write(
        &self,
        request: &(dyn Fn() -> Request + Sync),
        costs: &[(Workload, u32)],
    ) -> Result<(), AskError> {
        let once = Service {
            http: self.http.once(),
            ..self.clone()
        };
        let mut token = once.token().await?;
        once.send(&mut token, request, costs).await.map(drop)
    }
}
