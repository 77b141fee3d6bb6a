//! See `iox_fuzz::mirror`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::mirror::run(data));
