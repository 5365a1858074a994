//! Readiness, and users' cases, when every answer takes 50 ms: the answers that are waited for one after another.

use super::peer::Wire;
use super::{Bench, Bound, Row, median, scenario};
use crate::lab::Lab;
use anyhow::Result;
use serde_json::json;
use std::collections::HashMap;

const LATE: f64 = 50.0;
/// Answers one after another, and what the rest may take.
const ANSWERS: f64 = 5.0;
const REST: f64 = 250.0;

/// The faulty hybrid tenant, and one whose lists have many pages.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let long = scenario::write(&bench.place, 20_000)?.display().to_string();
    let tenants = [
        ("a hybrid tenant with faults", "hybrid-faulty"),
        ("20,000 users", &long),
    ];
    let rows = tenants.iter().map(|(name, scenario)| one(bench, name, scenario));
    rows.chain([users(bench)]).collect()
}

/// So many users in one request.
const USERS: usize = 100;
/// Late enough that what is worked out for each user does not hide an answer more that is waited for.
const LATER: u32 = 400;

/// The cases of many users against that of one, which waits for three answers: a fourth would be a third more.
fn users(bench: &Bench) -> Result<Row> {
    let lab = Lab::start(
        &bench.lab,
        &["--scenario", "one-user", "--latency-ms", &LATER.to_string()],
    )?;
    let mut job = bench.job(&lab, Wire::Plain);
    job.function = "sspr_check_user".into();
    let mut took = |users: usize| -> Result<f64> {
        let names: Vec<String> = (1..=users).map(|n| format!("staff{n}@contoso.example")).collect();
        job.request = json!({"users": names});
        let mut times = Vec::new();
        for _ in 0..bench.runs {
            lab.reset()?;
            times.push(job.run()?.ms);
        }
        Ok(median(&mut times))
    };
    let (one, many) = (took(1)?, took(USERS)?);
    Ok(Row {
        figure: format!("the cases of {USERS} users with answers {LATER} ms late"),
        ours: format!("{many:.0} ms"),
        peer: format!("one user's: {one:.0} ms"),
        value: many / one,
        bound: Bound::AtMost(1.25),
    })
}

fn one(bench: &Bench, name: &str, scenario: &str) -> Result<Row> {
    let late = LATE.to_string();
    let lab = Lab::start(&bench.lab, &["--scenario", scenario, "--latency-ms", &late])?;
    let job = bench.job(&lab, Wire::Plain);
    let mut times = Vec::new();
    let mut longest = 0;
    for _ in 0..bench.runs {
        lab.reset()?;
        times.push(job.run()?.ms);
        let mut pages: HashMap<String, u64> = HashMap::new();
        for request in lab.requests()?.into_iter().filter(|r| r.role == "graph") {
            // Pages of one list differ in the skip token, which comes last.
            let query = request.query.split("$skiptoken").next().unwrap_or_default();
            let list = format!("{}?{}", request.path, query.trim_end_matches('&'));
            *pages.entry(list).or_default() += 1;
        }
        longest = pages
            .into_iter()
            .filter(|(list, _)| !list.contains("$batch"))
            .map(|(_, pages)| pages)
            .max()
            .unwrap_or(1);
    }
    let allowed = (ANSWERS + (longest - 1) as f64) * LATE + REST;
    let ours = median(&mut times);
    Ok(Row {
        figure: format!("readiness with answers 50 ms late, {name} (longest list {longest} pages)"),
        ours: format!("{ours:.0} ms"),
        peer: format!(
            "{} answers and {REST} ms: {allowed:.0} ms",
            ANSWERS + (longest - 1) as f64
        ),
        value: ours / allowed,
        bound: Bound::AtMost(1.0),
    })
}
