//! The loop: connects (`open`), and connects again, for as long as nobody says stop.

mod open;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::backoff::{Backoff, draw};
use crate::codec;
use crate::connection::{Broken, Connection};
use crate::error::Error;
use crate::handle::{Delivery, Inbound, PublishError, Published, Publisher, Request};
use crate::metrics;
use crate::options::{IN_FLIGHT_BYTES_MAX, Options};
use crate::outbox::{CLOSED_ALONE_MAX, Next, Outbox};
use crate::packet::{Incoming, Outgoing, Publish};
use crate::reason::{self, Verdict};
use crate::session::{Ack, Fate, Limits, Session, Ticket};
use crate::turn::Turn;

/// Messages that may wait for the driver.
const REQUESTS_MAX: usize = 256;
/// Answers taken at once.
const ANSWERS_MAX: usize = 1024;
/// Pause between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);
/// A connection that lasted this long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How long a SUBACK may take.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(30);
/// How long unsettled publishes are waited for at the end.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// What a publish takes in memory beside its texts, about; bytes.
const PUBLISH_OVERHEAD_BYTES: usize = 128;

/// Whether the broker is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is another process's turn with the client id: see [`Options::may_connect`].
    Waiting,
    /// Not, or not yet.
    Connecting {
        /// Why the last connection, or the last attempt at one, ended; empty before the first.
        why: String,
    },
    /// It is, and has granted every filter.
    Connected,
}

/// Keeps the session alive; everything that needs time happens in [`Driver::run`].
pub struct Driver {
    options: Options,
    url: String,
    turn: Turn,
    session: Session,
    outbox: Outbox<tokio::sync::oneshot::Sender<Result<Published, PublishError>>>,
    backoff: Backoff,
    /// See [`Delivery::session`].
    sessions: u64,
    /// Whether there has been a connection.
    has_connected: bool,
    /// Why there is none, as it was logged.
    told: String,
    /// Whether there has been one with everything granted; see [`Error`].
    has_worked: bool,
    /// Packet id of the SUBSCRIBE without an answer, and when it was sent.
    subscribing: Option<(u16, Instant)>,
    packet_bytes_max: usize,
    deliveries: mpsc::UnboundedSender<Delivery>,
    answers_to: mpsc::UnboundedSender<(Ticket, Fate)>,
    answers: mpsc::UnboundedReceiver<(Ticket, Fate)>,
    requests: mpsc::Receiver<Request>,
    status: watch::Sender<Status>,
}

/// A session with the broker that `options` names. Nothing happens before [`Driver::run`]. A
/// session without filters acknowledges whatever comes, and hands nothing out.
pub fn client(options: Options) -> (Driver, Inbound, Publisher) {
    metrics::begin(options.name);
    // Unbounded, but never longer than the window.
    let (deliveries, inbound) = mpsc::unbounded_channel();
    let (answers_to, answers) = mpsc::unbounded_channel();
    let (publisher, requests) = mpsc::channel(REQUESTS_MAX);
    let limits = Limits {
        publishes: usize::from(options.receive_maximum.max(1)),
        bytes: IN_FLIGHT_BYTES_MAX,
    };
    let driver = Driver {
        url: options.endpoint.to_string(),
        turn: Turn::new(options.may_connect.clone()),
        options,
        session: Session::new(limits),
        outbox: Outbox::default(),
        backoff: Backoff::default(),
        sessions: 0,
        has_connected: false,
        told: String::new(),
        has_worked: false,
        subscribing: None,
        packet_bytes_max: usize::MAX,
        deliveries,
        answers_to,
        answers,
        requests,
        status: watch::Sender::new(Status::Connecting { why: String::new() }),
    };
    (driver, Inbound(inbound), Publisher(publisher))
}

impl Driver {
    /// Whether the broker is there, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until `stop` says so: then no more is read, what has been read is waited for and
    /// acknowledged, and the connection is closed. The session stays at the broker.
    ///
    /// # Errors
    /// What only a person can mend; see [`Error`].
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        loop {
            let opened = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                opened = self.open_in_turn() => opened,
            };
            let ended = match opened {
                Ok(connection) => self.converse(connection, &mut stop).await,
                Err(broken) => Err(broken),
            };
            let why = match ended {
                Ok(()) if *stop.borrow() || stop.has_changed().is_err() => break,
                // Its turn is over.
                Ok(()) => {
                    metrics::ended(self.options.name);
                    continue;
                }
                Err(Broken::Fatal(error)) if !self.has_worked || error.is_taken_over() => {
                    metrics::ended(self.options.name);
                    return Err(error);
                }
                Err(broken) => self.lost(broken),
            };
            self.status.send_replace(Status::Connecting {
                why: format!("no session with the MQTT broker at {}: {why}", self.url),
            });
            if !self.turn.is_ours() {
                metrics::given_away(self.options.name, &why);
                continue;
            }
            let wait = self.backoff.failed(draw());
            metrics::lost(self.options.name);
            let lost = metrics::Lost {
                client: self.options.name,
                url: &self.url,
                why: &why,
                failures: self.backoff.failures(),
                wait,
            };
            lost.log(self.told != why);
            self.told = why;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = sleep(wait) => {}
            }
        }
        metrics::ended(self.options.name);
        Ok(())
    }

    /// Gives why a connection ended, and gives up the message that was to blame for it, if one was.
    fn lost(&mut self, broken: Broken) -> String {
        let (why, is_too_large) = match broken {
            Broken::Retry(why) => {
                self.outbox.disconnected();
                return why;
            }
            Broken::Fatal(error) => (error.to_string(), false),
            Broken::Closed { why, is_too_large } => (why, is_too_large),
        };
        if let Some(waiter) = self.outbox.closed(is_too_large) {
            let error = match is_too_large {
                true => PublishError::SaidTooLarge,
                false => PublishError::ClosedOn {
                    times: CLOSED_ALONE_MAX,
                },
            };
            metrics::given_up(self.options.name, &error);
            // Whoever published may have given up as well.
            let _ = waiter.send(Err(error));
        }
        why
    }

    /// The broker is there, and has granted everything.
    fn works(&mut self) {
        self.has_worked = true;
        self.status.send_replace(Status::Connected);
    }

    /// Takes out what is not to be sent on a new connection: what this broker does not take, and
    /// what is waited for no longer, which its publisher may have published once more.
    fn sift(&mut self) {
        let (version, max) = (self.options.version, self.packet_bytes_max);
        let out = self.outbox.take_out(|message, answer| {
            answer.is_closed() || codec::publish_bytes(version, message) > max
        });
        for (message, answer) in out {
            let bytes = codec::publish_bytes(version, &message);
            let error = PublishError::TooLarge { bytes, max };
            if !answer.is_closed() {
                metrics::given_up(self.options.name, &error);
            }
            let _ = answer.send(Err(error));
        }
    }

    /// Everything on one connection. `Ok`: it was asked to stop.
    async fn converse(
        &mut self,
        mut connection: Connection,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Broken> {
        let began = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answers = Vec::with_capacity(ANSWERS_MAX);
        let mut is_open = true;
        let mut end: Option<Instant> = None;
        let mut is_over = false;
        loop {
            let is_ours = self.turn.look();
            if end.is_none() && is_ours {
                self.take_packets(&mut connection)?;
            }
            self.fill(&mut connection);
            if self.session.is_stuck() {
                // What has been released still goes out.
                connection.close().await;
                return Err(Broken::Retry("a publish could not be stored".to_owned()));
            }
            let is_settled = self.session.waiting() == 0;
            if is_over || end.is_some_and(|end| is_settled || Instant::now() >= end) {
                connection.close().await;
                return Ok(());
            }
            let reads = self.session.has_room() && end.is_none() && is_ours;
            tokio::select! {
                moved = connection.transfer(reads) => moved?,
                _ = self.answers.recv_many(&mut answers, ANSWERS_MAX) => {
                    self.settle(answers.drain(..), &mut connection);
                }
                request = self.requests.recv(), if is_open && self.outbox.has_room() => {
                    is_open = request.is_some();
                    self.requested(request);
                }
                _ = tick.tick() => {
                    connection.watch(reads)?;
                    self.look(began)?;
                }
                _ = stop.wait_for(|stop| *stop), if end.is_none() => {
                    end = Some(Instant::now() + SETTLE_WITHIN);
                }
                now_over = self.turn.is_over(), if end.is_none() => is_over = now_over,
                () = sleep_until(end.unwrap_or(began)), if end.is_some() => {}
            }
        }
    }

    /// What is to be done every second.
    fn look(&mut self, began: Instant) -> Result<(), Broken> {
        metrics::in_flight(self.options.name, self.session.waiting());
        if began.elapsed() >= GOOD_AFTER {
            self.backoff.reset();
        }
        let is_late = |(_, since): (u16, Instant)| since.elapsed() > SUBSCRIBE_WITHIN;
        if self.subscribing.is_some_and(is_late) {
            return Err(Broken::Retry("no answer to SUBSCRIBE in time".to_owned()));
        }
        Ok(())
    }

    /// Takes packets for as long as there is room for what they may bring.
    fn take_packets(&mut self, connection: &mut Connection) -> Result<(), Broken> {
        while self.session.has_room() {
            match connection.next()? {
                None => return Ok(()),
                Some(Incoming::Publish { id, publish }) => self.deliver(id, publish),
                Some(Incoming::PubRel { id }) => connection.write(Outgoing::PubComp(id)),
                Some(Incoming::PubAck { id, reason }) => {
                    self.backoff.reset();
                    if let Some(waiter) = self.outbox.answered(id) {
                        // Whoever published may have given up.
                        let _ = waiter.send(Ok(Published { reason }));
                    }
                }
                Some(Incoming::SubAck { id, codes }) => self.subscribed(id, &codes)?,
                Some(Incoming::Pong) => {}
                Some(Incoming::Disconnect { reason }) => return Err(self.dismissed(reason)),
                Some(Incoming::ConnAck(_)) => {
                    return Err(Broken::Retry("the broker sent a second CONNACK".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self, id: u16, publish: Publish) {
        let properties = publish.user_properties.iter();
        let bytes = PUBLISH_OVERHEAD_BYTES
            + publish.topic.len()
            + publish.payload.len()
            + properties
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
        let ticket = self.session.received(publish.qos, id, bytes);
        let delivery = Delivery::new(publish, self.sessions, ticket, self.answers_to.clone());
        if self.options.filters.is_empty() {
            delivery.acknowledge();
        } else {
            // With nobody there, the delivery is dropped, which refuses it.
            let _ = self.deliveries.send(delivery);
        }
    }

    /// Hands answers to the session and sends what it releases.
    fn settle(
        &mut self,
        answers: impl Iterator<Item = (Ticket, Fate)>,
        connection: &mut Connection,
    ) {
        for (ticket, fate) in answers {
            if !self.session.settle(ticket, fate) {
                metrics::stale(self.options.name);
            }
        }
        while let Some(ack) = self.session.release() {
            self.backoff.reset();
            connection.write(match ack {
                Ack::PubAck(id) => Outgoing::PubAck(id),
                Ack::PubRec(id) => Outgoing::PubRec(id),
            });
        }
    }

    /// A message that somebody wants to publish.
    fn requested(&mut self, request: Option<Request>) {
        let Some(Request { message, answer }) = request else {
            return;
        };
        let bytes = codec::publish_bytes(self.options.version, &message);
        let max = self.packet_bytes_max;
        if bytes > max {
            let error = PublishError::TooLarge { bytes, max };
            metrics::given_up(self.options.name, &error);
            let _ = answer.send(Err(error));
        } else if !answer.is_closed() {
            self.outbox.take(message, answer);
        }
    }

    /// Adds messages to what goes out, for as long as there is room.
    fn fill(&mut self, connection: &mut Connection) {
        while connection.has_room() {
            let Some(Next { id, message, dup }) = self.outbox.next() else {
                return;
            };
            connection.write(Outgoing::Publish { id, message, dup });
        }
    }

    /// Judges the broker's answer to SUBSCRIBE.
    fn subscribed(&mut self, id: u16, codes: &[u8]) -> Result<(), Broken> {
        if self.subscribing.is_none_or(|(asked, _)| asked != id) {
            return Ok(());
        }
        self.subscribing = None;
        for (index, filter) in self.options.filters.iter().enumerate() {
            let code = codes.get(index).copied().unwrap_or(0x80);
            if !(1..=2).contains(&code) {
                return Err(Broken::Fatal(Error::NotGranted {
                    url: self.url.clone(),
                    filter: filter.clone(),
                    code,
                }));
            }
        }
        self.works();
        Ok(())
    }

    /// The broker said DISCONNECT.
    fn dismissed(&mut self, code: u8) -> Broken {
        if self.turn.is_taken_over(code) {
            return Broken::Retry("another process has taken the session over".to_owned());
        }
        match reason::disconnect(code) {
            Verdict::Retry(meaning) if reason::may_be_of_a_publish(code) => Broken::Closed {
                why: format!("{meaning} (code {code:#04x})"),
                is_too_large: code == reason::TOO_LARGE,
            },
            Verdict::Retry(meaning) => Broken::Retry(format!("{meaning} (code {code:#04x})")),
            Verdict::Fatal(meaning, remedy) => Broken::Fatal(Error::Dismissed {
                url: self.url.clone(),
                code,
                meaning,
                remedy,
            }),
        }
    }
}
