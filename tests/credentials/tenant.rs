//! Which tenant a sign-in came to, what a machine's policy forbids, and what opening a session leaves for later.

use crate::common::{config, open};
use crate::drive::{idle, nothing, sign_in, sign_in_within};
use crate::server::Server;
use base64::Engine as _;
use entra_sspr::session::credential::Environment;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::io::Write;
use std::time::{Duration, Instant};

fn lab() -> Lab {
    let options = LabOptions {
        scenarios: vec!["cloud-only-ready".into(), "hybrid-ready".into()],
        ..LabOptions::default()
    };
    Lab::start_blocking(options).expect("the lab starts")
}

fn token(tenant: &str) -> String {
    let claims = json!({"aud": "https://graph.microsoft.com", "tid": tenant, "appid": "a", "exp": 4_000_000_000_u32});
    let body = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("canary.{body}.canary")
}

fn with_token(config: &Value, tenant: &str) -> crate::drive::Run {
    let session = open(config);
    session
        .set_secret("accessToken", token(tenant).as_bytes())
        .expect("a secret");
    sign_in(&session, json!({"method": "accessToken"}), &mut idle)
}

#[test]
fn a_tenant_that_is_named_by_a_domain_is_the_one_that_counts() {
    let lab = lab();
    let (own, other) = (lab.tenant(0), lab.tenant(1));
    let mut config = config(&lab, 0);
    for domain in &own.domains {
        config["tenant"] = json!(domain);
        with_token(&config, &own.tenant_id).good();
        let error = with_token(&config, &other.tenant_id).bad(Status::TokenUnusable);
        assert!(error.message.contains(&other.tenant_id), "{}", error.message);
        assert!(error.message.contains(&own.tenant_id), "{}", error.message);
        sign_in_within(&open(&config), json!({"method": "managedIdentity"}), nothing()).good();
    }
    // The machine's identity is of the first tenant.
    config["tenant"] = json!(other.domains[0]);
    sign_in_within(&open(&config), json!({"method": "managedIdentity"}), nothing()).bad(Status::TokenUnusable);
    // A name that stands for every tenant names none.
    config["tenant"] = json!("organizations");
    with_token(&config, &other.tenant_id).good();
    config["tenant"] = json!("nowhere.example");
    let error = with_token(&config, &own.tenant_id).bad(Status::SignInRefused);
    assert_eq!(error.target.as_deref(), Some("tenant"), "{}", error.to_json());
    // An id needs nobody to be asked.
    lab.reset();
    config["tenant"] = json!(own.tenant_id.to_uppercase());
    with_token(&config, &own.tenant_id).good();
    assert!(lab.requests().is_empty());
}

#[test]
fn metadata_that_names_no_tenant_lets_nobody_in() {
    for body in ["{}", r#"{"issuer":"https://login/x/v2.0"}"#, "no"] {
        let server = Server::start(move |_| (200, String::new(), body.into()));
        let config = json!({"tenant": "contoso.com", "proxy": "none", "endpoints": {"login": server.url()}});
        let error = with_token(&config, "11111111-1111-1111-1111-111111111111").bad(Status::ServiceAnswer);
        assert_eq!(error.target.as_deref(), Some("tenant"));
    }
}

#[test]
fn a_machine_s_policy_forbids_the_portal_api() {
    let lab = lab();
    let forbidden = || Environment::for_test(&[("ENTRASSPR_DISABLE_PORTAL_API", "1")], "/nowhere".into());
    for request in [
        json!({"method": "browser", "portalApi": true}),
        json!({"method": "deviceCode", "portalApi": true}),
        json!({"method": "accessToken"}),
    ] {
        let session = open(&config(&lab, 0));
        let own = lab.tenant(0).tenant_id;
        session
            .set_secret("accessToken", token(&own).as_bytes())
            .expect("a secret");
        session
            .set_secret("portalAccessToken", token(&own).as_bytes())
            .expect("a secret");
        let error = sign_in_within(&session, request, forbidden()).bad(Status::SignInRefused);
        assert!(
            error.message.contains("ENTRASSPR_DISABLE_PORTAL_API"),
            "{}",
            error.message
        );
        assert_eq!(error.target.as_deref(), Some("portalApi"));
    }
    // What does not ask for it is let in.
    sign_in_within(
        &open(&config(&lab, 0)),
        json!({"method": "managedIdentity"}),
        forbidden(),
    )
    .good();
    assert!(lab.requests().iter().all(|r| r.role != "login"));
}

#[test]
fn a_trust_file_is_read_by_the_first_task_and_not_at_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text.pem"), "no certificate").expect("written");
    let pipe = path("pipe.pem");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(!cfg!(unix) || made.is_ok_and(|status| status.success()));
    for name in ["gone.pem", "text.pem", "pipe.pem", ""] {
        let config = json!({"tenant": "contoso.com", "caFile": path(name), "proxy": "none", "endpoints": {"login": "https://127.0.0.1:1"}});
        let began = Instant::now();
        let session = open(&config);
        session.set_secret("clientSecret", b"s").expect("a secret");
        let request = json!({"method": "clientSecret", "clientId": "99999999-9999-9999-9999-999999999999"});
        for _ in 0..2 {
            session.set_secret("clientSecret", b"s").expect("a secret");
            let error = sign_in(&session, request.clone(), &mut idle).bad(Status::FileRead);
            assert_eq!(error.target.as_deref(), path(name).to_str());
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[test]
fn an_answer_that_drips_ends_in_a_request_s_time() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
        "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
    ] {
        let server = Server::raw(move |_, mut stream| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let config = json!({"tenant": "contoso.com", "requestTimeoutSeconds": 2, "proxy": "none", "endpoints": {"login": server.url()}});
        let session = open(&config);
        session.set_secret("clientSecret", b"s").expect("a secret");
        let began = Instant::now();
        let request = json!({"method": "clientSecret", "clientId": "99999999-9999-9999-9999-999999999999"});
        assert!(sign_in(&session, request, &mut idle).result.is_err());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
