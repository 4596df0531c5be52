use std::{
    mem,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

/// Whom to wake. Most processes have nobody but themselves, so that is two words.
#[derive(Debug)]
pub(super) enum Wakers {
    /// The process; where it is not known yet, or not there any more, one that does nothing.
    Process(Waker),
    Crowd(Box<Crowd>),
}

const _: () = assert!(size_of::<Wakers>() == size_of::<Waker>());

/// With those who wait in other tasks.
#[derive(Debug)]
pub(super) struct Crowd {
    process: Waker,
    others: Vec<Waiter>,
}

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

impl Default for Wakers {
    fn default() -> Self {
        Self::Process(Waker::noop().clone())
    }
}

impl Wakers {
    pub(super) fn process(&self) -> &Waker {
        match self {
            Self::Process(process) => process,
            Self::Crowd(crowd) => &crowd.process,
        }
    }

    /// Returns the one before.
    pub(super) fn set_process(&mut self, waker: Waker) -> Waker {
        let process = match self {
            Self::Process(process) => process,
            Self::Crowd(crowd) => &mut crowd.process,
        };
        mem::replace(process, waker)
    }

    pub(super) fn add(&mut self, waker: Waker) -> WaiterKey {
        let key = WaiterKey::next();
        let waiter = Waiter { key, waker };
        match self {
            Self::Crowd(crowd) => crowd.others.push(waiter),
            Self::Process(process) => {
                *self = Self::Crowd(Box::new(Crowd { process: process.clone(), others: vec![waiter] }));
            }
        }
        key
    }

    pub(super) fn find(&mut self, key: WaiterKey) -> Option<&mut Waiter> {
        self.others()?.iter_mut().find(|waiter| waiter.key == key)
    }

    pub(super) fn remove(&mut self, key: WaiterKey) -> Option<Waiter> {
        let others = self.others()?;
        let index = others.iter().position(|waiter| waiter.key == key)?;
        Some(others.swap_remove(index))
    }

    /// Those who wait in other tasks.
    pub(super) fn take_others(&mut self) -> Vec<Waiter> {
        self.others().map(mem::take).unwrap_or_default()
    }

    fn others(&mut self) -> Option<&mut Vec<Waiter>> {
        match self {
            Self::Process(_) => None,
            Self::Crowd(crowd) => Some(&mut crowd.others),
        }
    }
}

/// Never called under the lock of a cell.
pub(super) fn wake(others: Vec<Waiter>) {
    others.into_iter().for_each(|waiter| waiter.waker.wake());
}
