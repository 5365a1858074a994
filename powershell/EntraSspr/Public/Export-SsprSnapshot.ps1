function Export-SsprSnapshot {
    <#
    .SYNOPSIS
    Saves everything that a check has read.
    .DESCRIPTION
    Writes a JSON file that only its owner can read, unless it is -Shared. Import-SsprSnapshot reads it, on any machine, and
    Test-SsprReadiness -Snapshot judges it again, also with a newer version of this module.

    The file holds names and settings of the tenant, and no secrets. It does not grow with the number of users.

    With -Attest it writes what a person read of the portal's settings, and what of the audit log was seen, for later runs of an
    app: Test-SsprReadiness -Attestation. Sign in with Connect-SsprTenant -PortalApi for it. A setting can be attested only when
    a change of it was once seen in this tenant's audit log; the result lists these. For another one, change it in the portal and
    back, wait an hour, and attest anew: what was seen is kept.
    .PARAMETER Snapshot
    A result of Test-SsprReadiness, or a snapshot.
    .PARAMETER Path
    The file.
    .PARAMETER Force
    Replace an existing file.
    .PARAMETER Shared
    Give the file the rights that its folder gives, and not its owner's alone: for a folder in which several accounts meet, of
    which one joins what all have read, or runs with what another one attested.
    .PARAMETER Attest
    Write what the snapshot attests of the portal's settings, not the snapshot.
    .PARAMETER AttestationKey
    A key of 32 characters or more that vouches for the file, so that nobody can forge it who does not have the key. Without it
    the file is trusted as far as its access rights are, and every result says so.
    .PARAMETER Session
    The session that takes the key; by default the one of the last Connect-SsprTenant.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path contoso.json -Force

    Checks, and saves what was read.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path contoso.json -WhatIf

    Checks, and says which file would be written.
    .EXAMPLE
    Import-SsprSnapshot -Path person.sspr.json | Export-SsprSnapshot -Path contoso.attest.json -Attest -AttestationKey $key -Force

    Attests what a person read, signed in with Connect-SsprTenant -PortalApi, and saved. A result of Test-SsprReadiness serves as well.
    .LINK
    Import-SsprSnapshot
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium', DefaultParameterSetName = 'Snapshot')]
    [OutputType('EntraSspr.Attestation')]
    param(
        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [object] $Snapshot,

        [Parameter(Mandatory = $true, Position = 0)]
        [string] $Path,

        [switch] $Force,

        [switch] $Shared,

        [Parameter(ParameterSetName = 'Attest', Mandatory = $true)]
        [switch] $Attest,

        [Parameter(ParameterSetName = 'Attest')]
        [securestring] $AttestationKey,

        [Parameter(ParameterSetName = 'Attest')]
        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $request = @{
            snapshot  = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot
            path      = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Path
            overwrite = [bool]$Force
            shared    = [bool]$Shared
        }
        $what = if ($Attest) { 'Write the attestation' } else { 'Write the snapshot' }
        if (-not $PSCmdlet.ShouldProcess($request['path'], $what)) { return }
        if ($Attest) {
            $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
            if ($AttestationKey) { Set-SsprSecret -Cmdlet $PSCmdlet -Handle $active.Handle -Name attestationKey -Value $AttestationKey }
            $made = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_attestation_write' -Handle $active.Handle -Request $request -Activity 'Attesting the settings'
            return Add-SsprTypeName -InputObject ($made | Select-Object -Property Path, By, At, Since, Watermark, Keyed, Changes) -Name Attestation
        }
        $written = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_save' -Request $request -Activity 'Saving the snapshot'
        $PSCmdlet.WriteVerbose("$($written.Path): $($written.Bytes) bytes.")
    }
}
