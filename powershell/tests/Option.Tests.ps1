Describe 'Connect-SsprTenant goes' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Child.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready -Argument '--https --bad-certificates'
        $connection = Get-LabConnection -Lab $lab
        $app = $connection.Clone()
        $app.Remove('Endpoint')
    }
    AfterEach {
        Disconnect-Sspr -All
        [void](Invoke-Lab -Lab $lab -Method POST -Action reset)
    }
    AfterAll {
        Stop-Lab -Lab $lab
    }

    It 'over TLS, trusting the certificates of a file alone' {
        $secure = @{ login = $lab.httpsUrl; graph = $lab.httpsUrl }
        Copy-Item -LiteralPath $lab.caFile -Destination ([System.IO.Path]::Combine($TestDrive, 'ca.pem'))
        Push-Location -Path $TestDrive
        try {
            # A relative path is PowerShell's own location's.
            [void](Connect-SsprTenant @app -Endpoint $secure -CaFile ca.pem)
        } finally {
            Pop-Location
        }
        (Test-SsprReadiness -Step license).Ready | Should -Be 'Yes'
        $failure = Get-Failure -Script { Connect-SsprTenant @app -Endpoint $secure }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Service.Tls,Connect-SsprTenant' -Because 'the system does not know this authority'
        $failure.ErrorDetails.Message | Should -Match 'certificate' -Because 'the cause underneath is shown'
        $bad = $lab.wrongNameUrl
        $failure = Get-Failure -Script { Connect-SsprTenant @app -Endpoint @{ login = $bad; graph = $bad } -CaFile $lab.caFile }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.Service.Tls,Connect-SsprTenant' -Because 'the certificate bears another name'
        (Get-Failure -Script { Connect-SsprTenant @app -Endpoint $secure -CaFile missing.pem }).ErrorDetails.Message | Should -Match 'missing\.pem cannot be read: .'
    }

    It 'through a proxy, or through none' {
        $listener = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $shell = New-Shell
        try {
            $shell.Commands.Clear()
            [void]$shell.AddScript('param($Connection, $Proxy) try { Connect-SsprTenant @Connection -Proxy $Proxy } catch { $_.FullyQualifiedErrorId }').AddArgument($connection).AddArgument("http://$($listener.LocalEndpoint)")
            $wait = $shell.BeginInvoke()
            $accepted = $listener.AcceptTcpClientAsync()
            $accepted.Wait(20000) | Should -BeTrue
            $stream = $accepted.Result.GetStream()
            $reader = [System.IO.StreamReader]::new($stream)
            $reader.ReadLine() | Should -BeLike "POST $($lab.url)/$($app.Tenant)/oauth2/v2.0/token *"
            $refusal = [System.Text.Encoding]::ASCII.GetBytes("HTTP/1.1 407 Proxy Authentication Required`r`nContent-Length: 0`r`nConnection: close`r`n`r`n")
            $stream.Write($refusal, 0, $refusal.Length)
            $accepted.Result.Dispose()
            $shell.EndInvoke($wait) | Should -BeLike 'Sspr.*,Connect-SsprTenant'
        } finally {
            $listener.Stop()
            Close-Shell -Shell $shell
        }
        (Connect-SsprTenant @connection -Proxy none).Method | Should -Be 'clientSecret'
    }

    It 'to another cloud, whose names the tokens bear' {
        $session = Connect-SsprTenant @connection -Cloud UsGovernment
        $session.Cloud | Should -Be 'UsGovernment'
        (Test-SsprReadiness -Step license).Ready | Should -Be 'Yes'
        { Connect-SsprTenant @connection -Cloud Nowhere } | Should -Throw
    }

    It 'to the portal too, with a device code, or with tokens that the caller brings' {
        $endpoint = Get-LabEndpoint -Lab $lab
        $shell = New-Shell
        $shell.Commands.Clear()
        [void]$shell.AddScript('param($Endpoint) $s = Connect-SsprTenant -DeviceCode -PortalApi -Endpoint $Endpoint; $s.PortalApi; (Test-SsprReadiness -Step notifications).Findings[0].Evidence[0].Source').AddArgument($endpoint)
        $wait = $shell.BeginInvoke()
        $end = [datetime]::UtcNow.AddSeconds(30)
        while (-not $wait.IsCompleted -and [datetime]::UtcNow -lt $end) {
            [void](Invoke-Lab -Lab $lab -Method POST -Action 'devices/approve')
            Start-Sleep -Milliseconds 200
        }
        $said = @($shell.EndInvoke($wait))
        "$($shell.Streams.Error)" | Should -BeNullOrEmpty
        $shell.Streams.Warning.Count | Should -Be 2 -Because 'the person signs in twice'
        Close-Shell -Shell $shell
        $said[0] | Should -BeTrue
        $said[1] | Should -Be 'portal'

        $graph = Get-PersonToken -Lab $lab
        $portal = Get-PersonToken -Lab $lab -ClientId '1950a258-227b-4e31-a9cf-717495945fc2' -Scope '74658136-14ec-4630-ad9b-26e160ff0fc6/.default'
        $session = Connect-SsprTenant -AccessToken $graph -PortalAccessToken $portal -Endpoint $endpoint
        $session.PortalApi | Should -BeTrue
        (Test-SsprReadiness -Step notifications).Findings[0].Evidence[0].Source | Should -Be 'portal'
        $failure = Get-Failure -Script { Connect-SsprTenant -AccessToken $graph -PortalAccessToken $graph -Endpoint $endpoint }
        $failure.FullyQualifiedErrorId | Should -Be 'Sspr.SignIn.TokenUnusable,Connect-SsprTenant'
        @(Invoke-Lab -Lab $lab -Action violations) | Should -BeNullOrEmpty
    }

    It 'with the account that is named, which the page then does not ask for' {
        $seen = [hashtable]::Synchronized(@{})
        $shell = New-Shell
        $script = 'param($Seen) & (Get-Module -Name EntraSspr) { $script:Seen = $args[0]; [void](Get-SsprSession); function script:Test-SsprBrowser { $true }; function script:Open-SsprBrowser { param($Url) $script:Seen.Url = $Url; $true } } $Seen'
        [void](Invoke-Shell -Shell $shell -Script $script -Argument $seen)
        $shell.Commands.Clear()
        [void]$shell.AddScript('param($Endpoint) Connect-SsprTenant -Account ada@contoso.example -Endpoint $Endpoint').AddArgument((Get-LabEndpoint -Lab $lab))
        $wait = $shell.BeginInvoke()
        $end = [datetime]::UtcNow.AddSeconds(20)
        while (-not $seen.Url -and -not $wait.IsCompleted -and [datetime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 50 }
        $shell.Stop()
        Close-Shell -Shell $shell
        $opened = $seen.Url
        $opened | Should -Match 'login_hint=ada%40contoso\.example'
        $opened | Should -Not -Match 'prompt='
    }
}

Describe 'Test-SsprReadiness reads' {
    BeforeAll {
        . ([System.IO.Path]::Combine($PSScriptRoot, 'Lab.ps1'))
        Import-ModuleUnderTest
        $lab = Start-Lab -Scenario hybrid-ready -Argument '--page-size 20'
        $connection = Get-LabConnection -Lab $lab
        [void](Connect-SsprTenant @connection)
        # The whole report takes some ten seconds.
        [void](Invoke-Lab -Lab $lab -Method POST -Action faults -Body @{ kind = 'latency'; ms = 300; path = '/v1.0/reports/authenticationMethods/userRegistrationDetails' })

        function Get-RegistrationFact {
            param($Readiness)

            (ConvertFrom-Json -InputObject $Readiness.Snapshot.Snapshot).facts.registration
        }
    }
    AfterAll {
        Disconnect-Sspr -All
        Stop-Lab -Lab $lab
    }

    It 'no longer than its time, and says so' {
        $readiness = Test-SsprReadiness -Step user_registration -TimeBudget ([timespan]::FromSeconds(1))
        $fact = Get-RegistrationFact -Readiness $readiness
        $fact.state | Should -Be 'partial'
        $fact.reason | Should -Match '-TimeBudget'
        $readiness.Duration.TotalSeconds | Should -BeLessThan 8
        $readiness.Ready | Should -Not -Be 'Yes'
    }

    It 'all of it when told, whatever the time' {
        $fact = Get-RegistrationFact -Readiness (Test-SsprReadiness -Step user_registration -TimeBudget ([timespan]::FromSeconds(1)) -Full)
        $fact.state | Should -Be 'known'
    }
}
