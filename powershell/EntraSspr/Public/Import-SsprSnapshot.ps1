function Import-SsprSnapshot {
    <#
    .SYNOPSIS
    Reads a saved snapshot.
    .DESCRIPTION
    Gives an object for Test-SsprReadiness -Snapshot. A file that an older version wrote is brought into today's form: what it
    did not read is not known. One that is damaged, or that a newer version wrote in a form of its own, is an error; other files
    named with it are still read. Members that this version does not know are named in a warning.
    .PARAMETER Path
    The file, or several.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path contoso.json -Force; Import-SsprSnapshot -Path contoso.json

    Saves a snapshot and reads it again.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path contoso.json -Force; Import-SsprSnapshot -Path contoso.json | Test-SsprReadiness

    Judges a saved snapshot.
    .LINK
    Export-SsprSnapshot
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Snapshot')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName')]
        [string[]] $Path
    )

    process {
        foreach ($one in $Path) {
            $full = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $one -Continue
            if (-not $full) { continue }
            $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_load' -Request @{ path = $full } -Activity 'Reading the snapshot' -Continue
            if ($null -eq $document) { continue }
            if (@($document.Unknown).Count -gt 0) { $PSCmdlet.WriteWarning("$one has members that this version does not know and does not look at: $(@($document.Unknown) -join ', ').") }
            New-SsprSnapshot -Document $document
        }
    }
}
