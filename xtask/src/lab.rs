//! A running lab. It ends with its standard input, so that it never outlives us.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A lab and how to sign in to its first tenant.
pub struct Lab {
    child: Child,
    /// Its address.
    pub url: String,
    /// Its address with TLS, when asked for.
    pub https_url: Option<String>,
    /// What signed its certificate.
    pub ca_file: Option<PathBuf>,
    /// Opens its control interface.
    pub control_key: String,
    /// The tenant.
    pub tenant_id: String,
    /// An app in it.
    pub client_id: String,
    /// The app's secret: the lab's own, worth nothing elsewhere.
    pub client_secret: String,
    /// All apps of all tenants that have a secret.
    pub apps: Vec<App>,
}

/// An app in a tenant.
#[derive(Clone, Serialize, Deserialize)]
pub struct App {
    pub tenant_id: String,
    pub client_id: String,
    /// Its secret: the lab's own, worth nothing elsewhere.
    pub secret: String,
}

impl Lab {
    /// Starts a lab and waits until it listens.
    pub fn start<S: AsRef<OsStr>>(program: &Path, arguments: &[S]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let output = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let status = child.wait()?;
            bail!("the lab did not start ({status})");
        };
        let text = |pointer: &str| -> Result<String> {
            let value = ready.pointer(pointer).and_then(Value::as_str);
            Ok(value
                .with_context(|| format!("the lab does not say {pointer}"))?
                .to_string())
        };
        let tenants = ready["tenants"].as_array().into_iter().flatten();
        let apps = tenants.flat_map(|tenant| {
            let apps = tenant["apps"].as_object().into_iter().flatten();
            apps.filter_map(|(_, app)| {
                Some(App {
                    tenant_id: tenant["tenantId"].as_str()?.into(),
                    client_id: app["clientId"].as_str()?.into(),
                    secret: app["clientSecret"].as_str()?.into(),
                })
            })
        });
        Ok(Lab {
            apps: apps.collect(),
            url: text("/url")?,
            https_url: ready["httpsUrl"].as_str().map(str::to_string),
            ca_file: ready["caFile"].as_str().map(PathBuf::from),
            control_key: text("/controlKey")?,
            tenant_id: text("/tenants/0/tenantId")?,
            client_id: text("/tenants/0/clientId")?,
            client_secret: text("/tenants/0/clientSecret")?,
            child,
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
