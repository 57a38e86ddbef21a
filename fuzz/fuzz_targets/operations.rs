//! libFuzzer's entry into [`postlode_fuzz::operations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::operations::target(data));
