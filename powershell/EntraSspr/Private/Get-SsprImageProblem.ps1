function Get-SsprImageProblem {
    # Reads the headers of an ELF, PE or Mach-O file: whether it is one, whole, and for this system and architecture.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $Path, [string] $Rid)

    try {
        $stream = [System.IO.FileStream]::new($Path, 'Open', 'Read', 'ReadWrite, Delete')
        try {
            # All headers of a library stand in it.
            $head = [byte[]]::new(16384)
            $read = $stream.Read($head, 0, $head.Length)
            $length = $stream.Length
        } finally {
            $stream.Dispose()
        }
    } catch {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        return [pscustomobject]@{ Name = 'Unreadable'; Message = "the native library $Path cannot be read: $($cause.Message)" }
    }
    $image = $null
    if ($read -ge 64) {
        $image = switch -Wildcard ([BitConverter]::ToString($head, 0, 4)) {
            '7F-45-4C-46' { Read-SsprElf -Head $head }
            '4D-5A-*' { Read-SsprPe -Head $head -Read $read }
            'CF-FA-ED-FE' { Read-SsprMachO -Head $head -Read $read }
        }
    }
    if ($null -eq $image -or ($image.Rid -eq $Rid -and $image.End -gt $length)) {
        return [pscustomobject]@{ Name = 'Damaged'; Message = "the native library $Path is damaged or cut off" }
    }
    if ($image.Rid -ne $Rid) {
        [pscustomobject]@{ Name = 'Architecture'; Message = "the native library $Path is made for $($image.Rid), and this PowerShell is $Rid" }
    }
}

function New-SsprImage {
    # What headers say: the system and architecture, and where the last part of the file ends.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([string] $System, [hashtable] $Architecture, [uint32] $Machine, [uint64] $End)

    $key = '{0:x}' -f $Machine
    $name = if ($Architecture.ContainsKey($key)) { $Architecture[$key] } else { "0x$key" }
    [pscustomobject]@{ Rid = "$System-$name"; End = $End }
}

function Read-SsprElf {
    [CmdletBinding()]
    [OutputType([psobject])]
    param([byte[]] $Head)

    # The table of sections stands at the end of the file.
    $table = [BitConverter]::ToUInt64($Head, 40)
    $sections = [uint64][BitConverter]::ToUInt16($Head, 58) * [BitConverter]::ToUInt16($Head, 60)
    # No file is as long as damaged bytes may say.
    if ($table -gt [long]::MaxValue) { return }
    New-SsprImage -System linux -Architecture @{ '3e' = 'x64'; 'b7' = 'arm64'; '3' = 'x86' } -Machine ([BitConverter]::ToUInt16($Head, 18)) -End ($table + $sections)
}

function Read-SsprPe {
    [CmdletBinding()]
    [OutputType([psobject])]
    param([byte[]] $Head, [int] $Read)

    $start = [BitConverter]::ToInt32($Head, 60)
    if ($start -lt 0 -or $start -gt $Read - 24 -or [BitConverter]::ToUInt32($Head, $start) -ne 0x4550) { return }
    $table = $start + 24 + [BitConverter]::ToUInt16($Head, $start + 20)
    $after = $table + 40 * [BitConverter]::ToUInt16($Head, $start + 6)
    if ($after -gt $Read) { return }
    [uint64]$end = 0
    for ($at = $table; $at -lt $after; $at += 40) {
        $end = [Math]::Max($end, [uint64][BitConverter]::ToUInt32($Head, $at + 16) + [BitConverter]::ToUInt32($Head, $at + 20))
    }
    New-SsprImage -System win -Architecture @{ '8664' = 'x64'; 'aa64' = 'arm64'; '14c' = 'x86' } -Machine ([BitConverter]::ToUInt16($Head, $start + 4)) -End $end
}

function Read-SsprMachO {
    [CmdletBinding()]
    [OutputType([psobject])]
    param([byte[]] $Head, [int] $Read)

    [uint64]$end = 0
    $at = 32
    for ($left = [BitConverter]::ToUInt32($Head, 16); $left -gt 0; $left--) {
        if ($at + 8 -gt $Read) { return }
        $size = [BitConverter]::ToUInt32($Head, $at + 4)
        if ($size -lt 8 -or $size -gt $Read - $at) { return }
        # LC_SEGMENT_64: a part of the file.
        if ([BitConverter]::ToUInt32($Head, $at) -eq 0x19 -and $size -ge 72) {
            $offset = [BitConverter]::ToUInt64($Head, $at + 40)
            $length = [BitConverter]::ToUInt64($Head, $at + 48)
            if ($offset -gt [long]::MaxValue -or $length -gt [long]::MaxValue) { return }
            $end = [Math]::Max($end, $offset + $length)
        }
        $at += [int]$size
    }
    New-SsprImage -System osx -Architecture @{ '1000007' = 'x64'; '100000c' = 'arm64' } -Machine ([BitConverter]::ToUInt32($Head, 4)) -End $end
}
