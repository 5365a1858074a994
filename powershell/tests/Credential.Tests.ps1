Describe 'Connect-SsprTenant signs in' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready
        $tenant = $lab.tenants[0]
        $endpoint = Get-LabEndpoint -Lab $lab
        $app = @{ Tenant = $tenant.tenantId; ClientId = $tenant.clientId; Endpoint = $endpoint }
        $pem = [System.IO.File]::ReadAllText($lab.certificateFile) + [System.IO.File]::ReadAllText($lab.keyFile)

        function Assert-Usable {
            # Signed in to the lab's tenant, and good for a check.
            param($Session, [string] $Method)

            $Session.TenantId | Should -Be $tenant.tenantId
            $Session.Method | Should -Be $Method
            (Test-SsprReadiness -Step license -Session $Session).Ready | Should -Be 'Yes'
            @(Invoke-Lab -Lab $lab -Action violations) | Should -BeNullOrEmpty
        }
    }
    AfterEach {
        Disconnect-Sspr -All
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'with a certificate file' {
        $file = [System.IO.Path]::Combine($TestDrive, 'app.pem')
        [System.IO.File]::WriteAllText($file, $pem)
        $session = Connect-SsprTenant @app -CertificatePath $file
        Assert-Usable -Session $session -Method 'certificate'
        $session.Delegated | Should -BeFalse
    }

    It 'with a PFX file and its password' {
        Skip-WithoutRsaKey
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem, $pem)
        $file = [System.IO.Path]::Combine($TestDrive, 'app.pfx')
        [System.IO.File]::WriteAllBytes($file, $certificate.Export('Pfx', 'canary password'))
        Assert-Usable -Session (Connect-SsprTenant @app -CertificatePath $file -CertificatePassword (ConvertTo-Secret -Text 'canary password')) -Method 'certificate'
        $failure = Get-Failure -Script { Connect-SsprTenant @app -CertificatePath $file -CertificatePassword (ConvertTo-Secret -Text 'wrong') }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.CredentialUnusable,Connect-SsprTenant'
    }

    It 'with a certificate whose key stays where it is' {
        Skip-WithoutRsaKey
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem, $pem)
        Assert-Usable -Session (Connect-SsprTenant @app -Certificate $certificate) -Method 'certificate'
        $public = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem)
        $failure = Get-Failure -Script { Connect-SsprTenant @app -Certificate $public }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.CredentialUnusable,Connect-SsprTenant'
        $failure.TargetObject | Should -Be $public.Thumbprint
    }

    It 'with a certificate in the store, by thumbprint and by an Automation connection' {
        Skip-WithoutRsaKey
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($pem, $pem)
        # A PFX in between, so that the store keeps the key.
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::new($certificate.Export('Pfx', ''), '', 'PersistKeySet')
        $store = [System.Security.Cryptography.X509Certificates.X509Store]::new('My', 'CurrentUser')
        $turn = Enter-LabTurn
        $store.Open('ReadWrite')
        try {
            $store.Add($certificate)
            Assert-Usable -Session (Connect-SsprTenant @app -CertificateThumbprint $certificate.Thumbprint) -Method 'certificate'
            $connection = @{ TenantId = $app.Tenant; ApplicationId = $app.ClientId; CertificateThumbprint = $certificate.Thumbprint; SubscriptionId = [guid]::Empty }
            Assert-Usable -Session (Connect-SsprTenant -Connection $connection -Endpoint $endpoint) -Method 'certificate'
        } finally {
            $store.Remove($certificate)
            $store.Close()
            Exit-LabTurn -Turn $turn
        }
    }

    It 'as the machine''s managed identity, its own or a user-assigned one' {
        Assert-Usable -Session (Connect-SsprTenant -ManagedIdentity -Endpoint $endpoint) -Method 'managedIdentity'
        $session = Connect-SsprTenant -ManagedIdentity -IdentityClientId $tenant.apps.'identity-user'.clientId -Endpoint $endpoint
        Assert-Usable -Session $session -Method 'managedIdentity'
        $session.Account | Should -Be $tenant.apps.'identity-user'.clientId
    }

    It 'with a token file that the app trusts' {
        $token = Invoke-Lab -Lab $lab -Method POST -Action assertion -Body @{
            issuer = 'https://token.actions.example'; subject = 'repo:contoso/sspr:ref:refs/heads/main'; audience = 'api://AzureADTokenExchange'
        }
        $file = [System.IO.Path]::Combine($TestDrive, 'token')
        [System.IO.File]::WriteAllText($file, $token.assertion)
        Assert-Usable -Session (Connect-SsprTenant @app -FederatedTokenPath $file) -Method 'federated'
    }

    It 'as an app that trusts a managed identity' {
        Assert-Usable -Session (Connect-SsprTenant @app -FederatedIdentity $tenant.apps.'identity-user'.clientId) -Method 'federated'
    }

    It 'with a device code, which it shows as a warning' {
        $shell = New-Shell
        $shell.Commands.Clear()
        [void]$shell.AddScript('param($Endpoint) $s = Connect-SsprTenant -DeviceCode -Endpoint $Endpoint; $s.Method; $s.Delegated; (Test-SsprReadiness -Step license).Ready').AddArgument($endpoint)
        $wait = $shell.BeginInvoke()
        $end = [datetime]::UtcNow.AddSeconds(20)
        while (-not $shell.Streams.Warning.Count -and -not $wait.IsCompleted -and [datetime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 50 }
        # Not by enumerating: that would wait for the end of the command.
        $shown = [string]$shell.Streams.Warning[0]
        $shown | Should -Match 'http'
        $code = @(Invoke-Lab -Lab $lab -Action devices)[0]
        $shown | Should -Match ([regex]::Escape($code.userCode))
        (Invoke-Lab -Lab $lab -Method POST -Action 'devices/approve' -Body @{ userCode = $code.userCode }).changed | Should -Be 1
        @($shell.EndInvoke($wait)) -join ' ' | Should -Be 'deviceCode True Yes'
        Close-Shell -Shell $shell
    }

    It 'with a token that the caller brings' {
        $client = New-Object -TypeName System.Net.WebClient
        $client.Headers['Content-Type'] = 'application/x-www-form-urlencoded'
        $form = "grant_type=client_credentials&client_id=$($app.ClientId)&scope=$([uri]::EscapeDataString('https://graph.microsoft.com/.default'))&client_secret=$([uri]::EscapeDataString($tenant.clientSecret))"
        $answer = ConvertFrom-Json -InputObject $client.UploadString("$($lab.url)/$($app.Tenant)/oauth2/v2.0/token", 'POST', $form)
        Assert-Usable -Session (Connect-SsprTenant -AccessToken (ConvertTo-Secret -Text $answer.access_token) -Endpoint $endpoint) -Method 'accessToken'
        $failure = Get-Failure -Script { Connect-SsprTenant -Tenant ([guid]::NewGuid()) -AccessToken (ConvertTo-Secret -Text $answer.access_token) -Endpoint $endpoint }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.TokenUnusable,Connect-SsprTenant'
    }

    It 'as a person, through the system''s browser, when nothing else is named' {
        if ([Environment]::OSVersion.Platform -eq 'Win32NT') { Set-ItResult -Skipped -Because 'the browser is chosen by BROWSER, which Windows does not have'; return }
        # The browser of this test writes down what it is to open; the rest of the browser is below.
        $browser = [System.IO.Path]::Combine($TestDrive, 'browser')
        $opened = [System.IO.Path]::Combine($TestDrive, 'opened')
        [System.IO.File]::WriteAllText($browser, "#!/bin/sh`nprintf %s `"`$1`" > '$opened.part' && mv '$opened.part' '$opened'`n")
        [System.IO.File]::SetUnixFileMode($browser, 'UserRead, UserWrite, UserExecute')
        $shell = New-Shell
        [void](Invoke-Shell -Shell $shell -Script 'param($Browser) & (Get-Module EntraSspr) { $script:Interactive = $true }; $env:BROWSER = $Browser; $env:SSH_CONNECTION = $null' -Argument $browser)
        $shell.Commands.Clear()
        [void]$shell.AddScript('param($Endpoint) $s = Connect-SsprTenant -Endpoint $Endpoint; $s.Method; $s.Delegated; (Test-SsprReadiness -Step license).Ready').AddArgument($endpoint)
        try {
            $wait = $shell.BeginInvoke()
            $end = [datetime]::UtcNow.AddSeconds(20)
            while (-not [System.IO.File]::Exists($opened) -and -not $wait.IsCompleted -and [datetime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 50 }
            $address = [System.IO.File]::ReadAllText($opened)
            $address | Should -Match 'prompt=select_account'
            $client = New-Object -TypeName System.Net.WebClient
            $page = $client.DownloadString($address)
            $action = [System.Net.WebUtility]::HtmlDecode([regex]::Match($page, 'action="([^"]+)"').Groups[1].Value)
            $form = New-Object -TypeName System.Collections.Specialized.NameValueCollection
            foreach ($field in [regex]::Matches($page, 'name="([^"]+)" value="([^"]*)"')) {
                $form.Add([System.Net.WebUtility]::HtmlDecode($field.Groups[1].Value), [System.Net.WebUtility]::HtmlDecode($field.Groups[2].Value))
            }
            [System.Text.Encoding]::UTF8.GetString($client.UploadValues($action, $form)) | Should -Match 'html'
            @($shell.EndInvoke($wait)) -join ' ' | Should -Be 'browser True Yes'
        } finally {
            $env:BROWSER = $null
            Close-Shell -Shell $shell
        }
    }
}
