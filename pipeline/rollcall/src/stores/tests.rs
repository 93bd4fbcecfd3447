//! Is the memory shared out so that it holds?

use std::io::Write as _;

use super::{held_back, policy};
use crate::config::{Bytes, Config, Sources, load};

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
        (16 * MIB, 64 * 1024, MIB / 2),
        (64 * MIB, 256 * 1024, 2 * MIB),
        (256 * MIB, MIB, 8 * MIB),
        (16_384 * MIB, MIB, 512 * MIB),
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
