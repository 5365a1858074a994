//! The portal's back end: undocumented, a person's token only.

use super::budget::{Budget, Workload};
use super::error::{AskError, document};
use super::http::Http;
use super::service::Service;
use crate::session::tokens::{Audience, Tokens};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// A tenant's portal back end.
#[derive(Clone, Debug)]
pub struct Portal(Service);

impl Portal {
    /// The back end of the tenant that a person signed in to.
    pub fn new(http: Http, tokens: Arc<Tokens>, base: Url, budget: Budget) -> Self {
        Portal(Service {
            http,
            tokens,
            audience: Audience::Portal,
            base,
            budget,
        })
    }

    /// Reads one object, by its path below `/api/`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let request = self.request(Method::GET, path, None)?;
        let mut token = self.0.token().await?;
        document(self.0.read(&mut token, &request, &[(Workload::Portal, 1)]).await?)
    }

    /// Puts an object in the place of another one. Sent once.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(), AskError> {
        let request = self.request(Method::PUT, path, Some(body.to_string()))?;
        self.0.write(&request, &[(Workload::Portal, 1)]).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<impl Fn() -> Request + Sync + use<>, AskError> {
        let url = self.0.url(&format!("/api/{path}"))?;
        Ok(move || {
            let mut request = Request::new(method.clone(), url.clone());
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // The back end answers only with a fresh id.
            if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
                headers.insert("x-ms-client-request-id", id);
            }
            *request.body_mut() = body.clone().map(Into::into);
            request
        })
    }
}
