function New-SsprReadiness {
    # The readiness object, from the library's document.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Document)

    $findings = @(foreach ($finding in $Document.Findings) { New-SsprFinding -Document $finding })
    $steps = @(foreach ($step in $Document.Steps) { Add-SsprTypeName -InputObject ($step | Select-Object -Property Name, Title, Status, Headline, FindingId, @{ Name = 'Accepted'; Expression = { [bool](Get-SsprMember -InputObject $_ -Name Accepted) } }) -Name StepResult })
    $first = Get-SsprMember -InputObject $Document -Name First
    if ($null -ne $first) { $first = $first | Select-Object -Property FindingId, Text, Command }
    $excess = [pscustomobject][ordered]@{
        Writing = @($Document.ExcessPermissions.Writing)
        Reading = @($Document.ExcessPermissions.Reading)
    }
    $attestation = Get-SsprMember -InputObject $Document -Name Attestation
    if ($null -ne $attestation) { $attestation = $attestation | Select-Object -Property Path, By, At, Since, Watermark, Keyed, Written, Reason }
    $readiness = [pscustomobject][ordered]@{
        TenantName        = $Document.TenantName
        TenantId          = $Document.TenantId
        Ready             = $Document.Ready
        Hybrid            = $Document.Hybrid
        EnabledMembers    = $Document.EnabledMembers
        TakenAt           = $Document.TakenAt
        Duration          = [timespan]::FromMilliseconds($Document.DurationMs)
        Counts            = $Document.Counts | Select-Object -Property Pass, Fail, Warn, Skipped, NotApplicable, Error, Accepted
        First             = $first
        ExcessPermissions = $excess
        Steps             = $steps
        Findings          = $findings
        Notes             = @(Get-SsprMember -InputObject $Document -Name Notes | Where-Object -FilterScript { $_ })
        Attestation       = $attestation
        Screen            = @($Document.Screen)
        Snapshot          = New-SsprSnapshot -Document $Document
    }
    Add-SsprTypeName -InputObject $readiness -Name Readiness
}

function New-SsprFinding {
    # A finding with all its members, also those that the document left out.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Document)

    $evidence = @(foreach ($item in (Get-SsprMember -InputObject $Document -Name Evidence)) {
            [pscustomobject][ordered]@{
                Source = $item.Source
                Seen   = $item.Seen
                AsOf   = Get-SsprMember -InputObject $item -Name AsOf
            }
        })
    $remediation = Get-SsprMember -InputObject $Document -Name Remediation
    if ($null -ne $remediation) {
        $remediation = [pscustomobject][ordered]@{
            Text      = $remediation.Text
            Command   = Get-SsprMember -InputObject $remediation -Name Command
            PortalUrl = Get-SsprMember -InputObject $remediation -Name PortalUrl
            DocUrl    = Get-SsprMember -InputObject $remediation -Name DocUrl
        }
    }
    $affected = Get-SsprMember -InputObject $Document -Name Affected
    if ($null -ne $affected) {
        $affected = [pscustomobject][ordered]@{
            Count       = $affected.Count
            Of          = Get-SsprMember -InputObject $affected -Name Of
            BlocksReset = $affected.BlocksReset
            Sample      = @($affected.Sample)
        }
    }
    $waiver = Get-SsprMember -InputObject $Document -Name Waiver
    if ($null -ne $waiver) { $waiver = $waiver | Select-Object -Property By, Reason, LastDay, Ended }
    $finding = [pscustomobject][ordered]@{
        Id          = $Document.Id
        Step        = $Document.Step
        Status      = $Document.Status
        Severity    = $Document.Severity
        Title       = $Document.Title
        Decides     = $Document.Decides
        Reason      = Get-SsprMember -InputObject $Document -Name Reason
        Evidence    = $evidence
        Remediation = $remediation
        Affected    = $affected
        Waiver      = $waiver
    }
    Add-SsprTypeName -InputObject $finding -Name Finding
}

function Test-SsprAccepted {
    # Whether the organisation accepts a finding now.
    [CmdletBinding()]
    [OutputType([bool])]
    param([AllowNull()] [psobject] $Finding)

    if ($null -eq $Finding) { return $false }
    $waiver = Get-SsprMember -InputObject $Finding -Name Waiver
    $null -ne $waiver -and -not $waiver.Ended
}

function New-SsprSnapshot {
    # A snapshot: all facts of a run, as the library's text, and whose they are.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Document)

    $snapshot = [pscustomobject][ordered]@{
        TenantName = $Document.TenantName
        TenantId   = $Document.TenantId
        TakenAt    = $Document.TakenAt
        Snapshot   = $Document.Snapshot
    }
    Add-SsprTypeName -InputObject $snapshot -Name Snapshot
}

function Get-SsprMember {
    # An object's member, or nothing where it has none.
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [psobject] $InputObject, [Parameter(Mandatory = $true)] [string] $Name)

    $member = $InputObject.PSObject.Properties[$Name]
    # A real null: what a function leaves out is another kind of nothing, and is saved as an empty object.
    if ($null -ne $member) { $member.Value } else { $null }
}

function Resolve-SsprSnapshotText {
    # The text of a snapshot: from the text itself, a snapshot object, or a readiness object, also one that was saved.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [object] $Snapshot
    )

    $inner = $Snapshot
    while ($null -ne $inner -and $inner -isnot [string]) { $inner = Get-SsprMember -InputObject $inner -Name Snapshot }
    # A path is the likeliest mistake: what is no JSON object is no snapshot.
    if (-not $inner -or -not ([string]$inner).TrimStart().StartsWith('{')) {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Snapshot.Invalid'; category = 'InvalidData'; target = 'Snapshot'; message = 'this is not a snapshot'
                        help = 'Give what Import-SsprSnapshot or Test-SsprReadiness returned. For a file: Import-SsprSnapshot -Path FILE | Test-SsprReadiness'
                    })))
    }
    $inner
}
