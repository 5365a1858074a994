//! A person signs in through a browser, which is played here over HTTP.

use crate::common::{assert_clean, config, open};
use crate::drive::{Run, check, idle, reply, run, sign_in, start_within};
use entra_sspr::status::Status;
use entra_sspr::task::{Next, Task};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts")
}

/// A session whose caller opens browsers, with a person there or not.
fn session(lab: &Lab, interactive: bool) -> std::sync::Arc<entra_sspr::session::Session> {
    let mut config = config(lab, 0);
    config["hostActions"] = json!(["openBrowser"]);
    config["interactive"] = json!(interactive);
    open(&config)
}

/// An HTTP exchange as text.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("localhost", port)).expect("somebody listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

fn port_of(url: &str) -> u16 {
    let rest = url.split("://").nth(1).expect("an address");
    let port = rest.split('/').next().and_then(|host| host.rsplit(':').next());
    port.expect("a port").parse().expect("a number")
}

/// Goes to the page of a sign-in, and gives where its form goes and what it holds.
fn visit(url: &str) -> (u16, String) {
    let path = &url[url.match_indices('/').nth(2).expect("a path").0..];
    let page = exchange(
        port_of(url),
        &format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            port_of(url)
        ),
    );
    let plain = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
    };
    let between = |text: &str, from: &str| {
        plain(
            text.split(from)
                .nth(1)
                .unwrap_or_default()
                .split('"')
                .next()
                .unwrap_or_default(),
        )
    };
    let action = between(&page, "action=\"");
    assert!(action.starts_with("http://localhost:"), "{page}");
    let fields = page.split("<input ").skip(1).map(|input| {
        let value = between(input, "value=\"");
        let value: String = value
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        format!("{}={value}", between(input, "name=\""))
    });
    let body = fields.collect::<Vec<_>>().join("&");
    (port_of(&action), body)
}

/// Brings the answer back.
fn post(port: u16, body: &str) -> String {
    exchange(
        port,
        &format!(
            "POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// A browser: opens what it is asked to open; `change` stands between it and the service. The pages that it showed.
fn browser(pages: &std::sync::Mutex<Vec<String>>, change: fn(String) -> String) -> impl FnMut(&Task, &Value) {
    move |task, event| {
        if event["event"] == "hostAction" {
            assert_eq!(event["action"], "openBrowser");
            let url = change(event["arguments"]["url"].as_str().expect("an address").into());
            reply(task, event, json!({}));
            let (port, body) = visit(&url);
            pages.lock().unwrap().push(post(port, &body));
        }
    }
}

fn through(
    session: &std::sync::Arc<entra_sspr::session::Session>,
    request: Value,
    change: fn(String) -> String,
) -> (Run, Vec<String>) {
    let pages = std::sync::Mutex::default();
    let run = sign_in(session, request, &mut browser(&pages, change));
    (run, pages.into_inner().unwrap())
}

fn as_is(url: String) -> String {
    url
}

/// The bodies that were posted to the token endpoint.
fn tokens(lab: &Lab) -> Vec<String> {
    let all = lab.requests();
    all.into_iter()
        .filter(|r| r.path.ends_with("/token"))
        .map(|r| r.body)
        .collect()
}

fn pages_opened(lab: &Lab) -> Vec<String> {
    let all = lab.requests();
    all.into_iter()
        .filter(|r| r.path.ends_with("/authorize"))
        .map(|r| r.query)
        .collect()
}

#[test]
fn a_person_signs_in_and_checks() {
    let lab = lab();
    let session = session(&lab, true);
    let (run, pages) = through(
        &session,
        json!({"method": "browser", "prompt": "select_account"}),
        as_is,
    );
    assert!(run.sign_ins()[0]["url"].as_str().unwrap().contains("/authorize?"));
    assert_eq!(run.sign_ins()[0]["message"], Value::Null);
    let identity = run.good();
    assert_eq!(identity["method"], "browser");
    assert_eq!(identity["delegated"], true);
    assert_eq!(identity["account"], lab.tenant(0).people["admin"]["upn"]);
    assert!(
        pages[0].starts_with("HTTP/1.1 200") && pages[0].contains("You are signed in"),
        "{}",
        pages[0]
    );
    let query = &pages_opened(&lab)[0];
    for part in [
        "client_id=14d82eec-204b-4c2f-b7e8-296a70dab67e",
        "response_mode=form_post",
        "code_challenge_method=S256",
        "prompt=select_account",
        "https%3A%2F%2Fgraph.microsoft.com%2FAuditLog.Read.All+",
        "offline_access",
        "cp1",
    ] {
        assert!(query.contains(part), "{part} in {query}");
    }
    assert!(!query.contains("Write") && !query.contains(".default"), "{query}");
    check(&session, &mut idle).good();
    // A refused token is renewed in silence.
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut idle).good();
    let tokens = tokens(&lab);
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert!(tokens[1].contains("grant_type=refresh_token") && tokens[1].contains("cp1"));
    assert_eq!(pages_opened(&lab).len(), 1);
    assert_clean(&lab);
}

#[test]
fn the_tenant_s_own_app_is_asked_for_what_it_was_granted() {
    let lab = lab();
    let session = session(&lab, true);
    let hint = lab.tenant(0).people["global-reader"]["upn"].clone();
    let request = json!({"method": "browser", "clientId": lab.tenant(0).client_id, "loginHint": hint});
    let (run, _) = through(&session, request, as_is);
    assert_eq!(run.good()["account"], hint);
    assert!(pages_opened(&lab)[0].contains("%2F.default+openid"));
    check(&session, &mut idle).good();
    assert_clean(&lab);
}

#[test]
fn the_portal_api_takes_a_sign_in_of_its_own() {
    let lab = lab();
    let session = session(&lab, true);
    let (run, pages) = through(&session, json!({"method": "browser", "portalApi": true}), as_is);
    let services: Vec<_> = run.sign_ins().iter().map(|s| s["service"].clone()).collect();
    assert_eq!(services, ["Microsoft Graph", "the portal API"]);
    let identity = run.good();
    assert_eq!(identity["portalApi"], true);
    assert_eq!(pages.len(), 2);
    let second = &pages_opened(&lab)[1];
    assert!(
        second.contains("client_id=1950a258-227b-4e31-a9cf-717495945fc2"),
        "{second}"
    );
    assert!(
        second.contains("74658136-14ec-4630-ad9b-26e160ff0fc6%2F.default"),
        "{second}"
    );
    assert!(second.contains("login_hint=ada%40contoso.example"), "{second}");
    assert_clean(&lab);

    // Only the public cloud's is known.
    let mut config = config(&lab, 0);
    config["cloud"] = json!("China");
    config["endpoints"]["portal"] = Value::Null;
    let error = sign_in(
        &open(&config),
        json!({"method": "deviceCode", "portalApi": true}),
        &mut idle,
    );
    assert_eq!(error.bad(Status::ArgumentInvalid).target.as_deref(), Some("portalApi"));
}

#[test]
fn the_service_s_error_comes_back() {
    let lab = lab();
    lab.control("POST", "sign-in", &json!({"error": "the <person> declined"}))
        .expect("set");
    let (run, pages) = through(&session(&lab, true), json!({"method": "browser"}), as_is);
    let error = run.bad(Status::SignInRefused);
    assert!(error.message.contains("the <person> declined"), "{}", error.message);
    assert!(error.help.unwrap().contains("declined"));
    assert!(
        pages[0].contains("You are not signed in") && pages[0].contains("the &lt;person&gt; declined"),
        "{}",
        pages[0]
    );
}

#[test]
fn an_answer_that_belongs_elsewhere_is_refused() {
    let lab = lab();
    // The service saw another nonce, as if its answer had been made for another sign-in.
    let (run, pages) = through(&session(&lab, true), json!({"method": "browser"}), |url| {
        url.replace("nonce=", "nonce=x")
    });
    run.bad(Status::ServiceAnswer);
    assert!(pages[0].contains("You are not signed in"));
    // Another proof key: the code is of no use to who stole it.
    let (run, _) = through(&session(&lab, true), json!({"method": "browser"}), |url| {
        url.replace("code_challenge=", "code_challenge=x")
    });
    run.bad(Status::SignInRefused);
    // Another state: never taken.
    let request = json!({"method": "browser", "timeoutSeconds": 1});
    let (run, pages) = through(&session(&lab, true), request, |url| url.replace("&state=", "&state=x"));
    run.bad(Status::SignInTimeout);
    assert!(pages[0].starts_with("HTTP/1.1 400"), "{}", pages[0]);
}

#[test]
fn nobody_comes_in_time() {
    let lab = lab();
    let run = sign_in(
        &session(&lab, true),
        json!({"method": "browser", "timeoutSeconds": 1}),
        &mut |task, event| {
            if event["event"] == "hostAction" {
                reply(task, event, json!({}));
            }
        },
    );
    let error = run.bad(Status::SignInTimeout);
    assert!(error.help.unwrap().contains("device code"));
}

#[test]
fn a_cancelled_sign_in_ends_at_once_and_listens_no_more() {
    let lab = lab();
    let session = session(&lab, true);
    let task = start_within(&session, json!({"method": "browser"}), crate::drive::nothing());
    let url = loop {
        if let Ok(Next::Event(event)) = task.next(Duration::from_secs(20)) {
            let event: Value = serde_json::from_str(&event).unwrap();
            if event["event"] == "signIn" {
                break event["signIn"]["url"].as_str().unwrap().to_string();
            }
        }
    };
    let port: u16 = url.split("localhost%3A").nth(1).unwrap()[..5]
        .trim_end_matches(['%', '&'])
        .parse()
        .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    task.cancel();
    let began = Instant::now();
    run(&task, &mut idle).bad(Status::TaskCancelled);
    assert!(began.elapsed() < Duration::from_secs(1));
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "it still listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The session stays usable.
    through(&session, json!({"method": "browser"}), as_is).0.good();
}

#[test]
fn a_person_opens_the_address_by_hand_where_the_host_cannot() {
    let lab = lab();
    let by_hand = |_: &Task, event: &Value| {
        if event["event"] == "signIn" && event["signIn"]["message"].is_string() {
            let url = event["signIn"]["url"].as_str().unwrap();
            assert!(event["signIn"]["message"].as_str().unwrap().contains(url));
            let (port, body) = visit(url);
            post(port, &body);
        }
    };
    // The host offers no browser.
    sign_in(
        &open(&config(&lab, 0)),
        json!({"method": "browser"}),
        &mut by_hand.clone(),
    )
    .good();
    // It offers one and fails.
    let mut failing = |task: &Task, event: &Value| {
        if event["event"] == "hostAction" {
            task.reply(&json!({"id": event["id"], "error": "no display"}).to_string())
                .unwrap();
        }
        by_hand(task, event);
    };
    let run = sign_in(&session(&lab, true), json!({"method": "browser"}), &mut failing);
    assert!(
        run.events
            .iter()
            .any(|e| e["event"] == "log" && e["message"] == "no display")
    );
    run.good();
    assert_clean(&lab);
}

/// A fault of the next answer of the token endpoint.
fn refuse_next_token(lab: &Lab, body: Value) {
    let kind = FaultKind::Body {
        status: 400,
        content_type: "application/json".into(),
        text: body.to_string(),
    };
    let fault = Fault {
        path_regex: Some("/oauth2/v2.0/token$".into()),
        ..Fault::new("", kind)
    };
    lab.add_fault(fault.times(1)).expect("a fault");
}

const ASKED: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c25"}}}"#;

#[test]
fn what_conditional_access_asks_is_done_or_told() {
    let lab = lab();
    let challenge = || {
        let kind = FaultKind::ClaimsChallenge {
            claims: Some(ASKED.into()),
        };
        lab.add_fault(Fault::new("/v1.0", kind).times(1)).expect("a fault");
        refuse_next_token(
            &lab,
            json!({"error": "interaction_required", "error_description": "AADSTS50076: more is needed.", "claims": ASKED}),
        );
    };
    for interactive in [false, true] {
        let session = session(&lab, interactive);
        through(&session, json!({"method": "browser"}), as_is).0.good();
        lab.reset();
        challenge();
        let pages = std::sync::Mutex::default();
        let run = check(&session, &mut browser(&pages, as_is));
        let opened = pages_opened(&lab);
        // The challenge went along with the silent try.
        assert!(
            tokens(&lab)[0].contains("c25") && tokens(&lab)[0].contains("cp1"),
            "{:?}",
            tokens(&lab)
        );
        if interactive {
            assert_eq!(run.good()["ready"], "Yes");
            assert_eq!(opened.len(), 1);
            assert!(opened[0].contains("c25") && opened[0].contains("cp1"), "{}", opened[0]);
            assert!(opened[0].contains("login_hint=ada%40contoso.example"), "{}", opened[0]);
        } else {
            assert!(opened.is_empty());
            let all = serde_json::to_string(&run.good()).unwrap();
            assert!(all.contains("the authentication context c25"), "{all}");
        }
    }
}

#[test]
fn an_app_s_id_may_be_written_in_capitals() {
    let lab = lab();
    let session = session(&lab, false);
    let client = "14D82EEC-204B-4C2F-B7E8-296A70DAB67E";
    let (run, _) = through(&session, json!({"method": "browser", "clientId": client}), as_is);
    // It is Microsoft's shared app all the same, of which permissions are asked for by name.
    assert!(run.sign_ins()[0]["url"].as_str().unwrap().contains("AuditLog.Read.All"));
    run.good();
    assert_clean(&lab);
}

#[test]
fn a_policy_that_blocks_is_not_taken_for_a_person_who_declined() {
    let lab = Lab::start_blocking(LabOptions::scenario("portal-token-missing")).expect("the lab starts");
    let session = session(&lab, false);
    let (run, page) = through(&session, json!({"method": "browser", "portalApi": true}), as_is);
    let error = run.bad(Status::SignInConditionalAccess);
    assert!(error.message.contains("AADSTS53003"), "{}", error.to_json());
    assert!(!error.to_json().contains("declined"), "{}", error.to_json());
    assert!(format!("{page:?}").contains("AADSTS53003"));
}

#[test]
fn a_sign_in_that_ended_is_made_again_by_the_same_person_only() {
    let lab = lab();
    let end = || {
        lab.control("POST", "tokens/revoke", &json!({"refresh": true}))
            .expect("revoked")
    };
    let quiet = session(&lab, false);
    through(&quiet, json!({"method": "browser"}), as_is).0.good();
    let asking = session(&lab, true);
    through(&asking, json!({"method": "browser"}), as_is).0.good();
    end();
    let pages = std::sync::Mutex::default();
    // The one with nobody there says that it ended.
    let told = serde_json::to_string(&check(&quiet, &mut browser(&pages, as_is)).good()).unwrap();
    assert!(told.contains("AADSTS70000"), "{told}");
    assert!(pages.lock().unwrap().is_empty());
    // The other asks; another person is not let in.
    check(&asking, &mut browser(&pages, |url| url.replace("ada%40", "gil%40"))).good();
    assert!(
        pages.lock().unwrap().iter().all(|p| p.contains("another person")),
        "{pages:?}"
    );
    pages.lock().unwrap().clear();
    let run = check(&asking, &mut browser(&pages, as_is));
    assert_eq!(run.good()["ready"], "Yes");
    assert_eq!(pages.lock().unwrap().len(), 1);
}
