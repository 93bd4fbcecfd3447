//! libFuzzer's bytes for `rollcall_fuzz::tables_meta`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::tables_meta(data));
