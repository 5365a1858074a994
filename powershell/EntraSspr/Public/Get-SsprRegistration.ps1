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

    -Summary counts: all users, by kind, by method, by cause, and by what they lose when.
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
    .PARAMETER CsvPath
    Write the users into this table. The file is readable by you only, and appears whole or not at all; what a spreadsheet
    would take for a formula begins with an apostrophe.
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
    Get-SsprRegistration -Administrator | Where-Object { -not $_.Capable }

    Shows administrators who cannot reset.
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/howto-authentication-methods-activity
    #>
    [CmdletBinding(DefaultParameterSetName = 'List')]
    [OutputType('EntraSspr.UserRegistration', ParameterSetName = ('List', 'User'))]
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

        [switch] $AtRisk,

        [datetime] $RetirementDate,

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
    }
    end {
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
        if ($PSCmdlet.ParameterSetName -eq 'Csv') {
            $request['path'] = Resolve-SsprFilePath -Cmdlet $PSCmdlet -Path $CsvPath
            $request['overwrite'] = [bool]$Force
            Invoke-SsprNative @native -Request $request | Select-Object -Property Path, Users
            return
        }
        $first = 0
        do {
            if ($asked.Count -gt 0) { $request['users'] = $asked.GetRange($first, [Math]::Min(1000, $asked.Count - $first)).ToArray() }
            Invoke-SsprNative @native -Request $request | ForEach-Object -Process {
                if ($_.PSObject.TypeNames -contains 'EntraSspr.UserRegistration') { $_; return }
                $PSCmdlet.WriteVerbose("$($_.Users) of the $($_.Rows) users that were read.")
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
