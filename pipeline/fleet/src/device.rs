//! How one device behaves: inputs in, packets out. No socket, no clock, no task; `link` owns those.
//!
//! A device is away, opening, connected, leaving or gone. Timers are not scheduled: [`Device::due`]
//! says when the next [`Input::Time`] is wanted. Chance comes from the seed and the device's
//! number, so the same inputs at the same times give the same packets.
//!
//! Reading order: `words` (inputs and actions), this file (the states), `manners` (what devices say
//! in which dialect), `habits` (waits and bounds), `in_flight` (PUBACKs).

mod habits;
mod in_flight;
mod manners;
mod words;

pub(crate) use habits::Habits;
pub(crate) use words::{Action, Input, Note, Trouble};

use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, Publish, SubAck};
use rumqttc::mqttbytes::v4::{PubAck, SubscribeReasonCode};

use crate::dice::Dice;
use crate::plan::Identity;
use crate::speech::Stamp;
use crate::time::Micros;
use habits::{
    ANSWERED_WITHIN, BACKOFF_LEAST, BACKOFF_MOST, IN_FLIGHT_MAX, KEEP_ALIVE, LEAVES_WITHIN,
    MESSAGES_IN_FLIGHT_MAX, OPENS_WITHIN, PING_AFTER,
};
use in_flight::{InFlight, What};

/// Purpose of the draws in [`Identity::dice`].
const BEHAVIOUR: u64 = 2;

/// One device.
#[derive(Debug)]
pub(crate) struct Device {
    who: Identity,
    habits: Arc<Habits>,
    dice: Dice,
    phase: Phase,
    /// Stamp of yggd's running process: its will's, at every connect.
    process: Option<Stamp>,
    /// Whether an online of this process was acknowledged.
    has_said_online: bool,
    session: Session,
    /// Connects so far that the broker accepted.
    connects: u32,
    /// Connects in a row that failed.
    failures: u32,
    /// Messages so far: no two have one id.
    stamps: u64,
    is_stopping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Not connected; connects at `until`, `None` = never.
    Away { until: Option<Micros> },
    /// Connecting; over when the CONNACK takes too long. Before the connection stands, `None`: that
    /// may have to wait for others, and is bounded by whoever opens it.
    Opening { give_up: Option<Micros> },
    /// Let in.
    Connected,
    /// Has said good-bye in publish `pkid`; goes when that is acknowledged.
    Leaving {
        pkid: u16,
        give_up: Micros,
        back: Back,
    },
    /// The fleet has ended for this one.
    Gone,
}

/// What comes after a good-bye.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Back {
    At(Micros),
    Never,
    FleetEnds,
}

/// What lives as long as one connection.
#[derive(Debug, Default)]
struct Session {
    in_flight: InFlight,
    is_connected: bool,
    is_online: bool,
    /// Of devices that keep one.
    epoch: Option<i64>,
    message_at: Option<Micros>,
    flap_at: Option<Micros>,
    /// yggd's workers have registered: the second online.
    workers_at: Option<Micros>,
    ping_at: Option<Micros>,
    pong_by: Option<Micros>,
}

impl Device {
    /// A device that connects at `first`.
    pub(crate) fn new(who: Identity, habits: Arc<Habits>, first: Micros) -> Self {
        Self {
            dice: who.dice(BEHAVIOUR),
            who,
            habits,
            phase: Phase::Away { until: Some(first) },
            process: None,
            has_said_online: false,
            session: Session::default(),
            connects: 0,
            failures: 0,
            stamps: 0,
            is_stopping: false,
        }
    }

    /// Takes one input; what is to be done is added to `actions`.
    pub(crate) fn step(&mut self, now: Micros, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Time => self.look(now, actions),
            Input::Opened => self.introduce(now, actions),
            Input::Heard(packet) => self.hear(now, packet, actions),
            Input::Lost(trouble) => self.lose(now, trouble, actions),
            Input::Stop => self.stop(now, actions),
        }
    }

    /// When it wants the next [`Input::Time`]; `None` = something else has to come first.
    pub(crate) fn due(&self) -> Option<Micros> {
        match self.phase {
            Phase::Away { until } => until,
            Phase::Opening { give_up } => give_up,
            Phase::Leaving { give_up, .. } => Some(give_up),
            Phase::Connected => {
                let session = &self.session;
                let message_at = session.message_at.filter(|_| self.may_speak());
                let timers = [
                    message_at,
                    session.flap_at,
                    session.workers_at,
                    session.ping_at,
                    session.pong_by,
                    session
                        .in_flight
                        .oldest()
                        .map(|at| at.plus(ANSWERED_WITHIN)),
                ];
                timers.into_iter().flatten().min()
            }
            Phase::Gone => None,
        }
    }

    /// Whether it is being let in: such connects are bounded over the fleet.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.phase, Phase::Opening { .. })
    }

    /// Whether nothing will ever come of it again.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    fn look(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        match self.phase {
            Phase::Away { .. } => {
                self.phase = Phase::Opening { give_up: None };
                actions.push(Action::Connect);
            }
            Phase::Opening { .. } => self.give_up(now, OPENS_WITHIN, actions),
            Phase::Leaving { back, .. } => {
                self.end(actions);
                self.after(back);
            }
            Phase::Connected => self.live(now, actions),
            Phase::Gone => {}
        }
    }

    /// Whatever is due while it is connected.
    fn live(&mut self, now: Micros, actions: &mut Vec<Action>) {
        let is_due = |at: Option<Micros>| at.is_some_and(|at| at <= now);
        let oldest = self.session.in_flight.oldest();
        let answer_by = oldest.map(|at| at.plus(ANSWERED_WITHIN));
        if is_due(answer_by) || is_due(self.session.pong_by) {
            return self.give_up(now, ANSWERED_WITHIN, actions);
        }
        if is_due(self.session.workers_at) {
            self.session.workers_at = None;
            self.say_online(now, true, actions);
        }
        while let Some(at) = self.session.message_at.filter(|at| *at <= now)
            && self.may_speak()
        {
            self.say_something(now, actions);
            // On from when it was due, so that a rate is kept; one that waited long starts anew.
            let from = if now.since(at) > Duration::from_secs(1) {
                now
            } else {
                at
            };
            self.session.message_at = self.next(self.habits.message_every, from);
        }
        if is_due(self.session.ping_at) {
            self.session.ping_at = Some(now.plus(PING_AFTER));
            self.session.pong_by = Some(now.plus(ANSWERED_WITHIN));
            actions.push(Action::Send(Packet::PingReq));
        }
        if is_due(self.session.flap_at) {
            actions.push(Action::Note(Note::Flap));
            self.flap(now, actions);
        }
    }

    /// CONNECT, with the will.
    fn introduce(&mut self, now: Micros, actions: &mut Vec<Action>) {
        let give_up = Some(now.plus(OPENS_WITHIN));
        self.phase = Phase::Opening { give_up };
        self.session.epoch = self.epoch(now);
        let mut connect = Connect::new(&self.who.client_id);
        connect.keep_alive = KEEP_ALIVE.as_secs() as u16;
        connect.last_will = Some(self.will(now));
        actions.push(Action::Send(Packet::Connect(connect)));
    }

    fn hear(&mut self, now: Micros, packet: Packet, actions: &mut Vec<Action>) {
        match packet {
            Packet::ConnAck(answer) => self.let_in(now, &answer, actions),
            Packet::PubAck(answer) => self.acknowledged(now, answer.pkid, actions),
            Packet::SubAck(answer) => subscribed(&answer, actions),
            Packet::Publish(publish) => self.addressed(now, &publish, actions),
            Packet::PingResp => self.session.pong_by = None,
            _ => {
                let trouble = Trouble::Malformed("none that a broker sends".to_owned());
                self.lose(now, trouble, actions);
            }
        }
    }

    fn let_in(&mut self, now: Micros, answer: &ConnAck, actions: &mut Vec<Action>) {
        if answer.code != ConnectReturnCode::Success {
            let trouble = Trouble::Refused(format!("{:?}", answer.code));
            return self.lose(now, trouble, actions);
        }
        let is_again = self.connects > 0;
        actions.push(Action::Note(Note::Connected { is_again }));
        self.phase = Phase::Connected;
        self.connects = self.connects.saturating_add(1);
        self.failures = 0;
        self.session.is_connected = true;
        self.session.message_at = self.next(self.habits.message_every, now);
        self.session.flap_at = self.next(self.habits.flap_every, now);
        self.session.ping_at = Some(now.plus(PING_AFTER));
        self.greet(now, actions);
        if self.is_stopping {
            self.stop(now, actions);
        }
    }

    fn acknowledged(&mut self, now: Micros, pkid: u16, actions: &mut Vec<Action>) {
        let Some((what, after)) = self.session.in_flight.take(pkid, now) else {
            return;
        };
        actions.push(Action::Note(Note::Acknowledged(after)));
        if what == What::Online {
            self.has_said_online = true;
            self.set_online(actions);
        }
        if let Phase::Leaving {
            pkid: last, back, ..
        } = self.phase
            && last == pkid
        {
            actions.push(Action::Send(Packet::Disconnect));
            self.end(actions);
            self.after(back);
        }
    }

    /// A message of the cloud.
    fn addressed(&mut self, now: Micros, publish: &Publish, actions: &mut Vec<Action>) {
        if publish.qos == QoS::AtLeastOnce {
            actions.push(Action::Send(Packet::PubAck(PubAck::new(publish.pkid))));
        }
        actions.push(Action::Note(Note::Heard));
        if self.phase == Phase::Connected {
            self.react(now, &publish.payload, actions);
        }
    }

    fn lose(&mut self, now: Micros, trouble: Trouble, actions: &mut Vec<Action>) {
        let was = self.phase;
        self.end(actions);
        match was {
            // It was about to go, and gone it is.
            Phase::Leaving { back, .. } => self.after(back),
            Phase::Away { .. } | Phase::Gone => {}
            Phase::Opening { .. } | Phase::Connected => {
                if self.is_stopping {
                    return self.phase = Phase::Gone;
                }
                actions.push(Action::Note(Note::Trouble(trouble)));
                self.back_off(now);
            }
        }
    }

    fn give_up(&mut self, now: Micros, waited: Duration, actions: &mut Vec<Action>) {
        self.lose(now, Trouble::Silent(waited), actions);
    }

    fn stop(&mut self, now: Micros, actions: &mut Vec<Action>) {
        self.is_stopping = true;
        match self.phase {
            Phase::Connected => self.leave(now, Back::FleetEnds, actions),
            Phase::Leaving { pkid, give_up, .. } => {
                let back = Back::FleetEnds;
                self.phase = Phase::Leaving {
                    pkid,
                    give_up,
                    back,
                };
            }
            Phase::Opening { .. } => {
                self.end(actions);
                self.phase = Phase::Gone;
            }
            Phase::Away { .. } | Phase::Gone => self.phase = Phase::Gone,
        }
    }

    /// Says good-bye in `publish`; the DISCONNECT follows its PUBACK.
    fn leave_with(&mut self, now: Micros, publish: Publish, back: Back, to: &mut Vec<Action>) {
        let pkid = self.publish(now, publish, What::Message, to);
        let give_up = now.plus(LEAVES_WITHIN);
        self.phase = Phase::Leaving {
            pkid,
            give_up,
            back,
        };
    }

    /// Ends the connection.
    fn end(&mut self, actions: &mut Vec<Action>) {
        let session = std::mem::take(&mut self.session);
        if session.is_online {
            actions.push(Action::Note(Note::Offline));
        }
        if session.is_connected {
            actions.push(Action::Note(Note::Disconnected));
        }
        actions.push(Action::HangUp);
    }

    fn after(&mut self, back: Back) {
        self.phase = match back {
            _ if self.is_stopping => Phase::Gone,
            Back::At(at) => Phase::Away { until: Some(at) },
            Back::Never => Phase::Away { until: None },
            Back::FleetEnds => Phase::Gone,
        };
    }

    /// Full jitter (AWS 2015), doubled at every failure in a row.
    fn back_off(&mut self, now: Micros) {
        let most = BACKOFF_LEAST * (1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        let wait = self.dice.between(Duration::ZERO, most.min(BACKOFF_MOST));
        let until = Some(now.plus(wait));
        self.phase = Phase::Away { until };
    }

    /// Sends a QoS 1 publish under a packet id of its own, which it returns.
    fn publish(
        &mut self,
        now: Micros,
        mut publish: Publish,
        what: What,
        actions: &mut Vec<Action>,
    ) -> u16 {
        publish.pkid = self.session.in_flight.add(now, what);
        let pkid = publish.pkid;
        actions.push(Action::Send(Packet::Publish(publish)));
        actions.push(Action::Note(Note::Published));
        self.session.ping_at = Some(now.plus(PING_AFTER));
        pkid
    }

    fn set_online(&mut self, actions: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.session.is_online, true) {
            actions.push(Action::Note(Note::Online));
        }
    }

    fn may_speak(&self) -> bool {
        self.session.in_flight.len() < MESSAGES_IN_FLIGHT_MAX
    }

    fn may_answer(&self) -> bool {
        self.session.in_flight.len() < IN_FLIGHT_MAX
    }

    fn next(&mut self, every: Option<Duration>, from: Micros) -> Option<Micros> {
        every.map(|mean| from.plus(self.dice.wait(mean)))
    }

    /// An id that this run has not used, also for the same seed: rollcall remembers ids.
    fn stamp(&mut self, now: Micros) -> Stamp {
        self.stamps += 1;
        let parts = [
            self.habits.run,
            self.who.seed,
            u64::from(self.who.index),
            self.stamps,
        ];
        Stamp {
            id: Dice::new(&parts).uuid(),
            sent: now,
        }
    }
}

fn subscribed(answer: &SubAck, actions: &mut Vec<Action>) {
    if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
        let trouble = Trouble::Refused("subscription".to_owned());
        actions.push(Action::Note(Note::Trouble(trouble)));
    }
}

#[cfg(test)]
mod tests;
