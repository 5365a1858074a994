function New-SsprReadiness {
    # The readiness object, from the library's document.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Document)

    foreach ($finding in $Document.Findings) { [void](Add-SsprTypeName -InputObject $finding -Name Finding) }
    foreach ($step in $Document.Steps) { [void](Add-SsprTypeName -InputObject $step -Name StepResult) }
    $snapshot = [pscustomobject]@{
        TenantId   = $Document.TenantId
        TenantName = $Document.TenantName
        TakenAt    = $Document.TakenAt
        Json       = $Document.Snapshot
    }
    $Document.Snapshot = Add-SsprTypeName -InputObject $snapshot -Name Snapshot
    Add-SsprTypeName -InputObject $Document -Name Readiness
}
