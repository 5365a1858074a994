# For the test files: the module under test and labs to sign in to. Dot-sourced in BeforeAll.
# `cargo xtask test` sets SSPR_MODULE (the module's folder) and SSPR_LAB: the lab's program, or the address of what starts labs
# where this PowerShell cannot start a program of the system around it (under Wine).

function Start-Lab {
    # Starts a lab; it ends with its standard input or connection, at the latest with this process.
    param([string[]] $Scenario = 'hybrid-ready', [string] $Argument = '')

    $Argument = (@($Scenario | ForEach-Object { "--scenario $_" }) -join ' ') + ' ' + $Argument
    if ($env:SSPR_LAB -match '^([0-9.]+):([0-9]+)$') {
        $holder = [System.Net.Sockets.TcpClient]::new($Matches[1], [int]$Matches[2])
        $request = [System.Text.Encoding]::ASCII.GetBytes("$Argument`n")
        $holder.GetStream().Write($request, 0, $request.Length)
        $line = [System.IO.StreamReader]::new($holder.GetStream()).ReadLine()
    } else {
        $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
        $start.FileName = $env:SSPR_LAB
        $start.Arguments = $Argument
        $start.UseShellExecute = $false
        $start.RedirectStandardInput = $true
        $start.RedirectStandardOutput = $true
        $holder = [System.Diagnostics.Process]::Start($start)
        $line = $holder.StandardOutput.ReadLine()
    }
    if (-not $line) { throw "the lab $($env:SSPR_LAB) did not start" }
    $ready = ConvertFrom-Json -InputObject $line
    $ready | Add-Member -NotePropertyName Holder -NotePropertyValue $holder
    $ready
}

function Stop-Lab {
    param($Lab)

    if ($null -eq $Lab) { return }
    if ($Lab.Holder -is [System.Net.Sockets.TcpClient]) { $Lab.Holder.Close(); return }
    $Lab.Holder.StandardInput.Close()
    [void]$Lab.Holder.WaitForExit(10000)
}

function Invoke-Lab {
    # A request to the lab's control interface.
    param($Lab, [string] $Method = 'GET', [string] $Action, [hashtable] $Body)

    $client = New-Object -TypeName System.Net.WebClient
    $client.Headers['x-lab-key'] = $Lab.controlKey
    $address = "$($Lab.url)/_lab/$Action"
    $text = if ($Method -eq 'GET') {
        $client.DownloadString($address)
    } else {
        $json = if ($Body) { ConvertTo-Json -InputObject $Body -Depth 8 -Compress } else { '' }
        $client.UploadString($address, $Method, $json)
    }
    ConvertFrom-Json -InputObject $text
}

function Skip-WithoutRsaKey {
    # What makes a certificate of a PEM text came with .NET 5. Under Wine .NET can neither make an RSA key nor use one of the
    # store: it throws, or ends the process.
    if ($PSVersionTable.PSEdition -eq 'Desktop') { Set-ItResult -Skipped -Because 'Windows PowerShell makes no certificate of a PEM text' }
    if (Test-Wine) { Set-ItResult -Skipped -Because 'Wine gives .NET no RSA keys' }
}

function Test-Wine {
    # Wine shows the system around it as a share.
    [System.IO.Directory]::Exists('\\?\unix\proc')
}

function ConvertTo-Secret {
    param([string] $Text)

    $secret = New-Object -TypeName System.Security.SecureString
    foreach ($character in $Text.ToCharArray()) { $secret.AppendChar($character) }
    $secret
}

function Get-LabConnection {
    # What Connect-SsprTenant takes to sign in to a lab's tenant with the app's secret.
    param($Lab, [int] $Tenant = 0)

    $one = $Lab.tenants[$Tenant]
    @{
        Tenant       = $one.tenantId
        ClientId     = $one.clientId
        ClientSecret = ConvertTo-Secret -Text $one.clientSecret
        Endpoint     = Get-LabEndpoint -Lab $Lab
    }
}

function Get-LabEndpoint {
    param($Lab)

    @{ login = $Lab.url; graph = $Lab.url; portal = $Lab.url; imds = $Lab.url }
}

function Get-PersonToken {
    # An administrator's token, as a caller might bring one: by the device code flow.
    param($Lab, [string] $ClientId = '14d82eec-204b-4c2f-b7e8-296a70dab67e', [string] $Scope = 'https://graph.microsoft.com/.default')

    $base = "$($Lab.url)/$($Lab.tenants[0].tenantId)/oauth2/v2.0"
    $client = New-Object -TypeName System.Net.WebClient
    $client.Headers['Content-Type'] = 'application/x-www-form-urlencoded'
    $start = ConvertFrom-Json -InputObject $client.UploadString("$base/devicecode", 'POST', "client_id=$ClientId&scope=$([uri]::EscapeDataString($Scope))")
    [void](Invoke-Lab -Lab $Lab -Method POST -Action 'devices/approve' -Body @{ userCode = $start.user_code; upn = $Lab.tenants[0].people.admin.upn })
    $client.Headers['Content-Type'] = 'application/x-www-form-urlencoded'
    $form = "client_id=$ClientId&grant_type=$([uri]::EscapeDataString('urn:ietf:params:oauth:grant-type:device_code'))&device_code=$($start.device_code)"
    ConvertTo-Secret -Text (ConvertFrom-Json -InputObject $client.UploadString("$base/token", 'POST', $form)).access_token
}

function Get-LabController {
    # The directory lab's domain controllers, where they run.
    if ($env:SSPR_LAB_DIRECTORY) { ConvertFrom-Json -InputObject $env:SSPR_LAB_DIRECTORY }
}

function Enter-LabTurn {
    # Waits until no other PowerShell changes what all share, in the domain controllers or the user's certificates: one at a time
    # listens on the port of turns. Gives what Exit-LabTurn takes.
    if (-not $env:SSPR_LAB_TURN) { return }
    $listener = New-Object -TypeName System.Net.Sockets.TcpListener -ArgumentList ([System.Net.IPAddress]::Loopback), ([int]$env:SSPR_LAB_TURN)
    while ($true) {
        try {
            $listener.Start()
            return $listener
        } catch [System.Net.Sockets.SocketException] {
            Start-Sleep -Milliseconds 200
        }
    }
}

function Exit-LabTurn {
    param($Turn)

    if ($Turn) { $Turn.Stop() }
}

function Skip-WithoutController {
    # Skips a test where no domain controller runs; says whether it did.
    if ($env:SSPR_LAB_DIRECTORY) { return $false }
    Set-ItResult -Skipped -Because 'it needs the domain controllers of cargo xtask lab directory start'
    $true
}

function Get-LabDirectory {
    # What Connect-SsprDirectory takes to connect to a domain of the lab, as its administrator.
    param($Controller)

    @{
        Domain     = $Controller.domain
        Credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $Controller.administrator, (ConvertTo-Secret -Text $Controller.password)
        CaFile     = Get-LabPath -Path $Controller.caFile
        DnsServer  = $Controller.dnsServer
        SysvolPath = Get-LabPath -Path $Controller.sysvol
    }
}

function Get-LabConnector {
    # The credential of a domain's connector account, as whom writeback is probed.
    param($Controller, [string] $Name = 'EXAMPLE\MSOL_16fb75d0227d')

    New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $Name, (ConvertTo-Secret -Text $Controller.password)
}

function Get-LabPath {
    # A path of the system that runs the controllers, as this one names it.
    param([string] $Path)

    if (Test-Wine) { 'Z:' + $Path.Replace('/', '\') } else { $Path }
}

function Get-Failure {
    # The error record of what fails; nothing when it does not.
    param([scriptblock] $Script)

    try { [void](& $Script) } catch { return $_ }
}

function Import-ModuleUnderTest {
    if (-not $env:SSPR_MODULE) { throw 'SSPR_MODULE names no module: run `cargo xtask test`' }
    # By its manifest: the folder of a package bears the version's name.
    Import-Module -Name "$($env:SSPR_MODULE)/EntraSspr.psd1" -Force -Global
    # The budgets are the services' own; the lab has none, and a test need not wait for them.
    & (Get-Module -Name EntraSspr) { $script:Budgets = 'off' }
    # The first call reads the functions that are not exported, for tests that look at those.
    [void](Get-SsprSession)
}
