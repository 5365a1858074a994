//! Error documents of Graph and of the token endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::error_documents(data));
