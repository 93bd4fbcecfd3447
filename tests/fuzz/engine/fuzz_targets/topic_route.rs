//! libFuzzer's bytes for `rollcall_fuzz::topic_route`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::topic_route(data));
