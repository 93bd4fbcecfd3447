//! The key layout is fixed, sorts as the indexes need, and can be read back.

use proptest::prelude::*;

use super::*;

#[test]
fn layout_is_fixed() {
    assert_eq!(row(Table::Connections, b"c"), [2, 1, b'c']);
    assert_eq!(row(Table::Outbox, b"c"), [2, 2, b'c']);
    let expected = [3, 0x80, 0, 0, 0, 0, 0, 1, 2, 1, b'c'];
    assert_eq!(due(Millis(258), Table::Connections, b"c"), expected);
    assert_eq!(tenant("ab", b"c"), [4, 0, 0, 0, 2, b'a', b'b', b'c']);
    assert_eq!(column_family(7), "partition-00007");
}

#[test]
fn prefixes_are_distinct() {
    let prefixes = [META[0], ROW, DUE, TENANT];
    let distinct: std::collections::BTreeSet<_> = prefixes.into_iter().collect();
    assert_eq!(distinct.len(), prefixes.len());
}

#[test]
fn foreign_keys_are_no_time_entries() {
    let good = due(Millis(5), Table::Outbox, b"");
    assert!(parse_due(&good).is_some());
    for end in 0..good.len() {
        assert_eq!(parse_due(&good[..end]), None, "{end} bytes");
    }
    assert_eq!(
        parse_due(&row(Table::Connections, b"a long enough key")),
        None
    );
    let mut unknown_table = good;
    unknown_table[9] = 77;
    assert_eq!(parse_due(&unknown_table), None);
}

#[test]
fn foreign_keys_are_no_tenant_entries() {
    let good = tenant("ab", b"c");
    let entry = parse_tenant(&good).unwrap();
    assert_eq!((entry.org_id.as_str(), &entry.key[..]), ("ab", &b"c"[..]));
    // Without its key it is the entry of the client "": any bytes are a client's key.
    for end in 0..good.len() - 1 {
        assert_eq!(parse_tenant(&good[..end]), None, "{end} bytes");
    }
    assert_eq!(parse_tenant(&row(Table::Connections, b"a long key")), None);
    let mut no_text = good;
    no_text[5] = 0xff;
    assert_eq!(parse_tenant(&no_text), None);
}

#[test]
fn end_of_a_prefix_skips_trailing_ones() {
    assert_eq!(end_of(&[4, 0, 0xff, 0xff]), [4, 1]);
    assert_eq!(end_of(&[4, 7]), [4, 8]);
}

proptest! {
    #[test]
    fn time_entries_sort_as_due_and_come_back(
        one in (any::<i64>(), prop::sample::select(&Table::ALL[..]), bytes()),
        two in (any::<i64>(), prop::sample::select(&Table::ALL[..]), bytes()),
    ) {
        let entry = |(due_at, table, key): (i64, Table, Vec<u8>)| {
            Due { due_at: Millis(due_at), table, key: key.into() }
        };
        let encoded = |due_: &Due| due(due_.due_at, due_.table, &due_.key);
        let (one, two) = (entry(one), entry(two));
        prop_assert_eq!(encoded(&one).cmp(&encoded(&two)), one.cmp(&two));
        prop_assert!(encoded(&one) >= due_from(one.due_at) && encoded(&one) < due_end());
        prop_assert!(encoded(&one) > due_begin());
        prop_assert_eq!(parse_due(&encoded(&one)), Some(one));
    }

    #[test]
    fn a_tenants_range_holds_its_own_keys_and_no_others(
        org in "[\\x00-\\x02a]{0,4}", other in "[\\x00-\\x02a]{0,4}", key in bytes(),
    ) {
        let prefix = tenant_prefix(&org);
        let end = end_of(&prefix);
        let is_inside = |entry: Vec<u8>| entry >= prefix && entry < end;
        prop_assert!(is_inside(tenant(&org, &key)));
        prop_assert_eq!(is_inside(tenant(&other, &key)), org == other);
        let inside = tenant(&org, &key);
        prop_assert!(inside >= tenant_begin() && inside < end_of(&tenant_begin()));
        let entry = TenantEntry { org_id: org.clone(), key: key.into() };
        prop_assert_eq!(parse_tenant(&inside), Some(entry));
    }

    #[test]
    fn after_is_the_next_key(key in bytes(), other in bytes()) {
        prop_assert!(key < after(&key));
        prop_assert!(other <= key || other >= after(&key));
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..6)
}
