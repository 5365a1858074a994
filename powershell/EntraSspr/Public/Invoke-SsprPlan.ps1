function Invoke-SsprPlan {
    <#
    .SYNOPSIS
    Applies a plan, change by change, and keeps a journal to undo it with.
    .DESCRIPTION
    For each change: looks whether its target still is as the plan knows it, asks you, writes the journal, makes the change, and
    looks whether it is there. When somebody else changed a target since, it stops there. Changes that only a person can make
    are listed as ByHand.

    What the sign-in lacks is said before anything is changed. One plan of a tenant is applied at a time.

    The journal holds the plan, and what was done when. Undo-SsprPlan takes that back; -Resume goes on after a crash.
    .PARAMETER Plan
    What New-SsprPlan gave.
    .PARAMETER JournalPath
    The journal's file; by default a new one in the current folder, named after the time. With -Resume the one to go on with.
    .PARAMETER Step
    Only the changes of these steps.
    .PARAMETER AllowPortalWrite
    Write to the portal's undocumented interface, as the plan was allowed to.
    .PARAMETER AllowSysvolWrite
    Write to the files of a group policy object, as the plan was allowed to.
    .PARAMETER EffectiveTimeoutSec
    How long it waits for users to take what was granted above them, in seconds; by default 30. A grant that has not reached all
    users that were looked at by then is Pending.
    .PARAMETER Resume
    Go on with the plan of a journal: what was begun when it was cut off is looked at first.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    New-SsprPlan | Invoke-SsprPlan -WhatIf

    Shows what would be changed, and changes nothing.
    .EXAMPLE
    $plan | Invoke-SsprPlan -Confirm:$false

    Applies it without asking, as in a job.
    .LINK
    Undo-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High', DefaultParameterSetName = 'Plan')]
    [OutputType('EntraSspr.PlanResult')]
    param(
        [Parameter(ParameterSetName = 'Plan', Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [psobject] $Plan,

        [Parameter(ParameterSetName = 'Plan')]
        [Parameter(ParameterSetName = 'Resume', Mandatory = $true)]
        [string] $JournalPath,

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [switch] $AllowPortalWrite,

        [switch] $AllowSysvolWrite,

        [ValidateRange(0, 86400)]
        [int] $EffectiveTimeoutSec = 30,

        [Parameter(ParameterSetName = 'Resume', Mandatory = $true)]
        [switch] $Resume,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $request = @{ allowPortalWrite = [bool]$AllowPortalWrite; allowSysvolWrite = [bool]$AllowSysvolWrite; confirm = $true; resume = [bool]$Resume; effectiveSeconds = $EffectiveTimeoutSec }
        if ($Step) { $request['steps'] = @($Step) }
        if (-not $Resume) { $request['plan'] = Resolve-SsprPlanText -Cmdlet $PSCmdlet -Plan $Plan }
        if ($WhatIfPreference) {
            $known = @(Get-SsprCheckList -Cmdlet $PSCmdlet | ForEach-Object -Process { $_.Step } | Select-Object -Unique)
            foreach ($name in $Step) {
                if ($known -contains $name) { continue }
                $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $name
                                message = "there is no step '$name'; the steps are $($known -join ', ')"; help = 'Name one of these.'
                            })))
            }
            if ($Resume) {
                Assert-SsprJournal -Cmdlet $PSCmdlet -Path (Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $JournalPath)
                $PSCmdlet.WriteWarning('What a journal left open is known only when it is resumed.')
                return
            }
            foreach ($change in $Plan.Changes) {
                if ($change.Kind -ne 'Manual' -and (-not $Step -or $Step -contains $change.Step)) { [void]$PSCmdlet.ShouldProcess($change.Target, $change.Title) }
            }
            return
        }
        if (-not $JournalPath) { $JournalPath = 'sspr-plan-{0:yyyyMMdd-HHmmss-fff}.jsonl' -f [datetime]::Now }
        $request['journal'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $JournalPath
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_plan_apply' -Handle $active.Handle -Request $request -Activity 'Applying the plan'
        New-SsprPlanResult -Cmdlet $PSCmdlet -Document $document
    }
}
