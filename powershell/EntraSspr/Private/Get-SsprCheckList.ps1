function Get-SsprCheckList {
    # Every check of the library, in causal order.
    [CmdletBinding()]
    [OutputType([psobject])]
    param([Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet)

    $native = Get-SsprNative -Cmdlet $Cmdlet
    $text = [IntPtr]::Zero
    $failure = [IntPtr]::Zero
    $status = $native::sspr_check_list([ref]$text, [ref]$failure)
    Assert-SsprStatus -Cmdlet $Cmdlet -Status $status -Failure $failure
    foreach ($check in (ConvertFrom-SsprJson -Json $native::Take($text)).Checks) { Add-SsprTypeName -InputObject $check -Name Check }
}
