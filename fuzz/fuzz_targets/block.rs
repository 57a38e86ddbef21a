//! libFuzzer's entry into [`postlode_fuzz::block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::block::target(data));
