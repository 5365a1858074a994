function New-SsprErrorRecord {
    # Makes an error record from the library's error document, or from the same members made here.
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param(
        # The document: name, category, message, detail, target, help ...
        [Parameter(Mandatory = $true)] [psobject] $Document,
        # The same as text; made from the document when left out.
        [string] $Json,
        # The exception underneath.
        [System.Exception] $InnerException,
        # The message is our own and has several lines.
        [switch] $KeepLines
    )

    if (-not $Json) { $Json = ConvertTo-Json -InputObject $Document -Depth 5 -Compress }
    $message = [string]$Document.message
    if (-not $KeepLines) { $message = ConvertTo-SsprPlainText -Text $message }
    $exception = [System.InvalidOperationException]::new($message, $InnerException)
    $exception.Data['Sspr'] = $Json
    $category = [System.Management.Automation.ErrorCategory]::NotSpecified
    $named = [string]$Document.category
    if ([Enum]::GetNames([System.Management.Automation.ErrorCategory]) -contains $named) {
        $category = [System.Management.Automation.ErrorCategory]$named
    }
    $member = $Document.PSObject.Properties['target']
    $target = if ($null -ne $member) { ConvertTo-SsprPlainText -Text ([string]$member.Value) }
    $record = [System.Management.Automation.ErrorRecord]::new($exception, "Sspr.$($Document.name)", $category, $target)
    $record.ErrorDetails = [System.Management.Automation.ErrorDetails]::new((Get-SsprErrorText -Document $Document -Message $message -Whole:$KeepLines))
    $member = $Document.PSObject.Properties['help']
    if ($null -ne $member -and $member.Value) {
        $record.ErrorDetails.RecommendedAction = ConvertTo-SsprPlainText -Text ([string]$member.Value)
    }
    $record
}

function Get-SsprErrorText {
    # What the console shows: the sentence, the cause underneath, the id that the service's support asks for, and what to do
    # where the console does not show the recommended action by itself, as PowerShell 7 does.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [psobject] $Document,
        [string] $Message,
        # The message holds its detail already.
        [switch] $Whole
    )

    $text = $Message
    $member = $Document.PSObject.Properties['detail']
    # A sentence of the service's own ends with a stop, and stands alone.
    if (-not $Whole -and $text -notmatch '[.!?]$' -and $null -ne $member -and @($member.Value).Count) {
        # The last is the cause of all before it.
        $text += ': ' + (ConvertTo-SsprPlainText -Text ([string]@($member.Value)[-1]))
    }
    if ($text -and $text -notmatch '[.!?]$') { $text += '.' }
    $member = $Document.PSObject.Properties['help']
    if ($script:Edition -eq 'Desktop' -and $null -ne $member -and $member.Value) { $text += ' ' + (ConvertTo-SsprPlainText -Text ([string]$member.Value)) }
    $member = $Document.PSObject.Properties['requestId']
    if ($null -ne $member -and $member.Value) { $text += ' (request id ' + (ConvertTo-SsprPlainText -Text ([string]$member.Value)) + ')' }
    $text
}
