//! The bridge as an MQTT client: many publishes on their way to the log, each acknowledged once the
//! log has it.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};
use rollcall_log::{Clock, Log};
use rollcall_mqtt::{Delivery, Inbound};

use crate::config::Options;
use crate::facts::{Outcome, PublishFacts};
use crate::write::IngressWriter;

/// Deliveries taken at once.
const DELIVERIES_MAX: usize = 256;

/// Writes what `inbound` brings until its session has ended. Records of one client stand in the log
/// in the order of receipt. How many are on their way at once is the session's bound.
///
/// A publish that the log does not take is refused: the session brings it again, with all that came
/// behind it, so a record may be in the log twice, its second with the DUP flag.
pub async fn run(mut inbound: Inbound, log: Arc<dyn Log>, clock: Arc<dyn Clock>, options: Options) {
    // Of the session that brought the last delivery. Not before there is one: another process may
    // have had the session until then, and generations rise.
    let mut writer: Option<(u64, Arc<IngressWriter>)> = None;
    let first_writer = || IngressWriter::new(log.clone(), clock.clone(), options.clone());
    let mut arrived = Vec::with_capacity(DELIVERIES_MAX);
    let mut writing = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !writing.is_empty() {
        tokio::select! {
            count = inbound.recv_many(&mut arrived, DELIVERIES_MAX), if is_open => {
                is_open = count > 0;
                for mut delivery in arrived.drain(..) {
                    let session = delivery.session;
                    // A new generation, and so a new writer (`Options::broker_generation`).
                    let next = match &writer {
                        Some((known, _)) if *known == session => None,
                        Some((_, last)) => Some(last.next_session()),
                        None => Some(first_writer()),
                    };
                    if let Some(next) = next {
                        writer = Some((session, Arc::new(next)));
                    }
                    let Some((_, writer)) = writer.clone() else { continue };
                    let facts = facts(&mut delivery);
                    let mut write = Box::pin(async move {
                        (delivery, writer.write(facts).await)
                    });
                    // The first poll gives it its place in the order of receipt, and appends
                    // unless an earlier one of its client is on its way to another topic.
                    match futures::poll!(&mut write) {
                        std::task::Poll::Ready((delivery, outcome)) => answer(delivery, outcome),
                        std::task::Poll::Pending => writing.push(write),
                    }
                }
            }
            Some((delivery, outcome)) = writing.next(), if !writing.is_empty() => {
                answer(delivery, outcome);
            }
        }
    }
}

/// What the bridge's writer needs of a delivery, taken out of it.
fn facts(delivery: &mut Delivery) -> PublishFacts {
    let publish = std::mem::take(&mut delivery.publish);
    PublishFacts {
        unread_bytes: publish.payload_bytes - publish.payload.len(),
        topic: publish.topic,
        payload: publish.payload,
        qos: publish.qos,
        retain: publish.retain,
        dup: publish.dup,
        user_properties: publish.user_properties,
    }
}

fn answer(delivery: Delivery, outcome: Outcome) {
    match outcome {
        Outcome::Failed => delivery.refuse(),
        Outcome::Stored | Outcome::NotOurs | Outcome::DeadLettered => delivery.acknowledge(),
    }
}

#[cfg(test)]
mod tests;
