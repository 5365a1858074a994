function Find-SsprCertificate {
    # A certificate in the user's store, else in the machine's.
    [CmdletBinding()]
    [OutputType([System.Security.Cryptography.X509Certificates.X509Certificate2])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Thumbprint
    )

    foreach ($location in 'CurrentUser', 'LocalMachine') {
        $store = [System.Security.Cryptography.X509Certificates.X509Store]::new('My', $location)
        try {
            $store.Open('ReadOnly, OpenExistingOnly')
            $found = $store.Certificates.Find('FindByThumbprint', $Thumbprint, $false)
        } catch [System.Security.Cryptography.CryptographicException] {
            # The store is not there, or not for this user to read.
            continue
        } finally {
            $store.Close()
        }
        if ($found.Count -gt 0) { return $found[0] }
    }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -Document ([pscustomobject]@{
                    name = 'SignIn.CredentialUnusable'; category = 'AuthenticationError'; target = $Thumbprint
                    message = "there is no certificate $Thumbprint in the store of the user or of the machine"
                    help = 'Import it with its key, or name its file with -CertificatePath.'
                })))
}

function Assert-SsprCertificate {
    # Refuses a certificate without a key that can sign.
    [CmdletBinding()]
    [OutputType([void])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [System.Security.Cryptography.X509Certificates.X509Certificate2] $Certificate
    )

    $key = $null
    $cause = $null
    try {
        $key = [System.Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    } catch [System.Security.Cryptography.CryptographicException] {
        $cause = $_.Exception
    }
    if ($null -ne $key) {
        $key.Dispose()
        return
    }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -InnerException $cause -Document ([pscustomobject]@{
                    name = 'SignIn.CredentialUnusable'; category = 'AuthenticationError'; target = $Certificate.Thumbprint
                    message = "the certificate $($Certificate.Thumbprint) has no RSA key that this user can use"
                    help = 'Give a certificate with its RSA key, and this user the right to read the key.'
                })))
}

function New-SsprSignature {
    # Signs what the library asks to be signed, with the key where it lies: PS256 where the key can, else RS256.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory = $true)] [System.Security.Cryptography.X509Certificates.X509Certificate2] $Certificate,
        [Parameter(Mandatory = $true)] [psobject] $Arguments
    )

    $padding = [System.Security.Cryptography.RSASignaturePadding]
    $key = [System.Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    try {
        $cause = $null
        foreach ($offer in $Arguments.Algorithms) {
            $bytes = [System.Text.Encoding]::ASCII.GetBytes($offer.SigningInput)
            $how = if ($offer.Alg -eq 'PS256') { $padding::Pss } else { $padding::Pkcs1 }
            try {
                $signature = $key.SignData($bytes, [System.Security.Cryptography.HashAlgorithmName]::SHA256, $how)
            } catch {
                # Keys of old providers cannot do PSS.
                $cause = $_.Exception
                continue
            }
            return @{
                alg       = $offer.Alg
                signature = [Convert]::ToBase64String($signature).TrimEnd('=').Replace('+', '-').Replace('/', '_')
            }
        }
        throw $cause
    } finally {
        $key.Dispose()
    }
}

function Get-SsprFileByte {
    # The bytes of a file that holds a credential.
    [CmdletBinding()]
    [OutputType([byte[]])]
    param(
        [Parameter(Mandatory = $true)] [System.Management.Automation.PSCmdlet] $Cmdlet,
        [Parameter(Mandatory = $true)] [string] $Path
    )

    $full = Resolve-SsprFilePath -Cmdlet $Cmdlet -Path $Path
    try {
        return , [System.IO.File]::ReadAllBytes($full)
    } catch [System.SystemException] {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
    }
    $Cmdlet.ThrowTerminatingError((New-SsprErrorRecord -InnerException $cause -Document ([pscustomobject]@{
                    name = 'File.Read'; category = 'ReadError'; target = $full; message = "$full cannot be read: $($cause.Message)"
                    help = 'Name a file that is there and that this user may read.'
                })))
}
