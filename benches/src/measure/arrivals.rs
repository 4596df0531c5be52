use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use atomic_waker::AtomicWaker;

/// Counts children that have got as far as their own code.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    arrived: AtomicUsize,
    awaited: AtomicUsize,
    waiter: AtomicWaker,
}

impl Arrivals {
    /// One more.
    pub fn arrive(&self) {
        if self.0.arrived.fetch_add(1, SeqCst) + 1 == self.0.awaited.load(SeqCst) {
            self.0.waiter.wake();
        }
    }

    /// How many have arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.arrived.load(SeqCst)
    }

    /// Waits until so many have arrived in all. One task may wait.
    pub async fn reach(&self, total: usize) {
        self.0.awaited.store(total, SeqCst);
        poll_fn(|cx| {
            self.0.waiter.register(cx.waker());
            // Whoever arrives after this sees what is awaited, and wakes.
            if self.0.arrived.load(SeqCst) >= total { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
