function Get-SsprSession {
    [CmdletBinding()]
    [OutputType('EntraSspr.Session')]
    param([switch] $All)

    if ($All) {
        foreach ($entry in $script:Sessions.Values) { $entry.Session }
    } elseif ($null -ne $script:CurrentSession) {
        $script:CurrentSession
    }
}
