function Connect-SsprConnectServer {
    <#
    .SYNOPSIS
    Adds a Microsoft Entra Connect server to the session, to check password writeback where it happens.
    .DESCRIPTION
    Looks whether the server can be read, and remembers it: after this, Test-SsprReadiness covers its service, settings,
    relays and events too. Without a session of a tenant it is one of its own, whose snapshot can be joined with the
    tenant's on another machine. Call it for each server, the one in staging mode too.

    Without a name it is this machine. On a Connect server itself Test-SsprReadiness reads it without this.

    Nothing is changed. Get-SsprConnectServer shows what is read.
    .PARAMETER ComputerName
    The servers, read by PowerShell remoting each time that Test-SsprReadiness asks.
    .PARAMETER Credential
    An account that may use PowerShell remoting there. By default whoever runs this. It is kept in memory for the session.
    .PARAMETER ConfigurationName
    The endpoint there: one of your own is sent the command Get-SsprConnectServer alone (docs/connect-server.md).
    .PARAMETER Session
    The session that the server joins; by default the current one.
    .EXAMPLE
    Connect-SsprConnectServer -ComputerName sync1.example.test

    Adds a server that is read by remoting.
    .EXAMPLE
    Connect-SsprConnectServer -ComputerName sync1.example.test -ConfigurationName EntraSspr.ConnectServer

    Adds a server that is read through its restricted endpoint.
    .LINK
    Get-SsprConnectServer
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback
    #>
    [CmdletBinding(DefaultParameterSetName = 'Here')]
    [OutputType('EntraSspr.Session')]
    param(
        [Parameter(Position = 0, Mandatory = $true, ParameterSetName = 'There')]
        [ValidateNotNullOrEmpty()]
        [string[]] $ComputerName,

        [Parameter(ParameterSetName = 'There')]
        [ValidateNotNull()]
        [pscredential] $Credential,

        [Parameter(ParameterSetName = 'There')]
        [ValidateNotNullOrEmpty()]
        [string] $ConfigurationName,

        [PSTypeName('EntraSspr.Session')]
        [psobject] $Session
    )

    if ($null -eq $Session) { $Session = $script:CurrentSession }
    if ($null -ne $Session) { $Session = Resolve-SsprSession -Cmdlet $PSCmdlet -Session $Session }
    $names = if ($PSCmdlet.ParameterSetName -eq 'There') { $ComputerName } else { '' }
    $servers = @(foreach ($name in $names) {
            $server = @{ ComputerName = $name; Credential = $Credential; ConfigurationName = $ConfigurationName }
            $server['Name'] = Get-SsprConnectServerName -Cmdlet $PSCmdlet -Server $server
            $server
        })
    $native = Get-SsprNative -Cmdlet $PSCmdlet
    if ($null -eq $Session) { $Session = Add-SsprSession -Handle (Open-SsprHandle -Cmdlet $PSCmdlet) }
    $hostAction = $null
    [void]$native::Hosts.TryGetValue($Session.Handle, [ref]$hostAction)
    if ($null -eq $hostAction) {
        $PSCmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                        name = 'Handle.Invalid'; category = 'InvalidArgument'; target = 'Session'; message = 'the session is closed'
                        help = 'Open a new one with Connect-SsprTenant, Connect-SsprDirectory or this command.'
                    })))
    }
    # A server that is named again is read with what was given last.
    $new = @($servers | ForEach-Object { $_['Name'] })
    $hostAction['readConnectServer'] = @(@($hostAction['readConnectServer'] | Where-Object { $_ -and $new -notcontains $_['Name'] }) + $servers)
    $Session.ConnectServer = @($hostAction['readConnectServer'] | ForEach-Object { $_['Name'] })
    $Session
}
