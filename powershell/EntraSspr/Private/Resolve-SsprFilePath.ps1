function Resolve-SsprFilePath {
    # A path as the user names it, as the file system's own; it need not be there.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Path
    )

    $provider = $null
    $drive = $null
    $full = $Cmdlet.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path, [ref]$provider, [ref]$drive)
    if ($provider.Name -ne 'FileSystem') {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path; message = "$Path is not in the file system"
                    })))
    }
    $full
}
