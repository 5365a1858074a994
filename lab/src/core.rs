//! What all parts of a running lab share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;

use crate::certs::AppCertificate;
use crate::fault::FaultBoard;
use crate::graph::{Budgets, Pages};
use crate::jwt::Signer;
use crate::login::Desk;
use crate::record::{Log, lock};
use crate::tenant::{Tenant, TenantError};
use crate::{LabError, LabOptions};

/// The addresses of the listeners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    pub http: String,
    pub https: Option<String>,
    pub wrong_name: Option<String>,
    pub expired: Option<String>,
}

impl Origins {
    fn all(&self) -> impl Iterator<Item = &String> {
        [
            Some(&self.http),
            self.https.as_ref(),
            self.wrong_name.as_ref(),
            self.expired.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

/// Shared state.
pub(crate) struct Core {
    pub options: LabOptions,
    pub started: Timestamp,
    pub signer: Signer,
    pub certificate: AppCertificate,
    pub log: Log,
    pub faults: FaultBoard,
    pub desk: Desk,
    pub budgets: Budgets,
    pub pages: Pages,
    pub origins: OnceLock<Origins>,
    pub control_key: String,
    pub identity_header: String,
    /// Where the Arc challenge says that the key lies.
    pub arc_file: Mutex<Option<PathBuf>>,
    pub state_dir: PathBuf,
    /// Blobs by their path: how often each was written, and what is in it.
    pub blobs: Mutex<HashMap<String, (u64, bytes::Bytes)>>,
    tenants: RwLock<Vec<Arc<Tenant>>>,
    authorize_error: Mutex<Option<String>>,
    sign_in_as: Mutex<Option<String>>,
}

impl Core {
    pub fn new(options: LabOptions, state_dir: PathBuf) -> Result<Self, LabError> {
        let started = Timestamp::now();
        let certificate = crate::certs::app_certificate(&state_dir)?;
        let mut tenants: Vec<Arc<Tenant>> = Vec::new();
        let faults = FaultBoard::default();
        for name in &options.scenarios {
            let tenant = Tenant::build(name, tenants.len() + 1, started, &certificate)?;
            for fault in &tenant.scenario.faults {
                faults.add(fault.clone())?;
            }
            tenants.push(Arc::new(tenant));
        }
        for fault in &options.faults {
            faults.add(fault.clone())?;
        }
        let random = || {
            let mut bytes = [0u8; 16];
            let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
            filled
                .map(|()| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
                .map_err(|_| LabError::Tls("no random numbers".into()))
        };
        Ok(Core {
            started,
            signer: Signer::new()?,
            certificate,
            log: Log::new(),
            faults,
            desk: Desk::default(),
            budgets: Budgets::default(),
            pages: Pages::default(),
            origins: OnceLock::new(),
            control_key: random()?,
            identity_header: random()?,
            arc_file: Mutex::new(None),
            blobs: Mutex::default(),
            state_dir,
            tenants: RwLock::new(tenants),
            authorize_error: Mutex::new(None),
            sign_in_as: Mutex::new(None),
            options,
        })
    }

    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn first_tenant(&self) -> Option<Arc<Tenant>> {
        self.tenants().into_iter().next()
    }

    /// The tenant with this id or domain.
    pub fn tenant_called(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants().into_iter().find(|tenant| tenant.answers_to(name))
    }

    /// Replaces the tenant at `index` by one of another scenario, which keeps the tenant's id.
    pub fn swap(&self, index: usize, scenario: &str) -> Result<(), TenantError> {
        let mut tenant = Tenant::build(scenario, index + 1, self.started, &self.certificate)?;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = tenants.get_mut(index) {
            tenant.keep_identity_of(place);
            *place = Arc::new(tenant);
        }
        self.pages.clear();
        Ok(())
    }

    /// The origin that issuers are named after.
    fn main_origin(&self) -> String {
        self.origins
            .get()
            .map(|origins| origins.https.clone().unwrap_or_else(|| origins.http.clone()))
            .unwrap_or_default()
    }

    /// The issuer of a tenant's tokens.
    pub fn issuer(&self, tenant: &str) -> String {
        format!("{}/{tenant}/v2.0", self.main_origin())
    }

    pub fn is_own_issuer(&self, issuer: &str, tenant: &str) -> bool {
        self.origins
            .get()
            .is_some_and(|origins| origins.all().any(|origin| issuer == format!("{origin}/{tenant}/v2.0")))
    }

    /// True for the lab's own scheme, host and port, however the loopback is written.
    pub fn is_own_origin(&self, text: &str) -> bool {
        let plain = |text: &str| {
            text.to_ascii_lowercase()
                .replace("127.0.0.1", "localhost")
                .replace("[::1]", "localhost")
        };
        self.origins
            .get()
            .is_some_and(|origins| origins.all().any(|origin| plain(origin) == plain(text)))
    }

    /// What an assertion may name as its audience: the token endpoint, or the issuer.
    pub fn is_token_audience(&self, audience: &str, tenant: &Tenant) -> bool {
        let Some(at) = audience
            .find("://")
            .and_then(|start| audience[start + 3..].find('/').map(|end| start + 3 + end))
        else {
            return false;
        };
        let (origin, path) = audience.split_at(at);
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        self.is_own_origin(origin)
            && match segments.as_slice() {
                [name, "oauth2", "v2.0", "token"] | [name, "v2.0"] => tenant.answers_to(name),
                _ => false,
            }
    }

    /// The error that the next sign-in page answers with.
    pub fn set_authorize_error(&self, error: Option<String>) {
        *lock(&self.authorize_error) = error;
    }

    pub fn take_authorize_error(&self) -> Option<String> {
        lock(&self.authorize_error).take()
    }

    /// Who signs in on the page when the request names nobody.
    pub fn set_sign_in_as(&self, upn: Option<String>) {
        *lock(&self.sign_in_as) = upn;
    }

    pub fn sign_in_as(&self, tenant: &Tenant) -> Option<String> {
        lock(&self.sign_in_as).clone().or_else(|| tenant.first_person())
    }
}
