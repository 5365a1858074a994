//! Shows the product: the lab, a sign-in, the readiness screen.

mod lab;
mod native;

use crate::{build, machine, module};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs the demo in PowerShell, or through the C interface.
pub fn run(profile: &str, native: bool, scenario: &str) -> Result<()> {
    let program = build::lab(profile)?;
    let powershell = if native { None } else { machine::powershell() };
    let Some(powershell) = powershell else {
        if !native {
            println!(
                "There is no PowerShell here. To use the module, get {}.",
                machine::GET_POWERSHELL
            );
            println!("The same job through the C interface:\n");
        }
        for line in screen(profile, scenario)? {
            println!("{line}");
        }
        return Ok(());
    };
    let module = module::assemble(profile)?;
    let lab = lab::Lab::start(&program, scenario)?;
    let status = Command::new(&powershell)
        .args(["-NoProfile", "-File"])
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
pub fn screen(profile: &str, scenario: &str) -> Result<Vec<String>> {
    let library = build::library(profile)?;
    let lab = lab::Lab::start(&build::lab(profile)?, scenario)?;
    native::screen(&library.file, &lab)
}
