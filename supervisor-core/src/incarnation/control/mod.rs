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
//! If the waiter has the lock first, the signaller finds its waker. If the signaller has it first, the lock makes the
//! changed word visible to the waiter.
//!
//! # Memory orders
//!
//! Every change of the word is `AcqRel`, every look at it is `Acquire`. Two things need that:
//!
//! - A thread that sees a signal sees what its sender did before: a worker that is asked to stop reads what the caller of
//!   `shutdown` wrote. So `request` releases, and `flags` and `is_shutdown` acquire.
//! - A thread that sees `ENDED` sees what the destructors of that incarnation did (P2). A report of the exit carries that,
//!   too, through the lock of the mailbox. But a supervisor that adopts what an earlier run has left behind gets no
//!   report, and looks at the word alone. So `end` releases, and `process` and `is_occupied` acquire.
//!
//! `READY`, `SAYS_READY` and `ALIVE` publish nothing but themselves, and could be changed with any order. `SeqCst` is
//! not needed: the one place where each side writes, and then looks at what the other one wrote, is that of a waiter
//! and a signal, and there the lock decides.

mod wakers;

use std::{
    mem,
    ops::BitOr,
    sync::{PoisonError, atomic::Ordering},
    task::Waker,
};

pub(crate) use self::wakers::WaiterKey;
use self::wakers::{Waiters, Wakers, wake_all};
use super::{ChildId, Exit, ProcessId, ShutdownWaiter, guard, wake};
use crate::sync::{AtomicU64, Mutex, MutexGuard};

/// What has a control cell: a child, or a `ProcessShutdown` of its own.
pub(crate) trait Control: Send + Sync {
    fn cell(&self) -> &ControlCell;

    /// The child's own segment of its dotted name.
    fn name(&self) -> &str;

    /// The incarnation that was current until now has ended like this, and its future is dropped. Runs under the guard of the
    /// caller.
    fn on_exit(&self, exit: &Exit) {
        let _ = exit;
    }

    /// Drops what is user code in here (the closure, the worker): nothing will be started from it again. Runs under the
    /// guard of the caller, who is the child's own process.
    fn release(&self);

    /// Where shutdown is the end of a future: drives it.
    fn drive(&self) {}

    /// As which child of its supervisor it is known.
    fn id(&self) -> ChildId {
        ChildId::FIRST
    }

    /// The waiter, where this stands for one.
    fn waiter(&self) -> Option<&ShutdownWaiter> {
        None
    }
}

/// What is asked of an incarnation, and what is known of it.
///
/// All flags are in one word with the id, so each change is one atomic step: it reaches this incarnation, or none
/// (P5). And where two flags decide something together, no reader sees one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u64);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Asks the incarnation to stop. The supervisor sets it when the turn of the child has come (R39), a handle on a
    /// supervisor sets it on that supervisor, and `ShutdownHandle` and a wrapped future set it on a cell of their
    /// own. `ProcessShutdown` reads it, and the driver of a supervisor does.
    ///
    /// It stays set until the next incarnation begins. So a wait that was dropped, and is begun again, finds it (P6).
    /// Beside `ABORT`, a worker itself does not hear it any more: it then only lets those go at once who wait in
    /// other tasks.
    ///
    /// It is in the word because a waiter looks for this and for `ENDED` in one load: either of them lets it go.
    pub(crate) const SHUTDOWN: Self = Self(1);
    /// Tells the incarnation to stop now. The supervisor sets it for a brutal stop (R40), when the time to stop or to
    /// start is up (R41), for a missed heartbeat, and for `kill_child` (R12). A supervisor that is lost sets it on
    /// its children (P2), and a second signal sets it on the root.
    ///
    /// The process of a worker reads it at each poll, before user code runs, and drops the future there. The process
    /// of a supervisor stays: its driver reads it, and aborts everything below (N8). It does not imply `SHUTDOWN`:
    /// who is killed is not asked, and those who wait for the signal are let go at the end.
    ///
    /// It is in the word because a poll then needs one load to know that its incarnation is the current one, and may
    /// run.
    pub(crate) const ABORT: Self = Self(2);
    /// Says that nothing is started from this child again, neither by this run of its supervisor nor by a later one
    /// (R78). A supervisor sets it on what it removes, and on what it stops when it has no successor itself. A root
    /// begins with it, and so does a temporary worker that was added. On a supervisor it says the same of all that is
    /// below.
    ///
    /// The process reads it twice when it ends. Before it drops its future, so that the specification is dropped with
    /// it, under the same guard and in the same context (P3, P7). And in the step that sets `ENDED`, for a request
    /// that came in between.
    ///
    /// It is in the word with `ENDED` because one of two sides has to drop the specification, and each changes the word
    /// in one step. So either the process finds this flag when it ends. Or the supervisor that has set it then finds that
    /// the process has ended, and has another process drop the specification. If both happen, the second one finds nothing
    /// to drop.
    pub(crate) const NO_SUCCESSOR: Self = Self(4);
    /// Says that the incarnation has finished its set-up. Nothing is asked with this. It is there from the beginning
    /// where there is no set-up; otherwise the process sets it when `initialize` is done, or when it says so itself
    /// (A2).
    ///
    /// `say_ready` reads it, so a process that calls `ready` twice sends one report. A simulator reads it, for faults
    /// that strike what is ready. The supervisor does not: a report tells it, in order with what else the process
    /// reports.
    ///
    /// It is in the word because `ready` can be called late, by code that has kept the `CurrentProcess` of an earlier
    /// incarnation. Beside the id, such a call fails (P5).
    pub(crate) const READY: Self = Self(16);
    /// Says that the incarnation has given a sign of life since the supervisor last looked (B2). Nothing is asked
    /// with this. `heartbeat` sets it, in the process or wherever its `CurrentProcess` was taken; the look of the
    /// supervisor takes it back. So a heartbeat sends no message and reads no clock, and how often it is called is
    /// nothing to the supervisor.
    ///
    /// It is in the word for the reason that `READY` is: a heartbeat of an earlier incarnation must not count for its
    /// successor (P5).
    const ALIVE: Self = Self(32);
    /// Says that the process tells itself when it is ready (A2). Nothing is asked with this. It is there from the
    /// beginning, as the specification says, and never changes. `say_ready` reads it: what has a set-up is ready when
    /// that is done, and a call of `ready` before must not report it.
    ///
    /// It is in the word because a `Control` knows no settings, and because `say_ready` so decides by what it reads
    /// of one incarnation.
    pub(crate) const SAYS_READY: Self = Self(64);
    /// Says that no supervisor waits for this incarnation any longer, and that the event `Abandoned` is the last one about
    /// it (D3). A supervisor that stops sets it on what was aborted and has not yielded. The supervisor above it may find
    /// that still there, and set the flag again; the event is told by the one that sets it first. Nothing is asked with
    /// this.
    ///
    /// The process reads it when it ends, in the step that sets `ENDED`, and keeps its exit to itself then: of each
    /// process, one end is told (P1).
    ///
    /// What is abandoned was aborted before. So this flag without `ABORT` has a meaning of its own: an incarnation that
    /// begins with it runs no user code, and only drops what its child owns. It is told in no event, and no supervisor
    /// waits for it.
    pub(crate) const ABANDONED: Self = Self(128);
    /// Says that the incarnation is over: its future is dropped (P2). The process sets it, right before its report.
    /// From then on a request does nothing, waiters are let go (P6), and a successor may begin, which takes the
    /// flag away. A new cell has it, so the first incarnation begins as any other.
    ///
    /// It is in the word because the id stays beside it. So code that kept the id learns that this incarnation has
    /// ended, and takes no successor for it; and events can still say which process was the last one.
    const ENDED: Self = Self(8);
    /// Says that a monitor waits for the exit of this incarnation. Nothing is asked with this. A monitor sets it, while the
    /// incarnation lives, and it stays until the next one begins.
    ///
    /// The process reads it in the step that sets `ENDED`. So an exit that has no monitor costs nothing for them, and takes no
    /// lock.
    ///
    /// It is in the word with `ENDED` because both sides change the word in one step: either the monitor comes first, and the
    /// process finds this flag, or the process comes first, and the monitor learns that there is nothing to wait for.
    pub(crate) const MONITORED: Self = Self(256);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether its end is not news any more.
    pub(crate) fn is_abandoned(self) -> bool {
        self.contains(Self::ABANDONED)
    }

    /// Whether the incarnation is over.
    pub(crate) fn is_ended(self) -> bool {
        self.contains(Self::ENDED)
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
        // One swap, so that no thread sees the new id beside a flag of the incarnation before: a successor does not
        // inherit a signal (P6).
        let before = self.word.swap(id.as_u64() << FLAG_BITS | flags.0, Ordering::AcqRel);
        debug_assert!(Flags(before).contains(Flags::ENDED), "two incarnations of a child at once");
    }

    /// Asks something of the current incarnation. Nothing happens if there is none, or if it was asked before. Never panics.
    pub(crate) fn request(&self, flags: Flags) {
        let before = Flags(self.word.fetch_or(flags.0, Ordering::AcqRel) & FLAG_MASK);
        // Who asked first has woken, or is about to. And an incarnation that has ended has let its waiters go.
        if before.contains(flags) || before.contains(Flags::ENDED) {
            return;
        }
        // The process keeps its waker in here, and registers it again only when it has changed. Those in other tasks
        // wait for the signal alone; an abort reaches them as the end of the incarnation.
        let (process, others) = {
            let mut wakers = self.lock();
            let others = if flags.contains(Flags::SHUTDOWN) { wakers.take_others() } else { Waiters::new() };
            (wakers.process().clone(), others)
        };
        // Not under the lock: a waker is foreign code, and may come back to this cell.
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
        // The id is compared in the same step in which the flag is set. Compared before, a successor could begin in
        // between, and would be ready, or alive, by a word of the incarnation before it (P5).
        let mark = |word: u64| {
            let is_news = word >> FLAG_BITS == id.as_u64() && !Flags(word).contains(flag);
            is_news.then_some(word | flag.0)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Whether there was a sign of life since the last time.
    pub(crate) fn take_alive(&self) -> bool {
        // Looked at and taken back in one step: a sign of life between the two would be lost, and the next look would
        // find none.
        Flags(self.word.fetch_and(!Flags::ALIVE.0, Ordering::AcqRel)).contains(Flags::ALIVE)
    }

    /// The current incarnation is waited for no longer. Returns what it was before.
    pub(crate) fn abandon(&self) -> Flags {
        Flags(self.word.fetch_or(Flags::ABANDONED.0, Ordering::AcqRel) & FLAG_MASK)
    }

    /// Whether the current incarnation is one that user code runs in, and not one that only drops what its child owns.
    pub(crate) fn is_occupied(&self) -> bool {
        let flags = Flags(self.word.load(Ordering::Acquire));
        // What only drops its child's code holds up neither a restart nor the end of a supervisor (see `ABANDONED`).
        let is_disposal = flags.contains(Flags::ABANDONED) && !flags.contains(Flags::ABORT);
        !flags.contains(Flags::ENDED) && !is_disposal
    }

    /// Marks the current incarnation as one whose exit a monitor waits for. Returns its id, or `None` where none runs any more.
    pub(crate) fn monitor(&self) -> Option<ProcessId> {
        let mark = |word: u64| (!Flags(word).is_ended()).then_some(word | Flags::MONITORED.0);
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).ok()?;
        ProcessId::from_u64(before >> FLAG_BITS)
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
        // The task's own waker is not kept: the task owns the process, which owns the cell, so that would be a cycle. Other
        // code in that task may wait for the end, and has to look now, unless a signal has woken the task before.
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
        // P6: an id that is not the current one has ended, and its signal has fired. So the clone of an earlier
        // incarnation never waits for the signal of a successor.
        self.flags(id).is_none_or(|flags| flags.intersects(Flags::SHUTDOWN | Flags::ENDED))
    }

    /// Registers the waker by which the incarnation is polled. The caller looks at the flags after this.
    pub(crate) fn register_process(&self, id: ProcessId, waker: &Waker) {
        let mut wakers = self.lock();
        if !self.is(id) {
            return;
        }
        // The same waker is kept: to clone it and to drop the old one would be two calls of foreign code.
        if wakers.process().will_wake(waker) {
            return;
        }
        let old = wakers.set_process(waker.clone());
        drop(wakers);
        drop(old);
    }

    /// Registers, or updates, a waiter for shutdown. The caller looks at the word after this.
    pub(crate) fn register_waiter(&self, id: ProcessId, key: &mut Option<WaiterKey>, waker: &Waker) {
        let mut wakers = self.lock();
        // Asked under the lock, with the id: a wait of an earlier incarnation must not enter itself among those of a
        // successor.
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
