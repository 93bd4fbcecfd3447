//! A producer that failed for good is replaced.

use std::collections::BTreeMap;

use rollcall_log::conformance::block_on;
use rollcall_log::{Append, NewRecord};
use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;

use super::*;
use crate::Settings;
use crate::fetch::native::fail_for_good;
use crate::write::Writers;

#[test]
fn a_producer_that_failed_for_good_is_replaced() {
    let kafka = Kafka::shared();
    let settings = Settings {
        bootstrap: kafka.bootstrap(),
        prefix: "fatal.".to_owned(),
        inventory_topic: String::new(),
        id: "a".to_owned(),
        shards: 1,
        properties: BTreeMap::new(),
    };
    kafka.create_topic("fatal.status", 1).unwrap();
    let broker = Arc::new(Broker::new(settings).unwrap());
    let writers = Writers::start(&broker).unwrap();
    let append = || {
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
    };
    assert_eq!(append().unwrap(), [0]);
    for offset in 1..3 {
        fail_for_good(writers.plain.producer.lock().as_ref().unwrap().client());
        assert_eq!(append().unwrap(), [offset]);
    }
    writers.close();
}
