//! libFuzzer's entry into [`postlode_fuzz::mail`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::mail::target(data));
