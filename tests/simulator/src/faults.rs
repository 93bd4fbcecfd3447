//! The faults by name, how likely each is in a run, and how often each happened.
//!
//! A run has some of them only ("swarm testing"): where everything fails at once, nothing gets far
//! enough to fail in an interesting way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

macro_rules! faults {
    ($($name:ident = $text:literal, $percent:literal, $about:literal;)*) => {
        /// Something that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = $about] $name,)*
        }

        impl Fault {
            /// Every fault, in the order of the declaration.
            pub const ALL: [Fault; [$($percent),*].len()] = [$(Fault::$name),*];

            /// The name in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }

            /// How often of a hundred chances, in a run that has it.
            fn percent(self) -> u32 {
                match self { $(Fault::$name => $percent,)* }
            }
        }
    };
}

faults! {
    CrashBeforeAppend = "crash-before-append", 3,
        "A processor dies after the fold, before its append.";
    CrashAnswerLost = "crash-answer-lost", 3, "Its append is durable, and it dies before it knows.";
    CrashBeforeTables = "crash-before-tables", 3, "It dies between append and tables.";
    CrashAfterTables = "crash-after-tables", 3, "It dies after a whole batch.";
    CrashInRestore = "crash-in-restore", 30, "It dies while its tables are restored.";
    CrashMachine = "crash-machine", 3,
        "Everything dies at once: bridge, log, processors, resolver.";
    UnackedKept = "unacked-append-kept", 50,
        "A crash finds an append durable that nobody was told of.";
    UnackedLost = "unacked-append-lost", 50,
        "A crash finds an append gone that nobody was told of.";
    TablesOlder = "tables-come-back-older", 100, "Tables come back as an earlier flush left them.";
    TablesLost = "tables-lost", 10, "The disk with the tables is lost.";
    SlowDisk = "slow-disk", 30, "Appends wait for the disk while the world goes on.";
    LogBusy = "log-busy", 2, "The log takes no append.";
    ShortRead = "short-read", 50, "A read gives less than it was asked for.";
    SlowRead = "slow-read", 20, "Time passes while inputs are read.";
    Compaction = "compaction", 4, "The changelogs are compacted.";
    Retention = "retention", 4, "Old records leave the log.";
    PubackLost = "puback-lost", 10,
        "A publish is stored, and the device is not told: it comes again.";
    PublishLost = "publish-lost", 8, "A publish never reaches the bridge.";
    DeliveryDelayed = "delivery-delayed", 40, "A publish waits in the network.";
    RecordReplayed = "record-replayed", 2, "Somebody appends an old input again.";
    AnswerLate = "answer-late", 25, "A look-up is answered after minutes.";
    AnswerTwice = "answer-twice", 20, "A look-up is answered twice.";
    AnswerLost = "answer-lost", 20, "A look-up is never answered.";
    AnswerUnavailable = "answer-unavailable", 30, "The look-up service is down.";
    AnswerAlien = "answer-of-another-lookup", 3, "An answer names a look-up that nobody asked.";
    Directory = "directory-answer", 3, "A directory assigns a tenant unasked.";
    TenantMoved = "tenant-moved", 8, "A client gets another owner, or none.";
    ReceiptLost = "receipt-lost", 20, "What became of a delivery is never told.";
    ReceiptTwice = "receipt-twice", 20, "It is told twice.";
    ReceiptLate = "receipt-late", 25, "It is told after a minute or more.";
    ProcessorStall = "processor-stall", 2, "A processor stands still for minutes to hours.";
    ResolverStall = "resolver-stall", 2, "The resolver stands still for minutes to hours.";
    DeviceClockBack = "device-clock-back", 8, "A device's clock is set back.";
    DeviceClockForward = "device-clock-forward", 3, "A device's clock is set forward.";
    SystemClockBack = "system-clock-back", 2, "The machine's clock is set back.";
    SystemClockForward = "system-clock-forward", 2, "The machine's clock is set forward.";
    PolicyChange = "policy-change", 60, "A processor comes back with another policy.";
    PoisonPayload = "poison-payload", 8, "A device sends what no dialect knows.";
    TooLarge = "payload-too-large", 1, "A device sends more than a record may hold.";
    NotOurs = "topic-of-somebody-else", 3, "A publish to a topic of no device.";
    BadClientId = "topic-without-client", 2, "A publish whose topic names no valid client.";
    PoisonRecord = "poison-record", 3, "A producer appends bytes that do not decode.";
    UnknownSchema = "unknown-schema", 2, "A producer appends a value of an unknown schema.";
    UnknownTopic = "unknown-topic", 2, "A record's MQTT topic belongs to no dialect.";
    MisplacedKey = "misplaced-key", 3, "A record lies where its key does not belong.";
    BrokerLost = "broker-lost", 4, "The broker that held a client is lost.";
    RetainedReread = "retained-reread", 8, "The bridge reads retained handshakes again.";
    WillDelayed = "will-delayed", 40, "A will comes long after its device went.";
    TinyBatches = "tiny-batches", 100, "A batch takes a handful of records or timers.";
}

/// What of a hundred runs have a given fault.
const PRESENT_PERCENT: u32 = 40;

/// Which faults a run has.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    percent: [u32; Fault::ALL.len()],
}

impl Swarm {
    /// Draws which faults a run has.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let percent = Fault::ALL.map(|fault| {
            if random.chance(PRESENT_PERCENT) {
                fault.percent()
            } else {
                0
            }
        });
        Self { percent }
    }

    /// A run in which nothing goes wrong.
    pub(crate) fn none() -> Self {
        Self {
            percent: [0; Fault::ALL.len()],
        }
    }

    /// Whether the run has `fault` at all.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.percent[fault as usize] > 0
    }

    /// Whether `fault` happens now.
    pub(crate) fn strikes(&self, fault: Fault, random: &mut Random) -> bool {
        random.chance(self.percent[fault as usize])
    }
}

/// How often each fault happened.
#[derive(Debug)]
pub struct Counts([AtomicU64; Fault::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counts {
    /// Counts one.
    pub fn add(&self, fault: Fault) {
        self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often `fault` happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize].load(Ordering::Relaxed)
    }
}
