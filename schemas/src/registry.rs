//! The schemas of this build: today's, one per subject, and every retired one that may still stand
//! in a log.
//!
//! To change a schema: copy the `.avsc` to `avsc/retired/<subject>.v<n>.avsc`, list it in
//! [`SUBJECTS`], edit today's, and run the tests with `UPDATE_GOLDEN=1`. `avsc/fingerprints.txt`
//! only ever grows: a test fails when a fingerprint that was ever written has no schema any more.

use std::sync::LazyLock;

use serde_avro_fast::Schema;

/// One schema as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaText {
    /// Whose values it describes.
    pub subject: &'static str,
    /// The `.avsc`.
    pub json: &'static str,
    /// Whether values are still written with it.
    pub is_current: bool,
}

/// Which record type a schema belongs to; the index of its entry in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Ingress,
    OutboundRequest,
    TenantAnswer,
    Receipt,
    ConnectionRow,
    Delivery,
    ConnectionEvent,
    LookupDue,
    OutboundDelivery,
    DeadLetter,
    Batch,
    Policy,
}

/// One subject's texts: name, today's schema, retired ones (newest first).
struct Texts {
    subject: Subject,
    name: &'static str,
    today: &'static str,
    retired: &'static [&'static str],
}

macro_rules! texts {
    ($subject:ident, $name:literal $(, $retired:literal)*) => {
        Texts {
            subject: Subject::$subject,
            name: $name,
            today: include_str!(concat!("../avsc/", $name, ".avsc")),
            retired: &[$(include_str!(concat!("../avsc/retired/", $retired, ".avsc"))),*],
        }
    };
}

/// Every subject, in the order of [`Subject`].
const SUBJECTS: [Texts; 12] = [
    texts!(Ingress, "ingress", "ingress.v0"),
    texts!(OutboundRequest, "outbound_request"),
    texts!(TenantAnswer, "tenant_answer", "tenant_answer.v0"),
    texts!(Receipt, "receipt"),
    texts!(
        ConnectionRow,
        "connection_row",
        "connection_row.v1",
        "connection_row.v0"
    ),
    texts!(Delivery, "delivery", "delivery.v0"),
    texts!(
        ConnectionEvent,
        "connection_event",
        "connection_event.v1",
        "connection_event.v0"
    ),
    texts!(LookupDue, "lookup_due", "lookup_due.v0"),
    texts!(
        OutboundDelivery,
        "outbound_delivery",
        "outbound_delivery.v0"
    ),
    texts!(DeadLetter, "dead_letter"),
    texts!(Batch, "batch", "batch.v1", "batch.v0"),
    texts!(Policy, "policy", "policy.v0"),
];

// `Subject as usize` indexes the table: the order of both must be the same.
const _: () = {
    let mut index = 0;
    while index < SUBJECTS.len() {
        assert!(SUBJECTS[index].subject as usize == index);
        index += 1;
    }
};

impl Subject {
    /// The name of its `.avsc`.
    pub(crate) const fn name(self) -> &'static str {
        SUBJECTS[self as usize].name
    }

    /// Today's `.avsc`.
    pub(crate) const fn text(self) -> &'static str {
        SUBJECTS[self as usize].today
    }

    /// Its parsed schemas.
    pub(crate) fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }
}

/// Every schema of this build, today's before the retired ones of each subject. For the registry,
/// for `rollcall schemas`, and for whoever reads the topics with other tools.
pub fn schemas() -> Vec<SchemaText> {
    SUBJECTS
        .iter()
        .flat_map(|texts| {
            let text = |json, is_current| SchemaText {
                subject: texts.name,
                json,
                is_current,
            };
            let retired = texts.retired.iter().map(move |json| text(json, false));
            std::iter::once(text(texts.today, true)).chain(retired)
        })
        .collect()
}

/// A parsed schema and the fingerprint that stands in headers.
pub(crate) struct Writer {
    /// CRC-64-AVRO of the parsing canonical form.
    pub(crate) fingerprint: u64,
    /// What the codec reads.
    pub(crate) schema: Schema,
}

/// The schemas of one subject.
pub(crate) struct Entry {
    /// What is written.
    pub(crate) today: Writer,
    /// What may still be read.
    pub(crate) retired: Vec<Writer>,
}

impl Entry {
    /// The schema with that fingerprint.
    pub(crate) fn writer(&self, fingerprint: u64) -> Option<&Writer> {
        if self.today.fingerprint == fingerprint {
            return Some(&self.today);
        }
        self.retired
            .iter()
            .find(|writer| writer.fingerprint == fingerprint)
    }
}

/// The subject of that name.
pub(crate) fn subject(name: &str) -> Option<Subject> {
    let found = SUBJECTS.iter().find(|texts| texts.name == name)?;
    Some(found.subject)
}

/// The name of the subject that a fingerprint belongs to.
pub(crate) fn subject_of(fingerprint: u64) -> Option<&'static str> {
    let found = TABLE
        .iter()
        .position(|entry| entry.writer(fingerprint).is_some())?;
    SUBJECTS.get(found).map(|texts| texts.name)
}

static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    SUBJECTS
        .iter()
        .map(|texts| Entry {
            today: parse(texts.today),
            retired: texts.retired.iter().map(|json| parse(json)).collect(),
        })
        .collect()
});

fn parse(json: &str) -> Writer {
    let schema: Schema = json
        .parse()
        .expect("embedded schemas parse: a test reads them all");
    let fingerprint = u64::from_le_bytes(*schema.rabin_fingerprint());
    Writer {
        fingerprint,
        schema,
    }
}
