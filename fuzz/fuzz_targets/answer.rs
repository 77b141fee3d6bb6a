//! See `iox_fuzz::answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::answer::run(data));
