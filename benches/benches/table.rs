//! Every step of an event's way, and the ways as a whole, each beside the bare loop of the same
//! run: `cargo bench --bench table`, or one of them with `-- NAME`. CPU time throughout.
//!
//! Under `cargo test` each runs once, with small sizes, and nothing is measured.

use std::cell::RefCell;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use rollcall_benches::clock;
use rollcall_benches::table::Table;
use rollcall_benches::units::{Named, Sizes, UNITS};
use rollcall_benches::whole::{self, CHUNK, DiskTables, Taken, Whole};
use rollcall_tables::Tables;

/// Clients of the anchor (anchors/stream-engine.md section 8).
const CLIENTS: usize = 500_000;
/// Events of the anchor: every client comes, then this many at random.
const EVENTS: usize = 1_000_000;

/// Enough memory that the tables' blocks stay in it.
const LARGE_MEMORY_BYTES: usize = 1024 * 1024 * 1024;

/// How much is run.
struct Run {
    /// Whether this is a measurement.
    is_bench: bool,
    /// Only names that hold this text.
    filter: Option<String>,
    clients: usize,
    events: usize,
}

fn main() {
    let run = Run::of_arguments();
    let table = RefCell::new(Table::default());
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args()
        // Ours decides: the bare loop runs whatever is asked for.
        .with_filter("");
    let sizes = Sizes {
        clients: run.clients,
        ring: run.clients.min(8_192),
    };
    for unit in UNITS.iter().filter(|unit| run.wants(unit.name)) {
        measure(&mut criterion, &table, unit, &sizes);
    }
    criterion.final_summary();
    let mut table = table.into_inner();
    whole_ways(&run, &mut table);
    if run.is_bench {
        println!("\n{table}");
    }
}

impl Run {
    /// Cargo says `--bench` when it wants a measurement.
    fn of_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let is_bench = has("--bench") && !has("--test");
        let small = |size: usize| if is_bench { size } else { 1_000 };
        Self {
            is_bench,
            filter: arguments
                .iter()
                .find(|argument| !argument.starts_with('-'))
                .cloned(),
            clients: small(number("CLIENTS", CLIENTS)),
            events: small(number("EVENTS", EVENTS)),
        }
    }

    fn wants(&self, name: &str) -> bool {
        let filter = self.filter.as_deref();
        filter.is_none_or(|filter| name.contains(filter) || name == rollcall_benches::units::BARE)
    }
}

/// A size from the environment: `CLIENTS=50000 cargo bench --bench table`.
fn number(name: &str, usual: usize) -> usize {
    let given = std::env::var(name).ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(usual)
}

/// One unit, by criterion; what is timed is CPU time of the process.
fn measure(criterion: &mut Criterion, table: &RefCell<Table>, unit: &Named, sizes: &Sizes) {
    let mut group = criterion.benchmark_group("unit");
    group.sampling_mode(SamplingMode::Flat);
    let mut made = (unit.make)(sizes);
    group.bench_function(unit.name, |bencher| {
        bencher.iter_custom(|iterations| {
            let events = usize::try_from(iterations).unwrap_or(usize::MAX) * unit.events;
            made.prepare(events);
            let begun = clock::process();
            made.run(events);
            let taken = clock::process() - begun;
            table
                .borrow_mut()
                .sample(unit.name, unit.what, events, taken);
            taken
        });
    });
    group.finish();
}

fn whole_ways(run: &Run, table: &mut Table) {
    if run.wants("whole-memory") {
        let whole = whole::in_memory(run.clients);
        way(run, table, whole, ("memory", "log and tables in memory"));
    }
    let small = (
        "rocksdb",
        "log in memory, RocksDB with [process] memory 256 MiB",
    );
    let large = (
        "rocksdb-1g",
        "log in memory, RocksDB with [process] memory 1 GiB",
    );
    for (names, memory_bytes) in [(small, whole::MEMORY_BYTES), (large, LARGE_MEMORY_BYTES)] {
        if !run.wants(&format!("whole-{}", names.0)) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let tables: DiskTables = whole::disk_tables(folder.path(), memory_bytes);
        way(run, table, Whole::new(tables, run.clients), names);
        if names == small {
            row_size(run, folder.path());
        }
    }
}

/// First contact of every client, then the fleet going on, chunk by chunk.
fn way<T: Tables>(run: &Run, table: &mut Table, mut whole: Whole<T>, (name, what): (&str, &str)) {
    let mut sample = |phase: &str, phase_is: &str, taken: Taken| {
        let name = format!("{phase}-{name}");
        let what = format!("{phase_is}: {what}");
        table.sample(&name, &what, taken.records, taken.process);
    };
    sample("first", "first contact", whole.arrive());
    for _ in (0..run.events).step_by(CHUNK) {
        sample("whole", "whole way", whole.go_on(CHUNK.min(run.events)));
    }
    whole.finish();
}

/// Prints what a row takes on disk, its index entries included.
fn row_size(run: &Run, folder: &std::path::Path) {
    let before = whole::folder_bytes(folder).expect("the folder is there");
    let after = whole::compacted_bytes(folder).expect("the store can be compacted");
    let of = |bytes: u64| bytes as f64 / run.clients as f64;
    println!(
        "a row on disk, with its index entries: {:.0} bytes; compacted {:.0}",
        of(before),
        of(after)
    );
}
