//! Start and shutdown: the broker lives on a runtime of its own, so that ending it ends all its
//! tasks.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use tokio::runtime::Runtime;
use tracing::{info, warn};

use crate::config::Options;
use crate::error::Error;
use crate::gate::{Gate, GateHandler, HOOKS};
use crate::held::Held;
use crate::limits;
use crate::publish::PublishHook;
use crate::retained::{Bounds, RetainAdapter, Retained, now};
use crate::send::Sender;
use crate::shared::RoundRobin;

/// Free ports tried when port 0 was asked for and somebody else took the one found.
const FREE_PORT_TRIES: usize = 16;

/// How long the broker's tasks have to end once nothing is in the hook any more.
const TASKS_END: Duration = Duration::from_secs(1);

/// A running broker. Several may run in one process. Dropping it ends it without a drain.
pub struct Broker {
    local_addr: SocketAddr,
    gate: Arc<Gate>,
    retained: Arc<Retained>,
    sender: Sender,
    drain: Duration,
    /// Present until the shutdown.
    runtime: Option<Runtime>,
    /// Accepts connections.
    server: tokio::task::JoinHandle<()>,
}

impl Broker {
    /// Opens the retained messages, listens, and hands every publish to `hook` from then on.
    ///
    /// Errors: [`Error::Listen`] when the address is taken; [`Error::Retained`] and
    /// [`Error::Format`] when the folder cannot be used. Nothing runs after an error.
    pub async fn start(options: Options, hook: Arc<dyn PublishHook>) -> Result<Broker, Error> {
        limits::check_open_files();
        if !options.listen.ip().is_loopback() {
            warn!(listen = %options.listen, "The broker lets in every client, from everywhere.");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("mqtt")
            .enable_all()
            .build()
            .map_err(|source| Error::Threads { source })?;
        // Dropping a runtime blocks, which an async caller must not: it is ended in the background.
        let runtime = Ending(Some(runtime));
        let listener = listen(&options, &runtime)?;
        let local_addr = listener.cfg.laddr;
        let retained = open_retained(&options).await?;
        let held = Held::new(options.queue_bytes_max);
        let (takeover_wait, will_retry) = (options.takeover_wait, options.will_retry);
        let gate = Gate::new(hook, takeover_wait, will_retry, held.clone());
        let gate = Arc::new(gate);
        let context = runtime.get().spawn(context(gate.clone(), retained.clone()));
        let context = context.await.map_err(|source| Error::Threads {
            source: io::Error::other(source),
        })?;
        let sender = Sender::new(context.clone(), held);
        let server = runtime.get().spawn(serve(listener, context));
        info!(%local_addr, retained = retained.count(), "MQTT broker started.");
        let runtime = runtime.keep();
        Ok(Broker {
            local_addr,
            gate,
            retained,
            sender,
            drain: options.drain,
            runtime,
            server,
        })
    }

    /// The way to the devices. After the shutdown everything sent fails, or finds nobody.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Where it listens; the real port when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Done when a retained message could not be kept, with [`Error::Retained`]: the store may take
    /// none any more, and publishers of retained messages get no PUBACK. [`Error::Closed`] after a
    /// shutdown.
    pub fn stopped(&self) -> impl Future<Output = Error> + Send + use<> {
        self.retained.stopped()
    }

    /// Stops accepting, refuses new publishes, waits for those in the hook ([`Options::drain`] at
    /// most), then closes every connection and the retained messages.
    ///
    /// No will is published: a broker that ends says nothing about the devices. A PUBACK that did
    /// not get out in time makes its client send the publish again.
    pub async fn shutdown(mut self) {
        self.server.abort();
        let left_in_hook = self.gate.close(self.drain).await;
        let runtime = self.runtime.take();
        let retained = self.retained.clone();
        let end = tokio::task::spawn_blocking(move || {
            if let Some(runtime) = runtime {
                end(runtime);
            }
            retained.close();
        });
        if end.await.is_err() {
            tracing::error!("The broker's threads did not end.");
        }
        info!(left_in_hook, "MQTT broker stopped.");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            self.server.abort();
            runtime.shutdown_background();
        }
        self.retained.close();
    }
}

/// A runtime that may be dropped in async code: it ends in the background then.
struct Ending(Option<Runtime>);

impl Ending {
    fn get(&self) -> &Runtime {
        self.0
            .as_ref()
            .expect("taken only by `keep`, which ends its owner")
    }

    fn keep(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends the tasks of `runtime`. rmqtt spawns a task when a session is dropped, hence the guard.
fn end(runtime: Runtime) {
    let handle = runtime.handle().clone();
    let _guard = handle.enter();
    runtime.shutdown_timeout(TASKS_END);
}

/// Opens the retained messages without blocking the caller's runtime.
async fn open_retained(options: &Options) -> Result<Arc<Retained>, Error> {
    let folder = options.data_dir.join("retained");
    let bounds = Bounds {
        count: options.retained_max,
        bytes: options.retained_bytes_max,
    };
    let open = tokio::task::spawn_blocking(move || Retained::open(&folder, bounds, now()));
    match open.await {
        Ok(opened) => opened.map(Arc::new),
        Err(source) => Err(Error::Threads {
            source: io::Error::other(source),
        }),
    }
}

/// Listens where `options` say. rmqtt does not tell the port it was given, so a free one is found
/// first.
fn listen(options: &Options, runtime: &Ending) -> Result<Listener, Error> {
    let _guard = runtime.get().enter();
    let mut tries_left = if options.listen.port() == 0 {
        FREE_PORT_TRIES
    } else {
        1
    };
    loop {
        tries_left -= 1;
        let addr = free_addr(options.listen).map_err(|source| Error::Listen {
            addr: options.listen,
            source,
        })?;
        match listener(options, addr).bind().and_then(Listener::tcp) {
            Ok(listener) => return Ok(listener),
            Err(_) if tries_left > 0 => {}
            Err(error) => {
                let source = error.downcast().unwrap_or_else(io::Error::other);
                return Err(Error::Listen { addr, source });
            }
        }
    }
}

/// `addr` with a free port for port 0.
fn free_addr(addr: SocketAddr) -> io::Result<SocketAddr> {
    if addr.port() == 0 {
        TcpListener::bind(addr)?.local_addr()
    } else {
        Ok(addr)
    }
}

/// rmqtt's settings for one listener.
fn listener(options: &Options, addr: SocketAddr) -> Builder {
    let inflight_max = NonZeroU16::new(options.inflight_max).unwrap_or(NonZeroU16::MIN);
    Builder::new()
        .name("rollcall")
        .laddr(addr)
        // A port whose last owner was killed can be listened on again at once.
        .reuseaddr(Some(true))
        .nodelay(true)
        .backlog(4_096)
        .allow_anonymous(true)
        .max_packet_size(options.packet_bytes())
        .max_inflight(inflight_max)
        .max_mqueue_len(options.queue_messages_max.max(1))
        .mqueue_rate_limit(NonZeroU32::MAX, Duration::from_secs(1))
        .session_expiry_interval(options.session_expiry)
        // 0: a message without an expiry of its own never expires (rmqtt's default is 5 min).
        .message_expiry_interval(Duration::ZERO)
        // 0: unacknowledged messages are sent again after a reconnect only (MQTT 5 section 4.4).
        .message_retry_interval(Duration::ZERO)
}

/// rmqtt with our parts in it.
async fn context(gate: Arc<Gate>, retained: Arc<Retained>) -> ServerContext {
    // The busy check refuses connections by the machine's load, which other processes raise as
    // well.
    let context = ServerContext::new().busy_check_enable(false).build().await;
    let node = context.node.id();
    *context.extends.retain_mut().await = Box::new(RetainAdapter { retained, node });
    *context.extends.shared_subscription_mut().await = Box::new(RoundRobin::default());
    let register = context.extends.hook_mgr().register();
    for hook in HOOKS {
        register
            .add(hook, Box::new(GateHandler(gate.clone())))
            .await;
    }
    register.start().await;
    context
}

/// Accepts connections until it is aborted.
async fn serve(listener: Listener, context: ServerContext) {
    let id = listener.cfg.laddr.port();
    let server = MqttServer::new(context)
        .listener_by_id(listener, id)
        .build();
    if let Err(error) = server.run().await {
        tracing::error!(%error, "The MQTT listener ended.");
    }
}

#[cfg(test)]
mod tests;
