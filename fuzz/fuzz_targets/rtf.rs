//! libFuzzer's entry into [`postlode_fuzz::rtf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::rtf::target(data));
