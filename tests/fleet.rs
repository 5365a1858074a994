//! Many tenants in one task: each failure kept to its own, results as they end, what was done known again.

mod common;

use common::*;
use entra_sspr::error::Result;
use entra_sspr::fleet::{self, Fleet};
use entra_sspr::session::Session;
use entra_sspr::task::{Next, Task};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions, RequestRecord};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn lab(count: usize, options: LabOptions) -> Lab {
    Lab::start_blocking(LabOptions {
        scenarios: vec!["cloud-only-ready".into(); count],
        ..options
    })
    .expect("the lab starts")
}

/// A session with each of the lab's tenants, not signed in yet.
fn sessions(lab: &Lab, change: impl Fn(&mut Value)) -> Vec<Arc<Session>> {
    let open_one = |tenant: &sspr_lab::TenantInfo| {
        let url = lab.url();
        let mut config = json!({
            "tenant": tenant.tenant_id, "budgets": "off", "requestTimeoutSeconds": 20,
            "endpoints": {"login": url, "graph": url, "portal": url, "imds": url},
        });
        change(&mut config);
        let session = open(&config);
        session
            .set_secret("clientSecret", tenant.client_secret.as_bytes())
            .expect("a secret");
        session
    };
    lab.tenants().iter().map(open_one).collect()
}

fn request(lab: &Lab, more: Value) -> Value {
    let target = |(at, tenant): (usize, sspr_lab::TenantInfo)| json!({"key": format!("T{at}"), "session": at.to_string(), "signIn": {"method": "clientSecret", "clientId": tenant.client_id}});
    let targets: Vec<Value> = lab.tenants().into_iter().enumerate().map(target).collect();
    let mut request = json!({"targets": targets, "check": {"steps": ["license", "reset_policy"]}});
    for (name, value) in more.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

fn start(sessions: &[Arc<Session>], request: Value) -> Result<Arc<Task>> {
    let fleet = Fleet::new(request, |handle| Ok(Arc::clone(&sessions[handle as usize])))?;
    Task::start(fleet.offered(), move |context| async move {
        fleet::check(fleet, &context).await
    })
}

/// What each target came to, and the whole.
fn run_fleet(sessions: &[Arc<Session>], request: Value) -> (Vec<Value>, Value) {
    let (mut events, end) = events(&start(sessions, request).expect("the task starts"));
    end.expect("the run ends with an answer");
    let whole = events.pop().expect("a result")["result"].take();
    let targets = events.into_iter().filter(|event| event["event"] == "target");
    (targets.map(|mut event| event["target"].take()).collect(), whole)
}

fn told<'a>(targets: &'a [Value], key: &str) -> &'a Value {
    let mut of = targets.iter().filter(|target| target["key"] == key);
    let found = of.next().unwrap_or_else(|| panic!("{key} is missing"));
    assert!(of.next().is_none(), "{key} is told twice");
    found
}

fn in_tenant(lab: &Lab, index: usize, path: &str, kind: FaultKind) {
    let fault = Fault {
        path: path.into(),
        tenant: Some(lab.tenant(index).tenant_id),
        kind,
        ..Fault::default()
    };
    lab.add_fault(fault).expect("the lab takes it");
}

#[test]
fn three_tenants_have_a_result_each() {
    let lab = lab(3, LabOptions::default());
    let (targets, whole) = run_fleet(&sessions(&lab, |_| {}), request(&lab, json!({})));
    assert_eq!(
        (targets.len(), &whole["done"], &whole["failed"]),
        (3, &json!(3), &json!(0))
    );
    for (at, tenant) in lab.tenants().iter().enumerate() {
        let told = told(&targets, &format!("T{at}"));
        assert_eq!(told["status"], "Done");
        assert_eq!(told["tenantId"], *tenant.tenant_id);
        assert_eq!(told["steps"].as_array().expect("steps").len(), 2);
        assert_eq!(told["readiness"]["steps"][0]["status"], told["steps"][0]["status"]);
        assert!(told["readiness"]["snapshot"].is_string());
    }
    assert_clean(&lab);
}

#[test]
fn what_a_request_may_not_say_is_refused_before_anything_is_sent() {
    let lab = lab(2, LabOptions::default());
    let sessions = sessions(&lab, |_| {});
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut request = request(&lab, json!({}));
        change(&mut request);
        start(&sessions, request).expect_err("it is refused").message
    };
    assert!(refused(&|r| r["targets"][1]["key"] = json!("t0")).contains("'t0' is empty or there twice"));
    assert!(refused(&|r| r["targets"][0]["session"] = json!(7)).contains("not a handle"));
    assert!(refused(&|r| r["targets"][0]["signIn"] = json!({"method": "deviceCode"})).contains("by a person"));
    assert!(refused(&|r| r["targets"] = json!([])).contains("1 to 10000"));
    assert!(refused(&|r| r["throttle"] = json!(0)).contains("from 1 to 256"));
    assert!(refused(&|r| r["check"] = json!({"steps": ["licence"]})).contains("there is no step 'licence'"));
    assert!(refused(&|r| r["resume"] = json!(true)).contains("state file"));
    for no_boolean in [json!("true"), json!(1), json!([])] {
        assert!(refused(&|r| r["resume"] = no_boolean.clone()).contains("'resume' is neither true nor false"));
    }
    assert!(refused(&|r| r["canary"] = json!(1)).contains("`canary`"));
    assert!(lab.requests().is_empty());
}

/// A certificate of the lab's app key that ended an hour ago, with that key, and when it ended.
fn expired_certificate(lab: &Lab) -> (String, String) {
    let key_text = std::fs::read_to_string(lab.app_key_file()).expect("the lab wrote it");
    let key = rcgen::KeyPair::from_pem(&key_text).expect("a key");
    let ended = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 3600).expect("a time");
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    let second = ended.as_second() - params.not_before.unix_timestamp();
    params.not_after = params.not_before + std::time::Duration::from_secs(second as u64);
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem() + &key_text, ended.to_string())
}

/// Sixty tenants, of which some are slow, throttled, without a permission, with an expired certificate, or hang.
#[test]
fn of_sixty_tenants_those_that_can_be_read_are_and_the_others_say_why() {
    let lab = lab(60, LabOptions::default());
    for slow in 0..6 {
        in_tenant(&lab, slow, "/v1.0", FaultKind::Latency { ms: 150 });
    }
    for throttled in 6..10 {
        let fault = Fault {
            path: "/v1.0".into(),
            tenant: Some(lab.tenant(throttled).tenant_id),
            count: Some(2),
            kind: FaultKind::Throttle {
                retry_after: Some("1".into()),
            },
            ..Fault::default()
        };
        lab.add_fault(fault).expect("the lab takes it");
    }
    for poor in 10..13 {
        for permission in [
            "LicenseAssignment.Read.All",
            "Organization.Read.All",
            "Directory.Read.All",
            "Policy.Read.All",
            "AuditLog.Read.All",
        ] {
            let body = json!({"tenant": lab.tenant(poor).tenant_id, "app": "checker", "permission": permission});
            lab.control("POST", "permissions/remove", &body)
                .expect("the lab takes it");
        }
    }
    let expired =
        "AADSTS700027: The certificate with identifier used to sign the client assertion is expired on application.";
    let answer = FaultKind::Body {
        status: 401,
        content_type: "application/json".into(),
        text: json!({"error": "invalid_client", "error_description": expired, "error_codes": [700_027]}).to_string(),
    };
    in_tenant(&lab, 13, "", answer);
    in_tenant(&lab, 14, "/v1.0", FaultKind::Never);

    let sessions = sessions(&lab, |_| {});
    let mut request = request(&lab, json!({"targetSeconds": 12, "deadlineSeconds": 50}));
    let (certificate, ended) = expired_certificate(&lab);
    sessions[15]
        .set_secret("certificate", certificate.as_bytes())
        .expect("a secret");
    request["targets"][15]["signIn"]["method"] = "certificate".into();
    let began = Instant::now();
    let (targets, whole) = run_fleet(&sessions, request);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(targets.len(), 60);
    assert_eq!(
        (&whole["done"], &whole["failed"], &whole["notDone"]),
        (&json!(57), &json!(3), &json!(0))
    );
    let said = |key: &str| {
        told(&targets, key)["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    };
    let certificate = told(&targets, "T13")["error"].to_string();
    assert!(certificate.contains("AADSTS700027"), "{certificate}");
    // One that ended is known to have without the service, which is not asked.
    assert!(said("T15").contains(&format!("ended at {ended}")), "{}", said("T15"));
    assert!(
        told(&targets, "T15")["error"]["help"]
            .to_string()
            .contains("Make a new one")
    );
    let own = Some(lab.tenant(15).tenant_id);
    assert!(lab.requests().iter().all(|asked| asked.tenant_id != own));
    assert!(said("T14").contains("longer than 12 s"), "{}", said("T14"));
    for poor in 10..13 {
        let steps = &told(&targets, &format!("T{poor}"))["steps"];
        assert!(steps.to_string().contains("Skipped"), "{steps}");
    }
    for good in (0..10).chain(16..60) {
        let told = told(&targets, &format!("T{good}"));
        assert_eq!(told["steps"][0]["status"], "Pass", "{told}");
        assert_eq!(told["readiness"]["tenantId"], *lab.tenant(good).tenant_id);
    }
    // The one that hangs has kept nobody: it ends last.
    assert_eq!(targets.last().expect("targets")["key"], "T14");
}

#[test]
fn the_time_of_a_run_ends_what_goes_on_and_leaves_the_rest_for_later() {
    let lab = lab(4, LabOptions::default());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fleet.state");
    for hangs in 1..3 {
        in_tenant(&lab, hangs, "/v1.0", FaultKind::Never);
    }
    let wanted = |resume: bool| json!({"throttle": 2, "deadlineSeconds": 3, "statePath": path, "resume": resume});
    let (targets, whole) = run_fleet(&sessions(&lab, |_| {}), request(&lab, wanted(false)));
    let status = |key: &str| told(&targets, key)["status"].clone();
    assert_eq!(
        [status("T0"), status("T1"), status("T2"), status("T3")],
        ["Done", "Failed", "Failed", "NotDone"]
    );
    let why = told(&targets, "T1")["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("the run over the fleet took longer than 3 s"), "{why}");
    assert_eq!(
        (&whole["done"], &whole["failed"], &whole["notDone"]),
        (&json!(1), &json!(2), &json!(1))
    );

    lab.reset();
    let (targets, whole) = run_fleet(&sessions(&lab, |_| {}), request(&lab, wanted(true)));
    assert_eq!((&whole["done"], &whole["resumed"]), (&json!(3), &json!(1)));
    let first = told(&targets, "T0");
    assert_eq!(
        (&first["resumed"], &first["status"], &first["readiness"]),
        (&json!(true), &json!("Done"), &Value::Null)
    );
    assert_eq!(first["steps"].as_array().expect("steps").len(), 2);
    let asked = lab.requests();
    assert!(
        asked.iter().all(|r| r.tenant_id != Some(lab.tenant(0).tenant_id)),
        "T0 was done again"
    );
}

/// Runs until so many are done, then stops it as a kill would: nothing more is written.
fn stopped_after(sessions: &[Arc<Session>], request: Value, count: usize) -> Vec<String> {
    let task = start(sessions, request).expect("the task starts");
    let mut seen = Vec::new();
    while seen.len() < count {
        if let Next::Event(event) = task.next(Duration::from_secs(5)).expect("it goes on") {
            let event: Value = serde_json::from_str(&event).expect("an event is JSON");
            if event["event"] == "target" {
                seen.push(event["target"]["key"].as_str().expect("a key").to_string());
            }
        }
    }
    task.cancel();
    let (late, end) = events(&task);
    end.expect_err("it was cancelled");
    seen.extend(
        late.iter()
            .filter_map(|event| event["target"]["key"].as_str().map(str::to_string)),
    );
    seen
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the state file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was_and_does_nothing_twice() {
    let lab = lab(20, LabOptions::default());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fleet.state");
    let begin = request(&lab, json!({"throttle": 4, "statePath": path}));
    let seen = stopped_after(&sessions(&lab, |_| {}), begin, 7);
    let noted = lines(&path).len() - 1;
    assert!(
        noted <= seen.len() && noted + 1 >= seen.len().min(7),
        "{noted} noted, {} seen",
        seen.len()
    );
    let done: Vec<String> = lines(&path)[1..]
        .iter()
        .map(|l| l["key"].as_str().expect("a key").into())
        .collect();
    // The last line is cut off, as by a full disk.
    let text = std::fs::read_to_string(&path).expect("the state file");
    std::fs::write(&path, &text[..text.len() - 9]).expect("it is cut");
    let secret = &lab.tenant(0).client_secret;
    assert!(!text.contains(secret.as_str()));

    lab.reset();
    let again = request(&lab, json!({"throttle": 4, "statePath": path, "resume": true}));
    let (targets, whole) = run_fleet(&sessions(&lab, |_| {}), again);
    assert_eq!(targets.len(), 20);
    assert_eq!(
        (&whole["resumed"], &whole["done"]),
        (&json!(noted - 1), &json!(20 - (noted - 1)))
    );
    let asked = lab.requests();
    for key in &done[..noted - 1] {
        let id = lab.tenant(key[1..].parse().expect("a number")).tenant_id;
        assert!(
            asked.iter().all(|r| r.tenant_id.as_ref() != Some(&id)),
            "{key} was done again"
        );
    }
    let mut keys: Vec<String> = lines(&path)[1..]
        .iter()
        .map(|l| l["key"].as_str().expect("a key").into())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 20);
}

#[test]
fn what_other_runs_did_is_not_done_again_and_stands_in_this_runs_file() {
    let lab = lab(4, LabOptions::default());
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    // Two parts of the list, of which the second has a tenant that fails.
    in_tenant(&lab, 3, "/v1.0", FaultKind::Never);
    for (part, at) in [("one", [0usize, 1]), ("two", [2, 3])] {
        let mut request = request(&lab, json!({"statePath": file(part), "targetSeconds": 2}));
        let all = request["targets"].take();
        request["targets"] = at.iter().map(|at| all[*at].clone()).collect();
        run_fleet(&sessions(&lab, |_| {}), request);
    }
    lab.reset();
    let joined = json!({"statePath": file("joined"), "resumeFrom": [file("one"), file("two")]});
    let (targets, whole) = run_fleet(&sessions(&lab, |_| {}), request(&lab, joined));
    assert_eq!(
        (targets.len(), &whole["resumed"], &whole["done"]),
        (4, &json!(3), &json!(1))
    );
    let only = Some(lab.tenant(3).tenant_id);
    assert!(
        lab.requests()
            .iter()
            .all(|asked| asked.tenant_id.is_none() || asked.tenant_id == only)
    );
    let mut keys: Vec<String> = lines(&file("joined"))[1..]
        .iter()
        .map(|line| line["key"].to_string())
        .collect();
    keys.sort();
    assert_eq!(keys, ["\"T0\"", "\"T1\"", "\"T2\"", "\"T3\""]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(file("joined")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    // A part that goes on finds what the joined run did, and notes each once.
    lab.reset();
    let part = json!({"statePath": file("two"), "resume": true, "resumeFrom": [file("joined")]});
    let (_, whole) = run_fleet(&sessions(&lab, |_| {}), request(&lab, part));
    assert_eq!((&whole["resumed"], &whole["done"]), (&json!(4), &json!(0)));
    assert!(lab.requests().is_empty());
    let again = json!({"statePath": file("joined"), "resume": true, "resumeFrom": [file("one"), file("two")]});
    run_fleet(&sessions(&lab, |_| {}), request(&lab, again));
    assert_eq!(lines(&file("joined")).len(), 5);

    let sessions = sessions(&lab, |_| {});
    let refused = |more: Value| {
        start(&sessions, request(&lab, more))
            .and_then(|task| events(&task).1)
            .expect_err("refused")
    };
    let other = refused(json!({"check": {"steps": ["license"]}, "statePath": file("x"), "resumeFrom": [file("one")]}));
    assert!(other.message.contains("over other steps"), "{}", other.message);
    assert!(!file("x").exists(), "nothing was begun");
    assert_eq!(
        refused(json!({"resumeFrom": [file("one")]})).target.as_deref(),
        Some("statePath")
    );
    for wrong in [json!("one"), json!([7])] {
        let error = refused(json!({"statePath": file("x"), "resumeFrom": wrong}));
        assert_eq!(error.target.as_deref(), Some("resumeFrom"));
    }
}

/// How long the quickest of so many requests and one more took, in milliseconds.
fn quickest(mut arrivals: Vec<f64>, allowed: usize) -> f64 {
    arrivals.sort_by(f64::total_cmp);
    let spans = arrivals.windows(allowed + 1).map(|some| some[allowed] - some[0]);
    spans.fold(f64::INFINITY, f64::min)
}

/// Ten seconds, less what requests that were sent together may arrive apart on a busy machine.
const WINDOW_MS: f64 = 7_500.0;

#[test]
fn the_budgets_of_an_app_are_kept_in_each_tenant_and_over_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("one-app.json");
    let one_app = json!({"extends": "cloud-only-ready", "about": "An app of many tenants.",
        "apps": {"checker": {"clientId": "11111111-2222-4333-8444-555555555555"}}});
    std::fs::write(&scenario, one_app.to_string()).expect("the scenario is written");
    let lab = Lab::start_blocking(LabOptions {
        scenarios: vec![scenario.display().to_string(); 40],
        budgets: true,
        ..LabOptions::default()
    })
    .expect("the lab starts");
    let run = |budgets: &str, seconds: u64| {
        let sessions = sessions(&lab, |config| config["budgets"] = json!(budgets));
        let check = json!({"check": {"steps": ["reset_policy", "user_registration"]}, "throttle": 40, "deadlineSeconds": seconds});
        let (_, whole) = run_fleet(&sessions, request(&lab, check));
        (whole, lab.requests())
    };
    let refused = |asked: &[RequestRecord]| asked.iter().filter(|r| r.status == 429).count();
    let arrivals = |asked: &[RequestRecord], tenant: Option<&str>| -> Vec<f64> {
        let counts = |path: &str| path.contains("/reports/") || path.contains("/auditLogs/");
        let of = asked
            .iter()
            .filter(|r| counts(&r.path) && (tenant.is_none() || r.tenant_id.as_deref() == tenant));
        of.map(|r| r.at_ms).collect()
    };
    // Who does not pace himself passes the app's budget over all tenants, and is refused.
    let (_, asked) = run("off", 5);
    assert!(
        quickest(arrivals(&asked, None), 122) < WINDOW_MS,
        "too few requests to show anything"
    );
    assert!(refused(&asked) > 0);
    lab.reset();
    let (whole, asked) = run("documented", 50);
    assert_eq!(whole["done"], 40);
    assert_eq!(refused(&asked), 0, "refused by the service");
    let all = arrivals(&asked, None);
    assert!(all.len() > 122, "{} count: too few to show anything", all.len());
    let span = quickest(all, 122);
    assert!(span >= WINDOW_MS, "123 requests of the app in {span} ms");
    for tenant in lab.tenants() {
        let span = quickest(arrivals(&asked, Some(&tenant.tenant_id)), 5);
        assert!(span >= WINDOW_MS, "6 requests in one tenant in {span} ms");
    }
}
