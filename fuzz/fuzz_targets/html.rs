//! libFuzzer's entry into [`postlode_fuzz::html`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postlode_fuzz::html::target(data));
