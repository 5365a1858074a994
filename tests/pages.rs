//! Lists that are read two pages at once: what breaks, ends or is cancelled in their middle.

mod common;

use common::*;
use entra_sspr::error::Result;
use entra_sspr::gather::{self, Limits};
use entra_sspr::session::Session;
use entra_sspr::snapshot::{FactId, Facts};
use entra_sspr::status::Status;
use entra_sspr::task::Task;
use entra_sspr::tenant::graph::Ask;
use entra_sspr::tenant::page::{Entries, Rows};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

fn lab() -> Lab {
    Lab::start_blocking(LabOptions {
        page_size: Some(20),
        ..LabOptions::scenario("hybrid-ready")
    })
    .expect("the lab starts")
}

/// Takes the ids of users in the order of their pages, and lets a test look at each entry.
struct Ids {
    all: Vec<String>,
    /// Shared with every page: whoever still holds it still reads.
    look: Arc<dyn Fn(usize) + Send + Sync>,
}

struct Page {
    ids: Vec<String>,
    look: Arc<dyn Fn(usize) + Send + Sync>,
}

impl Ids {
    fn new(look: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Ids {
            all: Vec::new(),
            look: Arc::new(look),
        }
    }
}

impl Rows for Ids {
    type Page = Page;

    fn page(&mut self) -> Page {
        Page {
            ids: Vec::new(),
            look: Arc::clone(&self.look),
        }
    }

    fn take(&mut self, mut page: Page) {
        self.all.append(&mut page.ids);
    }
}

impl Entries for Page {
    type Entry<'a> = Value;

    fn entry(&mut self, entry: Value) {
        (self.look)(self.ids.len());
        self.ids.push(entry["id"].as_str().unwrap_or_default().into());
    }

    fn discard(&mut self) {
        self.ids.clear();
    }
}

/// Starts to read a list; `pages` is as many as may be read.
fn start(session: &Arc<Session>, path: &str, mut ids: Ids, pages: u64) -> Arc<Task> {
    let (session, ask) = (Arc::clone(session), Ask::report(path));
    let work = move |context| async move {
        let read = session
            .graph(&context)?
            .rows(&ask, &mut ids, |before| before < pages)
            .await;
        let (whole, error) = match read {
            Ok(whole) => (whole, None),
            Err(error) => (false, Some(error.to_string())),
        };
        Ok(json!({"ids": ids.all, "whole": whole, "error": error}))
    };
    Task::start(BTreeSet::new(), work).expect("a task starts")
}

fn read(session: &Arc<Session>, pages: u64) -> Result<Value> {
    result(&start(session, REPORT, Ids::new(|_| {}), pages))
}

fn ids(read: &Value) -> Vec<&str> {
    let ids = read["ids"].as_array().expect("ids");
    ids.iter().filter_map(Value::as_str).collect()
}

/// How many requests for pages the lab has seen.
fn asked(lab: &Lab) -> usize {
    lab.requests().iter().filter(|r| r.path == REPORT).count()
}

#[test]
fn a_panic_in_an_entrys_reader_is_told_with_its_place() {
    let lab = lab();
    let session = app(&lab, 0);
    // Several times: which thread reads and which one waits differs.
    for _ in 0..8 {
        let line = line!() + 1;
        let panicking = Ids::new(|number| assert!(number < 7, "a canary in an entry"));
        let error = result(&start(&session, REPORT, panicking, 99)).expect_err("it panics");
        assert_eq!(error.status, Status::Panic);
        let place = format!("at {}:{line}: a canary in an entry", file!());
        assert!(error.message.contains(&place), "{error:?}");
    }
    assert!(read(&session, 99).expect("the session goes on")["whole"] == true);
}

#[test]
fn a_page_that_fails_for_good_leaves_out_its_own_entries_alone() {
    let lab = lab();
    let session = app(&lab, 0);
    let all = read(&session, 99).expect("no fault yet");
    let all = ids(&all);
    assert!(all.len() > 200);
    assert_eq!(BTreeSet::from_iter(&all).len(), all.len());
    // The third page breaks off behind its link, however often; the fourth is read meanwhile.
    let third = lab
        .requests()
        .into_iter()
        .filter(|r| r.path == REPORT)
        .nth(2)
        .expect("a page");
    let token = third.query.split("skiptoken=").nth(1).expect("its token").to_string();
    lab.add_fault(Fault {
        path_regex: Some(format!("skiptoken={token}$")),
        ..Fault::new(REPORT, FaultKind::DropMidBody { after: None })
    })
    .expect("a fault");
    let part = read(&session, 99).expect("what was read comes back");
    assert!(
        part["error"]
            .as_str()
            .expect("an error")
            .contains("could not be reached"),
        "{part}"
    );
    let expected: Vec<&str> = [&all[..40], &all[60..80]].concat();
    assert_eq!(ids(&part), expected);
}

#[test]
fn a_list_that_is_ended_early_asks_for_no_page_more() {
    let lab = lab();
    let session = app(&lab, 0);
    for pages in [1, 2, 3, 5] {
        lab.reset();
        let part = read(&session, pages).expect("a part");
        assert_eq!(
            (part["whole"].as_bool(), ids(&part).len()),
            (Some(false), 20 * pages as usize)
        );
        assert_eq!(asked(&lab), pages as usize);
    }
}

#[test]
fn a_token_that_is_refused_in_the_middle_is_renewed_as_often_as_that_happens() {
    let lab = lab();
    let session = app(&lab, 0);
    let all = read(&session, 99).expect("no fault yet");
    // The second page, and one later.
    for before in [1, 5] {
        lab.add_fault(Fault::new(REPORT, FaultKind::RevokedToken).after(before).times(1))
            .expect("a fault");
    }
    let again = read(&session, 99).expect("it is read");
    assert_eq!(again["error"], Value::Null);
    assert_eq!(ids(&again), ids(&all));
    let token = |path: &str| path.ends_with("/oauth2/v2.0/token");
    assert_eq!(lab.requests().iter().filter(|r| token(&r.path)).count(), 3);
}

#[test]
fn what_is_cancelled_in_its_middle_ends_within_a_second_and_leaves_nothing() {
    let lab = lab();
    let session = app(&lab, 0);
    // Behind their links, pages drip for minutes.
    let kind = FaultKind::Drip {
        bytes: 1_000,
        every_ms: 1_000,
    };
    lab.add_fault(Fault::new(REPORT, kind)).expect("a fault");
    let ids = Ids::new(|_| {});
    let held = Arc::downgrade(&ids.look);
    let task = start(&session, REPORT, ids, 99);
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(held.strong_count() > 2, "two pages are being read");
    let start = Instant::now();
    task.cancel();
    assert_eq!(
        events(&task).1.expect_err("it was cancelled").status,
        Status::TaskCancelled
    );
    while held.strong_count() > 0 && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let before = asked(&lab);
    assert!(before >= 2);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(asked(&lab), before, "nothing goes on");
}

#[test]
fn an_answer_without_an_end_is_refused_before_it_fills_the_memory() {
    let lab = lab();
    let session = app(&lab, 0);
    let mut text = String::from(r#"{"value":[{"id":""}"#);
    (0..4_200_000).for_each(|_| text.push_str(r#",{"id":""}"#));
    let kind = FaultKind::Body {
        status: 200,
        content_type: "application/json".into(),
        text: text + "]}",
    };
    lab.add_fault(Fault::new(REPORT, kind)).expect("a fault");
    let part = read(&session, 99).expect("what was read comes back");
    assert!(
        part["error"].as_str().expect("an error").contains("longer than"),
        "{}",
        part["error"]
    );
    assert!(ids(&part).is_empty());
}

#[test]
fn pages_that_wait_hold_up_none_before_them_and_keep() {
    let lab = Lab::start_blocking(LabOptions {
        https: true,
        ..LabOptions::scenario("hybrid-ready")
    })
    .expect("the lab starts");
    let url = lab.https_url().expect("the lab has TLS");
    let mut config = config(&lab, 0);
    config["endpoints"]["graph"] = json!(url);
    config["caFile"] = json!(lab.ca_file().expect("the lab has a CA"));
    config["proxy"] = json!("none");
    config["requestTimeoutSeconds"] = json!(2);
    let session = open(&config);
    sign_in(&session, &lab, 0);
    // The first pages come slowly. The third ones are there before those are read, and wait longer than an answer may be
    // silent.
    for (page, rows) in [(1, 4_000), (2, 1), (3, 80_000)] {
        let link = format!(r#""@odata.nextLink":"{url}{REPORT}?page={}","#, page + 1);
        let link = if page < 3 { link.as_str() } else { "" };
        let values = vec![r#"{"id":"x"}"#; rows].join(",");
        let kind = FaultKind::Body {
            status: 200,
            content_type: "application/json".into(),
            text: format!(r#"{{{link}"value":[{values}]}}"#),
        };
        let slow = FaultKind::Drip {
            bytes: 10_000,
            every_ms: 600,
        };
        for kind in [Some(kind), (page == 1).then_some(slow)].into_iter().flatten() {
            lab.add_fault(Fault {
                path_regex: Some(format!("page={page}")),
                ..Fault::new(REPORT, kind)
            })
            .expect("a fault");
        }
    }
    let lists: Vec<_> = (0..10)
        .map(|_| start(&session, &format!("{REPORT}?page=1"), Ids::new(|_| {}), 99))
        .collect();
    for list in lists {
        let read = result(&list).expect("what was read comes back");
        assert_eq!((&read["error"], ids(&read).len()), (&Value::Null, 84_001));
    }
}

#[test]
fn pages_without_an_end_end() {
    let lab = lab();
    let session = app(&lab, 0);
    // Every page leads to another one.
    let url = lab.url();
    let start = Instant::now();
    let page = |next: &str| FaultKind::Body {
        status: 200,
        content_type: "application/json".into(),
        text: format!(r#"{{"@odata.nextLink":"{url}{next}","value":[{{"activity":"x"}}]}}"#),
    };
    let path = "/v1.0/identity/conditionalAccess/policies";
    for number in 0..1_001 {
        let next = page(&format!("{path}?$skiptoken={number}"));
        lab.add_fault(Fault::new(path, next).after(number).times(1))
            .expect("a fault");
    }
    let work = {
        let session = Arc::clone(&session);
        move |context| async move {
            let list = session
                .graph(&context)?
                .list::<Value>(&Ask::conditional_access(path))
                .await;
            Ok(json!(list.expect_err("it has no end").to_string()))
        }
    };
    let error = result(&Task::start(BTreeSet::new(), work).expect("a task starts")).expect("it ends");
    assert!(error.as_str().expect("text").contains("no end"), "{error}");
    assert!(start.elapsed() < PATIENCE);
}

/// The facts that long lists give.
fn facts(session: &Arc<Session>) -> Facts {
    let session = Arc::clone(session);
    let work = move |context| async move {
        let ids = [FactId::Registration, FactId::AuditResets, FactId::AuditSettings].into();
        let snapshot = gather::run(&session, &ids, &Limits::default(), &context).await?;
        Ok(serde_json::to_value(snapshot.facts).expect("facts are JSON"))
    };
    let task = Task::start(BTreeSet::new(), work).expect("a task starts");
    serde_json::from_value(result(&task).expect("gathering ends")).expect("facts are read again")
}

#[test]
fn facts_are_the_same_however_their_pages_come() {
    let lab = Lab::start_blocking(LabOptions {
        page_size: Some(15),
        ..LabOptions::scenario("hybrid-faulty")
    })
    .expect("the lab starts");
    let session = app(&lab, 0);
    let read = || {
        let facts = facts(&session);
        let groups = facts.policy_groups.whole().cloned().expect("the groups");
        let mut resets = facts.audit_resets.whole().cloned().expect("the resets");
        // It counts from now.
        resets.from = None;
        let settings = facts.audit_settings.whole().cloned().expect("the settings");
        let registration = facts.registration.whole().cloned().expect("the report");
        let counted: u64 = registration.cohorts.iter().map(|cohort| cohort.count).sum();
        assert_eq!(counted, registration.rows);
        serde_json::to_value((registration, groups, settings.settings, resets)).expect("JSON")
    };
    let first = read();
    for turn in 1..=4 {
        let all = |kind| Fault {
            path_regex: Some("userRegistrationDetails|directoryAudits|transitiveMembers".into()),
            kind,
            ..Fault::default()
        };
        // Some come late, and three break off: no page as often as would end the reading.
        lab.add_fault(Fault {
            probability: Some(0.3),
            seed: turn,
            ..all(FaultKind::Latency { ms: 40 })
        })
        .expect("a fault");
        for (skip, kind) in [
            (3, FaultKind::DropMidBody { after: None }),
            (9, FaultKind::Truncate),
            (21, FaultKind::DropMidBody { after: None }),
        ] {
            lab.add_fault(all(kind).after(skip * turn as u32).times(1))
                .expect("a fault");
        }
        assert_eq!(read(), first, "{turn}");
        lab.clear_faults();
    }
}
