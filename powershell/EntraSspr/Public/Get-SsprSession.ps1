function Get-SsprSession {
    <#
    .SYNOPSIS
    Gives the current session, or all.
    .DESCRIPTION
    A session is one signed-in tenant. It lasts until Disconnect-Sspr, or until the module is removed or PowerShell ends.
    .PARAMETER All
    Every open session of this runspace.
    .EXAMPLE
    Get-SsprSession

    Shows which tenant the other cmdlets work in.
    .EXAMPLE
    (Get-SsprSession).Permissions

    Lists the permissions that the sign-in holds.
    .LINK
    Connect-SsprTenant
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Session')]
    param([switch] $All)

    if ($All) {
        $script:Sessions.Values | Sort-Object -Property SignedInAt
    } elseif ($null -ne $script:CurrentSession) {
        $script:CurrentSession
    }
}
