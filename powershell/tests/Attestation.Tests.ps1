Describe 'What a person attested' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        $key = ConvertTo-Secret -Text 'canary-0123456789abcdef0123456789abcdef'
        $file = [System.IO.Path]::Combine($TestDrive, 'contoso.attest.json')
        $step = 'reset_policy', 'notifications'

        $graph = Get-PersonToken -Lab $lab
        $portal = Get-PersonToken -Lab $lab -ClientId '1950a258-227b-4e31-a9cf-717495945fc2' -Scope '74658136-14ec-4630-ad9b-26e160ff0fc6/.default'
        $person = Connect-SsprTenant -AccessToken $graph -PortalAccessToken $portal -Endpoint (Get-LabEndpoint -Lab $lab)
        $read = Test-SsprReadiness -Session $person -Step $step
        $made = $read | Export-SsprSnapshot -Path $file -Attest -AttestationKey $key -Session $person
        $app = Connect-SsprTenant @connection
        [void](Invoke-Lab -Lab $lab -Method POST -Action 'audit/forget' -Body @{ olderThanHours = 168 })

        function Get-Finding {
            param($Readiness, [string] $Id)

            @($Readiness.Findings | Where-Object { $_.Id -eq $Id })[0]
        }
    }

    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'is told with the settings that can be attested' {
        $made.Keyed | Should -BeTrue
        $made.Changes | Should -Contain 'NumberOfRequiredContactMethodsForUsers'
        $shown = $made | Out-String
        $shown | Should -Match 'by its key'
        $shown | Should -Match 'Audit log\s+: known from \d{4}-\d\d-\d\d'
    }

    It 'is what an app reads then, which says so' {
        $without = Test-SsprReadiness -Step $step
        (Get-Finding -Readiness $without -Id reset_policy.methods_required).Status | Should -Be 'Skipped'
        $with = Test-SsprReadiness -Step $step -Attestation $file -AttestationKey $key
        $found = Get-Finding -Readiness $with -Id reset_policy.methods_required
        $found.Status | Should -Be 'Pass'
        $found.Evidence[0].Source | Should -Be 'attestation'
        $with.Attestation.Written | Should -BeTrue
        $with.Notes -join ' ' | Should -Match '^Attested by ada@contoso\.example on '
        $with.Screen -join ' ' | Should -Match 'a key vouches for it'
    }

    It 'gives way to a later change' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action portal -Body @{ passwordReset = @{ numberOfAuthenticationMethodsRequired = 1 } })
        $with = Test-SsprReadiness -Step $step -Attestation $file -AttestationKey $key
        (Get-Finding -Readiness $with -Id reset_policy.methods_required).Status | Should -Not -Be 'Pass'
        [System.IO.File]::ReadAllText($file) | Should -Not -Match 'canary'
    }

    It 'is refused when it was forged, or without its key' {
        $failure = Get-Failure -Script { Test-SsprReadiness -Step $step -Attestation $file }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Attestation.Invalid,Test-SsprReadiness'
        $forged = [System.IO.Path]::Combine($TestDrive, 'forged.json')
        [System.IO.File]::WriteAllText($forged, ([System.IO.File]::ReadAllText($file) -replace '"value": "1"', '"value": "2"'))
        $failure = Get-Failure -Script { Assert-SsprReadiness -Step $step -Attestation $forged -AttestationKey $key }
        "$failure" | Should -Match 'was changed since it was written'
        $failure = Get-Failure -Script { Test-SsprReadiness -Step $step -AttestationKey $key }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Test-SsprReadiness'
        $failure = Get-Failure -Script { Test-SsprReadiness -Step $step | Export-SsprSnapshot -Path ([System.IO.Path]::Combine($TestDrive, 'app.json')) -Attest }
        "$failure" | Should -Match 'attests nothing'
    }

    It 'is not carried on without the log, with a warning' {
        $log = @{ app = 'checker'; permission = 'AuditLog.Read.All'; revoke = $true }
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/remove -Body $log)
        $with = Test-SsprReadiness -Step $step -Attestation $file -AttestationKey $key -WarningVariable warned -WarningAction SilentlyContinue
        $warned -join ' ' | Should -Match 'was not carried on: the audit log was not read whole'
        $with.Attestation.Written | Should -BeFalse
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/add -Body $log)
    }
}

Describe 'What is declared and accepted' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-faulty
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $plain = Test-SsprReadiness -Step license
        $failed = @($plain.Findings | Where-Object { $_.Status -eq 'Fail' })
        $file = [System.IO.Path]::Combine($TestDrive, 'declared.json')

        function Set-Declaration {
            # Accepts every finding that fails.
            param([string] $Until = '2099-12-31', [string] $Finding)

            $accepted = @(foreach ($id in $(if ($Finding) { $Finding } else { $failed.Id | Select-Object -Unique })) { @{ finding = $id; author = 'ciso@contoso.example'; reason = 'a pilot'; until = $Until } })
            [System.IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject @{ schemaVersion = 1; accepted = $accepted } -Depth 4))
        }
    }

    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'stays visible, and fails no job' {
        $failed.Count | Should -BeGreaterThan 0
        Set-Declaration
        $with = Test-SsprReadiness -Step license -DeclarationPath $file
        $with.Counts.Fail | Should -Be 0
        $with.Counts.Accepted | Should -BeGreaterThan 0
        $with.Ready | Should -Not -Be 'No'
        $one = @($with.Findings | Where-Object { $_.Id -eq $failed[0].Id })[0]
        $one.Status | Should -Be 'Fail'
        $one.Waiver.By | Should -Be 'ciso@contoso.example'
        ($one | Format-List | Out-String) | Should -Match 'Accepted\s+: by ciso@contoso\.example until 2099-12-31: a pilot'
        ($with.Findings | Out-String) | Should -Match 'Fail accepted'
        $with.Screen -join ' ' | Should -Match "$($with.Counts.Accepted) accepted"
        Assert-SsprReadiness -Step license -DeclarationPath $file -AllowUnknown
        # A saved snapshot is judged the same way.
        ($plain.Snapshot | Test-SsprReadiness -Step license -DeclarationPath $file).Counts.Accepted | Should -Be $with.Counts.Accepted
        $changes = Compare-SsprResult -Reference $plain -Difference $with
        ($changes | Where-Object { $_.Id -eq $failed[0].Id }).Change | Should -Be 'Accepted'
        Compare-SsprResult -Reference $with -Difference $with -ExcludeSame | Should -BeNullOrEmpty
        (Compare-SsprResult -Reference $with -Difference $plain | Where-Object { $_.Id -eq $failed[0].Id }).Change | Should -Be 'New'
        # Also when it comes from a file.
        $report = [System.IO.Path]::Combine($TestDrive, 'with.json')
        $with | Export-SsprReport -Path $report
        (Compare-SsprResult -Reference $report -Difference $plain | Where-Object { $_.Id -eq $failed[0].Id }).Change | Should -Be 'New'
    }

    It 'counts again after its end, and says so' {
        Set-Declaration -Until 2020-01-31
        $with = Test-SsprReadiness -Step license -DeclarationPath $file
        $with.Ready | Should -Be 'No'
        $with.Counts.Accepted | Should -Be 0
        $with.Notes -join ' ' | Should -Match 'was accepted by ciso@contoso\.example until 2020-01-31: that has ended, and it counts again'
        { Assert-SsprReadiness -Step license -DeclarationPath $file } | Should -Throw
    }

    It 'is refused with the member that is wrong' {
        Set-Declaration -Finding license.nothing
        $failure = Get-Failure -Script { Test-SsprReadiness -Step license -DeclarationPath $file }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Declaration.Invalid,Test-SsprReadiness'
        $failure.TargetObject | Should -Be 'accepted[0].finding'
        Set-Declaration -Until 31.12.2026
        (Get-Failure -Script { Test-SsprReadiness -Step license -DeclarationPath $file }).TargetObject | Should -Be 'accepted[0].until'
    }
}
