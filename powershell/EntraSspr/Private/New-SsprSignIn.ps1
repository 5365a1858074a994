function New-SsprSignIn {
    # What a session is opened and signed in with, by the parameters of Connect-SsprTenant.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # The parameter set of Connect-SsprTenant.
        [Parameter(Mandatory = $true)] [string] $Method,
        [Parameter(Mandatory = $true)] [hashtable] $Parameter
    )

    $configuration = @{ cloud = if ($Parameter['Cloud']) { $Parameter['Cloud'] } else { 'Public' } }
    if ($Parameter['Tenant']) { $configuration['tenant'] = $Parameter['Tenant'] }
    if ($Parameter['Endpoint']) { $configuration['endpoints'] = $Parameter['Endpoint'] }
    if ($Parameter['CaFile']) { $configuration['caFile'] = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $Parameter['CaFile'] }
    $secret = @{}
    if ($Parameter['Proxy']) { $configuration['proxy'] = $Parameter['Proxy'] }
    if ($Parameter['ProxyCredential']) {
        $configuration['proxyUser'] = $Parameter['ProxyCredential'].UserName
        if ($Parameter['ProxyCredential'].Password.Length -gt 0) { $secret['proxyPassword'] = $Parameter['ProxyCredential'].Password }
    }

    $request = @{}
    if ($Parameter['ClientId']) { $request['clientId'] = $Parameter['ClientId'] }
    $hostAction = @{}
    switch ($Method) {
        'Browser' {
            $request['method'] = 'browser'
            $request['portalApi'] = [bool]$Parameter['PortalApi']
            # Administrators have several accounts: the page asks which, unless it is named.
            if ($Parameter['Account']) { $request['loginHint'] = $Parameter['Account'] } else { $request['prompt'] = 'select_account' }
            $hostAction['openBrowser'] = $true
        }
        'DeviceCode' {
            $request['method'] = 'deviceCode'
            $request['portalApi'] = [bool]$Parameter['PortalApi']
        }
        'ClientSecret' {
            $request['method'] = 'clientSecret'
            $secret['clientSecret'] = $Parameter['ClientSecret']
        }
        'CertificatePath' {
            $request['method'] = 'certificate'
            $secret['certificate'] = Get-SsprFileByte -Cmdlet $Cmdlet -Path $Parameter['CertificatePath']
            if ($Parameter['CertificatePassword']) { $secret['certificatePassword'] = $Parameter['CertificatePassword'] }
        }
        { $_ -eq 'Certificate' -or $_ -eq 'CertificateThumbprint' } {
            $certificate = if ($Parameter['CertificateThumbprint']) { Find-SsprCertificate -Cmdlet $Cmdlet -Thumbprint $Parameter['CertificateThumbprint'] } else { $Parameter['Certificate'] }
            Assert-SsprCertificate -Cmdlet $Cmdlet -Certificate $certificate
            $request['method'] = 'certificate'
            $request['certificate'] = [Convert]::ToBase64String($certificate.RawData)
            $hostAction['signAssertion'] = $certificate
        }
        'ManagedIdentity' {
            $request['method'] = 'managedIdentity'
            if ($Parameter['IdentityClientId']) { $request['clientId'] = $Parameter['IdentityClientId'] }
        }
        'FederatedTokenPath' {
            $request['method'] = 'federated'
            $request['assertionFile'] = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $Parameter['FederatedTokenPath']
        }
        'FederatedIdentity' {
            $request['method'] = 'federated'
            $request['managedIdentity'] = @{ clientId = $Parameter['FederatedIdentity'] }
        }
        'AccessToken' {
            $request['method'] = 'accessToken'
            $secret['accessToken'] = $Parameter['AccessToken']
            if ($Parameter['PortalAccessToken']) { $secret['portalAccessToken'] = $Parameter['PortalAccessToken'] }
        }
    }
    [pscustomobject]@{ Configuration = $configuration; Request = $request; Secret = $secret; HostAction = $hostAction }
}
