function Disconnect-Sspr {
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
