//! libFuzzer's entry into [`postlode_fuzz::query`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::query::target(data));
