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

/// Tells those who wait for a tree to be in some state that it may be in it now.
///
/// Who waits listens first, and looks at the tree after that, under the locks of its supervisors. A supervisor changes its
/// state under that lock, and tells after it. So no change is missed.
///
/// A list of our own: those of crates wake all in one loop, where a waker that panics leaves the ones behind it asleep. The
/// lock is not held while a waker is woken, cloned or dropped.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<ChangeList>);

#[derive(Default)]
struct ChangeList {
    listeners: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often somebody was told.
    told: u64,
    /// Those who wait, and were not woken yet.
    waiting: Slab<Option<Waker>>,
}

/// Resolves at the next change.
pub(crate) struct NextChange {
    list: Arc<ChangeList>,
    /// How often somebody had been told before.
    told: u64,
    /// Its place among those who wait.
    key: Option<usize>,
}

impl Changes {
    pub(crate) fn listen(&self) -> NextChange {
        // Relaxed is enough: the listener reads the tree after this, under the locks of its supervisors, and they
        // tell after they held these.
        self.0.listeners.fetch_add(1, Relaxed);
        NextChange { told: self.0.lock().told, list: self.0.clone(), key: None }
    }

    /// Where nobody listens it is one load.
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
            state.told += 1;
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
        if state.told != this.told {
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
