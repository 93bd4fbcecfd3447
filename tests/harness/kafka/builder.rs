//! How a broker is set up: its properties, its listeners, its log folder.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::{Classes, Kafka};
use crate::gate::Gate;
use crate::{certificates, jvm, ports};

/// What Kafka calls a uuid in base64: 16 bytes of any kind.
const CLUSTER: &str = "cm9sbGNhbGwtdGVzdHMtMQ";
/// Where Kafka's classes are written down.
const ARCHIVE: &str = "kafka.jsa";
/// Who may come in through the secured listener.
const USER: (&str, &str) = ("rollcall", "the-password");

/// One node of its own: factors of 1, few partitions of internal topics, no wait for more members
/// of a group. All else is Kafka's default.
const PROPERTIES: &str = "process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
";

/// A broker to be.
#[derive(Default)]
pub struct Builder {
    properties: Vec<(String, String)>,
    java_options: Option<Vec<String>>,
    is_secured: bool,
    is_gated: bool,
}

/// A listener with TLS, whose certificate is for 127.0.0.1, and SCRAM-SHA-512.
pub struct Secured {
    /// Where it listens.
    pub address: SocketAddr,
    /// What a client of librdkafka sets, `bootstrap.servers` included.
    pub properties: Vec<(&'static str, String)>,
}

impl Builder {
    /// Sets or replaces a broker property.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Options of its virtual machine, instead of those for a short life; for measurements.
    #[must_use]
    pub fn java_options(mut self, options: &[&str]) -> Self {
        self.java_options = Some(options.iter().map(|&option| option.to_owned()).collect());
        self
    }

    /// With a listener for TLS and SCRAM-SHA-512 beside the plain one: [`Kafka::secured`].
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.is_secured = true;
        self
    }

    /// With a listener behind a gate beside the plain one: [`Kafka::gate`].
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.is_gated = true;
        self
    }

    /// Formats the log folder, starts the broker and waits until it answers.
    pub fn start(self) -> anyhow::Result<Kafka> {
        let fetched = jvm::fetched()?;
        archive_classes(&fetched)?;
        self.start_from(&fetched)
    }

    fn start_from(self, fetched: &Path) -> anyhow::Result<Kafka> {
        let path = fs::read_to_string(fetched.join("classpath"))?;
        let classes = Classes {
            path: path.trim().to_owned(),
            archive: fetched.join(ARCHIVE),
        };
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir()?;
        let (plain, controller) = (ports::free()?, ports::free()?);
        let mut listeners = vec![
            Listener::new("PLAIN", "PLAINTEXT", plain),
            Listener::new("CONTROLLER", "PLAINTEXT", controller),
        ];
        let mut lines = PROPERTIES.to_owned();
        lines.push_str(&format!("controller.quorum.voters=1@{controller}\n"));
        lines.push_str(&format!("log.dirs={}/data\n", folder.path().display()));
        let mut secured = None;
        if self.is_secured {
            let listener = Secured::make(folder.path())?;
            listeners.push(Listener::new("SECURED", "SASL_SSL", listener.address));
            lines.push_str(&listener.broker_lines(folder.path()));
            secured = Some(listener);
        }
        let mut gate = None;
        if self.is_gated {
            let mut listener = Listener::new("GATED", "PLAINTEXT", ports::free()?);
            let made = Gate::framed(listener.address)?;
            listener.advertised = made.address;
            listeners.push(listener);
            gate = Some(made);
        }
        lines.push_str(&listener_lines(&listeners));
        for (name, value) in &self.properties {
            // The last line of a name counts.
            lines.push_str(&format!("{name}={value}\n"));
        }
        let file = folder
            .path()
            .join("server.properties")
            .display()
            .to_string();
        fs::write(&file, lines)?;
        format_folder(&classes, &file, self.is_secured)?;
        let options = self.java_options.unwrap_or_else(|| classes.options());
        let command = classes.args(options, "kafka.Kafka", &[&file]);
        let mut kafka = Kafka {
            plain,
            secured,
            gate,
            command,
            classes,
            running: None,
            folder,
        };
        kafka.restart()?;
        Ok(kafka)
    }
}

impl Secured {
    fn make(folder: &Path) -> anyhow::Result<Self> {
        certificates::authority(folder, "authority")?;
        certificates::signed(folder, "authority", "broker")?;
        // Kafka wants key and certificate in one file.
        let part = |name: &str| fs::read_to_string(folder.join(name));
        let both = part("broker.key")? + &part("broker.pem")?;
        fs::write(folder.join("broker-both.pem"), both)?;
        let address = ports::free()?;
        let authority = folder.join("authority.pem").display().to_string();
        let properties = vec![
            ("bootstrap.servers", address.to_string()),
            ("security.protocol", "SASL_SSL".to_owned()),
            ("ssl.ca.location", authority),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("sasl.username", USER.0.to_owned()),
            ("sasl.password", USER.1.to_owned()),
        ];
        Ok(Self {
            address,
            properties,
        })
    }

    fn broker_lines(&self, folder: &Path) -> String {
        let prefix = "listener.name.secured";
        format!(
            "{prefix}.ssl.keystore.type=PEM\n\
             {prefix}.ssl.keystore.location={}/broker-both.pem\n\
             {prefix}.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             {prefix}.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
            folder.display()
        )
    }

    /// The same for a client in Java, as a properties file.
    pub fn java_properties(&self) -> anyhow::Result<String> {
        let value = |name| {
            let found = self.properties.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value).context("a property")
        };
        Ok(format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"{}\" password=\"{}\";\n",
            value("ssl.ca.location")?,
            value("sasl.username")?,
            value("sasl.password")?
        ))
    }
}

/// A name, the protocol behind it, and where it is.
struct Listener {
    name: &'static str,
    protocol: &'static str,
    address: SocketAddr,
    /// Where the broker tells clients to go.
    advertised: SocketAddr,
}

impl Listener {
    fn new(name: &'static str, protocol: &'static str, address: SocketAddr) -> Self {
        Self {
            name,
            protocol,
            address,
            advertised: address,
        }
    }
}

fn listener_lines(listeners: &[Listener]) -> String {
    let join = |of: fn(&Listener) -> String| {
        let parts: Vec<String> = listeners.iter().map(of).collect();
        parts.join(",")
    };
    format!(
        "listeners={}\nadvertised.listeners={}\nlistener.security.protocol.map={}\n",
        join(|listener| format!("{}://{}", listener.name, listener.address)),
        join(|listener| format!("{}://{}", listener.name, listener.advertised)),
        join(|listener| format!("{}:{}", listener.name, listener.protocol))
    )
}

fn format_folder(classes: &Classes, file: &str, with_user: bool) -> anyhow::Result<()> {
    let user = format!("SCRAM-SHA-512=[name={},password={}]", USER.0, USER.1);
    let mut args = vec!["format", "--cluster-id", CLUSTER, "--config", file];
    if with_user {
        args.extend(["--add-scram", &user]);
    }
    let formatted = classes.run("kafka.tools.StorageTool", &args, "");
    formatted.context("format Kafka's log folder")?;
    Ok(())
}

/// Lets a broker that nobody uses write its classes down when it ends, unless one has: that takes
/// seconds, and happens again after `tests/kafka/fetch` has fetched anew.
fn archive_classes(fetched: &Path) -> anyhow::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let archive = fetched.join(ARCHIVE);
    if archive.is_file() {
        return Ok(());
    }
    // Another process may do the same.
    let fresh = fetched.join(format!("{ARCHIVE}.{}", std::process::id()));
    let at_exit = format!("-XX:ArchiveClassesAtExit={}", fresh.display());
    let options = [&jvm::SHORT_LIVED[..], &[&at_exit]].concat();
    let builder = Builder::default().java_options(&options);
    builder.start_from(fetched)?.stop()?;
    fs::rename(&fresh, &archive).context("find the classes that a broker wrote down at its end")
}
