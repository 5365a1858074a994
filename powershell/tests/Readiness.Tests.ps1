Describe 'Test-SsprReadiness' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $readiness = Test-SsprReadiness
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'shows one screen with a line for the step license' {
        $screen = $readiness | Out-String -Width 200
        $screen | Should -Match '(?m)^(pass|WARN|FAIL) +License '
        $screen | Should -Match '(?m)^All findings:'
    }

    It 'holds findings, and asked the lab nothing that Microsoft would refuse' {
        $readiness.Findings.Count | Should -BeGreaterThan 0
        $readiness.Ready | Should -BeIn 'Yes', 'No', 'Unknown'
        $readiness.TakenAt | Should -BeOfType ([datetime])
        @(Invoke-Lab -Lab $lab -Action violations).Count | Should -Be 0
    }
}
