//! Tokens: signing them with the lab's key, and reading the assertions of clients.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use ring::rand::SystemRandom;
use ring::signature::{self, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::LabError;

const KEY: &str = include_str!("../keys/token-signing.pem");
/// The key's name in the published key set.
pub(crate) const KEY_ID: &str = "sspr-lab-1";

/// The key that signs the lab's tokens.
pub(crate) struct Signer {
    key: RsaKeyPair,
}

/// A JWT taken apart; nothing is verified.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub header: Value,
    pub claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Signer {
    pub fn new() -> Result<Self, LabError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).map_err(|why| LabError::Tls(why.to_string()))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|why| LabError::Tls(why.to_string()))?;
        Ok(Signer { key })
    }

    /// A signed token.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KEY_ID, "x5t": KEY_ID});
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let mut out = vec![0; self.key.public().modulus_len()];
        // The buffer has the modulus's length, and the system's random source works or nothing does.
        let random = SystemRandom::new();
        if self
            .key
            .sign(&signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut out)
            .is_err()
        {
            out.clear();
        }
        format!("{signed}.{}", B64.encode(out))
    }

    /// True when this key signed the token.
    pub fn verify(&self, token: &Parsed) -> bool {
        token.header["alg"] == "RS256"
            && UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, self.key.public())
                .verify(token.signed.as_bytes(), &token.signature)
                .is_ok()
    }

    /// The key set of the `keys` endpoint.
    pub fn key_set(&self, issuer: &str) -> Value {
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": KEY_ID, "x5t": KEY_ID, "alg": "RS256", "issuer": issuer,
            "n": B64.encode(public.n), "e": B64.encode(public.e),
        }]})
    }
}

/// Takes a JWT apart.
pub(crate) fn parse(token: &str) -> Option<Parsed> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let part = |text: &str| serde_json::from_slice(&B64.decode(text).ok()?).ok();
    Some(Parsed {
        header: part(header)?,
        claims: part(claims)?,
        signature: B64.decode(signature).ok()?,
        signed: signed.to_owned(),
    })
}

/// True when the certificate's key signed the assertion with the algorithm that its header names (RS256 or PS256).
pub(crate) fn verify_with_certificate(token: &Parsed, der: &[u8]) -> bool {
    let algorithm = match token.header["alg"].as_str() {
        Some("RS256") => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        _ => return false,
    };
    let der = CertificateDer::from(der);
    webpki::EndEntityCert::try_from(&der).is_ok_and(|certificate| {
        certificate
            .verify_signature(algorithm, token.signed.as_bytes(), &token.signature)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_lab_is_recognised_and_a_changed_one_is_not() {
        let signer = Signer::new().unwrap();
        let token = signer.sign(&json!({"sub": "x"}));
        let mut parsed = parse(&token).unwrap();
        assert!(signer.verify(&parsed));
        parsed.signed.push('x');
        assert!(!signer.verify(&parsed));
    }

    #[test]
    fn both_assertion_algorithms_are_verified() {
        let dir = std::env::temp_dir();
        let app = crate::certs::app_certificate(&dir).unwrap();
        let key = PrivatePkcs8KeyDer::from_pem_file(&app.key_file).unwrap();
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        let algorithms: [(&str, &'static dyn signature::RsaEncoding); 2] = [
            ("RS256", &signature::RSA_PKCS1_SHA256),
            ("PS256", &signature::RSA_PSS_SHA256),
        ];
        for (name, algorithm) in algorithms {
            let signed = format!("{}.{}", B64.encode(json!({"alg": name}).to_string()), B64.encode("{}"));
            let mut out = vec![0; key.public().modulus_len()];
            key.sign(algorithm, &SystemRandom::new(), signed.as_bytes(), &mut out)
                .unwrap();
            let token = parse(&format!("{signed}.{}", B64.encode(out))).unwrap();
            assert!(verify_with_certificate(&token, &app.der), "{name}");
        }
    }
}
