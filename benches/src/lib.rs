//! Workloads, and the two that carry them out: supervision, and what one would write by hand.
#![forbid(unsafe_code)]

pub mod by_hand;
pub mod supervised;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Notify;

/// Counts children that have got as far as their own code, and tells when all have.
#[derive(Clone, Debug)]
pub struct Arrivals(Arc<Count>);

#[derive(Debug)]
struct Count {
    expected: usize,
    arrived: AtomicUsize,
    complete: Notify,
}

impl Arrivals {
    /// Expects this many.
    #[must_use]
    pub fn new(expected: usize) -> Self {
        Self(Arc::new(Count { expected, arrived: AtomicUsize::new(0), complete: Notify::new() }))
    }

    /// One more.
    pub fn arrive(&self) {
        if self.0.arrived.fetch_add(1, Relaxed) + 1 == self.0.expected {
            self.0.complete.notify_one();
        }
    }

    /// Waits until all have arrived.
    pub async fn wait(&self) {
        self.0.complete.notified().await;
    }
}
