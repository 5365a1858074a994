function Resolve-SsprFilePath {
    # A path as the user names it, as the file system's own; it need not be there.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Path,
        # It is one of several: write the error and give nothing.
        [switch] $Continue
    )

    $provider = $null
    $drive = $null
    $cause = $null
    try {
        $full = $Cmdlet.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path, [ref]$provider, [ref]$drive)
        if ($provider.Name -eq 'FileSystem') { return $full }
        $message = "$Path is not in the file system"
    } catch {
        # There is no such drive or provider, or the text is no path.
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        $message = "$Path is not a path here: $($cause.Message)"
    }
    $record = New-SsprErrorRecord -InnerException $cause -Document ([pscustomobject]@{
            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path; message = $message
            help = 'Name a file on a drive of the file system, such as C:\Temp\contoso.json; Get-PSDrive lists the drives.'
        })
    if (-not $Continue) { $Cmdlet.ThrowTerminatingError($record) }
    $Cmdlet.WriteError($record)
}
