//! The keys of services that call the API without an identity: `[api] psk_file`, a JSON object
//! `{client: key}`, read again when it changes.
//!
//! No thread watches the file: a request asks the file system at most once per
//! [`CHECK_INTERVAL_MS`]. A file that turns broken or disappears leaves the last good keys. No key
//! is ever printed.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rollcall_log::Clock;
use rollcall_model::Millis;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::{ConfigError, KeysError};

/// A changed file is noticed after this many milliseconds at the latest.
const CHECK_INTERVAL_MS: i64 = 1_000;

/// Longest key, and longest name of a client, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Keys by client; clones share the file. The default has none.
#[derive(Clone, Default)]
pub struct Keys(Option<Arc<Watched>>);

struct Watched {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// The file as it was read last, good or broken; `None` = it was not there.
    stamp: Option<Stamp>,
    checked_at: Millis,
    entries: Arc<Entries>,
}

/// Tells one state of a file from another: size, inode, and the times of its content and of itself.
type Stamp = [i128; 6];

impl Keys {
    /// The keys in `file`; none without a file.
    ///
    /// Errors: [`ConfigError::Keys`] when it is missing or broken.
    pub fn open(file: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let refused = |source| ConfigError::Keys {
            path: path.to_owned(),
            source,
        };
        let stamp = stamp(path).map_err(refused)?;
        let entries = load(path).map_err(refused)?;
        let state = State {
            stamp: Some(stamp),
            checked_at: clock.now(),
            entries: Arc::new(entries),
        };
        Ok(Self(Some(Arc::new(Watched {
            path: path.to_owned(),
            clock,
            state: Mutex::new(state),
        }))))
    }

    /// Whether `key` is the key of `client`. Takes as long for a wrong key as for the right one,
    /// and as long for a client without a key as for one with.
    pub(crate) fn fit(&self, client: &str, key: &[u8]) -> bool {
        let Some(watched) = &self.0 else { return false };
        let entries = watched.entries();
        let known = entries.0.get(client);
        let wanted = known.map_or(&[][..], |key| key.as_bytes());
        bool::from(equal(wanted, key) & Choice::from(u8::from(known.is_some())))
    }
}

impl Watched {
    /// The keys as of now, give or take [`CHECK_INTERVAL_MS`].
    fn entries(&self) -> Arc<Entries> {
        let mut state = self.state.lock();
        let now = self.clock.now();
        // A clock that was set back must not stop the checks.
        if !(0..CHECK_INTERVAL_MS).contains(&(now - state.checked_at)) {
            state.checked_at = now;
            self.refresh(&mut state);
        }
        state.entries.clone()
    }

    /// Reads the file again if it is not the one read last; each state of it is told of once.
    fn refresh(&self, state: &mut State) {
        let (path, found) = (self.path.display(), stamp(&self.path));
        let before = std::mem::replace(&mut state.stamp, found.as_ref().ok().copied());
        if state.stamp == before {
            return;
        }
        match found.and_then(|_| load(&self.path)) {
            Ok(entries) => {
                let clients = entries.0.len();
                tracing::info!(%path, clients, "Keys of the API were read again.");
                state.entries = Arc::new(entries);
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(%path, error, "Keys of the API stay as they were.");
            }
        }
    }
}

/// Compares every byte of the longest key, whatever the two have.
fn equal(one: &[u8], other: &[u8]) -> Choice {
    let padded = |text: &[u8]| {
        let mut padded = [0; TEXT_BYTES_MAX];
        let bytes = text.len().min(TEXT_BYTES_MAX);
        padded[..bytes].copy_from_slice(&text[..bytes]);
        padded
    };
    padded(one).ct_eq(&padded(other)) & one.len().ct_eq(&other.len())
}

/// The state of the file, taken before it is read: a write in between shows as another state next
/// time.
fn stamp(path: &Path) -> Result<Stamp, KeysError> {
    let data = fs::metadata(path).map_err(KeysError::Read)?;
    if data.size() > FILE_BYTES_MAX {
        return Err(KeysError::TooLarge);
    }
    Ok([
        data.size().into(),
        data.ino().into(),
        data.mtime().into(),
        data.mtime_nsec().into(),
        data.ctime().into(),
        data.ctime_nsec().into(),
    ])
}

fn load(path: &Path) -> Result<Entries, KeysError> {
    let text = fs::read_to_string(path).map_err(KeysError::Read)?;
    // The reader's own words may quote a key.
    serde_json::from_str(&text).map_err(|error| KeysError::Shape {
        line: error.line(),
        column: error.column(),
    })
}

/// Keys by client.
struct Entries(HashMap<String, String>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// Reads the object; serde's own map would take a repeated client in silence.
struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of clients and their keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = HashMap::new();
        while let Some((client, key)) = map.next_entry::<String, String>()? {
            if !is_sendable(&client) || !is_sendable(&key) {
                return Err(A::Error::custom("no header can carry it"));
            }
            if entries.insert(client, key).is_some() {
                return Err(A::Error::custom("named twice"));
            }
        }
        Ok(Entries(entries))
    }
}

/// Whether a header's value can be `text`: ASCII to be seen, with blanks in between at most.
fn is_sendable(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text == text.trim_ascii()
}
