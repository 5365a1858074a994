//! curl: how the benchmarks speak to the lab, and the peer that reads the same pages as the library.

use super::output;
use crate::lab::Lab;
use crate::machine;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A request as the lab saw it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    pub at_ms: f64,
    pub path: String,
    pub query: String,
    pub status: u16,
    pub role: String,
    pub protocol: String,
    pub tenant_id: Option<String>,
}

impl Seen {
    /// Path and query.
    pub fn address(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

/// curl, which everything here needs.
fn curl() -> Result<Command> {
    let program = machine::need("curl", "curl").context("the benchmarks need curl")?;
    let mut command = Command::new(program);
    command.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
    Ok(command)
}

impl Lab {
    /// Every request so far.
    pub fn requests(&self) -> Result<Vec<Seen>> {
        let mut command = curl()?;
        command.args(["--header", &format!("x-lab-key: {}", self.control_key)]);
        command.arg(format!("{}/_lab/requests", self.url));
        Ok(serde_json::from_str(&output(&mut command)?)?)
    }

    /// Forgets requests, faults and used budgets.
    pub fn reset(&self) -> Result<()> {
        let mut command = curl()?;
        command.args([
            "--request",
            "POST",
            "--header",
            &format!("x-lab-key: {}", self.control_key),
        ]);
        output(command.arg(format!("{}/_lab/reset", self.url))).map(drop)
    }

    /// A token for the lab's Graph.
    fn token(&self) -> Result<String> {
        let mut command = curl()?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "https://graph.microsoft.com/.default"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
        ];
        for (name, value) in form {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        command.arg(format!("{}/{}/oauth2/v2.0/token", self.url, self.tenant_id));
        let answer: Value = serde_json::from_str(&output(&mut command)?)?;
        let token = answer["access_token"].as_str().context("the lab gave no token")?;
        Ok(token.to_string())
    }
}

/// How both sides speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1 without TLS and without compression.
    Plain,
    /// HTTP/1.1 over TLS, gzip.
    Packed,
}

/// One curl process that reads pages one after another over a kept connection.
pub struct Peer {
    config: PathBuf,
    pages: usize,
}

impl Peer {
    /// Writes down what curl is to read; the addresses are known beforehand.
    pub fn new(place: &Path, lab: &Lab, wire: Wire, addresses: &[String]) -> Result<Self> {
        let base = match wire {
            Wire::Plain => &lab.url,
            Wire::Packed => lab.https_url.as_ref().context("the lab has no TLS")?,
        };
        let mut text = format!(
            "header = \"Authorization: Bearer {}\"\nheader = \"ConsistencyLevel: eventual\"\nheader = \"Accept: application/json\"\n",
            lab.token()?
        );
        match wire {
            Wire::Plain => text.push_str("http1.1\n"),
            Wire::Packed => {
                let ca = lab.ca_file.as_ref().context("the lab has no CA")?;
                text.push_str(&format!("http1.1\ncompressed\ncacert = \"{}\"\n", ca.display()));
            }
        }
        text.push_str("write-out = \"%{http_code} %{num_connects} %{http_version}\\n\"\n");
        for address in addresses {
            text.push_str(&format!("url = \"{base}{address}\"\noutput = \"/dev/null\"\n"));
        }
        let config = place.join("curl.txt");
        std::fs::write(&config, text)?;
        Ok(Peer {
            config,
            pages: addresses.len(),
        })
    }

    /// Reads all pages; hands back the milliseconds.
    pub fn run(&self) -> Result<f64> {
        let mut command = curl()?;
        command.arg("--config").arg(&self.config);
        let begun = Instant::now();
        let said = output(&mut command)?;
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let right = said.lines().filter(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            fields.first() == Some(&"200") && fields.get(2) == Some(&"1.1")
        });
        let connections: u64 = said
            .lines()
            .filter_map(|l| l.split(' ').nth(1)?.parse::<u64>().ok())
            .sum();
        if right.count() != self.pages || connections != 1 {
            bail!(
                "curl did not read {} pages over one connection as it should",
                self.pages
            );
        }
        Ok(ms)
    }
}
