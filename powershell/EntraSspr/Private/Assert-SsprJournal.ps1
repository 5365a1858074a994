function Assert-SsprJournal {
    # Ends the command where there is no such journal; what only shows what would be done does not open it.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Path
    )

    if ([System.IO.File]::Exists($Path)) { return }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                    name = 'File.Read'; category = 'ReadError'; target = $Path; message = "$Path is not there"
                    help = 'Give the journal that Invoke-SsprPlan wrote; its result names it.'
                })))
}
