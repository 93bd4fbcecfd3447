//! What users of a session hold: publishes with the right to acknowledge them, and a way to
//! publish.

use tokio::sync::{mpsc, oneshot};

use crate::packet::{Message, Publish};
use crate::session::{Fate, Ticket};

/// A publish that the broker has delivered. Dropped without an answer, it counts as refused.
#[derive(Debug)]
pub struct Delivery {
    /// What was published.
    pub publish: Publish,
    /// Counts the sessions at the broker that this process has seen begin, from 0 on: it rises when
    /// the broker has lost the session, and messages may be missing; and when another process may
    /// have had it meanwhile ([`crate::Options::may_connect`]).
    pub session: u64,
    /// Taken when it is answered.
    ticket: Option<Ticket>,
    answers: mpsc::UnboundedSender<(Ticket, Fate)>,
}

impl Delivery {
    pub(crate) fn new(
        publish: Publish,
        session: u64,
        ticket: Ticket,
        answers: mpsc::UnboundedSender<(Ticket, Fate)>,
    ) -> Self {
        Self {
            publish,
            session,
            ticket: Some(ticket),
            answers,
        }
    }

    /// It is taken: the broker may forget it, once it may forget all that came before.
    pub fn acknowledge(mut self) {
        self.answer(Fate::Taken);
    }

    /// It is not taken. The connection ends when everything before it has been acknowledged, and on
    /// the next one the broker sends it again, with all that came behind it. (QoS 0 is just lost.)
    pub fn refuse(mut self) {
        self.answer(Fate::Refused);
    }

    fn answer(&mut self, fate: Fate) {
        if let Some(ticket) = self.ticket.take() {
            // Nobody listens once the driver has ended, and with it the connection.
            let _ = self.answers.send((ticket, fate));
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.answer(Fate::Refused);
    }
}

/// Where deliveries come out, in the order of receipt.
#[derive(Debug)]
pub struct Inbound(pub(crate) mpsc::UnboundedReceiver<Delivery>);

impl Inbound {
    /// Waits for deliveries and puts at most `limit` of them into `into`. Gives how many; 0 when
    /// the driver has ended. Nothing is lost when the future is dropped.
    pub async fn recv_many(&mut self, into: &mut Vec<Delivery>, limit: usize) -> usize {
        self.0.recv_many(into, limit).await
    }
}

/// The broker's answer to a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// MQTT 5 reason code (section 3.4.2.1); always 0 in MQTT 3.1.1.
    pub reason: u8,
}

impl Published {
    /// Reason code of a publish that the broker took and that nobody has subscribed to. Not every
    /// broker says so.
    pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;

    /// Whether the broker took it, be there subscribers or not.
    pub fn is_taken(self) -> bool {
        self.reason < 0x80
    }
}

/// Why there is no answer to a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The session has ended; whether the broker has the message is not known.
    #[error("the MQTT session has ended")]
    Ended,
    /// The broker takes no packet of that size. Nothing was sent, or it was sent when the broker
    /// still took it.
    #[error("the broker takes packets of {max} bytes at most, this one has {bytes}")]
    TooLarge {
        /// Bytes of the packet.
        bytes: usize,
        /// The broker's bound.
        max: usize,
    },
    /// The broker said that the packet is too large, and closed the connection.
    #[error("the broker closed the connection: packet too large")]
    SaidTooLarge,
    /// The broker closes every connection on which this message is sent: it may be too large for
    /// it, or not allowed.
    #[error("the broker closed {times} connections in a row on this message alone")]
    ClosedOn {
        /// How many.
        times: u8,
    },
}

/// A message and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) message: Message,
    pub(crate) answer: oneshot::Sender<Result<Published, PublishError>>,
}

/// Publishes over the session; clones share it.
#[derive(Clone, Debug)]
pub struct Publisher(pub(crate) mpsc::Sender<Request>);

impl Publisher {
    /// Publishes with QoS 1 and waits for the broker's answer, for as long as that takes: while the
    /// connection is away the message waits, and one that was sent is sent again on the next
    /// connection. Dropped before it was sent, nothing is published; dropped later, the broker may
    /// have it.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&self, message: Message) -> Result<Published, PublishError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { message, answer };
        let ended = |_| PublishError::Ended;
        self.0
            .send(request)
            .await
            .map_err(|_| PublishError::Ended)?;
        answered.await.map_err(ended)?
    }
}
