//! rollcall-broker.
