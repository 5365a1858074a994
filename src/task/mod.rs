//! Tasks: work that goes on while the caller asks for its events.

mod runtime;
mod wait;

pub use runtime::{blocking, runtime};

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::json;
use crate::panics;
use crate::status::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{SetOnce, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many events wait for the caller at the most; then the work waits.
const QUEUE: usize = 64;

/// How many events a list is ahead of a caller who takes its users.
const AHEAD: usize = 2;

/// A task as the caller sees it.
#[derive(Debug)]
pub struct Task {
    events: tokio::sync::Mutex<mpsc::Receiver<String>>,
    outcome: Arc<SetOnce<Result<()>>>,
    cancel: CancellationToken,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

/// Work in a box: a run's future is large, and each future around it would hold it, and move it, on the stack.
type Work = Box<dyn FnOnce(TaskContext) -> Pin<Box<dyn Future<Output = Result<Value>> + Send>> + Send>;

/// The result's place in the queue, once the work has asked for it.
type Room = Arc<Mutex<Option<mpsc::OwnedPermit<String>>>>;

/// What `Task::next` found.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// An event.
    Event(String),
    /// None within the time.
    Pending,
    /// The task has ended and all its events were handed out.
    Ended,
}

/// What the work sees of its task.
#[derive(Clone, Debug)]
pub struct TaskContext {
    events: mpsc::Sender<String>,
    cancel: CancellationToken,
    waiting: Waiting,
    offered: Arc<BTreeSet<String>>,
    next_action: Arc<AtomicU64>,
    ends: Option<Instant>,
    room: Room,
    quiet: bool,
}

impl Task {
    /// Starts work. Its value becomes the `result` event.
    pub fn start<W, F>(offered: BTreeSet<String>, work: W) -> Result<Arc<Task>>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future<Output = Result<Value>> + Send,
    {
        // The work's own type ends here: all around it is compiled once.
        Task::begin(
            offered,
            Box::new(|context| Box::pin(async move { work(context).await })),
        )
    }

    fn begin(offered: BTreeSet<String>, work: Work) -> Result<Arc<Task>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let cancel = CancellationToken::new();
        let waiting = Waiting::default();
        let outcome = Arc::new(SetOnce::new());
        let context = TaskContext {
            events: sender,
            cancel: cancel.clone(),
            waiting: Arc::clone(&waiting),
            offered: Arc::new(offered),
            next_action: Arc::new(AtomicU64::new(1)),
            ends: None,
            room: Room::default(),
            quiet: false,
        };
        let task = Arc::new(Task {
            events: receiver.into(),
            outcome: Arc::clone(&outcome),
            cancel: cancel.clone(),
            waiting,
        });
        runtime()?.spawn(async move {
            // What the work leaves behind is dropped within this future too, so that no panic there goes unseen.
            let whole = async {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => Err(cancelled()),
                    end = deliver(work, context) => end,
                }
            };
            let end = panics::caught_future(whole).await.flatten();
            let _ = outcome.set(end);
        });
        Ok(task)
    }

    /// Waits for the next event, as long as the caller allows.
    pub fn next(&self, timeout: Duration) -> Result<Next> {
        let next = async {
            let mut events = self.events.lock().await;
            tokio::select! {
                // Events come before the end.
                biased;
                Some(event) = events.recv() => Ok(Next::Event(event)),
                end = self.outcome.wait() => match events.try_recv() {
                    // It came after the queue was looked at, just ahead of the end.
                    Ok(event) => Ok(Next::Event(event)),
                    Err(_) => end.clone().map(|()| Next::Ended),
                },
            }
        };
        wait::wait(next, timeout).unwrap_or(Ok(Next::Pending))
    }

    /// Answers a host action: `{"id":1,"result":{...}}` or `{"id":1,"error":"..."}`.
    pub fn reply(&self, text: &str) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Reply {
            id: u64,
            #[serde(default)]
            result: Option<Value>,
            #[serde(default)]
            error: Option<String>,
        }
        let reply: Reply = json::read(text).map_err(|e| {
            Error::new(Status::ArgumentJson, format!("the reply is not acceptable: {e}")).target("reply_json")
        })?;
        if reply.result.is_some() && reply.error.is_some() {
            return Err(
                Error::new(Status::ArgumentInvalid, "a reply has either 'result' or 'error'").target("reply_json"),
            );
        }
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&reply.id);
        let sender = waiting.ok_or_else(|| Error::new(Status::TaskReply, "no host action of that id is waiting"))?;
        let answer = match (reply.result, reply.error) {
            (_, Some(error)) => Err(Error::new(Status::HostActionFailed, error)),
            (result, None) => Ok(result.unwrap_or(Value::Null)),
        };
        sender
            .send(answer)
            .map_err(|_| Error::new(Status::TaskReply, "the host action's time is over"))
    }

    /// Asks the work to stop. Returns at once.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn cancelled() -> Error {
    Error::new(Status::TaskCancelled, "the task was cancelled")
}

/// Does the work and hands out its value as the last event.
async fn deliver(work: Work, context: TaskContext) -> Result<()> {
    panics::fault("task");
    let own = context.clone();
    let value = work(context).await?;
    let event = json!({"event": "result", "result": value}).to_string();
    own.room().await?.send(event);
    Ok(())
}

impl TaskContext {
    /// The same task, for work that ends at that time.
    pub fn until(&self, ends: Instant) -> Self {
        TaskContext {
            ends: Some(ends),
            ..self.clone()
        }
    }

    /// The same task, for one of many parts of its work: it tells the caller nothing, and asks only for what is offered to it.
    pub fn part(&self, offered: BTreeSet<String>) -> Self {
        TaskContext {
            offered: Arc::new(offered),
            room: Room::default(),
            quiet: true,
            ..self.clone()
        }
    }

    /// When the work ends at the latest, where that was said.
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Waits until there is room for the result. What the work does from then on without waiting for anything else is
    /// never cut off from its result: either both come about, or neither.
    pub async fn settle(&self) -> Result<()> {
        // A part's result is none of the task's.
        if self.quiet {
            return Ok(());
        }
        let room = self.room().await?;
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
        Ok(())
    }

    /// The result's place in the queue.
    async fn room(&self) -> Result<mpsc::OwnedPermit<String>> {
        let kept = self.room.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(room) => Ok(room),
            None => self.events.clone().reserve_owned().await.map_err(|_| cancelled()),
        }
    }

    /// Tells how far the work is. Left out when the caller is behind.
    pub fn progress(&self, activity: &str, done: u64, of: Option<u64>) {
        if self.quiet {
            return;
        }
        let _ = self
            .events
            .try_send(json!({"event": "progress", "activity": activity, "done": done, "of": of}).to_string());
    }

    /// Tells what is going on, for the verbose stream. Left out when the caller is behind.
    pub fn log(&self, message: &str) {
        if self.quiet {
            return;
        }
        let _ = self
            .events
            .try_send(json!({"event": "log", "message": message}).to_string());
    }

    /// Shows a finding before the whole is done.
    pub async fn finding(&self, finding: &Finding) {
        self.show("finding", json!(finding)).await;
    }

    /// Hands out users, of a list that is still being read. Waits until the caller has taken nearly all that came before:
    /// who ends the task has not made it read much more than was wanted.
    pub async fn users(&self, users: &[Value]) {
        self.hand("users", json!(users)).await;
    }

    /// Hands out what a target of a fleet came to, in the same way: results do not pile up.
    pub async fn target(&self, target: Value) {
        self.hand("target", target).await;
    }

    async fn hand(&self, event: &str, value: Value) {
        drop(self.events.reserve_many(QUEUE - AHEAD).await);
        self.show(event, value).await;
    }

    /// Shows what a change came to.
    pub async fn change(&self, change: Value) {
        self.show("change", change).await;
    }

    /// Shows what was seen of a reset on its way.
    pub async fn leg(&self, leg: Value) {
        self.show("leg", leg).await;
    }

    /// Tells a person what to do to sign in.
    pub async fn sign_in(&self, what: Value) {
        self.show("signIn", what).await;
    }

    async fn show(&self, event: &str, value: Value) {
        if self.quiet {
            return;
        }
        let _ = self
            .events
            .send(json!({"event": event, event: value}).to_string())
            .await;
    }

    /// Whether the caller offers a host action.
    pub fn offers(&self, action: &str) -> bool {
        self.offered.contains(action)
    }

    /// Completes when the caller cancels: for work that must tidy up.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Asks the caller for something that only it can do, and waits for the answer.
    pub async fn host_action(&self, action: &str, arguments: Value, deadline: Duration) -> Result<Value> {
        if !self.offers(action) {
            return Err(Error::new(
                Status::HostActionFailed,
                format!("the caller does not offer '{action}'"),
            ));
        }
        let id = self.next_action.fetch_add(1, Ordering::Relaxed);
        let (sender, mut receiver) = oneshot::channel();
        self.waiting().insert(id, sender);
        let seconds = deadline.as_secs();
        let event = json!({"event": "hostAction", "id": id, "action": action, "arguments": arguments, "deadlineSeconds": seconds});
        let _ = self.events.send(event.to_string()).await;
        let answer = match tokio::time::timeout(deadline, &mut receiver).await {
            Ok(answer) => answer,
            // Who takes the sender out decides: a reply that was told that it came in time did come in time.
            Err(_) if self.waiting().remove(&id).is_none() => receiver.await,
            Err(_) => {
                return Err(Error::new(
                    Status::HostActionFailed,
                    format!("the caller did not answer '{action}' within {seconds} s"),
                ));
            }
        };
        answer.unwrap_or_else(|_| Err(cancelled()))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
