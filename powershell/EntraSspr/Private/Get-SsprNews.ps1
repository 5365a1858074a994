function Get-SsprNews {
    # What is to be told, and what is kept as told: of a result against its state, or of changes alone.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowEmptyCollection()] [object[]] $Change,
        [psobject] $Readiness,
        [AllowNull()] [psobject] $State,
        [timespan] $Heartbeat = [timespan]::Zero
    )

    $kept = $null
    $last = $null
    if ($null -ne $Readiness) {
        $old = @()
        if ($null -ne $State) {
            $old = @(foreach ($one in $State.Findings) { New-SsprKeptFinding -Finding $one -Unread:([bool](Get-SsprMember -InputObject $one -Name Unread)) })
            $before = [datetime](Get-SsprMember -InputObject $State -Name TakenAt)
            if ($before.ToUniversalTime() -gt ([datetime]$Readiness.TakenAt).ToUniversalTime()) {
                $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'InputObject'
                                message = 'this result is older than what was told last'; help = 'Give the result of a new check.'
                            })))
            }
            $last = Get-SsprMember -InputObject $State -Name LastSentAt
            if ($null -ne $last) { $last = ([datetime]$last).ToUniversalTime() }
        }
        $Change = @(Compare-SsprFinding -Reference $old -Difference @($Readiness.Findings))
        $findings = @(foreach ($one in $Change) {
                # What is known of it stands until it is read again. That it cannot be read is told once.
                if ($one.Change -eq 'Unread') {
                    $unread = $one.Reference.Unread -or $null -ne $one.Difference
                    New-SsprKeptFinding -Finding $one.Reference -Unread:$unread
                } elseif ($null -ne $one.Difference) {
                    New-SsprKeptFinding -Finding $one.Difference
                }
            })
        $kept = @{
            tenantId = [string]$Readiness.TenantId
            takenAt  = ([datetime]$Readiness.TakenAt).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ', [cultureinfo]::InvariantCulture)
            findings = @($findings | ForEach-Object -Process { ConvertTo-SsprKeptDocument -Finding $_ })
        }
        if ($null -ne $last) { $kept['lastSentAt'] = $last.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture) }
        # One that was not looked at is no news.
        $Change = @($Change | Where-Object -FilterScript { $_.Change -ne 'Unread' -or (-not $_.Reference.Unread -and $null -ne $_.Difference) })
    }
    $count = @{}
    $words = @(foreach ($kind in 'New', 'Worse', 'Unread', 'Fixed') {
            $count[$kind] = @($Change | Where-Object -FilterScript { $_.Change -eq $kind }).Count
            $word = if ($kind -eq 'Unread') { 'no longer readable' } else { $kind.ToLowerInvariant() }
            if ($count[$kind]) { "$($count[$kind]) $word" }
        })
    $now = [datetime]::UtcNow
    $kind = 'None'
    if ($words.Count) {
        $kind = 'Changes'
    } elseif ($null -ne $Readiness -and $Heartbeat -gt [timespan]::Zero -and ($null -eq $last -or $now - $last -ge $Heartbeat -or $last -gt $now.AddMinutes(5))) {
        $kind = 'Heartbeat'
    }
    $headline = if ($words.Count) { "$($words -join ', ')." } else { 'Nothing changed.' }
    $message = @{ kind = $kind.ToLowerInvariant(); tenantName = ''; footer = '' }
    if ($null -ne $Readiness) {
        $counts = $Readiness.Counts
        $headline += " Ready: $($Readiness.Ready) ($($counts.Fail) to fix, $($counts.Warn) to watch, $($counts.Skipped + $counts.Error) not readable)."
        $message['tenantName'] = [string]$Readiness.TenantName
        $message['tenantId'] = [string]$Readiness.TenantId
        $message['takenAt'] = $kept['takenAt']
        $message['ready'] = [string]$Readiness.Ready
        $message['counts'] = @{ pass = $counts.Pass; fail = $counts.Fail; warn = $counts.Warn; skipped = $counts.Skipped; notApplicable = $counts.NotApplicable; error = $counts.Error }
        $message['footer'] = 'Read {0:yyyy-MM-dd HH:mm} UTC.' -f ([datetime]$Readiness.TakenAt).ToUniversalTime()
        if ($Heartbeat -gt [timespan]::Zero) { $message['footer'] += ' At the latest, the next message comes {0:0.#} days after this one.' -f $Heartbeat.TotalDays }
    }
    $message['headline'] = $headline
    $message['changes'] = @(foreach ($one in $Change) { if ($count.ContainsKey([string]$one.Change)) { New-SsprToldChange -Change $one } })
    [pscustomobject]@{
        Kind = $kind; Count = $count; Headline = $headline; State = $kept
        Message = if ($kind -ne 'None') { $message } else { $null }
    }
}

function New-SsprToldChange {
    # A change as it is sent. Names of users are not.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory = $true)] [psobject] $Change)

    $told = @{ change = [string]$Change.Change; id = [string]$Change.Id; title = [string]$Change.Title; before = [string]$Change.Before; after = [string]$Change.After }
    $finding = if ($null -ne $Change.Difference) { $Change.Difference } else { $Change.Reference }
    $told['severity'] = [string]$finding.Severity
    $affected = Get-SsprMember -InputObject $finding -Name Affected
    if ($null -ne $affected) { $told['affected'] = @{ count = $affected.Count; of = $affected.Of } }
    $remediation = Get-SsprMember -InputObject $finding -Name Remediation
    if ($null -ne $remediation) { $told['fix'] = [string]$remediation.Text }
    $told
}

function New-SsprKeptFinding {
    # What of a finding is kept: as much as a comparison asks for.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Finding, [switch] $Unread)

    $affected = Get-SsprMember -InputObject $Finding -Name Affected
    if ($null -ne $affected) { $affected = [pscustomobject]@{ Count = $affected.Count; Of = Get-SsprMember -InputObject $affected -Name Of } }
    [pscustomobject]@{
        Id = [string]$Finding.Id; Step = [string]$Finding.Step; Status = [string]$Finding.Status; Severity = [string]$Finding.Severity
        Title = [string]$Finding.Title; Affected = $affected; Unread = [bool]$Unread
    }
}

function ConvertTo-SsprKeptDocument {
    # The same as a document.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory = $true)] [psobject] $Finding)

    $document = @{ id = $Finding.Id; step = $Finding.Step; status = $Finding.Status; severity = $Finding.Severity; title = $Finding.Title }
    if ($null -ne $Finding.Affected) { $document['affected'] = @{ count = $Finding.Affected.Count; of = $Finding.Affected.Of } }
    if ($Finding.Unread) { $document['unread'] = $true }
    $document
}

function Invoke-SsprSecretNative {
    # Hands over secrets, and runs the native step that takes them.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Function,
        [Parameter(Mandatory = $true)] [uint64] $Handle,
        [hashtable] $Secret = @{},
        [System.Collections.IDictionary] $Request = @{},
        [string] $Activity = 'EntraSspr'
    )

    foreach ($name in $Secret.Keys) { Set-SsprSecret -Cmdlet $Cmdlet -Handle $Handle -Name $name -Value $Secret[$name] }
    Invoke-SsprNative -Cmdlet $Cmdlet -Function $Function -Handle $Handle -Request $Request -Activity $Activity
}

function Open-SsprPlainHandle {
    # A native session of no tenant, for what needs none.
    [CmdletBinding()]
    [OutputType([uint64])]
    param([Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet)

    $native = Get-SsprNative -Cmdlet $Cmdlet
    $configuration = @{ caller = "EntraSspr PowerShell/$($PSVersionTable.PSVersion)" }
    [uint64]$handle = 0
    $failure = [IntPtr]::Zero
    $status = $native::sspr_session_open($native::Text((ConvertTo-Json -InputObject $configuration -Compress)), [ref]$handle, [ref]$failure)
    Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
    $handle
}
