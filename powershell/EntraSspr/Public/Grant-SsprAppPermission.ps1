function Grant-SsprAppPermission {
    <#
    .SYNOPSIS
    Gives an app or a managed identity the permissions that the checks need, and shows what it has too much.
    .DESCRIPTION
    Reads which application permissions of Microsoft Graph the app holds, and grants those that the steps need and that it lacks: the least for
    each fact, all for reading, each once. It asks for each, and keeps a journal to take them back with. What the app holds
    beyond that is Excess, and stays unless -RemoveExcess is given.

    It also tells what an administrator of another tenant needs to let the same app read there (ConsentUrl; the app's registration must ask for
    the permissions of RequiredResourceAccess), and which roles a person of a partner needs under GDAP to read the same (GdapRoles).

    Sign in with Application.Read.All and AppRoleAssignment.ReadWrite.All, as Privileged Role Administrator or Global Administrator. For -WhatIf
    Application.Read.All is enough. A token that was issued before keeps what it had: of a managed identity for up to a day.
    .PARAMETER App
    The app or managed identity: its display name, application id, or object id as the page Enterprise applications shows it. A
    name that several have is refused.
    .PARAMETER Step
    The steps that it shall check; by default all.
    .PARAMETER RemoveExcess
    Take away the permissions of Microsoft Graph that these steps do not need.
    .PARAMETER ForTenant
    The other tenant that ConsentUrl is for, by id or domain; by default the one of whoever opens it.
    .PARAMETER Undo
    Take back what this command did, by the journal that it kept.
    .PARAMETER JournalPath
    The journal's file; by default a new one in the current folder. With -Undo the one to undo, or pipe the result.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Grant-SsprAppPermission -App checker -WhatIf

    Shows what the app of this name lacks, and what it has too much.
    .EXAMPLE
    Grant-SsprAppPermission -App $clientId -Step license, registration -WhatIf | Select-Object -ExpandProperty Excess

    Lists what two steps do not need.
    .LINK
    Get-SsprCheck
    .LINK
    https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High', DefaultParameterSetName = 'Grant')]
    [OutputType('EntraSspr.AppPermission', 'EntraSspr.PlanResult')]
    param(
        [Parameter(ParameterSetName = 'Grant', Mandatory = $true, Position = 0)]
        [ValidateNotNullOrEmpty()]
        [string] $App,

        [Parameter(ParameterSetName = 'Grant')]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [Parameter(ParameterSetName = 'Grant')]
        [switch] $RemoveExcess,

        [Parameter(ParameterSetName = 'Grant')]
        [string] $ForTenant,

        [Parameter(ParameterSetName = 'Undo', Mandatory = $true)]
        [switch] $Undo,

        [Parameter(ParameterSetName = 'Grant')]
        [Parameter(ParameterSetName = 'Undo', Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('Journal')]
        [string] $JournalPath,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    process {
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $options = @{ Session = $active; WhatIf = [bool]$WhatIfPreference }
        if ($JournalPath) { $options['JournalPath'] = $JournalPath }
        if ($PSBoundParameters.ContainsKey('Confirm')) { $options['Confirm'] = [bool]$PSBoundParameters['Confirm'] }
        if ($Undo) {
            Undo-SsprPlan @options
            return
        }
        $request = @{ app = $App; removeExcess = [bool]$RemoveExcess; steps = @($Step | Where-Object -FilterScript { $_ }) }
        if ($ForTenant) { $request['forTenant'] = $ForTenant }
        $document = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_app_permission_plan' -Handle $active.Handle -Request $request -Activity 'Reading permissions'
        $plan = New-SsprPlanObject -Document $document
        $result = $null
        if (@($plan.Changes).Count) { $result = Invoke-SsprPlan -Plan $plan @options }
        $done = @()
        if ($null -ne $result) { $done = @($result.Changes | Where-Object -FilterScript { $_.Outcome -in 'Done', 'Already' } | ForEach-Object -Process { $_.Id -replace '^app_permission\.', '' }) }
        $missing = @($document.Missing)
        $excess = @($document.Excess)
        $object = [pscustomobject][ordered]@{
            DisplayName            = $document.App.DisplayName
            AppId                  = $document.App.AppId
            ObjectId               = $document.App.ObjectId
            Type                   = $document.App.ServicePrincipalType
            Needed                 = @($document.Needed)
            Granted                = @($missing | Where-Object -FilterScript { $done -contains $_ })
            Missing                = @($missing | Where-Object -FilterScript { $done -notcontains $_ })
            Removed                = @($excess | Where-Object -FilterScript { $done -contains $_ })
            Excess                 = @($excess | Where-Object -FilterScript { $done -notcontains $_ })
            Elsewhere              = @($document.Elsewhere)
            ConsentUrl             = Get-SsprMember -InputObject $document.Consent -Name Url
            ConsentNote            = Get-SsprMember -InputObject $document.Consent -Name Note
            RequiredResourceAccess = $document.RequiredResourceAccess
            GdapRoles              = @($document.GdapRoles)
            Journal                = if ($null -ne $result) { $result.Journal } else { $null }
        }
        Add-SsprTypeName -InputObject $object -Name AppPermission
    }
}
