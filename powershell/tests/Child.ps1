# For tests that need a PowerShell of their own: another process with the same engine. Dot-sourced in BeforeAll.

function Get-Engine {
    # The PowerShell that runs the tests.
    $process = [System.Diagnostics.Process]::GetCurrentProcess()
    $process.MainModule.FileName
}

function Start-Child {
    # Starts a script in a new PowerShell, with these variables in its environment besides.
    param([string] $Script, [hashtable] $Environment = @{})

    $file = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), "sspr-$([guid]::NewGuid().ToString('N')).ps1")
    [System.IO.File]::WriteAllText($file, $Script)
    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = Get-Engine
    $start.Arguments = "-NoProfile -File `"$file`""
    if ([Environment]::OSVersion.Platform -eq 'Unix' -and [System.IO.Directory]::Exists('/proc/self')) {
        # A job in the background of a shell ignores Ctrl+C, and hands that on to its children.
        $start.Arguments = "--default-signal=INT `"$($start.FileName)`" $($start.Arguments)"
        $start.FileName = '/usr/bin/env'
    }
    $start.UseShellExecute = $false
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    foreach ($name in $Environment.Keys) { $start.EnvironmentVariables[$name] = $Environment[$name] }
    $process = [System.Diagnostics.Process]::Start($start)
    $process | Add-Member -NotePropertyName ScriptFile -NotePropertyValue $file
    $process
}

function Wait-Child {
    # Waits for its end; gives what it wrote and its exit code.
    param($Process, [int] $Seconds = 60)

    $output = $Process.StandardOutput.ReadToEndAsync()
    $failure = $Process.StandardError.ReadToEndAsync()
    if (-not $Process.WaitForExit($Seconds * 1000)) {
        $Process.Kill()
        throw "the other PowerShell did not end within $Seconds s"
    }
    $Process.WaitForExit()
    [System.IO.File]::Delete($Process.ScriptFile)
    [pscustomobject]@{ Output = $output.Result; Error = $failure.Result; ExitCode = $Process.ExitCode }
}

function Invoke-Child {
    param([string] $Script, [hashtable] $Environment = @{})

    Wait-Child -Process (Start-Child -Script $Script -Environment $Environment)
}

function Copy-ModuleUnderTest {
    # A copy of the module in a folder of its own; gives the copy's path.
    param([string] $Destination)

    $copy = [System.IO.Path]::Combine($Destination, [guid]::NewGuid().ToString('N'), 'EntraSspr')
    Copy-Folder -From $env:SSPR_MODULE -To $copy
    $copy
}

function Copy-Folder {
    param([string] $From, [string] $To)

    [void][System.IO.Directory]::CreateDirectory($To)
    foreach ($file in [System.IO.Directory]::GetFiles($From)) {
        [System.IO.File]::Copy($file, [System.IO.Path]::Combine($To, [System.IO.Path]::GetFileName($file)))
    }
    foreach ($folder in [System.IO.Directory]::GetDirectories($From)) {
        Copy-Folder -From $folder -To ([System.IO.Path]::Combine($To, [System.IO.Path]::GetFileName($folder)))
    }
}

function Send-Interrupt {
    # What Ctrl+C sends.
    param($Process)

    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = '/bin/kill'
    $start.Arguments = "-INT $($Process.Id)"
    $start.UseShellExecute = $false
    [System.Diagnostics.Process]::Start($start).WaitForExit()
}

function New-Shell {
    # A PowerShell with a runspace of its own in this process, with the module imported.
    $runspace = [runspacefactory]::CreateRunspace([initialsessionstate]::CreateDefault2())
    $runspace.Open()
    $shell = [powershell]::Create()
    $shell.Runspace = $runspace
    [void](Invoke-Shell -Shell $shell -Script 'param($Module) Import-Module -Name $Module; & (Get-Module -Name EntraSspr) { $script:Budgets = ''off'' }' -Argument "$($env:SSPR_MODULE)/EntraSspr.psd1")
    $shell
}

function Invoke-Shell {
    # Runs a script in it; gives what it put out, fails when it failed.
    param($Shell, [string] $Script, [object[]] $Argument = @())

    $Shell.Commands.Clear()
    $Shell.Streams.ClearStreams()
    [void]$Shell.AddScript($Script)
    foreach ($one in $Argument) { [void]$Shell.AddArgument($one) }
    $said = $Shell.Invoke()
    if ($Shell.Streams.Error.Count -gt 0) { throw "in the other runspace: $($Shell.Streams.Error[0])" }
    $said
}

function Close-Shell {
    param($Shell)

    $Shell.Runspace.Dispose()
    $Shell.Dispose()
}
