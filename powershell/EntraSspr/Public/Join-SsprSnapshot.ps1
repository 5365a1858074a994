function Join-SsprSnapshot {
    <#
    .SYNOPSIS
    Joins snapshots that were taken in different places: the tenant's, and those of its directories.
    .DESCRIPTION
    A job in the cloud reads the tenant, a machine of each network reads its directory; joined they are judged together. What
    was read whole goes before what was read in part, and that before what was refused; between two of a kind the newer counts.
    .PARAMETER Snapshot
    The snapshots: what Import-SsprSnapshot or Test-SsprReadiness returned.
    .EXAMPLE
    Get-ChildItem -Path *.sspr.json | Import-SsprSnapshot | Join-SsprSnapshot | Test-SsprReadiness

    Judges what several machines saved.
    .LINK
    Import-SsprSnapshot
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Snapshot')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [object[]] $Snapshot
    )

    begin {
        $texts = [System.Collections.Generic.List[string]]::new()
    }
    process {
        foreach ($one in $Snapshot) { $texts.Add((Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $one)) }
    }
    end {
        $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_snapshot_join' -Request @{ snapshots = @($texts) } -Activity 'Joining snapshots'
        New-SsprSnapshot -Document $document
    }
}
