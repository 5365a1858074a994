//! The benchmarks: figures of the product beside a peer's, as ratios in one run.

mod budgets;
mod child;
mod directory;
mod fleet;
mod latency;
mod million;
mod module;
mod peer;
mod registration;
mod report;
mod saved;
mod scenario;

pub use child::serve;

use crate::{build, image, machine, package, rid};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A group of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// `Import-Module` against as many empty functions.
    Import,
    /// Binding and the first native call against a library of one function.
    Bind,
    /// Readiness when every answer takes 50 ms.
    Latency,
    /// Sixty equal tenants against one of them, when every answer takes 50 ms.
    Fleet,
    /// A million users against curl, plain; memory; the cost of a user.
    Million,
    /// The same with TLS and gzip.
    Tls,
    /// The same when answers begin late and come slowly.
    Late,
    /// The documented request budgets.
    Budgets,
    /// A directory's scan against ldapsearch.
    Directory,
    /// A plan of a thousand units against ldapsearch.
    Plan,
    /// A plan from a snapshot of many users against one of few.
    Saved,
    /// A million security descriptors against Samba's own reader of them.
    Descriptors,
    /// A report's page of 10,000 findings against jq.
    Report,
    /// A million users counted and written to a table.
    Registration,
}

/// One line of the table.
pub struct Row {
    figure: String,
    ours: String,
    peer: String,
    value: f64,
    bound: Bound,
}

/// What a figure must keep.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(limit) => self.value <= limit,
            Bound::AtLeast(limit) => self.value >= limit,
        }
    }
}

/// What all figures are measured with.
pub struct Bench {
    library: PathBuf,
    lab: PathBuf,
    profile: String,
    place: PathBuf,
    runs: usize,
}

/// Measures the figures (all when none is named) and prints the table.
pub fn run(profile: &str, runs: usize, only: &[Figure]) -> Result<ExitCode> {
    let place = build::target()?.join("bench");
    std::fs::create_dir_all(&place)?;
    let bench = Bench {
        library: build::library(profile)?.file,
        lab: build::lab(profile)?,
        profile: profile.into(),
        place,
        runs: runs.max(1),
    };
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    for figure in Figure::value_variants() {
        if !only.is_empty() && !only.contains(figure) {
            continue;
        }
        eprintln!("bench: {figure:?}");
        let outcome = match figure {
            Figure::Import => module::import(&bench),
            Figure::Bind => module::bind(&bench),
            Figure::Latency => latency::run(&bench),
            Figure::Fleet => fleet::run(&bench),
            Figure::Million => million::plain(&bench),
            Figure::Tls => million::tls(&bench),
            Figure::Late => million::late(&bench),
            Figure::Budgets => budgets::run(&bench),
            Figure::Directory => directory::scan(&bench),
            Figure::Plan => directory::plan(&bench),
            Figure::Saved => saved::run(&bench),
            Figure::Descriptors => directory::descriptors(&bench),
            Figure::Report => report::run(&bench),
            Figure::Registration => registration::run(&bench),
        };
        match outcome {
            Ok(more) => rows.extend(more),
            Err(error) => broken.push(format!("{figure:?} was not measured: {error:#}")),
        }
    }
    println!("{}\n", table(&rows));
    println!("{}", machine::description());
    println!("Median of {}; profile `{profile}`.", bench.runs);
    for line in &broken {
        println!("{line}");
    }
    let sizes = sizes(&build::target()?.join("package"))?;
    if !sizes.is_empty() {
        println!("\nThe last package that was made:\n{sizes}");
    }
    let held = broken.is_empty() && rows.iter().all(Row::holds);
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rows as a Markdown table.
fn table(rows: &[Row]) -> String {
    let head = ["figure", "EntraSspr", "peer", "ratio", "limit", "holds"].map(str::to_string);
    let cells: Vec<[String; 6]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            let limit = match row.bound {
                Bound::AtMost(limit) => format!("at most {limit}"),
                Bound::AtLeast(limit) => format!("at least {limit}"),
            };
            let holds = if row.holds() { "yes" } else { "NO" };
            [
                row.figure.clone(),
                row.ours.clone(),
                row.peer.clone(),
                format!("{:.2}", row.value),
                limit,
                holds.to_string(),
            ]
        }))
        .collect();
    markdown(&cells)
}

/// Cells as a Markdown table; the first line is its head.
fn markdown<const COLUMNS: usize>(cells: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = (0..COLUMNS).map(|i| format!("{:w$}", row[i], w = widths[i])).collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut lines: Vec<String> = cells.iter().map(line).collect();
    let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    lines.insert(1, format!("| {} |", rule.join(" | ")));
    lines.join("\n")
}

/// The sizes of the libraries in a package and of its zip file, as a Markdown table; nothing where there is no package.
fn sizes(place: &Path) -> Result<String> {
    let zip = place.join("EntraSspr.zip");
    if !zip.exists() {
        return Ok(String::new());
    }
    let lib = package::folder(place).join("lib");
    let mut cells = vec![["library", "size", "limit"].map(str::to_string)];
    for rid in rid::ALL {
        let library = lib.join(rid.name).join(rid.library());
        if library.exists() {
            let limit = mebibytes(image::largest(rid));
            cells.push([rid.name.into(), package::size(&library)?, limit]);
        }
    }
    cells.push(["the zip file".into(), package::size(&zip)?, mebibytes(package::LARGEST)]);
    Ok(markdown(&cells))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// The middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a program and hands back what it wrote.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        let name = command.get_program().to_string_lossy().into_owned();
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_taken() {
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
    }

    #[test]
    fn the_sizes_of_the_last_package_are_shown() {
        let place = build::target().unwrap().join("tmp/bench-sizes");
        assert_eq!(sizes(&place.join("none")).unwrap(), "");
        let library = package::folder(&place).join("lib/win-x64/entra_sspr.dll");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, vec![0; 3 << 19]).unwrap();
        std::fs::write(place.join("EntraSspr.zip"), vec![0; 1 << 20]).unwrap();
        let text = sizes(&place).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("| win-x64      | 1.50 MiB | 6 MiB  |"), "{text}");
        assert!(text.contains("| the zip file | 1.00 MiB | 12 MiB |"), "{text}");
    }

    #[test]
    fn a_limit_that_does_not_hold_is_shown() {
        let row = |value, bound| Row {
            figure: "f".into(),
            ours: "1 ms".into(),
            peer: "2 ms".into(),
            value,
            bound,
        };
        assert!(row(2.0, Bound::AtMost(2.0)).holds() && !row(2.01, Bound::AtMost(2.0)).holds());
        assert!(row(0.9, Bound::AtLeast(0.9)).holds() && !row(0.89, Bound::AtLeast(0.9)).holds());
        assert!(!row(f64::NAN, Bound::AtMost(2.0)).holds());
        let text = table(&[row(3.0, Bound::AtMost(2.0))]);
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("| 3.00  | at most 2 | NO    |"), "{text}");
    }
}
