function Assert-SsprReadiness {
    <#
    .SYNOPSIS
    Fails when a tenant is not ready for self-service password reset.
    .DESCRIPTION
    For pipelines and runbooks: throws a terminating error that lists what stands in the way when the tenant is not ready, and
    also when that could not be found out, unless -AllowUnknown is given. Gives nothing when it is ready.
    .PARAMETER Readiness
    A result of Test-SsprReadiness, also one that was saved. Without it, the tenant is checked now.
    .PARAMETER Session
    The session to work in; by default the one of the last Connect-SsprTenant.
    .PARAMETER Step
    Only these steps. The names are completed with the Tab key; Get-SsprCheck lists them.
    .PARAMETER ExcludeStep
    All steps but these.
    .PARAMETER Attestation
    What a person read of the portal's settings, as of Test-SsprReadiness.
    .PARAMETER AttestationKey
    The key that vouches for it.
    .PARAMETER DeclarationPath
    What operators declared and which findings are accepted, as of Test-SsprReadiness. What is accepted does not fail.
    .PARAMETER AllowUnknown
    Do not fail when something that decides could not be read.
    .EXAMPLE
    Test-SsprReadiness -Step license | Assert-SsprReadiness -AllowUnknown

    Checks, and fails when what was checked is not right.
    .EXAMPLE
    Assert-SsprReadiness -Step license

    The same in one command; a step that could not be read fails too.
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
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

        [Parameter(ParameterSetName = 'Session')]
        [ValidateNotNullOrEmpty()]
        [string] $Attestation,

        [Parameter(ParameterSetName = 'Session')]
        [securestring] $AttestationKey,

        [Parameter(ParameterSetName = 'Session')]
        [ValidateNotNullOrEmpty()]
        [string] $DeclarationPath,

        [switch] $AllowUnknown
    )

    process {
        if ($PSCmdlet.ParameterSetName -eq 'Session') {
            $forward = @{}
            foreach ($name in 'Session', 'Step', 'ExcludeStep', 'Attestation', 'AttestationKey', 'DeclarationPath') {
                if ($PSBoundParameters.ContainsKey($name)) { $forward[$name] = $PSBoundParameters[$name] }
            }
            $Readiness = Test-SsprReadiness @forward -ErrorAction Stop
        }
        $ready = Get-SsprMember -InputObject $Readiness -Name Ready
        if (@('Yes', 'No', 'Unknown') -notcontains $ready) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Readiness'; message = 'this is not a result of Test-SsprReadiness'
                            help = 'Give what Test-SsprReadiness returned, or nothing: then the tenant is checked now.'
                        })))
        }
        if ($ready -eq 'Yes' -or ($ready -eq 'Unknown' -and $AllowUnknown)) {
            $PSCmdlet.WriteVerbose("$($Readiness.TenantName): ready is $ready.")
            return
        }
        $PSCmdlet.ThrowTerminatingError((New-SsprReadinessError -Readiness $Readiness))
    }
}
