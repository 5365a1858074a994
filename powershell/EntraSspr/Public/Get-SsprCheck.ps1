function Get-SsprCheck {
    <#
    .SYNOPSIS
    Lists the checks: what each looks at, why it matters, and which permissions it needs.
    .DESCRIPTION
    Gives every check in the order in which one depends on another. Nothing is sent; no session is needed.
    .PARAMETER Id
    The check's id, such as license.seats. Wildcards are allowed.
    .PARAMETER Step
    Only the checks of these steps.
    .PARAMETER AsPermissionList
    Give the names of the permissions that these checks need, each once, sorted. Grant-SsprAppPermission grants what of them an app is served with.
    .EXAMPLE
    Get-SsprCheck

    Lists every check.
    .EXAMPLE
    Get-SsprCheck -Id license.seats | Format-List

    Shows everything about one check.
    .EXAMPLE
    Get-SsprCheck -AsPermissionList

    Lists the permissions that an app needs for all checks, the least for each. Some include others: the README has a shorter list.
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Check', [string])]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)]
        [SupportsWildcards()]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Id } | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Id = '*',

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [switch] $AsPermissionList
    )

    begin {
        $checks = Get-SsprCheckList -Cmdlet $PSCmdlet
        $permissions = [System.Collections.Generic.SortedSet[string]]::new([System.StringComparer]::Ordinal)
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
            if (-not $AsPermissionList) { $found; continue }
            foreach ($check in $found) { foreach ($permission in $check.Permissions) { [void]$permissions.Add($permission) } }
        }
    }
    end {
        if ($AsPermissionList) { $permissions }
    }
}
