# The runbooks, run as jobs: in runspaces of their own in one process, as an Azure sandbox runs them, and in processes of
# their own. What Azure Automation offers them is not here; its shapes are from Microsoft's documents:
# - Get-AutomationConnection gives a hashtable of the connection's fields, for the type AzureServicePrincipal ApplicationId,
#   TenantId, CertificateThumbprint, SubscriptionId (articles/automation/automation-connections.md in MicrosoftDocs/azure-docs).
# - Get-AutomationVariable gives the value in its type, String for text (articles/automation/shared-resources/variables.md
#   there). For a name that is not there it writes an error; its words are from samples in public runbooks.
# - The limits are of includes/azure-automation-service-limits.md there: 400 MB a sandbox, 1 MiB a stream, and 200 KB that the
#   portal shows.
BeforeDiscovery {
    $folder = [System.IO.Path]::Combine($PSScriptRoot, '..', 'EntraSspr', 'runbooks')
    $runbooks = @([System.IO.Directory]::GetFiles($folder, '*.ps1') | ForEach-Object { [System.IO.Path]::GetFileNameWithoutExtension($_) })
}

BeforeAll {
    . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
    . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
    . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
    $folder = [System.IO.Path]::Combine($env:SSPR_MODULE, 'runbooks')
    # The folder in which `Import-Module EntraSspr` finds the module: a package has a folder for its version between.
    $modules = [System.IO.Path]::GetDirectoryName([System.IO.Path]::GetFullPath($env:SSPR_MODULE))
    if ([System.IO.Path]::GetFileName($modules) -eq 'EntraSspr') { $modules = [System.IO.Path]::GetDirectoryName($modules) }
    $ownPath = $env:PSModulePath
    $env:PSModulePath = $modules + [System.IO.Path]::PathSeparator + $ownPath
    # Nobody listens there.
    $nowhere = 'http://127.0.0.1:9'

    # What stands before a runbook in a job of these tests: the lab's addresses, and Azure Automation's own cmdlets.
    $jobStart = @'
param($Endpoint, $Variable, $Connection)
$global:PSDefaultParameterValues = @{ 'Connect-SsprTenant:Endpoint' = $Endpoint }
$global:TestVariable = $Variable
$global:TestConnection = $Connection
function global:Get-AutomationVariable {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)] [string] $Name, [switch] $DoNotDecrypt)
    if (-not $TestVariable.ContainsKey($Name)) {
        Write-Error -Message "Variables asset not found. To create this Variables asset, navigate to the Assets blade and create a Variables asset named: $Name."
        return
    }
    $TestVariable[$Name]
}
function global:Get-AutomationConnection {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)] [string] $Name, [switch] $DoNotDecrypt)
    if (-not $TestConnection.ContainsKey($Name)) {
        Write-Error -Message "Connections asset not found. To create this Connections asset, navigate to the Assets blade and create a Connections asset named: $Name."
        return
    }
    $TestConnection[$Name]
}
'@

    function New-Job {
        # A runspace as a job has it: nobody sits there, and no module is imported.
        param([hashtable] $Endpoint = $endpoint, [hashtable] $Variable = @{}, [hashtable] $Connection = @{}, [string] $Before = '')

        $runspace = [runspacefactory]::CreateRunspace([initialsessionstate]::CreateDefault2())
        $runspace.Open()
        $shell = [powershell]::Create()
        $shell.Runspace = $runspace
        [void](Invoke-Shell -Shell $shell -Script $jobStart -Argument $Endpoint, $Variable, $Connection)
        # The budgets are the services' own; the lab has none, and a test need not wait for them.
        [void](Invoke-Shell -Shell $shell -Script 'Import-Module -Name EntraSspr; & (Get-Module -Name EntraSspr) { $script:Budgets = ''off'' }')
        if ($Before) { [void](Invoke-Shell -Shell $shell -Script $Before) }
        $shell
    }

    function Start-Runbook {
        param($Shell, [string] $Runbook, [hashtable] $Parameter = @{})

        Start-Script -Shell $Shell -Script ([System.IO.File]::ReadAllText([System.IO.Path]::Combine($folder, "$Runbook.ps1"))) -Parameter $Parameter
    }

    function Start-Script {
        param($Shell, [string] $Script, [hashtable] $Parameter = @{})

        $Shell.Commands.Clear()
        $Shell.Streams.ClearStreams()
        [void]$Shell.AddScript($Script).AddParameters($Parameter)
        $nothing = New-Object -TypeName 'System.Management.Automation.PSDataCollection[psobject]'
        $nothing.Complete()
        $output = New-Object -TypeName 'System.Management.Automation.PSDataCollection[psobject]'
        @{ Shell = $Shell; Output = $output; Wait = $Shell.BeginInvoke($nothing, $output) }
    }

    function Wait-Runbook {
        # What a job comes to.
        param([hashtable] $Job)

        $reason = $null
        try { [void]$Job.Shell.EndInvoke($Job.Wait) } catch { $reason = $_.Exception.InnerException }
        $streams = $Job.Shell.Streams
        [pscustomobject]@{
            State    = [string]$Job.Shell.InvocationStateInfo.State
            Reason   = if ($reason) { $reason.Message } else { '' }
            Id       = if ($reason) { $reason.ErrorRecord.FullyQualifiedErrorId } else { '' }
            Output   = @($Job.Output)
            Text     = @($Job.Output) -join "`n"
            Error    = @($streams.Error)
            Warning  = @($streams.Warning)
            Progress = @($streams.Progress)
            All      = Get-StreamText -Output $Job.Output -Stream $streams -Reason $reason
        }
    }

    # Makes a job say all that it can.
    $loud = "foreach (`$name in 'Verbose', 'Debug', 'Information') { Set-Variable -Scope Global -Name `${name}Preference -Value Continue }"

    function Get-StreamText {
        # All that a job said, in any stream and in any member of its errors.
        param($Output, $Stream, $Reason)

        $records = @($Stream.Error) + @(if ($Reason -and $Reason.PSObject.Properties['ErrorRecord']) { $Reason.ErrorRecord })
        $errors = foreach ($record in $records) {
            "$record $($record.Exception) $($record.ErrorDetails) $($record.FullyQualifiedErrorId) $($record.TargetObject) $($record.InvocationInfo.Line) $($record.ScriptStackTrace)"
            "$($record.Exception.Data.Values)"
        }
        (@($Output) + @($errors) + @($Stream.Warning) + @($Stream.Verbose) + @($Stream.Debug) + @($Stream.Information) + @($Stream.Progress) + @("$Reason")) -join "`n"
    }

    function Get-FileText {
        # Every file below a folder, each under its name.
        param([string] $Folder)

        $files = @([System.IO.Directory]::GetFiles($Folder, '*', 'AllDirectories') | ForEach-Object { "$_`n$([System.IO.File]::ReadAllText($_))" })
        $files -join "`n"
    }

    function Invoke-Job {
        # One job from its start to its end.
        param([string] $Runbook, [hashtable] $Parameter = @{}, [hashtable] $Setting = @{})

        $shell = New-Job @Setting
        try { Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook $Runbook -Parameter $Parameter) } finally { Close-Shell -Shell $shell }
    }

    function Invoke-JobProcess {
        # A job in a process of its own, in which the environment names the identity's endpoint, as Azure's sandbox does.
        param([string] $Runbook, [string] $Argument = '', $Lab, [string] $Before = '', [string] $After = '', [hashtable] $Environment = @{})

        $file = [System.IO.Path]::Combine($folder, "$Runbook.ps1")
        $script = @"
`$PSDefaultParameterValues['Connect-SsprTenant:Endpoint'] = @{ login = '$($Lab.url)'; graph = '$($Lab.url)'; imds = '$nowhere' }
$Before
try { & '$file' $Argument } catch { "FAILED `$_"; exit 3 } finally { $After }
"@
        Invoke-Child -Script $script -Environment ($Environment + @{ IDENTITY_ENDPOINT = "$($Lab.url)/msi/token"; IDENTITY_HEADER = $Lab.identityHeader; PSModulePath = $env:PSModulePath })
    }

    function Add-StoreCertificate {
        # The lab app's certificate in this user's store, and the connection that names it; nothing where it cannot be made.
        param($Lab)

        $pem = [System.IO.File]::ReadAllText($Lab.certificateFile) + [System.IO.File]::ReadAllText($Lab.keyFile)
        try { $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem, $pem) } catch { return }
        # A PFX in between, so that the store keeps the key.
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::new($certificate.Export('Pfx', ''), '', 'PersistKeySet')
        $store = [System.Security.Cryptography.X509Certificates.X509Store]::new('My', 'CurrentUser')
        $turn = Enter-LabTurn
        $store.Open('ReadWrite')
        $store.Add($certificate)
        [pscustomobject]@{
            Turn = $turn; Store = $store; Certificate = $certificate
            Fields = @{ ApplicationId = $Lab.tenants[0].clientId; TenantId = $Lab.tenants[0].tenantId; CertificateThumbprint = $certificate.Thumbprint; SubscriptionId = [string][guid]::Empty }
        }
    }

    function Remove-StoreCertificate {
        param($Added)

        $Added.Store.Remove($Added.Certificate)
        $Added.Store.Close()
        Exit-LabTurn -Turn $Added.Turn
    }
}

AfterAll {
    $env:PSModulePath = $ownPath
}

Describe 'The runbook <_>' -ForEach $runbooks {
    BeforeAll {
        $name = $_
        $file = [System.IO.Path]::Combine($folder, "$name.ps1")
        $tokens = $null
        $problems = $null
        $tree = [System.Management.Automation.Language.Parser]::ParseFile($file, [ref]$tokens, [ref]$problems)
    }

    It 'has a name that Azure Automation takes, and no syntax that it does not' {
        $name | Should -Match '^[A-Za-z][A-Za-z0-9_-]*$'
        @($problems) | Should -BeNullOrEmpty
        $text = [System.IO.File]::ReadAllText($file)
        $text | Should -Not -Match '[^\x00-\x7F]'
        $text | Should -Not -Match '(?m)^\s*#\s*Requires' -Because 'sandboxes do not support it'
        $text | Should -Not -Match 'AzureRm' -Because 'the word alone may load that module'
    }

    It 'asks nobody, draws nothing, and starts nothing' {
        $commands = @($tree.FindAll({ param($node) $node -is [System.Management.Automation.Language.CommandAst] }, $true) | ForEach-Object { $_.GetCommandName() })
        # Two keep what they read, in the one folder or container that is named to them.
        if ($name -in 'EntraSspr-Fleet', 'EntraSspr-Directory') { $commands = @($commands | Where-Object { $_ -ne 'Export-SsprSnapshot' }) }
        foreach ($wrong in 'Read-Host', 'Get-Credential', 'Write-Progress', 'Write-Host', 'Start-Process', 'Start-Job', 'Invoke-Expression', 'Set-AutomationVariable', 'Set-Content', 'Out-File', 'Export-SsprSnapshot') {
            $commands | Should -Not -Contain $wrong
        }
    }

    It 'can be started from the portal without a parameter, and none takes an address' {
        foreach ($parameter in $tree.ParamBlock.Parameters) {
            # A job operator may start a runbook but not change it: no parameter may send the identity's token elsewhere.
            $parameter.Name.VariablePath.UserPath | Should -Not -Match 'Endpoint|Address|Url|Uri|Proxy|CaFile'
            $parameter.StaticType.Name | Should -BeIn 'String', 'String[]', 'Int32', 'Boolean'
            $parameter.Attributes.Extent.Text -join ' ' | Should -Not -Match 'Mandatory'
        }
    }

    It 'has a synopsis, a description, every parameter, an example and a link' {
        $help = Get-Help -Name $file -Full
        $help.Synopsis.Trim() | Should -Not -Match '\.ps1'
        ($help.description | Out-String).Trim() | Should -Not -BeNullOrEmpty
        @($help.examples.example).Count | Should -BeGreaterThan 0
        @($help.relatedLinks.navigationLink | Where-Object { $_.PSObject.Properties['uri'] -and $_.uri -like 'https://*' }).Count | Should -BeGreaterThan 0
        foreach ($parameter in $tree.ParamBlock.Parameters) {
            $word = $parameter.Name.VariablePath.UserPath
            $described = @($help.parameters.parameter | Where-Object { $_.name -eq $word })
            ($described.description | Out-String).Trim() | Should -Not -BeNullOrEmpty -Because "-$word needs a word"
        }
    }
}

Describe 'EntraSspr-SelfTest' {
    BeforeAll {
        $lab = Start-Lab -Scenario hybrid-ready
        $endpoint = Get-LabEndpoint -Lab $lab
    }
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'says with which engine, architecture and path the module loads, what answers, and who it is' {
        $job = Invoke-JobProcess -Runbook EntraSspr-SelfTest -Lab $lab
        $job.Output | Should -Match '(?m)^EntraSspr self-test: all well\.'
        $job.ExitCode | Should -Be 0
        $job.Error.Trim() | Should -BeNullOrEmpty
        $job.Output | Should -Match "(?m)^note +engine +PowerShell $([regex]::Escape($PSVersionTable.PSVersion)) $($PSVersionTable.PSEdition), .*FullLanguage"
        $job.Output | Should -Match "(?m)^ok +module +EntraSspr [0-9.]+ in .*$([regex]::Escape([System.IO.Path]::GetFileName($env:SSPR_MODULE)))"
        $job.Output | Should -Match '(?m)^ok +library +(win|linux|osx)-(x64|arm64), version [0-9.]+, .*entra_sspr'
        $job.Output | Should -Match "(?m)^ok +sign-in +$([regex]::Escape($lab.url)) answered in \d+ ms"
        $job.Output | Should -Match "(?m)^ok +Graph +$([regex]::Escape($lab.url)) answered in \d+ ms"
        $job.Output | Should -Match "(?m)^ok +identity +signed in by managedIdentity as .* to tenant $($lab.tenants[0].tenantId)"
        $job.Output | Should -Match '(?m)^ok +read +read the licences from Graph'
        $job.Output | Should -Match '(?m)^note +assets +Get-AutomationVariable is not here'
        $job.Output | Should -Match '(?m)^note +memory +\d+ MB'
        # Nothing secret.
        $job.Output | Should -Not -Match ([regex]::Escape($lab.identityHeader))
        $job.Output | Should -Not -Match 'eyJ'
        # The one thing that it asks of Graph without a token is refused.
        @((Invoke-Lab -Lab $lab -Action violations) | Where-Object { ($_ | ConvertTo-Json -Depth 5) -notmatch 'Access token is empty' }) | Should -BeNullOrEmpty
    }

    It 'leaves nothing behind, and shows no progress' {
        $job = Invoke-Job -Runbook EntraSspr-SelfTest
        $job.State | Should -Be 'Completed'
        $job.Progress.Count + $job.Error.Count + $job.Warning.Count | Should -Be 0
        @($job.Output | Where-Object { $_ -isnot [string] }) | Should -BeNullOrEmpty
        @($job.Output | Where-Object { $_ -match '\p{Cc}' }) | Should -BeNullOrEmpty
    }

    It 'without a managed identity says what to switch on, and still what answers' {
        $job = Invoke-Job -Runbook EntraSspr-SelfTest -Setting @{ Endpoint = @{ login = $lab.url; graph = $lab.url; imds = $nowhere } }
        $job.State | Should -Be 'Failed'
        $job.Id | Should -Be 'Sspr.SelfTest.Failed'
        $job.Reason | Should -Match 'identity: .*System assigned, On.*no identity endpoint'
        $job.Text | Should -Match '(?m)^FAIL +identity +there is no managed identity here'
        $job.Text | Should -Match '(?m)^ok +sign-in '
        $job.Text | Should -Match '(?m)^ok +Graph '
    }

    It 'says where it looked when the module is not there' {
        $job = Invoke-JobProcess -Runbook EntraSspr-SelfTest -Lab $lab -Before "`$env:PSModulePath = '$TestDrive'"
        $job.ExitCode | Should -Be 3
        $job.Output | Should -Match '(?m)^FAIL +module .*EntraSspr'
        $job.Output | Should -Match "(?m)^note +looked in +$([regex]::Escape($TestDrive))"
        $job.Output | Should -Match '(?m)^ok +Graph '
        $job.Output | Should -Match '(?m)^FAILED EntraSspr self-test: 1 failed\. module: '
    }

    It 'says what is wrong with the library' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        [System.IO.Directory]::Delete([System.IO.Path]::Combine($copy, 'lib'), $true)
        $place = [System.IO.Path]::GetDirectoryName($copy)
        $job = Invoke-JobProcess -Runbook EntraSspr-SelfTest -Lab $lab -Before "`$env:PSModulePath = '$place'"
        $job.ExitCode | Should -Be 3
        $job.Output | Should -Match '(?m)^FAIL +library +\w+-\w+: the native library .* is missing'
    }

    It 'names what is not reached, within its time' {
        # It takes connections and says nothing.
        $silent = New-Object -TypeName System.Net.Sockets.TcpListener -ArgumentList ([System.Net.IPAddress]::Loopback), 0
        $silent.Start()
        try {
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ TimeoutSeconds = 1 } -Setting @{
                Endpoint = @{ login = "http://127.0.0.1:$($silent.LocalEndpoint.Port)"; graph = $nowhere; imds = $nowhere }
            }
            $watch.Elapsed.TotalSeconds | Should -BeLessThan 20
        } finally {
            $silent.Stop()
        }
        $job.State | Should -Be 'Failed'
        $job.Text | Should -Match '(?m)^FAIL +sign-in +http://127\.0\.0\.1:\d+ gave no answer within 1 s'
        $job.Text | Should -Match '(?m)^FAIL +Graph +http://127\.0\.0\.1:9 was not reached: '
    }

    It 'does not take a filter''s page for Graph' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0/organization'; kind = 'html' })
        try {
            $job = Invoke-Job -Runbook EntraSspr-SelfTest
        } finally {
            [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        }
        $job.Text | Should -Match '(?m)^FAIL +Graph +something else answered for '
    }

    It 'needs no permission: what is not granted is a note' {
        $permissions = 'LicenseAssignment.Read.All', 'Organization.Read.All', 'Directory.Read.All', 'User.Read.All'
        foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/remove' -Body @{ app = 'identity'; permission = $permission }) }
        try {
            $job = Invoke-Job -Runbook EntraSspr-SelfTest
        } finally {
            foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ app = 'identity'; permission = $permission }) }
        }
        $job.Text | Should -Match '(?m)^note +permissions +not granted, .*LicenseAssignment\.Read\.All'
        $job.Text | Should -Match '(?m)^note +read +asked Graph for the licences: .*LicenseAssignment\.Read\.All'
        $job.State | Should -Be 'Completed'
    }

    It 'tells that the library does not reach Graph where PowerShell does' {
        # Only the library asks in batches.
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0/$batch'; kind = 'status'; status = 400 })
        try {
            $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ TimeoutSeconds = 5 }
        } finally {
            [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        }
        $job.Text | Should -Match '(?m)^ok +Graph '
        $job.Text | Should -Match '(?m)^FAIL +read +asked Graph for the licences: '
        $job.State | Should -Be 'Failed'
    }

    It 'signs in by a connection, of which it tells the fields'' names only' {
        $added = Add-StoreCertificate -Lab $lab
        if (-not $added) { Set-ItResult -Skipped -Because 'Windows PowerShell and Wine make no certificate of a PEM file'; return }
        try {
            $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ ConnectionName = 'SsprApp' } -Setting @{ Connection = @{ SsprApp = $added.Fields } }
        } finally {
            Remove-StoreCertificate -Added $added
        }
        $job.State | Should -Be 'Completed'
        $job.Text | Should -Match '(?m)^note +assets +variables and connections .* can be read here'
        $job.Text | Should -Match '(?m)^ok +connection +SsprApp has ApplicationId, CertificateThumbprint, SubscriptionId, TenantId'
        $job.Text | Should -Match '(?m)^ok +identity +signed in by certificate '
        $job.Text | Should -Not -Match $added.Fields.CertificateThumbprint
        $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ ConnectionName = 'Other' }
        $job.Text | Should -Match '(?m)^FAIL +identity +Connections asset not found.*Other'
    }

    It 'takes the job''s settings from the variable, and tells their names only' {
        $user = $lab.tenants[0].apps.'identity-user'.clientId
        $variable = @{ SsprSettings = "{`"IdentityClientId`": `"$user`", `"Tenant`": `"canary`", `"AllowUnknown`": true}" }
        $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ SettingsVariable = 'SsprSettings' } -Setting @{ Variable = $variable }
        $job.State | Should -Be 'Completed'
        $job.Text | Should -Match '(?m)^ok +settings +variable SsprSettings names IdentityClientId, Tenant, AllowUnknown'
        $job.Text | Should -Match "(?m)^ok +identity +signed in by managedIdentity as $user"
        $job.Text | Should -Not -Match 'canary'
        $job = Invoke-Job -Runbook EntraSspr-SelfTest -Parameter @{ SettingsVariable = 'Other' }
        $job.Text | Should -Match '(?m)^FAIL +settings +variable Other: Variables asset not found'
        $job.State | Should -Be 'Failed'
    }
}

Describe 'EntraSspr-Readiness' {
    BeforeAll {
        $lab = Start-Lab -Scenario hybrid-ready
        $endpoint = Get-LabEndpoint -Lab $lab
        $poor = Start-Lab -Scenario no-license

        function Get-Result {
            # The job's last line.
            param($Job)

            ConvertFrom-Json -InputObject $Job.Output[-1]
        }
    }
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Stop-Lab -Lab $lab
        Stop-Lab -Lab $poor
    }

    It 'completes when what it watches is right: the screen, then the result as one line' {
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'license, reset_policy' }
        $job.Reason | Should -BeNullOrEmpty
        $job.State | Should -Be 'Completed'
        $job.Text | Should -Match '(?m)^pass +License '
        $result = Get-Result -Job $job
        $result.ready | Should -Be 'Yes'
        $result.tenantId | Should -Be $lab.tenants[0].tenantId
        @($result.failed).Count | Should -Be 0
        $job.Error.Count + $job.Warning.Count + $job.Progress.Count | Should -Be 0
        @($job.Output | Where-Object { $_ -isnot [string] }) | Should -BeNullOrEmpty
        @(Invoke-Lab -Lab $lab -Action violations) | Should -BeNullOrEmpty
    }

    It 'runs with the identity that the sandbox''s environment names' {
        $job = Invoke-JobProcess -Runbook EntraSspr-Readiness -Argument "-Step license" -Lab $lab
        $job.Error.Trim() | Should -BeNullOrEmpty
        $job.ExitCode | Should -Be 0
        $job.Output | Should -Match '(?m)^\{.*"ready":"Yes"'
        $job.Output | Should -Not -Match 'eyJ'
        $job.Output | Should -Not -Match ([regex]::Escape($lab.identityHeader))
        @((Invoke-Lab -Lab $lab -Action requests) | Where-Object { $_.path -eq '/msi/token' }).Count | Should -BeGreaterThan 0
    }

    It 'fails when the tenant is not ready, after it wrote everything' {
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ AllowUnknown = $true } -Setting @{ Endpoint = (Get-LabEndpoint -Lab $poor) }
        $job.State | Should -Be 'Failed'
        $job.Id | Should -BeLike 'Sspr.Readiness.NotReady*'
        $job.Reason | Should -Match 'license\.entitlement: '
        $job.Text | Should -Match '(?m)^FAIL license\.entitlement: '
        $job.Text | Should -Match '(?m)^  What to do: '
        @((Get-Result -Job $job).failed) | Should -Contain 'license.entitlement'
    }

    It 'fails when it is not known, unless it is told' {
        $job = Invoke-Job -Runbook EntraSspr-Readiness
        $job.State | Should -Be 'Failed'
        $job.Id | Should -BeLike 'Sspr.Readiness.NotKnown*'
        (Get-Result -Job $job).ready | Should -Be 'Unknown'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ AllowUnknown = $true }
        $job.State | Should -Be 'Completed'
        $job.Warning.Count | Should -Be 1
        [string]$job.Warning[0] | Should -Match 'could not be read'
    }

    It 'fails when nothing could be read, whatever it is told' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0/'; kind = 'status'; status = 403 })
        try {
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'license'; AllowUnknown = $true }
        } finally {
            [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        }
        $job.State | Should -Be 'Failed'
        $job.Id | Should -Be 'Sspr.Readiness.NothingRead'
        $job.Reason | Should -Match 'EntraSspr-SelfTest'
    }

    It 'fails when it cannot sign in, and says what to do' {
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Setting @{ Endpoint = @{ login = $lab.url; graph = $lab.url; imds = $nowhere } }
        $job.State | Should -Be 'Failed'
        $job.Id | Should -BeLike 'Sspr.SignIn.IdentityUnavailable*'
        $job.Text | Should -Match '(?m)^What to do: Run where Azure gives an identity'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Tenant = [string][guid]::NewGuid() }
        $job.State | Should -Be 'Failed'
    }

    It 'takes a list as one text, as a list, and with steps left out' {
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'license', 'mfa_enforcement' }
        $job.Text | Should -Match '\(2 of \d+ steps checked\)'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ ExcludeStep = 'hybrid,account_unlock'; AllowUnknown = $true }
        $job.Text | Should -Not -Match '(?m-i)^\S+ +Hybrid '
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'lisence' }
        $job.Id | Should -BeLike 'Sspr.Argument.Invalid*'
    }

    It 'takes its settings from a variable; a parameter goes before, and what is not known is refused' {
        $variable = @{ SsprSettings = '{"Step": ["license"], "AllowUnknown": true, "TimeBudgetMinutes": 5}'; Wrong = '{"Steps": "license"}'; Bad = '{"Cloud": "Mars"}'; Text = 'license' }
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = 'SsprSettings' } -Setting @{ Variable = $variable }
        $job.State | Should -Be 'Completed'
        $job.Text | Should -Match '\(1 of \d+ steps checked\)'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = 'SsprSettings'; Step = 'license, directory_permissions'; AllowUnknown = $false } -Setting @{ Variable = $variable }
        $job.Id | Should -BeLike 'Sspr.Readiness.NotKnown*'
        $job.Text | Should -Match '\(2 of \d+ steps checked\)'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = 'Wrong' } -Setting @{ Variable = $variable }
        $job.Id | Should -Be 'Sspr.Settings.Unknown'
        $job.Reason | Should -Match "'Steps'.*Step, ExcludeStep"
        foreach ($name in 'Bad', 'Text', 'Missing') {
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = $name } -Setting @{ Variable = $variable }
            $job.State | Should -Be 'Failed' -Because $name
        }
        $job.Reason | Should -Match 'Variables asset not found'
        @(Invoke-Lab -Lab $lab -Action violations) | Should -BeNullOrEmpty
    }

    It 'takes what a person attested, and carries it on; what is accepted fails no job' {
        Import-ModuleUnderTest
        $own = Start-Lab -Scenario hybrid-ready
        try {
            $tokens = @{
                AccessToken       = Get-PersonToken -Lab $own
                PortalAccessToken = Get-PersonToken -Lab $own -ClientId '1950a258-227b-4e31-a9cf-717495945fc2' -Scope '74658136-14ec-4630-ad9b-26e160ff0fc6/.default'
            }
            $person = Connect-SsprTenant @tokens -Endpoint (Get-LabEndpoint -Lab $own)
            $file = [System.IO.Path]::Combine($TestDrive, 'job.attest.json')
            $secret = 'canary-0123456789abcdef0123456789abcdef'
            [void](Test-SsprReadiness -Session $person -Step reset_policy | Export-SsprSnapshot -Path $file -Attest -AttestationKey (ConvertTo-Secret -Text $secret) -Session $person)
            Disconnect-Sspr -Session $person
            [void](Invoke-Lab -Lab $own -Method POST -Action 'audit/forget' -Body @{ olderThanHours = 168 })
            $before = [System.IO.File]::ReadAllText($file)
            $setting = @{ Endpoint = Get-LabEndpoint -Lab $own; Variable = @{ Key = $secret }; Before = $loud }
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'reset_policy'; Attestation = $file; AttestationKeyVariable = 'Key' } -Setting $setting
            $job.Reason | Should -BeNullOrEmpty
            $job.Text | Should -Match 'attested \d{4}-\d\d-\d\d'
            (Get-Result -Job $job).ready | Should -Be 'Yes'
            [System.IO.File]::ReadAllText($file) | Should -Not -Be $before

            [void](Invoke-Lab -Lab $own -Method POST -Action portal -Body @{ passwordReset = @{ enablementType = 0 } })
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'reset_policy'; Attestation = $file; AttestationKeyVariable = 'Key' } -Setting $setting
            $job.Id | Should -BeLike 'Sspr.Readiness.NotReady*'
            $failed = @((Get-Result -Job $job).failed)
            $failed | Should -Contain 'reset_policy.scope'
            $accepted = @(foreach ($id in $failed) { @{ finding = $id; author = 'ciso@contoso.example'; reason = 'a pilot'; until = '2099-12-31' } })
            $declared = [System.IO.Path]::Combine($TestDrive, 'job.declared.json')
            [System.IO.File]::WriteAllText($declared, (ConvertTo-Json -InputObject @{ schemaVersion = 1; accepted = $accepted } -Depth 4))
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ Step = 'reset_policy'; Attestation = $file; AttestationKeyVariable = 'Key'; DeclarationPath = $declared; AllowUnknown = $true } -Setting $setting
            $job.Reason | Should -BeNullOrEmpty
            $job.Text | Should -Match '(?m)^FAIL, accepted reset_policy\.scope'
            (Get-Result -Job $job).accepted | Should -Be $failed.Count
            $job.All + [System.IO.File]::ReadAllText($file) | Should -Not -Match 'canary'
            @(Invoke-Lab -Lab $own -Action violations) | Should -BeNullOrEmpty
        } finally {
            Stop-Lab -Lab $own
        }
    }

    It 'signs in by a connection' {
        $added = Add-StoreCertificate -Lab $lab
        if (-not $added) { Set-ItResult -Skipped -Because 'Windows PowerShell and Wine make no certificate of a PEM file'; return }
        try {
            $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ ConnectionName = 'SsprApp'; Step = 'license' } -Setting @{ Connection = @{ SsprApp = $added.Fields } }
        } finally {
            Remove-StoreCertificate -Added $added
        }
        $job.Reason | Should -BeNullOrEmpty
        $job.State | Should -Be 'Completed'
    }

    It 'tells a webhook what changed since the last job, and keeps that in a blob; no stream has their addresses' {
        $variable = @{ Hook = "$($lab.url)/hook/canary-7c1e?sig=canary-7c1e"; State = "$($lab.url)/blob/states/job.json?sig=canary-7c1e"; Key = 'canary-7c1e' }
        $settings = @{ Step = 'license'; WebhookVariable = 'Hook'; StateVariable = 'State'; SigningKeyVariable = 'Key'; WebhookFormat = 'Json'; HeartbeatHours = 24 }
        $texts = @(foreach ($run in 1, 2) { (Invoke-Job -Runbook EntraSspr-Readiness -Parameter $settings -Setting @{ Variable = $variable; Before = $loud }) })
        $texts[0].State | Should -Be 'Completed' -Because $texts[0].Reason
        $sent = @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_.path -like '/hook*' })
        # The first job has something to tell, or gives the sign of life with which silence begins.
        $sent.Count | Should -Be 1
        $texts[0].Text | Should -Match '(?m)^Told 127\.0\.0\.1: '
        $texts[1].Text | Should -Match '(?m)^Nothing to tell: Nothing changed\.'
        foreach ($one in $texts) {
            $one.All | Should -Not -Match 'canary'
            (ConvertFrom-Json -InputObject $one.Output[-1]).tenantId | Should -Be $lab.tenants[0].tenantId
        }
        $sent[0].body | Should -Not -Match 'canary'
        # A webhook that is gone fails the job, after the result was written.
        $variable['State'] = "$($lab.url)/blob/states/other.json?sig=canary-7c1e"
        $variable['Hook'] = "$($lab.url)/hook/moved?to=$nowhere/canary-7c1e"
        $failed = Invoke-Job -Runbook EntraSspr-Readiness -Parameter $settings -Setting @{ Variable = $variable; Before = $loud }
        "$($failed.State) $($failed.Id)" | Should -Match '^Failed Sspr\.Service\.Failed'
        $failed.Text | Should -Match '"ready":'
        $failed.All | Should -Not -Match 'canary'
    }

    It 'keeps nothing in its runspace' {
        $shell = New-Job
        try {
            $first = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Readiness -Parameter @{ Step = 'license, hybrid'; AllowUnknown = $true })
            @(Invoke-Shell -Shell $shell -Script 'Get-SsprSession -All').Count | Should -Be 0
            $second = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Readiness)
            @(Invoke-Shell -Shell $shell -Script 'Get-SsprSession -All').Count | Should -Be 0
        } finally {
            Close-Shell -Shell $shell
        }
        $first.State | Should -Be 'Completed'
        # The parameters of the first job are not the second's.
        $second.Id | Should -BeLike 'Sspr.Readiness.NotKnown*'
        $second.Text | Should -Not -Match 'steps checked'
    }

    It 'keeps nothing on disk' {
        $place = [System.IO.Path]::Combine($TestDrive, 'disk')
        [void][System.IO.Directory]::CreateDirectory($place)
        $modules = [System.IO.Directory]::GetFiles($env:SSPR_MODULE, '*', 'AllDirectories').Count
        $job = Invoke-JobProcess -Runbook EntraSspr-Readiness -Argument '-Step license' -Lab $lab -Environment @{ TMPDIR = $place; TEMP = $place; TMP = $place } -Before "[Environment]::CurrentDirectory = '$place'; Set-Location -LiteralPath '$place'"
        $job.ExitCode | Should -Be 0 -Because $job.Output
        # The engine's own.
        @([System.IO.Directory]::GetFiles($place, '*', 'AllDirectories') | Where-Object { [System.IO.Path]::GetFileName($_) -notmatch '^(dotnet-|clr-|CoreFxPipe_|__PSScriptPolicyTest_)' }) | Should -BeNullOrEmpty
        [System.IO.Directory]::GetFiles($env:SSPR_MODULE, '*', 'AllDirectories').Count | Should -Be $modules
    }

    It 'runs beside others in one sandbox, each with its own sign-in' {
        $shells = @(foreach ($i in 1..6) { if ($i % 2) { New-Job } else { New-Job -Endpoint (Get-LabEndpoint -Lab $poor) } })
        try {
            $jobs = @(foreach ($shell in $shells) { Start-Runbook -Shell $shell -Runbook EntraSspr-Readiness -Parameter @{ Step = 'license' } })
            $done = @(foreach ($job in $jobs) { Wait-Runbook -Job $job })
        } finally {
            foreach ($shell in $shells) { Close-Shell -Shell $shell }
        }
        $done.State -join ' ' | Should -Be 'Completed Failed Completed Failed Completed Failed'
        @($done | ForEach-Object { (Get-Result -Job $_).tenantId } | Select-Object -Unique).Count | Should -Be 2
    }

    It 'that was cut off does the same when it starts again from the beginning' {
        $whole = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ AllowUnknown = $true }
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        # The report never comes: the job is in the middle when its process is ended.
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0/reports/'; kind = 'never' })
        $file = [System.IO.Path]::Combine($folder, 'EntraSspr-Readiness.ps1')
        $child = Start-Child -Environment @{ PSModulePath = $env:PSModulePath } -Script @"
`$PSDefaultParameterValues['Connect-SsprTenant:Endpoint'] = @{ login = '$($lab.url)'; graph = '$($lab.url)'; imds = '$($lab.url)' }
& '$file' -AllowUnknown `$true
"@
        $end = [datetime]::UtcNow.AddSeconds(30)
        while (-not @((Invoke-Lab -Lab $lab -Action requests) | Where-Object { $_.path -like '/v1.0/*' }).Count -and [datetime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 100 }
        $child.HasExited | Should -BeFalse
        $child.Kill()
        [void](Wait-Child -Process $child)
        [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        $again = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ AllowUnknown = $true }
        $again.State | Should -Be $whole.State
        $times = 'read \d.*|\d{4}-\d\d-\d\dT[0-9:]+Z'
        ($again.Text -replace $times, '') | Should -Be ($whole.Text -replace $times, '')
    }

    It 'stays within what Azure keeps of a stream and the portal shows, in single lines, worst first' {
        # Such a result there is not; a directory's names may be of any length and letters.
        $huge = @'
function global:Get-HugeReadiness {
    param($Session, $TimeBudget)
    $name = [string][char]0x4E00 * 5000 + "`r`n" + [char]27 + '[31m'
    $findings = foreach ($i in 1..3000) { [pscustomobject]@{ Id = "step.$i"; Status = @('Pass', 'Skipped', 'Fail')[$i % 3]; Title = $name; Reason = $name; Decides = $true; Remediation = [pscustomobject]@{ Text = $name; Command = $name } } }
    [pscustomobject]@{
        TenantName = 'contoso'; TenantId = 'id'; Ready = 'No'; TakenAt = [datetime]::UtcNow; Screen = @($name) * 100; Findings = $findings; First = $null
        Counts = [pscustomobject]@{ Pass = 1000; Fail = 1000; Warn = 0; Skipped = 1000; NotApplicable = 0; Error = 0 }
    }
}
# An alias goes before the module's function, which the runbook imports again.
Set-Alias -Name Test-SsprReadiness -Value Get-HugeReadiness
'@
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Setting @{ Before = $huge }
        $job.State | Should -Be 'Failed'
        $job.Id | Should -BeLike 'Sspr.Readiness.NotReady*'
        $job.Reason.Length | Should -BeLessThan 10000
        [System.Text.Encoding]::UTF8.GetByteCount($job.Text) | Should -BeLessThan (200 * 1000)
        @($job.Output | Where-Object { $_ -match '\p{Cc}' }) | Should -BeNullOrEmpty
        $job.Text | Should -Match '(?m)^\(\d+ more lines are left out\.\)$'
        (Get-Result -Job $job).fail | Should -Be 1000
    }
}

Describe 'EntraSspr-Readiness in a large tenant' {
    It 'stays within a sandbox''s 400 MB, engine and all' {
        $lab = Start-Lab -Scenario one-million-users -Argument '--page-size 999'
        try {
            $job = Invoke-JobProcess -Runbook EntraSspr-Readiness -Argument '-AllowUnknown $true -TimeBudgetMinutes 1' -Lab $lab `
                -Before 'Import-Module -Name EntraSspr; & (Get-Module -Name EntraSspr) { $script:Budgets = ''off'' }' `
                -After '"PEAK {0:0}" -f ([System.Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64 / 1MB)'
        } finally {
            Stop-Lab -Lab $lab
        }
        $job.Output | Should -Match '(?m)^\{.*"ready":'
        $job.Output | Should -Match '(?m)^PEAK (\d+)'
        [void]($job.Output -match '(?m)^PEAK (\d+)')
        [int]$Matches[1] | Should -BeLessThan 400
        [System.Text.Encoding]::UTF8.GetByteCount($job.Output) | Should -BeLessThan (200 * 1000)
    }
}

# Azure's answers are composed from the shapes of its REST API (Job - Create, Job - Get; Put Blob, Get Blob), not recorded.
Describe 'EntraSspr-Fleet' {
    BeforeAll {
        $lab = Start-Lab -Scenario (@('cloud-only-ready') * 3)
        $endpoint = Get-LabEndpoint -Lab $lab
        $pem = [System.IO.Path]::Combine($TestDrive, 'app.pem')
        [System.IO.File]::WriteAllText($pem, [System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile))
        # Names that are alike once what no file's name may hold is replaced.
        # And one that is called as the file that EntraSspr-Directory writes in the same folder.
        $names = [System.Collections.Queue]@('Contoso/1', 'Contoso_1', 'joined')
        $entries = @($lab.tenants | ForEach-Object { @{ Name = $names.Dequeue(); Tenant = $_.tenantId; ClientId = $_.clientId; CertificatePath = $pem; Endpoint = $endpoint } })
        $variable = @{ EntraSsprTenants = ConvertTo-Json -InputObject $entries -Depth 4 -Compress }
        # Azure, played in the job: a job that is started runs this runbook's part at once.
        $azure = @'
$global:AzureAsked = New-Object -TypeName 'System.Collections.Generic.List[object]'
$global:AzureBlob = @{}
$env:IDENTITY_ENDPOINT = 'http://127.0.0.1:9/msi/token'
$env:IDENTITY_HEADER = 'canary-header'
function global:Start-Sleep { param($Seconds) }
function global:Invoke-RestMethod {
    param($Method, $Uri, $Headers, $ContentType, $Body, $InFile, $OutFile, [switch] $UseBasicParsing)
    # Whose the folder is that is copied from and to.
    $place = if ("$InFile$OutFile" -and [Environment]::OSVersion.Platform -eq 'Unix') { [string][System.IO.File]::GetUnixFileMode([System.IO.Path]::GetDirectoryName("$InFile$OutFile")) }
    $AzureAsked.Add([pscustomobject]@{ Method = "$Method"; Uri = "$Uri"; Body = "$Body"; Mode = $place })
    if ($Uri -like 'http://127.0.0.1:9/msi/token*') { return [pscustomobject]@{ access_token = 'canary-token'; token_type = 'Bearer' } }
    if ($Headers['Authorization'] -ne 'Bearer canary-token') { throw 'no token' }
    if ($Uri -like 'https://*.blob.core.windows.net/*') {
        $name = $Uri.Substring($Uri.LastIndexOf('/') + 1)
        if ($Method -eq 'Put') { $AzureBlob[$name] = [System.IO.File]::ReadAllText($InFile); return }
        if (-not $AzureBlob.ContainsKey($name)) {
            $gone = New-Object -TypeName System.Exception -ArgumentList 'The specified blob does not exist.'
            $gone | Add-Member -NotePropertyName Response -NotePropertyValue ([pscustomobject]@{ StatusCode = 404 })
            throw $gone
        }
        [System.IO.File]::WriteAllText($OutFile, $AzureBlob[$name])
        return
    }
    if ($Method -eq 'Put') {
        $started = (ConvertFrom-Json -InputObject $Body).properties
        $given = @{}
        foreach ($member in $started.parameters.PSObject.Properties) { $given[$member.Name] = if ($member.Name -eq 'Step') { ConvertFrom-Json -InputObject $member.Value } else { $member.Value } }
        # That a job fails is not told to who starts it.
        try { [void](& ([scriptblock]::Create([System.IO.File]::ReadAllText($global:AzureRunbook))) @given) } catch { $global:AzureFailed = "$_" }
        return [pscustomobject]@{ name = 'x'; properties = [pscustomobject]@{ status = 'New'; runbook = $started.runbook } }
    }
    if ($global:AzurePolled) { & $global:AzurePolled }
    if (-not $global:AzureWasBusy) {
        $global:AzureWasBusy = $true
        throw 'Too many requests.'
    }
    [pscustomobject]@{ properties = [pscustomobject]@{ status = 'Completed'; provisioningState = 'Succeeded' } }
}
'@
        $azure = "`$global:AzureRunbook = '$([System.IO.Path]::Combine($folder, 'EntraSspr-Fleet.ps1'))'`n$azure"
    }
    AfterAll {
        # On Windows what a job sets stays for the whole process.
        $env:IDENTITY_ENDPOINT = $null
        $env:IDENTITY_HEADER = $null
        Stop-Lab -Lab $lab
    }

    It 'checks a list in one job, and again without doing anything twice' {
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'share')).FullName
        $parameter = @{ SharePath = $share; Step = 'license, reset_policy'; Run = 'one' }
        $job = Invoke-Job -Runbook EntraSspr-Fleet -Parameter $parameter -Setting @{ Variable = $variable }
        $job.Reason | Should -BeNullOrEmpty
        $job.State | Should -Be 'Completed'
        $last = ConvertFrom-Json -InputObject $job.Output[-1]
        $last.tenants | Should -Be 3
        $last.done | Should -Be 3
        $files = @([System.IO.Directory]::GetFiles($share, '*.sspr.json') | ForEach-Object { [System.IO.Path]::GetFileName($_) })
        $files.Count | Should -Be 3
        foreach ($taken in 'joined', 'directory', 'connect') { $files | Should -Not -Contain "$taken.sspr.json" }
        [System.IO.File]::ReadAllText([System.IO.Path]::Combine($share, 'fleet.html')) | Should -Match 'Of 3: '
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        (Invoke-Job -Runbook EntraSspr-Fleet -Parameter $parameter -Setting @{ Variable = $variable }).State | Should -Be 'Completed'
        @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_ }).Count | Should -Be 0
    }

    It 'hands the list to jobs, which meet in a container, and joins what they noted' {
        $parameter = @{
            StorageAccount = 'ssprfleet'; Container = 'fleet'; Step = 'license'; Run = 'two'; JobCount = 2; PollSeconds = 1
            SubscriptionId = '00000000-0000-0000-0000-000000000001'; ResourceGroup = 'sspr'; AutomationAccount = 'sspr-jobs'
        }
        $shell = New-Job -Variable $variable -Before $azure
        try {
            $job = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Fleet -Parameter $parameter)
            $asked = @(Invoke-Shell -Shell $shell -Script '$AzureAsked')
            $blobs = @(Invoke-Shell -Shell $shell -Script '$AzureBlob')[0]
        } finally {
            Close-Shell -Shell $shell
        }
        $job.Reason | Should -BeNullOrEmpty
        $job.Text | Should -Match '2 jobs are started'
        $job.Warning | Should -Match 'not told how it is: Too many requests'
        $started = @($asked | Where-Object { $_.Method -eq 'Put' -and $_.Uri -like 'https://management.azure.com/*' })
        $started.Count | Should -Be 2
        $started[0].Uri | Should -Match '^https://management\.azure\.com/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/sspr/providers/Microsoft\.Automation/automationAccounts/sspr-jobs/jobs/[0-9a-f-]{36}\?api-version=2024-10-23$'
        @($started | ForEach-Object { (ConvertFrom-Json -InputObject $_.Body).properties.parameters.Part }) | Should -Be '1/2', '2/2'
        $blobs['fleet.html'] | Should -Match 'Of 3: '
        @($blobs.Keys | Where-Object { $_ -like '*.sspr.json' }).Count | Should -Be 3
        $other = @($asked | Where-Object { $_.Uri -notmatch '^https://(management\.azure\.com|ssprfleet\.blob\.core\.windows\.net)/|^http://127\.0\.0\.1:9/msi/token' })
        $other | Should -BeNullOrEmpty
        "$($job.Text) $($job.Warning) $($blobs.Values)" | Should -Not -Match 'canary-'
    }

    It 'started again under its name does nothing that is done, whoever did it: <Where>' -ForEach @(@{ Where = 'in a share' }, @{ Where = 'in a container' }) {
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'again')).FullName
        $parameter = @{
            Step = 'license'; Run = 'again'; JobCount = 2; PollSeconds = 1
            SubscriptionId = '00000000-0000-0000-0000-000000000001'; ResourceGroup = 'sspr'; AutomationAccount = 'sspr-jobs'
        }
        if ($Where -eq 'in a share') { $parameter['SharePath'] = $share } else { $parameter += @{ StorageAccount = 'ssprfleet'; Container = 'fleet' } }
        # One tenant refuses the app as long as the parts run, so that the job that started them does it itself.
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = ''; tenant = $lab.tenants[1].tenantId; kind = 'status'; status = 401 })
        $polled = "`$global:AzurePolled = { `$client = New-Object -TypeName System.Net.WebClient; `$client.Headers['x-lab-key'] = '$($lab.controlKey)'; [void]`$client.UploadString('$($lab.url)/_lab/faults', 'DELETE', '') }"
        $shell = New-Job -Variable $variable -Before "$azure`n$polled"
        try {
            $first = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Fleet -Parameter $parameter)
            [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
            $second = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Fleet -Parameter $parameter)
            $places = @(Invoke-Shell -Shell $shell -Script '$AzureAsked | Where-Object -FilterScript { $_.Mode } | ForEach-Object -Process { $_.Mode }')
        } finally {
            Close-Shell -Shell $shell
            [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        }
        foreach ($job in $first, $second) {
            $job.Reason | Should -BeNullOrEmpty
            (ConvertFrom-Json -InputObject $job.Output[-1]).done | Should -Be 3
        }
        @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_ }).Count | Should -Be 0
        # In a share other accounts go on with what is there; what is copied to a container is nobody else's meanwhile.
        if ([Environment]::OSVersion.Platform -eq 'Unix') {
            if ($Where -eq 'in a share') {
                @([System.IO.Directory]::GetFiles($share, '*.state')).Count | Should -Be 3
                $plain = [System.IO.Path]::Combine($share, 'plain')
                [System.IO.File]::WriteAllText($plain, '')
                $rights = [string][System.IO.File]::GetUnixFileMode($plain)
                foreach ($file in [System.IO.Directory]::GetFiles($share)) { [string][System.IO.File]::GetUnixFileMode($file) | Should -Be $rights -Because $file }
            } else {
                $places | Should -Not -BeNullOrEmpty
                foreach ($mode in $places) { $mode | Should -Be 'UserExecute, UserWrite, UserRead' }
            }
        }
    }

    It 'tells no secret in any stream, file, blob or request: <Where>' -ForEach @(@{ Where = 'in a share' }, @{ Where = 'in a container' }) {
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, "secrets $Where")).FullName
        # Secrets in the list itself, where none belongs, beside entries that are right; and a password that is not the file's.
        $wrong = @(
            @{ Name = 'secret'; Tenant = $lab.tenants[0].tenantId; ClientId = $lab.tenants[0].clientId; ClientSecret = 'canary-client-secret'; Endpoint = $endpoint }
            @{ Name = 'password'; Tenant = $lab.tenants[0].tenantId; ClientId = $lab.tenants[0].clientId; CertificatePath = $pem; CertificatePassword = 'canary-password'; Endpoint = $endpoint }
            @{ Name = 'token'; AccessToken = 'canary-access-token'; Endpoint = $endpoint }
            @{ Name = 'signature'; Tenant = $lab.tenants[0].tenantId; SasToken = 'sig=canary-signature' }
        )
        $mine = @{ EntraSsprTenants = ConvertTo-Json -InputObject ($entries + $wrong) -Depth 4 -Compress }
        $parameter = @{
            Step = 'license'; Run = 'secrets'; JobCount = 2; PollSeconds = 1
            SubscriptionId = '00000000-0000-0000-0000-000000000001'; ResourceGroup = 'sspr'; AutomationAccount = 'sspr-jobs'
        }
        if ($Where -eq 'in a share') { $parameter['SharePath'] = $share } else { $parameter += @{ StorageAccount = 'ssprfleet'; Container = 'fleet' } }
        $shell = New-Job -Variable $mine -Before "$azure`n$loud"
        try {
            $job = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Fleet -Parameter $parameter)
            $asked = @(Invoke-Shell -Shell $shell -Script '$AzureAsked | ForEach-Object -Process { "$($_.Method) $($_.Uri) $($_.Body)" }') -join "`n"
            $blobs = @(Invoke-Shell -Shell $shell -Script '$AzureBlob.Keys; $AzureBlob.Values; $AzureFailed') -join "`n"
        } finally {
            Close-Shell -Shell $shell
        }
        $job.Id | Should -Be 'Sspr.Fleet.Failed' -Because 'four entries cannot be used'
        (ConvertFrom-Json -InputObject @($job.Output | Where-Object { $_ -like '{*' })[-1]).done | Should -Be 3
        $files = Get-FileText -Folder $share
        # What is looked through is there.
        "$files$blobs" | Should -Match '(?m)fleet\.html'
        "$files$blobs" | Should -Match '"status":"Done"'
        $asked | Should -Match '"Part":'
        $job.All | Should -Match '(?m)in plain text'
        $key = [regex]::Matches([System.IO.File]::ReadAllText($lab.keyFile), '(?m)^[A-Za-z0-9+/]{60,}\r?$') | ForEach-Object { $_.Value.Trim() }
        @($key).Count | Should -BeGreaterThan 5
        foreach ($text in $job.All, $files, $asked, $blobs) {
            $text | Should -Not -Match 'canary'
            $text | Should -Not -Match 'eyJ[A-Za-z0-9_-]{8}' -Because 'a token begins so'
            foreach ($secret in $key + $lab.tenants[0].clientSecret) { $text.Contains($secret) | Should -BeFalse }
        }
        # Nothing is left where the job copied from and to.
        @([System.IO.Directory]::GetDirectories([System.IO.Path]::GetTempPath(), 'sspr-*') | Where-Object { [System.IO.Directory]::GetFiles($_, '*.state').Count }) | Should -BeNullOrEmpty
    }

    It 'says what is missing' {
        (Invoke-Job -Runbook EntraSspr-Fleet).Id | Should -Be 'Sspr.Fleet.NoPlace'
        (Invoke-Job -Runbook EntraSspr-Fleet -Parameter @{ SharePath = $TestDrive; JobCount = 2 }).Id | Should -Be 'Sspr.Fleet.NoAccount'
        (Invoke-Job -Runbook EntraSspr-Fleet -Parameter @{ SharePath = $TestDrive } -Setting @{ Variable = @{ EntraSsprTenants = 'none' } }).Id | Should -Be 'Sspr.Fleet.NoList'
    }
}

Describe 'EntraSspr-Directory' {
    BeforeAll {
        $endpoint = @{}
        $credentials = @'
function global:Get-AutomationPSCredential {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)] [string] $Name)
    if ($Name -eq 'SsprReader') { $global:TestCredential }
}
'@
    }

    It 'says what is missing' {
        (Invoke-Job -Runbook EntraSspr-Directory).Id | Should -Be 'Sspr.Directory.NoPlace'
        $job = Invoke-Job -Runbook EntraSspr-Directory -Parameter @{ SharePath = $TestDrive; CredentialName = 'Nobody' } -Setting @{ Before = $credentials }
        $job.Id | Should -Be 'Sspr.Directory.NoCredential'
        $job.Reason | Should -Match 'no credential Nobody'
    }

    It 'tells no password of a directory that it cannot reach' {
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'unreached')).FullName
        $shell = New-Job -Before "$credentials`n$loud"
        try {
            $credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList 'EXAMPLE\reader', (ConvertTo-Secret -Text 'canary-bind-password')
            [void](Invoke-Shell -Shell $shell -Script 'param($Credential) $global:TestCredential = $Credential' -Argument $credential)
            $job = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Directory -Parameter @{ SharePath = $share; CredentialName = 'SsprReader'; Domain = 'example.test'; Server = '127.0.0.1'; AllowUnknown = $true })
        } finally {
            Close-Shell -Shell $shell
        }
        $job.State | Should -Be 'Failed'
        ($job.All + (Get-FileText -Folder $share)) | Should -Not -Match 'canary'
    }

    It 'reads the directory with the credential, and joins it with the tenant''s part' {
        if (Skip-WithoutController) { return }
        $lab = Start-Lab -Scenario hybrid-ready
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'parts')).FullName
        $controllers = Get-LabController
        $connection = Get-LabDirectory -Controller $controllers[0]
        $shell = New-Job -Before "$credentials`n$loud"
        try {
            $before = 'param($Connection, $Tenant, $Share) $global:TestCredential = $Connection.Credential; foreach ($name in ''CaFile'', ''DnsServer'', ''SysvolPath'') { $global:PSDefaultParameterValues["Connect-SsprDirectory:$name"] = $Connection[$name] }; $one = Connect-SsprTenant @Tenant; Test-SsprReadiness -Session $one | Export-SsprSnapshot -Path "$Share/tenant.sspr.json"; Disconnect-Sspr -Session $one'
            [void](Invoke-Shell -Shell $shell -Script $before -Argument $connection, (Get-LabConnection -Lab $lab), $share)
            $job = Wait-Runbook -Job (Start-Runbook -Shell $shell -Runbook EntraSspr-Directory -Parameter @{ SharePath = $share; CredentialName = 'SsprReader'; Domain = $connection.Domain; AllowUnknown = $true })
        } finally {
            Close-Shell -Shell $shell
            Stop-Lab -Lab $lab
        }
        $job.Reason | Should -Match 'is not ready' -Because 'the domain has faults'
        $job.Text | Should -Match '(?m)^Joined with tenant\.sspr\.json\.'
        foreach ($file in 'directory.sspr.json', 'joined.sspr.json', 'joined.html') { [System.IO.File]::Exists([System.IO.Path]::Combine($share, $file)) | Should -BeTrue }
        foreach ($text in $job.All, (Get-FileText -Folder $share)) {
            foreach ($secret in $controllers[0].password, $lab.tenants[0].clientSecret) { $text.Contains($secret) | Should -BeFalse }
            $text | Should -Not -Match 'eyJ[A-Za-z0-9_-]{8}'
        }
    }
}

Describe 'The hybrid jobs in docs/install.md' {
    BeforeAll {
        $endpoint = @{}
        $text = [System.IO.File]::ReadAllText([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'install.md'))
        $section = [regex]::Match($text, '(?ms)^## Hybrid jobs\r?\n(.*?)^## ').Groups[1].Value
        # The tenant's, the Connect server's, and the directory's with all three joined.
        $blocks = @([regex]::Matches($section, '(?m)(^      .*(\r?\n|\z))+') | ForEach-Object { $_.Value -replace '(?m)^      ', '' })
        $share = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'followed')).FullName
        $mine = @(foreach ($block in $blocks) { $block.Replace('<share>', $share) })
        $lab = Start-Lab -Scenario hybrid-ready
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'has a block for each part' {
        $blocks.Count | Should -Be 3
        foreach ($block in $blocks) { $block | Should -Match '<share>' }
    }

    # Not here: Azure's own worker, that its jobs run as Local System, a share of another machine, and a real Connect server.
    It 'gives the tenant''s and the Connect server''s part line by line' {
        $cloud = New-Job -Endpoint (Get-LabEndpoint -Lab $lab)
        Import-ModuleUnderTest
        Start-ConnectServer
        try {
            [void](Invoke-Shell -Shell $cloud -Script $mine[0])
            [void](. ([scriptblock]::Create($mine[1])))
        } finally {
            Stop-ConnectServer
            foreach ($open in @(Get-SsprSession -All)) { Disconnect-Sspr -Session $open }
            Close-Shell -Shell $cloud
        }
        (Import-SsprSnapshot -Path ([System.IO.Path]::Combine($share, 'tenant.sspr.json'))).TenantId | Should -Be $lab.tenants[0].tenantId
        (Import-SsprSnapshot -Path ([System.IO.Path]::Combine($share, 'connect.sspr.json')) | Test-SsprReadiness -Step connect_writeback).Steps[0].Status | Should -Not -Be 'Skipped'
    }

    It 'joins them with the directory''s line by line' {
        if (Skip-WithoutController) { return }
        $connection = Get-LabDirectory -Controller (Get-LabController)[0]
        $assets = @'
param($Credential, $Place, $Runbooks)
$global:TestCredential = $Credential
foreach ($name in 'CaFile', 'DnsServer', 'SysvolPath') { $global:PSDefaultParameterValues["Connect-SsprDirectory:$name"] = $Place[$name] }
function global:Get-AutomationPSCredential {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)] [string] $Name)
    if ($Name -eq 'SsprReader') { $global:TestCredential }
}
Set-Location -LiteralPath $Runbooks
'@
        $worker = New-Job
        try {
            # The asset names its domain, which no machine of the lab is in.
            $reader = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList "Administrator@$($connection.Domain)", $connection.Credential.Password
            [void](Invoke-Shell -Shell $worker -Script $assets -Argument $reader, $connection, $folder)
            $job = Wait-Runbook -Job (Start-Script -Shell $worker -Script $mine[2])
        } finally {
            Close-Shell -Shell $worker
        }
        $job.Reason | Should -Match 'is not ready' -Because 'the domain has faults'
        foreach ($part in 'connect', 'tenant') { $job.Text | Should -Match "(?m)^Joined with $part\.sspr\.json\." }
        $joined = Import-SsprSnapshot -Path ([System.IO.Path]::Combine($share, 'joined.sspr.json'))
        $joined.TenantId | Should -Be $lab.tenants[0].tenantId
        # Each part answers in the whole what it alone can tell.
        $steps = (Test-SsprReadiness -Snapshot $joined).Steps
        foreach ($step in 'license', 'directory_permissions', 'connect_writeback') { ($steps | Where-Object { $_.Name -eq $step }).Status | Should -Not -BeIn 'Skipped', 'NotApplicable' -Because $step }
        [System.IO.File]::Exists([System.IO.Path]::Combine($share, 'joined.html')) | Should -BeTrue
    }
}

# Not here: the portal's pages, the import of module and runbooks, and a schedule.
Describe 'The scheduled job in docs/install.md' {
    BeforeAll {
        $lab = Start-Lab -Scenario hybrid-ready
        $endpoint = Get-LabEndpoint -Lab $lab
        $text = [System.IO.File]::ReadAllText([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'install.md'))
        function Get-GuideBlock {
            # The lines of a section that are to be typed or pasted, block by block.
            param([string] $Title)

            $section = [regex]::Match($text, "(?ms)^### $Title\r?\n(.*?)^##").Groups[1].Value
            [regex]::Matches($section, '(?m)(^    .*(\r?\n|\z))+') | ForEach-Object { $_.Value -replace '(?m)^    ', '' }
        }
        $identity = @(Get-GuideBlock -Title 'The identity')
        $settings = @(Get-GuideBlock -Title 'The runbooks')
        $place = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'scheduled')).FullName
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'has the blocks that are followed here' {
        "$($identity.Count) $($settings.Count)" | Should -Be '2 2'
    }

    It 'gives the identity what it lacks, and takes that back, line by line' {
        Import-ModuleUnderTest
        $lacks = 'Policy.Read.All', 'User.Read.All'
        foreach ($permission in $lacks) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/remove' -Body @{ app = 'identity'; permission = $permission }) }
        foreach ($permission in 'Application.Read.All', 'AppRoleAssignment.ReadWrite.All') { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ app = 'checker'; permission = $permission }) }
        # Whoever grants signs in with a secret here, not in a browser, and is not asked.
        $connection = Get-LabConnection -Lab $lab
        $mine = @(foreach ($block in $identity) { $block.Replace('Connect-SsprTenant -Tenant contoso.onmicrosoft.com -ClientId <its application id>', '[void](Connect-SsprTenant @connection)').Replace('<name of the Automation account>', 'identity') })
        $mine[0] | Should -Match '@connection'
        $PSDefaultParameterValues = @{ 'Grant-SsprAppPermission:Confirm' = $false }
        Push-Location -Path $place
        try {
            $shown, $done = @(. ([scriptblock]::Create($mine[0])))
            $journal = [System.IO.Path]::GetFileName($done.Journal)
            $journal | Should -Match '^sspr-plan-.+\.jsonl$'
            $undone = . ([scriptblock]::Create($mine[1].Replace('sspr-plan-<time>.jsonl', $journal)))
        } finally {
            Pop-Location
            Disconnect-Sspr
            foreach ($permission in $lacks) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ app = 'identity'; permission = $permission }) }
        }
        @($shown.Missing) | Should -Be $lacks
        $shown.Type | Should -Be 'ManagedIdentity'
        @($done.Granted) | Should -Be $lacks
        @($undone.Changes.Outcome | Select-Object -Unique) | Should -Be 'Undone'
    }

    It 'runs with the settings, and tells what changed' {
        (Invoke-Job -Runbook EntraSspr-SelfTest).State | Should -Be 'Completed'
        $variable = @{ Watched = $settings[0]; Told = $settings[1]; SsprWebhook = "$($lab.url)/hook/guide"; SsprState = "$($lab.url)/blob/states/sspr.json?sig=x" }
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = 'Watched' } -Setting @{ Variable = $variable }
        $job.Reason | Should -BeNullOrEmpty
        $job.Text | Should -Match '\(2 of \d+ steps checked\)'
        $job = Invoke-Job -Runbook EntraSspr-Readiness -Parameter @{ SettingsVariable = 'Told'; AllowUnknown = $true } -Setting @{ Variable = $variable }
        $job.Reason | Should -BeNullOrEmpty
        $job.Text | Should -Match '(?m)^Told 127\.0\.0\.1: '
        @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_.path -eq '/hook/guide' }).Count | Should -Be 1
    }
}
