//! Starting and stopping a lab.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::core::{Core, Origins};
use crate::fault::{Fault, FaultError};
use crate::login::DeviceState;
use crate::record::{RequestRecord, Violation};
use crate::serve::{Endpoint, accept};
use crate::{LabError, LabOptions, certs, control, graph, identity};

/// What a test needs to know of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantInfo {
    /// The tenant's id.
    pub tenant_id: String,
    /// Its name.
    pub display_name: String,
    /// The scenario that it was made from.
    pub scenario: String,
    /// What that scenario is for.
    pub about: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// How many users it has.
    pub users: usize,
    /// Client id of the app `checker`, which holds the permissions of a check.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// All apps by name: `clientId`, `objectId`, `clientSecret`, `certificateThumbprint`, `managedIdentity`.
    pub apps: Value,
    /// All people by name: `upn`, `roles`.
    pub people: Value,
    /// Group ids by display name.
    pub groups: Value,
}

/// A running lab; it stops when dropped.
pub struct Lab {
    core: Arc<Core>,
    ca_file: Option<PathBuf>,
    render_ms: f64,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    own_dir: Option<PathBuf>,
}

struct Started {
    core: Arc<Core>,
    ca_file: Option<PathBuf>,
    render_ms: f64,
}

impl Lab {
    /// Starts a lab on a thread of its own.
    pub async fn start(options: LabOptions) -> Result<Lab, LabError> {
        tokio::task::spawn_blocking(|| Lab::start_blocking(options))
            .await
            .map_err(|_| LabError::Thread)?
    }

    /// Starts a lab on a thread of its own, for callers without a runtime.
    pub fn start_blocking(options: LabOptions) -> Result<Lab, LabError> {
        let (state_dir, own_dir) = state_dir(&options)?;
        let (stop, stopped) = watch::channel(false);
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("sspr-lab".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build();
                let Ok(runtime) = runtime else { return };
                runtime.block_on(run(options, state_dir, ready, stopped));
                runtime.shutdown_background();
            })
            .map_err(|_| LabError::Thread)?;
        let started: Started = started.blocking_recv().map_err(|_| LabError::Thread)??;
        Ok(Lab {
            core: started.core,
            ca_file: started.ca_file,
            render_ms: started.render_ms,
            stop,
            thread: Some(thread),
            own_dir,
        })
    }

    fn origins(&self) -> Origins {
        self.core.origins.get().cloned().unwrap_or_default()
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.origins().http
    }

    /// `https://localhost:PORT`, when TLS was asked for.
    pub fn https_url(&self) -> Option<String> {
        self.origins().https
    }

    /// An origin whose certificate is for another name.
    pub fn wrong_name_url(&self) -> Option<String> {
        self.origins().wrong_name
    }

    /// An origin whose certificate has expired.
    pub fn expired_url(&self) -> Option<String> {
        self.origins().expired
    }

    /// The CA of the TLS listeners, as a PEM file.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// The certificate of apps with `certificate: true`, as a PEM file.
    pub fn app_certificate_file(&self) -> &Path {
        &self.core.certificate.certificate_file
    }

    /// The key of that certificate, as a PEM file (PKCS#8).
    pub fn app_key_file(&self) -> &Path {
        &self.core.certificate.key_file
    }

    /// What the header `x-lab-key` must hold for the control interface.
    pub fn control_key(&self) -> &str {
        &self.core.control_key
    }

    /// What `IDENTITY_HEADER` must hold.
    pub fn identity_header(&self) -> &str {
        &self.core.identity_header
    }

    /// The tenants, in the order of the options.
    pub fn tenants(&self) -> Vec<TenantInfo> {
        serde_json::from_value(control::tenants(&self.core)).unwrap_or_default()
    }

    /// One tenant.
    ///
    /// # Panics
    ///
    /// When the lab has fewer tenants.
    pub fn tenant(&self, index: usize) -> TenantInfo {
        self.tenants().swap_remove(index)
    }

    /// Every request so far, parts of batches included.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.core.log.requests()
    }

    /// Every request so far that would change something in a tenant, carried out or not.
    pub fn writes(&self) -> Vec<RequestRecord> {
        self.core.log.writes()
    }

    /// Every request so far that the real service would have refused.
    pub fn violations(&self) -> Vec<Violation> {
        self.core.log.violations()
    }

    /// Forgets requests, violations, faults and used budgets.
    pub fn reset(&self) {
        self.core.log.clear();
        self.core.faults.clear();
        self.core.budgets.clear();
    }

    /// Switches a fault on.
    pub fn add_fault(&self, fault: Fault) -> Result<(), FaultError> {
        self.core.faults.add(fault)
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.core.faults.clear();
    }

    /// Approves every device code that waits, as the person with this UPN; gives how many waited.
    pub fn approve_devices(&self, upn: &str) -> usize {
        self.core.desk.set_device(None, &DeviceState::Approved(upn.to_owned()))
    }

    /// Declines every device code that waits.
    pub fn decline_devices(&self) -> usize {
        self.core.desk.set_device(None, &DeviceState::Declined)
    }

    /// Carries out a control request, such as `control("POST", "permissions/remove", json!({"permission": "Policy.Read.All"}))`.
    ///
    /// # Errors
    ///
    /// The control interface's own message.
    pub fn control(&self, method: &str, action: &str, body: &Value) -> Result<Value, String> {
        control::run_local(&self.core, method, action, body).map_err(|error| error.to_string())
    }

    /// The line that the program prints when it is ready.
    pub fn ready_line(&self) -> Value {
        let origins = self.origins();
        json!({
            "url": origins.http, "httpsUrl": origins.https, "wrongNameUrl": origins.wrong_name, "expiredUrl": origins.expired,
            "caFile": self.ca_file, "controlKey": self.core.control_key, "identityHeader": self.core.identity_header,
            "certificateFile": self.core.certificate.certificate_file, "keyFile": self.core.certificate.key_file,
            "stateDir": self.core.state_dir, "renderMs": self.render_ms.round(), "renderedBytes": self.core.pages.bytes(),
            "tenants": control::tenants(&self.core),
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(dir) = &self.own_dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// The folder of the options, or one of our own that goes with the lab.
fn state_dir(options: &LabOptions) -> Result<(PathBuf, Option<PathBuf>), LabError> {
    let (dir, own) = match &options.state_dir {
        Some(dir) => (dir.clone(), false),
        None => {
            let mut bytes = [0u8; 8];
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
                .map_err(|_| LabError::Tls("no random numbers".to_owned()))?;
            (
                std::env::temp_dir().join(format!("sspr-lab-{:016x}", u64::from_le_bytes(bytes))),
                true,
            )
        }
    };
    std::fs::create_dir_all(&dir).map_err(|source| LabError::State(dir.clone(), source))?;
    Ok((dir.clone(), own.then_some(dir)))
}

async fn run(
    options: LabOptions,
    state_dir: PathBuf,
    ready: oneshot::Sender<Result<Started, LabError>>,
    mut stop: watch::Receiver<bool>,
) {
    match open(options, state_dir).await {
        Ok((started, endpoints)) => {
            for endpoint in endpoints {
                tokio::spawn(accept(started.core.clone(), endpoint, stop.clone()));
            }
            if ready.send(Ok(started)).is_ok() {
                let _ = stop.changed().await;
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

async fn open(options: LabOptions, state_dir: PathBuf) -> Result<(Started, Vec<Endpoint>), LabError> {
    let mut origins = Origins::default();
    let mut endpoints = Vec::new();
    let (listener, port) = listen(Ipv4Addr::LOCALHOST.into(), options.port).await?;
    origins.http = format!("http://127.0.0.1:{port}");
    endpoints.push(Endpoint {
        name: "http",
        origin: origins.http.clone(),
        listener,
        tls: None,
    });
    let mut ca_file = None;
    if options.https {
        let tls = certs::tls(&state_dir, options.http2)?;
        let mut kinds = vec![("https", tls.good)];
        if options.bad_certificates {
            kinds.extend([("wrongName", tls.wrong_name), ("expired", tls.expired)]);
        }
        for (name, config) in kinds {
            let (listener, port) = listen(Ipv4Addr::LOCALHOST.into(), 0).await?;
            let origin = format!("https://localhost:{port}");
            match name {
                "https" => origins.https = Some(origin.clone()),
                "wrongName" => origins.wrong_name = Some(origin.clone()),
                _ => origins.expired = Some(origin.clone()),
            }
            // `localhost` may mean ::1 first; where there is no IPv6 the first listener is enough.
            if let Ok((listener, _)) = listen(Ipv6Addr::LOCALHOST.into(), port).await {
                endpoints.push(Endpoint {
                    name,
                    origin: origin.clone(),
                    listener,
                    tls: Some(config.clone()),
                });
            }
            endpoints.push(Endpoint {
                name,
                origin,
                listener,
                tls: Some(config),
            });
        }
        ca_file = Some(tls.ca_file);
    }
    let core = Arc::new(Core::new(options, state_dir)?);
    let _ = core.origins.set(origins);
    identity::write_arc_key(&core).map_err(|source| LabError::State(core.state_dir.join("arc.key"), source))?;
    let begun = Instant::now();
    graph::prerender(&core)?;
    let render_ms = begun.elapsed().as_secs_f64() * 1000.0;
    Ok((
        Started {
            core,
            ca_file,
            render_ms,
        },
        endpoints,
    ))
}

async fn listen(address: std::net::IpAddr, port: u16) -> Result<(TcpListener, u16), LabError> {
    let listener = TcpListener::bind(SocketAddr::new(address, port))
        .await
        .map_err(LabError::Listen)?;
    let port = listener.local_addr().map_err(LabError::Listen)?.port();
    Ok((listener, port))
}
