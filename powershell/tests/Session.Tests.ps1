Describe 'Sessions' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready, no-license
        $one = Get-LabConnection -Lab $lab -Tenant 0
        $two = Get-LabConnection -Lab $lab -Tenant 1
    }
    AfterEach {
        Disconnect-Sspr -All
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'of several tenants are open at once, each used by name or by pipe' {
        $first = Connect-SsprTenant @one
        $second = Connect-SsprTenant @two
        (Get-SsprSession).Handle | Should -Be $second.Handle
        (Test-SsprReadiness -Step license).TenantId | Should -Be $second.TenantId
        (Test-SsprReadiness -Step license -Session $first).TenantId | Should -Be $first.TenantId
        @(Get-SsprSession -All | Test-SsprReadiness -Step license | ForEach-Object { $_.Ready }) -join ' ' | Should -Be 'Yes No'
    }

    It 'close one by one, by pipe, and twice without an error' {
        $first = Connect-SsprTenant @one
        $second = Connect-SsprTenant @two
        $second | Disconnect-Sspr
        $second | Disconnect-Sspr
        Get-SsprSession | Should -BeNullOrEmpty
        @(Get-SsprSession -All).Count | Should -Be 1
        (Test-SsprReadiness -Step license -Session $first).Ready | Should -Be 'Yes'
        (Get-Failure -Script { Test-SsprReadiness -Session $second }).FullyQualifiedErrorId | Should -Be 'Sspr.Handle.Invalid,Test-SsprReadiness'
    }

    It 'that were saved are no sessions' {
        $file = [System.IO.Path]::Combine($TestDrive, 'session.xml')
        Connect-SsprTenant @one | Export-Clixml -Path $file
        { Test-SsprReadiness -Session (Import-Clixml -Path $file) } | Should -Throw
    }

    It 'of two tenants work in two runspaces at once' {
        $work = 'param($Connection) [void](Connect-SsprTenant @Connection); 1..5 | ForEach-Object { $r = Test-SsprReadiness -Step license; "$($r.TenantId) $($r.Ready)" }; @(Get-SsprSession -All).Count'
        $running = foreach ($connection in $one, $two) {
            $shell = New-Shell
            $shell.Commands.Clear()
            [void]$shell.AddScript($work).AddArgument($connection)
            [pscustomobject]@{ Shell = $shell; Wait = $shell.BeginInvoke(); TenantId = $connection.Tenant }
        }
        $expected = 'Yes', 'No'
        for ($i = 0; $i -lt 2; $i++) {
            $said = $running[$i].Shell.EndInvoke($running[$i].Wait)
            "$($running[$i].Shell.Streams.Error)" | Should -BeNullOrEmpty
            $said.Count | Should -Be 6
            @($said | Select-Object -First 5 | Select-Object -Unique) | Should -Be "$($running[$i].TenantId) $($expected[$i])"
            $said[5] | Should -Be 1 -Because 'a runspace has its own sessions'
            Close-Shell -Shell $running[$i].Shell
        }
    }

    It 'serve another runspace that is handed one' {
        $session = Connect-SsprTenant @one
        $shell = New-Shell
        Invoke-Shell -Shell $shell -Script 'param($Session) (Test-SsprReadiness -Step license -Session $Session).Ready' -Argument $session | Should -Be 'Yes'
        Close-Shell -Shell $shell
    }

    It 'of a certificate are renewed in another runspace too' {
        Skip-WithoutRsaKey
        $pem = [System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile)
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem, $pem)
        $session = Connect-SsprTenant -Tenant $one.Tenant -ClientId $one.ClientId -Endpoint $one.Endpoint -Certificate $certificate
        $shell = New-Shell
        [void](Invoke-Lab -Lab $lab -Method POST -Action 'tokens/revoke')
        Invoke-Shell -Shell $shell -Script 'param($Session) (Test-SsprReadiness -Step license -Session $Session).Ready' -Argument $session | Should -Be 'Yes'
        # The object itself holds nothing of it, neither does its saved form.
        ($session | ConvertTo-Json -Depth 3) | Should -Not -Match 'Certificate2|RawData'
        Close-Shell -Shell $shell
    }

    It 'are closed when the module is removed' {
        $script = @"
`$ErrorActionPreference = 'Stop'
. '$PSScriptRoot/Lab.ps1'
Import-Module '$($env:SSPR_MODULE)/EntraSspr.psd1'
`$endpoint = @{ login = '$($lab.url)'; graph = '$($lab.url)' }
`$session = Connect-SsprTenant -Tenant '$($one.Tenant)' -ClientId '$($one.ClientId)' -ClientSecret (ConvertTo-Secret '$($lab.tenants[0].clientSecret)') -Endpoint `$endpoint
Remove-Module EntraSspr
Import-Module '$($env:SSPR_MODULE)/EntraSspr.psd1'
try { Test-SsprReadiness -Session `$session } catch { `$_.FullyQualifiedErrorId }
"@
        $said = Invoke-Child -Script $script
        $said.Output.Trim() | Should -Be 'Sspr.Handle.Invalid,Test-SsprReadiness' -Because $said.Error
    }
}
