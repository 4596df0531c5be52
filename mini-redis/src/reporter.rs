//! Logs a line of numbers, again and again.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use supervision::{ChildSpec, process, worker};

use crate::server::{Counters, Server};

/// Returns the child that logs what the server does.
pub fn reporter(server: &Arc<Server>) -> ChildSpec {
    let server = server.clone();
    let reporter = worker("reporter", move |shutdown| {
        let server = server.clone();
        async move {
            while shutdown.run_until(process::sleep(server.options.report)).await.is_some() {
                report(&server);
            }
        }
    });
    // Clients do not need it.
    reporter.with_readiness(false)
}

/// Logs one line.
pub fn report(server: &Server) {
    let Counters { connections, refused, cut, commands, expired, killed } = &server.counters;
    tracing::info!(
        keys = server.store().len(),
        connections = connections.load(Relaxed),
        refused = refused.load(Relaxed),
        stalled = cut.load(Relaxed),
        commands = commands.load(Relaxed),
        expired = expired.load(Relaxed),
        killed = killed.load(Relaxed),
        "so far"
    );
}
