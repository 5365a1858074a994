//! `sspr-lab`: the lab as a program. One JSON line on standard output tells that it is ready; it ends with its standard input.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sspr_lab::{Fault, Lab, LabOptions};
use tokio::io::AsyncReadExt;

/// A tenant on loopback: Microsoft Graph, the portal's back end, sign-in and managed identity, with scenarios and faults.
#[derive(Debug, Parser)]
struct Arguments {
    /// Built-in scenario or file; repeat for several tenants.
    #[arg(long, default_value = "hybrid-ready")]
    scenario: Vec<String>,
    /// Port of the plain listener; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Also listen with TLS, with certificates made at start.
    #[arg(long)]
    https: bool,
    /// Also listen with a certificate for another name and with an expired one.
    #[arg(long, requires = "https")]
    bad_certificates: bool,
    /// Offer HTTP/2 over TLS.
    #[arg(long)]
    http2: bool,
    /// Compress answers for clients that accept gzip.
    #[arg(long)]
    gzip: bool,
    /// Keep the documented request limits.
    #[arg(long)]
    budgets: bool,
    /// With --budgets: no Retry-After when the report limit is hit.
    #[arg(long)]
    no_report_retry_after: bool,
    /// Wait this long before every answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// The most rows that a page of any list holds.
    #[arg(long)]
    page_size: Option<usize>,
    /// Address (path and query) whose pages are rendered at start, next links included; repeatable.
    #[arg(long)]
    prerender: Vec<String>,
    /// A fault as JSON, such as '{"path":"/v1.0/users","kind":"throttle","retryAfter":"2"}'; repeatable.
    #[arg(long)]
    fault: Vec<String>,
    /// Folder for certificates and keys; a temporary one by default.
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// /msi/token stands for App Service instead of Azure Automation.
    #[arg(long)]
    app_service: bool,
    /// The sign-in page waits for the button.
    #[arg(long)]
    no_auto_submit: bool,
    /// List the built-in scenarios and end.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            let _ = writeln!(std::io::stderr(), "sspr-lab: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    if arguments.list {
        for (name, about) in sspr_lab::scenarios() {
            writeln!(out, "{name:24} {about}")?;
        }
        return Ok(());
    }
    let faults = arguments
        .fault
        .iter()
        .map(|text| serde_json::from_str(text))
        .collect::<Result<Vec<Fault>, _>>()?;
    let lab = Lab::start_blocking(LabOptions {
        scenarios: arguments.scenario,
        port: arguments.port,
        https: arguments.https,
        bad_certificates: arguments.bad_certificates,
        http2: arguments.http2,
        gzip: arguments.gzip,
        budgets: arguments.budgets,
        report_retry_after: !arguments.no_report_retry_after,
        latency_ms: arguments.latency_ms,
        page_size: arguments.page_size,
        prerender: arguments.prerender,
        faults,
        state_dir: arguments.state_dir,
        automation_identity: !arguments.app_service,
        auto_submit: !arguments.no_auto_submit,
        ..LabOptions::default()
    })?;
    writeln!(out, "{}", lab.ready_line())?;
    out.flush()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(until_told())?;
    drop(lab);
    // A read of standard input may still be under way on its own thread; ending the process ends it.
    std::process::exit(0)
}

/// Until standard input ends or a signal comes, so that the lab never outlives who started it.
async fn until_told() -> std::io::Result<()> {
    let input = async {
        let mut buffer = [0u8; 256];
        let mut input = tokio::io::stdin();
        while matches!(input.read(&mut buffer).await, Ok(count) if count > 0) {}
    };
    tokio::select! {
        () = input => {}
        result = tokio::signal::ctrl_c() => result?,
        () = terminated() => {}
    }
    Ok(())
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
