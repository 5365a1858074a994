//! What this machine has: programs on PATH, Debian packages, a PowerShell.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = if cfg!(windows) {
        vec![format!("{name}.exe"), format!("{name}.cmd")]
    } else {
        vec![name.to_string()]
    };
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
        .find(|file| executable(file))
}

/// A file on PATH that need not be a program.
pub fn file_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(unix)]
fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(file: &Path) -> bool {
    file.is_file()
}

/// PowerShell 7, else Windows PowerShell.
pub fn powershell() -> Option<PathBuf> {
    which("pwsh").or_else(|| which("powershell"))
}

/// How to get a PowerShell.
pub const GET_POWERSHELL: &str = "PowerShell 7 (https://aka.ms/powershell), on PATH as pwsh";

/// A program, installed from Debian's package when it is missing and this is root on a Debian.
pub fn need(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = which(program) {
        return Ok(found);
    }
    install(package)?;
    which(program).with_context(|| format!("package {package} brought no {program}"))
}

/// Installs a Debian package.
pub fn install(package: &str) -> Result<()> {
    if which("apt-get").is_none() || !is_root() {
        bail!("the Debian package {package} is missing; as root: apt-get install {package}");
    }
    eprintln!("xtask: installing the Debian package {package}");
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let wanted = ["install", "-y", "-q", "--no-install-recommends", package];
    // The lists of a fresh machine are empty or old.
    if apt(&wanted) || (apt(&["update", "-q"]) && apt(&wanted)) {
        return Ok(());
    }
    bail!("apt-get could not install {package}; install it by hand");
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == "0")
}

/// One line on what this machine is and which versions of these programs it has.
pub fn description(programs: &[&str]) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_string())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut parts = vec![format!("{cores} cores")];
    parts.extend(field(&read("/proc/cpuinfo"), "model name"));
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok());
    parts.extend(memory.map(|kb| format!("{:.0} GB", kb / 1024.0 / 1024.0)));
    parts.push(std::env::consts::OS.to_string());
    for program in programs {
        let said = which(program).and_then(|path| Command::new(path).arg("--version").output().ok());
        let text = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        // The first two words: the name and the version.
        let version = text.and_then(|text| {
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            (words.len() == 2).then(|| words.join(" "))
        });
        parts.extend(version);
    }
    parts.join(", ")
}
