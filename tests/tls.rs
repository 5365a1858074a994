//! The library over TLS: the lab's own CA and nothing else opens the way.

mod common;

use common::*;
use entra_sspr::error::Error;
use entra_sspr::session::Session;
use entra_sspr::status::Status;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};

fn lab() -> Lab {
    Lab::start_blocking(LabOptions {
        https: true,
        http2: true,
        gzip: true,
        bad_certificates: true,
        page_size: Some(50),
        ..LabOptions::scenario("hybrid-ready")
    })
    .expect("the lab starts")
}

/// The configuration of a session that speaks to one of the lab's TLS listeners.
fn secure(lab: &Lab, url: Option<String>) -> Value {
    let url = url.expect("the lab has TLS");
    let mut config = config(lab, 0);
    config["endpoints"] = json!({"login": url, "graph": url, "portal": url, "imds": lab.url()});
    config["caFile"] = json!(lab.ca_file().expect("the lab has a CA"));
    config["proxy"] = json!("none");
    config
}

/// What a sign-in to a listener comes to.
fn refused(lab: &Lab, config: &Value) -> Error {
    let session = open(config);
    let tenant = lab.tenant(0);
    session
        .set_secret("clientSecret", tenant.client_secret.as_bytes())
        .expect("a secret");
    let request = json!({"method": "clientSecret", "clientId": tenant.client_id});
    result(&start_sign_in(&session, request)).expect_err("the certificate is not good")
}

#[test]
fn readiness_is_the_same_over_tls_with_gzip() {
    let lab = lab();
    let plain = check(&app(&lab, 0), json!({}));
    lab.reset();
    let session = open(&secure(&lab, lab.https_url()));
    sign_in(&session, &lab, 0);
    let readiness = check(&session, json!({}));
    assert_eq!(readiness["ready"], plain["ready"]);
    let verdicts = |readiness: &Value| -> Vec<(Value, Value)> {
        let findings = readiness["findings"].as_array().expect("findings");
        findings
            .iter()
            .map(|f| (f["id"].clone(), f["status"].clone()))
            .collect()
    };
    assert_eq!(verdicts(&readiness), verdicts(&plain));
    let requests = lab.requests();
    assert!(
        requests.iter().any(|r| r.query.contains("skiptoken")),
        "pages are followed"
    );
    for request in requests.iter().filter(|r| r.batch.is_none()) {
        let wire = (request.listener.as_str(), request.protocol.as_str());
        assert_eq!(wire, ("https", "HTTP/1.1"), "{}", request.path);
        let packed = |(name, value): &(String, String)| name == "accept-encoding" && value.contains("gzip");
        assert!(request.headers.iter().any(packed), "{}", request.path);
    }
    assert_clean(&lab);
}

#[test]
fn a_bad_certificate_is_refused_with_its_cause() {
    let lab = lab();
    for (url, cause) in [(lab.wrong_name_url(), "name"), (lab.expired_url(), "expired")] {
        let error = refused(&lab, &secure(&lab, url));
        assert_eq!(error.status, Status::ServiceTls, "{error:?}");
        assert!(error.message.contains("certificate of localhost"), "{error:?}");
        let told = error.detail.join(" ").to_lowercase();
        assert!(told.contains(cause), "{cause}: {error:?}");
        assert!(error.help.is_some());
    }
    // The same of Graph alone, in the middle of a run.
    let mut config = secure(&lab, lab.https_url());
    config["endpoints"]["graph"] = json!(lab.expired_url());
    let session = open(&config);
    sign_in(&session, &lab, 0);
    let readiness = check(&session, json!({}));
    assert_eq!(readiness["ready"], "Unknown");
    let snapshot = readiness["snapshot"].as_str().expect("the snapshot");
    assert!(snapshot.contains("the certificate of localhost was not accepted"));
    assert!(lab.requests().iter().all(|r| r.role != "graph"), "no token went there");
}

#[test]
fn only_the_ca_file_is_trusted() {
    let (lab, other) = (lab(), lab());
    let mut config = secure(&lab, lab.https_url());
    config["caFile"] = json!(other.ca_file());
    assert_eq!(refused(&lab, &config).status, Status::ServiceTls);
    // Without the file the system's certificates count, and the lab's is not among them.
    config.as_object_mut().expect("an object").remove("caFile");
    assert_eq!(refused(&lab, &config).status, Status::ServiceTls);
    assert!(lab.requests().is_empty());
}

#[test]
fn plain_http_goes_nowhere_but_to_this_machine() {
    let lab = lab();
    for name in ["login", "graph", "portal", "imds"] {
        let mut config = secure(&lab, lab.https_url());
        config["endpoints"][name] = json!("http://service.example:8080/");
        let error = Session::open(&config.to_string()).expect_err("it is not this machine");
        assert_eq!(error.status, Status::ArgumentInvalid, "{name}");
        assert_eq!(error.target.as_deref(), Some(&*format!("endpoints.{name}")));
    }
}
