function Read-SsprResult {
    # A result or a snapshot to compare: from an object, or from the JSON file that a path names.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [object] $Result,
        [Parameter(Mandatory = $true)] [string] $Name
    )

    $text = $null
    if ($Result -is [string] -or $Result -is [System.IO.FileInfo]) {
        $text = [string]$Result
        if (-not $text.TrimStart().StartsWith('{')) {
            $path = if ($Result -is [string]) { Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $text } else { $Result.FullName }
            $text = [System.Text.Encoding]::UTF8.GetString((Get-SsprFileByte -Cmdlet $Cmdlet -Path $path)).TrimStart([char]0xFEFF)
        }
    } elseif ($null -ne $Result.PSObject.Properties['Findings']) {
        return [pscustomobject]@{ Kind = 'result'; TenantId = [string](Get-SsprMember -InputObject $Result -Name TenantId); Findings = @($Result.Findings); Facts = $null }
    } else {
        $text = Get-SsprMember -InputObject $Result -Name Snapshot
    }
    $document = $null
    $cause = $null
    if ($text -is [string]) {
        try {
            $document = ConvertFrom-Json -InputObject $text
        } catch {
            $cause = $_.Exception
        }
    }
    if ($document -is [System.Management.Automation.PSCustomObject]) {
        $facts = Get-SsprMember -InputObject $document -Name facts
        if ($facts -is [System.Management.Automation.PSCustomObject]) {
            if ((Get-SsprMember -InputObject $document -Name schemaVersion) -eq 1) {
                # The first form has facts elsewhere; a join hands it back in today's.
                $today = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_snapshot_join' -Request @{ snapshots = @($text) } -Activity 'Reading the snapshot'
                $document = ConvertFrom-Json -InputObject $today.Snapshot
                $facts = $document.facts
            }
            $signedIn = Get-SsprMember -InputObject $document -Name signedIn
            $tenant = if ($null -ne $signedIn) { [string](Get-SsprMember -InputObject $signedIn -Name tenantId) } else { '' }
            return [pscustomobject]@{ Kind = 'snapshot'; TenantId = $tenant; Findings = $null; Facts = $facts }
        }
        if ($null -ne $document.PSObject.Properties['findings']) {
            $read = ConvertFrom-SsprValue -Value $document
            $findings = @(foreach ($finding in $read.Findings) { New-SsprFinding -Document $finding })
            return [pscustomobject]@{ Kind = 'result'; TenantId = [string](Get-SsprMember -InputObject $read -Name TenantId); Findings = $findings; Facts = $null }
        }
    }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -InnerException $cause -Document ([pscustomobject]@{
                    name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Name
                    message = "-$Name is neither a result nor a snapshot"
                    help = 'Give what Test-SsprReadiness or Import-SsprSnapshot returned, or the path of a JSON file that Export-SsprReport or Export-SsprSnapshot wrote.'
                })))
}

function Compare-SsprFinding {
    # The findings of two results, pair by pair.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([AllowEmptyCollection()] [object[]] $Reference, [AllowEmptyCollection()] [object[]] $Difference)

    # Of each id, the findings of both that have no partner yet.
    $open = @{}
    $order = [System.Collections.Generic.List[string]]::new()
    foreach ($side in 0, 1) {
        foreach ($finding in @($Reference, $Difference)[$side]) {
            if ($null -eq $finding) { continue }
            if (-not $open.ContainsKey($finding.Id)) {
                $open[$finding.Id] = @([System.Collections.Generic.List[object]]::new(), [System.Collections.Generic.List[object]]::new())
                $order.Add($finding.Id)
            }
            $open[$finding.Id][$side].Add($finding)
        }
    }
    foreach ($id in $order) {
        $old = $open[$id][0]
        $new = $open[$id][1]
        if ($old.Count -le 1 -and $new.Count -le 1) {
            New-SsprFindingChange -Reference ($old | Select-Object -First 1) -Difference ($new | Select-Object -First 1) -Unread:($new.Count -eq 0)
            continue
        }
        # Every check that is made gives a finding: one of which there is none was not made, or its findings were left out.
        $unread = $new.Count -eq 0
        # By title, then by title without its numbers, then in order.
        $titles = @({ param($Finding) $Finding.Title }, { param($Finding) $Finding.Title -replace '[0-9][0-9,]*', '#' }, { '' })
        foreach ($title in $titles) {
            $waiting = @{}
            foreach ($finding in $old) {
                $key = [string](& $title $finding)
                if (-not $waiting.ContainsKey($key)) { $waiting[$key] = [System.Collections.Generic.Queue[object]]::new() }
                $waiting[$key].Enqueue($finding)
            }
            $alone = [System.Collections.Generic.List[object]]::new()
            foreach ($finding in $new) {
                $key = [string](& $title $finding)
                if ($waiting.ContainsKey($key) -and $waiting[$key].Count -gt 0) {
                    New-SsprFindingChange -Reference $waiting[$key].Dequeue() -Difference $finding
                } else {
                    $alone.Add($finding)
                }
            }
            $new = $alone
            $old = [System.Collections.Generic.List[object]]::new()
            foreach ($queue in $waiting.Values) { $old.AddRange($queue) }
        }
        foreach ($finding in $old) { New-SsprFindingChange -Reference $finding -Unread:$unread }
        foreach ($finding in $new) { New-SsprFindingChange -Difference $finding }
    }
}

function New-SsprFindingChange {
    # What became of one finding; Unread: the second result has none of its check.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([AllowNull()] [object] $Reference, [AllowNull()] [object] $Difference, [switch] $Unread)

    $weight = @{ Error = 2; Fail = 2; Warn = 1 }
    $severity = @('Info', 'Low', 'Medium', 'High')
    $accepted = @(foreach ($one in $Reference, $Difference) { Test-SsprAccepted -Finding $one })
    $bad = @(foreach ($one in $Reference, $Difference) { if ($null -ne $one -and -not (Test-SsprAccepted -Finding $one) -and $weight.ContainsKey([string]$one.Status)) { $weight[[string]$one.Status] } else { 0 } })
    $users = @(foreach ($one in $Reference, $Difference) { if ($null -ne $one -and $null -ne $one.Affected) { [double]$one.Affected.Count } else { 0 } })
    $change = 'Same'
    if ($Unread) {
        if ($Reference.Status -ne 'Skipped') { $change = 'Unread' }
    } elseif ($accepted[1]) {
        if (-not $accepted[0]) { $change = 'Accepted' }
    } elseif ($accepted[0] -and $bad[1] -eq 0) {
        $change = if ($null -ne $Difference -and $Difference.Status -eq 'Skipped') { 'Unread' } else { 'Fixed' }
    } elseif ($bad[0] -eq 0 -and $bad[1] -gt 0) {
        $change = 'New'
    } elseif ($bad[0] -gt 0 -and $bad[1] -eq 0) {
        $change = if ($null -ne $Difference -and $Difference.Status -eq 'Skipped') { 'Unread' } else { 'Fixed' }
    } elseif ($bad[0] -gt 0) {
        $by = @(($bad[1] - $bad[0]), ([array]::IndexOf($severity, [string]$Difference.Severity) - [array]::IndexOf($severity, [string]$Reference.Severity)), ($users[1] - $users[0])) -ne 0
        if ($by.Count -gt 0) { $change = if ($by[0] -gt 0) { 'Worse' } else { 'Better' } }
    } elseif ($null -ne $Reference -and $null -ne $Difference -and $Reference.Status -ne 'Skipped' -and $Difference.Status -eq 'Skipped') {
        $change = 'Unread'
    }
    $shown = if ($null -ne $Difference) { $Difference } else { $Reference }
    $object = [pscustomobject][ordered]@{
        Change     = $change
        Id         = $shown.Id
        Before     = if ($null -ne $Reference) { $Reference.Status } else { $null }
        After      = if ($null -ne $Difference) { $Difference.Status } else { $null }
        Title      = $shown.Title
        Reference  = $Reference
        Difference = $Difference
    }
    Add-SsprTypeName -InputObject $object -Name FindingChange
}

function Compare-SsprFact {
    # The facts of two snapshots, one by one.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([psobject] $Reference, [psobject] $Difference)

    $names = @(@($Reference.PSObject.Properties) + @($Difference.PSObject.Properties) | ForEach-Object -Process { $_.Name } | Select-Object -Unique)
    foreach ($name in $names) {
        $state = @{}
        $value = @{}
        foreach ($side in 'Reference', 'Difference') {
            $fact = Get-SsprMember -InputObject (Get-Variable -Name $side -ValueOnly) -Name $name
            $state[$side] = if ($null -ne $fact) { [string](Get-SsprMember -InputObject $fact -Name state) } else { 'notAsked' }
            $value[$side] = if ($null -ne $fact) { ConvertTo-Json -InputObject (Get-SsprMember -InputObject $fact -Name value) -Depth 32 -Compress } else { 'null' }
        }
        $read = @(foreach ($side in 'Reference', 'Difference') { $state[$side] -in 'known', 'partial', 'declared' })
        $change = if (-not $read[0] -and $read[1]) { 'New' } elseif ($read[0] -and -not $read[1]) { 'Gone' } elseif ($state['Reference'] -ne $state['Difference'] -or $value['Reference'] -cne $value['Difference']) { 'Changed' } else { 'Same' }
        $object = [pscustomobject][ordered]@{
            Change     = $change
            Fact       = $name
            Before     = $state['Reference']
            After      = $state['Difference']
            Reference  = $value['Reference']
            Difference = $value['Difference']
        }
        Add-SsprTypeName -InputObject $object -Name FactChange
    }
}
