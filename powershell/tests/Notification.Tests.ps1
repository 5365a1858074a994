# What changed, told to a webhook of the lab's; and the permissions of an app.
BeforeAll {
    . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
    Import-ModuleUnderTest
    $lab = Start-Lab -Scenario hybrid-faulty
    $connection = Get-LabConnection -Lab $lab
    $canary = 'canary-7c1e'
    $webhook = ConvertTo-Secret -Text "$($lab.url)/hook/workflows/$canary`?sig=$canary"
    function Get-Hook { @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_.path -like '/hook*' }) }
    function New-Result {
        # A result as one that was saved gives it: findings of these statuses.
        param([hashtable] $Status, [datetime] $TakenAt = [datetime]::UtcNow)
        $findings = @(foreach ($id in ($Status.Keys | Sort-Object)) {
                [pscustomobject]@{ Id = $id; Step = 'license'; Status = $Status[$id]; Severity = 'High'; Title = "[$id](https://evil.example)"; Affected = $null; Remediation = $null }
            })
        [pscustomobject]@{
            TenantId = 'aaaaaaaa-0000-4000-8000-000000000001'; TenantName = '**Contoso**'; Ready = 'No'; TakenAt = $TakenAt; Findings = $findings
            Counts = [pscustomobject]@{ Pass = 1; Fail = 1; Warn = 0; Skipped = 0; NotApplicable = 0; Error = 0 }
        }
    }
}
AfterAll {
    Disconnect-Sspr
    Stop-Lab -Lab $lab
}

Describe 'Send-SsprNotification' {
    BeforeEach {
        Disconnect-Sspr
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        $state = [System.IO.Path]::Combine($TestDrive, "$([guid]::NewGuid()).json")
        $options = @{ WebhookUri = $webhook; StatePath = $state }
    }

    It 'tells all that is wrong the first time, then only what changed, and nothing when nothing changed' {
        $first = New-Result -Status @{ a = 'Fail'; b = 'Pass'; c = 'Warn'; d = 'Skipped' } | Send-SsprNotification @options
        "$($first.Kind) $($first.Sent) $($first.New)" | Should -Be 'Changes True 2'
        $second = New-Result -Status @{ a = 'Fail'; b = 'Pass'; c = 'Warn'; d = 'Skipped' } | Send-SsprNotification @options
        "$($second.Kind) $($second.Sent)" | Should -Be 'None False'
        @(Get-Hook).Count | Should -Be 1
        $third = New-Result -Status @{ a = 'Pass'; b = 'Fail'; c = 'Fail'; d = 'Pass' } | Send-SsprNotification @options
        "$($third.New) $($third.Worse) $($third.Fixed)" | Should -Be '1 1 1'
        $body = @(Get-Hook)[1].body
        $body | Should -Match 'AdaptiveCard'
        $body | Should -Not -Match '\]\(https'
        $body | Should -Not -Match '\*\*Contoso' -Because 'a name is text'
    }

    It 'tells once that something cannot be read any more, and what was known stands until it is' {
        [void](New-Result -Status @{ a = 'Fail'; b = 'Pass' } | Send-SsprNotification @options)
        $lost = New-Result -Status @{ a = 'Skipped'; b = 'Pass' } | Send-SsprNotification @options
        "$($lost.Kind) $($lost.Unread)" | Should -Be 'Changes 1'
        (New-Result -Status @{ a = 'Skipped'; b = 'Pass' } | Send-SsprNotification @options).Kind | Should -Be 'None'
        # Not looked at is no news, and forgets nothing.
        (New-Result -Status @{ b = 'Pass' } | Send-SsprNotification @options).Kind | Should -Be 'None'
        (New-Result -Status @{ a = 'Fail'; b = 'Pass' } | Send-SsprNotification @options).Kind | Should -Be 'None'
        (New-Result -Status @{ a = 'Pass'; b = 'Pass' } | Send-SsprNotification @options).Fixed | Should -Be 1
    }

    It 'gives a sign of life when it was silent for long enough' {
        [void](New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -Heartbeat 1.00:00:00)
        (New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -Heartbeat 1.00:00:00).Kind | Should -Be 'None'
        $kept = [System.IO.File]::ReadAllText($state) -replace '"lastSentAt":"[^"]*"', '"lastSentAt":"2020-01-01T00:00:00Z"'
        [System.IO.File]::WriteAllText($state, $kept)
        (New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options).Kind | Should -Be 'None'
        $sign = New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -Heartbeat 1.00:00:00
        "$($sign.Kind) $($sign.Sent)" | Should -Be 'Heartbeat True'
        (New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -Heartbeat 1.00:00:00).Kind | Should -Be 'None'
    }

    It 'sends and keeps nothing with -WhatIf, and shows what would be sent' {
        $shown = New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -Format Json -WhatIf
        $shown.Sent | Should -BeFalse
        (ConvertFrom-Json -InputObject $shown.Body).changes[0].id | Should -Be 'a'
        @(Get-Hook).Count | Should -Be 0
        [System.IO.File]::Exists($state) | Should -BeFalse
    }

    It 'keeps what was not delivered for the next run' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/hook'; count = 1; kind = 'status'; status = 410 })
        $failure = Get-Failure { New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -ErrorAction Stop }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Service.Failed,Send-SsprNotification'
        (New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options).New | Should -Be 1
    }

    It 'leaves a state as it is that is damaged, of another version or another tenant''s, and sends nothing' {
        [void](New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options)
        $good = [System.IO.File]::ReadAllText($state)
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        foreach ($bad in $good.Substring(0, 40), '', '{}', ($good -replace '"schemaVersion":1', '"schemaVersion":2'), ($good -replace 'aaaaaaaa', 'bbbbbbbb')) {
            [System.IO.File]::WriteAllText($state, $bad)
            $failure = Get-Failure { New-Result -Status @{ a = 'Pass' } | Send-SsprNotification @options -ErrorAction Stop }
            $failure.FullyQualifiedErrorId | Should -Be 'Sspr.State.Invalid,Send-SsprNotification'
            [System.IO.File]::ReadAllText($state) | Should -Be $bad
        }
        @(Get-Hook).Count | Should -Be 0
    }

    It 'tells the address and the key in no stream, error, output or file' {
        $key = ConvertTo-Secret -Text "$canary-key"
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/hook'; count = 1; kind = 'body'; status = 400; text = $canary })
        $failure = Get-Failure { New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -SigningKey $key -ErrorAction Stop }
        $failure | Should -Not -BeNullOrEmpty
        $all = New-Result -Status @{ a = 'Fail' } | Send-SsprNotification @options -SigningKey $key -Verbose *>&1 | Format-List -Property * | Out-String
        $all += $failure | Format-List -Property * -Force | Out-String
        $all += [string]$failure.Exception.Data['Sspr']
        $all += [System.IO.File]::ReadAllText($state)
        $all += @(Get-Hook | ForEach-Object { $_.body }) -join ''
        $all | Should -Not -Match $canary
        @(Get-Hook)[-1].headers | ForEach-Object { $_[0] } | Should -Contain 'x-sspr-signature'
    }

    It 'follows no redirect to another host' {
        $other = Start-Lab -Scenario one-user
        try {
            $moved = ConvertTo-Secret -Text "$($lab.url)/hook/moved?to=$($other.url)/hook/taken"
            $failure = Get-Failure { New-Result -Status @{ a = 'Fail' } | Send-SsprNotification -WebhookUri $moved -StatePath $state -ErrorAction Stop }
            $failure.ErrorDetails.RecommendedAction | Should -Match 'redirect'
            @(Invoke-Lab -Lab $other -Action requests | ForEach-Object { $_ }) | Should -BeNullOrEmpty
        } finally { Stop-Lab -Lab $other }
    }

    It 'keeps the state in a blob, by a signature or by the session''s identity' {
        foreach ($blob in "$($lab.url)/blob/states/a.json?sig=x", "$($lab.url)/blob/states/b.json") {
            [void](Connect-SsprTenant @connection)
            $place = ConvertTo-Secret -Text $blob
            $readiness = Test-SsprReadiness -Step license
            $first = $readiness | Send-SsprNotification -WebhookUri $webhook -StateUri $place
            $first.Sent | Should -BeTrue
            ($readiness | Send-SsprNotification -WebhookUri $webhook -StateUri $place).Kind | Should -Be 'None'
        }
    }

    It 'tells what Compare-SsprResult gives, and says what it cannot take' {
        $change = Compare-SsprResult -Reference (New-Result -Status @{ a = 'Pass'; b = 'Fail' }) -Difference (New-Result -Status @{ a = 'Fail'; b = 'Fail' })
        $told = $change | Send-SsprNotification -WebhookUri $webhook
        "$($told.New) $($told.Sent)" | Should -Be '1 True'
        (@() | Send-SsprNotification -WebhookUri $webhook).Kind | Should -Be 'None'
        foreach ($wrong in { 1 | Send-SsprNotification @options -ErrorAction Stop },
            { New-Result -Status @{ a = 'Fail' } | Send-SsprNotification -WebhookUri $webhook -ErrorAction Stop },
            { $change | Send-SsprNotification @options -ErrorAction Stop },
            { New-Result -Status @{ a = 'Fail' } | Send-SsprNotification -WebhookUri (ConvertTo-Secret -Text 'http://example.com/x') -StatePath $state -ErrorAction Stop }) {
            (Get-Failure $wrong).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Send-SsprNotification'
        }
    }
}

Describe 'Grant-SsprAppPermission' {
    BeforeAll {
        $grant = @{ app = 'checker'; permission = 'AppRoleAssignment.ReadWrite.All' }
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/add -Body $grant)
        [void](Connect-SsprTenant @connection)
        $journal = [System.IO.Path]::Combine($TestDrive, 'grant.jsonl')
    }

    It 'shows with -WhatIf, grants what is missing, and takes that back' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/remove -Body @{ app = 'checker'; permission = 'Policy.Read.All' })
        [void](Invoke-Lab -Lab $lab -Method POST -Action permissions/add -Body @{ app = 'checker'; permission = 'Mail.Send' })
        $shown = Grant-SsprAppPermission -App checker -WhatIf
        $shown.Missing | Should -Be 'Policy.Read.All'
        $shown.Excess | Should -Contain 'Mail.Send'
        $shown.ConsentUrl | Should -Match "adminconsent\?client_id=$($lab.tenants[0].clientId)$"
        $shown.GdapRoles[0].Role | Should -Be 'Global Reader'
        ($shown | Out-String) | Should -Match 'Missing +Policy\.Read\.All'
        $done = Grant-SsprAppPermission -App checker -JournalPath $journal -Confirm:$false
        $done.Granted | Should -Be 'Policy.Read.All'
        @($done.Missing).Count | Should -Be 0
        $undone = $done | Grant-SsprAppPermission -Undo -Confirm:$false
        $undone.Changes[0].Outcome | Should -Be 'Undone'
        (Grant-SsprAppPermission -App checker -WhatIf).Missing | Should -Be 'Policy.Read.All'
    }

    It 'refuses a name that nobody has' {
        (Get-Failure { Grant-SsprAppPermission -App 'no such app' -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Grant-SsprAppPermission'
    }

    It 'needs what Get-SsprCheck -AsPermissionList lists, or less' {
        $names = Get-SsprCheck -AsPermissionList
        @($names | Where-Object { $_ -isnot [string] }).Count | Should -Be 0
        ($names -join ' ') | Should -Be (($names | Sort-Object -Unique -CaseSensitive) -join ' ')
        foreach ($name in (Grant-SsprAppPermission -App checker -WhatIf).Needed) { $names | Should -Contain $name }
        @(Get-SsprCheck -Step license -AsPermissionList).Count | Should -BeLessThan @($names).Count
    }
}
