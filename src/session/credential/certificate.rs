//! An app that proves itself with a certificate: an assertion signed by its key, here or by the caller.

use super::issuer::TokenError;
use super::key::{self, Algorithm, Private, Public};
use super::{Issuer, Token, Want};
use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use crate::task;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// What a signed token as a client's proof is called.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good, in seconds: ten minutes are allowed.
const LIFETIME: i64 = 540;
/// How long the caller may take to sign: a smart card asks its owner.
const SIGNING: Duration = Duration::from_secs(120);

/// An app and its certificate.
#[derive(Debug)]
pub struct Certificate {
    issuer: Issuer,
    client_id: String,
    public: Public,
    private: Private,
    /// What worked the last time.
    works: Mutex<Option<Algorithm>>,
}

/// A proof, and how it was signed.
struct Signed {
    assertion: Zeroizing<String>,
    algorithm: Algorithm,
}

impl Certificate {
    /// An app whose certificate and key are in a file's bytes.
    pub async fn from_file(
        issuer: Issuer,
        client_id: String,
        file: Zeroizing<Vec<u8>>,
        password: Option<Zeroizing<String>>,
    ) -> Result<Self> {
        // Deriving a key from a password is meant to take long.
        let read = move || key::read(&file, password.as_deref().map(String::as_str));
        let (public, private) = task::blocking(read).await?;
        Ok(Certificate::new(issuer, client_id, public, private))
    }

    /// An app whose caller signs; the certificate is its public part, DER in base64.
    pub fn of_caller(issuer: Issuer, client_id: String, certificate: &str) -> Result<Self> {
        let text: String = certificate.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(text).map_err(|_| {
            Error::new(Status::ArgumentInvalid, "the certificate is not DER in base64").target("certificate")
        })?;
        let public = Public::of(&der)?;
        public.check()?;
        Ok(Certificate::new(issuer, client_id, public, Private::Caller))
    }

    fn new(issuer: Issuer, client_id: String, public: Public, private: Private) -> Self {
        Certificate {
            issuer,
            client_id,
            public,
            private,
            works: Mutex::default(),
        }
    }

    pub(crate) async fn token(&self, want: &Want<'_>) -> Result<Token> {
        self.public.check()?;
        let works = *self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = match works {
            Some(Algorithm::Rs256) => &[Algorithm::Rs256][..],
            _ => &[Algorithm::Ps256, Algorithm::Rs256],
        };
        let signed = self.sign(candidates, want).await?;
        let first = match self.ask(&signed, want).await {
            Ok(token) => return Ok(token),
            Err(TokenError::Refused(refusal)) => refusal,
            Err(error) => return Err(error.into()),
        };
        // An older service may know neither PS256 nor SHA-256 thumbprints.
        let again = signed.algorithm == Algorithm::Ps256 && works.is_none() && first.refuses_assertion();
        if !again {
            return Err(first.error());
        }
        let Ok(signed) = self.sign(&[Algorithm::Rs256], want).await else {
            return Err(first.error());
        };
        Ok(self.ask(&signed, want).await?)
    }

    async fn ask(&self, signed: &Signed, want: &Want<'_>) -> std::result::Result<Token, TokenError> {
        let proof = [
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", signed.assertion.as_str()),
        ];
        let token = self.issuer.ask_as_app(&self.client_id, &proof, want).await?;
        *self.works.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed.algorithm);
        Ok(token)
    }

    /// What is signed: header and claims.
    fn input(&self, algorithm: Algorithm) -> Result<String> {
        let now = Timestamp::now().as_second();
        let (name, print) = self.public.named(algorithm);
        let header = json!({"alg": algorithm.name(), "typ": "JWT", name: print});
        let claims = json!({
            "aud": self.issuer.token_url()?.as_str(), "iss": self.client_id, "sub": self.client_id,
            "jti": uuid::Uuid::new_v4().to_string(), "nbf": now, "iat": now, "exp": now + LIFETIME,
        });
        let part = |value: serde_json::Value| BASE64_URL.encode(value.to_string());
        Ok(format!("{}.{}", part(header), part(claims)))
    }

    /// Signs with the first algorithm that the key can.
    async fn sign(&self, algorithms: &[Algorithm], want: &Want<'_>) -> Result<Signed> {
        let (input, algorithm, signature) = match &self.private {
            Private::Here(key) => {
                let algorithm = algorithms[0];
                let how: &'static dyn ring::signature::RsaEncoding = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Rs256 => &RSA_PKCS1_SHA256,
                };
                let input = self.input(algorithm)?;
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(how, &SystemRandom::new(), input.as_bytes(), &mut signature)
                    .map_err(|_| Error::new(Status::CredentialUnusable, "the private key cannot sign"))?;
                (input, algorithm, signature)
            }
            Private::Caller => self.have_signed(algorithms, want).await?,
        };
        let assertion = Zeroizing::new(format!("{input}.{}", BASE64_URL.encode(signature)));
        Ok(Signed { assertion, algorithm })
    }

    /// Asks the caller to sign.
    async fn have_signed(&self, algorithms: &[Algorithm], want: &Want<'_>) -> Result<(String, Algorithm, Vec<u8>)> {
        #[derive(Deserialize)]
        struct Reply {
            alg: String,
            signature: String,
        }
        let Some(task) = want.task else {
            return Err(Error::new(
                Status::SignInNeeded,
                "the caller's key is needed for a new token",
            ));
        };
        let inputs = algorithms
            .iter()
            .map(|algorithm| Ok((*algorithm, self.input(*algorithm)?)))
            .collect::<Result<Vec<_>>>()?;
        let offered: Vec<_> = inputs
            .iter()
            .map(|(algorithm, input)| json!({"alg": algorithm.name(), "signingInput": input}))
            .collect();
        let arguments = json!({"thumbprint": self.public.thumbprint(), "algorithms": offered});
        let reply = task.host_action("signAssertion", arguments, SIGNING).await?;
        let failed = |why: &str| Error::new(Status::HostActionFailed, format!("the reply to 'signAssertion' {why}"));
        let reply: Reply = json::read_tree(reply).map_err(|_| failed("is not {alg, signature}"))?;
        let (algorithm, input) = inputs
            .into_iter()
            .find(|(algorithm, _)| algorithm.name() == reply.alg)
            .ok_or_else(|| failed("names an algorithm that was not offered"))?;
        let signature = BASE64_URL
            .decode(reply.signature.trim_end_matches('='))
            .map_err(|_| failed("holds a signature that is not base64url"))?;
        if !self.public.verify(algorithm, input.as_bytes(), &signature) {
            return Err(Error::new(
                Status::CredentialUnusable,
                "the caller's signature does not fit the certificate: the private key does not belong to it, or it signed otherwise",
            )
            .target("certificate"));
        }
        Ok((input, algorithm, signature))
    }
}
