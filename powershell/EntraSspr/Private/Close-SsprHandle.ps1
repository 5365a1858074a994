function Close-SsprHandle {
    # Closes a session's handle. One that is closed already is no error.
    [CmdletBinding()]
    [OutputType([void])]
    param([Parameter(Mandatory = $true)] [uint64] $Handle)

    [void]$script:Sessions.Remove($Handle)
    if ($null -ne $script:CurrentSession -and $script:CurrentSession.Handle -eq $Handle) { $script:CurrentSession = $null }
    if ($null -eq $script:Native) { return }
    $native = $script:Native
    $gone = $null
    [void]$native::Hosts.TryRemove($Handle, [ref]$gone)
    $failure = [IntPtr]::Zero
    [void]$native::sspr_session_close($Handle, [ref]$failure)
    $native::sspr_string_free($failure)
}
