//! What devices say is read by the parsers it is meant for; what the cloud says is understood.

use rollcall_model::ingress::{Dialect, Ingress, IngressKind};
use rollcall_model::row::Kind as RowKind;
use rollcall_model::{ClientId, DeliveryId, Event, Json, Millis, ReasonCode};
use rollcall_schemas::dialect::{self, Data, draft, rhc};
use rumqttc::mqttbytes::v4::Publish;

use super::{Back, Draft, Heard, Rhc, Stamp, poison};
use crate::config::Options;
use crate::dice::Dice;
use crate::plan::{Identity, Kind};
use crate::time::Micros;

/// The first device of that kind.
fn device(kind: Kind) -> Identity {
    let options = Options::new("nowhere:1", 1_000);
    (0..1_000)
        .map(|index| Identity::of(&options, index))
        .find(|who| who.kind == kind)
        .unwrap()
}

fn host() -> Identity {
    device(Kind::Host { has_epoch: false })
}

fn draft_of(who: &Identity) -> Draft<'_> {
    Draft {
        who,
        prefix: "redhat",
        epoch: None,
    }
}

fn rhc_of(who: &Identity) -> Rhc<'_> {
    Rhc {
        who,
        prefix: "redhat",
    }
}

fn stamp() -> Stamp {
    Stamp {
        id: Dice::new(&[7]).uuid(),
        sent: Micros(1_607_102_544_000_000),
    }
}

fn parse(who: &Identity, topic: &str, payload: &[u8]) -> Result<Event, ReasonCode> {
    let ingress = Ingress {
        mqtt_topic: topic.to_owned(),
        payload: payload.to_vec(),
        dialect: match who.kind.is_rhc() {
            true => Dialect::Rhc,
            false => Dialect::Draft,
        },
        kind: IngressKind::Publish,
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(0),
        bridge: String::new(),
        broker_generation: 0,
        received_order: 0,
    };
    let client = ClientId::new(&who.client_id).unwrap();
    dialect::parse(&ingress, &client).map_err(|refusal| refusal.reason)
}

#[track_caller]
fn read(who: &Identity, publish: &Publish) -> Event {
    parse(who, &publish.topic, &publish.payload).unwrap()
}

#[test]
fn a_draft_handshake_is_retained_and_says_what_the_device_is() {
    let (host, proxy) = (host(), device(Kind::Proxy));
    let said = draft_of(&host).handshake(stamp());
    assert!(said.retain);
    let Event::Online(online) = read(&host, &said) else {
        panic!("no online");
    };
    assert_eq!(online.kind, RowKind::Host);
    assert_eq!(online.message_id, stamp().id.to_string());
    assert_eq!(online.sent, Some(Millis(1_607_102_544_000)));
    assert_eq!(online.epoch, None);
    let facts = online.canonical_facts.unwrap();
    assert!(
        facts
            .as_str()
            .contains(&format!("{}.fleet", host.client_id))
    );
    assert_eq!(
        online.destination.mqtt_topic,
        draft_of(&host).listens(),
        "it listens where rollcall sends"
    );

    let Event::Online(online) = read(&proxy, &draft_of(&proxy).handshake(stamp())) else {
        panic!("no online");
    };
    assert_eq!(online.kind, RowKind::Proxy);
    assert!(online.catalog_service_facts.is_some());
}

#[test]
fn every_way_to_leave_is_an_offline() {
    let (host, yggd) = (host(), device(Kind::Yggd02));
    let will = draft_of(&host).will(stamp());
    let cleared = draft_of(&host).cleared();
    let offline = draft_of(&host).offline(stamp());
    assert!(will.retain && cleared.retain && offline.retain);
    let rhc_will = rhc_of(&yggd).will(stamp());
    assert!(!rhc_will.retain, "yggd retains nothing");
    let newer = device(Kind::Yggd04);
    let newer_will = rhc_of(&newer).will(stamp());
    let all = [
        parse(&host, &will.topic, &will.message),
        parse(&host, &cleared.topic, &cleared.payload),
        parse(&host, &offline.topic, &offline.payload),
        parse(&yggd, &rhc_will.topic, &rhc_will.message),
        parse(&newer, &newer_will.topic, &newer_will.message),
    ];
    for event in all {
        assert!(matches!(event, Ok(Event::Offline(_))), "{event:?}");
    }
}

#[test]
fn an_epoch_stands_in_handshake_and_will() {
    let host = device(Kind::Host { has_epoch: true });
    let mut draft = draft_of(&host);
    draft.epoch = Some(42);
    let Event::Online(online) = read(&host, &draft.handshake(stamp())) else {
        panic!("no online");
    };
    let will = draft.will(stamp());
    let Ok(Event::Offline(offline)) = parse(&host, &will.topic, &will.message) else {
        panic!("no offline");
    };
    assert_eq!((online.epoch, offline.epoch), (Some(42), Some(42)));
}

#[test]
fn yggd_says_that_it_is_online_with_its_workers_later() {
    let (old, new) = (device(Kind::Yggd02), device(Kind::Yggd04));
    for (who, version) in [(&old, ""), (&new, "0.4.9")] {
        let said = rhc_of(who).online(stamp(), true);
        assert!(!said.retain);
        let Event::Online(online) = read(who, &said) else {
            panic!("no online");
        };
        assert_eq!(online.client_version, version);
        let dispatchers = online.dispatchers.unwrap();
        assert!(dispatchers.as_str().contains("rhc-worker-playbook"));
        let topic = &online.destination.mqtt_topic;
        assert!(rhc_of(who).listens().contains(topic), "{topic}");
        let Event::Online(online) = read(who, &rhc_of(who).online(stamp(), false)) else {
            panic!("no online");
        };
        assert_eq!(online.dispatchers.unwrap().as_str(), "{}");
        assert!(matches!(
            read(who, &rhc_of(who).priming()),
            Event::Message(_)
        ));
    }
}

#[test]
fn answers_name_the_message_that_they_answer() {
    let (host, yggd) = (host(), device(Kind::Yggd04));
    let id = DeliveryId(Dice::new(&[9]).uuid());
    let payload = Json::new("{\"play\":1}").unwrap();
    let data = Data {
        directive: "rhc-worker-playbook",
        payload: &payload,
        metadata: &[],
    };
    let heard = Heard::Message {
        id: id.to_string(),
        directive: data.directive.to_owned(),
    };
    let sent = Millis(1_607_102_544_000);
    assert_eq!(Draft::hear(&draft::encode_message(id, sent, &data)), heard);
    assert_eq!(Rhc::hear(&rhc::encode_data(id, sent, &data)), heard);

    let (text, directive) = (id.to_string(), "rhc-worker-playbook");
    let answers = [
        read(&host, &draft_of(&host).answer(stamp(), &text, directive)),
        read(&host, &draft_of(&host).error(stamp(), &text, directive)),
        read(&yggd, &rhc_of(&yggd).answer(stamp(), &text, directive)),
        read(&yggd, &rhc_of(&yggd).pong(stamp(), &text)),
    ];
    for (place, event) in answers.into_iter().enumerate() {
        let Event::Message(message) = event else {
            panic!("no message: {event:?}");
        };
        assert_eq!(message.answers, Some(id));
        assert_eq!(message.error.is_some(), place == 1, "{message:?}");
    }
}

#[test]
fn being_sent_away_is_understood() {
    let id = DeliveryId(Dice::new(&[9]).uuid());
    let sent = Millis(0);
    let after = |after| Draft::hear(&draft::encode_force_disconnect(id, sent, after));
    assert_eq!(
        after(draft::ReconnectAfter::Unsaid),
        Heard::Leave(Back::Unsaid)
    );
    assert_eq!(
        after(draft::ReconnectAfter::Never),
        Heard::Leave(Back::Never)
    );
    assert_eq!(
        after(draft::ReconnectAfter::At(Millis(5))),
        Heard::Leave(Back::At(Micros(5_000)))
    );
    let error = draft::HandshakeError {
        in_response_to: "x",
        details: "y",
    };
    let refused = draft::encode_handshake_error(id, sent, &error);
    assert_eq!(Draft::hear(&refused), Heard::Refused);

    let command = |command: &str, arguments: &str| {
        let arguments = Json::new(arguments).unwrap();
        let command = rhc::Command {
            command,
            arguments: &arguments,
        };
        Rhc::hear(&rhc::encode_command(id, sent, &command))
    };
    let back = Heard::Leave(Back::AfterSeconds(5));
    assert_eq!(command("reconnect", r#"{"delay":5}"#), back);
    assert_eq!(command("disconnect", "{}"), Heard::Leave(Back::Unsaid));
    let ping = Heard::Ping { id: id.to_string() };
    assert_eq!(command("ping", "{}"), ping);
    assert_eq!(command("cancel", "{}"), Heard::Unknown);
    let number = br#"{"type":"command","content":{"command":"reconnect","arguments":{"delay":5}}}"#;
    assert_eq!(Rhc::hear(number), Heard::Unknown, "yggd drops a number");
    assert_eq!(Draft::hear(b"no JSON"), Heard::Unknown);
    assert_eq!(Rhc::hear(b"no JSON"), Heard::Unknown);
}

#[test]
fn messages_are_read_and_poison_is_refused_for_each_reason() {
    let wanted = [
        ReasonCode::MalformedJson,
        ReasonCode::NotUtf8,
        ReasonCode::UnknownType,
        ReasonCode::UnsupportedVersion,
        ReasonCode::InvalidField,
    ];
    let (host, yggd) = (host(), device(Kind::Yggd02));
    let mut dice = Dice::new(&[1]);
    let messages = [
        (&host, draft_of(&host).message(stamp(), &mut dice)),
        (&yggd, rhc_of(&yggd).data(stamp(), &mut dice)),
    ];
    for (who, message) in messages {
        assert!(matches!(read(who, &message), Event::Message(_)));
        let whole = serde_json::from_slice(&message.payload).unwrap();
        let spoiled = poison::every_way(&whole);
        let reasons = spoiled
            .iter()
            .map(|payload| parse(who, &message.topic, payload).unwrap_err());
        assert_eq!(reasons.collect::<Vec<_>>(), wanted);
    }
}
