//! Which requests go through a proxy.

use crate::common::{config, open};
use crate::drive::{idle, nothing, sign_in, sign_in_within};
use crate::server::{Asked, Server};
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts")
}

/// A proxy for plain HTTP.
fn proxy() -> Server {
    Server::raw(|asked: Asked, mut client: TcpStream| {
        let mut words = asked.line.splitn(3, ' ');
        let (method, address) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some((host, path)) = address.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
            let _ = client.write_all(b"HTTP/1.1 400 Not through here\r\nContent-Length: 0\r\n\r\n");
            return;
        };
        let headers: Vec<&str> = asked
            .head
            .lines()
            .skip(1)
            .filter(|h| !h.to_ascii_lowercase().starts_with("proxy-"))
            .collect();
        let request = format!(
            "{method} /{path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n{}",
            headers.join("\r\n"),
            asked.body
        );
        let Ok(mut server) = TcpStream::connect(host) else {
            return;
        };
        let mut answer = Vec::new();
        let _ = server
            .write_all(request.as_bytes())
            .and_then(|()| server.read_to_end(&mut answer));
        let _ = client.write_all(&answer);
    })
}

fn by_secret(config: &Value, client_id: &Value, secret: &str) -> crate::drive::Run {
    let session = open(config);
    session.set_secret("clientSecret", secret.as_bytes()).expect("a secret");
    sign_in(
        &session,
        json!({"method": "clientSecret", "clientId": client_id}),
        &mut idle,
    )
}

#[test]
fn the_configured_proxy_is_used_but_never_for_this_machine_s_identity() {
    let (lab, proxy) = (lab(), proxy());
    let tenant = lab.tenant(0);
    let client = json!(tenant.client_id);
    let mut config = config(&lab, 0);
    config["proxy"] = json!(proxy.url());
    by_secret(&config, &client, &tenant.client_secret).good();
    assert_eq!(proxy.asked().len(), 1);
    assert!(proxy.asked()[0].line.starts_with(&format!("POST {}/", lab.url())));
    sign_in_within(&open(&config), json!({"method": "managedIdentity"}), nothing()).good();
    assert_eq!(proxy.asked().len(), 1);
    config["proxy"] = json!("none");
    by_secret(&config, &client, &tenant.client_secret).good();
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn a_proxy_s_password_is_not_shown() {
    let lab = lab();
    let mut config = config(&lab, 0);
    let tenant = lab.tenant(0);
    let proxy = proxy();
    config["proxy"] = json!(proxy.url());
    config["proxyUser"] = json!("user");
    let session = open(&config);
    session.set_secret("proxyPassword", b"canary").expect("a secret");
    session
        .set_secret("clientSecret", tenant.client_secret.as_bytes())
        .expect("a secret");
    let request = json!({"method": "clientSecret", "clientId": tenant.client_id});
    sign_in(&session, request.clone(), &mut idle).good();
    assert!(!format!("{session:?} {:?}", session.config).contains("canary"));
    // user:canary
    let head = proxy.asked()[0].head.to_ascii_lowercase();
    assert!(head.contains("proxy-authorization: basic dxnlcjpjyw5hcnk="), "{head}");
    let late = session.set_secret("proxyPassword", b"canary").unwrap_err();
    assert!(
        late.message.contains("before the session's first task"),
        "{}",
        late.message
    );
    config["proxy"] = json!("http://127.0.0.1:1");
    config["requestTimeoutSeconds"] = json!(2);
    let session = open(&config);
    session.set_secret("proxyPassword", b"canary").expect("a secret");
    session.set_secret("clientSecret", b"s").expect("a secret");
    let error = sign_in(&session, request, &mut idle).bad(Status::ServiceUnreachable);
    assert!(!format!("{} {error:?} {session:?}", error.to_json()).contains("canary"));
    // Without a user there is nobody whose password it could be.
    config["proxyUser"] = Value::Null;
    let error = open(&config).set_secret("proxyPassword", b"canary").unwrap_err();
    assert_eq!(error.status, Status::ArgumentInvalid);
}

/// The environment belongs to a process, so each case has one of its own: this test, started again.
#[test]
fn the_environment_s_proxy_is_used_and_its_exceptions_are_kept() {
    const CASE: &str = "SSPR_TEST_PROXY_CASE";
    if let Ok(case) = std::env::var(CASE) {
        let case: Value = serde_json::from_str(&case).expect("the case is JSON");
        by_secret(
            &case["config"],
            &case["clientId"],
            case["secret"].as_str().expect("text"),
        )
        .good();
        sign_in_within(&open(&case["config"]), json!({"method": "managedIdentity"}), nothing()).good();
        return;
    }
    let lab = lab();
    let tenant = lab.tenant(0);
    for (no_proxy, configured, wanted) in [
        (None, None, 1),
        (Some("127.0.0.1"), None, 0),
        (Some("other.example"), None, 1),
        (None, Some("none"), 0),
    ] {
        let proxy = proxy();
        let mut config = config(&lab, 0);
        config["proxy"] = json!(configured);
        let case = json!({"config": config, "clientId": tenant.client_id, "secret": tenant.client_secret});
        let mut child = Command::new(std::env::current_exe().expect("a test knows where it is"));
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            child.env_remove(name).env_remove(name.to_ascii_uppercase());
        }
        child.env("HTTP_PROXY", proxy.url()).env(CASE, case.to_string());
        if let Some(hosts) = no_proxy {
            child.env("NO_PROXY", hosts);
        }
        let name = "proxy::the_environment_s_proxy_is_used_and_its_exceptions_are_kept";
        let done = child
            .args(["--exact", name, "--nocapture"])
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && text.contains("1 passed"), "{text}");
        assert_eq!(proxy.asked().len(), wanted, "{no_proxy:?} {configured:?}");
    }
}
