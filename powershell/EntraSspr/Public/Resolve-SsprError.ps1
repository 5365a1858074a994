function Resolve-SsprError {
    <#
    .SYNOPSIS
    Explains an error of a failed reset: its known causes, what to do, and what checks it.
    .DESCRIPTION
    Takes a code as the reset page shows it (SSPR_0029), an hr= value, an event of an Entra Connect server, or a sentence, and
    gives each known cause of it from the failure catalogue, the likeliest first: its number there, what was seen, why, what to
    do, and the command that checks it. Nothing is sent; no session is needed.

    By tells what a cause was found by: Event (an event's number and text), Code, Number (an event's number without its text:
    its text would tell more), or Words.
    A file that Event Viewer saved as CSV comes in by Import-Csv. The events' texts, which tell more, stand there in a column
    without a name: Import-Csv -Header Level, At, Source, Id, Task, Message gives it one (leave out the first row).
    .PARAMETER Text
    A code, an hr= value, a sentence, or with -Id an event's text.
    .PARAMETER Id
    An event's number.
    .PARAMETER ProviderName
    The event's provider, PasswordResetService or ADSync; by default either.
    .EXAMPLE
    Resolve-SsprError -Text SSPR_0029

    Tells the causes of the error that a user saw.
    .EXAMPLE
    'hr=80230626', 'SSPR_0030' | Resolve-SsprError | Format-Table

    Tells the causes of two errors in short.
    .EXAMPLE
    Resolve-SsprError -Id 33008 -Text 'hr=80230619, message=A restriction prevents the password from being changed.'

    Tells the causes of an event by its number and text.
    .EXAMPLE
    Import-Clixml -Path events.xml | Resolve-SsprError | Group-Object -Property Cause

    Tells the causes of events that Get-WinEvent read and Export-Clixml saved, and how often each came.
    .LINK
    Get-SsprCheck
    .LINK
    Test-SsprReadiness
    .LINK
    https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback
    #>
    [CmdletBinding(DefaultParameterSetName = 'Text')]
    [OutputType('EntraSspr.ErrorCause')]
    param(
        [Parameter(ParameterSetName = 'Text', Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Parameter(ParameterSetName = 'Event', ValueFromPipelineByPropertyName = $true)]
        [Alias('Message')]
        [AllowEmptyString()]
        [AllowNull()]
        [string] $Text,

        [Parameter(ParameterSetName = 'Event', Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('EventId', 'Event ID')]
        [ValidateRange(0, [int]::MaxValue)]
        [int] $Id,

        [Parameter(ParameterSetName = 'Event', ValueFromPipelineByPropertyName = $true)]
        [Alias('Source')]
        [string] $ProviderName
    )

    process {
        $request = @{ text = $Text }
        $asked = $Text
        if ($PSCmdlet.ParameterSetName -eq 'Event') {
            $request['id'] = $Id
            if ($ProviderName) { $request['provider'] = $ProviderName }
            $asked = (@($ProviderName, $Id) -ne '') -join ' '
        }
        $native = Get-SsprNative -Cmdlet $PSCmdlet
        $told = [IntPtr]::Zero
        $failure = [IntPtr]::Zero
        $status = $native::sspr_error_resolve($native::Text((ConvertTo-Json -InputObject $request -Compress)), [ref]$told, [ref]$failure)
        $record = Get-SsprFailure -Status $status -Failure $failure
        $causes = @()
        if ($null -eq $record) { $causes = @((ConvertFrom-SsprJson -Json $native::Take($told)).Causes) }
        # One of several: the others are still told.
        if ($null -eq $record -and $causes.Count -eq 0) {
            $record = New-SsprErrorRecord -Document ([pscustomobject]@{
                    name = 'Catalogue.NotFound'; category = 'ObjectNotFound'; target = $asked
                    message = "nothing is known of '$(ConvertTo-SsprPlainText -Text $asked)'"
                    help = 'Give the code, or the event with its whole text. docs/catalogue.md lists all that is known; Test-SsprReadiness looks for what else may be wrong.'
                })
        }
        if ($null -ne $record) {
            $PSCmdlet.WriteError($record)
            return
        }
        foreach ($cause in $causes) {
            $one = [pscustomobject][ordered]@{
                Asked   = ConvertTo-SsprPlainText -Text $asked
                Number  = $cause.Number
                By      = $cause.By
                Seen    = $cause.Seen
                Cause   = $cause.Cause
                Fix     = $cause.Fix
                Checks  = @($cause.Checks)
                Command = $cause.Command
                Neither = $cause.Neither
            }
            Add-SsprTypeName -InputObject $one -Name ErrorCause
        }
    }
}
