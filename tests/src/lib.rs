//! rollcall-tests.
