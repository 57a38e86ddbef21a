//! libFuzzer's entry into [`postlode_fuzz::vectors`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::vectors::target(data));
