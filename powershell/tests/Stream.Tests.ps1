Describe 'Streams' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
    }
    BeforeEach {
        [void](Connect-SsprTenant @connection)
    }
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        Disconnect-Sspr -All
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'narrate to Verbose, and output the result alone' {
        $said = @(Test-SsprReadiness -Step license -Verbose 4>&1)
        @($said | Where-Object { $_ -isnot [System.Management.Automation.VerboseRecord] }).Count | Should -Be 1
        @($said | Where-Object { $_ -is [System.Management.Automation.VerboseRecord] } | ForEach-Object { $_.Message }) -join "`n" | Should -Match 'license\.entitlement'
    }

    It 'show no progress where nobody watches' {
        $shell = New-Shell
        [void](Invoke-Shell -Shell $shell -Script 'param($Connection) [void](Connect-SsprTenant @Connection); [void](Test-SsprReadiness)' -Argument $connection)
        $shell.Streams.Progress.Count | Should -Be 0
        $shell.Streams.Warning.Count | Should -Be 0
        $shell.Streams.Information.Count | Should -Be 0
        Close-Shell -Shell $shell
    }

    It 'show progress to a person, and take it away at the end' {
        $shell = New-Shell
        [void](Invoke-Shell -Shell $shell -Script 'param($Connection) & (Get-Module EntraSspr) { $script:Interactive = $true }; [void](Connect-SsprTenant @Connection); [void](Test-SsprReadiness)' -Argument $connection)
        $shell.Streams.Progress.Count | Should -BeGreaterThan 1
        [string]$shell.Streams.Progress[$shell.Streams.Progress.Count - 1].RecordType | Should -Be 'Completed'
        Close-Shell -Shell $shell
    }

    It 'hold no control characters, whatever a document says' {
        $read = InModuleScope EntraSspr {
            ConvertFrom-SsprJson -Json '{"title":"a\u001b[31mb\u202ec\u0007\r\nd","list":["\u009b1m"],"takenAt":"2026-11-23T09:14:00Z","seen":"2026-11-23T09:14:00Z","snapshot":"\u001b"}'
        }
        $read.Title | Should -BeExactly 'a[31mbc d'
        $read.List[0] | Should -BeExactly '1m'
        $read.TakenAt | Should -BeOfType ([datetime])
        $read.TakenAt.ToUniversalTime().ToString('s') | Should -Be '2026-11-23T09:14:00'
        $read.Seen | Should -BeOfType ([string]) -Because 'only members that are times become times'
        $read.Snapshot | Should -BeExactly ([string][char]27) -Because 'the library reads it again'
    }

    It 'hold no control characters, whatever the tenant calls things' {
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'hostileNames'; path = '' })
        $said = Test-SsprReadiness -Verbose 4>&1 | Out-String -Width 300
        $said | Should -Match 'All findings'
        $said | Should -Not -Match '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\u200E\u200F\u202A-\u202E\u2066-\u2069]'
    }

    It 'hold no secret, and neither do objects and errors' {
        $canary = "canary-$([guid]::NewGuid().ToString('N'))"
        $wrong = $connection.Clone()
        $wrong['ClientSecret'] = ConvertTo-Secret -Text $canary
        $said = [System.Collections.Generic.List[object]]::new()
        $failure = Get-Failure -Script { Connect-SsprTenant @wrong -Verbose 4>&1 }
        $errors = @($failure, $failure.Exception.Data['Sspr'])
        $token = ConvertTo-Secret -Text "eyJ.$canary.x"
        $errors += Get-Failure -Script { Connect-SsprTenant -AccessToken $token -Endpoint $connection.Endpoint -Verbose 4>&1 }
        $session = Connect-SsprTenant @connection
        $readiness = Test-SsprReadiness -Verbose *>&1
        $said.Add($session)
        foreach ($thing in $readiness) { $said.Add($thing) }
        $said.Add((Get-SsprEnvironment))
        $file = [System.IO.Path]::Combine($TestDrive, 'said.xml')
        $said | Export-Clixml -Path $file -Depth 8
        $text = [System.IO.File]::ReadAllText($file) + ($errors | Format-List -Property * -Force | Out-String -Width 4096)
        $text | Should -Not -Match $canary
        $text | Should -Not -Match ([regex]::Escape($lab.tenants[0].clientSecret))
        $text | Should -Not -Match 'eyJ[A-Za-z0-9_-]{20,}' -Because 'that is a token'
    }
}

Describe 'Ctrl+C' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'cancels the task within a second, and the session stays usable' {
        # A stopped pipeline is what Ctrl+C makes; the next test sends a real interrupt.
        $shell = New-Shell
        [void](Invoke-Shell -Shell $shell -Script 'param($Connection) [void](Connect-SsprTenant @Connection)' -Argument $connection)
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'never'; path = '/v1.0' })
        $shell.Commands.Clear()
        [void]$shell.AddScript('Test-SsprReadiness')
        $wait = $shell.BeginInvoke()
        Start-Sleep -Milliseconds 700
        $wait.IsCompleted | Should -BeFalse
        $watch = [System.Diagnostics.Stopwatch]::StartNew()
        $shell.Stop()
        $watch.ElapsedMilliseconds | Should -BeLessThan 1000
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        Invoke-Shell -Shell $shell -Script '(Test-SsprReadiness -Step license).Ready' | Should -Be 'Yes'
        Close-Shell -Shell $shell
    }

    It 'sent by a person ends the command, runs finally, and nothing is left behind' {
        if ([Environment]::OSVersion.Platform -eq 'Win32NT') { Set-ItResult -Skipped -Because 'Windows has no signal to send from here'; return }
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'never'; path = '/v1.0' })
        $script = @"
. '$PSScriptRoot/Lab.ps1'
Import-Module '$($env:SSPR_MODULE)/EntraSspr.psd1'
`$endpoint = @{ login = '$($lab.url)'; graph = '$($lab.url)' }
[void](Connect-SsprTenant -Tenant '$($connection.Tenant)' -ClientId '$($connection.ClientId)' -ClientSecret (ConvertTo-Secret '$($lab.tenants[0].clientSecret)') -Endpoint `$endpoint)
[Console]::Out.WriteLine('checking'); [Console]::Out.Flush()
try { Test-SsprReadiness } finally { [Console]::Out.WriteLine('finally') }
[Console]::Out.WriteLine('went on')
"@
        $child = Start-Child -Script $script
        $child.StandardOutput.ReadLine() | Should -Be 'checking'
        Start-Sleep -Milliseconds 500
        $watch = [System.Diagnostics.Stopwatch]::StartNew()
        Send-Interrupt -Process $child
        $said = Wait-Child -Process $child -Seconds 20
        $watch.Stop()
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
        $said.Output | Should -Match 'finally'
        $said.Output | Should -Not -Match 'went on'
        # The engine's own end is part of it.
        $watch.ElapsedMilliseconds | Should -BeLessThan 3000
        $said.Error | Should -Not -Match 'panic|Unhandled'
    }
}
