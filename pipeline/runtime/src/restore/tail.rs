//! The tail of a changelog, replayed onto the rows that a disk still has.

use std::collections::HashMap;

use bytes::Bytes;
use rollcall_schemas::body;
use rollcall_tables::{Change, Digest, Meta, Table, Tables};

use super::{CHUNK, Restoring, index};
use crate::error::Error;

impl Restoring<'_> {
    /// Replays one changelog from where the tables stand up to its end.
    pub(super) fn replay_table(
        &mut self,
        tables: &mut dyn Tables,
        table: Table,
    ) -> Result<(), Error> {
        let partition = self.of.number;
        while let Some(records) = self.next(table, CHUNK)? {
            let mut last_by_key: HashMap<Bytes, Option<Bytes>> = HashMap::new();
            let keyed = records.into_iter();
            last_by_key.extend(keyed.filter_map(|record| Some((record.key?, record.value))));
            let digest = self.progress.digests.of(table);
            let changes = last_by_key
                .into_iter()
                .map(|(key, value)| change(tables, partition, table, key, value, digest))
                .collect::<Result<Vec<_>, Error>>()?;
            // Batch number and times stay behind until all changelogs are in: the log has the newer
            // ones.
            let meta = Meta {
                inputs: self.stored.inputs.clone(),
                ..self.progress.meta(&self.stored.policy)
            };
            let applied = tables.apply(&changes, &meta);
            applied.map_err(|source| Error::Tables {
                partition,
                action: "restore rows",
                source,
            })?;
        }
        Ok(())
    }
}

fn change(
    tables: &dyn Tables,
    partition: u32,
    table: Table,
    key: Bytes,
    value: Option<Bytes>,
    digest: &mut Digest,
) -> Result<Change, Error> {
    let failed = |source| Error::Tables {
        partition,
        action: "read a row",
        source,
    };
    let old = match tables.get(table, &key).map_err(failed)? {
        Some(before) => {
            digest.remove(&key, body(&before));
            Some(index(partition, &before)?)
        }
        None => None,
    };
    let new = match value {
        Some(value) => {
            digest.insert(&key, body(&value));
            let index = index(partition, &value)?;
            Some((value, index))
        }
        None => None,
    };
    Ok(Change {
        table,
        key,
        old,
        new,
    })
}
