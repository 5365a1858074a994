//! The project's own commands: `cargo xtask demo | test | bench | module | package | lab | generate`.

mod bench;
mod browser;
mod build;
mod demo;
mod dependencies;
mod directory;
mod generate;
mod image;
mod lab;
mod machine;
mod module;
mod native;
mod package;
mod picture;
mod report;
mod rid;
mod sign;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, tests and shows EntraSspr.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds all, starts the lab, and shows the readiness screen of a hybrid tenant with faults.
    Demo {
        /// The cargo profile to build with: `quick` is optimised.
        #[arg(long, default_value = "dev")]
        profile: String,
        /// Use the C interface even where there is a PowerShell.
        #[arg(long)]
        native: bool,
        /// The lab's scenario.
        #[arg(long, default_value = "hybrid-faulty")]
        scenario: String,
    },
    /// Runs everything that tests, and says what it could not run.
    Test {
        /// Only these suites (rust, docs, miri, module, windows, directory, compatibility, clients, browser).
        #[arg(long)]
        only: Vec<test::Suite>,
    },
    /// Measures the figures of docs/benchmarks.md beside their peers, and fails when a limit does not hold.
    Bench {
        /// The cargo profile to build with.
        #[arg(long, default_value = "quick")]
        profile: String,
        /// The median of so many.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Only these figures.
        #[arg(long)]
        only: Vec<bench::Figure>,
    },
    /// A process that `bench` measures.
    #[command(hide = true)]
    BenchChild,
    /// Puts the PowerShell module together in target/module/EntraSspr.
    Module {
        /// The cargo profile to build with: `quick` is optimised.
        #[arg(long, default_value = "dev")]
        profile: String,
    },
    /// Makes the package for all systems in target/package: the module's folder and its zip file.
    Package {
        /// The cargo profile to build with.
        #[arg(long, default_value = "release")]
        profile: String,
        /// Only for these systems (win-x64, linux-x64, ...); all that this machine can build when none is named.
        #[arg(long)]
        rid: Vec<String>,
        #[command(flatten)]
        sign: sign::Request,
    },
    /// Runs a lab that tests talk to.
    Lab {
        #[command(subcommand)]
        lab: Labs,
    },
    /// Draws docs/screen.svg from what the lab's faulty tenant really shows, and takes docs/pictures of its report's page.
    Picture {
        /// The lab's scenario.
        #[arg(long, default_value = "hybrid-faulty")]
        scenario: String,
    },
    /// Writes include/entra_sspr.h and powershell/native/EntraSspr.Native.cs from the library's source.
    Generate,
}

/// The labs that are not started by the tests themselves.
#[derive(Subcommand)]
enum Labs {
    /// A forest of two Active Directory domains on loopback, by Samba's domain controllers; needs root on Debian.
    Directory {
        /// What to do.
        action: directory::Action,
    },
}

fn run() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Demo {
            profile,
            native,
            scenario,
        } => demo::run(&profile, native, &scenario)?,
        Command::Test { only } => return test::run(&only),
        Command::Bench { profile, runs, only } => return bench::run(&profile, runs, &only),
        Command::BenchChild => bench::serve()?,
        Command::Module { profile } => println!("{}", module::assemble(&profile)?.display()),
        Command::Package { profile, rid, sign } => package::run(&profile, &rid, &sign)?,
        Command::Lab {
            lab: Labs::Directory { action },
        } => directory::run(action)?,
        Command::Picture { scenario } => picture::run("dev", &scenario)?,
        Command::Generate => generate::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
