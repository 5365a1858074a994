function Get-SsprPasswordPolicy {
    <#
    .SYNOPSIS
    Shows the password policies of the directory, or the one that counts for a user.
    .DESCRIPTION
    Without -User the policy of each domain and its fine-grained policies are given, each with the number of enabled users for
    whom it counts and of those whose password is too young to be reset today. With -User it is the policy that counts for
    that user, and when the user may reset.
    .PARAMETER User
    Users: distinguished names, user principal names, DOMAIN\name, account names or SIDs.
    .PARAMETER Session
    The session to work in; by default the current one.
    .EXAMPLE
    Get-SsprPasswordPolicy

    Shows every policy and how many users it is for.
    .EXAMPLE
    Get-SsprPasswordPolicy -User young.yul

    Shows which policy counts for a user, and from when on the password may be reset.
    .LINK
    Connect-SsprDirectory
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback
    #>
    [CmdletBinding(DefaultParameterSetName = 'All')]
    [OutputType('EntraSspr.PasswordPolicy', ParameterSetName = 'All')]
    [OutputType('EntraSspr.UserPasswordPolicy', ParameterSetName = 'User')]
    param(
        [Parameter(ParameterSetName = 'User', Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('DistinguishedName', 'Dn')]
        [ValidateNotNullOrEmpty()]
        [string[]] $User,

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
        if ($PSCmdlet.ParameterSetName -eq 'All') {
            $fact = Get-SsprDirectoryFact -Cmdlet $PSCmdlet -Session $Session -Step 'password_policy' -Fact 'DirectoryPasswords' -Activity 'Reading the password policies'
            if ($null -eq $fact) { return }
            foreach ($domain in $fact.Value) {
                New-SsprPasswordPolicy -Domain $domain.Domain -Name '(domain)' -Policy $domain.Policy -Users $domain.Users -Young $domain.Young
                foreach ($fine in @($domain.FineGrained)) {
                    if ($null -eq $fine) { continue }
                    New-SsprPasswordPolicy -Domain $domain.Domain -Name $fine.Name -Policy $fine.Policy -Users $fine.Users -Young $fine.Young -Precedence $fine.Precedence -AppliesTo @($fine.AppliesTo)
                }
            }
            return
        }
        foreach ($case in (Get-SsprDirectoryUser -Cmdlet $PSCmdlet -Session $Session -User $asked)) {
            $password = $case.Password
            $policy = Get-SsprMember -InputObject $password -Name Policy
            Add-SsprTypeName -Name UserPasswordPolicy -InputObject ([pscustomobject][ordered]@{
                    User = $case.Name; Domain = $case.Domain
                    Policy = if ($password.FineGrained) { $password.FineGrained } else { '(domain)' }
                    MinimumAge = if ($null -ne $policy) { [timespan]::FromSeconds($policy.MinimumAge) }
                    MinimumLength = if ($null -ne $policy) { $policy.MinimumLength }
                    History = if ($null -ne $policy) { $policy.History }
                    Complexity = if ($null -ne $policy) { $policy.Complexity }
                    PasswordSet = $password.Set; ResetFrom = $password.ResetFrom; MustChange = $password.MustChange
                    NeverExpires = $password.NeverExpires; Dn = $case.Dn
                })
        }
    }
}

function New-SsprPasswordPolicy {
    # A policy with its times as times.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $Domain, [string] $Name, [psobject] $Policy, [long] $Users, [long] $Young, [object] $Precedence, [string[]] $AppliesTo)

    $span = { param($Seconds) if ($null -ne $Seconds) { [timespan]::FromSeconds($Seconds) } }
    Add-SsprTypeName -Name PasswordPolicy -InputObject ([pscustomobject][ordered]@{
            Domain = $Domain; Name = $Name; MinimumAge = & $span $Policy.MinimumAge; Users = $Users; TooYoungToday = $Young
            MaximumAge = & $span $Policy.MaximumAge; MinimumLength = $Policy.MinimumLength; History = $Policy.History
            Complexity = $Policy.Complexity; LockoutThreshold = $Policy.LockoutThreshold
            LockoutDuration = & $span $Policy.LockoutDuration; Precedence = $Precedence; AppliesTo = @($AppliesTo)
        })
}
