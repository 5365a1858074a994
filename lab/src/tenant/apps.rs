//! App registrations and managed identities.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest;

use super::{Names, TenantError};
use crate::certs::{AppCertificate, read_certificate};
use crate::scenario::{AppSpec, Scenario};

/// A certificate that an app may sign assertions with.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub der: Vec<u8>,
    /// base64url of SHA-1
    pub x5t: String,
    /// base64url of SHA-256
    pub x5t_s256: String,
}

impl Certificate {
    pub fn new(der: Vec<u8>) -> Self {
        let print = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &der));
        let x5t = print(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        let x5t_s256 = print(&digest::SHA256);
        Certificate { der, x5t, x5t_s256 }
    }
}

/// An app with its service principal in the tenant.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub name: String,
    pub client_id: String,
    pub object_id: String,
    pub spec: AppSpec,
    pub certificates: Vec<Certificate>,
}

pub(super) fn build(names: &Names, scenario: &Scenario, own: &AppCertificate) -> Result<Vec<App>, TenantError> {
    let mut apps = Vec::new();
    for (name, spec) in &scenario.apps {
        let mut certificates = Vec::new();
        if spec.certificate {
            certificates.push(Certificate::new(own.der.clone()));
        }
        for file in &spec.certificate_files {
            let der = read_certificate(file).map_err(|why| TenantError::Certificate(file.clone(), why))?;
            certificates.push(Certificate::new(der));
        }
        let mut spec = spec.clone();
        for credential in &mut spec.federated_credentials {
            if let Some(identity) = credential.subject.strip_prefix("managedIdentity:") {
                let id = names.id(&format!("servicePrincipal:{identity}"));
                credential.subject = id.ok_or_else(|| TenantError::Name {
                    scenario: names.seed.clone(),
                    name: credential.subject.clone(),
                })?;
            }
        }
        apps.push(App {
            name: name.clone(),
            client_id: names.id(&format!("app:{name}")).unwrap_or_default(),
            object_id: names.id(&format!("servicePrincipal:{name}")).unwrap_or_default(),
            spec,
            certificates,
        });
    }
    Ok(apps)
}
