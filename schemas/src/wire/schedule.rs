//! The schedule record and the policy inside it.

use std::borrow::Cow;

use rollcall_model as model;
use rollcall_model::{Millis, batch};
use serde::{Deserialize, Serialize};

use super::names::{Dialect, Topic};
use super::parts::Fixed;
use super::{Bad, Wire, borrow, narrow, own};

/// Value of `schedule`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Batch<'a> {
    number: i64,
    now: i64,
    timers_at: i64,
    policy_hash: Fixed<8>,
    #[serde(borrow, default)]
    policy: Option<Policy<'a>>,
    fold_revision: i64,
    #[serde(default)]
    inputs: Vec<InputRange>,
    #[serde(default)]
    tables: Vec<TableDigest>,
    derived_digest: Fixed<16>,
    #[serde(default)]
    refused_for_schema: i64,
    #[serde(default)]
    refused_inputs: Vec<InputRange>,
}

impl<'a> Wire<'a> for Batch<'a> {
    type Model = batch::Batch;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            number: model.number.cast_signed(),
            now: model.now.0,
            timers_at: model.timers_at.0,
            policy_hash: Fixed(model.policy_hash.to_be_bytes()),
            policy: borrow(&model.policy),
            fold_revision: i64::from(model.fold_revision),
            inputs: model.inputs.iter().map(InputRange::from_model).collect(),
            tables: model.tables.iter().map(TableDigest::from_model).collect(),
            derived_digest: Fixed(model.derived_digest.to_be_bytes()),
            refused_for_schema: i64::from(model.refused_for_schema),
            refused_inputs: model
                .refused_inputs
                .iter()
                .map(InputRange::from_model)
                .collect(),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(batch::Batch {
            number: self.number.cast_unsigned(),
            now: Millis(self.now),
            timers_at: Millis(self.timers_at),
            policy_hash: u64::from_be_bytes(self.policy_hash.0),
            policy: own(self.policy)?,
            fold_revision: narrow(self.fold_revision, "fold_revision")?,
            inputs: self
                .inputs
                .into_iter()
                .map(InputRange::into_model)
                .collect::<Result<_, _>>()?,
            tables: self
                .tables
                .into_iter()
                .map(TableDigest::into_model)
                .collect::<Result<_, _>>()?,
            derived_digest: u128::from_be_bytes(self.derived_digest.0),
            refused_for_schema: narrow(self.refused_for_schema, "refused_for_schema")?,
            refused_inputs: self
                .refused_inputs
                .into_iter()
                .map(InputRange::into_model)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// What was read of one topic.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct InputRange {
    topic: Topic,
    from: i64,
    to: i64,
}

impl Wire<'_> for InputRange {
    type Model = batch::InputRange;

    fn from_model(model: &Self::Model) -> Self {
        Self {
            topic: model.topic.into(),
            from: model.from.cast_signed(),
            to: model.to.cast_signed(),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(batch::InputRange {
            topic: self.topic.model("inputs")?,
            from: self.from.cast_unsigned(),
            to: self.to.cast_unsigned(),
        })
    }
}

/// A table after the batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct TableDigest {
    topic: Topic,
    records: i64,
    digest: Fixed<16>,
}

impl Wire<'_> for TableDigest {
    type Model = batch::TableDigest;

    fn from_model(model: &Self::Model) -> Self {
        Self {
            topic: model.topic.into(),
            records: i64::from(model.records),
            digest: Fixed(model.digest.to_be_bytes()),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(batch::TableDigest {
            topic: self.topic.model("tables")?,
            records: narrow(self.records, "tables")?,
            digest: u128::from_be_bytes(self.digest.0),
        })
    }
}

/// Wire type and conversions of the policy. Its numbers are longs of the same names, given in two
/// lists because they stand on both sides of `inactivity_dialects`, and order is the order on the
/// wire.
macro_rules! policy {
    ($($before:ident),* $(,)?; $($after:ident),* $(,)?) => {
        /// The rules' numbers.
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) struct Policy<'a> {
            $($before: i64,)*
            #[serde(default)]
            inactivity_dialects: Vec<Dialect>,
            $($after: i64,)*
            #[serde(borrow, default = "redhat")]
            rhc_prefix: Cow<'a, str>,
            #[serde(borrow, default = "redhat")]
            draft_prefix: Cow<'a, str>,
            #[serde(default)]
            probe_after_ms: i64,
            #[serde(default)]
            no_subscriber_max: i64,
        }

        impl<'a> Wire<'a> for Policy<'a> {
            type Model = model::Policy;

            fn from_model(model: &'a Self::Model) -> Self {
                let dialects = model.inactivity_dialects.iter();
                Self {
                    $($before: i64::from(model.$before),)*
                    inactivity_dialects: dialects.map(|dialect| (*dialect).into()).collect(),
                    $($after: i64::from(model.$after),)*
                    rhc_prefix: Cow::Borrowed(&model.rhc_prefix),
                    draft_prefix: Cow::Borrowed(&model.draft_prefix),
                    probe_after_ms: model.probe_after_ms,
                    no_subscriber_max: i64::from(model.no_subscriber_max),
                }
            }

            fn into_model(self) -> Result<Self::Model, Bad> {
                let dialects = self.inactivity_dialects.into_iter();
                Ok(model::Policy {
                    $($before: narrow(self.$before, stringify!($before))?,)*
                    inactivity_dialects: dialects
                        .map(|dialect| dialect.model("inactivity_dialects"))
                        .collect::<Result<_, _>>()?,
                    $($after: narrow(self.$after, stringify!($after))?,)*
                    rhc_prefix: self.rhc_prefix.into_owned(),
                    draft_prefix: self.draft_prefix.into_owned(),
                    probe_after_ms: self.probe_after_ms,
                    no_subscriber_max: narrow(self.no_subscriber_max, "no_subscriber_max")?,
                })
            }
        }
    };
}

/// The schema's default prefix.
fn redhat() -> Cow<'static, str> {
    Cow::Borrowed("redhat")
}

policy! {
    row_retention_ms,
    lookup_timeout_ms,
    lookup_backoff_ms_min,
    lookup_backoff_ms_max,
    retry_after_ms,
    max_failures,
    tenant_confirmed_for_ms,
    refresh_after_ms,
    inventory_stale_after_ms,
    ;
    inactive_after_ms,
    disconnect_after_ms,
    unverified_after_ms,
    delivery_deadline_ms,
    delivery_attempts_max,
    delivery_backoff_ms_min,
    delivery_backoff_ms_max,
    answer_window_ms,
    activity_step_ms,
    future_sent_ms,
    replayed_after_ms,
    reorder_within_ms,
    timers_per_batch_max,
    batch_records_max,
    batch_wait_ms,
    batch_bytes_max,
}
