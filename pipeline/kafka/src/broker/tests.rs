//! Questions to brokers that say strange things for a while. librdkafka's own imitation of a
//! cluster says them when it is told to; it is good for that, not for transactions (anchors, trap
//! 44).

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::settings::OPEN;

/// A broker with all topics of one partition each, and who asks it.
pub(crate) fn cluster() -> (MockCluster<'static, DefaultProducerContext>, Broker) {
    let cluster = MockCluster::new(1).unwrap();
    let settings = Settings {
        bootstrap: cluster.bootstrap_servers(),
        prefix: "mock.".to_owned(),
        inventory_topic: String::new(),
        id: "one".to_owned(),
        shards: 1,
        properties: Default::default(),
    };
    let broker = Broker::new(settings).unwrap();
    for topic in Topic::ALL {
        cluster
            .create_topic(broker.names.topic(topic), 1, 1)
            .unwrap();
    }
    (cluster, broker)
}

#[test]
fn a_partition_that_nobody_led_for_a_moment_is_asked_for_again() {
    let (cluster, broker) = cluster();
    let (topic, partition) = (Topic::Connections, 0);
    let name = broker.names.topic(topic);
    cluster.partition_leader(name, partition, None).unwrap();
    // What it hears here it keeps.
    assert_eq!(broker.partitions(OPEN).unwrap()[&topic], 1);
    let refused = broker.offsets(topic, 0);
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    cluster.partition_leader(name, partition, Some(1)).unwrap();
    assert_eq!(
        broker.offsets(topic, 0).unwrap(),
        OffsetRange { start: 0, end: 0 }
    );
}
