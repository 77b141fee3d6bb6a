//! See `iox_fuzz::exchange`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::exchange::run(data));
