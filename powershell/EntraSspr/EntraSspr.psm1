# The module's own state, one for each runspace: the library is the process's, the sessions are the runspace's. Nothing here
# but plain values: each expression would cost every import milliseconds.
Set-StrictMode -Version 3.0

# The type of the native declarations, once bound.
$script:Native = $null
# The sessions that were opened here, by handle, and the one that a cmdlet uses when none is named.
$script:Sessions = @{}
$script:CurrentSession = $null
# Whether a person is there: found out when first asked, or set by a test.
$script:Interactive = $null
# Which PowerShell this is, 'Core' or Windows's own, 'Desktop'; a test says another.
$script:Edition = $PSEdition
# Whether the services' documented request budgets are kept; a test against the lab does without.
$script:Budgets = 'documented'
# What a Connect server tries to reach, where a test names something on its own machine.
$script:Relays = $null

#region Files
# `cargo xtask module` puts their text in this place: one file is imported several times faster than many.
foreach ($folder in 'Private', 'Public') {
    foreach ($file in [System.IO.Directory]::GetFiles([System.IO.Path]::Combine($PSScriptRoot, $folder), '*.ps1')) {
        . $file
    }
}
#endregion
