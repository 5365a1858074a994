# The members of our documents that are times. They are converted here and nowhere else: ConvertFrom-Json of PowerShell 7
# makes DateTime of whatever looks like one, and that of 5.1 of nothing.
$script:TimeMembers = @('takenAt', 'asOf', 'at', 'until', 'expiresAt', 'changedAt', 'created', 'expires', 'passwordExpires', 'passwordSet', 'lastSignIn', 'set', 'resetFrom', 'readAt', 'since', 'begunAt', 'endedAt', 'watermark')
# Documents that travel as text, for the library to read again: kept as they are.
$script:RawMembers = @('snapshot', 'desired', 'plan')
# Control characters, and marks that turn the reading direction or end a line: names in a tenant may hold them.
$script:HostileText = '[\x00-\x1F\x7F-\x9F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]'

function ConvertTo-SsprPlainText {
    # Makes a text safe to show: text from a tenant is hostile.
    [CmdletBinding()]
    [OutputType([string])]
    param([AllowNull()] [AllowEmptyString()] [string] $Text)

    if ($Text -notmatch $script:HostileText) { return $Text }
    ($Text -replace '[\r\n\t]+', ' ') -replace $script:HostileText, ''
}

function ConvertTo-SsprTime {
    # A time of a document as local time.
    [CmdletBinding()]
    [OutputType([datetime])]
    param([Parameter(Mandatory = $true)] [object] $Value)

    if ($Value -is [datetime]) { return $Value.ToLocalTime() }
    [datetimeoffset]::Parse([string]$Value, [cultureinfo]::InvariantCulture, [System.Globalization.DateTimeStyles]::AssumeUniversal).LocalDateTime
}

function ConvertFrom-SsprJson {
    # Reads a document of the library: names in PascalCase, times as times, texts safe to show.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [string] $Json)

    ConvertFrom-SsprValue -Value (ConvertFrom-Json -InputObject $Json)
}

function ConvertFrom-SsprValue {
    [CmdletBinding()]
    param([AllowNull()] [object] $Value, [string] $Name)

    if ($null -eq $Value) { return $null }
    if ($Value -is [string]) {
        if ($script:RawMembers -contains $Name) { return $Value }
        if ($script:TimeMembers -contains $Name) { return ConvertTo-SsprTime -Value $Value }
        return ConvertTo-SsprPlainText -Text $Value
    }
    if ($Value -is [datetime]) {
        if ($script:TimeMembers -contains $Name) { return ConvertTo-SsprTime -Value $Value }
        # A text that happens to look like a time.
        return $Value.ToString('o', [cultureinfo]::InvariantCulture)
    }
    if ($Value -is [array]) {
        $list = [object[]]::new($Value.Count)
        # What needs no change is taken as it is, here and below: of a million users each call counts.
        $plain = $script:RawMembers -notcontains $Name -and $script:TimeMembers -notcontains $Name
        for ($i = 0; $i -lt $Value.Count; $i++) {
            $one = $Value[$i]
            $list[$i] = if ($one -is [string] -and $plain -and $one -notmatch $script:HostileText) { $one } else { ConvertFrom-SsprValue -Value $one -Name $Name }
        }
        return , $list
    }
    if ($Value -is [System.Management.Automation.PSCustomObject]) {
        $members = [ordered]@{}
        foreach ($member in $Value.PSObject.Properties) {
            $pascal = $member.Name.Substring(0, 1).ToUpperInvariant() + $member.Name.Substring(1)
            $one = $member.Value
            $members[$pascal] = if ($null -eq $one -or $one -is [bool]) {
                $one
            } elseif ($one -is [string] -and $script:TimeMembers -notcontains $member.Name -and $script:RawMembers -notcontains $member.Name -and $one -notmatch $script:HostileText) {
                $one
            } else {
                ConvertFrom-SsprValue -Value $one -Name $member.Name
            }
        }
        return [pscustomobject]$members
    }
    $Value
}

function Add-SsprTypeName {
    # Names an object's type, for its view.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [psobject] $InputObject, [Parameter(Mandatory = $true)] [string] $Name)

    $InputObject.PSObject.TypeNames.Insert(0, "EntraSspr.$Name")
    $InputObject
}
