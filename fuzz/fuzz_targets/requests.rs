//! What callers send: a session's configuration, and the requests.
#![no_main]

use entra_sspr::run::{LoadRequest, Request, SaveRequest, SavedRequest};
use entra_sspr::session::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = Config::from_json(text) {
        // What was accepted can be used.
        config.login().expect("checked");
        config.graph().expect("checked");
        config.portal().expect("checked");
        config.imds().expect("checked");
        config.request_timeout();
    }
    if let Ok(request) = serde_json::from_str::<Request>(text) {
        let _ = request.steps();
    }
    let _ = serde_json::from_str::<SavedRequest>(text);
    let _ = serde_json::from_str::<SaveRequest>(text);
    let _ = serde_json::from_str::<LoadRequest>(text);
});
