//! A plan from a saved snapshot: its time does not grow with the number of users.

use super::peer::Wire;
use super::{Bench, Bound, Row, median, scenario};
use crate::lab::Lab;
use crate::native::Native;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Instant;

const MANY: u64 = 200_000;
const FEW: u64 = 2_000;
/// So many plans are made for one time, for one takes a few milliseconds.
const PLANS: usize = 50;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let native = Native::load(&bench.library)?;
    let mut snapshots = Vec::new();
    for users in [MANY, FEW] {
        let scenario = scenario::write(&bench.place, users)?;
        let lab = Lab::start(&bench.lab, &["--scenario".as_ref(), scenario.as_os_str()])?;
        let mut config = bench.job(&lab, Wire::Plain).config;
        config["tenant"] = lab.tenant_id.clone().into();
        let session = native.session(&config)?;
        session.sign_in(&lab.client_id, &lab.client_secret)?;
        let mut read = session.run("sspr_check_readiness", &json!({"full": true}))?;
        snapshots.push((read["snapshot"].take(), session, lab));
    }
    let desired = native
        .session(&json!({}))?
        .run("sspr_desired_state_read", &json!({"snapshot": snapshots[0].0}))?;
    let mut desired: Value = serde_json::from_str(desired["desired"].as_str().context("no state")?)?;
    // Something differs.
    desired["notifications"] = json!({"users": false, "administrators": false});
    let mut times = [Vec::new(), Vec::new()];
    for run in 0..=bench.runs {
        for (times, (snapshot, session, _)) in times.iter_mut().zip(&snapshots) {
            let request = json!({"desired": desired.to_string(), "snapshot": snapshot});
            let begun = Instant::now();
            for _ in 0..PLANS {
                session.run("sspr_plan_create", &request)?;
            }
            // The first time everything is cold.
            if run > 0 {
                times.push(begun.elapsed().as_secs_f64() * 1000.0 / PLANS as f64);
            }
        }
    }
    let [many, few] = &mut times;
    let (many, few) = (median(many), median(few));
    Ok(vec![Row {
        figure: format!("a plan from a snapshot of {MANY} users"),
        ours: format!("{many:.1} ms"),
        peer: format!("of {FEW} users {few:.1} ms"),
        value: many / few,
        bound: Bound::AtMost(1.25),
    }])
}
