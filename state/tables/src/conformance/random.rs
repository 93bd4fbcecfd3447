//! Random scripts: any bytes are a sequence of batches, so a property test can draw and shrink
//! them.

use bytes::Bytes;
use rollcall_model::Millis;

use super::{Fixture, meta, ok};
use crate::{Change, RowIndex, Table, Tables};

/// Few and awkward, so that scripts hit the same rows again.
const KEYS: [&[u8]; 9] = [
    b"",
    b"\0",
    b"\0\0",
    b"a",
    b"a\0",
    b"a\0b",
    b"ab",
    b"\xff",
    b"\xff\xff",
];

/// Likewise; the first means none.
const ORGS: [&str; 5] = ["", "a", "ab", "a\0", "\u{fc}"];

/// Bytes per change of a script.
pub(super) const STEP: usize = 5;

/// Applies the batches that `script` spells, and compares every answer with [`super::Naive`] after
/// each. `between` gets the tables after every batch and its number: it may flush them, or close
/// and reopen them.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_random(
    tables: Box<dyn Tables>,
    script: &[u8],
    mut between: impl FnMut(Box<dyn Tables>, u64) -> Box<dyn Tables>,
) {
    let mut fixture = Fixture::new(tables);
    let mut batch: Vec<Change> = Vec::new();
    for step in script.chunks_exact(STEP) {
        let change = spell(&fixture, step);
        let is_repeated = |other: &Change| other.table == change.table && other.key == change.key;
        if batch.iter().any(is_repeated) {
            fixture = finish(fixture, &mut batch, &mut between);
        }
        batch.push(Change {
            old: fixture.naive.index(change.table, &change.key),
            ..change
        });
        if step[0] & 0b110 == 0 {
            fixture = finish(fixture, &mut batch, &mut between);
        }
    }
    finish(fixture, &mut batch, &mut between);
}

fn finish(
    mut fixture: Fixture,
    batch: &mut Vec<Change>,
    between: &mut impl FnMut(Box<dyn Tables>, u64) -> Box<dyn Tables>,
) -> Fixture {
    fixture.apply(batch);
    batch.clear();
    let number = fixture.naive.batch();
    fixture.tables = between(fixture.tables, number);
    fixture.compare();
    assert_eq!(ok(fixture.tables.meta()), Some(meta(number)));
    fixture
}

pub(super) fn spell(fixture: &Fixture, step: &[u8]) -> Change {
    let pick = |byte: u8, length: usize| usize::from(byte) % length;
    let table = Table::ALL[pick(step[0] & 1, Table::ALL.len())];
    let key = Bytes::from_static(KEYS[pick(step[1], KEYS.len())]);
    let due_at = match step[2] {
        0..64 => None,
        byte => Some(Millis(i64::from(byte.cast_signed()) / 8)),
    };
    let org_id = ORGS[pick(step[3], ORGS.len())].to_owned();
    let is_removal = step[4] < 64 && fixture.naive.index(table, &key).is_some();
    let value = Bytes::from(vec![step[4]; usize::from(step[4]) % 4]);
    let new = (!is_removal).then_some((value, RowIndex { due_at, org_id }));
    Change {
        table,
        key,
        old: None,
        new,
    }
}
