//! Writes a run's answer, a JSON file, as a page: `report ANSWER.json PAGE.html`. What the benchmark `report` runs, and the
//! tests in a browser.

use entra_sspr::report::export::{Format, write};
use entra_sspr::snapshot::Snapshot;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let answer = files.next().ok_or("which answer?")?;
    let page = files.next().ok_or("which page?")?;
    let answer: serde_json::Value = serde_json::from_slice(&std::fs::read(answer)?)?;
    let snapshot = answer["snapshot"].as_str().map(Snapshot::from_json).transpose()?;
    std::fs::write(page, write(answer, snapshot.as_ref(), Format::Html, None))?;
    Ok(())
}
