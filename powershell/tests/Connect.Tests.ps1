Describe 'Connect-SsprTenant' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $connection = Get-LabConnection -Lab $lab
        $tenant = $lab.tenants[0]
    }
    AfterEach {
        Disconnect-Sspr -All
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'signs in with a client secret, by the tenant''s domain' {
        $connection['Tenant'] = 'contoso.onmicrosoft.com'
        $session = Connect-SsprTenant @connection
        $session.TenantId | Should -Be $tenant.tenantId
        $session.Method | Should -Be 'clientSecret'
        $session.Delegated | Should -BeFalse
        $session.Permissions | Should -Contain 'Policy.Read.All'
        (Get-SsprSession).Handle | Should -Be $session.Handle
    }

    It 'refuses a wrong secret with an error that says what to do' {
        $wrong = $connection.Clone()
        $wrong['ClientSecret'] = ConvertTo-Secret -Text 'wrong-secret'
        $failure = Get-Failure -Script { Connect-SsprTenant @wrong }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.Refused,Connect-SsprTenant'
        $failure.CategoryInfo.Category | Should -Be 'AuthenticationError'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'secret'
        $failure.ErrorDetails.Message | Should -Not -Match 'invalid_client' -Because 'the service''s sentence says it all'
        $document = ConvertFrom-Json -InputObject $failure.Exception.Data['Sspr']
        $document.name | Should -Be 'SignIn.Refused'
        $document.requestId | Should -Not -BeNullOrEmpty
        Get-SsprSession | Should -BeNullOrEmpty
    }

    It 'leaves the current session alone when another sign-in fails' {
        $session = Connect-SsprTenant @connection
        $wrong = $connection.Clone()
        $wrong['ClientSecret'] = ConvertTo-Secret -Text 'wrong-secret'
        [void](Get-Failure -Script { Connect-SsprTenant @wrong })
        (Get-SsprSession).Handle | Should -Be $session.Handle
        (Test-SsprReadiness -Step license).TenantId | Should -Be $tenant.tenantId
    }

    It 'refuses a token that is none' {
        $failure = Get-Failure -Script { Connect-SsprTenant -AccessToken (ConvertTo-Secret -Text 'nonsense') -Endpoint $connection.Endpoint }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.TokenUnusable,Connect-SsprTenant'
    }

    It 'without a person and without a credential says which there are' {
        $failure = Get-Failure -Script { Connect-SsprTenant }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.NotInteractive,Connect-SsprTenant'
        $failure.ErrorDetails.RecommendedAction | Should -Match '-ManagedIdentity'
    }

    It 'refuses an endpoint that it does not know, and plain HTTP to another machine' {
        $failure = Get-Failure -Script { Connect-SsprTenant -Tenant x -ClientId y -ClientSecret $connection.ClientSecret -Endpoint @{ nonsense = 'https://localhost' } }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Json,Connect-SsprTenant'
        $failure = Get-Failure -Script { Connect-SsprTenant -Tenant x -ClientId y -ClientSecret $connection.ClientSecret -Endpoint @{ login = 'http://login.example' } }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Connect-SsprTenant'
    }

    It 'refuses a proxy with a password in its address, and does not show it' {
        $failure = Get-Failure -Script { Connect-SsprTenant @connection -Proxy 'http://user:canary@proxy.example:8080' }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Connect-SsprTenant'
        $failure.ErrorDetails.RecommendedAction | Should -Match '-ProxyCredential'
        $failure.Exception.Data['Sspr'] | Should -Not -Match 'canary'
    }

    It 'signs in to a proxy with its own credential' {
        $credential = [pscredential]::new('user', (ConvertTo-Secret -Text 'canary'))
        $failure = Get-Failure -Script { Connect-SsprTenant @connection -Proxy 'http://127.0.0.1:1' -ProxyCredential $credential }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Service.Unreachable,Connect-SsprTenant'
        $failure = Get-Failure -Script { Connect-SsprTenant @connection -ProxyCredential $credential }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Connect-SsprTenant'
        $failure.TargetObject | Should -Be 'proxyUser'
    }

    It 'refuses a connection that lacks a member' {
        $failure = Get-Failure -Script { Connect-SsprTenant -Connection @{ TenantId = 'a'; ApplicationId = 'b' } }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Argument.Invalid,Connect-SsprTenant'
        $failure.TargetObject | Should -Be 'Connection'
    }

    It 'names a certificate that is not in the store' {
        $failure = Get-Failure -Script { Connect-SsprTenant -Connection @{ TenantId = 'a'; ApplicationId = 'b'; CertificateThumbprint = '0' * 40 } }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.CredentialUnusable,Connect-SsprTenant'
        $failure.TargetObject | Should -Be ('0' * 40)
    }

    It 'opens web addresses only' {
        foreach ($address in 'file:///etc/passwd', 'http://example.com/', 'javascript:alert(1)') {
            InModuleScope EntraSspr -Parameters @{ Address = $address } {
                param($Address)
                { Open-SsprBrowser -Url $Address } | Should -Throw -ExpectedMessage '*not the address of a sign-in page*'
            }
        }
    }
}
