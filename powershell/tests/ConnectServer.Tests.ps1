# Against a Connect server that is made up: ConnectServer.ps1 says from what.
BeforeDiscovery {
    $cmdlets = @(
        @{ Cmdlet = 'Get-ADSyncConnector'; Touched = 'connectors', 'passwordReset', 'companyFeatures', 'rules' }
        @{ Cmdlet = 'Get-ADSyncGlobalSettings'; Touched = 'version', 'globalSettings' }
        @{ Cmdlet = 'Get-ADSyncAADPasswordResetConfiguration'; Touched = @('passwordReset') }
        @{ Cmdlet = 'Get-ADSyncAADCompanyFeature'; Touched = @('companyFeatures') }
        @{ Cmdlet = 'Get-ADSyncScheduler'; Touched = @('scheduler') }
        @{ Cmdlet = 'Get-ADSyncRule'; Touched = @('rules') }
    )
    $windows = @(
        @{ Cmdlet = 'Get-Service'; Touched = @('service') }
        @{ Cmdlet = 'Get-CimInstance'; Touched = @('domainController') }
        @{ Cmdlet = 'Get-ItemProperty'; Touched = 'tls', 'restrictRemoteSam' }
        @{ Cmdlet = 'Get-WinEvent'; Touched = @('events') }
    )
}

Describe 'The reader of a Connect server' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest

        function Get-Document {
            # The document, also as text.
            param([int] $Day = 7, [string[]] $Relay)

            $parameters = @{ Day = $Day }
            if ($Relay) { $parameters['Relay'] = $Relay }
            $server = Get-SsprConnectServer @parameters
            $document = ConvertFrom-Json -InputObject $server.Json
            $document | Add-Member -NotePropertyName Text -NotePropertyValue $server.Json
            $document
        }

        function Get-Pair {
            # A value among names and values.
            param($Section, [string] $Name)
            ($Section.value | Where-Object { $_.name -eq $Name }).value
        }

        $sections = 'version', 'service', 'connectors', 'passwordReset', 'companyFeatures', 'scheduler', 'globalSettings', 'rules', 'tls', 'restrictRemoteSam', 'domainController', 'events', 'relays'
    }
    AfterEach { Stop-ConnectServer }

    It 'gives the whole document, in which every section is' {
        Start-ConnectServer
        $document = Get-Document
        @($document.PSObject.Properties.Name | Where-Object { $_ -ne 'Text' }) | Should -Be (@('computer', 'readAt') + $sections)
        foreach ($name in $sections) { $document.$name.PSObject.Properties['error'] | Should -BeNullOrEmpty -Because $name }
        $document.computer | Should -Match ([regex]::Escape([System.Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties().HostName))
        $document.Text | Should -Match '"readAt":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"'
        $document.version.value | Should -Be '2.5.190.0'
        $document.service.value.status | Should -Be 'Running'
        $document.service.value.startType | Should -Be 'Automatic'
        $document.domainController.value | Should -BeOfType ([bool])
        $document.domainController.value | Should -BeFalse
        $document.restrictRemoteSam.value | Should -Be 'O:BAG:BAD:(A;;RC;;;BA)'
        Get-Pair -Section $document.scheduler -Name 'StagingModeEnabled' | Should -Be $false
        $document.Text | Should -Match '"NextSyncCycleStartTimeInUTC","value":"2026-11-27T12:30:00\.0000000Z"'
        Get-Pair -Section $document.scheduler -Name 'NextSyncCyclePolicyType' | Should -Be 'Monday' -Because 'a name says more than a number'
        Get-Pair -Section $document.globalSettings -Name 'Microsoft.Synchronize.PasswordSyncEnabled' | Should -Be 'True'
        $document.globalSettings.value.name | Should -Not -Contain 'Microsoft.Other'
    }

    It 'tells connectors with their account and what they synchronise' {
        Start-ConnectServer
        $document = Get-Document
        $directory, $cloud = $document.connectors.value
        $directory.type | Should -Be 'AD'
        "$($directory.accountDomain)\$($directory.account)" | Should -Be 'EXAMPLE.TEST\MSOL_16fb75d0227d'
        $directory.partitions[0].dn | Should -Be 'DC=example,DC=test'
        $directory.partitions[0].excluded.Count | Should -Be 2
        @($directory.parameters | ForEach-Object { "$($_.name)=$($_.value)" }) -join ' ' | Should -Be 'sign-and-seal=1 ssl-bind=False'
        $cloud.subtype | Should -Be 'Windows Azure Active Directory (Microsoft)'
        $cloud.account | Should -BeNullOrEmpty
    }

    It 'keeps the names and kinds of the switch for writeback as they come' {
        Start-ConnectServer
        $reset = @((Get-Document).passwordReset.value)
        $reset[0].connector | Should -Be 'contoso.example - AAD'
        $values = @{}
        foreach ($pair in $reset[0].values) { $values[$pair.name] = $pair.value }
        $values['PasswordResetEnabled'] | Should -BeOfType ([bool])
        $values['Endpoints'] | Should -Be 2
        $values['State'] | Should -Be 'Running'
        $values.ContainsKey('Key') | Should -BeFalse
        Stop-ConnectServer
        Start-ConnectServer -With @{ Reset = $true }
        (Get-Document).Text | Should -Match '"passwordReset":\{"value":\[\{"connector":"contoso\.example - AAD","values":\[\{"name":"Value","value":true\}\]\}\]\}'
        Stop-ConnectServer
        Start-ConnectServer -With @{ Reset = @{ Enabled = $false } }
        (Get-Document).Text | Should -Match '"values":\[\{"name":"Enabled","value":false\}\]'
        Stop-ConnectServer
        Start-ConnectServer -With @{ Reset = $null }
        (Get-Document).Text | Should -Match '"values":\[\]'
    }

    It 'asks for the features with and without the connector''s name' {
        foreach ($named in $true, $false) {
            Start-ConnectServer -With @{ Named = $named }
            Get-Pair -Section (Get-Document).companyFeatures -Name 'PasswordHashSync' | Should -Be $true
            Stop-ConnectServer
        }
    }

    It 'takes the rules by which enabled users and hashes come in, with their scope' {
        Start-ConnectServer
        $rules = (Get-Document).rules.value
        $rules.Count | Should -Be 2
        $rules[0].connector | Should -Be 'example.test'
        $rules[0].scopes.Count | Should -Be 0
        $rules[1].enablePasswordSync | Should -Be $true
        $rules[1].scopes[0][0].attribute | Should -Be 'adminDescription'
        Stop-ConnectServer
        # As an engine has it that knows less.
        Start-ConnectServer -With @{ Rules = @([pscustomobject]@{ Name = 'In from AD - InetOrgPerson AccountEnabled'; Direction = 'Inbound'; SourceObjectType = 'inetOrgPerson' }) }
        (Get-Document).Text | Should -Match '"rules":\{"value":\[\{"name":"In from AD - InetOrgPerson AccountEnabled","connector":null,"precedence":null,"disabled":null,"enablePasswordSync":null,"scopes":\[\]\}\]\}'
    }

    It 'reads the registry, in which a value that is not set is null' {
        Start-ConnectServer
        $values = @{}
        foreach ($one in (Get-Document).tls.value) { $values["$($one.path)|$($one.name)"] = $one.value }
        $values.Count | Should -Be 8
        $values['HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319|SystemDefaultTlsVersions'] | Should -Be 1
        $values['HKLM:\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319|SystemDefaultTlsVersions'] | Should -BeNullOrEmpty
        $protocol = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2'
        $values["$protocol\Client|Enabled"] | Should -Be 4294967295
        $values["$protocol\Client|DisabledByDefault"] | Should -Be 0
        $values["$protocol\Server|Enabled"] | Should -BeNullOrEmpty
        Stop-ConnectServer
        Start-ConnectServer -With @{ Registry = @{}; Product = 2 }
        $document = Get-Document
        $document.restrictRemoteSam.PSObject.Properties['value'] | Should -Not -BeNullOrEmpty
        $document.restrictRemoteSam.value | Should -BeNullOrEmpty
        $document.domainController.value | Should -BeTrue
    }

    It 'never has a secret in it' {
        Start-ConnectServer
        $server = Get-SsprConnectServer
        $server.Json | Should -Not -Match $connectCanary
        $server.Json | Should -Not -Match 'SecureString'
        $file = [System.IO.Path]::Combine($TestDrive, 'server.xml')
        $server | Export-Clixml -Path $file -Depth 9
        [System.IO.File]::ReadAllText($file) | Should -Not -Match $connectCanary
    }

    It 'keeps a list of one a list' {
        $data = New-ConnectServerData
        $one = $data.Connectors[1]
        $one.Partitions = @([pscustomobject]@{ DN = 'default'; ConnectorPartitionScope = [pscustomobject]@{ ContainerInclusionList = @('a'); ContainerExclusionList = @() } })
        Start-ConnectServer -With @{
            Connectors = @($one)
            Scheduler  = [pscustomobject]@{ SyncCycleEnabled = $true }
            Features   = [pscustomobject]@{ PasswordHashSync = $true }
            Rules      = @($data.Rules[1])
            Events     = @($data.Events[0])
        }
        $text = (Get-Document -Relay '127.0.0.1:1').Text
        $text | Should -Match '"connectors":\{"value":\[\{"name":"contoso\.example - AAD"'
        $text | Should -Match '"partitions":\[\{"dn":"default","selected":null,"included":\["a"\],"excluded":\[\]\}\]'
        $text | Should -Match '"scheduler":\{"value":\[\{"name":"SyncCycleEnabled","value":true\}\]\}'
        $text | Should -Match '"companyFeatures":\{"value":\[\{'
        $text | Should -Match '"rules":\{"value":\[\{'
        $text | Should -Match '"scopes":\[\[\{"attribute":"adminDescription","operator":"EQUAL","value":"sync"\}\]\]'
        $text | Should -Match '"items":\[\{"provider":'
        $text | Should -Match '"relays":\{"value":\[\{"host":'
    }

    It 'says that <Cmdlet> is not here, and reads the rest' -ForEach $cmdlets {
        Start-ConnectServer -With @{ Missing = @($Cmdlet) }
        $document = Get-Document
        foreach ($name in $sections) {
            if ($Touched -contains $name) { continue }
            $document.$name.PSObject.Properties['error'] | Should -BeNullOrEmpty -Because $name
        }
        foreach ($name in $Touched) { $document.$name.error | Should -Be "$Cmdlet is not here: this is not a Connect server, or its module ADSync is not installed" }
    }

    It 'says what <Cmdlet> failed with, and reads the rest' -ForEach ($cmdlets + $windows) {
        Start-ConnectServer -With @{ Failing = @{ $Cmdlet = "Access to '$Cmdlet' is denied" } }
        $document = Get-Document
        foreach ($name in $sections) {
            if ($Touched -contains $name) {
                $document.$name.error | Should -Be "Access to '$Cmdlet' is denied"
            } else {
                $document.$name.PSObject.Properties['error'] | Should -BeNullOrEmpty -Because $name
            }
        }
    }

    It 'reads the events that Microsoft lists, the newest first, whole' {
        Start-ConnectServer
        $events = (Get-Document).events.value
        @($events.items.id | Sort-Object) -join ' ' | Should -Be '6329 31019 31019 33008'
        $events.items[0].id | Should -Be 31019
        $events.items[0].at | Should -BeGreaterThan $events.items[1].at
        $events.cut | Should -BeFalse
        ($events.items | Where-Object { $_.id -eq 6329 }).message | Should -Match "occurred`r`nERR_"
        $all = @(31001..31019; 31034; 31044; 32000..32015; 33001..33009)
        $engine = 6329, 6800, 6306, 611, 656, 657, 601
        Stop-ConnectServer
        $made = foreach ($id in 600..700 + 6200..6900 + 30990..33020) {
            foreach ($provider in 'PasswordResetService', 'ADSync') { [pscustomobject]@{ ProviderName = $provider; Id = $id; TimeCreated = [datetime]::Now; Message = 'x'; Properties = @() } }
        }
        Start-ConnectServer -With @{ Events = $made }
        $items = (Get-Document).events.value.items
        @($items | Where-Object { $_.provider -eq 'PasswordResetService' } | ForEach-Object { $_.id } | Sort-Object) -join ' ' | Should -Be (($all | Sort-Object) -join ' ')
        @($items | Where-Object { $_.provider -eq 'ADSync' } | ForEach-Object { $_.id } | Sort-Object) -join ' ' | Should -Be (($engine | Sort-Object) -join ' ')
    }

    It 'takes a log without such events as empty, and no events when none are asked for' {
        Start-ConnectServer -With @{ Events = @() }
        (Get-Document).Text | Should -Match '"cut":false,"items":\[\]'
        Stop-ConnectServer
        Start-ConnectServer -With @{ Failing = @{ 'Get-WinEvent' = 'never asked' } }
        (Get-Document -Day 0).Text | Should -Match '"cut":false,"items":\[\]'
    }

    It 'gives what was put into an event whose text is not installed' {
        $bare = [pscustomobject]@{ ProviderName = 'PasswordResetService'; Id = 33004; TimeCreated = [datetime]::Now; Message = $null; Properties = @([pscustomobject]@{ Value = 'hr=80230626' }, [pscustomobject]@{ Value = 7 }) }
        Start-ConnectServer -With @{ Events = @($bare) }
        (Get-Document).events.value.items[0].message | Should -Be "hr=80230626`n7"
    }

    It 'leaves failures in when heartbeats are many' {
        $made = @(
            0..2499 | ForEach-Object { [pscustomobject]@{ ProviderName = 'PasswordResetService'; Id = 31019; TimeCreated = [datetime]::Now.AddMinutes(-$_); Message = 'up'; Properties = @() } }
            [pscustomobject]@{ ProviderName = 'PasswordResetService'; Id = 33008; TimeCreated = [datetime]::Now.AddDays(-6); Message = 'down'; Properties = @() }
        )
        Start-ConnectServer -With @{ Events = $made }
        $events = (Get-Document).events.value
        $events.items.Count | Should -Be 2000
        $events.cut | Should -BeFalse -Because 'older heartbeats tell nothing'
        $events.items[1999].id | Should -Be 33008
    }

    It 'leaves out texts beyond four million characters, never a part of one' {
        $long = 'x' * 1500000
        $made = 1..4 | ForEach-Object { [pscustomobject]@{ ProviderName = 'ADSync'; Id = 6329; TimeCreated = [datetime]::Now.AddMinutes(-$_); Message = $long; Properties = @() } }
        Start-ConnectServer -With @{ Events = $made }
        $events = (Get-Document).events.value
        $events.items.Count | Should -Be 4
        @($events.items | ForEach-Object { ([string]$_.message).Length }) -join ' ' | Should -Be '1500000 1500000 0 0'
        $events.cut | Should -BeTrue
    }

    It 'tries relays all at once, sends nothing, and says why one is not reached' {
        Start-ConnectServer
        $listener = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $listener.Start()
        try {
            $open = $listener.LocalEndpoint.Port
            # A port that was free a moment ago.
            $other = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
            $other.Start()
            $closed = $other.LocalEndpoint.Port
            $other.Stop()
            $relays = (Get-Document -Relay "127.0.0.1:$open", "127.0.0.1:$closed", 'nowhere.invalid:443').relays.value
            @($relays.connected) -join ' ' | Should -Be 'True False False'
            @($relays.port) -join ' ' | Should -Be "$open $closed 443"
            $relays[0].error | Should -BeNullOrEmpty
            $relays[1].error | Should -Not -BeNullOrEmpty
            $relays[2].error | Should -Not -BeNullOrEmpty
            $client = $listener.AcceptTcpClient()
            $client.ReceiveTimeout = 2000
            $client.GetStream().ReadByte() | Should -Be -1 -Because 'the connection was opened and closed'
            $client.Close()
        } finally { $listener.Stop() }
    }

    It 'needs nothing of the module: another machine gets its text alone' {
        Start-ConnectServer
        $text = & (Get-Module -Name EntraSspr) { $script:ConnectServerReader.ToString() }
        $shell = New-Shell
        $said = @(Invoke-Shell -Shell $shell -Script 'param($Text, $Days, $Endpoints) & ([scriptblock]::Create($Text)) $Days $Endpoints' -Argument $text, 0, @('127.0.0.1:1'))
        Close-Shell -Shell $shell
        $said.Count | Should -Be 1
        $document = ConvertFrom-Json -InputObject $said[0]
        $document.scheduler.error | Should -Match '^Get-ADSyncScheduler is not here'
        $document.relays.value[0].host | Should -Be '127.0.0.1'
    }
}

Describe 'Get-SsprConnectServer' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest
    }
    BeforeEach { Start-ConnectServer }
    AfterEach { Stop-ConnectServer }

    It 'gives an object with a view of its own' {
        $server = Get-SsprConnectServer
        $server.PSObject.TypeNames[0] | Should -Be 'EntraSspr.ConnectServer'
        $server.ReadAt | Should -BeOfType ([datetime])
        $server.Connectors.Count | Should -Be 2
        $server.PasswordReset.Count | Should -Be 1
        $server.Events.Items[0].At | Should -BeOfType ([datetime])
        $server.Problems.Count | Should -Be 0
        $shown = $server | Out-String -Width 160
        $shown | Should -Match 'Version +Service +Staging +Events'
        $shown | Should -Match '2\.5\.190\.0 +Running +no +4'
        $shown | Should -Not -Match 'readAt'
    }

    It 'shows hostile names without what could turn or hide text' {
        $server = Get-SsprConnectServer
        $server.Json | Should -Match '<script>'
        $shown = ($server | Format-List -Property * -Force | Out-String -Width 4000) + ($server.Events.Items | Format-List | Out-String -Width 4000) + ($server.Rules | Format-List | Out-String -Width 4000)
        # The raw text stays as it came, where it is asked for by name; JSON has no bare control characters.
        $shown -replace '(?s)Json +: .*?\n\r?\n', '' | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]'
        ($server | Out-String) | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]'
    }

    It 'says what is missing where there is no Connect server' {
        Stop-ConnectServer
        Start-ConnectServer -With @{ Service = $null; Missing = @('Get-ADSyncConnector', 'Get-ADSyncGlobalSettings', 'Get-ADSyncScheduler', 'Get-ADSyncRule') }
        $server = Get-SsprConnectServer
        $server.Service | Should -BeNullOrEmpty
        $server.Problems -join "`n" | Should -Match 'Service: there is no service ADSync here'
        $server | Out-String -Width 200 | Should -Match 'Version, Service, Connectors'
    }

    It 'sends the reader to other machines, and takes text from them' {
        $credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList 'EXAMPLE\reader', (ConvertTo-Secret -Text 'x')
        $server = 'sync1.example.test' | Get-SsprConnectServer -Credential $credential -Day 3 -Relay 'relay.example.test:443'
        $server.Version | Should -Be '2.5.190.0'
        # Not what remoting made of it.
        $server.Json | Should -BeOfType ([string])
        $server.Json.PSObject.Properties['PSComputerName'] | Should -BeNullOrEmpty
        $sent = $global:SsprConnectServer.Sent[0]
        $sent.ComputerName | Should -Be 'sync1.example.test'
        $sent.Credential.UserName | Should -Be 'EXAMPLE\reader'
        $sent.ConfigurationName | Should -BeNullOrEmpty
        $sent.ArgumentList[0] | Should -Be 3
        $sent.ArgumentList[1] | Should -Be 'relay.example.test:443'
        $sent.ScriptBlock.ToString() | Should -Match 'Get-ADSyncScheduler'
        [void](Get-SsprConnectServer -ComputerName 'sync1.example.test' -ConfigurationName 'PowerShell.7')
        $global:SsprConnectServer.Sent[1].ScriptBlock.ToString() | Should -Match 'Get-ADSyncScheduler'
    }

    It 'sends a restricted endpoint one command with its parameters' {
        $server = Get-SsprConnectServer -ComputerName 'sync1.example.test' -ConfigurationName 'EntraSspr.ConnectServer' -Day 2 -Relay 'a.example.test:443', 'b.example.test:8443'
        $server.Version | Should -Be '2.5.190.0'
        $server.Connectors[0].Partitions[0].Excluded.Count | Should -Be 2 -Because 'what remoting flattens is read from the text'
        $sent = $global:SsprConnectServer.Sent[0]
        $sent.ConfigurationName | Should -Be 'EntraSspr.ConnectServer'
        $sent.ArgumentList | Should -BeNullOrEmpty
        $sent.ScriptBlock.ToString() | Should -Be "Get-SsprConnectServer -Day 2 -Relay 'a.example.test:443','b.example.test:8443'"
        # PowerShell sends as a command, and not as a script, what it can take apart.
        $commands = $sent.ScriptBlock.GetPowerShell().Commands.Commands
        $commands.Count | Should -Be 1
        $commands[0].CommandText | Should -Be 'Get-SsprConnectServer'
        $commands[0].IsScript | Should -BeFalse
        [void](Get-SsprConnectServer -ComputerName 'sync1.example.test' -ConfigurationName 'EntraSspr.ConnectServer')
        $global:SsprConnectServer.Sent[1].ScriptBlock.ToString() | Should -Be 'Get-SsprConnectServer -Day 7'
    }

    It 'sends nothing that could end a text: <_>' -ForEach "a';Get-Process;'", 'a:1;b', "a:1`n", 'a', ':443', 'a b:1', '$(x):1' {
        $relay = $_
        { Get-SsprConnectServer -ComputerName 'sync1.example.test' -ConfigurationName 'EntraSspr.ConnectServer' -Relay $relay } | Should -Throw
        InModuleScope EntraSspr -Parameters @{ Relay = $relay } {
            param($Relay)
            function Test-It {
                [CmdletBinding()] param($Relay)
                Read-SsprConnectServer -Cmdlet $PSCmdlet -Server @{ ComputerName = 'x'; ConfigurationName = 'y' } -Endpoint $Relay
            }
            { Test-It -Relay $Relay } | Should -Throw '*is no host:port*'
        }
        $global:SsprConnectServer.Sent.Count | Should -Be 0
    }

    It 'goes on when one of several is away, and says what to do' {
        $global:SsprConnectServer.Away = @('sync0.example.test')
        $failed = @()
        $found = @(Get-SsprConnectServer -ComputerName 'sync0.example.test', 'sync1.example.test' -ErrorVariable failed -ErrorAction SilentlyContinue)
        $found.Count | Should -Be 1
        $record = @($failed | Where-Object { $_ -is [System.Management.Automation.ErrorRecord] -and $_.FullyQualifiedErrorId -like 'Sspr.*' })[0]
        $record.FullyQualifiedErrorId | Should -Be 'Sspr.ConnectServer.Unreachable,Get-SsprConnectServer'
        "$record" | Should -Match "'sync0\.example\.test' could not be read: Connecting to remote server"
        $record.ErrorDetails.RecommendedAction | Should -Match 'docs/connect-server\.md'
    }

    It 'takes no answer that is something else' {
        . ([scriptblock]::Create('function global:Invoke-Command { [CmdletBinding()] param($ComputerName, $ScriptBlock, $ArgumentList, $SessionOption, $ConfigurationName) $global:SsprConnectServer.Answer }'))
        foreach ($answer in $null, 'no JSON', '{"computer":"a"', '{"computer":"a","readAt":"nonsense"}', @('{}', '{}')) {
            $global:SsprConnectServer['Answer'] = $answer
            $failure = Get-Failure { Get-SsprConnectServer -ComputerName 'evil.example.test' -ErrorAction Stop }
            $failure.FullyQualifiedErrorId | Should -Be 'Sspr.ConnectServer.Unreachable,Get-SsprConnectServer' -Because "$answer"
        }
        $global:SsprConnectServer['Answer'] = '{"computer":7,"version":[1],"service":null,"events":{"value":{"items":3}}}'
        $odd = Get-SsprConnectServer -ComputerName 'evil.example.test'
        $odd.Computer | Should -Be '7'
        $odd | Out-String | Should -Match '7'
    }
}

Describe 'The role in docs/connect-server.md' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $text = [System.IO.File]::ReadAllText([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'connect-server.md'))
        $tables = @(foreach ($block in [regex]::Matches($text, '(?ms)^ +@\{\r?\n.*?^       \}\r?\n')) {
                $file = [System.IO.Path]::Combine($TestDrive, "$([guid]::NewGuid()).psd1")
                [System.IO.File]::WriteAllText($file, $block.Value)
                Import-PowerShellDataFile -Path $file
            })
    }

    It 'shows the one command, with parameters that it has' {
        $tables.Count | Should -Be 2
        $shown = $tables[0].VisibleFunctions
        $shown.Name | Should -Be 'Get-SsprConnectServer'
        foreach ($parameter in $shown.Parameters) { (Get-Command -Name $shown.Name).Parameters.Keys | Should -Contain $parameter.Name }
        $tables[1].SessionType | Should -Be 'RestrictedRemoteServer'
        $tables[1].RoleDefinitions['EXAMPLE\SSPR readers'].RoleCapabilities | Should -Be 'EntraSspr.ConnectServer'
    }

    It 'lets Microsoft''s services be tried, and nothing else' {
        $pattern = ($tables[0].VisibleFunctions.Parameters | Where-Object { $_.Name -eq 'Relay' }).ValidatePattern
        foreach ($endpoint in 'passwordreset.microsoftonline.com:443', 'passwordreset.microsoftonline.us:443', 'ssprdedicatedsbprodscu.servicebus.windows.net:443', 'ssprdedicatedsbmcprodcne.servicebus.chinacloudapi.cn:443') { $endpoint | Should -Match $pattern }
        foreach ($endpoint in 'dc1.example.test:445', 'a.servicebus.windows.net:22', 'a.servicebus.windows.net.example.test:443', 'passwordresetXmicrosoftonline.com:443') { $endpoint | Should -Not -Match $pattern }
    }
}

Describe 'The host action readConnectServer' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest

        function Get-Reply {
            # What the module answers the library, as it is sent.
            param([hashtable[]] $Server = @(), $Arguments = '{"days":7,"endpoints":[{"host":"127.0.0.1","port":1}]}')

            InModuleScope EntraSspr -Parameters @{ Server = $Server; Arguments = $Arguments } {
                param($Server, $Arguments)
                function Invoke-It {
                    [CmdletBinding()] param($Server, $Arguments)
                    $reading = [System.Collections.Generic.List[hashtable]]::new()
                    Start-SsprConnectServerRead -Cmdlet $PSCmdlet -Reading $reading -Server $Server -Arguments (ConvertFrom-SsprJson -Json $Arguments)
                    while (-not (Test-SsprConnectServerRead -Reading $reading)) { Start-Sleep -Milliseconds 20 }
                    $result = Get-SsprConnectServerReply -Cmdlet $PSCmdlet -Reading $reading
                    Stop-SsprConnectServerRead -Reading $reading
                    ConvertTo-Json -InputObject @{ id = 1; result = $result } -Depth 5 -Compress
                }
                Invoke-It -Server $Server -Arguments $Arguments
            }
        }
    }
    AfterEach { Stop-ConnectServer }

    It 'is answered with no server where none is known' {
        (ConvertFrom-Json -InputObject (Get-Reply)).result.servers.Count | Should -Be 0
        Start-ConnectServer -With @{ Service = $null }
        Get-Reply | Should -Match '"servers":\[\]'
    }

    It 'is answered with this machine where it is one, whole and as text' {
        Start-ConnectServer
        $reply = ConvertFrom-Json -InputObject (Get-Reply)
        $reply.result.servers.Count | Should -Be 1
        $reply.result.servers[0] | Should -BeOfType ([string])
        $document = ConvertFrom-Json -InputObject $reply.result.servers[0]
        $document.rules.value[1].scopes[0][0].value | Should -Be 'sync' -Because 'nothing is cut'
        $document.relays.value[0].port | Should -Be 1
        (ConvertFrom-Json -InputObject (ConvertFrom-Json -InputObject (Get-Reply -Arguments '{"days":0,"endpoints":[]}')).result.servers[0]).relays.value.Count | Should -Be 0
    }

    It 'is answered with every server that was connected to, and why one could not be read' {
        Start-ConnectServer -With @{ Away = @('sync0.example.test') }
        $servers = @{ Name = 'sync0.example.test'; ComputerName = 'sync0.example.test' }, @{ Name = 'sync1.example.test'; ComputerName = 'sync1.example.test'; ConfigurationName = 'EntraSspr.ConnectServer' }
        $reply = ConvertFrom-Json -InputObject (Get-Reply -Server $servers)
        $reply.result.servers.Count | Should -Be 2
        $away = ConvertFrom-Json -InputObject $reply.result.servers[0]
        $away.computer | Should -Be 'sync0.example.test'
        $away.error | Should -Match 'Connecting to remote server'
        (ConvertFrom-Json -InputObject $reply.result.servers[1]).version.value | Should -Be '2.5.190.0'
        $global:SsprConnectServer.Sent[1].ScriptBlock.ToString() | Should -Be "Get-SsprConnectServer -Day 7 -Relay '127.0.0.1:1'"
    }
}

Describe 'Connect-SsprConnectServer' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab

        function Get-Finding {
            # The findings of a run, by id.
            param($Readiness)
            $of = @{}
            foreach ($finding in $Readiness.Findings) { $of[$finding.Id] = $finding }
            $of
        }
    }
    BeforeEach { Start-ConnectServer -With @{ Relays = @('127.0.0.1:1') } }
    AfterEach {
        Disconnect-Sspr -All
        Stop-ConnectServer
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'needs no tenant, and is remembered by name' {
        $session = Connect-SsprConnectServer
        $session.TenantId | Should -BeNullOrEmpty
        $session.ConnectServer.Count | Should -Be 1
        (Get-SsprSession).Handle | Should -Be $session.Handle
        # Named again it is one server; another is another.
        [void](Connect-SsprConnectServer)
        (Get-SsprSession).ConnectServer.Count | Should -Be 1
        @(Get-SsprSession -All).Count | Should -Be 1
        ($session | ConvertTo-Json -Depth 3) | Should -Not -Match 'Credential'
    }

    It 'comes along when the tenant is signed in to later' {
        $before = Connect-SsprConnectServer -ComputerName 'sync1.example.test'
        $session = Connect-SsprTenant @connection
        $session.Handle | Should -Not -Be $before.Handle
        $session.ConnectServer | Should -Be $before.ConnectServer
        @(Get-SsprSession -All).Count | Should -Be 1
        $global:SsprConnectServer.Sent.Clear()
        [void](Test-SsprReadiness -Step connect_writeback)
        $global:SsprConnectServer.Sent[0].ComputerName | Should -Be 'sync1.example.test'
    }

    It 'joins the session that is named' {
        $first = Connect-SsprTenant @connection
        $second = Connect-SsprTenant @connection
        [void](Connect-SsprConnectServer -Session $first)
        $first.ConnectServer.Count | Should -Be 1
        $second.ConnectServer.Count | Should -Be 0
        $first | Disconnect-Sspr
        (Get-Failure { Connect-SsprConnectServer -Session $first }).FullyQualifiedErrorId | Should -Be 'Sspr.Handle.Invalid,Connect-SsprConnectServer'
    }

    It 'refuses what is no Connect server, and leaves nothing open' {
        Stop-ConnectServer
        Start-ConnectServer -With @{ Service = $null; Missing = @('Get-ADSyncGlobalSettings') }
        $failure = Get-Failure { Connect-SsprConnectServer }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.ConnectServer.NotHere,Connect-SsprConnectServer'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'ADSync'
        "$failure" | Should -Match 'there is no service ADSync here'
        @(Get-SsprSession -All).Count | Should -Be 0
    }

    It 'refuses a server that cannot be read, and leaves the session as it was' {
        [void](Connect-SsprTenant @connection)
        $global:SsprConnectServer.Away = @('sync0.example.test')
        $failure = Get-Failure { Connect-SsprConnectServer -ComputerName 'sync1.example.test', 'sync0.example.test' }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.ConnectServer.Unreachable,Connect-SsprConnectServer'
        (Get-SsprSession).ConnectServer.Count | Should -Be 0
    }

    It 'lets the step be judged, and service_account too' {
        [void](Connect-SsprTenant @connection)
        [void](Connect-SsprConnectServer)
        $of = Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback, service_account)
        foreach ($id in 'enabled', 'service', 'listening', 'relays', 'events', 'scope', 'tls', 'remote_sam', 'controller', 'scheduler') {
            $of.ContainsKey("connect_writeback.$id") | Should -BeTrue -Because $id
        }
        $of['connect_writeback.enabled'].Status | Should -Be 'Pass'
        $of['connect_writeback.service'].Status | Should -Be 'Pass'
        $of['connect_writeback.relays'].Title | Should -Be '127.0.0.1 not reached'
        $of['connect_writeback.listening'].Status | Should -Be 'Pass'
        $of['connect_writeback.controller'].Status | Should -Be 'Pass'
        $of['connect_writeback.scheduler'].Status | Should -Be 'Pass'
        $of['connect_writeback.enabled'].Evidence.Seen -join "`n" | Should -Match 'PasswordResetEnabled true'
        $of['service_account.version'].Evidence.Seen -join "`n" | Should -Match '2\.5\.190\.0'
    }

    It 'is not needed on the server itself' {
        [void](Connect-SsprTenant @connection)
        (Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback))['connect_writeback.service'].Status | Should -Be 'Pass'
        Stop-ConnectServer
        (Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback))['connect_writeback.service'].Status | Should -Be 'Skipped'
    }

    It 'lets a plan set writeback there and set it back, here and by remoting' {
        $state = '{"schemaVersion":1,"connectWriteback":{"enabled":true}}'
        foreach ($server in @{}, @{ ComputerName = 'sync1.example.test' }) {
            $global:SsprConnectServer.Reset = [pscustomobject]@{ Enabled = $false }
            $global:SsprConnectServer.Set.Clear()
            [void](Connect-SsprTenant @connection)
            [void](Connect-SsprConnectServer @server)
            $plan = New-SsprPlan -DesiredState $state
            $plan.Changes[0].Kind | Should -Be 'Host'
            $plan | Invoke-SsprPlan -WhatIf
            $global:SsprConnectServer.Set.Count | Should -Be 0
            $journal = [System.IO.Path]::Combine($TestDrive, "host-$($server.Count).jsonl")
            $result = $plan | Invoke-SsprPlan -JournalPath $journal -Confirm:$false
            $result.Changes[0].Outcome | Should -Be 'Done'
            $global:SsprConnectServer.Set | Should -Be 'contoso.example - AAD True'
            @((New-SsprPlan -DesiredState $state).Changes).Count | Should -Be 0
            ($result | Undo-SsprPlan -Confirm:$false).Changes[0].Outcome | Should -Be 'Undone'
            $global:SsprConnectServer.Set[1] | Should -Be 'contoso.example - AAD False'
            Disconnect-Sspr -All
        }
    }

    It 'sets nothing through an endpoint that only reads, nor what the engine refuses' {
        $global:SsprConnectServer.Reset = [pscustomobject]@{ Enabled = $false }
        [void](Connect-SsprTenant @connection)
        [void](Connect-SsprConnectServer -ComputerName 'sync1.example.test' -ConfigurationName 'EntraSspr.ConnectServer')
        $plan = New-SsprPlan -DesiredState '{"schemaVersion":1,"connectWriteback":{"enabled":true}}'
        $result = $plan | Invoke-SsprPlan -JournalPath ([System.IO.Path]::Combine($TestDrive, 'restricted.jsonl')) -Confirm:$false -ErrorAction SilentlyContinue
        $result.Changes[0].Outcome | Should -Be 'Failed'
        $result.Changes[0].Message | Should -Match 'which only reads'
        $global:SsprConnectServer.Set.Count | Should -Be 0
        Disconnect-Sspr -All
        Stop-ConnectServer
        Start-ConnectServer -With @{ Relays = @('127.0.0.1:1'); Reset = [pscustomobject]@{ Enabled = $false }; Failing = @{ 'Set-ADSyncAADPasswordResetConfiguration' = 'error getting an auth token' } }
        [void](Connect-SsprTenant @connection)
        [void](Connect-SsprConnectServer)
        $result = $plan | Invoke-SsprPlan -JournalPath ([System.IO.Path]::Combine($TestDrive, 'refused.jsonl')) -Confirm:$false -ErrorAction SilentlyContinue
        $result.Changes[0].Message | Should -Match 'auth token'
    }

    It 'tells a stopped service, and one that is silent' {
        [void](Connect-SsprTenant @connection)
        $global:SsprConnectServer.Service.Status = 'Stopped'
        $of = Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback)
        $of['connect_writeback.enabled'].Status | Should -Be 'Fail'
        $of['connect_writeback.service'].Status | Should -Be 'Fail'
        $global:SsprConnectServer.Service.Status = 'Running'
        $global:SsprConnectServer.Events = @()
        (Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback))['connect_writeback.listening'].Status | Should -Be 'Fail'
    }

    It 'says of a server that is away why, and judges the rest' {
        [void](Connect-SsprTenant @connection)
        [void](Connect-SsprConnectServer -ComputerName 'sync1.example.test')
        $global:SsprConnectServer.Away = @('sync1.example.test')
        $finding = (Get-Finding -Readiness (Test-SsprReadiness -Step connect_writeback))['connect_writeback.service']
        $finding.Status | Should -Be 'Skipped'
        $finding | Format-List | Out-String -Width 400 | Should -Match 'Connecting to remote server'
    }

    It 'saves no secret and shows no hostile text' {
        [void](Connect-SsprTenant @connection)
        [void](Connect-SsprConnectServer)
        $readiness = Test-SsprReadiness -Step connect_writeback -Verbose 4>&1
        $file = [System.IO.Path]::Combine($TestDrive, 'server.sspr.json')
        $readiness[-1] | Export-SsprSnapshot -Path $file
        [System.IO.File]::ReadAllText($file) | Should -Not -Match $connectCanary
        $shown = ($readiness | Out-String -Width 400) + ($readiness[-1].Findings | Format-List | Out-String -Width 400)
        $shown | Should -Not -Match $connectCanary
        $shown | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]'
    }

    It 'is read in one place and judged in another' {
        [void](Connect-SsprConnectServer)
        $part = [System.IO.Path]::Combine($TestDrive, 'connect.sspr.json')
        Test-SsprReadiness | Export-SsprSnapshot -Path $part
        Disconnect-Sspr -All
        Stop-ConnectServer
        [void](Connect-SsprTenant @connection)
        $tenant = [System.IO.Path]::Combine($TestDrive, 'tenant.sspr.json')
        Test-SsprReadiness | Export-SsprSnapshot -Path $tenant
        $of = Get-Finding -Readiness ($tenant, $part | ForEach-Object { Import-SsprSnapshot -Path $_ } | Join-SsprSnapshot | Test-SsprReadiness)
        $of['connect_writeback.service'].Status | Should -Be 'Pass'
        $of['connect_writeback.listening'].Status | Should -Be 'Pass'
    }
}
