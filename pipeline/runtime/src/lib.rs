//! rollcall-runtime.
