//! One step of an event's way each, and the ways as a whole: what can be run for a number of
//! events, by the clock or under valgrind.

mod codec;
mod keeping;
mod logs;
mod rules;
mod ways;

/// Something that works on events.
pub trait Unit {
    /// Makes ready what the next `events` events need; not measured.
    fn prepare(&mut self, _events: usize) {}

    /// Works on `events` events.
    fn run(&mut self, events: usize);
}

/// How large the worlds of units are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Clients in tables.
    pub clients: usize,
    /// Different events that steps without tables go round.
    pub ring: usize,
}

/// A unit by name.
#[derive(Clone, Copy)]
pub struct Named {
    /// Its name in tables and on the command line.
    pub name: &'static str,
    /// What it measures, for a person.
    pub what: &'static str,
    /// Events that only make sense together: the least that is run.
    pub events: usize,
    /// Makes it.
    pub make: fn(&Sizes) -> Box<dyn Unit>,
}

/// The bare loop's name; the others are told as ratios to it.
pub const BARE: &str = "bare";

/// Every unit that works by itself, in the order of an event's way.
pub const UNITS: [Named; 11] = [
    Named {
        name: BARE,
        what: "bare loop: a few fields of the JSON, one Avro row out",
        events: 1,
        make: codec::bare,
    },
    Named {
        name: "parse",
        what: "stored record to event: Avro, MQTT topic, dialect",
        events: 1,
        make: codec::parse,
    },
    Named {
        name: "row-decode",
        what: "row from its bytes, JSON and ids checked",
        events: 1,
        make: codec::row_decode,
    },
    Named {
        name: "fold",
        what: "the step alone: rows and event in, rows and derived out",
        events: 1,
        make: rules::fold,
    },
    Named {
        name: "row-encode",
        what: "row to its bytes",
        events: 1,
        make: codec::row_encode,
    },
    Named {
        name: "digest",
        what: "row off the digest, row onto it",
        events: 1,
        make: codec::digest,
    },
    Named {
        name: "tables-memory",
        what: "read and change a row, in memory",
        events: keeping::BATCH,
        make: keeping::memory,
    },
    Named {
        name: "tables-rocksdb",
        what: "read and change a row, RocksDB with changes held back",
        events: keeping::BATCH,
        make: keeping::rocksdb,
    },
    Named {
        name: "log-append",
        what: "embedded log, batches of 1,000 publishes, not synced",
        events: logs::BATCH,
        make: logs::buffered,
    },
    Named {
        name: "log-append-sync",
        what: "the same, each batch synced to disk",
        events: logs::BATCH,
        make: logs::synced,
    },
    Named {
        name: "log-read",
        what: "embedded log, 1,000 publishes read back",
        events: logs::BATCH,
        make: logs::read,
    },
];

/// The whole ways, for instruction counts; by the clock they are measured chunk by chunk.
pub const WAYS: [Named; 2] = [
    Named {
        name: "whole-memory",
        what: "whole way, log and tables in memory",
        events: 10_000,
        make: ways::memory,
    },
    Named {
        name: "whole-rocksdb",
        what: "whole way, log in memory, tables on RocksDB",
        events: 10_000,
        make: ways::rocksdb,
    },
];

/// Everything that has a name.
pub fn all() -> impl Iterator<Item = Named> {
    UNITS.into_iter().chain(WAYS)
}
