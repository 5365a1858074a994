# Many tenants in one run, against a lab with several.
BeforeAll {
    . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
    . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
    Import-ModuleUnderTest
    $lab = Start-Lab -Scenario (@('cloud-only-ready') * 3 + 'no-license')
    $signIn = @{ Endpoint = Get-LabEndpoint -Lab $lab; ClientSecret = ConvertTo-Secret -Text $lab.tenants[0].clientSecret }
    $list = @($lab.tenants | ForEach-Object { [pscustomobject]@{ Tenant = $_.tenantId; ClientId = $_.clientId; Name = $_.domains[0] } })
}

AfterAll {
    Stop-Lab -Lab $lab
}

Describe 'Invoke-SsprFleet' {
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }

    It 'gives one result a tenant, with its steps and its whole answer' {
        $results = @($list | Invoke-SsprFleet -SignIn $signIn -Step license, reset_policy)
        $results.Count | Should -Be 4
        @($results.Status | Select-Object -Unique) | Should -Be 'Done'
        foreach ($tenant in $lab.tenants) {
            $one = @($results | Where-Object { $_.TenantId -eq $tenant.tenantId })
            $one.Count | Should -Be 1
            $one[0].Name | Should -Be $tenant.domains[0]
            @($one[0].Steps.Name) | Should -Be 'license', 'reset_policy'
            $one[0].Readiness.PSObject.TypeNames[0] | Should -Be 'EntraSspr.Readiness'
            $one[0].Readiness.TenantId | Should -Be $tenant.tenantId
        }
        ($results | Where-Object { $_.TenantId -eq $lab.tenants[3].tenantId }).Steps[0].Status | Should -Be 'Fail'
        # Nothing is left open.
        @(Get-SsprSession -All).Count | Should -Be 0
    }

    It 'shows a matrix of tenants by steps' {
        $text = $list | Invoke-SsprFleet -SignIn $signIn -Step license, reset_policy | Out-String -Width 160
        $text | Should -Match '(?m)^Name +Ready +Lic +Pol '
        $text | Should -Match "(?m)^$([regex]::Escape($lab.tenants[3].domains[0].Substring(0, 15))).* +No +FAIL "
    }

    It 'keeps what is wrong with an entry, and what a tenant answers, to that one' {
        $mine = @(
            $list[0]
            [pscustomobject]@{ Tenant = $lab.tenants[1].tenantId; ClientId = $lab.tenants[1].clientId; Name = 'in plain text'; ClientSecret = 'canary-secret' }
            [pscustomobject]@{ Tenant = 'nobody.example'; ClientId = $lab.tenants[1].clientId }
            [pscustomobject]@{ Tenannt = 'x' }
            @{ Name = 'no file'; Tenant = $lab.tenants[2].tenantId; ClientId = $lab.tenants[2].clientId; CertificatePath = (Join-Path $TestDrive 'none.pem') }
            $list[0]
        )
        $errors = $null
        $results = @($mine | Invoke-SsprFleet -SignIn $signIn -Step license -ErrorVariable errors)
        $results.Count | Should -Be 6
        $by = @{}
        foreach ($one in $results) { $by[$one.Name] = $one }
        $by[$list[0].Name].Status | Should -Be 'Done'
        @($results | Where-Object { $_.Name -eq $list[0].Name -and $_.Reason -match 'another entry has the name' }).Count | Should -Be 1
        $by['in plain text'].Reason | Should -Match 'ClientSecret in plain text; use a certificate'
        $by['nobody.example'].Reason | Should -Match 'AADSTS90002'
        $by['entry 4'].Reason | Should -Match "no member 'Tenannt'"
        $by['no file'].Reason | Should -Match 'none\.pem cannot be read'
        ($results | ConvertTo-Json -Depth 6) | Should -Not -Match 'canary-secret'
    }

    It 'reads the list from a CSV and from a JSON file' {
        $csv = Join-Path $TestDrive 'tenants.csv'
        $json = Join-Path $TestDrive 'tenants.json'
        $list | Select-Object -First 2 | Export-Csv -Path $csv -NoTypeInformation
        ConvertTo-Json -InputObject @($list | Select-Object -First 2) | Set-Content -Path $json
        foreach ($path in $csv, $json) {
            $results = @(Invoke-SsprFleet -Path $path -SignIn $signIn -Step license)
            @($results.Status) | Should -Be 'Done', 'Done' -Because $path
        }
        Set-Content -Path $csv -Value ''
        { Invoke-SsprFleet -Path $csv -SignIn $signIn } | Should -Throw -ErrorId 'Sspr.Argument.Invalid,Invoke-SsprFleet'
    }

    It 'signs in with one app''s certificate everywhere' {
        $with = @{ Endpoint = Get-LabEndpoint -Lab $lab; CertificatePath = Join-Path $TestDrive 'app.pem' }
        Set-Content -Path $with['CertificatePath'] -Value ([System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile))
        $results = @($list | Invoke-SsprFleet -SignIn $with -Step license)
        @($results.Status | Select-Object -Unique) | Should -Be 'Done'
    }

    It 'signs in with one app that trusts a managed identity' {
        $many = Start-Lab -Scenario cloud-only-ready
        try {
            $identity = @{ ClientId = $many.tenants[0].clientId; FederatedIdentity = $many.tenants[0].apps.'identity-user'.clientId; Endpoint = Get-LabEndpoint -Lab $many }
            $results = @($many.tenants[0].tenantId | Invoke-SsprFleet -SignIn $identity -Step license)
        } finally {
            Stop-Lab -Lab $many
        }
        $results[0].Reason | Should -BeNullOrEmpty
        $results[0].Status | Should -Be 'Done'
    }

    It 'checks forests, alone and with their tenants' {
        if (Skip-WithoutController) { return }
        $connection = Get-LabDirectory -Controller (Get-LabController)[0]
        $forest = @{ Domain = $connection.Domain; DirectoryCredential = $connection.Credential; DirectoryCaFile = $connection.CaFile; DnsServer = $connection.DnsServer; SysvolPath = $connection.SysvolPath }
        $wrong = $forest.Clone()
        $wrong['Name'] = 'wrong password'
        $wrong['DirectoryCredential'] = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $connection.Credential.UserName, (ConvertTo-Secret -Text 'canary-password')
        $hybrid = Start-Lab -Scenario hybrid-ready
        $both = @{ Name = 'both'; Tenant = $hybrid.tenants[0].tenantId; ClientId = $hybrid.tenants[0].clientId } + $forest
        $secret = @{ Endpoint = Get-LabEndpoint -Lab $hybrid; ClientSecret = ConvertTo-Secret -Text $hybrid.tenants[0].clientSecret }
        try {
            $results = @($forest, $wrong, $both | Invoke-SsprFleet -SignIn $secret -Step license, directory_permissions)
        } finally {
            Stop-Lab -Lab $hybrid
        }
        $by = @{}
        foreach ($one in $results) { $by[$one.Name] = $one }
        $steps = { param($Name) ($by[$Name].Steps | ForEach-Object { "$($_.Name) $($_.Status)" }) -join ', ' }
        & $steps $connection.Domain | Should -Be 'license Skipped, directory_permissions Fail'
        & $steps 'both' | Should -Be 'license Pass, directory_permissions Fail'
        # A directory that is not let in is that target's.
        ($by['wrong password'].Reason + ($by['wrong password'].Readiness | ConvertTo-Json -Depth 8)) | Should -Not -Match 'canary'
        & $steps 'wrong password' | Should -Not -Match 'directory_permissions Fail'
        @(Get-SsprSession -All).Count | Should -Be 0
    }

    It 'goes on with what was not done, and does nothing again' {
        $state = Join-Path $TestDrive 'fleet.state'
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0'; tenant = $lab.tenants[1].tenantId; kind = 'never' })
        $first = @($list | Invoke-SsprFleet -SignIn $signIn -Step license -StatePath $state -TenantTimeout ([timespan]::FromSeconds(3)))
        ($first | Where-Object { $_.Status -eq 'Failed' }).Reason | Should -Match 'took longer than 3 s'
        [System.IO.File]::ReadAllText($state) | Should -Not -Match ([regex]::Escape($lab.tenants[0].clientSecret))
        [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        $second = @($list | Invoke-SsprFleet -SignIn $signIn -Step license -Resume $state)
        @($second.Status | Select-Object -Unique) | Should -Be 'Done'
        @($second | Where-Object { $_.Resumed }).Count | Should -Be 3
        @((Invoke-Lab -Lab $lab -Action requests) | Where-Object { $_.tenantId } | ForEach-Object { $_.tenantId } | Select-Object -Unique) | Should -Be $lab.tenants[1].tenantId
        { $list | Invoke-SsprFleet -SignIn $signIn -StatePath $state } | Should -Throw -ErrorId 'Sspr.File.Write,Invoke-SsprFleet'
    }

    It 'goes on after its process was killed' {
        $state = Join-Path $TestDrive 'killed.state'
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0'; tenant = $lab.tenants[3].tenantId; kind = 'never' })
        $file = Join-Path $TestDrive 'killed.json'
        $with = Join-Path $TestDrive 'killed.pem'
        Set-Content -Path $with -Value ([System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile))
        ConvertTo-Json -InputObject $list | Set-Content -Path $file
        $child = Start-Child -Script @"
Import-Module -Name '$($env:SSPR_MODULE)/EntraSspr.psd1'
`$endpoint = @{ login = '$($lab.url)'; graph = '$($lab.url)'; imds = '$($lab.url)' }
Invoke-SsprFleet -Path '$file' -SignIn @{ Endpoint = `$endpoint; CertificatePath = '$with' } -Step license -StatePath '$state'
"@
        $lines = { if ([System.IO.File]::Exists($state)) { $copy = "$state.copy"; [System.IO.File]::Copy($state, $copy, $true); [System.IO.File]::ReadAllLines($copy).Count } else { 0 } }
        $end = [datetime]::UtcNow.AddSeconds(40)
        while ((& $lines) -lt 4 -and [datetime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 100 }
        & $lines | Should -Be 4 -Because 'three are done and one hangs'
        $child.HasExited | Should -BeFalse
        $child.Kill()
        [void](Wait-Child -Process $child)
        [void](Invoke-Lab -Lab $lab -Method DELETE -Action faults)
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        $results = @($list | Invoke-SsprFleet -SignIn $signIn -Step license -Resume $state)
        @($results | Where-Object { $_.Resumed }).Count | Should -Be 3
        @($results.Status | Select-Object -Unique) | Should -Be 'Done'
        @((Invoke-Lab -Lab $lab -Action requests) | Where-Object { $_.tenantId } | ForEach-Object { $_.tenantId } | Select-Object -Unique) | Should -Be $lab.tenants[3].tenantId
    }

    It 'goes on in the first of several files, or begins a new one with what all know' {
        $one, $two, $both = 'one', 'two', 'both' | ForEach-Object { Join-Path $TestDrive "$_.state" }
        [void]@($list | Select-Object -First 2 | Invoke-SsprFleet -SignIn $signIn -Step license -StatePath $one)
        [void]@($list | Select-Object -Skip 2 -First 1 | Invoke-SsprFleet -SignIn $signIn -Step license -StatePath $two)
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        $results = @($list | Invoke-SsprFleet -SignIn $signIn -Step license -StatePath $both -Resume $one, $two)
        @($results | Where-Object { $_.Resumed }).Count | Should -Be 3
        $results = @($list | Invoke-SsprFleet -SignIn $signIn -Step license -Resume $one, $both)
        @($results | Where-Object { $_.Resumed }).Count | Should -Be 4
        @((Invoke-Lab -Lab $lab -Action requests) | Where-Object { $_.tenantId } | ForEach-Object { $_.tenantId } | Select-Object -Unique) | Should -Be $lab.tenants[3].tenantId
        [System.IO.File]::ReadAllLines($one).Count | Should -Be 5
    }

    It 'writes one page of all, also of results that were saved' {
        $page = Join-Path $TestDrive 'fleet.html'
        $results = @($list | Invoke-SsprFleet -SignIn $signIn -Step license)
        $results | Export-SsprReport -Path $page
        $text = [System.IO.File]::ReadAllText($page)
        foreach ($one in $list) { $text | Should -Match ([regex]::Escape($one.Name)) }
        $text | Should -Match 'Of 4: 3 ready, 1 not ready\.'
        $saved = Join-Path $TestDrive 'results.xml'
        $results | Export-Clixml -Path $saved
        Import-Clixml -Path $saved | Export-SsprReport -Path $page -Force
        [System.IO.File]::ReadAllText($page) | Should -Match 'Of 4: 3 ready, 1 not ready\.'
        { $results | Export-SsprReport -Path (Join-Path $TestDrive 'fleet.csv') } | Should -Throw -ErrorId 'Sspr.Argument.Invalid,Export-SsprReport'
    }
}

Describe 'The fleet in docs/install.md' {
    BeforeAll {
        # An app of many tenants has one id in all of them.
        # Where the lab runs, which under Wine is another system.
        $scenario = if (Test-Wine) { "/tmp/one-app-$([guid]::NewGuid()).json" } else { [System.IO.Path]::Combine($TestDrive, 'one-app.json') }
        [System.IO.File]::WriteAllText((Get-LabPath -Path $scenario), '{"extends": "cloud-only-ready", "about": "An app of many tenants.", "apps": {"checker": {"clientId": "11111111-2222-4333-8444-555555555555"}}}')
        $many = Start-Lab -Scenario $scenario, $scenario
    }
    AfterAll {
        Stop-Lab -Lab $many
        [System.IO.File]::Delete((Get-LabPath -Path $scenario))
    }

    It 'can be followed line by line on one machine' {
        $text = [System.IO.File]::ReadAllText([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'install.md'))
        $section = [regex]::Match($text, '(?ms)^## The fleet\r?\n(.*?)^## ').Groups[1].Value
        $blocks = @([regex]::Matches($section, '(?m)(^    .*(\r?\n|\z))+') | ForEach-Object { $_.Value -replace '(?m)^    ', '' })
        $blocks.Count | Should -Be 5
        # What a reader fills in, and where the lab is.
        $mine = @(foreach ($block in $blocks) {
                $block.Replace('<first tenant>', $many.tenants[0].tenantId).Replace('<second tenant>', $many.tenants[1].tenantId).Replace('<client id>', $many.tenants[0].clientId).Replace("'app.pem' }", "'app.pem'; Endpoint = `$endpoint }")
            })
        $endpoint = Get-LabEndpoint -Lab $many
        $place = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($TestDrive, 'followed')).FullName
        [System.IO.File]::WriteAllText([System.IO.Path]::Combine($place, 'tenants.csv'), $mine[0])
        [System.IO.File]::WriteAllText([System.IO.Path]::Combine($place, 'app.pem'), [System.IO.File]::ReadAllText($many.certificateFile) + [System.IO.File]::ReadAllText($many.keyFile))
        Push-Location -Path $place
        try {
            $first = @(. ([scriptblock]::Create($mine[1])))
            $again = @(. ([scriptblock]::Create($mine[2])))
        } finally {
            Pop-Location
        }
        @($first.Name | Sort-Object) | Should -Be 'First', 'Second'
        @($first.Status | Select-Object -Unique) | Should -Be 'Done'
        [System.IO.File]::ReadAllText([System.IO.Path]::Combine($place, 'fleet.html')) | Should -Match 'Of 2: '
        @($again | Where-Object { $_.Resumed }).Count | Should -Be 2
        @(ConvertFrom-Json -InputObject $mine[3] | ForEach-Object { $_ }).Count | Should -Be 2
        # The line that starts the runbook has parameters that it has.
        $tree = [System.Management.Automation.Language.Parser]::ParseInput($mine[4].Replace('<share>', 'share'), [ref]$null, [ref]$null)
        $named = @($tree.FindAll({ param($node) $node -is [System.Management.Automation.Language.CommandParameterAst] }, $true) | ForEach-Object { $_.ParameterName })
        $known = (Get-Command -Name ([System.IO.Path]::Combine($env:SSPR_MODULE, 'runbooks', 'EntraSspr-Fleet.ps1'))).Parameters.Keys
        foreach ($one in $named) { $known | Should -Contain $one }
    }
}
