//! Fleets over the C boundary.

use super::{SESSIONS, guard, task, text};
use crate::fleet::{self, Fleet};
use crate::status::Status;
use std::ffi::c_char;

/// Checks many tenants and forests, some at a time, in one task. What fails is kept to its target.
///
/// `request_json` is an object: `targets` (1 to 10,000: `key`, a name of your own that is there once; `session`, the handle of an open
/// session as a text of decimal digits; `signIn`, the request of `sspr_session_sign_in`, by no person, where the session is not signed
/// in yet; `directory`, the request of `sspr_directory_connect`, where it is to be connected to one). Each other member may be left out:
/// `check` (the request of `sspr_check_readiness`), `throttle` (how many at a time: 1 to 256, else 12), `targetSeconds` and
/// `deadlineSeconds` (the time of each target, and of the run), `statePath` (a file, readable by its owner only, in which each target
/// that has ended gets a line), `resume` (true: go on with that file; what is done in it is not done again) and `resumeFrom` (the state
/// files of other runs, over parts of the list for example: what is done in one is not done again, and is noted in `statePath`); `shared` (true: `statePath` has the rights that its folder gives, not its owner's alone).
///
/// `out_task` receives a task for `sspr_task_next`. Besides "progress", "log" and "hostAction" (of any session, by what each was opened
/// with) it hands out one event "target" for each target, as it ends: {`key`, `status` ("Done", "Failed", "NotDone": the run's time was
/// over before), `endedAt`, `durationMs`; where done `ready`, `tenantId`, `tenantName`, `counts`, `first`, `steps[]` and `readiness` (the
/// result of `sspr_check_readiness`); where failed `error` (an error document)}. One that was done before has `resumed` true and
/// no `readiness`. A session stays open: close it when its target has ended, and its memory is free. The task goes on when you have taken
/// nearly all events. Its result is `{done, failed, notDone, resumed, durationMs}`. Its errors are SSPR_STATUS_FILE_READ,
/// SSPR_STATUS_FILE_WRITE and SSPR_STATUS_ARGUMENT_INVALID (the state file), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_fleet_check(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        // SAFETY: the caller's promise.
        let request = task::request(unsafe { text::take(request_json, "request_json")? })?;
        let fleet = Fleet::new(request, |handle| SESSIONS.get(handle))?;
        let offered = fleet.offered();
        let work = |context| async move { fleet::check(fleet, &context).await };
        Ok((Status::Ok, task::start(offered, work)?))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_task, "out_task", out_error, body) }
}
