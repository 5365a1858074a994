//! A million users: the library beside one curl process that reads the same pages, whose addresses it is given.

use super::child::{Job, Took};
use super::peer::{Peer, Seen, Wire};
use super::{Bench, Bound, Row, median, scenario};
use crate::lab::{App, Lab};
use anyhow::{Result, bail};
use serde_json::json;

pub(super) const MILLION: u64 = 1_000_000;
const FEW: u64 = 10_000;

/// A lab with a tenant, and the job of checking it.
pub(super) struct Stage {
    lab: Lab,
    pub(super) job: Job,
    /// The pages of the lists that a run reads, in the order of its requests.
    pub(super) pages: Vec<String>,
}

impl Bench {
    pub(super) fn stage(&self, users: u64, wire: Wire, arguments: &[&str]) -> Result<Stage> {
        let scenario = scenario::write(&self.place, users)?;
        let scenario = scenario.display().to_string();
        let mut all = vec!["--scenario", &scenario];
        if wire == Wire::Packed {
            all.extend(["--https", "--gzip"]);
        }
        all.extend(arguments);
        let lab = Lab::start(&self.lab, &all)?;
        let job = self.job(&lab, wire);
        // The first run makes the lab render every page, and tells which pages a run reads.
        expect(&job.run()?, users)?;
        let seen = lab.requests()?;
        let spoken = "HTTP/1.1";
        // The parts of a batch have no protocol of their own.
        let other = |r: &&Seen| r.role == "graph" && !r.protocol.is_empty() && r.protocol != spoken;
        if let Some(other) = seen.iter().find(other) {
            bail!(
                "the library asked for {} over {}, not {spoken}",
                other.path,
                other.protocol
            );
        }
        let lists = ["/userRegistrationDetails", "/transitiveMembers/microsoft.graph.user"];
        let pages: Vec<String> = seen
            .iter()
            .filter(|r| r.status == 200 && lists.iter().any(|list| r.path.ends_with(list)))
            .map(|r| r.address())
            .collect();
        Ok(Stage { lab, job, pages })
    }

    /// A check of the whole tenant with the budgets off.
    pub(super) fn job(&self, lab: &Lab, wire: Wire) -> Job {
        let graph = match wire {
            Wire::Plain => Some(&lab.url),
            Wire::Packed => lab.https_url.as_ref(),
        };
        Job {
            library: self.library.clone(),
            config: json!({
                "endpoints": {"login": lab.url, "graph": graph},
                "caFile": lab.ca_file, "proxy": "none", "budgets": "off",
            }),
            apps: vec![App {
                tenant_id: lab.tenant_id.clone(),
                client_id: lab.client_id.clone(),
                secret: lab.client_secret.clone(),
            }],
            directory: None,
            function: "sspr_check_readiness".into(),
            request: json!({"full": true}),
            runs: 1,
        }
    }
}

fn expect(took: &Took, users: u64) -> Result<()> {
    if took.rows != users {
        bail!("{} of {users} registration details were read", took.rows);
    }
    Ok(())
}

/// Times both sides in turn.
pub(super) fn against_curl(bench: &Bench, stage: &Stage, wire: Wire, runs: usize) -> Result<(Vec<Took>, f64, f64)> {
    let peer = Peer::new(&bench.place, &stage.lab, wire, &stage.pages)?;
    let (mut ours, mut theirs, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        theirs.push(peer.run()?);
        let took = stage.job.run()?;
        expect(&took, MILLION)?;
        eprintln!(
            "bench:   {run}: {:.0} ms, curl {:.0} ms",
            took.ms,
            theirs[theirs.len() - 1]
        );
        ours.push(took.ms);
        all.push(took);
    }
    Ok((all, median(&mut ours), median(&mut theirs)))
}

pub(super) fn row(figure: &str, pages: usize, ours: f64, theirs: f64, limit: f64) -> Row {
    Row {
        figure: format!("{figure}, {pages} pages"),
        ours: format!("{ours:.0} ms"),
        peer: format!("curl {theirs:.0} ms"),
        value: ours / theirs,
        bound: Bound::AtMost(limit),
    }
}

/// Plain HTTP/1.1; and from the same runs the memory, and the cost of a user.
pub fn plain(bench: &Bench) -> Result<Vec<Row>> {
    let stage = bench.stage(MILLION, Wire::Plain, &[])?;
    let (runs, ours, theirs) = against_curl(bench, &stage, Wire::Plain, bench.runs)?;
    let mut memory: Vec<f64> = runs.iter().map(|t| t.extra_kb / 1024.0).collect();
    let mut many: Vec<f64> = runs.iter().map(|t| t.cpu_ms * 1000.0 / MILLION as f64).collect();
    let pages = stage.pages.len();
    drop(stage);
    let stage = bench.stage(FEW, Wire::Plain, &[])?;
    let mut few = Vec::new();
    for _ in 0..bench.runs {
        few.push(stage.job.run()?.cpu_ms * 1000.0 / FEW as f64);
    }
    let (memory, many, few) = (median(&mut memory), median(&mut many), median(&mut few));
    Ok(vec![
        row("a million users, HTTP/1.1", pages, ours, theirs, 1.3),
        Row {
            figure: "its memory above the idle process".into(),
            ours: format!("{memory:.1} MB"),
            peer: "64 MB".into(),
            value: memory / 64.0,
            bound: Bound::AtMost(1.0),
        },
        Row {
            figure: "processor time a user, of 1,000,000 and of 10,000".into(),
            ours: format!("{many:.2} us"),
            peer: format!("{few:.2} us"),
            value: many / few,
            bound: Bound::AtMost(1.1),
        },
    ])
}

/// TLS with gzip.
pub fn tls(bench: &Bench) -> Result<Vec<Row>> {
    let stage = bench.stage(MILLION, Wire::Packed, &[])?;
    let (_, ours, theirs) = against_curl(bench, &stage, Wire::Packed, bench.runs)?;
    Ok(vec![row(
        "a million users, TLS and gzip",
        stage.pages.len(),
        ours,
        theirs,
        1.3,
    )])
}

/// Every answer begins 50 ms late and comes at 50 MB/s.
pub fn late(bench: &Bench) -> Result<Vec<Row>> {
    let slow = json!({"path": "/v1.0/", "kind": "bandwidth", "lateMs": 50, "bytesPerSecond": 50_000_000}).to_string();
    let stage = bench.stage(MILLION, Wire::Plain, &["--fault", &slow])?;
    let (_, ours, theirs) = against_curl(bench, &stage, Wire::Plain, bench.runs)?;
    Ok(vec![row(
        "a million users, answers 50 ms late at 50 MB/s",
        stage.pages.len(),
        ours,
        theirs,
        0.99,
    )])
}
