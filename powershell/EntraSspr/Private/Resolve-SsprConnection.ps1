function Resolve-SsprConnection {
    # Reads an Azure Automation connection.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [System.Collections.IDictionary] $Connection
    )

    $named = [pscustomobject]@{
        Tenant                = $Connection['TenantId']
        ClientId              = $Connection['ApplicationId']
        CertificateThumbprint = $Connection['CertificateThumbprint']
    }
    foreach ($member in $named.PSObject.Properties) {
        if (-not $member.Value) {
            $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Connection'
                            message = 'the connection lacks one of TenantId, ApplicationId, CertificateThumbprint'
                            help = 'Give what Get-AutomationConnection returns for a connection of type AzureServicePrincipal; or use -ManagedIdentity.'
                        })))
        }
    }
    $named
}
