//! Damage, one kind at a time, as a disk or a bug would leave it, and what is said of it.

use rollcall_log::NewRecord;
use rollcall_model::batch::Batch;
use rollcall_model::{Millis, Topic};
use rollcall_schemas::Record as _;
use rollcall_tables::{Table, Views as _};

use super::super::support::{START, World};
use super::lying::{Damage, Damaged};
use super::{compared, with_meta, writer};
use crate::self_check::{Compared, Mismatch, compare};

/// What a comparison says of this damage, in pages of `page`.
fn found(damage: Damage, page: usize) -> Compared {
    let (world, tables, _) = writer::history();
    let inner = tables.view().unwrap();
    let view = Damaged { inner, damage };
    compare(&view, &*world.log, 0, page, &mut |_| true).unwrap()
}

/// The damage is found in pages of every size; `kinds` and the keys named are all that is said.
fn check(damage: impl Fn() -> Damage, kinds: &[&str], named: &[&str]) {
    for page in [1, 3, 1_000] {
        let found = found(damage(), page);
        let found_kinds: Vec<&str> = found.mismatches.iter().map(Mismatch::kind).collect();
        assert_eq!(found_kinds, kinds, "{:?}", found.mismatches);
        assert!(!found.is_equal() && found.is_complete && !found.has_more);
        let text: Vec<String> = found.mismatches.iter().map(ToString::to_string).collect();
        for name in named {
            assert!(
                text.iter().any(|text| text.contains(name)),
                "{name}: {text:?}"
            );
        }
        assert!(
            text.iter().all(|text| text.contains("partition 0")),
            "{text:?}"
        );
    }
}

#[test]
fn flipped_byte_in_a_row_is_found() {
    check(
        || Damage::Flipped("c3", 1),
        &["digest"],
        &["table Connections"],
    );
}

#[test]
fn row_that_does_not_decode_is_named() {
    // The frame's first byte: then the body is the whole value, and the digest differs as well.
    let (_, tables, _) = writer::history();
    let row = rollcall_tables::Tables::get(&tables, Table::Connections, b"c3");
    let length = row.unwrap().unwrap().len();
    check(
        || Damage::Flipped("c3", length),
        &["row", "digest"],
        &["row c3"],
    );
}

#[test]
fn missing_row_is_found_and_its_entries_are_named() {
    let said = ["digest", "time_index", "tenant_index"];
    let stray = [
        "has row c0 of table Connections at",
        "has row c0 under an organisation",
    ];
    check(|| Damage::RowGone("c0"), &said, &stray);
}

#[test]
fn row_too_many_is_found_and_its_missing_entries_are_named() {
    let said = ["digest", "time_index", "tenant_index"];
    check(
        || Damage::RowMore("zz"),
        &said,
        &["misses row zz of table Connections, due at"],
    );
}

#[test]
fn stray_timer_is_named() {
    let at = format!("has row ghost of table Connections at {START}");
    check(
        || Damage::TimerMore("ghost", START),
        &["time_index"],
        &[&at],
    );
    check(
        || Damage::TimerMore("c1", Millis(-5)),
        &["time_index"],
        &["row c1", "at -5"],
    );
}

#[test]
fn missing_timer_is_named() {
    check(
        || Damage::TimerGone("c7"),
        &["time_index"],
        &["misses row c7"],
    );
}

#[test]
fn missing_tenant_entry_is_named() {
    check(
        || Damage::TenantGone("c2"),
        &["tenant_index"],
        &["misses row c2"],
    );
}

#[test]
fn stray_tenant_entry_is_named() {
    check(
        || Damage::TenantMore("c1", "10000"),
        &["tenant_index"],
        &["has row c1 under"],
    );
    check(
        || Damage::TenantMore("ghost", "10000"),
        &["tenant_index"],
        &["has row ghost"],
    );
    check(
        || Damage::TenantMore("c2", "10001"),
        &["tenant_index"],
        &["has row c2"],
    );
}

#[test]
fn index_that_does_not_decode_is_named() {
    for (index, kind) in [("time", "time_index"), ("tenant", "tenant_index")] {
        let text = format!("the {index} index of partition 0 has an entry that does not decode");
        check(|| Damage::Entry(index), &[kind], &[&text]);
    }
}

#[test]
fn store_that_cannot_be_read_is_an_error_and_no_comparison() {
    let (world, tables, _) = writer::history();
    let inner = tables.view().unwrap();
    let damage = Damage::Unreadable;
    let ended = compare(&Damaged { inner, damage }, &*world.log, 0, 9, &mut |_| true);
    assert!(
        matches!(ended, Err(crate::Error::Tables { partition: 0, .. })),
        "{ended:?}"
    );
}

#[test]
fn wrong_digest_in_the_progress_record_is_found_twice() {
    let (world, mut tables, _) = writer::history();
    with_meta(&mut tables, |meta| meta.digests[0].1 ^= 1);
    let found = compared(&world, &tables);
    let kinds: Vec<&str> = found.mismatches.iter().map(Mismatch::kind).collect();
    assert_eq!(
        kinds,
        ["digest", "schedule"],
        "the rows and the schedule bear witness"
    );
}

#[test]
fn progress_record_of_another_batch_is_found_by_the_schedule() {
    let (world, mut tables, _) = writer::history();
    with_meta(&mut tables, |meta| meta.batch -= 1);
    let found = compared(&world, &tables);
    assert_eq!(found.mismatches.len(), 1);
    assert_eq!(found.mismatches[0].kind(), "schedule");
}

#[test]
fn schedule_record_that_disagrees_is_found() {
    let (world, tables, _) = writer::history();
    let newest = world.values::<Batch>(Topic::Schedule).pop().unwrap();
    let other = World::new();
    let mut forged = newest.clone();
    forged.tables[1].digest ^= 1;
    other.append(NewRecord {
        topic: Topic::Schedule,
        partition: Some(0),
        key: None,
        value: Some(forged.encode().into()),
        headers: Vec::new(),
    });
    let found = compared(&other, &tables);
    let text = found.mismatches[0].to_string();
    assert_eq!(found.mismatches.len(), 1, "{:?}", found.mismatches);
    let batch = format!("batch {}", newest.number);
    assert!(
        text.contains("table Outbox of partition 0") && text.contains(&batch),
        "{text}"
    );
}

/// A partition with 40 rows whose time index was lost.
fn many(go_on: &mut dyn FnMut(usize) -> bool) -> Compared {
    let (world, tables, mut processor) = writer::history();
    for n in 0..30 {
        world.online(&format!("more-{n}"), "m1");
    }
    writer::settle(&mut processor);
    let inner = tables.view().unwrap();
    let damage = Damage::NoTimers;
    compare(&Damaged { inner, damage }, &*world.log, 0, 7, go_on).unwrap()
}

#[test]
fn more_damage_than_anybody_reads_is_not_looked_for() {
    let mut pages = 0;
    let found = many(&mut |_| {
        pages += 1;
        true
    });
    assert_eq!((found.mismatches.len(), found.has_more), (16, true));
    assert!(
        found.is_complete && found.rows == 40,
        "everything was compared"
    );
    let all = 40_usize.div_ceil(7) + 4;
    assert!(pages < 2 * all, "{pages} pages: the second pass ends early");
}

#[test]
fn what_was_found_is_told_although_the_walk_was_broken_off() {
    // Empty pages are those of the outbox, of the timers, and the first of the second pass.
    let mut empty = 0;
    let found = many(&mut |read| {
        empty += usize::from(read == 0);
        empty < 3
    });
    let text: Vec<String> = found.mismatches.iter().map(ToString::to_string).collect();
    let expected = "the time index of partition 0 is not the one that its rows call for";
    assert_eq!(text, [expected]);
    assert!(found.is_complete && !found.is_equal());

    let (world, mut tables, _) = writer::history();
    with_meta(&mut tables, |meta| meta.digests[0].1 ^= 1);
    let view = tables.view().unwrap();
    // Four pages of connections, one of the outbox.
    let mut pages = 0;
    let found = compare(view.as_ref(), &*world.log, 0, 3, &mut |_| {
        pages += 1;
        pages < 5
    });
    let found = found.unwrap();
    let kinds: Vec<&str> = found.mismatches.iter().map(Mismatch::kind).collect();
    assert_eq!(kinds, ["digest", "schedule"]);
    assert!(!found.is_complete && found.rows == 10);
}
