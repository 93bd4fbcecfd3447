//! The `static` source: a file of the deployed shape, read again when it changes.
//!
//! No thread watches it: a look-up asks the file system at most once per [`CHECK_INTERVAL_MS`].

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use rollcall_log::Clock;
use rollcall_model::event::TenantOutcome;
use rollcall_model::{LookupDue, Millis};
use rollcall_schemas::tenant_file::Entries;

use crate::error::FileError;
use crate::metrics;
use crate::source::Source;

/// A changed file is noticed after this many milliseconds at the latest.
pub(crate) const CHECK_INTERVAL_MS: i64 = 1_000;

/// Largest tenant file: some 500,000 clients; more than that belongs into a service.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Tenants by file. A client that it does not name is Unknown, one with `error` is Unavailable.
///
/// A file that turns broken or disappears leaves the last good content answering.
pub struct StaticFile(Watched);

impl StaticFile {
    /// Reads the file at `path`.
    ///
    /// Errors: [`FileError`] when it is missing or broken: at start there is no last good content.
    pub fn open(path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        Watched::open(path, clock, Absence::Error).map(Self)
    }
}

impl Source for StaticFile {
    fn look_up<'a>(&'a self, due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome> {
        let outcome = self
            .0
            .entries()
            .outcome(&due.client_id)
            .unwrap_or(TenantOutcome::Unknown);
        ready(outcome).boxed()
    }
}

/// What a missing file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// An error at start; later the last good content stays.
    Error,
    /// A file without entries, at any time.
    Empty,
}

/// A file and its last good content.
pub(crate) struct Watched {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    absence: Absence,
    state: Mutex<State>,
}

/// What was read last, and from which state of the file.
struct State {
    /// State of the file when it was read, good or broken; `None` = it was not there.
    stamp: Option<Stamp>,
    /// When the file system was last asked.
    checked_at: Millis,
    /// The last good content.
    entries: Arc<Entries>,
}

/// Tells one state of a file from another: an editor's rename changes the inode, a write the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// Reads the file for the first time.
    pub(crate) fn open(
        path: PathBuf,
        clock: Arc<dyn Clock>,
        absence: Absence,
    ) -> Result<Self, FileError> {
        let checked_at = clock.now();
        let stamp = match stamp(&path) {
            Err(FileError::Read { source, .. })
                if absence == Absence::Empty && source.kind() == ErrorKind::NotFound =>
            {
                None
            }
            other => Some(other?),
        };
        let entries = match stamp {
            Some(stamp) => load(&path, stamp)?,
            None => Entries::default(),
        };
        let state = Mutex::new(State {
            stamp,
            checked_at,
            entries: Arc::new(entries),
        });
        Ok(Self {
            path,
            clock,
            absence,
            state,
        })
    }

    /// The content as of now, give or take [`CHECK_INTERVAL_MS`].
    pub(crate) fn entries(&self) -> Arc<Entries> {
        let mut state = self.state.lock();
        let now = self.clock.now();
        // A clock that was set back must not stop the checks.
        if !(0..CHECK_INTERVAL_MS).contains(&(now - state.checked_at)) {
            state.checked_at = now;
            self.refresh(&mut state);
        }
        state.entries.clone()
    }

    /// Reads the file again if it is not the one read last.
    fn refresh(&self, state: &mut State) {
        let found = match stamp(&self.path) {
            Ok(stamp) => stamp,
            Err(_) if state.stamp.is_none() => return,
            Err(_) => {
                state.stamp = None;
                let is_kept = self.absence == Absence::Error;
                if !is_kept {
                    state.entries = Arc::default();
                }
                metrics::file_removed(&self.path, is_kept);
                return;
            }
        };
        if state.stamp == Some(found) {
            return;
        }
        // Remembered even when it is broken, so that one mistake is reported once.
        state.stamp = Some(found);
        match load(&self.path, found) {
            Ok(entries) => {
                metrics::file_reloaded(&self.path, entries.len());
                state.entries = Arc::new(entries);
            }
            Err(error) => metrics::file_broken(&error),
        }
    }
}

/// The state of the file, taken before it is read: a write in between shows as another state next
/// time.
fn stamp(path: &Path) -> Result<Stamp, FileError> {
    let data = fs::metadata(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Stamp {
        inode: data.ino(),
        bytes: data.size(),
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
    })
}

/// Reads and checks the file whole.
fn load(path: &Path, stamp: Stamp) -> Result<Entries, FileError> {
    if stamp.bytes > FILE_BYTES_MAX {
        let bytes_max = FILE_BYTES_MAX;
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            bytes: stamp.bytes,
            bytes_max,
        });
    }
    let text = fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    Entries::parse(&text).map_err(|source| FileError::Shape {
        path: path.to_owned(),
        line: source.line,
        column: source.column,
        source,
    })
}
