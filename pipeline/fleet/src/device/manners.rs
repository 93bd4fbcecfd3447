//! What devices do in which dialect: how they greet, what they say, how they go, how they answer.

use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Packet, Publish, Subscribe, SubscribeFilter};

use super::habits::{
    ANSWERS, CLEAN_FLAPS, CLEARED, CUT_FOR, ERRORS, OFF_FOR, REST, RESTARTS, WORKERS_AFTER,
};
use super::in_flight::What;
use super::{Action, Back, Device, Note};
use crate::plan::Kind;
use crate::speech::{self, Draft, Heard, Rhc};
use crate::time::Micros;

impl Device {
    /// The epoch of a session that begins `now`, from a device that keeps one.
    pub(super) fn epoch(&self, now: Micros) -> Option<i64> {
        let has_epoch = matches!(self.who.kind, Kind::Host { has_epoch: true });
        has_epoch.then_some(now.0 / 1_000)
    }

    /// What the broker is to say when the device is cut off. yggd's is as old as its process.
    pub(super) fn will(&mut self, now: Micros) -> LastWill {
        if !self.who.kind.is_rhc() {
            let stamp = self.stamp(now);
            return self.draft().will(stamp);
        }
        let stamp = match self.process {
            Some(process) => process,
            None => self.stamp(now),
        };
        self.process = Some(stamp);
        self.rhc().will(stamp)
    }

    /// The first words after the CONNACK.
    pub(super) fn greet(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if !self.who.kind.is_rhc() {
            self.subscribe(&[self.draft().listens()], actions);
            let stamp = self.stamp(now);
            let handshake = self.draft().handshake(stamp);
            self.publish(now, handshake, What::Online, actions);
            return;
        }
        let priming = self.rhc().priming();
        actions.push(Action::Send(Packet::Publish(priming)));
        self.subscribe(&self.rhc().listens(), actions);
        if !self.has_said_online {
            self.say_online(now, false, actions);
            let [least, most] = WORKERS_AFTER;
            let workers_at = now.plus(self.dice.between(least, most));
            self.session.workers_at = Some(workers_at);
        } else if self.who.kind == Kind::Yggd02 {
            self.say_online(now, true, actions);
        } else {
            // yggd 0.4 thinks that it has said so, and is reachable; its will has said otherwise.
            self.set_online(actions);
        }
    }

    /// A message of its own; now and then one that nobody can read.
    pub(super) fn say_something(&mut self, now: Micros, actions: &mut Vec<Action>) {
        let stamp = self.stamp(now);
        let is_poison = self.dice.chance(self.habits.poison);
        let mut dice = self.dice.clone();
        let publish = match (self.who.kind.is_rhc(), is_poison) {
            (false, false) => self.draft().message(stamp, &mut dice),
            (false, true) => self.draft().poison(stamp, &mut dice),
            (true, false) => self.rhc().data(stamp, &mut dice),
            (true, true) => self.rhc().poison(stamp, &mut dice),
        };
        self.dice = dice;
        self.publish(now, publish, What::Message, actions);
        if is_poison {
            actions.push(Action::Note(Note::Poison));
        }
    }

    /// Goes away by itself, to come back.
    pub(super) fn flap(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if self.who.kind.is_rhc() {
            let is_restart = self.dice.chance(RESTARTS);
            let away = if is_restart { OFF_FOR } else { CUT_FOR };
            if is_restart {
                self.process = None;
                self.has_said_online = false;
            }
            return self.cut(now, away, actions);
        }
        if !self.dice.chance(CLEAN_FLAPS) {
            return self.cut(now, CUT_FOR, actions);
        }
        let [least, most] = OFF_FOR;
        let back = Back::At(now.plus(self.dice.between(least, most)));
        if self.dice.chance(CLEARED) {
            let cleared = self.draft().cleared();
            self.leave_with(now, cleared, back, actions);
        } else {
            self.leave(now, back, actions);
        }
    }

    /// Goes as a device of its kind does when it is shut down: `draft` says offline, yggd hangs up
    /// and leaves it to its will.
    pub(super) fn leave(&mut self, now: Micros, back: Back, actions: &mut Vec<Action>) {
        if self.who.kind.is_rhc() {
            self.process = None;
            self.has_said_online = false;
            self.end(actions);
            self.after(back);
            return;
        }
        let stamp = self.stamp(now);
        let offline = self.draft().offline(stamp);
        self.leave_with(now, offline, back, actions);
    }

    /// Answers what it was sent.
    pub(super) fn react(&mut self, now: Micros, payload: &[u8], actions: &mut Vec<Action>) {
        let is_rhc = self.who.kind.is_rhc();
        let heard = match is_rhc {
            true => Rhc::hear(payload),
            false => Draft::hear(payload),
        };
        match heard {
            Heard::Message { id, directive } => self.answer(now, &id, &directive, actions),
            Heard::Ping { id } => {
                let stamp = self.stamp(now);
                let pong = self.rhc().pong(stamp, &id);
                self.say_answer(now, pong, actions);
            }
            Heard::Leave(when) => {
                let back = back(now, when);
                self.sent_away(now, back, actions);
            }
            Heard::Refused => self.sent_away(now, Back::At(now.plus(REST)), actions),
            Heard::Unknown => {}
        }
    }

    fn answer(&mut self, now: Micros, id: &str, directive: &str, actions: &mut Vec<Action>) {
        let mood = self.dice.share();
        let stamp = self.stamp(now);
        let publish = match self.who.kind.is_rhc() {
            true if mood < ANSWERS => self.rhc().answer(stamp, id, directive),
            false if mood < ANSWERS => self.draft().answer(stamp, id, directive),
            false if mood < ANSWERS + ERRORS => self.draft().error(stamp, id, directive),
            _ => return,
        };
        self.say_answer(now, publish, actions);
    }

    fn say_answer(&mut self, now: Micros, publish: Publish, actions: &mut Vec<Action>) {
        if self.may_answer() {
            self.publish(now, publish, What::Message, actions);
            actions.push(Action::Note(Note::Answered));
        }
    }

    /// Goes because the cloud says so: `draft` with an offline, yggd with a DISCONNECT and no word,
    /// so that its will is not published either.
    fn sent_away(&mut self, now: Micros, back: Back, actions: &mut Vec<Action>) {
        if !self.who.kind.is_rhc() {
            return self.leave(now, back, actions);
        }
        actions.push(Action::Send(Packet::Disconnect));
        self.end(actions);
        self.after(back);
    }

    /// Loses its connection without a DISCONNECT: the will is published.
    fn cut(&mut self, now: Micros, away: [Duration; 2], actions: &mut Vec<Action>) {
        let [least, most] = away;
        let back = Back::At(now.plus(self.dice.between(least, most)));
        self.end(actions);
        self.after(back);
    }

    /// yggd says that it is there, with its workers or before they have registered.
    pub(super) fn say_online(&mut self, now: Micros, has_workers: bool, actions: &mut Vec<Action>) {
        let stamp = self.stamp(now);
        let online = self.rhc().online(stamp, has_workers);
        self.publish(now, online, What::Online, actions);
    }

    fn subscribe(&mut self, topics: &[String], actions: &mut Vec<Action>) {
        let filter = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
        let mut subscribe = Subscribe::new_many(topics.iter().map(filter));
        subscribe.pkid = self.session.in_flight.free();
        actions.push(Action::Send(Packet::Subscribe(subscribe)));
    }

    fn draft(&self) -> Draft<'_> {
        Draft {
            who: &self.who,
            prefix: &self.habits.prefixes.draft,
            epoch: self.session.epoch,
        }
    }

    fn rhc(&self) -> Rhc<'_> {
        Rhc {
            who: &self.who,
            prefix: &self.habits.prefixes.rhc,
        }
    }
}

/// When a device that was sent away comes back.
fn back(now: Micros, when: speech::Back) -> Back {
    match when {
        speech::Back::Unsaid => Back::At(now.plus(REST)),
        speech::Back::AfterSeconds(delay_s) => Back::At(now.plus(Duration::from_secs(delay_s))),
        speech::Back::At(at) => Back::At(at.max(now)),
        speech::Back::Never => Back::Never,
    }
}
