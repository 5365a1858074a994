Describe 'Get-SsprRegistration' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-faulty -Argument '--page-size 20'
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $result = Test-SsprReadiness

        function Get-PageCount {
            # How many pages of the report were asked for.
            @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_.path -like '*/userRegistrationDetails*' }).Count
        }
        function Get-Affected {
            param([string] $Id)
            $affected = ($result.Findings | Where-Object { $_.Id -eq $Id }).Affected
            if ($affected) { $affected.Count } else { 0 }
        }
    }
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'gives every user of the report, as often as the checks count them' {
        $all = @(Get-SsprRegistration)
        @($all | Select-Object -ExpandProperty Id -Unique).Count | Should -Be $all.Count
        $all[0].PSObject.TypeNames[0] | Should -Be 'EntraSspr.UserRegistration'
        $all[0].AsOf | Should -BeOfType ([datetime])
        foreach ($name in 'nothing_registered', 'one_short', 'unfit_methods', 'not_allowed') {
            @($all | Where-Object { $_.Cause -eq "user_registration.$name" }).Count | Should -Be (Get-Affected -Id "user_registration.$name") -Because $name
        }
        @($all | Where-Object { $_.InScope -and -not $_.Capable -and -not $_.Cause }).Count | Should -Be 0
    }

    It 'reads no further when the pipeline has enough' {
        $pages = [Math]::Ceiling(@(Get-SsprRegistration).Count / 20)
        $before = Get-PageCount
        $first = @(Get-SsprRegistration | Select-Object -First 5)
        $first.Count | Should -Be 5
        Start-Sleep -Milliseconds 500
        (Get-PageCount) - $before | Should -BeLessOrEqual ($pages / 2) -Because "of $pages pages"
        @(Get-SsprRegistration -NotCapable -InScope | Select-Object -First 1).Count | Should -Be 1 -Because 'the session goes on'
    }

    It 'takes conditions together, as they hold for all users' {
        $all = @(Get-SsprRegistration)
        $cases = @(
            @{ Condition = @{ NotRegistered = $true }; Holds = { -not $_.Registered } }
            @{ Condition = @{ NotCapable = $true; InScope = $true }; Holds = { $_.InScope -and -not $_.Capable } }
            @{ Condition = @{ Administrator = $true }; Holds = { $_.Administrator } }
            @{ Condition = @{ UserType = 'Guest' }; Holds = { $_.UserType -eq 'guest' } }
            @{ Condition = @{ Method = 'EMAIL' }; Holds = { $_.Methods -contains 'email' } }
            @{ Condition = @{ Method = 'email', 'officePhone'; InScope = $true }; Holds = { $_.InScope -and ($_.Methods -contains 'email' -or $_.Methods -contains 'officePhone') } }
        )
        foreach ($case in $cases) {
            $condition = $case.Condition
            $expected = @($all | Where-Object $case.Holds)
            $expected.Count | Should -BeGreaterThan 0 -Because ($condition.Keys -join ' ')
            $given = @(Get-SsprRegistration @condition)
            (@($given | ForEach-Object { $_.Id } | Sort-Object) -join ' ') | Should -Be (@($expected | ForEach-Object { $_.Id } | Sort-Object) -join ' ') -Because ($condition.Keys -join ' ')
        }
    }

    It 'warns of a method that the report has not been seen to name' {
        Get-SsprRegistration -Method 'emial' -WarningVariable warned -WarningAction SilentlyContinue | Should -BeNullOrEmpty
        "$warned" | Should -BeLike "*emial*"
        (Get-SsprRegistration -Method 'emial' -CsvPath (Join-Path $TestDrive 'empty.csv') -WarningVariable warned -WarningAction SilentlyContinue).Users | Should -Be 0
        "$warned" | Should -BeLike "*emial*"
        [void](Get-SsprRegistration -Method 'Email' -WarningVariable warned)
        $warned.Count | Should -Be 0
    }

    It 'gives the users to contact before methods end, as many as the checks count' {
        $checks = @{ '2027-02-01' = 'phone_retirement'; '2027-03-01' = 'questions_retirement'; '2027-07-01' = 'phone_retirement_later' }
        $users = @(Get-SsprRegistration -AtRisk)
        $users.Count | Should -BeGreaterThan 100
        foreach ($day in $checks.Keys) {
            $finding = $result.Findings | Where-Object { $_.Id -eq "authentication_methods.$($checks[$day])" }
            $count = if ($finding.Status -eq 'Warn') { $finding.Affected.Count } else { 0 }
            @($users | Where-Object { $_.LosesOn -eq $day }).Count | Should -Be $count -Because $day
        }
        @(Get-SsprRegistration -RetirementDate ([datetime]::new(2027, 1, 31))).Count | Should -Be 0
        $before = Get-PageCount
        @(Get-SsprRegistration -RetirementDate ([datetime]::new(2027, 2, 1)) -Snapshot $result).Count | Should -Be @($users | Where-Object { $_.LosesOn -eq '2027-02-01' }).Count
        (Get-PageCount) - $before | Should -BeLessOrEqual 20 -Because 'with a snapshot the report is read once'
    }

    It 'writes a table with formulas defused, private, and whole or not at all' {
        $file = [System.IO.Path]::Combine($TestDrive, 'contact.csv')
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'hostileNames'; path = '' })
        $written = Get-SsprRegistration -AtRisk -CsvPath $file
        $rows = @(Import-Csv -Path $file)
        $rows.Count | Should -Be $written.Users
        $written.Path | Should -Be $file
        @($rows | Where-Object { $_.losesOn -notmatch '^2027-0[237]-01$' }).Count | Should -Be 0
        [System.IO.File]::ReadAllText($file) | Should -Not -Match '(^|,|\n)"?[=+@-]'
        $failure = Get-Failure -Script { Get-SsprRegistration -CsvPath $file }
        $failure.FullyQualifiedErrorId | Should -Match 'File\.Write'
        [void](Get-SsprRegistration -UserType Guest -CsvPath $file -Force)
        @(Import-Csv -Path $file).Count | Should -BeLessThan $rows.Count
        $none = [System.IO.Path]::Combine($TestDrive, 'none.csv')
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'status'; status = 403; skip = 2; path = '/v1.0/reports/authenticationMethods' })
        Get-Failure -Script { Get-SsprRegistration -CsvPath $none } | Should -Not -BeNullOrEmpty
        [System.IO.File]::Exists($none) | Should -BeFalse
    }

    It 'reads and writes no table with -WhatIf, which changes nothing of the other forms' {
        $file = [System.IO.Path]::Combine($TestDrive, 'whatif.csv')
        $before = Get-PageCount
        Get-SsprRegistration -NotCapable -CsvPath $file -WhatIf | Should -BeNullOrEmpty
        [System.IO.File]::Exists($file) | Should -BeFalse
        Get-PageCount | Should -Be $before
        $some = @(Get-SsprRegistration -WhatIf | Select-Object -First 2)
        $some.Count | Should -Be 2
        @($some | Get-SsprRegistration -WhatIf).Count | Should -Be 2
        @(Get-SsprRegistration -Summary -WhatIf).Count | Should -BeGreaterThan 5
    }

    It 'looks at users by name and by id, and says who is not in the report' {
        $some = @(Get-SsprRegistration | Select-Object -First 2)
        $given = @($some[0].UserPrincipalName, $some[1].Id, 'nobody@contoso.example' | Get-SsprRegistration -ErrorAction SilentlyContinue -ErrorVariable missing)
        (@($given | ForEach-Object { $_.Id }) -join ' ') | Should -Be (@($some | ForEach-Object { $_.Id }) -join ' ')
        @($missing).Count | Should -Be 1
        $missing[0].TargetObject | Should -Be 'nobody@contoso.example'
        @($some | Get-SsprRegistration).Count | Should -Be 2 -Because 'what it gives it also takes'
    }

    It 'counts as the list does, beside an earlier run, by group and department' {
        $lines = @(Get-SsprRegistration -Summary -Group 'All staff' -Department -Reference $result)
        $all = @(Get-SsprRegistration)
        $line = { param($Area, $Name) $lines | Where-Object { $_.Area -eq $Area -and $_.Name -eq $Name } }
        $everybody = & $line 'Population' 'all users'
        $everybody.Users | Should -Be $all.Count
        $everybody.UsersBefore | Should -Be $all.Count
        $everybody.Capable | Should -Be @($all | Where-Object { $_.InScope -and $_.Capable }).Count
        (& $line 'Method' 'email').Users | Should -Be @($all | Where-Object { $_.Methods -contains 'email' }).Count
        (& $line 'Retirement' '2027-02-01: SMS by Microsoft ends, of users').Users | Should -Be (Get-Affected -Id 'authentication_methods.phone_retirement')
        (& $line 'Group' 'All staff').Users | Should -BeGreaterThan 100
        (& $line 'Department' 'none').Users | Should -Be $all.Count
        $failure = Get-Failure -Script { Get-SsprRegistration -Summary -Group 'no such group' }
        $failure.Exception.Message | Should -Match "no group 'no such group'"
    }

    It 'counts a snapshot without a session' {
        $snapshot = $result.Snapshot
        Disconnect-Sspr -All
        try {
            $lines = @([pscustomobject]@{ Snapshot = $snapshot } | Get-SsprRegistration -Summary)
            ($lines | Where-Object { $_.Name -eq 'all users' }).Users | Should -BeGreaterThan 100
            (Get-Failure -Script { Get-SsprRegistration -Summary -Snapshot '{"schemaVersion":1}' }).FullyQualifiedErrorId | Should -Match 'Snapshot\.Invalid'
            (Get-Failure -Script { Get-SsprRegistration }).FullyQualifiedErrorId | Should -Match 'Session|SignIn'
        } finally {
            [void](Connect-SsprTenant @connection)
        }
    }

    It 'says which permission the report needs' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/remove' -Body @{ permission = 'AuditLog.Read.All' })
        Disconnect-Sspr -All
        [void](Connect-SsprTenant @connection)
        $failure = Get-Failure -Script { Get-SsprRegistration }
        $failure.ErrorDetails.RecommendedAction | Should -Match 'AuditLog\.Read\.All'
    }
}
