<#
.SYNOPSIS
Checks self-service password reset on a schedule, and fails when something stands in its way.
.DESCRIPTION
Signs in with the managed identity of the Automation account (or the connection that ConnectionName names), runs
Test-SsprReadiness, writes its screen, then every finding that is not right with its reason and what to do. The last line is
the result as JSON, for a log query or a parent runbook. Alert on jobs that fail.

The job fails when the tenant is not ready, when it is not known (unless AllowUnknown is true), when nothing could be read,
and when the sign-in fails. An app cannot read all of the portal's settings, and the directory on premises is not looked at:
name the steps to watch with Step, or give AllowUnknown.

Nothing is changed and nothing is kept but the attestation and what was told (StateVariable), if they are named, so that a job that Azure
Automation starts again from the beginning does the same.
The output stays within what the portal shows of one job. Names of users are not written.
.PARAMETER Step
The steps to check, as a list or as one text with commas. Left out, all. Get-SsprCheck lists them.
.PARAMETER ExcludeStep
Steps to leave out, in the same form.
.PARAMETER AllowUnknown
Do not fail when something that decides could not be read.
.PARAMETER Tenant
The tenant's id or one of its domains. The job fails when the managed identity is of another one.
.PARAMETER Cloud
The cloud that the tenant is in: Public, UsGovernment, UsGovernmentDod or China.
.PARAMETER IdentityClientId
The client id of the user-assigned managed identity to use. Left out, the system-assigned one.
.PARAMETER ConnectionName
An Automation connection of type AzureServicePrincipal, to sign in with in place of a managed identity.
.PARAMETER TimeBudgetMinutes
How long reading long lists may take. Azure ends a job after three hours.
.PARAMETER Attestation
What a person attested of the portal's settings: a file that the job can read and write, as on a hybrid worker or a share.
.PARAMETER AttestationKeyVariable
An encrypted Automation variable (String) that holds the key of that file.
.PARAMETER DeclarationPath
A file of what operators declared and which findings are accepted.
.PARAMETER SettingsVariable
An Automation variable (String) that holds these parameters as a JSON object, such as {"Step": "license", "AllowUnknown":
true}. A schedule's parameters cannot be changed later, a variable can. A parameter that is given goes before.
.PARAMETER WebhookVariable
An encrypted Automation variable that holds the address of a webhook, such as a workflow of Teams. It is told what changed since the last
job, and nothing when nothing changed.
.PARAMETER SigningKeyVariable
An encrypted Automation variable that holds the key with which messages are signed.
.PARAMETER WebhookFormat
Teams or Json: what the webhook takes.
.PARAMETER StateVariable
An Automation variable that names where it is kept what was told last: the address of a blob, with a shared access signature (then encrypted), or
without, and the identity signs in there. On a hybrid worker also the path of a file or a share.
.PARAMETER HeartbeatHours
After so many hours without a message one is sent though nothing changed. 0: none.
.EXAMPLE
./EntraSspr-Readiness.ps1 -AllowUnknown $true

Checks everything, and fails only when something was seen to be wrong.
.EXAMPLE
./EntraSspr-Readiness.ps1 -WebhookVariable SsprWebhook -StateVariable SsprState -HeartbeatHours 168

Tells a workflow of Teams what changed since the last job, and once a week that it runs.
.EXAMPLE
./EntraSspr-Readiness.ps1 -Step 'license, authentication_methods'

Checks two steps, and fails too when one of them could not be read.
.LINK
https://learn.microsoft.com/azure/automation/enable-managed-identity-for-automation
#>
[CmdletBinding()]
[OutputType([string])]
param(
    [string[]] $Step,

    [string[]] $ExcludeStep,

    [bool] $AllowUnknown = $false,

    [string] $Tenant,

    [ValidateSet('Public', 'UsGovernment', 'UsGovernmentDod', 'China')]
    [string] $Cloud = 'Public',

    [string] $IdentityClientId,

    [string] $ConnectionName,

    [ValidateRange(1, 150)]
    [int] $TimeBudgetMinutes = 2,

    [string] $Attestation,

    [string] $AttestationKeyVariable,

    [string] $DeclarationPath,

    [string] $WebhookVariable,

    [string] $SigningKeyVariable,

    [ValidateSet('Teams', 'Json')]
    [string] $WebhookFormat = 'Teams',

    [string] $StateVariable,

    [ValidateRange(0, 8760)]
    [int] $HeartbeatHours = 0,

    [string] $SettingsVariable
)

# A job goes on after most errors unless it is told not to.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
# Azure keeps 1 MiB of a stream, and its portal shows 200 KB; a character takes up to 3 bytes.
$room = @{ Left = 60000; Lost = 0 }

function Write-Line {
    # One line of the answer, while there is room.
    param([string] $Text)

    $line = $Text -replace '\p{Cc}+', ' '
    if ($line.Length -gt 1000) { $line = $line.Substring(0, 1000) + ' ...' }
    $room.Left -= $line.Length + 2
    if ($room.Left -lt 0) { $room.Lost++ } else { Write-Output -InputObject $line }
}

function New-Failure {
    # What makes the job fail.
    param([string] $Id, [string] $Message)

    New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList (New-Object -TypeName System.InvalidOperationException -ArgumentList $Message), $Id, 'InvalidResult', $null
}

function Get-Secret {
    # An Automation variable as a SecureString.
    param([string] $Name)

    $secret = New-Object -TypeName System.Security.SecureString
    foreach ($character in ([string](Get-AutomationVariable -Name $Name)).Trim().ToCharArray()) { $secret.AppendChar($character) } # 5.1-ok: Azure Automation's own
    $secret.MakeReadOnly()
    $secret
}

if ($SettingsVariable) {
    $settings = ConvertFrom-Json -InputObject ([string](Get-AutomationVariable -Name $SettingsVariable)) # 5.1-ok: Azure Automation's own
    $known = 'Step', 'ExcludeStep', 'AllowUnknown', 'Tenant', 'Cloud', 'IdentityClientId', 'ConnectionName', 'TimeBudgetMinutes', 'Attestation', 'AttestationKeyVariable', 'DeclarationPath', 'WebhookVariable', 'SigningKeyVariable', 'WebhookFormat', 'StateVariable', 'HeartbeatHours'
    foreach ($member in $settings.PSObject.Properties) {
        if ($known -notcontains $member.Name) { throw (New-Failure -Id Sspr.Settings.Unknown -Message "The variable $SettingsVariable has a member '$($member.Name)'. Known are $($known -join ', ').") }
        # The parameter's own type and limits hold for it.
        if (-not $PSBoundParameters.ContainsKey($member.Name)) { Set-Variable -Name $member.Name -Value $member.Value }
    }
}
if ([bool]$WebhookVariable -ne [bool]$StateVariable) { throw (New-Failure -Id Sspr.Settings.Incomplete -Message 'WebhookVariable and StateVariable go together: what was told last is kept there.') }
$check = @{ TimeBudget = [timespan]::FromMinutes($TimeBudgetMinutes) }
foreach ($name in 'Step', 'ExcludeStep') {
    $list = @((Get-Variable -Name $name -ValueOnly) -split ',' | ForEach-Object { $_.Trim() } | Where-Object { $_ })
    if ($list) { $check[$name] = $list }
}
if ($Attestation) { $check['Attestation'] = $Attestation }
if ($AttestationKeyVariable) {
    $key = New-Object -TypeName System.Security.SecureString
    foreach ($character in ([string](Get-AutomationVariable -Name $AttestationKeyVariable)).ToCharArray()) { $key.AppendChar($character) } # 5.1-ok: Azure Automation's own
    $check['AttestationKey'] = $key
}
if ($DeclarationPath) { $check['DeclarationPath'] = $DeclarationPath }

Import-Module -Name EntraSspr
$session = $null
$readiness = $null
$untold = $null
try {
    if ($ConnectionName) {
        $session = Connect-SsprTenant -Connection (Get-AutomationConnection -Name $ConnectionName) -Cloud $Cloud # 5.1-ok: Azure Automation's own
    } else {
        $signIn = @{ ManagedIdentity = $true; Cloud = $Cloud }
        if ($IdentityClientId) { $signIn['IdentityClientId'] = $IdentityClientId }
        if ($Tenant) { $signIn['Tenant'] = $Tenant }
        $session = Connect-SsprTenant @signIn
    }
    $readiness = Test-SsprReadiness -Session $session @check

    foreach ($line in $readiness.Screen) { Write-Line -Text $line }
    # Worst first: what there is no room for matters least.
    foreach ($status in 'Fail', 'Error', 'Warn', 'Skipped') {
        foreach ($finding in @($readiness.Findings | Where-Object { $_.Status -eq $status })) {
            Write-Line -Text ''
            $accepted = if ($finding.Waiver -and -not $finding.Waiver.Ended) { ', accepted' }
            Write-Line -Text "$($status.ToUpperInvariant())$accepted $($finding.Id): $($finding.Title)"
            if ($finding.Reason) { Write-Line -Text "  $($finding.Reason)" }
            if ($finding.Remediation) { Write-Line -Text "  What to do: $($finding.Remediation.Text) $($finding.Remediation.Command)".TrimEnd() }
        }
    }
    if ($room.Lost) { Write-Output -InputObject "($($room.Lost) more lines are left out.)" }
    $counts = $readiness.Counts
    $result = [ordered]@{
        tenantName = $readiness.TenantName; tenantId = $readiness.TenantId; ready = $readiness.Ready; takenAt = $readiness.TakenAt.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
        pass = $counts.Pass; fail = $counts.Fail; warn = $counts.Warn; skipped = $counts.Skipped; notApplicable = $counts.NotApplicable; error = $counts.Error; accepted = $counts.Accepted
        failed = @($readiness.Findings | Where-Object { $_.Status -eq 'Fail' -and -not ($_.Waiver -and -not $_.Waiver.Ended) } | Select-Object -First 100 | ForEach-Object { $_.Id })
    }

    if ($WebhookVariable) {
        try {
            $tell = @{ WebhookUri = Get-Secret -Name $WebhookVariable; Format = $WebhookFormat; Heartbeat = [timespan]::FromHours($HeartbeatHours); Session = $session }
            if ($SigningKeyVariable) { $tell['SigningKey'] = Get-Secret -Name $SigningKeyVariable }
            $place = Get-Secret -Name $StateVariable
            $text = (New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList 'state', $place).GetNetworkCredential().Password
            if ($text -match '^https?://') { $tell['StateUri'] = $place } else { $tell['StatePath'] = $text }
            $told = $readiness | Send-SsprNotification @tell
            $word = if ($told.Sent) { "Told $($told.Host)" } else { 'Nothing to tell' }
            Write-Output -InputObject "${word}: $($told.Headline)"
        } catch {
            # The result is written all the same.
            $untold = $_
        }
    }
    Write-Output -InputObject (ConvertTo-Json -InputObject $result -Depth 3 -Compress)
    if ($untold) { throw $untold }

    if ($counts.Pass + $counts.Fail + $counts.Warn + $counts.Accepted -eq 0) {
        throw (New-Failure -Id Sspr.Readiness.NothingRead -Message "Nothing of $($readiness.TenantName) could be read. Run EntraSspr-SelfTest: it says what is missing.")
    }
    if ($readiness.Ready -eq 'Unknown' -and $AllowUnknown) {
        Write-Warning -Message "$($readiness.TenantName): nothing was seen to be wrong, but $($counts.Skipped + $counts.Error) checks could not be read."
    }
    Assert-SsprReadiness -Readiness $readiness -AllowUnknown:$AllowUnknown
} catch {
    # Each finding has said so already.
    if ((-not $readiness -or $untold) -and $_.ErrorDetails -and $_.ErrorDetails.RecommendedAction) { Write-Output -InputObject "What to do: $($_.ErrorDetails.RecommendedAction)" }
    # The message goes into a stream too.
    if (([string]$_).Length -gt 8000) { throw (New-Failure -Id $_.FullyQualifiedErrorId -Message (([string]$_).Substring(0, 8000) + ' ...')) }
    throw
} finally {
    if ($session) { Disconnect-Sspr -Session $session }
}
