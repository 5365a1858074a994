//! Waits for a future on the caller's own thread: with an exact time, whatever thread it is, whatever runtime it runs.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future, as long as the time allows; it is looked at once in any case.
///
/// Tokio's own `block_on` would refuse threads of a host's tokio runtime, and its timers come late when its workers
/// are busy; neither may be the caller's trouble.
pub(super) fn wait<F: Future>(future: F, timeout: Duration) -> Option<F::Output> {
    // Without `unconstrained`, a host's tokio thread whose budget is used up would never see anything ready.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let started = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn what_is_ready_needs_no_time() {
        assert_eq!(wait(async { 7 }, Duration::ZERO), Some(7));
        assert_eq!(wait(std::future::pending::<()>(), Duration::ZERO), None);
    }

    #[test]
    fn it_wakes_as_soon_as_something_comes_and_gives_up_in_time() {
        let (sender, receiver) = oneshot::channel();
        let waiter = std::thread::spawn(|| wait(receiver, Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        sender.send(7).unwrap();
        assert_eq!(waiter.join().unwrap(), Some(Ok(7)));

        let started = Instant::now();
        assert_eq!(wait(std::future::pending::<()>(), Duration::from_millis(30)), None);
        assert!(started.elapsed() >= Duration::from_millis(30));
    }
}
