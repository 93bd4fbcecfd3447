//! Loading a whole partition at once, as when its disk was lost.

use bytes::Bytes;

use crate::Error;
use crate::change::{RowIndex, Table};

/// Gives the index entries of a row; `None` ends the load.
pub type Entries<'a> = dyn FnMut(Table, &[u8], &[u8]) -> Option<RowIndex> + 'a;

/// A load under way, from [`crate::Tables::load`]: the tables are empty when it begins, and have no
/// progress until something is applied after its end. One that is broken off is begun anew.
pub trait Load {
    /// Says what a row is, `None` that there is none. What is said last holds.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn put(&mut self, table: Table, key: Bytes, value: Option<Bytes>) -> Result<(), Error>;

    /// Makes the indexes: asks for the entries of each row that is left, by table and key.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn finish(self: Box<Self>, entries: &mut Entries<'_>) -> Result<(), Error>;
}
