//! Which certificates are trusted, by HTTP and by LDAP alike.

use crate::error::{Error, Result};
use crate::file;
use crate::status::Status;
use std::path::Path;
use std::sync::Arc;

/// Trust: the operating system's, or the caller's file and nothing else.
pub fn config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use rustls_platform_verifier::BuilderVerifierExt;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let internal =
        |e: &(dyn std::error::Error + 'static)| Error::new(Status::Internal, "TLS cannot be set up").caused_by(e);
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| internal(&e))?;
    let Some(path) = ca_file else {
        return Ok(builder
            .with_platform_verifier()
            .map_err(|e| internal(&e))?
            .with_no_client_auth());
    };
    let name = path.display().to_string();
    let unusable =
        || Error::new(Status::FileRead, format!("{name} holds no certificates in PEM form")).target(name.clone());
    let text = file::read(path)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|e| unusable().caused_by(&e))?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
