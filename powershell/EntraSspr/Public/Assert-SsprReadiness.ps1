function Assert-SsprReadiness {
    [CmdletBinding(DefaultParameterSetName = 'Session')]
    [OutputType([void])]
    param(
        [Parameter(ParameterSetName = 'Readiness', Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [psobject] $Readiness,

        [Parameter(ParameterSetName = 'Session')]
        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session,

        [Parameter(ParameterSetName = 'Session')]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [Parameter(ParameterSetName = 'Session')]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $ExcludeStep,

        [switch] $AllowUnknown
    )

    process {
        if ($PSCmdlet.ParameterSetName -eq 'Session') {
            $forward = @{}
            foreach ($name in 'Session', 'Step', 'ExcludeStep') {
                if ($PSBoundParameters.ContainsKey($name)) { $forward[$name] = $PSBoundParameters[$name] }
            }
            $Readiness = Test-SsprReadiness @forward -ErrorAction Stop
        }
        $ready = Get-SsprMember -InputObject $Readiness -Name Ready
        if (@('Yes', 'No', 'Unknown') -notcontains $ready) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Readiness'; message = 'this is not a result of Test-SsprReadiness'
                        })))
        }
        if ($ready -eq 'Yes' -or ($ready -eq 'Unknown' -and $AllowUnknown)) {
            $PSCmdlet.WriteVerbose("$($Readiness.TenantName): ready is $ready.")
            return
        }
        $PSCmdlet.ThrowTerminatingError((New-SsprReadinessError -Readiness $Readiness))
    }
}
