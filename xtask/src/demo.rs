//! Shows the product: the lab, a sign-in, the readiness screen.

use crate::lab::Lab;
use crate::native::Native;
use crate::{build, machine, module};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Runs the demo in PowerShell, or through the C interface.
pub fn run(profile: &str, native: bool, scenario: &str) -> Result<()> {
    let program = build::lab(profile)?;
    if !native {
        match in_powershell(profile)? {
            Ok((powershell, module)) => return show(&powershell, &module, &program, scenario),
            Err(missing) => println!("The module needs {missing}.\nThe same job through the C interface:\n"),
        }
    }
    for line in screen(profile, scenario)? {
        println!("{line}");
    }
    Ok(())
}

/// A PowerShell and the module for it, or what is missing here.
fn in_powershell(profile: &str) -> Result<Result<(PathBuf, PathBuf), String>> {
    let Some(powershell) = machine::powershell() else {
        return Ok(Err(machine::GET_POWERSHELL.into()));
    };
    match module::assemble(profile) {
        Ok(module) => Ok(Ok((powershell, module))),
        Err(error) if error.is::<module::NoCompiler>() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn show(powershell: &Path, module: &Path, lab: &Path, scenario: &str) -> Result<()> {
    let lab = Lab::start(lab, &["--scenario", scenario])?;
    let status = machine::start(powershell)
        .arg("-File")
        .arg(build::root().join("powershell/Show-Demo.ps1"))
        .env("SSPR_MODULE", module)
        .env("SSPR_LAB_URL", &lab.url)
        .env("SSPR_LAB_TENANT", &lab.tenant_id)
        .env("SSPR_LAB_CLIENT", &lab.client_id)
        .env("SSPR_LAB_SECRET", &lab.client_secret)
        .status()
        .with_context(|| powershell.display().to_string())?;
    if !status.success() {
        bail!("the demo in {} ended with {status}", powershell.display());
    }
    Ok(())
}

/// The readiness screen of a lab's tenant, through the C interface.
fn screen(profile: &str, scenario: &str) -> Result<Vec<String>> {
    lines(&readiness(profile, scenario)?)
}

/// The lines of an answer's screen.
pub fn lines(readiness: &Value) -> Result<Vec<String>> {
    let lines = readiness["screen"].as_array().context("the result has no screen")?;
    Ok(lines.iter().filter_map(Value::as_str).map(str::to_string).collect())
}

/// The answer of a lab's tenant, through the C interface.
pub fn readiness(profile: &str, scenario: &str) -> Result<Value> {
    let native = Native::load(&build::library(profile)?.file)?;
    let lab = Lab::start(&build::lab(profile)?, &["--scenario", scenario])?;
    let endpoints = json!({"login": lab.url, "graph": lab.url});
    let session =
        native.session(&json!({"tenant": lab.tenant_id, "endpoints": endpoints, "caller": "EntraSspr demo"}))?;
    session.sign_in(&lab.client_id, &lab.client_secret)?;
    session.run("sspr_check_readiness", &json!({}))
}
