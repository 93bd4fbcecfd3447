//! A checkpoint: a partition's tables at a batch boundary, as one stream of bytes that a rebuild
//! can begin with when retention has taken what is before (DESIGN.md section 5).
//!
//! Shape: `magic(8) | version(1) = 1 | fold revision(4) | partition(4) | partitions(4) | len(4)
//! progress record | rows of (table(1), len(4) key, len(4) value) | 0(1) | rows(8) | xxh3-128 of
//! all before(16)`, numbers little-endian. It is written and read from the beginning to the end, so
//! that it can come from a file or from an object store.

use std::io::{self, Read, Write};

use bytes::Bytes;
use rollcall_log::Log;
use rollcall_model::Topic;
use rollcall_schemas::{body, leading};
use rollcall_tables::{Digest, Meta, RowIndex, Table, Tables, View};
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::output::TableDigests;
use crate::self_check::witness;

/// What every checkpoint begins with.
const MAGIC: &[u8; 8] = b"rollcall";

/// Layout of what follows. Numbers are never reused.
const VERSION: u8 = 1;

/// Longest key or value believed: twice what the log takes.
const PART_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest progress record believed.
const META_BYTES_MAX: usize = 64 * 1024;

/// Rows read of a view at a time.
const PAGE: usize = 1_000;

/// Ends the rows; no table has this number.
const NO_TABLE: u8 = 0;

/// Whose tables a checkpoint holds, and how far they had got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Revision of the fold that made them.
    pub fold_revision: u32,
    /// The partition.
    pub partition: u32,
    /// How many there were.
    pub partitions: u32,
    /// Their progress.
    pub meta: Meta,
}

/// Why there is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Nothing was ever folded.
    Empty,
    /// The tables are not those of their batch: they are just being restored.
    Restoring,
    /// The schedule record of their batch is not there, so nobody can vouch for them.
    NoWitness,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Whatever it stands on.
    #[error("a checkpoint cannot be written or read")]
    Io(#[from] io::Error),
    /// Log or tables.
    #[error(transparent)]
    Runtime(#[from] Error),
    /// It is not what it was written as.
    #[error("checkpoint is damaged: {0}; remove it, and use another one")]
    Damaged(String),
    /// It is whole, and of something else.
    #[error("checkpoint is of {found}, wanted is {wanted}")]
    Other {
        /// What it is of.
        found: String,
        /// What was asked for.
        wanted: String,
    },
}

/// Writes a checkpoint of the tables that `view` shows, if the schedule vouches for them; rows are
/// compared with their digest on the way.
///
/// # Errors
/// [`CheckpointError`]; what has been written by then is no checkpoint.
pub fn write(
    log: &dyn Log,
    view: &dyn View,
    partition: u32,
    out: &mut dyn Write,
) -> Result<Result<Head, Skipped>, CheckpointError> {
    let failed = |source| Error::Tables {
        partition,
        action: "write a checkpoint of its tables",
        source,
    };
    let Some(meta) = view.meta().map_err(failed)?.filter(|meta| meta.batch > 0) else {
        return Ok(Err(Skipped::Empty));
    };
    let Some(batch) = witness(log, partition, meta.batch)? else {
        return Ok(Err(Skipped::NoWitness));
    };
    let is_of_batch = batch.tables.iter().all(|table| {
        let mut known = meta.digests.iter();
        known.any(|(one, digest)| one.changelog() == table.topic && *digest == table.digest)
    });
    if !is_of_batch || meta.policy.is_empty() {
        return Ok(Err(Skipped::Restoring));
    }
    let head = Head {
        fold_revision: batch.fold_revision,
        partition,
        partitions: log.partitions(Topic::Status),
        meta,
    };
    let mut out = Hashed::new(out);
    out.head(&head)?;
    let mut rows = 0u64;
    for table in Table::ALL {
        let mut digest = Digest::default();
        let mut after: Option<Bytes> = None;
        loop {
            let (mut shown, mut last, mut broken) = (0, None, None);
            let page = &mut |key: &[u8], value: &[u8]| {
                shown += 1;
                digest.insert(key, body(value));
                last = Some(Bytes::copy_from_slice(key));
                if broken.is_none() {
                    broken = out.row(table, key, value).err();
                }
                Ok(())
            };
            let visited = view.rows(table, after.as_deref(), PAGE, page);
            visited.map_err(failed)?;
            if let Some(error) = broken {
                return Err(error.into());
            }
            rows += shown as u64;
            if shown < PAGE {
                break;
            }
            after = last;
        }
        check_digest(&head, table, digest)?;
    }
    out.end(rows)?;
    Ok(Ok(head))
}

/// Reads whose checkpoint it is, and no further. Its hash is not looked at.
///
/// # Errors
/// [`CheckpointError`].
pub fn head(input: &mut dyn Read) -> Result<Head, CheckpointError> {
    Hashed::new(input).read_head()
}

/// Puts the rows of a checkpoint of `partition` (of `partitions`) into `tables`, in place of what
/// they hold, and compares them with their digests. A processor can go on from there, and so can a
/// rebuild.
///
/// # Errors
/// [`CheckpointError`]; the tables have no progress then.
pub fn load(
    input: &mut dyn Read,
    tables: &mut dyn Tables,
    (partition, partitions): (u32, u32),
) -> Result<Head, CheckpointError> {
    let mut input = Hashed::new(input);
    let head = input.read_head()?;
    if (head.partition, head.partitions) != (partition, partitions) {
        let name = |partition, of| format!("partition {partition} of {of}");
        return Err(CheckpointError::Other {
            found: name(head.partition, head.partitions),
            wanted: name(partition, partitions),
        });
    }
    let digests = load_rows(&mut input, tables, partition)?;
    for (table, digest) in Table::ALL.into_iter().zip(digests.0) {
        check_digest(&head, table, digest)?;
    }
    let applied = tables.apply(&[], &head.meta);
    applied.map_err(|source| failed(partition, source))?;
    Ok(head)
}

fn load_rows(
    input: &mut Hashed<&mut dyn Read>,
    tables: &mut dyn Tables,
    partition: u32,
) -> Result<TableDigests, CheckpointError> {
    let cannot = || damaged("these tables cannot be loaded");
    let load = tables.load().map_err(|source| failed(partition, source))?;
    let mut load = load.ok_or_else(cannot)?;
    let mut rows = 0u64;
    while let Some((table, key, value)) = input.read_row()? {
        rows += 1;
        let put = load.put(table, key, Some(value));
        put.map_err(|source| failed(partition, source))?;
    }
    input.read_end(rows)?;
    let (mut digests, mut is_whole) = (TableDigests::default(), true);
    let finished = load.finish(&mut |table, key, value| match leading(value) {
        Ok((due_at, org_id)) => {
            digests.of(table).insert(key, body(value));
            Some(RowIndex { due_at, org_id })
        }
        Err(_) => {
            is_whole = false;
            None
        }
    });
    finished.map_err(|source| failed(partition, source))?;
    match is_whole {
        true => Ok(digests),
        false => Err(damaged("a row does not decode")),
    }
}

/// Compares rows with what the progress says of them.
fn check_digest(head: &Head, table: Table, found: Digest) -> Result<(), CheckpointError> {
    let mut known = head.meta.digests.iter();
    let expected = known.find(|(one, _)| *one == table);
    match expected {
        Some((_, digest)) if *digest != found.0 => Err(damaged(&format!(
            "the rows of {} have digest {:032x}, batch {} left {digest:032x}",
            table.changelog(),
            found.0,
            head.meta.batch
        ))),
        _ => Ok(()),
    }
}

fn damaged(what: &str) -> CheckpointError {
    CheckpointError::Damaged(what.to_owned())
}

fn failed(partition: u32, source: rollcall_tables::Error) -> Error {
    Error::Tables {
        partition,
        action: "load a checkpoint into its tables",
        source,
    }
}

/// A stream and the hash of what has gone through it.
struct Hashed<S> {
    stream: S,
    hash: Xxh3,
}

impl<S> Hashed<S> {
    fn new(stream: S) -> Self {
        let hash = Xxh3::new();
        Self { stream, hash }
    }
}

impl Hashed<&mut dyn Write> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.stream.write_all(bytes)
    }

    fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }

    fn head(&mut self, head: &Head) -> io::Result<()> {
        self.put(MAGIC)?;
        self.put(&[VERSION])?;
        for number in [head.fold_revision, head.partition, head.partitions] {
            self.put(&number.to_le_bytes())?;
        }
        self.part(&head.meta.encode())
    }

    fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.put(&[table.code()])?;
        self.part(key)?;
        self.part(value)
    }

    fn end(mut self, rows: u64) -> io::Result<()> {
        self.put(&[NO_TABLE])?;
        self.put(&rows.to_le_bytes())?;
        let hash = self.hash.digest128();
        self.stream.write_all(&hash.to_le_bytes())?;
        self.stream.flush()
    }
}

impl Hashed<&mut dyn Read> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CheckpointError> {
        match self.stream.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged("it ends too early"));
            }
            other => other?,
        }
        self.hash.update(bytes);
        Ok(())
    }

    fn number(&mut self) -> Result<u32, CheckpointError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn part(&mut self, bytes_max: usize) -> Result<Vec<u8>, CheckpointError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > bytes_max {
            return Err(damaged(&format!("a part of it has {length} bytes")));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn read_head(&mut self) -> Result<Head, CheckpointError> {
        if &self.take::<8>()? != MAGIC {
            return Err(damaged("it does not begin like one"));
        }
        let [version] = self.take()?;
        if version != VERSION {
            return Err(CheckpointError::Other {
                found: format!("layout {version}"),
                wanted: format!("layout {VERSION}"),
            });
        }
        let (fold_revision, partition, partitions) =
            (self.number()?, self.number()?, self.number()?);
        let meta = self.part(META_BYTES_MAX)?;
        let meta = Meta::decode(&meta).map_err(|error| damaged(&error.to_string()))?;
        Ok(Head {
            fold_revision,
            partition,
            partitions,
            meta,
        })
    }

    /// The next row; `None` behind the last.
    fn read_row(&mut self) -> Result<Option<(Table, Bytes, Bytes)>, CheckpointError> {
        let [code] = self.take()?;
        if code == NO_TABLE {
            return Ok(None);
        }
        let unknown = || damaged(&format!("there is no table {code}"));
        let table = Table::from_code(code).ok_or_else(unknown)?;
        let key = self.part(PART_BYTES_MAX)?;
        let value = self.part(PART_BYTES_MAX)?;
        Ok(Some((table, key.into(), value.into())))
    }

    fn read_end(&mut self, rows: u64) -> Result<(), CheckpointError> {
        let counted = u64::from_le_bytes(self.take()?);
        let hash = self.hash.digest128();
        let recorded = u128::from_le_bytes(self.take()?);
        if counted != rows || recorded != hash {
            return Err(damaged(&format!(
                "it has {rows} rows and hash {hash:032x}, and was written with {counted} rows and \
                 hash {recorded:032x}"
            )));
        }
        Ok(())
    }
}
