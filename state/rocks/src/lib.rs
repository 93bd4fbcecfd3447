//! rollcall-rocks.
