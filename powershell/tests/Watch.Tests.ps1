Describe 'A reset that is watched' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        $watched = 'param($Connection, $With) [void](Connect-SsprTenant @Connection); Watch-SsprReset -User staff3@contoso.example -PollSec 1 @With'

        function Start-Watch {
            # Watches in another runspace until the user may begin.
            param([hashtable] $With = @{})

            $shell = New-Shell
            $shell.Commands.Clear()
            [void]$shell.AddScript($watched).AddArgument($connection).AddArgument($With)
            $going = $shell.BeginInvoke()
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            while ($shell.Streams.Information.Count -eq 0 -and -not $going.IsCompleted -and $clock.Elapsed.TotalSeconds -lt 60) { Start-Sleep -Milliseconds 50 }
            @{ Shell = $shell; Going = $going }
        }

        function Add-Event {
            param([string] $Activity = 'Reset password (self-service)', [hashtable] $With = @{})

            [void](Invoke-Lab -Lab $lab -Method POST -Action audit -Body @{ event = @{ at = '+0s'; activity = $Activity; target = 'staff3@contoso.example' } + $With })
        }

        function Wait-Watch {
            # What it came to, and what was said of it.
            param($Watch)

            $result = @($Watch.Shell.EndInvoke($Watch.Going))
            if ($Watch.Shell.Streams.Error.Count -gt 0) { throw "in the other runspace: $($Watch.Shell.Streams.Error[0])" }
            $said = @($Watch.Shell.Streams.Information | ForEach-Object -Process { [string]$_.MessageData })
            Close-Shell -Shell $Watch.Shell
            @{ Result = $result[0]; Said = $said }
        }
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'is told leg by leg, and as one screen' {
        $watch = Start-Watch -With @{ TimeoutSec = 60 }
        Add-Event -Activity 'Self-service password reset flow activity progress' -With @{ reason = "User was presented$([char]27)[31m" }
        Add-Event -With @{ reason = 'Successfully completed reset.'; details = @{ OnPremisesAgent = 'Microsoft Entra Connect' } }
        $end = Wait-Watch -Watch $watch
        $end.Result.Verdict | Should -Be 'Worked'
        $end.Result.User | Should -Be 'staff3@contoso.example'
        $end.Result.BegunAt | Should -BeOfType ([datetime])
        $of = @{}
        foreach ($leg in $end.Result.Legs) { $of[$leg.Leg] = $leg }
        $of['Cloud'].Status | Should -Be 'Came'
        $of['Cloud'].At | Should -BeOfType ([datetime])
        $of['Agent'].Detail | Should -Be 'Microsoft Entra Connect'
        $of['Directory'].Status | Should -Be 'NotWatched'
        $end.Said[0] | Should -Match '^Watching staff3@contoso\.example: .*The user may begin now\.$'
        $end.Said -join "`n" | Should -Match '(?m)^\d\d:\d\d:\d\d  Came     Cloud        Successfully completed reset\. \(audit log\)$'
        $screen = $end.Result | Out-String -Width 200
        $screen | Should -Match 'Reset of staff3@contoso\.example: The reset worked'
        $screen | Should -Match '(?m)^NotWatched    Directory .*Connect-SsprDirectory'
        "$screen$($end.Said)" | Should -Not -Match '[\x00-\x08\x0B\x0C\x0E-\x1F]'
    }

    It 'that fails names the cause, and nothing is written' {
        $watch = Start-Watch -With @{ TimeoutSec = 60 }
        Add-Event -With @{ result = 'failure'; reason = 'OnPremisesSuccessCloudFailure' }
        $end = Wait-Watch -Watch $watch
        $end.Result.Verdict | Should -Be 'Failed'
        ($end.Result.Legs | Where-Object -Property Leg -EQ -Value 'Cloud').Fix | Should -Not -BeNullOrEmpty
        @(Invoke-Lab -Lab $lab -Action writes).Count | Should -Be 0
    }

    It 'tells once that a source does not answer, and goes on' {
        $watch = Start-Watch -With @{ TimeoutSec = 60 }
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ path = '/v1.0/auditLogs'; kind = 'status'; status = 400; count = 2 })
        Add-Event -With @{ reason = 'Successfully completed reset.' }
        $end = Wait-Watch -Watch $watch
        $end.Result.Verdict | Should -Be 'Worked'
        @($end.Said -match 'not read: ').Count | Should -Be 1
        $end.Said -join "`n" | Should -Match '(?m)^\d\d:\d\d:\d\d  Awaited  Cloud        not read: .* \(audit log\)$'
    }

    It 'that does not come is missing when the time is over' {
        $end = Wait-Watch -Watch (Start-Watch -With @{ TimeoutSec = 2; Action = 'Unlock' })
        $end.Result.Verdict | Should -Be 'Missing'
        $end.Result.Action | Should -Be 'Unlock'
        $end.Result.Headline | Should -Be 'No unlock was seen.'
    }

    It 'is told though a Connect server does not answer, and leaves no job behind when it is stopped' {
        $pace = [hashtable]::Synchronized(@{ Seconds = 0 })
        $sent = [System.Collections.Generic.List[hashtable]]::new()
        $shell = New-Shell
        [void](Invoke-Shell -Shell $shell -Argument ([System.IO.Path]::Combine($PSScriptRoot, 'ConnectServer.ps1')), @{ Pace = $pace; Sent = $sent }, $connection, ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1')) -Script {
                param($File, $With, $Connection, $Lab)
                . $Lab
                . $File
                Start-ConnectServer -With $With
                [void](Connect-SsprTenant @Connection)
                [void](Connect-SsprConnectServer -ComputerName 'sync1.example.test')
            }.ToString())
        $shell.Commands.Clear()
        [void]$shell.AddScript('Watch-SsprReset -User staff3@contoso.example -PollSec 1 -TimeoutSec 120')
        $going = $shell.BeginInvoke()
        $until = {
            param($Holds)
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            while (-not (& $Holds) -and -not $going.IsCompleted -and $clock.Elapsed.TotalSeconds -lt 30) { Start-Sleep -Milliseconds 50 }
        }
        & $until { $shell.Streams.Information.Count -gt 0 }
        # From the next question on the server is silent.
        $pace.Seconds = 100
        $before = $sent.Count
        & $until { $sent.Count -gt $before }
        Add-Event -With @{ reason = 'Successfully completed reset.' }
        & $until { "$($shell.Streams.Information)" -match 'Came +Cloud' }
        "$($shell.Streams.Information)" | Should -Match 'Came +Cloud'
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        $shell.Stop()
        $clock.Elapsed.TotalSeconds | Should -BeLessThan 10
        @(Invoke-Shell -Shell $shell -Script 'Get-Job').Count | Should -Be 0
        Close-Shell -Shell $shell
    }

    It 'of nobody is an error' {
        [void](Connect-SsprTenant @connection)
        $failure = Get-Failure { Watch-SsprReset -User nobody@contoso.example }
        $failure.FullyQualifiedErrorId | Should -Match 'Argument\.Invalid'
        "$failure" | Should -Match 'no such user'
    }
}
