# What an entry of a fleet may say: parameters of Connect-SsprTenant, and of Connect-SsprDirectory.
$script:FleetTenant = @('Tenant', 'ClientId', 'ClientSecret', 'Certificate', 'CertificateThumbprint', 'CertificatePath', 'CertificatePassword', 'ManagedIdentity', 'IdentityClientId', 'FederatedTokenPath', 'FederatedIdentity', 'AccessToken', 'Cloud', 'Endpoint', 'CaFile', 'Proxy', 'ProxyCredential')
$script:FleetDirectory = @('Domain', 'Server', 'DirectoryCredential', 'UseTls', 'DirectoryCaFile', 'DnsServer', 'Connector', 'SysvolPath')
# The ways to sign in, the one that names most first.
$script:FleetMethod = @('CertificatePath', 'CertificateThumbprint', 'Certificate', 'ClientSecret', 'FederatedIdentity', 'FederatedTokenPath', 'AccessToken', 'ManagedIdentity')

function Read-SsprFleetList {
    # The entries of a file.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Path
    )

    $text = [System.Text.Encoding]::UTF8.GetString((Get-SsprFileByte -Cmdlet $Cmdlet -Path $Path)).TrimStart([char]0xFEFF)
    $cause = $null
    $entries = @()
    try {
        if ([System.IO.Path]::GetExtension($Path) -eq '.json') {
            # Windows PowerShell hands a list out as one.
            $read = ConvertFrom-Json -InputObject $text
            $entries = @($read | ForEach-Object -Process { $_ })
        } else {
            $entries = @(ConvertFrom-Csv -InputObject $text)
        }
    } catch {
        $cause = $_.Exception
    }
    if ($null -eq $cause -and $entries.Count -gt 0) { return $entries }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -InnerException $cause -Document ([pscustomobject]@{
                    name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path
                    message = "$Path holds no list of tenants"
                    help = 'Give a CSV file whose first line names the columns, such as Tenant,ClientId,CertificatePath; or a JSON file with a list of objects.'
                })))
}

function Read-SsprFleetEntry {
    # An entry as tables of what it says of its tenant and of its directory, its name, and what is wrong with it.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([AllowNull()] [object] $Entry, [hashtable] $Default, [int] $Number)

    $said = @{}
    if ($Entry -is [string]) {
        $said['Tenant'] = $Entry
    } elseif ($Entry -is [System.Collections.IDictionary]) {
        foreach ($name in $Entry.Keys) { $said[[string]$name] = $Entry[$name] }
    } elseif ($null -ne $Entry) {
        foreach ($member in $Entry.PSObject.Properties) { $said[$member.Name] = $member.Value }
    }
    # A cell of a table that nobody filled in says nothing.
    foreach ($name in @($said.Keys)) { if ($null -eq $said[$name] -or ($said[$name] -is [string] -and -not $said[$name].Trim())) { $said.Remove($name) } }
    if ($said['TenantId'] -and -not $said['Tenant']) {
        $said['Tenant'] = $said['TenantId']
        $said.Remove('TenantId')
    }
    $tenant = @{}
    $directory = @{}
    $problem = $null
    foreach ($name in $said.Keys) {
        if ($script:FleetTenant -contains $name) {
            $tenant[$name] = $said[$name]
            if ('ClientSecret', 'AccessToken', 'CertificatePassword' -contains $name -and $said[$name] -isnot [securestring]) {
                $problem = "the entry has a $name in plain text; use a certificate or a federated identity, or give it as a SecureString"
            }
        } elseif ($script:FleetDirectory -contains $name) {
            $value = $said[$name]
            if ('Server', 'Connector' -contains $name -and $value -is [string]) { $value = @($value -split ';' | ForEach-Object -Process { $_.Trim() } | Where-Object -FilterScript { $_ }) }
            $directory[($name -replace '^Directory', '')] = $value
        } elseif ($name -ne 'Name') {
            $problem = "an entry has no member '$name'; the members are Name, $(($script:FleetTenant + $script:FleetDirectory) -join ', ')"
        }
    }
    if ($directory.Count -gt 0 -and -not $directory['Domain']) { $problem = 'the entry has a directory without its Domain' }
    $title = @($said['Name'], $said['Tenant'], $directory['Domain'], "entry $Number" | Where-Object -FilterScript { $_ })[0]
    # What an entry of a directory alone does not say is not taken from the sign-in for all.
    if ($tenant.Count -gt 0) {
        $own = @($script:FleetMethod | Where-Object -FilterScript { $tenant.ContainsKey($_) })
        foreach ($name in $Default.Keys) {
            if ($script:FleetTenant -notcontains $name) { $problem = "-SignIn has no member '$name'; the members are $($script:FleetTenant -join ', ')" }
            if ($tenant.ContainsKey($name) -or ($own.Count -gt 0 -and $script:FleetMethod -contains $name)) { continue }
            $tenant[$name] = $Default[$name]
        }
        $given = @($script:FleetMethod | Where-Object -FilterScript { $tenant[$_] -and [string]$tenant[$_] -ne 'False' })
        if (-not $problem -and $given.Count -eq 0) { $problem = 'nothing says how to sign in; name ClientId with CertificatePath, CertificateThumbprint or FederatedIdentity, or ManagedIdentity' }
        if (-not $problem -and $given.Count -gt 1) { $problem = "the entry says more than one way to sign in: $($given -join ', ')" }
        if (-not $problem -and -not $tenant['Tenant'] -and 'ManagedIdentity', 'AccessToken' -notcontains $given[0]) { $problem = 'an app signs in to a Tenant that is named' }
        $tenant['Method'] = @($given + '')[0]
    } elseif ($directory.Count -eq 0 -and -not $problem) {
        $problem = 'the entry names neither a Tenant nor a Domain'
    }
    $record = $null
    if ($problem) {
        $record = New-SsprErrorRecord -Document ([pscustomobject]@{
                name = 'Argument.Invalid'; category = 'InvalidArgument'; target = [string]$title; message = "$title`: $problem"; help = 'Mend the entry of the list, and resume the run.'
            })
    }
    [pscustomobject]@{ Name = [string]$title; Tenant = $tenant; Directory = $directory; Problem = $record }
}

function Open-SsprFleetEntry {
    # Opens an entry's session and hands over its secrets; nothing is sent. What fails is this function's own error, so that
    # the run over the others goes on.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Entry, [int] $RunCount = 1)

    $cmdlet = $PSCmdlet
    $native = Get-SsprNative -Cmdlet $cmdlet
    $configuration = @{}
    $secret = @{}
    $certificate = $null
    $target = @{ key = $Entry.Name }
    if ($Entry.Tenant.Count -gt 0) {
        $signIn = New-SsprSignIn -Cmdlet $cmdlet -Method $Entry.Tenant['Method'] -Parameter $Entry.Tenant
        $configuration = $signIn.Configuration
        $secret = $signIn.Secret
        $certificate = $signIn.HostAction['signAssertion']
        $target['signIn'] = $signIn.Request
        $configuration['budgets'] = $script:Budgets
        $configuration['processes'] = $RunCount
        $configuration['caller'] = "EntraSspr PowerShell/$($PSVersionTable.PSVersion)"
    }
    if ($Entry.Directory.Count -gt 0) {
        $connection = New-SsprDirectoryRequest -Cmdlet $cmdlet -Parameter $Entry.Directory
        $target['directory'] = $connection.Request
        foreach ($name in $connection.Secret.Keys) { $secret[$name] = $connection.Secret[$name] }
    }
    if ($null -ne $certificate) { $configuration['hostActions'] = @('signAssertion') }
    $json = $native::Text((ConvertTo-Json -InputObject $configuration -Depth 5 -Compress))
    [uint64]$handle = 0
    $failure = [IntPtr]::Zero
    $whole = $false
    try {
        $status = $native::sspr_session_open($json, [ref]$handle, [ref]$failure)
        Assert-SsprStatus -Cmdlet $cmdlet -Status $status -Failure $failure
        foreach ($name in $secret.Keys) { Set-SsprSecret -Cmdlet $cmdlet -Handle $handle -Name $name -Value $secret[$name] }
        $whole = $true
    } finally {
        if (-not $whole -and $handle -ne 0) { Close-SsprHandle -Handle $handle }
    }
    $target['session'] = $handle.ToString([cultureinfo]::InvariantCulture)
    [pscustomobject]@{ Handle = $handle; Certificate = $certificate; Target = $target }
}

function New-SsprFleetResult {
    # What a tenant of a fleet came to: from the library's document, or from what kept it from being begun.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $Name, [AllowNull()] [psobject] $Document, [AllowNull()] [System.Management.Automation.ErrorRecord] $Problem)

    $result = [ordered]@{ Name = $Name; Status = 'Failed'; Ready = $null; TenantName = $null; TenantId = $null; Reason = $null; Steps = @(); Counts = $null; First = $null; EndedAt = [datetime]::Now; Duration = [timespan]::Zero; Resumed = $false; ErrorId = $null; Readiness = $null }
    if ($null -ne $Problem) {
        $result['Reason'] = [string]$Problem
        $result['ErrorId'] = ($Problem.FullyQualifiedErrorId -split ',')[0]
        if ($Problem.ErrorDetails -and $Problem.ErrorDetails.RecommendedAction) { $result['Reason'] = "$($Problem.Exception.Message.TrimEnd('.')). $($Problem.ErrorDetails.RecommendedAction)" }
    } else {
        foreach ($member in 'Status', 'EndedAt', 'Ready', 'TenantName', 'TenantId', 'Counts', 'First') { $result[$member] = Get-SsprMember -InputObject $Document -Name $member }
        $result['Duration'] = [timespan]::FromMilliseconds($Document.DurationMs)
        $result['Resumed'] = [bool](Get-SsprMember -InputObject $Document -Name Resumed)
        $result['Steps'] = @(foreach ($step in (Get-SsprMember -InputObject $Document -Name Steps)) { if ($null -ne $step) { Add-SsprTypeName -InputObject ($step | Select-Object -Property Name, Title, Status, Headline) -Name StepResult } })
        $failure = Get-SsprMember -InputObject $Document -Name Error
        if ($null -ne $failure) {
            $result['Reason'] = "$($failure.Message.TrimEnd('.')). $($failure.Help)"
            $result['ErrorId'] = "Sspr.$($failure.Name)"
        } elseif ($Document.Status -eq 'NotDone') {
            $result['Reason'] = 'The time of the run was over. Resume it.'
        }
        $readiness = Get-SsprMember -InputObject $Document -Name Readiness
        if ($null -ne $readiness) { $result['Readiness'] = New-SsprReadiness -Document $readiness }
    }
    Add-SsprTypeName -InputObject ([pscustomobject]$result) -Name FleetResult
}

function ConvertTo-SsprFleetDocument {
    # A result as the library's page takes it, without its findings: a page of all does not grow with them.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory = $true)] [psobject] $Result)

    $document = @{ name = $Result.Name; status = $Result.Status; ready = $Result.Ready; tenantName = $Result.TenantName; tenantId = $Result.TenantId; reason = $Result.Reason }
    $document['endedAt'] = ([datetime]$Result.EndedAt).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture)
    if ($null -ne $Result.First) { $document['first'] = @{ text = $Result.First.Text } }
    $document['steps'] = @(foreach ($step in $Result.Steps) { @{ name = $step.Name; title = $step.Title; status = $step.Status; headline = $step.Headline } })
    $document
}
