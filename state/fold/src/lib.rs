//! rollcall-fold.
