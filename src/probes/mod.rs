//! Answers to the probes of an orchestrator, over HTTP, from a child of the tree.
//!
//! A [`Probes`] is the child. It runs on a thread of its own (a local worker), which a blocked executor does not block.
//! `server` accepts connections and bounds them, `socket` and hyper speak HTTP on them, and `pages` answers. To add a page, add
//! it there.

pub(crate) mod answer;
mod client;
mod liveness;
#[cfg(not(feature = "observer"))]
mod no_observer;
mod pages;
mod reasons;
mod server;
mod socket;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use supervisor_core::{BoxError, ChildSpec, ProcessShutdown, local_worker, process};

pub(crate) use self::client::Client;
#[cfg(not(feature = "observer"))]
use self::no_observer::{Observer, Service};
use self::{pages::Pages, server::Server};
#[cfg(feature = "observer")]
use crate::observer::{Observer, Service};

/// Returns the numbers of the program, in the text format of Prometheus.
type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A small HTTP server that answers the probes of an orchestrator, as a child of the tree.
///
/// | path | 200 if | otherwise |
/// |---|---|---|
/// | `/livez` | the supervisor of this child reads its messages in time | 503, and for how long it has not |
/// | `/readyz` | [every child that counts](ChildSpec::with_readiness) is ready, and the tree does not stop | 503, and which child is not ready, with its state |
/// | `/startupz` | the first start of the tree is done | 503, and which child is not ready |
/// | `/tree` | always: the snapshot as JSON; `/tree?picture` is a picture for terminals | |
/// | `/metrics` | [`with_metrics`](Self::with_metrics) was called | 404 |
///
/// The first line of a body is the verdict, for a person. The answers are about the supervisor that the child belongs to, and
/// everything below it. So make this the first child of the root: it answers while the others start, and while they stop.
///
/// Each incarnation has a thread of its own, as a [`local_worker`] has, and its sockets depend on no other
/// executor. So it also answers while the supervisor's executor is blocked. When the process has ended, the port is free.
///
/// It only reads: every method except GET and HEAD is refused. It accepts [64 connections](Self::with_max_connections), a head of
/// a request has 8 KiB and 5 seconds, and a client has 10 seconds to take an answer.
///
/// ```
/// use supervision::{Probes, Supervisor, SupervisorError, worker};
///
/// # async fn serve() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(Probes::on(([0, 0, 0, 0], 8080))); // first, so that it stops last
/// root.add_worker(worker("listener", |shutdown| shutdown));
/// # let _ = root;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "probes are answered when this is a child of a supervisor: pass it to `add_worker`"]
pub struct Probes {
    address: SocketAddr,
    liveness_limit: Duration,
    max_connections: usize,
    metrics: Option<Render>,
    observer: Option<Observer>,
    /// Where it listens, from the first time on. P2: also in later incarnations, if the port was chosen by the system.
    bound: Arc<OnceLock<SocketAddr>>,
}

impl Probes {
    /// Listens on this port of the loopback address, which only programs on the same machine reach. With port 0 the system
    /// chooses one: see [`local_addr`](Self::local_addr).
    pub fn on_loopback(port: u16) -> Self {
        Self::on((Ipv4Addr::LOCALHOST, port))
    }

    /// Listens on this address. The kubelet reaches a pod by the pod's address, so listen on `([0, 0, 0, 0], port)` there.
    ///
    /// The answers show the names of processes and the texts of their errors. So choose an address, or a firewall, that no
    /// stranger reaches.
    pub fn on(address: impl Into<SocketAddr>) -> Self {
        Self {
            address: address.into(),
            liveness_limit: Duration::from_secs(1),
            max_connections: 64,
            metrics: None,
            observer: None,
            bound: Arc::default(),
        }
    }

    /// Sets how long the supervisor may leave its messages unread before `/livez` answers 503. By default 1 second. The timeout
    /// of the orchestrator's probe should be longer, because the answer takes as long.
    pub fn with_liveness_limit(self, limit: Duration) -> Self {
        Self { liveness_limit: limit, ..self }
    }

    /// Sets how many connections are served at once, at least one. By default 64. For one more, the oldest is closed for which no
    /// answer is being made or sent. If there is none, the new client gets 503 at once.
    pub fn with_max_connections(self, connections: usize) -> Self {
        Self { max_connections: connections.max(1), ..self }
    }

    /// Serves numbers on `/metrics`: `render` returns them in the text format of Prometheus. By default the page answers 404.
    ///
    /// `render` runs on the thread of the probes, so it should not block. With the crate `metrics-exporter-prometheus` it is
    /// `move || handle.render()`, as the page `probes` of the guide shows. A panic in it is an answer of 500.
    pub fn with_metrics(self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { metrics: Some(Arc::new(render)), ..self }
    }

    #[cfg(feature = "observer")]
    /// Shows the tree on a web page, at `/`: see [`Observer`](crate::observer::Observer). By default there is none.
    ///
    /// `/tree` is then as hard to read as the page, because it has the same data. The pages for orchestrators stay as they are.
    ///
    /// # Errors
    ///
    /// [`NeedsToken`](crate::observer::ObserverError::NeedsToken) if the address is not a loopback address and there is no token;
    /// and settings that are invalid by themselves.
    pub fn with_observer(self, observer: Observer) -> Result<Self, crate::observer::ObserverError> {
        let observer = observer.checked(self.address)?;
        Ok(Self { observer: Some(observer), ..self })
    }

    /// Returns the address on which it listens, also if the system has chosen the port. `None` before the first start. Keep a
    /// clone to ask; a restart does not change the address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.bound.get().copied()
    }

    async fn serve(self, shutdown: ProcessShutdown) -> Result<(), BoxError> {
        let supervisor = process::supervisor()?;
        // P2: the process before has closed the port by now. A port that is taken is a failed start, because this is not ready.
        let server = Server::bind(self.local_addr().unwrap_or(self.address), self.max_connections)?;
        let _ = self.bound.set(server.local_addr()?);
        process::ready();
        let pages = Pages::new(supervisor, self.liveness_limit, self.metrics, self.observer);
        shutdown.run_until(server.serve(pages)).await;
        Ok(())
    }
}

impl From<Probes> for ChildSpec {
    fn from(probes: Probes) -> Self {
        local_worker("probes", move |shutdown| probes.clone().serve(shutdown)).with_explicit_ready()
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes")
            .field("address", &self.address)
            .field("liveness_limit", &self.liveness_limit)
            .field("max_connections", &self.max_connections)
            .field("metrics", &self.metrics.is_some())
            .field("observer", &self.observer)
            .field("local_addr", &self.local_addr())
            .finish()
    }
}
