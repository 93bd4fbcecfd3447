//! Where tenants are known.

use futures::future::BoxFuture;
use rollcall_model::LookupDue;
use rollcall_model::event::TenantOutcome;

/// Something that knows whose a client is.
///
/// It never fails: what it cannot tell is [`TenantOutcome::Unavailable`], with a cause for the
/// operator. Nothing of it may be kept across the call: the resolver drops a look-up when it is
/// told to stop, and asks again at its next start.
pub trait Source: Send + Sync + 'static {
    /// Whose is the client of `due`?
    fn look_up<'a>(&'a self, due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome>;

    /// Whether it can be asked, found out without asking about a client: why not, for an operator.
    /// `None` when it is no other system.
    fn probe(&self) -> Option<BoxFuture<'_, Result<(), String>>> {
        None
    }
}
