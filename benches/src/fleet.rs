//! The workload: the status events of anchors/stream-engine.md section 8 (about 350 bytes each, of
//! half a million clients in any order), in both dialects, offlines and messages between them.
//!
//! Deterministic: the same numbers make the same bytes, so that two builds can be compared.

use bytes::Bytes;
use rollcall_log::NewRecord;
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{ClientId, Ingress, Millis, Topic};
use rollcall_schemas::{Record, identity};

/// When the workload begins; the devices' clocks and the bridge's agree.
pub const START: Millis = Millis(1_763_700_000_000);

/// Of a hundred events of an online client, so many are offlines.
const OFFLINES: u64 = 25;
/// Of a hundred events of an online client, so many are messages.
const MESSAGES: u64 = 10;
/// Clients per organisation, about.
const CLIENTS_PER_TENANT: u64 = 50;

/// What an online of yggd 0.2 says behind its facts (anchors/cloud-connector.md section 1).
const YGGD: &str = concat!(
    r#","dispatchers":{"rhc-worker-playbook":{}},"#,
    r#""state":"online","client_name":"yggd","client_version":"0.2.3""#,
);
/// What a message of it says before its content.
const PLAYBOOK: &str = r#","response_to":"","directive":"rhc-worker-playbook","metadata":{}"#;

/// A fleet of clients, and what it publishes next.
pub struct Fleet {
    /// Whether each client was last heard to be online.
    online: Vec<bool>,
    dice: Dice,
    events: u64,
}

/// What a client publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// A handshake, or `connection-status` online.
    Online,
    /// `offline`, or `connection-status` offline.
    Offline,
    /// Any other message.
    Message,
}

impl Fleet {
    /// A fleet of `clients` (one at least) of which nobody has heard yet.
    pub fn new(clients: usize) -> Self {
        Self {
            online: vec![false; clients.max(1)],
            dice: Dice(1),
            events: 0,
        }
    }

    /// Number of clients.
    pub fn clients(&self) -> usize {
        self.online.len()
    }

    /// The first online of client `n`, and the directory's answer to whose it is.
    pub fn arrival(&mut self, n: usize) -> [NewRecord; 2] {
        self.online[n] = true;
        let client = client(n);
        let org_id =
            (dice_of(n) % (self.clients() as u64 / CLIENTS_PER_TENANT + 1) + 10_000).to_string();
        let account = format!("1{org_id}");
        let answer = TenantAnswer {
            source: AnswerSource::Directory,
            outcome: TenantOutcome::Found {
                identity: identity::system(&client, &org_id, &account),
                org_id,
                account,
            },
        };
        let online = self.publish(n, Publish::Online);
        [online, self::answer(&client, &answer)]
    }

    /// An online of client `n`, wherever it was.
    pub fn online(&mut self, n: usize) -> NewRecord {
        self.publish(n, Publish::Online)
    }

    /// The next event of a client that the dice choose.
    pub fn next_event(&mut self) -> NewRecord {
        let clients = self.online.len() as u64;
        let n = (self.dice.roll() % clients) as usize;
        self.next_of(n)
    }

    /// The next event of client `n`.
    pub fn next_of(&mut self, n: usize) -> NewRecord {
        let roll = self.dice.roll() % 100;
        let publish = match roll {
            _ if !self.online[n] => Publish::Online,
            0..OFFLINES => Publish::Offline,
            _ if roll < OFFLINES + MESSAGES => Publish::Message,
            _ => Publish::Online,
        };
        self.publish(n, publish)
    }

    /// A record as the bridge writes it.
    fn publish(&mut self, n: usize, publish: Publish) -> NewRecord {
        self.events += 1;
        if publish != Publish::Message {
            self.online[n] = publish == Publish::Online;
        }
        let client = client(n);
        let dialect = dialect(n);
        let (topic, mqtt_topic) = match (dialect, publish) {
            (Dialect::Draft, _) => (Topic::Status, format!("redhat/insights/status/{client}")),
            (Dialect::Rhc, Publish::Message) => (
                Topic::Messages,
                format!("redhat/insights/{client}/data/out"),
            ),
            (Dialect::Rhc, _) => (
                Topic::Status,
                format!("redhat/insights/{client}/control/out"),
            ),
        };
        let received_at = START + i64::try_from(self.events / 100).unwrap_or_default();
        let ingress = Ingress {
            kind: IngressKind::Publish,
            dialect,
            mqtt_topic,
            payload: self.payload(n, publish, received_at).into_bytes(),
            qos: 1,
            retain: false,
            dup: false,
            user_properties: Vec::new(),
            received_at,
            bridge: "bridge-0".to_owned(),
            broker_generation: 1,
            received_order: 0,
        };
        record(topic, &client, ingress.encode())
    }

    fn payload(&mut self, n: usize, publish: Publish, at: Millis) -> String {
        let id = uuid(self.dice.roll(), self.dice.roll());
        // Second and millisecond of a day that has enough of both.
        let since = (at - START).unsigned_abs();
        let sent = format!(
            "2025-11-21T{:02}:{:02}:{:02}.{:03}Z",
            4 + since / 3_600_000 % 20,
            since / 60_000 % 60,
            since / 1_000 % 60,
            since % 1_000
        );
        let (kind, rest) = match (dialect(n), publish) {
            (Dialect::Draft, Publish::Online) => (
                "host-handshake",
                format!(r#","payload":{{"canonical_facts":{}}}"#, facts(n)),
            ),
            (Dialect::Draft, Publish::Offline) => ("offline", String::new()),
            (Dialect::Draft, Publish::Message) => (
                "message",
                format!(r#","payload":{{"status":"ok","run":{n}}}"#),
            ),
            (Dialect::Rhc, Publish::Online) => (
                "connection-status",
                format!(r#","content":{{"canonical_facts":{}{YGGD}}}"#, facts(n)),
            ),
            (Dialect::Rhc, Publish::Offline) => (
                "connection-status",
                r#","content":{"state":"offline"}"#.to_owned(),
            ),
            (Dialect::Rhc, Publish::Message) => (
                "data",
                format!(r#"{PLAYBOOK},"content":{{"status":"ok","run":{n}}}"#),
            ),
        };
        let head = format!(r#""type":"{kind}","message_id":"{id}","version":1,"sent":"{sent}""#);
        format!("{{{head}{rest}}}")
    }
}

/// A record of whose `client` is.
pub fn answer(client: &ClientId, answer: &TenantAnswer) -> NewRecord {
    record(Topic::Tenants, client, answer.encode())
}

/// The id of client `n`: spread over the key space, as certificates' are.
pub fn client(n: usize) -> ClientId {
    let mut dice = Dice(n as u64 ^ 0x5eed_0000_0000_0000);
    ClientId::new(&uuid(dice.roll(), dice.roll())).expect("a UUID is a client id")
}

/// Every other client speaks the older dialect.
fn dialect(n: usize) -> Dialect {
    if n.is_multiple_of(2) {
        Dialect::Draft
    } else {
        Dialect::Rhc
    }
}

/// What inventory knows a host by; the same at each of its onlines.
fn facts(n: usize) -> String {
    let mut dice = Dice(dice_of(n));
    format!(
        r#"{{"insights_id":"{}","machine_id":"{}","fqdn":"host-{n:06}.example.com"}}"#,
        uuid(dice.roll(), dice.roll()),
        uuid(dice.roll(), dice.roll())
    )
}

fn record(topic: Topic, client: &ClientId, value: Vec<u8>) -> NewRecord {
    NewRecord {
        topic,
        partition: Some(0),
        key: Some(Bytes::copy_from_slice(client.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn dice_of(n: usize) -> u64 {
    Dice(n as u64).roll()
}

/// SplitMix64: numbers that look random and are not.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
