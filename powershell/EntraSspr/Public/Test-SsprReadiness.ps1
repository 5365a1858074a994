function Test-SsprReadiness {
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
