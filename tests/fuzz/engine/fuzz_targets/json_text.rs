//! libFuzzer's bytes for `rollcall_fuzz::json_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::json_text(data));
