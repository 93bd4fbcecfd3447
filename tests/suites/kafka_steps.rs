//! kill -9 of a processor at each step of its turn (anchors/stream-engine.md, 2.2 and 2.4):
//! is each input folded exactly once, whatever was on its way? The steps are seen on the wire, by a
//! gate before the broker, so that the binary is the one that users run.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_tests::gate::Moment::{Answered, Said};
use rollcall_tests::gate::{Gate, Moment};
use rollcall_tests::kafka::Request::{
    AddOffsetsToTxn, AddPartitionsToTxn, EndTxn, Produce, TxnOffsetCommit,
};
use rollcall_tests::kafka::{Kafka, Request};
use rollcall_tests::kafka_load::Busy;
use rollcall_tests::{Rollcall, eventually};

/// Messages a second; the machine is shared with a JVM for each broker.
const RATE: usize = 100;

/// What a transaction has come to when its owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The coordinator has not heard of it: what it says is of an earlier one.
    Unknown,
    /// It is open, and will be aborted.
    Open,
    /// It is committed.
    Committed,
}

/// Where the processor dies, and what it leaves behind.
const STEPS: [(Request, Moment, Left); 8] = [
    // Folded, nothing said yet. What was committed before is in the tables, and they are lost.
    (AddPartitionsToTxn, Said, Left::Unknown),
    (Produce, Said, Left::Open),
    (Produce, Answered, Left::Open),
    (AddOffsetsToTxn, Answered, Left::Open),
    (TxnOffsetCommit, Said, Left::Open),
    (TxnOffsetCommit, Answered, Left::Open),
    (EndTxn, Said, Left::Open),
    // Committed, and the tables have not heard of it.
    (EndTxn, Answered, Left::Committed),
];

/// A system whose processors reach the broker through its gate.
fn busy(kafka: &Kafka, name: &str) -> Busy {
    let busy = Busy::start(kafka, name, RATE).unwrap();
    busy.site.at(&kafka.gate().unwrap().address.to_string());
    for node in ["first", "second"] {
        let folder = busy.site.data_dir(node);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("process-id"), node).unwrap();
    }
    busy
}

/// One of the two transactional ids of a process with one writer; its turn comes every other time.
fn transactional_id(busy: &Busy, node: &str) -> String {
    format!("{}{node}-000", busy.site.prefix)
}

/// Waits until the transaction of `id` has come to this step, and stops it there.
fn stop_at(gate: &Gate, id: &str, request: Request, moment: Moment, processor: &Rollcall) {
    gate.stop_at(request.of(id), moment);
    let stopped = eventually("the step", || Ok(gate.has_stopped().then_some(())));
    stopped.unwrap_or_else(|error| {
        panic!("{request:?} {moment:?}: {error:#}\n{}", processor.tail());
    });
}

/// Kills the processor at a step. It has committed before, so the step is one of a processor at
/// work.
fn kill_at(gate: &Gate, id: &str, request: Request, moment: Moment, processor: Rollcall) {
    stop_at(gate, id, EndTxn, Answered, &processor);
    gate.open();
    stop_at(gate, id, request, moment, &processor);
    processor.kill().unwrap();
    gate.lose();
}

/// What the coordinator says of the transaction of `id`.
fn state(kafka: &Kafka, id: &str) -> String {
    let class = "org.apache.kafka.tools.TransactionsCommand";
    let args = ["describe", "--transactional-id", id];
    let said = kafka.tool(class, &args, "").unwrap();
    let mut lines = said.lines().map(|line| line.split_whitespace());
    let names = lines.next();
    let at = names.and_then(|mut names| names.position(|name| name == "TransactionState"));
    let value = lines
        .next()
        .and_then(|mut line| line.nth(at?))
        .map(str::to_owned);
    value.unwrap_or_else(|| panic!("no state in {said}"))
}

/// Records of changelogs that the restores of a process have read.
fn replayed(processor: &Rollcall) -> u64 {
    let mut count = 0;
    processor.said::<()>(|line| {
        let found = line
            .split_once("Partition restored.")
            .and_then(|(_, fields)| fields.split_once("replayed="));
        let number =
            found.and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok());
        count += number.unwrap_or_default();
        None
    });
    count
}

#[test]
fn each_input_is_folded_once_at_whichever_step_the_processor_dies() {
    let kafka = Kafka::builder().gated().start().unwrap();
    let (busy, gate) = (busy(&kafka, "steps"), kafka.gate().unwrap());
    let id = transactional_id(&busy, "first");
    for (turn, (request, moment, left)) in STEPS.into_iter().enumerate() {
        let processor = busy.site.run("first", &["process"]).unwrap();
        // Nothing of the tables was on disk when the one before it died.
        assert_eq!(replayed(&processor) > 0, turn > 0, "{}", processor.tail());
        kill_at(gate, &id, request, moment, processor);
        let state = state(&kafka, &id);
        println!("{request:?} {moment:?}: {state}");
        match left {
            Left::Unknown => {}
            Left::Committed => assert!(state.ends_with("Commit"), "{state}"),
            // On a busy machine its time may be over by now.
            Left::Open => assert!(state == "Ongoing" || state.ends_with("Abort"), "{state}"),
        }
    }
    let processor = busy.site.run("first", &["process"]).unwrap();
    busy.site.at(&kafka.bootstrap());
    busy.prove(vec![processor]).unwrap();
}

/// The coordinator ends what a dead owner left open only when its time is over: whoever gets its
/// partitions waits for it, and sees nothing of it.
#[test]
fn an_open_transaction_of_a_dead_owner_holds_its_heir_up_and_misleads_nobody() {
    let kafka = Kafka::builder().gated().start().unwrap();
    let (busy, gate) = (busy(&kafka, "heir"), kafka.gate().unwrap());
    let processor = busy.site.run("first", &["process"]).unwrap();
    let id = transactional_id(&busy, "first");
    kill_at(gate, &id, TxnOffsetCommit, Answered, processor);
    let heir = busy.site.run("second", &["process"]).unwrap();
    assert!(replayed(&heir) > 0, "{}", heir.tail());
    assert!(state(&kafka, &id).ends_with("Abort"));
    busy.site.at(&kafka.bootstrap());
    busy.prove(vec![heir]).unwrap();
}
