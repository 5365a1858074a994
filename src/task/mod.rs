//! Tasks: work that goes on while the caller asks for its events.

mod runtime;

pub use runtime::runtime;

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::status::Status;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How many events wait for the caller at the most; then the work waits.
const QUEUE: usize = 64;

/// A task as the caller sees it.
#[derive(Debug)]
pub struct Task {
    events: tokio::sync::Mutex<mpsc::Receiver<String>>,
    outcome: Arc<OnceLock<Result<()>>>,
    cancel: CancellationToken,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

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
}

impl Task {
    /// Starts work. Its value becomes the `result` event.
    pub fn start<W, F>(offered: BTreeSet<String>, work: W) -> Result<Arc<Task>>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future<Output = Result<Value>> + Send,
    {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let cancel = CancellationToken::new();
        let waiting = Waiting::default();
        let outcome = Arc::new(OnceLock::new());
        let context = TaskContext {
            events: sender,
            cancel: cancel.clone(),
            waiting: Arc::clone(&waiting),
            offered: Arc::new(offered),
            next_action: Arc::new(AtomicU64::new(1)),
        };
        let task = Arc::new(Task {
            events: receiver.into(),
            outcome: Arc::clone(&outcome),
            cancel: cancel.clone(),
            waiting,
        });
        runtime()?.spawn(async move {
            let events = context.events.clone();
            let run = AssertUnwindSafe(async move { work(context).await }).catch_unwind();
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::new(Status::TaskCancelled, "the task was cancelled")),
                result = run => result.unwrap_or_else(|panic| Err(crate::ffi::guard::panic_error(&*panic))),
            };
            let end = match result {
                Ok(value) => {
                    let event = json!({"event": "result", "result": value}).to_string();
                    tokio::select! {
                        biased;
                        sent = events.send(event) => sent.map_err(|_| Error::new(Status::TaskCancelled, "the task was closed")),
                        () = cancel.cancelled() => Err(Error::new(Status::TaskCancelled, "the task was cancelled")),
                    }
                }
                Err(error) => Err(error),
            };
            // The outcome stands before the channel closes, so that whoever sees the end sees how it ended.
            let _ = outcome.set(end);
            drop(events);
        });
        Ok(task)
    }

    /// Waits for the next event, as long as the caller allows.
    pub fn next(&self, timeout: Duration) -> Result<Next> {
        let received = runtime()?
            .block_on(async { tokio::time::timeout(timeout, async { self.events.lock().await.recv().await }).await });
        match received {
            Err(_) => Ok(Next::Pending),
            Ok(Some(event)) => Ok(Next::Event(event)),
            Ok(None) => match self.outcome.get() {
                Some(Err(error)) => Err(error.clone()),
                _ => Ok(Next::Ended),
            },
        }
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
        let reply: Reply = serde_json::from_str(text)
            .map_err(|e| Error::new(Status::ArgumentJson, format!("the reply is not acceptable: {e}")))?;
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

impl TaskContext {
    /// Tells how far the work is. Left out when the caller is behind.
    pub fn progress(&self, activity: &str, done: u64, of: Option<u64>) {
        let _ = self
            .events
            .try_send(json!({"event": "progress", "activity": activity, "done": done, "of": of}).to_string());
    }

    /// Tells what is going on, for the verbose stream. Left out when the caller is behind.
    pub fn log(&self, message: &str) {
        let _ = self
            .events
            .try_send(json!({"event": "log", "message": message}).to_string());
    }

    /// Shows a finding before the whole is done.
    pub async fn finding(&self, finding: &Finding) {
        let _ = self
            .events
            .send(json!({"event": "finding", "finding": finding}).to_string())
            .await;
    }

    /// Tells a person what to do to sign in.
    pub async fn sign_in(&self, what: Value) {
        let _ = self
            .events
            .send(json!({"event": "signIn", "signIn": what}).to_string())
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
        let (sender, receiver) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, sender);
        let seconds = deadline.as_secs();
        let event = json!({"event": "hostAction", "id": id, "action": action, "arguments": arguments, "deadlineSeconds": seconds});
        let _ = self.events.send(event.to_string()).await;
        let answer = tokio::time::timeout(deadline, receiver).await;
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::new(Status::TaskCancelled, "the task was closed")),
            Err(_) => Err(Error::new(
                Status::HostActionFailed,
                format!("the caller did not answer '{action}' within {seconds} s"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn start<W, F>(offered: BTreeSet<String>, work: W) -> Arc<Task>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future<Output = Result<Value>> + Send,
    {
        Task::start(offered, work).unwrap()
    }

    fn end(task: &Task) -> Result<Vec<String>> {
        let mut events = Vec::new();
        loop {
            match task.next(LONG)? {
                Next::Event(event) => events.push(event),
                Next::Ended => return Ok(events),
                Next::Pending => panic!("the task hangs"),
            }
        }
    }

    #[test]
    fn a_task_hands_out_its_result_and_ends() {
        let task = start(BTreeSet::new(), |_| async { Ok(json!(7)) });
        assert_eq!(end(&task).unwrap(), [r#"{"event":"result","result":7}"#]);
        assert_eq!(task.next(Duration::ZERO).unwrap(), Next::Ended);
    }

    #[test]
    fn a_panic_is_an_error_with_its_place() {
        let task = start(BTreeSet::new(), |_| async { panic!("canary {}", 1) });
        let error = end(&task).unwrap_err();
        assert_eq!(error.status, Status::Panic);
        assert!(
            error.message.contains("canary 1") && error.message.contains("task/mod.rs"),
            "{}",
            error.message
        );
    }

    #[test]
    fn a_cancelled_task_ends_at_once() {
        let task = start(BTreeSet::new(), |_| async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(Value::Null)
        });
        assert_eq!(task.next(Duration::from_millis(10)).unwrap(), Next::Pending);
        task.cancel();
        assert_eq!(end(&task).unwrap_err().status, Status::TaskCancelled);
    }

    #[test]
    fn host_actions_are_answered_or_refused() {
        let offered = BTreeSet::from(["echo".to_string()]);
        let task = start(offered, |context| async move {
            context.host_action("echo", json!({"a": 1}), LONG).await
        });
        let Next::Event(event) = task.next(LONG).unwrap() else {
            panic!()
        };
        let event: Value = serde_json::from_str(&event).unwrap();
        assert_eq!(event["action"], "echo");
        assert_eq!(task.reply(r#"{"id":99}"#).unwrap_err().status, Status::TaskReply);
        task.reply(&json!({"id": event["id"], "result": "yes"}).to_string())
            .unwrap();
        assert_eq!(end(&task).unwrap(), [r#"{"event":"result","result":"yes"}"#]);

        let task = start(BTreeSet::new(), |context| async move {
            context.host_action("echo", json!({}), LONG).await
        });
        assert_eq!(end(&task).unwrap_err().status, Status::HostActionFailed);
    }

    #[test]
    fn a_slow_caller_loses_no_finding() {
        let task = start(BTreeSet::new(), |context| async move {
            for i in 0..500 {
                context.sign_in(json!(i)).await;
            }
            Ok(Value::Null)
        });
        assert_eq!(end(&task).unwrap().len(), 501);
    }
}
