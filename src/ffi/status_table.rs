// The one table of status codes. The library makes its enum from it, build.rs the header's; the C# declarations follow
// from the header. A code is never reused and never changes its meaning.
//
// code, constant, area.name (the error's name, for a program), category (PowerShell's word for it), meaning.
statuses! {
    0, SSPR_STATUS_OK, Ok, "Ok", "NotSpecified", "The call succeeded.";
    1, SSPR_STATUS_PENDING, Pending, "Task.Pending", "NotSpecified", "No event came within the time given; ask again.";
    2, SSPR_STATUS_ENDED, Ended, "Task.Ended", "NotSpecified", "The task has handed out its result; there are no further events.";
    100, SSPR_STATUS_ARGUMENT_INVALID, ArgumentInvalid, "Argument.Invalid", "InvalidArgument", "An argument or a member of a request is not acceptable.";
    101, SSPR_STATUS_ARGUMENT_NULL, ArgumentNull, "Argument.Null", "InvalidArgument", "A pointer that must not be NULL was NULL.";
    102, SSPR_STATUS_ARGUMENT_UTF8, ArgumentUtf8, "Argument.Utf8", "InvalidArgument", "A text is not UTF-8.";
    103, SSPR_STATUS_ARGUMENT_JSON, ArgumentJson, "Argument.Json", "InvalidArgument", "A document is not JSON, or not of the documented form.";
    104, SSPR_STATUS_HANDLE_INVALID, HandleInvalid, "Handle.Invalid", "InvalidArgument", "The handle was never given out, or is closed.";
    105, SSPR_STATUS_HANDLE_TYPE, HandleType, "Handle.Type", "InvalidType", "The handle belongs to another kind of object.";
    106, SSPR_STATUS_HANDLE_LIMIT, HandleLimit, "Handle.Limit", "LimitsExceeded", "Too many handles of this kind are open.";
    200, SSPR_STATUS_TASK_CANCELLED, TaskCancelled, "Task.Cancelled", "OperationStopped", "The task was cancelled.";
    201, SSPR_STATUS_TASK_DEADLINE, TaskDeadline, "Task.Deadline", "OperationTimeout", "The task did not end within its time.";
    202, SSPR_STATUS_TASK_REPLY, TaskReply, "Task.Reply", "InvalidOperation", "The reply answers no host action that is waiting.";
    203, SSPR_STATUS_HOST_ACTION_FAILED, HostActionFailed, "Task.HostActionFailed", "InvalidOperation", "The caller could not do what the task asked of it.";
    300, SSPR_STATUS_SIGN_IN_NEEDED, SignInNeeded, "SignIn.Needed", "AuthenticationError", "The session is not signed in, or its sign-in has ended.";
    301, SSPR_STATUS_SIGN_IN_REFUSED, SignInRefused, "SignIn.Refused", "AuthenticationError", "The sign-in was refused.";
    302, SSPR_STATUS_SIGN_IN_TIMEOUT, SignInTimeout, "SignIn.Timeout", "OperationTimeout", "Nobody finished the sign-in in time.";
    303, SSPR_STATUS_SIGN_IN_CONDITIONAL_ACCESS, SignInConditionalAccess, "SignIn.ConditionalAccess", "AuthenticationError", "Conditional Access asks for more than this sign-in can give.";
    304, SSPR_STATUS_TOKEN_UNUSABLE, TokenUnusable, "SignIn.TokenUnusable", "AuthenticationError", "The access token is for another service or tenant, has ended, or cannot be read.";
    305, SSPR_STATUS_CREDENTIAL_UNUSABLE, CredentialUnusable, "SignIn.CredentialUnusable", "AuthenticationError", "The secret, certificate, key or token file cannot be used.";
    306, SSPR_STATUS_IDENTITY_UNAVAILABLE, IdentityUnavailable, "SignIn.IdentityUnavailable", "AuthenticationError", "There is no managed identity here, or its endpoint gave no token.";
    400, SSPR_STATUS_SERVICE_UNREACHABLE, ServiceUnreachable, "Service.Unreachable", "ConnectionError", "The service could not be reached.";
    401, SSPR_STATUS_SERVICE_TLS, ServiceTls, "Service.Tls", "SecurityError", "The service's certificate was not accepted.";
    402, SSPR_STATUS_SERVICE_THROTTLED, ServiceThrottled, "Service.Throttled", "LimitsExceeded", "The service asked to wait longer than the request may.";
    403, SSPR_STATUS_SERVICE_REFUSED, ServiceRefused, "Service.Refused", "PermissionDenied", "The service refused the request.";
    404, SSPR_STATUS_SERVICE_FAILED, ServiceFailed, "Service.Failed", "ResourceUnavailable", "The service answered with an error.";
    405, SSPR_STATUS_SERVICE_ANSWER, ServiceAnswer, "Service.Answer", "InvalidResult", "The service's answer is not of the documented form.";
    500, SSPR_STATUS_SNAPSHOT_INVALID, SnapshotInvalid, "Snapshot.Invalid", "InvalidData", "The snapshot is damaged or not a snapshot.";
    501, SSPR_STATUS_SNAPSHOT_VERSION, SnapshotVersion, "Snapshot.Version", "InvalidData", "The snapshot was written by a version that this one does not read.";
    502, SSPR_STATUS_FILE_READ, FileRead, "File.Read", "ReadError", "A file could not be read.";
    503, SSPR_STATUS_FILE_WRITE, FileWrite, "File.Write", "WriteError", "A file could not be written.";
    900, SSPR_STATUS_PANIC, Panic, "Internal.Panic", "NotSpecified", "A defect of the library was caught; the process is unharmed.";
    901, SSPR_STATUS_INTERNAL, Internal, "Internal.Error", "NotSpecified", "A defect of the library.";
}
