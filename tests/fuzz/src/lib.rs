//! Bytes from outside against every decoder: one function per target, any bytes in, a panic when
//! something does not hold.
//!
//! A target asks more than "no panic": what decodes must encode to what decodes equal, a second and
//! naive reader must agree, texts must stay short. Nothing here knows libFuzzer: `engine/` hands
//! the bytes in, and `tests/replay.rs` does with every file of `corpus/<target>/`
//! (docs/testing.md, "Fuzzing").

mod avro;
mod dialect;
mod input;
mod inventory;
mod json;
mod routing;
mod tables;
mod tenant;

pub use avro::avro_frame;
pub use dialect::{dialect_draft, dialect_rhc};
pub use inventory::inventory_message;
pub use json::json_text;
pub use retained::retained_message;
pub use routing::topic_route;
pub use tables::tables_meta;
pub use tenant::{identity_header, tenant_file};

/// The embedded broker's own file: its crate compiles rmqtt and RocksDB, this part of it needs
/// neither, and another home would separate the format from its only user.
#[path = "../../../pipeline/broker/src/retained/codec.rs"]
mod codec;
mod retained;

/// Largest input that a target is given, in bytes: `make fuzz` tells the engine, and no file of a
/// corpus is larger.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Longest text of a refusal, in bytes: it is shown on one line and kept in a dead letter.
pub const REFUSAL_BYTES_MAX: usize = 1_000;

/// A name and what it does with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its corpus and of its file in `engine/fuzz_targets`.
pub const TARGETS: [Target; 10] = [
    ("avro_frame", avro_frame),
    ("dialect_draft", dialect_draft),
    ("dialect_rhc", dialect_rhc),
    ("identity_header", identity_header),
    ("inventory_message", inventory_message),
    ("json_text", json_text),
    ("retained_message", retained_message),
    ("tables_meta", tables_meta),
    ("tenant_file", tenant_file),
    ("topic_route", topic_route),
];
