//! Runs a suite's command, shows what it prints, and reads its counts.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// One check that passed or failed.
pub fn one(passed: bool) -> Tally {
    Tally {
        passed: passed.into(),
        failed: (!passed).into(),
        skipped: 0,
    }
}

impl Tally {
    /// All of them.
    pub fn count(self) -> u64 {
        self.passed + self.failed + self.skipped
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs a command that prints its counts, and shows what it prints as it comes.
pub fn ran(command: &mut Command) -> Result<Tally> {
    ran_watched(command, "", |_| ())
}

/// The same; each line is shown after a mark that tells it from those of what runs beside it, and is handed on too.
pub fn ran_watched(command: &mut Command, mark: &str, watch: impl FnMut(&str)) -> Result<Tally> {
    let name = Path::new(command.get_program()).display().to_string();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| name.clone())?;
    let errors = child.stderr.take().context("stderr is piped")?;
    let output = child.stdout.take().context("stdout is piped")?;
    let own = mark.to_string();
    let aside = std::thread::spawn(move || echo(errors, std::io::stderr(), &own, |_| ()));
    let mut tally = echo(output, std::io::stdout(), mark, watch);
    tally += aside.join().unwrap_or_default();
    let status = child.wait()?;
    // A suite that fails without counting a failure did not get as far as its tests.
    if !status.success() && tally.failed == 0 {
        println!("{mark}{name} ended with {status}");
        tally.failed = 1;
    }
    Ok(tally)
}

fn echo(from: impl std::io::Read, mut to: impl Write, mark: &str, mut watch: impl FnMut(&str)) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_string();
        let _ = writeln!(to, "{mark}{line}");
        watch(&line);
        if let Some(found) = summary(&line) {
            tally += found;
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
