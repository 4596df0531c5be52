use std::{
    mem,
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

use slab::Slab;

use crate::incarnation::wake;

/// The wakers of an incarnation. Most have only that of the process itself, so this is two words.
#[derive(Debug)]
pub(super) enum Wakers {
    /// The waker of the process; a no-op waker while the process is not known yet, or is gone.
    Process(Waker),
    WithWaiters(Box<WithWaiters>),
}

const _: () = assert!(size_of::<Wakers>() == size_of::<Waker>());

/// The waker of the process, and waiters in other tasks.
#[derive(Debug)]
pub(super) struct WithWaiters {
    process: Waker,
    others: Waiters,
}

/// Waiters by the places that their keys name: there may be many, and each returns at each of its polls.
pub(super) type Waiters = Slab<Waiter>;

/// The capacity that is kept for later waiters; more than that is freed.
const KEPT: usize = 32;

#[derive(Debug)]
pub(super) struct Waiter {
    key: WaiterKey,
    pub(super) waker: Waker,
}

/// The key to a waiter's registration. A place has one waiter after the other, and the number is never reused: so a
/// late key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterKey {
    place: usize,
    number: u64,
}

impl WaiterKey {
    fn at(place: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed is enough, because the number only has to be a new one each time.
        Self { place, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Default for Wakers {
    fn default() -> Self {
        Self::Process(Waker::noop().clone())
    }
}

impl Wakers {
    pub(super) fn process(&self) -> &Waker {
        match self {
            Self::Process(process) => process,
            Self::WithWaiters(with_waiters) => &with_waiters.process,
        }
    }

    /// Replaces the waker of the process, and returns the one before.
    pub(super) fn set_process(&mut self, waker: Waker) -> Waker {
        let process = match self {
            Self::Process(process) => process,
            Self::WithWaiters(with_waiters) => &mut with_waiters.process,
        };
        mem::replace(process, waker)
    }

    pub(super) fn add(&mut self, waker: Waker) -> WaiterKey {
        if let Self::Process(process) = self {
            *self = Self::WithWaiters(Box::new(WithWaiters { process: process.clone(), others: Slab::new() }));
        }
        let others = self.others().expect("made above");
        let key = WaiterKey::at(others.vacant_key());
        others.insert(Waiter { key, waker });
        key
    }

    pub(super) fn find(&mut self, key: WaiterKey) -> Option<&mut Waiter> {
        self.others()?.get_mut(key.place).filter(|waiter| waiter.key == key)
    }

    pub(super) fn remove(&mut self, key: WaiterKey) -> Option<Waiter> {
        self.find(key)?;
        let others = self.others()?;
        let removed = others.try_remove(key.place);
        if others.is_empty() && others.capacity() > KEPT {
            *others = Slab::new();
        }
        removed
    }

    /// Takes out the waiters in other tasks. `None` if there have never been any: most cells have none, and an empty list
    /// would cost each of their stops a walk through it, and its drop.
    pub(super) fn take_others(&mut self) -> Option<Waiters> {
        self.others().map(mem::take)
    }

    /// Returns the waker of the process, and the waiters in other tasks.
    pub(super) fn into_parts(self) -> (Waker, Option<Waiters>) {
        match self {
            Self::Process(process) => (process, None),
            Self::WithWaiters(with_waiters) => (with_waiters.process, Some(with_waiters.others)),
        }
    }

    fn others(&mut self) -> Option<&mut Waiters> {
        match self {
            Self::Process(_) => None,
            Self::WithWaiters(with_waiters) => Some(&mut with_waiters.others),
        }
    }
}

/// Wakes them one by one, each under a guard: a waker is foreign code, and one that panics must not keep the others
/// asleep. Never called under the lock of a cell.
pub(super) fn wake_all(others: Waiters) {
    others.into_iter().for_each(|(_, waiter)| wake(waiter.waker));
}
