<#
.SYNOPSIS
Reads a directory on a hybrid worker, joins it with what was read of the tenant and of the Connect server, and judges the whole.
.DESCRIPTION
For a Hybrid Runbook Worker in the domain. Reads the directory with an Automation credential: the worker's own account, Local
System, may not see fine-grained password policies. Writes what it read to the folder SharePath as directory.sspr.json, joins it
there with every other file whose name ends in .sspr.json (of EntraSspr-Fleet, of Export-SsprSnapshot, of the collector on the
Connect server), and judges what came of it. The whole is written as joined.sspr.json and joined.html. What it writes has the
rights that the folder gives; each other file must be readable by this job (Export-SsprSnapshot -Shared).

The job fails when reset is not ready, and when it is not known unless AllowUnknown is true. Nothing is changed in the directory.
.PARAMETER CredentialName
The Automation credential to read the directory with: DOMAIN\user, an account that may read password settings objects. Left out,
whoever runs the worker, by Kerberos.
.PARAMETER Domain
The domain's DNS name. Left out, that of the credential or of this machine.
.PARAMETER Server
Its controllers, as a list or as one text with commas. Left out, those that DNS names.
.PARAMETER SharePath
The folder in which the parts meet.
.PARAMETER Tenant
The tenant's id. Parts of other tenants are left out; needed where the folder holds parts of several.
.PARAMETER MaximumAgeHours
Parts that were written longer ago are left out, and told.
.PARAMETER AllowUnknown
Do not fail when something that decides could not be read.
.EXAMPLE
./EntraSspr-Directory.ps1 -CredentialName SsprReader -SharePath \\files\sspr

Reads the worker's domain and joins it with what lies in the share.
.EXAMPLE
./EntraSspr-Directory.ps1 -CredentialName SsprReader -Domain example.test -SharePath \\files\sspr -AllowUnknown $true

Reads another domain, and fails only when something was seen to be wrong.
.LINK
https://learn.microsoft.com/azure/automation/automation-hrw-run-runbooks
#>
[CmdletBinding()]
[OutputType([string])]
param(
    [string] $CredentialName,

    [string] $Domain,

    [string[]] $Server,

    [string] $SharePath,

    [string] $Tenant,

    [ValidateRange(1, 8760)]
    [int] $MaximumAgeHours = 48,

    [bool] $AllowUnknown = $false
)

# A job goes on after most errors unless it is told not to.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

function New-Failure {
    # What makes the job fail.
    param([string] $Id, [string] $Message)

    New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList (New-Object -TypeName System.InvalidOperationException -ArgumentList $Message), $Id, 'InvalidResult', $null
}

if (-not $SharePath) { throw (New-Failure -Id Sspr.Directory.NoPlace -Message 'Name the folder in which the parts meet: SharePath.') }
$connection = @{}
if ($CredentialName) {
    $connection['Credential'] = Get-AutomationPSCredential -Name $CredentialName # 5.1-ok: Azure Automation's own
    if (-not $connection['Credential']) { throw (New-Failure -Id Sspr.Directory.NoCredential -Message "There is no credential $CredentialName in the Automation account: Shared Resources, Credentials.") }
}
if ($Domain) { $connection['Domain'] = $Domain }
$servers = @($Server -split ',' | ForEach-Object -Process { $_.Trim() } | Where-Object -FilterScript { $_ })
if ($servers) { $connection['Server'] = $servers }

Import-Module -Name EntraSspr
$session = $null
try {
    $session = Connect-SsprDirectory @connection
    $own = Test-SsprReadiness -Session $session
    $name = 'directory.sspr.json'
    $own | Export-SsprSnapshot -Path (Join-Path -Path $SharePath -ChildPath $name) -Shared -Force
    Write-Output -InputObject "Read $(@($session.Directory) -join ', ')."

    $parts = New-Object -TypeName 'System.Collections.Generic.List[object]'
    $parts.Add($own.Snapshot)
    foreach ($file in @(Get-ChildItem -LiteralPath $SharePath -Filter '*.sspr.json' | Sort-Object -Property Name)) {
        if ($name, 'joined.sspr.json' -contains $file.Name) { continue }
        $part = Import-SsprSnapshot -Path $file.FullName
        if ($Tenant -and $part.TenantId -and $part.TenantId -ne $Tenant) { continue }
        if ($part.TakenAt -lt [datetime]::Now.AddHours(-$MaximumAgeHours)) {
            Write-Warning -Message "$($file.Name) was read $($part.TakenAt.ToString('yyyy-MM-dd HH:mm')) and is left out: it is older than $MaximumAgeHours hours."
            continue
        }
        Write-Output -InputObject "Joined with $($file.Name)."
        $parts.Add($part)
    }
    $joined = $parts | Join-SsprSnapshot
    $joined | Export-SsprSnapshot -Path (Join-Path -Path $SharePath -ChildPath 'joined.sspr.json') -Shared -Force
    $readiness = Test-SsprReadiness -Snapshot $joined
    $readiness | Export-SsprReport -Path (Join-Path -Path $SharePath -ChildPath 'joined.html') -Shared -Force
    foreach ($line in $readiness.Screen) { Write-Output -InputObject ($line -replace '\p{Cc}+', ' ') }
    Assert-SsprReadiness -Readiness $readiness -AllowUnknown:$AllowUnknown
} finally {
    if ($session) { Disconnect-Sspr -Session $session }
}
