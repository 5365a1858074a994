Describe 'The native library' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $rid = (Get-SsprEnvironment).Architecture
        $library = [System.IO.Path]::GetFileName((Get-SsprEnvironment).LibraryPath)

        function Get-BindError {
            # What the first native call says in a new PowerShell, with the copy of the module as it is.
            param([string] $Copy, [string] $Before = '')

            $script = @"
`$ErrorActionPreference = 'Stop'
$Before
Import-Module '$Copy'
'imported'
try { [void](Get-SsprCheck) } catch { `$_.FullyQualifiedErrorId; "`$_"; `$_.ErrorDetails.RecommendedAction }
(Get-SsprEnvironment).LibraryState
"@
            (Invoke-Child -Script $script).Output -split '\r?\n'
        }

        function Edit-Library {
            # Changes the copy's library; the block is given its stream.
            param([string] $Copy, [scriptblock] $Change)

            $stream = [System.IO.File]::Open([System.IO.Path]::Combine($Copy, 'lib', $rid, $library), 'Open', 'ReadWrite')
            try { & $Change $stream } finally { $stream.Dispose() }
        }
    }

    It 'is bound at first use and speaks the version that the module expects' {
        $environment = Get-SsprEnvironment
        $environment.LibraryState | Should -Be 'Loaded'
        $environment.LibraryVersion | Should -Be $environment.ModuleVersion
    }

    It 'is not loaded by the import' {
        $script = @"
Import-Module '$($env:SSPR_MODULE)'
[void](Get-Command -Module EntraSspr)
@([System.AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { `$_.GetName().Name -eq 'EntraSspr.Native' }).Count
"@
        (Invoke-Child -Script $script).Output.Trim() | Should -Be '0'
    }

    It 'when missing: the import succeeds, the first call says which file' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        [System.IO.Directory]::Delete([System.IO.Path]::Combine($copy, 'lib'), $true)
        $said = Get-BindError -Copy $copy
        $said[0] | Should -Be 'imported'
        $said[1] | Should -Be 'Sspr.Native.Missing,Get-SsprCheck'
        $said[2] | Should -Match ([regex]::Escape($library))
        $said[3] | Should -Match 'Install'
        $said[4] | Should -Be 'Missing'
    }

    It 'when cut off' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        Edit-Library -Copy $copy -Change { param($Stream) $Stream.SetLength([long]($Stream.Length / 3)) }
        $said = Get-BindError -Copy $copy
        $said[1] | Should -Be 'Sspr.Native.Damaged,Get-SsprCheck'
    }

    It 'when it is something else' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        Edit-Library -Copy $copy -Change { param($Stream) $page = [System.Text.Encoding]::ASCII.GetBytes('<html>Not found</html>' * 20); $Stream.SetLength(0); $Stream.Write($page, 0, $page.Length) }
        $said = Get-BindError -Copy $copy
        $said[1] | Should -Be 'Sspr.Native.Damaged,Get-SsprCheck'
    }

    It 'when it is made for another architecture' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        # The machine field of an ELF or PE header, set to the other of x64 and Arm.
        Edit-Library -Copy $copy -Change {
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
        $said = Get-BindError -Copy $copy
        $said[1] | Should -Be 'Sspr.Native.Architecture,Get-SsprCheck'
        $said[2] | Should -Match ([regex]::Escape($rid))
    }

    It 'when another copy of the module was used in this process' {
        $copy = Copy-ModuleUnderTest -Destination $TestDrive
        $said = Get-BindError -Copy $copy -Before "Import-Module '$($env:SSPR_MODULE)'; [void](Get-SsprCheck); Remove-Module EntraSspr"
        $said[1] | Should -Be 'Sspr.Native.OtherCopy,Get-SsprCheck'
        $said[3] | Should -Match 'new PowerShell'
    }

    It 'gives a support text without the names of this machine' {
        $text = Get-SsprEnvironment -Support
        $text | Should -Match 'LibraryState +Loaded'
        $text | Should -Not -Match ([regex]::Escape($env:SSPR_MODULE))
        $text | Should -Not -Match ([regex]::Escape([Environment]::MachineName))
    }
}
