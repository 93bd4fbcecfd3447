//! Digests: one number that says whether two tables, or two sets of derived records, are the same.
//!
//! An incremental multiset hash (DESIGN.md section 5): the sum modulo 2^128 of the XXH3-128 (seed
//! 0) of every element. Order does not matter, so one row changes the digest of a million in O(1),
//! and a table read in any order gives the same number. It finds faults, not forgeries: the hash
//! has no key.
//!
//! What is hashed, with all lengths and positions as 32-bit little-endian numbers:
//!
//! ```text
//! row:     len(key) | key | body
//! derived: len(topic) | topic | len(key) | key | position | body
//! ```
//!
//! Only the last part has no length of its own, so no two elements give the same bytes. `body` is
//! the value without its schema framing (`rollcall_schemas::body`): framing may differ between
//! registries, truth may not. These layouts stand in old schedules and never change; another one
//! needs a new fold revision.

use std::fmt;

use rollcall_model::Topic;
use xxhash_rust::xxh3::Xxh3;

#[cfg(test)]
mod tests;

/// The digest of a multiset of rows or derived records. The empty one is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// Adds a row of a table.
    pub fn insert(&mut self, key: &[u8], body: &[u8]) {
        self.0 = self.0.wrapping_add(row_hash(key, body));
    }

    /// Takes a row off. Taking off what was never inserted is not noticed here: the digest is then
    /// of no table.
    pub fn remove(&mut self, key: &[u8], body: &[u8]) {
        self.0 = self.0.wrapping_sub(row_hash(key, body));
    }

    /// A row went from `old` to `new`; `None` = no row.
    pub fn replace(&mut self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if let Some(body) = old {
            self.remove(key, body);
        }
        if let Some(body) = new {
            self.insert(key, body);
        }
    }

    /// Adds a derived record. `position` counts the records of this (topic, key) in the batch, from
    /// 0: order per key is part of what a replay must reproduce. The topic goes in by its name
    /// without prefix.
    pub fn insert_derived(&mut self, topic: Topic, key: &[u8], body: &[u8], position: u32) {
        self.0 = self
            .0
            .wrapping_add(derived_hash(topic, key, body, position));
    }
}

impl fmt::Display for Digest {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn row_hash(key: &[u8], body: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    framed(&mut hash, key);
    hash.update(body);
    hash.digest128()
}

fn derived_hash(topic: Topic, key: &[u8], body: &[u8], position: u32) -> u128 {
    let mut hash = Xxh3::new();
    framed(&mut hash, topic.as_str().as_bytes());
    framed(&mut hash, key);
    hash.update(&position.to_le_bytes());
    hash.update(body);
    hash.digest128()
}

fn framed(hash: &mut Xxh3, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("a key is part of a record of at most 2 MiB");
    hash.update(&length.to_le_bytes());
    hash.update(part);
}
