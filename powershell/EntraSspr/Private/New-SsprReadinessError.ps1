function New-SsprReadinessError {
    # The error of a tenant that is not ready, with what stands in the way.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param([Parameter(Mandatory = $true)] [psobject] $Readiness)

    $lines = [System.Collections.Generic.List[string]]::new()
    if ($Readiness.Ready -eq 'No') {
        $name = 'NotReady'
        $message = "$($Readiness.TenantName) is not ready for self-service password reset"
        $shown = @($Readiness.Findings | Where-Object { $_.Status -eq 'Fail' -and -not (Test-SsprAccepted -Finding $_) })
    } else {
        $name = 'NotKnown'
        $message = "whether $($Readiness.TenantName) is ready for self-service password reset is not known"
        $shown = @($Readiness.Findings | Where-Object { $_.Decides -and ('Skipped', 'Error') -contains $_.Status })
    }
    foreach ($finding in $shown) { $lines.Add("$($finding.Id): $($finding.Title)") }
    # What to do first may be about something that this error does not name.
    $first = Get-SsprMember -InputObject $Readiness -Name First
    if ($null -ne $first -and @($shown | ForEach-Object { $_.Id }) -notcontains $first.FindingId) { $first = $null }
    $document = [pscustomobject][ordered]@{
        name     = "Readiness.$name"
        category = 'InvalidResult'
        # PowerShell 7 joins the lines where a script failed: it is to read well then too.
        message  = if ($lines.Count) { "${message}:" + [Environment]::NewLine + ($lines -join (';' + [Environment]::NewLine)) } else { $message }
        detail   = $lines.ToArray()
        target   = $Readiness.TenantName
        help     = if ($null -ne $first) { $first.Text } else { 'The Reason of each of these findings says what would open the way; Get-SsprCheck explains it.' }
    }
    New-SsprErrorRecord -Document $document -KeepLines
}
