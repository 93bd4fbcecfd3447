//! MQTT clients: Mosquitto's own, so that no code of ours is on both ends of a wire.
//!
//! `mosquitto_pub` with QoS 1 ends after the PUBACK, so a publish that returned is in the log.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use anyhow::Context;

use crate::lines::Lines;
use crate::wait::eventually;

/// What a publish is made with.
#[derive(Clone, Debug)]
pub struct Publish<'a> {
    /// MQTT topic.
    pub topic: &'a str,
    /// Payload, byte for byte; empty removes a retained message.
    pub payload: &'a [u8],
    /// MQTT RETAIN.
    pub retain: bool,
}

/// Publishes with QoS 1 and waits for the PUBACK. Errors: with what the client said.
pub fn publish(broker: SocketAddr, publish: &Publish<'_>) -> anyhow::Result<()> {
    let output = try_publish(broker, publish)?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "publish to {}: {said}",
        publish.topic
    );
    // Mosquitto's client prints some refusals and still ends with 0.
    anyhow::ensure!(
        said.trim().is_empty(),
        "publish to {}: {said}",
        publish.topic
    );
    Ok(())
}

/// Publishes with QoS 1, whatever becomes of it.
pub fn try_publish(broker: SocketAddr, publish: &Publish<'_>) -> anyhow::Result<Output> {
    let mut command = client("mosquitto_pub", broker);
    command.args(["-q", "1", "-t", publish.topic]);
    if publish.retain {
        command.arg("-r");
    }
    if publish.payload.is_empty() {
        command.arg("-n");
    } else {
        command.arg("-s");
    }
    let mut child = spawn(&mut command)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A client that was refused closes its end; what it says then is in its output.
        let _ = stdin.write_all(publish.payload);
    }
    child.wait_with_output().context("wait for mosquitto_pub")
}

/// The retained message of `topic`; `None` when there is none (the broker sends nothing for two
/// seconds).
pub fn retained(broker: SocketAddr, topic: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let mut command = client("mosquitto_sub", broker);
    command.args([
        "-q",
        "1",
        "-t",
        topic,
        "-C",
        "1",
        "-N",
        "-W",
        "2",
        "--retained-only",
    ]);
    let output = spawn(&mut command)?
        .wait_with_output()
        .context("wait for mosquitto_sub")?;
    Ok(output.status.success().then_some(output.stdout))
}

fn client(program: &str, broker: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.args([
        "-h",
        &broker.ip().to_string(),
        "-p",
        &broker.port().to_string(),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| {
        format!("start {program}; install it: apt-get install -y mosquitto-clients (`make setup`)")
    })
}

/// What the broker publishes when a device is gone without a word; retained, as the seed wants it.
#[derive(Clone, Debug)]
pub struct Will<'a> {
    /// MQTT topic.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a str,
}

/// A connected device that listens on its `out` topic until it is cut off.
pub struct Device {
    child: Child,
    said: Lines,
}

impl Device {
    /// Connects as MQTT client `id` with a will, and waits until its subscription brings it a
    /// retained message.
    pub fn connect(broker: SocketAddr, id: &str, will: &Will<'_>) -> anyhow::Result<Self> {
        let topic = format!("redhat/insights/out/{id}");
        let greeting = Publish {
            topic: &topic,
            payload: b"hello",
            retain: true,
        };
        publish(broker, &greeting)?;
        let mut command = client("mosquitto_sub", broker);
        command.args(["-i", id, "-q", "1", "-t", &topic]);
        command.args(["--will-topic", will.topic, "--will-payload", will.payload]);
        command.args(["--will-qos", "1", "--will-retain"]);
        let mut device = Self {
            child: spawn(&mut command)?,
            said: Lines::default(),
        };
        let (out, err) = (device.child.stdout.take(), device.child.stderr.take());
        device.said.collect(out.context("the client's output")?);
        device.said.collect(err.context("the client's errors")?);
        device.heard("hello")?;
        Ok(device)
    }

    /// The first line that it has been sent, or will be, and that holds `text`.
    pub fn heard(&self, text: &str) -> anyhow::Result<String> {
        eventually(&format!("a message with {text}"), || {
            let found = |line: &String| line.contains(text).then(|| line.clone());
            Ok(self.said.find(found))
        })
        .with_context(|| format!("mosquitto_sub said:\n{}", self.said.tail()))
    }

    /// Takes the device away without a DISCONNECT, as a power cut does.
    pub fn cut(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
