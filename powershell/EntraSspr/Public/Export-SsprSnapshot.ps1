function Export-SsprSnapshot {
    <#
    .SYNOPSIS
    Saves everything that a check has read.
    .DESCRIPTION
    Writes a JSON file that only its owner can read; on Windows those who may read its folder can, so choose one of your
    own. Import-SsprSnapshot reads it, on any machine, and Test-SsprReadiness -Snapshot judges it again, also with a newer
    version of this module.

    The file holds names and settings of the tenant, and no secrets. It does not grow with the number of users.
    .PARAMETER Snapshot
    A result of Test-SsprReadiness, or a snapshot.
    .PARAMETER Path
    The file.
    .PARAMETER Force
    Replace an existing file.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path contoso.json -Force

    Checks, and saves what was read.
    .LINK
    Import-SsprSnapshot
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [object] $Snapshot,

        [Parameter(Mandatory = $true, Position = 0)]
        [string] $Path,

        [switch] $Force
    )

    process {
        $request = @{
            snapshot  = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot
            path      = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Path
            overwrite = [bool]$Force
        }
        $written = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_save' -Request $request -Activity 'Saving the snapshot'
        $PSCmdlet.WriteVerbose("$($written.Path): $($written.Bytes) bytes.")
    }
}
