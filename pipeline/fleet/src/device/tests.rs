//! One device, without a socket: what it does when what happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish};
use serde_json::Value;

use super::{Action, Device, Habits, Input, Note, Trouble};
use crate::config::Options;
use crate::plan::{Identity, Kind};
use crate::time::Micros;

const BEGIN: Micros = Micros(1_700_000_000_000_000);

/// A device and what it did last.
struct Bench {
    device: Device,
    now: Micros,
    actions: Vec<Action>,
}

impl Bench {
    /// The first device of that kind; no flaps and no messages unless `change` asks for them.
    fn of(kind: Kind, change: impl Fn(&mut Options)) -> Self {
        let mut options = Options::new("nowhere:1", 1_000);
        (options.rate, options.flaps_per_minute, options.poison) = (0.0, 0.0, 0.0);
        change(&mut options);
        let who = (0..1_000).map(|index| Identity::of(&options, index));
        let who = who.into_iter().find(|who| who.kind == kind).unwrap();
        let habits = Arc::new(Habits::new(&options, BEGIN));
        Self {
            device: Device::new(who, habits, BEGIN),
            now: BEGIN,
            actions: Vec::new(),
        }
    }

    fn step(&mut self, input: Input) -> &[Action] {
        self.actions.clear();
        self.device.step(self.now, input, &mut self.actions);
        &self.actions
    }

    fn hear(&mut self, packet: Packet) -> &[Action] {
        self.step(Input::Heard(packet))
    }

    /// Goes on to when the device wants to be looked at.
    fn wait(&mut self) -> &[Action] {
        self.now = self.device.due().expect("nothing is due");
        self.step(Input::Time)
    }

    /// From being away to the CONNECT.
    fn open(&mut self) -> Connect {
        assert_eq!(self.wait(), [Action::Connect]);
        match self.step(Input::Opened) {
            [Action::Send(Packet::Connect(connect))] => connect.clone(),
            other => panic!("no CONNECT: {other:?}"),
        }
    }

    /// From being away to the first words, which it returns.
    fn connect(&mut self) -> Vec<Publish> {
        self.open();
        self.hear(connack(ConnectReturnCode::Success));
        self.said()
    }

    /// The publishes of the last step.
    fn said(&self) -> Vec<Publish> {
        let said = self.actions.iter().filter_map(|action| match action {
            Action::Send(Packet::Publish(publish)) => Some(publish.clone()),
            _ => None,
        });
        said.collect()
    }

    /// Acknowledges `said`; what came of it.
    fn acknowledge(&mut self, said: &[Publish]) -> Vec<Action> {
        let waiting = said.iter().filter(|said| said.qos == QoS::AtLeastOnce);
        let mut all = Vec::new();
        for publish in waiting {
            self.hear(Packet::PubAck(PubAck::new(publish.pkid)));
            all.append(&mut self.actions);
        }
        all
    }
}

fn connack(code: ConnectReturnCode) -> Packet {
    Packet::ConnAck(ConnAck::new(code, false))
}

fn host() -> Kind {
    Kind::Host { has_epoch: false }
}

fn json(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}

/// `type`, and `state` where there is one.
fn kind(publish: &Publish) -> String {
    if publish.payload.is_empty() {
        return "empty".to_owned();
    }
    let message = json(&publish.payload);
    let state = message["content"]["state"].as_str().unwrap_or_default();
    format!("{} {state}", message["type"].as_str().unwrap())
        .trim()
        .to_owned()
}

fn kinds(said: &[Publish]) -> Vec<String> {
    said.iter().map(kind).collect()
}

fn has(actions: &[Action], wanted: &Action) -> bool {
    actions.contains(wanted)
}

fn from_cloud(payload: &str) -> Packet {
    let mut publish = Publish::new("any", QoS::AtLeastOnce, Bytes::from(payload.to_owned()));
    publish.pkid = 9;
    Packet::Publish(publish)
}

#[test]
fn a_host_is_online_when_its_retained_handshake_is_acknowledged() {
    let mut bench = Bench::of(host(), |_| {});
    let will = bench.open().last_will.unwrap();
    assert!(will.retain && will.topic.contains("/status/"), "{will:?}");
    bench.hear(connack(ConnectReturnCode::Success));
    assert!(has(
        &bench.actions,
        &Action::Note(Note::Connected { is_again: false })
    ));
    assert!(!has(&bench.actions, &Action::Note(Note::Online)));
    let said = bench.said();
    assert_eq!(kinds(&said), ["host-handshake"]);
    assert!(said[0].retain && said[0].qos == QoS::AtLeastOnce);
    bench.now = bench.now.plus(Duration::from_millis(3));
    let answered = bench.acknowledge(&said);
    let took = Note::Acknowledged(Duration::from_millis(3));
    assert_eq!(answered, [Action::Note(took), Action::Note(Note::Online)]);
}

#[test]
fn yggd_02_says_online_at_every_connect_with_the_will_of_its_process() {
    let mut bench = Bench::of(Kind::Yggd02, |_| {});
    let first = bench.open().last_will.unwrap();
    bench.now = bench.now.plus(Duration::from_millis(5));
    bench.hear(connack(ConnectReturnCode::Success));
    let said = bench.said();
    assert_eq!(kinds(&said), ["empty", "connection-status online"]);
    assert_eq!(said[0].qos, QoS::AtMostOnce, "the priming message");
    let (will, online) = (json(&first.message), json(&said[1].payload));
    assert!(
        will["sent"].as_str() < online["sent"].as_str(),
        "the will is older"
    );
    bench.acknowledge(&said);
    bench.wait();
    assert_eq!(
        kinds(&bench.said()),
        ["connection-status online"],
        "its workers"
    );
    bench.step(Input::Lost(Trouble::Lost("gone".to_owned())));
    let second = bench.open().last_will.unwrap();
    assert_eq!(first, second, "the same id and the same time");
    bench.hear(connack(ConnectReturnCode::Success));
    assert_eq!(kinds(&bench.said()), ["empty", "connection-status online"]);
}

#[test]
fn yggd_04_says_nothing_when_it_comes_back_unless_it_was_not_heard() {
    let mut bench = Bench::of(Kind::Yggd04, |_| {});
    let said = bench.connect();
    assert_eq!(kinds(&said), ["empty", "connection-status online"]);
    bench.step(Input::Lost(Trouble::Lost("gone".to_owned())));
    let said = bench.connect();
    assert_eq!(
        kinds(&said),
        ["empty", "connection-status online"],
        "said, not heard"
    );
    bench.acknowledge(&said);
    bench.step(Input::Lost(Trouble::Lost("gone".to_owned())));
    let said = bench.connect();
    assert_eq!(kinds(&said), ["empty"]);
    assert!(has(&bench.actions, &Action::Note(Note::Online)));
}

#[test]
fn a_refused_connection_is_tried_again_later_and_later() {
    let mut bench = Bench::of(host(), |_| {});
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        bench.open();
        bench.hear(connack(ConnectReturnCode::ServiceUnavailable));
        assert!(has(&bench.actions, &Action::HangUp));
        let trouble = Trouble::Refused("ServiceUnavailable".to_owned());
        assert!(has(&bench.actions, &Action::Note(Note::Trouble(trouble))));
        longest = longest.max(bench.device.due().unwrap().since(bench.now));
    }
    let bounds = Duration::from_secs(10)..=Duration::from_secs(30);
    assert!(bounds.contains(&longest), "{longest:?}");
}

#[test]
fn a_broker_that_does_not_answer_is_given_up() {
    let mut bench = Bench::of(host(), |_| {});
    bench.open();
    bench.wait();
    let silent = |actions: &[Action]| {
        let is_silent = |a: &Action| matches!(a, Action::Note(Note::Trouble(Trouble::Silent(_))));
        actions.iter().any(is_silent)
    };
    assert!(silent(&bench.actions), "no CONNACK");
    bench.connect();
    bench.wait();
    assert!(silent(&bench.actions), "no PUBACK");
    let said = bench.connect();
    bench.acknowledge(&said);
    assert_eq!(bench.wait(), [Action::Send(Packet::PingReq)]);
    bench.wait();
    assert!(silent(&bench.actions), "no PINGRESP");
}

#[test]
fn messages_keep_their_rate_and_wait_for_a_slow_broker() {
    // One a second for each device.
    let mut bench = Bench::of(host(), |options| options.rate = 1_000.0);
    let said = bench.connect();
    bench.acknowledge(&said);
    let (mut messages, end) = (0, bench.now.plus(Duration::from_secs(1_000)));
    while bench.device.due().unwrap() < end {
        bench.wait();
        let said = bench.said();
        assert!(said.iter().all(|said| kind(said) == "message"), "{said:?}");
        messages += said.len();
        bench.acknowledge(&said);
    }
    assert!((900..1_100).contains(&messages), "{messages}");

    let mut unanswered = 0;
    for _ in 0..100 {
        bench.wait();
        unanswered += bench.said().len();
        if bench.actions.contains(&Action::HangUp) {
            break;
        }
    }
    assert_eq!(unanswered, 16, "then it waits, and gives the connection up");
}

#[test]
fn the_share_of_poison_is_kept() {
    let poisoned = |options: &mut Options| (options.rate, options.poison) = (1_000.0, 0.25);
    let mut bench = Bench::of(host(), poisoned);
    let said = bench.connect();
    bench.acknowledge(&said);
    let (mut all, mut poison) = (0, 0);
    while all < 2_000 {
        bench.wait();
        let is_poison = |action: &&Action| **action == Action::Note(Note::Poison);
        poison += bench.actions.iter().filter(is_poison).count();
        let said = bench.said();
        all += said.len();
        bench.acknowledge(&said);
    }
    assert!((400..600).contains(&poison), "{poison} of {all}");
}

/// Lets a device flap 200 times; the kinds of good-byes it made.
fn flap(of: Kind) -> Vec<Vec<String>> {
    // Once a minute for each device.
    let mut bench = Bench::of(of, |options| options.flaps_per_minute = 1_000.0);
    let mut ways = Vec::new();
    while ways.len() < 200 {
        let said = bench.connect();
        bench.acknowledge(&said);
        while !has(&bench.actions, &Action::Note(Note::Flap)) {
            bench.wait();
            let said = bench.said();
            if has(&bench.actions, &Action::Send(Packet::PingReq)) {
                bench.hear(Packet::PingResp);
            }
            if !has(&bench.actions, &Action::Note(Note::Flap)) {
                bench.acknowledge(&said);
            }
        }
        let mut way = kinds(&bench.said());
        if has(&bench.actions, &Action::HangUp) {
            way.push("cut".to_owned());
        } else {
            let said = bench.said();
            let after = bench.acknowledge(&said);
            assert!(has(&after, &Action::Send(Packet::Disconnect)), "{after:?}");
            assert!(has(&after, &Action::HangUp), "{after:?}");
            way.push("disconnect".to_owned());
        }
        ways.push(way);
    }
    ways
}

#[test]
fn a_host_leaves_with_an_offline_without_a_handshake_or_without_a_word() {
    let ways = flap(host());
    let count = |wanted: &[&str]| ways.iter().filter(|way| *way == wanted).count();
    let cut = count(&["cut"]);
    let offline = count(&["offline", "disconnect"]);
    let cleared = count(&["empty", "disconnect"]);
    assert_eq!(cut + offline + cleared, ways.len(), "{ways:?}");
    assert!(
        cut > 60 && offline > 40 && cleared > 10,
        "{cut} {offline} {cleared}"
    );
}

#[test]
fn yggd_never_says_good_bye() {
    for kind in [Kind::Yggd02, Kind::Yggd04] {
        let ways = flap(kind);
        assert!(ways.iter().all(|way| way == &["cut"]), "{ways:?}");
    }
}

#[test]
fn messages_are_acknowledged_and_mostly_answered() {
    let sent = r#"{"type":"message","message_id":"m-1","directive":"d"}"#;
    let mut bench = Bench::of(host(), |_| {});
    let said = bench.connect();
    bench.acknowledge(&said);
    let (mut answers, mut errors) = (0, 0);
    for _ in 0..1_000 {
        bench.hear(from_cloud(sent));
        let first = Action::Send(Packet::PubAck(PubAck::new(9)));
        assert_eq!(bench.actions[0], first, "the PUBACK goes first");
        let said = bench.said();
        for answer in &said {
            assert_eq!(json(&answer.payload)["in_response_to"], "m-1");
            match &*kind(answer) {
                "message" => answers += 1,
                "message-error" => errors += 1,
                other => panic!("{other}"),
            }
        }
        bench.acknowledge(&said);
    }
    assert!(
        (800..900).contains(&answers) && (60..140).contains(&errors),
        "{answers} {errors}"
    );
}

#[test]
fn a_device_that_is_sent_away_goes_and_comes_back_as_told() {
    let mut bench = Bench::of(Kind::Yggd04, |_| {});
    let said = bench.connect();
    bench.acknowledge(&said);
    let reconnect = r#"{"type":"command","message_id":"c","content":
        {"command":"reconnect","arguments":{"delay":"5"}}}"#;
    bench.hear(from_cloud(reconnect));
    let clean = [
        Action::Send(Packet::Disconnect),
        Action::Note(Note::Offline),
    ];
    assert!(clean.iter().all(|wanted| has(&bench.actions, wanted)));
    assert_eq!(bench.said(), [], "and says nothing");
    assert_eq!(
        bench.device.due(),
        Some(bench.now.plus(Duration::from_secs(5)))
    );

    let mut bench = Bench::of(host(), |_| {});
    let said = bench.connect();
    bench.acknowledge(&said);
    bench.hear(from_cloud(
        r#"{"type":"force-disconnect","reconnect_after":"never"}"#,
    ));
    let said = bench.said();
    assert_eq!(kinds(&said), ["offline"]);
    bench.acknowledge(&said);
    assert_eq!(bench.device.due(), None, "never again");
    assert!(!bench.device.is_gone(), "the fleet goes on");
}

#[test]
fn the_end_of_the_fleet_sends_every_device_home() {
    let mut bench = Bench::of(host(), |_| {});
    bench.step(Input::Stop);
    assert!(bench.device.is_gone(), "not connected");

    let mut bench = Bench::of(host(), |_| {});
    bench.open();
    bench.step(Input::Stop);
    assert!(bench.device.is_gone() && has(&bench.actions, &Action::HangUp));

    let mut bench = Bench::of(host(), |_| {});
    bench.connect();
    bench.step(Input::Stop);
    let said = bench.said();
    assert_eq!(kinds(&said), ["offline"]);
    assert!(!bench.device.is_gone(), "it waits for the PUBACK");
    let after = bench.acknowledge(&said);
    assert!(bench.device.is_gone() && has(&after, &Action::Send(Packet::Disconnect)));

    let mut bench = Bench::of(Kind::Yggd02, |_| {});
    bench.connect();
    bench.step(Input::Stop);
    assert!(bench.device.is_gone() && has(&bench.actions, &Action::HangUp));
    assert!(
        !has(&bench.actions, &Action::Send(Packet::Disconnect)),
        "its will speaks"
    );
}

#[test]
fn the_same_seed_behaves_the_same_but_ids_are_new_in_every_run() {
    let run = |began: Micros| {
        let mut options = Options::new("nowhere:1", 10);
        options.rate = 10.0;
        let habits = Arc::new(Habits::new(&options, began));
        let mut bench = Bench {
            device: Device::new(Identity::of(&options, 3), habits, BEGIN),
            now: BEGIN,
            actions: Vec::new(),
        };
        let mut said = bench.connect();
        let (mut payloads, mut times) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            bench.acknowledge(&said);
            payloads.extend(said.iter().map(|said| said.payload.clone()));
            bench.wait();
            times.push(bench.now);
            said = bench.said();
        }
        (payloads, times)
    };
    let (first, again, later) = (run(BEGIN), run(BEGIN), run(Micros(BEGIN.0 + 1)));
    assert_eq!(first, again);
    assert_eq!(first.1, later.1, "the same times");
    assert_ne!(first.0, later.0, "other ids");
}
