//! Tests of the sources (`files`) and of the loop (`resolver`).

mod files;
mod resolver;
pub(crate) mod support;
