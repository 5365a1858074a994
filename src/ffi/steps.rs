//! The checks over the C boundary: one function a step, one for all, and saved snapshots.

use super::{guard, task, text};
use crate::error::Result;
use crate::run;
use crate::status::Status;
use crate::task::blocking;
use std::collections::BTreeSet;
use std::ffi::c_char;

/// Starts a check of some steps, or of those that the request names.
///
/// # Safety
/// As of the exported function that calls it.
unsafe fn check(
    session: u64,
    only: Option<&'static str>,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    let prepare = |mut request: run::Request| {
        if let Some(step) = only {
            request.only(step)?;
        }
        Ok((request.steps()?, request))
    };
    // SAFETY: the caller's promise.
    unsafe {
        task::prepared(
            session,
            request_json,
            out_task,
            out_error,
            prepare,
            |session, (steps, request), context| async move { run::check(&session, &steps, &request, &context).await },
        )
    }
}

/// Looks at single users: what stands between each of them and a reset that works, link by link, in the tenant and in the
/// directory, whichever the session reaches. Any number of users takes as many rounds as one, but for the documented budget
/// of reports; where there are many, the report and the log are read through once.
///
/// `session` is the handle of a session that is signed in, or connected to a directory, or both. `request_json` is an object:
/// `users` (1 to 1000: user principal names or object ids; in the directory alone also distinguished names, "DOMAIN\\name",
/// account names or SIDs), and `utcOffsetMinutes` (for the screen's times).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is `{tenantId, takenAt, durationMs, users[]}`: a user has `asked`,
/// `userPrincipalName`, `displayName`, `id` (in the tenant), `dn` (in the directory), `canReset` ("Yes", "No", "Unknown": a link
/// that decides could not be read), `first` (the id of the first link that is broken, or null) and `links[]`, in causal order,
/// each in the form of a finding ({`id`, `status`, `severity`, `title`, `evidence[]`, `reason`, `remediation`}), and `screen[]` (lines
/// of 80 columns). Its errors are
/// SSPR_STATUS_ARGUMENT_INVALID, SSPR_STATUS_SIGN_IN_NEEDED (no tenant and no directory), those of a sign-in that has ended (see
/// `sspr_session_sign_in`), or those of any task (see `sspr_task_next`). What could not be read is told by its link.
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_user(
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
            |session, request, context| async move { run::check_user(&session, request, &context).await },
        )
    }
}

/// Starts work that needs no session.
///
/// # Safety
/// As of the exported function that calls it.
pub(super) unsafe fn offline<R, W>(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
    work: W,
) -> i32
where
    R: serde::de::DeserializeOwned + Send + 'static,
    W: FnOnce(R) -> Result<serde_json::Value> + Send + 'static,
{
    let body = || {
        // SAFETY: the caller's promise.
        let request: R = task::request(unsafe { text::take(request_json, "request_json")? })?;
        Ok((Status::Ok, started(Box::new(move || work(request)))?))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_task, "out_task", out_error, body) }
}

/// Starts the task of such work: behind a pointer, so that the compiler makes it once and not for each function.
fn started(work: Box<dyn FnOnce() -> Result<serde_json::Value> + Send>) -> Result<u64> {
    task::start(BTreeSet::new(), move |_| blocking(work))
}

/// Checks the whole set-up, or the steps that the request names, over facts that are read once.
///
/// `session` is the handle of a session that is signed in. `request_json` is an object; every member may be left out: `steps` and `excludeSteps` (names), `severity` ("Info",
/// "Low", "Medium", "High": leave lesser findings out of the list), `timeBudgetSeconds` (how long reading long
/// lists may take; past that they are read in part), `full` (true: read them whole, however long), `deadlineSeconds`
/// (then the task ends with SSPR_STATUS_TASK_DEADLINE), `utcOffsetMinutes` (for the times on the screen), `groups` (names or ids) and
/// `departments` (true): what the registration report is counted by besides, for `sspr_registration_summarize`;
/// `attestation`: the file of `sspr_attestation_write`, whose key is the session's secret "attestationKey". What it attests stands while the log since then is whole; it is
/// carried on by what this run read, and written back; `declarations`: a file of what operators state of settings that no source tells, and of the findings that the
/// organisation accepts (schema/declarations.schema.json).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is the readiness document: `ready` ("Yes", "No" or
/// "Unknown"), `steps[]`, `counts`, `findings[]`, `first`, `excessPermissions`, `screen[]` (the one screen, line by
/// line), `snapshot` (all facts, as a string of JSON, for `sspr_snapshot_assess`) and, where one was given, `attestation` {`path`, `by`, `at`, `since`, `watermark`, `keyed`,
/// `written`, `reason` (why it was not written back)}. A finding that is accepted has `waiver` {`by`, `reason`, `lastDay`, `ended`}; `notes[]` says what rests
/// on somebody's word. Its errors are SSPR_STATUS_ATTESTATION_INVALID, SSPR_STATUS_DECLARATION_INVALID, SSPR_STATUS_FILE_READ,
/// SSPR_STATUS_SIGN_IN_NEEDED (the session is neither signed in nor connected to a directory), SSPR_STATUS_TASK_DEADLINE, or those of any task (see
/// `sspr_task_next`). What a service refuses is no error: the findings that rest on it are "Skipped" and say who refused.
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_readiness(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, None, request_json, out_task, out_error) }
}

/// Checks the step `license`: a service plan that entitles to reset (and to writeback, for a hybrid tenant), seats for
/// every enabled member, a subscription that goes on. Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_license(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("license"), request_json, out_task, out_error) }
}

/// Checks the step `reset_policy`: who may reset (all, a group that exists and has members, nobody), two methods
/// required, the way to reset not hidden by branding, administrators' own rule, and what reports say against it. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_reset_policy(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("reset_policy"), request_json, out_task, out_error) }
}

/// Checks the step `security_questions`: whether they are offered, how many to register and to reset, enough of them
/// defined, and who still leans on them before they end in March 2027. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_security_questions(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("security_questions"), request_json, out_task, out_error) }
}

/// Checks the step `authentication_methods`: whether all users, each group that a method names, and administrators may
/// use as many methods as a reset asks for, today and after each announced retirement; Authenticator first, migration,
/// methods that also open sign-in. Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_authentication_methods(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        check(
            session,
            Some("authentication_methods"),
            request_json,
            out_task,
            out_error,
        )
    }
}

/// Checks the step `registration`: whether users are asked to register at sign-in and to confirm again, whether
/// registration is protected by Conditional Access, and whether a policy keeps newcomers from it. Request, result and
/// statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_registration(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("registration"), request_json, out_task, out_error) }
}

/// Checks the step `mfa_enforcement`: whether policies in force ask every user for MFA, who is excluded, and which
/// policies only report or can be got around. Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_mfa_enforcement(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("mfa_enforcement"), request_json, out_task, out_error) }
}

/// Checks the step `notifications`: users told of their reset, administrators told of an administrator's reset, a
/// helpdesk contact that works. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_notifications(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("notifications"), request_json, out_task, out_error) }
}

/// Checks the step `hybrid`: whether the tenant syncs from a directory on premises, how long ago directory and
/// passwords last synced, which users are not synced, and which domains are federated. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_hybrid(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("hybrid"), request_json, out_task, out_error) }
}

/// Checks the step `service_account`: the accounts by which passwords are written back: found, able to sign in, in no group with rights over the domain, none left over; every
/// domain of the forest read; Entra Connect's version supported. Needs `sspr_directory_connect`, and for the version and the accounts that Connect names the
/// host action "readConnectServer" (see `sspr_check_connect_writeback`); a sign-in to a tenant is not needed.
/// Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_service_account(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("service_account"), request_json, out_task, out_error) }
}

/// Checks the step `directory_permissions`: whether the connector account may reset each enabled user, as a domain controller weighs it, users grouped by
/// what keeps it from them; Unexpire Password on each domain's root; what Connect reads besides. Needs
/// `sspr_directory_connect`; a sign-in to a tenant is not needed.
/// Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_directory_permissions(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        check(
            session,
            Some("directory_permissions"),
            request_json,
            out_task,
            out_error,
        )
    }
}

/// Checks the step `password_policy`: the minimum password age that counts for each user, by the domain's or a fine-grained policy; which group
/// policy object sets it; what a new password must be. Needs `sspr_directory_connect`; a sign-in to a tenant is not needed.
/// Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_password_policy(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("password_policy"), request_json, out_task, out_error) }
}

/// Checks the step `connect_writeback`: password writeback as the Entra Connect server itself shows it: switched on, listening, its service, scope, events by
/// their cause, and what gets in its way. Asks the caller for the host action "readConnectServer" {`days`, `endpoints`: [{`host`, `port`}]},
/// answered by {`servers`: [...]}: one JSON document of each server as a string (its members: docs/c-guide.md), or none. A sign-in to a tenant is not needed
/// where the caller offers that action.
/// Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_connect_writeback(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("connect_writeback"), request_json, out_task, out_error) }
}

/// Checks the step `cloud_writeback`: password writeback on in the tenant, for Connect and for cloud sync, and resets
/// of synced users that never reached the directory. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_cloud_writeback(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("cloud_writeback"), request_json, out_task, out_error) }
}

/// Checks the step `account_unlock`: whether users may unlock their account on premises without a reset. Request, result and statuses
/// as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_account_unlock(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("account_unlock"), request_json, out_task, out_error) }
}

/// Checks the step `user_registration`: who can reset today, who is in scope but cannot and why, and what the audit log
/// shows of resets. Request, result and statuses as of `sspr_check_readiness`.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_user_registration(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { check(session, Some("user_registration"), request_json, out_task, out_error) }
}

/// Probes writeback in the directory, and judges the step `writeback_probe`: a real reset and a real unlock as the connector account, with the
/// password policy enforced. It is the directory's half alone; it writes, and removes what it made, also when it is cancelled.
/// What a killed one left, the next removes.
///
/// `session` is the handle of a session that is connected to a directory, by an account that may create, enable and delete users.
/// `request_json` is an object: `container` (a distinguished name: disposable users are made there), or `user` (one that is there; with
/// `acceptPasswordLoss` true and the secret `finalPassword`, which the user has in the end and must change); `connector` (the account that
/// resets, with the secret `connectorPassword`; absent: whoever runs this, by Kerberos); `utcOffsetMinutes`.
///
/// `out_task` receives a task for `sspr_task_next`; its result is that of `sspr_check_readiness`, of this step and with what was tried in its
/// `snapshot`. Its errors are SSPR_STATUS_PLAN_LOCKED (another probe of the domain is at work), SSPR_STATUS_FILE_WRITE, a DIRECTORY status,
/// SSPR_STATUS_ARGUMENT_INVALID (also: the user is protected), or those of any task (see `sspr_task_next`). What the directory refuses the
/// connector account is no error: a finding says what a user would see.
///
/// Returns as `sspr_check_readiness`. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_writeback_probe(
    session: u64,
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    let prepare = |request: serde_json::Value| run::probe_request(&request).map(|_| request);
    // SAFETY: the caller's promise.
    unsafe {
        task::prepared(
            session,
            request_json,
            out_task,
            out_error,
            prepare,
            |session, request, context| async move { run::probe(session, request, &context).await },
        )
    }
}

/// Reads the registration report user by user, or looks at some users, with what the checks count of each.
///
/// `session` is the handle of a session that is signed in. `request_json` is an object; every member may be left out: `users` (1 to 1000 user
/// principal names or ids), `methods` (who registered one of these, as the report names them), `notRegistered`, `notCapable`, `inScope`,
/// `administrator` (true: only those), `userType` ("member" or "guest"), `atRisk` (true: who can reset today, and no longer when methods end),
/// `before` (the same, by this day at the latest, such as "2027-02-01"), `snapshot` (a run's, as a string: with it `atRisk` reads the report once, not twice),
/// `path` (write them into this table, CSV in UTF-8, that its owner alone can read) and `overwrite` (true: replace an existing file).
///
/// `out_task` receives a task for `sspr_task_next`. Without `path` its events "users" {`users[]`} hand out some at a time, and the reading waits for the caller; cancelling the task
/// ends it. A user has `id`, `userPrincipalName`, `displayName`, `userType`, `administrator`, `globalAdministrator`, `inScope`, `registered`, `capable`,
/// `mfaRegistered`, `mfaCapable`, `methods[]`, `cause` (the check that counts those in scope who cannot reset), with `atRisk` or `before` also `losesOn` (a day) and `loses`, and `asOf`.
/// Its result is `{rows, users, missing[], unknownMethods[], path}`: how many rows were read and how many of them were wanted, which of `users` are not in the report,
/// and which of `methods` it has not been seen to name.
/// Its errors are SSPR_STATUS_ARGUMENT_INVALID, SSPR_STATUS_SIGN_IN_NEEDED, a SERVICE or SNAPSHOT status, SSPR_STATUS_FILE_WRITE, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_registration_read(
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
            |session, request: serde_json::Value, context| async move {
                run::users::read(&session, &request, &context).await
            },
        )
    }
}

/// Counts the users of a snapshot's registration report, without network or session.
///
/// `request_json`: `snapshot` (the document as a string), and `reference` (an earlier one of the same tenant, to compare with).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is `{asOf, takenAt, since, partial, lines[]}`: when the report and the snapshot were made, when the earlier one was,
/// why the report was read in part (else null), and the counts. A line has `area` ("Population", "Method", "Cause", "Retirement", "Group", "Department"), `name`, `users`, `inScope`,
/// `registered`, `capable`, and of the earlier one `usersBefore` and `capableBefore`. Its errors are SSPR_STATUS_SNAPSHOT_INVALID,
/// SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_ARGUMENT_INVALID (no report, or another tenant), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_registration_summarize(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        offline(request_json, out_task, out_error, |request: serde_json::Value| {
            run::users::summarize(&request)
        })
    }
}

/// Judges a saved snapshot, without network or session.
///
/// `request_json`: `snapshot` (the document as a string) or `path` (its file), and `steps`, `excludeSteps`, `severity`,
/// `declarations` and `utcOffsetMinutes` as of `sspr_check_readiness`; the members of that request that say how to read are refused.
///
/// `out_task` receives a task for `sspr_task_next`; its result is that of `sspr_check_readiness`. Its errors are
/// SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_DECLARATION_INVALID, SSPR_STATUS_FILE_READ, SSPR_STATUS_ARGUMENT_INVALID (a
/// step that does not exist, none or both of `snapshot` and `path`), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_snapshot_assess(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, run::assess_saved) }
}

/// Writes a snapshot to a file that only its owner can read; an existing file is replaced whole or not at all.
///
/// `request_json`: `snapshot` (the document as a string), `path`, `overwrite` (true: replace an existing file) and `shared` (true: the file
/// has the rights that its folder gives, for one in which several accounts meet).
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{path, bytes}`. Its errors are
/// SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_FILE_WRITE, or those of any task (see
/// `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_snapshot_save(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, run::save) }
}

/// Writes what a snapshot attests of the portal's settings, for later runs of an app: a person's, with the portal's settings and the whole
/// log of their changes. The file is readable by its owner only; an existing one is replaced only when told so, and must then be an
/// attestation of the same tenant: which changes its log once named is kept.
///
/// `session` is the handle of any session, which holds the key as the secret "attestationKey" (32 bytes or more; see
/// `sspr_session_set_secret`), or none: then the file is trusted as far as its access rights are. `request_json`: `snapshot` (the document as a string), `path`,
/// `overwrite` (true: replace an existing file) and `shared` (true: the file has the rights that its folder gives, and keeps them when a run writes it).
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{path, by, at, since, watermark, keyed, changes[]}`: who read the settings and when, since and until when
/// the log is known, whether a key vouches for it, and the settings of which a change was ever seen in the log, by the log's names: only these can be attested.
/// Its errors are SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION, SSPR_STATUS_ARGUMENT_INVALID (a snapshot that attests nothing, a key that is too short),
/// SSPR_STATUS_ATTESTATION_INVALID (the file that is there), SSPR_STATUS_FILE_READ, SSPR_STATUS_FILE_WRITE, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_attestation_write(
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
            |session, request: serde_json::Value, _| async move {
                blocking(move || run::attestation::write(&session, &request)).await
            },
        )
    }
}

/// Reads and checks a saved snapshot.
///
/// `request_json`: `path`.
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{snapshot, tenantId, tenantName, takenAt, unknown[]}`, the
/// snapshot's document as a string (of an older form: in today's) and the names of members that this library does not know. Its errors are SSPR_STATUS_SNAPSHOT_INVALID, SSPR_STATUS_SNAPSHOT_VERSION,
/// SSPR_STATUS_FILE_READ, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_snapshot_load(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, run::load) }
}

/// Joins snapshots of one tenant and of its directories, taken in different places, into one.
///
/// `request_json`: `snapshots` (the documents as strings). What was read whole goes before what was read in part, and that
/// before what was refused; between two of a kind the newer counts. Directories are put together domain by domain.
///
/// `out_task` receives a task for `sspr_task_next`; its result is that of `sspr_snapshot_load`. Its errors are
/// SSPR_STATUS_ARGUMENT_INVALID (none to join), SSPR_STATUS_SNAPSHOT_INVALID (also: of different tenants),
/// SSPR_STATUS_SNAPSHOT_VERSION, or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT,
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_snapshot_join(
    request_json: *const c_char,
    out_task: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { offline(request_json, out_task, out_error, run::join) }
}

/// Lists every check: `{"checks":[{id, step, stepTitle, title, looksAt, why, decides, documentation, permissions[],
/// sources[]}]}`, in causal order. `out_list` is freed with `sspr_string_free`.
///
/// Returns SSPR_STATUS_OK, an ARGUMENT status or SSPR_STATUS_PANIC. Any thread may call it; nothing waits.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_check_list(out_list: *mut *mut c_char, out_error: *mut *mut c_char) -> i32 {
    let body = || Ok((Status::Ok, text::give(run::check_list().to_string())));
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_list, "out_list", out_error, body) }
}
