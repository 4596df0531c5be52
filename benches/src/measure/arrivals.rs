use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use atomic_waker::AtomicWaker;

/// A counter of children that have reached their own code.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    arrived: AtomicUsize,
    awaited: AtomicUsize,
    waiter: AtomicWaker,
}

impl Arrivals {
    /// Counts one more.
    pub fn arrive(&self) {
        if self.0.arrived.fetch_add(1, SeqCst) + 1 == self.0.awaited.load(SeqCst) {
            self.0.waiter.wake();
        }
    }

    /// Returns how many have arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.arrived.load(SeqCst)
    }

    /// Waits until this many have arrived in all. One task may wait.
    pub async fn reach(&self, total: usize) {
        self.0.awaited.store(total, SeqCst);
        poll_fn(|cx| {
            self.0.waiter.register(cx.waker());
            // A child that arrives after this sees the awaited number, and wakes this task.
            if self.0.arrived.load(SeqCst) >= total { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
