Describe 'Plans' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-faulty
        [void](Invoke-Lab -Lab $lab -Method POST -Action 'permissions/add' -Body @{ permission = 'Policy.ReadWrite.AuthenticationMethod' })
        $connection = Get-LabConnection -Lab $lab
        $own = Connect-SsprTenant @connection

        function Get-Write {
            # What was sent to the lab that changes something there.
            @(Invoke-Lab -Lab $lab -Action 'writes' | ForEach-Object { $_ })
        }
    }

    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'begin with a desired state, as an object and as a file' {
        $state = New-SsprDesiredState
        $state.notifications.users | Should -Be $true
        $state.PSObject.Properties['securityQuestions'] | Should -BeNullOrEmpty
        (New-SsprDesiredState -Profile Guide).securityQuestions.toRegister | Should -Be 5
        $file = [System.IO.Path]::Combine($TestDrive, 'desired.json')
        New-SsprDesiredState -Path $file
        (ConvertFrom-Json -InputObject ([System.IO.File]::ReadAllText($file))).schemaVersion | Should -Be 1
        $failure = Get-Failure -Script { New-SsprDesiredState -Path $file }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.File.Write,New-SsprDesiredState'
        New-SsprDesiredState -Path $file -Force
    }

    It 'begin with what stands today, from the session and from a snapshot' {
        $file = [System.IO.Path]::Combine($TestDrive, 'today.json')
        New-SsprDesiredState -FromCurrent -Path $file
        @((New-SsprPlan -DesiredState $file).Changes).Count | Should -Be 0
        $saved = Test-SsprReadiness
        $told = $( $state = New-SsprDesiredState -FromCurrent -Snapshot $saved ) 3>&1
        $state.registration.campaignGroups | Should -Be 'all_users'
        $state.authenticationMethods.PSObject.Properties['migration'] | Should -BeNullOrEmpty
        @((New-SsprPlan -DesiredState $state -Snapshot $saved).Changes).Count | Should -Be 0
        "$told" | Should -Match 'Left out: securityQuestions, directoryPermissions, .*, for it is not known how that stands'
        { New-SsprDesiredState -FromCurrent -Profile Guide } | Should -Throw
    }

    It 'show what differs, and what a person clicks' {
        $plan = New-SsprPlan
        $plan.Counts.Change | Should -Be 1
        $own = $plan.Changes | Where-Object { $_.Id -eq 'notifications.users' }
        $own.Kind | Should -Be 'Manual'
        $own.ByHand[0] | Should -Be 'Set "Notify users on password resets" to Yes.'
        $own.Before.NotifyUsersOnPasswordReset | Should -Be $false
        $text = $plan | Out-String -Width 200
        $text | Should -Match 'Switch on SoftwareOath'
        $text | Should -Match '1 to change, \d+ by hand, 0 to undo by hand\.'
        (($plan | Show-SsprPlan) -join "`n") | Should -Be ($plan.Screen -join "`n")
    }

    It 'take a state from an object, a file or its text, for single steps, and from a snapshot' {
        $state = New-SsprDesiredState
        $state.notifications.users = $false
        $plan = $state | New-SsprPlan -Step notifications
        @($plan.Changes).Count | Should -Be 1
        $file = [System.IO.Path]::Combine($TestDrive, 'one.json')
        [System.IO.File]::WriteAllText($file, '{"schemaVersion":1,"notifications":{"users":true}}')
        @((New-SsprPlan -DesiredState $file).Changes).Count | Should -Be 1
        @((Get-Item -LiteralPath $file | New-SsprPlan).Changes).Count | Should -Be 1
        [System.IO.File]::WriteAllText($file, "{`n  `"schemaVersion`": 1,`n  `"notifications`": { `"users`": true }`n}`n")
        @((Get-Content -LiteralPath $file | New-SsprPlan).Changes).Count | Should -Be 1 -Because 'lines of one file are one state'
        @((New-SsprDesiredState), (New-SsprDesiredState) | New-SsprPlan).Count | Should -Be 2
        $saved = Test-SsprReadiness
        @((New-SsprPlan -DesiredState $file -Snapshot $saved).Changes).Count | Should -Be 1
        $failure = Get-Failure -Script { New-SsprPlan -DesiredState '{"schemaVersion":1,"notification":{}}' }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Plan.DesiredState,New-SsprPlan'
        $failure.TargetObject | Should -Be 'notification'
        $failure = Get-Failure -Script { New-SsprPlan -DesiredState ([System.IO.Path]::Combine($TestDrive, 'none.json')) }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.File.Read,New-SsprPlan'
    }

    It 'are the same when they were saved and read back' {
        $plan = New-SsprPlan
        $file = [System.IO.Path]::Combine($TestDrive, 'plan.xml')
        $plan | Export-Clixml -LiteralPath $file
        $back = Import-Clixml -LiteralPath $file
        ($back | Show-SsprPlan) -join '' | Should -Be (($plan | Show-SsprPlan) -join '')
        $back | Invoke-SsprPlan -WhatIf | Should -BeNullOrEmpty
        (Get-Failure -Script { [pscustomobject]@{ Changes = @() } | Invoke-SsprPlan -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Invoke-SsprPlan'
        (Get-Failure -Script { 'text' | Show-SsprPlan }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Show-SsprPlan'
    }

    It 'send nothing with -WhatIf, nor when somebody says no' {
        $plan = New-SsprPlan
        $failure = Get-Failure -Script { $plan | Invoke-SsprPlan -Step 'notification' -WhatIf }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Invoke-SsprPlan'
        $failure.Exception.Message | Should -BeLike '*the steps are*'
        (Get-Failure -Script { Undo-SsprPlan -JournalPath ([System.IO.Path]::Combine($TestDrive, 'none.jsonl')) -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.File.Read,Undo-SsprPlan'
        $plan | Invoke-SsprPlan -WhatIf | Should -BeNullOrEmpty
        $journal = [System.IO.Path]::Combine($TestDrive, 'never.jsonl')
        [System.IO.File]::Exists($journal) | Should -Be $false
        @(Get-Write).Count | Should -Be 0
    }

    It 'are applied and undone, with a journal' {
        $journal = [System.IO.Path]::Combine($TestDrive, 'plan.jsonl')
        $plan = New-SsprPlan -Step authentication_methods
        $result = $plan | Invoke-SsprPlan -JournalPath $journal -Confirm:$false
        $result.Complete | Should -Be $true
        $result.Changes[0].Outcome | Should -Be 'Done'
        $result.Journal | Should -Be $journal
        ($result | Out-String -Width 200) | Should -Match '1 done, 0 there already, 0 by hand, 0 open\.'
        @(Get-Write).Count | Should -Be 1
        @((New-SsprPlan -Step authentication_methods).Changes).Count | Should -Be 0
        $undone = $result | Undo-SsprPlan -Confirm:$false
        $undone.Changes[0].Outcome | Should -Be 'Undone'
        $undone.Left.Count | Should -Be 0
        @((New-SsprPlan -Step authentication_methods).Changes).Count | Should -Be 1
        # Gone on with, it is done again.
        $again = Invoke-SsprPlan -JournalPath $journal -Resume -Confirm:$false
        $again.Changes[0].Outcome | Should -Be 'Done'
        [void](Undo-SsprPlan -JournalPath $journal -Confirm:$false)
        $failure = Get-Failure -Script { $plan | Invoke-SsprPlan -JournalPath $journal -Confirm:$false }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.File.Write,Invoke-SsprPlan'
    }

    It 'name the permission that is missing before anything is changed' {
        $other = Start-Lab -Scenario hybrid-faulty
        try {
            $connection = Get-LabConnection -Lab $other
            $session = Connect-SsprTenant @connection
            $plan = New-SsprPlan -Session $session
            $journal = [System.IO.Path]::Combine($TestDrive, 'refused.jsonl')
            $failure = Get-Failure -Script { $plan | Invoke-SsprPlan -Session $session -JournalPath $journal -Confirm:$false }
            $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Plan.Permission,Invoke-SsprPlan'
            $failure.Exception.Message | Should -Match 'Policy.ReadWrite.AuthenticationMethod'
            [System.IO.File]::Exists($journal) | Should -Be $false
        } finally {
            Stop-Lab -Lab $other
        }
    }

    It 'tell of a change that failed, and go no further' {
        $plan = New-SsprPlan -Step authentication_methods -Session $own
        [void](Invoke-Lab -Lab $lab -Method POST -Action 'faults' -Body @{ path = '/v1.0/policies'; method = 'PATCH'; kind = 'status'; status = 412 })
        try {
            $journal = [System.IO.Path]::Combine($TestDrive, 'failed.jsonl')
            $result = $plan | Invoke-SsprPlan -Session $own -JournalPath $journal -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable told
            $result.Complete | Should -Be $false
            $result.Changes[0].Outcome | Should -Be 'Failed'
            $told[0].FullyQualifiedErrorId | Should -Match '^Sspr\.Service\.'
            [System.IO.File]::ReadAllText($journal) | Should -Match '"mark":"refused"'
        } finally {
            [void](Invoke-Lab -Lab $lab -Method DELETE -Action 'faults')
        }
    }

    It 'give the Conditional Access policy as JSON, for a pipeline of one''s own' {
        $other = Start-Lab -Scenario hybrid-faulty
        try {
            [void](Invoke-Lab -Lab $other -Method POST -Action 'click' -Body @{ object = 'conditionalAccess/CA01 - MFA for all users'; set = @{ state = 'disabled' } })
            $connection = Get-LabConnection -Lab $other
            $session = Connect-SsprTenant @connection
            $state = @{ schemaVersion = 1; mfaEnforcement = @{ conditionalAccess = 'reportOnly'; excludeUsers = @('11111111-2222-4333-8444-555555555555') } }
            $failure = Get-Failure -Script { New-SsprPlan -DesiredState $state -Session $session }
            $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Plan.DesiredState,New-SsprPlan'
            $failure.TargetObject | Should -Be 'mfaEnforcement.excludeUsers'
            # From a snapshot nobody is asked whether that account is there.
            $saved = Test-SsprReadiness -Session $session
            $json = New-SsprPlan -DesiredState $state -Session $session -Snapshot $saved | Show-SsprPlan -AsJson
            $policy = ConvertFrom-Json -InputObject $json
            $policy.state | Should -Be 'enabledForReportingButNotEnforced'
            @($policy.conditions.users.excludeUsers) | Should -Be '11111111-2222-4333-8444-555555555555'
            $json | Should -Match '"clientAppTypes":\s*\['
            New-SsprPlan -Step notifications -Session $session | Show-SsprPlan -AsJson | Should -BeNullOrEmpty
        } finally {
            Stop-Lab -Lab $other
        }
    }

    It 'grant nothing at the root when the container is empty, and say where no directory is connected to' {
        foreach ($name in 'Grant-SsprDirectoryPermission', 'Revoke-SsprDirectoryPermission') {
            foreach ($empty in $null, '', @()) {
                $failure = Get-Failure -Script { & $name -Container $empty -WhatIf }
                $failure.FullyQualifiedErrorId | Should -Be "ParameterArgumentValidationError,$name"
            }
        }
        $told = $( Grant-SsprDirectoryPermission -Session $own -Confirm:$false ) 3>&1
        "$told" | Should -Match 'no directory is connected to'
    }

    It 'change nothing in a job in which nobody can be asked, and say how it is done there' {
        $plan = New-SsprPlan -Step authentication_methods -Session $own
        $sent = @(Get-Write).Count
        $shell = [powershell]::Create([initialsessionstate]::CreateDefault2())
        try {
            [void]$shell.AddScript({
                    param($Module, $Connection, $Plan, $Journal)
                    Import-Module -Name $Module
                    $session = Connect-SsprTenant @Connection
                    try { $Plan | Invoke-SsprPlan -Session $session -JournalPath $Journal } catch { "$_" } finally { Disconnect-Sspr -Session $session }
                }).AddArgument("$($env:SSPR_MODULE)/EntraSspr.psd1").AddArgument($connection).AddArgument($plan).AddArgument([System.IO.Path]::Combine($TestDrive, 'nobody.jsonl'))
            "$($shell.Invoke())" | Should -Match 'nobody could be asked about .*-Confirm:\$false'
        } finally {
            $shell.Dispose()
        }
        @(Get-Write).Count | Should -Be $sent
    }
}
