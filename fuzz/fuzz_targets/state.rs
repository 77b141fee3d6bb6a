//! See `fuzz::state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::state::run(data));
