//! A user's reset on its way, over the C boundary.

use super::task;
use crate::watch;
use std::ffi::c_char;

/// Watches one user's reset, or unlock, while the user makes it in a browser: what each source says of it, as it comes. Nothing
/// is written, and no password is seen.
///
/// `session` is the handle of a session that is signed in to a tenant, connected to a directory, or both; with the host action
/// "readConnectServer" (see `sspr_session_open`) the Connect servers' events are looked at too. `request_json` is an object: `user` (a
/// user principal name or an id; without a sign-in to the tenant as of `sspr_directory_user`), `action` ("Reset", by default, or
/// "Unlock"), `timeoutSeconds` (1 to 21600; by default 1800, as the audit log is late) and `pollSeconds` (how often the audit log is asked, 1
/// to 600; by default 10; a Connect server is asked half as often, the directory every two seconds).
///
/// `out_task` receives a task for `sspr_task_next`. Each leg is told by an event "leg" {`leg`} when it comes, the first ("Start") when
/// the user may begin: {`leg`, `status`, `at`, `afterSeconds`, `source`, `detail`, `fix`}. Legs are "Verification" (the user shows who that
/// is), "Connect" (an event of Entra Connect's server), "Directory" (the controller has it), "Cloud" (Microsoft Entra's last word) and "Agent"
/// (which agent wrote it). `status` is "Awaited", "Came", "Failed", "Missing" (did not come in time; `detail` says where its source does not answer), "NotShown" (its source says
/// nothing of it), "NotWatched" (`detail` says why) or "NotApplicable" (a user of the cloud alone). `at` is by the clock of the source, `afterSeconds` counts from the first
/// leg. The result is {`user`, `action`, `verdict`, `headline`, `begunAt`, `endedAt`, `legs[]`}; `verdict` is "Worked", "Failed", "Incomplete" or
/// "Missing". A source that does not answer is told once, by a leg that is "Awaited" and has no `at`. It ends when all has come, after three
/// polls of the audit log when Microsoft Entra said that it failed, after twelve when another leg did, or when the time is over. A verification that
/// failed ends nothing, for the user may try again; it is the verdict where nothing has followed. Its errors are
/// SSPR_STATUS_ARGUMENT_INVALID, SSPR_STATUS_SIGN_IN_NEEDED (nothing can be watched), a SERVICE or DIRECTORY status (the user was
/// not found), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_reset_watch(
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
            |session, request, context| async move { watch::watch(&session, request, &context).await },
        )
    }
}
