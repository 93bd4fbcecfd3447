//! Views: each shows one batch boundary, whole, for as long as it lives and whatever comes after.

use bytes::Bytes;
use rollcall_model::Millis;

use super::random::{STEP, spell};
use super::{Fixture, Naive, ok};
use crate::{Change, Due, RowIndex, Table, Tables, TenantEntry, View, Views};

/// Empty tables for their writer, and what takes views of them.
pub type Pair = (Box<dyn Tables>, Box<dyn Views>);

/// Runs every script about views on empty tables, each from one call of `make`.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_views(mut make: impl FnMut() -> Pair) {
    let scripts: [fn(Pair); 5] = [
        a_view_of_nothing_is_empty,
        a_view_stands_still_while_batches_go_on,
        a_view_pages_through_everything_once,
        a_view_shows_the_indexes_as_they_are,
        a_view_ends_a_page_with_its_visitor,
    ];
    for script in scripts {
        script(make());
    }
}

/// Applies the batches that `script` spells (see [`super::check_random`]), keeps a view of each,
/// and compares all of them with [`Naive`] at the end.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_views_random((tables, views): Pair, script: &[u8]) {
    let mut fixture = Fixture::new(tables);
    let mut kept = Vec::new();
    for step in script.chunks_exact(STEP) {
        let change = spell(&fixture, step);
        let old = fixture.naive.index(change.table, &change.key);
        fixture.apply(&[Change { old, ..change }]);
        kept.push((ok(views.view()), fixture.naive.clone()));
    }
    for (view, naive) in &kept {
        compare(view.as_ref(), naive);
    }
}

fn a_view_of_nothing_is_empty((_tables, views): Pair) {
    let view = ok(views.view());
    compare(view.as_ref(), &Naive::default());
    assert_eq!(ok(view.meta()), None);
}

fn a_view_stands_still_while_batches_go_on((tables, views): Pair) {
    let mut fixture = Fixture::new(tables);
    fixture.put(Table::Connections, b"stays", b"one", Some(10), "org");
    fixture.put(Table::Connections, b"goes", b"two", Some(5), "org");
    fixture.put(Table::Outbox, b"stays", b"three", Some(7), "");
    let before = fixture.naive.clone();
    let view = ok(views.view());
    fixture.put(Table::Connections, b"stays", b"changed", Some(1), "other");
    fixture.remove(Table::Connections, b"goes");
    for number in 0..100_u8 {
        fixture.put(Table::Connections, &[b'n', number], b"new", Some(2), "org");
    }
    compare(view.as_ref(), &before);
    assert_eq!(ok(view.meta()).map(|meta| meta.batch), Some(3));
    let later = ok(views.view());
    compare(later.as_ref(), &fixture.naive);
    drop(view);
    compare(later.as_ref(), &fixture.naive);
}

fn a_view_pages_through_everything_once((tables, views): Pair) {
    let mut fixture = Fixture::new(tables);
    let keys: [&[u8]; 7] = [b"", b"\0", b"\0\xff", b"a", b"a\0", b"ab", b"\xff\xff"];
    // Alphabetical and by length are two orders here, and the last text begins like another.
    let orgs = ["zz", "a", "\u{10ffff}", "a\0", "zz\0"];
    for (number, key) in keys.into_iter().enumerate() {
        for (table, org) in Table::ALL.into_iter().zip(orgs.iter().cycle().skip(number)) {
            let due_at = i64::try_from(number).unwrap_or_default() % 3 - 1;
            fixture.put(table, key, key, Some(due_at), org);
        }
    }
    fixture.put(Table::Connections, b"no entries", b"row", None, "");
    compare(ok(views.view()).as_ref(), &fixture.naive);
}

/// Not as the bytes of the rows, which mean nothing here, would have them.
fn a_view_shows_the_indexes_as_they_are((tables, views): Pair) {
    let mut fixture = Fixture::new(tables);
    fixture.put(Table::Connections, b"client", b"any", Some(3), "org");
    let view = ok(views.view());
    let timer = |due_at| Due {
        due_at: Millis(due_at),
        table: Table::Connections,
        key: Bytes::from_static(b"client"),
    };
    let tenant = |org_id: &str| TenantEntry {
        org_id: org_id.to_owned(),
        key: Bytes::from_static(b"client"),
    };
    assert!(ok(view.has_timer(&timer(3))) && !ok(view.has_timer(&timer(4))));
    assert!(ok(view.has_tenant(&tenant("org"))) && !ok(view.has_tenant(&tenant("or"))));
    // From beyond an entry that is not there.
    assert_eq!(ok(view.timers(Some(&timer(2)), 9)), [timer(3)]);
    assert_eq!(ok(view.timers(Some(&timer(3)), 9)), []);
    assert_eq!(ok(view.tenants(Some(&tenant("ooo")), 9)), [tenant("org")]);
}

fn a_view_ends_a_page_with_its_visitor((tables, views): Pair) {
    let mut fixture = Fixture::new(tables);
    for key in [b"a", b"b", b"c"] {
        fixture.put(Table::Outbox, key, key, None, "");
    }
    let view = ok(views.view());
    let mut seen = 0;
    let ended = view.rows(Table::Outbox, None, 9, &mut |_, _| {
        seen += 1;
        let index = "time";
        (seen < 2).then_some(()).ok_or(crate::Error::Key {
            partition: 0,
            index,
        })
    });
    assert!(matches!(ended, Err(crate::Error::Key { .. })), "{ended:?}");
    assert_eq!(seen, 2);
}

/// Asks for everything, in pages of several sizes.
fn compare(view: &dyn View, naive: &Naive) {
    assert_eq!(ok(view.meta()), ok(naive.meta()));
    let (mut timers, mut tenants) = (Vec::new(), Vec::new());
    for table in Table::ALL {
        let expected = ok(naive.scan(table, None, usize::MAX));
        for (key, value) in &expected {
            assert_eq!(ok(view.get(table, key)).as_ref(), Some(value));
            let index = naive.index(table, key).unwrap_or_default();
            entries(table, key, &index, &mut timers, &mut tenants);
        }
        for limit in [1, 2, 1_000] {
            assert_eq!(rows(view, table, limit), expected, "{table:?}");
        }
    }
    timers.sort();
    tenants.sort();
    for limit in [1, 2, 1_000] {
        let found = pages(limit, |after| ok(view.timers(after, limit)));
        assert_eq!(found, timers, "pages of {limit}");
        let mut found = pages(limit, |after| ok(view.tenants(after, limit)));
        found.sort();
        assert_eq!(found, tenants, "pages of {limit}");
    }
    assert!(timers.iter().all(|entry| ok(view.has_timer(entry))));
    assert!(tenants.iter().all(|entry| ok(view.has_tenant(entry))));
    assert_eq!(ok(view.get(Table::Outbox, b"never written")), None);
}

/// What the indexes must hold of a row.
fn entries(
    table: Table,
    key: &Bytes,
    index: &RowIndex,
    timers: &mut Vec<Due>,
    tenants: &mut Vec<TenantEntry>,
) {
    timers.extend(index.due_at.map(|due_at| Due {
        due_at,
        table,
        key: key.clone(),
    }));
    tenants.extend(index.tenant(table).map(|org_id| TenantEntry {
        org_id: org_id.to_owned(),
        key: key.clone(),
    }));
}

fn rows(view: &dyn View, table: Table, limit: usize) -> Vec<(Bytes, Bytes)> {
    pages(limit, |after: Option<&(Bytes, Bytes)>| {
        let mut page = Vec::new();
        let after = after.map(|(key, _)| &key[..]);
        ok(view.rows(table, after, limit, &mut |key, value| {
            page.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            Ok(())
        }));
        page
    })
}

/// Reads page after page until one is not full.
fn pages<T: Clone>(limit: usize, mut read: impl FnMut(Option<&T>) -> Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let page = read(all.last());
        assert!(page.len() <= limit, "a page of {} for {limit}", page.len());
        let is_last = page.len() < limit;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}
