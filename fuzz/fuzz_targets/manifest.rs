//! libFuzzer's entry into [`postlode_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::manifest::target(data));
