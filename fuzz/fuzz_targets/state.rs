//! See `iox_fuzz::state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::state::run(data));
