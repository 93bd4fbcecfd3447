//! Which roles can be without the others.

use super::{Part, Plan};
use crate::config::LogKind;

#[test]
fn without_a_name_a_process_does_everything() {
    let plan = Plan::run(&[], LogKind::Embedded).unwrap();
    assert_eq!(plan.names(), "bridge, process, resolve, send, api");
}

#[test]
fn what_only_waits_for_the_processor_is_refused_without_it() {
    for part in [Part::Resolve, Part::Send] {
        let said = Plan::run(&[part, Part::Api], LogKind::Embedded).unwrap_err();
        assert!(said.contains("--role process"), "{said}");
        assert!(Plan::run(&[part, Part::Process], LogKind::Embedded).is_ok());
        assert!(Plan::run(&[part], LogKind::Kafka).is_ok());
    }
}

#[test]
fn the_rest_may_be_alone() {
    for (part, needs_url) in [
        (Part::Bridge, true),
        (Part::Process, false),
        (Part::Api, false),
    ] {
        let plan = Plan::run(&[part, part], LogKind::Embedded).unwrap();
        assert_eq!(plan.needs_url(), needs_url, "{part:?}");
        assert_eq!(plan.names().split(", ").count(), 1);
    }
}
