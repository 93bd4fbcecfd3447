//! rollcall-tenant.
