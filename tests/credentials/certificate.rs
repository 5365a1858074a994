//! An app signs in with a certificate.

use crate::common::{assert_clean, config, open};
use crate::drive::{check, idle, reply, sign_in};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use entra_sspr::task::Task;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions, RequestRecord};
use std::sync::Arc;

fn lab() -> Lab {
    Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts")
}

fn pem(lab: &Lab) -> String {
    let read = |path| std::fs::read_to_string(path).expect("the lab wrote it");
    read(lab.app_certificate_file()) + &read(lab.app_key_file())
}

fn request(lab: &Lab) -> Value {
    json!({"method": "certificate", "clientId": lab.tenant(0).client_id})
}

fn with_file(lab: &Lab, file: &[u8]) -> Arc<Session> {
    let session = open(&config(lab, 0));
    session.set_secret("certificate", file).expect("a secret");
    session
}

/// The headers and claims of the assertions that the lab was sent.
fn assertions(lab: &Lab) -> Vec<(Value, Value)> {
    let body = |r: &RequestRecord| {
        r.body
            .split("client_assertion=")
            .nth(1)?
            .split('&')
            .next()
            .map(str::to_string)
    };
    let part = |text: &str, at: usize| {
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text.split('.').nth(at).expect("a part"))
            .expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    lab.requests()
        .iter()
        .filter_map(body)
        .map(|jwt| (part(&jwt, 0), part(&jwt, 1)))
        .collect()
}

fn algorithms(lab: &Lab) -> Vec<String> {
    assertions(lab)
        .iter()
        .map(|(header, _)| header["alg"].as_str().expect("alg").to_string())
        .collect()
}

fn refuse_ps256(lab: &Lab) {
    lab.add_fault(Fault::new("", FaultKind::RefusePs256)).expect("a fault");
}

#[test]
fn a_file_with_its_key_signs_in_with_the_newer_algorithm() {
    let lab = lab();
    let session = with_file(&lab, pem(&lab).as_bytes());
    let identity = sign_in(&session, request(&lab), &mut idle).good();
    assert_eq!(identity["method"], "certificate");
    assert_eq!(identity["delegated"], false);
    assert_eq!(identity["account"], lab.tenant(0).client_id);
    check(&session, &mut idle).good();
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut idle).good();
    let all = assertions(&lab);
    assert_eq!(algorithms(&lab), ["PS256", "PS256"]);
    for (header, claims) in &all {
        assert!(header["x5t#S256"].is_string() && header["typ"] == "JWT" && header.get("x5t").is_none());
        let time = |name: &str| claims[name].as_i64().expect("a time");
        assert!((1..=600).contains(&(time("exp") - time("iat"))) && time("nbf") == time("iat"));
        assert_eq!(claims["iss"], claims["sub"]);
        assert!(claims["aud"].as_str().unwrap().ends_with("/oauth2/v2.0/token"));
    }
    assert_ne!(all[0].1["jti"], all[1].1["jti"]);
    assert_clean(&lab);
}

#[test]
fn an_older_service_gets_the_older_algorithm_once_and_for_all() {
    let lab = lab();
    refuse_ps256(&lab);
    let session = with_file(&lab, pem(&lab).as_bytes());
    sign_in(&session, request(&lab), &mut idle).good();
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut idle).good();
    assert_eq!(algorithms(&lab), ["PS256", "RS256", "RS256"]);
    assert!(assertions(&lab)[1].0["x5t"].is_string());
}

#[test]
fn a_certificate_that_the_app_does_not_know_is_refused() {
    let lab = lab();
    let unknown = include_bytes!("../data/certificates/pkcs8.pem");
    let error = sign_in(&with_file(&lab, unknown), request(&lab), &mut idle).bad(Status::SignInRefused);
    assert!(error.message.contains("AADSTS700027"), "{}", error.message);
    assert!(error.help.unwrap().contains("Register this certificate"));
}

/// A caller that holds the key and can do these algorithms.
struct Caller {
    key: RsaKeyPair,
    can: Vec<&'static str>,
    asked: Vec<Value>,
}

impl Caller {
    fn new(lab: &Lab, can: &[&'static str]) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_file(lab.app_key_file()).expect("a key");
        Caller {
            key: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("RSA"),
            can: can.to_vec(),
            asked: Vec::new(),
        }
    }

    fn sign(&mut self, task: &Task, event: &Value) {
        if event["event"] != "hostAction" {
            return;
        }
        assert_eq!(event["action"], "signAssertion");
        let arguments = &event["arguments"];
        self.asked.push(arguments.clone());
        let offers = arguments["algorithms"].as_array().expect("algorithms");
        let offer = offers
            .iter()
            .find(|o| self.can.contains(&o["alg"].as_str().expect("alg")));
        let Some(offer) = offer else {
            let refusal = json!({"id": event["id"], "error": "the key cannot do that"});
            return task.reply(&refusal.to_string()).expect("taken");
        };
        let how: &'static dyn RsaEncoding = match offer["alg"].as_str() {
            Some("PS256") => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public().modulus_len()];
        let input = offer["signingInput"].as_str().expect("text");
        self.key
            .sign(how, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .expect("signed");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        reply(task, event, json!({"alg": offer["alg"], "signature": signature}));
    }
}

fn of_caller(lab: &Lab) -> (Arc<Session>, Value) {
    let mut config = config(lab, 0);
    config["hostActions"] = json!(["signAssertion"]);
    let der = CertificateDer::from_pem_file(lab.app_certificate_file()).expect("a certificate");
    let mut request = request(lab);
    request["certificate"] = json!(BASE64_STANDARD.encode(der));
    (open(&config), request)
}

#[test]
fn the_caller_signs_with_a_key_that_stays_where_it_is() {
    let lab = lab();
    let (session, request) = of_caller(&lab);
    let mut caller = Caller::new(&lab, &["PS256", "RS256"]);
    sign_in(&session, request, &mut |t: &Task, e: &Value| caller.sign(t, e)).good();
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    // A renewal asks again, in whichever task it comes up.
    check(&session, &mut |t: &Task, e: &Value| caller.sign(t, e)).good();
    assert_eq!(caller.asked.len(), 2);
    assert_eq!(caller.asked[0]["thumbprint"].as_str().map(str::len), Some(40));
    assert_eq!(algorithms(&lab), ["PS256", "PS256"]);
    assert_clean(&lab);
}

#[test]
fn the_caller_s_key_may_know_the_older_algorithm_only() {
    let lab = lab();
    let (session, request) = of_caller(&lab);
    let mut caller = Caller::new(&lab, &["RS256"]);
    sign_in(&session, request.clone(), &mut |t: &Task, e: &Value| caller.sign(t, e)).good();
    assert_eq!(algorithms(&lab), ["RS256"]);
    lab.control("POST", "tokens/revoke", &json!({})).expect("revoked");
    check(&session, &mut |t: &Task, e: &Value| caller.sign(t, e)).good();
    assert_eq!(caller.asked[1]["algorithms"].as_array().map(Vec::len), Some(1));
    assert_clean(&lab);

    // The service knows RS256 only: the caller is asked for that alone the second time.
    refuse_ps256(&lab);
    let (session, _) = of_caller(&lab);
    let mut caller = Caller::new(&lab, &["PS256", "RS256"]);
    sign_in(&session, request.clone(), &mut |t: &Task, e: &Value| caller.sign(t, e)).good();
    assert_eq!(caller.asked.len(), 2);

    // Neither: the service's own refusal is what counts.
    let (session, _) = of_caller(&lab);
    let mut caller = Caller::new(&lab, &["PS256"]);
    let run = sign_in(&session, request, &mut |t: &Task, e: &Value| caller.sign(t, e));
    assert!(run.bad(Status::SignInRefused).message.contains("AADSTS5002738"));
}

#[test]
fn a_reply_that_does_not_fit_is_told() {
    let lab = lab();
    for (answer, status, word) in [
        (
            json!({"alg": "PS256", "signature": BASE64_URL_SAFE_NO_PAD.encode([7; 256])}),
            Status::CredentialUnusable,
            "does not fit",
        ),
        (
            json!({"alg": "ES256", "signature": "AAAA"}),
            Status::HostActionFailed,
            "was not offered",
        ),
        (
            json!({"alg": "PS256", "signature": "!"}),
            Status::HostActionFailed,
            "base64url",
        ),
        (json!({"alg": "PS256"}), Status::HostActionFailed, "{alg, signature}"),
        (Value::Null, Status::HostActionFailed, "{alg, signature}"),
    ] {
        let (session, request) = of_caller(&lab);
        let run = sign_in(&session, request, &mut |task: &Task, event: &Value| {
            if event["event"] == "hostAction" {
                reply(task, event, answer.clone());
            }
        });
        let error = run.bad(status);
        assert!(error.message.contains(word), "{}", error.message);
    }
    assert!(assertions(&lab).is_empty(), "nothing of that was sent");
}

#[test]
fn what_is_missing_is_named() {
    let lab = lab();
    let (_, with_public) = of_caller(&lab);
    let error = sign_in(&open(&config(&lab, 0)), request(&lab), &mut idle).bad(Status::ArgumentInvalid);
    assert_eq!(error.target.as_deref(), Some("certificate"));
    // The public part alone, and nobody who signs.
    let error = sign_in(&open(&config(&lab, 0)), with_public.clone(), &mut idle).bad(Status::ArgumentInvalid);
    assert!(error.message.contains("signAssertion"));
    // Both.
    let session = with_file(&lab, pem(&lab).as_bytes());
    sign_in(&session, with_public, &mut idle).bad(Status::ArgumentInvalid);
    for (member, value) in [("certificate", "no base64!"), ("clientId", "my-app")] {
        let (session, mut request) = of_caller(&lab);
        request[member] = value.into();
        let error = sign_in(&session, request, &mut idle).bad(Status::ArgumentInvalid);
        assert_eq!(error.target.as_deref(), Some(member));
    }
    // A wrong password is found here, before anything is sent.
    let session = with_file(&lab, include_bytes!("../data/certificates/modern.pfx"));
    session
        .set_secret("certificatePassword", b"canary-wrong")
        .expect("a secret");
    let error = sign_in(&session, request(&lab), &mut idle).bad(Status::CredentialUnusable);
    assert_eq!(error.target.as_deref(), Some("certificatePassword"));
    assert!(assertions(&lab).is_empty());
}
