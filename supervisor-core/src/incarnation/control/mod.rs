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
//! A waiter in the process's own task needs no registration: whatever wakes the process wakes it, too. So in the common
//! case the cell holds one waker.
//!
//! Lost wakes are impossible because both sides keep an order: a waiter registers its waker, and reads the word after
//! that; a sender changes the word, and takes the wakers after that. Both touch the wakers under the lock. Nothing is
//! woken, and no waker is dropped, while the lock is held. If the waiter has the lock first, the sender finds its
//! waker. If the sender has it first, the lock makes the changed word visible to the waiter.
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
    sync::{Arc, PoisonError, atomic::Ordering},
    task::Waker,
    time::Duration,
};

pub(crate) use self::wakers::WaiterKey;
use self::wakers::{Wakers, wake_all};
use super::{ChildId, Exit, Meter, ProcessId, ShutdownWaiter, guard, wake};
use crate::{
    error::ErrorHandling,
    sync::{AtomicU64, Mutex, MutexGuard},
};

/// An owner of a control cell: a child, or a `ProcessShutdown` of its own.
pub(crate) trait Control: Send + Sync {
    fn cell(&self) -> &ControlCell;

    /// Returns the child's own segment of its dotted name.
    fn name(&self) -> &str;

    /// Tells the owner how the incarnation that was current has ended. Its future is dropped. Runs under the guard of the
    /// caller.
    fn on_exit(&self, exit: &Exit) {
        let _ = exit;
    }

    /// Drops the user code in here (the closure, the worker): nothing is started from it again. Runs under the guard of
    /// the caller, which is the child's own process.
    fn release(&self);

    /// Drives the future whose end is the shutdown signal, if there is one.
    fn drive(&self) {}

    /// Returns the id that the child has in its supervisor.
    fn id(&self) -> ChildId {
        ChildId::FIRST
    }

    /// Returns how long the child may take to stop, if it is a worker: zero if it is aborted at once, `Duration::MAX` without
    /// a limit. Only a worker can have a scope.
    fn time_to_stop(&self) -> Option<Duration> {
        None
    }

    /// Returns the settings for the errors of the child's processes.
    fn error_handling(&self) -> ErrorHandling {
        ErrorHandling::default()
    }

    /// Returns the numbers of the child, if it is counted.
    fn meter(&self) -> Option<&Arc<Meter>> {
        None
    }

    /// Returns the waiter, if this stands for one.
    fn waiter(&self) -> Option<&ShutdownWaiter> {
        None
    }
}

/// The requests to an incarnation, and the facts known about it.
///
/// All flags are in one word with the id, so each change is one atomic step: it reaches this incarnation, or none
/// (P5). And where two flags decide something together, no reader sees one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u64);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Asks the incarnation to stop. The supervisor sets it when it is the child's turn to stop (R39), a handle on a
    /// supervisor sets it on that supervisor, and `ShutdownHandle` and a wrapped future set it on a cell of their own.
    /// `ProcessShutdown` reads it, and so does the driver of a supervisor.
    ///
    /// It stays set until the next incarnation begins. So a wait that was dropped and started again finds it (P6).
    /// Beside `ABORT`, the worker itself no longer sees it: it then only wakes, without delay, the waiters in other
    /// tasks.
    ///
    /// It is in the word because a waiter reads this and `ENDED` in one load: either of them ends the wait.
    pub(crate) const SHUTDOWN: Self = Self(1);
    /// Tells the incarnation to stop now. The supervisor sets it for a brutal stop (R40), when the time to stop or to
    /// start is up (R41), for a missed heartbeat, and for `kill_child` (R12). A supervisor that is lost sets it on
    /// its children (P2), and a second signal sets it on the root.
    ///
    /// The process of a worker reads it at each poll, before user code runs, and drops the future there. The process of
    /// a supervisor stays: its driver reads it, and aborts everything below (N8). It does not imply `SHUTDOWN`: a
    /// killed process is not asked to stop, and waiters for the signal are woken by the end of the incarnation.
    ///
    /// It is in the word because a poll then needs one load to know that its incarnation is the current one, and may
    /// run.
    pub(crate) const ABORT: Self = Self(2);
    /// Says that nothing is started from this child again, neither by this run of its supervisor nor by a later one
    /// (R78). A supervisor sets it on children that it removes, and on children that it stops when it has no successor
    /// itself. A root begins with it, and so does a temporary worker that was added at run time. On a supervisor it
    /// applies to everything below, too.
    ///
    /// The process reads it twice when it ends. First, before it drops its future: so the specification is dropped with
    /// the future, under the same guard and in the same context (P3, P7). Second, in the step that sets `ENDED`, for a
    /// request that came in between.
    ///
    /// It is in the word with `ENDED` because exactly one of two sides has to drop the specification, and each changes
    /// the word in one step. Either the process finds this flag when it ends, or the supervisor that has set it finds
    /// that the process has ended, and has another process drop the specification. If both happen, the second one finds
    /// nothing to drop.
    pub(crate) const NO_SUCCESSOR: Self = Self(4);
    /// Says that the incarnation has finished its set-up. It requests nothing. It is set from the beginning if there is
    /// no set-up; otherwise the process sets it when `initialize` is done, or when the process reports ready (A2).
    ///
    /// `say_ready` reads it, so a process that calls `ready` twice sends one report. A simulator reads it, for faults
    /// that strike ready processes. The supervisor does not: it learns this from a report, in order with the other
    /// reports of the process.
    ///
    /// It is in the word because `ready` can be called late, by code that has kept the `CurrentProcess` of an earlier
    /// incarnation. Beside the id, such a call fails (P5).
    pub(crate) const READY: Self = Self(16);
    /// Says that the incarnation has sent a heartbeat since the supervisor last looked (B2). It requests nothing.
    /// `heartbeat` sets it, in the process or in the place where its `CurrentProcess` is kept; the supervisor clears it
    /// when it looks. So a heartbeat sends no message and reads no clock, and its frequency does not matter to the
    /// supervisor.
    ///
    /// It is in the word for the same reason as `READY`: a heartbeat of an earlier incarnation must not count for its
    /// successor (P5).
    const ALIVE: Self = Self(32);
    /// Says that the process itself reports when it is ready (A2). It requests nothing. It is set from the beginning,
    /// as the specification says, and never changes. `say_ready` reads it: a process with a set-up is ready when the
    /// set-up is done, and an earlier call of `ready` must not report it.
    ///
    /// It is in the word because a `Control` knows no settings, and because `say_ready` then decides by facts about one
    /// incarnation only.
    pub(crate) const SAYS_READY: Self = Self(64);
    /// Says that no supervisor waits for this incarnation any longer, and that the event `Abandoned` is the last one
    /// about it (D3). A supervisor that stops sets it on a process that was aborted and has not yielded. The supervisor
    /// above it may find that process still there, and set the flag again; only the one that sets it first emits the
    /// event. It requests nothing.
    ///
    /// The process reads it when it ends, in the step that sets `ENDED`, and then does not report its exit: for each
    /// process, one end is reported (P1).
    ///
    /// An abandoned process was aborted before. So this flag without `ABORT` has a meaning of its own: an incarnation
    /// that begins with it runs no user code, and only drops what its child owns. No event tells of it, and no
    /// supervisor waits for it.
    pub(crate) const ABANDONED: Self = Self(128);
    /// Says that the incarnation is over: its future is dropped (P2). The process sets it, right before its report.
    /// From then on a request does nothing, waits for the signal have ended (P6), and a successor may begin, which
    /// clears the flag. A new cell has it, so the first incarnation begins like any other.
    ///
    /// It is in the word because the id stays beside it. So code that kept the id learns that this incarnation has
    /// ended, and does not mistake a successor for it; and events can still say which process was the last one.
    const ENDED: Self = Self(8);
    /// Says that a monitor waits for the exit of this incarnation. It requests nothing. A monitor sets it, while the
    /// incarnation lives, and it stays until the next one begins.
    ///
    /// The process reads it in the step that sets `ENDED`. So an exit that has no monitor costs nothing for them, and takes no
    /// lock.
    ///
    /// It is in the word with `ENDED` because both sides change the word in one step: either the monitor comes first, and the
    /// process finds this flag, or the process comes first, and the monitor learns that there is nothing to wait for.
    pub(crate) const MONITORED: Self = Self(256);
    /// Says that the process, a worker, has opened a scope. It requests nothing. It is set inside of the process, and stays
    /// until the incarnation ends.
    ///
    /// The process reads it in the step that would set `ENDED`. It then does not end, but hands the rest of its end over: the
    /// incarnation lasts until the scope has ended, too (S1). So the end of a process without a scope costs nothing for it.
    ///
    /// It is in the word because `end` then needs no other look, and because readers of a tree see from the word alone that
    /// nothing is to be looked up for a child.
    pub(crate) const SCOPED: Self = Self(512);
    /// Says that the scope of the process is to be asked to stop before the process itself is (S6). It requests nothing. It is
    /// set from the beginning, as the specification says, and cleared when the scope has ended.
    ///
    /// As long as it stands beside `SCOPED`, the worker does not see `SHUTDOWN`. `ABORT` goes through.
    ///
    /// It is in the word because the signal has to fire in one step: when this is cleared, or when `SHUTDOWN` is set.
    pub(crate) const CHILDREN_FIRST: Self = Self(1024);
    /// Says that the process has dropped what its child owns, because of `NO_SUCCESSOR`. It requests nothing. The process sets it
    /// in the step that sets `ENDED`.
    ///
    /// A supervisor reads it before it has a specification dropped, and so does the last owner of the child: then there is
    /// nothing to look for.
    ///
    /// It is in the word because `ENDED` beside `NO_SUCCESSOR` does not tell: a supervisor may have asked a moment too late.
    pub(crate) const RELEASED: Self = Self(2048);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether the end of the process was reported already.
    pub(crate) fn is_abandoned(self) -> bool {
        self.contains(Self::ABANDONED)
    }

    /// Returns whether the incarnation is over.
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

    /// Begins a new incarnation. The one before it has ended: the supervisor waits for that, even if an earlier run of
    /// the supervisor started it (P2).
    pub(crate) fn begin(&self, id: ProcessId, flags: Flags) {
        // One swap, so that no thread sees the new id beside a flag of the incarnation before: a successor does not
        // inherit a signal (P6).
        let before = self.word.swap(id.as_u64() << FLAG_BITS | flags.0, Ordering::AcqRel);
        debug_assert!(Flags(before).contains(Flags::ENDED), "two incarnations of a child at once");
    }

    /// Sends a request to the current incarnation. Does nothing if there is none, or if the request was made before.
    /// Never panics.
    pub(crate) fn request(&self, flags: Flags) {
        let before = Flags(self.word.fetch_or(flags.0, Ordering::AcqRel) & FLAG_MASK);
        self.wake_for(flags, before);
    }

    /// Sends a request to this incarnation, if it is the current one (P5).
    pub(crate) fn request_of(&self, id: ProcessId, flags: Flags) {
        let request = |word: u64| (word >> FLAG_BITS == id.as_u64()).then_some(word | flags.0);
        if let Ok(before) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, request) {
            self.wake_for(flags, Flags(before & FLAG_MASK));
        }
    }

    /// Wakes who has to see a request. `before` is what was requested before.
    fn wake_for(&self, flags: Flags, before: Flags) {
        // The first sender has woken the process, or is about to. And an incarnation that has ended has woken its
        // waiters.
        if before.contains(flags) || before.contains(Flags::ENDED) {
            return;
        }
        // The process keeps its waker in here, and registers it again only when it has changed. Waiters in other tasks
        // wait for the signal alone; an abort reaches them as the end of the incarnation. S2: but it has to reach the scope
        // of the process, too, which waits here.
        let reaches_others = flags.contains(Flags::SHUTDOWN) || before.contains(Flags::SCOPED);
        let (process, others) = {
            let mut wakers = self.lock();
            let others = if reaches_others { wakers.take_others() } else { None };
            (wakers.process().clone(), others)
        };
        // Outside the lock: a waker is foreign code, and may call into this cell.
        wake(process);
        others.into_iter().for_each(wake_all);
    }

    /// Takes `NO_SUCCESSOR` back. Only the supervisor of the child may do that, before it begins to stop: it alone knows that
    /// it is going to start the child again. An incarnation that has read the flag already drops the specification all the
    /// same.
    pub(crate) fn expect_successor(&self) {
        self.word.fetch_and(!Flags::NO_SUCCESSOR.0, Ordering::AcqRel);
    }

    /// Marks the incarnation as ready. Returns whether it was not ready before.
    pub(crate) fn mark_ready(&self, id: ProcessId) -> bool {
        self.mark(id, Flags::READY)
    }

    /// Marks the incarnation as ready at its own request. Returns whether it may report this, and was not ready before.
    pub(crate) fn say_ready(&self, id: ProcessId) -> bool {
        self.flags(id).is_some_and(|flags| flags.contains(Flags::SAYS_READY)) && self.mark(id, Flags::READY)
    }

    /// Records a heartbeat of the incarnation.
    pub(crate) fn mark_alive(&self, id: ProcessId) {
        self.mark(id, Flags::ALIVE);
    }

    /// Sets a flag. Returns whether it was not set before. A call for an earlier incarnation sets nothing.
    fn mark(&self, id: ProcessId, flag: Flags) -> bool {
        // The id is compared in the same step in which the flag is set. If it were compared before, a successor could
        // begin in between, and would become ready, or alive, by a call of the incarnation before it (P5).
        let mark = |word: u64| {
            let is_news = word >> FLAG_BITS == id.as_u64() && !Flags(word).contains(flag);
            is_news.then_some(word | flag.0)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Marks that the process has opened a scope.
    pub(crate) fn mark_scoped(&self, id: ProcessId) {
        let mark = |word: u64| {
            // P6, S6: a signal that has fired stays fired.
            let kept = if Flags(word).contains(Flags::SHUTDOWN) { !Flags::CHILDREN_FIRST.0 } else { u64::MAX };
            (word >> FLAG_BITS == id.as_u64()).then_some((word | Flags::SCOPED.0) & kept)
        };
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark);
    }

    /// Lets the process see its signal, because its scope has ended (S6).
    pub(crate) fn let_see_shutdown(&self, id: ProcessId) {
        let clear = |word: u64| {
            let is_held = word >> FLAG_BITS == id.as_u64() && Flags(word).contains(Flags::CHILDREN_FIRST);
            is_held.then_some(word & !Flags::CHILDREN_FIRST.0)
        };
        let Ok(before) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, clear) else { return };
        if Flags(before).contains(Flags::SHUTDOWN) {
            // As if it was asked just now.
            self.wake_for(Flags::SHUTDOWN, Flags::NONE);
        }
    }

    /// Returns the id of the current incarnation, if it lives and has opened a scope.
    pub(crate) fn scoped(&self) -> Option<ProcessId> {
        let word = self.word.load(Ordering::Acquire);
        let is_scoped = Flags(word).contains(Flags::SCOPED) && !Flags(word).is_ended();
        if is_scoped { ProcessId::from_u64(word >> FLAG_BITS) } else { None }
    }

    /// Returns whether there was a heartbeat since the last call, and clears it.
    pub(crate) fn take_alive(&self) -> bool {
        // Read and cleared in one step: otherwise a heartbeat between the two would be lost, and the next look would
        // find none.
        Flags(self.word.fetch_and(!Flags::ALIVE.0, Ordering::AcqRel)).contains(Flags::ALIVE)
    }

    /// Marks that no supervisor waits for the current incarnation any longer. Returns the flags from before.
    pub(crate) fn abandon(&self) -> Flags {
        Flags(self.word.fetch_or(Flags::ABANDONED.0, Ordering::AcqRel) & FLAG_MASK)
    }

    /// Returns whether user code runs in the current incarnation, unlike one that only drops what its child owns.
    pub(crate) fn is_occupied(&self) -> bool {
        let flags = Flags(self.word.load(Ordering::Acquire));
        // An incarnation that only drops its child's code holds up neither a restart nor the end of a supervisor (see
        // `ABANDONED`).
        let is_disposal = flags.contains(Flags::ABANDONED) && !flags.contains(Flags::ABORT);
        !flags.contains(Flags::ENDED) && !is_disposal
    }

    /// Marks the current incarnation as one whose exit a monitor waits for. Returns its id, or `None` where none runs any more.
    pub(crate) fn monitor(&self) -> Option<ProcessId> {
        let mark = |word: u64| (!Flags(word).is_ended()).then_some(word | Flags::MONITORED.0);
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).ok()?;
        ProcessId::from_u64(before >> FLAG_BITS)
    }

    /// Marks the cell of a child whose first incarnation is to be monitored. Returns whether that has not begun yet.
    ///
    /// Nothing reads the mark, and the first incarnation clears it. It puts this call and `begin` in an order: if this comes
    /// first, the thread that begins the incarnation sees what this one did before.
    pub(crate) fn expect(&self) -> bool {
        let mark = |word: u64| (word >> FLAG_BITS == 0).then_some(word | Flags::MONITORED.0);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Returns whether the current incarnation was abandoned and user code still runs in it.
    pub(crate) fn is_left(&self) -> bool {
        Flags(self.word.load(Ordering::Acquire)).is_abandoned() && self.is_occupied()
    }

    /// Ends the incarnation, unless it has a scope: all waits for its shutdown end. Returns the flags from before.
    pub(crate) fn end(&self, id: ProcessId, has_released: bool) -> Flags {
        self.end_unless(id, Flags::SCOPED, has_released)
    }

    /// Ends the incarnation when its scope has ended.
    pub(crate) fn end_with_scope(&self, id: ProcessId, has_released: bool) -> Flags {
        self.end_unless(id, Flags::NONE, has_released)
    }

    fn end_unless(&self, id: ProcessId, prevented: Flags, has_released: bool) -> Flags {
        let released = if has_released { Flags::RELEASED } else { Flags::NONE };
        // Both at once, and under the lock: a successor may begin at any time, and its registrations are its own.
        let (before, left) = {
            let mut wakers = self.lock();
            let ended = |word| {
                let may_end = word >> FLAG_BITS == id.as_u64() && !Flags(word).intersects(prevented);
                may_end.then_some(word | (Flags::ENDED | released).0)
            };
            let before = match self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, ended) {
                Ok(before) => before,
                // S1: the incarnation goes on.
                Err(word) if word >> FLAG_BITS == id.as_u64() => return Flags(word & FLAG_MASK),
                Err(_) => return Flags::NONE,
            };
            (Flags(before & FLAG_MASK), mem::take(&mut *wakers))
        };
        // The task's own waker is not kept: the task owns the process, which owns the cell, so that would be a cycle. Other
        // code in that task may wait for the end, and has to look now, unless a signal has woken the task before.
        let (process, others) = left.into_parts();
        if before.contains(Flags::SHUTDOWN) {
            let _ = guard(|| drop(process));
        } else {
            wake(process);
        }
        others.into_iter().for_each(wake_all);
        before
    }

    /// Returns the flags of this incarnation; `None` if it is no longer the current one.
    #[inline]
    pub(crate) fn flags(&self, id: ProcessId) -> Option<Flags> {
        let word = self.word.load(Ordering::Acquire);
        (word >> FLAG_BITS == id.as_u64()).then_some(Flags(word & FLAG_MASK))
    }

    /// Returns whether the latest incarnation has dropped what the child owns.
    pub(crate) fn has_released(&self) -> bool {
        Flags(self.word.load(Ordering::Acquire)).contains(Flags::RELEASED)
    }

    /// Returns the id of the current incarnation, while it lives.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        let word = self.word.load(Ordering::Acquire);
        if Flags(word).contains(Flags::ENDED) { None } else { ProcessId::from_u64(word >> FLAG_BITS) }
    }

    /// Returns whether the current incarnation lives, and nothing has asked it to stop.
    pub(crate) fn is_unasked(&self) -> bool {
        !Flags(self.word.load(Ordering::Acquire)).intersects(Flags::SHUTDOWN | Flags::ABORT | Flags::ENDED)
    }

    /// Returns the id of the current incarnation, or of the last one.
    pub(crate) fn latest(&self) -> Option<ProcessId> {
        ProcessId::from_u64(self.word.load(Ordering::Acquire) >> FLAG_BITS)
    }

    /// Returns whether a wait for the shutdown of this incarnation is over.
    pub(crate) fn is_shutdown(&self, id: ProcessId) -> bool {
        // P6: an id that is not the current one has ended, and its signal has fired. So the clone of an earlier
        // incarnation never waits for the signal of a successor.
        self.flags(id).is_none_or(|flags| {
            // S6: it is not asked before its scope has ended.
            let is_held = flags.contains(Flags::SCOPED | Flags::CHILDREN_FIRST);
            flags.is_ended() || (flags.contains(Flags::SHUTDOWN) && !is_held)
        })
    }

    /// Registers the waker by which the incarnation is polled. The caller looks at the flags after this.
    pub(crate) fn register_process(&self, id: ProcessId, waker: &Waker) {
        let mut wakers = self.lock();
        if !self.is(id) {
            return;
        }
        // The same waker is kept: cloning it and dropping the old one would be two calls of foreign code.
        if wakers.process().will_wake(waker) {
            return;
        }
        let old = wakers.set_process(waker.clone());
        drop(wakers);
        drop(old);
    }

    /// Registers, or updates, a waiter for shutdown. The caller reads the word after this.
    pub(crate) fn register_waiter(&self, id: ProcessId, key: &mut Option<WaiterKey>, waker: &Waker) {
        let mut wakers = self.lock();
        // Checked under the lock, with the id: a wait of an earlier incarnation must not register among the waiters of
        // a successor.
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

    /// Registers a waker for the end of this incarnation. Returns whether it has not ended yet: then the waker is woken at its
    /// end, or before, when it is asked to stop.
    pub(crate) fn register_for_end(&self, id: ProcessId, waker: &Waker) -> bool {
        let mut key = None;
        // First registered, then read: the end of the process finds the waiter, or is seen here.
        self.register_waiter(id, &mut key, waker);
        let is_there = self.process() == Some(id);
        if !is_there {
            // It came after the end, which has woken all others.
            key.into_iter().for_each(|key| self.deregister_waiter(key));
        }
        is_there
    }

    /// Wakes all waiters, though there is no signal: they check again.
    pub(crate) fn wake_waiters(&self) {
        let others = self.lock().take_others();
        others.into_iter().for_each(wake_all);
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
