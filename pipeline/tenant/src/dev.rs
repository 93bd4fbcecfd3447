//! The source of `rollcall dev`: built-in rules, and on top of them a tenant file that may come and
//! go.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use rollcall_log::Clock;
use rollcall_model::event::TenantOutcome;
use rollcall_model::{ClientId, LookupDue};
use rollcall_schemas::tenant_file::found;

use crate::error::FileError;
use crate::source::Source;
use crate::static_file::{Absence, Watched};

/// Organisation of every client that no rule and no file names (DESIGN.md section 9).
const ORG_ID: &str = "10000";
/// Its account.
const ACCOUNT: &str = "111000";
/// Ids that begin so belong to nobody.
const TENANTLESS_PREFIX: &str = "tenantless-";
/// Ids that begin so cannot be looked up.
const UNAVAILABLE_PREFIX: &str = "unavailable-";

/// Built-in rules under an optional tenant file: clients that the file names follow the file.
pub struct Dev {
    overlay: Option<Watched>,
}

impl Dev {
    /// Built-in rules, under the file at `file` if one is given; it may appear, change and go
    /// later.
    ///
    /// Errors: [`FileError`] when the file is there and broken.
    pub fn open(file: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        let overlay = file
            .map(|path| Watched::open(path, clock, Absence::Empty))
            .transpose()?;
        Ok(Self { overlay })
    }
}

impl Source for Dev {
    fn look_up<'a>(&'a self, due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome> {
        let client = &due.client_id;
        let named = self
            .overlay
            .as_ref()
            .and_then(|file| file.entries().outcome(client));
        ready(named.unwrap_or_else(|| built_in(client))).boxed()
    }
}

/// What the built-in rules say of `client`.
fn built_in(client: &ClientId) -> TenantOutcome {
    let id = client.as_str();
    if id.starts_with(TENANTLESS_PREFIX) {
        TenantOutcome::Unknown
    } else if id.starts_with(UNAVAILABLE_PREFIX) {
        let cause = format!("rollcall dev: ids that begin with `{UNAVAILABLE_PREFIX}` are down");
        TenantOutcome::Unavailable { cause }
    } else {
        found(client, ORG_ID, ACCOUNT)
    }
}
