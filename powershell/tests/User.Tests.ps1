Describe 'One user' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $script:lab = Start-Lab -Scenario 'one-user'
        $connection = Get-LabConnection -Lab $script:lab
        [void](Connect-SsprTenant @connection)
    }

    AfterAll {
        Disconnect-Sspr
        Stop-Lab -Lab $script:lab
    }

    It '<User>: <First>' -ForEach @(
        @{ User = 'claude'; First = $null; CanReset = 'Yes' }
        @{ User = 'stella'; First = 'user.account'; CanReset = 'No' }
        @{ User = 'rita'; First = 'user.license'; CanReset = 'No' }
        @{ User = 'otto'; First = 'user.scope'; CanReset = 'No' }
        @{ User = 'cora'; First = 'user.asked'; CanReset = 'No' }
        @{ User = 'emil'; First = 'user.registered'; CanReset = 'No' }
        @{ User = 'theo'; First = 'user.blocked'; CanReset = 'No' }
        @{ User = 'wanda'; First = $null; CanReset = 'Unknown' }
    ) {
        $case = Test-SsprUser -User "$User@contoso.example"
        $case.CanReset | Should -Be $CanReset
        $case.First | Should -Be $First
        $case.TakenAt | Should -BeOfType [datetime]
        if ($First) {
            $link = $case.Links.Where({ $_.Id -eq $First })
            $link.Status | Should -Be 'Fail'
            $link.Remediation.Text | Should -Not -BeNullOrEmpty
            $case.Links.Where({ $_.Status -eq 'Fail' })[0].Id | Should -Be $First
        }
    }

    It 'shows one screen: what is broken first, then the chain' {
        $text = Test-SsprUser -User otto@contoso.example | Out-String
        $lines = @($text -split '\r?\n')
        @($lines | Where-Object { $_.Length -gt 80 }).Count | Should -Be 0
        $lines.Count | Should -BeLessThan 45
        $text | Should -Match 'otto@contoso.example +Otto Outsider'
        $text.IndexOf('Cannot reset: ') | Should -BeLessThan $text.IndexOf('pass  Account')
        $text | Should -Match '(?m)^FAIL  Scope '
        $text | Should -Match '(?m)^pass  License '
    }

    It 'shows hostile names without what could turn or hide text' {
        $case = Test-SsprUser -User "o'hara+x@contoso.example"
        ($case | Out-String) + ($case.Links | Format-List | Out-String) | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e]'
        ($case | Out-String) | Should -Match '<img src=x onerror=alert\(1\)>'
        # What an address would end at, or climb out of.
        $guest = Test-SsprUser -User 'vic_partner.example#EXT#@contoso.onmicrosoft.com'
        $guest.First | Should -Be 'user.account'
        (Test-SsprUser -User '../../organization@x?y#z').First | Should -Be 'user.account'
    }

    It 'takes users from the pipeline, by name and by property, and gives each once' {
        $rows = @('emil', 'Otto', 'emil' | ForEach-Object { [pscustomobject]@{ UserPrincipalName = "$_@contoso.example" } })
        $cases = @($rows | Test-SsprUser)
        $cases.Count | Should -Be 2
        $cases.First | Should -Be 'user.registered', 'user.scope'
        $many = @(1..60 | ForEach-Object { "staff$_@contoso.example" } | Test-SsprUser)
        $many.Count | Should -Be 60
        @($many | Group-Object -Property CanReset).Name | Should -Be 'Unknown'
    }

    It 'keeps evidence and remediation when it is saved' {
        $file = [System.IO.Path]::Combine($TestDrive, 'case.xml')
        Test-SsprUser -User otto@contoso.example | Export-Clixml -Path $file
        $case = Import-Clixml -Path $file
        $case.Links.Where({ $_.Id -eq 'user.scope' }).Remediation.PortalUrl | Should -Match '^https://'
        ($case | Out-String) | Should -Match 'Cannot reset: '
    }

    It 'needs a session' {
        Disconnect-Sspr
        try {
            (Get-Failure { Test-SsprUser -User x@contoso.example }).FullyQualifiedErrorId | Should -Match '^Sspr\.[A-Za-z.]+,Test-SsprUser$'
        } finally {
            $connection = Get-LabConnection -Lab $script:lab
            [void](Connect-SsprTenant @connection)
        }
    }

    It 'joins the tenant and the directory, and works with the directory alone' {
        if (Skip-WithoutController) { return }
        Disconnect-Sspr
        try {
            foreach ($controller in @(Get-LabController)[0, 1]) {
                $directory = Get-LabDirectory -Controller $controller
                [void](Connect-SsprDirectory @directory)
            }
            $alone = Test-SsprUser -User 'young.yul', 'disabled.dee', 'EXAMPLE\nobody'
            $alone.First | Should -Be 'user.password_age', 'user.enabled', 'user.directory'
            $alone[0].Links[0].Id | Should -Be 'user.directory'
            $alone[0].Dn | Should -Match '^CN=young\.yul,'
            $connection = Get-LabConnection -Lab $script:lab
            [void](Connect-SsprTenant @connection)
            # The tenant's users are not of this domain.
            (Test-SsprUser -User wanda@contoso.example).First | Should -Be 'user.directory'
            (Test-SsprUser -User claude@contoso.example).CanReset | Should -Be 'Yes'
        } finally {
            Disconnect-Sspr
            $connection = Get-LabConnection -Lab $script:lab
            [void](Connect-SsprTenant @connection)
        }
    }
}
