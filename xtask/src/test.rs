//! Runs everything that tests, counts, and says what it could not run.

use crate::{build, machine, module};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// A kind of test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The crates' own tests.
    Rust,
    /// The examples in the documentation comments.
    Docs,
    /// The module's Pester files, in a PowerShell.
    Module,
    /// What Windows PowerShell 5.1 would not understand in the module.
    Compatibility,
    /// The lab against clients that others wrote.
    Clients,
}

/// What a suite came to.
enum Outcome {
    Ran(Tally),
    NotRun { what: &'static str, install: String },
}

/// How many tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs the suites (all when none is named).
pub fn run(only: &[Suite]) -> Result<ExitCode> {
    let all = std::env::var_os("SSPR_TEST_ALL").is_some_and(|value| value == "1");
    let mut total = Tally::default();
    let mut missing = Vec::new();
    let wanted = |suite: Suite| only.is_empty() || only.contains(&suite);
    if wanted(Suite::Rust) && machine::which("chromium").is_none() && machine::install("chromium").is_err() {
        missing.push("the sign-in in a real browser: needs Chromium (Debian's package chromium)".to_string());
    }
    if only.is_empty() || only.contains(&Suite::Rust) {
        // The crates' tests compile C programs and run them under valgrind.
        for (program, package) in [("cc", "gcc"), ("g++", "g++"), ("valgrind", "valgrind")] {
            if let Err(error) = machine::need(program, package) {
                missing.push(format!("the C programs: {error:#}"));
            }
        }
    }
    for suite in Suite::value_variants() {
        if !wanted(*suite) {
            continue;
        }
        println!("\n== {suite:?}");
        let outcome = match suite {
            Suite::Rust => rust(),
            Suite::Docs => docs(),
            Suite::Module => pester(),
            Suite::Compatibility => compatibility(),
            Suite::Clients => clients(),
        };
        match outcome {
            Ok(Outcome::Ran(tally)) => {
                total.passed += tally.passed;
                total.failed += tally.failed;
                total.skipped += tally.skipped;
            }
            Ok(Outcome::NotRun { what, install }) => missing.push(format!("{what}: needs {install}")),
            Err(error) => {
                println!("{suite:?}: {error:#}");
                total.failed += 1;
            }
        }
    }
    println!();
    for line in &missing {
        println!("not run: {line}");
    }
    if all && !missing.is_empty() {
        println!("SSPR_TEST_ALL=1 asks for all of it, so that each of these counts as failed.");
        total.failed += missing.len() as u64;
    }
    println!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rust() -> Result<Outcome> {
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
    ran(&mut command)
}

fn docs() -> Result<Outcome> {
    ran(build::cargo().args(["test", "--doc", "--package", "entra-sspr", "--color=never"]))
}

fn pester() -> Result<Outcome> {
    let what = "the module's tests";
    let Some(powershell) = machine::powershell() else {
        return Ok(Outcome::NotRun {
            what,
            install: machine::GET_POWERSHELL.into(),
        });
    };
    let look = "if (Get-Module -ListAvailable Pester | Where-Object { $_.Version.Major -ge 5 }) { 'yes' }";
    let found = Command::new(&powershell)
        .args(["-NoProfile", "-Command", look])
        .output()
        .with_context(|| powershell.display().to_string())?;
    if !String::from_utf8_lossy(&found.stdout).contains("yes") {
        return Ok(Outcome::NotRun {
            what,
            install: "Pester 5: Install-Module Pester -MinimumVersion 5.5 -Scope CurrentUser".into(),
        });
    }
    let module = module::assemble("dev")?;
    let lab = build::lab("dev")?;
    let tests = build::root().join("powershell/tests");
    let run = format!(
        "Import-Module Pester -MinimumVersion 5.0; Invoke-Pester -Path '{}' -Output Detailed -CI",
        tests.display().to_string().replace('\'', "''")
    );
    // Pester writes its results file into the current folder.
    ran(Command::new(powershell)
        .args(["-NoProfile", "-Command", &run])
        .current_dir(build::target()?)
        .env("SSPR_MODULE", module)
        .env("SSPR_LAB", lab))
}

fn compatibility() -> Result<Outcome> {
    let what = "the check of what Windows PowerShell 5.1 lacks";
    let script = machine::file_on_path("Test-Compatibility.ps1");
    let (Some(powershell), Some(script)) = (machine::powershell(), script) else {
        return Ok(Outcome::NotRun {
            what,
            install: "PowerShell and its script Test-Compatibility.ps1 in a folder on PATH".into(),
        });
    };
    let output = Command::new(powershell)
        .args(["-NoProfile", "-File"])
        .arg(script)
        .arg("-Path")
        .arg(build::root().join("powershell/EntraSspr"))
        .output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok(Outcome::Ran(one(output.status.success())))
}

fn clients() -> Result<Outcome> {
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
}

/// Runs a command; its errors are shown, its output is not.
fn quiet(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn one(passed: bool) -> Tally {
    Tally {
        passed: passed.into(),
        failed: (!passed).into(),
        skipped: 0,
    }
}

/// Runs a command that prints its counts, and shows what it prints as it comes.
fn ran(command: &mut Command) -> Result<Outcome> {
    let name = Path::new(command.get_program()).display().to_string();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| name.clone())?;
    let errors = child.stderr.take().context("stderr is piped")?;
    let output = child.stdout.take().context("stdout is piped")?;
    let aside = std::thread::spawn(move || echo(errors, std::io::stderr()));
    let mut tally = echo(output, std::io::stdout());
    let more = aside.join().unwrap_or_default();
    tally.passed += more.passed;
    tally.failed += more.failed;
    tally.skipped += more.skipped;
    let status = child.wait()?;
    // A suite that fails without counting a failure did not get as far as its tests.
    if !status.success() && tally.failed == 0 {
        println!("{name} ended with {status}");
        tally.failed = 1;
    }
    Ok(Outcome::Ran(tally))
}

fn echo(from: impl std::io::Read, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let _ = writeln!(to, "{}", line.trim_end_matches('\r'));
        if let Some(found) = summary(&line) {
            tally.passed += found.passed;
            tally.failed += found.failed;
            tally.skipped += found.skipped;
        }
    }
    tally
}

/// Reads the last line of cargo test, cargo nextest, Pester and pytest.
fn summary(line: &str) -> Option<Tally> {
    let plain = line.trim().trim_matches('=').trim();
    let pester = plain.strip_prefix("Tests Passed: ");
    let known =
        // What a failed test printed is shown indented, and may hold a summary of its own.
        line.starts_with("test result:") || plain.starts_with("Summary [") || pester.is_some() || counts_alone(plain);
    if !known {
        return None;
    }
    let words: Vec<&str> = plain
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '(' | ')'))
        .filter(|word| !word.is_empty())
        .collect();
    let count = |names: &[&str]| -> u64 {
        let named = |word: &&str| names.contains(&word.to_ascii_lowercase().as_str());
        let pairs = words.windows(2);
        let found = if pester.is_some() {
            pairs.filter(|pair| named(&pair[0])).map(|pair| pair[1]).next()
        } else {
            pairs.filter(|pair| named(&pair[1])).map(|pair| pair[0]).next()
        };
        found.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    Some(Tally {
        passed: count(&["passed"]),
        failed: count(&["failed"]) + count(&["timed-out", "exec-failed", "errors", "error"]),
        skipped: count(&["skipped", "ignored"]),
    })
}

/// `12 passed, 0 failed, 1 skipped` and pytest's `12 passed in 3.1s`.
fn counts_alone(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let number = words.next().is_some_and(|word| word.parse::<u64>().is_ok());
    let word = words.next().map(|word| word.trim_end_matches(','));
    number && matches!(word, Some("passed" | "failed")) && (line.contains(',') || line.contains(" in "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_every_runner_are_read() {
        let tally = |passed, failed, skipped| Tally {
            passed,
            failed,
            skipped,
        };
        for (line, expected) in [
            (
                "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s",
                tally(12, 1, 2),
            ),
            (
                "     Summary [   3.210s] 57 tests run: 55 passed (1 slow), 2 failed, 3 skipped",
                tally(55, 2, 3),
            ),
            (
                "     Summary [   3.210s] 1 test run: 1 passed, 0 skipped",
                tally(1, 0, 0),
            ),
            ("45 passed, 1 failed, 2 skipped", tally(45, 1, 2)),
            (
                "Tests Passed: 9, Failed: 4, Skipped: 1, Inconclusive: 0, NotRun: 0",
                tally(9, 4, 1),
            ),
            ("======= 2 failed, 7 passed, 1 skipped in 3.10s =======", tally(7, 2, 1)),
            ("7 passed in 3.10s", tally(7, 0, 0)),
        ] {
            assert_eq!(summary(line), Some(expected), "{line}");
        }
        for line in [
            "    test result: FAILED. 0 passed; 1 failed",
            "12 passed the gate",
            "running 3 tests",
            "[+] all passed, none failed",
        ] {
            assert_eq!(summary(line), None, "{line}");
        }
    }
}
