//! Microsoft Graph: single reads, collections read page by page ahead of the reader.

use super::budget::{Budget, Workload};
use super::error::{AskError, Attempts, document, expect_json, not_too_long};
use super::http::Http;
use super::page::{Page, Rows, Sink, Sinks};
use super::service::Service;
use crate::error::Error;
use crate::panics;
use crate::session::tokens::{Audience, Tokens};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Position;

/// The next link stands within so many bytes of a page's beginning.
const HEAD: usize = 4 * 1024;
/// So many pages of a list are read at once, one on each of the runtime's threads.
const AT_ONCE: usize = 2;

/// Short lists are of no more pages. Who may read a long one says when to end.
const SHORT: u64 = 1_000;

/// A tenant's Graph.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(super) service: Service,
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
    /// Whether a list is wanted with all its pages.
    pub whole: bool,
}

impl Ask {
    fn new(path: impl Into<String>, workload: Workload, units: u32) -> Self {
        Ask {
            path: path.into(),
            workload,
            units,
            eventual: false,
            whole: true,
        }
    }

    /// A read of directory objects; no short one costs more than this.
    pub fn directory(path: impl Into<String>) -> Self {
        Ask::new(path, Workload::Directory, 3)
    }

    /// A read of a report or of the audit log.
    pub fn report(path: impl Into<String>) -> Self {
        Ask::new(path, Workload::Reports, 1)
    }

    /// A read of Conditional Access.
    pub fn conditional_access(path: impl Into<String>) -> Self {
        Ask::new(path, Workload::ConditionalAccess, 1)
    }

    /// The same at another cost.
    pub fn costing(mut self, units: u32) -> Self {
        self.units = units;
        self
    }

    /// The first page of a list only, where it is one part of a batch.
    pub fn first_page(mut self) -> Self {
        self.whole = false;
        self
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
            service: Service {
                http,
                tokens,
                audience: Audience::Graph,
                base,
                budget,
            },
        }
    }

    /// By how many seconds the service's clock was ahead of this machine's in its last answer.
    pub fn ahead(&self) -> i64 {
        self.service.http.ahead()
    }

    /// Reads one resource.
    pub async fn get<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, AskError> {
        let url = self.service.url(&ask.path)?;
        let mut token = self.service.token().await?;
        let request = || self.request(Method::GET, url.clone(), ask.eventual);
        let costs = [(ask.workload, ask.units)];
        document(self.service.read(&mut token, &request, &costs).await?)
    }

    /// Writes a resource; a body makes or changes, none deletes. Sent once.
    pub async fn write(&self, method: Method, ask: &Ask, body: Option<&Value>) -> Result<(), AskError> {
        let url = self.service.url(&ask.path)?;
        let body = body.map(Value::to_string);
        let request = || match &body {
            Some(body) => self.sending(method.clone(), url.clone(), body),
            None => self.request(method.clone(), url.clone(), false),
        };
        self.service.write(&request, &[(ask.workload, ask.units)]).await
    }

    /// Reads one page of a collection: its entries, and the question for the next page.
    pub async fn page_of(&self, ask: &Ask) -> Result<(Vec<Value>, Option<Ask>), AskError> {
        let mut page: Value = self.get(ask).await?;
        let Value::Array(entries) = page["value"].take() else {
            return Err(AskError::Answer("the answer is not a documented collection".into()));
        };
        let Some(link) = page["@odata.nextLink"].as_str() else {
            return Ok((entries, None));
        };
        let url = self.checked_link(link)?;
        let path = &url[Position::BeforePath..];
        let below = self.service.base.path().trim_end_matches('/');
        let path = path.strip_prefix(below).unwrap_or(path).to_string();
        Ok((entries, Some(Ask { path, ..ask.clone() })))
    }

    /// Reads a short collection whole.
    pub async fn list<T: DeserializeOwned + Send + 'static>(&self, ask: &Ask) -> Result<Vec<T>, AskError> {
        self.short(self.service.url(&ask.path)?, ask).await
    }

    /// The same from one page on.
    pub(super) async fn short<T: DeserializeOwned + Send + 'static>(
        &self,
        first: Url,
        ask: &Ask,
    ) -> Result<Vec<T>, AskError> {
        let mut rows = Vec::<T>::new();
        match self.pages(first, ask, &mut rows, &mut |pages| pages < SHORT).await? {
            true => Ok(rows),
            false => Err(AskError::Answer(format!(
                "a short list has no end: {SHORT} pages were read"
            ))),
        }
    }

    /// Streams a collection. The next page is asked for as soon as its link is there, and read beside this one, while both
    /// are still arriving. `go_on` is asked before each further page, with the number of those before it; false ends the
    /// reading early. Returns whether those were all pages; what was taken before an error counts.
    pub async fn rows<R: Rows>(
        &self,
        ask: &Ask,
        rows: &mut R,
        mut go_on: impl FnMut(u64) -> bool + Send,
    ) -> Result<bool, AskError> {
        self.pages(self.service.url(&ask.path)?, ask, rows, &mut go_on).await
    }

    /// The same from one page on.
    async fn pages(
        &self,
        first: Url,
        ask: &Ask,
        rows: &mut dyn Sinks,
        go_on: &mut (dyn FnMut(u64) -> bool + Send),
    ) -> Result<bool, AskError> {
        let mut seen = HashSet::new();
        let mut reading = VecDeque::new();
        let mut outcome = Ok(true);
        let mut next = Some(first);
        for pages in 1.. {
            let Some(url) = next.take() else { break };
            if !seen.insert(url.to_string()) {
                outcome = Err(AskError::Answer("the pages lead in a circle".into()));
                break;
            }
            let request = Running::start(self.clone().asked(url.clone(), ask.clone()));
            if reading.len() == AT_ONCE
                && let Some(oldest) = reading.pop_front()
                && let Err(error) = taken(rows, oldest).await
            {
                outcome = Err(error);
                break;
            }
            let (tell, told) = oneshot::channel();
            let page = self.clone().page(url, ask.clone(), request, rows.sink(), tell);
            reading.push_back(Running::start(page));
            // Nothing is told of the last page, nor of one that could not be read.
            if let Ok(link) = told.await {
                match go_on(pages) {
                    true => next = Some(link),
                    false => outcome = Ok(false),
                }
            }
        }
        for page in reading {
            let read = taken(rows, page).await;
            outcome = outcome.and_then(|whole| read.map(|()| whole));
        }
        outcome
    }

    /// Reads one page, if need be several times. As soon as the next one's link is known, it is told.
    async fn page(
        self,
        url: Url,
        ask: Ask,
        request: Running<Result<Response, AskError>>,
        mut entries: Box<dyn Sink>,
        tell: oneshot::Sender<Url>,
    ) -> (Box<dyn Sink>, Result<(), AskError>) {
        let mut attempts = Attempts::default();
        let mut tell = Some(tell);
        let mut response = request.end().await;
        loop {
            let read = match response {
                Ok(response) => self.read(response, &mut *entries, &mut tell).await,
                Err(error) => return (entries, Err(error)),
            };
            let Err(error) = read else { return (entries, Ok(())) };
            entries.discard();
            if let Err(error) = attempts.after(error).await {
                return (entries, Err(error));
            }
            response = self.open(&url, &ask).await;
        }
    }

    async fn read(
        &self,
        mut response: Response,
        entries: &mut dyn Sink,
        tell: &mut Option<oneshot::Sender<Url>>,
    ) -> Result<(), AskError> {
        expect_json(&response)?;
        let reading = self.service.http.reading(&response);
        let whole = async {
            let (mut page, mut length) = (Page::default(), 0);
            while let Some(mut chunk) = response.chunk().await.map_err(|e| reading.broke(e))? {
                length += chunk.len();
                not_too_long(length)?;
                // The head alone first, so that the next page is asked for before the entries of this one are read.
                if page.next_link.is_none() && tell.is_some() {
                    entries.feed(&mut page, &chunk.split_to(HEAD.min(chunk.len())))?;
                    self.tell(&page, tell)?;
                    // Whoever was told asks at once, then this thread reads on.
                    tokio::task::yield_now().await;
                }
                entries.feed(&mut page, &chunk)?;
            }
            page.finish()?;
            self.tell(&page, tell)
        };
        reading.whole(whole).await
    }

    /// Tells the next page's link, once, when it has come.
    fn tell(&self, page: &Page, tell: &mut Option<oneshot::Sender<Url>>) -> Result<(), AskError> {
        if let Some(link) = &page.next_link {
            let url = self.checked_link(link)?;
            if let Some(tell) = tell.take() {
                // Nobody listens where the reading was ended.
                let _ = tell.send(url);
            }
        }
        Ok(())
    }

    async fn asked(self, url: Url, ask: Ask) -> Result<Response, AskError> {
        self.open(&url, &ask).await
    }

    async fn open(&self, url: &Url, ask: &Ask) -> Result<Response, AskError> {
        let mut token = self.service.token().await?;
        let request = || self.request(Method::GET, url.clone(), ask.eventual);
        self.service
            .send(&mut token, &request, &[(ask.workload, ask.units)])
            .await
    }

    /// A link is followed only to the host that it came from: it is sent with the token.
    pub(super) fn checked_link(&self, link: &str) -> Result<Url, AskError> {
        let url = Url::parse(link).map_err(|_| AskError::Answer("the next page's link is not an address".into()))?;
        if url.origin() == self.service.base.origin() {
            Ok(url)
        } else {
            Err(AskError::ForeignLink(url.host_str().unwrap_or("?").into()))
        }
    }

    /// A request with a document.
    pub(super) fn sending(&self, method: Method, url: Url, body: &str) -> Request {
        let mut request = self.request(method, url, false);
        let kind = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(body.to_string().into());
        request
    }

    pub(super) fn request(&self, method: Method, url: Url, eventual: bool) -> Request {
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
}

/// Takes over a page when it has been read.
async fn taken(rows: &mut dyn Sinks, page: Running<(Box<dyn Sink>, Result<(), AskError>)>) -> Result<(), AskError> {
    let (entries, read) = page.end().await;
    rows.take_over(entries);
    read
}

/// Work under way on any of the runtime's threads, which ends when nobody waits for it any more.
struct Running<T>(JoinHandle<Result<T, Error>>);

impl<T: Send + 'static> Running<T> {
    fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        // Caught where it happens: only that thread knows the place.
        Running(tokio::spawn(panics::caught_future(work)))
    }

    /// Waits for its end. A panic goes on here, where the task's own guard catches it.
    async fn end(mut self) -> T {
        match (&mut self.0).await {
            Ok(Ok(end)) => end,
            Ok(Err(caught)) => panics::go_on(caught),
            // The runtime ends, and with it this task.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
