//! A report's page beside jq sorting and printing the same JSON.

use super::{Bench, Bound, Row, median, output};
use crate::{machine, report};
use anyhow::Result;
use std::process::Command;
use std::time::Instant;

const FINDINGS: usize = 10_000;

/// A page of ten thousand findings, from file to file.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let jq = machine::need("jq", "jq")?;
    let writer = report::writer(&bench.profile)?;
    let (answer, page) = (bench.place.join("answer.json"), bench.place.join("page.html"));
    report::answer(&answer, FINDINGS)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        ours.push(timed(Command::new(&writer).arg(&answer).arg(&page))?);
        theirs.push(timed(
            Command::new(&jq)
                .arg(".findings |= sort_by(.status, .severity, .id)")
                .arg(&answer),
        )?);
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    Ok(vec![Row {
        figure: "a page of 10,000 findings".into(),
        ours: format!("{ours:.0} ms"),
        peer: format!("jq sorting and printing the same JSON {theirs:.0} ms"),
        value: ours / theirs,
        bound: Bound::AtMost(2.0),
    }])
}

fn timed(command: &mut Command) -> Result<f64> {
    let begun = Instant::now();
    output(command)?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}
