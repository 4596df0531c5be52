use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use crate::{
    error::BoxError,
    incarnation::{Process, guard, hand_over},
};

/// An executor, as far as supervision needs one: it runs processes, and it tells the time.
///
/// Backends implement it (Tokio, smol, the simulator), or you do for a custom executor: [`Process`] itself does
/// everything else that supervision needs from a task. The feature `contract` has the test suite that a backend has to
/// pass, and with it the guide for writing one.
///
/// No method may panic. If one panics all the same, the supervisor goes on where it can: a process that `spawn` or
/// `discard` panics on is lost; a `seed` is taken from the system; without a `nudge`, or an [`insist`](Timer::insist),
/// a poll that blocks its thread may hold up tasks that need that thread. Without a clock and a timer no limit would
/// hold, so a panic in `now` or `timer`, or in [`reset`](Timer::reset) or [`poll_elapsed`](Timer::poll_elapsed) of the
/// returned timer, is a panic of the supervisor that measures time there: the supervisor above it restarts it, and a
/// root ends with [`SupervisorError::Panicked`](crate::SupervisorError::Panicked). Readers of a tree then get times of
/// the system's clock.
#[diagnostic::on_unimplemented(
    message = "processes cannot be spawned on `{Self}`",
    label = "this is not a `Spawner`",
    note = "handle a `Result` first, for example that of `Tokio::current()`: `Tokio::current()?`",
    note = "make a spawner from an executor: `Tokio::try_from(handle)`, `Smol::on(&executor)`, or implement `Spawner`"
)]
pub trait Spawner: fmt::Debug + Send + Sync + 'static {
    /// Starts a process as an independent task: polls it until it is ready, or drops it. Both are fine, neither is an
    /// error; a process that is dropped reports itself as lost.
    ///
    /// Never polls it on the calling stack, never blocks, and never panics. A spawner for an executor that has an owner
    /// holds it by a `Weak`: a process keeps its spawner, so otherwise the executor would keep itself alive.
    fn spawn(&self, process: Process);

    /// Returns the time on this executor's clock, on any thread.
    ///
    /// Called under locks of a supervisor: it must not call a handle, or read a tree.
    fn now(&self) -> Instant;

    /// Returns the time of day that goes with [`now`](Self::now). Events and snapshots carry it, so that other programs can
    /// read when something happened. The default is the system's time, shifted by the difference of the two clocks: so it
    /// stands still and jumps where this clock is paused. A simulator overrides it, because it has to be the same in each
    /// run.
    fn system_time(&self) -> SystemTime {
        // The two clocks are read one right after the other: what passes between them counts as a difference.
        let (time_of_day, system, own) = (SystemTime::now(), Instant::now(), self.now());
        let ahead = time_of_day.checked_add(own.saturating_duration_since(system));
        let shifted = ahead.and_then(|time| time.checked_sub(system.saturating_duration_since(own)));
        shifted.unwrap_or(time_of_day)
    }

    /// Returns whether that clock is virtual: whether it stands still while there is something to do, and jumps when
    /// there is not. Simulators override this, and so do executors with a clock that tests can pause.
    ///
    /// The time limits of a supervisor on such an executor do not wait for work that takes real time. So its children
    /// cannot be placed on an executor with a real clock. Called under a lock, as [`now`](Self::now) is.
    fn is_virtual(&self) -> bool {
        false
    }

    /// Returns a timer on this executor's clock, not armed. A supervisor takes one and re-arms it as often as it needs.
    fn timer(&self) -> Pin<Box<dyn Timer>>;

    /// Returns the seed of a supervisor's own randomness: the jitter of its backoff. A simulator overrides this.
    fn seed(&self) -> u64 {
        fastrand::u64(..)
    }

    /// Makes the executor look for work now. May be called on any thread, inside of a poll or outside; never blocks.
    ///
    /// A poll that blocks its thread can keep two things from the rest of the executor: a task that it has woken, if
    /// the executor keeps such a task for the thread that woke it; and the timers and sockets, if that thread was the
    /// one that waited for them. Supervision calls this after user code has woken a supervisor from inside of its poll,
    /// and when it finds a poll that does not end. An executor that keeps neither has nothing to do, which is the
    /// default.
    fn nudge(&self) {}

    /// Takes a process that its executor has refused, and drops it where that delays no other process: it owns user
    /// code, whose destructor may block. The default runs it as a task of this executor, which ends at its first poll.
    /// A backend with a pool of threads for blocking work drops it there.
    fn discard(&self, process: Process) {
        self.spawn(process);
    }

    /// Starts a thread with this name, and returns a spawner for an executor that has this thread and no other. It is for
    /// a [`local_worker`](crate::local_worker), whose future is not `Send`: a process that is spawned there is polled and
    /// dropped on that thread, whatever ends it. Only one that was never polled may be dropped elsewhere.
    ///
    /// Called for each start of such a worker, in a process; never blocks. The thread ends when the spawner and its clones
    /// are gone, and each process holds one. An error is a failed start. The default is an error: without this method an
    /// executor has no local workers.
    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        let _ = name;
        Err("this executor has no local workers; give the worker a `with_placement` on Tokio or smol".into())
    }

    /// Drops the tasks on this thread that are not `Send`, and that a process has started beside its own future. Called
    /// on the thread of a [`local_executor`](Self::local_executor), when a local worker has ended: its future is dropped
    /// by then, and its exit is not visible yet. The default does nothing, which is right for an executor on which a
    /// future owns all its tasks.
    fn drop_local_tasks(&self) {}
}

/// Hands a process to the executor that is to run it. If that executor refuses it, `home` drops it.
pub(crate) fn spawn(process: Process, on: &dyn Spawner, home: &dyn Spawner) {
    // P1, P3: a refused process is dropped, and reports that it is lost, but not on this stack: it owns user code, and
    // this may be the stack of a supervisor.
    if let Some(refused) = hand_over(|| on.spawn(process)) {
        refused.into_iter().for_each(|refused| drop(guard(|| home.discard(refused))));
    }
}

/// A spawner, as a tree holds it: dropped under a guard. Any part of a tree may be its last owner, and a panic in the
/// destructor of an executor must not reach it.
#[derive(Clone)]
pub(crate) struct Executor(Option<Arc<dyn Spawner>>);

impl Executor {
    pub(crate) fn new(spawner: Arc<dyn Spawner>) -> Self {
        Self(Some(spawner))
    }
}

impl Deref for Executor {
    type Target = Arc<dyn Spawner>;

    fn deref(&self) -> &Arc<dyn Spawner> {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let spawner = self.0.take();
        let _ = guard(|| drop(spawner));
    }
}

// A backend is foreign code. These call its methods so that a panic in one of them ends no supervisor.

/// Returns the time on this executor's clock; if that panics, the time on the system's clock. For callers that have to
/// go on.
pub(crate) fn now(spawner: &dyn Spawner) -> Instant {
    // P9: the callers must not unwind: they are destructors, and readers of a tree.
    guard(|| spawner.now()).unwrap_or_else(|_| Instant::now())
}

/// The time of day, for those who have to go on if that panics: the system's then.
pub(crate) fn system_time(spawner: &dyn Spawner) -> SystemTime {
    // P9: as for the clock.
    guard(|| spawner.system_time()).unwrap_or_else(|_| SystemTime::now())
}

pub(crate) fn seed(spawner: &dyn Spawner) -> u64 {
    guard(|| spawner.seed()).unwrap_or_else(|_| fastrand::u64(..))
}

pub(crate) fn is_virtual(spawner: &dyn Spawner) -> bool {
    guard(|| spawner.is_virtual()).unwrap_or(false)
}

pub(crate) fn nudge(spawner: &dyn Spawner) {
    let _ = guard(|| spawner.nudge());
}

pub(crate) fn drop_local_tasks(spawner: &dyn Spawner) {
    let _ = guard(|| spawner.drop_local_tasks());
}

/// A shared spawner is a spawner, too.
#[diagnostic::do_not_recommend]
impl<S: Spawner + ?Sized> Spawner for Arc<S> {
    fn spawn(&self, process: Process) {
        (**self).spawn(process);
    }

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn system_time(&self) -> SystemTime {
        (**self).system_time()
    }

    fn is_virtual(&self) -> bool {
        (**self).is_virtual()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        (**self).timer()
    }

    fn seed(&self) -> u64 {
        (**self).seed()
    }

    fn nudge(&self) {
        (**self).nudge();
    }

    fn discard(&self, process: Process) {
        (**self).discard(process);
    }

    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        (**self).local_executor(name)
    }

    fn drop_local_tasks(&self) {
        (**self).drop_local_tasks();
    }
}

/// A timer that can be armed any number of times.
pub trait Timer: Send {
    /// Arms the timer; `None` disarms it. A deadline that has passed elapses at the next poll.
    fn reset(self: Pin<&mut Self>, deadline: Option<Instant>);

    /// Returns `Ready` once the deadline has come, and at every poll until the next `reset`. Wakes the last task that
    /// polled it when the deadline comes. A timer that is not armed stays pending.
    fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Makes this timer wake its task even while a blocked poll keeps the executor from its timers, as long as another
    /// thread of the executor is free. A supervisor calls this once, because its limits have to hold; sleeps of user
    /// code do not. The default does nothing, which is right for an executor whose timers no poll can hold up.
    fn insist(self: Pin<&mut Self>) {}
}
