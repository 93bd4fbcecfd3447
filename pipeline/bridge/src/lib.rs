//! rollcall-bridge.
