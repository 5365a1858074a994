function Open-SsprSession {
    # Opens a native session, hands over its secrets, signs in. What fails leaves nothing open.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # The session's configuration.
        [Parameter(Mandatory = $true)] [System.Collections.IDictionary] $Configuration,
        # The sign-in's request.
        [Parameter(Mandatory = $true)] [System.Collections.IDictionary] $Request,
        # Secrets by name, each a SecureString or bytes.
        [hashtable] $Secret = @{},
        # What this host can do for the library: by action, what it takes to do it.
        [hashtable] $HostAction = @{}
    )

    $native = Get-SsprNative -Cmdlet $Cmdlet
    $HostAction['readConnectServer'] = @()
    $HostAction['setConnectWriteback'] = $true
    $HostAction['confirm'] = $true
    $Configuration['hostActions'] = @($HostAction.Keys)
    $Configuration['interactive'] = Test-SsprInteractive
    $Configuration['budgets'] = $script:Budgets
    $Configuration['caller'] = "EntraSspr PowerShell/$($PSVersionTable.PSVersion)"
    $json = $native::Text((ConvertTo-Json -InputObject $Configuration -Depth 5 -Compress))
    [uint64]$handle = 0
    $signedIn = $false
    $failure = [IntPtr]::Zero
    try {
        $status = $native::sspr_session_open($json, [ref]$handle, [ref]$failure)
        Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
        # A later step may ask this host again, for a renewed sign-in: kept with the handle, out of the object.
        $native::Hosts[$handle] = $HostAction
        foreach ($name in $Secret.Keys) { Set-SsprSecret -Cmdlet $Cmdlet -Handle $handle -Name $name -Value $Secret[$name] }
        $identity = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_session_sign_in' -Handle $handle -Request $Request -Activity 'Signing in'
        $signedIn = $true
    } finally {
        if (-not $signedIn -and $handle -ne 0) { Close-SsprHandle -Handle $handle }
    }
    $session = New-SsprSession -Handle $handle -Identity $identity
    # What was connected to before there was a tenant comes along.
    $before = $script:CurrentSession
    if ($null -ne $before -and $null -eq $before.TenantId) {
        $failure = [IntPtr]::Zero
        $status = $native::sspr_directory_adopt($handle, $before.Handle, [ref]$failure)
        Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
        $session.Directory = $before.Directory
        $session.ConnectServer = $before.ConnectServer
        $other = $null
        if ($native::Hosts.TryGetValue($before.Handle, [ref]$other)) { $HostAction['readConnectServer'] = $other['readConnectServer'] }
        Close-SsprHandle -Handle $before.Handle
    }
    Add-SsprSession -Handle $handle -Session $session
}

function Set-SsprSecret {
    # Hands a secret to the library as bytes, and wipes what was made on the way.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [uint64] $Handle,
        [string] $Name,
        [object] $Value
    )

    $native = $script:Native
    $marshal = [System.Runtime.InteropServices.Marshal]
    $characters = $null
    $bytes = $null
    $plain = [IntPtr]::Zero
    try {
        if ($Value -is [securestring]) {
            $characters = [char[]]::new($Value.Length)
            $plain = $marshal::SecureStringToGlobalAllocUnicode($Value)
            $marshal::Copy($plain, $characters, 0, $characters.Length)
            $bytes = [System.Text.Encoding]::UTF8.GetBytes($characters)
        } else {
            $bytes = [byte[]]$Value
        }
        $failure = [IntPtr]::Zero
        $status = $native::sspr_session_set_secret($Handle, $native::Text($Name), $bytes, [uint32]$bytes.Length, [ref]$failure)
    } finally {
        if ($plain -ne [IntPtr]::Zero) { $marshal::ZeroFreeGlobalAllocUnicode($plain) }
        if ($null -ne $characters) { [array]::Clear($characters, 0, $characters.Length) }
        if ($null -ne $bytes) { [array]::Clear($bytes, 0, $bytes.Length) }
    }
    Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
}

function Resolve-SsprSession {
    # The session that a cmdlet works in: the one named, else the runspace's own.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [psobject] $Session
    )

    if ($null -eq $Session) { $Session = $script:CurrentSession }
    if ($null -eq $Session) {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'SignIn.Needed'; category = 'AuthenticationError'; message = 'nobody is signed in'
                        help = 'Sign in with Connect-SsprTenant or connect with Connect-SsprDirectory, or name a session with -Session.'
                    })))
    }
    if ($Session.PSObject.TypeNames -notcontains 'EntraSspr.Session') {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Session'
                        message = 'this is no session of this process'; help = 'Give what Connect-SsprTenant or Get-SsprSession returned, in the same process.'
                    })))
    }
    $Session
}
