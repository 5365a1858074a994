function New-SsprDirectoryRequest {
    # What a session is connected to a domain with, by the parameters of Connect-SsprDirectory.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [hashtable] $Parameter
    )

    $request = @{ tls = if ($Parameter['UseTls']) { $Parameter['UseTls'] } else { 'LDAPS' } }
    if ($Parameter['Domain']) { $request['domain'] = $Parameter['Domain'] }
    if ($Parameter['Server']) { $request['servers'] = @($Parameter['Server']) }
    if ($Parameter['CaFile']) { $request['caFile'] = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $Parameter['CaFile'] }
    if ($Parameter['DnsServer']) { $request['dnsServer'] = $Parameter['DnsServer'] }
    if ($Parameter['PageSize']) { $request['pageSize'] = $Parameter['PageSize'] }
    if ($Parameter['MaxConnection']) { $request['maxConnections'] = $Parameter['MaxConnection'] }
    if ($Parameter['Connector']) { $request['connectors'] = @($Parameter['Connector']) }
    if ($Parameter['SysvolPath']) { $request['sysvol'] = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $Parameter['SysvolPath'] }
    if ($Parameter['Timeout']) { $request['timeoutSeconds'] = [long][Math]::Ceiling($Parameter['Timeout'].TotalSeconds) }
    $secret = @{}
    if ($Parameter['Credential']) {
        $request['user'] = $Parameter['Credential'].UserName
        $secret['directoryPassword'] = $Parameter['Credential'].Password
    }
    [pscustomobject]@{ Request = $request; Secret = $secret }
}
