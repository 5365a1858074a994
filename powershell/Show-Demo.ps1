<#
.SYNOPSIS
Signs in to a lab and shows the readiness screen. `cargo xtask demo` runs it.
#>
[CmdletBinding()]
param()

$ErrorActionPreference = 'Stop'
Import-Module -Name $env:SSPR_MODULE
$connection = @{
    Tenant       = $env:SSPR_LAB_TENANT
    ClientId     = $env:SSPR_LAB_CLIENT
    ClientSecret = ConvertTo-SecureString -String $env:SSPR_LAB_SECRET -AsPlainText -Force
    Endpoint     = @{ login = $env:SSPR_LAB_URL; graph = $env:SSPR_LAB_URL; portal = $env:SSPR_LAB_URL }
}
[void](Connect-SsprTenant @connection)
Test-SsprReadiness
Disconnect-Sspr
