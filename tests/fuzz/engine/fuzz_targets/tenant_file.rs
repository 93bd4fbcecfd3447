//! libFuzzer's bytes for `rollcall_fuzz::tenant_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::tenant_file(data));
