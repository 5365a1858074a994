//! An app that trusts another issuer.

use crate::common::{assert_clean, config, open};
use crate::drive::{check, idle, nothing, sign_in_within};
use entra_sspr::session::credential::Environment;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::path::Path;

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts")
}

fn assertion(lab: &Lab, subject: &str) -> String {
    let body = json!({"issuer": "https://token.actions.example", "subject": subject, "audience": "api://AzureADTokenExchange"});
    let answer = lab.control("POST", "assertion", &body).expect("an assertion");
    answer["assertion"].as_str().expect("text").to_string()
}

const TRUSTED: &str = "repo:contoso/sspr:ref:refs/heads/main";

fn from_file(lab: &Lab, file: &Path) -> Value {
    json!({"method": "federated", "clientId": lab.tenant(0).client_id, "assertionFile": file})
}

#[test]
fn a_token_file_is_read_anew_for_each_token() {
    let lab = lab();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, assertion(&lab, TRUSTED) + "\n").expect("written");
    let session = open(&config(&lab, 0));
    let identity = sign_in_within(&session, from_file(&lab, &file), nothing()).good();
    assert_eq!(identity["method"], "federated");
    assert_eq!(identity["account"], lab.tenant(0).client_id);
    let second = assertion(&lab, TRUSTED);
    std::fs::write(&file, &second).expect("written");
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut idle).good();
    let sent: Vec<_> = lab
        .requests()
        .into_iter()
        .filter(|r| r.body.contains("client_assertion="))
        .collect();
    assert_eq!(sent.len(), 2);
    assert!(sent[1].body.contains(&second));
    assert_clean(&lab);
}

#[test]
fn the_environment_of_a_cluster_is_enough() {
    let lab = lab();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, assertion(&lab, TRUSTED)).expect("written");
    let tenant = lab.tenant(0);
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().expect("text")),
        ("AZURE_CLIENT_ID", tenant.client_id.as_str()),
        ("AZURE_TENANT_ID", tenant.tenant_id.as_str()),
    ];
    let mut config = config(&lab, 0);
    config["tenant"] = Value::Null;
    let session = |config: &Value| open(config);
    let request = json!({"method": "federated"});
    let within = |variables: &[(&str, &str)]| Environment::for_test(variables, "/nowhere".into());
    sign_in_within(&session(&config), request.clone(), within(&variables)).good();
    for (left_out, target) in [(0, "assertionFile"), (1, "clientId"), (2, "tenant")] {
        let rest: Vec<_> = (0..3).filter(|i| *i != left_out).map(|i| variables[i]).collect();
        let error = sign_in_within(&session(&config), request.clone(), within(&rest)).bad(Status::ArgumentInvalid);
        assert_eq!(error.target.as_deref(), Some(target));
    }
    let hostile = [variables[0], variables[1], ("AZURE_TENANT_ID", "../../evil")];
    sign_in_within(&session(&config), request, within(&hostile)).bad(Status::ArgumentInvalid);
    assert_clean(&lab);
}

#[test]
fn a_user_assigned_identity_proves_the_app() {
    let lab = lab();
    let tenant = lab.tenant(0);
    let request =
        |identity: Value| json!({"method": "federated", "clientId": tenant.client_id, "managedIdentity": identity});
    let session = open(&config(&lab, 0));
    let identity = json!({"clientId": tenant.apps["identity-user"]["clientId"]});
    let signed_in = sign_in_within(&session, request(identity.clone()), nothing()).good();
    assert_eq!(signed_in["account"], tenant.client_id);
    check(&session, &mut idle).good();
    let asked = lab
        .requests()
        .into_iter()
        .find(|r| r.role == "identity")
        .expect("its token was asked for");
    assert!(
        asked.query.contains("resource=api%3A%2F%2FAzureADTokenExchange"),
        "{}",
        asked.query
    );
    assert_clean(&lab);
    // The machine's own identity, and Azure Arc's, cannot.
    sign_in_within(&open(&config(&lab, 0)), request(json!({})), nothing()).bad(Status::ArgumentInvalid);
    let variables = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1"),
        ("IMDS_ENDPOINT", "http://127.0.0.1:1"),
    ];
    let arc = || Environment::for_test(&variables, "/nowhere".into());
    for named in [json!({}), identity] {
        let run = sign_in_within(&open(&config(&lab, 0)), request(named), arc());
        let error = run.bad(Status::CredentialUnusable);
        assert!(error.message.contains("Azure Arc"));
    }
}

#[test]
fn what_is_not_trusted_or_no_token_is_told() {
    let lab = lab();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, assertion(&lab, "repo:evil/sspr")).expect("written");
    let run = sign_in_within(&open(&config(&lab, 0)), from_file(&lab, &file), nothing());
    let error = run.bad(Status::SignInRefused);
    assert!(error.help.unwrap().contains("federated credential"));
    for content in [
        &b""[..],
        b"canary",
        b"a.b",
        b"a.canary!.c",
        b"a..c",
        &[0xff, 0xfe],
        &[b'a'; 70_000],
    ] {
        std::fs::write(&file, content).expect("written");
        let run = sign_in_within(&open(&config(&lab, 0)), from_file(&lab, &file), nothing());
        let error = run.bad(Status::CredentialUnusable);
        assert_eq!(error.target.as_deref(), file.to_str());
        assert!(!error.to_json().contains("canary"));
    }
    let gone = folder.path().join("gone");
    sign_in_within(&open(&config(&lab, 0)), from_file(&lab, &gone), nothing()).bad(Status::CredentialUnusable);
    let both = json!({"method": "federated", "clientId": lab.tenant(0).client_id, "assertionFile": gone, "managedIdentity": {"clientId": "a"}});
    sign_in_within(&open(&config(&lab, 0)), both, nothing()).bad(Status::ArgumentInvalid);
}
