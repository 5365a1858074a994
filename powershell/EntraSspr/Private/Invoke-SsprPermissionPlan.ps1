function Invoke-SsprPermissionPlan {
    # Plans the rights of connector accounts, and applies that: what granting and revoking have in common.
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # The calling cmdlet's parameters.
        [Parameter(Mandatory = $true)] [System.Collections.IDictionary] $Bound,
        # Whether the rights shall be there.
        [Parameter(Mandatory = $true)] [bool] $Wanted
    )

    $permissions = @{ users = $Wanted }
    if (-not $Bound['Container']) { $permissions['unexpirePassword'] = $Wanted } else { $permissions['containers'] = @($Bound['Container']) }
    if ($Bound['InetOrgPerson']) { $permissions['inetOrgPersons'] = $Wanted }
    if ($Bound['ChangePassword']) { $permissions['changePassword'] = $Wanted }
    $active = Resolve-SsprSession -Cmdlet $Cmdlet -Session $Bound['Session']
    $request = @{
        desired = ConvertTo-Json -InputObject @{ schemaVersion = 1; directoryPermissions = $permissions } -Depth 4 -Compress
        steps   = @('directory_permissions')
    }
    $document = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_plan_create' -Handle $active.Handle -Request $request -Activity 'Making a plan'
    $plan = New-SsprPlanObject -Document $document
    # Of several containers one may have been read and another not.
    if (@($plan.Unread).Count) { $Cmdlet.WriteWarning($plan.Unread -join ' ') }
    if (-not @($plan.Changes).Count) {
        if (-not @($plan.Unread).Count) { $Cmdlet.WriteVerbose('Nothing differs.') }
        return
    }
    $options = @{ Plan = $plan; Session = $active; WhatIf = [bool]$WhatIfPreference }
    if ($Bound['JournalPath']) { $options['JournalPath'] = $Bound['JournalPath'] }
    if ($Bound.ContainsKey('Confirm')) { $options['Confirm'] = [bool]$Bound['Confirm'] }
    Invoke-SsprPlan @options
}
