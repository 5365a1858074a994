//! Error documents of Graph and of the token endpoint.
#![no_main]

use entra_sspr::session::credential::refusal::Refusal;
use entra_sspr::tenant::error::refused;
use entra_sspr::tenant::http::HttpError;
use libfuzzer_sys::fuzz_target;
use reqwest::StatusCode;
use serde_json::Value;

fuzz_target!(|text: &str| {
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        let _ = refused(403, &document, &Default::default()).to_string();
    }
    let answer = HttpError::Status {
        host: "login.example".into(),
        status: StatusCode::BAD_REQUEST,
        headers: Box::default(),
        body: text.into(),
    };
    let Some(refusal) = Refusal::of(&answer) else { return };
    let error = refusal.error();
    // What leaves the library is a document.
    let document: Value = serde_json::from_str(&error.to_json()).expect("an error document is JSON");
    assert!(document["code"].as_i64().is_some_and(|code| code >= 100));
});
