//! One measured process: it loads the library through the C interface, signs in, and runs checks.
//! A process of its own, so that its memory and its processor time are the library's.

use crate::lab::App;
use crate::native::{Native, Session};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The function that checks all sessions in one task.
pub const FLEET: &str = "sspr_fleet_check";

/// What to do.
#[derive(Serialize, Deserialize)]
pub struct Job {
    pub library: PathBuf,
    /// The sessions' configuration.
    pub config: Value,
    /// The apps that sign in, each to a session of its own.
    pub apps: Vec<App>,
    /// The directory that each session is connected to.
    pub directory: Option<Directory>,
    pub function: String,
    pub request: Value,
    /// Runs in each session, one after another; the sessions work at the same time.
    pub runs: usize,
}

/// A domain, and the password of the account that reads it.
#[derive(Serialize, Deserialize)]
pub struct Directory {
    pub request: Value,
    pub password: String,
}

/// What it took.
#[derive(Serialize, Deserialize)]
pub struct Took {
    /// Wall time from the first start to the last result.
    pub ms: f64,
    /// Processor time in the same span.
    pub cpu_ms: f64,
    /// The process's most memory in the end, above what it had when only the library was loaded.
    pub extra_kb: f64,
    /// Rows of the registration report in the (first) result, a directory's users, a plan's changes, or the rows of a list.
    pub rows: u64,
}

impl Job {
    /// Does it in a process of its own.
    pub fn run(&self) -> Result<Took> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bench-child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("stdin is piped")?;
        input.write_all(&serde_json::to_vec(self)?)?;
        drop(input);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("the measured process ended with {}", output.status);
        }
        serde_json::from_slice(&output.stdout).context("the measured process said nothing usable")
    }

    fn work(&self) -> Result<Took> {
        let native = Native::load(&self.library)?;
        let idle = memory("VmRSS:");
        let mut sessions = self
            .apps
            .iter()
            .map(|app| {
                let mut config = self.config.clone();
                config["tenant"] = app.tenant_id.clone().into();
                let session = native.session(&config)?;
                session.sign_in(&app.client_id, &app.secret)?;
                Ok(session)
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some(Directory { request, password }) = &self.directory {
            let session = native.session(&self.config)?;
            session.connect(request, password)?;
            sessions.push(session);
        }
        let (begun, cpu) = (Instant::now(), processor_ms());
        let results = std::thread::scope(|scope| {
            if self.function == FLEET {
                let target =
                    |(at, session): (usize, &Session)| json!({"key": at.to_string(), "session": session.handle()});
                let mut request = self.request.clone();
                request["targets"] = sessions.iter().enumerate().map(target).collect();
                let whole = native.run(FLEET, &request)?;
                if whole["done"] != sessions.len() {
                    bail!("not every target was checked: {whole}");
                }
                return Ok(vec![vec![whole]]);
            }
            let threads: Vec<_> = sessions
                .iter()
                .map(|session| {
                    scope.spawn(|| {
                        let runs = (0..self.runs).map(|_| session.run(&self.function, &self.request));
                        runs.collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| {
                let outcome = thread.join();
                outcome.unwrap_or_else(|_| bail!("a thread panicked"))
            });
            joined.collect::<Result<Vec<_>>>()
        })?;
        let (ms, cpu_ms) = (begun.elapsed().as_secs_f64() * 1000.0, processor_ms() - cpu);
        let extra_kb = memory("VmHWM:") - idle;
        let first = results.first().and_then(|runs| runs.first());
        let changes = first.and_then(|first| first.pointer("/counts/change"));
        let snapshot: Value = first
            .and_then(|first| first["snapshot"].as_str())
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let rows = match self.directory {
            Some(_) => snapshot.pointer("/facts/directoryAccess/value/0/users"),
            None => snapshot.pointer("/facts/registration/value/rows"),
        };
        Ok(Took {
            ms,
            cpu_ms,
            extra_kb,
            rows: changes
                .or(rows)
                .or_else(|| first?.get("rows"))
                .and_then(Value::as_u64)
                .unwrap_or(0),
        })
    }
}

/// The child's own part: a job on standard input, what it took on standard output.
pub fn serve() -> Result<()> {
    let job: Job = serde_json::from_reader(std::io::stdin())?;
    println!("{}", serde_json::to_string(&job.work()?)?);
    Ok(())
}

/// A line of Linux's account of this process, in kB; not a number elsewhere.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(line));
    value
        .and_then(|v| v.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(f64::NAN)
}

/// The processor time of this process's living threads; not a number where there is no /proc.
fn processor_ms() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return f64::NAN;
    };
    let spent = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1e6
}
