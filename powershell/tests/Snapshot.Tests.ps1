Describe 'Snapshots' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $readiness = Test-SsprReadiness
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
        $file = [System.IO.Path]::Combine($TestDrive, 'contoso.json')
        $readiness | Export-SsprSnapshot -Path $file

        function Get-Reader {
            # The ids of those that a file's access list on Windows names.
            param([string] $Path)

            $list = if (Get-Command -Name Get-Acl -ErrorAction SilentlyContinue) { Get-Acl -LiteralPath $Path } else { [System.IO.FileSystemAclExtensions]::GetAccessControl([System.IO.FileInfo]$Path) }
            foreach ($entry in $list.GetAccessRules($true, $true, [System.Security.Principal.SecurityIdentifier])) { $entry.IdentityReference.Value }
        }
    }

    It 'are judged again without a session and without a network' {
        $again = Import-SsprSnapshot -Path $file | Test-SsprReadiness
        $again.Ready | Should -Be $readiness.Ready
        @($again.Findings.Id) -join ' ' | Should -Be (@($readiness.Findings.Id) -join ' ')
        (Test-SsprReadiness -Snapshot $readiness -Step license).Steps.Count | Should -Be 1
        (Test-SsprReadiness -Snapshot $readiness.Snapshot).Ready | Should -Be $readiness.Ready
    }

    It 'come back as they were saved' {
        $loaded = Import-SsprSnapshot -Path $file
        $loaded.Snapshot | Should -BeExactly $readiness.Snapshot.Snapshot
        $loaded.TenantId | Should -Be $readiness.TenantId
        $loaded.TakenAt | Should -Be $readiness.TakenAt
        ($loaded | Out-String) | Should -Match $readiness.TenantId
    }

    It 'are readable by their owner only' {
        if ([Environment]::OSVersion.Platform -ne 'Win32NT') {
            # 0600
            [int][System.IO.File]::GetUnixFileMode($file) | Should -Be 384
            return
        }
        $owner = [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
        $allowed = @(Get-Reader -Path $file)
        # Wine writes an entry for the system into every list.
        if (Test-Wine) { $allowed = @($allowed | Where-Object { $_ -ne 'S-1-5-18' }) }
        $allowed | Should -Be $owner
        # What another file in the folder has shows that this is the file's own.
        $other = [System.IO.Path]::Combine($TestDrive, 'other.json')
        [System.IO.File]::WriteAllText($other, 'x')
        (@(Get-Reader -Path $other) -join ' ') | Should -Not -Be $owner
    }

    It 'that are shared have the rights that their folder gives, as another file there' {
        $shared = [System.IO.Path]::Combine($TestDrive, 'shared.json')
        $plain = [System.IO.Path]::Combine($TestDrive, 'plain.json')
        $readiness | Export-SsprSnapshot -Path $shared
        $readiness | Export-SsprSnapshot -Path $shared -Shared -Force
        [System.IO.File]::WriteAllText($plain, 'x')
        $rights = if ([Environment]::OSVersion.Platform -ne 'Win32NT') { { param($Path) [string][System.IO.File]::GetUnixFileMode($Path) } } else { { param($Path) (Get-Reader -Path $Path | Sort-Object) -join ' ' } }
        & $rights $shared | Should -Be (& $rights $plain)
        $readiness | Export-SsprReport -Path "$TestDrive/shared.html" -Shared
        & $rights "$TestDrive/shared.html" | Should -Be (& $rights $plain)
    }

    It 'do not replace a file unless told' {
        $failure = Get-Failure -Script { $readiness | Export-SsprSnapshot -Path $file }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.File.Write,Export-SsprSnapshot'
        $readiness | Export-SsprSnapshot -Path $file -Force
    }

    It 'that are damaged or missing are errors, and the others are still read' {
        $damaged = [System.IO.Path]::Combine($TestDrive, 'damaged.json')
        [System.IO.File]::WriteAllText($damaged, [System.IO.File]::ReadAllText($file).Substring(0, 200))
        $missing = [System.IO.Path]::Combine($TestDrive, 'missing.json')
        $read = @($damaged, $missing, $file | Import-SsprSnapshot -ErrorAction SilentlyContinue -ErrorVariable failures)
        $read.Count | Should -Be 1
        @($failures | ForEach-Object { $_.FullyQualifiedErrorId } | Select-Object -Unique | Sort-Object) -join ' ' |
            Should -Be 'Sspr.File.Read,Import-SsprSnapshot Sspr.Snapshot.Invalid,Import-SsprSnapshot'
    }

    It 'are not looked for where there is no file system, and the others are still read' {
        $read = @('nowhere:\contoso.json', 'variable:HOME', 'nothing::x', $file | Import-SsprSnapshot -ErrorAction SilentlyContinue -ErrorVariable failures)
        $read.Count | Should -Be 1
        # PowerShell keeps the exceptions underneath too, although they were caught.
        @($failures | Where-Object { $_.FullyQualifiedErrorId -eq 'Sspr.Argument.Invalid,Import-SsprSnapshot' }).Count | Should -Be 3
        $failure = Get-Failure -Script { $readiness | Export-SsprSnapshot -Path 'nowhere:\contoso.json' }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Export-SsprSnapshot'
        $failure.Exception.Message | Should -BeLike 'nowhere:\contoso.json is not a path here: *'
        $failure.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        $failure = Get-Failure -Script { Connect-SsprTenant -Tenant x -ClientId y -CertificatePath 'nowhere:\app.pfx' }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Connect-SsprTenant'
    }

    It 'of something else are refused' {
        (Get-Failure -Script { Test-SsprReadiness -Snapshot 7 }).FullyQualifiedErrorId | Should -Be 'Sspr.Snapshot.Invalid,Test-SsprReadiness'
        $failure = Get-Failure -Script { Test-SsprReadiness -Snapshot './contoso.json' }
        $failure.FullyQualifiedErrorId | Should -BeLike 'Sspr.Snapshot.Invalid,*'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'Import-SsprSnapshot' -Because 'a path is the likeliest mistake'
    }

    It 'are judged where there is no network at all' {
        if ([Environment]::OSVersion.Platform -ne 'Unix' -or -not (Get-Command -Name unshare -ErrorAction SilentlyContinue)) { Set-ItResult -Skipped -Because 'it takes a network away with Linux''s unshare'; return }
        & unshare --map-root-user --net true 2> $null
        if ($LASTEXITCODE -ne 0) { Set-ItResult -Skipped -Because 'this system lets nobody take a network away'; return }
        $script = [System.IO.Path]::Combine($TestDrive, 'offline.ps1')
        [System.IO.File]::WriteAllText($script, @"
Import-Module '$($env:SSPR_MODULE)/EntraSspr.psd1'
[Console]::Out.WriteLine('ways out: ' + @([System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces() | Where-Object { `$_.OperationalStatus -eq 'Up' }).Count)
`$again = Import-SsprSnapshot -Path '$file' | Test-SsprReadiness
[Console]::Out.WriteLine("`$(`$again.Ready) `$(@(`$again.Findings).Count)")
"@)
        $said = (& unshare --map-root-user --net (Get-Engine) -NoProfile -File $script) -join "`n"
        $said | Should -Match 'ways out: 0'
        $said | Should -Match "$($readiness.Ready) $(@($readiness.Findings).Count)"
    }

    It 'of the first form are judged with what they knew, and join with those of today' {
        $first = [System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'tests', 'data', 'snapshot-1.json')
        $loaded = Import-SsprSnapshot -Path $first
        $loaded.TenantName | Should -Be 'contoso.example'
        $then = $loaded | Test-SsprReadiness
        ($then.Findings | Where-Object { $_.Id -eq 'hybrid.password_sync' }).Status | Should -Be 'Pass' -Because 'the first form told it elsewhere'
        ($then.Findings | Where-Object { $_.Id -eq 'license.seats' }).Status | Should -Be 'Skipped' -Because 'the first form counted something else'
        ($then.Findings | Where-Object { $_.Id -eq 'user_registration.capable' }).Status | Should -Be 'Pass'
        @($then.Findings | Where-Object { $_.Status -eq 'Error' }).Count | Should -Be 0
        $joined = Join-SsprSnapshot -Snapshot $loaded, $readiness
        ($joined | Test-SsprReadiness).Ready | Should -Be $readiness.Ready
        $compared = @(Compare-SsprResult -Reference $first -Difference $loaded)
        $compared.Count | Should -BeGreaterThan 15
        @($compared | Where-Object { $_.Change -ne 'Same' }).Count | Should -Be 0
    }

    It 'of a newer form are refused, and what is unknown or wrong in them is named' {
        $text = [System.IO.File]::ReadAllText($file)
        $other = [System.IO.Path]::Combine($TestDrive, 'other-form.json')
        [System.IO.File]::WriteAllText($other, ($text -replace '"schemaVersion":\d+', '"schemaVersion":99'))
        $failure = Get-Failure -Script { Import-SsprSnapshot -Path $other -ErrorAction Stop }
        $failure.FullyQualifiedErrorId | Should -BeLike 'Sspr.Snapshot.Version,*'
        $failure.Exception.Message | Should -Match 'version 99, this library reads up to'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'newer'
        [System.IO.File]::WriteAllText($other, ($text -replace '"facts":\{', '"note":"mine","facts":{"usrCounts":{},'))
        $warned = @(Import-SsprSnapshot -Path $other -WarningVariable warnings -WarningAction SilentlyContinue)
        $warned.Count | Should -Be 1
        [string]$warnings | Should -Match 'note, facts\.usrCounts'
        [System.IO.File]::WriteAllText($other, ($text -replace '"enabledMembers":\d+', '"enabledMembers":"many"'))
        $failure = Get-Failure -Script { Import-SsprSnapshot -Path $other -ErrorAction Stop }
        $failure.FullyQualifiedErrorId | Should -BeLike 'Sspr.Snapshot.Invalid,*'
        ($failure.Exception.Data['Sspr'] + $failure.Exception.Message) | Should -Match "facts\.userCounts.*enabledMembers"
    }
}
