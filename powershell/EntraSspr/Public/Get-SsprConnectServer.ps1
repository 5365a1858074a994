function Get-SsprConnectServer {
    <#
    .SYNOPSIS
    Reads a Microsoft Entra Connect server: its service, connectors, password writeback, TLS and events.
    .DESCRIPTION
    Gives one object for each server, with all that was read of it, and in Json the same as text. What could not be read is
    null there and named in Problems; it stops nothing else. Nothing is changed, and no password or key is read.

    Without a name it reads this machine. Others are read by PowerShell remoting. Test-SsprReadiness judges what this reads
    when Connect-SsprConnectServer named the server, or when it runs on it.

    This is the one command that a restricted endpoint (JEA) on the server has to show, with -Day and -Relay:
    docs/connect-server.md has the role.
    .PARAMETER ComputerName
    The servers.
    .PARAMETER Credential
    An account that may use PowerShell remoting there. By default whoever runs this.
    .PARAMETER ConfigurationName
    The endpoint there. One of your own is sent this command alone, and needs this module; the endpoints that belong to
    PowerShell (Microsoft.PowerShell, PowerShell.7) are sent the script and need nothing.
    .PARAMETER Day
    How many days of events to read, a week by default; 0 for none.
    .PARAMETER Relay
    Services that the server should reach, each as host:port. A TCP connection is opened and closed; nothing is sent.
    .EXAMPLE
    Get-SsprConnectServer -Day 1

    Reads this machine, with the events of the last day.
    .EXAMPLE
    Get-SsprConnectServer -ComputerName sync1.example.test, sync2.example.test | Format-List -Property Computer, Version, Problems

    Reads two servers by remoting, and lists what could not be read.
    .EXAMPLE
    (Get-SsprConnectServer -ComputerName sync1.example.test -ConfigurationName EntraSspr.ConnectServer).Events.Items

    Lists the events of password writeback, through the restricted endpoint.
    .LINK
    Connect-SsprConnectServer
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback
    #>
    [CmdletBinding(DefaultParameterSetName = 'Here')]
    [OutputType('EntraSspr.ConnectServer')]
    param(
        [Parameter(Position = 0, Mandatory = $true, ParameterSetName = 'There', ValueFromPipeline = $true)]
        [ValidateNotNullOrEmpty()]
        [string[]] $ComputerName,

        [Parameter(ParameterSetName = 'There')]
        [ValidateNotNull()]
        [pscredential] $Credential,

        [Parameter(ParameterSetName = 'There')]
        [ValidateNotNullOrEmpty()]
        [string] $ConfigurationName,

        [ValidateRange(0, 90)]
        [int] $Day = 7,

        [ValidatePattern('\A[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?:[0-9]{1,5}\z')]
        [string[]] $Relay
    )

    process {
        $names = if ($PSCmdlet.ParameterSetName -eq 'There') { $ComputerName } else { '' }
        foreach ($name in $names) {
            try {
                $server = @{ ComputerName = $name; Credential = $Credential; ConfigurationName = $ConfigurationName }
                $text = Read-SsprConnectServer -Cmdlet $PSCmdlet -Server $server -Day $Day -Endpoint $Relay
                $read = New-SsprConnectServer -Json $text
            } catch [System.Management.Automation.PipelineStoppedException] {
                throw
            } catch {
                $PSCmdlet.WriteError((New-SsprConnectServerError -ComputerName $name -Exception $_.Exception))
                continue
            }
            $read
        }
    }
}
