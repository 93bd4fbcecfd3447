//! rollcall-api.
