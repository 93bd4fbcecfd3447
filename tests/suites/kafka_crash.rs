//! kill -9 of processors on Kafka under load, again and again: is each input folded exactly once,
//! in order, and does the whole life come out the same when it is folded again?
//!
//! `KILL_ROUNDS` says how often (8 by default; `tests/kill-9-kafka` runs 200), `KILL_SEED` which
//! moments, `KILL_RATE` how many messages a second, `KILL_ALIVE_MS` how long a processor lives at
//! most, counted from its banner.

use std::time::Duration;

use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_load::Busy;
use rollcall_tests::moments::{draw, number};

#[test]
fn each_input_is_folded_once_whenever_the_kills_come() {
    let (rounds, seed) = (number("KILL_ROUNDS", 8), number("KILL_SEED", 1));
    let rate = number("KILL_RATE", 400) as usize;
    // Some while partitions are assigned and restored, most under load.
    let alive_ms_max = number("KILL_ALIVE_MS", 4_000);
    let busy = Busy::start(Kafka::shared(), "crash", rate).unwrap();
    for round in 0..rounds {
        let alive = Duration::from_millis(draw(seed, round) % alive_ms_max);
        let processor = busy.site.start("core", &["process"]).unwrap();
        // The moment is drawn: nothing is waited for.
        std::thread::sleep(alive);
        let said = processor.tail();
        processor.kill().unwrap();
        let restored = said.matches("Partition restored").count();
        let acknowledged = busy.acknowledged();
        println!(
            "round {round}: {acknowledged} acknowledged, {restored} partitions restored, \
             killed after {alive:?}"
        );
    }
    let processor = busy.site.run("core", &["process"]).unwrap();
    busy.prove(vec![processor]).unwrap();
}

#[test]
fn a_lost_disk_costs_time_and_nothing_else() {
    let busy = Busy::start(Kafka::shared(), "disk", 200).unwrap();
    for _ in 0..2 {
        let processor = busy.site.run("core", &["process"]).unwrap();
        busy.wait_for_more(200).unwrap();
        processor.kill().unwrap();
        // Its id is on the same disk: it comes back as a stranger, and waits for the dead one.
        std::fs::remove_dir_all(busy.site.data_dir("core")).unwrap();
    }
    let processor = busy.site.run("core", &["process"]).unwrap();
    busy.prove(vec![processor]).unwrap();
}
