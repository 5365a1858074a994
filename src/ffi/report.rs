//! Reports and what is known of an error, over the C boundary.

use super::steps::offline;
use super::{guard, task, text};
use crate::run;
use crate::status::Status;
use std::ffi::c_char;

/// Tells the known causes of an error by what somebody has of it, without network or session.
///
/// `request_json`: `text` (a code such as "SSPR_0029", an `hr=` value, a sentence, or an event's text), and of an event of an
/// Entra Connect server its `id` and `provider` ("PasswordResetService" or "ADSync"); each may be left out, not all.
///
/// `out_causes` receives `{"causes":[{number, by ("Event", "Code", "Number" or "Words": what it was found by), seen, cause, fix, checks[], command,
/// neither}]}`, the likeliest first; none where nothing is known. `number` is the row of docs/catalogue.md; `command` is what
/// checks it, `neither` why nothing does. Freed with `sspr_string_free`.
///
/// Returns SSPR_STATUS_OK, an ARGUMENT status or SSPR_STATUS_PANIC. Any thread may call it; nothing waits.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_error_resolve(
    request_json: *const c_char,
    out_causes: *mut *mut c_char,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        // SAFETY: the caller's promise.
        let request: serde_json::Value = task::request(unsafe { text::take(request_json, "request_json")? })?;
        Ok((Status::Ok, text::give(run::resolve(&request)?.to_string())))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_causes, "out_causes", out_error, body) }
}

/// Writes a run's answer for others: as a page, Markdown, JSON, a table or JUnit's XML, without network or session. The file is readable by
/// its owner only; an existing one is replaced whole or not at all.
///
/// `request_json`: `readiness` (the result of `sspr_check_readiness` as a string; with its `snapshot` the report has plots) or `snapshot`
/// (the document as a string, which is judged again, with `steps` and `severity` as of `sspr_check_readiness`) or `fleet` (the targets of
/// `sspr_fleet_check` as a string of a list, each with `name` and where it failed `reason`: a page only); `format` ("Html",
/// "Markdown", "Json", "Csv", "JUnit"), `path`, `overwrite` (true: replace an existing file), `shared` (true: the file has the rights that
/// its folder gives, for one in which several accounts meet), `redact` (true: names of
/// users, groups, servers, domains and the tenant become placeholders, the same for the same name within the report; needs the snapshot).
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{path, bytes}`. Its errors are SSPR_STATUS_ARGUMENT_INVALID,
/// SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_FILE_WRITE, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_report_write(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, run::report) }
}
