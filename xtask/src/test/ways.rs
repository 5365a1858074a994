//! The module's Pester files, run in four ways: from source and from the package, on this system and on Windows under Wine.

use super::suite::has_module;
use super::tally::{Tally, one, ran_watched};
use super::{Outcome, labs};
use crate::image::{self, Made};
use crate::rid::Rid;
use crate::{build, machine, module, package};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What one way came to.
pub struct Way {
    name: String,
    tally: Tally,
    /// The tests that it skipped, each with its reason.
    skipped: BTreeSet<String>,
}

/// What all ways share: the directory lab's domain controllers, where they run, and the port whose listener may change what is in
/// them and what else is the user's.
pub struct Shared<'s> {
    pub controllers: Option<&'s Result<String>>,
    pub turn: u16,
}

/// What the ways of a system came to.
pub type Came = Result<(Outcome, Vec<Way>)>;

/// On this system.
pub fn here(shared: &Shared<'_>) -> Came {
    let what = "the module's tests";
    let needs = |install: String| Ok((Outcome::NotRun { what, install }, Vec::new()));
    let Some(powershell) = machine::powershell() else {
        return needs(machine::GET_POWERSHELL.into());
    };
    if !has_module(&powershell, "Pester", 5)? {
        return needs(GET_PESTER.into());
    }
    let system = System {
        powershell,
        rid: Rid::host()?,
        library: build::library("dev")?.file,
        made: Made::Here,
        lab: build::lab("dev")?.into(),
        compiler: machine::need("cc", "gcc").ok(),
        wine: false,
        shared,
    };
    both(what, &system)
}

/// Makes the library for Windows ahead of its suite, which says what is amiss.
pub fn windows_library() {
    if !cfg!(windows) && machine::which("pwsh-wine").is_some() {
        let toolchain = Rid::named("win-x64").and_then(Rid::toolchain);
        drop(toolchain.and_then(|toolchain| toolchain.build("dev")));
    }
}

/// On Windows, which Wine stands in for where this is another system.
pub fn windows(shared: &Shared<'_>) -> Came {
    let what = "the module's tests on Windows";
    let needs = |install: String| Ok((Outcome::NotRun { what, install }, Vec::new()));
    if cfg!(windows) {
        // Those of this system are that already.
        return Ok((Outcome::Ran(Tally::default()), Vec::new()));
    }
    let Some(powershell) = machine::which("pwsh-wine") else {
        return needs("PowerShell 7 for Windows under Wine, on PATH as pwsh-wine".into());
    };
    // Debian keeps it off PATH.
    let wine = machine::which("wine64").is_some() || Path::new("/usr/lib/wine/wine64").exists();
    if !wine && let Err(error) = machine::install("wine64") {
        return needs(format!("{error:#}"));
    }
    if !has_module(&powershell, "Pester", 5)? {
        return needs(GET_PESTER.into());
    }
    let toolchain = match Rid::named("win-x64")?.toolchain() {
        Ok(toolchain) => toolchain,
        Err(error) => return needs(format!("{error:#}")),
    };
    let system = System {
        powershell,
        rid: toolchain.rid,
        library: toolchain.build("dev")?,
        made: Made::ToTry,
        lab: labs::serve(build::lab("dev")?)?.into(),
        compiler: machine::need("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64").ok(),
        wine: true,
        shared,
    };
    both(what, &system)
}

const GET_PESTER: &str = "Pester 5: Install-Module Pester -MinimumVersion 5.5 -Scope CurrentUser";

/// A system to run the files on.
struct System<'s> {
    powershell: PathBuf,
    rid: &'static Rid,
    library: PathBuf,
    made: Made,
    /// The lab's program, or the address of what starts labs.
    lab: OsString,
    /// What compiles C for it.
    compiler: Option<PathBuf>,
    wine: bool,
    shared: &'s Shared<'s>,
}

/// Runs the files against the module from source, then against the one of the package.
fn both(what: &'static str, system: &System<'_>) -> Came {
    let place = build::target()?.join("test").join(system.rid.name);
    let libraries = [(system.rid, system.library.clone())];
    let source = place.join("source/EntraSspr");
    match module::from_source(&source, &libraries) {
        Err(error) if error.is::<module::NoCompiler>() => {
            let install = error.to_string();
            return Ok((Outcome::NotRun { what, install }, Vec::new()));
        }
        other => other?,
    }
    let package = package::assemble(&place.join("package"), &libraries)?;
    let others = system.other_libraries(&place.join("other"))?;
    let mut total = holds("the library", &image::faults(system.rid, &system.library, system.made)?);
    total += holds("the package", &package::faults(&package, None)?);
    let way = |form: &str, module: PathBuf, order: &str| {
        let name = format!("{} {form}", system.rid.name);
        system.way(name, &place, &module, order, others.as_deref())
    };
    // Each waits more than it works. One begins at the other's end, so that they seldom wait for the same turn.
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| way("from the package", package.folder, "-Descending"));
        (way("from source", source, ""), other.join())
    });
    let ways = vec![
        first?,
        second.map_err(|_| anyhow!("the module's tests came to no end"))??,
    ];
    for way in &ways {
        total += way.tally;
    }
    Ok((Outcome::Ran(total), ways))
}

/// A check that passed where nothing is amiss, and else says what is.
fn holds(what: &str, faults: &[String]) -> Tally {
    for fault in faults {
        println!("failed: {what}: {fault}");
    }
    one(faults.is_empty())
}

impl System<'_> {
    /// Runs the Pester files against a module.
    fn way(&self, name: String, place: &Path, module: &Path, order: &str, others: Option<&Path>) -> Result<Way> {
        println!("-- {name}");
        // Its own state, Wine's too, and results: others run beside it.
        let own = place.join(name.replace(' ', "-"));
        fs::create_dir_all(&own)?;
        let tests = self.path(&build::root().join("powershell/tests"));
        let run = format!(
            "Import-Module Pester -MinimumVersion 5.0; \
             $files = @(Get-ChildItem -LiteralPath '{}' -Filter *.Tests.ps1 | Sort-Object -Property Name {order}); \
             Invoke-Pester -Path $files.FullName -Output Detailed -CI",
            tests.to_string_lossy().replace('\'', "''")
        );
        let mut command = machine::start(&self.powershell);
        command
            .args(["-Command", &run])
            // Pester writes its results file into the current folder.
            .current_dir(&own)
            .env("XDG_STATE_HOME", own.join("state"))
            .env("XDG_CACHE_HOME", own.join("cache"))
            .env("SSPR_LAB_TURN", self.shared.turn.to_string())
            .env("SSPR_MODULE", self.path(module))
            .env("SSPR_LAB", &self.lab);
        if let Some(Ok(controllers)) = self.shared.controllers {
            command.env("SSPR_LAB_DIRECTORY", controllers);
        }
        if let Some(others) = others {
            command.env("SSPR_OTHER_LIBRARIES", self.path(others));
        }
        let mut skipped = BTreeSet::new();
        let tally = ran_watched(&mut command, &format!("{name} | "), |line| skipped.extend(skip(line)))?;
        Ok(Way { name, tally, skipped })
    }

    /// A path as a program of the system takes it.
    fn path(&self, path: &Path) -> OsString {
        if self.wine {
            return format!("Z:{}", path.display()).replace('/', "\\").into();
        }
        path.into()
    }

    /// Libraries that are not the module's: one of another version of the interface, and one without any. Nothing where
    /// no C compiler is.
    fn other_libraries(&self, place: &Path) -> Result<Option<PathBuf>> {
        let Some(compiler) = &self.compiler else {
            return Ok(None);
        };
        for (name, text) in [
            ("version", "unsigned int sspr_abi_version(void) { return 999; }\n"),
            ("nothing", "int nothing(void) { return 0; }\n"),
        ] {
            let folder = place.join(name).join(self.rid.name);
            fs::create_dir_all(&folder)?;
            let source = place.join(name).join("other.c");
            fs::write(&source, text)?;
            let library = folder.join(self.library.file_name().context("the library has a name")?);
            let status = Command::new(compiler)
                .args([OsStr::new("-shared"), OsStr::new("-fPIC"), OsStr::new("-o")])
                .arg(&library)
                .arg(&source)
                .status()
                .with_context(|| compiler.display().to_string())?;
            if !status.success() {
                bail!("{} could not compile {}", compiler.display(), source.display());
            }
        }
        Ok(Some(place.into()))
    }
}

/// The test that a line of Pester's says was skipped, with its reason, without the time it took.
fn skip(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix("[!] ")?;
    let number = |text: &str| text.parse::<u64>().is_ok();
    let time =
        |word: &str| word.strip_suffix("ms").is_some_and(number) || word.starts_with('(') && word.ends_with("ms)");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    while words.last().is_some_and(|word| time(word)) {
        words.pop();
    }
    Some(words.join(" "))
}

/// Whether a skipped test says why.
fn has_reason(test: &str) -> bool {
    // Pester writes "is skipped, because ..." behind the name, others the reason alone.
    let none = ["is skipped", ",", ", marked -Skip"];
    test.contains(", ") && !none.iter().any(|end| test.ends_with(end))
}

/// Shows what the ways came to, and the tests that some of them skipped; gives whether all ran the same number of tests, and
/// every skipped one says why.
pub fn agree(ways: &[Way]) -> bool {
    let Some(first) = ways.first() else { return true };
    println!("\nthe module's tests:");
    for way in ways {
        println!("  {:<28} {}", way.name, way.tally);
    }
    let all: BTreeSet<&String> = ways.iter().flat_map(|way| &way.skipped).collect();
    let mut all_say_why = true;
    for test in all {
        if !has_reason(test) {
            println!("  failed: skipped without a reason: {test}");
            all_say_why = false;
        }
        let by: Vec<&Way> = ways.iter().filter(|way| way.skipped.contains(test)).collect();
        if by.len() < ways.len() {
            let names: Vec<&str> = by.iter().map(|way| way.name.as_str()).collect();
            println!("  skipped only [{}]: {test}", names.join(", "));
        }
    }
    let same = ways.iter().all(|way| way.tally.count() == first.tally.count());
    if !same {
        println!("  failed: the ways did not run the same number of tests");
    }
    same && all_say_why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_read_with_its_reason() {
        let line = "    [!] from a share, this system has none 12ms";
        assert_eq!(skip(line).as_deref(), Some("from a share, this system has none"));
        let line = "  [!] from a share, is skipped, because it has none 3ms (1ms|2ms)";
        assert_eq!(
            skip(line).as_deref(),
            Some("from a share, is skipped, because it has none")
        );
        assert_eq!(skip("    [+] twice 12ms"), None);
    }

    #[test]
    fn ways_agree_when_all_run_as_many_tests() {
        let way = |passed, skipped| way(passed, skipped, &[]);
        assert!(agree(&[]));
        assert!(agree(&[way(5, 1), way(6, 0)]));
        assert!(!agree(&[way(5, 1), way(5, 0)]));
    }

    fn way(passed: u64, skipped: u64, tests: &[&str]) -> Way {
        Way {
            name: "x".into(),
            tally: Tally {
                passed,
                failed: 0,
                skipped,
            },
            skipped: tests.iter().map(|test| test.to_string()).collect(),
        }
    }

    #[test]
    fn a_test_that_is_skipped_without_a_reason_fails() {
        for line in [
            "[!] from a share, this system has none 12ms",
            "[!] from a share is skipped, because it has none 3ms (1ms|2ms)",
        ] {
            assert!(agree(&[way(5, 1, &[&skip(line).unwrap()]), way(6, 0, &[])]), "{line}");
        }
        for line in [
            "[!] from a share,  12ms",
            "[!] from a share, or not, is skipped 3ms (1ms|2ms)",
            "[!] from a share is skipped 3ms (1ms|2ms)",
            "[!] from a share, marked -Skip 0ms",
            "[!] from a share 3ms (1ms|2ms)",
        ] {
            assert!(!agree(&[way(5, 1, &[&skip(line).unwrap()]), way(6, 0, &[])]), "{line}");
        }
    }

    #[test]
    fn what_is_amiss_counts_as_a_failure() {
        assert_eq!(holds("x", &[]), one(true));
        assert_eq!(holds("x", &["it is not".into()]), one(false));
    }
}
