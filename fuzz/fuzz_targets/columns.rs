//! libFuzzer's entry into [`postlode_fuzz::columns`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::columns::target(data));
