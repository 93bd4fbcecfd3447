//! A whole partition from its changelogs: the newest value of each key, loaded as sorted files, and
//! nothing decoded but a row's leading fields (DESIGN.md section 6).

use rollcall_log::ReadLimit;
use rollcall_schemas::body;
use rollcall_tables::{Table, Tables};

use super::{Restoring, index};
use crate::error::Error;

/// Fewer changelog records than this are replayed: files would cost more than they save.
pub(super) const RECORDS_MIN: u64 = 20_000;

/// Records read at a time.
const CHUNK: ReadLimit = ReadLimit {
    records: 10_000,
    bytes: 8 * 1024 * 1024,
};

impl Restoring<'_> {
    /// Empties the tables and loads them; false when they know no loading, and nothing was done.
    pub(super) fn load(&mut self, tables: &mut dyn Tables) -> Result<bool, Error> {
        let partition = self.of.number;
        let failed = |source| Error::Tables {
            partition,
            action: "load rows into",
            source,
        };
        let Some(mut load) = tables.load().map_err(failed)? else {
            return Ok(false);
        };
        for table in Table::ALL {
            while let Some(records) = self.next(table, CHUNK)? {
                for record in records {
                    if let Some(key) = record.key {
                        load.put(table, key, record.value).map_err(failed)?;
                    }
                }
            }
        }
        let mut damaged = None;
        let digests = &mut self.progress.digests;
        let finished = load.finish(&mut |table, key, value| match index(partition, value) {
            Ok(index) => {
                digests.of(table).insert(key, body(value));
                Some(index)
            }
            Err(error) => {
                damaged = Some(error);
                None
            }
        });
        finished.map_err(failed)?;
        match damaged {
            None => Ok(true),
            Some(error) => Err(error),
        }
    }
}
