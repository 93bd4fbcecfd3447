//! Reads the lines of a script.

use std::collections::BTreeMap;

use rollcall_model::event::{
    AnswerSource, Message, Offline, Online, OutboundRequest, Receipt, ReceiptOutcome, RequestBody,
    TenantAnswer, TenantOutcome,
};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, OfflineReason};
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, Coordinates, DeliveryId, Event, Json, LookupId,
    Millis, Policy, TimerKind, Topic,
};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::world::{World, bare_online, host_facts, parse_at, system_identity};

/// Names that scripts give to ids, so that expectations can be read.
#[derive(Clone, Default)]
pub(crate) struct Names {
    onlines: BTreeMap<u64, String>,
    deliveries: BTreeMap<DeliveryId, String>,
}

impl Names {
    /// The delivery called `name`; the same in every script.
    pub(crate) fn delivery(&mut self, name: &str) -> DeliveryId {
        let id = DeliveryId(Uuid::from_u128(xxh3_128(name.as_bytes())));
        self.deliveries.insert(id, name.to_owned());
        id
    }

    pub(crate) fn of_delivery(&self, id: DeliveryId) -> &str {
        self.deliveries.get(&id).map_or("?", String::as_str)
    }

    /// The online id behind a hash of the guard.
    pub(crate) fn of_online(&self, hash: u64) -> &str {
        self.onlines.get(&hash).map_or("?", String::as_str)
    }
}

/// `key=value` words and flags of a line; whatever is left over in the end was not understood.
struct Words<'a> {
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn new(words: &[&'a str]) -> Self {
        Self {
            pairs: words
                .iter()
                .map(|word| word.split_once('=').unwrap_or((word, "")))
                .collect(),
        }
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let place = self.pairs.iter().position(|(found, _)| *found == key)?;
        Some(self.pairs.remove(place).1)
    }

    fn flag(&mut self, key: &str) -> bool {
        self.take(key).is_some()
    }

    fn text(&mut self, key: &str) -> String {
        self.take(key).unwrap_or_default().to_owned()
    }

    fn time(&mut self, key: &str) -> Result<Option<Millis>, String> {
        let read = |text: &str| parse_at(text).ok_or_else(|| format!("{key} is no time"));
        self.take(key).map(read).transpose()
    }

    fn number(&mut self, key: &str) -> Result<Option<i64>, String> {
        let read = |text: &str| text.parse().map_err(|_| format!("{key} is no number"));
        self.take(key).map(read).transpose()
    }

    fn json(&mut self, key: &str) -> Result<Option<Json>, String> {
        let read = |text: &str| Json::new(text).map_err(|error| format!("{key}: {error}"));
        self.take(key).map(read).transpose()
    }

    /// A host by its name, or facts in full.
    fn facts(&mut self) -> Result<Option<Json>, String> {
        let is_name = |text: &str| {
            !["", "null"].contains(&text) && text.bytes().all(|b| b.is_ascii_lowercase())
        };
        match self
            .pairs
            .iter()
            .position(|(key, text)| *key == "facts" && is_name(text))
        {
            Some(place) => Ok(Some(host_facts(self.pairs.remove(place).1))),
            None => self.json("facts"),
        }
    }

    fn done(self) -> Result<(), String> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!("{key} is not understood")),
        }
    }
}

/// Reads `topic/offset verb words...` as an event and how it arrived.
pub(crate) fn record(
    world: &World,
    names: &mut Names,
    now: Millis,
    source: &str,
    words: &[&str],
) -> Result<(Event, Arrival), String> {
    let at = coordinates(source)?;
    let (verb, words) = words.split_first().ok_or("a record without a verb")?;
    let mut words = Words::new(words);
    let appended_at = words.time("appended")?.unwrap_or(now);
    let arrival = Arrival {
        at,
        appended_at,
        received_at: words.time("received")?.unwrap_or(appended_at),
        bridge: words
            .take("bridge")
            .map_or(0, |name| xxh3_64(name.as_bytes())),
        received_order: words.number("order")?.unwrap_or(0),
        is_retained: words.flag("retained"),
        is_redelivery: words.flag("dup"),
    };
    let event = match *verb {
        "online" => Event::Online(Box::new(online(names, &mut words)?)),
        "offline" => Event::Offline(offline(&mut words)?),
        "message" => Event::Message(Message {
            dialect: Dialect::Draft,
            message_id: words.text("id"),
            answers: words
                .take("answers")
                .map(|name| delivery_called(world, names, name)),
            error: words.take("error").map(str::to_owned),
            destination: Destination {
                mqtt_topic: "redhat/insights/out/c1".to_owned(),
                ..Destination::default()
            },
        }),
        "broker-lost" => Event::BrokerLost,
        "retained-absent" => Event::RetainedAbsent,
        "found" | "unknown" | "unavailable" => Event::Tenant(answer(world, verb, &mut words)?),
        "acknowledged" | "no-subscriber" | "failed" | "too-large" | "closed" => {
            Event::Receipt(receipt(world, names, verb, &mut words)?)
        }
        "request" => Event::Request(Box::new(OutboundRequest {
            id: names.delivery(words.take("as").ok_or("as which delivery")?),
            body: body(words.take("command")),
            deadline: words.time("deadline")?,
            idempotency_key: String::new(),
            requester: "script".to_owned(),
        })),
        other => return Err(format!("{other} is no verb")),
    };
    words.done()?;
    Ok((event, arrival))
}

/// What a request asks to be sent: a command, or some message.
fn body(command: Option<&str>) -> RequestBody {
    match command {
        Some(command) => RequestBody::Command {
            command: command.to_owned(),
            arguments: Json::empty_object(),
        },
        None => RequestBody::Data {
            directive: "play".to_owned(),
            payload: Json::empty_object(),
            metadata: Vec::new(),
        },
    }
}

/// The delivery of that name; `probe` is the row's last one.
fn delivery_called(world: &World, names: &mut Names, name: &str) -> DeliveryId {
    let probed_at = world.row.as_ref().and_then(|row| row.probed_at);
    match probed_at.filter(|_| name == "probe") {
        Some(due_at) => {
            let kind = TimerKind::Probe;
            DeliveryId::derive(&world.client, &Cause::Timer { kind, due_at })
        }
        None => names.delivery(name),
    }
}

/// `v0-row org=1 facts={...}`: a row as an older build wrote it.
pub(crate) fn v0_row(client: &ClientId, words: &[&str]) -> Result<ConnectionRow, String> {
    let mut words = Words::new(words);
    let row = crate::world::v0_row(client, &words.text("org"), words.facts()?);
    words.done().map(|()| row)
}

/// `retry_after_ms=10s max_failures=2 inactivity_dialects=draft,rhc`.
pub(crate) fn set_policy(policy: &mut Policy, settings: &str) -> Result<(), String> {
    for setting in settings.split_whitespace() {
        let (key, value) = setting.split_once('=').ok_or("a setting without a value")?;
        if key == "inactivity_dialects" {
            let is_named =
                |dialect: &Dialect| value.split(',').any(|name| name == dialect.as_str());
            policy.inactivity_dialects = Dialect::ALL.into_iter().filter(is_named).collect();
            continue;
        }
        let number = duration(value).ok_or_else(|| format!("{value} is no number or duration"))?;
        let count = u32::try_from(number).unwrap_or(u32::MAX);
        match key {
            "max_failures" => policy.max_failures = count,
            "no_subscriber_max" => policy.no_subscriber_max = count,
            "probe_after_ms" => policy.probe_after_ms = number,
            "delivery_attempts_max" => policy.delivery_attempts_max = count,
            "row_retention_ms" => policy.row_retention_ms = number,
            "retry_after_ms" => policy.retry_after_ms = number,
            "refresh_after_ms" => policy.refresh_after_ms = number,
            "lookup_backoff_ms_min" => policy.lookup_backoff_ms_min = number,
            "lookup_backoff_ms_max" => policy.lookup_backoff_ms_max = number,
            "delivery_backoff_ms_min" => policy.delivery_backoff_ms_min = number,
            "delivery_backoff_ms_max" => policy.delivery_backoff_ms_max = number,
            "delivery_deadline_ms" => policy.delivery_deadline_ms = number,
            "answer_window_ms" => policy.answer_window_ms = number,
            "future_sent_ms" => policy.future_sent_ms = number,
            _ => return Err(format!("{key} is no setting that scripts may change")),
        }
    }
    Ok(())
}

fn offline(words: &mut Words<'_>) -> Result<Offline, String> {
    Ok(Offline {
        dialect: Dialect::Draft,
        message_id: words.text("id"),
        sent: words.time("sent")?,
        epoch: words.number("epoch")?,
        reason: if words.flag("cleared") {
            OfflineReason::Cleared
        } else {
            OfflineReason::Message
        },
    })
}

fn online(names: &mut Names, words: &mut Words<'_>) -> Result<Online, String> {
    let mut online = bare_online(&words.text("id"));
    names.onlines.insert(
        xxh3_64(online.message_id.as_bytes()),
        online.message_id.clone(),
    );
    online.sent = words.time("sent")?;
    online.epoch = words.number("epoch")?;
    online.canonical_facts = words.facts()?;
    online.dispatchers = words.json("dispatchers")?;
    online.tags = words.json("tags")?;
    online.catalog_service_facts = words.json("catalog")?;
    online.client_name = words.text("name");
    online.client_version = words.text("version");
    if words.flag("rhc") {
        online.dialect = Dialect::Rhc;
        online.destination.mqtt_topic = "redhat/insights/c1/data/in".to_owned();
    }
    if words.flag("proxy") {
        online.kind = Kind::Proxy;
    }
    Ok(online)
}

fn receipt(
    world: &World,
    names: &mut Names,
    verb: &str,
    words: &mut Words<'_>,
) -> Result<Receipt, String> {
    let name = words.take("of").ok_or("of which delivery")?;
    Ok(Receipt {
        delivery_id: delivery_called(world, names, name),
        attempt: u32::try_from(words.number("attempt")?.unwrap_or(1)).unwrap_or_default(),
        outcome: match verb {
            "acknowledged" => ReceiptOutcome::Acknowledged,
            "no-subscriber" => ReceiptOutcome::NoSubscriber,
            _ => ReceiptOutcome::Failed,
        },
        broker_reason_code: match verb {
            "too-large" => Receipt::PACKET_TOO_LARGE,
            "closed" => Receipt::CONNECTION_CLOSED,
            _ => 0,
        },
    })
}

/// `lookup=pending` is the row's look-up, `lookup=status/0` the one that record made due,
/// `lookup=timer:...` the one of a timer; without it a directory speaks, or with `operator` an
/// operator asks.
fn answer(world: &World, verb: &str, words: &mut Words<'_>) -> Result<TenantAnswer, String> {
    let source = match words.take("lookup") {
        None if words.flag("operator") => AnswerSource::Operator,
        None => AnswerSource::Directory,
        Some("pending") => {
            let lookup = world.row.as_ref().and_then(|row| row.lookup.as_ref());
            let lookup = lookup.ok_or("no look-up is pending")?;
            AnswerSource::Resolver {
                lookup_id: lookup.id,
            }
        }
        Some(source) => {
            let cause = Cause::Record(coordinates(source)?);
            AnswerSource::Resolver {
                lookup_id: LookupId::derive(&world.client, &cause),
            }
        }
    };
    let outcome = match verb {
        "found" => {
            let org_id = words.text("org");
            let identity = match words.take("identity") {
                None => system_identity(&org_id),
                Some(text) => match text.strip_prefix("of-") {
                    Some(org_id) => system_identity(org_id),
                    None => Json::new(text).map_err(|error| error.to_string())?,
                },
            };
            TenantOutcome::Found {
                account: words.text("account"),
                identity,
                org_id,
            }
        }
        "unknown" => TenantOutcome::Unknown,
        _ => TenantOutcome::Unavailable {
            cause: "503".to_owned(),
        },
    };
    Ok(TenantAnswer { source, outcome })
}

fn coordinates(source: &str) -> Result<Coordinates, String> {
    let (topic, offset) = source.split_once('/').ok_or("a record without an offset")?;
    let topic = Topic::from_name(topic).ok_or_else(|| format!("{topic} is no topic"))?;
    let offset = offset
        .parse()
        .map_err(|_| format!("{offset} is no offset"))?;
    Ok(Coordinates {
        topic,
        partition: 0,
        offset,
    })
}

/// `250`, `250ms`, `10s`, `30m`, `24h`.
fn duration(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.parse::<i64>().ok().map(|number| number * unit_ms)
}
