function Import-SsprSnapshot {
    [CmdletBinding()]
    [OutputType('EntraSspr.Snapshot')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName')]
        [string[]] $Path
    )

    process {
        foreach ($one in $Path) {
            $request = @{ path = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $one }
            try {
                $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_load' -Request $request -Activity 'Reading the snapshot'
            } catch [System.InvalidOperationException] {
                # One bad file does not keep the others from being read.
                $PSCmdlet.WriteError($_)
                continue
            }
            New-SsprSnapshot -Document $document
        }
    }
}
