//! The documented request budgets, from the arrivals in the lab's log: never exceeded, and used to nine tenths.

use super::peer::{Seen, Wire};
use super::{Bench, Bound, Row, scenario};
use crate::lab::{App, Lab};
use anyhow::{Result, bail};
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// A budget and the requests that count against it.
struct Budget {
    name: &'static str,
    paths: &'static [&'static str],
    requests: usize,
    window_ms: f64,
}

const REPORTS: Budget = Budget {
    name: "reports, 5 in 10 s",
    paths: &["/auditLogs/", "/reports/"],
    requests: 5,
    window_ms: 10_000.0,
};
const CONDITIONAL_ACCESS: Budget = Budget {
    name: "Conditional Access, 1 in 1 s",
    paths: &["/identity/conditionalAccess/"],
    requests: 1,
    window_ms: 1_000.0,
};

/// Sessions that check at the same time: of one app in two tenants, each of which has reports of its own; of several apps,
/// so many that each waits for their tenant's Conditional Access rather than for its own reports.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let users = scenario::write(&bench.place, 20_000)?;
    let users = [users.as_path(), &users];
    let mut rows = measure(bench, &REPORTS, &users, "user_registration", 1, |lab| {
        let apps = lab.apps.iter().filter(|app| app.client_id == lab.client_id);
        apps.flat_map(|app| [app.clone(), app.clone()]).collect()
    })?;
    let apps = scenario::with_apps(&bench.place, 15)?;
    rows.extend(measure(
        bench,
        &CONDITIONAL_ACCESS,
        &[&apps],
        "mfa_enforcement",
        3,
        |lab| lab.apps.clone(),
    )?);
    Ok(rows)
}

fn measure(
    bench: &Bench,
    budget: &Budget,
    scenarios: &[&Path],
    step: &str,
    runs: usize,
    apps: impl Fn(&Lab) -> Vec<App>,
) -> Result<Vec<Row>> {
    // The lab keeps the limits too: one request too many is answered 429.
    let mut arguments = vec![OsStr::new("--budgets")];
    for scenario in scenarios {
        arguments.extend([OsStr::new("--scenario"), scenario.as_os_str()]);
    }
    let lab = Lab::start(&bench.lab, &arguments)?;
    let mut job = bench.job(&lab, Wire::Plain);
    job.config["budgets"] = json!("documented");
    job.request = json!({"full": true, "steps": [step]});
    (job.apps, job.runs) = (apps(&lab), runs);
    job.run()?;
    let counted = |r: &&Seen| budget.paths.iter().any(|path| r.path.contains(path));
    let tenants: BTreeSet<String> = job.apps.iter().map(|app| app.tenant_id.clone()).collect();
    let seen = lab.requests()?;
    if let Some(refused) = seen.iter().find(|r| r.status == 429) {
        bail!("{} was answered 429", refused.path);
    }
    // Each tenant's budget is judged; the worst counts.
    let (mut all, mut most, mut share) = (0, 0, f64::INFINITY);
    for tenant in &tenants {
        let of = |r: &&Seen| counted(r) && r.tenant_id.as_ref() == Some(tenant);
        let arrivals: Vec<f64> = seen.iter().filter(of).map(|r| r.at_ms).collect();
        let (this, least) = judge(&arrivals, budget)?;
        (all, most, share) = (all + arrivals.len(), most.max(this), share.min(least));
    }
    Ok(vec![
        Row {
            figure: format!("most requests in one window ({})", budget.name),
            ours: format!("{most} of {all} requests, {} tenants", tenants.len()),
            peer: format!("{} allowed", budget.requests),
            value: most as f64 / budget.requests as f64,
            bound: Bound::AtMost(1.0),
        },
        Row {
            figure: format!("share of the budget used, at its least ({})", budget.name),
            ours: format!("{:.2} requests a window", share * budget.requests as f64),
            peer: format!("{} allowed", budget.requests),
            value: share,
            bound: Bound::AtLeast(0.9),
        },
    ])
}

/// The most arrivals in any window, and the least share of what is allowed: the time that a window's worth of requests took
/// at the longest, from any of them to the one that follows the last, against the window.
fn judge(arrivals: &[f64], budget: &Budget) -> Result<(usize, f64)> {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        bail!("no request counted against the budget of {}", budget.name);
    };
    let windows = (last - first) / budget.window_ms;
    if windows < 4.0 {
        bail!("the run filled {windows:.1} windows of {} only", budget.name);
    }
    let inside = |from: f64| {
        arrivals
            .iter()
            .filter(|at| (from..from + budget.window_ms).contains(*at))
            .count()
    };
    let most = arrivals.iter().map(|from| inside(*from)).max().unwrap_or(0);
    let spans = arrivals.windows(budget.requests + 1);
    let longest = spans.map(|w| w[budget.requests] - w[0]).fold(0.0, f64::max);
    Ok((most, budget.window_ms / longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_rates_are_counted() {
        let even: Vec<f64> = (0..50).map(|i| f64::from(i) * 2_000.0).collect();
        let (most, share) = judge(&even, &REPORTS).unwrap();
        assert_eq!(most, 5);
        assert!((0.9..=1.0).contains(&share), "{share}");
        let crowded: Vec<f64> = (0..50).map(|i| f64::from(i) * 1_000.0).collect();
        assert_eq!(judge(&crowded, &REPORTS).unwrap().0, 10);
        let slack: Vec<f64> = (0..50).map(|i| f64::from(i) * 3_000.0).collect();
        assert!(judge(&slack, &REPORTS).unwrap().1 < 0.7);
        // One slack window among full ones counts.
        let pause: Vec<f64> = (0..50)
            .map(|i| f64::from(i) * 2_000.0 + if i > 25 { 2_000.0 } else { 0.0 })
            .collect();
        assert!(judge(&pause, &REPORTS).unwrap().1 < 0.9);
        assert!(judge(&[1.0, 2.0], &REPORTS).is_err());
    }
}
