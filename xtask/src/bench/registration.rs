//! A million users of the registration report: counted, and written to a table one by one.

use super::million::{MILLION, against_curl, row};
use super::peer::Wire;
use super::{Bench, Bound, Row, median};
use anyhow::{Result, ensure};
use serde_json::json;

/// What `Get-SsprRegistration -Summary` reads, beside curl; and the memory of that and of `-CsvPath`.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut stage = bench.stage(MILLION, Wire::Plain, &[])?;
    stage.job.request = json!({"steps": ["authentication_methods", "user_registration"], "full": true});
    let (runs, ours, theirs) = against_curl(bench, &stage, Wire::Plain, bench.runs)?;
    let memory = |name: &str, mut all: Vec<f64>| {
        let most = median(&mut all);
        Row {
            figure: format!("memory above the idle process, {name}"),
            ours: format!("{most:.1} MB"),
            peer: "64 MB".into(),
            value: most / 64.0,
            bound: Bound::AtMost(1.0),
        }
    };
    let counted = runs.iter().map(|took| took.extra_kb / 1024.0).collect();
    stage.job.function = "sspr_registration_read".into();
    stage.job.request = json!({"path": bench.place.join("registration.csv"), "overwrite": true});
    let mut listed = Vec::new();
    for _ in 0..bench.runs {
        let took = stage.job.run()?;
        ensure!(took.rows == MILLION, "{} of {MILLION} users were read", took.rows);
        eprintln!("bench:   a table of a million users: {:.0} ms", took.ms);
        listed.push(took.extra_kb / 1024.0);
    }
    Ok(vec![
        row("a million users counted", stage.pages.len(), ours, theirs, 1.3),
        memory("a million users counted", counted),
        memory("a million users written to a table", listed),
    ])
}
