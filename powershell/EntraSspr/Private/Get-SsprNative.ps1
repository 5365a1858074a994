function Get-SsprNative {
    # The type of the native declarations; binds at first use, once per process.
    [CmdletBinding()]
    [OutputType([type])]
    param(
        # The cmdlet whose error it is when the library cannot be used.
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    if ($null -eq $script:Native) {
        $state = Get-SsprNativeState
        if ($null -ne $state.Problem) { $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document $state.Problem -InnerException $state.Exception)) }
        $script:Native = $state.Type
    }
    $script:Native
}

function Get-SsprNativeState {
    # Looks at the native library before it is loaded, for a clear error; then loads it.
    [CmdletBinding()]
    [OutputType([psobject])]
    param()

    $module = $ExecutionContext.SessionState.Module
    $rid = Get-SsprRuntimeIdentifier
    $folder = [System.IO.Path]::Combine($module.ModuleBase, 'lib', $rid)
    $leaf = switch -Wildcard ($rid) {
        'win-*' { 'entra_sspr.dll' }
        'osx-*' { 'libentra_sspr.dylib' }
        default { 'libentra_sspr.so' }
    }
    $state = [pscustomobject]@{
        Rid       = $rid
        Library   = [System.IO.Path]::Combine($folder, $leaf)
        Assembly  = [System.IO.Path]::Combine($folder, 'EntraSspr.Native.dll')
        Type      = $null
        Problem   = $null
        Exception = $null
    }

    # A loop: the first pipeline of a process costs more than all else here.
    $loaded = $null
    foreach ($assembly in [System.AppDomain]::CurrentDomain.GetAssemblies()) {
        if ($assembly.FullName.StartsWith('EntraSspr.Native,')) { $loaded = $assembly; break }
    }
    if ($null -eq $loaded) {
        $state.Problem = Get-SsprFileProblem -State $state
        if ($null -ne $state.Problem) { return $state }
        try {
            $loaded = [System.Reflection.Assembly]::LoadFrom($state.Assembly)
        } catch [System.BadImageFormatException] {
            $state.Problem = New-SsprNativeProblem -Name Damaged -Target $state.Assembly -Help (Get-SsprInstallHelp) `
                -Message "the module's file $($state.Assembly) is damaged or cut off"
            return $state
        } catch {
            return Add-SsprLoadProblem -State $state -Path $state.Assembly -Exception $_.Exception
        }
    }
    # What is loaded stays for as long as the process lives. That of the same version serves this copy of the module too, wherever it lies.
    $version = $loaded.GetName().Version.ToString(3)
    if ($version -ne $module.Version) {
        $name, $help = if ($loaded.Location -eq $state.Assembly) {
            'Mixed', "$(Get-SsprInstallHelp) Then start a new PowerShell."
        } else {
            'OtherVersion', 'Start a new PowerShell and import this version only.'
        }
        $state.Problem = New-SsprNativeProblem -Name $name -Target $loaded.Location -Help $help `
            -Message "this PowerShell has loaded $($loaded.Location) of EntraSspr $version, and this is EntraSspr $($module.Version)"
        return $state
    }
    $state.Assembly = $loaded.Location
    $state.Library = [System.IO.Path]::Combine([System.IO.Path]::GetDirectoryName($loaded.Location), $leaf)
    $found = $null
    try {
        $native = $loaded.GetType('EntraSspr.Native', $true)
        $found = $native::sspr_abi_version()
    } catch [System.EntryPointNotFoundException] {
        $state.Exception = $_.Exception
    } catch {
        return Add-SsprLoadProblem -State $state -Path $state.Library -Exception $_.Exception
    }
    if ($found -ne $native::AbiVersion) {
        $speaks = if ($null -eq $found) { 'no version' } else { "version $found" }
        $state.Problem = New-SsprNativeProblem -Name Interface -Target $state.Library `
            -Message "the native library $($state.Library) speaks $speaks of its interface, and this module version $($native::AbiVersion)" `
            -Help "$(Get-SsprInstallHelp) Then start a new PowerShell."
        return $state
    }
    $state.Type = $native
    $state
}

function Add-SsprLoadProblem {
    # Gives the state with what kept a file from being loaded.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([psobject] $State, [string] $Path, [System.Exception] $Exception)

    while ($null -ne $Exception.InnerException) { $Exception = $Exception.InnerException }
    $help = if ($State.Rid -like 'win-*') {
        'The event log tells when endpoint protection or an application control policy has blocked it: allow it there.'
    } else {
        'On Linux the library needs glibc 2.34 or newer.'
    }
    $State.Exception = $Exception
    $State.Problem = New-SsprNativeProblem -Name LoadFailed -Target $Path -Help $help -Message "$Path would not load: $($Exception.Message)"
    $State
}

function Get-SsprFileProblem {
    # What is wrong with the files that are to be loaded; nothing when they are fit.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $State)

    $module = $ExecutionContext.SessionState.Module
    # The folders for this system and for others.
    $folder = [System.IO.Path]::GetDirectoryName($State.Library)
    $lib = [System.IO.Path]::GetDirectoryName($folder)
    if (-not [System.IO.Directory]::Exists($folder) -and [System.IO.Directory]::Exists($lib)) {
        $others = @(foreach ($other in [System.IO.Directory]::GetDirectories($lib)) { [System.IO.Path]::GetFileName($other) })
        $help = "It has one for $($others -join ', ')."
        if ($State.Rid -eq 'win-x86' -and $others -contains 'win-x64') { $help = 'Start the 64-bit PowerShell: this is the 32-bit one (x86).' }
        return New-SsprNativeProblem -Name Unsupported -Target $State.Library -Help $help `
            -Message "this copy of EntraSspr has no native library for $($State.Rid)"
    }
    foreach ($file in $State.Library, $State.Assembly) {
        if (-not [System.IO.File]::Exists($file)) {
            return New-SsprNativeProblem -Name Missing -Target $file -Help (Get-SsprInstallHelp) `
                -Message "the native library for $($State.Rid) is not whole: $file is missing"
        }
        if ($script:Edition -eq 'Desktop' -and (Test-SsprDownloadMark -Path $file)) {
            return New-SsprNativeProblem -Name Downloaded -Target $file `
                -Message "Windows marks $file as downloaded, and Windows PowerShell does not load such a file" `
                -Help "If you trust where it came from: Get-ChildItem -Recurse '$($module.ModuleBase)' | Unblock-File"
        }
    }
    $problem = Get-SsprImageProblem -Path $State.Library -Rid $State.Rid
    if ($null -ne $problem) {
        New-SsprNativeProblem -Name $problem.Name -Target $State.Library -Message $problem.Message -Help (Get-SsprInstallHelp)
    }
}

function Get-SsprInstallHelp {
    # What mends a copy of the module that is not as it was shipped.
    [CmdletBinding()]
    [OutputType([string])]
    param()

    'Install the module again, or copy its whole folder.'
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
