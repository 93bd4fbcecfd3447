//! What happens to a device, what it wants done, and what is counted.

use std::time::Duration;

use rumqttc::mqttbytes::v4::Packet;

/// What happens to a device.
#[derive(Debug)]
pub(crate) enum Input {
    /// [`super::Device::due`] is reached, or not: it looks.
    Time,
    /// The connection asked for by [`Action::Connect`] stands.
    Opened,
    /// The broker says something.
    Heard(Packet),
    /// The connection could not be opened, or is gone.
    Lost(Trouble),
    /// The fleet ends.
    Stop,
}

/// What a device wants done, in this order.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Open a TCP connection; [`Input::Opened`] or [`Input::Lost`] follows.
    Connect,
    /// Write a packet.
    Send(Packet),
    /// Close the connection, after what was sent before. Nothing follows.
    HangUp,
    /// Count this.
    Note(Note),
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    /// Let in by the broker; `is_again`: not for the first time.
    Connected { is_again: bool },
    /// No longer connected.
    Disconnected,
    /// Has said that it is online, or, as yggd 0.4, had said so before.
    Online,
    /// Is no longer online.
    Offline,
    /// A QoS 1 publish was sent.
    Published,
    /// Its PUBACK came after that time.
    Acknowledged(Duration),
    /// The publish was one that nobody can read.
    Poison,
    /// Goes away by itself, to come back.
    Flap,
    /// Was sent a message.
    Heard,
    /// Answered it.
    Answered,
    /// Something went wrong that no device wanted.
    Trouble(Trouble),
}

/// What goes wrong for a device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Trouble {
    /// No TCP connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The broker refused the connection or a subscription.
    #[error("refused by the broker: {0}")]
    Refused(String),
    /// The connection ended, and not by the device.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The broker did not answer in time.
    #[error("no answer from the broker in {} s", .0.as_secs())]
    Silent(Duration),
    /// Bytes that are no MQTT.
    #[error("unreadable MQTT packet: {0}")]
    Malformed(String),
}
