//! What callers send: a session's configuration, and the requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::requests(data));
