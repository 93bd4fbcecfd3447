//! The pairs in memory pass the suite of those on disk.

use super::MemoryPairs;
use crate::conformance::{check_pairs, check_pairs_random};

#[test]
fn memory_pairs_are_conformant() {
    check_pairs(|| Box::new(MemoryPairs::default()));
}

#[test]
fn random_writes_are_read_back() {
    for seed in 0..50 {
        let pairs = MemoryPairs::default();
        check_pairs_random(seed, Box::new(pairs.clone()), move |_| {
            Box::new(pairs.clone())
        });
    }
}
