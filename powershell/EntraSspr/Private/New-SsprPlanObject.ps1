function New-SsprPlanObject {
    # The plan object, from the library's document.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $Document)

    $changes = @(foreach ($change in $Document.Changes) {
            $made = [pscustomobject][ordered]@{
                Id            = $change.Id
                Step          = $change.Step
                Kind          = $change.Kind
                Title         = $change.Title
                Target        = $change.Target
                Before        = $change.Before
                After         = $change.After
                Reversible    = $change.Reversible
                Risk          = Get-SsprMember -InputObject $change -Name Risk
                UsersAffected = Get-SsprMember -InputObject $change -Name UsersAffected
                Requires      = @(Get-SsprMember -InputObject $change -Name Requires | Where-Object { $_ })
                ByHand        = @(Get-SsprMember -InputObject $change -Name ByHand | Where-Object { $_ })
                PortalUrl     = Get-SsprMember -InputObject $change -Name PortalUrl
            }
            Add-SsprTypeName -InputObject $made -Name Change
        })
    $plan = [pscustomobject][ordered]@{
        TenantName = $Document.TenantName
        TenantId   = $Document.TenantId
        Id         = $Document.Id
        TakenAt    = $Document.TakenAt
        Counts     = $Document.Counts | Select-Object -Property Change, ByHand, UndoByHand
        Changes    = $changes
        Unread     = @(Get-SsprMember -InputObject $Document -Name Unread | Where-Object { $_ })
        Screen     = @($Document.Screen)
        Plan       = $Document.Plan
    }
    Add-SsprTypeName -InputObject $plan -Name Plan
}

function New-SsprPlanResult {
    # What applying or undoing came to. A change that failed is an error of its own too.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [psobject] $Document
    )

    $changes = @(foreach ($change in $Document.Changes) {
            $failure = Get-SsprMember -InputObject $change -Name Error
            $message = $null
            if ($null -ne $failure) {
                # The record takes the members as the library writes them; PowerShell does not mind the case.
                $Cmdlet.WriteError((New-SsprErrorRecord -Document $failure))
                $message = $failure.Message
            }
            $made = [pscustomobject][ordered]@{
                Id      = $change.Id
                Step    = $change.Step
                Kind    = $change.Kind
                Title   = $change.Title
                Outcome = $change.Outcome.Substring(0, 1).ToUpperInvariant() + $change.Outcome.Substring(1)
                Message = $message
            }
            Add-SsprTypeName -InputObject $made -Name ChangeResult
        })
    $result = [pscustomobject][ordered]@{
        TenantName = $Document.TenantName
        TenantId   = $Document.TenantId
        PlanId     = $Document.PlanId
        Complete   = $Document.Complete
        Counts     = $Document.Counts | Select-Object -Property Done, Already, ByHand, Open
        Changes    = $changes
        Left       = @(Get-SsprMember -InputObject $Document -Name Left | Where-Object { $_ })
        Journal    = $Document.Journal
    }
    Add-SsprTypeName -InputObject $result -Name PlanResult
}

function Resolve-SsprDesiredState {
    # The text of a desired state: from its object, a file's path, or the text itself; none is the recommendation.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [AllowNull()] [object] $DesiredState
    )

    if ($null -eq $DesiredState) {
        return (Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_desired_state_create' -Activity 'Desired state').Desired
    }
    if ($DesiredState -is [System.IO.FileInfo]) { $DesiredState = $DesiredState.FullName }
    if ($DesiredState -isnot [string]) { return ConvertTo-Json -InputObject $DesiredState -Depth 8 -Compress }
    if ($DesiredState.TrimStart().StartsWith('{')) { return $DesiredState }
    $full = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $DesiredState
    try {
        [System.IO.File]::ReadAllText($full)
    } catch {
        $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -InnerException $_.Exception -Document ([pscustomobject]@{
                        name = 'File.Read'; category = 'ReadError'; target = $full; message = "$full cannot be read"
                        help = 'Give the file that New-SsprDesiredState -Path wrote, or what New-SsprDesiredState returned.'
                    })))
    }
}

function Resolve-SsprPlanText {
    # The text of a plan, from what New-SsprPlan gave; one that was saved and read back (Export-Clixml, a job) has another type.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [psobject] $Plan
    )

    $text = Get-SsprMember -InputObject $Plan -Name Plan
    if ($text -is [string]) { return $text }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                    name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Plan'; message = 'this is no plan'
                    help = 'Give what New-SsprPlan returned.'
                })))
}
