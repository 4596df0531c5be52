/// The threads of a simulated executor: how many, and what a blocked one keeps from the others.
///
/// By default a simulated executor is [unlimited](Self::unlimited): a poll that blocks holds up its own process and nothing
/// else. Give an executor threads to see what real executors do: a poll that blocks occupies the thread that polled it, and
/// with it everything that only that thread can run or wake. Use them with
/// [`Sim::executor_with`](crate::Sim::executor_with) for a subtree, and with
/// [`Sim::with_threads`](crate::Sim::with_threads) for the executor that a root runs on. Polls block with
/// [`Fault::block`](crate::Fault::block), [`block_for`](crate::block_for) and
/// [`block_for_good`](crate::block_for_good).
///
/// ```
/// use supervision::sim::{Sim, Threads};
///
/// // A Tokio runtime with two worker threads, as the executor that roots run on.
/// let sim = Sim::with_threads(7, Threads::like_tokio(2));
/// // Another one, with a single thread, for a subtree.
/// let elsewhere = sim.executor_with(Threads::new(1));
/// ```
#[must_use = "threads do nothing until an executor has them"]
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// The number of threads; `None` is as many as are needed.
    pub(crate) count: Option<usize>,
    pub(crate) has_slots: bool,
    pub(crate) has_one_driver: bool,
    pub(crate) has_strict_timers: bool,
}

impl Threads {
    /// Sets a number of threads. While all of them are blocked, the executor polls nothing. One thread is a
    /// single-threaded runtime; zero threads are [`none`](Self::none).
    ///
    /// Timers do not depend on the threads, as on smol: they elapse whether or not a thread is free.
    pub fn new(count: usize) -> Self {
        Self { count: Some(count), has_slots: false, has_one_driver: false, has_strict_timers: false }
    }

    /// Gives each poll that blocks a thread. This is what [`Sim::executor`](crate::Sim::executor) has. Slots and the
    /// driver have no effect here, because a blocked thread keeps nothing from the others.
    pub fn unlimited() -> Self {
        Self { count: None, ..Self::new(0) }
    }

    /// Gives no thread, like a runtime that is never driven. The executor keeps what is spawned on it, drops it at its
    /// end, and never polls it.
    pub fn none() -> Self {
        Self::new(0)
    }

    /// Sets a number of threads, with [LIFO slots](Self::with_lifo_slots) and [one driver](Self::with_one_driver), as
    /// Tokio's multi-thread scheduler has them.
    pub fn like_tokio(count: usize) -> Self {
        Self::new(count).with_lifo_slots().with_one_driver()
    }

    /// Gives each thread a slot for the process that it woke last.
    ///
    /// A process that a poll wakes or spawns on its own executor goes into the slot of its thread, and the process that
    /// was in there goes to the queue. Only that thread runs the process in its slot. So if the poll blocks, the
    /// process waits until the thread is free, or until [`Spawner::nudge`](supervisor_core::Spawner::nudge) moves it to
    /// the queue.
    pub fn with_lifo_slots(mut self) -> Self {
        self.has_slots = true;
        self
    }

    /// Makes timers elapse only while a thread waits for them.
    ///
    /// The thread that a timer wakes stops waiting for timers, and polls the process that the timer woke. If that poll
    /// blocks, and the other threads have nothing to do, none of them waits for timers in its place: no timer of this
    /// executor elapses. Timers elapse again, and those that are due do so at once, when another thread polls anything,
    /// when the blocked thread is free, or after a [`nudge`](supervisor_core::Spawner::nudge) from outside of a poll of
    /// this executor. A timer that [insists](supervisor_core::Timer::insist) nudges the executor by itself, a
    /// millisecond after its deadline. While no thread is free, no timer elapses.
    pub fn with_one_driver(mut self) -> Self {
        self.has_one_driver = true;
        self
    }

    /// Makes resetting or polling a timer panic once its executor has ended. Dropping one does not panic.
    ///
    /// Without this, such a timer never elapses. Use it to prove that no code relies on the timers of an executor that
    /// is gone: some real ones panic there.
    pub fn with_strict_timers(mut self) -> Self {
        self.has_strict_timers = true;
        self
    }
}
