//! The systems that the module is made for, and what builds the library for each.

use crate::{build, machine};
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A system and its architecture, as .NET names them.
#[derive(Debug)]
pub struct Rid {
    /// The folder in `lib/`.
    pub name: &'static str,
    /// How Rust names it.
    pub triple: &'static str,
    /// What links for it from another system.
    linker: Option<&'static str>,
}

const fn rid(name: &'static str, triple: &'static str, linker: Option<&'static str>) -> Rid {
    Rid { name, triple, linker }
}

/// From another system Windows's libraries are linked by MinGW's GCC; on Windows itself by Visual C++.
pub const ALL: &[Rid] = &[
    if cfg!(windows) {
        rid("win-x64", "x86_64-pc-windows-msvc", None)
    } else {
        rid("win-x64", "x86_64-pc-windows-gnu", Some("x86_64-w64-mingw32-gcc"))
    },
    if cfg!(windows) {
        rid("win-arm64", "aarch64-pc-windows-msvc", None)
    } else {
        rid(
            "win-arm64",
            "aarch64-pc-windows-gnullvm",
            Some("aarch64-w64-mingw32-clang"),
        )
    },
    rid("linux-x64", "x86_64-unknown-linux-gnu", Some("x86_64-linux-gnu-gcc")),
    rid(
        "linux-arm64",
        "aarch64-unknown-linux-gnu",
        Some("aarch64-linux-gnu-gcc"),
    ),
    rid("osx-x64", "x86_64-apple-darwin", None),
    rid("osx-arm64", "aarch64-apple-darwin", None),
];

impl Rid {
    /// One of them by its name.
    pub fn named(name: &str) -> Result<&'static Rid> {
        let found = ALL.iter().find(|rid| rid.name == name);
        found.with_context(|| format!("the module is not made for {name}"))
    }

    /// This machine's.
    pub fn host() -> Result<&'static Rid> {
        let system = match std::env::consts::OS {
            "windows" => "win",
            "macos" => "osx",
            other => other,
        };
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        Rid::named(&format!("{system}-{architecture}"))
    }

    /// Whether its library is a DLL.
    pub fn is_windows(&self) -> bool {
        self.name.starts_with("win-")
    }

    /// What its library's file is called.
    pub fn library(&self) -> &'static str {
        match self.name.split('-').next() {
            Some("win") => "entra_sspr.dll",
            Some("osx") => "libentra_sspr.dylib",
            _ => "libentra_sspr.so",
        }
    }

    fn is_host(&self) -> bool {
        Rid::host().is_ok_and(|host| host.name == self.name)
    }

    /// What builds for it; the error says what to install.
    pub fn toolchain(&'static self) -> Result<Toolchain> {
        if let Some(toolchain) = self.by_rustup()? {
            return Ok(toolchain);
        }
        if self.name == "win-x64" && cfg!(target_os = "linux") {
            return self.by_debian();
        }
        bail!("rustup target add {}{}", self.triple, self.and_linker());
    }

    fn and_linker(&self) -> String {
        match self.linker {
            Some(linker) if !self.is_host() => format!(", and {linker}"),
            _ => String::new(),
        }
    }

    /// The Rust that runs us, where it has the target's standard library and something links for it.
    fn by_rustup(&'static self) -> Result<Option<Toolchain>> {
        let output = build::outside(Command::new("rustc"))
            .args(["--print", "target-libdir", "--target", self.triple])
            .output()
            .context("rustc")?;
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_string();
        let linked = self.is_host()
            || match self.linker {
                Some(linker) => machine::which(linker).is_some(),
                // Apple's and Microsoft's linkers build for both of their architectures.
                None => self.name.split('-').next() == Rid::host()?.name.split('-').next(),
            };
        if !linked || !output.status.success() || !Path::new(&folder).is_dir() {
            return Ok(None);
        }
        Ok(Some(Toolchain {
            rid: self,
            cargo: None,
            arguments: &[],
        }))
    }

    /// Debian's newer Rust, which has the source of the standard library and builds it for the target.
    fn by_debian(&'static self) -> Result<Toolchain> {
        machine::need("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64")?;
        let files = [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_STD];
        let is_new = || files.iter().all(|file| Path::new(file).exists()) && minor() >= OLDEST_MINOR;
        if !is_new() {
            for package in ["rustc-web", "cargo-web", "rust-web-src"] {
                machine::install(package)?;
            }
        }
        if !is_new() {
            bail!(
                "Debian's rustc-web 1.{OLDEST_MINOR} or newer is needed as {DEBIAN_RUSTC}, with cargo-web and rust-web-src"
            );
        }
        Ok(Toolchain {
            rid: self,
            cargo: Some(DEBIAN_CARGO),
            // Without what prints backtraces: panics are caught, and told by message and place. Sorting and the like are small
            // rather than quick: what is hot is ours.
            arguments: &[
                "-Zbuild-std=std,panic_unwind",
                "-Zbuild-std-features=panic-unwind,optimize_for_size",
            ],
        })
    }
}

/// The second number of the version of Debian's Rust; 0 where there is none.
fn minor() -> u32 {
    let output = Command::new(DEBIAN_RUSTC).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let minor = version
        .ok()
        .and_then(|text| text.split(['.', ' ']).nth(2)?.parse().ok());
    minor.unwrap_or(0)
}

/// The oldest version 1.x of Rust that builds us.
const OLDEST_MINOR: u32 = 95;
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// What builds the library for a system.
pub struct Toolchain {
    /// The system.
    pub rid: &'static Rid,
    /// Debian's cargo, else the one that runs us.
    cargo: Option<&'static str>,
    arguments: &'static [&'static str],
}

impl Toolchain {
    /// What is shipped names no folder of this machine, and holds no time of its making.
    fn flags(&self) -> Result<OsString> {
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let cargo_home = cargo_home.context("there is no home folder")?;
        // The last one that fits counts.
        let mut folders = vec![
            (cargo_home.clone(), "cargo"),
            (build::target()?, "target"),
            (build::root().into(), "entra-sspr"),
            (PathBuf::from(DEBIAN_LIBRARY), "std"),
        ];
        for kind in ["registry/src", "git/checkouts"] {
            let sources = fs::read_dir(cargo_home.join(kind)).into_iter().flatten().flatten();
            folders.extend(sources.map(|source| (source.path(), "crates")));
        }
        let mut flags: Vec<OsString> = Vec::new();
        for (folder, name) in folders {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(folder);
            flag.push(format!("={name}"));
            flags.push(flag);
        }
        // These open a file with a certificate, once: small rather than quick.
        let backends = [
            "aes_backend=\"soft\"",
            "aes_backend_soft=\"compact\"",
            "polyval_backend=\"soft\"",
            "sha1_backend=\"soft\"",
            "sha2_backend=\"soft\"",
            "sha2_backend_soft=\"compact\"",
        ];
        flags.extend(backends.map(|backend| OsString::from(format!("--cfg={backend}"))));
        if self.rid.triple.ends_with("-windows-msvc") {
            // The C runtime inside, and no time: whoever unpacks it need not install anything.
            flags.extend(["-Ctarget-feature=+crt-static", "-Clink-arg=/Brepro"].map(OsString::from));
        } else if self.rid.triple.ends_with("-windows-gnu") {
            flags.push(
                "-Clink-arg=-Wl,--strip-all,--no-insert-timestamp,--dynamicbase,--nxcompat,--high-entropy-va".into(),
            );
        }
        if self.cargo.is_some() {
            // What would clean up after a panic in a destructor is a sixteenth of the library; such a panic ends the process.
            flags.push("-Zpanic-in-drop=abort".into());
        }
        // As cargo takes them: a separator between two, for folders may have spaces.
        Ok(flags.join(OsStr::new("\u{1f}")))
    }

    /// The library's file.
    pub fn build(&self, profile: &str) -> Result<PathBuf> {
        let mut cargo = match self.cargo {
            None => build::cargo(),
            Some(program) => {
                let mut command = build::outside(Command::new(program));
                // It finds its own rustc, not rustup's; building std is not for everybody yet.
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command.env_remove("RUSTUP_TOOLCHAIN");
                command
            }
        };
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags()?);
        if let Some(linker) = self.rid.linker.filter(|_| !self.rid.is_host()) {
            let name = self.rid.triple.to_uppercase().replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker);
        }
        let mut arguments: Vec<OsString> = self.arguments.iter().map(OsString::from).collect();
        // Apart from what is built while developing: other flags, maybe another Rust.
        let apart = build::target()?.join("ship").join(self.rid.name);
        arguments.extend([
            "--target".into(),
            self.rid.triple.into(),
            "--target-dir".into(),
            apart.into(),
        ]);
        Ok(build::shared_library(cargo, &arguments, profile)?.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_one_of_them() {
        let host = Rid::host().unwrap();
        assert!(host.is_host());
        assert!(Rid::named("beos-x64").is_err());
    }
}
