//! What becomes of a transaction when brokers refuse a part of it (anchors, section 2.5). They are
//! librdkafka's own imitation, which refuses what it is told to; real ones do it in the suites.

use futures::channel::oneshot;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Request, RDKafkaRespErr as Code};
use rollcall_log::{Append, Position};
use rollcall_model::Topic;

use super::*;
use crate::broker::tests::cluster;
use crate::settings::OPEN;
use crate::write::Room;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Again,
    Lost,
    Refused,
    Dead,
    Unknown,
}

use Fate::{Again, Committed, Dead, Lost, Refused, Unknown};

/// An append of a row and a position.
fn job() -> Job {
    let record = NewRecord {
        topic: Topic::Connections,
        partition: Some(0),
        key: Some(bytes::Bytes::from_static(b"k")),
        value: Some(bytes::Bytes::from_static(b"v")),
        headers: Vec::new(),
    };
    let position = Position {
        group: "stage".to_owned(),
        topic: Topic::Status,
        partition: 0,
        next: 1,
    };
    Job {
        append: Append {
            records: vec![record],
            positions: vec![position],
        },
        partitions: vec![0],
        done: oneshot::channel().0,
        _room: Room::take(&Arc::default(), 2).unwrap(),
    }
}

fn open(broker: &Arc<Broker>, slot: u32) -> Result<Transactional, KafkaError> {
    let deadline = Instant::now() + OPEN;
    Transactional::open(broker.clone(), slot, Turn::One, deadline)
}

fn fate(producer: &mut Transactional) -> Fate {
    match producer.commit(&[job()]) {
        Ok(_) => Committed,
        Err((Failure::Again(_), _)) => Again,
        Err((Failure::Lost(_), _)) => Lost,
        Err((Failure::Refused(_), _)) => Refused,
        Err((Failure::Dead(_), _)) => Dead,
        Err((Failure::Unknown(_), _)) => Unknown,
    }
}

/// What becomes of a transaction whose first requests of a kind are refused with `codes`, and of
/// the next one, by the same producer as far as it goes on.
fn fates(
    cluster: &MockCluster<'_, DefaultProducerContext>,
    broker: &Arc<Broker>,
    slot: u32,
    request: Request,
    codes: &[Code],
) -> [Fate; 2] {
    let mut producer = open(broker, slot).unwrap();
    assert_eq!(fate(&mut producer), Committed);
    cluster.request_errors(request, codes);
    let found = fate(&mut producer);
    cluster.clear_request_errors(request);
    let mut producer = match found {
        Dead | Unknown => open(broker, slot).unwrap(),
        _ => producer,
    };
    // The writer tries again too.
    let mut next = (0..3).map(|_| fate(&mut producer));
    let next = next.find(|next| *next != Again);
    [found, next.unwrap_or(Again)]
}

const LOADING: Code = Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
const MOVED: Code = Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
const BUSY: Code = Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
const NOT_LEADER: Code = Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
const TOO_LARGE: Code = Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
const FORBIDDEN: Code = Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
const STALE: Code = Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
const STRANGER: Code = Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
const REPLACED: Code = Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
const OLD_EPOCH: Code = Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
const FENCED: Code = Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
const WRONG_STATE: Code = Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;

#[test]
fn each_refusal_has_its_consequence() {
    let (cluster, broker) = cluster();
    let broker = Arc::new(broker);
    let table: [(Request, &[Code], Fate); 20] = [
        (Request::AddPartitionsToTxn, &[BUSY, LOADING], Committed),
        (Request::AddPartitionsToTxn, &[FORBIDDEN], Refused),
        (Request::AddPartitionsToTxn, &[FENCED], Dead),
        (Request::Produce, &[NOT_LEADER], Committed),
        (Request::Produce, &[TOO_LARGE], Refused),
        (Request::Produce, &[OLD_EPOCH], Dead),
        (Request::AddOffsetsToTxn, &[MOVED, LOADING], Committed),
        (Request::AddOffsetsToTxn, &[OLD_EPOCH], Dead),
        // Brokers say the other one to requests of this age; were it said, the next would tell.
        (Request::AddOffsetsToTxn, &[FENCED], Again),
        (Request::TxnOffsetCommit, &[LOADING], Committed),
        (Request::TxnOffsetCommit, &[STALE], Lost),
        (Request::TxnOffsetCommit, &[STRANGER], Lost),
        (Request::TxnOffsetCommit, &[REPLACED], Lost),
        (Request::TxnOffsetCommit, &[OLD_EPOCH], Dead),
        (Request::TxnOffsetCommit, &[WRONG_STATE], Dead),
        (Request::EndTxn, &[MOVED, LOADING], Committed),
        (Request::EndTxn, &[BUSY], Committed),
        (Request::EndTxn, &[OLD_EPOCH], Unknown),
        (Request::EndTxn, &[FENCED], Unknown),
        (Request::EndTxn, &[WRONG_STATE], Unknown),
    ];
    let mut wrong = Vec::new();
    for (slot, (request, codes, expected)) in (0..).zip(table) {
        let found = fates(&cluster, &broker, slot, request, codes);
        if found != [expected, Committed] {
            wrong.push((request, codes, expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_id_is_asked_for_until_it_is_given_or_denied() {
    let (cluster, broker) = cluster();
    let broker = Arc::new(broker);
    cluster.request_errors(Request::InitProducerId, &[LOADING, MOVED, BUSY]);
    let mut producer = open(&broker, 0).unwrap();
    assert_eq!(fate(&mut producer), Committed);
    let denied = Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    cluster.request_errors(Request::InitProducerId, &[denied]);
    let began = Instant::now();
    assert!(open(&broker, 1).is_err());
    assert!(began.elapsed() < OPEN / 2, "it was asked for in vain");
}
