//! Set-up over the C boundary: the desired state, plans, what applies them and what takes them back.

use super::steps::offline;
use super::task;
use crate::plan;
use std::ffi::c_char;

/// In place of a step: no plan, but what stands today.
const TODAY: &str = "";

/// Starts the making of a plan.
///
/// # Safety
/// As of the exported function that calls it.
unsafe fn create(
    session: u64,
    only: Option<&'static str>,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    let prepare = |mut request: plan::CreateRequest| {
        match only {
            Some(TODAY) => request.of_today()?,
            Some(step) => request.only(step)?,
            None => {}
        }
        Ok(request)
    };
    // SAFETY: the caller's promise.
    unsafe {
        task::prepared(
            session,
            request_json,
            out_task,
            out_error,
            prepare,
            |session, request, context| async move { plan::create(&session, request, &context).await },
        )
    }
}

/// Begins a desired state: what an administrator wants, to be edited and planned.
///
/// `request_json`: `profile` ("Recommended" or "Guide": the guide to the letter).
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{desired}`, the document as a string (schema/desired-state.schema.json). Its errors are those of any
/// task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_desired_state_create(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, plan::desired) }
}

/// Tells what stands today as a desired state: a plan that is made of it is empty.
///
/// `request_json`: `snapshot` (tell it from this one; absent: what is needed is read now).
///
/// `out_task` receives a task for `sspr_task_next`; its result is `desired`, the document as a string (schema/desired-state.schema.json), and
/// `leftOut[]`, what it does not say and why. Its errors are SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION,
/// SSPR_STATUS_SIGN_IN_NEEDED, or those of any task (see `sspr_task_next`).
///
/// Returns as `sspr_plan_create`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_desired_state_read(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some(TODAY), request_json, out_task, out_error) }
}

/// Makes a plan: what differs from a desired state, change by change, in the order in which one depends on another. Nothing is written.
///
/// `request_json`: `desired` (the desired state, a document as a string: schema/desired-state.schema.json), `steps` (names; none: all),
/// `snapshot` (plan from this one; absent: what is needed is read now), `allowPortalWrite` (the plan may write to the portal's
/// back end, which Microsoft does not document; else such changes are for a person), `allowSysvolWrite` (the same for the files of group policy objects),
/// `policyBackup` (a folder: where a person sets the minimum password age, a group policy backup is written there for each domain, with
/// the commands that import it among `byHand`).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is the plan: `changes[]` ({`id`, `step`, `kind` ("Graph", "Portal", "Directory", "Sysvol", "Host" or "Manual"), `title`,
/// `target`, `before`, `after`, `reversible`, `risk`, `usersAffected`, `requires[]`, `byHand[]`, `portalUrl`, `write`}), `unread[]`, `counts`, `screen[]`
/// (line by line) and `plan` (the plan as a string, for `sspr_plan_apply`). Its errors are SSPR_STATUS_DESIRED_STATE, SSPR_STATUS_SNAPSHOT_INVALID,
/// SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_SIGN_IN_NEEDED, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_plan_create(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, None, request_json, out_task, out_error) }
}

/// Applies a plan: looks whether each change's target is as the plan knows it, writes the journal, writes, and looks again. The only
/// function that writes to a tenant, but for `sspr_plan_undo`. One plan of a tenant is applied at a time.
///
/// `request_json`: `plan` (the string of `sspr_plan_create`), `journal` (a new file), `steps` (the changes of these; none: all),
/// `allowPortalWrite` and `allowSysvolWrite` (as of `sspr_plan_create`; needed again), `confirm` (ask the caller before each change by the host action "confirm"
/// {`id`, `title`, `target`, `before`, `after`, `risk`, `undo`}, answered by true or false), `effectiveSeconds` (how long it waits for users to take what was granted above them; absent: 30), `resume` (in place of `plan`: go on with that of the journal).
///
/// `out_task` receives a task for `sspr_task_next`, which tells of each change by an event `change`. Its result is `changes[]` ({`id`, `step`, `kind`, `title`, `outcome`, `error`}),
/// `complete` (whether nothing is left open but by hand), `counts` and `journal`; `outcome` is "done", "pending" (it is there, and some users below have not taken it yet), "already" (it was there), "byHand", "declined", "drifted" (somebody else
/// changed its target), "failed" or "notTried" (one before it failed). Its errors, before anything was changed, are SSPR_STATUS_PLAN_INVALID, SSPR_STATUS_PLAN_PERMISSION,
/// SSPR_STATUS_PLAN_LOCKED, SSPR_STATUS_FILE_WRITE (at any time: no change is begun that the journal does not have), SSPR_STATUS_FILE_READ,
/// SSPR_STATUS_SIGN_IN_NEEDED, or those of any task (see `sspr_task_next`).
///
/// Returns as `sspr_plan_create`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_plan_apply(
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
            |session, request, context| async move { plan::apply(&session, request, &context).await },
        )
    }
}

/// Takes back what a journal says was done, the last change first. What somebody changed since is left as it is, unless it is named.
///
/// `request_json`: `journal`, `force` (ids of changes that are taken back whatever is there now), `allowPortalWrite`, `allowSysvolWrite` and `confirm` as of `sspr_plan_apply`.
///
/// `out_task` receives a task for `sspr_task_next`; its result and errors are those of `sspr_plan_apply`, with the outcomes "undone" and "lasting" (cannot be taken
/// back), and `left[]`: the changes that a person made, if at all, and how it was before.
///
/// Returns as `sspr_plan_create`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_plan_undo(
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
            |session, request, context| async move { plan::undo(&session, request, &context).await },
        )
    }
}

/// Plans what an app or a managed identity lacks to run the checks: app roles of Microsoft Graph that read. Nothing is written.
///
/// `session` is signed in with `Application.Read.All`; applying the plan takes `AppRoleAssignment.ReadWrite.All` besides. `request_json`: `app`
/// (the object id of its service principal, its application id, or its display name where no other has it), `steps` (names; none: all),
/// `removeExcess` (true: take away what the steps do not need), `forTenant` (another tenant's id or domain, for the consent link).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is a plan as of `sspr_plan_create`, and `app` ({`objectId`, `appId`,
/// `displayName`, `servicePrincipalType`}), `needed[]`, `missing[]`, `excess[]` (of Microsoft Graph), `elsewhere[]` (roles of other APIs), `consent`
/// ({`url`, where an administrator of another tenant consents, `note`}), `requiredResourceAccess` (what the app's registration must ask for
/// before) and `gdapRoles[]` ({`role`, `opens`}). Its errors are SSPR_STATUS_ARGUMENT_INVALID (no app of that name, or several),
/// SSPR_STATUS_SIGN_IN_NEEDED, a SERVICE status, or those of any task (see `sspr_task_next`).
///
/// Returns as `sspr_plan_create`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_app_permission_plan(
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
            |session, request, context| async move { plan::app_permission(&session, request, &context).await },
        )
    }
}

/// Plans the step `reset_policy`: who may reset, by how many methods, and whether administrators may. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_reset_policy(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("reset_policy"), request_json, out_task, out_error) }
}

/// Plans the step `security_questions`: security questions and their numbers. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_security_questions(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("security_questions"), request_json, out_task, out_error) }
}

/// Plans the step `authentication_methods`: which methods are on. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_authentication_methods(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        create(
            session,
            Some("authentication_methods"),
            request_json,
            out_task,
            out_error,
        )
    }
}

/// Plans the step `registration`: registration at sign-in, its confirmation, and the campaign. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_registration(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("registration"), request_json, out_task, out_error) }
}

/// Plans the step `mfa_enforcement`: a Conditional Access policy that asks for MFA. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_mfa_enforcement(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("mfa_enforcement"), request_json, out_task, out_error) }
}

/// Plans the step `notifications`: who is told, and the helpdesk's contact. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_notifications(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("notifications"), request_json, out_task, out_error) }
}

/// Plans the step `connect_writeback`: writeback on the Entra Connect server, which the caller reads and sets (host actions "readConnectServer" and
/// "setConnectWriteback" {`computer`, `enabled`}). Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_connect_writeback(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("connect_writeback"), request_json, out_task, out_error) }
}

/// Plans the step `cloud_writeback`: writeback in the tenant. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_cloud_writeback(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("cloud_writeback"), request_json, out_task, out_error) }
}

/// Plans the step `account_unlock`: unlocking without a reset. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_account_unlock(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("account_unlock"), request_json, out_task, out_error) }
}

/// Plans the step `directory_permissions`: what connector accounts lack in the directory; needs `sspr_directory_connect`. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_directory_permissions(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        create(
            session,
            Some("directory_permissions"),
            request_json,
            out_task,
            out_error,
        )
    }
}

/// Plans the step `password_policy`: the minimum password age; needs `sspr_directory_connect`. Request (without `steps`), result and statuses as of `sspr_plan_create`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_setup_password_policy(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { create(session, Some("password_policy"), request_json, out_task, out_error) }
}
