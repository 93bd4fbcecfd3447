//! A producer that can send nothing any more is replaced.

use rollcall_log::conformance::block_on;
use rollcall_log::{Append, NewRecord};
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

use super::*;
use crate::Settings;
use crate::fetch::native::fail_for_good;
use crate::settings::OPEN;
use crate::write::Writers;

/// Writers on `kafka`.
fn start(kafka: &Kafka, prefix: &str, properties: &[(&str, &str)]) -> Writers {
    let given = properties.iter();
    let settings = Settings {
        bootstrap: kafka.bootstrap(),
        prefix: prefix.to_owned(),
        inventory_topic: String::new(),
        id: "a".to_owned(),
        shards: 1,
        properties: given
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    kafka.create_topic(&format!("{prefix}status"), 1).unwrap();
    let broker = Arc::new(Broker::new(settings).unwrap());
    Writers::start(&broker).unwrap()
}

/// Appends a record that stands for itself.
fn append(writers: &Writers) -> Result<Vec<u64>, Error> {
    let record = NewRecord {
        topic: Topic::Status,
        partition: Some(0),
        key: None,
        value: Some("v".into()),
        headers: Vec::new(),
    };
    let records = vec![record];
    let positions = Vec::new();
    block_on(writers.append(Append { records, positions }, vec![0]))
}

#[test]
fn a_producer_that_failed_for_good_is_replaced() {
    let writers = start(Kafka::shared(), "fatal.", &[]);
    assert_eq!(append(&writers).unwrap(), [0]);
    for offset in 1..3 {
        fail_for_good(writers.plain.producer.lock().as_ref().unwrap().client());
        assert_eq!(append(&writers).unwrap(), [offset]);
    }
    writers.close(Instant::now() + OPEN);
}

#[test]
fn a_producer_whose_record_waited_in_vain_is_replaced() {
    let kafka = Kafka::start().unwrap();
    let writers = start(&kafka, "stuck.", &[("message.timeout.ms", "1000")]);
    assert_eq!(append(&writers).unwrap(), [0]);
    let before = writers.plain.producer.lock().clone().unwrap();
    kafka.pause().unwrap();
    append(&writers).unwrap_err();
    kafka.resume().unwrap();
    // It takes a moment until the broker lets itself be written to.
    eventually("a record to be written", || Ok(append(&writers).ok())).unwrap();
    let after = writers.plain.producer.lock().clone().unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
    // It stays, now that all is well.
    append(&writers).unwrap();
    let still = writers.plain.producer.lock().clone().unwrap();
    assert!(Arc::ptr_eq(&after, &still));
    writers.close(Instant::now() + OPEN);
}
