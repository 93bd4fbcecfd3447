//! Did they do the same work: what each wrote, and whether the rows of both tables are the same.

use std::collections::HashMap;

use anyhow::{Context, bail};
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Millis};
use rollcall_schemas::Record;

use crate::peer::Peer;
use crate::site::Site;

/// What a peer wrote from the first record to the last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// Records of the changelog, and their mean bytes.
    pub(crate) connections: (u64, f64),
    /// The same of `events`.
    pub(crate) events: (u64, f64),
    /// The same of `inventory`.
    pub(crate) inventory: (u64, f64),
    /// Rows at the end: all, online, offline.
    pub(crate) rows: [usize; 3],
}

/// The last row of each client.
type Table = HashMap<Vec<u8>, Vec<u8>>;

/// Reads back what `peer` wrote.
pub(crate) fn written(site: &Site, peer: Peer) -> anyhow::Result<Written> {
    let (connections, table) = table(site, peer)?;
    let mut rows = [0; 3];
    for row in table.values() {
        rows[0] += 1;
        if peer == Peer::Bare {
            continue;
        }
        match ConnectionRow::decode(row).context("a row")?.presence {
            Presence::Online => rows[1] += 1,
            Presence::Offline => rows[2] += 1,
            Presence::Inactive | Presence::Unverified => {}
        }
    }
    Ok(Written {
        connections,
        events: count(site, &format!("{}events", peer.prefix()))?,
        inventory: count(site, &format!("{}inventory", peer.prefix()))?,
        rows,
    })
}

/// Compares the tables of rollcall and Kafka Streams, row by row.
///
/// Errors: the first few clients whose rows differ.
pub(crate) fn compare(site: &Site) -> anyhow::Result<()> {
    let (_, ours) = table(site, Peer::Rollcall)?;
    let (_, theirs) = table(site, Peer::Streams)?;
    let mut different = Vec::new();
    for (client, row) in &ours {
        let (ours, theirs) = (told(row)?, theirs.get(client));
        let theirs = theirs.map(|row| told(row)).transpose()?;
        if theirs.as_ref() != Some(&ours) {
            different.push((ours, theirs));
        }
    }
    if !different.is_empty() || ours.len() != theirs.len() {
        let few = &different[..different.len().min(2)];
        bail!(
            "the tables differ: {} and {} rows, {} of ours are others there, such as {few:#?}",
            ours.len(),
            theirs.len(),
            different.len()
        );
    }
    eprintln!("  all {} rows of both are the same", ours.len());
    Ok(())
}

/// A row without what depends on when it was folded, and not on the inputs: times of the batch, and
/// those of activity, which moves by the order between topics.
fn told(row: &[u8]) -> anyhow::Result<ConnectionRow> {
    let mut row = ConnectionRow::decode(row).context("a row")?;
    row.due_at = None;
    row.tenant_confirmed_at = None;
    row.tenant_lookup_timestamp = None;
    row.stale_timestamp = Millis(0);
    row.refreshed_at = None;
    row.updated_at = Millis(0);
    row.last_activity_at = Millis(0);
    row.revision = 0;
    Ok(row)
}

fn table(site: &Site, peer: Peer) -> anyhow::Result<((u64, f64), Table)> {
    let (mut records, mut bytes) = (0, 0);
    let mut table = Table::new();
    site.read(&peer.changelog(), |key, value| {
        records += 1;
        match value {
            Some(row) => {
                bytes += row.len();
                table.insert(key.to_vec(), row.to_vec());
            }
            None => {
                table.remove(key);
            }
        }
        Ok(())
    })?;
    Ok(((records, mean(bytes, records)), table))
}

fn count(site: &Site, topic: &str) -> anyhow::Result<(u64, f64)> {
    let (mut records, mut bytes) = (0, 0);
    site.read(topic, |_, value| {
        records += 1;
        bytes += value.map_or(0, <[u8]>::len);
        Ok(())
    })?;
    Ok((records, mean(bytes, records)))
}

fn mean(bytes: usize, records: u64) -> f64 {
    bytes as f64 / records.max(1) as f64
}
