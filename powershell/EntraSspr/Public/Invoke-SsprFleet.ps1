function Invoke-SsprFleet {
    <#
    .SYNOPSIS
    Checks many tenants and forests in one run.
    .DESCRIPTION
    Takes a list of tenants, or of domains of Active Directory, or of both together, and checks some at a time. What fails is
    kept to its tenant: there is one result for each, as it ends, whose Status is Done, Failed (Reason says why) or NotDone (the
    run's time was over before). The results show as a matrix of tenants by steps; Readiness holds all of an answer, and
    Export-SsprReport writes one page of all.

    An entry of the list has the parameters of Connect-SsprTenant by their names: Tenant, ClientId, and how the app signs in:
    CertificatePath, CertificateThumbprint, FederatedIdentity (an app of many tenants that trusts a managed identity),
    FederatedTokenPath or ManagedIdentity; Cloud. SignIn says once what holds for all that do not say it. Name is what the
    results call it, by default the tenant or the domain. With Domain the entry has a directory: Server, UseTls, DnsServer,
    Connector and SysvolPath are of Connect-SsprDirectory, DirectoryCredential and DirectoryCaFile are its Credential and CaFile.
    In a CSV file lists are separated by semicolons. Secrets do not belong in a file: give objects with a SecureString, or SignIn.

    The request budgets of an app are kept in each tenant and over all tenants; where other runs go on with the same app, tell how many.
    .PARAMETER Target
    The entries: objects or tables, or the tenants' ids or domains as texts.
    .PARAMETER Path
    A file with the entries: CSV, or JSON with a list of objects (.json).
    .PARAMETER SignIn
    What holds for every entry that does not say it: a table with parameters of Connect-SsprTenant.
    .PARAMETER Step
    Only these steps. The names are completed with the Tab key; Get-SsprCheck lists them.
    .PARAMETER ExcludeStep
    All steps but these.
    .PARAMETER Severity
    Leave findings that matter less than this out of the results' findings. Ready still counts them.
    .PARAMETER TimeBudget
    How long reading long lists of one tenant may take, two minutes by default.
    .PARAMETER ThrottleLimit
    How many are checked at a time; 12 by default.
    .PARAMETER RunCount
    How many runs go on at once with the same app, this one included, over other tenants each: this one keeps to its share of what the
    app may ask over all tenants. One by default.
    .PARAMETER TenantTimeout
    How long one tenant may take; then it counts as failed. Half an hour by default.
    .PARAMETER Timeout
    How long the run may take. What goes on then counts as failed, and what has not begun as not done.
    .PARAMETER StatePath
    A new file in which the run notes what has ended, readable by its owner only. It holds no secret and no finding.
    .PARAMETER Shared
    Give the file of StatePath the rights that its folder gives, and not its owner's alone.
    .PARAMETER Resume
    The state files of earlier runs over the same list or parts of it: what is done in one is not done again, and comes first,
    without Readiness. The run goes on with the first, or begins that of StatePath with what all of them know.
    .EXAMPLE
    Invoke-SsprFleet -Path tenants.csv -SignIn $signIn -StatePath fleet.state

    Checks the tenants of a file, and notes what is done. $signIn is @{ ClientId = ...; CertificatePath = 'app.pem' }, of one app
    of many tenants.
    .EXAMPLE
    Invoke-SsprFleet -Path tenants.csv -SignIn $signIn -Resume fleet.state

    Goes on with a run that was ended, and tries again what failed.
    .EXAMPLE
    'contoso.onmicrosoft.com' | Invoke-SsprFleet -SignIn $signIn -Step license | Export-SsprReport -Path fleet.html -Force

    Checks one step of the tenants that are piped in, and writes one page of all.
    .LINK
    Connect-SsprTenant
    .LINK
    Export-SsprReport
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(DefaultParameterSetName = 'Target')]
    [OutputType('EntraSspr.FleetResult')]
    param(
        [Parameter(ParameterSetName = 'Target', Mandatory = $true, ValueFromPipeline = $true, Position = 0)]
        [object[]] $Target,

        [Parameter(ParameterSetName = 'Path', Mandatory = $true)]
        [ValidateNotNullOrEmpty()]
        [string] $Path,

        [hashtable] $SignIn = @{},

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $Step,

        [ArgumentCompleter({ param($Command, $Parameter, $Word) Get-SsprCheck | ForEach-Object -Process { $_.Step } | Select-Object -Unique | Where-Object -FilterScript { $_ -like "$Word*" } })]
        [string[]] $ExcludeStep,

        [ValidateSet('Info', 'Low', 'Medium', 'High')]
        [string] $Severity,

        [ValidateScript({ $_ -gt [timespan]::Zero })]
        [timespan] $TimeBudget,

        [ValidateRange(1, 256)]
        [int] $ThrottleLimit = 12,

        [ValidateRange(1, 1000)]
        [int] $RunCount = 1,

        [ValidateScript({ $_ -gt [timespan]::Zero })]
        [timespan] $TenantTimeout = [timespan]::FromMinutes(30),

        [ValidateScript({ $_ -gt [timespan]::Zero })]
        [timespan] $Timeout,

        [ValidateNotNullOrEmpty()]
        [string] $StatePath,

        [switch] $Shared,

        [ValidateNotNullOrEmpty()]
        [string[]] $Resume
    )

    begin {
        $entries = [System.Collections.Generic.List[object]]::new()
    }

    process {
        if ($PSCmdlet.ParameterSetName -eq 'Path') {
            foreach ($entry in (Read-SsprFleetList -Cmdlet $PSCmdlet -Path $Path)) { $entries.Add($entry) }
        } else {
            foreach ($entry in $Target) { $entries.Add($entry) }
        }
    }

    end {
        $request = @{ check = @{ utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes } }
        if ($Step) { $request['check']['steps'] = @($Step) }
        if ($ExcludeStep) { $request['check']['excludeSteps'] = @($ExcludeStep) }
        if ($Severity) { $request['check']['severity'] = $Severity }
        if ($PSBoundParameters.ContainsKey('TimeBudget')) { $request['check']['timeBudgetSeconds'] = [long][Math]::Ceiling($TimeBudget.TotalSeconds) }
        $request['throttle'] = $ThrottleLimit
        $request['targetSeconds'] = [long][Math]::Ceiling($TenantTimeout.TotalSeconds)
        if ($PSBoundParameters.ContainsKey('Timeout')) { $request['deadlineSeconds'] = [long][Math]::Ceiling($Timeout.TotalSeconds) }
        $before = @(foreach ($file in $Resume) { Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $file })
        if ($StatePath) {
            $request['statePath'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $StatePath
            $request['shared'] = [bool]$Shared
        } elseif ($before) {
            $request['statePath'], $before = $before
            $request['resume'] = $true
        }
        if ($before) { $request['resumeFrom'] = @($before) }

        $handles = @{}
        $certificates = @{}
        $targets = [System.Collections.Generic.List[object]]::new()
        try {
            $number = 0
            foreach ($entry in $entries) {
                $number++
                $read = Read-SsprFleetEntry -Entry $entry -Default $SignIn -Number $number
                if ($null -eq $read.Problem -and $handles.ContainsKey($read.Name)) {
                    $read.Problem = New-SsprErrorRecord -Document ([pscustomobject]@{
                            name = 'Argument.Invalid'; category = 'InvalidArgument'; target = $read.Name
                            message = "another entry has the name '$($read.Name)' too"; help = 'Give each entry a Name of its own, and resume the run.'
                        })
                }
                if ($null -ne $read.Problem) {
                    New-SsprFleetResult -Name $read.Name -Problem $read.Problem
                    continue
                }
                try {
                    $opened = Open-SsprFleetEntry -Entry $read -RunCount $RunCount
                    $handles[$read.Name] = $opened.Handle
                    if ($null -ne $opened.Certificate) { $certificates[$opened.Certificate.Thumbprint] = $opened.Certificate }
                    $targets.Add($opened.Target)
                } catch {
                    # An entry that cannot be used is one tenant's failure.
                    New-SsprFleetResult -Name $read.Name -Problem $_
                }
            }
            if ($targets.Count -eq 0) { return }
            $request['targets'] = @($targets)
            $running = @{
                Cmdlet     = $PSCmdlet
                Function   = 'sspr_fleet_check'
                Request    = $request
                Activity   = 'Checking the fleet'
                HostAction = @{ signAssertion = $certificates }
            }
            Invoke-SsprNative @running | ForEach-Object -Process {
                if ($null -ne $_.PSObject.Properties['Key']) {
                    # What its session holds is not needed any more.
                    if ($handles.ContainsKey($_.Key)) {
                        Close-SsprHandle -Handle $handles[$_.Key]
                        $handles.Remove($_.Key)
                    }
                    New-SsprFleetResult -Name $_.Key -Document $_
                } else {
                    $PSCmdlet.WriteVerbose("$($_.Done) done, $($_.Failed) failed, $($_.NotDone) not done, $($_.Resumed) done before.")
                }
            }
        } finally {
            foreach ($handle in @($handles.Values)) { Close-SsprHandle -Handle $handle }
        }
    }
}
