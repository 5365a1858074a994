function Get-SsprSupportText {
    # The environment as a text to send to others: without the names of this machine, its user and its folders.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory = $true)] [psobject] $Environment)

    $lines = foreach ($member in $Environment.PSObject.Properties) {
        '{0,-18} {1}' -f $member.Name, (@($member.Value) -join ', ')
    }
    $text = $lines -join [Environment]::NewLine
    $module = $ExecutionContext.SessionState.Module
    $private = @(
        @($module.ModuleBase, '<module>'),
        @([Environment]::GetFolderPath('UserProfile'), '<profile>'),
        @([Environment]::MachineName, '<machine>'),
        @([Environment]::UserName, '<user>')
    )
    foreach ($pair in $private) {
        # A name of one or two letters would be found everywhere.
        if ($pair[0] -and $pair[0].Length -gt 2) { $text = $text -replace ('(?<!\w)' + [regex]::Escape($pair[0]) + '(?!\w)'), $pair[1] }
    }
    $text
}
