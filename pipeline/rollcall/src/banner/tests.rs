//! What a node says about how long it keeps its records.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Addresses, run};
use crate::config::{Config, LogKind, Sources, load};
use crate::plan::Plan;

fn said(config: &Config) -> String {
    let addresses = Addresses {
        mqtt: None,
        http: None,
        probes: None,
        ops: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
    };
    run(
        &addresses,
        config,
        &Plan::run(&[], config.log.kind).unwrap(),
    )
}

#[test]
fn a_log_that_grows_for_ever_is_announced() {
    let mut config = load(&Sources::default()).unwrap();
    assert!(said(&config).contains("FOR EVER"), "{}", said(&config));
    config.log.retention = "30d".to_owned().try_into().unwrap();
    assert!(said(&config).contains("for 30days"), "{}", said(&config));
    config.log.kind = LogKind::Kafka;
    assert!(said(&config).contains("retention.ms"), "{}", said(&config));
}
