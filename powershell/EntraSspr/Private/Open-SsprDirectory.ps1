function Open-SsprDirectory {
    # Connects a session to a domain; without a session it is one of its own. What fails leaves nothing open.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [psobject] $Session,
        [Parameter(Mandatory = $true)] [System.Collections.IDictionary] $Request,
        [hashtable] $Secret = @{}
    )

    [uint64]$handle = 0
    $own = $null -eq $Session
    $connected = $false
    try {
        if ($own) {
            $handle = Open-SsprHandle -Cmdlet $Cmdlet
        } else {
            $handle = $Session.Handle
        }
        foreach ($name in $Secret.Keys) { Set-SsprSecret -Cmdlet $Cmdlet -Handle $handle -Name $name -Value $Secret[$name] }
        $found = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_directory_connect' -Handle $handle -Request $Request -Activity 'Connecting to the directory'
        $connected = $true
    } finally {
        if ($own -and -not $connected -and $handle -ne 0) { Close-SsprHandle -Handle $handle }
    }
    $Cmdlet.WriteVerbose("$($found.Domain) by $($found.Controller); domains of the forest: $(@($found.Domains) -join ', ')")
    if ($own) { $Session = Add-SsprSession -Handle $handle }
    $Session.Directory = @(@($Session.Directory) + $found.Domain | Where-Object { $_ } | Select-Object -Unique)
    $Session
}

function Open-SsprHandle {
    # Opens a native session that belongs to no tenant.
    [CmdletBinding()]
    [OutputType([uint64])]
    param([Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet)

    $native = Get-SsprNative -Cmdlet $Cmdlet
    $hostAction = @{ readConnectServer = @(); setConnectWriteback = $true; confirm = $true }
    $json = $native::Text((ConvertTo-Json -InputObject @{ interactive = (Test-SsprInteractive); hostActions = @($hostAction.Keys) } -Compress))
    [uint64]$handle = 0
    $failure = [IntPtr]::Zero
    $status = $native::sspr_session_open($json, [ref]$handle, [ref]$failure)
    Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
    $native::Hosts[$handle] = $hostAction
    $handle
}

function Add-SsprSession {
    # Makes a session of an open handle the runspace's current one. All are closed when the module is removed.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([uint64] $Handle, [psobject] $Session = (New-SsprSession -Handle $Handle))

    $ExecutionContext.SessionState.Module.OnRemove = {
        foreach ($handle in @($script:Sessions.Keys)) { Close-SsprHandle -Handle $handle }
    }
    $script:Sessions[$Handle] = $Session
    $script:CurrentSession = $Session
    $Session
}

function New-SsprSession {
    # A session as the user sees it, of a sign-in where there is one.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([uint64] $Handle, [AllowNull()] [psobject] $Identity)

    $members = [ordered]@{ Handle = $Handle }
    foreach ($name in 'TenantId', 'Account', 'Method', 'Cloud', 'Delegated', 'PortalApi', 'Permissions') {
        $members[$name] = if ($null -ne $Identity) { $Identity.$name }
    }
    $members['Directory'] = @()
    $members['ConnectServer'] = @()
    $members['SignedInAt'] = [datetime]::Now
    Add-SsprTypeName -InputObject ([pscustomobject]$members) -Name Session
}

function Get-SsprDirectoryFact {
    # What one step read of the directory: the fact, or nothing where it was refused, which is told as an error. What could
    # not be read of it is told as a warning.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [psobject] $Session,
        [string] $Step,
        [string] $Fact,
        [string] $Activity
    )

    $active = Resolve-SsprDirectorySession -Cmdlet $Cmdlet -Session $Session
    $document = Invoke-SsprNative -Cmdlet $Cmdlet -Function "sspr_check_$Step" -Handle $active.Handle -Activity $Activity
    $read = (ConvertFrom-SsprJson -Json $document.Snapshot).Facts.$Fact
    $reason = Get-SsprMember -InputObject $read -Name Reason
    if ($reason) { $Cmdlet.WriteWarning("Read in part: $reason") }
    $refusal = Get-SsprMember -InputObject $read -Name Refusal
    if ($null -ne $refusal) {
        $Cmdlet.WriteError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Directory.Unread'; category = 'ReadError'; message = $refusal.Message
                        help = 'Connect with an account that may read it, or to a controller that can be reached.'
                    })))
        return
    }
    $read
}

function Get-SsprDirectoryUser {
    # Users looked at one by one. A name for which there is none, or that may be in a domain that was not read, is a
    # non-terminating error.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [psobject] $Session,
        [System.Collections.Generic.List[string]] $User
    )

    $active = Resolve-SsprDirectorySession -Cmdlet $Cmdlet -Session $Session
    for ($first = 0; $first -lt $User.Count; $first += 1000) {
        $some = $User.GetRange($first, [Math]::Min(1000, $User.Count - $first))
        $document = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_directory_user' -Handle $active.Handle -Request @{ users = @($some) } -Activity 'Looking at users'
        foreach ($name in $document.Missing) {
            $Cmdlet.WriteError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Directory.NotFound'; category = 'ObjectNotFound'; target = $name
                            message = "there is no user '$name', or more than one"
                            help = 'Give a distinguished name, a user principal name, DOMAIN\name, an account name or a SID, of a domain that is connected to.'
                        })))
        }
        foreach ($name in $document.Unread) {
            $Cmdlet.WriteError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Directory.Unread'; category = 'ReadError'; target = $name.User
                            message = "the user '$($name.User)' was not found, and may be in a domain that was not read: $($name.Why.TrimEnd('.'))"
                            help = 'Connect to that domain, with an account that may read it and to a controller that can be reached.'
                        })))
        }
        $document.Users
    }
}

function Resolve-SsprDirectorySession {
    # The session that a cmdlet for the directory works in.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [psobject] $Session
    )

    $active = Resolve-SsprSession -Cmdlet $Cmdlet -Session $Session
    if (@($active.Directory).Count -eq 0) {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Directory.Needed'; category = 'AuthenticationError'; message = 'the session is not connected to a directory'
                        help = 'Connect with Connect-SsprDirectory.'
                    })))
    }
    $active
}

function New-SsprNoConnectorError {
    # The error of whoever asks for rights where no account is known that could have them.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param([string] $Target)

    New-SsprErrorRecord -Document ([pscustomobject]@{
            name = 'Directory.NotFound'; category = 'ObjectNotFound'; target = $Target
            message = 'no connector account was found whose rights could be weighed'
            help = 'Name it: Connect-SsprDirectory -Connector. Get-ADSyncADConnectorAccount on the Connect server tells it.'
        })
}

function Get-SsprCauseText {
    # Why an account may not reset a user, in words.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory = $true)] [psobject] $Cause)

    switch ($Cause.Kind) {
        'inheritance' { 'inheritance is off on a container' }
        'userInheritance' { 'inheritance is off on the user' }
        'adminSdHolder' { 'AdminSDHolder protects the user, or did' }
        'denied' { "$($Cause.Right) is denied to $($Cause.Trustee)" }
        'inetOrgPerson' { 'what is granted is for the class user' }
        'notGranted' { "nothing grants $($Cause.Right)" }
        'reservedName' { 'a unit has a reserved character in its name' }
        'disabled' { 'the user is disabled' }
        'lockedOut' { 'the user is locked out now' }
        default { 'the security descriptor cannot be read' }
    }
}
