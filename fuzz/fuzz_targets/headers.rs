//! libFuzzer's entry into [`postlode_fuzz::headers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::headers::target(data));
