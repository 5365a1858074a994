function Connect-SsprDirectory {
    <#
    .SYNOPSIS
    Connects to a domain of Active Directory, to check the on-premises half of the set-up.
    .DESCRIPTION
    The directory joins the current session: after it, Test-SsprReadiness covers the connector account's rights and the
    password policy too. Without a session of a tenant it is one of its own, whose snapshot can be joined with the tenant's
    on another machine.

    One domain leads to the whole forest: the others are found by DNS and read with the same sign-in. Connect to a domain by
    itself where it needs another account or a certain controller.

    Everything is read over TLS, or signed and sealed by Kerberos; nothing is changed. A scan reads every user's security descriptor, by default over two
    connections.
    .PARAMETER Domain
    The domain's DNS name. By default that of the user's name, or on Windows this machine's own.
    .PARAMETER Server
    Its controllers, in the order in which they are tried. By default those that DNS names. The name must be the one that the
    controller's certificate bears.
    .PARAMETER Credential
    The account to read with: DOMAIN\user, or user@domain. By default whoever runs this, by Kerberos (Windows).
    .PARAMETER UseTls
    LDAPS (port 636, the default), or StartTls on port 389. None is for a controller without a certificate: Kerberos then signs
    and seals on port 389, so it works without -Credential only.
    .PARAMETER CaFile
    Trust the certificates in this PEM file, and no others.
    .PARAMETER DnsServer
    Ask this DNS server, as address:port, and not the system's.
    .PARAMETER PageSize
    How many entries the controller gives at a time, 1 to 1000.
    .PARAMETER MaxConnection
    Over how many connections users are read, 1 to 16. Two by default: gentle, and about as fast as one controller answers.
    .PARAMETER Connector
    The connector accounts of this domain, where they bear other names than Microsoft gives.
    .PARAMETER SysvolPath
    Where the domain's SYSVOL is mounted. Windows reaches it by itself.
    .PARAMETER Timeout
    How long a request to a controller may take; a minute by default.
    .PARAMETER Session
    The session that the directory joins; by default the current one.
    .EXAMPLE
    Connect-SsprDirectory -Domain example.test -Server $controller -Credential $reader -CaFile $caFile

    Connects to a domain by one of its controllers.
    .EXAMPLE
    Connect-SsprDirectory; Test-SsprReadiness

    On a machine of the domain: connects as whoever runs this and checks everything.
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback
    #>
    [CmdletBinding()]
    [OutputType('EntraSspr.Session')]
    param(
        [Parameter(Position = 0)]
        [ValidateNotNullOrEmpty()]
        [string] $Domain,

        [ValidateNotNullOrEmpty()]
        [string[]] $Server,

        [ValidateNotNull()]
        [pscredential] $Credential,

        [ValidateSet('LDAPS', 'StartTls', 'None')]
        [string] $UseTls = 'LDAPS',

        [ValidateNotNullOrEmpty()]
        [string] $CaFile,

        [ValidateNotNullOrEmpty()]
        [string] $DnsServer,

        [ValidateRange(1, 1000)]
        [int] $PageSize,

        [ValidateRange(1, 16)]
        [int] $MaxConnection,

        [ValidateNotNullOrEmpty()]
        [string[]] $Connector,

        [ValidateNotNullOrEmpty()]
        [string] $SysvolPath,

        [ValidateScript({ $_ -gt [timespan]::Zero })]
        [timespan] $Timeout,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    $parameter = @{ UseTls = $UseTls }
    foreach ($name in $PSBoundParameters.Keys) { $parameter[$name] = $PSBoundParameters[$name] }
    $connection = New-SsprDirectoryRequest -Cmdlet $PSCmdlet -Parameter $parameter
    if ($null -eq $Session) { $Session = $script:CurrentSession }
    if ($null -ne $Session) { $Session = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session }
    Open-SsprDirectory -Cmdlet $PSCmdlet -Session $Session -Request $connection.Request -Secret $connection.Secret
}
