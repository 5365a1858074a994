<#
.SYNOPSIS
Checks self-service password reset in many tenants, in one job or handed to many.
.DESCRIPTION
Takes the list of tenants from an Automation variable (JSON, as Invoke-SsprFleet -Path takes it) and checks them. With JobCount the list is handed to so
many jobs of this same runbook, each with a part of the list; this job starts them over Azure's REST API, waits, joins what they
noted, tries once more what failed, and writes one page of all.

The jobs meet in a folder (SharePath, for hybrid workers) or in a container of a storage account (StorageAccount, Container, for
jobs in Azure): each keeps its state file there, so that a job that is started again does not do again what is done, and the
snapshot of each tenant. The page is fleet.html. These files hold names of the tenants, and have the rights that the folder or
container gives: give nobody else the right to read it.

The managed identity needs, besides what it may read in the tenants: with JobCount the role Automation Job Operator and the
right to read the runbook on the Automation account, with StorageAccount the role Storage Blob Data Contributor on the container.

The job fails when a tenant could not be checked. The last line is the count as JSON.
.PARAMETER ListVariable
The Automation variable (String) with the list, such as [{"Tenant": "contoso.onmicrosoft.com"}].
.PARAMETER ClientId
The app of many tenants, for those entries that do not say how to sign in.
.PARAMETER CertificateName
The Automation certificate that the app signs in with.
.PARAMETER IdentityClientId
The client id of the user-assigned managed identity: the app trusts it where no certificate is named, and it starts the jobs.
.PARAMETER Step
The steps to check, as a list or as one text with commas. Left out, all.
.PARAMETER JobCount
Over how many jobs the list is spread. Left out, all is checked in this one.
.PARAMETER SubscriptionId
The subscription of this Automation account, with JobCount.
.PARAMETER ResourceGroup
Its resource group, with JobCount.
.PARAMETER AutomationAccount
Its name, with JobCount.
.PARAMETER RunOn
The group of hybrid workers that runs the jobs. Left out, Azure.
.PARAMETER SharePath
The folder in which the jobs meet.
.PARAMETER StorageAccount
The storage account in which they meet, by its name.
.PARAMETER Container
Its container.
.PARAMETER TimeoutMinutes
How long the tenants of one job may take. Azure ends a job after three hours.
.PARAMETER PollSeconds
How often this job asks how the others are.
.PARAMETER Run
The name of a run. A name that was used before goes on with that run. Left out, the day.
.PARAMETER Part
Which part of the list this job does, such as 2/10. The job that starts the others sets it.
.EXAMPLE
./EntraSspr-Fleet.ps1 -ListVariable Tenants -ClientId $clientId -CertificateName SsprApp -SharePath \\files\sspr

Checks all tenants of the variable in one job, and writes the page to a share.
.EXAMPLE
./EntraSspr-Fleet.ps1 -ListVariable Tenants -ClientId $clientId -IdentityClientId $identity -JobCount 6 -SubscriptionId $subscription -ResourceGroup sspr -AutomationAccount sspr-jobs -StorageAccount ssprfleet -Container fleet

Hands the list to six jobs in Azure.
.LINK
https://learn.microsoft.com/rest/api/automation/job/create
#>
[CmdletBinding()]
[OutputType([string])]
param(
    [string] $ListVariable = 'EntraSsprTenants',

    [string] $ClientId,

    [string] $CertificateName,

    [string] $IdentityClientId,

    [string[]] $Step,

    [ValidateRange(0, 200)]
    [int] $JobCount = 0,

    [string] $SubscriptionId,

    [string] $ResourceGroup,

    [string] $AutomationAccount,

    [string] $RunOn,

    [string] $SharePath,

    [ValidatePattern('^$|^[a-z0-9]{3,24}$')]
    [string] $StorageAccount,

    [ValidatePattern('^$|^[a-z0-9](-?[a-z0-9])+$')]
    [string] $Container,

    [ValidateRange(1, 170)]
    [int] $TimeoutMinutes = 150,

    [ValidateRange(1, 600)]
    [int] $PollSeconds = 30,

    [ValidatePattern('^$|^[A-Za-z0-9-]{1,40}$')]
    [string] $Run,

    [ValidatePattern('^$|^[0-9]{1,3}/[0-9]{1,3}$')]
    [string] $Part
)

# A job goes on after most errors unless it is told not to.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$runbook = 'EntraSspr-Fleet'
$begun = [datetime]::UtcNow

function New-Failure {
    # What makes the job fail.
    param([string] $Id, [string] $Message)

    New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList (New-Object -TypeName System.InvalidOperationException -ArgumentList $Message), $Id, 'InvalidResult', $null
}

function Get-IdentityToken {
    # A token of the managed identity for one of Azure's own services.
    param([string] $Resource)

    if (-not $env:IDENTITY_ENDPOINT) { throw (New-Failure -Id Sspr.Fleet.NoIdentity -Message 'There is no managed identity here. Switch it on: Identity, System assigned, On.') }
    $address = "$($env:IDENTITY_ENDPOINT)?resource=$([uri]::EscapeDataString($Resource))"
    if ($IdentityClientId) { $address += "&client_id=$([uri]::EscapeDataString($IdentityClientId))" }
    $head = @{ Metadata = 'True'; 'X-IDENTITY-HEADER' = [string]$env:IDENTITY_HEADER }
    (Invoke-RestMethod -Method Get -Uri $address -Headers $head -UseBasicParsing).access_token
}

function Invoke-Job {
    # Asks Azure for a job (Job - Create, Job - Get).
    param([string] $Method, [string] $Name, [hashtable] $Property)

    $account = "subscriptions/$([uri]::EscapeDataString($SubscriptionId))/resourceGroups/$([uri]::EscapeDataString($ResourceGroup))/providers/Microsoft.Automation/automationAccounts/$([uri]::EscapeDataString($AutomationAccount))"
    $ask = @{
        Method          = $Method
        Uri             = "https://management.azure.com/$account/jobs/$($Name)?api-version=2024-10-23"
        Headers         = @{ Authorization = "Bearer $(Get-IdentityToken -Resource 'https://management.azure.com/')" }
        UseBasicParsing = $true
    }
    if ($Property) {
        $ask['ContentType'] = 'application/json'
        $ask['Body'] = ConvertTo-Json -InputObject @{ properties = $Property } -Depth 5 -Compress
    }
    Invoke-RestMethod @ask
}

function Get-BlobRequest {
    # A request about one file of the container.
    param([string] $Method, [string] $Name)

    @{
        Method          = $Method
        Uri             = "https://$StorageAccount.blob.core.windows.net/$Container/$([uri]::EscapeDataString($Name))"
        Headers         = @{ Authorization = "Bearer $(Get-IdentityToken -Resource 'https://storage.azure.com/')"; 'x-ms-version' = '2021-08-06' }
        UseBasicParsing = $true
    }
}

function Send-File {
    # Puts a file where the jobs meet. In a folder it is there already.
    param([string] $Name)

    if (-not $StorageAccount) { return }
    $ask = Get-BlobRequest -Method Put -Name $Name
    $ask.Headers['x-ms-blob-type'] = 'BlockBlob'
    $ask['InFile'] = Join-Path -Path $folder -ChildPath $Name
    [void](Invoke-RestMethod @ask)
}

function Receive-File {
    # Gets a file from where the jobs meet; says whether it is there.
    param([string] $Name)

    $path = Join-Path -Path $folder -ChildPath $Name
    if ($StorageAccount) {
        $ask = Get-BlobRequest -Method Get -Name $Name
        try {
            Invoke-RestMethod @ask -OutFile $path
        } catch {
            $answer = $_.Exception.PSObject.Properties['Response']
            if (-not $answer -or [int]$answer.Value.StatusCode -ne 404) { throw }
        }
    }
    Test-Path -LiteralPath $path
}

if (-not $SharePath -and -not ($StorageAccount -and $Container)) { throw (New-Failure -Id Sspr.Fleet.NoPlace -Message 'Name where the results go: SharePath, or StorageAccount and Container.') }
if ($SharePath -and $StorageAccount) { throw (New-Failure -Id Sspr.Fleet.TwoPlaces -Message 'Name one place for the results: SharePath or StorageAccount.') }
if ($JobCount -gt 0 -and -not ($SubscriptionId -and $ResourceGroup -and $AutomationAccount)) { throw (New-Failure -Id Sspr.Fleet.NoAccount -Message 'JobCount needs SubscriptionId, ResourceGroup and AutomationAccount: where the jobs are started.') }
if (-not $Run) { $Run = [datetime]::UtcNow.ToString('yyyyMMdd') }
# Other jobs may run as other accounts.
$shared = [bool]$SharePath
$folder = $SharePath
if (-not $folder) {
    # What is copied from and to the container; it goes with the job. On Windows the temporary folder is the user's own.
    if ([System.IO.Directory].GetMethod('CreateTempSubdirectory')) {
        $folder = [System.IO.Directory]::CreateTempSubdirectory('sspr-').FullName # 5.1-ok: asked for above
    } else {
        $folder = Join-Path -Path ([System.IO.Path]::GetTempPath()) -ChildPath "sspr-$([guid]::NewGuid())"
        [void](New-Item -ItemType Directory -Path $folder)
    }
}

Import-Module -Name EntraSspr
try {
    $text = [string](Get-AutomationVariable -Name $ListVariable) # 5.1-ok: Azure Automation's own
    try { $list = @(ConvertFrom-Json -InputObject $text | ForEach-Object -Process { $_ }) } catch { $list = @() }
    if ($list.Count -eq 0) { throw (New-Failure -Id Sspr.Fleet.NoList -Message "The variable $ListVariable holds no list of tenants. Give JSON such as [{`"Tenant`": `"contoso.onmicrosoft.com`"}].") }
    $signIn = @{}
    if ($ClientId) { $signIn['ClientId'] = $ClientId }
    if ($CertificateName) {
        $signIn['Certificate'] = Get-AutomationCertificate -Name $CertificateName # 5.1-ok: Azure Automation's own
    } elseif ($IdentityClientId) {
        $signIn['FederatedIdentity'] = $IdentityClientId
    }
    $fleet = @{ SignIn = $signIn }
    $steps = @($Step -split ',' | ForEach-Object -Process { $_.Trim() } | Where-Object -FilterScript { $_ })
    if ($steps) { $fleet['Step'] = $steps }

    $state = "$Run.state"
    $others = @()
    if ($Part) {
        $of = $Part -split '/'
        # What the job that starts the others did itself is done too.
        $others = @($state)
        $state = "$Run-$($of[0]).state"
        # Every so-manieth entry: tenants of one kind often stand together.
        $fleet['RunCount'] = [int]$of[1]
        $list = @(for ($at = [int]$of[0] - 1; $at -lt $list.Count; $at += [int]$of[1]) { $list[$at] })
    } elseif ($JobCount -gt 0) {
        $count = [Math]::Min($JobCount, $list.Count)
        $open = @{}
        foreach ($number in 1..$count) {
            $parameters = @{ Run = $Run; Part = "$number/$count"; TimeoutMinutes = [string]$TimeoutMinutes }
            foreach ($name in 'ListVariable', 'ClientId', 'CertificateName', 'IdentityClientId', 'SharePath', 'StorageAccount', 'Container') {
                $value = Get-Variable -Name $name -ValueOnly
                if ($value) { $parameters[$name] = [string]$value }
            }
            # A list of a job is JSON.
            if ($steps) { $parameters['Step'] = ConvertTo-Json -InputObject $steps -Compress }
            $property = @{ runbook = @{ name = $runbook }; parameters = $parameters }
            if ($RunOn) { $property['runOn'] = $RunOn }
            $name = [string][guid]::NewGuid()
            [void](Invoke-Job -Method Put -Name $name -Property $property)
            $open[$name] = $number
        }
        Write-Output -InputObject "$count jobs are started."
        $until = [datetime]::UtcNow.AddMinutes($TimeoutMinutes + 15)
        while ($open.Count -gt 0 -and [datetime]::UtcNow -lt $until) {
            Start-Sleep -Seconds $PollSeconds
            foreach ($name in @($open.Keys)) {
                try {
                    $status = [string](Invoke-Job -Method Get -Name $name).properties.status
                } catch {
                    # The job goes on, whether Azure tells of it now or when it is asked again.
                    Write-Warning -Message "Part $($open[$name]): not told how it is: $($_.Exception.Message)"
                    continue
                }
                if ('Completed', 'Failed', 'Stopped', 'Suspended' -notcontains $status) { continue }
                Write-Output -InputObject "Part $($open[$name]): $status."
                $open.Remove($name)
            }
        }
        foreach ($name in $open.Keys) { Write-Warning -Message "Part $($open[$name]) has not ended in time; what it has noted counts." }
        # What the parts have noted is done.
        $others = @(foreach ($number in 1..$count) { "$Run-$number.state" })
    }

    $path = Join-Path -Path $folder -ChildPath $state
    $known = @(foreach ($name in @($state) + $others) { if (Receive-File -Name $name) { Join-Path -Path $folder -ChildPath $name } })
    if ($known -notcontains $path) {
        $fleet['StatePath'] = $path
        $fleet['Shared'] = $shared
    }
    if ($known) { $fleet['Resume'] = $known }
    # The parts may have taken most of the three hours after which Azure ends a job; the page is written before.
    $minutes = $TimeoutMinutes
    if ($JobCount -gt 0 -and -not $RunOn) { $minutes = [Math]::Max(1, [Math]::Min($minutes, 170 - [int]([datetime]::UtcNow - $begun).TotalMinutes)) }
    $results = New-Object -TypeName 'System.Collections.Generic.List[object]'
    $list | Invoke-SsprFleet @fleet -Timeout ([timespan]::FromMinutes($minutes)) | ForEach-Object -Process {
        if ($_.Readiness) {
            # A name may hold what no file's may; two names never come to one file, and none to that of another part.
            $file = "tenant-$([regex]::Replace($_.Name, '[^A-Za-z0-9.-]', { '_{0:x4}' -f [int][char]$args[0].Value })).sspr.json"
            $_.Readiness | Export-SsprSnapshot -Path (Join-Path -Path $folder -ChildPath $file) -Shared:$shared -Force
            Send-File -Name $file
            $_.Readiness = $null
        }
        if (-not $_.Resumed -and (Test-Path -LiteralPath $path)) { Send-File -Name $state }
        $word = if ($_.Status -eq 'Done') { $_.Ready } else { "$($_.Status): $($_.Reason)" }
        $line = "$($_.Name): $word" -replace '\p{Cc}+', ' '
        Write-Output -InputObject $line.Substring(0, [Math]::Min(300, $line.Length))
        $results.Add($_)
    }
    if (-not $Part) {
        $results | Export-SsprReport -Path (Join-Path -Path $folder -ChildPath fleet.html) -Shared:$shared -Force
        Send-File -Name fleet.html
    }
    $failed = @($results | Where-Object -FilterScript { $_.Status -ne 'Done' })
    $told = [ordered]@{ run = $Run; tenants = $results.Count; done = $results.Count - $failed.Count; failed = $failed.Count }
    foreach ($ready in 'Yes', 'No', 'Unknown') { $told[$ready.ToLowerInvariant()] = @($results | Where-Object -FilterScript { $_.Ready -eq $ready }).Count }
    Write-Output -InputObject (ConvertTo-Json -InputObject $told -Compress)
    if ($failed) { throw (New-Failure -Id Sspr.Fleet.Failed -Message "$($failed.Count) of $($results.Count) tenants could not be checked, the first: $($failed[0].Name): $($failed[0].Reason)") }
} finally {
    if (-not $SharePath) { Remove-Item -LiteralPath $folder -Recurse -Force }
}
