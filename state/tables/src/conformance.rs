//! One suite for every implementation of [`Tables`]: whoever passes it answers like the others.
//!
//! Each question is a script with its answers written out (`rows`, `indexes`), or a random script
//! whose answers come from the slow and obvious [`Naive`] tables (`random`). The suite reports by
//! panicking, as tests do, and is part of the crate so that implementations elsewhere can run it.

mod indexes;
mod naive;
mod pairs;
mod random;
mod rows;
mod views;

pub use naive::Naive;
pub use pairs::{check_pairs, check_pairs_random};
pub use random::check_random;
pub use views::{Pair, check_views, check_views_random};

use bytes::Bytes;
use rollcall_model::{Millis, Topic};

use crate::{Change, Error, Meta, RowIndex, Table, Tables};

/// Runs every script on empty tables, each from one call of `make`.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check(mut make: impl FnMut() -> Box<dyn Tables>) {
    let scripts: [fn(Fixture); 14] = [
        rows::empty_tables_answer_nothing,
        rows::rows_are_kept_as_written,
        rows::tables_are_apart,
        rows::scan_goes_in_pages_of_key_order,
        rows::odd_keys_are_keys_like_any_other,
        rows::progress_comes_back,
        rows::answers_stay_as_they_were,
        rows::a_refused_batch_leaves_nothing,
        indexes::timers_come_in_order_across_tables,
        indexes::timers_move_with_their_row,
        indexes::an_earlier_timer_is_seen_after_later_ones_fired,
        indexes::any_time_is_a_time,
        indexes::tenants_move_with_their_row,
        indexes::tenants_are_told_apart,
    ];
    for script in scripts {
        script(Fixture::new(make()));
    }
}

/// Checks that everything is still there after `reopen`, which closes what it gets and opens it
/// again.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_reopen(
    tables: Box<dyn Tables>,
    mut reopen: impl FnMut(Box<dyn Tables>) -> Box<dyn Tables>,
) {
    let mut fixture = Fixture::new(tables);
    fixture.put(Table::Connections, b"kept", b"one", Some(10), "org");
    fixture.put(Table::Outbox, b"kept", b"two", Some(5), "");
    fixture.put(Table::Connections, b"gone", b"three", Some(1), "org");
    fixture.tables = reopen(fixture.tables);
    fixture.compare();
    fixture.remove(Table::Connections, b"gone");
    fixture.put(Table::Connections, b"kept", b"four", Some(20), "other");
    fixture.tables = reopen(fixture.tables);
    fixture.compare();
    let kept = |due_at, table| (due_at, table, "kept".to_owned());
    assert_eq!(
        fixture.due(100, 10),
        [kept(5, Table::Outbox), kept(20, Table::Connections)]
    );
    assert_eq!(ok(fixture.tables.meta()).map(|meta| meta.batch), Some(5));
}

/// The tables under test beside naive ones that get the same batches.
struct Fixture {
    tables: Box<dyn Tables>,
    naive: Naive,
}

impl Fixture {
    fn new(tables: Box<dyn Tables>) -> Self {
        Self {
            tables,
            naive: Naive::default(),
        }
    }

    /// A change that writes a row.
    fn change(
        &self,
        table: Table,
        key: &[u8],
        value: &[u8],
        due: Option<i64>,
        org: &str,
    ) -> Change {
        let index = RowIndex {
            due_at: due.map(Millis),
            org_id: org.to_owned(),
        };
        let new = Some((Bytes::copy_from_slice(value), index));
        Change {
            table,
            key: Bytes::copy_from_slice(key),
            old: self.naive.index(table, key),
            new,
        }
    }

    /// A batch of one row.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8], due: Option<i64>, org: &str) {
        let change = self.change(table, key, value, due, org);
        self.apply(&[change]);
    }

    /// A batch that takes one row away.
    fn remove(&mut self, table: Table, key: &[u8]) {
        let change = Change {
            new: None,
            ..self.change(table, key, b"", None, "")
        };
        self.apply(&[change]);
    }

    /// Applies a batch to both and compares all answers.
    fn apply(&mut self, changes: &[Change]) {
        let meta = meta(self.naive.batch() + 1);
        ok(self.tables.apply(changes, &meta));
        ok(self.naive.apply(changes, &meta));
        self.compare();
    }

    fn compare(&self) {
        naive::compare(self.tables.as_ref(), &self.naive);
    }

    /// `due`, in a form that is easily written down.
    fn due(&self, until: i64, limit: usize) -> Vec<(i64, Table, String)> {
        let due = ok(self.tables.due(Millis(until), limit));
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        due.into_iter()
            .map(|due| (due.due_at.0, due.table, text(&due.key)))
            .collect()
    }

    fn next_due(&self) -> Option<i64> {
        ok(self.tables.next_due()).map(|millis| millis.0)
    }

    fn scan(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Vec<Bytes> {
        ok(self.tables.scan(table, after, limit))
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    fn tenant(&self, org_id: &str, after: Option<&[u8]>, limit: usize) -> Vec<Bytes> {
        ok(self.tables.tenant(org_id, after, limit))
    }
}

/// A progress record with something in every field.
fn meta(batch: u64) -> Meta {
    let offset = batch * 10;
    Meta {
        batch,
        now: Millis(1_700_000_000_000 + offset.cast_signed()),
        timers_at: Millis(-offset.cast_signed()),
        policy: batch.to_be_bytes().to_vec(),
        inputs: Topic::INPUTS.map(|topic| (topic, offset)).to_vec(),
        changelogs: Table::ALL.map(|table| (table, offset + 1)).to_vec(),
        digests: Table::ALL
            .map(|table| (table, u128::MAX - u128::from(offset)))
            .to_vec(),
    }
}

fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("tables under test failed: {error:?}"))
}
