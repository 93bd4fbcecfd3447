//! The broker by itself, for tests that kill it: accepts every publish, prints where it listens,
//! runs until it is killed.
//!
//! Use: `rollcall-broker-alone DATA_DIR`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use rollcall_broker::{BoxFuture, Broker, Options, Publish, PublishHook, Verdict};

/// Takes everything.
struct Accept;

impl PublishHook for Accept {
    fn publish(&self, _publish: Publish) -> BoxFuture<'_, Verdict> {
        Box::pin(std::future::ready(Verdict::Accepted))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(data_dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("use: rollcall-broker-alone DATA_DIR");
        return ExitCode::from(2);
    };
    let listen = ([127, 0, 0, 1], 0).into();
    match Broker::start(Options::new(listen, data_dir), Arc::new(Accept)).await {
        Ok(broker) => {
            println!("{}", broker.local_addr());
            std::future::pending().await
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
