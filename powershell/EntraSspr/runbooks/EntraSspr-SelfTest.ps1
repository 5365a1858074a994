<#
.SYNOPSIS
Says whether EntraSspr works where this runbook runs, and what it can reach.
.DESCRIPTION
Run it once after the module was uploaded or upgraded, for each runtime, and on each hybrid worker. It tells which engine,
architecture and path the module is loaded with, whether the sign-in service and Microsoft Graph answer, and whether the
managed identity (or the connection that ConnectionName names) signs in.

Nothing is changed, and no permission is needed: what the identity may not read is told as a note. Each line begins with
ok, note or FAIL. The job fails when there is a FAIL; its message repeats them.

No values of variables, connections or tokens are written.
.PARAMETER Cloud
The cloud that the tenant is in: Public, UsGovernment, UsGovernmentDod or China.
.PARAMETER IdentityClientId
The client id of the user-assigned managed identity to use. Left out, the system-assigned one.
.PARAMETER ConnectionName
An Automation connection of type AzureServicePrincipal, to sign in with in place of a managed identity.
.PARAMETER SettingsVariable
The Automation variable that holds the settings of EntraSspr-Readiness, whose Cloud, IdentityClientId and ConnectionName
are used here too. A parameter that is given goes before.
.PARAMETER TimeoutSeconds
How long each address may take to answer.
.EXAMPLE
./EntraSspr-SelfTest.ps1

Tests with the system-assigned managed identity, in the public cloud.
.EXAMPLE
./EntraSspr-SelfTest.ps1 -Cloud UsGovernment -IdentityClientId 11111111-2222-3333-4444-555555555555

Tests with a user-assigned identity in another cloud.
.LINK
https://learn.microsoft.com/azure/automation/enable-managed-identity-for-automation
#>
[CmdletBinding()]
[OutputType([string])]
param(
    [ValidateSet('Public', 'UsGovernment', 'UsGovernmentDod', 'China')]
    [string] $Cloud = 'Public',

    [string] $IdentityClientId,

    [string] $ConnectionName,

    [string] $SettingsVariable,

    [ValidateRange(1, 120)]
    [int] $TimeoutSeconds = 15
)

# A job goes on after most errors unless it is told not to.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$failed = New-Object -TypeName 'System.Collections.Generic.List[string]'

function Write-Result {
    # One line of the answer. Whatever it holds, it is one line, and short.
    param([string] $Status, [string] $Name, [string] $Text)

    $line = '{0,-5} {1,-12} {2}' -f $Status, $Name, ($Text -replace '\p{Cc}+', ' ')
    if ($line.Length -gt 1000) { $line = $line.Substring(0, 1000) + ' ...' }
    if ($Status -eq 'FAIL') { $failed.Add("${Name}: " + $line.Substring(19)) }
    Write-Output -InputObject $line
}

function Get-Advice {
    # The error's message, and what to do where it says so.
    param([System.Management.Automation.ErrorRecord] $Record)

    $text = [string]$Record
    if ($Record.ErrorDetails -and $Record.ErrorDetails.RecommendedAction) {
        $advice = $Record.ErrorDetails.RecommendedAction
        if (-not $text.Contains($advice)) { $text = "$text $advice" }
    }
    $text
}

function Test-Address {
    # Asks for a page that needs no sign-in, and sees by what it holds that the service itself answered.
    param([string] $Name, [string] $Address, [string] $Mark)

    # Windows PowerShell has not loaded it.
    [void][System.Reflection.Assembly]::Load('System.Net.Http, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b03f5f7f11d50a3a')
    $handler = New-Object -TypeName System.Net.Http.HttpClientHandler
    # Older Windows servers offer less by themselves.
    if ($PSVersionTable.PSEdition -eq 'Desktop' -and $handler.PSObject.Properties['SslProtocols']) { $handler.SslProtocols = 'Tls12' }
    $client = New-Object -TypeName System.Net.Http.HttpClient -ArgumentList $handler
    $client.MaxResponseContentBufferSize = 1MB
    $place = ([uri]$Address).GetLeftPart('Authority')
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    try {
        $asked = $client.GetAsync($Address)
        if (-not $asked.Wait($TimeoutSeconds * 1000)) {
            Write-Result -Status FAIL -Name $Name -Text "$place gave no answer within $TimeoutSeconds s. Check the firewall and the proxy."
            return
        }
        $answer = $asked.Result
        $text = $answer.Content.ReadAsStringAsync().Result
        if ($text.Contains($Mark)) {
            Write-Result -Status ok -Name $Name -Text "$place answered in $($watch.ElapsedMilliseconds) ms"
        } else {
            Write-Result -Status FAIL -Name $Name -Text "something else answered for $place (HTTP $([int]$answer.StatusCode)). Check the proxy and the filter on the way."
        }
    } catch {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        Write-Result -Status FAIL -Name $Name -Text "$place was not reached: $($cause.Message.TrimEnd('.')). Check DNS, the firewall and the proxy."
    } finally {
        $client.Dispose()
    }
}

Write-Output -InputObject "EntraSspr self-test, $([datetime]::UtcNow.ToString('yyyy-MM-dd HH:mm:ss'))Z"

# The module, and the engine that loads it.
$engine = "PowerShell $($PSVersionTable.PSVersion) $($PSVersionTable.PSEdition), .NET $([Environment]::Version), $(8 * [IntPtr]::Size) bit, host $($Host.Name), language mode $($ExecutionContext.SessionState.LanguageMode)"
Write-Result -Status note -Name engine -Text $engine
$environment = $null
try {
    Import-Module -Name EntraSspr
    $environment = Get-SsprEnvironment
} catch {
    Write-Result -Status FAIL -Name module -Text (Get-Advice -Record $_)
    foreach ($folder in ($env:PSModulePath -split [System.IO.Path]::PathSeparator)) { Write-Result -Status note -Name 'looked in' -Text $folder }
}
if ($environment) {
    Write-Result -Status ok -Name module -Text "EntraSspr $($environment.ModuleVersion) in $($environment.ModulePath)"
    Write-Result -Status note -Name system -Text $environment.OperatingSystem
    if ($environment.LibraryState -eq 'Loaded') {
        Write-Result -Status ok -Name library -Text "$($environment.Architecture), version $($environment.LibraryVersion), $($environment.LibraryPath)"
    } else {
        Write-Result -Status FAIL -Name library -Text "$($environment.Architecture): $($environment.LibraryProblem)"
    }
    if ($environment.ProxyVariables) { Write-Result -Status note -Name proxy -Text "set by $($environment.ProxyVariables -join ', ')" }
}

# What Automation offers here.
$job = Get-Variable -Name PSPrivateMetadata -ValueOnly -ErrorAction SilentlyContinue
if ($job -and $job['JobId']) { Write-Result -Status note -Name job -Text "id $($job['JobId'])" }
if (Get-Command -Name Get-AutomationVariable -ErrorAction SilentlyContinue) {
    Write-Result -Status note -Name assets -Text 'variables and connections of the Automation account can be read here'
} else {
    Write-Result -Status note -Name assets -Text 'Get-AutomationVariable is not here: this is no Automation sandbox and no Windows hybrid worker. Give parameters, not names of variables and connections.'
}
if ($SettingsVariable) {
    try {
        $settings = ConvertFrom-Json -InputObject ([string](Get-AutomationVariable -Name $SettingsVariable)) # 5.1-ok: Azure Automation's own
        foreach ($name in 'Cloud', 'IdentityClientId', 'ConnectionName') {
            $member = $settings.PSObject.Properties[$name]
            if ($member -and -not $PSBoundParameters.ContainsKey($name)) { Set-Variable -Name $name -Value $member.Value }
        }
        Write-Result -Status ok -Name settings -Text "variable $SettingsVariable names $(@($settings.PSObject.Properties.Name) -join ', ')"
    } catch {
        Write-Result -Status FAIL -Name settings -Text "variable ${SettingsVariable}: $(Get-Advice -Record $_)"
    }
}

# What answers, whoever asks.
$address = switch ($Cloud) {
    'UsGovernment' { @{ login = 'https://login.microsoftonline.us'; graph = 'https://graph.microsoft.us' } }
    'UsGovernmentDod' { @{ login = 'https://login.microsoftonline.us'; graph = 'https://dod-graph.microsoft.us' } }
    'China' { @{ login = 'https://login.chinacloudapi.cn'; graph = 'https://microsoftgraph.chinacloudapi.cn' } }
    default { @{ login = 'https://login.microsoftonline.com'; graph = 'https://graph.microsoft.com' } }
}
# Where this session sets other addresses for Connect-SsprTenant, they hold here too.
$other = if ($PSDefaultParameterValues) { $PSDefaultParameterValues['Connect-SsprTenant:Endpoint'] }
foreach ($name in 'login', 'graph') { if ($other -and $other[$name]) { $address[$name] = $other[$name] } }
Test-Address -Name sign-in -Address "$($address['login'])/common/v2.0/.well-known/openid-configuration" -Mark 'token_endpoint'
# Graph refuses who brings no token, in words of its own.
Test-Address -Name Graph -Address "$($address['graph'])/v1.0/organization" -Mark 'InvalidAuthenticationToken'

# Who this job is, and whether the library itself reaches Graph.
if ($environment -and $environment.LibraryState -eq 'Loaded') {
    $session = $null
    try {
        $named = @('IDENTITY_ENDPOINT', 'IDENTITY_HEADER', 'IMDS_ENDPOINT', 'MSI_ENDPOINT' | Where-Object { [Environment]::GetEnvironmentVariable($_) })
        if ($ConnectionName) {
            $connection = Get-AutomationConnection -Name $ConnectionName # 5.1-ok: Azure Automation's own
            Write-Result -Status ok -Name connection -Text "$ConnectionName has $(@($connection.Keys | Sort-Object) -join ', ')"
            $session = Connect-SsprTenant -Connection $connection -Cloud $Cloud
        } elseif ($IdentityClientId) {
            $session = Connect-SsprTenant -ManagedIdentity -IdentityClientId $IdentityClientId -Cloud $Cloud
        } else {
            $session = Connect-SsprTenant -ManagedIdentity -Cloud $Cloud
        }
        Write-Result -Status ok -Name identity -Text "signed in by $($session.Method) as $($session.Account) to tenant $($session.TenantId)"
        $checks = @(Get-SsprCheck)
        $missing = @($checks.Permissions | Select-Object -Unique | Where-Object { $session.Permissions -notcontains $_ } | Sort-Object)
        if ($missing) { Write-Result -Status note -Name permissions -Text "not granted, so that some checks are skipped: $($missing -join ', ')" }

        $license = @((Test-SsprReadiness -Session $session -Step license -TimeBudget ([timespan]::FromSeconds($TimeoutSeconds))).Findings)
        $read = @($license | Where-Object { $_.Status -ne 'Skipped' -and $_.Status -ne 'Error' })
        if ($read) {
            Write-Result -Status ok -Name read -Text "read the licences from Graph: $($read[0].Title)"
        } else {
            # A refusal that names a permission is an answer too.
            $wanted = @($checks | Where-Object { $_.Step -eq 'license' } | ForEach-Object { $_.Permissions } | Where-Object { $license[0].Reason -like "*$_*" })
            $status = if ($wanted) { 'note' } else { 'FAIL' }
            Write-Result -Status $status -Name read -Text "asked Graph for the licences: $($license[0].Reason)"
        }
    } catch {
        $text = Get-Advice -Record $_
        if ($_.FullyQualifiedErrorId -like 'Sspr.SignIn.IdentityUnavailable*') {
            $text = "$text In the Automation account: Account Settings, Identity, System assigned, On; or assign a user-assigned identity and give its client id as IdentityClientId. The environment names $(if ($named) { $named -join ', ' } else { 'no identity endpoint' })."
        }
        Write-Result -Status FAIL -Name identity -Text $text
    } finally {
        if ($session) { Disconnect-Sspr -Session $session }
    }
}

$memory = [System.Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64 / 1MB
Write-Result -Status note -Name memory -Text ('{0:N0} MB at most in this process; a sandbox in Azure has 400 MB for all its jobs' -f $memory)
if ($failed.Count) {
    $message = "EntraSspr self-test: $($failed.Count) failed. " + ($failed -join ' | ')
    throw (New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList (New-Object -TypeName System.InvalidOperationException -ArgumentList $message), 'Sspr.SelfTest.Failed', 'InvalidResult', $null)
}
Write-Output -InputObject 'EntraSspr self-test: all well.'
