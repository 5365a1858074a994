//! A certificate and its private key, read from PEM or PFX.

use crate::error::{Error, Result};
use crate::status::Status;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use jiff::Timestamp;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as PfxError;
use pkcs8::EncryptedPrivateKeyInfoRef;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Ps256,
    Rs256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ps256 => "PS256",
            Algorithm::Rs256 => "RS256",
        }
    }
}

/// What is public: the certificate.
#[derive(Clone, Debug)]
pub(super) struct Public {
    der: Vec<u8>,
    /// The RSA key, as PKCS#1 writes it.
    key: Vec<u8>,
    from: Timestamp,
    until: Timestamp,
}

/// What is not.
pub(super) enum Private {
    /// Read here.
    Here(Box<RsaKeyPair>),
    /// The caller's: it signs.
    Caller,
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Private::Here(_) => "Here",
            Private::Caller => "Caller",
        })
    }
}

fn unusable(message: impl Into<String>) -> Error {
    Error::new(Status::CredentialUnusable, message).target("certificate")
}

impl Public {
    /// Reads a certificate.
    pub fn of(der: &[u8]) -> Result<Self> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| unusable("the certificate cannot be read"))?;
        if !rest.is_empty() {
            return Err(unusable("the certificate is followed by something else"));
        }
        let key = certificate.public_key();
        // rsaEncryption
        if key.algorithm.algorithm.to_id_string() != "1.2.840.113549.1.1.1" {
            return Err(unusable("the certificate's key is not RSA")
                .help("Entra ID takes RSA certificates for apps: make one with a key of 2048 bits or more."));
        }
        let time =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|_| unusable("the certificate names no time"));
        let validity = certificate.validity();
        Ok(Public {
            der: der.to_vec(),
            key: key.subject_public_key.data.to_vec(),
            from: time(validity.not_before.timestamp())?,
            until: time(validity.not_after.timestamp())?,
        })
    }

    /// Whether it may be used now.
    pub fn check(&self) -> Result<()> {
        let now = Timestamp::now();
        let print = self.thumbprint();
        if self.until <= now {
            return Err(unusable(format!("the certificate {print} ended at {}", self.until))
                .help("Make a new one and register it with the app."));
        }
        if self.from > now {
            return Err(unusable(format!("the certificate {print} begins at {}", self.from))
                .help("Check this machine's clock."));
        }
        Ok(())
    }

    /// The thumbprint as Windows and the portal show it.
    pub fn thumbprint(&self) -> String {
        let print = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        print.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// The header's member that names it: by SHA-256 where the service knows that, else by SHA-1.
    pub fn named(&self, algorithm: Algorithm) -> (&'static str, String) {
        let (name, how) = match algorithm {
            Algorithm::Ps256 => ("x5t#S256", &SHA256),
            Algorithm::Rs256 => ("x5t", &SHA1_FOR_LEGACY_USE_ONLY),
        };
        (name, BASE64_URL.encode(digest(how, &self.der)))
    }

    /// Whether a signature is its key's.
    pub fn verify(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> bool {
        let key = match algorithm {
            Algorithm::Ps256 => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &self.key),
            Algorithm::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.key),
        };
        key.verify(text, signature).is_ok()
    }
}

/// What a file holds.
#[derive(Default)]
struct Content {
    certificates: Vec<Vec<u8>>,
    /// DER, and whether it is PKCS#1 alone.
    keys: Vec<(Zeroizing<Vec<u8>>, bool)>,
    /// Keys of another kind than RSA, which their label shows.
    others: usize,
}

/// Reads a PEM or PFX file: the key, and the one certificate that it belongs to.
pub(super) fn read(bytes: &[u8], password: Option<&str>) -> Result<(Public, Private)> {
    let content = if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        pem(bytes, password)?
    } else if bytes.first() == Some(&0x30) {
        pfx(bytes, password)?
    } else {
        return Err(unusable("the certificate's file is neither PEM nor PFX"));
    };
    choose(&content)
}

/// Finds the key that is RSA and the certificate that it belongs to.
fn choose(content: &Content) -> Result<(Public, Private)> {
    if content.keys.is_empty() && content.others == 0 {
        return Err(unusable("the certificate's file holds no private key")
            .help("Export it with its private key, or let the caller sign (signAssertion)."));
    }
    if content.certificates.is_empty() {
        return Err(
            unusable("the certificate's file holds a private key but no certificate")
                .help("Put the certificate into the same file."),
        );
    }
    let mut why = unusable("the private key is not RSA");
    let mut untimely = None;
    for (der, bare) in &content.keys {
        let key = if *bare {
            RsaKeyPair::from_der(der)
        } else {
            RsaKeyPair::from_pkcs8(der)
        };
        let key = match key {
            Ok(key) => key,
            Err(rejected) => {
                why = rejection(&rejected.to_string());
                continue;
            }
        };
        why = unusable("the private key does not belong to the certificate");
        for certificate in &content.certificates {
            match Public::of(certificate) {
                Ok(public) if public.key == key.public_key().as_ref() => match public.check() {
                    Ok(()) => return Ok((public, Private::Here(Box::new(key)))),
                    // A renewed one with the same key may follow.
                    Err(error) => untimely = Some(error),
                },
                Ok(_) => {}
                Err(error) if content.certificates.len() == 1 => return Err(error),
                Err(_) => {}
            }
        }
    }
    Err(untimely.unwrap_or(why))
}

/// Why the crypto library does not take a key.
fn rejection(word: &str) -> Error {
    match word {
        "WrongAlgorithm" => unusable("the private key is not RSA"),
        "TooSmall" => unusable("the private key is shorter than 2048 bits"),
        "TooLarge" => unusable("the private key is longer than 4096 bits"),
        _ => unusable("the private key cannot be read").detail(word),
    }
}

fn pem(bytes: &[u8], password: Option<&str>) -> Result<Content> {
    // OpenSSL's first kind of encryption: one round of MD5.
    if bytes.windows(10).any(|window| window == b"Proc-Type:") {
        return Err(
            unusable("the private key is encrypted in OpenSSL's oldest form, which is not read")
                .help("Convert it: openssl pkcs8 -topk8 -in old.pem -out new.pem"),
        );
    }
    let mut content = Content::default();
    for block in Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|_| unusable("the certificate's file is damaged: a PEM block cannot be read"))?;
        let der = Zeroizing::new(block.contents);
        match block.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => content.certificates.push(der.to_vec()),
            "PRIVATE KEY" => content.keys.push((der, false)),
            "RSA PRIVATE KEY" => content.keys.push((der, true)),
            "ENCRYPTED PRIVATE KEY" => content.keys.push((decrypt(&der, password)?, false)),
            label if label.ends_with("PRIVATE KEY") => content.others += 1,
            _ => {}
        }
    }
    Ok(content)
}

fn wrong_password(password: Option<&str>) -> Error {
    match password {
        None => unusable("the private key is encrypted, and no password was given"),
        Some(_) => unusable("the certificate's password is wrong"),
    }
    .target("certificatePassword")
}

fn decrypt(der: &[u8], password: Option<&str>) -> Result<Zeroizing<Vec<u8>>> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| unusable("the private key is encrypted in a way that is not read").help(MODERN))?;
    let Some(password) = password else {
        return Err(wrong_password(None));
    };
    let plain = info.decrypt(password).map_err(|_| wrong_password(Some(password)))?;
    Ok(Zeroizing::new(plain.as_bytes().to_vec()))
}

const MODERN: &str = "Export it again with AES-256 and SHA-256.";

fn pfx(bytes: &[u8], password: Option<&str>) -> Result<Content> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.unwrap_or_default()).map_err(|error| match error {
        PfxError::MacError(_) | PfxError::UnpadError | PfxError::Pkcs5Error(_) => wrong_password(password),
        PfxError::UnsupportedEncryptionScheme | PfxError::UnsupportedMacAlgorithm => {
            unusable("the PFX file is encrypted in a way that is not read").help(MODERN)
        }
        PfxError::InvalidParameters => unusable("the PFX file asks for more rounds of encryption than is sane"),
        _ => unusable("the PFX file is damaged, or is none"),
    })?;
    Ok(Content {
        certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
        keys: archive
            .keys
            .iter()
            .map(|bag| (Zeroizing::new(bag.key.as_der().to_vec()), false))
            .collect(),
        others: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::RSA_PSS_SHA256;

    const PASSWORD: &str = "canary-password";

    macro_rules! data {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/data/certificates/", $name)).as_slice()
        };
    }

    #[test]
    fn every_form_of_file_gives_the_key_and_its_own_certificate() {
        for (name, file, password) in [
            ("pkcs8", data!("pkcs8.pem"), None),
            ("pkcs1", data!("pkcs1.pem"), None),
            ("pkcs8 with a needless password", data!("pkcs8.pem"), Some(PASSWORD)),
            ("encrypted", data!("encrypted.pem"), Some(PASSWORD)),
            ("encrypted 3des", data!("encrypted-3des.pem"), Some(PASSWORD)),
            ("modern pfx", data!("modern.pfx"), Some(PASSWORD)),
            ("legacy pfx", data!("legacy.pfx"), Some(PASSWORD)),
            ("pfx without password", data!("no-password.pfx"), None),
            ("pfx with an empty password", data!("no-password.pfx"), Some("")),
        ] {
            let (public, private) = read(file, password).unwrap_or_else(|e| panic!("{name}: {}", e.to_json()));
            assert_eq!(
                public.thumbprint(),
                "3A3CC80ACF1D618D3541E238318B4B566F83FB8A",
                "{name}"
            );
            let Private::Here(key) = private else { panic!("{name}") };
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), b"text", &mut signature)
                .unwrap();
            assert!(public.verify(Algorithm::Ps256, b"text", &signature), "{name}");
            assert!(!public.verify(Algorithm::Ps256, b"test", &signature), "{name}");
            assert!(!public.verify(Algorithm::Rs256, b"text", &signature), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let truncated = &data!("modern.pfx")[..900];
        let damaged = data!("pkcs8.pem")[..600].to_vec();
        for (file, password, wanted) in [
            (data!("encrypted.pem"), None, "no password was given"),
            (data!("encrypted.pem"), Some("canary-wrong"), "password is wrong"),
            (data!("encrypted-3des.pem"), Some("canary-wrong"), "password is wrong"),
            (data!("modern.pfx"), None, "no password was given"),
            (data!("modern.pfx"), Some("canary-wrong"), "password is wrong"),
            (data!("legacy.pfx"), Some("canary-wrong"), "password is wrong"),
            (data!("traditional-encrypted.pem"), Some(PASSWORD), "oldest form"),
            (data!("no-key.pfx"), Some(PASSWORD), "no private key"),
            (data!("certificate.pem"), None, "no private key"),
            (data!("key-alone.pem"), None, "no certificate"),
            (data!("mismatch.pem"), None, "does not belong"),
            (data!("ec.pem"), None, "not RSA"),
            (data!("small.pem"), None, "shorter than 2048 bits"),
            (data!("expired.pem"), None, "ended at"),
            (truncated, Some(PASSWORD), "damaged"),
            (&damaged, None, "damaged"),
            (b"canary", None, "neither PEM nor PFX"),
            (b"\x30", None, "damaged"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                None,
                "no private key",
            ),
        ] {
            let error = read(file, password).map(|_| ()).unwrap_err();
            assert_eq!(error.status, Status::CredentialUnusable, "{wanted}");
            assert!(error.message.contains(wanted), "{wanted}: {}", error.message);
            assert!(!error.to_json().contains("canary"), "{}", error.to_json());
        }
    }

    #[test]
    fn a_renewed_certificate_counts_wherever_it_stands() {
        let (ended, good) = (data!("expired.pem"), data!("certificate.pem"));
        for file in [[ended, good].concat(), [good, ended].concat()] {
            let (public, _) = read(&file, None).unwrap_or_else(|e| panic!("{}", e.to_json()));
            assert_eq!(public.thumbprint(), "3A3CC80ACF1D618D3541E238318B4B566F83FB8A");
        }
        // What ended is the reason, not what follows it.
        let error = read(&[ended, data!("other.pem")].concat(), None)
            .map(|_| ())
            .unwrap_err();
        assert!(error.message.contains("ended at"), "{}", error.message);
    }

    #[test]
    fn a_bare_certificate_is_read_and_checked() {
        let der = |file: &[u8]| Pem::iter_from_buffer(file).last().unwrap().unwrap().contents;
        assert!(Public::of(&der(data!("certificate.pem"))).unwrap().check().is_ok());
        assert!(
            Public::of(&der(data!("ec.pem")))
                .unwrap_err()
                .message
                .contains("not RSA")
        );
        assert!(
            Public::of(&der(data!("expired.pem")))
                .unwrap()
                .check()
                .unwrap_err()
                .message
                .contains("ended")
        );
        assert!(Public::of(b"canary").is_err());
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_are_refused(mut bytes: Vec<u8>, start in 0..3) {
            if start == 1 { bytes.insert(0, 0x30); }
            if start == 2 { bytes.splice(0..0, *b"-----BEGIN PRIVATE KEY-----\n"); }
            proptest::prop_assert!(read(&bytes, Some("x")).is_err());
        }

        #[test]
        fn a_damaged_file_does_not_panic(at in 0usize..2500, byte: u8) {
            let mut bytes = data!("no-password.pfx").to_vec();
            bytes[at] = byte;
            let _ = read(&bytes, None);
        }
    }
}
