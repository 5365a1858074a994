Describe 'Test-SsprReadiness' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-faulty
        $connection = Get-LabConnection -Lab $lab
        $session = Connect-SsprTenant @connection
        $readiness = Test-SsprReadiness
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'shows one screen of 80 columns, with a line for each step' {
        $screen = $readiness | Out-String -Width 200
        foreach ($step in $readiness.Steps) {
            $screen | Should -Match "(?m)^(pass|WARN|FAIL|n/a |ERR |\.\.\.\.) +$([regex]::Escape($step.Title)) "
        }
        $screen | Should -Match '(?m)^All findings:'
        @($screen -split '\r?\n' | Where-Object { $_.Length -gt 80 }) | Should -BeNullOrEmpty
    }

    It 'shows the screen also behind other objects in one stream' {
        $text = $session, $readiness, 'text', $readiness | Out-String -Width 200
        [regex]::Matches($text, '(?m)^All findings:').Count | Should -Be 2
    }

    It 'holds typed findings, and asked the lab nothing that Microsoft would refuse' {
        $readiness.PSObject.TypeNames[0] | Should -Be 'EntraSspr.Readiness'
        $readiness.Findings.Count | Should -BeGreaterThan 0
        $readiness.Findings[0].PSObject.TypeNames[0] | Should -Be 'EntraSspr.Finding'
        $readiness.Ready | Should -BeIn 'Yes', 'No', 'Unknown'
        $readiness.TakenAt | Should -BeOfType ([datetime])
        ([datetime]::Now - $readiness.TakenAt).TotalMinutes | Should -BeLessThan 5
        $readiness.Duration | Should -BeOfType ([timespan])
        $readiness.Findings[0].Evidence[0].AsOf | Should -BeOfType ([datetime])
        @(Invoke-Lab -Lab $lab -Action violations) | Should -BeNullOrEmpty
    }

    It 'holds what the sign-in may do beyond what the checks need' {
        @($readiness.ExcessPermissions.Writing) | Should -BeNullOrEmpty
        @($readiness.ExcessPermissions.Reading) -join ' ' | Should -Be 'Application.Read.All'
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/add -Body @{ app = 'checker'; permission = 'User.ReadWrite.All' })
        $more = Connect-SsprTenant @connection
        $wide = Test-SsprReadiness -Session $more
        @($wide.ExcessPermissions.Writing) -join ' ' | Should -Be 'User.ReadWrite.All'
        $wide.Screen -join ' ' | Should -Match 'may also write, which no check needs: User\.ReadWrite\.All\.'
        $more | Disconnect-Sspr
        $null = Connect-SsprTenant @connection
    }

    It 'shows findings as a table, and as a list with everything' {
        $table = $readiness.Findings | Out-String -Width 200
        $table | Should -Match 'Status +Severity +Id +Title'
        $list = $readiness.Findings | Format-List | Out-String -Width 200
        $list | Should -Match '(?m)^Evidence +: .*as of \d{4}-'
        $list | Should -Match '(?m)^What to do +: '
    }

    It 'and what belongs to it fits 80 columns, whole' {
        $shown = $session | Out-String -Width 80
        $shown | Should -Match ([regex]::Escape($session.TenantId))
        $shown | Should -Match 'clientSecret'
        # An app's id is wrapped.
        ($shown -replace '\s', '') | Should -Match ([regex]::Escape($session.Account.Substring(0, 20)))
        $readiness.Snapshot | Out-String -Width 80 | Should -Match ([regex]::Escape($readiness.TenantName))
        foreach ($check in Get-SsprCheck) { $check | Out-String -Width 80 | Should -Match "(?m)^$([regex]::Escape($check.Id)) " -Because 'an id is not wrapped' }
    }

    It 'shows a snapshot''s text nowhere by itself, also behind other objects' {
        $shown = $session, $readiness.Snapshot | Out-String -Width 80
        $shown | Should -Match ([regex]::Escape($readiness.TenantName))
        $shown | Should -Not -Match 'schemaVersion'
    }

    It 'has its members in the order in which one reads them' {
        @($readiness.Counts.PSObject.Properties.Name) -join ' ' | Should -Be 'Pass Fail Warn Skipped NotApplicable Error Accepted'
        @($readiness.First.PSObject.Properties.Name) -join ' ' | Should -Be 'FindingId Text Command'
        @($readiness.Steps[0].PSObject.Properties.Name) -join ' ' | Should -Be 'Name Title Status Headline FindingId Accepted'
    }

    It 'keeps its screen when saved and loaded' {
        $file = [System.IO.Path]::Combine($TestDrive, 'readiness.xml')
        $readiness | Export-Clixml -Path $file
        $loaded = Import-Clixml -Path $file
        ($loaded | Out-String -Width 200) | Should -Be ($readiness | Out-String -Width 200)
        ($loaded.Findings | Format-List | Out-String -Width 200) | Should -Be ($readiness.Findings | Format-List | Out-String -Width 200)
        ($loaded | Test-SsprReadiness).Ready | Should -Be $readiness.Ready
    }

    It 'checks chosen steps only, and leaves lesser findings out' {
        $some = Test-SsprReadiness -Step License
        @($some.Steps.Name) -join ' ' | Should -Be 'license'
        $high = Test-SsprReadiness -Severity High
        @($high.Findings | Where-Object { $_.Severity -ne 'High' }) | Should -BeNullOrEmpty
        $high.Ready | Should -Be $readiness.Ready
    }

    It 'leaves steps out' {
        if ($readiness.Steps.Count -lt 2) { Set-ItResult -Skipped -Because 'there is one step only'; return }
        @((Test-SsprReadiness -ExcludeStep license).Steps.Name) | Should -Not -Contain 'license'
    }

    It 'refuses a step that there is not, and a budget of nothing' {
        $failure = Get-Failure -Script { Test-SsprReadiness -Step lisence }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Test-SsprReadiness'
        $failure.Exception.Message | Should -Match 'license'
        { Test-SsprReadiness -TimeBudget ([timespan]::Zero) } | Should -Throw
    }

    It 'completes the names of steps and checks' {
        $line = 'Test-SsprReadiness -Step lic'
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)
        @($found.CompletionMatches.CompletionText) | Should -Contain 'license'
        $line = 'Get-SsprCheck -Id license.se'
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)
        @($found.CompletionMatches.CompletionText) | Should -Contain 'license.seats'
    }

    It 'without a sign-in says how to sign in' {
        Disconnect-Sspr -All
        $failure = Get-Failure -Script { Test-SsprReadiness }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.Needed,Test-SsprReadiness'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'Connect-SsprTenant'
        $failure = Get-Failure -Script { Test-SsprReadiness -Session $session }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Handle.Invalid,Test-SsprReadiness'
        [void](Connect-SsprTenant @connection)
    }

    It 'runs to its end when a permission is missing, and names it' {
        $permissions = 'LicenseAssignment.Read.All', 'Organization.Read.All'
        foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/remove' -Body @{ permission = $permission }) }
        try {
            [void](Connect-SsprTenant @connection)
            $poor = Test-SsprReadiness -Step license
        } finally {
            foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ permission = $permission }) }
            [void](Connect-SsprTenant @connection)
        }
        @($poor.Findings | Where-Object { $_.Id -eq 'license.entitlement' }).Status | Should -Be 'Skipped'
        ($poor | Out-String) | Should -Match 'LicenseAssignment\.Read\.All'
    }
}

Describe 'Assert-SsprReadiness' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready, no-license
        $ready = Get-LabConnection -Lab $lab -Tenant 0
        $poor = Get-LabConnection -Lab $lab -Tenant 1
    }
    AfterEach {
        Disconnect-Sspr -All
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'says nothing when the tenant is ready' {
        [void](Connect-SsprTenant @ready)
        Assert-SsprReadiness -Step license | Should -BeNullOrEmpty
        Test-SsprReadiness -Step license | Assert-SsprReadiness | Should -BeNullOrEmpty
    }

    It 'fails with what stands in the way' {
        [void](Connect-SsprTenant @poor)
        $failure = Get-Failure -Script { Test-SsprReadiness -Step license | Assert-SsprReadiness }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Readiness.NotReady,Assert-SsprReadiness'
        $failure.Exception.Message | Should -Match '(?m)^license\.entitlement: '
        $failure.Exception.Message | Should -BeLike '*password reset:*license.entitlement: *' -Because 'it reads well in one line too'
        $failure.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        (Get-Failure -Script { Assert-SsprReadiness -Step license -AllowUnknown }).FullyQualifiedErrorId | Should -Be 'Sspr.Readiness.NotReady,Assert-SsprReadiness'
    }

    It 'fails when it is not known, unless told' {
        $permissions = 'LicenseAssignment.Read.All', 'Organization.Read.All'
        foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/remove' -Body @{ permission = $permission }) }
        try {
            [void](Connect-SsprTenant @ready)
            $unknown = Test-SsprReadiness -Step license
        } finally {
            foreach ($permission in $permissions) { [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ permission = $permission }) }
        }
        $failure = Get-Failure -Script { $unknown | Assert-SsprReadiness }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Readiness.NotKnown,Assert-SsprReadiness'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'LicenseAssignment.Read.All'
        $unknown | Assert-SsprReadiness -AllowUnknown | Should -BeNullOrEmpty
    }

    It 'advises on what it names' {
        [void](Connect-SsprTenant @ready)
        $unknown = Test-SsprReadiness
        $unknown.Ready | Should -Be 'Unknown'
        $failure = Get-Failure -Script { $unknown | Assert-SsprReadiness }
        # What to do first is about phones that end, which decides nothing and is not among what the error names.
        $failure.Exception.Message | Should -Not -Match ([regex]::Escape($unknown.First.FindingId))
        $failure.ErrorDetails.RecommendedAction | Should -Not -Be $unknown.First.Text
    }

    It 'refuses what is no readiness' {
        $failure = Get-Failure -Script { 'text' | Assert-SsprReadiness }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Assert-SsprReadiness'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'Test-SsprReadiness'
    }
}
