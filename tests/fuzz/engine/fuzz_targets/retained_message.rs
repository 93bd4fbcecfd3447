//! libFuzzer's bytes for `rollcall_fuzz::retained_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::retained_message(data));
