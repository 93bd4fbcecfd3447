//! The progress record survives the disk, and damage to it is named, never a panic.

use proptest::prelude::*;

use super::*;

fn sample() -> Meta {
    Meta {
        batch: 7,
        now: Millis(1_700_000_000_000),
        timers_at: Millis(-1),
        policy: b"policy".to_vec(),
        inputs: vec![(Topic::Status, 42), (Topic::Requests, u64::MAX)],
        changelogs: vec![(Table::Connections, 3), (Table::Outbox, 0)],
        digests: vec![(Table::Connections, u128::MAX - 1)],
    }
}

#[test]
fn layout_is_fixed() {
    let meta = Meta {
        policy: vec![0xaa, 0xbb],
        inputs: vec![(Topic::Tenants, 2)],
        ..sample()
    };
    let hex: String = meta
        .encode()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expected = [
        "01",
        "0700000000000000",
        "0068e5cf8b010000",
        "ffffffffffffffff",
        "02000000aabb",
        "01000000040200000000000000",
        "02000000010300000000000000020000000000000000",
        "0100000001feffffffffffffffffffffffffffffff",
    ];
    assert_eq!(hex, expected.concat());
}

#[test]
fn every_topic_has_its_own_code() {
    for topic in Topic::ALL {
        assert_eq!(Topic::from_code(topic.code()), Some(topic));
    }
    assert_eq!((Topic::from_code(0), Topic::from_code(14)), (None, None));
}

#[test]
fn every_shortened_record_is_refused() {
    let bytes = sample().encode();
    for end in 0..bytes.len() {
        assert_eq!(
            Meta::decode(&bytes[..end]),
            Err(MetaError::Length { bytes: end })
        );
    }
}

#[test]
fn what_follows_the_record_is_refused() {
    let mut bytes = sample().encode();
    bytes.push(0);
    assert_eq!(
        Meta::decode(&bytes),
        Err(MetaError::Length { bytes: bytes.len() })
    );
}

#[test]
fn other_layouts_and_names_are_refused() {
    let mut bytes = Meta::default().encode();
    bytes[0] = 2;
    assert_eq!(Meta::decode(&bytes), Err(MetaError::Version { found: 2 }));
    let mut bytes = Meta {
        inputs: vec![(Topic::Status, 0)],
        ..Meta::default()
    }
    .encode();
    let code_at = 1 + 3 * 8 + 4 + 4;
    bytes[code_at] = 99;
    assert_eq!(Meta::decode(&bytes), Err(MetaError::Code { code: 99 }));
}

#[test]
fn a_huge_count_is_refused_without_allocating() {
    let mut bytes = Meta::default().encode();
    let count_at = 1 + 3 * 8 + 4;
    bytes[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        Meta::decode(&bytes),
        Err(MetaError::Length { bytes: bytes.len() })
    );
}

proptest! {
    #[test]
    fn every_record_comes_back(
        batch: u64, now: i64, timers_at: i64,
        policy in prop::collection::vec(any::<u8>(), 0..300),
        inputs in list(&Topic::ALL, any::<u64>()),
        changelogs in list(&Table::ALL, any::<u64>()),
        digests in list(&Table::ALL, any::<u128>()),
    ) {
        let (now, timers_at) = (Millis(now), Millis(timers_at));
        let meta = Meta { batch, now, timers_at, policy, inputs, changelogs, digests };
        prop_assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    }

    #[test]
    fn any_bytes_decode_to_themselves_or_not_at_all(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_versioned: bool,
    ) {
        if let (Some(first), true) = (bytes.first_mut(), is_versioned) {
            *first = VERSION;
        }
        if let Ok(meta) = Meta::decode(&bytes) {
            prop_assert_eq!(meta.encode(), bytes);
        }
    }

    #[test]
    fn any_damage_decodes_to_itself_or_not_at_all(at: prop::sample::Index, byte: u8) {
        let mut bytes = sample().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(meta) = Meta::decode(&bytes) {
            prop_assert_eq!(meta.encode(), bytes);
        }
    }
}

fn list<T: Copy + std::fmt::Debug + 'static, V: std::fmt::Debug>(
    names: &'static [T],
    values: impl Strategy<Value = V>,
) -> impl Strategy<Value = Vec<(T, V)>> {
    prop::collection::vec((prop::sample::select(names), values), 0..20)
}
