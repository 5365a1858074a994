//! Panics of the library's own code: caught, told with message and place, and never printed.

use crate::error::{Error, Result};
use crate::status::Status;
use futures_util::FutureExt;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How deep this thread is in code whose panics are caught here.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where this thread's last such panic happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics that are caught here from printing. Panics of a host that is written in Rust go where they went before.
fn quiet() {
    static HOOK: Once = Once::new();
    // The standard library lets no hook be set on a thread that unwinds; the next call will set it.
    if std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                return before(info);
            }
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
            // A panic in here would end the process: a thread that is going away, or a slot in use, keeps no place.
            let _ = PLACE.try_with(|slot| slot.try_borrow_mut().map(|mut slot| *slot = place));
        }));
    });
}

/// Makes the current thread one of the library's own for good: nothing that panics on it prints.
pub fn own_thread() {
    quiet();
    DEPTH.set(1);
}

/// Runs code; a panic becomes an error with its message and place.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T> {
    quiet();
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body)).map_err(error);
    DEPTH.set(DEPTH.get() - 1);
    outcome
}

/// The same for work on one of the library's own threads that waits in between.
pub async fn caught_future<T>(work: impl Future<Output = T>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(error)
}

/// Lets a panic that was caught on another thread go on here, with its message and place.
pub fn go_on(caught: Error) -> ! {
    panic::resume_unwind(Box::new(caught))
}

/// The error that a caught panic becomes.
fn error(payload: Box<dyn Any + Send>) -> Error {
    let payload = match payload.downcast::<Error>() {
        Ok(caught) => return *caught,
        Err(payload) => payload,
    };
    let message = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    let place = PLACE
        .try_with(|slot| slot.take())
        .ok()
        .flatten()
        .unwrap_or_else(|| "an unknown place".into());
    // A payload of an unknown type may itself panic when it is dropped, and so may that panic's.
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)))
        && !(second.is::<&str>() || second.is::<String>())
    {
        std::mem::forget(second);
    }
    Error::new(Status::Panic, format!("a defect was caught at {place}: {message}"))
        .help("Please report it with what you did.")
}

/// A place where a test may ask for a panic: `SSPR_FAULT=panic:NAME` in the environment. Builds without debug
/// assertions, so every released one, have nothing here.
#[cfg(debug_assertions)]
pub(crate) fn fault(name: &str) {
    let wanted = std::env::var_os("SSPR_FAULT").is_some_and(|fault| fault == *format!("panic:{name}"));
    assert!(!wanted, "SSPR_FAULT asked for a panic in {name}");
}

#[cfg(not(debug_assertions))]
pub(crate) fn fault(_name: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_message_and_place() {
        let error = caught(|| -> () { panic!("canary {}", 1) }).unwrap_err();
        assert_eq!(error.status, Status::Panic);
        assert!(error.message.contains("canary 1"), "{}", error.message);
        assert!(error.message.contains("panics.rs:"), "{}", error.message);
        assert_eq!(caught(|| 7).unwrap(), 7);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_no_harm() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("second");
            }
        }
        let error = caught(|| -> () { panic::panic_any(Bomb) }).unwrap_err();
        assert!(error.message.contains("no message"), "{}", error.message);
    }

    #[test]
    fn a_call_from_a_thread_that_unwinds_does_no_harm() {
        struct Caller;
        impl Drop for Caller {
            fn drop(&mut self) {
                let error = caught(|| -> () { panic!("inner") }).unwrap_err();
                assert!(error.message.contains("inner"), "{}", error.message);
            }
        }
        let outer = caught(|| {
            let _caller = Caller;
            panic!("outer");
        });
        assert!(outer.unwrap_err().message.contains("outer"));
    }
}
