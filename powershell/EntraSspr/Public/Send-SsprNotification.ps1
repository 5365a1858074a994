function Send-SsprNotification {
    <#
    .SYNOPSIS
    Tells a webhook what changed: what is new, worse, fixed or no longer readable. Nothing when nothing changed.
    .DESCRIPTION
    Takes a result of Test-SsprReadiness, compares it with what was told last (-StatePath or -StateUri), sends what changed, and keeps the
    result as told. The first time all that is wrong is new. What could not be read is told once, and what was known of it is
    kept, so that a setting that is readable again is not told as fixed or new. Or it takes what Compare-SsprResult gives, and keeps nothing.

    With -Heartbeat something is sent that long after the last message though nothing changed, so that silence does not pass for health.

    The webhook's address is a secret: it is in no output, error or log. Only its host is asked, by https, and no redirect is followed. A message
    that could not be delivered is told as an error, and is sent by the next run; one whose answer was lost may come twice, with the same x-sspr-id.

    A state that is damaged, of another version, or another tenant's is told and left as it is, and nothing is sent.
    .PARAMETER InputObject
    What Test-SsprReadiness gave; or what Compare-SsprResult gave.
    .PARAMETER WebhookUri
    The webhook's address, as a SecureString.
    .PARAMETER Format
    Teams: an adaptive card, as a workflow of Teams takes it. Json: the same as plain members, for any other.
    .PARAMETER SigningKey
    A key to sign with: x-sspr-signature is then "sha256=" and HMAC-SHA256, in hexadecimal digits, of x-sspr-timestamp, a dot and the body.
    .PARAMETER StatePath
    The file that keeps what was told, on a disk or a share. It is made the first time.
    .PARAMETER StateUri
    The blob of Azure that keeps it, as a SecureString: with a shared access signature (read, create, write), or without; then the session signs in
    to Azure Storage, and its identity needs the role Storage Blob Data Contributor.
    .PARAMETER Heartbeat
    How long it may be silent at the most.
    .PARAMETER Session
    The session to work in; by default the current one. A webhook and a file need none.
    .EXAMPLE
    Test-SsprReadiness | Send-SsprNotification -WebhookUri $webhook -StatePath contoso.state.json -Heartbeat 7.00:00:00 -WhatIf

    Shows what would be sent; without -WhatIf, in a scheduled job, it tells what changed since the last run, and once a week that it runs.
    .EXAMPLE
    Test-SsprReadiness | Compare-SsprResult -Reference $before | Send-SsprNotification -WebhookUri $webhook -Format Json -WhatIf | Select-Object -ExpandProperty Body

    Shows the body that a receiver of JSON would get.
    .LINK
    Compare-SsprResult
    .LINK
    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('EntraSspr.Notification')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [AllowEmptyCollection()]
        [psobject[]] $InputObject,

        [Parameter(Mandatory = $true)]
        [securestring] $WebhookUri,

        [ValidateSet('Teams', 'Json')]
        [string] $Format = 'Teams',

        [securestring] $SigningKey,

        [string] $StatePath,

        [securestring] $StateUri,

        [timespan] $Heartbeat = [timespan]::Zero,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    begin {
        $items = [System.Collections.Generic.List[psobject]]::new()
    }
    process {
        foreach ($item in $InputObject) { if ($null -ne $item) { $items.Add($item) } }
    }
    end {
        $results = @($items | Where-Object -FilterScript { $null -ne $_.PSObject.Properties['Findings'] -and $null -ne $_.PSObject.Properties['TenantId'] })
        $changes = @($items | Where-Object -FilterScript { $null -ne $_.PSObject.Properties['Change'] -and $null -ne $_.PSObject.Properties['Difference'] -and $null -ne $_.PSObject.Properties['Id'] })
        $keeps = $StatePath -or $null -ne $StateUri
        $wrong = $null
        if ($results.Count + $changes.Count -ne $items.Count) {
            $wrong = 'what is to be told is neither a result nor a change of a finding', 'Give what Test-SsprReadiness or Compare-SsprResult (of two results) returned.', 'InputObject'
        } elseif ($results.Count -gt 1 -or ($results.Count -eq 1 -and $changes.Count -gt 0)) {
            $wrong = 'there are several results', 'Tell one result at a time: each tenant has a state of its own.', 'InputObject'
        } elseif ($StatePath -and $null -ne $StateUri) {
            $wrong = 'there are two places for the state', 'Give -StatePath or -StateUri.', 'StatePath'
        } elseif ($results.Count -eq 1 -and -not $keeps) {
            $wrong = 'a result is compared with what was told last, and no place for that is named', 'Give -StatePath or -StateUri, or pipe what Compare-SsprResult gives.', 'StatePath'
        } elseif ($results.Count -eq 0 -and ($keeps -or $Heartbeat -gt [timespan]::Zero)) {
            $wrong = 'changes alone are kept nowhere, and have no heartbeat', 'Give the result of Test-SsprReadiness: it is compared with the state.', 'InputObject'
        } elseif ($Heartbeat -lt [timespan]::Zero) {
            $wrong = 'the heartbeat is negative', 'Give a time such as 7.00:00:00, seven days.', 'Heartbeat'
        }
        if ($null -ne $wrong) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $wrong[2]; message = $wrong[0]; help = $wrong[1]
                        })))
        }
        $secret = @{ webhookUrl = $WebhookUri }
        if ($null -ne $SigningKey) { $secret['webhookKey'] = $SigningKey }
        $place = @{}
        $placeSecret = @{}
        if ($StatePath) { $place['path'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $StatePath }
        if ($null -ne $StateUri) { $placeSecret['stateUrl'] = $StateUri }

        $own = $null
        try {
            if ($null -eq $Session -and $null -eq $script:CurrentSession) { $own = Open-SsprPlainHandle -Cmdlet $PSCmdlet }
            $handle = if ($null -ne $own) { $own } else { (Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session).Handle }
            $read = $null
            $news = $null
            if ($results.Count -eq 1) {
                $request = $place + @{ tenantId = [string]$results[0].TenantId }
                $read = Invoke-SsprSecretNative -Cmdlet $PSCmdlet -Function 'sspr_state_read' -Handle $handle -Secret $placeSecret -Request $request -Activity 'Reading what was told last'
                $news = Get-SsprNews -Cmdlet $PSCmdlet -Readiness $results[0] -State (Get-SsprMember -InputObject $read -Name State) -Heartbeat $Heartbeat
            } else {
                $news = Get-SsprNews -Cmdlet $PSCmdlet -Change $changes
            }
            $told = $null
            $sent = $false
            if ($null -ne $news.Message) {
                $request = @{ format = $Format; message = $news.Message; dryRun = $true }
                $told = Invoke-SsprSecretNative -Cmdlet $PSCmdlet -Function 'sspr_notification_send' -Handle $handle -Secret $secret -Request $request -Activity 'Sending'
                if ($PSCmdlet.ShouldProcess("the webhook at $($told.Host)", "Send: $($news.Message['headline'])")) {
                    $request['dryRun'] = $false
                    $told = Invoke-SsprSecretNative -Cmdlet $PSCmdlet -Function 'sspr_notification_send' -Handle $handle -Secret $secret -Request $request -Activity 'Sending'
                    $sent = $true
                }
            }
            # What was not sent was not told.
            if ($null -ne $news.State -and -not $WhatIfPreference -and ($sent -or $null -eq $news.Message)) {
                if ($sent) { $news.State['lastSentAt'] = [datetime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture) }
                $request = $place + @{ state = $news.State; tag = Get-SsprMember -InputObject $read -Name Tag }
                [void](Invoke-SsprSecretNative -Cmdlet $PSCmdlet -Function 'sspr_state_write' -Handle $handle -Secret $placeSecret -Request $request -Activity 'Keeping what was told')
            }
            $object = [pscustomobject][ordered]@{
                Kind     = $news.Kind
                Sent     = $sent
                New      = $news.Count['New']
                Worse    = $news.Count['Worse']
                Unread   = $news.Count['Unread']
                Fixed    = $news.Count['Fixed']
                LeftOut  = if ($null -ne $told) { $told.LeftOut } else { 0 }
                Headline = $news.Headline
                Host     = if ($null -ne $told) { $told.Host } else { $null }
                Bytes    = if ($null -ne $told) { $told.Bytes } else { 0 }
                Id       = if ($null -ne $told) { $told.Id } else { $null }
                Body     = if ($null -ne $told) { Get-SsprMember -InputObject $told -Name Body } else { $null }
            }
            Add-SsprTypeName -InputObject $object -Name Notification
        } finally {
            if ($null -ne $own) { Close-SsprHandle -Handle $own }
        }
    }
}
