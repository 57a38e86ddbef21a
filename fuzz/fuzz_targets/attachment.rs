//! libFuzzer's entry into [`postlode_fuzz::attachment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::attachment::target(data));
