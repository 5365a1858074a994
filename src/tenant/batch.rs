//! Graph's `$batch`: 20 questions in a request, each with its own answer; a list that goes on is read on.

use super::error::{AskError, document, refused};
use super::graph::{Ask, Graph};
use super::http::HttpError;
use super::wait::retry_after;
use crate::session::tokens::Token;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many parts a batch may have.
const MOST: usize = 20;
/// How often throttled parts of a batch are asked for again.
const ATTEMPTS: u32 = 4;

/// What came of one part.
type Outcome = Result<Value, AskError>;

/// One part's answer as it came.
struct Part {
    index: usize,
    outcome: Outcome,
    /// The wait that was asked for.
    asked: Option<Duration>,
}

impl Graph {
    /// Asks many questions at once; each has its own answer. Throttled parts are asked for again, and so are those whose
    /// token was refused, once. A list comes whole, unless the question is for its first page.
    pub async fn batch(&self, asks: &[Ask]) -> Vec<Outcome> {
        let mut answers: Vec<Option<Outcome>> = asks.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..asks.len()).collect();
        let mut renewed = BTreeSet::new();
        for attempt in 1..=ATTEMPTS {
            // A batch has one version; its parts are written below it.
            open.sort_by_key(|&i| (version(&asks[i].path), i));
            let chunks: Vec<&[usize]> = open
                .chunk_by(|&a, &b| version(&asks[a].path) == version(&asks[b].path))
                .flat_map(|c| c.chunks(MOST))
                .collect();
            let rounds = chunks.iter().map(|chunk| self.round(asks, chunk, &renewed));
            let (mut again, mut wait) = (Vec::new(), Duration::ZERO);
            for part in join_all(rounds).await.into_iter().flatten() {
                let Part {
                    index,
                    mut outcome,
                    asked,
                } = part;
                let (busy, wants_token) = match &outcome {
                    Err(error @ AskError::Refused { status, .. }) => {
                        (matches!(status, 429 | 502 | 503 | 504), error.wants_token())
                    }
                    _ => (false, false),
                };
                if wants_token && attempt < ATTEMPTS && renewed.insert(index) {
                    again.push(index);
                } else if busy && attempt < ATTEMPTS {
                    let pause = asked.unwrap_or(Duration::from_millis((500 << attempt) + fastrand::u64(0..250)));
                    if self.service.http.has_time_for(pause) {
                        wait = wait.max(pause);
                        again.push(index);
                    } else if asked.is_some() {
                        outcome = outcome.map_err(|error| self.throttled(error, pause));
                    }
                }
                answers[index] = Some(outcome);
            }
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(wait).await;
            open = again;
        }
        let answers = answers
            .into_iter()
            .map(|a| a.unwrap_or_else(|| Err(AskError::Answer("the batch left this part unanswered".into()))));
        join_all(asks.iter().zip(answers).map(async |(ask, answer)| match answer {
            Ok(value) if ask.whole => self.go_on(ask, value).await,
            other => other,
        }))
        .await
    }

    /// One batch. What its parts were refused for want of a token is answered with a new one, for the next round.
    async fn round(&self, asks: &[Ask], chunk: &[usize], renewed: &BTreeSet<usize>) -> Vec<Part> {
        let all = |error: AskError| {
            let part = |&index| Part {
                index,
                outcome: Err(error.clone()),
                asked: None,
            };
            chunk.iter().map(part).collect()
        };
        let mut token = match self.service.token().await {
            Ok(token) => token,
            Err(error) => return all(error),
        };
        let mut parts = match self.once(&mut token, asks, chunk).await {
            Ok(parts) => parts,
            Err(error) => return all(error),
        };
        for part in parts.iter_mut().filter(|part| !renewed.contains(&part.index)) {
            if let Err(refusal) = &part.outcome
                && refusal.wants_token()
            {
                match self.service.renew(&token, refusal).await {
                    Ok(_) => {}
                    Err(error) => part.outcome = Err(error),
                }
            }
        }
        parts
    }

    async fn once(&self, token: &mut Token, asks: &[Ask], chunk: &[usize]) -> Result<Vec<Part>, AskError> {
        let root = chunk.first().map_or("v1.0", |&i| version(&asks[i].path));
        let requests: Vec<Value> = chunk
            .iter()
            .map(|&index| {
                let ask = &asks[index];
                let url = ask.path.trim_start_matches('/').strip_prefix(root).unwrap_or(&ask.path);
                let mut part = json!({"id": index.to_string(), "method": "GET", "url": url});
                if ask.eventual {
                    part["headers"] = json!({"ConsistencyLevel": "eventual"});
                }
                part
            })
            .collect();
        let url = self.service.url(&format!("/{root}/$batch"))?;
        let body = json!({ "requests": requests }).to_string();
        let request = || self.sending(Method::POST, url.clone(), &body);
        let costs: Vec<_> = chunk.iter().map(|&i| (asks[i].workload, asks[i].units)).collect();
        let envelope: Envelope = document(self.service.read(token, &request, &costs).await?)?;
        let part = |answer: Answer| {
            let index = answer.id.parse::<usize>().ok().filter(|i| chunk.contains(i))?;
            let headers = answer.headers();
            Some(Part {
                index,
                outcome: match answer.status {
                    200..300 => Ok(answer.body),
                    status => Err(refused(status, &answer.body, &headers)),
                },
                asked: retry_after(&headers),
            })
        };
        Ok(envelope.responses.into_iter().filter_map(part).collect())
    }

    /// Reads on where a list has further pages.
    async fn go_on(&self, ask: &Ask, mut value: Value) -> Outcome {
        let Some(link) = value["@odata.nextLink"].as_str() else {
            return Ok(value);
        };
        let link = self.checked_link(link)?;
        let mut rest: Vec<Value> = Box::pin(self.short(link, ask)).await?;
        match &mut value["value"] {
            Value::Array(items) => items.append(&mut rest),
            _ => return Err(AskError::Answer("the answer has no member 'value'".into())),
        }
        Ok(value)
    }

    /// A part that would have to wait longer than there is time.
    fn throttled(&self, error: AskError, pause: Duration) -> AskError {
        let AskError::Refused { request_id, .. } = error else {
            return error;
        };
        let host = self.service.base.host_str().unwrap_or_default().into();
        let seconds = pause.as_secs_f64().ceil() as u64;
        HttpError::Throttled {
            host,
            request_id,
            seconds,
        }
        .into()
    }
}

/// The API version that a path begins with.
fn version(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or("v1.0")
}

#[derive(Deserialize)]
struct Envelope {
    responses: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    status: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Value,
}

impl Answer {
    /// The headers, as those of an answer of its own.
    fn headers(&self) -> HeaderMap {
        let header = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            Some((
                HeaderName::from_bytes(name.as_bytes()).ok()?,
                HeaderValue::from_str(&text).ok()?,
            ))
        };
        self.headers.iter().filter_map(header).collect()
    }
}
