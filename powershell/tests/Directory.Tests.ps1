# Against two domain controllers that really decide: cargo xtask lab directory start.
Describe 'The directory' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1'))
        Import-ModuleUnderTest

        $controllers = @(Get-LabController)
        $turn = Enter-LabTurn

        function Connect-Lab {
            # Connects to a domain of the lab, as its administrator.
            param([int] $Index = 0, [hashtable] $With = @{})

            $parameters = Get-LabDirectory -Controller $controllers[$Index]
            foreach ($name in $With.Keys) { $parameters[$name] = $With[$name] }
            Connect-SsprDirectory @parameters
        }
    }
    AfterAll { Exit-LabTurn -Turn $turn }
    AfterEach { Disconnect-Sspr -All }

    It 'is found by DNS, and needs no tenant' {
        if (Skip-WithoutController) { return }
        $session = Connect-Lab
        $session.Directory | Should -Be 'example.test'
        $session.TenantId | Should -BeNullOrEmpty
        (Get-SsprSession).Directory | Should -Be 'example.test'
    }

    It 'is judged by its steps, each cause with its users' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        [void](Connect-Lab -Index 1)
        $readiness = Test-SsprReadiness -Step service_account, directory_permissions, password_policy
        $readiness.TenantName | Should -Be 'example.test'
        $of = @{}
        foreach ($finding in $readiness.Findings) { $of[$finding.Id] = $finding }
        $of['service_account.found'].Title | Should -Match 'EXAMPLE\\MSOL_16fb75d0227d'
        $of['service_account.coverage'].Title | Should -Be '2 domains read'
        $of['service_account.stale'].Title | Should -Be 'EXAMPLE\MSOL_aaaaaaaaaaaa is left over'
        $of['directory_permissions.unexpire'].Status | Should -Be 'Pass'
        $of['directory_permissions.inheritance'].Title | Should -Match '^17 of [0-9]+ users refused: inheritance is off on OU=Sales,OU=Staff'
        $of['directory_permissions.denied'].Title | Should -Match '^6 of .*Reset Password is denied to EXAMPLE\\Writers of Writers at OU=Field,OU=Staff'
        $of['directory_permissions.inet_org_person'].Status | Should -Be 'Fail'
        $of['directory_permissions.administrators'].Status | Should -Be 'Warn'
        $of['directory_permissions.administrators'].Title | Should -Match '^CHILD\\MSOL_cccccccccccc may reset administrators of child\.example\.test'
        ($of['directory_permissions.administrators'].Evidence.Seen -join "`n") | Should -Match 'AdminSDHolder itself does not grant EXAMPLE\\MSOL_16fb75d0227d Reset Password'
        $of['directory_permissions.remote_sam'].Title | Should -Be 'Hardened controllers keeps EXAMPLE\MSOL_16fb75d0227d from asking the controllers'
        $of['directory_permissions.own_object'].Status | Should -Be 'Pass' -Because 'the account that has such rights is disabled'
        $of['password_policy.fine_grained'].Title | Should -Match '^Strict asks for 5 days of 1 user: 1 could not reset today'
        $of['password_policy.minimum_age'].Status | Should -Be 'Fail'
        $of['password_policy.group_policy'].Title | Should -Match 'Corporate passwords sets 1 day in example.test'
        ($of['password_policy.group_policy'].Evidence.Seen -join "`n") | Should -Match 'Switched off, link disabled: minimum age 9 days'
    }

    It 'is judged by the account that the Connect server says it works as' {
        if (Skip-WithoutController) { return }
        Start-ConnectServer -With @{ Relays = @('127.0.0.1:1') }
        try {
            [void](Connect-Lab)
            [void](Connect-Lab -Index 1)
            $of = @{}
            foreach ($finding in (Test-SsprReadiness -Step service_account, connect_writeback).Findings) { $of[$finding.Id] = $finding }
        } finally {
            Stop-ConnectServer
        }
        $of['service_account.found'].Title | Should -Be 'EXAMPLE\MSOL_16fb75d0227d'
        ($of['service_account.found'].Evidence.Seen -join "`n") | Should -Match 'MSOL_16fb75d0227d: as Entra Connect says on its server'
        $of['connect_writeback.scope'].Title | Should -Match 'child.example.test is in no connector'
    }

    It 'says that no account is known, and makes no empty table' {
        if (Skip-WithoutController) { return }
        foreach ($index in 0, 1) { [void](Connect-Lab -Index $index -With @{ Connector = @('nobody') }) }
        $file = [System.IO.Path]::Combine($TestDrive, 'none.csv')
        foreach ($with in @{}, @{ User = @('staff1') }, @{ CsvPath = $file }) {
            $failure = $null
            try { [void](Get-SsprDirectoryPermission @with -ErrorAction Stop) } catch { $failure = $_ }
            "$failure" | Should -Match 'no connector account was found'
        }
        [System.IO.File]::Exists($file) | Should -BeFalse
    }

    It 'tells each right on a user and what decides it' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $rights = @(Get-SsprDirectoryPermission -User 'denied.dan')
        $rights.Right | Should -Be 'Reset Password', 'Write lockoutTime', 'Write pwdLastSet', 'Change Password'
        $rights.Allowed | Should -Be $true, $false, $true, $true
        $rights[1].DecidedBy | Should -Be 'denied to Everyone (explicit)'
        $rights[1].CanReset | Should -BeFalse
        $rights[1].Cause | Should -Be 'Write lockoutTime is denied to Everyone'
        foreach ($name in 'EXAMPLE\denied.dan', 'denied.dan@example.test', $rights[0].Dn, $rights[0].Sid) {
            @($name | Get-SsprDirectoryPermission).Allowed | Should -Be $rights.Allowed
        }
        $missing = @()
        $found = @('nobody', 'staff1' | Get-SsprDirectoryPermission -ErrorVariable missing -ErrorAction SilentlyContinue)
        $found[0].User | Should -Be 'staff1'
        $missing[0].FullyQualifiedErrorId | Should -Be 'Sspr.Directory.Unread,Get-SsprDirectoryPermission'
        "$($missing[0])" | Should -Match 'may be in a domain that was not read: child\.example\.test'
        $missing = @()
        [void]@(Get-SsprDirectoryPermission -User 'EXAMPLE\nobody' -ErrorVariable missing -ErrorAction SilentlyContinue)
        $missing[0].FullyQualifiedErrorId | Should -Be 'Sspr.Directory.NotFound,Get-SsprDirectoryPermission'
    }

    It 'gives accounts, causes and policies as objects' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $accounts = @(Get-SsprConnector)
        $accounts.Name | Should -Be 'EXAMPLE\MSOL_16fb75d0227d', 'EXAMPLE\MSOL_aaaaaaaaaaaa'
        $accounts.Computer | Should -Be 'SYNC1', 'SYNC0'
        $accounts[0].PasswordSet | Should -BeOfType [datetime]
        $causes = @(Get-SsprDirectoryPermission)
        $causes[0].Refused | Should -Be 16
        $causes[0].Where | Should -Match '^OU=Sales'
        $causes.Cause | Should -Contain 'the user is disabled'
        $policies = @(Get-SsprPasswordPolicy)
        $policies.Name | Should -Be '(domain)', 'Strict'
        $policies.MinimumAge.TotalDays | Should -Be 1, 5
        $mine = Get-SsprPasswordPolicy -User 'young.yul'
        $mine.Policy | Should -Be 'Strict'
        $mine.ResetFrom | Should -BeGreaterThan ([datetime]::Now.AddDays(4))
        ($accounts + $causes + $policies | Out-String) | Should -Match 'MSOL_16fb75d0227d'
    }

    It 'judges a domain by its own accounts, in the table as on the screen' {
        if (Skip-WithoutController) { return }
        foreach ($index in 0, 1) { [void](Connect-Lab -Index $index) }
        $path = [System.IO.Path]::Combine($TestDrive, 'own.csv')
        [void](Get-SsprDirectoryPermission -CsvPath $path)
        $rows = @(ConvertFrom-Csv -InputObject ([System.IO.File]::ReadAllText($path)))
        @($rows | Where-Object { $_.domain -eq 'child.example.test' -and $_.account -like 'EXAMPLE*' }).Count | Should -Be 0
        $causes = @(Get-SsprDirectoryPermission)
        @($causes | Where-Object { $_.Domain -eq 'child.example.test' -and $_.Connector -like 'EXAMPLE*' }).Count | Should -Be 0
        @($causes | Where-Object { $_.Domain -eq 'child.example.test' }).Count | Should -BeGreaterThan 0
    }

    It 'writes a table of everyone who cannot be reset, in which hostile names are harmless' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab -With @{ Connector = 'MSOL_16fb75d0227d' })
        [void](Connect-Lab -Index 1)
        $path = [System.IO.Path]::Combine($TestDrive, 'refused.csv')
        $told = Get-SsprDirectoryPermission -CsvPath $path
        $text = [System.IO.File]::ReadAllText($path)
        $rows = @(ConvertFrom-Csv -InputObject $text)
        $rows.Count | Should -Be $told.Rows
        $mine = @($rows | Where-Object { $_.account -eq 'EXAMPLE\MSOL_16fb75d0227d' -and $_.domain -eq 'example.test' })
        @($mine | Where-Object { $_.cause -eq 'inheritance' -and $_.container -like 'OU=Sales*' }).Count | Should -BeGreaterThan 11
        $text | Should -Match '(=|3D)cmd' -Because 'the name is there'
        $text | Should -Not -Match '(^|,)"?[=+@]'
        $text | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e]'
        (Get-Failure { Get-SsprDirectoryPermission -CsvPath $path }).FullyQualifiedErrorId | Should -Be 'Sspr.File.Write,Get-SsprDirectoryPermission'
        (Get-SsprDirectoryPermission -CsvPath $path -Force).Rows | Should -Be $told.Rows
    }

    It 'shows hostile names without what could turn or hide text' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $readiness = Test-SsprReadiness -Step directory_permissions
        $all = ($readiness | Out-String) + ($readiness.Findings | Format-List | Out-String) + (Get-SsprDirectoryPermission | Out-String)
        $all | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]'
        $readiness.Findings.Where({ $_.Id -eq 'directory_permissions.reserved_names' }).Title | Should -Match '4 of [0-9]+ users below a unit'
    }

    It 'comes along when the tenant is signed in to later' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $lab = Start-Lab
        try {
            $connection = Get-LabConnection -Lab $lab
            $session = Connect-SsprTenant @connection
            $session.Directory | Should -Be 'example.test'
            @(Get-SsprSession -All).Count | Should -Be 1
            @(Get-SsprConnector).Count | Should -Be 2
        } finally { Stop-Lab -Lab $lab }
    }

    It 'that refuses is told with what to do: <Case>' -ForEach @(
        @{ Case = 'a wrong password'; With = @{ Credential = $null }; Id = 'Sspr.Directory.SignIn'; Says = 'the user or the password is wrong' }
        @{ Case = 'a domain without controllers'; With = @{ Domain = 'nowhere.test' }; Id = 'Sspr.Directory.NotFound'; Says = 'nowhere.test' }
        @{ Case = 'a controller of another domain'; With = @{ Domain = 'other.test'; Server = 'dc1.example.test' }; Id = 'Sspr.Directory.NotFound'; Says = 'controller of example.test' }
        @{ Case = 'a name that the certificate does not bear'; With = @{ Server = 'alias.example.test' }; Id = 'Sspr.Directory.Tls'; Says = 'alias.example.test' }
        @{ Case = 'no controller there'; With = @{ Server = 'dc1.example.test:1' }; Id = 'Sspr.Directory.Unreachable'; Says = 'could not be reached' }
        @{ Case = 'a name that is none'; With = @{ Server = 'dc1/x' }; Id = 'Sspr.Argument.Invalid'; Says = 'no name of a domain controller' }
    ) {
        if (Skip-WithoutController) { return }
        $parameters = @{}
        foreach ($name in $With.Keys) {
            $parameters[$name] = if ($name -eq 'Credential') { [pscredential]::new('EXAMPLE\Administrator', (ConvertTo-Secret 'canary-7f3a')) } else { $With[$name] }
        }
        $failure = Get-Failure { Connect-Lab -With $parameters }
        $failure.FullyQualifiedErrorId | Should -Be "$Id,Connect-SsprDirectory"
        "$failure" | Should -Match $Says
        $failure.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        ($failure | Out-String) + $failure.Exception.Data['Sspr'] | Should -Not -Match 'canary'
        @(Get-SsprSession -All).Count | Should -Be 0
    }

    It 'is granted what it lacks, and that is taken back' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab -With @{ Connector = 'svc-trial' })
        $unit = 'OU=Trial 1,OU=Trial,DC=example,DC=test'
        Grant-SsprDirectoryPermission -Container $unit -InetOrgPerson -WhatIf | Should -BeNullOrEmpty
        $journal = [System.IO.Path]::Combine($TestDrive, "grant-$([guid]::NewGuid()).jsonl")
        $result = Grant-SsprDirectoryPermission -Container $unit -InetOrgPerson -JournalPath $journal -Confirm:$false
        $result.Complete | Should -Be $true
        @($result.Changes | Where-Object { $_.Outcome -eq 'Done' }).Count | Should -Be 1
        Grant-SsprDirectoryPermission -Container $unit -InetOrgPerson -Confirm:$false | Should -BeNullOrEmpty
        $away = [System.IO.Path]::Combine($TestDrive, "revoke-$([guid]::NewGuid()).jsonl")
        $revoked = Revoke-SsprDirectoryPermission -Container $unit -JournalPath $away -Confirm:$false
        $revoked.Changes[0].Outcome | Should -Be 'Done'
        ($revoked | Undo-SsprPlan -Confirm:$false).Changes[0].Outcome | Should -Be 'Undone'
        ($result | Undo-SsprPlan -Confirm:$false).Changes[0].Outcome | Should -Be 'Undone'
    }

    It 'is reset and unlocked by the connector account, on users that are gone afterwards' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $parameters = @{ Container = 'OU=Staff,DC=example,DC=test'; ConnectorCredential = Get-LabConnector -Controller $controllers[0] }
        Test-SsprWriteback @parameters -WhatIf | Should -BeNullOrEmpty
        $result = Test-SsprWriteback @parameters -Confirm:$false
        $result.Ready | Should -Be 'Yes'
        $result.TenantName | Should -Be 'example.test'
        $of = @{}
        foreach ($finding in $result.Findings) { $of[$finding.Id] = $finding }
        $of.Count | Should -Be 10
        $of['writeback_probe.reset'].Title | Should -Be 'EXAMPLE\MSOL_16fb75d0227d reset a user made in OU=Staff, who signs in with the new password'
        $of['writeback_probe.protected_unit'].Reason | Should -Match 'SSPR_0029; event 33004'
        $of['writeback_probe.left_behind'].Status | Should -Be 'Pass'
        $screen = $result | Out-String
        $screen | Should -Match '(?m)^pass  Reset '
        $screen | Should -Match "(?m)^The directory's half"
        # It is one of a saved result's facts like any other.
        $saved = $result | Test-SsprReadiness -Step writeback_probe
        $saved.Findings.Title | Should -Be $result.Findings.Title
        $page = [System.IO.Path]::Combine($TestDrive, "probe-$([guid]::NewGuid()).html")
        [void]($result | Export-SsprReport -Path $page -Redact)
        [System.IO.File]::ReadAllText($page) | Should -Not -Match 'MSOL_16fb75d0227d|Staff'
    }

    It 'tells an account that lacks a right what its users would see' {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $connector = Get-LabConnector -Controller $controllers[0] -Name 'EXAMPLE\svc-trial'
        $result = Test-SsprWriteback -Container 'OU=Staff,DC=example,DC=test' -ConnectorCredential $connector -Confirm:$false
        $result.Ready | Should -Be 'No'
        $result.First.FindingId | Should -Be 'writeback_probe.reset'
        $reset = $result.Findings.Where({ $_.Id -eq 'writeback_probe.reset' })[0]
        $reset.Title | Should -Match 'it lacks Reset Password$'
        $reset.Reason | Should -Match 'SSPR_0029; event 33004, hr=80230626'
        $reset.Remediation.Text | Should -Match '^Grant Reset Password'
    }

    It 'refuses to probe <Case>' -ForEach @(
        @{ Case = 'an administrator'; With = @{ User = 'admin.ann'; AcceptPasswordLoss = $true }; Id = 'Sspr.Argument.Invalid'; Says = 'administrators are not probed' }
        @{ Case = 'a user without consent'; With = @{ User = 'staff1'; AcceptPasswordLoss = $false }; Id = 'Sspr.Argument.Invalid'; Says = 'is lost' }
        @{ Case = 'nobody'; With = @{ User = 'no.body'; AcceptPasswordLoss = $true }; Id = 'Sspr.Directory.NotFound'; Says = 'no such user' }
        @{ Case = 'a unit that is not there'; With = @{ Container = 'OU=None,DC=example,DC=test' }; Id = 'Sspr.Directory.NotFound'; Says = 'no such container' }
        @{ Case = 'with a wrong password'; With = @{ Container = 'OU=Staff,DC=example,DC=test'; Wrong = $true }; Id = 'Sspr.Directory.SignIn'; Says = "the connector account's sign-in" }
    ) {
        if (Skip-WithoutController) { return }
        [void](Connect-Lab)
        $parameters = @{ Confirm = $false; ConnectorCredential = Get-LabConnector -Controller $controllers[0] }
        foreach ($name in $With.Keys) {
            if ($name -eq 'Wrong') {
                $parameters['ConnectorCredential'] = [pscredential]::new('EXAMPLE\svc-trial', (ConvertTo-Secret 'canary-7f3a'))
            } else {
                $parameters[$name] = $With[$name]
            }
        }
        if ($With.ContainsKey('User')) { $parameters['FinalPassword'] = ConvertTo-Secret 'Canary-7f3a-last!' }
        $failure = Get-Failure { Test-SsprWriteback @parameters }
        $failure.FullyQualifiedErrorId | Should -Be "$Id,Test-SsprWriteback"
        "$failure" | Should -Match $Says
        $failure.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        ($failure | Out-String) + $failure.Exception.Data['Sspr'] | Should -Not -Match 'canary'
    }

    It 'is asked for where there is none' {
        $failure = Get-Failure { Get-SsprConnector }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.Needed,Get-SsprConnector'
    }
}
