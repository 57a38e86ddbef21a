//! libFuzzer's entry into [`postlode_fuzz::segment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::segment::target(data));
