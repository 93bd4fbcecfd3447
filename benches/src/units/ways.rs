//! The whole ways as units, for counting instructions.

use rollcall_tables::Tables;
use tempfile::TempDir;

use super::{Sizes, Unit};
use crate::whole::{MEMORY_BYTES, Whole, disk_tables, in_memory};

struct Way<T> {
    whole: Whole<T>,
    /// Goes with the tables.
    _folder: Option<TempDir>,
}

pub(super) fn memory(sizes: &Sizes) -> Box<dyn Unit> {
    let mut whole = in_memory(sizes.clients);
    whole.settle();
    Box::new(Way {
        whole,
        _folder: None,
    })
}

pub(super) fn rocksdb(sizes: &Sizes) -> Box<dyn Unit> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut whole = Whole::new(disk_tables(folder.path(), MEMORY_BYTES), sizes.clients);
    whole.settle();
    Box::new(Way {
        whole,
        _folder: Some(folder),
    })
}

impl<T: Tables> Unit for Way<T> {
    fn prepare(&mut self, events: usize) {
        self.whole.publish(events);
    }

    fn run(&mut self, events: usize) {
        assert_eq!(self.whole.turns(), events, "everything prepared is folded");
    }
}
