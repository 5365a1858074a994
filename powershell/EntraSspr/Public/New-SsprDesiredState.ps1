function New-SsprDesiredState {
    <#
    .SYNOPSIS
    Begins a desired state: what the set-up should be, to be edited and planned.
    .DESCRIPTION
    Gives an object with a section for each step, such as notifications.users; what is left out stays as it is in the tenant.
    Change its members, or save it with -Path and edit the file, then make a plan of it with New-SsprPlan.

    The recommendation: reset for all users by two methods, registration required at sign-in, Authenticator, one-time codes
    and email on, users and administrators notified, writeback and unlock on. SMS and security questions stay as they stand,
    for Microsoft ends its own SMS on 2027-02-01 and the questions in March 2027. Writeback by cloud sync is switched on where
    its agents are found (whereFound; true or false say it outright), that of Entra Connect unless nothing but cloud sync is
    found. Conditional Access is in it only when you add it (mfaEnforcement).

    With -FromCurrent it says how things stand today, as far as that can be read: a plan that is made of it is empty. What it
    leaves out is told as verbose output.
    .PARAMETER Profile
    Recommended, or Guide: Microsoft's guide to the letter, with SMS and security questions.
    .PARAMETER FromCurrent
    What stands today, read in the session or taken from a snapshot.
    .PARAMETER Snapshot
    Take it from a saved snapshot, and do not read anew.
    .PARAMETER Session
    The session to read in; by default the current one.
    .PARAMETER Path
    Write it to this file, as JSON.
    .PARAMETER Force
    Replace an existing file.
    .EXAMPLE
    New-SsprDesiredState | New-SsprPlan

    Shows what differs from the recommendation.
    .EXAMPLE
    New-SsprDesiredState -Path desired.json

    Writes the recommendation to a file, to be edited; New-SsprPlan -DesiredState desired.json plans it.
    .EXAMPLE
    New-SsprDesiredState -FromCurrent -Path today.json

    Writes how things stand today; New-SsprPlan -DesiredState today.json shows later what differs from it.
    .LINK
    New-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [System.Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSAvoidAssignmentToAutomaticVariable', '', Justification = 'A parameter of the function alone.')]
    [System.Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'It makes an object.')]
    [CmdletBinding(DefaultParameterSetName = 'Profile')]
    [OutputType('EntraSspr.DesiredState')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Profile')]
        [ValidateSet('Recommended', 'Guide')]
        [string] $Profile = 'Recommended',

        [Parameter(Mandatory = $true, ParameterSetName = 'Current')]
        [switch] $FromCurrent,

        [Parameter(ParameterSetName = 'Current')]
        [object] $Snapshot,

        [Parameter(ParameterSetName = 'Current')]
        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session,

        [string] $Path,

        [switch] $Force
    )

    if ($FromCurrent) {
        $request = @{}
        if ($null -ne $Snapshot) { $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot }
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $made = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_desired_state_read' -Handle $active.Handle -Request $request -Activity 'Reading what stands today'
        if ($made.LeftOut) { $PSCmdlet.WriteWarning("The document does not say all that stands today. Left out: $($made.LeftOut -join '; ').") }
    } else {
        $made = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_desired_state_create' -Request @{ profile = $Profile } -Activity 'Desired state'
    }
    if ($Path) {
        $full = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Path
        if (-not $Force -and [System.IO.File]::Exists($full)) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'File.Write'; category = 'WriteError'; target = $full; message = "$full exists"
                            help = 'Choose another path, or allow it to be replaced with -Force.'
                        })))
        }
        [System.IO.File]::WriteAllText($full, $made.Desired + [Environment]::NewLine)
        return
    }
    Add-SsprTypeName -InputObject (ConvertFrom-Json -InputObject $made.Desired) -Name DesiredState
}
