//! Bytes to events, rows to bytes and back, and what is hashed of them.

use std::hint::black_box;

use bytes::Bytes;
use rollcall_model::{ClientId, ConnectionRow, Ingress};
use rollcall_schemas::dialect::{self, Prefixes};
use rollcall_schemas::{Record, body};
use rollcall_tables::Digest;

use super::{Sizes, Unit};
use crate::bare;
use crate::fleet::Fleet;

/// Goes round a ring of inputs.
struct Ring<I, F> {
    inputs: Vec<I>,
    at: usize,
    work: F,
}

impl<I, F: FnMut(&mut I)> Unit for Ring<I, F> {
    fn run(&mut self, events: usize) {
        for _ in 0..events {
            (self.work)(&mut self.inputs[self.at]);
            self.at = (self.at + 1) % self.inputs.len();
        }
    }
}

fn ring<I: 'static, F: FnMut(&mut I) + 'static>(inputs: Vec<I>, work: F) -> Box<dyn Unit> {
    Box::new(Ring {
        inputs,
        at: 0,
        work,
    })
}

/// Publishes of as many clients as the ring is long, each with its key.
pub(super) fn publishes(sizes: &Sizes) -> Vec<(Bytes, Bytes)> {
    let mut fleet = Fleet::new(sizes.ring);
    for n in 0..sizes.ring {
        fleet.arrival(n);
    }
    let mut publish = || {
        let record = fleet.next_event();
        record.key.zip(record.value).expect("a publish has both")
    };
    (0..sizes.ring).map(|_| publish()).collect()
}

/// Rows of as many clients.
pub(super) fn rows(sizes: &Sizes) -> Vec<ConnectionRow> {
    let row = crate::connection_row().expect("the sample is made of valid texts");
    let of = |n| ConnectionRow {
        client_id: crate::fleet::client(n),
        ..row.clone()
    };
    (0..sizes.ring).map(of).collect()
}

pub(super) fn bare(sizes: &Sizes) -> Box<dyn Unit> {
    let mut row = crate::connection_row().expect("the sample is made of valid texts");
    let payload = |(_, value): (Bytes, Bytes)| {
        let ingress = Ingress::decode(&value).expect("the fleet writes what we read");
        ingress.payload
    };
    let payloads = publishes(sizes).into_iter().map(payload).collect();
    ring(payloads, move |payload: &mut Vec<u8>| {
        black_box(bare::turn(black_box(payload), &mut row));
    })
}

pub(super) fn parse(sizes: &Sizes) -> Box<dyn Unit> {
    let prefixes = Prefixes::default();
    ring(publishes(sizes), move |(key, value)| {
        let client = ClientId::from_bytes(key).expect("a client id");
        let ingress = Ingress::decode(black_box(value)).expect("an ingress");
        let route = dialect::route(&ingress.mqtt_topic, &prefixes).expect("a topic");
        assert!(route.is_some_and(|route| route.client == client));
        black_box(dialect::parse(&ingress, &client).expect("an event"));
    })
}

pub(super) fn row_decode(sizes: &Sizes) -> Box<dyn Unit> {
    let rows = rows(sizes).iter().map(Record::encode).collect();
    ring(rows, |value: &mut Vec<u8>| {
        black_box(ConnectionRow::decode(black_box(value)).expect("a row"));
    })
}

pub(super) fn row_encode(sizes: &Sizes) -> Box<dyn Unit> {
    ring(rows(sizes), |row| {
        black_box(black_box(&*row).encode());
    })
}

pub(super) fn digest(sizes: &Sizes) -> Box<dyn Unit> {
    let mut digest = Digest::default();
    let encoded = |row: ConnectionRow| (row.client_id.clone(), row.encode());
    let rows = rows(sizes).into_iter().map(encoded).collect();
    ring(rows, move |(client, value): &mut (ClientId, Vec<u8>)| {
        let key = client.as_bytes();
        digest.remove(key, body(value));
        digest.insert(key, body(value));
        black_box(&digest);
    })
}
