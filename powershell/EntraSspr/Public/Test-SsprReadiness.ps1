function Test-SsprReadiness {
    <#
    .SYNOPSIS
    Checks what stands between a tenant and working self-service password reset.
    .DESCRIPTION
    Reads the settings that each step of the set-up depends on, judges them, and gives one object. It shows as one screen: a
    line for each step in causal order, the worst finding as its headline, then what to do first.

    What could not be read is never taken for right: such a step shows as "....", says which permission, role or sign-in was
    missing, and Ready is Unknown when it matters.

    The object holds all findings with their evidence (Findings), and everything that was read (Snapshot), so that it can be
    saved, judged again or compared later. Select-Object shows its other members, and so does Format-List with -Force.
    .PARAMETER Step
    Only these steps. The names are completed with the Tab key; Get-SsprCheck lists them.
    .PARAMETER ExcludeStep
    All steps but these.
    .PARAMETER Severity
    Leave findings that matter less than this out of Findings. The screen and Ready still count them.
    .PARAMETER Session
    The session to work in; by default the one of the last Connect-SsprTenant.
    .PARAMETER TimeBudget
    How long reading long lists may take, two minutes by default. The registration report of a large tenant is read whole
    only when it fits; what does not fit of the audit log and of large groups is left out, and the findings say so.
    .PARAMETER Full
    Read long lists whole, however long that takes.
    .PARAMETER Snapshot
    Judge a saved snapshot, without a session or a network.
    .EXAMPLE
    Test-SsprReadiness

    Checks the tenant of the current session and shows the screen.
    .EXAMPLE
    (Test-SsprReadiness -Step license).Findings | Format-List

    Checks one step and shows its findings with evidence and what to do.
    .EXAMPLE
    Get-SsprSession -All | Test-SsprReadiness

    Checks every tenant that is signed in.
    .LINK
    Get-SsprCheck
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(DefaultParameterSetName = 'Session')]
    [OutputType('EntraSspr.Readiness')]
    param(
        [Parameter(Position = 0)]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $ExcludeStep,

        [ValidateSet('Info', 'Low', 'Medium', 'High')]
        [string] $Severity,

        [Parameter(ParameterSetName = 'Session', ValueFromPipeline = $true)]
        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session,

        [Parameter(ParameterSetName = 'Session')]
        [ValidateScript({ $_ -gt [timespan]::Zero })]
        [timespan] $TimeBudget,

        [Parameter(ParameterSetName = 'Session')]
        [switch] $Full,

        [Parameter(ParameterSetName = 'Snapshot', Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [object] $Snapshot
    )

    process {
        $request = @{ utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes }
        if ($Step) { $request['steps'] = @($Step) }
        if ($ExcludeStep) { $request['excludeSteps'] = @($ExcludeStep) }
        if ($Severity) { $request['severity'] = $Severity }

        if ($PSCmdlet.ParameterSetName -eq 'Snapshot') {
            $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_assess' -Request $request -Activity 'Judging the snapshot'
        } else {
            if ($PSBoundParameters.ContainsKey('TimeBudget')) { $request['timeBudgetSeconds'] = [long][Math]::Ceiling($TimeBudget.TotalSeconds) }
            if ($Full) { $request['full'] = $true }
            $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_check_readiness' -Handle $active.Handle -Request $request -Activity 'Checking self-service password reset'
        }
        New-SsprReadiness -Document $document
    }
}
