//! Rows without a tenant, all due at once, then found, then told to inventory anew a day later:
//! `make bench-waiting`, `ROWS=1000000`. Under `cargo test` with a few rows; nothing is measured.

use std::time::Duration;

use anyhow::Context;
use rollcall_benches::waiting::{Round, Waiting};
use rollcall_benches::whole::{MEMORY_BYTES, disk_tables};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The product's default (docs/policy.md).
const TIMERS_PER_BATCH_MAX: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rows = match std::env::var("ROWS") {
        Ok(rows) => rows.parse().context("ROWS is no number")?,
        Err(_) if is_bench => 1_000_000,
        Err(_) => 5_000,
    };
    let folder = tempfile::tempdir()?;
    let mut waiting = Waiting::new(disk_tables(folder.path(), MEMORY_BYTES), rows);
    let rounds = [
        ("nobody's, asked again", 31 * MINUTE_MS, false, 0),
        ("nobody's, then found", 31 * MINUTE_MS, true, rows),
        ("refreshed a day later", 26 * HOUR_MS, true, rows),
    ];
    for (name, passed_ms, is_found, inventory) in rounds {
        let before = resident_mib()?;
        let round = waiting.round(passed_ms, is_found);
        anyhow::ensure!(round.lookups == rows, "{name}: {round:?}");
        anyhow::ensure!(round.inventory == inventory as u64, "{name}: {round:?}");
        anyhow::ensure!(
            round.timers_max <= TIMERS_PER_BATCH_MAX,
            "{name}: {round:?}"
        );
        if is_bench {
            tell(name, &round, [before, resident_mib()?]);
        }
    }
    Ok(())
}

fn tell(name: &str, round: &Round, [before, after]: [u64; 2]) {
    let [first, last] = round.first_and_last();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{name}: {} rows, {:.0} rows per CPU-second; a batch of at most {} timers took {:.1} ms \
         at first, {:.1} ms at last; {before} MiB before, {after} MiB after",
        round.lookups,
        round.rows_per_second(),
        round.timers_max,
        ms(first),
        ms(last),
    );
}

/// Memory that this process holds.
fn resident_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("VmRSS")?.trim().parse()?;
    Ok(kib / 1024)
}
