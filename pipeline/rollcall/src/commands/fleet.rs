//! `rollcall fleet`: simulated devices, against any broker.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Failure, Outcome};
use crate::cli::Fleet;
use crate::print;
use crate::signals;

/// Ten thousand devices that send 3,000 messages/s take a tenth of one core.
const WORKER_THREADS: usize = 2;

/// Runs until SIGINT, SIGTERM, SIGHUP or the end of its lifetime; a second signal ends it at once.
pub(crate) fn run(args: &Fleet) -> Outcome {
    let options = args.options();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let ended = runtime.block_on(async {
        let stop = stop(args.until_stdin_closes)?;
        rollcall_fleet::run(&options, stop)
            .await
            .map_err(|error| match error.is_wrong_use() {
                true => Failure::Usage(error.to_string()),
                false => Failure::Failed(error.into()),
            })
    })?;
    let mut text = ended.summary.to_string();
    if ended.cut_off > 0 {
        text.push_str(&format!(
            "  {} devices were cut off before their good-bye was acknowledged\n",
            ended.cut_off
        ));
    }
    Ok(print::out(&text)?)
}

/// Ready when the fleet is to end.
fn stop(until_stdin_closes: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut hangup = signals::hangup()?;
    let closed = until_stdin_closes.then(stdin_closed);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hangup.recv() => {}
            () = wait(closed) => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = hangup.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

/// Told when standard input ends, by a thread that may wait for ever: it ends with the process.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (closing, closed) = oneshot::channel();
    std::thread::spawn(move || {
        // A standard input that cannot be read has ended as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = closing.send(());
    });
    closed
}

async fn wait(closed: Option<oneshot::Receiver<()>>) {
    match closed {
        Some(closed) => drop(closed.await),
        None => std::future::pending().await,
    }
}
