//! A tenant on loopback for the tests: Graph, the portal's back end, sign-in and managed identity over one origin, with scenarios
//! and faults.

mod certs;
mod contract;
mod control;
mod core;
mod fault;
mod graph;
mod guid;
mod http;
mod identity;
mod jwt;
mod lab;
mod login;
mod options;
mod pack;
mod permissions;
mod portal;
mod receiver;
mod record;
mod reply;
mod roles;
mod scenario;
mod serve;
mod tenant;
mod when;
mod wire;

use std::path::PathBuf;

pub use contract::{Version, shape_faults};
pub use fault::{Fault, FaultError, FaultKind};
pub use graph::{graph_paths, path_is_of};
pub use lab::{Lab, TenantInfo};
pub use options::LabOptions;
pub use record::{RequestRecord, Violation};
pub use scenario::{ScenarioError, list as scenarios};
pub use tenant::TenantError;

/// Why a lab did not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A listener could not be opened.
    #[error("cannot listen on loopback")]
    Listen(#[source] std::io::Error),
    /// A file of the lab's state could not be written.
    #[error("cannot write {0}")]
    State(PathBuf, #[source] std::io::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up keys or TLS: {0}")]
    Tls(String),
    /// A tenant could not be made.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// A fault could not be read.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The lab's thread could not be started or ended early.
    #[error("the lab's thread did not start")]
    Thread,
    /// A page that was to be rendered beforehand was refused.
    #[error("{0} cannot be rendered beforehand: {1}")]
    Prerender(String, String),
}
