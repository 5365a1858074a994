function Test-SsprUser {
    <#
    .SYNOPSIS
    Tells why a user can or cannot reset the password: what is broken first, and the whole chain below.
    .DESCRIPTION
    Looks at users in the tenant, in the directory on premises, or in both, whichever the session reaches, and judges each by
    what Test-SsprReadiness judges the tenant by. The chain is causal: account, licence, scope, methods allowed, asked to
    register, registered, able after what Microsoft ends, not blocked; then for a synced user writeback, the account on
    premises, protection, the connector account's rights with the entry that decides each, the password's age, the
    directory's lockout and a change that is due; last how the last resets and unlocks came out.

    CanReset is Yes, No, or Unknown where a link that decides could not be read. First is the first broken link.

    Users from the pipeline are read together, 1,000 at a time: in batches, and where they are many with one reading of the
    registration report and of the audit log. Microsoft allows five requests for reports in ten seconds, so a first answer
    may take some seconds. The report lies up to 36 hours behind.
    .PARAMETER User
    Users: user principal names or object ids. In the directory alone also distinguished names, DOMAIN\name, account names or
    SIDs.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Test-SsprUser -User ann@contoso.com

    Shows one user's case.
    .EXAMPLE
    (Test-SsprUser -User ann@contoso.com).Links | Where-Object -Property Status -EQ -Value Fail | Format-List

    Shows all that is broken for a user, with the evidence and what to do.
    .EXAMPLE
    Import-Csv -Path pilot.csv | Test-SsprUser | Where-Object -Property CanReset -NE -Value Yes | Group-Object -Property First

    Looks at the users of a pilot, whose names stand in the column UserPrincipalName, and counts what is broken first.
    .LINK
    Test-SsprReadiness
    .LINK
    Resolve-SsprError
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.UserCase')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('UserPrincipalName', 'Upn')]
        [ValidateNotNullOrEmpty()]
        [string[]] $User,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    begin {
        $active = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session
        $asked = [System.Collections.Generic.List[string]]::new()
    }
    process {
        $asked.AddRange($User)
        while ($asked.Count -ge 1000) {
            Get-SsprUserCase -Cmdlet $PSCmdlet -Handle $active.Handle -User $asked.GetRange(0, 1000)
            $asked.RemoveRange(0, 1000)
        }
    }
    end {
        if ($asked.Count -gt 0) { Get-SsprUserCase -Cmdlet $PSCmdlet -Handle $active.Handle -User $asked }
    }
}

function Get-SsprUserCase {
    # The cases of up to 1,000 users.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [uint64] $Handle,
        [Parameter(Mandatory = $true)] [System.Collections.Generic.List[string]] $User
    )

    $request = @{
        users            = @($User)
        utcOffsetMinutes = [int][System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalMinutes
    }
    $document = Invoke-SsprNative -Cmdlet $Cmdlet -Function 'sspr_check_user' -Handle $Handle -Request $request -Activity 'Looking at users'
    foreach ($case in $document.Users) {
        $links = @(foreach ($link in $case.Links) { New-SsprFinding -Document $link })
        $object = [pscustomobject][ordered]@{
            User        = $case.Asked
            DisplayName = $case.DisplayName
            CanReset    = $case.CanReset
            First       = $case.First
            Links       = $links
            TakenAt     = $document.TakenAt
            Id          = $case.Id
            Dn          = $case.Dn
            Screen      = @($case.Screen)
        }
        Add-SsprTypeName -InputObject $object -Name UserCase
    }
}
