//! What cargo builds for us, and where it put it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The library, just built.
pub struct Library {
    /// The shared library.
    pub file: PathBuf,
    /// The header that its build wrote.
    pub header: PathBuf,
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands in the repository")
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    outside(Command::new(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    ))
}

/// A command in the repository, without what the cargo that runs us told us about our own package.
pub fn outside(mut command: Command) -> Command {
    command.current_dir(root());
    // Cargo told us about our own package; build scripts that watch these would run again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name.starts_with("NEXTEST") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Cargo's target folder.
pub fn target() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("cargo names no target folder")?;
    Ok(folder.into())
}

/// Builds the library for this machine.
pub fn library(profile: &str) -> Result<Library> {
    match profile {
        "dev" => {
            let mut cargo = cargo();
            cargo.arg("build").args(TOGETHER).args(["--lib", "--bins"]);
            built(&build(cargo, profile)?)
        }
        _ => shared_library(cargo(), &[], profile),
    }
}

/// Builds the shared library alone, by a cargo with arguments of the caller's: beside the Rust library, the compiler would
/// keep all that any crate makes public.
pub fn shared_library(mut cargo: Command, arguments: &[OsString], profile: &str) -> Result<Library> {
    cargo.args(["rustc", "--package", "entra-sspr", "--lib", "--crate-type", "cdylib"]);
    cargo.args(arguments);
    built(&build(cargo, profile)?)
}

/// The library among what cargo says that it built.
fn built(messages: &[Value]) -> Result<Library> {
    let mut file = None;
    let mut header = None;
    for message in messages {
        let ours = message["package_id"]
            .as_str()
            .is_some_and(|id| id.contains("entra-sspr"));
        match message["reason"].as_str() {
            Some("compiler-artifact") if message["target"]["name"] == "entra_sspr" => {
                let files = message["filenames"].as_array().into_iter().flatten();
                file = files
                    .filter_map(Value::as_str)
                    .find(|name| [".so", ".dll", ".dylib"].iter().any(|end| name.ends_with(end)))
                    .map(PathBuf::from)
                    .or(file);
            }
            Some("build-script-executed") if ours => {
                header = message["out_dir"]
                    .as_str()
                    .map(|out| Path::new(out).join("entra_sspr.h"));
            }
            _ => {}
        }
    }
    Ok(Library {
        file: file.context("cargo built no shared library")?,
        header: header.context("cargo ran no build script")?,
    })
}

/// Builds the lab's program.
pub fn lab(profile: &str) -> Result<PathBuf> {
    let mut cargo = cargo();
    cargo.arg("build");
    match profile {
        "dev" => cargo.args(TOGETHER).args(["--lib", "--bins"]),
        _ => cargo.args(["--package", "sspr-lab", "--bins"]),
    };
    let messages = build(cargo, profile)?;
    messages
        .iter()
        .filter(|message| message["target"]["name"] == "sspr-lab")
        .find_map(|message| message["executable"].as_str())
        .map(PathBuf::from)
        .context("cargo built no sspr-lab")
}

/// While developing, library and lab are built together: apart, cargo would choose other features for the crates that
/// they share, and build those again. What is measured or shipped is built by itself.
const TOGETHER: [&str; 3] = ["--workspace", "--exclude", "xtask"];

fn build(mut cargo: Command, profile: &str) -> Result<Vec<Value>> {
    let output = cargo
        .args(["--message-format=json-render-diagnostics", "--profile", profile])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    if !output.status.success() {
        bail!("cargo could not build it");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}
