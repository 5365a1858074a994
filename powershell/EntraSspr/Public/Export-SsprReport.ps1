function Export-SsprReport {
    <#
    .SYNOPSIS
    Writes a result as a page, Markdown, JSON, a table or JUnit's XML.
    .DESCRIPTION
    The page (.html) is one file without script, loads nothing, is light or dark as the reader's system is, and prints: the
    verdict in a sentence, each step in causal order, plots, every finding with its evidence and what to do, what was not
    readable and why. Markdown (.md) is for tickets and repositories, JSON (.json) for Compare-SsprResult and other programs,
    the table (.csv) for spreadsheets, with formulas defused, JUnit's XML (.xml) for pipelines.

    The file is readable by its owner only, unless it is -Shared. It holds names of the tenant: -Redact takes them out.

    The report is made from what the result read (its Snapshot), judged again by the same steps. The results of
    Invoke-SsprFleet become one page (.html) together, with a matrix of tenants by steps; of other results each has a file of its
    own, and a second one in the same pipeline is an error.
    .PARAMETER Readiness
    What Test-SsprReadiness gave, a snapshot of Import-SsprSnapshot, or the results of Invoke-SsprFleet.
    .PARAMETER Path
    The file. Its extension says the form: .html, .md, .json, .csv or .xml.
    .PARAMETER Format
    The form, where the extension does not say it.
    .PARAMETER Redact
    Put placeholders in the place of the names and ids of users, groups, servers, domains and the tenant. A name has the same
    placeholder everywhere in the report, and another one in the next report.
    .PARAMETER Severity
    Leave out findings that matter less than this. The verdict still counts them.
    .PARAMETER Force
    Replace an existing file.
    .PARAMETER Shared
    Give the file the rights that its folder gives, and not its owner's alone: for a folder that others are to read in.
    .PARAMETER PassThru
    Give the file.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprReport -Path sspr.html -Force

    Checks, and writes the page.
    .EXAMPLE
    Import-SsprSnapshot -Path contoso.sspr.json | Export-SsprReport -Path sspr.md -Redact -Force -PassThru

    Writes a saved snapshot's report without names, and gives the file.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprReport -Path sspr.html -WhatIf

    Checks, and says which file would be written.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprReport -Path sspr.out -Format JUnit -Force

    Writes a file for a pipeline.
    .LINK
    Compare-SsprResult
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([void], [System.IO.FileInfo])]
    param(
        [Parameter(Mandatory = $true, ValueFromPipeline = $true)]
        [psobject] $Readiness,

        [Parameter(Mandatory = $true, Position = 0)]
        [string] $Path,

        [ValidateSet('Html', 'Markdown', 'Json', 'Csv', 'JUnit')]
        [string] $Format,

        [switch] $Redact,

        [ValidateSet('Info', 'Low', 'Medium', 'High')]
        [string] $Severity,

        [switch] $Force,

        [switch] $Shared,

        [switch] $PassThru
    )

    begin {
        $fleet = [System.Collections.Generic.List[object]]::new()
        # Whether a result of this pipeline has the file: -Force is for what was there before.
        $taken = $false
        $refuse = {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path
                            message = "$Path is to hold several results, and would keep the last alone"
                            help = 'Pipe in one result, or give each a file of its own: ForEach-Object { $_ | Export-SsprReport -Path "$($_.TenantId).html" }.'
                        })))
        }
    }

    process {
        if ($Readiness.PSObject.TypeNames -match '^(Deserialized\.)?EntraSspr\.FleetResult$') {
            $fleet.Add((ConvertTo-SsprFleetDocument -Result $Readiness))
            return
        }
        if ($taken) { & $refuse }
        $full = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Path
        $form = $Format
        if (-not $form) {
            $known = @{ '.html' = 'Html'; '.htm' = 'Html'; '.md' = 'Markdown'; '.json' = 'Json'; '.csv' = 'Csv'; '.xml' = 'JUnit' }
            $form = $known[[System.IO.Path]::GetExtension($full).ToLowerInvariant()]
        }
        if (-not $form) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path
                            message = "the extension of $Path says no form"
                            help = 'Name a file that ends in .html, .md, .json, .csv or .xml, or name the form with -Format.'
                        })))
        }
        $request = @{
            snapshot  = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Readiness
            format    = $form
            path      = $full
            overwrite = [bool]$Force
            shared    = [bool]$Shared
            redact    = [bool]$Redact
        }
        # A snapshot by itself is judged by all steps.
        $steps = Get-SsprMember -InputObject $Readiness -Name Steps
        if ($steps) { $request['steps'] = @($steps | ForEach-Object -Process { $_.Name }) }
        if ($Severity) { $request['severity'] = $Severity }
        $taken = $true
        if (-not $PSCmdlet.ShouldProcess($full, 'Write the report')) { return }
        $written = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_report_write' -Request $request -Activity 'Writing the report'
        $PSCmdlet.WriteVerbose("$($written.Path): $($written.Bytes) bytes.")
        if ($PassThru) { Get-Item -LiteralPath $full }
    }

    end {
        if ($fleet.Count -eq 0) { return }
        if ($taken) { & $refuse }
        $full = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $Path
        if ($Redact -or ($Format -and $Format -ne 'Html') -or (-not $Format -and '.html', '.htm' -notcontains [System.IO.Path]::GetExtension($full).ToLowerInvariant())) {
            $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $Path
                            message = 'the results of a fleet are written as a page, with its names'
                            help = 'Name a file that ends in .html, without -Redact; for the report of one tenant, pipe in its Readiness.'
                        })))
        }
        if (-not $PSCmdlet.ShouldProcess($full, 'Write the report')) { return }
        $request = @{ fleet = ConvertTo-Json -InputObject @($fleet) -Depth 5 -Compress; format = 'Html'; path = $full; overwrite = [bool]$Force; shared = [bool]$Shared }
        $written = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_report_write' -Request $request -Activity 'Writing the report'
        $PSCmdlet.WriteVerbose("$($written.Path): $($written.Bytes) bytes.")
        if ($PassThru) { Get-Item -LiteralPath $full }
    }
}
