//! rollcall-benches.
