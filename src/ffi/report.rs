//! What is known of an error, over the C boundary.

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
        let request = task::request(unsafe { text::take(request_json, "request_json")? })?;
        Ok((Status::Ok, text::give(run::resolve(&request)?.to_string())))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_causes, "out_causes", out_error, body) }
}
