//! No panic crosses the C boundary, and none prints.

use super::text;
use crate::error::{Error, Result};
use crate::status::Status;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::c_char;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How deep this thread is in guarded code.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last guarded panic happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics of the library's own threads and calls from printing; others' panics go where they went before.
pub fn quiet_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = DEPTH.with(Cell::get) > 0
                || std::thread::current()
                    .name()
                    .is_some_and(|name| name.starts_with("entra-sspr"));
            if ours {
                let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
                PLACE.with(|slot| *slot.borrow_mut() = place);
            } else {
                before(info);
            }
        }));
    });
}

/// The error that a caught panic becomes: its message and its place.
pub fn panic_error(payload: &(dyn Any + Send)) -> Error {
    let message = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    let place = PLACE
        .with(|slot| slot.borrow_mut().take())
        .unwrap_or_else(|| "an unknown place".into());
    Error::new(Status::Panic, format!("a defect was caught at {place}: {message}"))
        .help("Please report it with what you did.")
}

/// Runs guarded code; an error or a panic becomes a status and an error document.
///
/// # Safety
/// `out_error` is NULL or valid for a write.
pub(super) unsafe fn call(out_error: *mut *mut c_char, body: impl FnOnce() -> Result<Status>) -> i32 {
    quiet_panics();
    if !out_error.is_null() {
        // SAFETY: not NULL, and the caller promises that it is valid.
        unsafe { out_error.write(std::ptr::null_mut()) };
    }
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    let error = match outcome {
        Ok(Ok(status)) => return status.code(),
        Ok(Err(error)) => error,
        Err(payload) => panic_error(&*payload),
    };
    if !out_error.is_null() {
        // SAFETY: as above.
        unsafe { out_error.write(text::give(error.to_json())) };
    }
    error.status.code()
}
