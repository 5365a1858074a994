//! Sixty equal tenants in one task against one of them, when every answer takes 50 ms: wall time and memory.

use super::child::FLEET;
use super::peer::Wire;
use super::{Bench, Bound, Row, median};
use crate::lab::Lab;
use anyhow::Result;
use serde_json::json;

const TENANTS: usize = 60;
/// An app of many tenants has one id in all of them.
const APP: &str = "11111111-2222-4333-8444-555555555555";

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let (one_ms, one_kb) = measure(bench, 1)?;
    let (all_ms, all_kb) = measure(bench, TENANTS)?;
    let figure = |what: &str| format!("{TENANTS} equal tenants with answers 50 ms late, {what}");
    Ok(vec![
        Row {
            figure: figure("wall time"),
            ours: format!("{all_ms:.0} ms"),
            peer: format!("one of them: {one_ms:.0} ms"),
            value: all_ms / one_ms,
            bound: Bound::AtMost(6.0),
        },
        Row {
            figure: figure("memory"),
            ours: format!("{:.1} MB", all_kb / 1024.0),
            peer: format!("one of them: {:.1} MB", one_kb / 1024.0),
            value: all_kb / one_kb,
            bound: Bound::AtMost(4.0),
        },
    ])
}

/// The wall time of so many tenants in one task, and the most memory.
fn measure(bench: &Bench, tenants: usize) -> Result<(f64, f64)> {
    let scenario = bench.place.join("fleet.json");
    let tenant = json!({"extends": "hybrid-faulty", "about": "One of many equal tenants.", "apps": {"checker": {"clientId": APP}}});
    std::fs::write(&scenario, tenant.to_string())?;
    let scenario = scenario.display().to_string();
    let mut arguments = vec!["--latency-ms", "50"];
    arguments.extend((0..tenants).flat_map(|_| ["--scenario", &scenario]));
    let lab = Lab::start(&bench.lab, &arguments)?;
    let mut job = bench.job(&lab, Wire::Plain);
    job.function = FLEET.into();
    job.request = json!({});
    let apps = lab.apps.iter().filter(|app| app.client_id == APP);
    job.apps = apps.cloned().collect();
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        lab.reset()?;
        let took = job.run()?;
        times.push(took.ms);
        memory.push(took.extra_kb);
    }
    Ok((median(&mut times), median(&mut memory)))
}
