//! libFuzzer's entry into [`postlode_fuzz::text`].
#![no_main]

// A panic of the search library is contained by the engine under test. libFuzzer's hook would end the process
// before it can be; a panic that is not contained still reaches libFuzzer's own catch.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |data: &[u8]| postlode_fuzz::text::target(data)
);
