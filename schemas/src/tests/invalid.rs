//! Bytes that decode, and still say what must not be said.

use rollcall_model::event::{AnswerSource, Receipt, TenantAnswer, TenantOutcome};
use rollcall_model::{ConnectionRow, Delivery, Ingress, Json, LookupDue, ReasonCode};

use super::{noise, values::Pick};
use crate::{DecodeError, Record};

/// `field` of `R` is refused in `bytes`.
fn check<R: Record + std::fmt::Debug>(bytes: &[u8], field: &str) {
    let error = R::decode(bytes).unwrap_err();
    let DecodeError::Invalid {
        subject,
        field: found,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*subject, *found), (R::SUBJECT, field));
    assert_eq!(error.reason(), ReasonCode::InvalidField);
}

/// `bytes` with the only occurrence of `from` replaced by `to` of the same length.
fn swap(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len())
        .filter(|&place| bytes[place..].starts_with(from))
        .collect();
    let [place] = places[..] else {
        panic!("{} places", places.len())
    };
    [&bytes[..place], to, &bytes[place + from.len()..]].concat()
}

fn found(org_id: &str) -> TenantAnswer {
    TenantAnswer {
        source: AnswerSource::Directory,
        outcome: TenantOutcome::Found {
            org_id: org_id.to_owned(),
            account: String::new(),
            identity: Json::new(r#"{"identity":0}"#).unwrap(),
        },
    }
}

#[test]
fn found_without_an_organisation_is_refused() {
    check::<TenantAnswer>(&found("").encode(), "org_id");
    TenantAnswer::decode(&found("1").encode()).unwrap();
}

#[test]
fn an_operator_that_answers_is_refused() {
    let said = |outcome| TenantAnswer {
        source: AnswerSource::Operator,
        outcome,
    };
    check::<TenantAnswer>(&said(TenantOutcome::Unknown).encode(), "outcome");
    let TenantAnswer { outcome, .. } = found("1");
    check::<TenantAnswer>(&said(outcome).encode(), "outcome");
    let cause = "alice".to_owned();
    TenantAnswer::decode(&said(TenantOutcome::Unavailable { cause }).encode()).unwrap();
}

#[test]
fn found_without_an_identity_is_refused() {
    let header = found("1").encode()[..10].to_vec();
    // directory, null, found, "1", "", null, ""
    check::<TenantAnswer>(
        &[&header[..], &[2, 0, 0, 2, b'1', 0, 0, 0]].concat(),
        "identity",
    );
}

#[test]
fn an_identity_that_is_no_json_is_refused() {
    let bytes = swap(
        &found("1").encode(),
        br#"{"identity":0}"#,
        br#"{"identity":x}"#,
    );
    check::<TenantAnswer>(&bytes, "identity");
}

#[test]
fn an_answer_of_the_resolver_names_its_lookup() {
    let header = found("1").encode()[..10].to_vec();
    // resolver, null, unknown, "", "", null, ""
    check::<TenantAnswer>(&[&header[..], &[0, 0, 2, 0, 0, 0, 0]].concat(), "lookup_id");
}

#[test]
fn names_that_this_build_does_not_know_are_refused() {
    let header = found("1").encode()[..10].to_vec();
    // `other` is the last symbol of each enum: source, then outcome.
    check::<TenantAnswer>(&[&header[..], &[6, 0, 2, 0, 0, 0, 0]].concat(), "source");
    check::<TenantAnswer>(&[&header[..], &[2, 0, 6, 0, 0, 0, 0]].concat(), "outcome");
}

#[test]
fn a_client_id_that_is_none_is_refused() {
    let mut due = Pick::new(&noise()).lookup_due();
    due.client_id = rollcall_model::ClientId::new("client-x").unwrap();
    check::<LookupDue>(&swap(&due.encode(), b"client-x", b"client/x"), "client_id");
    let mut row = Pick::new(&noise()).connection_row();
    row.client_id = due.client_id.clone();
    check::<ConnectionRow>(&swap(&row.encode(), b"client-x", b"client\0x"), "client_id");
    let mut delivery = Pick::new(&noise()).delivery();
    delivery.client_id = due.client_id;
    check::<Delivery>(
        &swap(&delivery.encode(), b"client-x", b"client+x"),
        "client_id",
    );
}

#[test]
fn an_id_that_is_no_uuid_is_refused() {
    let mut receipt = Pick::new(&noise()).receipt();
    receipt.delivery_id = rollcall_model::DeliveryId(uuid::Uuid::nil());
    let bytes = swap(&receipt.encode(), b"00000000-0000-", b"xxxxxxxx-0000-");
    check::<Receipt>(&bytes, "delivery_id");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let mut receipt = Pick::new(&noise()).receipt();
    receipt.broker_reason_code = 255;
    let mut bytes = receipt.encode();
    // The last field: 255 is FE 03 in Avro, 256 is 80 04, -1 is 01.
    let end = bytes.len() - 2;
    assert_eq!(bytes[end..], [0xfe, 0x03]);
    bytes[end..].copy_from_slice(&[0x80, 0x04]);
    check::<Receipt>(&bytes, "broker_reason_code");
    bytes.truncate(end);
    bytes.push(0x01);
    check::<Receipt>(&bytes, "broker_reason_code");
}

#[test]
fn a_qos_that_mqtt_does_not_have_is_refused() {
    let header = Pick::new(&noise()).ingress().encode()[..10].to_vec();
    let ingress = |qos: u8| [&header[..], &[0, 0, 0, 0, qos, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(Ingress::decode(&ingress(4)).unwrap().qos, 2);
    check::<Ingress>(&ingress(6), "qos");
    check::<Ingress>(&ingress(1), "qos");
}

#[test]
fn a_cause_is_a_record_or_a_timer() {
    let mut due = Pick::new(&[]).lookup_due();
    due.cause = rollcall_model::Cause::Timer {
        kind: rollcall_model::TimerKind::Refresh,
        due_at: rollcall_model::Millis(5),
    };
    let bytes = due.encode();
    // null record | timer: refresh, 5 | at = 0
    assert!(bytes.ends_with(&[0, 2, 6, 10, 0]));
    let neither = [&bytes[..bytes.len() - 4], &[0, 0]].concat();
    check::<LookupDue>(&neither, "cause");
}
