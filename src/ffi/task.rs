//! Tasks over the C boundary.

use super::{SESSIONS, TASKS, guard, text};
use crate::error::{Error, Result};
use crate::json;
use crate::session::Session;
use crate::status::Status;
use crate::task::{Next, Task, TaskContext};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

/// Reads a request document.
pub(super) fn request<T: DeserializeOwned>(text: &str) -> Result<T> {
    json::read(text).map_err(|e| {
        Error::new(Status::ArgumentJson, format!("the request is not acceptable: {e}")).target("request_json")
    })
}

/// Starts a task and gives out its handle.
pub(super) fn start<W, F>(offered: BTreeSet<String>, work: W) -> Result<u64>
where
    W: FnOnce(TaskContext) -> F + Send + 'static,
    F: Future<Output = Result<Value>> + Send,
{
    TASKS.insert(|| Task::start(offered, work))
}

/// Starts work of a session by a request document; what every exported function does that takes a session and a request.
///
/// # Safety
/// As of the exported function that calls it.
pub(super) unsafe fn of_session<R, W, F>(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
    work: W,
) -> i32
where
    R: DeserializeOwned + Send + 'static,
    W: FnOnce(Arc<Session>, R, TaskContext) -> F + Send + 'static,
    F: Future<Output = Result<Value>> + Send,
{
    // SAFETY: the caller's promise.
    unsafe { prepared(session, request_json, out_task, out_error, Ok, work) }
}

/// The same where a request is made ready first, and refused before a task is started.
///
/// # Safety
/// As of the exported function that calls it.
pub(super) unsafe fn prepared<R, P, W, F>(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
    prepare: impl FnOnce(R) -> Result<P>,
    work: W,
) -> i32
where
    R: DeserializeOwned,
    P: Send + 'static,
    W: FnOnce(Arc<Session>, P, TaskContext) -> F + Send + 'static,
    F: Future<Output = Result<Value>> + Send,
{
    let body = || {
        let session = SESSIONS.get(session)?;
        // SAFETY: the caller's promise.
        let ready = prepare(request(unsafe { text::take(request_json, "request_json")? })?)?;
        let offered = session.config.host_actions.clone();
        let handle = start(offered, move |context| work(session, ready, context))?;
        Ok((Status::Ok, handle))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_task, "out_task", out_error, body) }
}

/// Waits for a task's next event.
///
/// `timeout_ms` is how long to wait; 0 looks and returns. `out_event` receives an event as JSON (free it with
/// `sspr_string_free`), whose member `event` says what it is: "progress" {`activity`, `done`, `of`}, "log" {`message`},
/// "finding" {`finding`}, "users" {`users[]`}, "target" {`target`} (see `sspr_fleet_check`), "change" {`change`}, "leg" {`leg`} (see `sspr_reset_watch`), "signIn" {`signIn`}, "hostAction" {`id`, `action`,
/// `arguments`, `deadlineSeconds`}, "result" {`result`}. A "hostAction" asks for what only the caller can do: do what `action` names with its `arguments` (see
/// `sspr_session_sign_in`), and answer with its `id` by `sspr_task_reply` within `deadlineSeconds`. Members that you do
/// not know may come; skip events that you do not know.
///
/// Returns SSPR_STATUS_OK with an event; SSPR_STATUS_PENDING when none came in time (call again); SSPR_STATUS_ENDED
/// after the result; else the task's own error, again at each call; or an ARGUMENT or HANDLE status. A task's own errors
/// are those that the function that starts it names, and of any task SSPR_STATUS_TASK_CANCELLED, SSPR_STATUS_INTERNAL
/// and SSPR_STATUS_PANIC. Any thread may call it, also several at once: an event goes to one of them, the end to all.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_task_next(
    task: u64,
    timeout_ms: u32,
    out_event: *mut *mut c_char,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        Ok(match TASKS.get(task)?.next(Duration::from_millis(timeout_ms.into()))? {
            Next::Event(event) => (Status::Ok, text::give(event)),
            Next::Pending => (Status::Pending, null_mut()),
            Next::Ended => (Status::Ended, null_mut()),
        })
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_event, "out_event", out_error, body) }
}

/// Answers a `hostAction` event.
///
/// `reply_json` is `{"id":N,"result":...}`, or `{"id":N,"error":"why not"}`, with the event's id.
///
/// Returns SSPR_STATUS_OK; SSPR_STATUS_TASK_REPLY when nothing of that id is waiting (any more); or an ARGUMENT or
/// HANDLE status. Any thread may call it; nothing waits.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_task_reply(task: u64, reply_json: *const c_char, out_error: *mut *mut c_char) -> i32 {
    let body = || {
        let task = TASKS.get(task)?;
        // SAFETY: the caller's promise.
        task.reply(unsafe { text::take(reply_json, "reply_json")? })?;
        Ok(Status::Ok)
    };
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, body) }
}

/// Asks a task to stop. Returns at once; `sspr_task_next` then gives the events that were waiting already, and
/// SSPR_STATUS_TASK_CANCELLED. A task that has ended stays as it ended. The session stays usable.
///
/// Returns SSPR_STATUS_OK or a HANDLE status. Any thread may call it, also while another waits in `sspr_task_next`.
///
/// # Safety
/// `out_error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_task_cancel(task: u64, out_error: *mut *mut c_char) -> i32 {
    let body = || {
        TASKS.get(task)?.cancel();
        Ok(Status::Ok)
    };
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, body) }
}

/// Closes a task, ended or not; what goes on is cancelled, and whoever waits in `sspr_task_next` gets
/// SSPR_STATUS_TASK_CANCELLED.
///
/// Returns SSPR_STATUS_OK or a HANDLE status. Any thread may call it; nothing waits.
///
/// # Safety
/// `out_error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_task_close(task: u64, out_error: *mut *mut c_char) -> i32 {
    let body = || {
        TASKS.remove(task)?.cancel();
        Ok(Status::Ok)
    };
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, body) }
}
