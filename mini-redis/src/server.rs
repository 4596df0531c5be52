//! What all workers share.

use std::{
    fmt::Write,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    chaos::Chaos,
    log::{Inbox, Log},
    net::EXECUTOR,
    options::Options,
    store::Store,
};

/// The store, the log and the counters. It lives as long as the program, over all restarts of the workers.
#[derive(Debug)]
pub struct Server {
    /// What the command line says.
    pub options: Options,
    /// The log.
    pub log: Log,
    /// What has happened so far.
    pub counters: Counters,
    /// The connections that may be killed.
    pub chaos: Chaos,
    store: Mutex<Store>,
    since: Instant,
}

/// Numbers for `INFO`, and for the reporter.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were served or are being served.
    pub connections: AtomicU64,
    /// Connections over the bound, which were told so.
    pub refused: AtomicU64,
    /// Connections whose client has stalled.
    pub cut: AtomicU64,
    /// Commands.
    pub commands: AtomicU64,
    /// Keys that have expired and were removed.
    pub expired: AtomicU64,
    /// Processes that chaos has killed.
    pub killed: AtomicU64,
}

impl Counters {
    /// Returns the counters with the names that they have in Redis, if they have one there.
    fn named(&self) -> [(&'static str, &AtomicU64); 6] {
        let Self { connections, refused, cut, commands, expired, killed } = self;
        [
            ("total_connections_received", connections),
            ("rejected_connections", refused),
            ("stalled_connections", cut),
            ("total_commands_processed", commands),
            ("expired_keys", expired),
            ("killed_by_chaos", killed),
        ]
    }
}

impl Server {
    /// Creates a server whose store is empty, and the inbox of its log.
    pub fn new(options: Options) -> (Self, Inbox) {
        let (log, inbox) = Log::new(options.directory.join("appendonly.log"));
        let (counters, chaos, store) = Default::default();
        (Self { options, log, counters, chaos, store, since: Instant::now() }, inbox)
    }

    /// Locks the store.
    ///
    /// A process that panics with the lock leaves the store usable: each change of it is complete, or was not begun.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the log into the store. Blocks.
    pub fn load(&self) -> io::Result<()> {
        // A record can be longer than the command that has caused it, by an expiry.
        self.log.load(&mut self.store(), self.options.max_command + 1024)
    }

    /// Returns the text of `INFO`.
    pub fn info(&self, keys: usize) -> String {
        let mut text = String::from("# Server\r\n");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // A string takes everything.
            let _ = write!(text, "{name}:{value}\r\n");
        };
        line("executor", &EXECUTOR);
        line("process_id", &std::process::id());
        line("uptime_in_seconds", &self.since.elapsed().as_secs());
        line("keys", &keys);
        for (name, counter) in self.counters.named() {
            line(name, &counter.load(Relaxed));
        }
        text
    }

    /// Returns the numbers in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let mut text = format!("# TYPE mini_redis_keys gauge\nmini_redis_keys {}\n", self.store().len());
        for (name, counter) in self.counters.named() {
            let _ = write!(text, "# TYPE mini_redis_{name} counter\nmini_redis_{name} {}\n", counter.load(Relaxed));
        }
        text
    }
}
