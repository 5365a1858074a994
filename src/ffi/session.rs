//! Sessions over the C boundary.

use super::{SESSIONS, guard, task, text};
use crate::error::Error;
use crate::gather;
use crate::session::{MAX_SECRET, Session};
use crate::status::Status;
use serde_json::json;
use std::ffi::c_char;
use std::sync::Arc;

/// Opens a session: one tenant and how to reach it. Nothing is read or sent, nothing waits.
///
/// `config_json` is an object; every member may be left out:
/// `tenant` (id or domain), `cloud` ("Public", "UsGovernment", "UsGovernmentDod", "China"), `endpoints` ({`login`,
/// `graph`, `portal`, `imds`}: other addresses, plain HTTP on loopback only), `caFile` (trust this PEM file and nothing
/// else; the sign-in reads it), `proxy` ("none" or an address, without user or password), `proxyUser` (who signs in to
/// that proxy; the password is the secret "proxyPassword"), `hostActions` (what the caller can do: "confirm", "openBrowser",
/// "readConnectServer", "setConnectWriteback", "signAssertion"), `interactive` (a person is there), `budgets` ("documented" or "off"),
/// `processes` (over how many the app is spread at once: each keeps to its share of the app's budgets over all tenants), `requestTimeoutSeconds`,
/// `caller` (your program's name, for the services' logs: 200 bytes at the most, without control characters).
///
/// `out_session` receives the handle, for `sspr_session_close`. `out_error` receives the error document (free it with
/// `sspr_string_free`) or NULL; it may be NULL.
///
/// Returns SSPR_STATUS_OK, an ARGUMENT status, SSPR_STATUS_HANDLE_LIMIT, SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any
/// thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_session_open(
    config_json: *const c_char,
    out_session: *mut u64,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        // SAFETY: the caller's promise.
        let session = Session::open(unsafe { text::take(config_json, "config_json")? })?;
        let handle = SESSIONS.insert(|| Ok(Arc::new(session)))?;
        Ok((Status::Ok, handle))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_session, "out_session", out_error, body) }
}

/// Hands a secret to a session, for its next sign-in, in place of an earlier one of that name.
///
/// `session` is the session's handle. `name` is "clientSecret", "certificate" (PEM or PFX, with its key),
/// "certificatePassword", "accessToken", "portalAccessToken", "directoryPassword" (for `sspr_directory_connect`), "connectorPassword", "finalPassword" (for `sspr_check_writeback_probe`), "webhookUrl", "webhookKey" (for `sspr_notification_send`), "stateUrl" (for `sspr_state_read`),
/// "attestationKey" (for `sspr_attestation_write` and a check that is given an attestation), or "proxyPassword" (for the configured `proxyUser`, before
/// the session's first task). `bytes` and `length` are the secret itself, 1 to 1,048,576 bytes, which the caller may wipe
/// when the call returns; what is text is UTF-8.
///
/// The sign-in takes the secret out of the session, whether or not it succeeds. What renews tokens later (a client
/// secret, a certificate's key, tokens) is kept by the sign-in until another one takes its place or the session and its
/// tasks are gone. The library's own copies are wiped then; copies inside the libraries for PFX files, RSA keys, HTTP and
/// TLS are freed without being wiped.
///
/// Returns SSPR_STATUS_OK, SSPR_STATUS_CREDENTIAL_UNUSABLE (a proxy's password that is not UTF-8), an ARGUMENT or HANDLE
/// status, or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// `bytes` is valid for `length` bytes; pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_session_set_secret(
    session: u64,
    name: *const c_char,
    bytes: *const u8,
    length: u32,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        let session = SESSIONS.get(session)?;
        // SAFETY: the caller's promise.
        let name = unsafe { text::take(name, "name")? };
        if bytes.is_null() {
            return Err(text::null("bytes"));
        }
        // A length that is no secret's is refused before anything is made of it: where a pointer has 32 bits, half of
        // the lengths could not be a Rust slice.
        if length as usize > MAX_SECRET {
            return Err(Error::new(Status::ArgumentInvalid, "the secret is longer than 1 MiB").target("length"));
        }
        // SAFETY: not NULL, short, and valid for `length` bytes by the caller's promise.
        let secret = unsafe { std::slice::from_raw_parts(bytes, length as usize) };
        session.set_secret(name, secret)?;
        Ok(Status::Ok)
    };
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, body) }
}

/// Starts a sign-in in a session.
///
/// `session` is the session's handle. `request_json` is an object: `method`, and the members of that method. Members in brackets may be left out; secrets
/// are set before, with `sspr_session_set_secret`. For example `{"method":"clientSecret","clientId":"..."}`.
///
/// "browser": a person, through the system's browser. [`clientId`]: the app, which registers http://localhost under
/// "Mobile and desktop applications"; without it Microsoft Graph Command Line Tools. [`loginHint`]: the account that the
/// page offers. [`prompt`]: "login", "select_account" or "consent". [`timeoutSeconds`]: 300 unless said. [`portalApi`]:
/// true to sign the person in a second time, for the portal API. The event `signIn` {`method`, `service`, `url`,
/// `expiresIn`, [`message`]} comes first: with `message`, show it: nobody but the person opens the page. Host action
/// "openBrowser" {`url`}: open it, and reply with any result.
///
/// "deviceCode": a person, with a code on any device. [`clientId`], [`portalApi`] as above. The event `signIn` {`method`,
/// `service`, `message`, `userCode`, `verificationUri`, `expiresIn`}: show `message`.
///
/// "clientSecret": an app with a secret. `clientId`. Secret "clientSecret".
///
/// "certificate": an app with an RSA certificate. `clientId`, and either the secret "certificate" (PEM or PFX, with the
/// key; "certificatePassword" where it is encrypted), or [`certificate`]: the public part, DER in base64, for a key that
/// the caller keeps. Host action "signAssertion" {`thumbprint`, `algorithms`: [{`alg`, `signingInput`}, ...]}: sign the
/// bytes of one `signingInput` with SHA-256 and RSA-PSS (`alg` "PS256", salt of 32 bytes) or PKCS#1 v1.5 ("RS256"), and
/// reply with {`alg`, `signature`}, the signature in base64url. It comes again when a token is renewed, in any task.
///
/// "managedIdentity": the identity that Azure gives this machine (App Service, Automation, Azure Arc, virtual machine).
/// At most one of [`clientId`], [`objectId`], [`resourceId`], for a user-assigned one.
///
/// "federated": an app that trusts another issuer. [`clientId`]: without it AZURE_CLIENT_ID of the environment. Either
/// [`assertionFile`]: the file with the issuer's token, read anew for each renewal; without it
/// AZURE_FEDERATED_TOKEN_FILE; or [`managedIdentity`]: {one of `clientId`, `objectId`, `resourceId`}, a user-assigned
/// identity whose token proves the app. The tenant may come from AZURE_TENANT_ID.
///
/// "accessToken": tokens that the caller brings. Secret "accessToken" for Microsoft Graph, and "portalAccessToken" for
/// the portal API. They are not renewed.
///
/// A person's later renewals ask again (`signIn`, "openBrowser"), in the task that needs the token, where the session was
/// opened with `interactive` and, for a browser, with the host action "openBrowser"; else that task tells what was asked.
///
/// `portalApi` and "portalAccessToken" are refused (SSPR_STATUS_SIGN_IN_REFUSED) where a policy of the machine switches
/// the portal API off: the environment variable ENTRASSPR_DISABLE_PORTAL_API, or on Windows the registry's value
/// HKLM\SOFTWARE\Policies\EntraSspr, DisablePortalApi.
///
/// A token that "managedIdentity" or "accessToken" brings must be of the session's tenant; where that is named by a
/// domain, its id is asked for at the sign-in address.
///
/// `out_task` receives a task for `sspr_task_next`; its result is `{tenantId, cloud, method, account, delegated,
/// permissions[], portalApi}`. A task that fails or is cancelled before its result is there leaves the session signed in
/// as it was; the secrets that it used are gone. Its errors are SSPR_STATUS_SIGN_IN_... (refused, too late, Conditional
/// Access), SSPR_STATUS_TOKEN_UNUSABLE, SSPR_STATUS_CREDENTIAL_UNUSABLE, SSPR_STATUS_IDENTITY_UNAVAILABLE,
/// SSPR_STATUS_HOST_ACTION_FAILED, an ARGUMENT status (a member or a secret that the method needs), a SERVICE status,
/// SSPR_STATUS_FILE_READ (`caFile`), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_session_sign_in(
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
            |session, request, context| async move {
                let identity = session.sign_in(request, &context).await?;
                serde_json::to_value(identity).map_err(|e| Error::new(Status::Internal, e.to_string()))
            },
        )
    }
}

/// Connects a session to a domain of Active Directory, in place of an earlier connection to that domain. A session may
/// have any number of domains, and be signed in to a tenant or not; the domains of a forest that are not connected to are
/// found by DNS and read with the same sign-in.
///
/// `session` is the session's handle. `request_json` is an object; every member may be left out: `domain` (its DNS
/// name; else that of `user`, else the machine's own), `servers` (its controllers, "name" or "name:port"; else those
/// that DNS names), `user` ("DOMAIN\user", a user principal name or a distinguished name, whose password is the secret
/// "directoryPassword"; else whoever runs this, by Kerberos), `tls` ("LDAPS", "StartTls", or "None": without `user`
/// only, signed and sealed by Kerberos), `caFile` (trust this PEM file and nothing else), `dnsServer` ("address:port",
/// in place of the system's), `pageSize` (1 to 1000), `maxConnections` (over how many a scan reads, 1 to 16),
/// `timeoutSeconds` (of a request), `connectors` (the connector accounts, where they are not to be looked for),
/// `sysvol` (where the domain's SYSVOL is mounted, where the system does not reach it by name).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is `{domain, forest, controller, domains[]}`. Its errors are
/// SSPR_STATUS_ARGUMENT_INVALID, SSPR_STATUS_CREDENTIAL_UNUSABLE, SSPR_STATUS_FILE_READ, a DIRECTORY status, or those of
/// any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_directory_connect(
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
            |session, request, _| async move { session.connect_directory(request).await },
        )
    }
}

/// Gives a session the directories of another, with their sign-ins: for a directory that was connected to before there was
/// a session of the tenant. The other session keeps them too.
///
/// `session` is the session that takes, `other` the one that gives.
///
/// Returns SSPR_STATUS_OK, a HANDLE status or SSPR_STATUS_PANIC. Any thread may call it; nothing waits.
///
/// # Safety
/// `out_error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_directory_adopt(session: u64, other: u64, out_error: *mut *mut c_char) -> i32 {
    let body = || {
        SESSIONS.get(session)?.adopt_directories(&*SESSIONS.get(other)?);
        Ok(Status::Ok)
    };
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, body) }
}

/// Looks at users in the directory: what each connector account may do to them, by which entry, and the password policy
/// that counts for them.
///
/// `session` is the handle of a session that is connected to a directory. `request_json` is an object: `users` (1 to 1000:
/// distinguished names, user principal names, "DOMAIN\\name", account names or SIDs).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is `{users[], missing[], unread[]}`: a user has `asked`, `dn`,
/// `name`, `userPrincipalName`, `sid`, `domain`, `class`, `enabled`, `locked`, `adminCount`, `inheritance`, `reservedName` (the unit above whose name writeback cannot take, or null), `accounts[]`
/// ({`connector`, `canReset`, `cause`, `rights[]` {`right`, `needed`, `allowed`, `by`}}) and `password` ({`fineGrained`,
/// `policy`, `set`, `resetFrom`, `mustChange`, `neverExpires`}); `missing` are the names for which there is no user, or more
/// than one; `unread` ({`user`, `why`}) those who were not found and may be of a domain that could not be read. Its errors are SSPR_STATUS_ARGUMENT_INVALID, a DIRECTORY status (SSPR_STATUS_DIRECTORY_NEEDED where the session
/// is connected to none), or those of any task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_directory_user(
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
            |session, request, context| async move { gather::directory::user::look(&session, request, &context).await },
        )
    }
}

/// Writes everyone whom a connector account may not reset into a table (CSV in UTF-8), while the directory is read. The file
/// can be read by its owner only, and appears whole or not at all.
///
/// `session` is the handle of a session that is connected to a directory. `request_json` is an object: `path`, and `overwrite`
/// (true: replace an existing file).
///
/// `out_task` receives a task for `sspr_task_next`. Its result is `{path, rows, users}`. The columns are domain, account, user
/// (distinguished name), userPrincipalName, sAMAccountName, cause, right, trustee (SID) and container; what a spreadsheet would
/// take for a formula begins with an apostrophe. Its errors are SSPR_STATUS_FILE_WRITE, a DIRECTORY status, or those of any
/// task (see `sspr_task_next`).
///
/// Returns SSPR_STATUS_OK when the task was started, else an ARGUMENT or HANDLE status (also SSPR_STATUS_HANDLE_LIMIT),
/// SSPR_STATUS_INTERNAL or SSPR_STATUS_PANIC. Any thread may call it.
///
/// # Safety
/// Pointers are NULL or valid; texts are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_directory_affected(
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
            |session, request, context| async move { gather::directory::export(&session, request, &context).await },
        )
    }
}

/// Tells who is signed in.
///
/// `out_state` receives `{signedIn, tenantId, ...}` as the sign-in's result (free it with `sspr_string_free`).
///
/// Returns SSPR_STATUS_OK, an ARGUMENT or HANDLE status, or SSPR_STATUS_PANIC. Any thread may call it; nothing waits.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_session_state(
    session: u64,
    out_state: *mut *mut c_char,
    out_error: *mut *mut c_char,
) -> i32 {
    let body = || {
        let document = match SESSIONS.get(session)?.state() {
            Ok(state) => {
                let mut document =
                    serde_json::to_value(&state.identity).map_err(|e| Error::new(Status::Internal, e.to_string()))?;
                document["signedIn"] = json!(true);
                document
            }
            Err(_) => json!({"signedIn": false}),
        };
        Ok((Status::Ok, text::give(document.to_string())))
    };
    // SAFETY: the caller's promise.
    unsafe { guard::output(out_state, "out_state", out_error, body) }
}

/// Closes a session. Its tasks go on until they end or are closed; its tokens and secrets are dropped, and the library's
/// copies of them wiped, when the last is.
///
/// Returns SSPR_STATUS_OK or a HANDLE status. Any thread may call it; nothing waits.
///
/// # Safety
/// `out_error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_session_close(session: u64, out_error: *mut *mut c_char) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard::call(out_error, || SESSIONS.remove(session).map(|_| Status::Ok)) }
}
