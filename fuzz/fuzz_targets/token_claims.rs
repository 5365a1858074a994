//! Access tokens that a caller supplies.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::token_claims(data));
