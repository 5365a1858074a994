@{
    RootModule           = 'EntraSspr.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = '5f7f6a0e-0c7b-4a55-9d0c-2f0f4b7f2c1d'
    Author               = 'EntraSspr contributors'
    CompanyName          = 'EntraSspr contributors'
    Copyright            = '(c) EntraSspr contributors. MIT licence.'
    Description          = 'Sets up, checks, verifies and reports Microsoft Entra self-service password reset (SSPR).'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    TypesToProcess       = @('EntraSspr.types.ps1xml')
    FormatsToProcess     = @('EntraSspr.format.ps1xml')
    FunctionsToExport    = @(
        'Assert-SsprReadiness'
        'Compare-SsprResult'
        'Connect-SsprConnectServer'
        'Connect-SsprDirectory'
        'Connect-SsprTenant'
        'Disconnect-Sspr'
        'Export-SsprReport'
        'Export-SsprSnapshot'
        'Get-SsprCheck'
        'Get-SsprConnectServer'
        'Get-SsprConnector'
        'Get-SsprDirectoryPermission'
        'Get-SsprEnvironment'
        'Get-SsprPasswordPolicy'
        'Get-SsprRegistration'
        'Get-SsprSession'
        'Grant-SsprAppPermission'
        'Grant-SsprDirectoryPermission'
        'Import-SsprSnapshot'
        'Invoke-SsprFleet'
        'Invoke-SsprPlan'
        'Join-SsprSnapshot'
        'New-SsprDesiredState'
        'New-SsprPlan'
        'Resolve-SsprError'
        'Revoke-SsprDirectoryPermission'
        'Send-SsprNotification'
        'Show-SsprPlan'
        'Test-SsprReadiness'
        'Test-SsprUser'
        'Test-SsprWriteback'
        'Undo-SsprPlan'
        'Watch-SsprReset'
    )
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    PrivateData          = @{
        PSData = @{
            Tags       = @('Entra', 'EntraID', 'AzureAD', 'SSPR', 'Password', 'Identity', 'ActiveDirectory', 'PSEdition_Desktop', 'PSEdition_Core', 'Windows', 'Linux')
        }
    }
}
