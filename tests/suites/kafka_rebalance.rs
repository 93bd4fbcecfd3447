//! Is each partition folded by one process at a time, whoever comes, goes, hangs, wakes up or takes
//! another's place, and does an outage of the broker end?

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_load::Busy;
use rollcall_tests::kafka_node::PARTITIONS;
use rollcall_tests::{Rollcall, eventually};

/// Messages a second; the machine is shared with a JVM for each broker.
const RATE: usize = 150;
/// Messages between two events of a test.
const SOME: usize = 150;

/// The partitions that a process has restored and works on.
fn partitions(rollcall: &Rollcall) -> anyhow::Result<BTreeSet<u32>> {
    let checks = rollcall.ops("/readyz")?.json()?["checks"].take();
    let has = |partition: &u32| checks[format!("processor-{partition}")]["state"] == "ready";
    Ok((0..PARTITIONS).filter(has).collect())
}

/// Waits until the partitions are shared among all of `processors`, each with one at least.
fn shared_by(processors: &[&Rollcall]) {
    let shared = eventually("every partition to have one owner", || {
        let each = processors.iter().map(|&processor| partitions(processor));
        let each = each.collect::<anyhow::Result<Vec<_>>>()?;
        let all: Vec<u32> = each.iter().flatten().copied().collect();
        let is_whole = all.len() == PARTITIONS as usize
            && all.iter().collect::<BTreeSet<_>>().len() == all.len()
            && each.iter().all(|own| !own.is_empty());
        anyhow::ensure!(is_whole, "{each:?}");
        Ok(Some(()))
    });
    shared.unwrap_or_else(|error| {
        let tails: Vec<String> = processors.iter().map(|one| one.tail()).collect();
        panic!("{error:#}\n{}", tails.join("\n\n"));
    });
}

/// Waits until a process has made as many more events.
fn folds(processor: &Rollcall, count: usize) {
    let made = || {
        let metrics = processor.ops("/metrics")?.body;
        let mut lines = metrics.lines();
        let name = "rollcall_process_derived_total{topic=\"events\"} ";
        let found = lines.find_map(|line| line.strip_prefix(name)?.parse().ok());
        Ok::<usize, anyhow::Error>(found.unwrap_or_default())
    };
    let enough = eventually("metrics", || Ok(Some(made()? + count)));
    let enough = enough.unwrap_or_else(|error| panic!("{error:#}\n{}", processor.tail()));
    let folded = eventually("events", || Ok((made()? >= enough).then_some(())));
    folded.unwrap_or_else(|error| panic!("{error:#}\n{}", processor.tail()));
}

/// How often partitions were taken away from a process.
fn revocations(rollcall: &Rollcall) -> usize {
    let mut count = 0;
    rollcall.said::<()>(|line| {
        count += usize::from(line.contains("revoked") && line.contains("processor"));
        None
    });
    count
}

#[test]
fn one_becomes_three_and_one_again() {
    let busy = Busy::start(Kafka::shared(), "scale", RATE).unwrap();
    let first = busy.site.run("first", &["process"]).unwrap();
    shared_by(&[&first]);
    busy.wait_for_more(SOME).unwrap();
    let second = busy.site.run("second", &["process"]).unwrap();
    let third = busy.site.run("third", &["process"]).unwrap();
    shared_by(&[&first, &second, &third]);
    busy.wait_for_more(SOME).unwrap();
    assert!(second.terminate().unwrap().success());
    third.kill().unwrap();
    shared_by(&[&first]);
    busy.wait_for_more(SOME).unwrap();
    busy.prove(vec![first]).unwrap();
}

#[test]
fn a_process_that_was_taken_for_dead_commits_nothing_when_it_wakes_up() {
    let busy = Busy::start(Kafka::shared(), "zombie", RATE).unwrap();
    let first = busy.site.run("first", &["process"]).unwrap();
    let second = busy.site.run("second", &["process"]).unwrap();
    shared_by(&[&first, &second]);
    busy.wait_for_more(SOME).unwrap();
    first.signal("STOP").unwrap();
    // Longer than its session.
    shared_by(&[&second]);
    busy.wait_for_more(SOME).unwrap();
    first.signal("CONT").unwrap();
    shared_by(&[&first, &second]);
    busy.wait_for_more(SOME).unwrap();
    busy.prove(vec![first, second]).unwrap();
}

#[test]
fn two_with_one_id_are_one_too_many() {
    let busy = Busy::start(Kafka::shared(), "twins", RATE).unwrap();
    for node in ["first", "second"] {
        // As when a data folder was copied.
        let folder = busy.site.data_dir(node);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("process-id"), "twin").unwrap();
    }
    let mut first = busy.site.run("first", &["process"]).unwrap();
    busy.wait_for_more(SOME).unwrap();
    let second = busy.site.run("second", &["process"]).unwrap();
    let status = first.wait_for_end().unwrap();
    let said = first.tail();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("another process runs as [process] id \"twin\""),
        "{said}"
    );
    busy.wait_for_more(SOME).unwrap();
    shared_by(&[&second]);
    busy.prove(vec![second]).unwrap();
}

#[test]
fn a_restart_in_time_disturbs_nobody() {
    let busy = Busy::start(Kafka::shared(), "static", RATE).unwrap();
    let first = busy.site.run("first", &["process"]).unwrap();
    let second = busy.site.run("second", &["process"]).unwrap();
    shared_by(&[&first, &second]);
    let (own, before) = (partitions(&second).unwrap(), revocations(&first));
    busy.wait_for_more(SOME).unwrap();
    second.kill().unwrap();
    let second = busy.site.run("second", &["process"]).unwrap();
    shared_by(&[&first, &second]);
    assert_eq!(partitions(&second).unwrap(), own);
    assert_eq!(revocations(&first), before, "{}", first.tail());
    busy.wait_for_more(SOME).unwrap();
    busy.prove(vec![first, second]).unwrap();
}

#[test]
fn a_broker_that_hangs_holds_up_neither_probes_nor_the_end() {
    let kafka = Kafka::start().unwrap();
    let busy = Busy::start(&kafka, "hang", RATE).unwrap();
    let mut processor = busy.site.run("core", &["process", "api"]).unwrap();
    folds(&processor, 1);
    let complaints = |processor: &Rollcall| {
        let metrics = processor.ops("/metrics")?.body;
        let name = "rollcall_kafka_client_errors_total ";
        let mut lines = metrics.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
        Ok::<u64, anyhow::Error>(found.unwrap_or_default())
    };
    let before = complaints(&processor).unwrap();
    kafka.pause().unwrap();
    // Requests have waited too long for an answer by then.
    eventually("the log to be asked in vain", || {
        let live = processor.ops("/livez")?;
        anyhow::ensure!(live.status == 200, "{} {}", live.status, live.body);
        Ok((complaints(&processor)? > before).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", processor.tail()));
    let began = Instant::now();
    processor.signal("TERM").unwrap();
    let status = processor.wait_for_end().unwrap();
    let (took, said) = (began.elapsed(), processor.tail());
    assert!(took < Duration::from_secs(10), "{took:?}:\n{said}");
    assert!(status.success(), "{status}:\n{said}");
    kafka.resume().unwrap();
    let processor = busy.site.run("core", &["process"]).unwrap();
    busy.prove(vec![processor]).unwrap();
}

#[test]
fn an_outage_of_the_broker_ends_and_nobody_is_restarted() {
    let mut kafka = Kafka::start().unwrap();
    let busy = Busy::start(&kafka, "outage", RATE).unwrap();
    let processor = busy.site.run("core", &["process"]).unwrap();
    // In its first batches, then at work.
    for _ in 0..2 {
        kafka.kill().unwrap();
        kafka.restart().unwrap();
        folds(&processor, SOME);
    }
    kafka.pause().unwrap();
    // Longer than a question may take: the length of the outage is what is tried.
    std::thread::sleep(Duration::from_secs(8));
    kafka.resume().unwrap();
    folds(&processor, SOME);
    shared_by(&[&processor]);
    busy.prove(vec![processor]).unwrap();
}
