//! The portal's back end: undocumented, a person's token only, read only here.

use super::budget::{Budget, Workload};
use super::error::{AskError, claims_challenge, decode, header, refused};
use super::http::{Http, HttpError};
use crate::session::tokens::{Audience, Tokens};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A tenant's portal back end.
#[derive(Clone, Debug)]
pub struct Portal {
    http: Http,
    tokens: Arc<Tokens>,
    base: Url,
    budget: Budget,
}

impl Portal {
    /// The back end of the tenant that a person signed in to.
    pub fn new(http: Http, tokens: Arc<Tokens>, base: Url, budget: Budget) -> Self {
        Portal {
            http,
            tokens,
            base,
            budget,
        }
    }

    /// Reads one object, by its path below `/api/`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let text = format!("{}/api/{path}", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|e| AskError::Answer(format!("{path}: {e}")))?;
        let mut token = self.tokens.get(&Audience::Portal).await?;
        for renewed in [false, true] {
            let mut request = Request::new(Method::GET, url.clone());
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let not_text = |_| AskError::Answer("the token is not one".into());
            // The back end answers only with a fresh id.
            headers.insert(
                "x-ms-client-request-id",
                HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).map_err(not_text)?,
            );
            let mut bearer =
                HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", token.secret()))).map_err(not_text)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
            match self.http.send(request, || self.budget.spend(Workload::Portal, 1)).await {
                Ok(response) => return decode(response).await,
                Err(HttpError::Status { status, headers, .. }) if status.as_u16() == 401 && !renewed => {
                    token = self
                        .tokens
                        .renew(&Audience::Portal, &token, claims_challenge(&headers).as_deref())
                        .await?;
                }
                Err(HttpError::Status {
                    status, headers, body, ..
                }) => {
                    let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
                    return Err(refused(status.as_u16(), &body, header(&headers, "x-ms-request-id")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(AskError::Answer("no token was accepted".into()))
    }
}
