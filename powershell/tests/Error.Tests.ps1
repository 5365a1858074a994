Describe 'Errors explained' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
    }

    It '<Text>: row <Row>' -ForEach @(
        @{ Text = 'SSPR_0029'; Row = 1 }
        @{ Text = '0029'; Row = 1 }
        @{ Text = 'SSPR_009'; Row = 22 }
        @{ Text = 'SSPR_0009'; Row = 23 }
        @{ Text = 'SSPR_0030'; Row = 20 }
        @{ Text = 'hr=80230626'; Row = 1 }
        @{ Text = '0x80230626'; Row = 1 }
        @{ Text = '-2145188314'; Row = 1 }
        @{ Text = 'OnPremisesSuccessCloudFailure'; Row = 41 }
        @{ Text = 'OnPremisesConnectivityError'; Row = 20 }
        @{ Text = 'our servers take a little time to catch up'; Row = 35 }
    ) {
        $causes = @(Resolve-SsprError -Text $Text)
        $causes[0].Number | Should -Be $Row
        $causes[0].Cause | Should -Not -BeNullOrEmpty
        $causes[0].Fix | Should -Not -BeNullOrEmpty
        $causes[0].Asked | Should -Be $Text
    }

    It 'gives several causes, the likeliest first, with the command that checks each' {
        $causes = @(Resolve-SsprError SSPR_0029)
        $causes.Number -join ' ' | Should -Be '1 2 3'
        $causes[0].Command | Should -Be 'Test-SsprReadiness -Step directory_permissions'
        foreach ($cause in $causes) { foreach ($check in $cause.Checks) { (Get-SsprCheck -Id $check).Id | Should -Be $check } }
        $causes[0].By | Should -Be 'Code'
        $causes | Out-String | Should -Match 'connector account lacks a right'
    }

    It 'says why nothing checks a cause' {
        $cause = Resolve-SsprError -Text 'our servers take a little time to catch up'
        $cause.Command | Should -BeNullOrEmpty
        $cause.Neither | Should -Match 'minutes'
    }

    It 'takes an event by number, and knows more by its text' {
        @(Resolve-SsprError -Id 33004 -ProviderName PasswordResetService -Text 'Details: hr=80231367, message=x')[0].Number | Should -Be 4
        @(Resolve-SsprError -Id 33008 -Text 'hr=80230619')[0].Number | Should -Be 9
        @(Resolve-SsprError -Id 32009)[0].Number | Should -Be 27
        @(Resolve-SsprError -Id 32009)[0].By | Should -Be 'Number'
    }

    It 'takes exported events from the pipeline' {
        $events = foreach ($one in @(33004, 'PasswordResetService', 'hr=80230626'), @(6329, 'ADSync', 'Failed to acquire user information: 0x6ba'), @(31034, 'PasswordResetService', '')) {
            [pscustomobject]@{ Id = $one[0]; ProviderName = $one[1]; Message = $one[2]; LevelDisplayName = 'Error' }
        }
        $file = [System.IO.Path]::Combine($TestDrive, 'events.xml')
        $events | Export-Clixml -Path $file
        $causes = @(Import-Clixml -Path $file | Resolve-SsprError)
        @($causes | Group-Object -Property Asked | ForEach-Object -Process { $_.Group[0].Number }) -join ' ' | Should -Be '8 25 1'
        # As a table that was exported to CSV: all is text.
        $csv = [System.IO.Path]::Combine($TestDrive, 'events.csv')
        $events | Export-Csv -Path $csv -NoTypeInformation
        @(Import-Csv -Path $csv | Resolve-SsprError).Count | Should -Be $causes.Count
    }

    It 'takes what Event Viewer saved as CSV' {
        # Its texts stand in a column that its first line does not name, and have lines of their own.
        $lines = 'Level,Date and Time,Source,Event ID,Task Category',
        'Error,11/28/2026 10:00:00 AM,PasswordResetService,33004,None,"TrackingId: 1, Reason: hr=80231367, message=x"',
        'Error,11/28/2026 10:00:00 AM,ADSync,6329,Server,"An unexpected error has occurred',
        'ERR_: MMS(1): admaexport.cpp(2939): Failed to acquire user information: 0x6ba"'
        $file = [System.IO.Path]::Combine($TestDrive, 'viewer.csv')
        [System.IO.File]::WriteAllLines($file, $lines)
        $causes = @(Import-Csv -Path $file | Resolve-SsprError)
        @($causes.By | Select-Object -Unique) -join ' ' | Should -Be 'Number'
        @($causes | Group-Object -Property Asked).Name | Should -Contain 'PasswordResetService 33004'
        $causes = @(Import-Csv -Path $file -Header Level, At, Source, Id, Task, Message | Select-Object -Skip 1 | Resolve-SsprError)
        @($causes | Group-Object -Property Asked | ForEach-Object -Process { $_.Group[0].Number } | Sort-Object) -join ' ' | Should -Be '4 8'
    }

    It 'says plainly that it knows nothing, and goes on' {
        $problems = $null
        $causes = @('SSPR_0404', 'SSPR_0030', '' | Resolve-SsprError -ErrorVariable problems -ErrorAction SilentlyContinue)
        $causes.Number | Should -Be 20
        $problems.Count | Should -Be 2
        $problems[0].FullyQualifiedErrorId | Should -Be 'Sspr.Catalogue.NotFound,Resolve-SsprError'
        $problems[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $problems[0].Exception.Message | Should -Match "nothing is known of 'SSPR_0404'"
    }

    It 'takes a hostile text as text' {
        $problems = $null
        [void](Resolve-SsprError -Text "$([char]27)[31mred$([char]0x202E)" -ErrorVariable problems -ErrorAction SilentlyContinue)
        $problems[0].Exception.Message | Should -Not -Match '[\x00-\x1F\u202E]'
        [void](Resolve-SsprError -Text ('a' * 1000000) -ErrorAction SilentlyContinue)
    }
}
