function Connect-SsprTenant {
    [CmdletBinding(DefaultParameterSetName = 'ClientSecret')]
    [OutputType('EntraSspr.Session')]
    param(
        [Alias('TenantId')] [string] $Tenant,

        [Parameter(Mandatory = $true, ParameterSetName = 'ClientSecret')] [Alias('ApplicationId')] [string] $ClientId,

        [Parameter(Mandatory = $true, ParameterSetName = 'ClientSecret')] [securestring] $ClientSecret,

        [Parameter(Mandatory = $true, ParameterSetName = 'AccessToken')] [securestring] $AccessToken,

        [ValidateSet('Public', 'UsGovernment', 'UsGovernmentDod', 'China')] [Alias('Environment')] [string] $Cloud = 'Public',

        [hashtable] $Endpoint,

        [string] $CaFile,

        [string] $Proxy
    )

    $configuration = @{ cloud = $Cloud }
    if ($Tenant) { $configuration['tenant'] = $Tenant }
    if ($Endpoint) { $configuration['endpoints'] = $Endpoint }
    if ($CaFile) { $configuration['caFile'] = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($CaFile) }
    if ($Proxy) { $configuration['proxy'] = $Proxy }

    $secret = @{}
    switch ($PSCmdlet.ParameterSetName) {
        'ClientSecret' {
            $request = @{ method = 'clientSecret'; clientId = $ClientId }
            $secret['clientSecret'] = $ClientSecret
        }
        'AccessToken' {
            $request = @{ method = 'accessToken' }
            $secret['accessToken'] = $AccessToken
        }
    }
    Open-SsprSession -Cmdlet $PSCmdlet -Configuration $configuration -Request $request -Secret $secret
}
