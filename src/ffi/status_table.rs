// The one table of status codes. The library makes its enum from it, build.rs the header's; the C# declarations follow
// from the header. A code is never reused and never changes its meaning.
//
// code, constant, area.name (the error's name, for a program), category (PowerShell's word for it), meaning, and what to
// do where the error itself does not say.
statuses! {
    0, SSPR_STATUS_OK, Ok, "Ok", "NotSpecified", "The call succeeded.", "";
    1, SSPR_STATUS_PENDING, Pending, "Task.Pending", "NotSpecified", "No event came within the time given; ask again.", "";
    2, SSPR_STATUS_ENDED, Ended, "Task.Ended", "NotSpecified", "The task has handed out its result; there are no further events.", "";
    100, SSPR_STATUS_ARGUMENT_INVALID, ArgumentInvalid, "Argument.Invalid", "InvalidArgument", "An argument or a member of a request is not acceptable.", "Correct what is named and call again; Get-Help and the C guide tell what is accepted.";
    101, SSPR_STATUS_ARGUMENT_NULL, ArgumentNull, "Argument.Null", "InvalidArgument", "A pointer that must not be NULL was NULL.", "Pass a valid pointer.";
    102, SSPR_STATUS_ARGUMENT_UTF8, ArgumentUtf8, "Argument.Utf8", "InvalidArgument", "A text is not UTF-8.", "Encode the text as UTF-8.";
    103, SSPR_STATUS_ARGUMENT_JSON, ArgumentJson, "Argument.Json", "InvalidArgument", "A document is not JSON, or not of the documented form.", "Correct the document; the C guide lists the members of each, and a member that is not known is refused.";
    104, SSPR_STATUS_HANDLE_INVALID, HandleInvalid, "Handle.Invalid", "InvalidArgument", "The handle was never given out, or is closed.", "Use a handle that is open: it ends with its close.";
    105, SSPR_STATUS_HANDLE_TYPE, HandleType, "Handle.Type", "InvalidType", "The handle belongs to another kind of object.", "Pass a session's handle where a session is asked for, and a task's where a task is.";
    106, SSPR_STATUS_HANDLE_LIMIT, HandleLimit, "Handle.Limit", "LimitsExceeded", "Too many handles of this kind are open.", "Close tasks and sessions that are no longer needed.";
    200, SSPR_STATUS_TASK_CANCELLED, TaskCancelled, "Task.Cancelled", "OperationStopped", "The task was cancelled.", "Start it again when you want its answer.";
    201, SSPR_STATUS_TASK_DEADLINE, TaskDeadline, "Task.Deadline", "OperationTimeout", "The task did not end within its time.", "Allow more time, or ask for fewer steps.";
    202, SSPR_STATUS_TASK_REPLY, TaskReply, "Task.Reply", "InvalidOperation", "The reply answers no host action that is waiting.", "Reply once, with the id of an action that is waiting, within its deadline.";
    203, SSPR_STATUS_HOST_ACTION_FAILED, HostActionFailed, "Task.HostActionFailed", "InvalidOperation", "The caller could not do what the task asked of it.", "Let the calling program do what it offers, or sign in in a way that needs nothing of it.";
    300, SSPR_STATUS_SIGN_IN_NEEDED, SignInNeeded, "SignIn.Needed", "AuthenticationError", "The session is not signed in, or its sign-in has ended.", "Sign in with Connect-SsprTenant.";
    301, SSPR_STATUS_SIGN_IN_REFUSED, SignInRefused, "SignIn.Refused", "AuthenticationError", "The sign-in was refused.", "See the entry of this time in the sign-in log of the tenant: it says what refused.";
    302, SSPR_STATUS_SIGN_IN_TIMEOUT, SignInTimeout, "SignIn.Timeout", "OperationTimeout", "Nobody finished the sign-in in time.", "Start the sign-in again and finish it in time.";
    303, SSPR_STATUS_SIGN_IN_CONDITIONAL_ACCESS, SignInConditionalAccess, "SignIn.ConditionalAccess", "AuthenticationError", "Conditional Access asks for more than this sign-in can give.", "See the Conditional Access tab of this time's entry in the tenant's sign-in log; sign in as it asks.";
    304, SSPR_STATUS_TOKEN_UNUSABLE, TokenUnusable, "SignIn.TokenUnusable", "AuthenticationError", "The access token is for another service or tenant, has ended, or cannot be read.", "Get a new token for this service and this tenant.";
    305, SSPR_STATUS_CREDENTIAL_UNUSABLE, CredentialUnusable, "SignIn.CredentialUnusable", "AuthenticationError", "The secret, certificate, key or token file cannot be used.", "Check the secret, the certificate or the file, and its password.";
    306, SSPR_STATUS_IDENTITY_UNAVAILABLE, IdentityUnavailable, "SignIn.IdentityUnavailable", "AuthenticationError", "There is no managed identity here, or its endpoint gave no token.", "Run where Azure gives an identity, or sign in in another way.";
    400, SSPR_STATUS_SERVICE_UNREACHABLE, ServiceUnreachable, "Service.Unreachable", "ConnectionError", "The service could not be reached.", "Check the network, the proxy and the firewall, and try again.";
    401, SSPR_STATUS_SERVICE_TLS, ServiceTls, "Service.Tls", "SecurityError", "The service's certificate was not accepted.", "A proxy that opens TLS needs its root certificate in the system's store, or in the CA file that is named.";
    402, SSPR_STATUS_SERVICE_THROTTLED, ServiceThrottled, "Service.Throttled", "LimitsExceeded", "The service asked to wait longer than the request may.", "Wait as long as the service asks, and try again.";
    403, SSPR_STATUS_SERVICE_REFUSED, ServiceRefused, "Service.Refused", "PermissionDenied", "The service refused the request.", "Give the signed-in person or app what the service misses: a permission, a role or a licence.";
    404, SSPR_STATUS_SERVICE_FAILED, ServiceFailed, "Service.Failed", "ResourceUnavailable", "The service answered with an error.", "Try again later; the service's health page tells of its disturbances.";
    405, SSPR_STATUS_SERVICE_ANSWER, ServiceAnswer, "Service.Answer", "InvalidResult", "The service's answer is not of the documented form.", "Something between here and the service may answer in its place: check the proxy.";
    500, SSPR_STATUS_SNAPSHOT_INVALID, SnapshotInvalid, "Snapshot.Invalid", "InvalidData", "The snapshot is damaged or not a snapshot.", "Give a file or text that Export-SsprSnapshot wrote, unchanged.";
    501, SSPR_STATUS_SNAPSHOT_VERSION, SnapshotVersion, "Snapshot.Version", "InvalidData", "The snapshot was written by a version that this one does not read.", "Read it with the module's version that wrote it, or take a new one.";
    502, SSPR_STATUS_FILE_READ, FileRead, "File.Read", "ReadError", "A file could not be read.", "Check the path and who may read it.";
    503, SSPR_STATUS_FILE_WRITE, FileWrite, "File.Write", "WriteError", "A file could not be written.", "Check the path, who may write there, and the free space.";
    504, SSPR_STATUS_STATE_INVALID, StateInvalid, "State.Invalid", "InvalidData", "What was told last is damaged, of another version, or another tenant's; it was left as it is.", "Look at what it is, then move it away or name another place.";
    505, SSPR_STATUS_STATE_CHANGED, StateChanged, "State.Changed", "ResourceBusy", "Another run wrote what was told last meanwhile.", "Let one job at a time use the state; the next run tells what is still open.";
    510, SSPR_STATUS_ATTESTATION_INVALID, AttestationInvalid, "Attestation.Invalid", "SecurityError", "The attestation is damaged, forged, of another tenant, or was written with another key.", "Give the file that Export-SsprSnapshot -Attest wrote for this tenant, and its key.";
    511, SSPR_STATUS_DECLARATION_INVALID, DeclarationInvalid, "Declaration.Invalid", "InvalidData", "The declarations are not acceptable.", "Correct the member that is named; the published schema says what there is.";
    600, SSPR_STATUS_DIRECTORY_UNREACHABLE, DirectoryUnreachable, "Directory.Unreachable", "ConnectionError", "No domain controller could be reached, or the connection broke.", "Check the name, the network and the firewall: LDAPS is port 636, StartTLS port 389; or name another controller with -Server.";
    601, SSPR_STATUS_DIRECTORY_TLS, DirectoryTls, "Directory.Tls", "SecurityError", "The domain controller's certificate was not accepted.", "Name the controller as its certificate does, and its authority's certificate with -CaFile where the system does not trust it.";
    602, SSPR_STATUS_DIRECTORY_SIGN_IN, DirectorySignIn, "Directory.SignIn", "AuthenticationError", "The directory refused the sign-in.", "Check the account and its password, or name another with -Credential.";
    603, SSPR_STATUS_DIRECTORY_REFUSED, DirectoryRefused, "Directory.Refused", "PermissionDenied", "The directory refused what it was asked for.", "Sign in as an account that may read it.";
    604, SSPR_STATUS_DIRECTORY_NOT_FOUND, DirectoryNotFound, "Directory.NotFound", "ObjectNotFound", "There is no such domain, controller or account.", "Check the name; name a controller with -Server where DNS does not know the domain.";
    605, SSPR_STATUS_DIRECTORY_NEEDED, DirectoryNeeded, "Directory.Needed", "AuthenticationError", "The session is not connected to a directory.", "Connect with Connect-SsprDirectory.";
    700, SSPR_STATUS_DESIRED_STATE, DesiredState, "Plan.DesiredState", "InvalidData", "The desired state is not acceptable.", "Correct the member that is named; the published schema says what there is.";
    701, SSPR_STATUS_PLAN_INVALID, PlanInvalid, "Plan.Invalid", "InvalidData", "The plan or its journal is damaged, or is another tenant's.", "Make a new plan with New-SsprPlan.";
    702, SSPR_STATUS_PLAN_DRIFT, PlanDrift, "Plan.Drift", "InvalidOperation", "Somebody else changed what the plan is about.", "Make a new plan, look at it, and apply that.";
    703, SSPR_STATUS_PLAN_PERMISSION, PlanPermission, "Plan.Permission", "PermissionDenied", "The sign-in lacks what the plan needs; nothing was changed.", "Sign in with the permissions that are named, or apply the other steps only.";
    704, SSPR_STATUS_PLAN_LOCKED, PlanLocked, "Plan.Locked", "ResourceBusy", "Another plan is being applied to the same tenant or domain.", "Wait until it has ended.";
    705, SSPR_STATUS_PLAN_NOT_KEPT, PlanNotKept, "Plan.NotKept", "InvalidResult", "What was written is not there when it is read again.", "Look at the setting in the portal, then make a new plan.";
    900, SSPR_STATUS_PANIC, Panic, "Internal.Panic", "NotSpecified", "A defect of the library was caught; the process is unharmed.", "Please report it with this text and the library's version.";
    901, SSPR_STATUS_INTERNAL, Internal, "Internal.Error", "NotSpecified", "A defect of the library.", "Please report it with this text and the library's version.";
}
