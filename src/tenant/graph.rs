//! Microsoft Graph: single reads, batches of 20, collections read page by page ahead of the reader.

use super::budget::{Budget, Workload};
use super::error::{AskError, claims_challenge, decode, expect_json, header, may_retry, refused};
use super::http::{Http, HttpError, retry_after, transport};
use super::page::{Collect, Page, Rows};
use crate::session::tokens::{Audience, Tokens};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How often a page that broke off is read again.
const PAGE_ATTEMPTS: u32 = 4;
/// The next link stands within so many bytes of a page's beginning.
const HEAD: usize = 4 * 1024;
/// From this length on, a chunk takes longer to read than to hand over a thread's work.
const LONG: usize = 32 * 1024;
/// How many parts a batch may have.
const BATCH: usize = 20;
/// How often throttled parts of a batch are asked for again.
const BATCH_ATTEMPTS: u32 = 4;

/// A tenant's Graph.
#[derive(Clone, Debug)]
pub struct Graph {
    http: Http,
    tokens: Arc<Tokens>,
    base: Url,
    budget: Budget,
}

/// A question to Graph.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Path and query below the root, with the version: `/v1.0/organization`.
    pub path: String,
    /// What it counts against.
    pub workload: Workload,
    /// What it costs there.
    pub units: u32,
    /// Whether it needs `ConsistencyLevel: eventual`.
    pub eventual: bool,
}

impl Ask {
    /// A read of directory objects.
    pub fn directory(path: impl Into<String>) -> Self {
        Ask {
            path: path.into(),
            workload: Workload::Directory,
            units: 3,
            eventual: false,
        }
    }

    /// A read of a report or of the audit log.
    pub fn report(path: impl Into<String>) -> Self {
        Ask {
            path: path.into(),
            workload: Workload::Reports,
            units: 1,
            eventual: false,
        }
    }

    /// A read of Conditional Access.
    pub fn conditional_access(path: impl Into<String>) -> Self {
        Ask {
            path: path.into(),
            workload: Workload::ConditionalAccess,
            units: 1,
            eventual: false,
        }
    }

    /// An advanced query.
    pub fn eventual(mut self) -> Self {
        self.eventual = true;
        self
    }
}

impl Graph {
    /// The Graph of a tenant that a session is signed in to.
    pub fn new(http: Http, tokens: Arc<Tokens>, base: Url, budget: Budget) -> Self {
        Graph {
            http,
            tokens,
            base,
            budget,
        }
    }

    /// Reads one resource.
    pub async fn get<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, AskError> {
        let request = self.request(Method::GET, self.url(&ask.path)?, ask.eventual);
        let response = self.send(request, ask.workload, ask.units).await?;
        decode(response).await
    }

    /// Reads a short collection whole.
    pub async fn list<T: DeserializeOwned + Send>(&self, ask: &Ask) -> Result<Vec<T>, AskError> {
        let mut rows = Collect::<T>::default();
        self.rows(ask, &mut rows, |_| true).await?;
        Ok(rows.items)
    }

    /// Streams a collection. The next page is asked for as soon as its link is there, while this one is still arriving.
    /// `go_on` is asked after each page, with the number of pages read; false ends the reading early. Returns the number
    /// of pages, and whether that were all.
    pub async fn rows<R: Rows>(
        &self,
        ask: &Ask,
        rows: &mut R,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<(u64, bool), AskError> {
        let mut url = self.url(&ask.path)?;
        let mut seen = HashSet::new();
        let mut ahead: Option<Ahead> = None;
        let mut pages = 0;
        loop {
            if !seen.insert(url.to_string()) {
                return Err(AskError::Answer("the pages lead in a circle".into()));
            }
            let mut next = None;
            let mut attempt = 0;
            loop {
                attempt += 1;
                let response = match ahead.take() {
                    Some(request) => request.answer().await?,
                    None => self.open(&url, ask).await?,
                };
                match self.page(response, ask, rows, &mut next, &mut go_on, pages).await {
                    Ok(()) => break,
                    Err(error) if attempt >= PAGE_ATTEMPTS || !may_retry(&error) => {
                        rows.discard();
                        return Err(error);
                    }
                    Err(_) => {
                        rows.discard();
                        next = None;
                        tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                    }
                }
            }
            rows.commit();
            pages += 1;
            match next {
                None => return Ok((pages, true)),
                Some((_, None)) => return Ok((pages, false)),
                Some((link, request)) => {
                    url = link;
                    ahead = request;
                }
            }
        }
    }

    /// Reads one page; as soon as the next one's link is known, asks for it.
    async fn page<R: Rows>(
        &self,
        mut response: Response,
        ask: &Ask,
        rows: &mut R,
        next: &mut Option<(Url, Option<Ahead>)>,
        go_on: &mut impl FnMut(u64) -> bool,
        pages: u64,
    ) -> Result<(), AskError> {
        let host = response.url().host_str().unwrap_or_default().to_string();
        expect_json(&response)?;
        let mut page = Page::default();
        while let Some(mut chunk) = response
            .chunk()
            .await
            .map_err(|e| transport(&host, e, Duration::ZERO))?
        {
            // The head alone first, so that the next page is asked for before the entries of this one are read.
            if next.is_none() {
                page.feed(&chunk.split_to(HEAD.min(chunk.len())), rows)?;
                self.ask_ahead(&mut page, ask, next, go_on, pages)?;
            }
            // A long chunk is read beside the connection, which another thread goes on to serve meanwhile.
            if chunk.len() >= LONG {
                tokio::task::block_in_place(|| page.feed(&chunk, rows))?;
            } else {
                page.feed(&chunk, rows)?;
            }
        }
        page.finish()?;
        self.ask_ahead(&mut page, ask, next, go_on, pages)
    }

    /// Asks for the next page when its link has come.
    fn ask_ahead(
        &self,
        page: &mut Page,
        ask: &Ask,
        next: &mut Option<(Url, Option<Ahead>)>,
        go_on: &mut impl FnMut(u64) -> bool,
        pages: u64,
    ) -> Result<(), AskError> {
        if next.is_none()
            && let Some(link) = page.next_link.take()
        {
            let url = self.checked_link(&link)?;
            let request = go_on(pages + 1).then(|| {
                let (graph, url, ask) = (self.clone(), url.clone(), ask.clone());
                Ahead(tokio::spawn(async move { graph.open(&url, &ask).await }))
            });
            *next = Some((url, request));
        }
        Ok(())
    }

    async fn open(&self, url: &Url, ask: &Ask) -> Result<Response, AskError> {
        self.send(
            self.request(Method::GET, url.clone(), ask.eventual),
            ask.workload,
            ask.units,
        )
        .await
    }

    /// Asks many questions at once, 20 in a request; each has its own answer. Throttled parts are asked for again.
    pub async fn batch(&self, asks: &[Ask]) -> Vec<Result<Value, AskError>> {
        let mut answers: Vec<Option<Result<Value, AskError>>> = asks.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..asks.len()).collect();
        for attempt in 1..=BATCH_ATTEMPTS {
            let mut wait = Duration::ZERO;
            // A batch has one version; its parts are written below it.
            open.sort_by_key(|&i| version(&asks[i].path));
            let chunks: Vec<&[usize]> = open
                .chunk_by(|&a, &b| version(&asks[a].path) == version(&asks[b].path))
                .flat_map(|c| c.chunks(BATCH))
                .collect();
            let results = futures_util::future::join_all(chunks.iter().map(|chunk| self.batch_once(asks, chunk))).await;
            let mut again = Vec::new();
            for (chunk, result) in chunks.into_iter().zip(results) {
                match result {
                    Err(error) => {
                        let error = Arc::new(error);
                        for &index in chunk {
                            answers[index] = Some(Err(error.copy()));
                        }
                    }
                    Ok(parts) => {
                        for (index, part, asked) in parts {
                            let busy = matches!(
                                &part,
                                Err(AskError::Refused {
                                    status: 429 | 502 | 503 | 504,
                                    ..
                                })
                            );
                            if busy && attempt < BATCH_ATTEMPTS {
                                let pause =
                                    asked.unwrap_or(Duration::from_millis((500 << attempt) + fastrand::u64(0..250)));
                                wait = wait.max(pause.min(Duration::from_secs(60)));
                                again.push(index);
                            }
                            answers[index] = Some(part);
                        }
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(wait).await;
            again.sort_unstable();
            open = again;
        }
        answers
            .into_iter()
            .map(|a| a.unwrap_or_else(|| Err(AskError::Answer("the batch left this part unanswered".into()))))
            .collect()
    }

    async fn batch_once(&self, asks: &[Ask], chunk: &[usize]) -> Result<Vec<Part>, AskError> {
        let root = chunk.first().map_or("v1.0", |&i| version(&asks[i].path));
        let requests: Vec<Value> = chunk
            .iter()
            .map(|&index| {
                let ask = &asks[index];
                let url = ask.path.trim_start_matches('/').strip_prefix(root).unwrap_or(&ask.path);
                let mut part = serde_json::json!({"id": index.to_string(), "method": "GET", "url": url});
                if ask.eventual {
                    part["headers"] = serde_json::json!({"ConsistencyLevel": "eventual"});
                }
                part
            })
            .collect();
        let mut request = self.request(Method::POST, self.url(&format!("/{root}/$batch"))?, false);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(serde_json::json!({ "requests": requests }).to_string().into());
        for &index in chunk {
            self.budget.spend(asks[index].workload, asks[index].units).await;
        }
        let response = self.send(request, Workload::Tokens, 1).await?;
        let envelope: Envelope = decode(response).await?;
        let mut parts = Vec::with_capacity(chunk.len());
        for answer in envelope.responses {
            let Some(index) = answer.id.parse::<usize>().ok().filter(|i| chunk.contains(i)) else {
                continue;
            };
            let asked = answer
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
                .and_then(|(_, value)| {
                    let mut headers = HeaderMap::new();
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
                    headers.insert(reqwest::header::RETRY_AFTER, HeaderValue::from_str(&text).ok()?);
                    retry_after(&headers)
                });
            let part = if (200..300).contains(&answer.status) {
                Ok(answer.body)
            } else {
                Err(refused(answer.status, &answer.body, None))
            };
            parts.push((index, part, asked));
        }
        Ok(parts)
    }

    fn url(&self, path: &str) -> Result<Url, AskError> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|e| AskError::Answer(format!("{path}: {e}")))
    }

    /// A link is followed only to the host that it came from: it is sent with the token.
    fn checked_link(&self, link: &str) -> Result<Url, AskError> {
        let url = Url::parse(link).map_err(|_| AskError::Answer("the next page's link is not an address".into()))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(AskError::ForeignLink(url.host_str().unwrap_or("?").into()))
        }
    }

    fn request(&self, method: Method, url: Url, eventual: bool) -> Request {
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            headers.insert("client-request-id", id);
        }
        if eventual {
            headers.insert("ConsistencyLevel", HeaderValue::from_static("eventual"));
        }
        request
    }

    /// Sends with the session's token; after one 401 with a new one, answering a claims challenge where there is one.
    async fn send(&self, request: Request, workload: Workload, units: u32) -> Result<Response, AskError> {
        let mut token = self.tokens.get(&Audience::Graph).await?;
        for renewed in [false, true] {
            let mut attempt = request
                .try_clone()
                .ok_or_else(|| AskError::Answer("the request cannot be repeated".into()))?;
            let mut bearer = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", token.secret())))
                .map_err(|_| AskError::Answer("the token is not one".into()))?;
            bearer.set_sensitive(true);
            attempt.headers_mut().insert(AUTHORIZATION, bearer);
            let error = match Box::pin(self.http.send(attempt, || self.budget.spend(workload, units))).await {
                Ok(response) => return Ok(response),
                Err(HttpError::Status {
                    status, headers, body, ..
                }) => {
                    let claims = claims_challenge(&headers);
                    let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
                    let mut error = refused(status.as_u16(), &body, header(&headers, "request-id"));
                    if let AskError::Refused { claims: slot, .. } = &mut error {
                        slot.clone_from(&claims);
                    }
                    if renewed || status != StatusCode::UNAUTHORIZED {
                        return Err(error);
                    }
                    token = self.tokens.renew(&Audience::Graph, &token, claims.as_deref()).await?;
                    continue;
                }
                Err(error) => error,
            };
            return Err(error.into());
        }
        Err(AskError::Answer("no token was accepted".into()))
    }
}

/// The API version that a path begins with.
fn version(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or("v1.0")
}

type Part = (usize, Result<Value, AskError>, Option<Duration>);

/// A request under way that ends when nobody waits for it any more.
struct Ahead(tokio::task::JoinHandle<Result<Response, AskError>>);

impl Ahead {
    async fn answer(mut self) -> Result<Response, AskError> {
        match (&mut self.0).await {
            Ok(result) => result,
            Err(error) => Err(AskError::Answer(format!("the request was given up: {error}"))),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Deserialize)]
struct Envelope {
    responses: Vec<BatchAnswer>,
}

#[derive(Deserialize)]
struct BatchAnswer {
    id: String,
    status: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Value,
}
