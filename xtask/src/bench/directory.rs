//! The directory: a scan beside OpenLDAP's ldapsearch reading the same from the same controller; and security descriptors
//! beside Samba's own reader of them.

use super::child::{Directory, Job, Took};
use super::{Bench, Bound, Row, median, output};
use crate::directory::{self, Controller, Domain, FEW, Running, SINGLE, SPREAD, UNITS};
use crate::{build, machine};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::process::Command;

const USERS: &str = "(&(objectCategory=person)(objectClass=user))";
const ATTRIBUTES: [&str; 7] = [
    "nTSecurityDescriptor",
    "objectClass",
    "objectSid",
    "adminCount",
    "userAccountControl",
    "pwdLastSet",
    "lockoutTime",
];

/// Over so many connections a scan reads.
const CONNECTIONS: u32 = 2;

/// What a peer took, in milliseconds.
struct Spent {
    wall: f64,
    cpu: f64,
}

/// ldapsearch reading what the scan reads, each process one part of the domain.
fn ldapsearch(controller: &Controller, bases: &[Vec<String>]) -> Result<Spent> {
    search(controller, bases, USERS, &ATTRIBUTES)
}

fn search(controller: &Controller, bases: &[Vec<String>], filter: &str, attributes: &[&str]) -> Result<Spent> {
    let mut script = String::from("TIMEFORMAT='%R %U %S'; time {");
    for some in bases {
        script.push_str(" (");
        for base in some {
            script.push_str(&format!(
                "ldapsearch -LLL -H ldaps://{} -D '{}' -w '{}' -b '{base}' -E pr=1000/noprompt -E '!1.2.840.113556.1.4.801=::MAMCAQc=' '{filter}' {} > /dev/null || exit 1; ",
                controller.host, controller.administrator, controller.password, attributes.join(" ")
            ));
        }
        script.push_str(") &");
    }
    script.push_str(" wait; }");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("LDAPTLS_CACERT", &controller.ca_file);
    let done = command.output()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let numbers: Vec<f64> = said
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|n| n.parse().ok())
        .collect();
    let [wall, user, system] = numbers[..] else {
        bail!("ldapsearch: {said}");
    };
    Ok(Spent {
        wall: wall * 1000.0,
        cpu: (user + system) * 1000.0,
    })
}

/// A controller that runs, and the job of scanning its domain.
struct Stage {
    running: Running,
    job: Job,
    root: String,
    users: u64,
}

impl Bench {
    fn domain(&self, domain: &'static Domain, users: u64, connections: u32) -> Result<Stage> {
        let running = Running::start(domain)?;
        let controller = &running.controller;
        // ldapsearch asks the system where the controller is.
        resolve(&controller.host, &controller.address)?;
        let job = Job {
            library: self.library.clone(),
            config: json!({}),
            apps: Vec::new(),
            directory: Some(Directory {
                request: json!({
                    "domain": controller.domain, "servers": [controller.host], "user": controller.administrator,
                    "caFile": controller.ca_file, "maxConnections": connections,
                }),
                password: controller.password.clone(),
            }),
            function: "sspr_check_directory_permissions".into(),
            request: json!({}),
            runs: 1,
        };
        let root = controller
            .domain
            .split('.')
            .map(|label| format!("DC={label}"))
            .collect::<Vec<_>>()
            .join(",");
        Ok(Stage {
            running,
            job,
            root,
            users,
        })
    }
}

/// A name for this machine alone.
fn resolve(host: &str, address: &str) -> Result<()> {
    let line = format!("{address} {host}");
    let hosts = std::fs::read_to_string("/etc/hosts")?;
    if !hosts.lines().any(|known| known == line) {
        std::fs::write("/etc/hosts", format!("{}\n{line}\n", hosts.trim_end())).context("/etc/hosts")?;
    }
    Ok(())
}

impl Stage {
    fn ours(&self) -> Result<Took> {
        let took = self.job.run()?;
        // The domain's own accounts are users too.
        if took.rows < self.users {
            bail!("{} of {} users were read", took.rows, self.users);
        }
        Ok(took)
    }

    /// Both sides in turn.
    fn against(&self, runs: usize, bases: &[Vec<String>]) -> Result<(Vec<Took>, f64, f64)> {
        let (mut all, mut wall, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        self.ours()?;
        for run in 1..=runs {
            let theirs = ldapsearch(&self.running.controller, bases)?;
            let ours = self.ours()?;
            eprintln!("bench:   {run}: {:.0} ms, ldapsearch {:.0} ms", ours.ms, theirs.wall);
            wall.push(theirs.wall);
            cpu.push(theirs.cpu);
            all.push(ours);
        }
        Ok((all, median(&mut wall), median(&mut cpu)))
    }
}

fn row(figure: &str, ours: f64, peer: &str, theirs: f64, limit: f64) -> Row {
    Row {
        figure: figure.into(),
        ours: format!("{ours:.0} ms"),
        peer: format!("{peer} {theirs:.0} ms"),
        value: ours / theirs,
        bound: Bound::AtMost(limit),
    }
}

fn middle(all: &[Took], of: impl Fn(&Took) -> f64) -> f64 {
    median(&mut all.iter().map(of).collect::<Vec<_>>())
}

/// A scan of 20,000 users.
pub fn scan(bench: &Bench) -> Result<Vec<Row>> {
    machine::need("ldapsearch", "ldap-utils").context("the peer is ldapsearch")?;
    let mut rows = Vec::new();
    let stage = bench.domain(&SPREAD, 20_000, CONNECTIONS)?;
    let whole = vec![vec![stage.root.clone()]];
    let (all, wall, cpu) = stage.against(bench.runs, &whole)?;
    let ours = middle(&all, |took| took.ms);
    rows.push(row("20,000 users spread over units", ours, "ldapsearch", wall, 0.9));
    rows.push(row(
        "its processor time",
        middle(&all, |took| took.cpu_ms),
        "ldapsearch",
        cpu,
        0.4,
    ));
    // As many ldapsearch processes as we open connections, each with its share of the units.
    let unit = |n: u32| format!("OU=Unit {n},{}", stage.root);
    let halves: Vec<Vec<String>> = (0..CONNECTIONS)
        .map(|half| (1..=40).filter(|n| n % CONNECTIONS == half).map(unit).collect())
        .collect();
    let (all, wall, _) = stage.against(bench.runs, &halves)?;
    let memory = middle(&all, |took| took.extra_kb / 1024.0);
    rows.push(row(
        "the same, beside parallel processes",
        middle(&all, |took| took.ms),
        "2 x ldapsearch",
        wall,
        1.1,
    ));
    drop(stage);
    let stage = bench.domain(&FEW, 2_000, CONNECTIONS)?;
    let few: Vec<Took> = (0..bench.runs).map(|_| stage.ours()).collect::<Result<_>>()?;
    let few = middle(&few, |took| took.extra_kb / 1024.0);
    rows.push(Row {
        figure: "memory above the idle process, 20,000 against 2,000 users".into(),
        ours: format!("{memory:.1} MB"),
        peer: format!("{few:.1} MB"),
        value: memory / few,
        bound: Bound::AtMost(1.15),
    });
    drop(stage);
    let stage = bench.domain(&SINGLE, 20_000, CONNECTIONS)?;
    let whole = vec![vec![stage.root.clone()]];
    let (all, wall, _) = stage.against(bench.runs, &whole)?;
    rows.push(row(
        "20,000 users in one container",
        middle(&all, |took| took.ms),
        "ldapsearch",
        wall,
        1.1,
    ));
    Ok(rows)
}

/// A plan that grants rights on a thousand units, each of which is looked at.
pub fn plan(bench: &Bench) -> Result<Vec<Row>> {
    const ALL: u64 = 1_000;
    machine::need("ldapsearch", "ldap-utils").context("the peer is ldapsearch")?;
    let mut stage = bench.domain(&UNITS, ALL, 1)?;
    let units: Vec<String> = (1..=ALL).map(|n| format!("OU=Unit {n},{}", stage.root)).collect();
    let desired = json!({
        "schemaVersion": 1, "directoryPermissions": {"inetOrgPersons": true, "containers": units},
    });
    stage.job.function = "sspr_plan_create".into();
    stage.job.request = json!({"desired": desired.to_string(), "steps": ["directory_permissions"]});
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let whole = [vec![stage.root.clone()]];
    let filter = "(objectClass=organizationalUnit)";
    stage.ours()?;
    for run in 1..=bench.runs {
        theirs.push(search(&stage.running.controller, &whole, filter, &["nTSecurityDescriptor"])?.wall);
        ours.push(stage.ours()?.ms);
        eprintln!(
            "bench:   {run}: {:.0} ms, ldapsearch {:.0} ms",
            ours[run - 1],
            theirs[run - 1]
        );
    }
    Ok(vec![row(
        "a plan for a thousand units",
        median(&mut ours),
        "ldapsearch reading their descriptors",
        median(&mut theirs),
        2.0,
    )])
}

/// A million descriptors, parsed and weighed.
pub fn descriptors(bench: &Bench) -> Result<Vec<Row>> {
    let root = build::root();
    let (script, descriptor) = (root.join("lab/directory/unpack.py"), root.join("examples/user.hex"));
    let mut build = build::cargo();
    build.args(["build", "--quiet", "--profile", &bench.profile, "--example", "weigh"]);
    output(&mut build)?;
    let folder = if bench.profile == "dev" {
        "debug"
    } else {
        &bench.profile
    };
    let weigh = build::target()?.join(folder).join("examples/weigh");
    let number = |text: &str| text.trim().parse::<f64>().with_context(|| text.to_string());
    let (mut distinct, mut same, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=bench.runs {
        distinct.push(number(&output(Command::new(&weigh).arg("1000000"))?)?);
        same.push(number(&output(Command::new(&weigh).arg("500"))?)?);
        let mut unpack = directory::python(&script, &[&descriptor])?;
        theirs.push(number(&output(unpack.arg("200000"))?)? * 5.0);
        eprintln!(
            "bench:   {run}: {:.0} ms, 500 different {:.0} ms, Samba {:.0} ms",
            distinct[run - 1],
            same[run - 1],
            theirs[run - 1]
        );
    }
    let (distinct, same, theirs) = (median(&mut distinct), median(&mut same), median(&mut theirs));
    Ok(vec![
        row(
            "a million different descriptors, parsed and weighed",
            distinct,
            "ndr_unpack alone (of 200,000, times 5)",
            theirs,
            0.2,
        ),
        row(
            "a million of 500 different ones",
            same,
            "our own for all different",
            distinct,
            0.05,
        ),
    ])
}
