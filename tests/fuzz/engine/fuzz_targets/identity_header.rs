//! libFuzzer's bytes for `rollcall_fuzz::identity_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::identity_header(data));
