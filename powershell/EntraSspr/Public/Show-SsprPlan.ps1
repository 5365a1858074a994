function Show-SsprPlan {
    <#
    .SYNOPSIS
    Shows a plan as lines of text.
    .DESCRIPTION
    Gives the plan's view line by line: what is added (+), changed (~) and taken away (-), before and after, what a person
    clicks, and how much there is in all. Nothing is sent.
    .PARAMETER Plan
    What New-SsprPlan gave.
    .PARAMETER AsJson
    Give instead the Conditional Access policy that the plan would create, as JSON that Microsoft Graph takes
    (POST /identity/conditionalAccess/policies): for a pipeline of your own. Nothing where the plan creates none.
    .EXAMPLE
    $plan | Show-SsprPlan

    Shows the view; Set-Content would put it into a file.
    .EXAMPLE
    $plan | Show-SsprPlan -AsJson | Set-Content -Path policy.json

    Writes the Conditional Access policy to a file.
    .LINK
    New-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [psobject] $Plan,

        [switch] $AsJson
    )

    process {
        $text = Resolve-SsprPlanText -Cmdlet $PSCmdlet -Plan $Plan
        if (-not $AsJson) { return $Plan.Screen }
        foreach ($change in (ConvertFrom-Json -InputObject $text).changes) {
            $write = Get-SsprMember -InputObject $change -Name write
            if ($null -ne $write -and $write.to -eq 'conditionalAccess') { ConvertTo-Json -InputObject $change.after -Depth 10 }
        }
    }
}
