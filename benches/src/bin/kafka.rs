//! `rollcall run --role process` on a real Kafka: how many events it folds in a second, and in a
//! second of its own CPU time; how fast it is back after kill -9, and with its disk lost.
//!
//! The inputs are there before it starts (benches/src/fleet.rs). Brokers are the caller's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::future::join_all;
use rollcall_benches::fleet::Fleet;
use rollcall_kafka::topics::{self, Wanted};
use rollcall_kafka::{KafkaLog, Settings};
use rollcall_log::{Append, Log, NewRecord};
use rollcall_model::Topic;
use rollcall_runtime::GROUP;

/// Records that are on their way at a time.
const IN_FLIGHT: usize = 20_000;

/// Measures the processor on Kafka.
#[derive(Parser)]
struct Arguments {
    /// Brokers.
    #[arg(long)]
    bootstrap: String,
    /// The program measured.
    #[arg(long)]
    rollcall: PathBuf,
    /// Clients of the fleet; each arrives once, with its tenant.
    #[arg(long, env = "CLIENTS", default_value_t = 100_000)]
    clients: usize,
    /// Events after that.
    #[arg(long, env = "EVENTS", default_value_t = 500_000)]
    events: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
}

fn main() {
    let arguments = Arguments::parse();
    let settings = Settings {
        bootstrap: arguments.bootstrap.clone(),
        prefix: format!("bench-{}.", std::process::id()),
        id: "bench".to_owned(),
        shards: 1,
        properties: Default::default(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let wanted = Wanted {
        partitions: arguments.partitions,
        replication: None,
        retention_ms: None,
    };
    let made = runtime.block_on(topics::apply(&settings, wanted));
    made.expect("topics can be made");
    let log = KafkaLog::open(settings.clone()).expect("the log opens");
    let mut fleet = Fleet::new(arguments.clients);
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), &settings);

    let arrivals = (0..arguments.clients).flat_map(|n| fleet.arrival(n));
    let arrivals: Vec<NewRecord> = arrivals.collect();
    fill(&runtime, &log, arrivals);
    let mut node = Node::start(&arguments.rollcall, &config);
    node.measure("first contact", &log);

    node.stop();
    let events = (0..arguments.events).map(|_| fleet.next_event());
    fill(&runtime, &log, events.collect());
    let mut node = Node::start(&arguments.rollcall, &config);
    node.measure("fold", &log);

    node.kill();
    let begun = Instant::now();
    let mut node = Node::start(&arguments.rollcall, &config);
    fill(&runtime, &log, vec![fleet.next_event()]);
    node.wait(&log);
    println!(
        "restart after kill -9, until the next event is folded: {:.2?}",
        begun.elapsed()
    );

    node.kill();
    std::fs::remove_dir_all(folder.path().join("data/tables")).expect("the tables go");
    let begun = Instant::now();
    let mut node = Node::start(&arguments.rollcall, &config);
    fill(&runtime, &log, vec![fleet.next_event()]);
    node.wait(&log);
    println!(
        "restart with the disk lost: {:.2?}, {:.2?} CPU",
        begun.elapsed(),
        node.cpu()
    );
    node.kill();
}

fn configure(folder: &Path, settings: &Settings) -> PathBuf {
    let file = folder.join("rollcall.toml");
    let text = format!(
        "[log]\nkind = \"kafka\"\n[kafka]\nbootstrap = \"{}\"\nprefix = \"{}\"\n\
         [process]\nid = \"node\"\ndata_dir = \"{}\"\nmemory = \"1 GiB\"\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n[policy]\ntenant_confirmed_for = \"24h\"\n",
        settings.bootstrap,
        settings.prefix,
        folder.join("data").display(),
    );
    std::fs::write(&file, text).expect("a configuration");
    file
}

fn fill(runtime: &tokio::runtime::Runtime, log: &KafkaLog, records: Vec<NewRecord>) {
    let begun = Instant::now();
    let count = records.len();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let some = records.by_ref().take(IN_FLIGHT).map(|record| {
            let record = NewRecord {
                partition: None,
                ..record
            };
            log.append(Append {
                records: vec![record],
                positions: Vec::new(),
            })
        });
        let some: Vec<_> = some.collect();
        for done in runtime.block_on(join_all(some)) {
            done.expect("an append is taken");
        }
    }
    if count > 1 {
        println!("{count} records written in {:.2?}", begun.elapsed());
    }
}

struct Node(Child);

impl Node {
    fn start(program: &Path, config: &Path) -> Self {
        let child = Command::new(program)
            .args(["run", "--role", "process", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .env("RUST_LOG", "warn")
            .spawn();
        Self(child.expect("the program starts"))
    }

    /// Waits until everything has been folded, and says what that took.
    fn measure(&mut self, name: &str, log: &KafkaLog) {
        let left = left(log);
        let (begun, mut done) = (Instant::now(), 0);
        let mut first = None;
        while done < left {
            let now = left - self::left(log).min(left);
            if now > 0 && first.is_none() {
                first = Some((Instant::now(), now, self.cpu()));
            }
            done = now;
            std::thread::sleep(Duration::from_millis(50));
        }
        let (wall, cpu) = (begun.elapsed(), self.cpu());
        let (at, before, cpu_before) = first.expect("something was folded");
        let rest = (left - before) as f64;
        println!(
            "{name}: {left} events in {wall:.2?}, {cpu:.2?} CPU, {} MiB; once it folds {:.0} \
             events/s, {:.0} per CPU-second",
            self.memory_mib(),
            rest / at.elapsed().as_secs_f64(),
            rest / (cpu - cpu_before).as_secs_f64(),
        );
    }

    fn wait(&mut self, log: &KafkaLog) {
        while left(log) > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// CPU time of the process so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()));
        let stat = stat.expect("the process is there");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
        // utime and stime (proc(5)), in ticks of 10 ms.
        Duration::from_millis((ticks(12) + ticks(13)) * 10)
    }

    fn memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or_default() / 1024
    }

    fn stop(mut self) {
        let id = self.0.id().to_string();
        let asked = Command::new("kill").arg(id).status();
        asked.expect("kill runs");
        self.0.wait().expect("it ends");
    }

    fn kill(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records that wait to be folded.
fn left(log: &KafkaLog) -> u64 {
    let places = Topic::INPUTS
        .into_iter()
        .flat_map(|topic| (0..log.partitions(topic)).map(move |partition| (topic, partition)));
    let left = places.map(|(topic, partition)| {
        let range = log.offsets(topic, partition).expect("offsets");
        let position = log.position(GROUP, topic, partition).expect("a position");
        range.end - position.unwrap_or(range.start)
    });
    left.sum()
}
