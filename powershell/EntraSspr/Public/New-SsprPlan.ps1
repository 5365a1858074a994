function New-SsprPlan {
    <#
    .SYNOPSIS
    Makes a plan: what differs from a desired state, change by change.
    .DESCRIPTION
    Reads what the chosen steps set, and gives one object with every change in the order in which they are made: where, before,
    after, what it needs, whom it touches, and whether it can be undone. Nothing is changed. It shows as a list of additions
    (+), changes (~) and removals (-); Invoke-SsprPlan applies it.

    Microsoft documents no way to write the password reset policy but the portal. Such changes are told click by click, unless
    you sign in with Connect-SsprTenant -PortalApi and allow the portal's own, undocumented interface with -AllowPortalWrite.
    .PARAMETER DesiredState
    What New-SsprDesiredState gave, or the path of its file; by default the recommendation.
    .PARAMETER Step
    Only these steps.
    .PARAMETER AllowPortalWrite
    Let the plan write to the portal's undocumented interface.
    .PARAMETER AllowSysvolWrite
    Let the plan write to the files of the group policy object that sets the minimum password age, where the desired state
    asks for that (passwordPolicy.method: sysvol).
    .PARAMETER PolicyBackupPath
    A folder for backups of a group policy object that sets the minimum password age: one for each domain where a person sets it.
    The plan shows the commands that import it.
    .PARAMETER Snapshot
    Plan from a saved snapshot, and do not read anew.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    New-SsprPlan

    Shows what differs from the recommendation.
    .EXAMPLE
    New-SsprPlan -DesiredState mine.json -Step authentication_methods | Invoke-SsprPlan -WhatIf

    Plans one step, and shows what applying it would do.
    .LINK
    Invoke-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [System.Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'It makes an object.')]
    [CmdletBinding()]
    [OutputType('EntraSspr.Plan')]
    param(
        [Parameter(Position = 0, ValueFromPipeline = $true)]
        [object] $DesiredState,

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [switch] $AllowPortalWrite,

        [switch] $AllowSysvolWrite,

        [string] $PolicyBackupPath,

        [object] $Snapshot,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    begin {
        $states = [System.Collections.Generic.List[object]]::new()
    }
    process {
        $states.Add($DesiredState)
    }
    end {
        # Get-Content gives a file line by line.
        if ($states.Count -gt 1 -and $states[0] -is [string] -and $states[0].TrimStart().StartsWith('{')) { $states = @($states -join "`n") }
        foreach ($state in $states) {
            $request = @{
                desired          = Resolve-SsprDesiredState -Cmdlet $PSCmdlet -DesiredState $state
                allowPortalWrite = [bool]$AllowPortalWrite
                allowSysvolWrite = [bool]$AllowSysvolWrite
            }
            if ($Step) { $request['steps'] = @($Step) }
            if ($PolicyBackupPath) { $request['policyBackup'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $PolicyBackupPath }
            if ($null -ne $Snapshot) { $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot }
            $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_plan_create' -Handle $active.Handle -Request $request -Activity 'Making a plan'
            New-SsprPlanObject -Document $document
        }
    }
}
