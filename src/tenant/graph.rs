//! Microsoft Graph: single reads, collections read page by page ahead of the reader.

use super::budget::{Budget, Workload};
use super::error::{AskError, Attempts, expect_json};
use super::http::Http;
use super::page::{Collect, Page, Rows};
use super::service::Service;
use crate::session::tokens::{Audience, Tokens};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::Arc;

/// The next link stands within so many bytes of a page's beginning.
const HEAD: usize = 4 * 1024;
/// From this length on, a chunk takes longer to read than to hand over a thread's work.
const LONG: usize = 32 * 1024;

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

    /// Reads one resource.
    pub async fn get<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, AskError> {
        let url = self.service.url(&ask.path)?;
        let mut token = self.service.token().await?;
        let request = || self.request(Method::GET, url.clone(), ask.eventual);
        self.service
            .read(&mut token, request, &[(ask.workload, ask.units)])
            .await
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
        go_on: impl FnMut(u64) -> bool,
    ) -> Result<(u64, bool), AskError> {
        self.pages(self.service.url(&ask.path)?, ask, rows, go_on).await
    }

    /// The same from one page on.
    pub(super) async fn pages<R: Rows>(
        &self,
        mut url: Url,
        ask: &Ask,
        rows: &mut R,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<(u64, bool), AskError> {
        let mut seen = HashSet::new();
        let mut ahead: Option<Ahead> = None;
        let mut pages = 0;
        loop {
            if !seen.insert(url.to_string()) {
                return Err(AskError::Answer("the pages lead in a circle".into()));
            }
            let mut next = None;
            let mut attempts = Attempts::default();
            loop {
                let response = match ahead.take() {
                    Some(request) => request.answer().await?,
                    None => self.open(&url, ask).await?,
                };
                match self.page(response, ask, rows, &mut next, &mut go_on, pages).await {
                    Ok(()) => break,
                    Err(error) => {
                        rows.discard();
                        next = None;
                        attempts.after(error).await?;
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
        expect_json(&response)?;
        let reading = self.service.http.reading(&response);
        let whole = async {
            let mut page = Page::default();
            while let Some(mut chunk) = response.chunk().await.map_err(|e| reading.broke(e))? {
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
        };
        reading.whole(whole).await
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
        let mut token = self.service.token().await?;
        let request = || self.request(Method::GET, url.clone(), ask.eventual);
        self.service
            .send(&mut token, request, &[(ask.workload, ask.units)])
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
