function Get-SsprConnector {
    <#
    .SYNOPSIS
    Lists the accounts by which Microsoft Entra writes passwords back to the directory.
    .DESCRIPTION
    Finds what Entra Connect (MSOL_*) and cloud sync (pGMSA_*) made in every domain of the forest, also when it was renamed,
    or the accounts that Connect-SsprDirectory -Connector named; with what their description says of the server that uses
    them, whether they can sign in, and which groups give them more than they need.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Get-SsprConnector

    Lists the accounts.
    .EXAMPLE
    Get-SsprConnector | Where-Object PrivilegedGroups | Format-List

    Shows those that are administrators.
    .LINK
    Connect-SsprDirectory
    .LINK
    https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-accounts-permissions
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Connector')]
    param(
        [Parameter(ValueFromPipeline = $true)]
        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $fact = Get-SsprDirectoryFact -Cmdlet $PSCmdlet -Session $Session -Step 'service_account' -Fact 'Connectors' -Activity 'Looking for connector accounts'
        if ($null -eq $fact) { return }
        foreach ($account in $fact.Value) {
            $from = Get-SsprMember -InputObject $account -Name Installation
            $connector = [pscustomobject][ordered]@{
                Name             = $account.Name
                Kind             = $account.Kind
                Domain           = $account.Domain
                Enabled          = $account.Enabled
                Locked           = $account.Locked
                Computer         = if ($null -ne $from) { $from.Computer }
                Tenant           = if ($null -ne $from) { $from.Tenant }
                Created          = $account.Created
                LastSignIn       = $account.LastSignIn
                PasswordSet      = $account.PasswordSet
                PasswordExpires  = $account.PasswordExpires
                Expires          = $account.Expires
                PrivilegedGroups = @($account.PrivilegedGroups)
                Sid              = $account.Sid
                Dn               = $account.Dn
            }
            Add-SsprTypeName -InputObject $connector -Name Connector
        }
    }
}
