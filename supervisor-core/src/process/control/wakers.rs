use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

/// Whom to wake.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    pub(super) process: Option<Waker>,
    /// Those who wait in other tasks.
    pub(super) others: Option<Box<Others>>,
}

#[derive(Debug, Default)]
pub(super) struct Others(Vec<Waiter>);

#[derive(Debug)]
pub(super) struct Waiter {
    key: WaiterKey,
    pub(super) waker: Waker,
}

/// Finds a waiter's registration again. Never reused, so that a late one finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterKey(NonZeroU64);

impl WaiterKey {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX))
    }
}

impl Wakers {
    pub(super) fn add(&mut self, waker: Waker) -> WaiterKey {
        let key = WaiterKey::next();
        self.others.get_or_insert_default().0.push(Waiter { key, waker });
        key
    }

    pub(super) fn find(&mut self, key: WaiterKey) -> Option<&mut Waiter> {
        self.others.as_mut()?.0.iter_mut().find(|waiter| waiter.key == key)
    }

    pub(super) fn remove(&mut self, key: WaiterKey) -> Option<Waiter> {
        let waiters = &mut self.others.as_mut()?.0;
        let index = waiters.iter().position(|waiter| waiter.key == key)?;
        Some(waiters.swap_remove(index))
    }

    /// Called on what was taken out of a cell, so never under its lock.
    pub(super) fn wake(self) {
        let others = self.others.into_iter().flat_map(|others| others.0);
        self.process.into_iter().chain(others.map(|waiter| waiter.waker)).for_each(Waker::wake);
    }
}
