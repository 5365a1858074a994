//! What each suite runs, and what it needs.

use super::Outcome;
use super::tally::{Tally, one, ran};
use crate::browser::Browser;
use crate::{build, machine, module, report, sign};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a test needs besides cargo is named where it is not there; the other tests run.
pub fn rust(missing: &mut Vec<String>) -> Result<Outcome> {
    for (what, program, package) in [
        ("the sign-in in a real browser", "chromium", "chromium"),
        ("the C programs", "cc", "gcc"),
        ("the C programs", "g++", "g++"),
        ("the C programs", "valgrind", "valgrind"),
        ("the signing of a package", "openssl", "openssl"),
        ("the schema of JUnit's XML", "xmllint", "libxml2-utils"),
        (
            "what a Windows library is held to, and its signature",
            "x86_64-w64-mingw32-gcc",
            "gcc-mingw-w64-x86-64",
        ),
    ] {
        if let Err(error) = machine::need(program, package) {
            missing.push(format!("{what}: {error:#}"));
        }
    }
    if let Err(error) = sign::osslsigncode() {
        missing.push(format!("the signing of a package: {error:#}"));
    }
    let mut command = build::cargo();
    if machine::which("cargo-nextest").is_some() {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color=never"]);
    } else {
        command.args([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
            "--color=never",
        ]);
    }
    ran(&mut command).map(Outcome::Ran)
}

pub fn docs() -> Result<Outcome> {
    ran(build::cargo().args(["test", "--doc", "--package", "entra-sspr", "--color=never"])).map(Outcome::Ran)
}

/// What runs under Miri: all that is unsafe or shares memory between threads, and the reader of hostile bytes.
const UNDER_MIRI: &[&str] = &["ffi::", "panics::", "task::wait", "page::"];

pub fn miri() -> Result<Outcome> {
    let nightly = |arguments: &[&str]| {
        let mut command = build::outside(Command::new("rustup"));
        command.args(["run", "nightly", "cargo", "miri"]).args(arguments);
        command
    };
    let there = || quiet(nightly(&["--version"]).stderr(Stdio::null()));
    let add = || quiet(Command::new("rustup").args(["component", "add", "--toolchain", "nightly", "miri", "rust-src"]));
    if !(there() || add() && there()) {
        return Ok(Outcome::NotRun {
            what: "the unit tests of the boundary under Miri",
            install: "a nightly Rust: rustup toolchain install nightly --component miri,rust-src".into(),
        });
    }
    ran(nightly(&[
        "test",
        "--lib",
        "--package",
        "entra-sspr",
        "--package",
        "sspr-rows",
        "--color=never",
        "--",
    ])
    .args(UNDER_MIRI)
    // The time of day is the machine's; a property is tried a few times, for Miri is slow.
    .env("MIRIFLAGS", "-Zmiri-disable-isolation")
    .env("PROPTEST_CASES", "4")
    .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"))
    .map(Outcome::Ran)
}

/// Whether PowerShell finds a module of at least this major version.
pub fn has_module(powershell: &Path, name: &str, major: u32) -> Result<bool> {
    let look =
        format!("if (Get-Module -ListAvailable {name} | Where-Object {{ $_.Version.Major -ge {major} }}) {{ 'yes' }}");
    let found = machine::start(powershell)
        .args(["-Command", &look])
        .output()
        .with_context(|| powershell.display().to_string())?;
    Ok(String::from_utf8_lossy(&found.stdout).contains("yes"))
}

/// What building with Kerberos and getting a ticket need, by their Debian packages.
const KERBEROS: &[&str] = &["libkrb5-dev", "libclang-dev", "clang", "krb5-user"];

/// Whether Kerberos is asked for, and can be had: it needs the library built anew, which takes minutes.
fn kerberos(missing: &mut Vec<String>) -> bool {
    if std::env::var_os("SSPR_TEST_KERBEROS").is_none_or(|value| value != "1") {
        return false;
    }
    let there = Path::new("/usr/include/gssapi/gssapi.h").exists()
        && machine::which("clang").is_some()
        && machine::which("kinit").is_some();
    let installed = match there {
        true => Ok(()),
        false => KERBEROS.iter().try_for_each(|package| machine::install(package)),
    };
    if let Err(error) = &installed {
        missing.push(format!("signing in to the directory by Kerberos: {error:#}"));
    }
    installed.is_ok()
}

pub fn directory(controllers: Option<&Result<String>>, missing: &mut Vec<String>) -> Result<Outcome> {
    let controllers = match controllers.context("they are started")? {
        Ok(controllers) => controllers,
        Err(error) => {
            return Ok(Outcome::NotRun {
                what: "the directory's half against domain controllers",
                install: format!("root on Debian ({error:#})"),
            });
        }
    };
    let mut tests = build::cargo();
    tests.args(["test", "--test", "directory"]);
    if kerberos(missing) {
        tests.args(["--features", "kerberos"]);
    }
    tests.args(["--color=never", "--", "--ignored", "--test-threads=1"]);
    ran(tests.env("SSPR_LAB_DIRECTORY", controllers)).map(Outcome::Ran)
}

/// The rules of PSScriptAnalyzer that know what Windows PowerShell 5.1 has.
const ANALYSE: &str = "$found = @(Invoke-ScriptAnalyzer -Path $env:SSPR_SOURCES -Recurse -Settings $env:SSPR_SETTINGS \
    -IncludeRule PSUseCompatibleSyntax, PSUseCompatibleCommands, PSUseCompatibleTypes); $found | Out-String -Width 200; exit $found.Count";

/// A script `Test-Compatibility.ps1 -Path FOLDER` on PATH, such as a place of work may have, else PSScriptAnalyzer.
pub fn compatibility() -> Result<Outcome> {
    let what = "the check of what Windows PowerShell 5.1 lacks";
    let Some(powershell) = machine::powershell() else {
        return Ok(Outcome::NotRun {
            what,
            install: machine::GET_POWERSHELL.into(),
        });
    };
    let script = machine::file_on_path("Test-Compatibility.ps1");
    if script.is_none() && !has_module(&powershell, "PSScriptAnalyzer", 1)? {
        return Ok(Outcome::NotRun {
            what,
            install: "PSScriptAnalyzer: Install-Module PSScriptAnalyzer -Scope CurrentUser".into(),
        });
    }
    // As people write it, and as they get it.
    let packed = build::target()?.join("test/compatibility/EntraSspr");
    module::put_together(&packed, &[], |_| Ok(()))?;
    let mut tally = Tally::default();
    for folder in [module::sources(), packed] {
        let mut command = machine::start(&powershell);
        if let Some(script) = &script {
            command.arg("-File").arg(script).arg("-Path").arg(folder);
        } else {
            let settings = build::root().join("powershell/PSScriptAnalyzerSettings.psd1");
            command
                .args(["-Command", ANALYSE])
                .env("SSPR_SOURCES", folder)
                .env("SSPR_SETTINGS", settings);
        }
        let output = command.output()?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        tally += one(output.status.success());
    }
    Ok(Outcome::Ran(tally))
}

pub fn clients() -> Result<Outcome> {
    let what = "the lab against Microsoft's clients for Python";
    let python = match machine::need("python3", "python3") {
        Ok(python) => python,
        Err(error) => {
            return Ok(Outcome::NotRun {
                what,
                install: format!("Python 3 ({error:#})"),
            });
        }
    };
    // An environment of its own, kept beside what cargo builds.
    let place = build::target()?.join("python");
    let inside = if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    };
    let inside = place.join(inside);
    let venv = || quiet(Command::new(&python).args(["-m", "venv"]).arg(&place));
    if !(inside.exists() || venv() || machine::install("python3-venv").is_ok() && venv()) {
        return Ok(Outcome::NotRun {
            what,
            install: "Python's venv (Debian: python3-venv)".into(),
        });
    }
    let packages = ["msal", "azure-identity", "requests"];
    if !quiet(
        Command::new(&inside)
            .args(["-m", "pip", "install", "-q"])
            .args(packages),
    ) {
        return Ok(Outcome::NotRun {
            what,
            install: format!("the packages {} from PyPI", packages.join(", ")),
        });
    }
    let lab = build::lab("dev")?;
    ran(Command::new(inside)
        .arg(build::root().join("lab/clients/try_clients.py"))
        .arg(lab))
    .map(Outcome::Ran)
}

/// The report's page in Chromium: console, requests, axe, hostile names, and how long 10,000 findings take.
pub fn browser() -> Result<Outcome> {
    let what = "the report's page in a browser";
    let browser = match Browser::ready()? {
        Ok(browser) => browser,
        Err(install) => return Ok(Outcome::NotRun { what, install }),
    };
    let place = &browser.place;
    let writer = report::writer("dev")?;
    for (page, findings) in [("page", 36), ("large", 10_000)] {
        let answer = place.join(page).with_extension("json");
        report::answer(&answer, findings)?;
        let written = Command::new(&writer)
            .arg(&answer)
            .arg(place.join(page).with_extension("html"))
            .status();
        anyhow::ensure!(written?.success(), "the page could not be written");
    }
    ran(&mut browser.script("report.mjs", &[Path::new(".")])).map(Outcome::Ran)
}

/// Runs a command; its errors are shown, its output is not.
fn quiet(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
