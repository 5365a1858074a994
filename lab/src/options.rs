//! How a lab is started.

use std::path::PathBuf;

use crate::fault::Fault;

/// Options of a lab.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Names of built-in scenarios or paths of files, one tenant each.
    pub scenarios: Vec<String>,
    /// Port of the plain listener; 0 lets the system choose.
    pub port: u16,
    /// Also listen with TLS.
    pub https: bool,
    /// Also listen with a certificate for another name and with an expired one (needs `https`).
    pub bad_certificates: bool,
    /// Offer HTTP/2 over TLS.
    pub http2: bool,
    /// Compress answers for clients that accept gzip.
    pub gzip: bool,
    /// Keep the documented request limits.
    pub budgets: bool,
    /// Send Retry-After when the report limit is hit (the documents do not say).
    pub report_retry_after: bool,
    /// Wait before every answer.
    pub latency_ms: u64,
    /// The most rows that a page of any list holds, whatever `$top` asks for. Without it `$top` counts, and else 100 (999 in the report
    /// of more than 5,000 users).
    pub page_size: Option<usize>,
    /// Keep rendered pages of tenants with at least this many users.
    pub keep_pages_from: usize,
    /// Addresses (path and query) whose pages are rendered at start, for the first tenant, following their next links.
    pub prerender: Vec<String>,
    /// Faults from the start.
    pub faults: Vec<Fault>,
    /// Where certificates and keys are written; a temporary folder by default.
    pub state_dir: Option<PathBuf>,
    /// The interval that the device code endpoint names.
    pub device_interval_seconds: u64,
    /// Answer `slow_down` to a client that polls sooner.
    pub slow_down: bool,
    /// The sign-in page submits itself.
    pub auto_submit: bool,
    /// `/msi/token` stands for Azure Automation (wants `Metadata: True`) instead of App Service (wants an api-version).
    pub automation_identity: bool,
}

impl Default for LabOptions {
    fn default() -> Self {
        LabOptions {
            scenarios: vec!["hybrid-ready".to_owned()],
            port: 0,
            https: false,
            bad_certificates: false,
            http2: false,
            gzip: false,
            budgets: false,
            report_retry_after: true,
            latency_ms: 0,
            page_size: None,
            keep_pages_from: 50_000,
            prerender: Vec::new(),
            faults: Vec::new(),
            state_dir: None,
            device_interval_seconds: 1,
            slow_down: true,
            auto_submit: true,
            automation_identity: true,
        }
    }
}

impl LabOptions {
    /// A lab with one tenant.
    pub fn scenario(name: &str) -> Self {
        LabOptions {
            scenarios: vec![name.to_owned()],
            ..LabOptions::default()
        }
    }
}
