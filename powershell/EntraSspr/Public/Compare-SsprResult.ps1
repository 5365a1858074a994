function Compare-SsprResult {
    <#
    .SYNOPSIS
    Compares two results: what is new, fixed, worse, better and the same. Or two snapshots, fact by fact.
    .DESCRIPTION
    Each finding of either result gives one object, with the finding in both. New: it failed, warned or was an error only in the
    second. Fixed: it did in the first, and no longer does. Worse and Better: it does in both, but the status, the severity or the
    number of users differs. Accepted: the organisation accepts it in the second, and did not in the first; what it accepted
    and no longer does is New. Unread: it could not be decided in the second, or was not looked at there (-Step,
    -Severity), so that nothing is known of it now. Same is the rest.

    Findings belong together by their id; where a check has several, by their title, then by their order.

    Two snapshots are compared fact by fact: New, Gone, Changed, Same. When it was read is no difference.
    .PARAMETER Reference
    The first result: what Test-SsprReadiness gave, also one that was saved with Export-Clixml, a snapshot of Import-SsprSnapshot, or
    the path of a JSON file that Export-SsprReport or Export-SsprSnapshot wrote.
    .PARAMETER Difference
    The second result, of the same kind.
    .PARAMETER ExcludeSame
    Leave out what is the same.
    .EXAMPLE
    $before = Test-SsprReadiness; Compare-SsprResult -Reference $before -Difference (Test-SsprReadiness) -ExcludeSame

    Shows what changed between two checks.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprReport -Path monday.json -Force; Test-SsprReadiness | Compare-SsprResult -Reference monday.json

    Compares with a saved report.
    .EXAMPLE
    Import-SsprSnapshot -Path contoso.sspr.json | Compare-SsprResult -Reference contoso.sspr.json | Where-Object -Property Change -Value Same -NE

    Compares two snapshots fact by fact.
    .LINK
    Export-SsprReport
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.FindingChange', 'EntraSspr.FactChange')]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [object] $Reference,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipeline = $true)]
        [object] $Difference,

        [switch] $ExcludeSame
    )

    process {
        $old = Read-SsprResult -Cmdlet $PSCmdlet -Result $Reference -Name Reference
        $new = Read-SsprResult -Cmdlet $PSCmdlet -Result $Difference -Name Difference
        if ($old.Kind -ne $new.Kind) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Difference'
                            message = "the first is a $($old.Kind), the second a $($new.Kind)"
                            help = 'Give two results or two snapshots. Test-SsprReadiness -Snapshot makes a result of a snapshot.'
                        })))
        }
        if ($old.TenantId -and $new.TenantId -and $old.TenantId -ne $new.TenantId) {
            $PSCmdlet.WriteWarning("These are of two tenants: $($old.TenantId) and $($new.TenantId).")
        }
        $changes = if ($old.Kind -eq 'snapshot') { Compare-SsprFact -Reference $old.Facts -Difference $new.Facts } else { Compare-SsprFinding -Reference $old.Findings -Difference $new.Findings }
        foreach ($change in $changes) { if (-not $ExcludeSame -or $change.Change -ne 'Same') { $change } }
    }
}
