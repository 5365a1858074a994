function Assert-SsprStatus {
    # Turns a failed call into the cmdlet's error.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [int] $Status,
        [IntPtr] $Failure
    )

    $record = Get-SsprFailure -Status $Status -Failure $Failure
    if ($null -ne $record) { $Cmdlet.ThrowTerminatingError($record) }
}

function Get-SsprFailure {
    # The error record of a failed call; nothing when it succeeded. Gives the error document's text back to the library.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param(
        [Parameter(Mandatory = $true)] [int] $Status,
        [IntPtr] $Failure
    )

    $native = $script:Native
    $json = $native::Take($Failure)
    if ($Status -lt 100) { return }
    $document = if ($json) { ConvertFrom-Json -InputObject $json } else { [pscustomobject]@{ name = 'Internal.Error'; category = 'NotSpecified'; message = "the library answered $Status and said nothing"; help = 'Please report this, with the text of Get-SsprEnvironment -Support.' } }
    New-SsprErrorRecord -Document $document -Json $json
}

function Invoke-SsprNative {
    # Runs a native step: starts its task, hands out progress and narration, answers host actions, returns the result.
    # Whatever happens, the task is cancelled and closed at the end.
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        # The cmdlet that runs it: errors and streams are its own.
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        # The function of the C interface that starts the task.
        [Parameter(Mandatory = $true)] [string] $Function,
        # The session's handle; left out where the function takes none.
        [object] $Handle,
        # The request document.
        [System.Collections.IDictionary] $Request = @{},
        # What the progress bar says it is about.
        [string] $Activity = 'EntraSspr',
        # What fails is one item of several: write the error and give nothing.
        [switch] $Continue,
        # What this host can do for the library, where it is no session's.
        [hashtable] $HostAction
    )

    $native = Get-SsprNative -Cmdlet $Cmdlet
    if ($null -ne $Handle) { [void]$native::Hosts.TryGetValue([uint64]$Handle, [ref]$HostAction) }
    $json = $native::Text((ConvertTo-Json -InputObject $Request -Depth 8 -Compress))
    $progress = Test-SsprInteractive
    $shown = $false
    $result = $null
    [uint64]$task = 0
    $failure = [IntPtr]::Zero
    # The Connect servers that are being read, and the question that this is for.
    $reading = [System.Collections.Generic.List[hashtable]]::new()
    $question = $null
    try {
        if ($null -eq $Handle) {
            $status = $native::$Function($json, [ref]$task, [ref]$failure)
        } else {
            $status = $native::$Function([uint64]$Handle, $json, [ref]$task, [ref]$failure)
        }
        while ($true) {
            $record = Get-SsprFailure -Status $status -Failure $failure
            if ($null -ne $record) {
                if (-not $Continue) { $Cmdlet.ThrowTerminatingError($record) }
                $Cmdlet.WriteError($record)
                return
            }
            if ($null -ne $question -and (Test-SsprConnectServerRead -Reading $reading)) {
                Send-SsprReply -Task $task -Reply @{ id = $question; result = Get-SsprConnectServerReply -Cmdlet $Cmdlet -Reading $reading }
                $question = $null
                Stop-SsprConnectServerRead -Reading $reading
            }
            $text = [IntPtr]::Zero
            $failure = [IntPtr]::Zero
            # Ctrl+C waits for this call, so it is short.
            $status = $native::sspr_task_next($task, 200, [ref]$text, [ref]$failure)
            if ($status -ge 100 -or $status -eq $native::SSPR_STATUS_PENDING) { continue }
            if ($status -eq $native::SSPR_STATUS_ENDED) { break }
            $happened = ConvertFrom-SsprJson -Json $native::Take($text)
            switch ($happened.Event) {
                'result' { $result = $happened.Result }
                # Whoever has enough of them stops the pipeline, and with it this function and the task.
                'users' {
                    foreach ($user in $happened.Users) {
                        # Not by Add-SsprTypeName: there may be a million.
                        $user.PSObject.TypeNames.Insert(0, 'EntraSspr.UserRegistration')
                        $user
                    }
                }
                'target' { $happened.Target }
                'log' { $Cmdlet.WriteVerbose($happened.Message) }
                'change' { $Cmdlet.WriteVerbose("$($happened.Change.Outcome) $($happened.Change.Id): $($happened.Change.Title)") }
                'finding' { $Cmdlet.WriteVerbose("$($happened.Finding.Status) $($happened.Finding.Id): $($happened.Finding.Title)") }
                'leg' { Write-SsprLeg -Cmdlet $Cmdlet -Leg $happened.Leg }
                'progress' {
                    if ($progress) {
                        $shown = $true
                        $Cmdlet.WriteProgress((New-SsprProgress -Activity $Activity -Progress $happened))
                    }
                }
                'signIn' {
                    $message = Get-SsprMember -InputObject $happened.SignIn -Name Message
                    if ($message) {
                        # The warning stream is the one that every host shows.
                        $Cmdlet.WriteWarning($message)
                    } elseif ($progress) {
                        $shown = $true
                        $Cmdlet.WriteProgress([System.Management.Automation.ProgressRecord]::new(0, $Activity, 'Waiting for the sign-in in the browser. Ctrl+C ends it.'))
                    }
                }
                'hostAction' {
                    if ($happened.Action -eq 'readConnectServer' -and $null -ne $HostAction -and $HostAction.ContainsKey('readConnectServer')) {
                        # Whoever asks again no longer waits for the answer before.
                        Stop-SsprConnectServerRead -Reading $reading
                        $question = $happened.Id
                        Start-SsprConnectServerRead -Cmdlet $Cmdlet -Reading $reading -Server $HostAction['readConnectServer'] -Arguments $happened.Arguments
                    } else {
                        Send-SsprHostAction -Cmdlet $Cmdlet -Task $task -Action $happened -HostAction $HostAction
                    }
                }
            }
        }
    } finally {
        # Nothing here may write to a stream: when the pipeline is stopping, that would throw.
        if ($task -ne 0) {
            $failure = [IntPtr]::Zero
            [void]$native::sspr_task_cancel($task, [ref]$failure)
            $native::sspr_string_free($failure)
            $failure = [IntPtr]::Zero
            [void]$native::sspr_task_close($task, [ref]$failure)
            $native::sspr_string_free($failure)
        }
        Stop-SsprConnectServerRead -Reading $reading
    }
    if ($shown) {
        $record = [System.Management.Automation.ProgressRecord]::new(0, $Activity, ' ')
        $record.RecordType = 'Completed'
        $Cmdlet.WriteProgress($record)
    }
    $result
}

function Write-SsprLeg {
    # What was seen of a reset on its way: for a person at once, for a job in the information stream.
    [CmdletBinding()]
    [OutputType([void])]
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [psobject] $Leg)

    # A leg whose source does not answer has no time of its own.
    $at = if ($null -ne $Leg.At) { [datetime]$Leg.At } else { [datetime]::UtcNow }
    $text = if ($Leg.Leg -eq 'Start') {
        $Leg.Detail
    } else {
        '{0:HH:mm:ss}  {1,-8} {2,-12} {3}{4}' -f $at.ToLocalTime(), $Leg.Status, $Leg.Leg, $Leg.Detail, $(if ($Leg.Source) { " ($($Leg.Source))" })
    }
    if (Test-SsprInteractive) {
        $message = [System.Management.Automation.HostInformationMessage]::new()
        $message.Message = $text
        $Cmdlet.WriteInformation($message, [string[]]@('PSHOST'))
    } else {
        $Cmdlet.WriteInformation($text, [string[]]@('EntraSspr'))
    }
}

function New-SsprProgress {
    # A progress event as the host shows it.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ProgressRecord])]
    param([string] $Activity, [psobject] $Progress)

    $status = [string]$Progress.Activity
    if (-not $status) { $status = ' ' }
    $record = [System.Management.Automation.ProgressRecord]::new(0, $Activity, $status)
    $of = $Progress.PSObject.Properties['Of']
    if ($null -ne $of -and $of.Value -gt 0) {
        $record.PercentComplete = [Math]::Min(100, [int](100 * $Progress.Done / $of.Value))
        $record.StatusDescription = '{0} ({1:N0} of {2:N0})' -f $status, $Progress.Done, $of.Value
    } elseif ($Progress.Done -gt 0) {
        $record.StatusDescription = '{0} ({1:N0})' -f $status, $Progress.Done
    }
    $record
}

function Send-SsprHostAction {
    # Does what the library asks of its host, and answers.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [uint64] $Task,
        [psobject] $Action,
        # What it takes to do each action that this host can do.
        [AllowNull()] [hashtable] $HostAction
    )

    $reply = @{ id = $Action.Id }
    try {
        if ($null -eq $HostAction -or -not $HostAction.ContainsKey($Action.Action)) {
            $reply['error'] = "this session's host cannot do '$($Action.Action)'"
        } else {
            switch ($Action.Action) {
                'signAssertion' {
                    $certificate = $HostAction['signAssertion']
                    # Of a fleet: by thumbprint.
                    if ($certificate -is [hashtable]) { $certificate = $certificate[[string]$Action.Arguments.Thumbprint] }
                    $reply['result'] = New-SsprSignature -Certificate $certificate -Arguments $Action.Arguments
                }
                'setConnectWriteback' { Set-SsprConnectWriteback -Cmdlet $Cmdlet -Server $HostAction['readConnectServer'] -ComputerName $Action.Arguments.Computer -Enabled $Action.Arguments.Enabled }
                'confirm' { $reply['result'] = $Cmdlet.ShouldProcess([string]$Action.Arguments.Target, [string]$Action.Arguments.Title) }
                'openBrowser' { $reply['result'] = Open-SsprBrowser -Url $Action.Arguments.Url }
            }
        }
    } catch {
        $reply['error'] = $_.Exception.Message
        if ($Action.Action -eq 'confirm') { $reply['error'] = "nobody could be asked about '$($Action.Arguments.Title)': give -Confirm:`$false in a job ($($_.Exception.Message))" }
        if ($Action.Action -eq 'openBrowser') {
            $Cmdlet.WriteWarning("The browser could not be opened ($($_.Exception.Message)). Open this address in it: $($Action.Arguments.Url)")
        }
    }
    Send-SsprReply -Task $Task -Reply $reply
}

function Send-SsprReply {
    # Answers the library.
    [CmdletBinding()]
    [OutputType([void])]
    param([uint64] $Task, [hashtable] $Reply)

    $native = $script:Native
    $json = $native::Text((ConvertTo-Json -InputObject $Reply -Depth 5 -Compress))
    $failure = [IntPtr]::Zero
    # A reply that comes too late is told by the task's own error.
    [void]$native::sspr_task_reply($Task, $json, [ref]$failure)
    $native::sspr_string_free($failure)
}

function Test-SsprInteractive {
    # Whether a person sits at this console: decides about progress bars and about opening a browser.
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    if ($null -eq $script:Interactive) {
        $script:Interactive = [Environment]::UserInteractive -and
            @('ConsoleHost', 'Windows PowerShell ISE Host', 'Visual Studio Code Host') -contains $Host.Name -and
            -not ([Environment]::GetCommandLineArgs() -match '^[-/]noni') -and
            -not ($Host.Name -eq 'ConsoleHost' -and ([Console]::IsOutputRedirected -or [Console]::IsInputRedirected))
    }
    $script:Interactive
}
