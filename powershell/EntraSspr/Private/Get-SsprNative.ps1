function Get-SsprNative {
    # The type of the native declarations; binds at first use, once per process.
    [CmdletBinding()]
    [OutputType([type])]
    param(
        # The cmdlet whose error it is when the library cannot be used.
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    if ($null -eq $script:Native) {
        $state = Get-SsprNativeState -Bind
        if ($null -ne $state.Problem) { $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document $state.Problem -InnerException $state.Exception)) }
        $script:Native = $state.Type
    }
    $script:Native
}

function Get-SsprNativeState {
    # Looks at the native library before it is loaded, for a clear error; then, when told, loads it.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [switch] $Bind,
        # Where to look; a test names another folder.
        [string] $Folder,
        [string] $Rid = (Get-SsprRuntimeIdentifier)
    )

    $module = $ExecutionContext.SessionState.Module
    if (-not $Folder) { $Folder = [System.IO.Path]::Combine($module.ModuleBase, 'lib', $Rid) }
    $leaf = switch -Wildcard ($Rid) {
        'win-*' { 'entra_sspr.dll' }
        'osx-*' { 'libentra_sspr.dylib' }
        default { 'libentra_sspr.so' }
    }
    $state = [pscustomobject]@{
        Rid       = $Rid
        Library   = [System.IO.Path]::Combine($Folder, $leaf)
        Assembly  = [System.IO.Path]::Combine($Folder, 'EntraSspr.Native.dll')
        Type      = $null
        Problem   = $null
        Exception = $null
    }
    $reinstall = 'Install the module again, or copy its whole folder.'

    # A loop: the first pipeline of a process costs more than all else here.
    $loaded = $null
    foreach ($assembly in [System.AppDomain]::CurrentDomain.GetAssemblies()) {
        if ($assembly.FullName.StartsWith('EntraSspr.Native,')) { $loaded = $assembly; break }
    }
    if ($null -ne $loaded -and ($loaded.Location -ne $state.Assembly -or $loaded.GetName().Version -lt $module.Version)) {
        $state.Problem = New-SsprNativeProblem -Name OtherCopy -Target $loaded.Location `
            -Message "this PowerShell has loaded another copy of EntraSspr already ($($loaded.GetName().Version), $($loaded.Location))" `
            -Help 'Start a new PowerShell and import this copy only.'
        return $state
    }
    if ($null -eq $loaded) {
        foreach ($file in $state.Library, $state.Assembly) {
            if (-not [System.IO.File]::Exists($file)) {
                $state.Problem = New-SsprNativeProblem -Name Missing -Target $file -Help $reinstall `
                    -Message "the native library for $Rid is not there: $file is missing"
                return $state
            }
            if (Test-SsprDownloadMark -Path $file) {
                $state.Problem = New-SsprNativeProblem -Name Downloaded -Target $file `
                    -Message "Windows marks $file as downloaded, and Windows PowerShell does not load such a file" `
                    -Help "If you trust where it came from: Get-ChildItem -Recurse '$($module.ModuleBase)' | Unblock-File"
                return $state
            }
        }
        $image = Get-SsprImageProblem -Path $state.Library -Rid $Rid
        if ($null -ne $image) {
            $state.Problem = New-SsprNativeProblem -Name $image.Name -Target $state.Library -Message $image.Message -Help $reinstall
            return $state
        }
        if (-not $Bind) { return $state }
    }
    try {
        if ($null -eq $loaded) { $loaded = [System.Reflection.Assembly]::LoadFrom($state.Assembly) }
        $native = $loaded.GetType('EntraSspr.Native', $true)
        $expected = $native::AbiVersion
        $found = $native::sspr_abi_version()
    } catch {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        $state.Exception = $cause
        $state.Problem = New-SsprNativeProblem -Name LoadFailed -Target $state.Library `
            -Message "the native library would not load: $($cause.Message)" `
            -Help 'Get-SsprEnvironment tells more. On Linux the library needs glibc 2.31 or newer.'
        return $state
    }
    if ($found -ne $expected) {
        $state.Problem = New-SsprNativeProblem -Name Version -Target $state.Library -Help $reinstall `
            -Message "the native library speaks version $found of its interface, and this module version $expected"
        return $state
    }
    $state.Type = $native
    $state
}

function New-SsprNativeProblem {
    # An error document of the binding's own, as the library's errors look.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $Name, [string] $Message, [string] $Target, [string] $Help)

    [pscustomobject]@{
        name      = "Native.$Name"
        category  = 'ResourceUnavailable'
        message   = $Message
        detail    = @()
        target    = $Target
        retryable = $false
        help      = $Help
    }
}

function Get-SsprRuntimeIdentifier {
    # The folder in lib/ that fits this process.
    [CmdletBinding()]
    [OutputType([string])]
    param()

    if ([Environment]::OSVersion.Platform -eq [PlatformID]::Win32NT) {
        # An x64 process on Arm sees AMD64 here, and that is what it needs.
        $architecture = switch ($env:PROCESSOR_ARCHITECTURE) { 'AMD64' { 'x64' } 'ARM64' { 'arm64' } default { 'x86' } }
        return "win-$architecture"
    }
    # Only PowerShell 7 comes here.
    $runtime = [System.Runtime.InteropServices.RuntimeInformation]
    $system = if ($runtime::IsOSPlatform([System.Runtime.InteropServices.OSPlatform]::OSX)) { 'osx' } else { 'linux' }
    "$system-$(([string]$runtime::ProcessArchitecture).ToLowerInvariant())"
}

function Test-SsprDownloadMark {
    # Whether Windows PowerShell would refuse the file because it came from elsewhere.
    [CmdletBinding()]
    [OutputType([bool])]
    param([string] $Path)

    if ($PSVersionTable.PSEdition -ne 'Desktop') { return $false }
    $null -ne (Get-Item -LiteralPath $Path -Stream 'Zone.Identifier' -ErrorAction SilentlyContinue)
}

function Get-SsprImageProblem {
    # Reads the headers of an ELF or PE file: whether it is one, whole, and for this architecture.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $Path, [string] $Rid)

    $damaged = [pscustomobject]@{ Name = 'Damaged'; Message = "the native library $Path is damaged or cut off" }
    $architectures = @{ 0x3E = 'x64'; 0xB7 = 'arm64'; 0x03 = 'x86'; 0x8664 = 'x64'; 0xAA64 = 'arm64'; 0x14C = 'x86' }
    $stream = [System.IO.FileStream]::new($Path, 'Open', 'Read', 'ReadWrite')
    try {
        $head = [byte[]]::new(4096)
        $read = $stream.Read($head, 0, $head.Length)
        $length = $stream.Length
    } finally {
        $stream.Dispose()
    }
    if ($read -lt 64) { return $damaged }
    if ($head[0] -eq 0x7F -and $head[1] -eq 0x45 -and $head[2] -eq 0x4C -and $head[3] -eq 0x46) {
        $machine = [BitConverter]::ToUInt16($head, 18)
        # The section headers stand at the end of the file.
        $end = [BitConverter]::ToUInt64($head, 40) + [uint64][BitConverter]::ToUInt16($head, 58) * [BitConverter]::ToUInt16($head, 60)
        $whole = $end -le $length
        $system = 'linux'
    } elseif ($head[0] -eq 0x4D -and $head[1] -eq 0x5A) {
        $start = [BitConverter]::ToInt32($head, 60)
        if ($start -lt 0 -or $start -gt $read - 264 -or [BitConverter]::ToUInt32($head, $start) -ne 0x4550) { return $damaged }
        $machine = [BitConverter]::ToUInt16($head, $start + 4)
        $sections = [BitConverter]::ToUInt16($head, $start + 6)
        $table = $start + 24 + [BitConverter]::ToUInt16($head, $start + 20)
        $whole = $true
        for ($i = 0; $i -lt $sections -and $table + 40 * $i + 24 -le $read; $i++) {
            $at = $table + 40 * $i
            if ([uint64][BitConverter]::ToUInt32($head, $at + 16) + [BitConverter]::ToUInt32($head, $at + 20) -gt $length) { $whole = $false }
        }
        $system = 'win'
    } elseif ($Rid -like 'osx-*') {
        return
    } else {
        return $damaged
    }
    $architecture = $architectures[[int]$machine]
    if ("$system-$architecture" -ne $Rid) {
        return [pscustomobject]@{ Name = 'Architecture'; Message = "the native library $Path is made for $system-$architecture, and this PowerShell is $Rid" }
    }
    if (-not $whole) { return $damaged }
}
