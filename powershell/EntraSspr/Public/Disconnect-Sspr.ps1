function Disconnect-Sspr {
    <#
    .SYNOPSIS
    Closes a session.
    .DESCRIPTION
    Forgets the session's tokens and secrets. Without parameters it is the current session. To close what is closed already
    is no error.
    .PARAMETER Session
    The session to close.
    .PARAMETER All
    Close every session of this runspace.
    .EXAMPLE
    Disconnect-Sspr

    Closes the current session.
    .EXAMPLE
    Disconnect-Sspr -All

    Closes every session.
    .LINK
    Connect-SsprTenant
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(DefaultParameterSetName = 'Session')]
    [OutputType([void])]
    param(
        [Parameter(ParameterSetName = 'Session', ValueFromPipeline = $true)] [PSTypeName('EntraSspr.Session')] [psobject] $Session,
        [Parameter(Mandatory = $true, ParameterSetName = 'All')] [switch] $All
    )

    process {
        if ($All) {
            foreach ($handle in @($script:Sessions.Keys)) { Close-SsprHandle -Handle $handle }
        } elseif ($null -ne $Session) {
            Close-SsprHandle -Handle $Session.Handle
        } elseif ($null -ne $script:CurrentSession) {
            Close-SsprHandle -Handle $script:CurrentSession.Handle
        } else {
            $PSCmdlet.WriteVerbose('Nobody is signed in.')
        }
    }
}
