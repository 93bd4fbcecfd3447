//! A view of a partition's tables that stands still while their writer goes on: what the
//! self-check walks.
//!
//! It shows more than [`crate::Tables`] does: both indexes as they are, entry by entry, so that
//! somebody can ask whether they are the ones that the rows call for. Nothing here judges that.

use bytes::Bytes;

use crate::change::{Due, Table, TenantEntry};
use crate::{Error, Meta};

/// Takes views of one partition's tables, beside their writer and without holding it up.
pub trait Views: Send + Sync {
    /// The tables as the newest batch left them.
    ///
    /// Everything that later batches replace is kept as long as the view lives: drop it soon.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn view(&self) -> Result<Box<dyn View + '_>, Error>;
}

/// A partition's tables at one batch boundary: rows, both indexes and progress belong together.
/// Every answer is the same whenever it is asked.
pub trait View {
    /// How far the tables had got; `None` for tables that were never written.
    fn meta(&self) -> Result<Option<Meta>, Error>;

    /// The row of `key`, as it was written.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Shows rows (key, value) in key order, from the first key after `after`, at most `limit`.
    /// Fewer than that means that there are no more. Rows are shown, not given: a page of the
    /// largest ones would be hundreds of megabytes.
    ///
    /// # Errors
    /// What `visit` says ends the page.
    fn rows(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error>;

    /// Entries of the time index of all tables, by (due time, table, key), from the first after
    /// `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Key`] when one of them does not decode.
    fn timers(&self, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error>;

    /// Entries of the tenant index of all organisations, each once, in an order of the store's own,
    /// from the first after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Key`] when one of them does not decode.
    fn tenants(&self, after: Option<&TenantEntry>, limit: usize)
    -> Result<Vec<TenantEntry>, Error>;

    /// Whether the time index has this entry.
    fn has_timer(&self, entry: &Due) -> Result<bool, Error>;

    /// Whether the tenant index has this entry.
    fn has_tenant(&self, entry: &TenantEntry) -> Result<bool, Error>;
}

/// Is shown a row: its key and its value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Error> + 'a;
