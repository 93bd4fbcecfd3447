//! The whole fleet: starts its devices one after the other, tells how it goes, and ends them.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use crate::config::Options;
use crate::device::{Device, Habits};
use crate::error::Error;
use crate::limits::check_open_files;
use crate::link::{Link, Shared};
use crate::plan::Identity;
use crate::show::Show;
use crate::stats::{Stats, Summary};
use crate::time::Clock;

/// Devices between TCP and CONNACK at one time.
const OPENING_MAX: usize = 128;
/// Files that a fleet opens besides its connections, generously.
const OTHER_FILES: u64 = 64;
/// How long all devices together may take to say good-bye; the others are cut off.
const LEAVES_WITHIN: Duration = Duration::from_secs(8);

/// How a fleet ended.
#[derive(Debug)]
pub struct Ended {
    /// What it did.
    pub summary: Summary,
    /// Devices that were cut off because their good-bye took too long.
    pub cut_off: usize,
}

/// Runs a fleet until `stop` is ready or its lifetime is over, then sends every device home: those
/// of `draft` say offline and disconnect, those of `rhc` hang up and leave it to their wills, as
/// yggd does.
///
/// # Errors
/// [`Error::Option`], [`Error::OpenFiles`] and [`Error::Broker`] before anything is opened;
/// [`Error::NeverConnected`] at the end, when there was time and no device was let in.
pub async fn run(options: &Options, stop: impl Future<Output = ()>) -> Result<Ended, Error> {
    options.check()?;
    check_open_files(options.clients, OTHER_FILES)?;
    let shared = Arc::new(Shared {
        broker: find(&options.mqtt).await?,
        clock: Clock::start(),
        stats: Stats::default(),
        opening: Arc::new(Semaphore::new(OPENING_MAX)),
    });
    let began = Instant::now();
    let (stopping, stopped) = watch::channel(false);
    let mut links = start(options, &shared, &stopped);
    let mut show = Show::new(options.clients);
    watch_over(options, &shared, &mut show, &mut links, stop).await;
    let _ = stopping.send(true);
    let cut_off = go_home(&mut links).await;
    show.finish();
    let summary = shared.stats.summary(options.clients, began.elapsed());
    match &summary.last_error {
        Some(last) if summary.connects == 0 => Err(Error::NeverConnected {
            mqtt: options.mqtt.clone(),
            last: last.clone(),
        }),
        _ => Ok(Ended { summary, cut_off }),
    }
}

/// The broker's address, looked up once.
async fn find(mqtt: &str) -> Result<std::net::SocketAddr, Error> {
    let unknown = |source| Error::Broker {
        mqtt: mqtt.to_owned(),
        source,
    };
    let mut found = tokio::net::lookup_host(mqtt).await.map_err(unknown)?;
    found
        .next()
        .ok_or_else(|| unknown(std::io::Error::other("it has no address")))
}

fn start(options: &Options, shared: &Arc<Shared>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let now = shared.clock.now();
    let habits = Arc::new(Habits::new(options, now));
    let mut links = JoinSet::new();
    for index in 0..options.clients {
        let first = Duration::try_from_secs_f64(f64::from(index) / options.ramp);
        let first = now.plus(first.unwrap_or(Duration::MAX));
        let device = Device::new(Identity::of(options, index), habits.clone(), first);
        let link = Link::new(device, shared.clone(), stop.clone());
        links.spawn(link.run());
    }
    links
}

/// Tells how it goes until it is over.
async fn watch_over(
    options: &Options,
    shared: &Shared,
    show: &mut Show,
    links: &mut JoinSet<()>,
    stop: impl Future<Output = ()>,
) {
    let every = show.every();
    let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = async {
        match options.lifetime {
            Some(lifetime) => sleep(lifetime).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(stop, over);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = &mut over => return,
            // Devices end only when the fleet does: one that ended has panicked, and was told so.
            ended = links.join_next() => if ended.is_none() { return },
            _ = ticks.tick() => show.tell(&shared.stats),
        }
    }
}

/// Waits for the devices' good-byes; how many were cut off.
async fn go_home(links: &mut JoinSet<()>) -> usize {
    let all = async { while links.join_next().await.is_some() {} };
    match timeout(LEAVES_WITHIN, all).await {
        Ok(()) => 0,
        Err(_) => {
            let cut_off = links.len();
            links.shutdown().await;
            cut_off
        }
    }
}
