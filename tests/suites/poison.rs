//! Placeholder while schemas/fixtures/poison is being written.
