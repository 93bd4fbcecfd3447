//! The log on Apache Kafka: the same [`rollcall_log::Log`], spread over brokers.
//!
//! `settings` says where and who; `topics` creates and checks the topics; `fetch` reads, `write`
//! appends, in transactions where an append has to be one; `member` says which partitions are ours;
//! `pulse` keeps clients alive; `reach` says whether the brokers answer, `complaints` what clients
//! say of them, `ending` when nobody waits for them any more; `registry` gives schemas their
//! numbers; `metrics` counts; `log` puts them together.

mod broker;
mod complaints;
mod ending;
mod fetch;
mod log;
mod member;
pub mod metrics;
mod names;
mod pulse;
mod reach;
pub mod registry;
mod settings;
pub mod topics;
mod write;

pub use log::KafkaLog;
pub use reach::Reach;
pub use settings::{Settings, SettingsError};
