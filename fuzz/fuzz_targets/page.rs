//! The reader of pages: whatever comes, in whatever pieces, is read or refused, the same way.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::page(data));
