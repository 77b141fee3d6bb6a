//! See `iox_fuzz::differential`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::differential::run(data));
