//! The C interface through the built library, as a program that loads it sees it.

mod support;

use libloading::{Library, Symbol};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const OK: i32 = 0;
const PENDING: i32 = 1;
const ENDED: i32 = 2;
const HANDLE_INVALID: i32 = 104;
const CANCELLED: i32 = 200;
const PANIC: i32 = 900;

type SessionStarter = unsafe extern "C" fn(u64, *const c_char, *mut u64, *mut *mut c_char) -> i32;
type OfflineStarter = unsafe extern "C" fn(*const c_char, *mut u64, *mut *mut c_char) -> i32;

/// The library's functions.
struct Api {
    session_starters: Vec<SessionStarter>,
    offline_starters: Vec<OfflineStarter>,
    session_open: OfflineStarter,
    session_set_secret: unsafe extern "C" fn(u64, *const c_char, *const u8, u32, *mut *mut c_char) -> i32,
    session_close: unsafe extern "C" fn(u64, *mut *mut c_char) -> i32,
    check_readiness: SessionStarter,
    snapshot_load: OfflineStarter,
    snapshot_assess: OfflineStarter,
    task_next: unsafe extern "C" fn(u64, u32, *mut *mut c_char, *mut *mut c_char) -> i32,
    task_reply: unsafe extern "C" fn(u64, *const c_char, *mut *mut c_char) -> i32,
    task_cancel: unsafe extern "C" fn(u64, *mut *mut c_char) -> i32,
    task_close: unsafe extern "C" fn(u64, *mut *mut c_char) -> i32,
    string_free: unsafe extern "C" fn(*mut c_char),
}

static API: LazyLock<Api> = LazyLock::new(|| {
    // SAFETY: the library's initialisers are the Rust runtime's own.
    let library: &'static Library = Box::leak(Box::new(unsafe { Library::new(support::library()) }.unwrap()));
    fn get<T: Copy>(library: &Library, name: &str) -> T {
        // SAFETY: the types above are those of the header; the C programs hold the header.
        let symbol: Symbol<'_, T> = unsafe { library.get(name) }.unwrap();
        *symbol
    }
    Api {
        session_starters: support::session_starters().iter().map(|n| get(library, n)).collect(),
        offline_starters: support::offline_starters().iter().map(|n| get(library, n)).collect(),
        session_open: get(library, "sspr_session_open"),
        session_set_secret: get(library, "sspr_session_set_secret"),
        session_close: get(library, "sspr_session_close"),
        check_readiness: get(library, "sspr_check_readiness"),
        snapshot_load: get(library, "sspr_snapshot_load"),
        snapshot_assess: get(library, "sspr_snapshot_assess"),
        task_next: get(library, "sspr_task_next"),
        task_reply: get(library, "sspr_task_reply"),
        task_cancel: get(library, "sspr_task_cancel"),
        task_close: get(library, "sspr_task_close"),
        string_free: get(library, "sspr_string_free"),
    }
});

/// Takes a text over and gives it back.
fn text(pointer: *mut c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the library handed out a terminated text, which is given back once.
    let text = unsafe { CStr::from_ptr(pointer) }.to_str().expect("UTF-8").to_string();
    // SAFETY: as above.
    unsafe { (API.string_free)(pointer) };
    Some(text)
}

/// What a call came to: its status, its output, and the error document, which must be there exactly when there is an error.
fn call<T: Default + Copy + PartialEq + std::fmt::Debug>(
    function: impl FnOnce(*mut T, *mut *mut c_char) -> i32,
    garbage: T,
) -> (i32, T, Option<Value>) {
    let mut out = garbage;
    let mut error = std::ptr::dangling_mut::<c_char>();
    let status = function(&raw mut out, &raw mut error);
    let document: Option<Value> = text(error).map(|t| serde_json::from_str(&t).expect("an error document is JSON"));
    if status < 100 {
        assert_eq!(document, None);
    } else {
        let document = document.as_ref().expect("an error has a document");
        assert_eq!(document["code"], status);
        for (member, kind) in [
            ("name", "string"),
            ("category", "string"),
            ("message", "string"),
            ("help", "string"),
            ("retryable", "bool"),
            ("detail", "array"),
        ] {
            let value = &document[member];
            assert!(
                match kind {
                    "string" => value.is_string(),
                    "bool" => value.is_boolean(),
                    _ => value.is_array(),
                },
                "{member}: {document}"
            );
        }
    }
    (status, out, document)
}

fn start(starter: OfflineStarter, request: &CStr) -> (i32, u64, Option<Value>) {
    // SAFETY: the pointers are valid for the call.
    let out = call(|task, error| unsafe { starter(request.as_ptr(), task, error) }, 77);
    assert_eq!(out.0 == OK, out.1 != 0, "a handle comes with success, 0 with an error");
    out
}

fn start_in(starter: SessionStarter, session: u64, request: &CStr) -> (i32, u64, Option<Value>) {
    // SAFETY: the pointers are valid for the call.
    let out = call(
        |task, error| unsafe { starter(session, request.as_ptr(), task, error) },
        77,
    );
    assert_eq!(out.0 == OK, out.1 != 0, "a handle comes with success, 0 with an error");
    out
}

fn open() -> u64 {
    let (status, session, _) = start(API.session_open, c"{}");
    assert_eq!(status, OK);
    session
}

fn next(task: u64, timeout_ms: u32) -> (i32, Option<Value>, Option<Value>) {
    // SAFETY: the pointers are valid for the call.
    let (status, event, error) = call(
        |event, error| unsafe { (API.task_next)(task, timeout_ms, event.cast(), error) },
        1usize,
    );
    let event = text(event as *mut c_char).map(|t| serde_json::from_str(&t).expect("an event is JSON"));
    assert_eq!(status == OK, event.is_some());
    (status, event, error)
}

fn cancel(task: u64) -> i32 {
    // SAFETY: no pointer.
    unsafe { (API.task_cancel)(task, null_mut()) }
}

fn close(task: u64) -> i32 {
    // SAFETY: no pointer.
    unsafe { (API.task_close)(task, null_mut()) }
}

fn close_session(session: u64) -> i32 {
    // SAFETY: no pointer.
    unsafe { (API.session_close)(session, null_mut()) }
}

/// A task that goes on until it is cancelled: its tenant takes the connection and never answers.
fn endless() -> (u64, u64, std::net::TcpListener) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let config =
        json!({"tenant": "contoso.example", "proxy": "none", "endpoints": {"login": address, "graph": address}});
    let (status, session, _) = start(API.session_open, &CString::new(config.to_string()).unwrap());
    assert_eq!(status, OK);
    let secret = b"canary";
    // SAFETY: the pointers are valid for the call.
    let status = unsafe { (API.session_set_secret)(session, c"clientSecret".as_ptr(), secret.as_ptr(), 6, null_mut()) };
    assert_eq!(status, OK);
    let sign_in = API.session_starters.iter().find_map(|starter| {
        let (status, task, _) = start_in(
            *starter,
            session,
            c"{\"method\":\"clientSecret\",\"clientId\":\"99999999-9999-9999-9999-999999999999\"}",
        );
        (status == OK).then_some(task)
    });
    (session, sign_in.expect("sspr_session_sign_in takes this"), silent)
}

#[test]
fn the_header_has_every_status_and_nothing_else() {
    for status in entra_sspr::status::Status::ALL {
        let line = format!("  {} = {},", status.constant(), status.code());
        assert!(support::BUILT_HEADER.contains(&line), "{line}");
        let comment = format!("  // {}: {}", status.name(), status.meaning());
        assert!(support::BUILT_HEADER.contains(&comment), "{comment}");
    }
    let constants = support::BUILT_HEADER
        .lines()
        .filter(|l| l.trim_start().starts_with("SSPR_STATUS_"))
        .count();
    assert_eq!(constants, entra_sspr::status::Status::ALL.len());
}

/// Every declaration in the header has its own text: what it does, who frees, its statuses, its thread rule.
#[test]
fn every_function_is_documented() {
    let mut comment = String::new();
    let mut seen = 0;
    let mut lines = support::BUILT_HEADER.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
            continue;
        }
        if line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains("sspr_") && line.contains('(') {
            // A declaration may go on over several lines.
            let mut line = line.to_string();
            while !line.ends_with(';') {
                line.push_str(lines.next().expect("a declaration ends").trim());
            }
            assert!(comment.len() > 60, "{line} is not documented");
            let returns_status = line.starts_with("int32_t");
            assert!(
                !returns_status || comment.contains("Returns") || comment.contains("as of `sspr_"),
                "{line} does not say what it returns"
            );
            assert!(
                comment.contains("Any thread") || comment.contains("as of `sspr_"),
                "{line} does not say which thread may call it"
            );
            let parameters = &line[line.find('(').expect("it has parameters") + 1..line.rfind(')').expect("they end")];
            let refers = comment.contains("as of `sspr_");
            for name in parameters
                .split(',')
                .filter_map(|p| p.trim().rsplit([' ', '*']).next())
                .filter(|name| !matches!(*name, "void" | "out_error" | "session" | "task"))
            {
                let told = comment.contains(&format!("`{name}`"));
                assert!(told || refers, "{line} does not explain {name}");
            }
            seen += 1;
        }
        comment.clear();
    }
    assert!(seen >= 17, "{seen}");
}

/// The error table that the header shows is a true picture: names are unique and no code left the hundreds of its area.
#[test]
fn status_names_keep_their_areas() {
    let mut areas = BTreeMap::new();
    for status in entra_sspr::status::Status::ALL.iter().filter(|s| s.code() >= 100) {
        let area = status.name().split('.').next().unwrap();
        areas
            .entry(area)
            .or_insert_with(BTreeSet::new)
            .insert(status.code() / 100);
    }
    assert!(areas.values().all(|hundreds| hundreds.len() == 1), "{areas:?}");
}

/// What says how to read has no meaning for what was read already.
#[test]
fn assessing_refuses_what_it_would_not_heed() {
    for member in [
        "\"full\":true",
        "\"timeBudgetSeconds\":1",
        "\"deadlineSeconds\":1",
        "\"stepps\":[]",
    ] {
        let request = CString::new(format!("{{\"path\":\"/nonexistent/x\",{member}}}")).unwrap();
        let (status, _, error) = start(API.snapshot_assess, &request);
        assert_eq!(
            (status, error.unwrap()["target"].as_str()),
            (103, Some("request_json")),
            "{member}"
        );
    }
}

#[test]
fn ten_thousand_tasks_end_and_their_slot_is_used_again() {
    let mut highest = 0;
    for round in 0..10_000u32 {
        let (status, task, _) = start(API.snapshot_load, c"{\"path\":\"/nonexistent/x\"}");
        assert_eq!(status, OK);
        if round % 2 == 0 {
            assert_eq!(next(task, 60_000).0, 502);
        }
        assert_eq!(close(task), OK);
        assert_eq!(close(task), HANDLE_INVALID);
        highest = highest.max(task as u32);
    }
    // Other tests of this process hold some slots of their own.
    assert!(highest < 200, "{highest}");
}

#[test]
fn a_wait_ends_in_its_time() {
    let (session, task, _silent) = endless();
    let started = Instant::now();
    assert_eq!(next(task, 0).0, PENDING);
    assert!(started.elapsed() < Duration::from_millis(500));
    let started = Instant::now();
    while next(task, 100).0 == OK {}
    assert!(started.elapsed() >= Duration::from_millis(100) && started.elapsed() < Duration::from_secs(5));
    assert_eq!((close(task), close_session(session)), (OK, OK));
}

#[test]
fn closing_a_task_or_its_session_wakes_or_leaves_who_waits() {
    for cancel_only in [true, false] {
        let (session, task, _silent) = endless();
        let waiter = std::thread::spawn(move || {
            loop {
                let (status, ..) = next(task, 300_000);
                if status != OK {
                    return (status, Instant::now());
                }
            }
        });
        std::thread::sleep(Duration::from_millis(100));
        // The session's end is not the task's.
        assert_eq!(close_session(session), OK);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiter.is_finished());
        let at = Instant::now();
        assert_eq!(if cancel_only { cancel(task) } else { close(task) }, OK);
        let (status, woke) = waiter.join().unwrap();
        assert_eq!(status, CANCELLED);
        assert!(woke - at < Duration::from_secs(1), "{:?}", woke - at);
        if cancel_only {
            assert_eq!(next(task, 0).0, CANCELLED, "its end stays");
            assert_eq!(close(task), OK);
        }
    }
}

#[test]
fn several_threads_may_do_everything_at_once() {
    let tasks: Vec<u64> = (0..8)
        .map(|_| start(API.snapshot_load, c"{\"path\":\"/nonexistent/x\"}").1)
        .collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..6u64 {
            let (tasks, stop) = (&tasks, &stop);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut own = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    // Mostly the shared tasks, which others close under way, or its own, or nonsense.
                    let task = match random.u32(..4) {
                        0 => own.last().copied().unwrap_or(0),
                        1 => random.u64(..),
                        _ => tasks[random.usize(..tasks.len())],
                    };
                    let status = match random.u32(..8) {
                        0..3 => next(task, random.u32(..3)).0,
                        // SAFETY: the text is terminated, the error is not asked for.
                        3 => unsafe { (API.task_reply)(task, c"{\"id\":1}".as_ptr(), null_mut()) },
                        4 => cancel(task),
                        5 if random.u32(..20) == 0 => close(task),
                        6 => {
                            let session = open();
                            let (_, task, _) = start_in(API.check_readiness, session, c"{}");
                            own.push(task);
                            close_session(session)
                        }
                        _ => {
                            own.push(start(API.snapshot_load, c"{\"path\":\"/nonexistent/x\"}").1);
                            close(own.swap_remove(0))
                        }
                    };
                    assert!(status < PANIC, "{status}");
                    if own.len() > 8 {
                        close(own.swap_remove(0));
                    }
                }
                own.into_iter().for_each(|task| assert!(close(task) < PANIC));
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    tasks.into_iter().for_each(|task| assert!(close(task) < PANIC));
    // Nothing is broken afterwards.
    let (_, task, _) = start(API.snapshot_load, c"{\"path\":\"/nonexistent/x\"}");
    assert_eq!(next(task, 60_000).0, 502);
    assert_eq!(close(task), OK);
}

/// Texts: any bytes but NUL, and documents of ours that went wrong in one place.
fn texts() -> impl Strategy<Value = CString> {
    let bytes = proptest::collection::vec(1u8.., 0..120);
    let documents = prop_oneof![
        Just(
            r#"{"tenant":"contoso.com","cloud":"China","endpoints":{"imds":"http://127.0.0.1:1"},"hostActions":["openBrowser"]}"#
        ),
        Just(r#"{"method":"accessToken"}"#),
        Just(r#"{"steps":["license"],"excludeSteps":[],"severity":"Low","full":true,"utcOffsetMinutes":2147483647}"#),
        Just(r#"{"snapshot":"{\"schemaVersion\":1,\"takenAt\":\"2026-11-23T09:00:00Z\"}"}"#),
        Just(r#"{"id":18446744073709551615,"result":{"deep":[[[[[[1e308]]]]]]}}"#),
        Just("clientSecret"),
    ];
    let damaged = (documents, any::<prop::sample::Index>(), 1u8..).prop_map(|(document, at, byte)| {
        let mut bytes = document.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![bytes, damaged].prop_map(|bytes| CString::new(bytes).expect("no NUL"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(text in texts()) {
        let session = open();
        let (_, task, _) = start(API.snapshot_load, c"{\"path\":\"/nonexistent/x\"}");
        let (status, opened, _) = start(API.session_open, &text);
        prop_assert!(status < PANIC);
        if status == OK {
            close_session(opened);
        }
        for starter in &API.session_starters {
            let (status, task, _) = start_in(*starter, session, &text);
            prop_assert!(status < PANIC);
            close(task);
        }
        for starter in &API.offline_starters {
            let (status, task, _) = start(*starter, &text);
            prop_assert!(status < PANIC);
            if status == OK {
                let end = loop {
                    let (status, ..) = next(task, 60_000);
                    if status != OK { break status; }
                };
                prop_assert!(end < PANIC && end != PENDING, "{end}");
            }
            close(task);
        }
        // SAFETY: the pointers are valid for the call.
        let (status, ..) = call(|_: *mut u8, error| unsafe { (API.task_reply)(task, text.as_ptr(), error) }, 0);
        prop_assert!(status < PANIC);
        // SAFETY: as above.
        let (status, ..) = call(|_: *mut u8, error| unsafe { (API.session_set_secret)(session, text.as_ptr(), text.as_ptr().cast(), text.as_bytes_with_nul().len() as u32, error) }, 0);
        prop_assert!(status < PANIC);
        prop_assert_eq!((close(task), close_session(session)), (OK, OK));
    }
}

/// The rest of this test runs in a process of its own, whose environment asks the library for a defect.
#[test]
#[cfg(debug_assertions)]
fn defects_are_told_and_print_nothing() {
    let Some(fault) = std::env::var_os("SSPR_FAULT") else {
        for fault in ["panic:call", "panic:task", "panic:license"] {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "defects_are_told_and_print_nothing", "--nocapture"])
                .env("SSPR_FAULT", fault)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && text.is_empty(),
                "{fault}: {text}\n{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        return;
    };
    let snapshot = json!({"schemaVersion": 1, "libraryVersion": "0", "takenAt": "2026-11-23T09:00:00Z", "durationMs": 1, "signedIn": {}, "facts": {}});
    let request = CString::new(json!({"snapshot": snapshot.to_string()}).to_string()).unwrap();
    let (status, task, error) = start(API.snapshot_assess, &request);
    let told = |error: Option<Value>| {
        let error = error.unwrap();
        assert_eq!(error["name"], "Internal.Panic");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("a defect was caught at src/") && message.contains("SSPR_FAULT"),
            "{message}"
        );
    };
    if fault == "panic:call" {
        assert_eq!(status, PANIC);
        return told(error);
    }
    let (status, event, error) = next_of_interest(task);
    if fault == "panic:task" {
        assert_eq!(status, PANIC);
        told(error);
        assert_eq!(next(task, 0).0, PANIC, "its end stays");
    } else {
        // A step's defect is that step's finding.
        let findings = event.unwrap()["result"]["findings"].take();
        let finding = findings
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["status"] == "Error")
            .unwrap();
        assert_eq!(finding["step"], "license");
        assert!(finding["reason"].as_str().unwrap().contains("SSPR_FAULT"), "{finding}");
        assert_eq!(next(task, 60_000).0, ENDED);
    }
    assert_eq!(close(task), OK);
}

/// The result, or the end.
#[cfg(debug_assertions)]
fn next_of_interest(task: u64) -> (i32, Option<Value>, Option<Value>) {
    loop {
        let out = next(task, 60_000);
        if out.1.as_ref().is_none_or(|event| event["event"] == "result") {
            return out;
        }
    }
}

#[test]
fn null_pointers_are_errors_everywhere() {
    // What the C program does with every function, here once more where pointers of a loaded library are wrong.
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        assert_eq!((API.session_open)(null(), null_mut(), null_mut()), 101);
        assert_eq!((API.task_next)(0, 0, null_mut(), null_mut()), 101);
        (API.string_free)(null_mut());
    }
}
