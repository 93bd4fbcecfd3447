//! rollcall-schemas.
