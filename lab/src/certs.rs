//! Certificates made at start: a CA, the server's, a wrong-name and an expired one, and the lab app's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::LabError;

const APP_KEY: &str = include_str!("../keys/app-certificate.pem");

/// The self-signed certificate that an app with `certificate: true` signs in with.
#[derive(Debug, Clone)]
pub(crate) struct AppCertificate {
    pub der: Vec<u8>,
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// The TLS side of the lab.
pub(crate) struct Tls {
    pub ca_file: PathBuf,
    pub good: Arc<ServerConfig>,
    pub wrong_name: Arc<ServerConfig>,
    pub expired: Arc<ServerConfig>,
}

/// Makes the app's certificate and writes it and its key to `dir`.
pub(crate) fn app_certificate(dir: &Path) -> Result<AppCertificate, LabError> {
    let key = KeyPair::from_pem(APP_KEY)?;
    let mut params = named("EntraSspr lab app");
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    let certificate = params.self_signed(&key)?;
    let certificate_file = dir.join("app-certificate.pem");
    let key_file = dir.join("app-key.pem");
    write(&certificate_file, &certificate.pem())?;
    write(&key_file, APP_KEY)?;
    Ok(AppCertificate {
        der: certificate.der().to_vec(),
        certificate_file,
        key_file,
    })
}

/// Makes the CA and the server certificates, and writes the CA to `dir`.
pub(crate) fn tls(dir: &Path, http2: bool) -> Result<Tls, LabError> {
    let mut params = named("EntraSspr lab CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let ca_file = dir.join("lab-ca.pem");
    write(&ca_file, &ca.pem())?;

    let now = OffsetDateTime::now_utc();
    let server = |names: &[&str], from: OffsetDateTime, until: OffsetDateTime| -> Result<Arc<ServerConfig>, LabError> {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = common_name(names[0]);
        params.not_before = from;
        params.not_after = until;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &ca)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| LabError::Tls(why.to_owned()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(|why| LabError::Tls(why.to_string()))?;
        config.alpn_protocols = if http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Ok(Arc::new(config))
    };
    let (yesterday, later) = (now - Duration::days(1), now + Duration::days(30));
    let here = ["localhost", "127.0.0.1", "::1"];
    Ok(Tls {
        ca_file,
        good: server(&here, yesterday, later)?,
        wrong_name: server(&["wrong-name.example"], yesterday, later)?,
        expired: server(&here, now - Duration::days(30), yesterday)?,
    })
}

/// The first certificate of a PEM file.
pub(crate) fn read_certificate(file: &str) -> Result<Vec<u8>, String> {
    CertificateDer::from_pem_file(file)
        .map(|der| der.to_vec())
        .map_err(|why| why.to_string())
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(30);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn write(file: &Path, text: &str) -> Result<(), LabError> {
    std::fs::write(file, text).map_err(|source| LabError::State(file.to_owned(), source))
}
