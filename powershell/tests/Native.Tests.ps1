Describe 'The native library' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
    }

    It 'is bound at first use and speaks the version that the module expects' {
        $environment = Get-SsprEnvironment
        $environment.LibraryState | Should -Be 'Loaded'
        $environment.LibraryVersion | Should -Be $environment.ModuleVersion
    }

    It 'is not loaded by the import' {
        $script = @"
Import-Module '$($env:SSPR_MODULE)/EntraSspr.psd1'
[void](Get-Command -Module EntraSspr)
@([System.AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { `$_.GetName().Name -eq 'EntraSspr.Native' }).Count
"@
        (Invoke-Child -Script $script).Output.Trim() | Should -Be '0'
    }

    It 'gives a support text without the names of this machine' {
        $text = Get-SsprEnvironment -Support
        $text | Should -Match 'LibraryState +Loaded'
        $text | Should -Not -Match ([regex]::Escape($env:SSPR_MODULE))
        $text | Should -Not -Match ([regex]::Escape([Environment]::MachineName))
    }
}
