function Test-SsprBrowser {
    # Whether a browser can be shown to the person at this console.
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    # Over SSH the browser would open on the other machine.
    if (-not (Test-SsprInteractive) -or $env:SSH_CONNECTION) { return $false }
    $rid = Get-SsprRuntimeIdentifier
    [bool]($rid -notlike 'linux-*' -or $env:DISPLAY -or $env:WAYLAND_DISPLAY -or $env:BROWSER)
}

function Open-SsprBrowser {
    # Opens the sign-in page in the person's browser.
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory = $true)] [string] $Url)

    # The address goes to the system's shell: nothing but a web address may.
    $address = [uri]$Url
    if (@('https', 'http') -notcontains $address.Scheme -or ($address.Scheme -eq 'http' -and -not $address.IsLoopback)) {
        throw [System.ArgumentException]::new("not the address of a sign-in page: $Url")
    }
    $start = [System.Diagnostics.ProcessStartInfo]::new($address.AbsoluteUri)
    $start.UseShellExecute = $true
    if ($env:BROWSER -and [Environment]::OSVersion.Platform -ne [PlatformID]::Win32NT) {
        $start = [System.Diagnostics.ProcessStartInfo]::new($env:BROWSER, '"' + $address.AbsoluteUri + '"')
        $start.UseShellExecute = $false
    }
    $process = [System.Diagnostics.Process]::Start($start)
    if ($null -ne $process) { $process.Dispose() }
    $true
}
