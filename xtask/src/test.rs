//! Runs everything that tests, counts, and says what it could not run.

mod labs;
mod suite;
mod tally;
mod ways;

use crate::directory;
use anyhow::Result;
use clap::ValueEnum;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Instant;
use tally::Tally;
use ways::{Came, Shared};

/// A kind of test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The crates' own tests.
    Rust,
    /// The examples in the documentation comments.
    Docs,
    /// Unit tests of the boundary, the handles and the reader of pages, under Miri.
    Miri,
    /// The module's Pester files in a PowerShell, from source and from the package.
    Module,
    /// The same, with the Windows library in a PowerShell for Windows under Wine.
    Windows,
    /// The directory's half against Samba's domain controllers.
    Directory,
    /// What Windows PowerShell 5.1 would not understand in the module.
    Compatibility,
    /// The lab against clients that others wrote.
    Clients,
    /// The report's page in a real browser.
    Browser,
}

/// What a suite came to.
enum Outcome {
    Ran(Tally),
    NotRun { what: &'static str, install: String },
}

/// What takes long and few of the machine's processors.
fn prepare() {
    ways::windows_library();
    // Its suite says what is amiss.
    drop(directory::install());
}

/// Runs the suites, all when none is named.
pub fn run(only: &[Suite]) -> Result<ExitCode> {
    let all = std::env::var_os("SSPR_TEST_ALL").is_some_and(|value| value == "1");
    let mut total = Tally::default();
    let mut missing = Vec::new();
    let mut ways = Vec::new();
    let asked = |suite: Suite| only.is_empty() || only.contains(&suite);
    let (mut ahead, mut controllers, mut on_windows) = (None, None, None);
    let turn = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    for suite in Suite::value_variants() {
        if !asked(*suite) {
            continue;
        }
        println!("\n== {suite:?}");
        match suite {
            // One thread interprets; the rest of the machine makes what later suites need.
            Suite::Miri if asked(Suite::Windows) => ahead = Some(std::thread::spawn(prepare)),
            // Its tests hold times against the clock.
            Suite::Module => drop(ahead.take().map(std::thread::JoinHandle::join)),
            _ => {}
        }
        if matches!(suite, Suite::Module | Suite::Windows | Suite::Directory) && controllers.is_none() {
            controllers = Some(directory::start());
        }
        let begun = Instant::now();
        let controllers = controllers.as_ref();
        let shared = Shared { controllers, turn };
        let mut kept = |came: Came| {
            let (outcome, own) = came?;
            ways.extend(own);
            Ok(outcome)
        };
        let outcome = match suite {
            Suite::Rust => suite::rust(&mut missing),
            Suite::Docs => suite::docs(),
            Suite::Miri => suite::miri(),
            // A PowerShell takes one processor, and waits a lot.
            Suite::Module if asked(Suite::Windows) => std::thread::scope(|scope| {
                let other = scope.spawn(|| ways::windows(&shared));
                let own = ways::here(&shared);
                on_windows = other.join().ok();
                kept(own)
            }),
            Suite::Module => kept(ways::here(&shared)),
            Suite::Windows => kept(on_windows.take().unwrap_or_else(|| ways::windows(&shared))),
            Suite::Directory => suite::directory(controllers, &mut missing),
            Suite::Compatibility => suite::compatibility(),
            Suite::Clients => suite::clients(),
            Suite::Browser => suite::browser(),
        };
        println!("{suite:?} took {} s", begun.elapsed().as_secs());
        match outcome {
            Ok(Outcome::Ran(tally)) => total += tally,
            Ok(Outcome::NotRun { what, install }) => missing.push(format!("{what}: needs {install}")),
            Err(error) => {
                println!("{suite:?}: {error:#}");
                total.failed += 1;
            }
        }
    }
    if matches!(controllers, Some(Ok(_))) {
        directory::run(directory::Action::Stop)?;
    }
    if !ways::agree(&ways) {
        total.failed += 1;
    }
    println!();
    for line in &missing {
        println!("not run: {line}");
    }
    if all && !missing.is_empty() {
        println!("SSPR_TEST_ALL=1 asks for all of it, so that each of these counts as failed.");
        total.failed += missing.len() as u64;
    }
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
