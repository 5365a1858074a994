function Get-SsprDirectoryPermission {
    <#
    .SYNOPSIS
    Tells whom the connector account may reset in the directory, and which entry decides it.
    .DESCRIPTION
    Without -User every enabled user is weighed, and the users whom the account may not reset are given by cause, the largest
    first; those among them whom nobody resets, as they are disabled or locked out now, are counted too. Each domain is judged
    by its own connector accounts that are in use; one without any, by those of the others. With -User each right on that user is given with the verdict and the entry of the access control list that
    decides it.

    The verdict is the domain controller's own: entries count in their stored order, denials, inheritance, object types,
    property sets and nested groups included. That nobody grants Change Password by name is no fault.
    .PARAMETER User
    Users: distinguished names, user principal names, DOMAIN\name, account names or SIDs.
    .PARAMETER CsvPath
    Write everyone whom an account may not reset into this file, with the cause. The file is readable by you only, and appears
    whole or not at all.
    .PARAMETER Force
    Replace a file that is there.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Get-SsprDirectoryPermission

    Shows what keeps the connector account from how many users.
    .EXAMPLE
    Get-SsprDirectoryPermission -User denied.dan

    Shows each right on one user, and what decides it.
    .EXAMPLE
    'staff1', 'sales1' | Get-SsprDirectoryPermission | Where-Object { $_.Needed -and -not $_.Allowed }

    Shows what is missing on some users.
    .EXAMPLE
    Get-SsprDirectoryPermission -CsvPath refused.csv -Force

    Writes a table of all users whom the account may not reset; gives the path and the number of rows.
    .LINK
    Connect-SsprDirectory
    .LINK
    https://learn.microsoft.com/troubleshoot/entra/entra-id/user-prov-sync/password-writeback-access-rights-permissions
    #>
    [CmdletBinding(DefaultParameterSetName = 'All')]
    [OutputType('EntraSspr.DirectoryPermission', ParameterSetName = 'All')]
    [OutputType('EntraSspr.UserPermission', ParameterSetName = 'User')]
    [OutputType([psobject], ParameterSetName = 'Csv')]
    param(
        [Parameter(ParameterSetName = 'User', Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('DistinguishedName', 'Dn')]
        [ValidateNotNullOrEmpty()]
        [string[]] $User,

        [Parameter(ParameterSetName = 'Csv', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $CsvPath,

        [Parameter(ParameterSetName = 'Csv')]
        [switch] $Force,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    begin {
        $asked = [System.Collections.Generic.List[string]]::new()
    }
    process {
        if ($PSCmdlet.ParameterSetName -eq 'User') { $asked.AddRange($User) }
    }
    end {
        if ($PSCmdlet.ParameterSetName -eq 'Csv') {
            $active = Resolve-SsprDirectorySession -Cmdlet $PSCmdlet -Session $Session
            $request = @{ path = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $CsvPath; overwrite = [bool]$Force }
            Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_directory_affected' -Handle $active.Handle -Request $request -Activity 'Weighing the rights of the connector account'
            return
        }
        if ($PSCmdlet.ParameterSetName -eq 'All') {
            $fact = Get-SsprDirectoryFact -Cmdlet $PSCmdlet -Session $Session -Step 'directory_permissions' -Fact 'DirectoryAccess' -Activity 'Weighing the rights of the connector account'
            if ($null -eq $fact) { return }
            $serving = @($fact.Value | Where-Object { $_ -and $_.Serves })
            if ($serving.Count -eq 0) { $PSCmdlet.WriteError((New-SsprNoConnectorError)) }
            foreach ($domain in $serving) {
                if (@($domain.Refused).Count -eq 0) {
                    Add-SsprTypeName -Name DirectoryPermission -InputObject ([pscustomobject][ordered]@{
                            Domain = $domain.Domain; Connector = $domain.Connector; Users = $domain.Users; Refused = 0
                            Cause = 'none is refused'; Where = $null; Sample = @()
                        })
                }
                foreach ($group in @(@($domain.Refused) + @($domain.Barred) | Sort-Object -Property Count -Descending)) {
                    $where = Get-SsprMember -InputObject $group.Cause -Name Container
                    Add-SsprTypeName -Name DirectoryPermission -InputObject ([pscustomobject][ordered]@{
                            Domain = $domain.Domain; Connector = $domain.Connector; Users = $domain.Users; Refused = $group.Count
                            Cause = Get-SsprCauseText -Cause $group.Cause; Where = $where; Sample = @($group.Sample)
                        })
                }
            }
            return
        }
        foreach ($case in (Get-SsprDirectoryUser -Cmdlet $PSCmdlet -Session $Session -User $asked)) {
            if (@($case.Accounts).Count -eq 0) { $PSCmdlet.WriteError((New-SsprNoConnectorError -Target $case.Name)) }
            foreach ($account in $case.Accounts) {
                $cause = Get-SsprMember -InputObject $account -Name Cause
                foreach ($right in $account.Rights) {
                    Add-SsprTypeName -Name UserPermission -InputObject ([pscustomobject][ordered]@{
                            User = $case.Name; Connector = $account.Connector; Right = $right.Right; Needed = $right.Needed
                            Allowed = $right.Allowed; DecidedBy = $right.By; CanReset = $account.CanReset
                            Cause = if ($null -ne $cause) { Get-SsprCauseText -Cause $cause }; Enabled = $case.Enabled
                            Locked = $case.Locked; AdminCount = $case.AdminCount; Inheritance = $case.Inheritance
                            Class = $case.Class; Dn = $case.Dn; Sid = $case.Sid
                        })
                }
            }
        }
    }
}
