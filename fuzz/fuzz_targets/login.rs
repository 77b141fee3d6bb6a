//! See `iox_fuzz::login`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::login::run(data));
