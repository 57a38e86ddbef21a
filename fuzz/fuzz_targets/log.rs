//! libFuzzer's entry into [`postlode_fuzz::log`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::log::target(data));
