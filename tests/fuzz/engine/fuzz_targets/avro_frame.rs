//! libFuzzer's bytes for `rollcall_fuzz::avro_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollcall_fuzz::avro_frame(data));
