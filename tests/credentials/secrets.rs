//! Secrets that are planted, and looked for in everything that comes out.

use crate::common::open;
use crate::drive::{check, idle, nothing, reply, run, sign_in, start_within};
use crate::server::{Asked, Server};
use base64::Engine as _;
use entra_sspr::session::Session;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const APP: &str = "99999999-9999-9999-9999-999999999999";
const SECRET: &str = "canary~se/cret+\"1\" é";

/// The members of a token request that nobody may see again.
const HIDDEN: &[&str] = &[
    "client_secret",
    "client_assertion",
    "refresh_token",
    "code",
    "code_verifier",
    "device_code",
];

/// What a service that is wrong in every way makes of a request: it says it back.
fn echo(asked: &Asked, json: bool) -> (u16, String, String) {
    let plain: String = url::form_urlencoded::parse(asked.body.as_bytes())
        .map(|(k, v)| format!("{k}={v} "))
        .collect();
    let words = format!("AADSTS1: {plain} {}", asked.body);
    let body = json!({"error": "invalid_grant", "error_description": words, "suberror": "words"});
    (400, String::new(), if json { body.to_string() } else { words })
}

fn jwt(claims: Value) -> String {
    format!(
        "canary-head.{}.canary-sign",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

fn session(login: &str) -> Arc<Session> {
    open(&json!({
        "tenant": TENANT, "budgets": "off", "requestTimeoutSeconds": 20, "hostActions": ["openBrowser"], "interactive": false,
        "proxy": "none", "endpoints": {"login": login, "graph": login, "portal": login, "imds": "http://127.0.0.1:1"},
    }))
}

/// Nothing of what was sent, and of what was planted, is in what came out.
fn assert_hidden(server: &Server, session: &Session, out: &str) {
    let mut hidden = vec![SECRET.to_string(), "canary".into(), "BEGIN PRIVATE KEY".into()];
    for asked in server.asked() {
        let form = url::form_urlencoded::parse(asked.body.as_bytes());
        hidden.extend(
            form.filter(|(name, _)| HIDDEN.contains(&&**name))
                .map(|(_, value)| value.into_owned()),
        );
    }
    let debug = format!("{session:?} {:?}", session.state());
    for out in [out, &debug] {
        for secret in &hidden {
            let bytes = format!("{:?}", secret.as_bytes());
            let bytes = bytes.trim_matches(['[', ']']);
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for form in [secret.as_str(), bytes, &encoded] {
                assert!(!out.contains(form), "{form:?} in {out}");
            }
        }
    }
}

/// All that came out of a task: events, and its error in both forms.
fn out(run: crate::drive::Run) -> String {
    let error = run.result.as_ref().err();
    format!("{:?} {:?} {:?}", run.events, error, error.map(|e| e.to_json()))
}

#[test]
fn a_refused_app_shows_no_secret() {
    for json in [true, false] {
        let server = Server::start(move |asked| echo(asked, json));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "canaryhead.canarybody.canarysign").expect("written");
        for request in [
            json!({"method": "clientSecret", "clientId": APP}),
            json!({"method": "certificate", "clientId": APP}),
            json!({"method": "federated", "clientId": APP, "assertionFile": file.path()}),
        ] {
            let session = session(&server.url());
            session.set_secret("clientSecret", SECRET.as_bytes()).expect("a secret");
            session
                .set_secret("certificate", include_bytes!("../data/certificates/pkcs8.pem"))
                .expect("a secret");
            // One that is set and not used is kept, and not shown either.
            session.set_secret("accessToken", b"canary-unused").expect("a secret");
            let run = sign_in(&session, request.clone(), &mut idle);
            assert!(run.result.is_err(), "{request}");
            assert_hidden(&server, &session, &out(run));
        }
        assert!(server.asked().len() >= 3);
    }
}

#[test]
fn a_supplied_token_is_not_shown() {
    let server = Server::start(|asked| echo(asked, true));
    let claims = json!({"aud": "https://graph.microsoft.com", "tid": TENANT, "exp": 4_000_000_000_u32, "scp": "A"});
    for (claims, good) in [(claims, true), (json!({"aud": "x"}), false)] {
        let session = session(&server.url());
        session
            .set_secret("accessToken", jwt(claims).as_bytes())
            .expect("a secret");
        let run = sign_in(&session, json!({"method": "accessToken"}), &mut idle);
        assert_eq!(run.result.is_ok(), good);
        assert_hidden(&server, &session, &out(run));
        if good {
            // The service says the token back.
            let run = check(&session, &mut idle);
            assert_hidden(&server, &session, &out(run));
        }
    }
}

/// A service that lets a person in by every way, and then says back what it is sent.
fn lets_in_once(ended: &Arc<AtomicBool>) -> Server {
    let ended = Arc::clone(ended);
    Server::start(move |asked| {
        if ended.load(Ordering::SeqCst) {
            return echo(asked, true);
        }
        if asked.line.contains("/devicecode") {
            let start = json!({"device_code": "canary-device-code", "user_code": "U", "verification_uri": "https://v", "expires_in": 60, "interval": 1});
            return (200, String::new(), start.to_string());
        }
        let graph = json!({"aud": "https://graph.microsoft.com", "tid": TENANT, "exp": 4_000_000_000_u32, "scp": "A", "upn": "ada@contoso.example"});
        let answer = json!({"access_token": jwt(graph), "expires_in": 3600, "refresh_token": "canary-refresh-token"});
        (200, String::new(), answer.to_string())
    })
}

#[test]
fn a_person_s_sign_in_and_its_end_show_no_secret() {
    let ended = Arc::new(AtomicBool::new(false));
    let server = lets_in_once(&ended);
    let session = session(&server.url());
    let run = sign_in(&session, json!({"method": "deviceCode"}), &mut idle);
    assert!(run.result.is_ok(), "{}", out(run));
    assert_hidden(&server, &session, &out(run));
    ended.store(true, Ordering::SeqCst);
    let run = check(&session, &mut idle);
    assert_hidden(&server, &session, &out(run));
    // A device code that is refused.
    ended.store(false, Ordering::SeqCst);
    let other = self::session(&server.url());
    let end = Arc::clone(&ended);
    let run = sign_in(
        &other,
        json!({"method": "deviceCode"}),
        &mut move |_: &Task, event: &Value| {
            end.store(event["event"] == "signIn", Ordering::SeqCst);
        },
    );
    assert!(run.result.is_err());
    assert_hidden(&server, &other, &out(run));
}

#[test]
fn a_browser_s_code_is_not_shown() {
    let server = Server::start(|asked| echo(asked, true));
    let session = session(&server.url());
    let task = start_within(&session, json!({"method": "browser"}), nothing());
    let mut page = String::new();
    let run = run(&task, &mut |task: &Task, event: &Value| {
        if event["event"] == "hostAction" {
            reply(task, event, Value::Null);
            let url = url::Url::parse(event["arguments"]["url"].as_str().expect("text")).expect("an address");
            let of = |name: &str| {
                url.query_pairs()
                    .find(|(n, _)| n == name)
                    .expect("a member")
                    .1
                    .into_owned()
            };
            let to = url::Url::parse(&of("redirect_uri")).expect("an address");
            let body = format!("code=canary-code&state={}", of("state"));
            let mut stream = TcpStream::connect(("127.0.0.1", to.port().expect("a port"))).expect("it listens");
            let head = format!(
                "POST / HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
                to.port().expect("a port"),
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).expect("sent");
            stream.read_to_string(&mut page).expect("an answer");
        }
    });
    assert!(run.result.is_err());
    assert!(page.contains("You are not signed in") && page.contains("***"), "{page}");
    assert_hidden(&server, &session, &(out(run) + &page));
}
