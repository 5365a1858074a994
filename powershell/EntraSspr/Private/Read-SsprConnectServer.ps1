# Reads the Connect server that it runs on, and gives one JSON text. It is sent to other machines as it stands, so it uses
# nothing of this module; and none of the commands that a restricted endpoint replaces by narrower ones (Get-Command,
# Select-Object, Measure-Object).
$script:ConnectServerReader = {
    param([int] $Days, [string[]] $Endpoints)

    # What a server's version does not have reads as null.
    Set-StrictMode -Off
    $mostEvents = 2000
    $mostCharacters = 4000000
    $secret = 'password|secret|key|encrypted-'
    $harmless = '\A(true|false|yes|no|on|off|none|enabled|disabled|started|stopped|running|[0-9]{1,2})\z'
    $document = [ordered]@{}

    function Add-Section {
        # Reads one section; what fails is told in it and stops no other.
        param([string] $Name, [scriptblock] $Read, [switch] $List)

        try {
            if ($List) {
                $document[$Name] = @{ value = @(& $Read) }
            } else {
                $one = & $Read
                if ($null -eq $one) { $one = $null }
                $document[$Name] = @{ value = $one }
            }
        } catch {
            $document[$Name] = @{ error = [string]$_.Exception.Message }
        }
    }

    function Invoke-Engine {
        # A cmdlet of the synchronisation engine.
        param([string] $Name, [hashtable] $Parameter = @{})

        try {
            & $Name @Parameter -ErrorAction Stop
        } catch [System.Management.Automation.CommandNotFoundException] {
            if ($_.Exception.CommandName -ne $Name) { throw }
            $text = "$Name is not here: this is not a Connect server, or its module ADSync is not installed"
            if ($problem) { $text = "$Name is not here: the module ADSync could not be loaded: $problem" }
            throw [System.InvalidOperationException]::new($text)
        }
    }

    function Get-Text {
        param([object] $Value)

        if ($null -ne $Value -and "$Value" -ne '') { [string]$Value } else { $null }
    }

    function ConvertTo-Plain {
        # A value as JSON has it.
        param([object] $Value)

        if ($null -eq $Value) { return $null }
        if ($Value -is [bool]) { return $Value }
        if ($Value -is [datetime]) {
            if ($Value.Kind -eq 'Local') { $Value = $Value.ToUniversalTime() }
            return [datetime]::SpecifyKind($Value, 'Utc').ToString('o', [cultureinfo]::InvariantCulture)
        }
        if ($Value -isnot [enum] -and ($Value -is [ValueType]) -and $Value.GetType().IsPrimitive -and $Value -isnot [char]) { return $Value }
        [string]$Value
    }

    function New-Pair {
        # A name with its value; nothing where that could be a secret.
        param([string] $Name, [object] $Value)

        if ($Value -is [securestring] -or $Value -is [pscredential]) { return }
        $plain = ConvertTo-Plain -Value $Value
        if ($Name -match $secret -and $plain -is [string] -and $Value -isnot [datetime] -and $Value -isnot [enum] -and $plain -notmatch $harmless) { return }
        [ordered]@{ name = $Name; value = $plain }
    }

    function Read-Pair {
        # The names and values of an object, whatever they are.
        param([object] $InputObject)

        if ($null -eq $InputObject) { return }
        if ($InputObject -is [System.Collections.IDictionary]) {
            foreach ($name in @($InputObject.Keys)) { New-Pair -Name $name -Value $InputObject[$name] }
        } elseif ($InputObject -is [string] -or $InputObject -is [ValueType]) {
            New-Pair -Name 'Value' -Value $InputObject
        } else {
            foreach ($property in $InputObject.PSObject.Properties) {
                # What remoting adds.
                if (@('PSComputerName', 'PSShowComputerName', 'RunspaceId') -contains $property.Name) { continue }
                New-Pair -Name $property.Name -Value $property.Value
            }
        }
    }

    function Read-EntraConnector {
        # The names of the connectors to Microsoft Entra.
        foreach ($connector in Invoke-Engine -Name 'Get-ADSyncConnector') {
            if ([string]$connector.Name -like '*- AAD' -or "$($connector.ConnectorTypeName)" -eq 'Extensible2' -or "$($connector.Type)" -eq 'Extensible2') { [string]$connector.Name }
        }
    }

    function Read-RegistryValue {
        # A value of the registry; null where it or its key is not there.
        param([string] $Path, [string] $Name)

        try {
            $value = (Get-ItemProperty -LiteralPath $Path -ErrorAction Stop).$Name
        } catch [System.Management.Automation.ItemNotFoundException] {
            $value = $null
        }
        # A DWORD of all ones arrives as -1.
        if ($value -is [int] -and $value -lt 0) { $value = [long]$value + 4294967296 }
        ConvertTo-Plain -Value $value
    }

    function Read-Event {
        # Events of the application log, the newest first: by provider, what the query says of their numbers.
        param([System.Collections.IDictionary] $Provider, [datetime] $Since, [int] $Most)

        $from = $Since.ToString('yyyy-MM-ddTHH:mm:ss.fffZ', [cultureinfo]::InvariantCulture)
        # One condition for each provider: Windows takes some twenty comparisons in one.
        $conditions = foreach ($name in $Provider.Keys) {
            "<Select Path=`"Application`">*[System[Provider[@Name='$name'] and ($($Provider[$name])) and TimeCreated[@SystemTime&gt;='$from']]]</Select>"
        }
        $query = "<QueryList><Query Id=`"0`" Path=`"Application`">$($conditions -join '')</Query></QueryList>"
        try {
            Get-WinEvent -FilterXml ([xml]$query) -MaxEvents $Most -ErrorAction Stop
        } catch {
            if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }
        }
    }

    function Join-Range {
        # Numbers and ranges of numbers as a query has them.
        param([object[]] $Range)

        $terms = foreach ($one in $Range) {
            if ($one -is [array]) { "(EventID&gt;=$($one[0]) and EventID&lt;=$($one[1]))" } else { "EventID=$one" }
        }
        $terms -join ' or '
    }

    $network = [System.Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    $document['computer'] = [string]$network.HostName
    if ($network.DomainName -and $network.DomainName -notlike '(*' -and $network.HostName -notlike '*.*') { $document['computer'] = "$($network.HostName).$($network.DomainName)" }
    $document['readAt'] = [datetime]::UtcNow.ToString('o', [cultureinfo]::InvariantCulture)

    $problem = $null
    try {
        $null = Import-Module -Name ADSync -ErrorAction Stop -WarningAction SilentlyContinue -Verbose:$false
    } catch {
        if ($_.FullyQualifiedErrorId -notlike 'Modules_ModuleNotFound*') { $problem = [string]$_.Exception.Message }
    }

    Add-Section -Name 'version' -Read {
        foreach ($parameter in (Invoke-Engine -Name 'Get-ADSyncGlobalSettings').Parameters) {
            if ($parameter.Name -eq 'Microsoft.Synchronize.ServerConfigurationVersion') { Get-Text -Value $parameter.Value }
        }
    }

    Add-Section -Name 'service' -Read {
        try {
            $service = Get-Service -Name 'ADSync' -ErrorAction Stop
        } catch {
            if ($_.FullyQualifiedErrorId -notlike 'NoServiceFoundForGivenName*') { throw }
            throw [System.InvalidOperationException]::new('there is no service ADSync here: this is not a Connect server')
        }
        [ordered]@{ name = [string]$service.Name; status = [string]$service.Status; startType = Get-Text -Value $service.StartType }
    }

    Add-Section -Name 'connectors' -List -Read {
        foreach ($connector in Invoke-Engine -Name 'Get-ADSyncConnector') {
            $account = $null
            $domain = $null
            $parameters = @(foreach ($parameter in $connector.ConnectivityParameters) {
                    $name = [string]$parameter.Name
                    if ($name -eq 'forest-login-user') { $account = Get-Text -Value $parameter.Value }
                    if ($name -eq 'forest-login-domain') { $domain = Get-Text -Value $parameter.Value }
                    if ($name -match 'sign|encrypt|seal|ssl|tls' -and $name -notmatch $secret) { New-Pair -Name $name -Value $parameter.Value }
                })
            $partitions = @(foreach ($partition in $connector.Partitions) {
                    $scope = $partition.ConnectorPartitionScope
                    [ordered]@{
                        dn       = Get-Text -Value $partition.DN
                        selected = ConvertTo-Plain -Value $partition.Selected
                        included = @(foreach ($dn in $scope.ContainerInclusionList) { if ($dn) { [string]$dn } })
                        excluded = @(foreach ($dn in $scope.ContainerExclusionList) { if ($dn) { [string]$dn } })
                    }
                })
            $type = Get-Text -Value $connector.ConnectorTypeName
            if ($null -eq $type) { $type = Get-Text -Value $connector.Type }
            [ordered]@{
                name          = [string]$connector.Name
                type          = $type
                subtype       = Get-Text -Value $connector.SubType
                account       = $account
                accountDomain = $domain
                partitions    = $partitions
                parameters    = $parameters
            }
        }
    }

    Add-Section -Name 'passwordReset' -List -Read {
        foreach ($name in Read-EntraConnector) {
            $state = Invoke-Engine -Name 'Get-ADSyncAADPasswordResetConfiguration' -Parameter @{ Connector = $name }
            [ordered]@{ connector = $name; values = @(Read-Pair -InputObject $state) }
        }
    }

    Add-Section -Name 'companyFeatures' -List -Read {
        # Some versions take the connector's name, others take nothing.
        $names = @(Read-EntraConnector)
        try {
            if ($names.Count -eq 0) { $names = @($null) }
            foreach ($name in $names) {
                $parameter = @{}
                if ($null -ne $name) { $parameter['ConnectorName'] = $name }
                Read-Pair -InputObject (Invoke-Engine -Name 'Get-ADSyncAADCompanyFeature' -Parameter $parameter)
            }
        } catch [System.Management.Automation.ParameterBindingException] {
            Read-Pair -InputObject (Invoke-Engine -Name 'Get-ADSyncAADCompanyFeature')
        }
    }

    Add-Section -Name 'scheduler' -List -Read {
        Read-Pair -InputObject (Invoke-Engine -Name 'Get-ADSyncScheduler')
    }

    Add-Section -Name 'globalSettings' -List -Read {
        foreach ($parameter in (Invoke-Engine -Name 'Get-ADSyncGlobalSettings').Parameters) {
            if ([string]$parameter.Name -like 'Microsoft.Synchronize.*') { New-Pair -Name $parameter.Name -Value $parameter.Value }
        }
    }

    Add-Section -Name 'rules' -List -Read {
        # A rule knows its connector by id.
        $names = @{}
        foreach ($connector in Invoke-Engine -Name 'Get-ADSyncConnector') { $names["$($connector.Identifier)"] = [string]$connector.Name }
        foreach ($rule in Invoke-Engine -Name 'Get-ADSyncRule') {
            if ("$($rule.Direction)" -ne 'Inbound' -or @('user', 'inetOrgPerson') -notcontains "$($rule.SourceObjectType)") { continue }
            $hashes = ConvertTo-Plain -Value $rule.EnablePasswordSync
            if ([string]$rule.Name -notlike '*AccountEnabled*' -and "$hashes" -ne 'True') { continue }
            $connector = Get-Text -Value $rule.Connector
            if ($null -ne $connector -and $names.ContainsKey($connector)) { $connector = $names[$connector] }
            # Lists of lists, so nothing of it goes through the pipeline.
            $scopes = [System.Collections.Generic.List[object]]::new()
            foreach ($group in $rule.ScopeFilter) {
                if ($null -eq $group) { continue }
                $conditions = [System.Collections.Generic.List[object]]::new()
                foreach ($condition in $group.ScopeConditionList) {
                    $conditions.Add([ordered]@{
                            attribute = Get-Text -Value $condition.Attribute
                            operator  = Get-Text -Value $condition.ComparisonOperator
                            value     = Get-Text -Value $condition.ComparisonValue
                        })
                }
                $scopes.Add($conditions)
            }
            [ordered]@{
                name               = [string]$rule.Name
                connector          = $connector
                precedence         = ConvertTo-Plain -Value $rule.Precedence
                disabled           = ConvertTo-Plain -Value $rule.Disabled
                enablePasswordSync = $hashes
                scopes             = $scopes
            }
        }
    }

    Add-Section -Name 'tls' -List -Read {
        $keys = [ordered]@{
            'HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319'                                          = 'SystemDefaultTlsVersions', 'SchUseStrongCrypto'
            'HKLM:\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319'                              = 'SystemDefaultTlsVersions', 'SchUseStrongCrypto'
            'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client' = 'Enabled', 'DisabledByDefault'
            'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Server' = 'Enabled', 'DisabledByDefault'
        }
        foreach ($path in $keys.Keys) {
            foreach ($name in $keys[$path]) { [ordered]@{ path = $path; name = $name; value = Read-RegistryValue -Path $path -Name $name } }
        }
    }

    Add-Section -Name 'restrictRemoteSam' -Read {
        Get-Text -Value (Read-RegistryValue -Path 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa' -Name 'RestrictRemoteSam')
    }

    Add-Section -Name 'domainController' -Read {
        (Get-CimInstance -ClassName 'Win32_OperatingSystem' -Property 'ProductType' -ErrorAction Stop).ProductType -eq 2
    }

    Add-Section -Name 'events' -Read {
        $since = [datetime]::UtcNow.AddDays(-$Days)
        $found = @()
        $cut = $false
        if ($Days -gt 0) {
            # The heartbeat comes every five minutes from each relay: it may fill what the others leave, and has a tenth for itself.
            $most = $mostEvents * 9 / 10
            $others = @(Read-Event -Since $since -Most ($most + 1) -Provider ([ordered]@{
                        PasswordResetService = Join-Range -Range @(31001, 31018), 31034, 31044, @(32000, 32015), @(33001, 33009)
                        ADSync               = Join-Range -Range 6329, 6800, 6306, 611, 656, 657, 601
                    }))
            if ($others.Count -gt $most) { $cut = $true; $others = $others[0..($most - 1)] }
            $most = $mostEvents - $others.Count
            $heartbeats = @(Read-Event -Since $since -Most ($most + 1) -Provider @{ PasswordResetService = Join-Range -Range 31019 })
            # Older heartbeats tell nothing that newer ones do not.
            if ($heartbeats.Count -gt $most) { $heartbeats = $heartbeats[0..($most - 1)] }
            $found = @($others + $heartbeats | Sort-Object -Property 'TimeCreated' -Descending)
        }
        $left = $mostCharacters
        $items = @(foreach ($one in $found) {
                # Where the text that belongs to an event is not installed, what was put into it still says much.
                $message = [string]$one.Message
                if ($message -eq '') { $message = @(foreach ($property in $one.Properties) { [string]$property.Value }) -join "`n" }
                $left -= $message.Length
                if ($left -lt 0) { $cut = $true; $message = $null }
                [ordered]@{
                    provider = [string]$one.ProviderName
                    id       = [int]$one.Id
                    at       = $one.TimeCreated.ToUniversalTime().ToString('o', [cultureinfo]::InvariantCulture)
                    message  = $message
                }
            })
        [ordered]@{ since = $since.ToString('o', [cultureinfo]::InvariantCulture); cut = $cut; items = $items }
    }

    Add-Section -Name 'relays' -List -Read {
        # All begun together. Nothing is sent.
        $tries = @(foreach ($endpoint in $Endpoints) {
                $at = $endpoint.LastIndexOf(':')
                $try = @{ Host = $endpoint.Substring(0, $at); Port = [int]$endpoint.Substring($at + 1); Client = [System.Net.Sockets.TcpClient]::new(); Task = $null; Error = $null }
                try { $try.Task = $try.Client.ConnectAsync($try.Host, $try.Port) } catch { $try.Error = [string]$_.Exception.GetBaseException().Message }
                $try
            })
        $watch = [System.Diagnostics.Stopwatch]::StartNew()
        while ($watch.ElapsedMilliseconds -lt 5000 -and @($tries | Where-Object { $null -ne $_.Task -and -not $_.Task.IsCompleted }).Count -gt 0) { Start-Sleep -Milliseconds 50 }
        foreach ($try in $tries) {
            $connected = $null -ne $try.Task -and $try.Task.Status -eq 'RanToCompletion'
            if (-not $connected -and $null -eq $try.Error) {
                $try.Error = if ($try.Task.IsFaulted) { [string]$try.Task.Exception.GetBaseException().Message } else { 'no answer within 5 seconds' }
            }
            $try.Client.Close()
            [ordered]@{ host = $try.Host; port = $try.Port; connected = $connected; error = $try.Error }
        }
    }

    ConvertTo-Json -InputObject $document -Depth 10 -Compress
}

# Host names and ports as a restricted endpoint may be given them: nothing that could end a text.
$script:ConnectEndpointPattern = '\A[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?:[0-9]{1,5}\z'

function Read-SsprConnectServer {
    # The document of one Connect server as text: this machine's, or another's by remoting. What cannot be had is thrown.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # ComputerName, Credential, ConfigurationName; without a name it is this machine.
        [Parameter(Mandatory = $true)] [hashtable] $Server,
        # How many days of events.
        [int] $Day,
        # What to try to reach from there, as host:port.
        [AllowNull()] [AllowEmptyCollection()] [string[]] $Endpoint
    )

    if ($Server['ComputerName']) {
        $remote = Get-SsprConnectServerCommand -Server $Server -Day $Day -Endpoint $Endpoint
        $answer = Invoke-Command @remote -ErrorAction Stop
    } else {
        $answer = Read-SsprConnectServerHere -Cmdlet $Cmdlet -Day $Day -Endpoint @(Get-SsprEndpoint -Endpoint $Endpoint)
    }
    ConvertTo-SsprConnectServerText -Answer $answer
}

function Get-SsprEndpoint {
    # The endpoints to try; one that is no host:port is thrown.
    [CmdletBinding()]
    [OutputType([string])]
    param([AllowNull()] [AllowEmptyCollection()] [string[]] $Endpoint)

    foreach ($one in @($Endpoint | Where-Object { $_ })) {
        if ($one -notmatch $script:ConnectEndpointPattern) { throw [System.ArgumentException]::new("'$one' is no host:port") }
        $one
    }
}

function Get-SsprConnectServerCommand {
    # What Invoke-Command takes to have another machine's document read.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([hashtable] $Server, [int] $Day, [AllowNull()] [AllowEmptyCollection()] [string[]] $Endpoint)

    $Endpoint = @(Get-SsprEndpoint -Endpoint $Endpoint)
    # A machine that is away is told sooner than in three minutes, and one that is silent holds nobody up who has enough.
    $option = [System.Management.Automation.Remoting.PSSessionOption]::new()
    $option.OpenTimeout = [timespan]::FromSeconds(30)
    $option.CancelTimeout = [timespan]::FromSeconds(5)
    $remote = @{ ComputerName = $Server['ComputerName']; SessionOption = $option; ScriptBlock = $script:ConnectServerReader; ArgumentList = $Day, $Endpoint }
    if ($null -ne $Server['Credential']) { $remote['Credential'] = $Server['Credential'] }
    if ($Server['ConfigurationName']) { $remote['ConfigurationName'] = $Server['ConfigurationName'] }
    if ($Server['ConfigurationName'] -and $Server['ConfigurationName'] -notmatch '^(Microsoft\.)?PowerShell(32|\.|$)') {
        # A restricted endpoint runs no script: this is one command with its parameters and is sent as that.
        $command = "Get-SsprConnectServer -Day $Day"
        if ($Endpoint.Count -gt 0) { $command += " -Relay '" + ($Endpoint -join "','") + "'" }
        $remote['ScriptBlock'] = [scriptblock]::Create($command)
        $remote.Remove('ArgumentList')
    }
    $remote
}

function ConvertTo-SsprConnectServerText {
    # The document in what a server answered: the text itself, or what the restricted endpoint's command gives.
    [CmdletBinding()]
    [OutputType([string])]
    param([AllowNull()] [object] $Answer)

    if ($null -ne $Answer -and $Answer -isnot [string]) { $Answer = Get-SsprMember -InputObject $Answer -Name Json }
    # A text from remoting bears the computer's name, and would be saved as an object.
    $text = [string]::Concat('', $Answer)
    if (-not $text.StartsWith('{')) { throw [System.InvalidOperationException]::new('it answered with something else than what was asked for') }
    $text
}

function Read-SsprConnectServerHere {
    # The document of this machine.
    [CmdletBinding()]
    [OutputType([string])]
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [int] $Day, [string[]] $Endpoint)

    if ($script:Edition -eq 'Core' -and [Environment]::OSVersion.Platform -eq 'Win32NT' -and (Test-SsprConnectServerHere)) {
        # The module ADSync is Windows PowerShell's. Loaded into PowerShell 7 its objects come without what lies deep in them.
        try {
            $windows = @{ UseWindowsPowerShell = $true }
            $shell = New-PSSession @windows -ErrorAction Stop
            try {
                return Invoke-Command -Session $shell -ScriptBlock $script:ConnectServerReader -ArgumentList $Day, $Endpoint -ErrorAction Stop
            } finally {
                Remove-PSSession -Session $shell
            }
        } catch {
            $Cmdlet.WriteVerbose("Windows PowerShell could not be started, so this one reads: $($_.Exception.Message)")
        }
    }
    & $script:ConnectServerReader $Day $Endpoint
}

function Test-SsprConnectServerHere {
    # Whether this machine has the service of the synchronisation engine.
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    # Asked with every check: what is not there must not stand among the errors of whoever calls.
    if ($null -eq (Get-Command -Name 'Get-Service' -ErrorAction Ignore)) { return $false }
    try { $null -ne (Get-Service -Name 'ADSync' -ErrorAction Ignore) } catch { $false }
}

function Get-SsprConnectServerName {
    # How a server names itself, when it can be read and is a Connect server; else it is the cmdlet's error.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [hashtable] $Server
    )

    $read = $null
    try {
        $read = New-SsprConnectServer -Json (Read-SsprConnectServer -Cmdlet $Cmdlet -Server $Server -Day 0)
    } catch [System.Management.Automation.PipelineStoppedException] {
        throw
    } catch {
        $Cmdlet.ThrowTerminatingError((New-SsprConnectServerError -ComputerName $Server['ComputerName'] -Exception $_.Exception))
    }
    # Who may not ask for services can often ask the engine.
    if ($null -eq $read.Service -and $null -eq $read.Version) {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'ConnectServer.NotHere'; category = 'ObjectNotFound'; target = $read.Computer
                        message = "$($read.Computer) is no Microsoft Entra Connect server, or does not show that it is"; detail = @(@($read.Problems) -like 'Service:*')
                        help = 'Run it on the server that has the service ADSync, or name it with -ComputerName. Get-SsprConnector lists the servers that connector accounts were made on.'
                    })))
    }
    $read.Computer
}

function Start-SsprConnectServerRead {
    # Begins to answer the library's question about the Connect servers. Other machines are asked by jobs: one that is silent for
    # minutes keeps this pipeline from nothing. Without any that was connected to it is this machine, where it is one.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # Where what was begun is noted, so that the caller can end it whatever happens.
        [Parameter(Mandatory = $true)] [AllowEmptyCollection()] [System.Collections.Generic.List[hashtable]] $Reading,
        [AllowNull()] [AllowEmptyCollection()] [hashtable[]] $Server,
        [Parameter(Mandatory = $true)] [psobject] $Arguments
    )

    $Server = @($Server | Where-Object { $_ })
    if ($Server.Count -eq 0 -and (Test-SsprConnectServerHere)) { $Server = @(@{ Name = [Environment]::MachineName; ComputerName = '' }) }
    $endpoint = @(foreach ($one in @(Get-SsprMember -InputObject $Arguments -Name Endpoints)) { if ($null -ne $one) { '{0}:{1}' -f $one.Host, $one.Port } })
    if ($null -ne $script:Relays) { $endpoint = @($script:Relays) }
    foreach ($one in $Server) {
        $Cmdlet.WriteVerbose("Reading the Connect server $($one['Name']).")
        $read = @{ Server = $one; Day = $Arguments.Days; Endpoint = $endpoint; Job = $null; Failure = $null }
        $Reading.Add($read)
        if (-not $one['ComputerName']) { continue }
        try {
            $remote = Get-SsprConnectServerCommand -Server $one -Day $read.Day -Endpoint $endpoint
            $read.Job = Invoke-Command @remote -AsJob -ErrorAction Stop
        } catch [System.Management.Automation.PipelineStoppedException] {
            throw
        } catch {
            $read.Failure = $_.Exception.Message
        }
    }
}

function Test-SsprConnectServerRead {
    # Whether every server that was asked has answered.
    [CmdletBinding()]
    [OutputType([bool])]
    param([AllowEmptyCollection()] [System.Collections.Generic.List[hashtable]] $Reading)

    foreach ($read in $Reading) {
        if ($null -ne $read.Job -and @('NotStarted', 'Running') -contains $read.Job.State) { return $false }
    }
    $true
}

function Get-SsprConnectServerReply {
    # The answer to the library's question: a document of each server, and of one that could not be read why.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowEmptyCollection()] [System.Collections.Generic.List[hashtable]] $Reading
    )

    $texts = [System.Collections.Generic.List[string]]::new()
    foreach ($read in $Reading) {
        try {
            if ($read.Failure) { throw [System.InvalidOperationException]::new($read.Failure) }
            $text = if ($null -eq $read.Job) {
                Read-SsprConnectServer -Cmdlet $Cmdlet -Server $read.Server -Day $read.Day -Endpoint $read.Endpoint
            } else {
                # What is blocked would ask a question here, and nobody may be there.
                if (@('Completed', 'Failed') -notcontains $read.Job.State) { throw [System.InvalidOperationException]::new("the connection ended: $($read.Job.State)") }
                ConvertTo-SsprConnectServerText -Answer (Receive-Job -Job $read.Job -ErrorAction Stop)
            }
            $texts.Add($text)
        } catch [System.Management.Automation.PipelineStoppedException] {
            throw
        } catch {
            $texts.Add((ConvertTo-Json -InputObject @{ computer = $read.Server['Name']; error = $_.Exception.Message } -Compress))
        }
    }
    @{ servers = $texts.ToArray() }
}

function Stop-SsprConnectServerRead {
    # Ends the jobs of a question, answered or not.
    [CmdletBinding()]
    [OutputType([void])]
    param([AllowEmptyCollection()] [System.Collections.Generic.List[hashtable]] $Reading)

    foreach ($read in $Reading) {
        # Also where the cmdlet itself was called with -WhatIf or -Confirm.
        if ($null -ne $read.Job) { Remove-Job -Job $read.Job -Force -WhatIf:$false -Confirm:$false -ErrorAction Ignore }
    }
    $Reading.Clear()
}

# Switches password writeback of the server that it runs on. It is sent to other machines as it stands, as the reader is.
$script:ConnectWritebackSetter = {
    param([bool] $Enabled)

    $null = Import-Module -Name ADSync -ErrorAction SilentlyContinue -WarningAction SilentlyContinue -Verbose:$false
    $names = @(foreach ($connector in Get-ADSyncConnector -ErrorAction Stop) { # 5.1-ok: the Connect server's own module
            if ([string]$connector.Name -like '*- AAD' -or "$($connector.ConnectorTypeName)" -eq 'Extensible2' -or "$($connector.Type)" -eq 'Extensible2') { [string]$connector.Name }
        })
    if ($names.Count -ne 1) { throw [System.InvalidOperationException]::new("it has $($names.Count) connectors to Microsoft Entra, and not one") }
    $null = Set-ADSyncAADPasswordResetConfiguration -Connector $names[0] -Enable $Enabled -ErrorAction Stop # 5.1-ok: the same
}

function Set-SsprConnectWriteback {
    # Switches password writeback of a Connect server that was connected to, or of this machine. What cannot be done is thrown.
    [System.Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Invoke-SsprPlan asks.')]
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [AllowEmptyCollection()] [hashtable[]] $Server,
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [bool] $Enabled
    )

    $known = @($Server | Where-Object { $_ })
    # Without any that was connected to it is this machine, as for reading.
    if ($known.Count -eq 0 -and (Test-SsprConnectServerHere)) { $known = @(@{ Name = $ComputerName; ComputerName = '' }) }
    $one = @($known | Where-Object { $_['Name'] -eq $ComputerName })
    if ($one.Count -ne 1) { throw [System.InvalidOperationException]::new("the Connect server $ComputerName was not connected to in this session") }
    $one = $one[0]
    if ($one['ConfigurationName'] -and $one['ConfigurationName'] -notmatch '^(Microsoft\.)?PowerShell(32|\.|$)') {
        throw [System.InvalidOperationException]::new("$ComputerName was connected to through a restricted endpoint, which only reads")
    }
    $Cmdlet.WriteVerbose("Setting password writeback of the Connect server $ComputerName.")
    if ($one['ComputerName']) {
        $option = [System.Management.Automation.Remoting.PSSessionOption]::new()
        $option.OpenTimeout = [timespan]::FromSeconds(30)
        $remote = @{ ComputerName = $one['ComputerName']; SessionOption = $option; ErrorAction = 'Stop' }
        if ($null -ne $one['Credential']) { $remote['Credential'] = $one['Credential'] }
        if ($one['ConfigurationName']) { $remote['ConfigurationName'] = $one['ConfigurationName'] }
        $null = Invoke-Command @remote -ScriptBlock $script:ConnectWritebackSetter -ArgumentList $Enabled
    } elseif ($script:Edition -eq 'Core' -and [Environment]::OSVersion.Platform -eq 'Win32NT' -and (Test-SsprConnectServerHere)) {
        # The module ADSync is Windows PowerShell's.
        $windows = @{ UseWindowsPowerShell = $true }
        $shell = New-PSSession @windows -ErrorAction Stop
        try {
            $null = Invoke-Command -Session $shell -ScriptBlock $script:ConnectWritebackSetter -ArgumentList $Enabled -ErrorAction Stop
        } finally {
            Remove-PSSession -Session $shell
        }
    } else {
        $null = & $script:ConnectWritebackSetter $Enabled
    }
}

function New-SsprConnectServer {
    # A Connect server as the user sees it, of its document: each section's value, and what could not be read.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [string] $Json)

    $document = ConvertFrom-SsprJson -Json $Json
    $problems = [System.Collections.Generic.List[string]]::new()
    $members = [ordered]@{
        Computer = [string](Get-SsprMember -InputObject $document -Name Computer)
        ReadAt   = Get-SsprMember -InputObject $document -Name ReadAt
    }
    foreach ($name in 'Version', 'Service', 'Connectors', 'PasswordReset', 'CompanyFeatures', 'Scheduler', 'GlobalSettings', 'Rules', 'Tls', 'RestrictRemoteSam', 'DomainController', 'Relays', 'Events') {
        $members[$name] = $null
        $section = $document.PSObject.Properties[$name]
        if ($null -eq $section -or $null -eq $section.Value) { continue }
        $value = $section.Value.PSObject.Properties['Value']
        # Not through the pipeline: a list of one stays a list.
        if ($null -ne $value) { $members[$name] = $value.Value }
        $problem = $section.Value.PSObject.Properties['Error']
        if ($null -ne $problem -and $problem.Value) { $problems.Add("${name}: $($problem.Value)") }
    }
    $members['Problems'] = $problems.ToArray()
    $members['Json'] = $Json
    Add-SsprTypeName -InputObject ([pscustomobject]$members) -Name ConnectServer
}

function New-SsprConnectServerError {
    # The error of a server that could not be read.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param([string] $ComputerName, [System.Exception] $Exception)

    $name = if ($ComputerName) { $ComputerName } else { [Environment]::MachineName }
    New-SsprErrorRecord -InnerException $Exception -Document ([pscustomobject]@{
            name = 'ConnectServer.Unreachable'; category = 'ConnectionError'; target = $name
            message = "the Connect server '$name' could not be read"; detail = @($Exception.Message)
            help = 'Run it on the server itself, in Windows PowerShell as an administrator, or with an account that may use PowerShell remoting there (-Credential), or through a restricted endpoint (-ConfigurationName). docs/connect-server.md describes all three.'
        })
}
