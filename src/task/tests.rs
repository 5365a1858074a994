//! Tasks: events, the end, host actions, whatever comes at once.

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
        error.message.contains("canary 1") && error.message.contains("task/tests.rs"),
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
    assert!(error.message.contains("task/tests.rs"), "{}", error.message);

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
