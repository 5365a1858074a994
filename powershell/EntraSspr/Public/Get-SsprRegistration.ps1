function Get-SsprRegistration {
    <#
    .SYNOPSIS
    Gives the users of the registration report: who can reset, who cannot and why, and who no longer can when methods end.
    .DESCRIPTION
    The users come one by one while the report is read, so that Select-Object -First ends the reading, and a million of them
    need no more memory than a few. Conditions that are given together all hold. The report lists enabled users, and runs up to
    36 hours behind.

    Cause names the check that counts a user among those in scope who cannot reset (see Get-SsprCheck). LosesOn is read with
    -AtRisk and -RetirementDate alone: the day on which methods end and leave too few. For these the report is read twice, as
    the whole tells how Microsoft counts the app; with -Snapshot it is read once.

    -Summary counts them instead: by population, method, cause, announced end, and by the groups that policies name; with
    -Group and -Department also by those. With -Reference each count stands beside that of an earlier run. It reads the whole
    report: five pages of 999 users in ten seconds are what Microsoft allows.
    .PARAMETER User
    Users: user principal names or ids.
    .PARAMETER Method
    Those who registered one of these methods, as the report names them.
    .PARAMETER NotRegistered
    Those who did not register enough methods.
    .PARAMETER NotCapable
    Those who cannot reset; with -InScope those of them who should.
    .PARAMETER InScope
    Those for whom reset is enabled.
    .PARAMETER Administrator
    Those who hold an administrator's role, or may become Global Administrator.
    .PARAMETER UserType
    Members or guests.
    .PARAMETER AtRisk
    Those who can reset today, and no longer when methods end that Microsoft has announced to end.
    .PARAMETER RetirementDate
    The same, for what ends by this day.
    .PARAMETER Snapshot
    A run's result or a snapshot. With -AtRisk and -RetirementDate the whole report is taken from it; with -Summary it is what
    is counted, and nothing is read.
    .PARAMETER Summary
    Count the users instead of giving them.
    .PARAMETER Group
    Groups to count by, by name or id: their members at any depth. With those that policies name there may be 64.
    .PARAMETER Department
    Count by department. The smallest are one where there are too many.
    .PARAMETER Reference
    An earlier run's result or snapshot, whose counts stand beside these.
    .PARAMETER CsvPath
    Write the users into this table. The file is readable by you only, and appears whole or not at all; what a spreadsheet
    would take for a formula begins with an apostrophe. With -WhatIf nothing is read either.
    .PARAMETER Force
    Replace a file that is there.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Get-SsprRegistration -InScope -NotCapable | Select-Object -First 20

    Shows twenty who should be able to reset and are not, with the cause.
    .EXAMPLE
    Get-SsprRegistration -AtRisk -CsvPath contact.csv -Force

    Writes a list of the users to contact before methods end.
    .EXAMPLE
    Get-SsprRegistration -AtRisk | Group-Object -Property LosesOn

    Shows how many users there are to contact before each date.
    .EXAMPLE
    Get-SsprRegistration -Summary -Group 'All staff' -Department

    Counts by population, method, cause, announced end, group and department.
    .EXAMPLE
    Test-SsprReadiness | Export-SsprSnapshot -Path october.sspr.json -Force; Get-SsprRegistration -Summary -Reference (Import-SsprSnapshot -Path october.sspr.json)

    Saves a run, and shows what has changed since; the second half is for the month after.
    .EXAMPLE
    Import-SsprSnapshot -Path october.sspr.json | Get-SsprRegistration -Summary

    Counts what a saved snapshot holds, without a sign-in.
    .EXAMPLE
    Get-SsprRegistration -Administrator | Where-Object { -not $_.Capable }

    Shows administrators who cannot reset.
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/howto-authentication-methods-activity
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium', DefaultParameterSetName = 'List')]
    [OutputType('EntraSspr.UserRegistration', ParameterSetName = ('List', 'User'))]
    [OutputType('EntraSspr.RegistrationCount', ParameterSetName = 'Summary')]
    [OutputType([psobject], ParameterSetName = 'Csv')]
    param(
        [Parameter(ParameterSetName = 'User', Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('UserPrincipalName', 'Id')]
        [ValidateNotNullOrEmpty()]
        [string[]] $User,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [ValidateNotNullOrEmpty()]
        [ArgumentCompleter({ param($Command, $Parameter, $Word) 'email', 'mobilePhone', 'alternateMobilePhone', 'officePhone', 'securityQuestion', 'microsoftAuthenticatorPush', 'microsoftAuthenticatorPasswordless', 'softwareOneTimePasscode', 'hardwareOneTimePasscode', 'fido2SecurityKey', 'passKeyDeviceBound', 'passKeySynced', 'windowsHelloForBusiness', 'temporaryAccessPass' -like "$Word*" })]
        [string[]] $Method,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [switch] $NotRegistered,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [switch] $NotCapable,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [switch] $InScope,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [switch] $Administrator,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'Csv')]
        [ValidateSet('Member', 'Guest')]
        [string] $UserType,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'User')]
        [Parameter(ParameterSetName = 'Csv')]
        [switch] $AtRisk,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'User')]
        [Parameter(ParameterSetName = 'Csv')]
        [datetime] $RetirementDate,

        [Parameter(ParameterSetName = 'Summary', Mandatory = $true)]
        [switch] $Summary,

        [Parameter(ParameterSetName = 'Summary')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Group,

        [Parameter(ParameterSetName = 'Summary')]
        [switch] $Department,

        [Parameter(ParameterSetName = 'Summary')]
        [psobject] $Reference,

        [Parameter(ParameterSetName = 'List')]
        [Parameter(ParameterSetName = 'User')]
        [Parameter(ParameterSetName = 'Csv')]
        [Parameter(ParameterSetName = 'Summary', ValueFromPipelineByPropertyName = $true)]
        [psobject] $Snapshot,

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
        if ($PSCmdlet.ParameterSetName -ne 'Summary') { return }
        $request = @{}
        if ($Snapshot) {
            if ($Group -or $Department) {
                $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                name = 'Argument.Invalid'; category = 'InvalidArgument'; target = 'Snapshot'
                                message = 'a snapshot is counted by the groups and departments that it was read with'
                                help = 'Leave -Snapshot out, and the report is read anew; or leave -Group and -Department out.'
                            })))
            }
            $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot
        } else {
            $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
            $check = @{ steps = @('authentication_methods', 'user_registration'); full = $true; departments = [bool]$Department }
            if ($Group) { $check['groups'] = @($Group) }
            $request['snapshot'] = (Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_check_readiness' -Handle $active.Handle -Request $check -Activity 'Reading the registration report').Snapshot
        }
        if ($Reference) { $request['reference'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Reference }
        $counts = Invoke-SsprNative -Cmdlet $PSCmdlet -Function 'sspr_registration_summarize' -Request $request -Activity 'Counting the registration report'
        if ($counts.Partial) { $PSCmdlet.WriteWarning("The report was read in part: $($counts.Partial)") }
        foreach ($line in $counts.Lines) {
            $capable = Get-SsprMember -InputObject $line -Name CapableBefore
            Add-SsprTypeName -Name RegistrationCount -InputObject ([pscustomobject][ordered]@{
                    Area = $line.Area; Name = $line.Name; Users = $line.Users; InScope = $line.InScope; Registered = $line.Registered; Capable = $line.Capable
                    UsersBefore = Get-SsprMember -InputObject $line -Name UsersBefore; CapableBefore = $capable; TakenAt = $counts.TakenAt; Since = $counts.Since
                })
        }
    }
    end {
        if ($PSCmdlet.ParameterSetName -eq 'Summary') { return }
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $request = @{}
        foreach ($name in 'NotRegistered', 'NotCapable', 'InScope', 'Administrator', 'AtRisk') {
            if ($PSBoundParameters.ContainsKey($name)) { $request[$name.Substring(0, 1).ToLowerInvariant() + $name.Substring(1)] = [bool]$PSBoundParameters[$name] }
        }
        if ($Method) { $request['methods'] = @($Method) }
        if ($UserType) { $request['userType'] = $UserType.ToLowerInvariant() }
        if ($PSBoundParameters.ContainsKey('RetirementDate')) { $request['before'] = $RetirementDate.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture) }
        if ($Snapshot) { $request['snapshot'] = Resolve-SsprSnapshotText -Cmdlet $PSCmdlet -Snapshot $Snapshot }
        $native = @{ Cmdlet = $PSCmdlet; Function = 'sspr_registration_read'; Handle = $active.Handle; Activity = 'Reading the registration report' }
        $warn = { param($End) foreach ($name in $End.UnknownMethods) { $PSCmdlet.WriteWarning("The report has not been seen to name a method '$name'.") } }
        if ($PSCmdlet.ParameterSetName -eq 'Csv') {
            $request['path'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $CsvPath
            $request['overwrite'] = [bool]$Force
            if (-not $PSCmdlet.ShouldProcess($request['path'], 'Write the users')) { return }
            $written = Invoke-SsprNative @native -Request $request
            & $warn $written
            $written | Select-Object -Property Path, Users
            return
        }
        $first = 0
        do {
            if ($asked.Count -gt 0) { $request['users'] = $asked.GetRange($first, [Math]::Min(1000, $asked.Count - $first)).ToArray() }
            Invoke-SsprNative @native -Request $request | ForEach-Object -Process {
                if ($_.PSObject.TypeNames -contains 'EntraSspr.UserRegistration') { $_; return }
                $PSCmdlet.WriteVerbose("$($_.Users) of the $($_.Rows) users that were read.")
                & $warn $_
                foreach ($name in $_.Missing) {
                    $PSCmdlet.WriteError((New-SsprErrorRecord -Document ([pscustomobject]@{
                                    name = 'Argument.Invalid'; category = 'ObjectNotFound'; target = $name
                                    message = "the registration report has no user '$name'"
                                    help = 'Give a user principal name or an id. The report lists enabled users alone, and a new user after up to 36 hours.'
                                })))
                }
            }
            $first += 1000
        } while ($first -lt $asked.Count)
    }
}
