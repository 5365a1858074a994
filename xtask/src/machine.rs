//! What this machine has: programs on PATH, Debian packages, a PowerShell.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

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

/// The PowerShell that `SSPR_POWERSHELL` names, a program on PATH or a path; without it PowerShell 7, else Windows PowerShell.
pub fn powershell() -> Option<PathBuf> {
    chosen(std::env::var("SSPR_POWERSHELL").ok().as_deref())
}

fn chosen(named: Option<&str>) -> Option<PathBuf> {
    match named {
        Some(named) => which(named),
        None => which("pwsh").or_else(|| which("powershell")),
    }
}

/// A PowerShell without a profile that runs our scripts.
pub fn start(powershell: &Path) -> Command {
    let mut command = Command::new(powershell);
    command.args(arguments(cfg!(windows)));
    command
}

/// Windows clients run no scripts unless told.
fn arguments(windows: bool) -> &'static [&'static str] {
    if windows {
        &["-NoProfile", "-ExecutionPolicy", "Bypass"]
    } else {
        &["-NoProfile"]
    }
}

/// How to get a PowerShell.
pub const GET_POWERSHELL: &str =
    "PowerShell 7 (https://aka.ms/powershell), on PATH as pwsh, or another that SSPR_POWERSHELL names";

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
    static LISTS: Once = Once::new();
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
    // The lists of a fresh machine are empty or old: the package would be missing, or of a version that is too old. Where
    // they cannot be read anew, what there is may do.
    LISTS.call_once(|| {
        apt(&["update", "-q"]);
    });
    if apt(&["install", "-y", "-q", "--no-install-recommends", package]) {
        return Ok(());
    }
    bail!("apt-get could not install {package}; install it by hand");
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == "0")
}

/// One line on what this machine is, and the versions of what the benchmarks use.
pub fn description() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = read(path);
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_string())
    };
    let said = |program: Option<PathBuf>, arguments: &[&str], words: usize| {
        let output = Command::new(program?).args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.split_whitespace().take(words).collect();
        Some(words.join(" "))
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok())
        .map(|kb| format!("{:.0} GB", kb / 1024.0 / 1024.0));
    let version = ["-NoProfile", "-Command", "\"PowerShell $($PSVersionTable.PSVersion)\""];
    let parts = [
        field("/proc/cpuinfo", "model name"),
        Some(format!("{cores} cores")),
        memory,
        Some(std::env::consts::OS.to_string()),
        said(which("rustc"), &["--version"], 2),
        said(which("curl"), &["--version"], 2),
        said(powershell(), &version, 2),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{arguments, chosen, which};

    #[test]
    fn scripts_run_where_windows_would_refuse_them() {
        assert_eq!(arguments(true), ["-NoProfile", "-ExecutionPolicy", "Bypass"]);
        assert_eq!(arguments(false), ["-NoProfile"]);
    }

    #[test]
    fn the_powershell_that_is_named_is_the_one() {
        // Any program will do.
        let program = which("cargo").unwrap();
        assert_eq!(chosen(Some("cargo")), Some(program.clone()));
        assert_eq!(chosen(program.with_extension("").to_str()), Some(program));
        assert_eq!(chosen(Some("no-such-powershell")), None);
    }
}
