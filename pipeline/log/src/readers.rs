//! Who reads a log in this process, and when each looked last. Every reader looks now and then,
//! woken or not ([`crate::Lookout`]), so one that has not for long stands still, whatever holds it
//! up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The readers of one log; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Readers(Arc<Mutex<BTreeMap<u64, Look>>>);

/// The last look of a reader.
#[derive(Clone, Copy, Debug)]
struct Look {
    reader: &'static str,
    partition: Option<u32>,
    at: Instant,
}

/// A reader, and how long ago it looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Its name.
    pub reader: &'static str,
    /// What it reads; `None` when that is all partitions.
    pub partition: Option<u32>,
    /// Since it has looked to the end, or has begun.
    pub age: Duration,
}

impl Readers {
    /// How long ago each reader looked.
    pub fn ages(&self) -> Vec<Age> {
        let looks = self.0.lock();
        let age = |look: &Look| Age {
            reader: look.reader,
            partition: look.partition,
            age: look.at.elapsed(),
        };
        looks.values().map(age).collect()
    }

    /// Another reader, which has just looked.
    pub(crate) fn register(&self, reader: &'static str, partition: Option<u32>) -> Reader {
        let mut looks = self.0.lock();
        let number = looks.last_key_value().map_or(0, |(last, _)| last + 1);
        let at = Instant::now();
        looks.insert(
            number,
            Look {
                reader,
                partition,
                at,
            },
        );
        Reader {
            readers: self.clone(),
            number,
        }
    }
}

/// A registered reader, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    readers: Readers,
    number: u64,
}

impl Reader {
    /// It has looked to the end.
    pub(crate) fn looked(&self) {
        if let Some(look) = self.readers.0.lock().get_mut(&self.number) {
            look.at = Instant::now();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.readers.0.lock().remove(&self.number);
    }
}
