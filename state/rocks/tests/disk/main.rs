//! What a disk and a death can do to the tables: kill -9, a full disk, files that end too early.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only #[test] functions for tests"
)]

mod crash;
mod full_disk;
mod model;
mod torn;
