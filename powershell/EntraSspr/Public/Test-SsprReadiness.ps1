function Test-SsprReadiness {
    [CmdletBinding()]
    [OutputType('EntraSspr.Readiness')]
    param(
        [Parameter(ValueFromPipeline = $true)] [PSTypeName('EntraSspr.Session')] [psobject] $Session,
        [Parameter(Position = 0)] [string[]] $Step,
        [string[]] $ExcludeStep,
        [ValidateSet('Info', 'Low', 'Medium', 'High')] [string] $Severity,
        [timespan] $TimeBudget,
        [switch] $Full
    )

    process {
        $request = @{ utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes }
        if ($Step) { $request['steps'] = @($Step) }
        if ($ExcludeStep) { $request['excludeSteps'] = @($ExcludeStep) }
        if ($Severity) { $request['severity'] = $Severity }
        if ($PSBoundParameters.ContainsKey('TimeBudget')) { $request['timeBudgetSeconds'] = [long][Math]::Ceiling($TimeBudget.TotalSeconds) }
        if ($Full) { $request['full'] = $true }

        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $entry = $null
        [void]$script:Sessions.TryGetValue($active.Handle, [ref]$entry)
        $actions = if ($null -ne $entry) { $entry.HostAction } else { @{} }
        $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_check_readiness' -Handle $active.Handle -Request $request -Activity 'Checking self-service password reset' -HostAction $actions
        New-SsprReadiness -Document $document
    }
}
