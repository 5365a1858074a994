//! Notifications, and what is kept between them, over the C boundary.

use super::task;
use crate::notify::{self, state};
use std::ffi::c_char;

/// Tells a webhook what changed. Only the host of its address is asked, by https (plain HTTP on loopback), and no redirect is followed; it is sent
/// again as any request is, so that a message may come twice with the same id.
///
/// `session` is the handle of a session, signed in or not. The address is its secret "webhookUrl", and the key of a signature "webhookKey" (see
/// `sspr_session_set_secret`); both are taken by this call. `request_json`: `format` ("Teams", by default: an adaptive card for a workflow; "Json"),
/// `message` ({`tenantName`, `headline`, `footer`, `changes[]` ({`change` ("New", "Worse", "Unread" or "Fixed"), `id`, `title`, `before`, `after`})}, and whatever
/// else a receiver of JSON shall have), `dryRun` (true: send nothing, and give the body).
///
/// A signed message has the headers x-sspr-timestamp (seconds since 1970) and x-sspr-signature ("sha256=" and HMAC-SHA256 over that time, a dot and the
/// body, in hexadecimal digits); every one has x-sspr-id.
///
/// `out_task` receives a task for `sspr_task_next`; its result is {`id`, `host`, `bytes`, `leftOut` (changes for which there was no room), `sent`, `status`, `body`}. Its
/// errors, which tell nothing of the address but its host, are SSPR_STATUS_ARGUMENT_INVALID, a SERVICE status, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_notification_send(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        task::of_session(
            session,
            request_json,
            out_task,
            out_error,
            |session, request, context| async move { notify::send(&session, request, &context).await },
        )
    }
}

/// Reads what was told last.
///
/// `session` is the handle of a session. `request_json`: `tenantId`, and `path` (a file) or, with the secret "stateUrl" (taken by this call), the address of a blob: with
/// a shared access signature, or without, and then the session's token for Azure Storage is sent, to Azure's hosts of blobs alone.
///
/// `out_task` receives a task for `sspr_task_next`; its result is {`state`, `tag`}, both null where there is none yet; `tag` is for `sspr_state_write`. Its errors are
/// SSPR_STATUS_STATE_INVALID (damaged, of another version, or another tenant's), SSPR_STATUS_FILE_READ, SSPR_STATUS_ARGUMENT_INVALID, SSPR_STATUS_SIGN_IN_NEEDED,
/// a SERVICE status, or those of any task (see `sspr_task_next`).
///
/// Returns as `sspr_notification_send`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_state_read(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        task::of_session(
            session,
            request_json,
            out_task,
            out_error,
            |session, request, context| async move { state::read(&session, request, &context).await },
        )
    }
}

/// Writes what was told last, where it still is as it was read. A file is readable by its owner only, and is replaced whole or not at all.
///
/// `request_json`: `state` (an object with `tenantId` and `findings[]`), `tag` (what `sspr_state_read` gave; null or absent: there was none), and the place as of
/// `sspr_state_read`.
///
/// `out_task` receives a task for `sspr_task_next`; its result is {}. Its errors are SSPR_STATUS_STATE_CHANGED (another run wrote it meanwhile),
/// SSPR_STATUS_FILE_WRITE, and those of `sspr_state_read`.
///
/// Returns as `sspr_notification_send`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_state_write(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        task::of_session(
            session,
            request_json,
            out_task,
            out_error,
            |session, request, context| async move { state::write(&session, request, &context).await },
        )
    }
}
