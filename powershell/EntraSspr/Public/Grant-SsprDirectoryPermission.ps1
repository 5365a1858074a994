function Grant-SsprDirectoryPermission {
    <#
    .SYNOPSIS
    Grants the connector accounts what password writeback needs in the directory.
    .DESCRIPTION
    Plans what the accounts in use lack, effectively, by the entries that a domain controller weighs, and nothing else: Reset
    Password and writing lockoutTime and pwdLastSet on users, and Unexpire Password on each domain's root. Then it asks, makes
    the change, and keeps a journal that Undo-SsprPlan takes back.
    .PARAMETER Container
    The distinguished names of the containers; by default each domain's root.
    .PARAMETER InetOrgPerson
    The rights on inetOrgPersons too.
    .PARAMETER ChangePassword
    Change Password too, as Microsoft's guide has it; writeback does not use it.
    .PARAMETER JournalPath
    The journal's file; by default a new one in the current folder.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Grant-SsprDirectoryPermission -WhatIf

    Shows what would be changed.
    .EXAMPLE
    Grant-SsprDirectoryPermission -Container 'OU=Staff,DC=example,DC=test' -WhatIf

    Shows what would be granted on one unit.
    .LINK
    Get-SsprDirectoryPermission
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType('EntraSspr.PlanResult')]
    param(
        [Parameter(Position = 0, ValueFromPipeline = $true)]
        [ValidateNotNullOrEmpty()]
        [string[]] $Container,

        [switch] $InetOrgPerson,

        [switch] $ChangePassword,

        [string] $JournalPath,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    begin {
        $containers = [System.Collections.Generic.List[string]]::new()
    }
    process {
        if ($Container) { $containers.AddRange($Container) }
    }
    end {
        # One plan, and one journal, for all of them.
        $bound = @{} + $PSBoundParameters
        if ($containers.Count -gt 0) { $bound['Container'] = $containers.ToArray() }
        Invoke-SsprPermissionPlan -Cmdlet $PSCmdlet -Bound $bound -Wanted $true
    }
}
