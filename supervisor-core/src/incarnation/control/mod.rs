//! The control cell: the one word through which a supervisor and a process meet.
//!
//! ```text
//!            begin(id)              request(..)                  end()
//!   vacant ------------> id, no flags ----------> id + SHUTDOWN ... -----> id + ENDED  (vacant)
//! ```
//!
//! A cell belongs to a child and outlives its incarnations. The word holds the id of the incarnation, so a handle of an
//! earlier one sees at once that its time is over, and never sees a signal that is meant for a successor.
//!
//! Who waits in the process's own task needs no place of its own: what wakes the process wakes it, too. So in the common case
//! there is one waker in here.
//!
//! Lost wakes are impossible because of an order that both sides keep: who waits registers its waker, and looks at the
//! word after that; who signals changes the word, and takes the wakers after that. Both touch the wakers under the lock.
//! Nothing is woken, and no waker is dropped, while the lock is held.

mod wakers;

use std::{
    mem,
    ops::BitOr,
    sync::{PoisonError, atomic::Ordering},
    task::Waker,
};

pub(crate) use self::wakers::WaiterKey;
use self::wakers::{Waiters, Wakers, wake_all};
use super::{ChildId, ProcessId, ShutdownWaiter, guard, wake};
use crate::sync::{AtomicU64, Mutex, MutexGuard};

/// What has a control cell: a child, or a `ProcessShutdown` of its own.
pub(crate) trait Control: Send + Sync {
    fn cell(&self) -> &ControlCell;

    /// The child's own segment of its dotted name.
    fn name(&self) -> &str;

    /// Drops what is user code in here (the closure, the worker): nothing will be started from it again. Runs under the
    /// guard of the caller, who is the child's own process.
    fn release(&self);

    /// Where shutdown is the end of a future: drives it.
    fn drive(&self) {}

    /// As which child of its supervisor it is known.
    fn id(&self) -> ChildId {
        ChildId::FIRST
    }

    /// Where this only stands for somebody who waits.
    fn waiter(&self) -> Option<&ShutdownWaiter> {
        None
    }
}

/// What is asked of an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u64);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Please stop.
    pub(crate) const SHUTDOWN: Self = Self(1);
    /// Stop now: a worker's future is dropped at its next poll, a supervisor aborts everything below it.
    pub(crate) const ABORT: Self = Self(2);
    /// Nothing will be started here after this incarnation: it drops its specification when it ends, and a
    /// supervisor need not wait for a process that does not yield.
    pub(crate) const NO_SUCCESSOR: Self = Self(4);
    /// The incarnation has finished its set-up. Nothing is asked with this.
    pub(crate) const READY: Self = Self(16);
    /// The incarnation has given a sign of life since somebody last looked. Nothing is asked with this.
    const ALIVE: Self = Self(32);
    /// The incarnation says itself when it is ready. Nothing is asked with this.
    pub(crate) const SAYS_READY: Self = Self(64);
    /// Its supervisor has told that it waits for this incarnation no longer, which is the last that is told of it. Nothing is
    /// asked with this. Whoever is abandoned was aborted before. An incarnation that begins with this only drops what its child
    /// owns, and nobody hears of it.
    pub(crate) const ABANDONED: Self = Self(128);
    /// The incarnation is over.
    const ENDED: Self = Self(8);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether its end is not news any more.
    pub(crate) fn is_abandoned(self) -> bool {
        self.contains(Self::ABANDONED)
    }

    fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const FLAG_BITS: u32 = u64::BITS - ProcessId::BITS;
const FLAG_MASK: u64 = (1 << FLAG_BITS) - 1;

#[derive(Debug)]
pub(crate) struct ControlCell {
    /// `id << FLAG_BITS | flags`
    word: AtomicU64,
    wakers: Mutex<Wakers>,
}

impl ControlCell {
    pub(crate) fn new() -> Self {
        Self { word: AtomicU64::new(Flags::ENDED.0), wakers: Mutex::default() }
    }

    /// A new incarnation starts. The one before it has ended: a supervisor waits for that, also where it was an earlier run of
    /// the supervisor that has started it (P2).
    pub(crate) fn begin(&self, id: ProcessId, flags: Flags) {
        let before = self.word.swap(id.as_u64() << FLAG_BITS | flags.0, Ordering::AcqRel);
        debug_assert!(Flags(before).contains(Flags::ENDED), "two incarnations of a child at once");
    }

    /// Asks something of the current incarnation. Nothing happens if there is none, or if it was asked before. Never panics.
    pub(crate) fn request(&self, flags: Flags) {
        let before = Flags(self.word.fetch_or(flags.0, Ordering::AcqRel) & FLAG_MASK);
        if before.contains(flags) || before.contains(Flags::ENDED) {
            return;
        }
        let (process, others) = {
            let mut wakers = self.lock();
            let others = if flags.contains(Flags::SHUTDOWN) { wakers.take_others() } else { Waiters::new() };
            (wakers.process().clone(), others)
        };
        wake(process);
        wake_all(others);
    }

    /// The incarnation is ready. Whether that is news.
    pub(crate) fn mark_ready(&self, id: ProcessId) -> bool {
        self.mark(id, Flags::READY)
    }

    /// The incarnation says itself that it is ready. Whether that is for it to say, and news.
    pub(crate) fn say_ready(&self, id: ProcessId) -> bool {
        self.flags(id).is_some_and(|flags| flags.contains(Flags::SAYS_READY)) && self.mark(id, Flags::READY)
    }

    /// The incarnation gives a sign of life.
    pub(crate) fn mark_alive(&self, id: ProcessId) {
        self.mark(id, Flags::ALIVE);
    }

    /// Whether it was not marked before. An earlier incarnation marks nothing.
    fn mark(&self, id: ProcessId, flag: Flags) -> bool {
        let mark = |word: u64| {
            let is_news = word >> FLAG_BITS == id.as_u64() && !Flags(word).contains(flag);
            is_news.then_some(word | flag.0)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Whether there was a sign of life since the last time.
    pub(crate) fn take_alive(&self) -> bool {
        Flags(self.word.fetch_and(!Flags::ALIVE.0, Ordering::AcqRel)).contains(Flags::ALIVE)
    }

    /// Nobody waits for the current incarnation any longer. Whether that is news.
    pub(crate) fn abandon(&self) -> bool {
        !Flags(self.word.fetch_or(Flags::ABANDONED.0, Ordering::AcqRel)).contains(Flags::ABANDONED)
    }

    /// Whether the current incarnation is one that user code runs in, and not one that only drops what its child owns.
    pub(crate) fn is_occupied(&self) -> bool {
        let flags = Flags(self.word.load(Ordering::Acquire));
        let is_disposal = flags.contains(Flags::ABANDONED) && !flags.contains(Flags::ABORT);
        !flags.contains(Flags::ENDED) && !is_disposal
    }

    /// The incarnation is over: all that wait for its shutdown are let go. Returns what was asked of it.
    pub(crate) fn end(&self, id: ProcessId) -> Flags {
        // Both at once, and under the lock: a successor may begin at any time, and what it registers is its own.
        let (before, mut left) = {
            let mut wakers = self.lock();
            let ended = |word| (word >> FLAG_BITS == id.as_u64()).then_some(word | Flags::ENDED.0);
            let Ok(before) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, ended) else {
                return Flags::NONE;
            };
            (Flags(before & FLAG_MASK), mem::take(&mut *wakers))
        };
        // The task's own waker is not kept, that would be a cycle: the task owns the process, which owns the cell. Whoever
        // else waits in that task has to look, unless a signal has had it do so before.
        if !before.contains(Flags::SHUTDOWN) {
            let _ = guard(|| left.process().wake_by_ref());
        }
        wake_all(left.take_others());
        let _ = guard(move || drop(left));
        before
    }

    /// What is asked of this incarnation; `None` if it is not the current one any more.
    #[inline]
    pub(crate) fn flags(&self, id: ProcessId) -> Option<Flags> {
        let word = self.word.load(Ordering::Acquire);
        (word >> FLAG_BITS == id.as_u64()).then_some(Flags(word & FLAG_MASK))
    }

    /// The current incarnation, while it lives.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        let word = self.word.load(Ordering::Acquire);
        if Flags(word).contains(Flags::ENDED) { None } else { ProcessId::from_u64(word >> FLAG_BITS) }
    }

    /// The current incarnation, or the last one.
    pub(crate) fn latest(&self) -> Option<ProcessId> {
        ProcessId::from_u64(self.word.load(Ordering::Acquire) >> FLAG_BITS)
    }

    /// Whether someone who waits for the shutdown of this incarnation waits no longer.
    pub(crate) fn is_shutdown(&self, id: ProcessId) -> bool {
        self.flags(id).is_none_or(|flags| flags.intersects(Flags::SHUTDOWN | Flags::ENDED))
    }

    /// The waker through which the incarnation is polled. To be looked at after this: the flags.
    pub(crate) fn register_process(&self, id: ProcessId, waker: &Waker) {
        let mut wakers = self.lock();
        if !self.is(id) {
            return;
        }
        if wakers.process().will_wake(waker) {
            return;
        }
        let old = wakers.set_process(waker.clone());
        drop(wakers);
        drop(old);
    }

    /// Registers, or updates, someone who waits for shutdown. To be looked at after this: the word.
    pub(crate) fn register_waiter(&self, id: ProcessId, key: &mut Option<WaiterKey>, waker: &Waker) {
        let mut wakers = self.lock();
        let in_own_task = key.is_none() && wakers.process().will_wake(waker);
        if in_own_task || !self.is(id) {
            return;
        }
        let old = match key.and_then(|key| wakers.find(key)) {
            Some(waiter) if waiter.waker.will_wake(waker) => None,
            Some(waiter) => Some(mem::replace(&mut waiter.waker, waker.clone())),
            None => {
                *key = Some(wakers.add(waker.clone()));
                None
            }
        };
        drop(wakers);
        drop(old);
    }

    /// Wakes all that wait, though there is no signal: they look again.
    pub(crate) fn wake_waiters(&self) {
        let others = self.lock().take_others();
        wake_all(others);
    }

    pub(crate) fn deregister_waiter(&self, key: WaiterKey) {
        let removed = self.lock().remove(key);
        drop(removed);
    }

    fn is(&self, id: ProcessId) -> bool {
        self.word.load(Ordering::Acquire) >> FLAG_BITS == id.as_u64()
    }

    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
