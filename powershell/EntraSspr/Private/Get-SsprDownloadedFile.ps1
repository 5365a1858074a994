function Get-SsprDownloadedFile {
    # The files of a folder, by their names in it, that Windows marks as downloaded.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory = $true)] [string] $Folder)

    foreach ($file in [System.IO.Directory]::GetFiles($Folder, '*', 'AllDirectories')) {
        if (Test-SsprDownloadMark -Path $file) { $file.Substring($Folder.Length).TrimStart('\', '/') }
    }
}

function Test-SsprDownloadMark {
    # Whether Windows marks the file as one that came from elsewhere; a test puts a reader of its own in this one's place.
    [CmdletBinding()]
    [OutputType([bool])]
    param([string] $Path)

    if ([Environment]::OSVersion.Platform -ne [PlatformID]::Win32NT) { return $false }
    try {
        $null -ne (Get-Item -LiteralPath $Path -Stream 'Zone.Identifier' -ErrorAction SilentlyContinue)
    } catch [System.Management.Automation.ParameterBindingException] {
        # No streams here, so no marks.
        $false
    }
}
