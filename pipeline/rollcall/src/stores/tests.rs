//! Is the memory shared out so that it holds?

use std::io::Write as _;

use super::shares::Shares;
use super::{held_back, policy, shared_id};
use crate::config::{Bytes, Config, LogKind, Sources, load};

const MIB: usize = 1024 * 1024;

fn with_memory(bytes: usize) -> Config {
    let mut config = load(&Sources::default()).unwrap();
    config.process.memory = Bytes(bytes);
    config
}

#[test]
fn batches_and_rows_held_back_are_shares_of_the_memory() {
    // (memory, input bytes of a batch, bytes a partition holds back)
    let table = [
        (96 * MIB, 66 * 1024, 528 * 1024),
        (128 * MIB, 114 * 1024, 912 * 1024),
        (256 * MIB, 306 * 1024, 2_448 * 1024),
        (16_384 * MIB, MIB, 191 * MIB + 400 * 1024),
    ];
    for (memory, batch, held) in table {
        let config = with_memory(memory);
        assert_eq!(
            policy(&config, 4).batch_bytes_max as usize,
            batch,
            "{memory}"
        );
        assert_eq!(held_back(&config, 4).bytes, held, "{memory}");
    }
}

/// A transaction costs the same whatever is in it.
#[test]
fn batches_on_kafka_are_larger() {
    for (memory, batch) in [(256 * MIB, 918 * 1024), (1_024 * MIB, 4 * MIB)] {
        let mut config = with_memory(memory);
        config.log.kind = LogKind::Kafka;
        assert_eq!(
            policy(&config, 4).batch_bytes_max as usize,
            batch,
            "{memory}"
        );
    }
}

#[test]
fn the_parts_leave_room_for_what_holds_nothing() {
    let memories = [96 * MIB, 128 * MIB, 256 * MIB, 4_096 * MIB];
    let kinds = [LogKind::Embedded, LogKind::Kafka];
    for (memory, kind) in memories
        .iter()
        .flat_map(|&one| kinds.map(|kind| (one, kind)))
    {
        let mut config = with_memory(memory);
        config.log.kind = kind;
        let shares = Shares::of(&config);
        let stores = shares.log + shares.tables + shares.replica;
        // Appends that carry positions may be as many again as those that do not.
        let work = shares.held_back + shares.batches + 2 * shares.waiting;
        let all = stores + work + shares.answers;
        assert!(
            all <= (memory - 52 * MIB) / 4 * 3 + MIB,
            "{memory}: {shares:?}"
        );
        // Less would be taken for more (rollcall_rocks).
        assert!(
            shares.tables >= 8 * MIB && shares.replica >= 4 * MIB,
            "{shares:?}"
        );
    }
}

#[test]
fn a_smaller_batch_stays_as_configured() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[policy]\nbatch_bytes_max = 700\n")
        .unwrap();
    let config = load(&Sources {
        file: Some(file.path()),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(policy(&config, 4).batch_bytes_max, 700);
    // Never none: it would be a batch without end or without records.
    assert_eq!(policy(&config, u32::MAX).batch_bytes_max, 1);
}

#[test]
fn bridges_of_one_prefix_of_one_cluster_share_a_client_id() {
    let table = [
        (
            Some("4L6g3nShT-eMCtK--X86sw"),
            "rollcall.",
            "rollcall-4L6g3nShT-eMCtK--X86sw-rollcall",
        ),
        (Some("other"), "rollcall.", "rollcall-other-rollcall"),
        (
            Some("other"),
            "stage.rollcall.",
            "rollcall-other-stage.rollcall",
        ),
        (Some("other"), "", "rollcall-other"),
        (None, "rollcall.", "rollcall-kafka-rollcall"),
    ];
    for (cluster, prefix, expected) in table {
        assert_eq!(shared_id(cluster, prefix), expected);
    }
}
