function Test-SsprWriteback {
    <#
    .SYNOPSIS
    Tries in the directory what password writeback does: a real reset and a real unlock, as the connector account.
    .DESCRIPTION
    It is the directory's half of a reset, with the password policy enforced as Entra Connect has it enforced: whether a reset in
    the cloud gets to the directory is not tried.

    With -Container, the account that the session is connected to the directory with makes disposable users there, and removes
    them whatever happens. The connector account resets one, sets "must change password" and takes it away, and unlocks one that
    wrong passwords had locked out, where the policy locks anybody. It is also refused what it should be: a password that is too
    young, one from the history, one that is too short, and a user in a unit that inherits nothing, which is made and removed
    too. Each answer is told with what a user would see, and with what to do.

    What a run that was killed has left, the next one removes: a file in the folder of your own state names it.

    With -User that user is reset, whose password cannot come back: the user ends with -FinalPassword and must change it. Members
    of protected groups are refused.
    .PARAMETER Container
    The distinguished name of the unit where disposable users are made: best one with users who are to reset.
    .PARAMETER ConnectorCredential
    The account that resets: the connector account, or another with the same rights and no others, as Microsoft Entra Connect tells
    nobody its password. By default whoever runs this, by Kerberos (Windows), as on the Connect server.
    .PARAMETER User
    A user in place of disposable ones: a distinguished name, a user principal name, DOMAIN\name, an account name or a SID.
    .PARAMETER AcceptPasswordLoss
    That user's password may be lost.
    .PARAMETER FinalPassword
    The password that the user has in the end.
    .PARAMETER Session
    The session to work in; by default the current one. It must be connected to the directory.
    .EXAMPLE
    Test-SsprWriteback -Container 'OU=Staff,DC=example,DC=test' -ConnectorCredential $connector -WhatIf

    Says what would be made where, and does nothing.
    .EXAMPLE
    Test-SsprWriteback -Container 'OU=Staff,DC=example,DC=test' -ConnectorCredential $connector -Confirm:$false

    Tries it without asking, as in a job, and shows a line for each thing that was tried.
    .EXAMPLE
    Test-SsprWriteback -User staff20 -AcceptPasswordLoss -FinalPassword $password -ConnectorCredential $connector -Confirm:$false

    Resets a test user, who must change the final password at the next sign-in.
    .LINK
    Connect-SsprDirectory
    .LINK
    Get-SsprDirectoryPermission
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High', DefaultParameterSetName = 'Container')]
    [OutputType('EntraSspr.Readiness')]
    param(
        [Parameter(ParameterSetName = 'Container', Mandatory = $true, Position = 0)]
        [ValidateNotNullOrEmpty()]
        [string] $Container,

        [Parameter(ParameterSetName = 'User', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $User,

        [Parameter(ParameterSetName = 'User', Mandatory = $true)]
        [switch] $AcceptPasswordLoss,

        [Parameter(ParameterSetName = 'User', Mandatory = $true)]
        [ValidateNotNull()]
        [securestring] $FinalPassword,

        [ValidateNotNull()]
        [pscredential] $ConnectorCredential,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    $active = Resolve-SsprDirectorySession -Cmdlet $PSCmdlet -Session $Session
    $as = if ($ConnectorCredential) { $ConnectorCredential.UserName } else { 'yourself' }
    $request = @{ utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes }
    $secret = @{}
    if ($PSCmdlet.ParameterSetName -eq 'User') {
        $request['user'] = $User
        $request['acceptPasswordLoss'] = [bool]$AcceptPasswordLoss
        $secret['finalPassword'] = $FinalPassword
        $target = $User
        $action = "Replace the password for good as $as, and have it changed at the next sign-in"
    } else {
        $request['container'] = $Container
        $target = $Container
        $action = "Make disposable users and a unit, reset and unlock them as $as, and remove them"
    }
    if (-not $PSCmdlet.ShouldProcess($target, $action)) { return }
    if ($ConnectorCredential) {
        $request['connector'] = $ConnectorCredential.UserName
        $secret['connectorPassword'] = $ConnectorCredential.Password
    }
    foreach ($name in $secret.Keys) { Set-SsprSecret -Cmdlet $PSCmdlet -Handle $active.Handle -Name $name -Value $secret[$name] }
    $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_check_writeback_probe' -Handle $active.Handle -Request $request -Activity 'Probing writeback in the directory'
    New-SsprReadiness -Document $document
}
