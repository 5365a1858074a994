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
    .PARAMETER Attestation
    A file that Export-SsprSnapshot -Attest wrote: what a person read of the portal's settings, which an app cannot. It stands while the
    audit log since then is whole and names no change; with a change, the log's value stands; with a gap, the setting is not
    readable. Each run carries the file on by what it read, so run once a day, and at least once a week.
    .PARAMETER AttestationKey
    The key that vouches for that file, as it was given when the file was made.
    .PARAMETER DeclarationPath
    A JSON file of settings that an operator states, which count only where nothing was read, and of findings that the
    organisation accepts, which stay visible and count no more until their end (schema/declarations.schema.json).
    .PARAMETER Snapshot
    Judge a saved snapshot, without a session or a network.
    .EXAMPLE
    Test-SsprReadiness

    Checks the tenant of the current session and shows the screen.
    .EXAMPLE
    (Test-SsprReadiness -Step license).Findings | Format-List

    Checks one step and shows its findings with evidence and what to do.
    .EXAMPLE
    Test-SsprReadiness -Attestation contoso.attest.json -AttestationKey $key -DeclarationPath contoso.declared.json

    Checks as an app, with what a person attested of the portal's settings, and with what the organisation declared and accepts.
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

        [Parameter(ParameterSetName = 'Session')]
        [ValidateNotNullOrEmpty()]
        [string] $Attestation,

        [Parameter(ParameterSetName = 'Session')]
        [securestring] $AttestationKey,

        [ValidateNotNullOrEmpty()]
        [string] $DeclarationPath,

        [Parameter(ParameterSetName = 'Snapshot', Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [object] $Snapshot
    )

    process {
        $request = @{ utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes }
        if ($Step) { $request['steps'] = @($Step) }
        if ($ExcludeStep) { $request['excludeSteps'] = @($ExcludeStep) }
        if ($Severity) { $request['severity'] = $Severity }
        if ($DeclarationPath) { $request['declarations'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $DeclarationPath }

        if ($PSCmdlet.ParameterSetName -eq 'Snapshot') {
            $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_assess' -Request $request -Activity 'Judging the snapshot'
        } else {
            if ($PSBoundParameters.ContainsKey('TimeBudget')) { $request['timeBudgetSeconds'] = [long][Math]::Ceiling($TimeBudget.TotalSeconds) }
            if ($Full) { $request['full'] = $true }
            $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
            if ($Attestation) { $request['attestation'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Attestation }
            if ($AttestationKey) {
                if (-not $Attestation) {
                    $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                    name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'AttestationKey'
                                    message = 'the key of an attestation was given without its file'; help = 'Name the file with -Attestation.'
                                })))
                }
                Set-SsprSecret -Cmdlet $PSCmdlet -Handle $active.Handle -Name attestationKey -Value $AttestationKey
            }
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_check_readiness' -Handle $active.Handle -Request $request -Activity 'Checking self-service password reset'
        }
        $readiness = New-SsprReadiness -Document $document
        $told = $readiness.Attestation
        if ($null -ne $told -and -not $told.Written) { $PSCmdlet.WriteWarning("$($told.Path) was not carried on: $($told.Reason).") }
        $readiness
    }
}
