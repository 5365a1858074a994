function Connect-SsprTenant {
    <#
    .SYNOPSIS
    Signs in to a tenant.
    .DESCRIPTION
    Without parameters, at a console, you sign in through the system's browser; where there is none, with a device code.
    Unattended, name a credential: an app with a secret or a certificate, a managed identity, workload federation, a token
    that you bring, or an Azure Automation connection. Nothing is asked then, and nothing is kept on disk.

    The session that comes back is the one that the other cmdlets use in this runspace until the next Connect-SsprTenant.
    To work with several tenants, keep each session in a variable and name it with -Session.

    Checks ask for read permissions only; Get-SsprCheck lists them.
    .PARAMETER Tenant
    The tenant's id or one of its domains. A person may leave it out: then it is the account's own tenant.
    .PARAMETER ClientId
    The app (application id). For a person: the tenant's own app, with the redirect address http://localhost for mobile and
    desktop applications; left out, Microsoft's shared command-line app.
    .PARAMETER Account
    The account that the browser's page signs in; without it the page asks which.
    .PARAMETER DeviceCode
    Sign in with a code on another device. Tenants often block this by Conditional Access.
    .PARAMETER ClientSecret
    The app's secret.
    .PARAMETER Certificate
    The app's certificate with its key. The key is used where it lies and is not taken out.
    .PARAMETER CertificateThumbprint
    The thumbprint of the app's certificate in the store of the user or of the machine.
    .PARAMETER CertificatePath
    A PFX or PEM file with the app's certificate and key.
    .PARAMETER CertificatePassword
    The file's password.
    .PARAMETER ManagedIdentity
    Sign in as the managed identity of this virtual machine, Azure Automation account, App Service or Azure Arc server.
    .PARAMETER IdentityClientId
    The client id of the user-assigned managed identity to use.
    .PARAMETER FederatedTokenPath
    A file with a token that the app trusts, such as Kubernetes or a build service writes.
    .PARAMETER FederatedIdentity
    The client id of the user-assigned managed identity that the app trusts: reach an app of many tenants without a secret.
    .PARAMETER AccessToken
    A token for Microsoft Graph that you bring. It is used until it ends.
    .PARAMETER PortalAccessToken
    A token for the portal's back end that you bring.
    .PARAMETER Connection
    A connection of Azure Automation (what Get-AutomationConnection returns): TenantId, ApplicationId, CertificateThumbprint.
    .PARAMETER PortalApi
    Also sign in to the Entra portal's back end, which Microsoft does not document: some settings can be read nowhere else.
    .PARAMETER Cloud
    The cloud that the tenant is in.
    .PARAMETER Endpoint
    Other addresses: a table with login, graph, portal, imds. Plain HTTP on this machine only.
    .PARAMETER CaFile
    Trust the certificates in this PEM file, and no others.
    .PARAMETER Proxy
    A proxy's address, or none. By default the system's, or the one of the environment variables with which PowerShell
    was started. A user and a password do not belong in it: see ProxyCredential.
    .PARAMETER ProxyCredential
    Who signs in to the proxy that Proxy names.
    .EXAMPLE
    Connect-SsprTenant -Tenant contoso.onmicrosoft.com -ClientId $clientId -ClientSecret $clientSecret

    Signs in as an app with its secret, which is a SecureString.
    .EXAMPLE
    Connect-SsprTenant -Tenant contoso.onmicrosoft.com -ClientId $clientId -CertificatePath app.pem

    Signs in as an app with its certificate.
    .EXAMPLE
    Connect-SsprTenant -ManagedIdentity

    Signs in as this machine's, or this Azure Automation account's, own identity.
    .EXAMPLE
    $contoso = Connect-SsprTenant -Tenant contoso.onmicrosoft.com -ClientId $clientId -ClientSecret $clientSecret; Test-SsprReadiness -Session $contoso

    Keeps the session in a variable, for work with several tenants.
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    .LINK
    Test-SsprReadiness
    #>
    [CmdletBinding(DefaultParameterSetName = 'Browser')]
    [OutputType('EntraSspr.Session')]
    param(
        [Parameter(ParameterSetName = 'Browser')]
        [Parameter(ParameterSetName = 'DeviceCode')]
        [Parameter(ParameterSetName = 'ClientSecret', Mandatory = $true)]
        [Parameter(ParameterSetName = 'Certificate', Mandatory = $true)]
        [Parameter(ParameterSetName = 'CertificateThumbprint', Mandatory = $true)]
        [Parameter(ParameterSetName = 'CertificatePath', Mandatory = $true)]
        [Parameter(ParameterSetName = 'ManagedIdentity')]
        [Parameter(ParameterSetName = 'FederatedTokenPath', Mandatory = $true)]
        [Parameter(ParameterSetName = 'FederatedIdentity', Mandatory = $true)]
        [Parameter(ParameterSetName = 'AccessToken')]
        [Alias('TenantId')]
        [ValidateNotNullOrEmpty()]
        [string] $Tenant,

        [Parameter(ParameterSetName = 'Browser')]
        [Parameter(ParameterSetName = 'DeviceCode')]
        [Parameter(ParameterSetName = 'ClientSecret', Mandatory = $true)]
        [Parameter(ParameterSetName = 'Certificate', Mandatory = $true)]
        [Parameter(ParameterSetName = 'CertificateThumbprint', Mandatory = $true)]
        [Parameter(ParameterSetName = 'CertificatePath', Mandatory = $true)]
        [Parameter(ParameterSetName = 'FederatedTokenPath', Mandatory = $true)]
        [Parameter(ParameterSetName = 'FederatedIdentity', Mandatory = $true)]
        [Alias('ApplicationId')]
        [ValidateNotNullOrEmpty()]
        [string] $ClientId,

        [Parameter(ParameterSetName = 'Browser')]
        [ValidateNotNullOrEmpty()]
        [string] $Account,

        [Parameter(ParameterSetName = 'DeviceCode', Mandatory = $true)]
        [switch] $DeviceCode,

        [Parameter(ParameterSetName = 'ClientSecret', Mandatory = $true)]
        [securestring] $ClientSecret,

        [Parameter(ParameterSetName = 'Certificate', Mandatory = $true)]
        [System.Security.Cryptography.X509Certificates.X509Certificate2] $Certificate,

        [Parameter(ParameterSetName = 'CertificateThumbprint', Mandatory = $true)]
        [ValidatePattern('^[0-9A-Fa-f]{40}$')]
        [string] $CertificateThumbprint,

        [Parameter(ParameterSetName = 'CertificatePath', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $CertificatePath,

        [Parameter(ParameterSetName = 'CertificatePath')]
        [securestring] $CertificatePassword,

        [Parameter(ParameterSetName = 'ManagedIdentity', Mandatory = $true)]
        [switch] $ManagedIdentity,

        [Parameter(ParameterSetName = 'ManagedIdentity')]
        [ValidateNotNullOrEmpty()]
        [string] $IdentityClientId,

        [Parameter(ParameterSetName = 'FederatedTokenPath', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $FederatedTokenPath,

        [Parameter(ParameterSetName = 'FederatedIdentity', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $FederatedIdentity,

        [Parameter(ParameterSetName = 'AccessToken', Mandatory = $true)]
        [securestring] $AccessToken,

        [Parameter(ParameterSetName = 'AccessToken')]
        [securestring] $PortalAccessToken,

        [Parameter(ParameterSetName = 'Connection', Mandatory = $true)]
        [System.Collections.IDictionary] $Connection,

        [Parameter(ParameterSetName = 'Browser')]
        [Parameter(ParameterSetName = 'DeviceCode')]
        [switch] $PortalApi,

        [ValidateSet('Public', 'UsGovernment', 'UsGovernmentDod', 'China')]
        [Alias('Environment')]
        [string] $Cloud = 'Public',

        [hashtable] $Endpoint,

        [ValidateNotNullOrEmpty()]
        [string] $CaFile,

        [ValidateNotNullOrEmpty()]
        [string] $Proxy,

        [ValidateNotNull()]
        [pscredential] $ProxyCredential
    )

    $method = $PSCmdlet.ParameterSetName
    $thumbprint = $CertificateThumbprint
    if ($method -eq 'Connection') {
        $named = Resolve-SsprConnection -Cmdlet $PSCmdlet -Connection $Connection
        $Tenant = $named.Tenant
        $ClientId = $named.ClientId
        $thumbprint = $named.CertificateThumbprint
        $method = 'CertificateThumbprint'
    }
    if ($method -eq 'Browser' -and -not (Test-SsprBrowser)) {
        if (-not (Test-SsprInteractive)) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'SignIn.NotInteractive'; category = 'AuthenticationError'; message = 'nobody can sign in at this console'
                            help = 'Name a credential: -ManagedIdentity, -ClientId with -ClientSecret or a certificate, -AccessToken; or -DeviceCode.'
                        })))
        }
        $PSCmdlet.WriteVerbose('There is no browser here: signing in with a device code.')
        $method = 'DeviceCode'
    }

    $parameter = @{ Cloud = $Cloud }
    foreach ($name in $PSBoundParameters.Keys) { $parameter[$name] = $PSBoundParameters[$name] }
    if ($Tenant) { $parameter['Tenant'] = $Tenant }
    if ($ClientId) { $parameter['ClientId'] = $ClientId }
    if ($thumbprint) { $parameter['CertificateThumbprint'] = $thumbprint }
    $signIn = New-SsprSignIn -Cmdlet $PSCmdlet -Method $method -Parameter $parameter
    Open-SsprSession -Cmdlet $PSCmdlet -Configuration $signIn.Configuration -Request $signIn.Request -Secret $signIn.Secret -HostAction $signIn.HostAction
}
