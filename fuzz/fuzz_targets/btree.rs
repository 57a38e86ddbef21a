//! libFuzzer's entry into [`postlode_fuzz::btree`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::btree::target(data));
