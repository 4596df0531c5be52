//! Removes keys that have expired. Without it they are invisible, but take memory.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use supervision::{ChildSpec, process, worker};

use crate::{server::Server, store::now};

/// How often it looks.
pub const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// How many keys are removed under one lock. Clients wait for as long as that takes.
const AT_ONCE: usize = 1000;

/// Returns the child that removes expired keys.
pub fn sweeper(server: &Arc<Server>) -> ChildSpec {
    let server = server.clone();
    let sweeper = worker("sweeper", move |shutdown| {
        let server = server.clone();
        async move {
            while shutdown.run_until(process::sleep(SWEEP_EVERY)).await.is_some() {
                while sweep(&server) {
                    futures_lite::future::yield_now().await;
                }
            }
        }
    });
    // Clients do not need it: keys that have expired are invisible without it.
    sweeper.with_readiness(false)
}

/// Removes some of the keys that have expired. Returns whether there may be more.
pub fn sweep(server: &Server) -> bool {
    let removed = server.store().sweep(now(), AT_ONCE);
    server.counters.expired.fetch_add(removed as u64, Relaxed);
    removed == AT_ONCE
}
