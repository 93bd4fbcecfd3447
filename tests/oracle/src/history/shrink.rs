//! Makes a history that fails smaller: leaves out half of it, then less, as long as it fails.

use super::{Batch, History};

/// See [`History::shrink`].
pub(super) fn shrink(history: &History, fails: impl Fn(&History) -> bool) -> History {
    let mut smallest = history.clone();
    if !fails(&smallest) {
        return smallest;
    }
    loop {
        let before = size(&smallest);
        without_batches(&mut smallest, &fails);
        without_records(&mut smallest, &fails);
        if size(&smallest) == before {
            return smallest;
        }
    }
}

fn size(history: &History) -> usize {
    let records = |batch: &Batch| batch.records.len();
    history.batches.len() + history.batches.iter().map(records).sum::<usize>()
}

fn without_batches(history: &mut History, fails: &impl Fn(&History) -> bool) {
    let mut width = history.batches.len();
    while width > 0 {
        let mut from = 0;
        while from < history.batches.len() {
            let mut smaller = history.clone();
            let to = (from + width).min(smaller.batches.len());
            smaller.batches.drain(from..to);
            if fails(&smaller) {
                *history = smaller;
            } else {
                from += width;
            }
        }
        width /= 2;
    }
}

fn without_records(history: &mut History, fails: &impl Fn(&History) -> bool) {
    for batch in 0..history.batches.len() {
        let mut record = 0;
        while record < history.batches[batch].records.len() {
            let mut smaller = history.clone();
            smaller.batches[batch].records.remove(record);
            if fails(&smaller) {
                *history = smaller;
            } else {
                record += 1;
            }
        }
    }
}
