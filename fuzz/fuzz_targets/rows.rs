//! libFuzzer's entry into [`postlode_fuzz::rows`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::rows::target(data));
