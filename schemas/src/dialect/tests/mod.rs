//! Every kind of message and every odd input of the table in `dialect`, as data and one `check`
//! each.

mod draft;
mod encode;
mod fixtures;
mod odd;
mod property;
mod rhc;
mod routing;

use rollcall_model::event::{Message, Offline, Online};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{ClientId, Event, Ingress, Millis};

use super::{Refusal, parse};

const STATUS: &str = "redhat/insights/status/c1";
const IN: &str = "redhat/insights/in/c1";
const CONTROL: &str = "redhat/insights/c1/control/out";
const DATA: &str = "redhat/insights/c1/data/out";

fn client() -> ClientId {
    ClientId::new("c1").unwrap()
}

/// A publish on one of the four topics above; the dialect follows from the topic.
fn ingress(mqtt_topic: &str, payload: impl Into<Vec<u8>>) -> Ingress {
    let dialect = if mqtt_topic.ends_with("/out") {
        Dialect::Rhc
    } else {
        Dialect::Draft
    };
    Ingress {
        kind: IngressKind::Publish,
        dialect,
        mqtt_topic: mqtt_topic.to_owned(),
        payload: payload.into(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(1_700_000_000_000),
        bridge: "test".to_owned(),
        broker_generation: 1,
        received_order: 0,
    }
}

fn read(mqtt_topic: &str, payload: &str) -> Result<Event, Refusal> {
    parse(&ingress(mqtt_topic, payload), &client())
}

fn online(event: Result<Event, Refusal>) -> Online {
    match event {
        Ok(Event::Online(online)) => *online,
        other => panic!("no online: {other:?}"),
    }
}

fn offline(event: Result<Event, Refusal>) -> Offline {
    match event {
        Ok(Event::Offline(offline)) => offline,
        other => panic!("no offline: {other:?}"),
    }
}

fn message(event: Result<Event, Refusal>) -> Message {
    match event {
        Ok(Event::Message(message)) => message,
        other => panic!("no message: {other:?}"),
    }
}

/// The name that the fixtures' index uses for an outcome.
fn outcome(result: &Result<Event, Refusal>) -> &'static str {
    match result {
        Ok(Event::Online(_)) => "online",
        Ok(Event::Offline(_)) => "offline",
        Ok(Event::Message(_)) => "message",
        Ok(_) => "another event",
        Err(refusal) => refusal.reason.as_str(),
    }
}

#[test]
fn a_lost_broker_is_an_event_whatever_the_payload() {
    let lost = Ingress {
        kind: IngressKind::BrokerLost,
        ..ingress("", "{")
    };
    assert_eq!(parse(&lost, &client()), Ok(Event::BrokerLost));
    let absent = Ingress {
        kind: IngressKind::RetainedAbsent,
        ..ingress("", "")
    };
    assert_eq!(parse(&absent, &client()), Ok(Event::RetainedAbsent));
}
