//! See `iox_fuzz::envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iox_fuzz::envelope::run(data));
