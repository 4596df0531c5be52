use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use slab::Slab;

use crate::incarnation::wake;

/// A list of the tasks that wait for a tree to reach some state. Each change of the tree wakes them, and they look again.
///
/// A task first listens, and then reads the tree under the locks of its supervisors. A supervisor changes its state under its
/// lock, and notifies after that. So a listener misses no change.
///
/// This is our own list, because those of other crates wake all tasks in one loop: a waker that panics leaves the tasks behind
/// it asleep. The lock is not held while a waker is woken, cloned or dropped.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<ChangeList>);

#[derive(Default)]
struct ChangeList {
    listeners: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Number of notifications so far.
    notified: u64,
    /// The tasks that wait and have not been woken yet.
    waiting: Slab<Option<Waker>>,
}

/// A future that resolves at the next change.
pub(crate) struct NextChange {
    list: Arc<ChangeList>,
    /// Number of notifications before this began to listen.
    notified: u64,
    /// Its place among the tasks that wait.
    key: Option<usize>,
}

impl Changes {
    pub(crate) fn listen(&self) -> NextChange {
        // Relaxed is enough: the listener reads the tree after this, under the locks of its supervisors, and they notify
        // after they release these locks.
        self.0.listeners.fetch_add(1, Relaxed);
        NextChange { notified: self.0.lock().notified, list: self.0.clone(), key: None }
    }

    /// Wakes all listeners. Without a listener this is one load.
    #[inline]
    pub(crate) fn notify(&self) {
        if self.0.listeners.load(Relaxed) > 0 {
            self.0.notify();
        }
    }
}

impl ChangeList {
    fn notify(&self) {
        let woken: Vec<Waker> = {
            let mut state = self.lock();
            state.notified += 1;
            state.waiting.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
        };
        woken.into_iter().for_each(wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for NextChange {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.list.lock();
        if state.notified != this.notified {
            return Poll::Ready(());
        }
        let before = match this.key.and_then(|key| state.waiting.get_mut(key)) {
            Some(place) => place.replace(waker),
            None => {
                this.key = Some(state.waiting.insert(Some(waker)));
                None
            }
        };
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for NextChange {
    fn drop(&mut self) {
        self.list.listeners.fetch_sub(1, Relaxed);
        if let Some(key) = self.key {
            let waker = self.list.lock().waiting.try_remove(key);
            drop(waker);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("listeners", &self.0.listeners).finish_non_exhaustive()
    }
}
