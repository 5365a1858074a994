//! Managed identities, in all their forms.

use crate::common::{assert_clean, config, open};
use crate::drive::{check, idle, nothing, sign_in_within};
use crate::server::Server;
use base64::Engine as _;
use entra_sspr::session::credential::Environment;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts")
}

fn machine() -> Value {
    json!({"method": "managedIdentity"})
}

/// A token that can be read, as far as anybody here reads it.
fn token(tenant: &str) -> String {
    let claims = json!({"aud": "https://graph.microsoft.com", "tid": tenant, "appid": "a", "exp": 4_000_000_000_u32});
    format!(
        "x.{}.y",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

#[test]
fn a_virtual_machine_signs_in_as_itself_or_as_what_it_was_given() {
    let lab = lab();
    let tenant = lab.tenant(0);
    let session = open(&config(&lab, 0));
    let identity = sign_in_within(&session, machine(), nothing()).good();
    assert_eq!(identity["method"], "managedIdentity");
    assert_eq!(identity["account"], tenant.apps["identity"]["clientId"]);
    check(&session, &mut idle).good();
    let given = &tenant.apps["identity-user"];
    let resource =
        "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/identity-user";
    for (member, id) in [
        ("clientId", given["clientId"].clone()),
        ("objectId", given["objectId"].clone()),
        ("resourceId", json!(resource)),
    ] {
        let mut request = machine();
        request[member] = id;
        let identity = sign_in_within(&open(&config(&lab, 0)), request, nothing()).good();
        assert_eq!(identity["account"], given["clientId"], "{member}");
    }
    let both = json!({"method": "managedIdentity", "clientId": "a", "objectId": "b"});
    sign_in_within(&open(&config(&lab, 0)), both, nothing()).bad(Status::ArgumentInvalid);
    // One that it was not given.
    let mut request = machine();
    request["clientId"] = json!("00000000-0000-0000-0000-000000000001");
    let error = sign_in_within(&open(&config(&lab, 0)), request, nothing()).bad(Status::IdentityUnavailable);
    assert!(error.detail.iter().any(|d| d == "Identity not found"), "{error:?}");
    assert!(error.help.unwrap().contains("is assigned to this machine"));
    assert_clean(&lab);
}

#[test]
fn automation_and_app_service_have_endpoints_of_their_own() {
    for automation in [true, false] {
        let options = LabOptions {
            automation_identity: automation,
            ..LabOptions::scenario("cloud-only-ready")
        };
        let lab = Lab::start_blocking(options).expect("the lab starts");
        let endpoint = format!("{}/msi/token", lab.url());
        let variables = [
            ("IDENTITY_ENDPOINT", endpoint.as_str()),
            ("IDENTITY_HEADER", lab.identity_header()),
        ];
        let mut config = config(&lab, 0);
        // Nobody asks the virtual machine's service then.
        config["endpoints"]["imds"] = json!("http://127.0.0.1:1");
        let session = open(&config);
        sign_in_within(
            &session,
            machine(),
            Environment::for_test(&variables, "/nowhere".into()),
        )
        .good();
        check(&session, &mut idle).good();
        assert_clean(&lab);
        // A wrong header is told without it.
        let variables = [
            ("IDENTITY_ENDPOINT", endpoint.as_str()),
            ("IDENTITY_HEADER", "canary-header"),
        ];
        let environment = Environment::for_test(&variables, "/nowhere".into());
        assert!(!format!("{environment:?}").contains("canary"));
        let error = sign_in_within(&open(&config), machine(), environment).bad(Status::IdentityUnavailable);
        assert!(!error.to_json().contains("canary"), "{}", error.to_json());
    }
}

/// The lab's agent of Azure Arc, and the folder that its key lies in.
fn arc(lab: &Lab, folder: &str) -> Environment {
    let endpoint = format!("{}/arc/metadata/identity/oauth2/token", lab.url());
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IMDS_ENDPOINT", "http://127.0.0.1:1"),
    ];
    Environment::for_test(&variables, folder.into())
}

fn state_dir(lab: &Lab) -> String {
    lab.ready_line()["stateDir"].as_str().expect("a folder").to_string()
}

#[test]
fn azure_arc_s_key_is_read_from_its_own_folder_alone() {
    let lab = lab();
    let session = open(&config(&lab, 0));
    sign_in_within(&session, machine(), arc(&lab, &state_dir(&lab))).good();
    check(&session, &mut idle).good();
    assert_clean(&lab);
    // The same answer, with the folder elsewhere: nothing is read, and nothing is sent.
    let other = tempfile::tempdir().expect("a folder");
    lab.reset();
    let run = sign_in_within(
        &open(&config(&lab, 0)),
        machine(),
        arc(&lab, other.path().to_str().unwrap()),
    );
    let error = run.bad(Status::IdentityUnavailable);
    assert!(error.message.contains("own folder"), "{}", error.message);
    assert_eq!(lab.requests().len(), 1);
    // An agent that names something else of this machine.
    let secret = PathBuf::from(state_dir(&lab)).join("app-key.pem");
    lab.control("POST", "arc", &json!({"file": secret})).expect("set");
    let error = sign_in_within(&open(&config(&lab, 0)), machine(), arc(&lab, &state_dir(&lab)));
    assert!(error.bad(Status::IdentityUnavailable).message.contains(".key"));
    // A connected machine has one identity.
    let request = json!({"method": "managedIdentity", "clientId": "a"});
    let run = sign_in_within(&open(&config(&lab, 0)), request, arc(&lab, &state_dir(&lab)));
    run.bad(Status::ArgumentInvalid);
}

#[test]
fn who_gives_a_token_without_the_challenge_is_not_the_agent() {
    let lab = lab();
    let body = json!({"access_token": token(&lab.tenant(0).tenant_id), "expires_in": "3600"}).to_string();
    for (status, headers) in [
        (200, ""),
        (401, ""),
        (401, "WWW-Authenticate: Bearer realm=\"/x.key\"\r\n"),
    ] {
        let (body, headers) = (body.clone(), headers.to_string());
        let server = Server::start(move |_| (status, headers.clone(), body.clone()));
        let variables = [("IDENTITY_ENDPOINT", server.url()), ("IMDS_ENDPOINT", server.url())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let environment = Environment::for_test(&variables, state_dir(&lab).into());
        sign_in_within(&open(&config(&lab, 0)), machine(), environment).bad(Status::IdentityUnavailable);
    }
}

#[test]
fn an_older_worker_has_a_secret_of_its_own() {
    let lab = lab();
    let tenant = lab.tenant(0).tenant_id;
    let body = json!({"access_token": token(&tenant), "expires_on": "4000000000"}).to_string();
    let server = Server::start(move |asked| {
        let known = asked.head.to_ascii_lowercase().contains("\r\nsecret: canary-secret");
        if known {
            (200, String::new(), body.clone())
        } else {
            (403, String::new(), "canary-secret".into())
        }
    });
    let endpoint = server.url();
    let variables =
        |secret| [("MSI_ENDPOINT", endpoint.as_str()), ("MSI_SECRET", secret)].map(|(a, b): (&str, &str)| (a, b));
    let good = Environment::for_test(&variables("canary-secret"), "/nowhere".into());
    let identity = sign_in_within(&open(&config(&lab, 0)), machine(), good).good();
    assert_eq!(identity["tenantId"], tenant);
    let line = &server.asked()[0].line;
    assert!(
        line.contains("api-version=2017-09-01") && line.contains("resource=https%3A%2F%2Fgraph.microsoft.com"),
        "{line}"
    );
    let bad = Environment::for_test(&variables("canary-other"), "/nowhere".into());
    let error = sign_in_within(&open(&config(&lab, 0)), machine(), bad).bad(Status::IdentityUnavailable);
    assert!(!error.to_json().contains("canary-other"), "{}", error.to_json());
}

#[test]
fn where_there_is_none_it_is_said_soon() {
    let lab = lab();
    let mut config = config(&lab, 0);
    config["endpoints"]["imds"] = json!("http://127.0.0.1:1");
    let began = Instant::now();
    let error = sign_in_within(&open(&config), machine(), nothing()).bad(Status::IdentityUnavailable);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(
        error
            .detail
            .iter()
            .any(|d| d.contains("IDENTITY_ENDPOINT") && d.contains("Azure Arc")),
        "{error:?}"
    );
    // Another cloud's metadata service.
    let other = Server::start(|_| (404, String::new(), "<html>not here</html>".into()));
    config["endpoints"]["imds"] = json!(other.url());
    let error = sign_in_within(&open(&config), machine(), nothing()).bad(Status::IdentityUnavailable);
    assert!(error.detail.iter().any(|d| d.contains("404")), "{error:?}");
    // The environment cannot send the request, or its secret, elsewhere.
    let variables = [
        ("IDENTITY_ENDPOINT", "https://evil.example/x"),
        ("IDENTITY_HEADER", "canary-header"),
    ];
    let environment = Environment::for_test(&variables, "/nowhere".into());
    let error = sign_in_within(&open(&config), machine(), environment).bad(Status::ArgumentInvalid);
    assert_eq!(error.target.as_deref(), Some("IDENTITY_ENDPOINT"));
    assert!(!error.to_json().contains("canary"));
}

#[test]
fn another_tenant_s_identity_is_not_taken_for_this_one_s() {
    let lab = lab();
    let mut config = config(&lab, 0);
    config["tenant"] = json!("22222222-2222-2222-2222-222222222222");
    let error = sign_in_within(&open(&config), machine(), nothing()).bad(Status::TokenUnusable);
    assert!(error.message.contains(&lab.tenant(0).tenant_id), "{}", error.message);
}
