# A function that stands in for one of the module's is defined after the module has read its own, which its first call does.
# What stays in a process for good (a loaded library) or could end it is tried in a PowerShell of its own.
BeforeDiscovery {
    # The least of each kind of library: one section or segment that ends with the file.
    $images = @(
        @{
            System = 'linux'; X64 = 0x3E; Arm64 = 0xB7; Width = 2; Machine = 18
            Start = @(0x7F, 0x45, 0x4C, 0x46, 2, 1); Field = @{ 40 = 512; 58 = 64; 60 = 1 }; End = 576
        }
        @{
            System = 'win'; X64 = 0x8664; Arm64 = 0xAA64; Width = 2; Machine = 68
            Start = @(0x4D, 0x5A); Field = @{ 60 = 64; 64 = 0x4550; 70 = 1; 84 = 240; 344 = 512; 348 = 512 }; End = 1024
        }
        @{
            System = 'osx'; X64 = 0x01000007; Arm64 = 0x0100000C; Width = 4; Machine = 4
            Start = @(0xCF, 0xFA, 0xED, 0xFE); Field = @{ 16 = 1; 20 = 72; 32 = 0x19; 36 = 72; 72 = 512; 80 = 512 }; End = 1024
        }
    )
}

Describe 'The module is imported' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $version = (Get-SsprEnvironment).ModuleVersion
        $manifest = [System.IO.Path]::Combine($env:SSPR_MODULE, 'EntraSspr.psd1')

        function ConvertTo-Literal {
            # A text as a string of PowerShell in ASCII: Windows PowerShell reads a script as the system's own code page.
            param([string] $Text)

            '"' + [regex]::Replace($Text, '[^ -~]|[$"`]', { param($Match) '$([char]{0})' -f [int]$Match.Value[0] }) + '"'
        }

        function Invoke-Import {
            # Runs a script in a new PowerShell; gives the lines that it wrote, and holds that it came to its end.
            param([string] $Script, [int] $Seconds = 60)

            $child = Start-Child -Script "`$ErrorActionPreference = 'Stop'`n$Script`n'end'`n"
            $said = Wait-Child -Process $child -Seconds $Seconds
            $lines = @($said.Output.TrimEnd() -split '\r?\n')
            $said.ExitCode | Should -Be 0 -Because "$($said.Output) $($said.Error)"
            $lines[-1] | Should -Be 'end' -Because $said.Error
            $lines
        }

        # What shows that a module works: where it lies, what it says of the library, and an answer of the library's.
        $use = '(Get-Module -Name EntraSspr).ModuleBase; (Get-SsprEnvironment).LibraryState; @(Get-SsprCheck).Count -gt 10'
    }

    It 'by its name' {
        # The folder that holds the module's; a package has one for each version between.
        $folder = [System.IO.Path]::GetDirectoryName($env:SSPR_MODULE)
        if ([System.IO.Path]::GetFileName($env:SSPR_MODULE) -ne 'EntraSspr') { $folder = [System.IO.Path]::GetDirectoryName($folder) }
        $said = Invoke-Import -Script "`$env:PSModulePath = $(ConvertTo-Literal -Text "$folder$([System.IO.Path]::PathSeparator)") + `$env:PSModulePath; Import-Module -Name EntraSspr; $use"
        [System.IO.Path]::GetFullPath($said[0]) | Should -Be ([System.IO.Path]::GetFullPath($env:SSPR_MODULE))
        $said[1] | Should -Be 'Loaded'
        $said[2] | Should -Be 'True'
    }

    It 'from a path with spaces and letters of other scripts' {
        $strange = "Mod $([char]0xFC)l & $([char]0x4E2D)$([char]0x6587) (1)"
        $copy = Copy-ModuleUnderTest -Destination ([System.IO.Path]::Combine($TestDrive, $strange))
        $said = Invoke-Import -Script "Import-Module -Name $(ConvertTo-Literal -Text $copy); (Get-Module -Name EntraSspr).ModuleBase -eq $(ConvertTo-Literal -Text $copy); $use"
        $said[0] | Should -Be 'True'
        $said[2] | Should -Be 'Loaded'
        $said[3] | Should -Be 'True'
    }

    It 'from a share' {
        if ([Environment]::OSVersion.Platform -ne 'Win32NT') { Set-ItResult -Skipped -Because 'this system mounts a share as a folder like any other'; return }
        $full = [System.IO.Path]::GetFullPath($manifest)
        # The system around Wine, else this machine's own share.
        $share = @("\\?\unix$($full.Substring(2))", "\\localhost\$($full[0])`$$($full.Substring(2))") | Where-Object { [System.IO.File]::Exists($_) } | Select-Object -First 1
        if (-not $share) { Set-ItResult -Skipped -Because 'no share of this machine is open to this user'; return }
        $said = Invoke-Import -Script "Import-Module -Name '$share'; $use"
        $said[0] | Should -Be ([System.IO.Path]::GetDirectoryName($share))
        $said[1] | Should -Be 'Loaded'
        $said[2] | Should -Be 'True'
    }

    It 'twice' {
        $said = Invoke-Import -Script "Import-Module -Name '$manifest'; $use; Import-Module -Name '$manifest'; $use; Import-Module -Name '$manifest' -Force; $use; Remove-Module -Name EntraSspr; Import-Module -Name '$manifest'; $use"
        $said.Count | Should -Be 13
        @($said | Where-Object { $_ -eq 'Loaded' }).Count | Should -Be 4
        @($said | Where-Object { $_ -eq 'True' }).Count | Should -Be 4
    }

    It 'after the same version from another folder, whose library then serves it' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        $said = Invoke-Import -Script "Import-Module -Name '$manifest'; $use; Remove-Module -Name EntraSspr; Import-Module -Name '$copy'; $use; (Get-SsprEnvironment).LibraryPath"
        $said[3] | Should -Be $copy
        $said[4] | Should -Be 'Loaded'
        $said[5] | Should -Be 'True'
        [System.IO.Path]::GetFullPath($said[6]) | Should -Be ([System.IO.Path]::GetFullPath((Get-SsprEnvironment).LibraryPath)) -Because 'that one is in the process'
    }

    It 'after another version in this process, whose library stays: the first use says to start a new PowerShell' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        $other = [System.IO.Path]::Combine($copy, 'EntraSspr.psd1')
        $text = [System.IO.File]::ReadAllText($other)
        $text | Should -Match "= '$([regex]::Escape($version))'"
        [System.IO.File]::WriteAllText($other, $text.Replace("= '$version'", "= '99.0.0'"))
        $said = Invoke-Import -Script @"
Import-Module -Name '$manifest'; [void](Get-SsprCheck); Remove-Module -Name EntraSspr
Import-Module -Name '$other'
[string](Get-Module -Name EntraSspr).Version
try { [void](Get-SsprCheck) } catch { `$_.FullyQualifiedErrorId; "`$_"; `$_.ErrorDetails.RecommendedAction }
(Get-SsprEnvironment).LibraryState
Remove-Module -Name EntraSspr; Import-Module -Name '$manifest'; @(Get-SsprCheck).Count -gt 10
"@
        $said[0] | Should -Be '99.0.0'
        $said[1] | Should -Be 'Sspr.Native.OtherVersion,Get-SsprCheck'
        $said[2] | Should -Match ([regex]::Escape($version))
        $said[2] | Should -Match '99\.0\.0'
        $said[3] | Should -Match 'new PowerShell'
        $said[4] | Should -Be 'OtherVersion'
        $said[5] | Should -Be 'True' -Because 'the first version still works'
    }

    It 'in <_> runspaces at once' -ForEach 2, 32 {
        $said = Invoke-Import -Seconds 120 -Script @"
`$count = $_
# The engine fills this table of its own when it is first looked into, and two threads at once break it.
[void][psobject].Assembly.GetType('System.Management.Automation.TypeAccelerators')::Get.Count
`$shells = foreach (`$i in 1..`$count) {
    `$shell = [powershell]::Create()
    `$shell.Runspace = [runspacefactory]::CreateRunspace([initialsessionstate]::CreateDefault2())
    `$shell.Runspace.Open()
    [void]`$shell.AddScript('Import-Module -Name "$manifest"; @(Get-SsprCheck).Count; (Get-SsprEnvironment).LibraryState')
    `$shell
}
`$waits = foreach (`$shell in `$shells) { `$shell.BeginInvoke() }
`$said = for (`$i = 0; `$i -lt `$count; `$i++) { (@(`$shells[`$i].EndInvoke(`$waits[`$i])) + @(`$shells[`$i].Streams.Error)) -join ' ' }
`$checks = @(`$said | Select-Object -Unique)
`$checks.Count; `$checks[0]; @(`$said).Count
@([System.AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { `$_.GetName().Name -eq 'EntraSspr.Native' }).Count
"@
        $said[0] | Should -Be '1' -Because "all say the same: $said"
        $said[1] | Should -Match '^[1-9][0-9]+ Loaded$'
        $said[2] | Should -Be $_
        $said[3] | Should -Be '1'
    }
}

Describe 'A library that cannot be used: the import succeeds, the first use names the file and says what to do, when' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $rid = (Get-SsprEnvironment).Architecture
        $library = [System.IO.Path]::GetFileName((Get-SsprEnvironment).LibraryPath)
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        $folder = [System.IO.Path]::Combine($copy, 'lib', $rid)
        $file = [System.IO.Path]::Combine($folder, $library)
        $assembly = [System.IO.Path]::Combine($folder, 'EntraSspr.Native.dll')
        # A look at what is there, and the lines that a test holds it to.
        $look = @"
try { [void](Get-SsprCheck) } catch { `$_.FullyQualifiedErrorId; "`$_"; `$_.ErrorDetails.RecommendedAction }
(Get-SsprEnvironment).LibraryState
"@

        function Test-Refusal {
            # What the first use says in a new PowerShell, and that it is an error like any other.
            param([string] $Name, [string] $Target, [string] $Help, [string] $Before = '')

            $child = Invoke-Child -Script "`$ErrorActionPreference = 'Stop'`nImport-Module '$copy'`n$Before`n'imported'`n$look`n'end'`n"
            $said = @($child.Output.TrimEnd() -split '\r?\n')
            $said[0] | Should -Be 'imported' -Because $child.Error
            $said[1] | Should -Be "Sspr.Native.$Name,Get-SsprCheck" -Because "$($said -join ' ') $($child.Error)"
            $said[2] | Should -Match ([regex]::Escape($Target))
            $said[3] | Should -Match $Help
            $said[4] | Should -Be $Name
            $said[5] | Should -Be 'end'
            $child.ExitCode | Should -Be 0
        }

        function Edit-Library {
            # Changes the copy's library; the block is given its stream.
            param([scriptblock] $Change)

            $stream = [System.IO.File]::Open($file, 'Open', 'ReadWrite')
            try { & $Change $stream } finally { $stream.Dispose() }
        }

        function Set-OtherLibrary {
            # Puts a library of the test's own in its place; gives whether there is one.
            param([string] $Name)

            if (-not $env:SSPR_OTHER_LIBRARIES) { return $false }
            $other = [System.IO.Path]::Combine($env:SSPR_OTHER_LIBRARIES, $Name, $rid, $library)
            if (-not [System.IO.File]::Exists($other)) { return $false }
            [System.IO.File]::Copy($other, $file, $true)
            $true
        }
    }
    AfterEach {
        # Whole again.
        [System.IO.Directory]::Delete($copy, $true)
        Copy-Folder -From $env:SSPR_MODULE -To $copy
    }

    It 'it is missing' {
        [System.IO.File]::Delete($file)
        Test-Refusal -Name Missing -Target $library -Help 'Install the module again'
    }

    It 'the declarations that bind it are missing' {
        [System.IO.File]::Delete($assembly)
        Test-Refusal -Name Missing -Target $assembly -Help 'Install the module again'
    }

    It 'the module has none for this system' {
        [System.IO.Directory]::Move($folder, [System.IO.Path]::Combine($copy, 'lib', 'beos-x64'))
        Test-Refusal -Name Unsupported -Target $rid -Help 'beos-x64'
    }

    It 'this is the 32-bit PowerShell' {
        [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($copy, 'lib', 'win-x64'))
        Test-Refusal -Name Unsupported -Target 'win-x86' -Help '64-bit' -Before '& (Get-Module -Name EntraSspr) { [void](Get-SsprSession); function script:Get-SsprRuntimeIdentifier { ''win-x86'' } }'
    }

    It 'it is cut off' {
        Edit-Library -Change { param($Stream) $Stream.SetLength([long]($Stream.Length / 3)) }
        Test-Refusal -Name Damaged -Target $file -Help 'Install the module again'
    }

    It 'it is empty' {
        Edit-Library -Change { param($Stream) $Stream.SetLength(0) }
        Test-Refusal -Name Damaged -Target $file -Help 'Install the module again'
    }

    It 'it is something else' {
        [System.IO.File]::WriteAllText($file, '<html>Not found</html>' * 20)
        Test-Refusal -Name Damaged -Target $file -Help 'Install the module again'
    }

    It 'the declarations are cut off' {
        [System.IO.File]::WriteAllBytes($assembly, [byte[]]@([System.IO.File]::ReadAllBytes($assembly) | Select-Object -First 2000))
        Test-Refusal -Name Damaged -Target $assembly -Help 'Install the module again'
    }

    It 'it is made for another architecture' {
        # The machine field of an ELF or PE header, set to the other of x64 and Arm.
        Edit-Library -Change {
            param($Stream)
            $head = [byte[]]::new(1024)
            [void]$Stream.Read($head, 0, $head.Length)
            $at = 18
            $other = if ($head[18] -eq 0x3E) { 0xB7, 0 } else { 0x3E, 0 }
            if ($head[0] -eq 0x4D) {
                $at = [BitConverter]::ToInt32($head, 60) + 4
                $other = if ($head[$at + 1] -eq 0x86) { 0x64, 0xAA } else { 0x64, 0x86 }
            }
            $Stream.Position = $at
            $Stream.Write([byte[]]$other, 0, 2)
        }
        Test-Refusal -Name Architecture -Target $rid -Help 'Install the module again'
    }

    It 'it speaks another version of the interface' {
        if (-not (Set-OtherLibrary -Name version)) { Set-ItResult -Skipped -Because 'no C compiler made a library for this test'; return }
        Test-Refusal -Name Interface -Target '999' -Help 'start a new PowerShell'
    }

    It 'it has no interface' {
        if (-not (Set-OtherLibrary -Name nothing)) { Set-ItResult -Skipped -Because 'no C compiler made a library for this test'; return }
        Test-Refusal -Name Interface -Target $file -Help 'start a new PowerShell'
    }

    It 'the module''s files are of different versions' {
        $manifest = [System.IO.Path]::Combine($copy, 'EntraSspr.psd1')
        $text = [System.IO.File]::ReadAllText($manifest)
        [System.IO.File]::WriteAllText($manifest, $text.Replace("= '$((Get-SsprEnvironment).ModuleVersion)'", "= '99.0.0'"))
        Test-Refusal -Name Mixed -Target '99.0.0' -Help 'Install the module again.*new PowerShell'
    }

    It 'Windows PowerShell would not load it, for it is marked as downloaded' {
        $before = '& (Get-Module -Name EntraSspr) { $script:Edition = ''Desktop''; [void](Get-SsprSession); function script:Test-SsprDownloadMark { param($Path) $Path -like ''*Native.dll'' } }'
        Test-Refusal -Name Downloaded -Target $assembly -Help 'Unblock-File' -Before $before
    }

    It 'it may not be read' {
        $problem = InModuleScope EntraSspr { Get-SsprImageProblem -Path $args[0] -Rid win-x64 } -ArgumentList ([System.IO.Path]::Combine($copy, 'gone.dll'))
        $problem.Name | Should -Be 'Unreadable'
        $problem.Message | Should -Match 'gone\.dll'
    }
}

Describe 'The headers of a library for' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest

        function Get-ImageProblem {
            # The name of what is wrong with a file of these bytes, for this system; nothing when it is fit.
            param([byte[]] $Bytes, [string] $Rid)

            $file = [System.IO.Path]::Combine($TestDrive, 'image')
            [System.IO.File]::WriteAllBytes($file, $Bytes)
            $problem = InModuleScope EntraSspr { Get-SsprImageProblem -Path $args[0] -Rid $args[1] } -ArgumentList $file, $Rid
            if ($null -ne $problem) { $problem.Name }
        }

        function New-Image {
            param([hashtable] $Image, [int] $MachineValue)

            $bytes = [byte[]]::new($Image.End)
            [byte[]]$Image.Start | ForEach-Object -Begin { $i = 0 } -Process { $bytes[$i++] = $_ }
            foreach ($at in $Image.Field.Keys) { [BitConverter]::GetBytes([uint16]$Image.Field[$at]).CopyTo($bytes, [int]$at) }
            $value = [BitConverter]::GetBytes($MachineValue)
            [Array]::Copy($value, 0, $bytes, $Image.Machine, $Image.Width)
            , $bytes
        }
    }

    It '<System> tell its architecture, and whether the file is whole' -ForEach $images {
        $x64 = New-Image -Image $_ -MachineValue $X64
        $arm64 = New-Image -Image $_ -MachineValue $Arm64
        Get-ImageProblem -Bytes $x64 -Rid "$System-x64" | Should -BeNullOrEmpty
        Get-ImageProblem -Bytes $arm64 -Rid "$System-arm64" | Should -BeNullOrEmpty
        Get-ImageProblem -Bytes $arm64 -Rid "$System-x64" | Should -Be 'Architecture'
        Get-ImageProblem -Bytes $x64 -Rid "$System-arm64" | Should -Be 'Architecture'
        $elsewhere = if ($System -eq 'win') { 'linux-x64' } else { 'win-x64' }
        Get-ImageProblem -Bytes $x64 -Rid $elsewhere | Should -Be 'Architecture'
        # Cut off anywhere, it is never taken for whole, and never more than that.
        for ($length = 0; $length -lt $End; $length += 31) {
            Get-ImageProblem -Bytes ([byte[]]@($x64 | Select-Object -First $length)) -Rid "$System-x64" | Should -Be 'Damaged' -Because "of $End bytes $length are there"
        }
    }
}

Describe 'Files that are marked as downloaded' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
    }

    It 'are named by Get-SsprEnvironment' {
        (Get-SsprEnvironment).DownloadedFiles.Count | Should -Be 0
        # Where the system has no such marks, another reader stands in for the module's own.
        $shell = New-Shell
        $said = Invoke-Shell -Shell $shell -Script '& (Get-Module -Name EntraSspr) { [void](Get-SsprSession); function script:Test-SsprDownloadMark { param($Path) $Path -match ''Native\.dll$|psd1$'' } }; (Get-SsprEnvironment).DownloadedFiles; Get-SsprEnvironment -Support'
        Close-Shell -Shell $shell
        $said | Should -Contain 'EntraSspr.psd1'
        $said | Should -Contain ([System.IO.Path]::Combine('lib', (Get-SsprEnvironment).Architecture, 'EntraSspr.Native.dll'))
        $said[-1] | Should -Match 'DownloadedFiles +.*EntraSspr\.psd1'
    }

    It 'are known by the mark that Windows sets' {
        $file = [System.IO.Path]::Combine($TestDrive, 'downloaded.dll')
        [System.IO.File]::WriteAllText($file, 'x')
        try { Set-Content -LiteralPath $file -Stream Zone.Identifier -Value "[ZoneTransfer]`r`nZoneId=3" } catch { Set-ItResult -Skipped -Because 'files have no such marks here'; return }
        InModuleScope EntraSspr { Test-SsprDownloadMark -Path $args[0] } -ArgumentList $file | Should -BeTrue
        Unblock-File -LiteralPath $file
        InModuleScope EntraSspr { Test-SsprDownloadMark -Path $args[0] } -ArgumentList $file | Should -BeFalse
    }
}
