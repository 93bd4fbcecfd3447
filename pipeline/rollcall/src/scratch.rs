//! Folders that go with the process, however it ends: by itself, by an error, by a signal, or
//! because it took too long to stop. A `kill -9` leaves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::mpsc;
use std::thread;

use anyhow::Context as _;
use futures::future::select_all;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::signals;

/// Those that are there.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A store may write a file while its folder is being removed.
const TRIES: usize = 10;

/// A folder that goes with this, or with the process.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Taken when it goes.
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A new one among the system's temporary folders.
    ///
    /// Errors: when it cannot be made.
    pub(crate) fn temporary() -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix("rollcall-").tempdir();
        Ok(Self::of(made.context("cannot make a temporary folder")?))
    }

    /// That one.
    pub(crate) fn of(folder: TempDir) -> Self {
        let path = folder.path().to_owned();
        FOLDERS.lock().push(path.clone());
        Self {
            folder: Some(folder),
            path,
        }
    }

    /// What `make` makes, in a process that waits for no signal: from now on one ends it at once,
    /// with the exit code that shells have for it, and takes the folder with it.
    ///
    /// Errors: those of `make`, and when nothing can wait for signals.
    pub(crate) fn that_signals_take(
        make: impl FnOnce() -> anyhow::Result<Self>,
    ) -> anyhow::Result<Self> {
        static WATCHED: Once = Once::new();
        let mut watched = Ok(());
        WATCHED.call_once(|| watched = watch());
        watched?;
        make()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.folder.take());
        FOLDERS.lock().retain(|path| *path != self.path);
    }
}

/// Ends the process on the spot; the folders go with it.
pub(crate) fn exit(code: i32) -> ! {
    // Held to the end: nothing new comes meanwhile.
    let folders = FOLDERS.lock();
    for path in folders.iter() {
        for _ in 0..TRIES {
            if fs::remove_dir_all(path).is_ok() || !path.exists() {
                break;
            }
        }
    }
    std::process::exit(code)
}

/// Waits for signals on a thread of its own: the command may be busy, or wait for a pipe that
/// nobody reads.
fn watch() -> anyhow::Result<()> {
    let (ready, is_ready) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime.context("cannot wait for signals") {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            let mut endings = match signals::endings() {
                Ok(endings) => endings,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            if endings.is_empty() {
                return;
            }
            let each = endings.iter_mut().map(|(number, signal)| {
                Box::pin(async move {
                    signal.recv().await;
                    *number
                })
            });
            let (number, ..) = select_all(each).await;
            exit(128 + number);
        });
    });
    is_ready.recv().context("cannot wait for signals")?
}
