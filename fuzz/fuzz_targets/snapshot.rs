//! Saved snapshots: read or refused; what is read is judged, shown, and written so that it reads the same again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entra_sspr_fuzz::snapshot(data));
