function Export-SsprSnapshot {
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
        $PSCmdlet.WriteVerbose("$($written.Path): $($written.Bytes) bytes, readable by their owner only.")
    }
}
