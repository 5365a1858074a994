function Get-SsprEnvironment {
    <#
    .SYNOPSIS
    Shows versions, and whether the native library works here.
    .DESCRIPTION
    When the native library does not load, LibraryProblem says why and what to do. DownloadedFiles names the module's files that
    Windows still marks as downloaded: Unblock-File takes the mark away. This cmdlet works without the library and without a
    session.
    .PARAMETER Support
    Give a text to send to others: without the names of this machine, its user and its folders.
    .EXAMPLE
    Get-SsprEnvironment

    Shows the environment.
    .EXAMPLE
    Get-SsprEnvironment -Support

    Gives the text for a bug report.
    .LINK
    about_EntraSspr
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks
    #>
    [CmdletBinding(DefaultParameterSetName = 'Object')]
    [OutputType('EntraSspr.Environment', ParameterSetName = 'Object')]
    [OutputType([string], ParameterSetName = 'Support')]
    param(
        [Parameter(ParameterSetName = 'Support', Mandatory = $true)]
        [switch] $Support
    )

    $module = $ExecutionContext.SessionState.Module
    # Binding is the one way to know that it binds; what is wrong is part of the answer and no error.
    $state = Get-SsprNativeState
    $libraryVersion = $null
    if ($null -ne $state.Type) {
        $script:Native = $state.Type
        $native = $state.Type
        $libraryVersion = $native::Read($native::sspr_version())
    }
    $proxies = foreach ($name in 'HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY') {
        if ([Environment]::GetEnvironmentVariable($name) -or [Environment]::GetEnvironmentVariable($name.ToLowerInvariant())) { $name }
    }
    $os = Get-SsprMember -InputObject ([pscustomobject]$PSVersionTable) -Name OS
    if (-not $os) { $os = [Environment]::OSVersion.VersionString }
    $problem = $null
    if ($null -ne $state.Problem) { $problem = "$($state.Problem.message). $($state.Problem.help)" }
    $environment = Add-SsprTypeName -Name Environment -InputObject ([pscustomobject][ordered]@{
            ModuleVersion     = [string]$module.Version
            ModulePath        = $module.ModuleBase
            LibraryVersion    = $libraryVersion
            LibraryPath       = $state.Library
            LibraryState      = if ($null -ne $state.Type) { 'Loaded' } else { $state.Problem.name -replace '^Native\.', '' }
            LibraryProblem    = $problem
            DownloadedFiles   = @(Get-SsprDownloadedFile -Folder $module.ModuleBase)
            PowerShellVersion = [string]$PSVersionTable.PSVersion
            PowerShellEdition = $PSVersionTable.PSEdition
            OperatingSystem   = $os
            Architecture      = $state.Rid
            Framework         = [Environment]::Version.ToString()
            LanguageMode      = [string]$ExecutionContext.SessionState.LanguageMode
            HostName          = $Host.Name
            Interactive       = Test-SsprInteractive
            ProxyVariables    = @($proxies)
            Sessions          = $script:Sessions.Count
        })
    if ($Support) { return Get-SsprSupportText -Environment $environment }
    $environment
}
