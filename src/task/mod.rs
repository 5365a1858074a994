//! Tasks: work that goes on while the caller asks for its events.

mod runtime;
mod wait;

pub use runtime::{blocking, runtime};

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::panics;
use crate::status::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{SetOnce, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How many events wait for the caller at the most; then the work waits.
const QUEUE: usize = 64;

/// A task as the caller sees it.
#[derive(Debug)]
pub struct Task {
    events: tokio::sync::Mutex<mpsc::Receiver<String>>,
    outcome: Arc<SetOnce<Result<()>>>,
    cancel: CancellationToken,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

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
    room: Room,
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
        let outcome = Arc::new(SetOnce::new());
        let context = TaskContext {
            events: sender,
            cancel: cancel.clone(),
            waiting: Arc::clone(&waiting),
            offered: Arc::new(offered),
            next_action: Arc::new(AtomicU64::new(1)),
            room: Room::default(),
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
        let reply: Reply = serde_json::from_str(text).map_err(|e| {
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
async fn deliver<W, F>(work: W, context: TaskContext) -> Result<()>
where
    W: FnOnce(TaskContext) -> F,
    F: Future<Output = Result<Value>>,
{
    panics::fault("task");
    let own = context.clone();
    // In a box: a run's future is large, and each future around it would hold it, and move it, on the stack.
    let value = Box::pin(work(context)).await?;
    let event = json!({"event": "result", "result": value}).to_string();
    own.room().await?.send(event);
    Ok(())
}

impl TaskContext {
    /// Waits until there is room for the result. What the work does from then on without waiting for anything else is
    /// never cut off from its result: either both come about, or neither.
    pub async fn settle(&self) -> Result<()> {
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
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(120);

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
    fn a_result_that_races_with_the_end_is_not_lost() {
        // The task by hand: the shorter the way from the result to the end, the closer the race.
        for _ in 0..if cfg!(miri) { 20 } else { 20_000 } {
            let (sender, receiver) = mpsc::channel(QUEUE);
            let outcome = Arc::new(SetOnce::new());
            let task = Task {
                events: receiver.into(),
                outcome: Arc::clone(&outcome),
                cancel: CancellationToken::new(),
                waiting: Waiting::default(),
            };
            let go = Arc::new(std::sync::Barrier::new(2));
            let start = Arc::clone(&go);
            let worker = std::thread::spawn(move || {
                start.wait();
                sender.try_send("result".into()).unwrap();
                let _ = outcome.set(Ok(()));
            });
            go.wait();
            assert_eq!(end(&task).unwrap(), ["result"]);
            worker.join().unwrap();
        }
    }

    #[test]
    fn what_is_settled_is_told_or_not_done() {
        for round in 0..if cfg!(miri) { 2 } else { 200 } {
            let (full, wait) = std::sync::mpsc::channel();
            let done = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&done);
            // With no room left, or with room for the result.
            let events = QUEUE - usize::from(round % 2 == 0);
            let task = start(BTreeSet::new(), move |context| async move {
                for i in 0..events {
                    context.sign_in(json!(i)).await;
                }
                let _ = full.send(());
                context.settle().await?;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(Value::Null)
            });
            wait.recv_timeout(LONG).unwrap();
            task.cancel();
            // Which of both the cancel came to is chance.
            let told = end(&task).is_ok();
            assert_eq!(told, done.load(Ordering::SeqCst) == 1, "{round}");
        }
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

    #[test]
    fn a_panic_while_cancelled_work_is_dropped_is_told() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("canary in drop");
            }
        }
        let task = start(BTreeSet::new(), |_| async {
            let _bomb = Bomb;
            std::future::pending::<Result<Value>>().await
        });
        assert_eq!(task.next(Duration::from_millis(50)).unwrap(), Next::Pending);
        task.cancel();
        let error = end(&task).unwrap_err();
        assert_eq!(error.status, Status::Panic);
        assert!(error.message.contains("canary in drop"), "{}", error.message);
    }

    #[test]
    fn a_task_cancelled_before_its_first_poll_does_nothing() {
        // Both workers are kept busy, so that the task cannot begin before it is cancelled.
        let (go, hold) = std::sync::mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let (begun, begin) = std::sync::mpsc::channel();
        let busy: Vec<_> = (0..2)
            .map(|_| {
                let (hold, begun) = (Arc::clone(&hold), begun.clone());
                start(BTreeSet::new(), |_| async move {
                    let _ = begun.send(());
                    let _ = hold.lock().map(|hold| hold.recv());
                    Ok(Value::Null)
                })
            })
            .collect();
        (0..2).for_each(|_| begin.recv().unwrap());
        let ran = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&ran);
        let task = start(BTreeSet::new(), |_| async move {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Value::Null)
        });
        task.cancel();
        // Nor does a busy library make the caller wait longer than allowed.
        let started = std::time::Instant::now();
        assert_eq!(task.next(Duration::from_millis(20)).unwrap(), Next::Pending);
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(go);
        assert_eq!(end(&task).unwrap_err().status, Status::TaskCancelled);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        busy.iter().for_each(|task| drop(end(task)));
    }

    #[test]
    fn a_full_queue_does_not_keep_a_cancelled_task() {
        let (full, wait) = std::sync::mpsc::channel();
        let task = start(BTreeSet::new(), |context| async move {
            for i in 0..QUEUE {
                context.sign_in(json!(i)).await;
            }
            let _ = full.send(());
            Ok(Value::Null) // its event finds no room
        });
        wait.recv_timeout(LONG).unwrap();
        task.cancel();
        // The result may have found room just before the task saw that it was cancelled; either way it ends at once.
        let mut events = 0;
        loop {
            match task.next(LONG) {
                Ok(Next::Event(_)) => events += 1,
                Ok(Next::Ended) => break assert_eq!(events, QUEUE + 1),
                Ok(Next::Pending) => panic!("a cancelled task hangs"),
                Err(error) => {
                    assert_eq!((events, error.status), (QUEUE, Status::TaskCancelled));
                    break;
                }
            }
        }
    }

    #[test]
    fn what_the_work_left_running_does_not_keep_the_end() {
        let task = start(BTreeSet::new(), |context| async move {
            tokio::spawn(async move {
                context.cancelled().await;
                drop(context);
            });
            Ok(Value::Null)
        });
        assert_eq!(end(&task).unwrap().len(), 1);
    }

    #[test]
    fn two_threads_may_wait_and_both_see_the_end() {
        let task = start(BTreeSet::new(), |context| async move {
            for i in 0..1000 {
                context.sign_in(json!(i)).await;
            }
            Ok(Value::Null)
        });
        let other = Arc::clone(&task);
        let other = std::thread::spawn(move || end(&other).unwrap().len());
        let mine = end(&task).unwrap().len();
        assert_eq!(mine + other.join().unwrap(), 1001);
    }

    #[test]
    fn a_cancel_wakes_whoever_waits() {
        let task = start(BTreeSet::new(), |_| std::future::pending());
        let other = Arc::clone(&task);
        let waiter = std::thread::spawn(move || (other.next(Duration::from_secs(300)), std::time::Instant::now()));
        std::thread::sleep(Duration::from_millis(50));
        let cancelled_at = std::time::Instant::now();
        task.cancel();
        let (next, woke_at) = waiter.join().unwrap();
        assert_eq!(next.unwrap_err().status, Status::TaskCancelled);
        assert!(woke_at - cancelled_at < Duration::from_secs(1));
    }

    #[test]
    fn a_host_that_runs_tokio_itself_may_call() {
        let host = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        host.block_on(async {
            let task = start(BTreeSet::new(), |context| async move {
                for i in 0..1000 {
                    context.sign_in(json!(i)).await;
                }
                Ok(Value::Null)
            });
            assert_eq!(end(&task).unwrap().len(), 1001);
        });
    }

    #[test]
    fn a_late_reply_is_an_error_and_a_late_action_too() {
        let task = start(BTreeSet::from(["echo".to_string()]), |context| async move {
            let error = context
                .host_action("echo", json!({}), Duration::from_millis(10))
                .await
                .unwrap_err();
            assert_eq!(error.status, Status::HostActionFailed);
            Err(error)
        });
        assert_eq!(end(&task).unwrap_err().status, Status::HostActionFailed);
        assert_eq!(task.reply(r#"{"id":1}"#).unwrap_err().status, Status::TaskReply);
        let both = task.reply(r#"{"id":1,"result":1,"error":"x"}"#).unwrap_err();
        assert_eq!(both.status, Status::ArgumentInvalid);
    }

    #[test]
    fn blocking_work_panics_with_its_place_and_is_cancelled_at_once() {
        let task = start(BTreeSet::new(), |_| blocking(|| panic!("canary on a helper thread")));
        let error = end(&task).unwrap_err();
        assert!(error.message.contains("task/mod.rs"), "{}", error.message);

        let (go, hold) = std::sync::mpsc::channel::<()>();
        let task = start(BTreeSet::new(), |_| {
            blocking(move || {
                let _ = hold.recv();
                Ok(Value::Null)
            })
        });
        task.cancel();
        assert_eq!(end(&task).unwrap_err().status, Status::TaskCancelled);
        drop(go);
    }
}
