BeforeDiscovery {
    $public = [System.IO.Path]::Combine($PSScriptRoot, '..', 'EntraSspr', 'Public')
    $cmdlets = @([System.IO.Directory]::GetFiles($public, '*.ps1') | ForEach-Object { [System.IO.Path]::GetFileNameWithoutExtension($_) })
}

Describe 'The manifest' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $manifest = Import-PowerShellDataFile -Path ([System.IO.Path]::Combine($env:SSPR_MODULE, 'EntraSspr.psd1'))
        $files = @([System.IO.Directory]::GetFiles([System.IO.Path]::Combine($PSScriptRoot, '..', 'EntraSspr', 'Public'), '*.ps1') |
                ForEach-Object { [System.IO.Path]::GetFileNameWithoutExtension($_) } | Sort-Object)
    }

    It 'exports one function for each file in Public, and nothing else' {
        @($manifest.FunctionsToExport | Sort-Object) -join ' ' | Should -Be ($files -join ' ')
        @((Get-Command -Module EntraSspr).Name | Sort-Object) -join ' ' | Should -Be ($files -join ' ')
        $manifest.CmdletsToExport.Count + $manifest.AliasesToExport.Count + $manifest.VariablesToExport.Count | Should -Be 0
    }

    It 'exports commands that write a file as Export-Csv does: with -WhatIf and -Confirm' {
        foreach ($command in Get-Command -Module EntraSspr -Verb Export) {
            $command.Parameters.Keys | Should -Contain 'WhatIf' -Because $command.Name
            $command.Parameters.Keys | Should -Contain 'Confirm' -Because $command.Name
        }
    }

    It 'needs no other module, and says that it runs in 5.1 and 7' {
        $manifest.ContainsKey('RequiredModules') | Should -BeFalse
        $manifest.PowerShellVersion | Should -Be '5.1'
        $manifest.CompatiblePSEditions | Should -Contain 'Desktop'
        $manifest.CompatiblePSEditions | Should -Contain 'Core'
    }

    It 'has sources of plain ASCII' {
        foreach ($file in [System.IO.Directory]::GetFiles($env:SSPR_MODULE, '*.ps*1', 'AllDirectories')) {
            [System.IO.File]::ReadAllText($file) | Should -Not -Match '[^\x00-\x7F]' -Because $file
        }
    }
}

Describe 'Errors' {
    BeforeAll {
        $sources = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($PSScriptRoot, '..', 'EntraSspr'))
    }

    It 'of the module itself say what to do' {
        $documents = 0
        foreach ($file in [System.IO.Directory]::GetFiles($sources, '*.ps1', 'AllDirectories')) {
            $tokens = $null
            $problems = $null
            $tree = [System.Management.Automation.Language.Parser]::ParseFile($file, [ref]$tokens, [ref]$problems)
            $tables = $tree.FindAll({ param($node) $node -is [System.Management.Automation.Language.HashtableAst] }, $true)
            foreach ($table in $tables) {
                $keys = @($table.KeyValuePairs | ForEach-Object { $_.Item1.Extent.Text })
                # An error document has these two.
                if ($keys -notcontains 'name' -or $keys -notcontains 'category') { continue }
                $documents++
                $keys | Should -Contain 'help' -Because "$file line $($table.Extent.StartLineNumber)"
            }
        }
        $documents | Should -BeGreaterThan 10
    }
}

Describe 'The README' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
    }

    It 'names every permission that a check asks for, and none that writes' {
        $text = [System.IO.File]::ReadAllText([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'README.md'))
        $permissions = @(Get-SsprCheck | ForEach-Object { $_.Permissions } | Select-Object -Unique)
        $permissions.Count | Should -BeGreaterThan 10
        foreach ($permission in $permissions) {
            $text | Should -Match ([regex]::Escape("``$permission``"))
            $permission | Should -Not -Match 'Write'
        }
    }
}

Describe 'Help' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
    }

    It '<_> has a synopsis, a description, every parameter, an example and a link' -ForEach $cmdlets {
        $name = $_
        $help = Get-Help -Name $name -Full
        $help.Synopsis.Trim() | Should -Not -Match "^$name"
        ($help.description | Out-String).Trim() | Should -Not -BeNullOrEmpty
        @($help.examples.example).Count | Should -BeGreaterThan 0
        @($help.relatedLinks.navigationLink | Where-Object { $_.PSObject.Properties['uri'] -and $_.uri -like 'https://*' }).Count | Should -BeGreaterThan 0
        $common = @([System.Management.Automation.PSCmdlet]::CommonParameters) + @([System.Management.Automation.PSCmdlet]::OptionalCommonParameters)
        foreach ($parameter in (Get-Command -Name $name).Parameters.Keys) {
            if ($common -contains $parameter) { continue }
            $described = @($help.parameters.parameter | Where-Object { $_.name -eq $parameter })
            ($described.description | Out-String).Trim() | Should -Not -BeNullOrEmpty -Because "-$parameter needs a word"
        }
    }

    It 'about_EntraSspr is there' {
        Get-Help -Name about_EntraSspr | Out-String | Should -Match 'Connect-SsprTenant'
    }
}

Describe 'The examples in the help' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        # What the examples name, as the lab has it.
        $connection = Get-LabConnection -Lab $lab
        $clientId = $connection.ClientId
        $clientSecret = $connection.ClientSecret
        $webhook = ConvertTo-Secret -Text "$($lab.url)/hook/example"
        Push-Location -Path $TestDrive
        $pem = [System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile)
        [System.IO.File]::WriteAllText([System.IO.Path]::Combine($TestDrive, 'app.pem'), $pem)
        [void](Connect-SsprTenant @connection)
        [void](Test-SsprReadiness -Step license | Export-SsprSnapshot -Path 'contoso.sspr.json')
        # What a person read and attested.
        $key = ConvertTo-Secret -Text '0123456789abcdef0123456789abcdef'
        $tokens = @{
            AccessToken       = Get-PersonToken -Lab $lab
            PortalAccessToken = Get-PersonToken -Lab $lab -ClientId '1950a258-227b-4e31-a9cf-717495945fc2' -Scope '74658136-14ec-4630-ad9b-26e160ff0fc6/.default'
        }
        $person = Connect-SsprTenant @tokens -Endpoint $connection.Endpoint
        Test-SsprReadiness -Step reset_policy | Export-SsprSnapshot -Path 'person.sspr.json'
        [void](Import-SsprSnapshot -Path 'person.sspr.json' | Export-SsprSnapshot -Path 'contoso.attest.json' -Attest -AttestationKey $key)
        Disconnect-Sspr -Session $person
        [System.IO.File]::WriteAllText([System.IO.Path]::Combine($TestDrive, 'contoso.declared.json'), '{"schemaVersion":1}')
        [void](Connect-SsprTenant @connection)
        $before = Test-SsprReadiness
        $plan = New-SsprPlan -DesiredState '{"schemaVersion":1}'
        $result = $plan | Invoke-SsprPlan -JournalPath 'plan.jsonl' -Confirm:$false
        New-SsprDesiredState -Path 'mine.json'
        [pscustomobject]@{ Id = 33004; ProviderName = 'PasswordResetService'; Message = 'hr=80230626' } | Export-Clixml -Path 'events.xml'
        [pscustomobject]@{ Tenant = $connection.Tenant } | Export-Csv -Path 'tenants.csv' -NoTypeInformation
        $signIn = @{ ClientId = $clientId; CertificatePath = 'app.pem'; Endpoint = $connection.Endpoint }
        [pscustomobject]@{ UserPrincipalName = 'staff1@contoso.example' } | Export-Csv -Path 'pilot.csv' -NoTypeInformation
        $defaults = @{ 'Connect-SsprTenant:Endpoint' = $connection.Endpoint }
        $directory, $child = @(Get-LabController) | Select-Object -First 2
        if ($null -ne $directory) {
            $controller = $directory.host
            $lent = Get-LabDirectory -Controller $directory
            $reader = $lent.Credential
            $caFile = $lent.CaFile
            $connector = Get-LabConnector -Controller $directory
            $password = ConvertTo-Secret -Text 'Example-Passw0rd-1!'
            foreach ($name in $lent.Keys) { $defaults["Connect-SsprDirectory:$name"] = $lent[$name] }
        }
    }
    BeforeEach {
        $turn = Enter-LabTurn
        [void](Connect-SsprTenant @connection)
        if ($null -ne $directory) {
            [void](Connect-SsprDirectory @lent)
            $other = Get-LabDirectory -Controller $child
            [void](Connect-SsprDirectory @other)
        }
    }
    AfterEach {
        Stop-ConnectServer
        # An example checks all that are signed in.
        Disconnect-Sspr -All
        Exit-LabTurn -Turn $turn
    }
    AfterAll {
        Pop-Location
        Stop-Lab -Lab $lab
    }

    It 'of <_> run' -ForEach $cmdlets {
        if ($_ -match 'Directory|Connector|PasswordPolicy|Writeback' -and (Skip-WithoutController)) { return }
        if ($_ -match 'ConnectServer') { Start-ConnectServer -With @{ Relays = @('127.0.0.1:1') } }
        $PSDefaultParameterValues = $defaults
        foreach ($example in @((Get-Help -Name $_ -Full).examples.example)) {
            # Not a new scope: the defaults and the names above are for it.
            $failed = Get-Failure -Script ([scriptblock]::Create("`$ErrorActionPreference = 'Stop'; " + $example.code))
            "$failed" | Should -BeNullOrEmpty -Because $example.code
        }
    }
}
