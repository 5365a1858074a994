function Get-SsprCheck {
    [CmdletBinding()]
    [OutputType('EntraSspr.Check')]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)] [SupportsWildcards()] [string[]] $Id = '*',
        [string[]] $Step
    )

    begin {
        $checks = Get-SsprCheckList -Cmdlet $PSCmdlet
    }
    process {
        foreach ($pattern in $Id) {
            $found = @($checks | Where-Object { $_.Id -like $pattern -and (-not $Step -or $Step -contains $_.Step) })
            if ($found.Count -eq 0 -and -not [System.Management.Automation.WildcardPattern]::ContainsWildcardCharacters($pattern)) {
                $PSCmdlet.WriteError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                name = 'Check.NotFound'; category = 'ObjectNotFound'; target = $pattern
                                message = "there is no check '$pattern'"; help = 'Get-SsprCheck without parameters lists them all.'
                            })))
                continue
            }
            $found
        }
    }
}
