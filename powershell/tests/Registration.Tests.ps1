Describe 'Get-SsprRegistration' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-faulty -Argument '--page-size 20'
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        $result = Test-SsprReadiness

        function Get-PageCount {
            # How many pages of the report were asked for.
            @(Invoke-Lab -Lab $lab -Action requests | ForEach-Object { $_ } | Where-Object { $_.path -like '*/userRegistrationDetails*' }).Count
        }
        function Get-Affected {
            param([string] $Id)
            $affected = ($result.Findings | Where-Object { $_.Id -eq $Id }).Affected
            if ($affected) { $affected.Count } else { 0 }
        }
    }
    AfterEach {
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'gives every user of the report, as often as the checks count them' {
        $all = @(Get-SsprRegistration)
        @($all | Select-Object -ExpandProperty Id -Unique).Count | Should -Be $all.Count
        $all[0].PSObject.TypeNames[0] | Should -Be 'EntraSspr.UserRegistration'
        $all[0].AsOf | Should -BeOfType ([datetime])
        foreach ($name in 'nothing_registered', 'one_short', 'unfit_methods', 'not_allowed') {
            @($all | Where-Object { $_.Cause -eq "user_registration.$name" }).Count | Should -Be (Get-Affected -Id "user_registration.$name") -Because $name
        }
        @($all | Where-Object { $_.InScope -and -not $_.Capable -and -not $_.Cause }).Count | Should -Be 0
    }

    It 'reads no further when the pipeline has enough' {
        $pages = [Math]::Ceiling(@(Get-SsprRegistration).Count / 20)
        $before = Get-PageCount
        $first = @(Get-SsprRegistration | Select-Object -First 5)
        $first.Count | Should -Be 5
        Start-Sleep -Milliseconds 500
        (Get-PageCount) - $before | Should -BeLessOrEqual ($pages / 2) -Because "of $pages pages"
        @(Get-SsprRegistration -NotCapable -InScope | Select-Object -First 1).Count | Should -Be 1 -Because 'the session goes on'
    }
}
