//! What the conformance suite does not ask: replica helpers.
