//! libFuzzer's bytes for `rollcall_fuzz::dialect_rhc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::dialect_rhc(data));
