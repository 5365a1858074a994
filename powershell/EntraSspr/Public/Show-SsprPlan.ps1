function Show-SsprPlan {
    <#
    .SYNOPSIS
    Shows a plan as lines of text.
    .DESCRIPTION
    Gives the plan's view line by line: what is added (+), changed (~) and taken away (-), before and after, what a person
    clicks, and how much there is in all. Nothing is sent.
    .PARAMETER Plan
    What New-SsprPlan gave.
    .EXAMPLE
    $plan | Show-SsprPlan

    Shows the view; Set-Content would put it into a file.
    .LINK
    New-SsprPlan
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [PSTypeName('EntraSspr.Plan')]
        [psobject] $Plan
    )

    process { $Plan.Screen }
}
