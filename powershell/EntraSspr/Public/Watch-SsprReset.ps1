function Watch-SsprReset {
    <#
    .SYNOPSIS
    Watches a user's real reset, or unlock, on its way from the browser to the directory.
    .DESCRIPTION
    Start it, and let a pilot user reset the password (or unlock the account) in a browser. What each source says of that is told
    when it comes: the verification and Microsoft Entra's record in the tenant's audit log, the agent that wrote it, the event on the
    Entra Connect server, and the change on the domain controller. Each leg has its time by its source's own clock; a leg that does
    not come is Missing, one that nobody looks at is NotWatched and says what to connect to. Nothing is written, and no password
    is seen.

    The audit log is late by minutes, so the time limit is half an hour. It ends as soon as all has come, and shortly after
    Microsoft Entra says that it failed. When another leg failed, such as an event 33004 of the Connect server, it waits
    for twelve polls of the audit log (two minutes) more, for a later leg or a second try. A verification that failed ends
    nothing, for the user may try again; it is the verdict where nothing has followed when the time is over. A source that
    does not answer is told once and asked again; it keeps nobody from the others. Of a user of the cloud alone the tenant is
    watched.

    The legs are written to the information stream as they come, and the whole is the output: Verdict is Worked, Failed, Incomplete
    (something did not come) or Missing (no reset was seen).
    .PARAMETER User
    The user: a user principal name or an object id; without a sign-in to the tenant also DOMAIN\name, an account name, a SID or a
    distinguished name.
    .PARAMETER Action
    What the user does: Reset, by default, or Unlock.
    .PARAMETER TimeoutSec
    How long to watch at the most.
    .PARAMETER PollSec
    How often the audit log is asked. A Connect server is asked half as often, the directory every two seconds.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Watch-SsprReset -User staff3@contoso.example -TimeoutSec 2

    Waits two seconds for a reset of this user.
    .EXAMPLE
    (Watch-SsprReset -User staff3@contoso.example -Action Unlock -TimeoutSec 2).Legs | Format-Table Leg, Status, Detail

    Waits for an unlock, and shows where each leg would be seen.
    .LINK
    Connect-SsprTenant
    .LINK
    Connect-SsprDirectory
    .LINK
    Connect-SsprConnectServer
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/howto-sspr-reporting
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.ResetWatch')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('UserPrincipalName')]
        [ValidateNotNullOrEmpty()]
        [string] $User,

        [ValidateSet('Reset', 'Unlock')]
        [string] $Action = 'Reset',

        [ValidateRange(1, 21600)]
        [int] $TimeoutSec = 1800,

        [ValidateRange(1, 600)]
        [int] $PollSec = 10,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $request = @{ user = $User; action = $Action; timeoutSeconds = $TimeoutSec; pollSeconds = $PollSec }
        $seen = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_reset_watch' -Handle $active.Handle -Request $request -Activity "Watching $Action"
        $legs = @(foreach ($leg in $seen.Legs) {
                Add-SsprTypeName -Name ResetLeg -InputObject ([pscustomobject][ordered]@{
                        Leg = $leg.Leg; Status = $leg.Status; At = $leg.At
                        After = if ($null -ne $leg.AfterSeconds) { [timespan]::FromSeconds($leg.AfterSeconds) }
                        Source = $leg.Source; Detail = $leg.Detail; Fix = $leg.Fix
                    })
            })
        Add-SsprTypeName -Name ResetWatch -InputObject ([pscustomobject][ordered]@{
                User = $seen.User; Action = $seen.Action; Verdict = $seen.Verdict; Headline = $seen.Headline
                BegunAt = $seen.BegunAt; EndedAt = $seen.EndedAt; Legs = $legs
            })
    }
}
