function Undo-SsprPlan {
    <#
    .SYNOPSIS
    Takes back what Invoke-SsprPlan changed, the last change first.
    .DESCRIPTION
    Reads the journal, and puts back what stood there before. What somebody else changed since is left as it is and told,
    unless it is named with -ForceChange. What was there already when the plan was applied is not touched.
    .PARAMETER JournalPath
    The journal that Invoke-SsprPlan wrote.
    .PARAMETER ForceChange
    The ids of changes that are taken back whatever stands there now.
    .PARAMETER AllowPortalWrite
    Write to the portal's undocumented interface.
    .PARAMETER AllowSysvolWrite
    Write to the files of a group policy object.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    $result | Undo-SsprPlan

    Takes back what the result of Invoke-SsprPlan tells of.
    .EXAMPLE
    Undo-SsprPlan -JournalPath plan.jsonl -WhatIf

    Shows which journal would be undone.
    .LINK
    Invoke-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType('EntraSspr.PlanResult')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('Journal')]
        [string] $JournalPath,

        [string[]] $ForceChange,

        [switch] $AllowPortalWrite,

        [switch] $AllowSysvolWrite,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $request = @{
            journal          = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $JournalPath
            allowPortalWrite = [bool]$AllowPortalWrite
            allowSysvolWrite = [bool]$AllowSysvolWrite
            confirm          = $true
        }
        if ($ForceChange) { $request['force'] = @($ForceChange) }
        if ($WhatIfPreference) {
            Assert-SsprJournal -Cmdlet $PSCmdlet -Path $request['journal']
            [void]$PSCmdlet.ShouldProcess($request['journal'], 'Undo the plan of this journal')
            return
        }
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_plan_undo' -Handle $active.Handle -Request $request -Activity 'Undoing the plan'
        New-SsprPlanResult -Cmdlet $PSCmdlet -Document $document
    }
}
