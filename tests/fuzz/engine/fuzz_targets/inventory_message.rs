//! libFuzzer's bytes for `rollcall_fuzz::inventory_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::inventory_message(data));
