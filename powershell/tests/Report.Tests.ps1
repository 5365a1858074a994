Describe 'Reports' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        function Get-Result {
            # A scenario's result.
            param([string] $Scenario)

            $lab = Start-Lab -Scenario $Scenario
            $connection = Get-LabConnection -Lab $lab
            [void](Connect-SsprTenant @connection)
            Test-SsprReadiness
            Disconnect-Sspr -All
            Stop-Lab -Lab $lab
        }
        $faulty = Get-Result -Scenario hybrid-faulty
        function Get-ReportText {
            # What a report's file holds.
            param([psobject] $Result, [string] $Name, [hashtable] $With = @{})

            $file = [System.IO.Path]::Combine($TestDrive, $Name)
            $Result | Export-SsprReport -Path $file -Force @With
            [System.IO.File]::ReadAllText($file)
        }
    }

    It 'are written in the form that the extension says' {
        Get-ReportText -Result $faulty -Name 'a.html' | Should -Match '<!DOCTYPE html>'
        Get-ReportText -Result $faulty -Name 'a.HTM' | Should -Match '<!DOCTYPE html>'
        Get-ReportText -Result $faulty -Name 'a.md' | Should -Match '^# Self-service password reset'
        Get-ReportText -Result $faulty -Name 'a.csv' | Should -Match '^.?id,step,status'
        Get-ReportText -Result $faulty -Name 'a.out' -With @{ Format = 'Csv' } | Should -Match '^.?id,step,status'
        (ConvertFrom-Json -InputObject (Get-ReportText -Result $faulty -Name 'a.json')).findings.Count | Should -Be $faulty.Findings.Count
        $failure = Get-Failure -Script { $faulty | Export-SsprReport -Path ([System.IO.Path]::Combine($TestDrive, 'a.docx')) }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Export-SsprReport'
    }

    It 'have the verdict, every finding, its evidence and what to do' {
        $page = Get-ReportText -Result $faulty -Name 'b.html'
        $page | Should -Match 'Not ready'
        $page | Should -Match '<svg'
        foreach ($finding in $faulty.Findings) {
            $page | Should -Match ([regex]::Escape([System.Security.SecurityElement]::Escape($finding.Title).Replace('&apos;', '&#39;')))
            if ($finding.Status -eq 'Fail') { $page | Should -Match ([regex]::Escape([System.Security.SecurityElement]::Escape($finding.Remediation.Text).Replace('&apos;', '&#39;'))) }
        }
    }

    It 'are XML that pipelines read, with as many cases as findings' {
        $xml = [xml](Get-ReportText -Result $faulty -Name 'c.xml')
        @($xml.testsuites.testsuite.testcase).Count | Should -Be $faulty.Findings.Count
        @($xml.SelectNodes('//failure')).Count | Should -Be $faulty.Counts.Fail
    }

    It 'are tables that spreadsheets read' {
        $rows = @(ConvertFrom-Csv -InputObject (Get-ReportText -Result $faulty -Name 'd.csv').TrimStart([char]0xFEFF))
        $rows.Count | Should -Be $faulty.Findings.Count
        $rows[0].status | Should -Be $faulty.Findings[0].Status
    }

    It 'hold the steps and the findings that were asked for' {
        $some = Test-SsprReadiness -Snapshot $faulty -Step license
        @((ConvertFrom-Json -InputObject (Get-ReportText -Result $some -Name 'e.json')).steps.name) -join ' ' | Should -Be 'license'
        $high = ConvertFrom-Json -InputObject (Get-ReportText -Result $faulty -Name 'e.json' -With @{ Severity = 'High' })
        @($high.findings.severity | Select-Object -Unique) -join ' ' | Should -Be 'High'
        $high.counts.warn | Should -Be $faulty.Counts.Warn
    }

    It 'leave out every name with -Redact' {
        foreach ($name in 'f.html', 'f.md', 'f.json', 'f.csv', 'f.xml') {
            $text = Get-ReportText -Result $faulty -Name $name -With @{ Redact = $true }
            $text | Should -Not -Match 'contoso' -Because $name
            $text | Should -Not -Match ([regex]::Escape($faulty.TenantId)) -Because $name
            $text | Should -Not -Match '[a-z0-9]@[a-z]' -Because $name
            $text | Should -Not -Match 'Break glass' -Because $name
        }
        $json = ConvertFrom-Json -InputObject (Get-ReportText -Result $faulty -Name 'g.json' -With @{ Redact = $true })
        @($json.findings | ForEach-Object -Process { $_.id + $_.status }) -join ' ' | Should -Be (@($faulty.Findings | ForEach-Object -Process { $_.Id + $_.Status }) -join ' ')
        # Texts that hold no name stay as they are.
        $same = @(for ($i = 0; $i -lt $json.findings.Count; $i++) { if ($json.findings[$i].title -eq $faulty.Findings[$i].Title) { $i } }).Count
        $same | Should -BeGreaterThan ($faulty.Findings.Count * 0.8)
    }

    It 'are made of a saved result or a snapshot as well' {
        $file = [System.IO.Path]::Combine($TestDrive, 'saved.xml')
        $faulty | Export-Clixml -Path $file
        Get-ReportText -Result (Import-Clixml -Path $file) -Name 'h.md' | Should -Be (Get-ReportText -Result $faulty -Name 'i.md')
        Get-ReportText -Result $faulty.Snapshot -Name 'j.md' | Should -Be (Get-ReportText -Result $faulty -Name 'i.md')
        (Get-Failure -Script { 'x' | Export-SsprReport -Path ([System.IO.Path]::Combine($TestDrive, 'x.md')) }).FullyQualifiedErrorId | Should -Be 'Sspr.Snapshot.Invalid,Export-SsprReport'
    }

    It 'are not written with -WhatIf, whoever may write there, nor ask anybody else' {
        $folder = [System.IO.Path]::Combine($TestDrive, 'whatif')
        [void][System.IO.Directory]::CreateDirectory($folder)
        $file = [System.IO.Path]::Combine($folder, 'a.html')
        $missing = [System.IO.Path]::Combine($folder, 'none', 'a.html')
        foreach ($path in $file, $missing) {
            $faulty | Export-SsprReport -Path $path -WhatIf -PassThru | Should -BeNullOrEmpty
            $faulty | Export-SsprSnapshot -Path $path -WhatIf | Should -BeNullOrEmpty
            $faulty | Export-SsprSnapshot -Path $path -Attest -WhatIf | Should -BeNullOrEmpty
        }
        $fleet = [pscustomobject]@{ PSTypeName = 'EntraSspr.FleetResult'; Name = 'a'; Status = 'Failed'; Ready = $null; TenantName = $null; TenantId = $null; Reason = 'x'; EndedAt = [datetime]::UtcNow; First = $null; Steps = @() }
        $fleet | Export-SsprReport -Path $file -WhatIf | Should -BeNullOrEmpty
        @([System.IO.Directory]::GetFileSystemEntries($folder)).Count | Should -Be 0
        # What is wrong with the request is told all the same.
        (Get-Failure -Script { $faulty | Export-SsprReport -Path 'a.docx' -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Export-SsprReport'
        (Get-Failure -Script { Export-SsprSnapshot -Snapshot 'x' -Path $file -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.Snapshot.Invalid,Export-SsprSnapshot'
        # A job has nobody to ask.
        $shell = New-Shell
        $write = 'param($Snapshot, $Path) Import-SsprSnapshot -Path $Snapshot | Export-SsprReport -Path $Path; Import-SsprSnapshot -Path $Snapshot | Export-SsprSnapshot -Path "$Path.json"'
        $saved = [System.IO.Path]::Combine($TestDrive, 'whatif.json')
        $faulty | Export-SsprSnapshot -Path $saved -Force
        [void](Invoke-Shell -Shell $shell -Script $write -Argument $saved, $file)
        Close-Shell -Shell $shell
        @([System.IO.Directory]::GetFiles($folder)).Count | Should -Be 2
    }

    It 'have a file of their own, of several results in one pipeline too' {
        $file = [System.IO.Path]::Combine($TestDrive, 'several.json')
        $part = Test-SsprReadiness -Snapshot $faulty -Step license
        $fleet = [pscustomobject]@{ PSTypeName = 'EntraSspr.FleetResult'; Name = 'a'; Status = 'Failed'; Ready = $null; TenantName = $null; TenantId = $null; Reason = 'x'; EndedAt = [datetime]::UtcNow; First = $null; Steps = @() }
        foreach ($second in $faulty, $fleet) {
            $failure = Get-Failure -Script { $part, $second | Export-SsprReport -Path $file -Force }
            $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Export-SsprReport'
            "$failure" | Should -Match 'several results'
            $failure.ErrorDetails.RecommendedAction | Should -Match 'ForEach-Object'
            @((ConvertFrom-Json -InputObject ([System.IO.File]::ReadAllText($file))).steps.name) -join ' ' | Should -Be 'license' -Because 'the first stays'
        }
        (Get-Failure -Script { $part, $faulty | Export-SsprReport -Path $file -Force -WhatIf }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Export-SsprReport'
        # Of a fleet they are one page.
        $page = [System.IO.Path]::Combine($TestDrive, 'several.html')
        $fleet, $fleet | Export-SsprReport -Path $page -Force
        [System.IO.File]::ReadAllText($page) | Should -Match '<table'
    }

    It 'do not replace a file unless told, and give it when told' {
        $file = [System.IO.Path]::Combine($TestDrive, 'k.html')
        ($faulty | Export-SsprReport -Path $file -PassThru).FullName | Should -Be $file
        $failure = Get-Failure -Script { $faulty | Export-SsprReport -Path $file }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.File.Write,Export-SsprReport'
        $faulty | Export-SsprReport -Path $file -Force | Should -BeNullOrEmpty
        if ([Environment]::OSVersion.Platform -ne 'Win32NT') { [int][System.IO.File]::GetUnixFileMode($file) | Should -Be 384 }
    }
}

Describe 'Comparing results' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        function New-Finding {
            param([string] $Id, [string] $Status, [string] $Severity = 'Medium', [string] $Title = 'x', [int] $Count = 0)

            $affected = if ($Count) { [pscustomobject]@{ Count = $Count; Of = 100; BlocksReset = $true; Sample = @() } } else { $null }
            [pscustomobject]@{ Id = $Id; Step = 'license'; Status = $Status; Severity = $Severity; Title = $Title; Affected = $affected }
        }
        function New-Result { param([object[]] $Findings = @()) [pscustomobject]@{ TenantId = 't'; Findings = $Findings } }
        function Get-Change { param([object[]] $Before = @(), [object[]] $After = @()) @(Compare-SsprResult -Reference (New-Result -Findings $Before) -Difference (New-Result -Findings $After)) }
    }

    It '<Before> <Of> then <After> <Then>: <Change>' -ForEach @(
        @{ Before = 'Pass'; Of = ''; After = 'Fail'; Then = ''; Change = 'New' }
        @{ Before = 'Skipped'; Of = ''; After = 'Warn'; Then = ''; Change = 'New' }
        @{ Before = 'Fail'; Of = ''; After = 'Pass'; Then = ''; Change = 'Fixed' }
        @{ Before = 'Warn'; Of = ''; After = 'NotApplicable'; Then = ''; Change = 'Fixed' }
        @{ Before = 'Fail'; Of = ''; After = 'Skipped'; Then = ''; Change = 'Unread' }
        @{ Before = 'Pass'; Of = ''; After = 'Skipped'; Then = ''; Change = 'Unread' }
        @{ Before = 'Skipped'; Of = ''; After = 'Pass'; Then = ''; Change = 'Same' }
        @{ Before = 'Warn'; Of = ''; After = 'Fail'; Then = ''; Change = 'Worse' }
        @{ Before = 'Fail'; Of = 5; After = 'Warn'; Then = 9; Change = 'Better' }
        @{ Before = 'Fail'; Of = 5; After = 'Fail'; Then = 9; Change = 'Worse' }
        @{ Before = 'Fail'; Of = 9; After = 'Fail'; Then = 5; Change = 'Better' }
        @{ Before = 'Fail'; Of = 9; After = 'Fail'; Then = 9; Change = 'Same' }
    ) {
        $old = New-Finding -Id 'license.seats' -Status $Before -Count ([int]"0$Of")
        $new = New-Finding -Id 'license.seats' -Status $After -Count ([int]"0$Then")
        (Get-Change -Before $old -After $new).Change | Should -Be $Change
    }

    It 'knows what only one of them has' {
        (Get-Change -After (New-Finding -Id a -Status Fail)).Change | Should -Be 'New'
        (Get-Change -After (New-Finding -Id a -Status Pass)).Change | Should -Be 'Same'
        # Every check that is made gives a finding.
        (Get-Change -Before (New-Finding -Id a -Status Fail)).Change | Should -Be 'Unread'
        (Get-Change -Before (New-Finding -Id a -Status Pass)).Change | Should -Be 'Unread'
        (Get-Change -Before (New-Finding -Id a -Status Skipped)).Change | Should -Be 'Same'
        $two = (New-Finding -Id a -Status Fail -Title x), (New-Finding -Id a -Status Fail -Title y)
        @((Get-Change -Before $two).Change) -join ' ' | Should -Be 'Unread Unread'
        @((Get-Change -Before $two -After (New-Finding -Id a -Status Fail -Title y)).Change) -join ' ' | Should -Be 'Same Fixed'
        @(Get-Change).Count | Should -Be 0
    }

    It 'pairs several findings of a check by their titles' {
        $before = @((New-Finding -Id a -Status Fail -Title '5 users of OU=A' -Count 5), (New-Finding -Id a -Status Fail -Title '7 users of OU=B' -Count 7))
        $after = @((New-Finding -Id a -Status Fail -Title '9 users of OU=B' -Count 9), (New-Finding -Id a -Status Fail -Title '5 users of OU=A' -Count 5), (New-Finding -Id a -Status Fail -Title '1 user of OU=C' -Count 1))
        $changes = Get-Change -Before $before -After $after
        @($changes | ForEach-Object -Process { "$($_.Change) $($_.Title)" } | Sort-Object) -join '; ' | Should -Be 'New 1 user of OU=C; Same 5 users of OU=A; Worse 9 users of OU=B'
    }

    It 'takes results, snapshots and files, in either place' {
        $lab = Start-Lab -Scenario hybrid-faulty, hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $faulty = Test-SsprReadiness
        $connection = Get-LabConnection -Lab $lab -Tenant 1
        [void](Connect-SsprTenant @connection)
        $ready = Test-SsprReadiness
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
        $changes = @(Compare-SsprResult -Reference $faulty -Difference $ready -WarningVariable warned -WarningAction SilentlyContinue)
        $changes.Count | Should -BeGreaterOrEqual $faulty.Findings.Count
        @($changes | Where-Object -Property Change -EQ -Value Fixed).Count | Should -BeGreaterThan 5
        "$warned" | Should -Match 'two tenants'
        @(Compare-SsprResult -Reference $faulty -Difference $faulty -ExcludeSame).Count | Should -Be 0

        # What was not looked at again is not fixed.
        $again = Test-SsprReadiness -Snapshot $faulty.Snapshot -Step license
        $part = @(Compare-SsprResult -Reference $faulty -Difference $again -WarningAction SilentlyContinue | Where-Object -FilterScript { $_.Id -notlike 'license.*' })
        @($part | Where-Object -Property Change -In -Value Unread, Same).Count | Should -Be $part.Count
        @($part | Where-Object -Property Change -EQ -Value Unread).Count | Should -BeGreaterThan 20

        $report = [System.IO.Path]::Combine($TestDrive, 'faulty.json')
        $faulty | Export-SsprReport -Path $report
        @($faulty | Compare-SsprResult -Reference $report -ExcludeSame).Count | Should -Be 0
        @(Compare-SsprResult -Reference $report -Difference $ready -WarningAction SilentlyContinue | ForEach-Object -Process { $_.Change }) -join ' ' | Should -Be (@($changes.Change) -join ' ')

        $saved = [System.IO.Path]::Combine($TestDrive, 'faulty.snapshot.json')
        $faulty | Export-SsprSnapshot -Path $saved
        @(Compare-SsprResult -Reference $saved -Difference $faulty.Snapshot -ExcludeSame).Count | Should -Be 0
        $facts = @(Compare-SsprResult -Reference $saved -Difference $ready.Snapshot -WarningAction SilentlyContinue)
        @($facts | Where-Object -Property Change -EQ -Value Changed).Fact | Should -Contain 'auditSettings'
        $facts | Out-String | Should -Match 'Changed'
        $changes | Out-String | Should -Match 'Fixed'
        (Get-Failure -Script { Compare-SsprResult -Reference $faulty -Difference $faulty.Snapshot }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Compare-SsprResult'
        (Get-Failure -Script { Compare-SsprResult -Reference 5 -Difference $faulty }).FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Compare-SsprResult'
        (Get-Failure -Script { Compare-SsprResult -Reference 'missing.json' -Difference $faulty }).FullyQualifiedErrorId | Should -Be 'Sspr.File.Read,Compare-SsprResult'
    }
}
