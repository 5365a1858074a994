//! The claims that a 401 asks for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::challenge(data));
