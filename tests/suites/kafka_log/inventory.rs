//! Is a topic of Host Inventory's own written to, and left as its owner made it?

use rollcall_kafka::{KafkaLog, Settings, topics};
use rollcall_log::conformance::block_on;
use rollcall_log::{Log, NewRecord, Stored};
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

use crate::common::{append, cli, default_wanted, read_all, settings, wanted};

#[test]
fn inventory_may_be_told_on_somebody_elses_topic() {
    let kafka = Kafka::shared();
    // Whoever owns it has made it as they like it: other partitions, other settings.
    let owner = settings(kafka, "hbi");
    block_on(topics::apply(&owner, wanted(5))).unwrap();
    let inventory_topic = format!("{}inventory", owner.prefix);
    let settings = Settings {
        inventory_topic: inventory_topic.clone(),
        ..settings(kafka, "guest")
    };
    let made = block_on(topics::apply(&settings, default_wanted())).unwrap();
    assert_eq!(made.len(), Topic::ALL.len() - 1, "{made:?}");
    eventually("nothing to do", || {
        let left = block_on(topics::diff(&settings, default_wanted()))?;
        Ok(left.is_empty().then_some(()))
    })
    .unwrap();
    let described = cli::describe(kafka, &inventory_topic);
    assert!(described.contains("retention.ms=-1"), "{described}");
    // What one writes the other one reads, the messages of a tenant in one partition.
    let log = KafkaLog::open(settings).unwrap();
    let message = |value: &str| NewRecord {
        topic: Topic::Inventory,
        partition: None,
        key: Some("10000".into()),
        value: Some(value.to_owned().into()),
        headers: Vec::new(),
    };
    for value in ["first", "refresh"] {
        append(&log, vec![message(value)]).unwrap();
    }
    let theirs = KafkaLog::open(owner).unwrap();
    let partitions = 0..theirs.partitions(Topic::Inventory);
    let read = partitions.map(|one| read_all(&theirs, Topic::Inventory, one));
    let read: Vec<Vec<Stored>> = read.filter(|records| !records.is_empty()).collect();
    assert_eq!(read.len(), 1, "one partition");
    let values: Vec<_> = read[0]
        .iter()
        .filter_map(|record| record.value.clone())
        .collect();
    assert_eq!(values, ["first", "refresh"]);
}
