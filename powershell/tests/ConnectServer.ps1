# A Connect server for tests: its cmdlets as global functions, which shadow Windows's own. Dot-sourced in BeforeAll.
# No server was at hand. What the functions give is composed: the names of cmdlets, events, registry values and global settings
# from Microsoft's documentation; the shape of connectors, rules and the scheduler from what scripts of others read of them; the
# output of Get-ADSyncAADPasswordResetConfiguration is documented by nobody and made up.

# What nobody may ever see.
$connectCanary = 'canary-9d41'
# A name as an attacker might give it: a formula, a tag, control characters, one that turns the reading direction.
$hostileName = "=cmd|' /C calc'!A0 <script>alert(1)</script>$([char]27)[31m$([char]0x202e)$([char]0)"

function New-ConnectServerData {
    # What the server has; a test changes it.
    $connector = [pscustomobject]@{
        Name                   = 'example.test'
        Identifier             = [guid]'11111111-1111-1111-1111-111111111111'
        ConnectorTypeName      = 'AD'
        Type                   = 'AD'
        SubType                = ''
        ConnectivityParameters = @(
            [pscustomobject]@{ Name = 'forest-name'; Value = 'example.test' }
            [pscustomobject]@{ Name = 'forest-login-domain'; Value = 'EXAMPLE.TEST' }
            [pscustomobject]@{ Name = 'forest-login-user'; Value = 'MSOL_16fb75d0227d' }
            [pscustomobject]@{ Name = 'password'; Value = $connectCanary }
            [pscustomobject]@{ Name = 'encrypted-password'; Value = $connectCanary }
            [pscustomobject]@{ Name = 'signing-key'; Value = $connectCanary }
            [pscustomobject]@{ Name = 'tls-token'; Value = (ConvertTo-Secret -Text $connectCanary) }
            [pscustomobject]@{ Name = 'sign-and-seal'; Value = 1 }
            [pscustomobject]@{ Name = 'ssl-bind'; Value = $false }
        )
        Partitions             = @(
            [pscustomobject]@{
                DN                      = 'DC=example,DC=test'
                Selected                = $true
                ConnectorPartitionScope = [pscustomobject]@{
                    ContainerInclusionList = @('DC=example,DC=test')
                    ContainerExclusionList = @("OU=$hostileName,DC=example,DC=test", 'OU=Old,DC=example,DC=test')
                }
            }
        )
    }
    $cloud = [pscustomobject]@{
        Name                   = 'contoso.example - AAD'
        Identifier             = [guid]'22222222-2222-2222-2222-222222222222'
        ConnectorTypeName      = 'Extensible2'
        Type                   = 'Extensible2'
        SubType                = 'Windows Azure Active Directory (Microsoft)'
        ConnectivityParameters = @([pscustomobject]@{ Name = 'UserName'; Value = 'Sync_SYNC1@contoso.example' }, [pscustomobject]@{ Name = 'Password'; Value = $connectCanary })
        Partitions             = @()
    }
    $rule = {
        param($Name, $Precedence, $Values = @{})
        $one = [ordered]@{
            Name = $Name; Connector = [guid]'11111111-1111-1111-1111-111111111111'; Direction = 'Inbound'; SourceObjectType = 'user'
            Precedence = $Precedence; Disabled = $false; EnablePasswordSync = $false; ScopeFilter = @()
        }
        foreach ($key in $Values.Keys) { $one[$key] = $Values[$key] }
        [pscustomobject]$one
    }
    $logged = {
        param($Provider, $Id, $Minutes, $Message)
        [pscustomobject]@{ ProviderName = $Provider; Id = $Id; TimeCreated = [datetime]::Now.AddMinutes(-$Minutes); Message = $Message; Properties = @() }
    }
    @{
        # Commands that are not there, and those that fail, with what they say.
        Missing    = @()
        Failing    = @{}
        # Without the service it is no Connect server.
        Service    = [pscustomobject]@{ Name = 'ADSync'; Status = 'Running'; StartType = 'Automatic' }
        Connectors = @($connector, $cloud)
        Settings   = [pscustomobject]@{
            Parameters = @(
                [pscustomobject]@{ Name = 'Microsoft.Synchronize.ServerConfigurationVersion'; Value = '2.5.190.0' }
                [pscustomobject]@{ Name = 'Microsoft.Synchronize.StagingMode'; Value = 'False' }
                [pscustomobject]@{ Name = 'Microsoft.Synchronize.PasswordSyncEnabled'; Value = 'True' }
                [pscustomobject]@{ Name = 'Microsoft.Synchronize.TokenKey'; Value = $connectCanary }
                [pscustomobject]@{ Name = 'Microsoft.Other'; Value = 'x' }
            )
        }
        Reset      = [pscustomobject]@{ PasswordResetEnabled = $true; State = 'Running'; Endpoints = 2; Key = $connectCanary }
        Features   = [pscustomobject]@{ PasswordHashSync = $true; ForcePasswordChangeOnLogOn = $false; UserWriteback = $null }
        # Whether Get-ADSyncAADCompanyFeature takes the connector's name.
        Named      = $true
        Scheduler  = [pscustomobject]@{
            SyncCycleEnabled = $true; StagingModeEnabled = $false; CurrentlyEffectiveSyncCycleInterval = [timespan]'00:30:00'
            NextSyncCyclePolicyType = [DayOfWeek]::Monday; NextSyncCycleStartTimeInUTC = [datetime]'2026-11-27 12:30:00'
        }
        Rules      = @(
            & $rule 'In from AD - User AccountEnabled' 101
            & $rule "Hashes for $hostileName" 90 @{
                EnablePasswordSync = $true
                ScopeFilter        = @([pscustomobject]@{ ScopeConditionList = @([pscustomobject]@{ Attribute = 'adminDescription'; ComparisonOperator = 'EQUAL'; ComparisonValue = 'sync' }) })
            }
            & $rule 'In from AD - User Join' 100
            & $rule 'Out to AD - User AccountEnabled' 102 @{ Direction = 'Outbound' }
            & $rule 'In from AD - Group AccountEnabled' 103 @{ SourceObjectType = 'group' }
        )
        Registry   = @{
            'HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319'                                          = [pscustomobject]@{ SystemDefaultTlsVersions = 1; SchUseStrongCrypto = 1 }
            'HKLM:\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319'                              = [pscustomobject]@{ SchUseStrongCrypto = 1 }
            'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client' = [pscustomobject]@{ Enabled = -1; DisabledByDefault = 0 }
            'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa'                                                 = [pscustomobject]@{ RestrictRemoteSam = 'O:BAG:BAD:(A;;RC;;;BA)' }
        }
        Product    = 3
        Events     = @(
            & $logged 'PasswordResetService' 31019 4 'Namespace: ssprdedicatedsbprodscu'
            & $logged 'PasswordResetService' 31019 9 'Namespace: ssprdedicatedsbprodncu'
            & $logged 'PasswordResetService' 33008 60 "TrackingId: 7, Reason: Synchronization Engine returned an error hr=80230619`r`nContext: cloudAnchor: User_1, $hostileName"
            & $logged 'ADSync' 6329 60 "An unexpected error has occurred`r`nERR_: MMS(1224): admaexport.cpp(2939): Failed to acquire user information: 0x6ba"
            & $logged 'ADSync' 904 1 'not of these'
            & $logged 'PasswordResetService' 30000 1 'not of these'
            & $logged 'ADSync' 31019 1 'of the other source'
            & $logged 'PasswordResetService' 31016 20160 'two weeks ago'
        )
        # What was set.
        Set        = [System.Collections.Generic.List[string]]::new()
        # What was sent to other machines.
        Sent       = [System.Collections.Generic.List[hashtable]]::new()
        # Machines that cannot be reached.
        Away       = @()
        # So long they take to answer; another runspace may hold it too.
        Pace       = @{ Seconds = 0 }
    }
}

# Each command of a Connect server, and of Windows, that the reader uses.
$connectServerCommands = @{
    'Get-ADSyncConnector'                        = { [CmdletBinding()] param() $global:SsprConnectServer.Connectors }
    'Get-ADSyncGlobalSettings'                   = { [CmdletBinding()] param() $global:SsprConnectServer.Settings }
    'Get-ADSyncAADPasswordResetConfiguration'    = { [CmdletBinding()] param([Parameter(Mandatory = $true)] [string] $Connector) if ($Connector -eq 'contoso.example - AAD') { $global:SsprConnectServer.Reset } }
    'Set-ADSyncAADPasswordResetConfiguration'    = {
        [CmdletBinding()] param([Parameter(Mandatory = $true)] [string] $Connector, [Parameter(Mandatory = $true)] [bool] $Enable)
        $global:SsprConnectServer.Set.Add("$Connector $Enable")
        $global:SsprConnectServer.Reset = [pscustomobject]@{ Enabled = $Enable }
    }
    'Get-ADSyncAADCompanyFeature'                = { [CmdletBinding()] param([string] $ConnectorName) if ($ConnectorName) { $global:SsprConnectServer.Features } }
    'Get-ADSyncScheduler'                        = { [CmdletBinding()] param() $global:SsprConnectServer.Scheduler }
    'Get-ADSyncRule'                             = { [CmdletBinding()] param() $global:SsprConnectServer.Rules }
    'Get-Service'                                = {
        [CmdletBinding()] param([string] $Name)
        if ($null -eq $global:SsprConnectServer.Service) { Write-Error -Message "Cannot find any service with service name '$Name'." -ErrorId 'NoServiceFoundForGivenName' }
        $global:SsprConnectServer.Service
    }
    'Get-CimInstance'                            = { [CmdletBinding()] param([string] $ClassName, [string[]] $Property) if ($ClassName -eq 'Win32_OperatingSystem') { [pscustomobject]@{ ProductType = [uint32]$global:SsprConnectServer.Product } } }
    'Get-ItemProperty'                           = {
        [CmdletBinding()] param([string] $LiteralPath)
        if (-not $global:SsprConnectServer.Registry.ContainsKey($LiteralPath)) { throw [System.Management.Automation.ItemNotFoundException]::new("Cannot find path '$LiteralPath'.") }
        $global:SsprConnectServer.Registry[$LiteralPath]
    }
    'Get-WinEvent'                               = {
        [CmdletBinding()] param([xml] $FilterXml, [long] $MaxEvents)
        # Reads the query as far as it is used, so that a wrong number in it is seen.
        $found = foreach ($select in $FilterXml.QueryList.Query.Select) {
            $text = $select.InnerText
            $provider = [regex]::Match($text, "@Name='([^']*)'").Groups[1].Value
            $from = [datetimeoffset]::Parse([regex]::Match($text, "SystemTime>='([^']*)'").Groups[1].Value, [cultureinfo]::InvariantCulture).LocalDateTime
            $ranges = @(
                foreach ($one in [regex]::Matches($text, 'EventID>=(\d+) and EventID<=(\d+)')) { , @([int]$one.Groups[1].Value, [int]$one.Groups[2].Value) }
                foreach ($one in [regex]::Matches($text, 'EventID=(\d+)')) { , @([int]$one.Groups[1].Value, [int]$one.Groups[1].Value) }
            )
            if ($ranges.Count -gt 20) { Write-Error -Message 'The specified query is invalid' -ErrorId 'InvalidQuery' }
            foreach ($one in $global:SsprConnectServer.Events) {
                if ($one.ProviderName -ne $provider -or $one.TimeCreated -lt $from) { continue }
                if (@($ranges | Where-Object { $one.Id -ge $_[0] -and $one.Id -le $_[1] }).Count -gt 0) { $one }
            }
        }
        if (@($found).Count -eq 0) { Write-Error -Message 'No events were found that match the specified selection criteria.' -ErrorId 'NoMatchingEventsFound'; return }
        $found | Sort-Object -Property TimeCreated -Descending | Select-Object -First $MaxEvents
    }
    'Invoke-Command'                             = {
        [CmdletBinding()] param([string[]] $ComputerName, [scriptblock] $ScriptBlock, [object[]] $ArgumentList, [pscredential] $Credential, [string] $ConfigurationName, [object] $SessionOption, [switch] $AsJob)
        $global:SsprConnectServer.Sent.Add(@{ ComputerName = $ComputerName[0]; Credential = $Credential; ConfigurationName = $ConfigurationName; ScriptBlock = $ScriptBlock; ArgumentList = $ArgumentList })
        $wait = $global:SsprConnectServer.Pace.Seconds
        $failure = if ($global:SsprConnectServer.Away -contains $ComputerName[0]) { "Connecting to remote server $($ComputerName[0]) failed" }
        # The other machine has the text alone, and what comes back went through the wire.
        $there = [scriptblock]::Create($ScriptBlock.ToString())
        $texts = @(if (-not $failure) { foreach ($one in & $there @ArgumentList) { [System.Management.Automation.PSSerializer]::Serialize($one) } })
        $answer = {
            param($Told)
            if ($Told.Wait -gt 0) { Start-Sleep -Seconds $Told.Wait }
            if ($Told.Failure) { Write-Error -Message $Told.Failure -ErrorId 'CannotConnect' }
            foreach ($text in $Told.Texts) { [System.Management.Automation.PSSerializer]::Deserialize($text) | Add-Member -NotePropertyName PSComputerName -NotePropertyValue $Told.Computer -PassThru }
        }
        $told = @{ Wait = $wait; Failure = $failure; Texts = $texts; Computer = $ComputerName[0] }
        if (-not $AsJob) { & $answer $told; return }
        # A job that needs no other machine: of PowerShell 7 one of this process.
        if ($PSVersionTable.PSEdition -eq 'Core') {
            $parallel = @{ Parallel = [scriptblock]::Create("& { $answer } `$_"); AsJob = $true }
            $told | ForEach-Object @parallel
        } else {
            Start-Job -ScriptBlock $answer -ArgumentList $told
        }
    }
}

function Start-ConnectServer {
    # Makes this machine a Connect server that has this instead of what it has by itself, and lets it reach others.
    param([hashtable] $With = @{})

    $data = New-ConnectServerData
    foreach ($key in $With.Keys) { $data[$key] = $With[$key] }
    $global:SsprConnectServer = $data
    # PowerShell 7 on Windows would ask Windows PowerShell, which does not know what is made up here.
    & (Get-Module -Name EntraSspr) { $script:Edition = 'Desktop' }
    if ($data.Contains('Relays')) { & (Get-Module -Name EntraSspr) { $script:Relays = $args[0] } $data.Relays }
    foreach ($name in $connectServerCommands.Keys) {
        if ($data.Missing -contains $name) { continue }
        $body = $connectServerCommands[$name].ToString()
        if ($name -eq 'Get-ADSyncAADCompanyFeature' -and -not $data.Named) { $body = '[CmdletBinding()] param() $global:SsprConnectServer.Features' }
        if ($data.Failing.ContainsKey($name)) { $body = "[CmdletBinding()] param([Parameter(ValueFromRemainingArguments = `$true)] `$All) throw [System.InvalidOperationException]::new(`$global:SsprConnectServer.Failing['$name'])" }
        . ([scriptblock]::Create("function global:$name { $body }"))
    }
}

function Stop-ConnectServer {
    foreach ($name in $connectServerCommands.Keys) {
        if ($null -ne (Get-Item -Path "Function:\$name" -ErrorAction SilentlyContinue)) { Remove-Item -Path "Function:\$name" }
    }
    $global:SsprConnectServer = $null
    & (Get-Module -Name EntraSspr) { $script:Edition = $PSEdition; $script:Relays = $null }
}
