//! See `iox_fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::frame::run(data));
