//! The little that children, callers and the rows tell each other. Each costs a few instructions, the same for every subject.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use atomic_waker::AtomicWaker;

/// A counter of what was done, for one task that waits.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    done: AtomicUsize,
    awaited: AtomicUsize,
    waiter: AtomicWaker,
}

impl Tally {
    /// Counts one more.
    pub fn count(&self) {
        if self.0.done.fetch_add(1, SeqCst) + 1 == self.0.awaited.load(SeqCst) {
            self.0.waiter.wake();
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.done.load(SeqCst)
    }

    /// Waits until there are this many.
    pub async fn reach(&self, total: usize) {
        self.0.awaited.store(total, SeqCst);
        poll_fn(|cx| {
            self.0.waiter.register(cx.waker());
            if self.total() >= total { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The failures that one child owes.
#[derive(Clone, Debug, Default)]
pub struct Failures(Arc<Owed>);

#[derive(Debug, Default)]
struct Owed {
    left: AtomicUsize,
    child: AtomicWaker,
}

impl Failures {
    /// Has the child fail this many times more.
    pub fn order(&self, times: usize) {
        self.0.left.fetch_add(times, SeqCst);
        self.0.child.wake();
    }

    /// Waits until the child has to fail, or to stop. Returns whether it has to fail.
    pub async fn or(&self, stop: impl Future) -> bool {
        let mut stop = pin!(stop);
        poll_fn(|cx| {
            self.0.child.register(cx.waker());
            if self.0.left.load(SeqCst) > 0 {
                self.0.left.fetch_sub(1, SeqCst);
                return Poll::Ready(true);
            }
            Pin::new(&mut stop).poll(cx).map(|_| false)
        })
        .await
    }
}

/// A wake that two tasks hand to each other in turn.
#[derive(Clone, Debug, Default)]
pub struct Baton(Arc<Wake>);

#[derive(Debug, Default)]
struct Wake {
    is_here: AtomicBool,
    task: AtomicWaker,
}

impl Baton {
    /// Wakes the task that waits.
    pub fn pass(&self) {
        self.0.is_here.store(true, SeqCst);
        self.0.task.wake();
    }

    /// Waits until it is passed.
    pub async fn take(&self) {
        poll_fn(|cx| {
            self.0.task.register(cx.waker());
            if self.0.is_here.swap(false, SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
