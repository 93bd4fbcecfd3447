//! The suite that every implementation of Tables must pass.
