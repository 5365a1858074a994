//! The program: one line when it is ready, and an end with its standard input.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::send;

#[test]
fn it_tells_that_it_is_ready_and_ends_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sspr-lab"))
        .args([
            "--scenario",
            "mixed",
            "--scenario",
            "no-license",
            "--https",
            "--http2",
            "--bad-certificates",
        ])
        .args([
            "--fault",
            r#"{"path":"/common","count":1,"kind":"status","status":503}"#,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    for member in [
        "url",
        "httpsUrl",
        "wrongNameUrl",
        "expiredUrl",
        "caFile",
        "controlKey",
        "identityHeader",
        "keyFile",
    ] {
        assert!(ready[member].is_string(), "{member}: {ready}");
    }
    assert_eq!(ready["tenants"].as_array().unwrap().len(), 2);
    let ca = ready["caFile"].as_str().unwrap().to_owned();
    assert!(
        std::fs::read_to_string(&ca)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );

    let url = ready["url"].as_str().unwrap();
    let discovery = format!("{url}/common/discovery/instance");
    assert_eq!(send("GET", &discovery, &[], "").unwrap().status, 503);
    assert_eq!(send("GET", &discovery, &[], "").unwrap().status, 200);
    assert_eq!(
        send("GET", &format!("{url}/_lab/requests"), &[], "").unwrap().status,
        403
    );
    let key = [("x-lab-key", ready["controlKey"].as_str().unwrap())];
    let requests = send("GET", &format!("{url}/_lab/requests"), &key, "").unwrap().json();
    assert_eq!(requests.as_array().unwrap().len(), 2);
    assert_eq!(requests[0]["faults"][0], "status");

    drop(child.stdin.take());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the lab outlives its input");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success());
    line.clear();
    assert_eq!(output.read_line(&mut line).unwrap(), 0, "a second line: {line}");
    assert!(!std::path::Path::new(&ca).exists(), "the temporary folder stays");
}
